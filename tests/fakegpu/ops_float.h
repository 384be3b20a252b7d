// Floats: what is common to their families. Results that are NaN are the one NaN the hardware makes of f32; f64 keeps
// the host's.
#pragma once

#include "tests/fakegpu/formats.h"
#include "tests/fakegpu/ops.h"

namespace fakegpu {

template <bool ftz, class T> T taken(T x) {
  if constexpr (ftz) return flushed(x);
  return x;
}
template <bool ftz, bool sat, class T> T given(T x) {
  if constexpr (sizeof(T) == 4) x = x != x ? canonical_nan() : x;
  if constexpr (ftz) x = flushed(x);
  if constexpr (sat) x = !(x > 0) ? T{0} : x > 1 ? T{1} : x;
  return x;
}

template <class F, bool ftz, bool sat> struct Float {
  template <class T> static T of(T a) { return given<ftz, sat>(F::of(taken<ftz>(a))); }
  template <class T> static T of(T a, T b) { return given<ftz, sat>(F::of(taken<ftz>(a), taken<ftz>(b))); }
  template <class T>
  static T of(T a, T b, T c) {
    return given<ftz, sat>(F::of(taken<ftz>(a), taken<ftz>(b), taken<ftz>(c)));
  }
};

template <class F, int sources, class T, bool ftz, bool sat> constexpr Run float_run_of() {
  if constexpr (sources == 1) return unary_of<T, Float<F, ftz, sat>>;
  else if constexpr (sources == 2) return binary_of<T, Float<F, ftz, sat>>;
  else return ternary_of<T, Float<F, ftz, sat>>;
}
template <class F, int sources> Run float_run(Type t, bool ftz, bool sat) {
  if (t == Type::kF64) return ftz || sat ? nullptr : float_run_of<F, sources, double, false, false>();
  if (t != Type::kF32) return nullptr;
  if (ftz) return sat ? float_run_of<F, sources, float, true, true>() : float_run_of<F, sources, float, true, false>();
  return sat ? float_run_of<F, sources, float, false, true>() : float_run_of<F, sources, float, false, false>();
}

// How add, sub, mul, fma, div, rcp and sqrt run with a rounding other than to nearest; nullptr: no such.
Run directed_run(const std::string& opcode, Type type, Round mode, bool ftz, bool sat);

// f16, bf16 and pairs of them; false: the type is none of these. See ops_half.cpp.
bool decode_half(Decoder& d, Instruction& out);

}  // namespace fakegpu
