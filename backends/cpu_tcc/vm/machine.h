// machine: one run of the block VM: where it stands in the outer and inner space, and where its registers are.
#pragma once
#include "backends/cpu_tcc/vm/vm_plan.h"

namespace jt::vm {

// How many columns a reduction's state holds.
inline int64_t reduction_width(const VmPlan& plan, const int64_t* args) {
  if (plan.layout == Layout::bands) return args[kArgOuter];
  return plan.layout == Layout::column ? column_width(plan.lane_bytes(), args[kArgInner]) : 1;
}

// Lives on the stack; the arrays it points to are in scratch.
struct Machine {
  const VmPlan& plan;
  const int64_t* args;
  char* scratch;
  char** slots;
  IndexMap* maps;
  char* states;
  int64_t width, inner_extent;
  int64_t indices = kBlock;      // inner indices in a full inner block
  uint32_t streaming = 0;        // outputs, by bit
  int64_t outer = 0, inner = 0;  // first element of the current block
  int64_t count[3] = {1, 0, 0};  // elements of a block, by Level
  const struct InnerSplit* split = nullptr;  // how inner stages are walked by several threads; null: by this one

  const IndexMap* map_of(const Op& op) const {
    return op.map >= 0 ? maps + op.map : reinterpret_cast<const IndexMap*>(args[op.word + 1]);
  }
  char* buffer(const Op& op) const { return reinterpret_cast<char*>(args[op.word]); }
  int64_t position(Level level) const {
    if (level == Level::uniform) return 0;
    return level == Level::outer ? outer : outer * inner_extent + inner;
  }
  char* here(const Op& op) const { return buffer(op) + position(op.operand_level) * op.size; }
  bool is_streamed(const Op& op) const { return op.stream >= 0 && streaming >> op.stream & 1; }
  char* take_home(const Op& op) const { return slots[op.dst] = scratch + op.home; }

  char* state_of(int reduction) const {
    char* state = states;
    for (int k = 0; k < reduction; k++) state += reduce_state_bytes(plan.reductions[k].type, width, inner_extent);
    return state;
  }
  bool is_output(const void* buffer) const {
    for (int word : plan.output_words)
      if (reinterpret_cast<const void*>(args[word]) == buffer) return true;
    return false;
  }

  struct Where {
    int64_t outer, inner;
    int along;
  };
  Where where(Level level) const {
    if (level == Level::uniform) return {0, 0, kAlongBoth};
    if (level == Level::outer) return {outer, 0, kAlongOuter};
    if (plan.layout == Layout::row) return {outer, inner, kAlongInner};
    if (plan.layout == Layout::rows) return {outer * inner_extent, 0, kAlongBoth};
    if (plan.layout == Layout::bands) return {inner * count[int(Level::outer)], 0, kAlongBoth};
    return {outer, inner, kAlongOuter};
  }

  bool has_columns() const { return plan.has_columns(); }

  void run_ops(const std::vector<Op>& ops);
  void load_here(const Op& op, int64_t n);
  void load_mapped(const Op& op, int64_t n);
  void run_inner_stage(const PlanStage& stage);
  void begin_inner_stage(const PlanStage& stage);
  void walk_inner(const PlanStage& stage, int64_t from, int64_t to);
  void end_reduction(int reduction, char* to) const;
  void run_block();
  void make_maps();
};

}  // namespace jt::vm
