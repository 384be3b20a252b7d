// f32 and f64: add sub mul fma mad div min max neg abs sqrt rsqrt rcp ex2 lg2 sin cos tanh copysign testp.
//
// What says .rn is IEEE. What says .approx is off by a unit in the last place wherever the exact result has to be
// rounded, so that no kernel's approximation passes for IEEE here and fails on a device.
#include <algorithm>

#include "tests/fakegpu/ops_float.h"

namespace fakegpu {
namespace {

struct Add { template <class T> static T of(T a, T b) { return a + b; } };
struct Sub { template <class T> static T of(T a, T b) { return a - b; } };
struct Mul { template <class T> static T of(T a, T b) { return a * b; } };
struct Div { template <class T> static T of(T a, T b) { return a / b; } };
struct Fma { template <class T> static T of(T a, T b, T c) { return std::fma(a, b, c); } };
struct Sqrt { template <class T> static T of(T a) { return std::sqrt(a); } };
struct Rcp { template <class T> static T of(T a) { return T{1} / a; } };

// A NaN loses against a number, unless `.NaN` asks for it; -0 is below +0.
template <bool least, bool keep_nan> struct Extreme {
  template <class T> static T of(T a, T b) {
    if (a != a || b != b) return keep_nan || (a != a && b != b) ? static_cast<T>(canonical_nan()) : a != a ? b : a;
    if (a == b) return std::signbit(a) == least ? a : b;
    return (a < b) == least ? a : b;
  }
};

// Approximations. A double is exact to many more bits than a float has.
float off_by_one(double exact) {
  float rounded = static_cast<float>(exact);
  bool is_exact = rounded == exact || rounded != rounded || std::isinf(rounded) || rounded == 0;
  return is_exact ? rounded : std::bit_cast<float>(std::bit_cast<uint32_t>(rounded) ^ 1);
}
// f64 keeps the high half of its bits.
double coarse(double exact) {
  return exact != exact ? exact : std::bit_cast<double>(std::bit_cast<uint64_t>(exact) & 0xffffffff00000000ull);
}

struct ApproxDiv { static float of(float a, float b) { return off_by_one(static_cast<double>(a) / b); } };
struct ApproxRcp {
  static float of(float a) { return off_by_one(1.0 / a); }
  static double of(double a) { return coarse(1.0 / flushed(a)); }
};
struct ApproxRsqrt {
  static float of(float a) { return off_by_one(1.0 / std::sqrt(static_cast<double>(a))); }
  static double of(double a) { return coarse(1.0 / std::sqrt(flushed(a))); }
};
struct WideRsqrt { static double of(double a) { return 1.0 / std::sqrt(a); } };
struct ApproxSqrt { static float of(float a) { return off_by_one(std::sqrt(static_cast<double>(a))); } };
struct ApproxEx2 { static float of(float a) { return off_by_one(std::exp2(static_cast<double>(a))); } };
struct ApproxLg2 { static float of(float a) { return off_by_one(std::log2(static_cast<double>(a))); } };
struct ApproxSin { static float of(float a) { return off_by_one(std::sin(static_cast<double>(a))); } };
struct ApproxCos { static float of(float a) { return off_by_one(std::cos(static_cast<double>(a))); } };
struct ApproxTanh { static float of(float a) { return off_by_one(std::tanh(static_cast<double>(a))); } };

// Signs alone: these keep the bits of a NaN.
template <class T> void neg(Warp& w, const Instruction& i, uint32_t lanes) {
  for_lanes(lanes, [&](int l) { w.cell<T>(i.d)[l] = w.cell<T>(i.a)[l] ^ T{1} << (sizeof(T) * 8 - 1); });
}
template <class T> void abs(Warp& w, const Instruction& i, uint32_t lanes) {
  for_lanes(lanes, [&](int l) { w.cell<T>(i.d)[l] = w.cell<T>(i.a)[l] & ~(T{1} << (sizeof(T) * 8 - 1)); });
}
template <class T> void copysign(Warp& w, const Instruction& i, uint32_t lanes) {  // the sign of a, the rest of b
  const T top = T{1} << (sizeof(T) * 8 - 1);
  for_lanes(lanes, [&](int l) { w.cell<T>(i.d)[l] = (w.cell<T>(i.b)[l] & ~top) | (w.cell<T>(i.a)[l] & top); });
}
struct FlushOnly { template <class T> static T of(T a) { return a; } };
struct FlushNeg { template <class T> static T of(T a) { return -a; } };
struct FlushAbs { template <class T> static T of(T a) { return std::fabs(a); } };

#if defined(__x86_64__)
// The library's fma is a call a lane; matrix products are made of nothing else.
__attribute__((target("fma"))) void fast_fma(Warp& w, const Instruction& i, uint32_t lanes) {
  float* d = w.cell<float>(i.d);
  const float *a = w.cell<float>(i.a), *b = w.cell<float>(i.b), *c = w.cell<float>(i.c);
  float r[32];
#pragma GCC ivdep
  for (int l = 0; l < 32; ++l) {
    float x = __builtin_fmaf(a[l], b[l], c[l]);
    r[l] = x != x ? canonical_nan() : x;
  }
  if (lanes == ~0u) memcpy(d, r, sizeof r);
  else for_lanes(lanes, [&](int l) { d[l] = r[l]; });
}
bool has_fma() { return __builtin_cpu_supports("fma"); }
#else
constexpr Run fast_fma = nullptr;
bool has_fma() { return false; }
#endif

struct Modes { Round round; bool rounds, ftz, sat, approx, full; };

Modes take_modes(Decoder& d) {
  Modes m{};
  std::string round = d.take_any({"rn", "rz", "rm", "rp"});
  m.rounds = !round.empty();
  m.round = round == "rz" ? Round::kZero : round == "rm" ? Round::kDown : round == "rp" ? Round::kUp : Round::kNearest;
  m.ftz = d.take("ftz");
  m.sat = d.take("sat");
  m.approx = d.take("approx");
  m.full = d.take("full");
  return m;
}

template <class F, int sources> void decode_arithmetic(Decoder& d, Instruction& out) {
  if (decode_half(d, out)) return;
  Modes m = take_modes(d);
  Type t = d.take_type();
  same_operands(d, out, t, sources);
  Run run = m.round == Round::kNearest ? float_run<F, sources>(t, m.ftz, m.sat)
                                       : directed_run(d.statement().opcode, t, m.round, m.ftz, m.sat);
  bool is_plain_fma = std::is_same_v<F, Fma> && t == Type::kF32 && m.round == Round::kNearest && !m.ftz && !m.sat;
  set_run(d, out, is_plain_fma && has_fma() ? fast_fma : run, t);
}

// Those of which an approximation exists beside IEEE. `Wide` is the approximation of f64 without .ftz, void: none.
template <class Exact, class Approx, int sources> void decode_approximable(Decoder& d, Instruction& out) {
  Modes m = take_modes(d);
  Type t = d.take_type();
  same_operands(d, out, t, sources);
  if (m.approx || m.full) {
    Run run = nullptr;
    if (t == Type::kF32)
      run = m.ftz ? float_run_of<Approx, sources, float, true, false>()
                  : float_run_of<Approx, sources, float, false, false>();
    if constexpr (std::is_same_v<Approx, ApproxRcp> || std::is_same_v<Approx, ApproxRsqrt>)
      if (t == Type::kF64 && m.ftz) run = unary_of<double, Approx>;
    if constexpr (std::is_same_v<Approx, ApproxRsqrt>)
      if (t == Type::kF64 && !m.ftz) run = unary_of<double, WideRsqrt>;
    return set_run(d, out, run, t);
  }
  if constexpr (std::is_void_v<Exact>) {
    d.unsupported("unsupported: without .approx");
  } else {
    if (!m.rounds) d.unsupported("unsupported: without a rounding");
    set_run(d, out, m.round == Round::kNearest ? float_run<Exact, sources>(t, m.ftz, m.sat)
                                               : directed_run(d.statement().opcode, t, m.round, m.ftz, m.sat), t);
  }
}

template <bool least> void decode_extreme(Decoder& d, Instruction& out) {
  if (decode_half(d, out)) return;
  bool ftz = d.take("ftz"), keeps_nan = d.take("NaN");
  Type t = d.take_type();
  same_operands(d, out, t, 2);
  set_run(d, out,
          keeps_nan ? float_run<Extreme<least, true>, 2>(t, ftz, false)
                    : float_run<Extreme<least, false>, 2>(t, ftz, false),
          t);
}

template <Run narrow, Run wide, class Flush> void decode_sign(Decoder& d, Instruction& out) {
  if (decode_half(d, out)) return;
  bool ftz = d.take("ftz");
  Type t = d.take_type();
  same_operands(d, out, t, 1);
  set_run(d, out,
          ftz               ? float_run<Flush, 1>(t, true, false)
          : t == Type::kF32 ? narrow
          : t == Type::kF64 ? wide
                            : nullptr,
          t);
}

void decode_copysign(Decoder& d, Instruction& out) {
  Type t = d.take_type();
  same_operands(d, out, t, 2);
  set_run(d, out, t == Type::kF32 ? copysign<uint32_t> : t == Type::kF64 ? copysign<uint64_t> : nullptr, t);
}

template <class T> void testp(Warp& w, const Instruction& i, uint32_t lanes) {
  uint32_t result = 0;
  for_lanes(lanes, [&](int l) {
    int c = std::fpclassify(w.cell<T>(i.a)[l]);
    bool is = i.flags == 0   ? c != FP_NAN && c != FP_INFINITE
              : i.flags == 1 ? c == FP_INFINITE
              : i.flags == 2 ? c != FP_NAN
              : i.flags == 3 ? c == FP_NAN
              : i.flags == 4 ? c == FP_NORMAL || c == FP_ZERO
                             : c == FP_SUBNORMAL;
    if (is) result |= 1u << l;
  });
  w.set_predicate(i.d, lanes, result);
}
void decode_testp(Decoder& d, Instruction& out) {
  static const char* names[] = {"finite", "infinite", "number", "notanumber", "normal", "subnormal"};
  std::string name = d.take_any({names[0], names[1], names[2], names[3], names[4], names[5]});
  Type t = d.take_type();
  out.d = d.destination(0, Type::kPred);
  out.a = d.source(1, t);
  out.flags = std::find(std::begin(names), std::end(names), name) - std::begin(names);
  set_run(d, out, t == Type::kF32 ? testp<float> : t == Type::kF64 ? testp<double> : nullptr, t);
}

// ex2 and tanh also of f16; those stand in ops_half.
template <class Approx> void decode_approx_or_half(Decoder& d, Instruction& out) {
  if (decode_half(d, out)) return;
  decode_approximable<void, Approx, 1>(d, out);
}

}  // namespace

void add_float_opcodes(OpcodeTable& t) {
  t["add"] = decode_arithmetic<Add, 2>;
  t["sub"] = decode_arithmetic<Sub, 2>;
  t["mul"] = decode_arithmetic<Mul, 2>;
  t["fma"] = decode_arithmetic<Fma, 3>;
  t["mad"] = decode_arithmetic<Fma, 3>;
  t["div"] = decode_approximable<Div, ApproxDiv, 2>;
  t["rcp"] = decode_approximable<Rcp, ApproxRcp, 1>;
  t["sqrt"] = decode_approximable<Sqrt, ApproxSqrt, 1>;
  t["rsqrt"] = decode_approximable<void, ApproxRsqrt, 1>;
  t["ex2"] = decode_approx_or_half<ApproxEx2>;
  t["tanh"] = decode_approx_or_half<ApproxTanh>;
  t["lg2"] = decode_approximable<void, ApproxLg2, 1>;
  t["sin"] = decode_approximable<void, ApproxSin, 1>;
  t["cos"] = decode_approximable<void, ApproxCos, 1>;
  t["min"] = decode_extreme<true>;
  t["max"] = decode_extreme<false>;
  t["neg"] = decode_sign<neg<uint32_t>, neg<uint64_t>, FlushNeg>;
  t["abs"] = decode_sign<abs<uint32_t>, abs<uint64_t>, FlushAbs>;
  t["copysign"] = decode_copysign;
  t["testp"] = decode_testp;
}

}  // namespace fakegpu
