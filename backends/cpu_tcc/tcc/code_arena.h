// code_arena: memory that is written first and executed afterwards, never both at once at one address.
//
// A block is whole pages: writable when allocated, then make_executable() once, and returned to the system
// when it goes. Pages are not shared between kernels, because libtcc relocates for the address that it writes
// to; the kernel merges neighbouring mappings. A block's own static data is read-only once it is executable.
// Relocated code may hold absolute addresses of this process; what tier/ keeps on the disk is made of text
// that names none.
#pragma once
#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>

namespace jt::cpu {

class CodeArena;

// Owns code. Gone before its arena, and not before the last call into it has returned.
class CodeBlock {
 public:
  // For code that lives in something else, which goes with the block.
  static CodeBlock adopt(std::shared_ptr<void> owner);

  CodeBlock() = default;
  CodeBlock(CodeBlock&& other) noexcept { swap(other); }
  CodeBlock& operator=(CodeBlock&& other) noexcept {
    CodeBlock(std::move(other)).swap(*this);
    return *this;
  }
  ~CodeBlock();

  void* data() const { return data_; }
  size_t size() const { return size_; }
  // Any thread may run the code once this has returned. Throws JT_E_NOMEM or JT_E_UNSUPPORTED.
  void make_executable();

 private:
  friend class CodeArena;
  void swap(CodeBlock& other) noexcept;

  CodeArena* arena_ = nullptr;
  void* data_ = nullptr;
  size_t size_ = 0;
  int file_ = -1;  // the memfd behind a block that is still being written
  std::shared_ptr<void> owner_;
};

// Thread-safe.
class CodeArena {
 public:
  // Null, and the reason, if this process may have no executable memory (seccomp, SELinux, PaX).
  static std::unique_ptr<CodeArena> open(std::string* why_not);

  // Writable and not executable; at least `size` bytes. Throws JT_E_NOMEM.
  CodeBlock allocate(size_t size);
  size_t live_bytes() const { return live_bytes_.load(std::memory_order_relaxed); }
  // Whether code is written to a file in memory: where mprotect may not make pages executable (PR_SET_MDWE).
  bool uses_memfd() const { return uses_memfd_; }

 private:
  friend class CodeBlock;
  explicit CodeArena(bool uses_memfd) : uses_memfd_(uses_memfd) {}
  void try_out();

  const bool uses_memfd_;
  std::atomic<size_t> live_bytes_{0};
};

}  // namespace jt::cpu
