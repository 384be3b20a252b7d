// map_runs: an IndexMap and a range of its elements -> runs along the innermost axis.
//
// A run is `count` elements at offset, offset + stride, ...; all of them exist or none does. Neighbouring axes that lie
// as one (and have no limits) are walked as one, so a contiguous range is a single run whatever its rank. Where the
// buffer is contiguous along the second axis and not along the first, as in a transposed matrix, whole rows of it are a
// tile.
#pragma once
#include "backends/cpu_tcc/vm/block_table.h"

namespace jt::vm {
namespace {

struct Run {
  int64_t position, count;  // in the block
  int64_t offset, stride;   // in the buffer, elements
  bool exists;
};

// `rows` runs of `count` elements, one after another in the block, row r at offset + r; all exist.
struct Tile {
  int64_t position, rows, count;
  int64_t offset, stride;
};

class MapRuns {
 public:
  [[gnu::noinline]] MapRuns(const IndexMap& map, int64_t outer, int64_t inner, int64_t n, int along) : left_(n) {
    int rank = map.outer_rank + map.inner_rank;
    int first = along == kAlongInner ? map.outer_rank : 0, last = along == kAlongOuter ? map.outer_rank : rank;
    offset_ = map.offset;
    fix(map, 0, first, outer);
    fix(map, last, rank, inner);
    start(map, first, last, along == kAlongInner ? inner : outer);
  }

  [[gnu::noinline]] bool next(Run& run) {
    if (left_ <= 0) return false;
    int64_t at = at_[0], count = extent_[0] - at;
    if (count > left_) count = left_;
    bool exists = exists_ && outside_ == 0;
    if (exists && limited_[0]) {
      if (at < lo_[0] || at >= hi_[0]) {
        exists = false;
        if (at < lo_[0] && lo_[0] - at < count) count = lo_[0] - at;
      } else if (hi_[0] - at < count) {
        count = hi_[0] - at;
      }
    }
    run = {position_, count, offset_, stride_[0], exists};
    position_ += count;
    left_ -= count;
    at_[0] += count;
    offset_ += count * stride_[0];
    if (at_[0] == extent_[0] && left_ > 0) carry();
    return true;
  }

  // The tile that begins here, if there is one of at least kLeastRows rows: take it before the next run.
  bool next_tile(Tile& tile) {
    if (rank_ < 2 || stride_[1] != 1 || stride_[0] == 1 || at_[0] || limited_[0] || limited_[1]) return false;
    int64_t rows = left_ / extent_[0], more = extent_[1] - at_[1];
    if (rows > more) rows = more;
    if (rows < kLeastRows || !exists_ || outside_) return false;
    tile = {position_, rows, extent_[0], offset_, stride_[0]};
    int64_t n = rows * extent_[0];
    position_ += n, left_ -= n;
    at_[1] += rows - 1, at_[0] = extent_[0];
    offset_ += rows - 1 + extent_[0] * stride_[0];
    if (left_ > 0) carry();
    return true;
  }

 private:
  static constexpr int64_t kLeastRows = 4;
  static bool has_limits(const IndexMap& map, int axis) { return map.masked >> axis & 1; }

  // Axes [first, last) stay at flat index `index`.
  void fix(const IndexMap& map, int first, int last, int64_t index) {
    for (int axis = last - 1; axis >= first; axis--) {
      int64_t at = index;
      if (axis > first && index) {
        index = at / map.extent[axis];
        at -= index * map.extent[axis];
      }
      offset_ += at * map.stride[axis];
      if (has_limits(map, axis) && (at < map.lo[axis] || at >= map.hi[axis])) exists_ = false;
    }
  }

  // Axes [first, last) are walked from flat index `index`; number 0 is the innermost.
  void start(const IndexMap& map, int first, int last, int64_t index) {
    for (int axis = last - 1; axis >= first; axis--) {
      bool limited = has_limits(map, axis);
      if (map.extent[axis] == 1 && !limited) continue;
      int top = rank_ - 1;
      if (rank_ && !limited && !limited_[top] && map.stride[axis] == stride_[top] * extent_[top]) {
        extent_[top] *= map.extent[axis];
        continue;
      }
      extent_[rank_] = map.extent[axis];
      stride_[rank_] = map.stride[axis];
      limited_[rank_] = limited;
      lo_[rank_] = limited ? map.lo[axis] : 0;
      hi_[rank_] = limited ? map.hi[axis] : 0;
      rank_++;
    }
    if (rank_ == 0) {  // one element for all
      extent_[0] = INT64_MAX;
      stride_[0] = 0;
      limited_[0] = false;
      rank_ = 1;
      index = 0;
    }
    for (int k = 0; k < rank_; k++) {
      int64_t at = index;
      if (k + 1 < rank_ && index) {
        index = at / extent_[k];
        at -= index * extent_[k];
      }
      at_[k] = at;
      offset_ += at * stride_[k];
      if (k) outside_ += is_outside(k);
    }
  }

  bool is_outside(int k) const { return limited_[k] && (at_[k] < lo_[k] || at_[k] >= hi_[k]); }

  void carry() {
    for (int k = 0; at_[k] == extent_[k] && k + 1 < rank_; k++) {
      offset_ += stride_[k + 1] - extent_[k] * stride_[k];
      if (k) outside_ -= is_outside(k);
      at_[k] = 0;
      if (k) outside_ += is_outside(k);
      outside_ -= is_outside(k + 1);
      at_[k + 1]++;
      outside_ += is_outside(k + 1);
    }
  }

  int rank_ = 0, outside_ = 0;  // axes walked; how many of them but the innermost stand outside their limits
  bool exists_ = true;          // the fixed axes are inside theirs
  int64_t left_, position_ = 0, offset_;
  bool limited_[kMapRank];
  int64_t extent_[kMapRank], stride_[kMapRank], lo_[kMapRank], hi_[kMapRank], at_[kMapRank];
};

}  // namespace
}  // namespace jt::vm
