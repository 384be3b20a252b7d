// scratch: a folder of its own for each test, and a file system whose calls fail when told to.
#pragma once
#include <gtest/gtest.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "core/base/file.h"
#include "core/base/status.h"

namespace jt::test {

class Scratch {
 public:
  Scratch() {
    std::string pattern = (std::filesystem::temp_directory_path() / "jt test 'q\" 数据 XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~Scratch() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }
  size_t count() const { return size_t(std::distance(std::filesystem::directory_iterator(path_), {})); }

 private:
  std::string path_;
};

inline std::string content(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void put(const std::string& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), std::streamsize(bytes.size()));
}

inline Bytes bytes_from(std::string_view bytes) {
  Bytes buffer = make_bytes(bytes.size());
  bytes.copy(buffer.data.get(), bytes.size());
  return buffer;
}

// The message of the Error that the call ends in; "no error" if it does not.
template <class Call>
std::string error_of(Call call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_LT(error.code(), 0);
    return error.message();
  }
  return "no error";
}

// The n-th call from now on fails with `error`; calls are counted, so a test can walk n over all of them.
struct Fault {
  static inline int calls = 0, failing = -1, error = 0;
  static inline bool stays_broken = false;
  static inline size_t most_per_call = SIZE_MAX;  // for short reads and writes
  static void none() { failing = -1, calls = 0, most_per_call = SIZE_MAX, stays_broken = false; }
  static void at(int n, int with, bool from_then_on = false) {
    none(), failing = n, error = with, stays_broken = from_then_on;
  }
  static bool hits() {
    int n = calls++;
    if (failing < 0 || (stays_broken ? n < failing : n != failing)) return false;
    errno = error;
    return true;
  }
};

inline constexpr FileSystem kFaulty = {
    [](int folder, const char* path, int flags, mode_t mode) {
      return Fault::hits() ? -1 : kFileSystem.openat(folder, path, flags, mode);
    },
    [](int folder, const char* path, struct stat* out, int flags) {
      return Fault::hits() ? -1 : kFileSystem.fstatat(folder, path, out, flags);
    },
    [](int fd, struct stat* out) { return Fault::hits() ? -1 : kFileSystem.fstat(fd, out); },
    [](int fd, void* to, size_t size) -> ssize_t {
      return Fault::hits() ? -1 : kFileSystem.read(fd, to, std::min(size, Fault::most_per_call));
    },
    [](int fd, const void* from, size_t size) -> ssize_t {
      return Fault::hits() ? -1 : kFileSystem.write(fd, from, std::min(size, Fault::most_per_call));
    },
    [](int fd) { return Fault::hits() ? -1 : kFileSystem.fsync(fd); },
    // A failing close has closed all the same.
    [](int fd) {
      int result = kFileSystem.close(fd);
      return Fault::hits() ? -1 : result;
    },
    [](int from_folder, const char* from, int to_folder, const char* to) {
      return Fault::hits() ? -1 : kFileSystem.renameat(from_folder, from, to_folder, to);
    },
    [](int folder, const char* path, int flags) {
      return Fault::hits() ? -1 : kFileSystem.unlinkat(folder, path, flags);
    },
    [](int folder, const char* path, mode_t mode) {
      return Fault::hits() ? -1 : kFileSystem.mkdirat(folder, path, mode);
    },
    [](int fd) -> DIR* { return Fault::hits() ? nullptr : kFileSystem.fdopendir(fd); },
    [](DIR* listing) -> dirent* { return Fault::hits() ? nullptr : kFileSystem.readdir(listing); },
    [](DIR* listing) { return kFileSystem.closedir(listing); },
    []() { return kFileSystem.geteuid(); },
    [](int fd, void* to, size_t size, off_t at) -> ssize_t {
      return Fault::hits() ? -1 : kFileSystem.pread(fd, to, std::min(size, Fault::most_per_call), at);
    },
};

inline size_t open_descriptors() {
  return size_t(std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}));
}

}  // namespace jt::test
