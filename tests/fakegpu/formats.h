// formats: numbers of fewer bits than the host calculates with, and the roundings between them.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <string>

namespace fakegpu {

enum class Round : uint8_t { kNearest, kZero, kDown, kUp, kAway };  // kAway: halves go away from zero

// The bits of `x`, which is exact or was rounded to odd with more bits than asked for, as a float of that many bits.
// NaN is all ones.
inline uint32_t encode(double x, int exponent_bits, int mantissa_bits, Round mode) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const uint32_t infinity = ((1u << exponent_bits) - 1) << mantissa_bits;
  const uint64_t bits = std::bit_cast<uint64_t>(x);
  const bool negative = bits >> 63;
  const uint32_t sign = negative ? 1u << (exponent_bits + mantissa_bits) : 0;
  if (x != x) return infinity | ((1u << mantissa_bits) - 1);
  if (std::isinf(x)) return sign | infinity;
  const int field = bits >> 52 & 0x7ff, exponent = (field ? field : 1) - 1023;
  const uint64_t mantissa = (bits & ((1ull << 52) - 1)) | (field ? 1ull << 52 : 0);
  const int last = std::max(exponent, 1 - bias) - mantissa_bits;  // exponent of the last bit that stays
  const int shift = std::min(last - (exponent - 52), 63);
  const uint64_t kept = mantissa >> shift, rest = mantissa & ((1ull << shift) - 1), half = 1ull << (shift - 1);
  bool up = false;
  switch (mode) {
    case Round::kNearest: up = rest > half || (rest == half && (kept & 1)); break;
    case Round::kAway: up = rest >= half; break;
    case Round::kZero: break;
    case Round::kDown: up = negative && rest; break;
    case Round::kUp: up = !negative && rest; break;
  }
  const int above_least = last - (1 - bias - mantissa_bits);  // 0: subnormal, or of the least normal exponent
  uint64_t value = kept + up + (static_cast<uint64_t>(above_least) << mantissa_bits);
  if (value < infinity) return sign | static_cast<uint32_t>(value);
  bool to_infinity = mode == Round::kNearest || mode == Round::kAway || (mode == Round::kDown && negative) ||
                     (mode == Round::kUp && !negative);
  return sign | (to_infinity ? infinity : infinity - 1);
}

inline uint16_t to_half(double x, Round mode = Round::kNearest) {
  return static_cast<uint16_t>(x != x ? 0x7fff : encode(x, 5, 10, mode));
}
inline uint16_t to_bfloat(double x, Round mode = Round::kNearest) {
  return static_cast<uint16_t>(x != x ? 0x7fff : encode(x, 8, 7, mode));
}

inline float canonical_nan() { return std::bit_cast<float>(0x7fffffffu); }

inline float from_half(uint16_t h) {
  uint32_t sign = static_cast<uint32_t>(h & 0x8000) << 16, rest = static_cast<uint32_t>(h & 0x7fff) << 13;
  if ((h & 0x7c00) == 0x7c00) return h & 0x3ff ? canonical_nan() : std::bit_cast<float>(sign | 0x7f800000u);
  float magnitude = std::bit_cast<float>(rest) * 0x1p112f;  // the bias; subnormals become normal
  return std::bit_cast<float>(std::bit_cast<uint32_t>(magnitude) | sign);
}
inline float from_bfloat(uint16_t h) {
  return (h & 0x7fff) > 0x7f80 ? canonical_nan() : std::bit_cast<float>(static_cast<uint32_t>(h) << 16);
}

// a + b rounded to odd: rounding it once more to fewer bits is as good as rounding the exact sum.
inline double sum_to_odd(double a, double b) {
  double sum = a + b;
  if (!std::isfinite(sum)) return sum;
  double b_part = sum - a, error = (a - (sum - b_part)) + (b - b_part);
  uint64_t bits = std::bit_cast<uint64_t>(sum);
  if (error == 0 || (bits & 1)) return sum;
  bool away = (error > 0) == (sum > 0);
  return std::bit_cast<double>(away ? bits + 1 : bits - 1);
}

template <class T> T flushed(T x) {  // a subnormal as the zero of its sign
  return std::fpclassify(x) == FP_SUBNORMAL ? std::copysign(T{0}, x) : x;
}

}  // namespace fakegpu
