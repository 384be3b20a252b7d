// along: kernels that work along one axis of x, seen as [outer, n, inner]: sorting, and what accumulates.
//
// As the other kernels of the library: plain functions over a range of units, no state, no allocation, no exceptions.
// They are compiled once; a unit is one line of n elements, or up to kLines of them that lie side by side.
#pragma once
#include "backends/cpu_tcc/library/library.h"

namespace jt::library {

struct AlongShape {
  DType dtype = JT_F32;
  i64 outer = 1, n = 0, inner = 1;
  bool descending = false;  // sort
};

constexpr i64 kLines = 64;

// z: each line in order, equal elements as they stood; index: where each came from. NaN is larger than every number,
// and
// -0 equals 0. Lines of up to 2^32 elements.
i64 sort_units(const AlongShape& shape);
size_t sort_workspace(const AlongShape& shape);
void sort(const AlongShape& shape, const void* x, void* z, int64_t* index, void* workspace, i64 begin, i64 end);

// z[k] = x[0] + .. + x[k], or their product. Floats accumulate in f64 and are rounded once for each element; integers
// wrap. f32, f64, i64, u64.
i64 scan_units(const AlongShape& shape);
void cumsum(const AlongShape& shape, const void* x, void* z, i64 begin, i64 end);
void cumprod(const AlongShape& shape, const void* x, void* z, i64 begin, i64 end);

// z[k]: the largest (smallest) of x[0] .. x[k], index: where it stands, the last of equal ones; NaN wins and stays.
void cummax(const AlongShape& shape, const void* x, void* z, int64_t* index, i64 begin, i64 end);
void cummin(const AlongShape& shape, const void* x, void* z, int64_t* index, i64 begin, i64 end);

}  // namespace jt::library
