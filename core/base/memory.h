// memory: where the bytes of buffers lie: the host's memory, or that of one device.
#pragma once
#include <cstddef>
#include <string>

namespace jt {

struct Buffer;

// Where the host's memory comes from; a host may bring its own.
struct Allocator {
  void* (*alloc)(void* user, size_t bytes, size_t align);
  void (*free)(void* user, void* p, size_t bytes, size_t align);
  void* user;
};
Allocator default_allocator();  // mimalloc, large blocks in large pages

class Memory {
 public:
  Memory(bool is_host, std::string name) : is_host(is_host), name(std::move(name)) {}
  virtual ~Memory() = default;
  Memory(const Memory&) = delete;
  const bool is_host;  // the host may follow an address that `take` gave
  const std::string name;  // `host`, or the device's
  virtual void* take(size_t bytes, size_t align) = 0;  // null: there is none left
  virtual void give(void* address, size_t bytes, size_t align) noexcept = 0;
  // A counted buffer of the host's memory with the bytes of one that lies here, once they are there.
  virtual Buffer* fetch(Buffer& buffer) = 0;
  virtual std::string room() const { return {}; }  // what there is in all, for an error; empty: not known
};

class HostMemory final : public Memory {
 public:
  explicit HostMemory(const Allocator& allocator) : Memory(true, "host"), allocator_(allocator) {}
  void* take(size_t bytes, size_t align) override { return allocator_.alloc(allocator_.user, bytes, align); }
  void give(void* address, size_t bytes, size_t align) noexcept override {
    allocator_.free(allocator_.user, address, bytes, align);
  }
  Buffer* fetch(Buffer& buffer) override;

 private:
  const Allocator allocator_;
};

}  // namespace jt
