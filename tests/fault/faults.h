// faults: every allocation, file operation and other call to the system that jt makes passes through here in this
// program, and the n-th of them can be made to fail.
//
// operator new, and the C functions below, are defined by the program itself, so the library's calls arrive here
// whatever code path makes them. Outside of `watching`, and on other threads, they go straight through.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

namespace jt::test {

enum FaultKind : unsigned {
  kNew = 1,      // operator new
  kBuffers = 2,  // the runtime's allocator of values
  kFiles = 4,    // open, stat, read, write, rename, ...
  kSystem = 8,   // mmap, mprotect, memfd_create, posix_spawn, fork, pthread_create
  kClock = 16,   // clock_gettime
  kAllFaults = 31
};

struct Faults {
  unsigned kinds = 0;       // which calls count
  int64_t fail_at = 0;      // the one that fails, from 1; 0: none
  bool from_then_on = false;  // and all after it
  int64_t seen = 0;         // how many there were
  int64_t failed = 0;
  const char* what = "";    // the function that failed
};

// Starts counting from 0 and failing; stop() ends it. Not nested.
void start(const Faults& faults);
Faults stop();

int64_t live_allocations();  // of operator new and `buffers`, since the program began
int open_descriptors();

// For jt_runtime_desc.alloc and free.
void* buffer_alloc(void*, size_t bytes, size_t align);
void buffer_free(void*, void* memory, size_t bytes, size_t align);

}  // namespace jt::test
