// Bits: and or xor not cnot shl shr shf bfe bfi bfind brev clz popc prmt lop3 fns szext.
#include <algorithm>
#include <bit>

#include "tests/fakegpu/ops.h"

namespace fakegpu {
namespace {

struct And { template <class T> static T of(T a, T b) { return a & b; } };
struct Or { template <class T> static T of(T a, T b) { return a | b; } };
struct Xor { template <class T> static T of(T a, T b) { return a ^ b; } };
struct Not { template <class T> static T of(T a) { return static_cast<T>(~a); } };
struct Cnot { template <class T> static T of(T a) { return a == 0; } };
// Shifts by the width or more give zeros, or the sign.
struct Shl {
  template <class T>
  static T of(T a, uint32_t b) {
    return b >= sizeof(T) * 8 ? T{0} : static_cast<T>(static_cast<uint64_t>(a) << b);
  }
};
struct Shr {
  template <class T>
  static T of(T a, uint32_t b) {
    return b >= sizeof(T) * 8 ? static_cast<T>(a < 0 ? -1 : 0) : static_cast<T>(a >> b);
  }
};
template <class T> struct ShlOf { static T of(T a, uint32_t b) { return Shl::of(a, b); } };
template <class T> struct ShrOf { static T of(T a, uint32_t b) { return Shr::of(a, b); } };

struct Brev {
  template <class T> static T of(T a) {
    T r = 0;
    for (size_t i = 0; i < sizeof(T) * 8; ++i) r = static_cast<T>(r << 1 | (a >> i & 1));
    return r;
  }
};
struct Clz { template <class T> static uint32_t of(T a) { return std::countl_zero(a); } };
struct Popc { template <class T> static uint32_t of(T a) { return std::popcount(a); } };

template <class T>
T field_mask(uint32_t length) {
  return length >= sizeof(T) * 8 ? static_cast<T>(~T{0}) : static_cast<T>((T{1} << length) - 1);
}
struct Bfi {
  template <class T> static T of(T a, T b, uint32_t position, uint32_t length) {
    position &= 255;
    T mask = Shl::of(field_mask<T>(length & 255), position);
    return static_cast<T>((b & ~mask) | (Shl::of(a, position) & mask));
  }
};
// What lies beyond the value counts as its sign, or zero.
template <class S, class T> T bit_field(T a, uint32_t position, uint32_t length) {
  position &= 255, length &= 255;
  const uint32_t bits = sizeof(T) * 8;
  if (length == 0) return 0;
  uint32_t last = std::min(position + length - 1, bits - 1);
  T sign = std::is_signed_v<S> ? a >> last & 1 : 0;
  T value = position >= bits ? T{0} : static_cast<T>(a >> position);
  uint32_t kept = position >= bits ? 0 : std::min(length, bits - position);
  T mask = field_mask<T>(kept);
  return static_cast<T>((value & mask) | (sign ? ~mask : T{0}));
}
// The highest bit that differs from the sign; none: all bits set.
template <class S, bool shift_amount> struct Bfind {
  template <class T> static uint32_t of(T a) {
    if (std::is_signed_v<S> && static_cast<S>(a) < 0) a = ~a;
    if (!a) return ~0u;
    uint32_t highest = sizeof(T) * 8 - 1 - std::countl_zero(a);
    return shift_amount ? sizeof(T) * 8 - 1 - highest : highest;
  }
};

template <class S, class T> void bfe(Warp& w, const Instruction& i, uint32_t lanes) {
  for_lanes(lanes, [&](int l) {
    w.cell<T>(i.d)[l] = bit_field<S, T>(w.cell<T>(i.a)[l], w.cell<uint32_t>(i.b)[l], w.cell<uint32_t>(i.c)[l]);
  });
}
template <class T> void bfi(Warp& w, const Instruction& i, uint32_t lanes) {
  for_lanes(lanes, [&](int l) {
    w.cell<T>(i.d)[l] =
        Bfi::of(w.cell<T>(i.a)[l], w.cell<T>(i.b)[l], w.cell<uint32_t>(i.c)[l], w.cell<uint32_t>(i.e)[l]);
  });
}

enum FunnelFlags : uint16_t { kFunnelRight = 1, kFunnelClamp = 2 };
void shf(Warp& w, const Instruction& i, uint32_t lanes) {
  for_lanes(lanes, [&](int l) {
    uint32_t n = w.cell<uint32_t>(i.c)[l];
    n = i.flags & kFunnelClamp ? std::min(n, 32u) : n & 31;
    uint64_t both = static_cast<uint64_t>(w.cell<uint32_t>(i.b)[l]) << 32 | w.cell<uint32_t>(i.a)[l];
    w.cell<uint32_t>(i.d)[l] =
        i.flags & kFunnelRight ? static_cast<uint32_t>(both >> n) : static_cast<uint32_t>((both << n) >> 32);
  });
}
void prmt(Warp& w, const Instruction& i, uint32_t lanes) {
  for_lanes(lanes, [&](int l) {
    uint64_t both = static_cast<uint64_t>(w.cell<uint32_t>(i.b)[l]) << 32 | w.cell<uint32_t>(i.a)[l];
    uint32_t selector = w.cell<uint32_t>(i.c)[l], result = 0;
    for (int byte = 0; byte < 4; ++byte) {
      uint32_t choice = selector >> byte * 4 & 15, value = both >> (choice & 7) * 8 & 255;
      if (choice & 8) value = value & 128 ? 255 : 0;
      result |= value << byte * 8;
    }
    w.cell<uint32_t>(i.d)[l] = result;
  });
}
void lop3(Warp& w, const Instruction& i, uint32_t lanes) {
  for_lanes(lanes, [&](int l) {
    uint32_t a = w.cell<uint32_t>(i.a)[l], b = w.cell<uint32_t>(i.b)[l], c = w.cell<uint32_t>(i.c)[l], result = 0;
    for (int bit = 0; bit < 32; ++bit) {
      int row = (a >> bit & 1) << 2 | (b >> bit & 1) << 1 | (c >> bit & 1);
      result |= static_cast<uint32_t>(i.flags >> row & 1) << bit;
    }
    w.cell<uint32_t>(i.d)[l] = result;
  });
}

// ---- predicates: one word of bits
enum PredicateOp : uint16_t { kAnd, kOr, kXor, kNot };
void predicate_op(Warp& w, const Instruction& i, uint32_t lanes) {
  uint32_t a = w.predicate(i.a), b = i.b == kNoCell ? 0 : w.predicate(i.b);
  w.set_predicate(i.d, lanes, i.flags == kAnd ? a & b : i.flags == kOr ? a | b : i.flags == kXor ? a ^ b : ~a);
}

template <class F, PredicateOp op> void decode_logic(Decoder& d, Instruction& out) {
  Type t = d.take_type();
  same_operands(d, out, t, 2);
  out.flags = op;
  set_run(d, out, t == Type::kPred ? predicate_op : integer_binary<F>(t), t);
}
void decode_not(Decoder& d, Instruction& out) {
  Type t = d.take_type();
  same_operands(d, out, t, 1);
  out.flags = kNot;
  set_run(d, out, t == Type::kPred ? predicate_op : integer_unary<Not>(t), t);
}
void decode_cnot(Decoder& d, Instruction& out) {
  Type t = d.take_type();
  same_operands(d, out, t, 1);
  set_run(d, out, integer_unary<Cnot>(t), t);
}

template <template <class> class F> void decode_shift(Decoder& d, Instruction& out) {
  Type t = d.take_type();
  out.d = d.destination(0, t);
  out.a = d.source(1, t);
  out.b = d.source(2, Type::kU32);
  Run run = nullptr;
  switch (t) {
    case Type::kB16: case Type::kU16: run = binary<uint16_t, uint16_t, uint32_t, F<uint16_t>>; break;
    case Type::kS16: run = binary<int16_t, int16_t, uint32_t, F<int16_t>>; break;
    case Type::kB32: case Type::kU32: run = binary<uint32_t, uint32_t, uint32_t, F<uint32_t>>; break;
    case Type::kS32: run = binary<int32_t, int32_t, uint32_t, F<int32_t>>; break;
    case Type::kB64: case Type::kU64: run = binary<uint64_t, uint64_t, uint32_t, F<uint64_t>>; break;
    case Type::kS64: run = binary<int64_t, int64_t, uint32_t, F<int64_t>>; break;
    default: break;
  }
  set_run(d, out, run, t);
}

template <class F> void decode_count(Decoder& d, Instruction& out) {
  Type t = d.take_type();
  out.d = d.destination(0, Type::kU32);
  out.a = d.source(1, t);
  set_run(d, out,
          t == Type::kB32   ? unary<uint32_t, uint32_t, F>
          : t == Type::kB64 ? unary<uint32_t, uint64_t, F>
                            : nullptr,
          t);
}
void decode_brev(Decoder& d, Instruction& out) {
  Type t = d.take_type();
  same_operands(d, out, t, 1);
  set_run(d, out, t == Type::kB32 || t == Type::kB64 ? integer_unary<Brev>(t) : nullptr, t);
}

template <bool shift> Run bfind_run(Type t) {
  switch (t) {
    case Type::kU32: return unary<uint32_t, uint32_t, Bfind<uint32_t, shift>>;
    case Type::kS32: return unary<uint32_t, uint32_t, Bfind<int32_t, shift>>;
    case Type::kU64: return unary<uint32_t, uint64_t, Bfind<uint64_t, shift>>;
    case Type::kS64: return unary<uint32_t, uint64_t, Bfind<int64_t, shift>>;
    default: return nullptr;
  }
}
void decode_bfind(Decoder& d, Instruction& out) {
  bool shift = d.take("shiftamt");
  Type t = d.take_type();
  out.d = d.destination(0, Type::kU32);
  out.a = d.source(1, t);
  set_run(d, out, shift ? bfind_run<true>(t) : bfind_run<false>(t), t);
}

void decode_bfe(Decoder& d, Instruction& out) {
  Type t = d.take_type();
  out.d = d.destination(0, t);
  out.a = d.source(1, t);
  out.b = d.source(2, Type::kU32);
  out.c = d.source(3, Type::kU32);
  set_run(d, out, t == Type::kU32   ? bfe<uint32_t, uint32_t>
                  : t == Type::kS32 ? bfe<int32_t, uint32_t>
                  : t == Type::kU64 ? bfe<uint64_t, uint64_t>
                  : t == Type::kS64 ? bfe<int64_t, uint64_t> : nullptr, t);
}
void decode_bfi(Decoder& d, Instruction& out) {
  Type t = d.take_type();
  out.d = d.destination(0, t);
  out.a = d.source(1, t);
  out.b = d.source(2, t);
  out.c = d.source(3, Type::kU32);
  out.e = d.source(4, Type::kU32);
  set_run(d, out, t == Type::kB32 ? bfi<uint32_t> : t == Type::kB64 ? bfi<uint64_t> : nullptr, t);
}

void decode_shf(Decoder& d, Instruction& out) {
  std::string way = d.take_any({"l", "r"}), mode = d.take_any({"wrap", "clamp"});
  Type t = d.take_type();
  same_operands(d, out, t, 3);
  if (way.empty() || mode.empty()) d.unsupported("no direction or mode");
  out.flags = (way == "r" ? kFunnelRight : 0) | (mode == "clamp" ? kFunnelClamp : 0);
  set_run(d, out, t == Type::kB32 ? shf : nullptr, t);
}
void decode_prmt(Decoder& d, Instruction& out) {
  Type t = d.take_type();
  same_operands(d, out, t, 3);
  set_run(d, out, t == Type::kB32 ? prmt : nullptr, t);
}
void decode_lop3(Decoder& d, Instruction& out) {
  Type t = d.take_type();
  out.d = d.destination(0, t);
  out.a = d.source(1, t);
  out.b = d.source(2, t);
  out.c = d.source(3, t);
  if (d.operand(4).kind != Operand::kInteger) d.unsupported("a table that is no number");
  out.flags = d.operand(4).bits;
  set_run(d, out, t == Type::kB32 ? lop3 : nullptr, t);
}

}  // namespace

void add_bit_opcodes(OpcodeTable& t) {
  t["and"] = decode_logic<And, kAnd>;
  t["or"] = decode_logic<Or, kOr>;
  t["xor"] = decode_logic<Xor, kXor>;
  t["not"] = decode_not;
  t["cnot"] = decode_cnot;
  t["shl"] = decode_shift<ShlOf>;
  t["shr"] = decode_shift<ShrOf>;
  t["shf"] = decode_shf;
  t["brev"] = decode_brev;
  t["clz"] = decode_count<Clz>;
  t["popc"] = decode_count<Popc>;
  t["bfind"] = decode_bfind;
  t["bfe"] = decode_bfe;
  t["bfi"] = decode_bfi;
  t["prmt"] = decode_prmt;
  t["lop3"] = decode_lop3;
}

}  // namespace fakegpu
