// far_memory: the memory of a far device: addresses for the host, which it cannot follow, and the same bytes for the
// device's thread.
#pragma once
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <mutex>

namespace jt::test {

class FarMemory {
 public:
  FarMemory() {
    int file = memfd_create("jt_far", 0);
    if (file < 0 || ftruncate(file, off_t(kBytes))) return;
    void* host = mmap(nullptr, kBytes, PROT_NONE, MAP_SHARED, file, 0);
    void* device = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (host == MAP_FAILED || device == MAP_FAILED) return;
    host_ = static_cast<char*>(host), device_ = static_cast<char*>(device);
    free_[kMargin] = kBytes - 2 * kMargin;
  }
  ~FarMemory() {
    if (host_) munmap(host_, kBytes);
    if (device_) munmap(device_, kBytes);
  }
  FarMemory(const FarMemory&) = delete;
  bool is_there() const { return host_ && device_; }

  // Fresh memory holds NaN bytes, and so does what was freed.
  void* take(size_t bytes, size_t most) {
    std::lock_guard lock(mutex_);
    bytes = rounded(bytes);
    if (used_ + bytes > most) return nullptr;
    for (auto it = free_.begin(); it != free_.end(); ++it) {
      auto [at, room] = *it;
      if (room < bytes) continue;
      free_.erase(it);
      if (room > bytes) free_[at + bytes] = room - bytes;
      used_ += bytes;
      std::memset(device_ + at, 0xff, bytes);
      return host_ + at;
    }
    return nullptr;
  }
  void give(void* address, size_t bytes) {
    std::lock_guard lock(mutex_);
    bytes = rounded(bytes);
    size_t at = size_t(static_cast<char*>(address) - host_);
    std::memset(device_ + at, 0xff, bytes);
    used_ -= bytes;
    auto it = free_.emplace(at, bytes).first;
    if (auto next = std::next(it); next != free_.end() && at + it->second == next->first)
      it->second += next->second, free_.erase(next);
    if (it == free_.begin()) return;
    if (auto before = std::prev(it); before->first + before->second == at)
      before->second += it->second, free_.erase(it);
  }
  size_t used() {
    std::lock_guard lock(mutex_);
    return used_;
  }
  bool has(const void* address) const {
    auto* p = static_cast<const char*>(address);
    return p >= host_ && p < host_ + kBytes;
  }
  template <class T>
  T* seen_by_device(T* address) const {
    return reinterpret_cast<T*>(reinterpret_cast<char*>(uintptr_t(address)) - host_ + device_);
  }

 private:
  static constexpr size_t kBytes = size_t(1) << 32, kMargin = size_t(1) << 24;  // addresses only
  static size_t rounded(size_t bytes) { return (bytes + 63) / 64 * 64; }
  char *host_ = nullptr, *device_ = nullptr;
  std::mutex mutex_;
  std::map<size_t, size_t> free_;
  size_t used_ = 0;
};

}  // namespace jt::test
