// Integer arithmetic: add sub mul mad div rem min max neg abs sad, sums with carry.
#include <algorithm>
#include <limits>
#include <type_traits>

#include "tests/fakegpu/ops.h"

namespace fakegpu {
namespace {

template <class T> using Unsigned = std::make_unsigned_t<T>;
// Integers wrap; those below 32 bits are widened first, so that no product overflows an int.
template <class T> constexpr uint64_t wide(T v) { return static_cast<uint64_t>(static_cast<int64_t>(v)); }

struct Add { template <class T> static T of(T a, T b) { return static_cast<T>(wide(a) + wide(b)); } };
struct Sub { template <class T> static T of(T a, T b) { return static_cast<T>(wide(a) - wide(b)); } };
struct Mul { template <class T> static T of(T a, T b) { return static_cast<T>(wide(a) * wide(b)); } };
struct Mad { template <class T> static T of(T a, T b, T c) { return static_cast<T>(wide(a) * wide(b) + wide(c)); } };
struct Neg { template <class T> static T of(T a) { return static_cast<T>(-wide(a)); } };
struct Abs { template <class T> static T of(T a) { return a < 0 ? static_cast<T>(-wide(a)) : a; } };
struct Min { template <class T> static T of(T a, T b) { return std::min(a, b); } };
struct Max { template <class T> static T of(T a, T b) { return std::max(a, b); } };
struct Sad {
  template <class T>
  static T of(T a, T b, T c) {
    return static_cast<T>((a < b ? wide(b) - wide(a) : wide(a) - wide(b)) + wide(c));
  }
};
// By zero: all bits set, as the hardware does; the remainder is then the dividend. INT_MIN / -1 wraps.
struct Div {
  template <class T> static T of(T a, T b) {
    if (b == 0) return static_cast<T>(~T{0});
    if constexpr (std::is_signed_v<T>) if (b == -1) return Neg::of(a);
    return static_cast<T>(a / b);
  }
};
struct Rem {
  template <class T> static T of(T a, T b) {
    if (b == 0) return a;
    if constexpr (std::is_signed_v<T>) if (b == -1) return 0;
    return static_cast<T>(a % b);
  }
};
struct AddSat {
  static int32_t of(int32_t a, int32_t b) { return std::clamp<int64_t>(int64_t{a} + b, INT32_MIN, INT32_MAX); }
};
struct SubSat {
  static int32_t of(int32_t a, int32_t b) { return std::clamp<int64_t>(int64_t{a} - b, INT32_MIN, INT32_MAX); }
};

template <class T> struct Double;
template <> struct Double<uint16_t> { using type = uint32_t; };
template <> struct Double<int16_t> { using type = int32_t; };
template <> struct Double<uint32_t> { using type = uint64_t; };
template <> struct Double<int32_t> { using type = int64_t; };
template <> struct Double<uint64_t> { using type = unsigned __int128; };
template <> struct Double<int64_t> { using type = __int128; };

struct MulHi {
  template <class T> static T of(T a, T b) {
    using D = typename Double<T>::type;
    return static_cast<T>((static_cast<D>(a) * static_cast<D>(b)) >> (sizeof(T) * 8));
  }
};
struct MadHi { template <class T> static T of(T a, T b, T c) { return Add::of(MulHi::of(a, b), c); } };
struct MulWide {
  template <class T> static auto of(T a, T b) { return static_cast<typename Double<T>::type>(wide(a) * wide(b)); }
};
template <class T> struct MadWide {
  using D = typename Double<T>::type;
  static D of(T a, T b, D c) { return static_cast<D>(wide(a) * wide(b) + wide(c)); }
};
struct Mul24 { template <class T> static T of(T a, T b) { return static_cast<T>(cut(a) * cut(b)); }
  static int64_t cut(int32_t v) { return static_cast<int32_t>(static_cast<uint32_t>(v) << 8) >> 8; }
  static int64_t cut(uint32_t v) { return v & 0xffffff; } };

template <class T> void mul_wide(Warp& w, const Instruction& i, uint32_t lanes) {
  binary<typename Double<T>::type, T, T, MulWide>(w, i, lanes);
}
template <class T> void mad_wide(Warp& w, const Instruction& i, uint32_t lanes) {
  ternary<typename Double<T>::type, T, T, typename Double<T>::type, MadWide<T>>(w, i, lanes);
}

// Sums with carry: the carry of each lane is a bit of the warp. flags: what they read and write.
enum CarryFlags : uint16_t { kReadsCarry = 1, kWritesCarry = 2, kSubtracts = 4, kHighHalf = 8 };

template <class T> void carry_sum(Warp& w, const Instruction& i, uint32_t lanes) {
  using D = typename Double<T>::type;
  uint32_t carry = 0;
  for (uint32_t rest = lanes; rest; rest &= rest - 1) {
    int l = __builtin_ctz(rest);
    D a = w.cell<T>(i.a)[l], b = w.cell<T>(i.b)[l], in = i.flags & kReadsCarry ? w.carry >> l & 1 : 0;
    D sum = i.flags & kSubtracts ? a - b - in : a + b + in;
    w.cell<T>(i.d)[l] = static_cast<T>(sum);
    carry |= static_cast<uint32_t>(sum >> (sizeof(T) * 8) & 1) << l;  // of a difference: the borrow
  }
  if (i.flags & kWritesCarry) w.carry = (w.carry & ~lanes) | carry;
}
template <class T> void carry_mad(Warp& w, const Instruction& i, uint32_t lanes) {
  using D = typename Double<T>::type;
  uint32_t carry = 0;
  for (uint32_t rest = lanes; rest; rest &= rest - 1) {
    int l = __builtin_ctz(rest);
    D product = static_cast<D>(w.cell<T>(i.a)[l]) * w.cell<T>(i.b)[l];
    T half = static_cast<T>(i.flags & kHighHalf ? product >> (sizeof(T) * 8) : product);
    D sum = static_cast<D>(half) + w.cell<T>(i.c)[l] + (i.flags & kReadsCarry ? w.carry >> l & 1 : 0);
    w.cell<T>(i.d)[l] = static_cast<T>(sum);
    carry |= static_cast<uint32_t>(sum >> (sizeof(T) * 8) & 1) << l;
  }
  if (i.flags & kWritesCarry) w.carry = (w.carry & ~lanes) | carry;
}

Type as_unsigned(Type t) {
  return t == Type::kS32 || t == Type::kB32 ? Type::kU32 : t == Type::kS64 || t == Type::kB64 ? Type::kU64 : t;
}

void decode_carry(Decoder& d, Instruction& out, uint16_t flags) {
  if (d.take("cc")) flags |= kWritesCarry;
  Type t = as_unsigned(d.take_type());
  same_operands(d, out, t, 2);
  out.flags = flags;
  set_run(d, out, t == Type::kU32 ? carry_sum<uint32_t> : t == Type::kU64 ? carry_sum<uint64_t> : nullptr, t);
}

template <class Sat, class Plain, uint16_t carry>
void decode_sum(Decoder& d, Instruction& out) {
  if (d.has("cc")) return decode_carry(d, out, carry);
  bool saturates = d.take("sat");
  Type t = d.take_type();
  same_operands(d, out, t, 2);
  Run plain = integer_binary<Plain>(t);
  set_run(d, out, saturates ? (t == Type::kS32 ? binary_of<int32_t, Sat> : nullptr) : plain, t);
}
template <uint16_t flags> void decode_carried(Decoder& d, Instruction& out) { decode_carry(d, out, flags); }

template <class F> void decode_two(Decoder& d, Instruction& out) {
  Type t = d.take_type();
  same_operands(d, out, t, 2);
  set_run(d, out, integer_binary<F>(t), t);
}
template <class F> void decode_one(Decoder& d, Instruction& out) {
  Type t = d.take_type();
  same_operands(d, out, t, 1);
  set_run(d, out, integer_unary<F>(t), t);
}

Type doubled(Type t) {
  switch (t) {
    case Type::kU16: return Type::kU32;
    case Type::kS16: return Type::kS32;
    case Type::kU32: return Type::kU64;
    case Type::kS32: return Type::kS64;
    default: return Type::kNone;
  }
}
template <class Try> Run wide_run(Type t, Try of) {
  switch (t) {
    case Type::kU16: return of(uint16_t{});
    case Type::kS16: return of(int16_t{});
    case Type::kU32: return of(uint32_t{});
    case Type::kS32: return of(int32_t{});
    default: return nullptr;
  }
}

void decode_mul(Decoder& d, Instruction& out) {
  std::string part = d.take_any({"lo", "hi", "wide"});
  Type t = d.take_type();
  if (part.empty()) d.unsupported("neither .lo, .hi nor .wide");
  if (part != "wide") {
    same_operands(d, out, t, 2);
    return set_run(d, out, part == "lo" ? integer_binary<Mul>(t) : integer_binary<MulHi>(t), t);
  }
  set_run(d, out, wide_run(t, [](auto v) -> Run { return mul_wide<decltype(v)>; }), t);
  out.d = d.destination(0, doubled(t));
  out.a = d.source(1, t);
  out.b = d.source(2, t);
}

void decode_mad(Decoder& d, Instruction& out) {
  std::string part = d.take_any({"lo", "hi", "wide"});
  bool carries = d.statement().opcode == "madc", writes = d.take("cc");
  Type t = d.take_type();
  if (part.empty()) d.unsupported("neither .lo, .hi nor .wide");
  if (part == "wide") {
    set_run(d, out, wide_run(t, [](auto v) -> Run { return mad_wide<decltype(v)>; }), t);
    out.d = d.destination(0, doubled(t));
    out.a = d.source(1, t);
    out.b = d.source(2, t);
    out.c = d.source(3, doubled(t));
    return;
  }
  same_operands(d, out, t, 3);
  if (!carries && !writes)
    return set_run(d, out, part == "lo" ? integer_ternary<Mad>(t) : integer_ternary<MadHi>(t), t);
  if (is_signed(t) && part == "hi") d.unsupported("unsupported: the signed high half with a carry");
  out.flags = (carries ? kReadsCarry : 0) | (writes ? kWritesCarry : 0) | (part == "hi" ? kHighHalf : 0);
  t = as_unsigned(t);
  set_run(d, out, t == Type::kU32 ? carry_mad<uint32_t> : t == Type::kU64 ? carry_mad<uint64_t> : nullptr, t);
}

void decode_mul24(Decoder& d, Instruction& out) {
  if (!d.take("lo")) d.unsupported("unsupported: other than .lo");
  Type t = d.take_type();
  same_operands(d, out, t, 2);
  set_run(d, out,
          t == Type::kU32   ? binary_of<uint32_t, Mul24>
          : t == Type::kS32 ? binary_of<int32_t, Mul24>
                            : nullptr,
          t);
}

void decode_sad(Decoder& d, Instruction& out) {
  Type t = d.take_type();
  same_operands(d, out, t, 3);
  set_run(d, out, integer_ternary<Sad>(t), t);
}

// The same opcode for integers and floats is two rows; which one holds, the type says.
bool of_floats(const Decoder& d) {
  for (const std::string& m : d.statement().modifiers)
    if (m == "f16" || m == "bf16" || m == "f16x2" || m == "bf16x2" || m == "f32" || m == "f64") return true;
  return false;
}

OpcodeTable& float_rows() {
  static OpcodeTable rows = [] {
    OpcodeTable t;
    add_float_opcodes(t);
    return t;
  }();
  return rows;
}
template <Decode integer> void integer_or_float(Decoder& d, Instruction& out) {
  if (of_floats(d)) return float_rows().at(d.statement().opcode)(d, out);
  integer(d, out);
}

}  // namespace

void add_integer_opcodes(OpcodeTable& t) {
  t["add"] = integer_or_float<decode_sum<AddSat, Add, 0>>;
  t["sub"] = integer_or_float<decode_sum<SubSat, Sub, kSubtracts>>;
  t["addc"] = decode_carried<kReadsCarry>;
  t["subc"] = decode_carried<kReadsCarry | kSubtracts>;
  t["mul"] = integer_or_float<decode_mul>;
  t["mad"] = integer_or_float<decode_mad>;
  t["madc"] = decode_mad;
  t["mul24"] = decode_mul24;
  t["div"] = integer_or_float<decode_two<Div>>;
  t["rem"] = decode_two<Rem>;
  t["min"] = integer_or_float<decode_two<Min>>;
  t["max"] = integer_or_float<decode_two<Max>>;
  t["neg"] = integer_or_float<decode_one<Neg>>;
  t["abs"] = integer_or_float<decode_one<Abs>>;
  t["sad"] = decode_sad;
}

}  // namespace fakegpu
