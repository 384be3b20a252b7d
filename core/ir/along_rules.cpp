// Type rules of rows that work along one axis.
#include "core/ir/rule_checks.h"

namespace jt {

// The attribute `axis` in its normal form. A 0-d x is one element along its only axis.
static int along_axis(TypeRule& r) {
  const Shape& x = r.inputs[0].shape();
  int at = r.at("axis");
  int64_t axis = r.attrs.integer(at);
  int normal = is_only_axis(x, axis) ? 0 : normal_axis(r.op.name, axis, x.rank);
  r.attrs.ints(at)[0] = normal;
  return normal;
}

void accumulation_type(TypeRule& r) {
  along_axis(r);
  DType t = r.inputs[0].dtype(), wide = is_float(t) ? t : is_unsigned_int(t) ? JT_U64 : JT_I64;
  if (t != wide) fail(JT_E_DTYPE, r.op.name, ": operand of dtype ", t, " needs a cast to ", wide);
  r.results[0] = r.inputs[0].type();
}

void ordering_type(TypeRule& r) {
  along_axis(r);
  r.results[0] = r.inputs[0].type();
  r.results[1] = {JT_I64, r.inputs[0].shape()};
}

void argsort_type(TypeRule& r) {
  along_axis(r);
  r.results[0] = {JT_I64, r.inputs[0].shape()};
}

void topk_type(TypeRule& r) {
  int axis = along_axis(r);
  const Shape& x = r.inputs[0].shape();
  int64_t k = r.attrs.integer(r.at("k"));
  Dim n = x.rank ? x[axis] : Dim(1);
  if (k < 0 || k > n) fail(JT_E_INVALID, "topk: k is ", k, ", axis ", axis, " of ", x, " has extent ", n);
  Shape out;
  for (int i = 0; i < x.rank; i++) out.push(i == axis ? Dim(k) : x[i], i != axis && x.is_unit(i));
  if (!x.rank && k != 1) fail(JT_E_INVALID, "topk: k is ", k, ", x has no axes: 1 is all there is");
  r.results[0] = {r.inputs[0].dtype(), out};
  r.results[1] = {JT_I64, out};
}

void split_type(TypeRule& r) {
  const Shape& x = r.inputs[0].shape();
  int axis = normal_axis("split", r.attrs.integer(r.at("axis")), x.rank);
  r.attrs.ints(r.at("axis"))[0] = axis;
  int64_t left = x[axis];
  auto sizes = std::as_const(r.attrs).ints(r.at("sizes"));
  for (size_t k = 0; k < sizes.size(); k++) {
    if (sizes[k] < 0) fail(JT_E_SHAPE, "split: extent ", sizes[k], " is negative");
    if (sizes[k] > left) fail(JT_E_SHAPE, "split: sizes ", sizes, " are more than extent ", x[axis], " of axis ", axis);
    left -= sizes[k];
    Shape part;
    for (int i = 0; i < x.rank; i++) part.push(i == axis ? Dim(sizes[k]) : x[i], i != axis && x.is_unit(i));
    r.results[k] = {r.inputs[0].dtype(), part};
  }
  if (left) fail(JT_E_SHAPE, "split: sizes ", sizes, " are less than extent ", x[axis], " of axis ", axis);
}

}  // namespace jt
