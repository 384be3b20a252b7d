// stored: how one element of each dtype is read into its compute type and written back, as code that vectorises.
//
// f16 and bf16 go by bit arithmetic on normal floats, so no host's denormal mode matters; ties go to even, NaNs keep
// their upper payload bits and become quiet, as the conversion instructions do.
#pragma once
#include <jt/jt_base.h>

#include <cstdint>

#include "core/base/prelude.h"

namespace jt::vm {
namespace {

using prelude::f32::bits;
using prelude::f32::from_bits;

[[gnu::always_inline]] inline float float_of_half(uint16_t h) {
  uint32_t magnitude = uint32_t(h & 0x7fff) << 13, sign = uint32_t(h & 0x8000) << 16;
  uint32_t normal = magnitude + (112u << 23);
  uint32_t infinite = magnitude + (224u << 23);
  uint32_t denormal = bits(from_bits(magnitude + (113u << 23)) - from_bits(113u << 23));
  uint32_t value = h & 0x3ff ? infinite | 0x400000u : infinite;
  value = (h & 0x7c00) == 0x7c00 ? value : normal;
  value = (h & 0x7c00) == 0 ? denormal : value;
  return from_bits(value | sign);
}

[[gnu::always_inline]] inline uint16_t half_of_float(float x) {
  uint32_t magnitude = bits(x) & 0x7fffffffu, sign = (bits(x) >> 16) & 0x8000u;
  uint32_t normal = (magnitude + 0xc8000fffu + ((magnitude >> 13) & 1)) >> 13;
  uint32_t denormal = bits(from_bits(magnitude < (113u << 23) ? magnitude : 0u) + 0.5f) - 0x3f000000u;
  uint32_t value = magnitude < (113u << 23) ? denormal : normal;
  value = magnitude >= 0x47800000u ? 0x7c00u : value;
  value = magnitude > 0x7f800000u ? 0x7e00u | ((magnitude >> 13) & 0x1ffu) : value;
  return uint16_t(value | sign);
}

[[gnu::always_inline]] inline float float_of_bfloat(uint16_t h) { return from_bits(uint32_t(h) << 16); }

[[gnu::always_inline]] inline uint16_t bfloat_of_float(float x) {
  uint32_t u = bits(x);
  uint32_t rounded = (u + 0x7fffu + ((u >> 16) & 1)) >> 16;
  return uint16_t((u & 0x7fffffffu) > 0x7f800000u ? (u >> 16) | 0x40u : rounded);
}

template <int dtype>
struct Stored;
#define JT_STORED(dtype, stored, compute, load_expr, store_expr)                    \
  template <>                                                                       \
  struct Stored<dtype> {                                                            \
    using S = stored;                                                               \
    using C = compute;                                                              \
    static constexpr bool is_compute = __is_same(stored, compute);                  \
    [[gnu::always_inline]] static inline compute load(stored x) { return load_expr; }  \
    [[gnu::always_inline]] static inline stored store(compute x) { return store_expr; } \
  };
JT_STORED(JT_BOOL, uint8_t, uint8_t, x, x)
JT_STORED(JT_I8, int8_t, int32_t, x, int8_t(x))
JT_STORED(JT_I16, int16_t, int32_t, x, int16_t(x))
JT_STORED(JT_I32, int32_t, int32_t, x, x)
JT_STORED(JT_I64, int64_t, int64_t, x, x)
JT_STORED(JT_U8, uint8_t, int32_t, x, uint8_t(x))
JT_STORED(JT_U16, uint16_t, int32_t, x, uint16_t(x))
JT_STORED(JT_U32, uint32_t, int64_t, x, uint32_t(x))
JT_STORED(JT_U64, uint64_t, uint64_t, x, x)
JT_STORED(JT_F16, uint16_t, float, float_of_half(x), half_of_float(x))
JT_STORED(JT_BF16, uint16_t, float, float_of_bfloat(x), bfloat_of_float(x))
JT_STORED(JT_F32, float, float, x, x)
JT_STORED(JT_F64, double, double, x, x)
#undef JT_STORED

}  // namespace
}  // namespace jt::vm
