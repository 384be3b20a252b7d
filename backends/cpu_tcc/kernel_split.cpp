#include "backends/cpu_tcc/kernel_split.h"

namespace jt::cpu {

// Per element and instruction, from blocks in L1; what memory adds is not known here.
static double ns_of(const Instr& i, const Program& p) {
  bool is_mapped = i.operand >= 0 && i.code != Code::scalar && p.operands[size_t(i.operand)].access == Access::mapped;
  switch (i.code) {
    case Code::scalar: return 0;
    case Code::load: case Code::store: return is_mapped ? 0.5 : 0.1;
    case Code::element: return is_mapped ? 0.7 : 0.25;
    case Code::narrow: case Code::convert: case Code::reduce: return 0.15;
    case Code::index: return 1;
    case Code::gather: case Code::scatter: return 1.5;
    case Code::random: return 3;
  }
  return 0;
}

KernelCost cost_of(const Program& program) {
  KernelCost cost;
  for (const Stage& stage : program.stages)
    for (int k = stage.first; k < stage.last; k++) {
      const Instr& i = program.instrs[size_t(k)];
      double ns = ns_of(i, program);
      if (stage.level == Level::outer) cost.outer += ns;
      if (stage.level == Level::inner) cost.inner += ns;
      if (i.code == Code::scatter) cost.splits = false;
    }
  // Every range runs the uniform stages, which may read what such an output has been written to.
  for (const Operand& o : program.operands)
    if (o.is_output && o.level == Level::uniform) cost.splits = false;
  return cost;
}

KernelSplit split_of(const KernelCost& cost, const vm::VmCode& code, const Lanes& lanes, const int64_t* args,
                     int64_t begin, int64_t end) {
  KernelSplit split;
  if (!lanes.are_many() || !cost.splits) return split;
  int64_t outer = args[kArgOuter], inner = args[kArgInner];
  double ns = cost.outer + cost.inner * double(inner);
  int64_t step = code.outer_step(args), chunks = code.inner_chunks(args);
  auto pieces = [step](int64_t elements) { return (elements + step - 1) / step; };
  // What one walk of the inner space computes: for one row, or for as many columns as there are.
  double walk_ns = step > 1 ? ns * double(outer) : ns;
  bool has_outer = pieces(outer) >= 2 * lanes.most();
  if (!has_outer && chunks > 1 && lanes.count({chunks, walk_ns}) > 1) {
    split.axis = KernelSplit::inner;
    split.work = {chunks, walk_ns};
  } else {
    split.axis = KernelSplit::outer;
    split.step = step;
    split.work = {pieces(end - begin), ns * double(end - begin)};
  }
  split.lanes = lanes.count(split.work);
  if (split.lanes == 1) split.axis = KernelSplit::none;
  return split;
}

int64_t scratch_bytes(const KernelSplit& split, const vm::VmCode& code, const int64_t* args) {
  if (split.axis == KernelSplit::inner) return code.split_scratch_bytes(args, split.lanes);
  return split.lanes * code.scratch_bytes(args);
}

}  // namespace jt::cpu
