// shape: the extents of a tensor, and which of its axes are *unit* axes.
//
// A unit axis is one by construction (keepdims, a literal 1 in a reshape), not because the data happen to have extent 1
// there: it may be expanded, and it is part of a graph's structure. So batch 1 has the structure of batch 8.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

#include "core/base/status.h"

namespace jt {

constexpr int kMaxRank = JT_MAX_RANK;

struct Shape {
  int8_t rank = 0;
  uint8_t units = 0;  // bit k: axis k is a unit axis
  int64_t dims[kMaxRank] = {};

  Shape() = default;
  Shape(std::initializer_list<int64_t> extents) : Shape(std::span(extents.begin(), extents.size())) {}
  explicit Shape(std::span<const int64_t> extents) {
    if (extents.size() > size_t(kMaxRank))
      fail(JT_E_SHAPE, "a tensor has at most ", kMaxRank, " axes, not ", extents.size());
    for (int64_t extent : extents) push(extent);
  }

  int64_t operator[](int axis) const { return dims[axis]; }
  bool is_unit(int axis) const { return units >> axis & 1; }
  std::span<const int64_t> extents() const { return {dims, size_t(rank)}; }

  void push(int64_t extent, bool unit = false) {
    if (rank == kMaxRank) fail(JT_E_SHAPE, "a tensor has at most ", kMaxRank, " axes");
    units |= uint8_t(unit) << rank;
    dims[rank++] = extent;
  }
  int64_t count() const {
    int64_t product = 1;
    for (int64_t extent : extents()) product *= extent;
    return product;
  }
};

inline bool same_extents(const Shape& a, const Shape& b) {
  if (a.rank != b.rank) return false;
  for (int i = 0; i < a.rank; i++)
    if (a.dims[i] != b.dims[i]) return false;
  return true;
}
inline bool operator==(const Shape& a, const Shape& b) { return a.units == b.units && same_extents(a, b); }

template <TextOut Out>
void append(Out& out, const Shape& shape) { append(out, shape.extents()); }

// Strides of a dense row-major buffer, in elements.
struct Strides {
  int64_t step[kMaxRank];
  explicit Strides(const Shape& shape) {
    int64_t step_now = 1;
    for (int i = shape.rank; i-- > 0;) step[i] = step_now, step_now *= shape.dims[i];
  }
  int64_t operator[](int axis) const { return step[axis]; }
};

// Product of a and b, or an error naming `who` if it does not fit 63 bits.
inline int64_t checked_product(std::string_view who, int64_t a, int64_t b) {
  int64_t product;
  if (__builtin_mul_overflow(a, b, &product)) fail(JT_E_SHAPE, who, ": too many elements: ", a, " * ", b);
  return product;
}

}  // namespace jt
