// joined: a library op and the flat kernel behind it -> stretches of the result, each computed by the op and then gone
// over by the kernel while it is in the cache.
//
// A lane goes through its ranges of units part by part. The kernel wants whole blocks; one that two ranges share is
// left until all are done. Equal bits: what is computed for a unit or for a block does not depend on where ranges end.
#pragma once
#include <algorithm>
#include <array>
#include <atomic>

#include "backends/cpu_tcc/kernel.h"
#include "backends/cpu_tcc/library_ops.h"

namespace jt::cpu {

class JoinedRun {
 public:
  static constexpr int64_t kMostLanes = 64;  // with more there could be more shared blocks than there is room for

  JoinedRun(const library::LibraryOp& op, const TieredKernel& kernel, const int64_t* args)
      : op_(op), kernel_(kernel), args_(args), units_at_once_(units_for(op)) {}

  // compute(from, to) does units of the op.
  template <class Compute>
  void range(int64_t begin, int64_t end, char* scratch, const Compute& compute) {
    int64_t done = up(library::unit_begin(op_, begin));
    if (done != library::unit_begin(op_, begin))
      shared_[size_t(shared_count_.fetch_add(1, std::memory_order_relaxed))] = done - kBlock;
    for (int64_t unit = begin; unit < end;) {
      int64_t next = std::min(end, unit + units_at_once_), reached = library::unit_begin(op_, next);
      compute(unit, next);
      int64_t to = next == op_.units ? reached : reached / kBlock * kBlock;
      if (to > done) kernel_.run_here(args_, done, to, scratch);
      done = std::max(done, to);
      unit = next;
    }
  }
  void finish(char* scratch) {
    auto begin = shared_.begin(), end = begin + shared_count_.load(std::memory_order_relaxed);
    std::sort(begin, end);
    end = std::unique(begin, end);
    for (; begin != end; ++begin) kernel_.run_here(args_, *begin, std::min(*begin + kBlock, op_.elements[2]), scratch);
  }

 private:
  static int64_t up(int64_t element) { return (element + kBlock - 1) / kBlock * kBlock; }
  static int64_t units_for(const library::LibraryOp& op) {
    constexpr int64_t kNear = 128 << 10;  // bytes that stay in the second-level cache beside the op's operands
    int64_t each = std::max<int64_t>(1, op.elements[2] * op.element_bytes / op.units);
    return std::max<int64_t>(1, kNear / each);
  }

  const library::LibraryOp& op_;
  const TieredKernel& kernel_;
  const int64_t* args_;
  const int64_t units_at_once_;
  std::atomic<int64_t> shared_count_{0};
  std::array<int64_t, 1024> shared_;  // first elements of blocks that a range begins in
};

}  // namespace jt::cpu
