// random_programs: a seed -> a valid program with extents, maps and buffers to run it on.
#pragma once
#include <cstdlib>
#include <cstring>
#include <deque>
#include <string>
#include <vector>

#include "backends/cpu_tcc/vm/primitives.h"

namespace jt::vm {

struct RandomCase {
  Program program;
  int64_t outer = 1, inner = 1;
  std::deque<std::vector<char>> buffers;  // each with kGuard bytes of 0xa5 before and after its elements
  std::deque<IndexMap> maps;
  std::vector<int64_t> args;
};
constexpr int64_t kGuard = 64;

RandomCase random_case(uint64_t seed);

// Scratch memory of a run, and whether that wrote past it.
struct Scratch {
  size_t bytes;
  char* data;
  explicit Scratch(int64_t wanted) : bytes(size_t(wanted)) {
    data = static_cast<char*>(std::aligned_alloc(64, (bytes + 127) / 64 * 64));
    std::memset(data, 0x5a, bytes + 64);
  }
  ~Scratch() { std::free(data); }
  bool is_exceeded() const {
    for (size_t k = bytes; k < bytes + 64; k++)
      if (data[k] != 0x5a) return true;
    return false;
  }
};

}  // namespace jt::vm
