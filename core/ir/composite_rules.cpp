// composite_rules: type rules of composite rows (bodies.cpp).
#include "core/ir/rule_checks.h"

namespace jt {

static DType as_float(DType t) { return is_float(t) ? t : JT_F32; }

void mean_type(TypeRule& r) {
  reduce_type(r);
  r.results[0].dtype = as_float(r.inputs[0].dtype());
}
void float_type(TypeRule& r) {
  const Shape& x = r.inputs[0].shape();
  if (r.attrs.count()) r.attrs.ints(0)[0] = normal_axis(r.op.name, r.attrs.integer(0), x.rank);
  r.results[0] = {as_float(r.inputs[0].dtype()), x};
}
void cross_entropy_type(TypeRule& r) {
  check_rank(r, 0, 2), check_rank(r, 1, 1), check_float(r, 0), check_integer(r, 1);
  if (r.inputs[0].shape()[0] != r.inputs[1].shape()[0])
    fail(JT_E_SHAPE, "cross_entropy: ", r.inputs[0].shape()[0], " rows of logits and ", r.inputs[1].shape()[0], " labels");
  r.results[0] = {r.inputs[0].dtype(), Shape()};
  r.index = {1, r.inputs[0].shape()[1], false};
}
void mse_loss_type(TypeRule& r) {
  check_float(r, 0), check_same_dtype(r, 0, 1);
  if (!same_extents(r.inputs[0].shape(), r.inputs[1].shape()))
    fail(JT_E_SHAPE, "mse_loss: shapes ", r.inputs[0].shape(), " and ", r.inputs[1].shape(), " differ");
  r.results[0] = {r.inputs[0].dtype(), Shape()};
}

void pointwise_type(TypeRule& r) { r.results[0] = {as_float(r.inputs[0].dtype()), r.inputs[0].shape()}; }
void pair_type(TypeRule& r) {
  check_float(r, 0), check_same_dtype(r, 0, 1);
  if (!same_extents(r.inputs[0].shape(), r.inputs[1].shape()))
    fail(JT_E_SHAPE, r.op.name, ": shapes ", r.inputs[0].shape(), " and ", r.inputs[1].shape(), " differ");
  r.results[0] = r.inputs[0].type();
}

static void check_least_rank(const TypeRule& r, int i, int rank) {
  if (r.inputs[i].shape().rank < rank)
    fail(JT_E_SHAPE, r.op.name, ": operand ", i, " needs ", rank, " axes or more, its shape is ", r.inputs[i].shape());
}
// That operands from `first` on, as many as are there, are of x's dtype and of this shape.
static void check_factors(const TypeRule& r, size_t first, const Shape& shape) {
  for (size_t i = first; i < r.inputs.size(); i++) {
    check_same_dtype(r, 0, int(i));
    if (!same_extents(r.inputs[i].shape(), shape))
      fail(JT_E_SHAPE, r.op.name, ": operand ", i, " has shape ", r.inputs[i].shape(), ", not ", shape);
  }
}
static void check_epsilon(const TypeRule& r, int attr) {
  if (!(r.attrs.real(attr) >= 0)) fail(JT_E_INVALID, r.op.name, ": eps ", r.attrs.real(attr), " is not a number >= 0");
}

void prelu_type(TypeRule& r) {
  const Shape &x = r.inputs[0].shape(), &weight = r.inputs[1].shape();
  check_float(r, 0), check_same_dtype(r, 0, 1), check_rank(r, 1, 1);
  int64_t channels = x.rank < 2 ? 1 : x[1];
  if (weight[0] != 1 && weight[0] != channels)
    fail(JT_E_SHAPE, "prelu: weight has ", weight[0], " elements; x ", x, " needs 1 or ", channels);
  r.results[0] = r.inputs[0].type();
}
void dropout_type(TypeRule& r) {
  check_float(r, 0);
  double p = r.attrs.real(0);
  if (!(p >= 0 && p <= 1)) fail(JT_E_INVALID, "dropout: p ", p, " is not in 0..1");
  r.results[0] = r.inputs[0].type();
}
void embedding_type(TypeRule& r) {
  const Shape &index = r.inputs[0].shape(), &weight = r.inputs[1].shape();
  check_integer(r, 0), check_least_rank(r, 1, 1);
  Shape out = index;
  for (int i = 1; i < weight.rank; i++) out.push(weight[i], weight.is_unit(i));
  r.results[0] = {r.inputs[1].dtype(), out};
  r.index = {0, weight[0], true};
}
void check_index_type(TypeRule& r) {
  check_integer(r, 0);
  int64_t size = r.attrs.integer(0);
  if (size < 0) fail(JT_E_INVALID, "check_index: size ", size, " is negative");
  if (size > kMaxCount) fail(JT_E_INVALID, "check_index: size ", size, " is more than any extent");
  check_extent("check_index", r.inputs[0], size);
  r.results[0] = r.inputs[0].type();
}
void one_hot_type(TypeRule& r) {
  check_integer(r, 0);
  int64_t classes = r.attrs.integer(0);
  if (classes < 0) fail(JT_E_INVALID, "one_hot: ", classes, " classes");
  Shape out = r.inputs[0].shape();
  out.push(classes);
  r.results[0] = {dtype_attr(r, r.at("dtype")), out};
  r.index = {0, classes, false};
}
void layer_norm_type(TypeRule& r) {
  const Shape& x = r.inputs[0].shape();
  check_float(r, 0), check_epsilon(r, 1);
  int64_t n = r.attrs.integer(0);
  if (n < 1 || n > x.rank) fail(JT_E_SHAPE, r.op.name, ": the last ", n, " axes of shape ", x);
  check_factors(r, 1, Shape(x.extents().last(size_t(n))));
  r.results[0] = r.inputs[0].type();
}
void group_norm_type(TypeRule& r) {
  const Shape& x = r.inputs[0].shape();
  check_float(r, 0), check_least_rank(r, 0, 2), check_epsilon(r, 1);
  int64_t groups = r.attrs.integer(0);
  if (x.rank == kMaxRank) fail(JT_E_SHAPE, "group_norm: shape ", x, " leaves no axis for the groups");
  if (groups < 1 || x[1] % groups) fail(JT_E_SHAPE, "group_norm: ", groups, " groups do not divide ", x[1], " channels");
  check_factors(r, 1, Shape{x[1]});
  r.results[0] = r.inputs[0].type();
}
void batch_norm_type(TypeRule& r) {
  check_float(r, 0), check_least_rank(r, 0, 2), check_epsilon(r, 0);
  check_factors(r, 1, Shape{r.inputs[0].shape()[1]});
  r.results[0] = r.inputs[0].type();
}
void nll_type(TypeRule& r) {
  const Shape &x = r.inputs[0].shape(), &label = r.inputs[1].shape();
  check_float(r, 0), check_integer(r, 1), check_least_rank(r, 0, 2);
  Shape out;
  for (int i = 0; i < x.rank; i++)
    if (i != 1) out.push(x[i], x.is_unit(i));
  if (!same_extents(label, out)) fail(JT_E_SHAPE, "nll: label has shape ", label, ", x ", x, " needs ", out);
  r.results[0] = {r.inputs[0].dtype(), out};
  r.index = {1, x[1], false};
}

}  // namespace jt
