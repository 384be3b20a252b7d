// f32 and f64 with a rounding other than to nearest: the host's own arithmetic under that rounding. Built with
// -frounding-math.
#include <cfenv>

#include "tests/fakegpu/ops_float.h"

namespace fakegpu {
namespace {

struct Rounding {
  explicit Rounding(Round mode) : before_(fegetround()) {
    fesetround(mode == Round::kZero   ? FE_TOWARDZERO
               : mode == Round::kDown ? FE_DOWNWARD
               : mode == Round::kUp   ? FE_UPWARD
                                      : FE_TONEAREST);
  }
  ~Rounding() { fesetround(before_); }
  int before_;
};

enum Operation : uint16_t { kAdd, kSub, kMul, kFma, kDiv, kRcp, kSqrt };

template <class T> T apply(Operation op, T a, T b, T c) {
  volatile T x = a, y = b;  // evaluated here, under this rounding, not before
  switch (op) {
    case kAdd: return x + y;
    case kSub: return x - y;
    case kMul: return x * y;
    case kFma: return std::fma(T{x}, T{y}, c);
    case kDiv: return x / y;
    case kRcp: return T{1} / x;
    case kSqrt: return std::sqrt(T{x});
  }
  return 0;
}

template <class T, Operation op, Round mode, bool ftz, bool sat>
void directed(Warp& w, const Instruction& i, uint32_t lanes) {
  Rounding rounding(mode);
  for_lanes(lanes, [&](int l) {
    T a = taken<ftz>(w.cell<T>(i.a)[l]);
    T b = i.b == kNoCell ? T{0} : taken<ftz>(w.cell<T>(i.b)[l]),
      c = i.c == kNoCell ? T{0} : taken<ftz>(w.cell<T>(i.c)[l]);
    w.cell<T>(i.d)[l] = given<ftz, sat>(apply<T>(op, a, b, c));
  });
}

template <Operation op, Round mode> Run run_of(Type t, bool ftz, bool sat) {
  if (t == Type::kF64) return ftz || sat ? nullptr : directed<double, op, mode, false, false>;
  if (t != Type::kF32) return nullptr;
  if (ftz) return sat ? directed<float, op, mode, true, true> : directed<float, op, mode, true, false>;
  return sat ? directed<float, op, mode, false, true> : directed<float, op, mode, false, false>;
}
template <Operation op> Run run_of(Type t, Round mode, bool ftz, bool sat) {
  return mode == Round::kZero ? run_of<op, Round::kZero>(t, ftz, sat)
         : mode == Round::kDown ? run_of<op, Round::kDown>(t, ftz, sat) : run_of<op, Round::kUp>(t, ftz, sat);
}

}  // namespace

Run directed_run(const std::string& opcode, Type t, Round mode, bool ftz, bool sat) {
  if (opcode == "add") return run_of<kAdd>(t, mode, ftz, sat);
  if (opcode == "sub") return run_of<kSub>(t, mode, ftz, sat);
  if (opcode == "mul") return run_of<kMul>(t, mode, ftz, sat);
  if (opcode == "fma" || opcode == "mad") return run_of<kFma>(t, mode, ftz, sat);
  if (opcode == "div") return run_of<kDiv>(t, mode, ftz, sat);
  if (opcode == "rcp") return run_of<kRcp>(t, mode, ftz, sat);
  if (opcode == "sqrt") return run_of<kSqrt>(t, mode, ftz, sat);
  return nullptr;
}

}  // namespace fakegpu
