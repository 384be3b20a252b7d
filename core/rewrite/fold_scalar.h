// fold_scalar: an element row or cast on scalars. A stand-in until core/ir/eval.h has `fold` for every row.
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

inline int64_t fold(Op op, std::span<const Scalar> from, DType to) {
  auto real = [&](size_t i) {
    double v = double(from[i].bits);
    if (is_float(from[i].dtype)) std::memcpy(&v, &from[i].bits, 8);
    return v;
  };
  auto give = [&](double v, int64_t n) {
    if (!is_float(to)) return to == JT_BOOL ? int64_t(n != 0) : n;
    if (to != JT_F64) v = double(float(v));
    int64_t bits;
    std::memcpy(&bits, &v, 8);
    return bits;
  };
  double x = real(0), y = from.size() > 1 ? real(1) : 0;
  int64_t a = from[0].bits, b = from.size() > 1 ? from[1].bits : 0;
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
    default: return give(x, is_float(from[0].dtype) ? int64_t(x) : a);
  }
}

}  // namespace jt
