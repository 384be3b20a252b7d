// random_programs: a seed -> a valid program with extents, maps and buffers to run it on.
#pragma once
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

}  // namespace jt::vm
