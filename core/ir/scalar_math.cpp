// See scalar_math.h. Written for plainness: half floats go by arithmetic on doubles, not by tricks on bits.
#include "core/ir/scalar_math.h"

#include <cmath>
#include <cstring>

#include "core/base/prelude.h"
#include "core/base/status.h"

#pragma GCC diagnostic ignored "-Wtype-limits"

namespace jt {

#define JT_TAKE_FLOAT(f, i) f
#define JT_TAKE_INT(f, i) i
#define JT_TAKE_NONE(f, i) none
#define JT_WORD_BOOL(value) Word{.b8 = uint8_t((value) != 0)}

namespace prelude::f32 {
#define JT_WORD_SAME(value) Word{.f32 = T(value)}
#define JT_EXPR_FLOAT JT_TAKE_FLOAT
#define JT_EXPR_NUMBER JT_TAKE_FLOAT
#define JT_EXPR_ANY JT_TAKE_FLOAT
#define JT_EXPR_CHOICE JT_TAKE_FLOAT
#define JT_EXPR_INTEGER JT_TAKE_NONE
#define JT_EXPR_LOGICAL JT_TAKE_NONE
#include "core/ir/scalar_rows.inc"
#undef JT_WORD_SAME
}  // namespace prelude::f32
namespace prelude::f64 {
#define JT_WORD_SAME(value) Word{.f64 = T(value)}
#define JT_EXPR_FLOAT JT_TAKE_FLOAT
#define JT_EXPR_NUMBER JT_TAKE_FLOAT
#define JT_EXPR_ANY JT_TAKE_FLOAT
#define JT_EXPR_CHOICE JT_TAKE_FLOAT
#define JT_EXPR_INTEGER JT_TAKE_NONE
#define JT_EXPR_LOGICAL JT_TAKE_NONE
#include "core/ir/scalar_rows.inc"
#undef JT_WORD_SAME
}  // namespace prelude::f64
namespace prelude::i32 {
#define JT_WORD_SAME(value) Word{.i32 = T(value)}
#define JT_EXPR_FLOAT JT_TAKE_NONE
#define JT_EXPR_NUMBER JT_TAKE_INT
#define JT_EXPR_ANY JT_TAKE_INT
#define JT_EXPR_CHOICE JT_TAKE_INT
#define JT_EXPR_INTEGER JT_TAKE_INT
#define JT_EXPR_LOGICAL JT_TAKE_NONE
#include "core/ir/scalar_rows.inc"
#undef JT_WORD_SAME
}  // namespace prelude::i32
namespace prelude::i64 {
#define JT_WORD_SAME(value) Word{.i64 = T(value)}
#define JT_EXPR_FLOAT JT_TAKE_NONE
#define JT_EXPR_NUMBER JT_TAKE_INT
#define JT_EXPR_ANY JT_TAKE_INT
#define JT_EXPR_CHOICE JT_TAKE_INT
#define JT_EXPR_INTEGER JT_TAKE_INT
#define JT_EXPR_LOGICAL JT_TAKE_NONE
#include "core/ir/scalar_rows.inc"
#undef JT_WORD_SAME
}  // namespace prelude::i64
namespace prelude::u64 {
#define JT_WORD_SAME(value) Word{.u64 = T(value)}
#define JT_EXPR_FLOAT JT_TAKE_NONE
#define JT_EXPR_NUMBER JT_TAKE_INT
#define JT_EXPR_ANY JT_TAKE_INT
#define JT_EXPR_CHOICE JT_TAKE_INT
#define JT_EXPR_INTEGER JT_TAKE_INT
#define JT_EXPR_LOGICAL JT_TAKE_NONE
#include "core/ir/scalar_rows.inc"
#undef JT_WORD_SAME
}  // namespace prelude::u64
namespace prelude::b8 {  // ~x of a bool is its lowest bit inverted
#define JT_WORD_SAME(value) Word{.b8 = T((value) & 1)}
#define JT_EXPR_FLOAT JT_TAKE_NONE
#define JT_EXPR_NUMBER JT_TAKE_NONE
#define JT_EXPR_ANY JT_TAKE_INT
#define JT_EXPR_CHOICE JT_TAKE_INT
#define JT_EXPR_INTEGER JT_TAKE_INT
#define JT_EXPR_LOGICAL JT_TAKE_INT
#include "core/ir/scalar_rows.inc"
#undef JT_WORD_SAME
}  // namespace prelude::b8

Word element(Op op, CType type, Word x, Word y, Word w) {
  switch (type) {
    case CType::f32: return prelude::f32::row(op, x.f32, y.f32, w.f32);
    case CType::f64: return prelude::f64::row(op, x.f64, y.f64, w.f64);
    case CType::i32: return prelude::i32::row(op, x.i32, y.i32, w.i32);
    case CType::i64: return prelude::i64::row(op, x.i64, y.i64, w.i64);
    case CType::u64: return prelude::u64::row(op, x.u64, y.u64, w.u64);
    case CType::b8: return prelude::b8::row(op, x.b8, y.b8, w.b8);
  }
  return {};
}

// ---- dtypes ---------------------------------------------------------------------------------------------------------

static uint32_t bits_of(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, 4);
  return bits;
}
static float float_of(uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, 4);
  return x;
}

// NaNs keep their sign and upper payload bits and become quiet.
static float float_of_half(uint16_t h) {
  int exponent = h >> 10 & 31, mantissa = h & 1023;
  uint32_t sign = uint32_t(h & 0x8000) << 16;
  if (exponent == 31) return float_of(sign | 0x7f800000u | uint32_t(mantissa) << 13 | (mantissa ? 0x400000u : 0));
  float magnitude = exponent ? std::ldexp(float(1024 + mantissa), exponent - 25) : std::ldexp(float(mantissa), -24);
  return sign ? -magnitude : magnitude;
}

static uint16_t half_of_float(float x) {
  uint32_t bits = bits_of(x), sign = bits >> 16 & 0x8000;
  if (x != x) return uint16_t(sign | 0x7e00 | (bits >> 13 & 0x1ff));
  double magnitude = std::fabs(double(x));
  if (magnitude >= 65520) return uint16_t(sign | 0x7c00);
  int exponent = -14;
  if (magnitude >= 0x1p-14) exponent = std::ilogb(magnitude);
  int64_t units = int64_t(std::nearbyint(std::ldexp(magnitude, 10 - exponent)));  // 1024..2048, less if denormal
  return uint16_t(sign | uint32_t(int64_t(exponent + 14) * 1024 + units));
}

static uint16_t bfloat_of_float(float x) {
  uint32_t bits = bits_of(x);
  if (x != x) return uint16_t(bits >> 16 | 0x40);
  uint32_t low = bits & 0xffff, high = bits >> 16;
  if (low > 0x8000 || (low == 0x8000 && high & 1)) high++;
  return uint16_t(high);
}

template <class T>
static T read(const unsigned char* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}
template <class T>
static void write(unsigned char* at, T value) { std::memcpy(at, &value, sizeof value); }

Word load(DType dtype, const unsigned char* at) {
  switch (dtype) {
    case JT_BOOL: return {.b8 = uint8_t(*at != 0)};
    case JT_I8: return {.i32 = read<int8_t>(at)};
    case JT_I16: return {.i32 = read<int16_t>(at)};
    case JT_I32: return {.i32 = read<int32_t>(at)};
    case JT_I64: return {.i64 = read<int64_t>(at)};
    case JT_U8: return {.i32 = read<uint8_t>(at)};
    case JT_U16: return {.i32 = read<uint16_t>(at)};
    case JT_U32: return {.i64 = read<uint32_t>(at)};
    case JT_U64: return {.u64 = read<uint64_t>(at)};
    case JT_F16: return {.f32 = float_of_half(read<uint16_t>(at))};
    case JT_BF16: return {.f32 = float_of(uint32_t(read<uint16_t>(at)) << 16)};
    case JT_F32: return {.f32 = read<float>(at)};
    case JT_F64: return {.f64 = read<double>(at)};
    default: fail(JT_E_DTYPE, "load: ", int(dtype), " is not a dtype");
  }
}

void store(DType dtype, unsigned char* at, Word value) {
  switch (dtype) {
    case JT_BOOL: return write(at, uint8_t(value.b8 != 0));
    case JT_I8: return write(at, int8_t(value.i32));
    case JT_I16: return write(at, int16_t(value.i32));
    case JT_I32: return write(at, value.i32);
    case JT_I64: return write(at, value.i64);
    case JT_U8: return write(at, uint8_t(value.i32));
    case JT_U16: return write(at, uint16_t(value.i32));
    case JT_U32: return write(at, uint32_t(value.i64));
    case JT_U64: return write(at, value.u64);
    case JT_F16: return write(at, half_of_float(value.f32));
    case JT_BF16: return write(at, bfloat_of_float(value.f32));
    case JT_F32: return write(at, value.f32);
    case JT_F64: return write(at, value.f64);
    default: fail(JT_E_DTYPE, "store: ", int(dtype), " is not a dtype");
  }
}

Word narrow(DType dtype, Word value) {
  unsigned char stored[8];
  store(dtype, stored, value);
  return load(dtype, stored);
}

// ---- conversions ----------------------------------------------------------------------------------------------------

static int64_t truncated(double x, int64_t least, int64_t most) {
  if (x != x) return 0;
  if (x <= double(least)) return least;
  return x >= double(most) ? most : int64_t(x);  // double(INT64_MAX) is 2^63: everything below it fits
}
static uint64_t truncated_unsigned(double x) {
  if (!(x > 0)) return 0;
  return x >= 0x1p64 ? UINT64_MAX : uint64_t(x);
}

static Word from_float(double x, CType to) {
  switch (to) {
    case CType::f32: return {.f32 = float(x)};
    case CType::f64: return {.f64 = x};
    case CType::i32: return {.i32 = int32_t(truncated(x, INT32_MIN, INT32_MAX))};
    case CType::i64: return {.i64 = truncated(x, INT64_MIN, INT64_MAX)};
    case CType::u64: return {.u64 = truncated_unsigned(x)};
    case CType::b8: return {.b8 = uint8_t(x != 0)};
  }
  return {};
}

template <class I>
static Word from_int(I x, CType to) {
  switch (to) {
    case CType::f32: return {.f32 = float(x)};
    case CType::f64: return {.f64 = double(x)};
    case CType::i32: return {.i32 = int32_t(x)};
    case CType::i64: return {.i64 = int64_t(x)};
    case CType::u64: return {.u64 = uint64_t(x)};
    case CType::b8: return {.b8 = uint8_t(x != 0)};
  }
  return {};
}

Word convert(Word value, CType from, CType to) {
  if (from == to) return value;
  switch (from) {
    case CType::f32: return from_float(value.f32, to);
    case CType::f64: return from_float(value.f64, to);
    case CType::i32: return from_int(value.i32, to);
    case CType::i64: return from_int(value.i64, to);
    case CType::u64: return from_int(value.u64, to);
    case CType::b8: return from_int(value.b8, to);
  }
  return {};
}

Word cast(Word value, DType from, DType to) {
  Word wide = convert(value, ctype_of(from), ctype_of(to));
  if (!is_float(from) || !is_int(to) || size_of(to) == 8) return narrow(to, wide);
  int bits = int(size_of(to)) * 8;
  int64_t most = is_signed_int(to) ? (int64_t(1) << (bits - 1)) - 1 : (int64_t(1) << bits) - 1;
  int64_t least = is_signed_int(to) ? -most - 1 : 0;
  double x = ctype_of(from) == CType::f32 ? value.f32 : value.f64;
  return convert({.i64 = truncated(x, least, most)}, CType::i64, ctype_of(to));
}

// Rounding twice differs from rounding once only where the first result lies between two of the second: one that is
// inexact and odd never does.
static float float_to_round(double value) {
  float nearest = float(value);
  if (double(nearest) == value || value != value || std::isinf(nearest) || bits_of(nearest) & 1) return nearest;
  return std::nextafter(nearest, double(nearest) < value ? HUGE_VALF : -HUGE_VALF);
}
double double_to_round(int64_t value) {
  double nearest = double(value);
  __int128 rest = __int128(value) - __int128(nearest);
  uint64_t bits;
  std::memcpy(&bits, &nearest, 8);
  return rest == 0 || bits & 1 ? nearest : std::nextafter(nearest, rest > 0 ? HUGE_VAL : -HUGE_VAL);
}

Word word_of(DType dtype, double value) {
  if (dtype == JT_F16 || dtype == JT_BF16) return narrow(dtype, {.f32 = float_to_round(value)});
  return cast({.f64 = value}, JT_F64, dtype);
}

Word word_of_bits(DType dtype, int64_t bits) {
  Word value{.i64 = bits};  // the same storage as f64
  return narrow(dtype, convert(value, is_float(dtype) ? CType::f64 : CType::i64, ctype_of(dtype)));
}

int64_t bits_of_word(DType dtype, Word value) {
  if (dtype == JT_U64) return int64_t(value.u64);
  return convert(value, ctype_of(dtype), is_float(dtype) ? CType::f64 : CType::i64).i64;
}

}  // namespace jt
