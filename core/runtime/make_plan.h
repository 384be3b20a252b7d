// make_plan: a block, its steps, their programs and places -> a plan, and the numbers of its extents.
#pragma once
#include "core/ir/numbering.h"
#include "core/runtime/plan.h"
#include "core/runtime/watch.h"

namespace jt {

// What extents of a graph are symbols, and how they are found.
struct PlanExtents {
  DimTable& table;
  std::span<const Dim> binding;
  std::span<const uint32_t> of_symbol;
};

// What the stages before have made of a graph.
struct LoweredGraph {
  const Block& block;
  const Numbering& numbering;
  const Schedule& schedule;
  const std::vector<LoweredGroup>& groups;  // by step
  const MemoryPlan& memory;
  int64_t budget;  // of bytes in the arena, or kAnyMemory
  const PlanExtents* extents;  // null: they are numbers
  int64_t limit;   // of the pool, in bytes; 0: none
  // by step: plans of the blocks that its node owns
  const std::vector<std::vector<std::shared_ptr<const Plan>>>* bodies = nullptr;
  bool is_body = false;  // of a region: its sizing is made with the plan around it
};

// Kernels are compiled on the way: `watch` may end that between two of them. dump may be null; it sees stages k and c.
SizedPlan make_plan(const LoweredGraph& graph, KernelCache& kernels, const Dump* dump, const Watch& watch);

}  // namespace jt
