// cvt: integers and floats of all widths. A value goes cell -> integer or double -> cell; the commonest pairs have a
// way of their own.
//
// Registers may be wider than the types: what is read is the low part, what is written is extended as the type's sign
// says.
#include <algorithm>
#include <limits>

#include "tests/fakegpu/ops_float.h"

namespace fakegpu {
namespace {

enum Integral : uint8_t { kNotIntegral, kToNearest, kToZero, kToFloor, kToCeiling };

struct How {
  Type to, from;
  uint8_t to_width, from_width;
  Round round;
  Integral integral;
  bool ftz, sat, relu;
};

// How fits beside the cells of an instruction.
How how_of(const Instruction& i) {
  How how;
  static_assert(sizeof(How) == 9);
  memcpy(&how, i.list.data(), sizeof how);
  return how;
}
void keep(Instruction& out, const How& how) {
  out.list.resize((sizeof how + 3) / 4);
  memcpy(out.list.data(), &how, sizeof how);
}

uint64_t load(const Warp& w, uint32_t cell, int width, int l) {
  switch (width) {
    case 1: return w.cell<uint8_t>(cell)[l];
    case 2: return w.cell<uint16_t>(cell)[l];
    case 4: return w.cell<uint32_t>(cell)[l];
    default: return w.cell<uint64_t>(cell)[l];
  }
}
void store(const Warp& w, uint32_t cell, int width, int l, uint64_t value) {
  switch (width) {
    case 1: w.cell<uint8_t>(cell)[l] = value; break;
    case 2: w.cell<uint16_t>(cell)[l] = value; break;
    case 4: w.cell<uint32_t>(cell)[l] = value; break;
    default: w.cell<uint64_t>(cell)[l] = value;
  }
}

using Wide = __int128;  // holds every s64 and u64

Wide as_integer(uint64_t bits, Type t) {
  switch (size_of(t)) {
    case 1: return is_signed(t) ? Wide{static_cast<int8_t>(bits)} : Wide{static_cast<uint8_t>(bits)};
    case 2: return is_signed(t) ? Wide{static_cast<int16_t>(bits)} : Wide{static_cast<uint16_t>(bits)};
    case 4: return is_signed(t) ? Wide{static_cast<int32_t>(bits)} : Wide{static_cast<uint32_t>(bits)};
    default: return is_signed(t) ? Wide{static_cast<int64_t>(bits)} : Wide{bits};
  }
}
Wide least(Type t) { return is_signed(t) ? -(Wide{1} << (size_of(t) * 8 - 1)) : Wide{0}; }
Wide greatest(Type t) { return (Wide{1} << (size_of(t) * 8 - (is_signed(t) ? 1 : 0))) - 1; }

double as_double(uint64_t bits, Type t) {
  switch (t) {
    case Type::kF16: return from_half(bits);
    case Type::kBF16: return from_bfloat(bits);
    case Type::kF32: return std::bit_cast<float>(static_cast<uint32_t>(bits));
    default: return std::bit_cast<double>(bits);
  }
}

double integral(double x, Integral mode) {
  switch (mode) {
    case kToNearest: return std::nearbyint(x);
    case kToZero: return std::trunc(x);
    case kToFloor: return std::floor(x);
    case kToCeiling: return std::ceil(x);
    case kNotIntegral: return x;
  }
  return x;
}

uint64_t float_to_integer(double x, const How& how) {
  if (x != x) {
    bool is_small = how.from != Type::kF64 && size_of(how.to) < 8;
    return is_small ? 0 : uint64_t{1} << (size_of(how.to) * 8 - 1);
  }
  x = integral(x, how.integral);
  const double low = static_cast<double>(least(how.to)),
               beyond = std::ldexp(1.0, size_of(how.to) * 8 - (is_signed(how.to) ? 1 : 0));
  if (x <= low) return static_cast<uint64_t>(least(how.to));
  if (x >= beyond) return static_cast<uint64_t>(greatest(how.to));
  return static_cast<uint64_t>(static_cast<Wide>(x));
}

uint64_t float_bits(double x, const How& how) {
  if (how.sat) x = !(x > 0) ? 0 : x > 1 ? 1 : x;
  if (how.relu && !(x > 0) && x == x) x = 0;
  switch (how.to) {
    case Type::kF16: return to_half(x, how.round);
    case Type::kBF16: return to_bfloat(x, how.round);
    case Type::kTF32: return x != x ? 0x7fffffff : encode(x, 8, 10, how.round) << 13;
    case Type::kF64: return std::bit_cast<uint64_t>(x);
    default: {
      if (x != x) return 0x7fffffff;
      uint32_t bits = encode(x, 8, 23, how.round);
      return how.ftz && (bits & 0x7f800000) == 0 ? bits & 0x80000000 : bits;
    }
  }
}

// An integer as a double, rounded to odd where it has more bits; for f64 rounded as asked.
double rounded_integer(Wide v, const How& how) {
  bool negative = v < 0;
  uint64_t magnitude = static_cast<uint64_t>(negative ? -v : v);
  int surplus = std::max(0, 64 - std::countl_zero(magnitude | 1) - 53);
  if (surplus) {
    uint64_t unit = uint64_t{1} << surplus, rest = magnitude & (unit - 1), half = unit / 2;
    magnitude -= rest;
    bool odd = magnitude & unit, up = false;
    if (how.to != Type::kF64) up = rest && !odd;
    else if (how.round == Round::kNearest) up = rest > half || (rest == half && odd);
    else up = rest && how.round == (negative ? Round::kDown : Round::kUp);
    double value = static_cast<double>(magnitude) + (up ? static_cast<double>(unit) : 0.0);
    return negative ? -value : value;
  }
  double value = static_cast<double>(magnitude);
  return negative ? -value : value;
}

uint64_t extended(uint64_t bits, const How& how) {
  return is_float(how.to) || how.to == Type::kTF32 ? bits : static_cast<uint64_t>(as_integer(bits, how.to));
}

uint64_t converted(uint64_t bits, const How& how) {
  bool to_float = is_float(how.to) || how.to == Type::kTF32;
  if (!is_float(how.from)) {
    Wide v = as_integer(bits, how.from);
    if (to_float) return float_bits(rounded_integer(v, how), how);
    if (how.sat) v = std::clamp(v, least(how.to), greatest(how.to));
    return extended(static_cast<uint64_t>(v), how);
  }
  double x = as_double(bits, how.from);
  if (how.ftz && how.from == Type::kF32) x = flushed(static_cast<float>(x));
  if (!to_float) return extended(float_to_integer(x, how), how);
  // f16 and bf16 to f32 and back keep what is exact; a rounding to an integer comes first.
  return float_bits(integral(x, how.integral), how);
}

void convert(Warp& w, const Instruction& i, uint32_t lanes) {
  How how = how_of(i);
  for_lanes(lanes, [&](int l) { store(w, i.d, how.to_width, l, converted(load(w, i.a, how.from_width, l), how)); });
}

// d = {a, b}: a in the high half.
void convert_pair(Warp& w, const Instruction& i, uint32_t lanes) {
  How how = how_of(i);
  for_lanes(lanes, [&](int l) {
    auto half = [&](uint32_t cell) { return float_bits(static_cast<double>(w.cell<float>(cell)[l]), how); };
    w.cell<uint32_t>(i.d)[l] = static_cast<uint32_t>(half(i.a) << 16 | half(i.b));
  });
}

struct Extend { template <class D, class S> struct As { static D of(S s) { return static_cast<D>(s); } }; };
template <class D, class S> constexpr Run plain = unary<D, S, Extend::As<D, S>>;
struct HalfToFloat { static float of(uint16_t h) { return from_half(h); } };
struct BfloatToFloat { static float of(uint16_t h) { return from_bfloat(h); } };
struct FloatToHalf { static uint16_t of(float f) { return to_half(f); } };
struct FloatToBfloat { static uint16_t of(float f) { return to_bfloat(f); } };
struct SignedToFloat { static float of(int32_t v) { return static_cast<float>(v); } };
struct UnsignedToFloat { static float of(uint32_t v) { return static_cast<float>(v); } };

Run common_run(const How& how) {
  bool exact_width = how.to_width == size_of(how.to) && how.from_width == size_of(how.from);
  if (!exact_width || how.ftz || how.sat || how.relu || how.integral != kNotIntegral || how.round != Round::kNearest)
    return nullptr;
  static const struct { Type to, from; Run run;
  } rows[] = {
      {Type::kU64, Type::kU32, plain<uint64_t, uint32_t>},
      {Type::kS64, Type::kS32, plain<int64_t, int32_t>},
      {Type::kU32, Type::kU64, plain<uint32_t, uint64_t>},
      {Type::kU32, Type::kU16, plain<uint32_t, uint16_t>},
      {Type::kU16, Type::kU32, plain<uint16_t, uint32_t>},
      {Type::kS32, Type::kS16, plain<int32_t, int16_t>},
      {Type::kF32, Type::kF16, unary<float, uint16_t, HalfToFloat>},
      {Type::kF32, Type::kBF16, unary<float, uint16_t, BfloatToFloat>},
      {Type::kF16, Type::kF32, unary<uint16_t, float, FloatToHalf>},
      {Type::kBF16, Type::kF32, unary<uint16_t, float, FloatToBfloat>},
      {Type::kF32, Type::kS32, unary<float, int32_t, SignedToFloat>},
      {Type::kF32, Type::kU32, unary<float, uint32_t, UnsignedToFloat>},
  };
  for (const auto& row : rows)
    if (row.to == how.to && row.from == how.from) return row.run;
  return nullptr;
}

void take_rounding(Decoder& d, How& how) {
  std::string round = d.take_any({"rn", "rz", "rm", "rp", "rna", "rni", "rzi", "rmi", "rpi"});
  how.round = round == "rz" ? Round::kZero : round == "rm" ? Round::kDown : round == "rp" ? Round::kUp
              : round == "rna" ? Round::kAway : Round::kNearest;
  how.integral = round == "rni" ? kToNearest : round == "rzi" ? kToZero : round == "rmi" ? kToFloor
                 : round == "rpi" ? kToCeiling : kNotIntegral;
  bool to_float = is_float(how.to) || how.to == Type::kTF32 || how.to == Type::kF16x2 || how.to == Type::kBF16x2;
  bool from_float_to_integer = is_float(how.from) && !to_float;
  if (from_float_to_integer && how.integral == kNotIntegral)
    d.unsupported("a float to an integer without its rounding");
  if (!is_float(how.from) && how.integral != kNotIntegral) d.unsupported("an integer rounded to an integer");
}

void decode_cvt(Decoder& d, Instruction& out) {
  How how{};
  how.from = d.take_type();
  how.to = d.take_type();
  take_rounding(d, how);
  how.ftz = d.take("ftz");
  how.sat = d.take("sat");
  how.relu = d.take("relu");
  bool is_pair = how.to == Type::kF16x2 || how.to == Type::kBF16x2;
  bool is_known = size_of(how.to) <= 8 && size_of(how.from) <= 8 && how.from != Type::kF16x2 &&
                  how.from != Type::kBF16x2 && how.from != Type::kTF32 && how.from != Type::kPred &&
                  how.to != Type::kPred;
  if (!is_known || (is_pair && how.from != Type::kF32)) d.unsupported("unsupported conversion");
  out.a = d.source(d.operand(1), how.from, true);
  how.from_width = std::max<int>(d.width(d.operand(1)), size_of(how.from));
  if (is_pair) {
    out.d = d.destination(0, how.to);
    out.b = d.source(2, how.from);
    how.to = how.to == Type::kF16x2 ? Type::kF16 : Type::kBF16;
    keep(out, how);
    return set_run(d, out, convert_pair, how.to);
  }
  out.d = d.destination(d.operand(0), how.to, true);
  how.to_width = d.width(d.operand(0));
  keep(out, how);
  Run run = common_run(how);
  set_run(d, out, run ? run : convert, how.to);
}

}  // namespace

void add_convert_opcodes(OpcodeTable& t) { t["cvt"] = decode_cvt; }

}  // namespace fakegpu
