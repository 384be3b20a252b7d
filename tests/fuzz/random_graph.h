// random_graph: a seed -> a graph recorded in a context, of every kind of row, and which of its values are held.
//
// Structure and values are drawn from two seeds, so that the same structure can be recorded again with other scalars,
// starts and data: then the plan of the first must serve the second.
#pragma once
#include <random>

#include "tests/pipeline/support.h"

namespace jt::test {

enum Trait { kReduceThenElement, kIndexMap, kHeldInside, kSliceAssign, kNarrow, kGradient, kZeroSize, kTraits };
inline const char* name(Trait t) {
  static constexpr const char* kNames[] = {"reduction feeding element-wise", "index maps", "held in the middle",
                                           "slice assignment", "narrow dtypes", "gradient", "zero-size"};
  return kNames[t];
}

struct RandomGraph {
  std::vector<Value> leaves, values;  // everything recorded, in order
  std::vector<Ref> held;              // what someone looks at; the last of them are results
  bool traits[kTraits] = {};
};

// max_nodes: about how many ops. Library ops on floats are left out: they agree to a bound only.
RandomGraph record_random(Context& context, uint64_t structure_seed, uint64_t value_seed, int max_nodes);

}  // namespace jt::test
