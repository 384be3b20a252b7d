// inner_split: one inner stage of one outer block -> chunks of the inner space, walked by several lanes; what their
// reductions gave is combined as a walk by one thread would have.
//
// A chunk is kReduceBlock times a power of two: a whole subtree of the reduction's binary tree (the last one is what is
// left). So the results of chunks are what the tree has at that height, and combining them goes on where they ended.
#pragma once
#include "backends/cpu_tcc/lanes.h"
#include "backends/cpu_tcc/vm/machine.h"

namespace jt::vm {

struct InnerChunks {
  static constexpr int64_t kMost = 32;
  int64_t length = kReduceBlock, count, extent;
  explicit InnerChunks(int64_t inner) : extent(inner) {
    while (inner / length > kMost) length *= 2;
    count = (inner + length - 1) / length;
  }
};

struct InnerSplit {
  InnerChunks chunks;
  const cpu::Lanes& lanes;
  int64_t lanes_count;
  double ns;
  int64_t lane_bytes;  // scratch memory of a lane: that of a run
  char* lane_scratch;  // of the first
  char* partials;      // by chunk, reduction and column
};

constexpr int64_t kPartialBytes = 8;  // room for a value of any type
int64_t partial_bytes(const VmPlan& plan, const InnerChunks& chunks, int64_t width);
void run_split(const InnerSplit& split, Machine& machine, const PlanStage& stage);

}  // namespace jt::vm
