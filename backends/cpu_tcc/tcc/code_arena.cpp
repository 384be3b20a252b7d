// code_arena: see code_arena.h.
//
// Two ways, tried in this order when the arena is opened:
//   mprotect  private anonymous pages, writable, then made read-execute.
//   memfd     a file in memory, mapped writable, then mapped read-execute over the same addresses and closed:
//             nothing can write to it any more, so a forked child cannot change its parent's code.
#include "backends/cpu_tcc/tcc/code_arena.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/base/file_limit.h"
#include "core/base/status.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

namespace jt::cpu {
namespace {

constexpr int kReadWrite = PROT_READ | PROT_WRITE;
constexpr int kReadExecute = PROT_READ | PROT_EXEC;

[[noreturn]] void fail_with_errno(const char* what) {
  int code = errno;
  bool is_shortage = code == ENOMEM || code == EMFILE || code == ENFILE || code == EAGAIN;
  throw Error(is_shortage ? JT_E_NOMEM : JT_E_UNSUPPORTED,
              text("executable memory: ", what, " failed: ", std::strerror(code)), code);
}

size_t round_to_pages(size_t size) {
  size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  if (size > SIZE_MAX / 2) fail(JT_E_NOMEM, "executable memory: ", size, " bytes wanted");
  return size < page ? page : (size + page - 1) / page * page;
}

// Kernels before 6.3 do not know MFD_EXEC; later ones may be set to refuse executable mappings without it.
int open_memfd() {
  int file = memfd_create("jt code", MFD_CLOEXEC | MFD_EXEC);
  return file < 0 && errno == EINVAL ? memfd_create("jt code", MFD_CLOEXEC) : file;
}

bool set_size(int file, size_t size) {
  FileLimit limit;
  int error = ftruncate(file, static_cast<off_t>(size)) == 0 ? 0 : errno;
  return errno = error, error == 0;
}

}  // namespace

CodeBlock CodeBlock::adopt(std::shared_ptr<void> owner) {
  CodeBlock block;
  block.owner_ = std::move(owner);
  return block;
}

CodeBlock::~CodeBlock() {
  if (data_) {
    munmap(data_, size_);
    arena_->live_bytes_.fetch_sub(size_, std::memory_order_relaxed);
  }
  if (file_ >= 0) close(file_);
}

void CodeBlock::swap(CodeBlock& other) noexcept {
  std::swap(arena_, other.arena_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(file_, other.file_);
  std::swap(owner_, other.owner_);
}

void CodeBlock::make_executable() {
  if (file_ >= 0) {
    void* mapped = mmap(data_, size_, kReadExecute, MAP_SHARED | MAP_FIXED, file_, 0);
    if (mapped == MAP_FAILED) fail_with_errno("mmap");
    close(std::exchange(file_, -1));
  } else if (mprotect(data_, size_, kReadExecute) != 0) {
    fail_with_errno("mprotect");
  }
  char* begin = static_cast<char*>(data_);
  __builtin___clear_cache(begin, begin + size_);
}

CodeBlock CodeArena::allocate(size_t size) {
  size = round_to_pages(size);
  CodeBlock block;
  if (uses_memfd_) {
    block.file_ = open_memfd();
    if (block.file_ < 0) fail_with_errno("memfd_create");
    if (!set_size(block.file_, size)) fail_with_errno("ftruncate");
  }
  int flags = uses_memfd_ ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
  void* data = mmap(nullptr, size, kReadWrite, flags, block.file_, 0);
  if (data == MAP_FAILED) fail_with_errno("mmap");
  block.arena_ = this;
  block.data_ = data;
  block.size_ = size;
  live_bytes_.fetch_add(size, std::memory_order_relaxed);
  return block;
}

// The whole way of a block, except that nothing is run.
void CodeArena::try_out() {
  CodeBlock block = allocate(1);
  std::memset(block.data(), 0, 1);
  block.make_executable();
}

std::unique_ptr<CodeArena> CodeArena::open(std::string* why_not) {
  why_not->clear();
  for (bool uses_memfd : {false, true}) {
    std::unique_ptr<CodeArena> arena(new CodeArena(uses_memfd));
    try {
      arena->try_out();
      return arena;
    } catch (const Error& error) {
      append(*why_not, why_not->empty() ? "" : "; ");
      append(*why_not, error.message());
    }
  }
  return nullptr;
}

}  // namespace jt::cpu
