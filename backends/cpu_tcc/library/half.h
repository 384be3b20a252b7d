// half: f16 and bf16 as bit patterns, to and from f32, rounding to nearest even. NaN stays NaN.
#pragma once
#include "backends/cpu_tcc/library/vector.h"

namespace jt::library {
namespace {

struct F16 {
  uint16_t bits;
};
struct BF16 {
  uint16_t bits;
};

inline float as_float(uint32_t bits) { return __builtin_bit_cast(float, bits); }
inline uint32_t as_bits(float value) { return __builtin_bit_cast(uint32_t, value); }

inline float to_f32(BF16 h) { return as_float(uint32_t(h.bits) << 16); }

inline BF16 from_f32(float value, BF16*) {
  uint32_t bits = as_bits(value);
  bool is_nan = (bits & 0x7fffffff) > 0x7f800000;
  uint32_t rounded = bits + 0x7fff + ((bits >> 16) & 1);
  return {uint16_t((is_nan ? bits | 0x400000 : rounded) >> 16)};
}

inline float to_f32(F16 h) {
  uint32_t sign = uint32_t(h.bits & 0x8000) << 16, rest = h.bits & 0x7fff;
  if (rest >= 0x7c00) return as_float(sign | 0x7f800000 | (rest & 0x3ff) << 13);
  if (rest >= 0x400) return as_float(sign | ((rest << 13) + (uint32_t(127 - 15) << 23)));
  return as_float(sign | as_bits(float(rest) * 0x1p-24f));
}

inline F16 from_f32(float value, F16*) {
  uint32_t bits = as_bits(value), sign = (bits >> 16) & 0x8000, rest = bits & 0x7fffffff;
  if (rest > 0x7f800000) return {uint16_t(sign | 0x7e00)};
  if (rest >= 0x477ff000) return {uint16_t(sign | 0x7c00)};  // 65520 and above round to infinity
  if (rest >= 0x38800000) {
    uint32_t rounded = rest + 0xfff + ((rest >> 13) & 1);
    return {uint16_t(sign | ((rounded - (uint32_t(127 - 15) << 23)) >> 13))};
  }
  // Below the least normal 2^-14: adding 0.5 puts the unit 2^-24 into the last bit, so the sum rounds as it should.
  return {uint16_t(sign | (as_bits(as_float(rest) + 0.5f) - 0x3f000000))};
}

}  // namespace
}  // namespace jt::library
