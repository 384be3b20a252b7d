// pipeline: the whole way from a captured graph to a plan.
#pragma once
#include "core/ir/block.h"
#include "core/runtime/make_plan.h"
#include "core/runtime/runtime.h"

namespace jt {

// dies[i]: param i is not needed afterwards and its buffer is exclusively ours. Under a budget, in bytes of the arena,
// values are computed again instead of being kept (schedule/recompute.h): none where that does not help. dump may be
// null. `extents`: those of the block are Dims of this table, which holds the guards of the plan afterwards. device:
// whose kernels and memory.
SizedPlan compile(Block block, Runtime& runtime, const std::vector<bool>& dies, const Dump* dump,
                  const Watch& watch = {}, int64_t budget = kAnyMemory, const PlanExtents* extents = nullptr,
                  int device = 0);

}  // namespace jt
