// program_check: one random program, run in several ways in one context; every value that it looks at is what the
// reference evaluator says, also when looked at again at the end.
#pragma once
#include "tests/fuzz/random_graph.h"
#include "tests/fuzz/shrink.h"

namespace jt::test {

struct CheckStats {
  int64_t reused = 0;  // programs that ran the second time on the plans of the first
  int64_t sizes = 0, sized_again = 0;  // runs with other extents; those where a plan of others held
};

// Empty if all is well, else what went wrong. With `failed`, says more, and gives what failed as a block.
std::string outcome(Bench& bench, const Draw& draw, bool* traits, Case* failed = nullptr, CheckStats* stats = nullptr);

}  // namespace jt::test
