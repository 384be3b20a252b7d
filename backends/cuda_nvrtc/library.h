// library: names and folders -> dynamic libraries that are open; every path that was tried is remembered with why it is
// not the one.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace jt::cuda {

struct Attempt {
  std::string path, why;  // why not; empty: taken
};
using Attempts = std::vector<Attempt>;

// An open library. It stays open while somebody holds it.
class Library {
 public:
  Library() = default;
  // Null if it cannot be opened, and why.
  static Library open(const std::string& path, std::string& why);
  // One that the process has open already.
  static Library already_open(const std::string& name);
  explicit operator bool() const { return bool(handle_); }
  void* find(const char* symbol) const;
  std::string path() const;    // the file that it came from
  std::string folder() const;  // of that, without a slash at the end
  void keep_forever();         // some libraries do not survive being closed

 private:
  std::shared_ptr<void> handle_;
  std::string name_;
};

std::string folder_of(std::string_view path);
// Why none served: what is there and does not serve says more than what is not there.
std::string why_none(const Attempts& attempts, std::string_view name);

}  // namespace jt::cuda
