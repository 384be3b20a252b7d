// f16 and bf16, alone and in pairs: add sub mul fma min max neg abs ex2 tanh. Each result is the exact one rounded
// once.
#include "tests/fakegpu/ops_float.h"

namespace fakegpu {
namespace {

struct HalfFormat {
  static double wide(uint16_t h) { return from_half(h); }
  static uint16_t narrow(double x) { return to_half(x); }
  static bool is_subnormal(uint16_t h) { return (h & 0x7c00) == 0 && (h & 0x3ff); }
};
struct BfloatFormat {
  static double wide(uint16_t h) { return from_bfloat(h); }
  static uint16_t narrow(double x) { return to_bfloat(x); }
  static bool is_subnormal(uint16_t h) { return (h & 0x7f80) == 0 && (h & 0x7f); }
};

enum HalfFlags : uint16_t { kFtz = 1, kSat = 2, kRelu = 4, kNan = 8 };

template <class Format> struct Arithmetic {
  static uint16_t in(uint16_t h, uint16_t flags) { return flags & kFtz && Format::is_subnormal(h) ? h & 0x8000 : h; }
  static uint16_t out(double x, uint16_t flags) {
    if (flags & kSat) x = !(x > 0) ? 0 : x > 1 ? 1 : x;
    if (flags & kRelu && x < 0) x = 0;
    uint16_t h = Format::narrow(x);
    return in(h, flags);
  }
};

struct Add { template <class F> static double of(double a, double b, double) { return sum_to_odd(a, b); } };
struct Sub { template <class F> static double of(double a, double b, double) { return sum_to_odd(a, -b); } };
struct Mul { template <class F> static double of(double a, double b, double) { return a * b; } };
struct Fma { template <class F> static double of(double a, double b, double c) { return sum_to_odd(a * b, c); } };
struct Ex2 { template <class F> static double of(double a, double, double) { return std::exp2(a); } };
struct Tanh { template <class F> static double of(double a, double, double) { return std::tanh(a); } };
template <bool least> struct Extreme {
  template <class F> static double of(double a, double b, double) {
    if (a == b) return std::signbit(a) == least ? a : b;
    return (a < b) == least ? a : b;
  }
};

template <class F> constexpr bool is_extreme = std::is_same_v<F, Extreme<true>> || std::is_same_v<F, Extreme<false>>;

template <class Op, class Format> uint16_t one(uint16_t a, uint16_t b, uint16_t c, uint16_t flags) {
  using A = Arithmetic<Format>;
  double x = Format::wide(A::in(a, flags)), y = Format::wide(A::in(b, flags)), z = Format::wide(A::in(c, flags));
  if constexpr (is_extreme<Op>)
    if (x != x || y != y) return flags & kNan || (x != x && y != y) ? 0x7fff : A::out(x != x ? y : x, flags);
  return A::out(Op::template of<Format>(x, y, z), flags);
}

template <class Op, class Format, class T> void run(Warp& w, const Instruction& i, uint32_t lanes) {
  auto cell = [&](uint32_t at, int l) -> T { return at == kNoCell ? T{0} : w.cell<T>(at)[l]; };
  for_lanes(lanes, [&](int l) {
    T a = cell(i.a, l), b = cell(i.b, l), c = cell(i.c, l), r = 0;
    for (size_t part = 0; part < sizeof(T) * 8; part += 16)
      r |= static_cast<T>(static_cast<T>(one<Op, Format>(a >> part, b >> part, c >> part, i.flags)) << part);
    w.cell<T>(i.d)[l] = r;
  });
}
// Signs alone.
template <class T, bool clear> void sign(Warp& w, const Instruction& i, uint32_t lanes) {
  const T tops = static_cast<T>(0x80008000u);
  for_lanes(lanes, [&](int l) { w.cell<T>(i.d)[l] = clear ? w.cell<T>(i.a)[l] & ~tops : w.cell<T>(i.a)[l] ^ tops; });
}

template <class Op> Run run_for(Type t) {
  switch (t) {
    case Type::kF16: return run<Op, HalfFormat, uint16_t>;
    case Type::kBF16: return run<Op, BfloatFormat, uint16_t>;
    case Type::kF16x2: return run<Op, HalfFormat, uint32_t>;
    case Type::kBF16x2: return run<Op, BfloatFormat, uint32_t>;
    default: return nullptr;
  }
}

Run run_named(const std::string& opcode, Type t) {
  if (opcode == "add") return run_for<Add>(t);
  if (opcode == "sub") return run_for<Sub>(t);
  if (opcode == "mul") return run_for<Mul>(t);
  if (opcode == "fma") return run_for<Fma>(t);
  if (opcode == "min") return run_for<Extreme<true>>(t);
  if (opcode == "max") return run_for<Extreme<false>>(t);
  if (opcode == "ex2") return run_for<Ex2>(t);
  if (opcode == "tanh") return run_for<Tanh>(t);
  if (opcode == "neg") return size_of(t) == 2 ? sign<uint16_t, false> : sign<uint32_t, false>;
  if (opcode == "abs") return size_of(t) == 2 ? sign<uint16_t, true> : sign<uint32_t, true>;
  return nullptr;
}

}  // namespace

bool decode_half(Decoder& d, Instruction& out) {
  Type t = d.has("f16")      ? Type::kF16
           : d.has("bf16")   ? Type::kBF16
           : d.has("f16x2")  ? Type::kF16x2
           : d.has("bf16x2") ? Type::kBF16x2
                             : Type::kNone;
  if (t == Type::kNone) return false;
  const std::string& opcode = d.statement().opcode;
  d.take(name_of(t));
  d.take("rn");
  d.take("approx");
  out.flags = (d.take("ftz") ? kFtz : 0) | (d.take("sat") ? kSat : 0) | (d.take("relu") ? kRelu : 0) |
              (d.take("NaN") ? kNan : 0);
  bool one = opcode == "neg" || opcode == "abs" || opcode == "ex2" || opcode == "tanh";
  same_operands(d, out, t, one ? 1 : opcode == "fma" ? 3 : 2);
  set_run(d, out, run_named(opcode, t), t);
  return true;
}



}  // namespace fakegpu
