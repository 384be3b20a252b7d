// composite_rules: type rules of composite rows (bodies.cpp).
#include "core/ir/rule_checks.h"

namespace jt {

static DType as_float(DType t) { return is_float(t) ? t : JT_F32; }

void mean_type(TypeRule& r) {
  reduce_type(r);
  r.results[0].dtype = as_float(r.inputs[0].dtype());
}
void norm_type(TypeRule& r) {
  mean_type(r);
  double p = r.attrs.real(r.at("p"));
  if (!(p == p)) fail(JT_E_INVALID, "norm: p is not a number");
  if (!(p < 0)) return;
  const Shape& x = r.inputs[0].shape();
  for (int64_t axis : r.attrs.ints(r.at("axes")))
    if (!x[int(axis)])
      fail(JT_E_SHAPE, "norm: no elements to choose from along axis ", axis, " of shape ", x, " for p ", p);
}
void float_type(TypeRule& r) {
  const Shape& x = r.inputs[0].shape();
  if (r.attrs.count())
    r.attrs.ints(0)[0] = is_only_axis(x, r.attrs.integer(0)) ? 0 : normal_axis(r.op.name, r.attrs.integer(0), x.rank);
  r.results[0] = {as_float(r.inputs[0].dtype()), x};
}
// ---- losses ---------------------------------------------------------------------------------------------------------

// The words that `reduction` may be, and the shape that is left.
static Shape left_by_reduction(const TypeRule& r, const Shape& each, std::initializer_list<std::string_view> words) {
  std::string_view given = r.attrs.string(r.at("reduction"));
  std::string known;
  for (std::string_view word : words) {
    if (given == word) return word == "none" ? each : Shape();
    append(known, text(known.empty() ? "" : ", ", word));
  }
  fail(JT_E_INVALID, r.op.name, ": reduction is '", given, "', not one of ", known);
}

// x without the axis of its classes: 1, or 0 where x is a single row.
static Shape without_classes(const TypeRule& r) {
  const Shape& x = r.inputs[0].shape();
  if (!x.rank) fail(JT_E_SHAPE, r.op.name, ": x needs 1 axis or more, its shape is []");
  Shape out;
  for (int i = 0; i < x.rank; i++)
    if (i != (x.rank > 1)) out.push(x[i], x.is_unit(i));
  return out;
}
static void check_class_weights(const TypeRule& r) {
  const Shape& x = r.inputs[0].shape();
  if (r.inputs.size() < 3) return;
  check_float(r, 2);
  const Shape& weight = r.inputs[2].shape();
  int64_t classes = x[x.rank > 1];
  if (weight.rank != 1 || weight[0] != classes)
    fail(JT_E_SHAPE, r.op.name, ": weight has shape ", weight, ", x ", x, " needs [", classes, "]");
}
static void labelled_type(TypeRule& r) {
  check_float(r, 0), check_integer(r, 1);
  Shape rows = without_classes(r);
  check_class_weights(r);
  if (!same_extents(r.inputs[1].shape(), rows))
    fail(JT_E_SHAPE, r.op.name, ": label has shape ", r.inputs[1].shape(), ", x ", r.inputs[0].shape(), " needs ",
         rows);
  r.results[0] = {r.inputs[0].dtype(), left_by_reduction(r, rows, {"mean", "sum", "none"})};
  const Shape& x = r.inputs[0].shape();
  r.index = {1, x[x.rank > 1], false, r.attrs.integer(r.at("ignore_index"))};
}
void nll_type(TypeRule& r) { labelled_type(r); }
void cross_entropy_type(TypeRule& r) {
  double smoothing = r.attrs.real(r.at("label_smoothing"));
  if (!(smoothing >= 0 && smoothing <= 1))
    fail(JT_E_INVALID, "cross_entropy: label_smoothing ", smoothing, " is not in 0..1");
  if (!is_float(r.inputs[1].dtype())) return labelled_type(r);
  check_float(r, 0);
  Shape rows = without_classes(r);
  check_class_weights(r);
  if (!same_extents(r.inputs[0].shape(), r.inputs[1].shape()))
    fail(JT_E_SHAPE, "cross_entropy: probabilities have shape ", r.inputs[1].shape(), ", x ", r.inputs[0].shape());
  r.results[0] = {r.inputs[0].dtype(), left_by_reduction(r, rows, {"mean", "sum", "none"})};
}

static void check_pair(const TypeRule& r) {
  check_float(r, 0), check_same_dtype(r, 0, 1);
  if (!same_extents(r.inputs[0].shape(), r.inputs[1].shape()))
    fail(JT_E_SHAPE, r.op.name, ": shapes ", r.inputs[0].shape(), " and ", r.inputs[1].shape(), " differ");
}
void pair_loss_type(TypeRule& r) {
  check_pair(r);
  const Shape& x = r.inputs[0].shape();
  bool by_batch = std::string_view(r.op.name) == "kl_div";
  Shape out = by_batch ? left_by_reduction(r, x, {"mean", "sum", "none", "batchmean"})
                       : left_by_reduction(r, x, {"mean", "sum", "none"});
  if (by_batch && !x.rank && r.attrs.string(r.at("reduction")) == "batchmean")
    fail(JT_E_SHAPE, "kl_div: batchmean needs 1 axis or more, the shape of x is []");
  r.results[0] = {r.inputs[0].dtype(), out};
}
void bce_type(TypeRule& r) {
  check_pair(r);
  const Shape& x = r.inputs[0].shape();
  for (size_t i = 2; i < r.inputs.size(); i++) {
    check_float(r, int(i));
    const Shape& weight = r.inputs[i].shape();
    if (!same_extents(broadcast(r.op.name, x, weight), x))
      fail(JT_E_SHAPE, r.op.name, ": ", signature(op_of(r.op)).operands[i], " of shape ", weight,
           " does not fit into x ", x);
  }
  r.results[0] = {r.inputs[0].dtype(), left_by_reduction(r, x, {"mean", "sum", "none"})};
}

void gelu_type(TypeRule& r) {
  std::string_view how = r.attrs.string(r.at("approximate"));
  if (how != "none" && how != "tanh") fail(JT_E_INVALID, "gelu: approximate is '", how, "', neither none nor tanh");
  pointwise_type(r);
}
void pointwise_type(TypeRule& r) { r.results[0] = {as_float(r.inputs[0].dtype()), r.inputs[0].shape()}; }

static void check_least_rank(const TypeRule& r, int i, int rank) {
  if (r.inputs[i].shape().rank < rank)
    fail(JT_E_SHAPE, r.op.name, ": operand ", i, " needs ", rank, " axes or more, its shape is ", r.inputs[i].shape());
}
// That operands from `first` on, as many as are there, are of x's dtype and of this shape.
static void check_factors(const TypeRule& r, size_t first, const Shape& shape) {
  for (size_t i = first; i < r.inputs.size(); i++) {
    check_same_dtype(r, 0, int(i));
    bool is_one_for_all = signature(op_of(r.op)).optional[i] && !r.inputs[i].shape().rank;
    if (!is_one_for_all && !same_extents(r.inputs[i].shape(), shape))
      fail(JT_E_SHAPE, r.op.name, ": operand ", i, " has shape ", r.inputs[i].shape(), ", not ", shape);
  }
}
static void check_epsilon(const TypeRule& r, int attr) {
  if (!(r.attrs.real(attr) >= 0)) fail(JT_E_INVALID, r.op.name, ": eps ", r.attrs.real(attr), " is not a number >= 0");
}

void prelu_type(TypeRule& r) {
  const Shape &x = r.inputs[0].shape(), &weight = r.inputs[1].shape();
  check_float(r, 0), check_same_dtype(r, 0, 1), check_rank(r, 1, 1);
  Dim channels = x.rank < 2 ? Dim(1) : x[1];
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
  if (groups < 1 || x[1] % groups)
    fail(JT_E_SHAPE, "group_norm: ", groups, " groups do not divide ", x[1], " channels");
  check_factors(r, 1, Shape{x[1]});
  r.results[0] = r.inputs[0].type();
}
void batch_norm_type(TypeRule& r) {
  check_float(r, 0), check_least_rank(r, 0, 2), check_epsilon(r, 0);
  check_factors(r, 1, Shape{r.inputs[0].shape()[1]});
  r.results[0] = r.inputs[0].type();
}
}  // namespace jt
