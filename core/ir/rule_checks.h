// rule_checks: what type rules ask of operands and attributes; each error names op, fact and both values.
#pragma once
#include <cmath>

#include "core/ir/type_rules.h"

namespace jt {

inline void check_float(const TypeRule& r, int i) {
  if (!is_float(r.inputs[i].dtype()))
    fail(JT_E_DTYPE, r.op.name, ": operand ", i, " is ", r.inputs[i].dtype(), ", not a floating-point dtype");
}
inline void check_integer(const TypeRule& r, int i) {
  if (!is_int(r.inputs[i].dtype()))
    fail(JT_E_DTYPE, r.op.name, ": operand ", i, " is ", r.inputs[i].dtype(), ", not an integer dtype");
}
inline void check_same_dtype(const TypeRule& r, int i, int j) {
  if (r.inputs[i].dtype() != r.inputs[j].dtype())
    fail(JT_E_DTYPE, r.op.name, ": dtypes differ: ", r.inputs[i].dtype(), " and ", r.inputs[j].dtype());
}
inline void check_rank(const TypeRule& r, int i, int rank) {
  if (r.inputs[i].shape().rank != rank)
    fail(JT_E_SHAPE, r.op.name, ": operand ", i, " needs ", rank, " axes, its shape is ", r.inputs[i].shape());
}
inline void check_extent(std::string_view who, Ref index, Dim size) {
  Dim n = index.type().count();
  if (n != 0 && size == 0) fail(JT_E_INDEX, who, ": ", n, n == 1 ? " index" : " indices", " into an extent of 0");
}
inline Shape shape_attr(const TypeRule& r, int attr) {
  Shape shape(std::as_const(r.attrs).ints(attr));
  check_count(r.op.name, shape);
  return shape;
}
inline DType dtype_attr(const TypeRule& r, int attr) {
  int64_t t = r.attrs.integer(attr);
  if (t != int(t) || !is_dtype(int(t))) fail(JT_E_DTYPE, r.op.name, ": ", t, " is not a dtype");
  return DType(t);
}
// A number given beside a tensor becomes an element of it: truncated where that holds integers, and never wrapped.
inline void check_holds(const TypeRule& r, std::string_view what, double value, DType t) {
  if (!is_int(t)) return;
  bool is_signed = is_signed_int(t);
  double beyond = std::ldexp(1.0, int(8 * size_of(t)) - is_signed), whole = std::trunc(value);
  if (!(whole >= (is_signed ? -beyond : 0.0) && whole < beyond))
    fail(JT_E_DTYPE, r.op.name, ": ", what, " ", value, " is not a value of ", t);
}

}  // namespace jt
