// random_graph: seeds -> a graph recorded in a context, of every kind of row, and which of its values are held.
//
// Structure, values and sizes are drawn apart, so that the same structure can be recorded again with other scalars,
// starts and data (then the plan of the first must serve the second), and with other extents (then its kernels must).
// Float operands of library rows are small whole numbers: their sums are exact in any order, so bits can be compared.
#pragma once
#include <functional>
#include <random>

#include "tests/pipeline/support.h"

namespace jt::test {

enum Trait {
  kReduceThenElement,
  kIndexMap,
  kHeldInside,
  kSliceAssign,
  kNarrow,
  kGradient,
  kZeroSize,
  kLibrary,
  kSteps,
  kControl,
  kTraits
};
inline const char* name(Trait t) {
  static constexpr const char* kNames[] = {"reduction feeding element-wise", "index maps", "held in the middle",
                                           "slice assignment", "narrow dtypes", "gradient", "zero-size",
                                           "library rows", "evaluated in steps", "loops and branches"};
  return kNames[t];
}

constexpr int kSizes = 6;

struct Draw {
  uint64_t structure, values;
  int sizes = 0;       // which table of extents
  int max_nodes = 14;  // about how many ops
  bool names = false;  // some dimensions of leaves are named
};

struct RandomGraph {
  std::vector<Value> leaves, values;  // everything recorded, in order
  std::vector<Ref> held;              // what someone looks at; the last of them are results
  bool traits[kTraits] = {};
};

// `between` is called where the program would look at values before it goes on.
using Between = std::function<void(std::span<const Value> looked_at)>;
RandomGraph record_random(Context& context, const Draw& draw, const Between& between);

}  // namespace jt::test
