// vm_plan: a Program decoded for one layout (core/render/block_plan), and the primitive that each op of it calls.
#pragma once
#include <vector>

#include "backends/cpu_tcc/vm/primitives.h"
#include "core/render/block_plan.h"

namespace jt::vm {

using loops::BlockPlan;
using loops::Layout;
using loops::Op;
using loops::OpKind;
using loops::PlanReduction;
using loops::PlanStage;
using loops::SyntheticMap;

// What an op calls.
struct Function {
  union {
    const void* entry = nullptr;
    ElementFn element;
    BlockFn block;
    RepeatFn repeat;
    MapLoadFn map_load;
    MapStoreFn map_store;
    MapIndexFn map_index;
    GatherFn gather;
    ScatterFn scatter;
    const ReduceFns* reduce;
  };
  int primitive = -1;  // its number, or of the first of a reduction's
};

struct VmPlan : BlockPlan {
  std::vector<Function> functions;  // by number of the op; none for scalars
  BlockFn stream = nullptr;         // writes outputs past the caches
  const Function& of(const Op& op) const { return functions[size_t(op.number)]; }
  const ReduceFns& of(const PlanReduction& reduction) const { return *functions[size_t(reduction.op)].reduce; }
};

// After streamed stores, before another thread is told of them.
inline void store_fence() { __builtin_ia32_sfence(); }

// JT_E_INTERNAL where there is no such primitive.
Function function_of(const Program& program, const Op& op, const Primitives& primitives);
VmPlan make_plan(const Program& program, const Primitives& primitives, Layout layout);

}  // namespace jt::vm
