// faults: see the header.
#include "tests/fault/faults.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdlib>
#include <new>

namespace jt::test {

static thread_local bool is_watching;
static Faults now;
static std::atomic<int64_t> live;

// A place for a breakpoint.
__attribute__((noinline)) void failed_here() { asm volatile(""); }

// Whether this call of `what` is the one that has to fail.
static bool fails(FaultKind kind, const char* what) {
  if (!is_watching || !(now.kinds & kind)) return false;
  now.seen++;
  bool is_due = now.fail_at && (now.from_then_on ? now.seen >= now.fail_at : now.seen == now.fail_at);
  if (!is_due) return false;
  now.failed++;
  if (now.failed == 1) now.what = what;
  failed_here();
  return true;
}

void start(const Faults& faults) {
  now = faults;
  now.seen = now.failed = 0;
  is_watching = true;
}
Faults stop() {
  is_watching = false;
  return now;
}
int64_t live_allocations() { return live; }
int open_descriptors() {
  int count = 0;
  for (int fd = 0; fd < 1024; fd++) count += fcntl(fd, F_GETFD) != -1;
  return count;
}

static void* allocate(size_t bytes, size_t align) {
  void* memory = align > alignof(max_align_t) ? std::aligned_alloc(align, (bytes + align - 1) / align * align)
                                              : std::malloc(bytes ? bytes : 1);
  if (memory) live++;
  return memory;
}
static void deallocate(void* memory) {
  if (!memory) return;
  live--;
  std::free(memory);
}
void* buffer_alloc(void*, size_t bytes, size_t align) {
  return fails(kBuffers, "buffer") ? nullptr : allocate(bytes, align);
}
void buffer_free(void*, void* memory, size_t, size_t) { deallocate(memory); }

template <class Function>
static Function* real(Function*, const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

}  // namespace jt::test

using namespace jt::test;

static void* allocate_or_throw(size_t bytes, size_t align) {
  void* memory = fails(kNew, "new") ? nullptr : allocate(bytes, align);
  if (!memory) throw std::bad_alloc();
  return memory;
}
void* operator new(size_t bytes) { return allocate_or_throw(bytes, 1); }
void* operator new[](size_t bytes) { return allocate_or_throw(bytes, 1); }
void* operator new(size_t bytes, std::align_val_t align) { return allocate_or_throw(bytes, size_t(align)); }
void* operator new[](size_t bytes, std::align_val_t align) { return allocate_or_throw(bytes, size_t(align)); }
void* operator new(size_t bytes, const std::nothrow_t&) noexcept {
  return fails(kNew, "new") ? nullptr : allocate(bytes, 1);
}
void* operator new[](size_t bytes, const std::nothrow_t&) noexcept {
  return fails(kNew, "new") ? nullptr : allocate(bytes, 1);
}
void operator delete(void* memory) noexcept { deallocate(memory); }
void operator delete[](void* memory) noexcept { deallocate(memory); }
void operator delete(void* memory, size_t) noexcept { deallocate(memory); }
void operator delete[](void* memory, size_t) noexcept { deallocate(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { deallocate(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { deallocate(memory); }
void operator delete(void* memory, size_t, std::align_val_t) noexcept { deallocate(memory); }
void operator delete[](void* memory, size_t, std::align_val_t) noexcept { deallocate(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { deallocate(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { deallocate(memory); }

// One C function of the system: fails with `error` and `result`, or is the real one.
#define JT_SYSTEM_CALL(kind, type, name, parameters, arguments, result, error)       \
  extern "C" __attribute__((visibility("default"))) type name parameters {           \
    if (fails(kind, #name)) return errno = error, result;                            \
    static auto* const next = real(static_cast<type(*) parameters>(nullptr), #name); \
    return next arguments;                                                           \
  }
// A call that also does its work before it reports the failure, as close does.
#define JT_CLOSING_CALL(type, name, parameters, arguments, result, error)            \
  extern "C" __attribute__((visibility("default"))) type name parameters {           \
    bool is_failing = fails(kFiles, #name);                                          \
    static auto* const next = real(static_cast<type(*) parameters>(nullptr), #name); \
    type done = next arguments;                                                      \
    return is_failing ? (errno = error, result) : done;                              \
  }

JT_SYSTEM_CALL(kFiles, int, fstatat, (int folder, const char* path, struct stat* out, int flags),
               (folder, path, out, flags), -1, EIO)
JT_SYSTEM_CALL(kFiles, int, fstat, (int fd, struct stat* out) noexcept, (fd, out), -1, EIO)
JT_SYSTEM_CALL(kFiles, ssize_t, read, (int fd, void* to, size_t size), (fd, to, size), -1, EIO)
JT_SYSTEM_CALL(kFiles, ssize_t, write, (int fd, const void* from, size_t size), (fd, from, size), -1, ENOSPC)
JT_SYSTEM_CALL(kFiles, int, fsync, (int fd), (fd), -1, EIO)
JT_CLOSING_CALL(int, close, (int fd), (fd), -1, EIO)
JT_SYSTEM_CALL(kFiles, int, renameat, (int from, const char* a, int to, const char* b) noexcept, (from, a, to, b), -1,
               EACCES)
JT_SYSTEM_CALL(kFiles, int, unlinkat, (int folder, const char* path, int flags) noexcept, (folder, path, flags), -1,
               EACCES)
JT_SYSTEM_CALL(kFiles, int, mkdirat, (int folder, const char* path, mode_t mode) noexcept, (folder, path, mode), -1,
               EACCES)
JT_SYSTEM_CALL(kFiles, DIR*, fdopendir, (int fd), (fd), nullptr, ENOMEM)
JT_SYSTEM_CALL(kFiles, struct dirent*, readdir, (DIR* listing), (listing), nullptr, EIO)
JT_SYSTEM_CALL(kSystem, void*, mmap, (void* at, size_t size, int access, int flags, int fd, off_t from) noexcept,
               (at, size, access, flags, fd, from), MAP_FAILED, ENOMEM)
JT_SYSTEM_CALL(kSystem, int, mprotect, (void* at, size_t size, int access) noexcept, (at, size, access), -1, EACCES)
JT_SYSTEM_CALL(kSystem, int, memfd_create, (const char* name, unsigned flags) noexcept, (name, flags), -1, EMFILE)
JT_SYSTEM_CALL(kSystem, int, pthread_create,
               (pthread_t* out, const pthread_attr_t* how, void* (*run)(void*), void* user) noexcept,
               (out, how, run, user), EAGAIN, EAGAIN)
JT_SYSTEM_CALL(kSystem, int, posix_spawn,
               (pid_t* out, const char* path, const posix_spawn_file_actions_t* actions, const posix_spawnattr_t* how,
                char* const* argv, char* const* env),
               (out, path, actions, how, argv, env), EAGAIN, EAGAIN)
JT_SYSTEM_CALL(kSystem, int, posix_spawnp,
               (pid_t* out, const char* path, const posix_spawn_file_actions_t* actions, const posix_spawnattr_t* how,
                char* const* argv, char* const* env),
               (out, path, actions, how, argv, env), EAGAIN, EAGAIN)
JT_SYSTEM_CALL(kSystem, pid_t, fork, (), (), -1, EAGAIN)
JT_SYSTEM_CALL(kClock, int, clock_gettime, (clockid_t clock, struct timespec* out) noexcept, (clock, out), -1, EINVAL)

extern "C" __attribute__((visibility("default"))) int openat(int folder, const char* path, int flags, ...) {
  if (fails(kFiles, "openat")) return errno = EMFILE, -1;
  static auto* const next = real(static_cast<int (*)(int, const char*, int, ...)>(nullptr), "openat");
  mode_t mode = 0;
  if (flags & (O_CREAT | O_TMPFILE)) {
    va_list rest;
    va_start(rest, flags);
    mode = va_arg(rest, mode_t);
    va_end(rest);
  }
  return next(folder, path, flags, mode);
}
