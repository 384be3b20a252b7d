// element_twin: every element row as a scalar function, one call one element: the slow obvious twin of the primitives.
#pragma once
#include "backends/cpu_tcc/vm/primitives.h"
#include "core/base/prelude.h"

namespace jt::vm::twin {

// dst <- row (x, y, w) in the compute type of the namespace; false if the type has no such row.
#define JT_TYPE f32
#include "tests/vm/element_twin.inc"
#undef JT_TYPE
#define JT_TYPE f64
#include "tests/vm/element_twin.inc"
#undef JT_TYPE
#define JT_TYPE i32
#include "tests/vm/element_twin.inc"
#undef JT_TYPE
#define JT_TYPE i64
#include "tests/vm/element_twin.inc"
#undef JT_TYPE
#define JT_TYPE u64
#include "tests/vm/element_twin.inc"
#undef JT_TYPE
#define JT_TYPE b8
#include "tests/vm/element_twin.inc"
#undef JT_TYPE

inline bool element(Element e, CType t, const void* x, const void* y, const void* w, void* dst) {
  using Twin = bool (*)(Element, const void*, const void*, const void*, void*);
  static constexpr Twin kTwins[kCTypes] = {f32::row, f64::row, i32::row, i64::row, u64::row, b8::row};
  return kTwins[int(t)](e, x, y, w, dst);
}

}  // namespace jt::vm::twin
