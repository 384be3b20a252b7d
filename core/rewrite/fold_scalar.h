// fold_scalar: an element row or cast on scalars. A stand-in until core/ir/eval.h has it for every row.
#pragma once
#include <cstring>
#include <cmath>
#include <span>

#include "core/ir/block.h"

namespace jt {

inline bool can_fold_op(Op op) {
  switch (op) {
    case Op::neg: case Op::abs: case Op::square: case Op::reciprocal: case Op::logical_not:
    case Op::add: case Op::sub: case Op::mul: case Op::div: case Op::cast: return true;
    default: return false;
  }
}

inline void fold_scalar(Op op, DType result, std::span<const Scalar*> in, int64_t* bits) {
  auto real = [&](size_t i) {
    double v = double(in[i]->bits);
    if (is_float(in[i]->dtype)) std::memcpy(&v, &in[i]->bits, 8);
    return v;
  };
  auto give = [&](double v, int64_t n) {
    if (!is_float(result)) { *bits = result == JT_BOOL ? n != 0 : n; return; }
    if (result != JT_F64) v = double(float(v));
    std::memcpy(bits, &v, 8);
  };
  double x = real(0), y = in.size() > 1 ? real(1) : 0;
  int64_t a = in[0]->bits, b = in.size() > 1 ? in[1]->bits : 0;
  switch (op) {
    case Op::neg: return give(-x, -a);
    case Op::abs: return give(std::fabs(x), a < 0 ? -a : a);
    case Op::square: return give(x * x, a * a);
    case Op::reciprocal: return give(1 / x, 0);
    case Op::logical_not: return give(0, !a);
    case Op::add: return give(x + y, a + b);
    case Op::sub: return give(x - y, a - b);
    case Op::mul: return give(x * y, a * b);
    case Op::div: return give(x / y, 0);
    default: return give(x, is_float(in[0]->dtype) ? int64_t(x) : a);
  }
}

}  // namespace jt
