// kernel_split: a launch -> whether several lanes share it, along which space, and in which pieces.
//
// Along the outer space where it has enough pieces: then any tier runs the ranges. Else along the inner space, which
// the block VM walks (a sum of everything has one outer element). A scatter keeps the order of its source and is never
// split.
#pragma once
#include "backends/cpu_tcc/lanes.h"
#include "backends/cpu_tcc/vm/vm.h"

namespace jt::cpu {

// About what a program costs one thread, in nanoseconds per element of each space.
struct KernelCost {
  bool splits = true;
  double outer = 0, inner = 0;
};
KernelCost cost_of(const Program& program);

struct KernelSplit {
  enum Axis : uint8_t { none, outer, inner } axis = none;
  int64_t step = 1;  // outer: elements in a piece
  Work work{1, 0};   // outer: of the range; inner: of one inner space
  int64_t lanes = 1;
};
// The axis depends on the whole launch, so that scratch memory made for it serves every range of it.
KernelSplit split_of(const KernelCost& cost, const vm::VmCode& code, const Lanes& lanes, const int64_t* args,
                     int64_t begin, int64_t end);
int64_t scratch_bytes(const KernelSplit& split, const vm::VmCode& code, const int64_t* args);

}  // namespace jt::cpu
