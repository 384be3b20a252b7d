// shape: the extents of a tensor, and which of its axes are *unit* axes.
//
// A unit axis is one by construction (keepdims, a literal 1 in a reshape), not because the data happen to have extent 1
// there: it may be expanded, and it is part of a graph's structure. So batch 1 has the structure of batch 8.
//
// Two questions about equality (dim.h): same_extents is answered by what extents are worth now, and recorded; == is
// what holds whatever they are, and for shapes of plain numbers they are one.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

#include "core/base/dim.h"
#include "core/base/status.h"

namespace jt {

constexpr int kMaxRank = JT_MAX_RANK;

struct Shape {
  int8_t rank = 0;
  uint8_t units = 0;  // bit k: axis k is a unit axis
  Dim dims[kMaxRank] = {};

  Shape() = default;
  Shape(std::initializer_list<Dim> extents) : Shape(std::span(extents.begin(), extents.size())) {}
  explicit Shape(std::span<const Dim> extents) { push_all(extents); }
  explicit Shape(std::span<const int64_t> extents) { push_all(extents); }

  Dim operator[](int axis) const { return dims[axis]; }
  bool is_unit(int axis) const { return units >> axis & 1; }
  std::span<const Dim> extents() const { return {dims, size_t(rank)}; }
  const int64_t* numbers() const { return reinterpret_cast<const int64_t*>(dims); }  // for hosts: of what was recorded

  void push(Dim extent, bool unit = false) {
    if (rank == kMaxRank) fail(JT_E_SHAPE, "a tensor has at most ", kMaxRank, " axes");
    units |= uint8_t(unit) << rank;
    dims[rank++] = extent;
  }
  Dim count() const {
    Dim product = 1;
    for (Dim extent : extents()) product *= extent;
    return product;
  }

 private:
  template <class N>
  void push_all(std::span<const N> extents) {
    if (extents.size() > size_t(kMaxRank))
      fail(JT_E_SHAPE, "a tensor has at most ", kMaxRank, " axes, not ", extents.size());
    for (N extent : extents) push(extent);
  }
};

inline bool same_extents(const Shape& a, const Shape& b) {
  if (a.rank != b.rank) return false;
  for (int i = 0; i < a.rank; i++)
    if (a.dims[i] != b.dims[i]) return false;
  return true;
}
inline bool operator==(const Shape& a, const Shape& b) {
  if (a.rank != b.rank || a.units != b.units) return false;
  for (int i = 0; i < a.rank; i++)
    if (!same(a.dims[i], b.dims[i])) return false;
  return true;
}

template <TextOut Out>
void append(Out& out, const Shape& shape) { append(out, shape.extents()); }

// Strides of a dense row-major buffer, in elements.
struct Strides {
  Dim step[kMaxRank];
  explicit Strides(const Shape& shape) {
    Dim step_now = 1;
    for (int i = shape.rank; i-- > 0;) step[i] = step_now, step_now *= shape.dims[i];
  }
  Dim operator[](int axis) const { return step[axis]; }
};

// Product of a and b, or an error naming `who` if it does not fit 63 bits.
inline Dim checked_product(std::string_view who, Dim a, Dim b) {
  if (a.is_symbolic() || b.is_symbolic()) return a * b;
  int64_t product;
  if (__builtin_mul_overflow(a.word(), b.word(), &product)) fail(JT_E_SHAPE, who, ": too many elements: ", a, " * ", b);
  return product;
}

}  // namespace jt
