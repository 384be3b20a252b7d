// Element and reduce rows: the expressions of ops.def, over operands x, y, w, the result z and its gradient dz.
// Other rows: the functions that their `gradient` column names. Most are adjoints: the op that adds every element of dz
// where the element of x came from.
#include "core/grad/gradients.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "core/ir/build.h"
#include "core/ir/custom.h"
#include "core/ir/type_rules.h"

namespace jt {

using namespace ops;

// ---- element rows ---------------------------------------------------------------------------------------------------

namespace {

// What halves are summed and divided in: their results are rounded once.
DType wide(DType t) { return t == JT_F16 || t == JT_BF16 ? JT_F32 : t; }

// A divisor whose zeros are infinite: where a distance is 0 its slope is taken to be 0, and so is the slope of that.
Value or_inf(const Value& v) { return where(equal(v, 0), std::numeric_limits<double>::infinity(), v); }

// The names that a gradient expression may use. `zero` contributes nothing.
#define JT_NAMES_1 \
  [[maybe_unused]] const Value x = s.node->inputs()[0], z = Ref{s.node, 0}, dz = s.dz[0], zero;
#define JT_NAMES_2 JT_NAMES_1 [[maybe_unused]] const Value y = s.node->inputs()[1];
#define JT_NAMES_3 JT_NAMES_2 [[maybe_unused]] const Value w = s.node->inputs()[2];

#define JT_UNARY(name, types, result, f, i, dx_, ...) \
  void name##_rule(GradStep& s) {                     \
    JT_NAMES_1                                        \
    if (s.needs[0]) s.dx[0] = dx_;                    \
  }
#define JT_BINARY(name, types, result, f, i, dx_, dy_, ...) \
  void name##_rule(GradStep& s) {                           \
    JT_NAMES_2                                              \
    if (s.needs[0]) s.dx[0] = dx_;                          \
    if (s.needs[1]) s.dx[1] = dy_;                          \
  }
#define JT_TERNARY(name, types, result, f, i, dx_, dy_, dw_, ...) \
  void name##_rule(GradStep& s) {                                 \
    JT_NAMES_3                                                    \
    if (s.needs[0]) s.dx[0] = dx_;                                \
    if (s.needs[1]) s.dx[1] = dy_;                                \
    if (s.needs[2]) s.dx[2] = dw_;                                \
  }
#include "core/ir/ops.def"

// ---- reduce rows ----------------------------------------------------------------------------------------------------

std::span<const Dim> reduced_axes(const Node* node) { return node->ints(signature(node->op).attr_at("axes")); }

// A value of the result's shape, repeated along the reduced axes.
Value spread_back(const Node* node, const Value& v) {
  const Shape& x = node->inputs()[0].shape();
  return expand(reshape(v, reduced_shape(x, axis_set(reduced_axes(node)), true)), x);
}

// dz shared equally among the elements that mask names.
Value shared_among(const Node* node, const Value& mask, const Value& dz) {
  DType computed = wide(dz.dtype());
  Value count = sum(cast(mask, computed), reduced_axes(node), node->integer(signature(node->op).attr_at("keepdims")));
  return where(mask, spread_back(node, cast(cast(dz, computed) / count, dz.dtype())), 0);
}

Value columns(const Value& x, Dim from, Dim to) {
  Dim starts[] = {0, from}, stops[] = {x.shape()[0], to};
  return slice(x, starts, stops);
}

// For each element of a row of x the product of the row's others, without a division, so that zeros are like any other
// number, also for gradients of gradients: what a half needs from outside, times its partner in the other half.
Value products_of_others(const Value& x) {
  Dim n = x.shape()[1], half = (n + 1) / 2;
  if (n < 2) return fill(x, 1);
  Value even = x;
  if (n % 2) {
    Dim before[] = {0, 0}, after[] = {0, 1};
    even = call(Op::pad, {x}, Attrs().add_ints(before).add_ints(after).add_real(1));
  }
  Value left = columns(even, 0, half), right = columns(even, half, 2 * half);
  Value outside = products_of_others(left * right);
  Value both = call(Op::concat, {outside * right, outside * left}, Attrs().add(1));
  return n % 2 ? columns(both, 0, n) : both;
}

// dz times the derivative of the product: the reduced axes go last, to be one.
Value times_other_factors(const Node* node, const Value& dz) {
  const Value x = node->inputs()[0];
  const Shape& shape = x.shape();
  uint32_t reduced = axis_set(node->ints(0));
  Dim order[kMaxRank], back[kMaxRank], rows = 1, columns = 1;
  size_t n = 0;
  for (uint32_t pass : {0u, 1u})
    for (int i = 0; i < shape.rank; i++)
      if ((reduced >> i & 1) == pass) back[i] = int64_t(n), order[n++] = i, (pass ? columns : rows) *= shape[i];
  DType computed = wide(x.dtype());
  Value moved = transpose(cast(x, computed), {order, n});
  Value others = reshape(products_of_others(reshape(moved, Shape{rows, columns})), moved.shape());
  return cast(spread_back(node, cast(dz, computed)) * transpose(others, {back, n}), x.dtype());
}

#define JT_REDUCE(name, types, result, reduction, dx_, ...)                                                         \
  void name##_rule(GradStep& s) {                                                                                  \
    JT_NAMES_1                                                                                                     \
    [[maybe_unused]] auto spread = [&](const Value& v) { return spread_back(s.node, v); };                         \
    [[maybe_unused]] auto among = [&](const Value& mask, const Value& d) { return shared_among(s.node, mask, d); }; \
    [[maybe_unused]] auto times_others = [&](const Value& d) { return times_other_factors(s.node, d); };            \
    if (s.needs[0]) s.dx[0] = dx_;                                                                                 \
  }
#include "core/ir/ops.def"

// ---- movement -------------------------------------------------------------------------------------------------------

const Shape& shape_of(const GradStep& s, int operand) { return s.node->inputs()[operand].shape(); }

void cast_grad(GradStep& s) { s.dx[0] = cast(s.dz[0], s.node->inputs()[0].dtype()); }

void reshape_grad(GradStep& s) { s.dx[0] = reshape(s.dz[0], shape_of(s, 0)); }

void transpose_grad(GradStep& s) {
  auto axes = s.node->ints(0);
  Dim inverse[kMaxRank];
  for (size_t i = 0; i < axes.size(); i++) inverse[axes[i]] = int64_t(i);
  s.dx[0] = transpose(s.dz[0], {inverse, axes.size()});
}

// Sums over the new leading axes and the repeated ones; a unit axis that was named counts as repeated, also to 1.
void expand_grad(GradStep& s) {
  const Shape& x = shape_of(s, 0);
  auto wanted = s.node->ints(0);
  int lead = int(wanted.size()) - x.rank;
  Dim axes[kMaxRank];
  size_t n = 0;
  for (int i = 0; i < int(wanted.size()); i++) {
    bool is_repeated = i < lead || (wanted[i] != -1 && (x.is_unit(i - lead) || x[i - lead] != wanted[i]));
    if (is_repeated) axes[n++] = i;
  }
  Value total = n ? sum(s.dz[0], {axes, n}, lead == 0) : s.dz[0];
  s.dx[0] = reshape(total, x);
}

bool has_steps(std::span<const Dim> steps) {
  for (Dim step : steps)
    if (step != 1) return true;
  return false;
}

void slice_grad(GradStep& s) {
  const Shape &x = shape_of(s, 0), &z = s.dz[0].shape();
  auto starts = s.node->ints(0), steps = s.node->ints(2);
  if (has_steps(steps)) {
    s.dx[0] = call(Op::update, {zeros_like(s.node->inputs()[0]), s.dz[0]}, Attrs().add_ints(starts).add_ints(steps));
    return;
  }
  Dim after[kMaxRank];
  for (int i = 0; i < x.rank; i++) after[i] = x[i] - starts[i] - z[i];
  s.dx[0] = call(Op::pad, {s.dz[0]}, Attrs().add_ints(starts).add_ints({after, size_t(x.rank)}).add_real(0));
}

// The box of `shape` elements that begins at starts.
Value box(const Value& v, std::span<const Dim> starts, const Shape& shape, std::span<const Dim> steps = {}) {
  Dim stops[kMaxRank];
  for (int i = 0; i < shape.rank; i++) {
    Dim step = steps.empty() ? Dim(1) : steps[i];
    stops[i] = shape[i] ? starts[i] + (shape[i] - 1) * step + 1 : starts[i];
  }
  return slice(v, starts, {stops, size_t(shape.rank)}, steps);
}

void pad_grad(GradStep& s) { s.dx[0] = box(s.dz[0], s.node->ints(0), shape_of(s, 0)); }

void flip_grad(GradStep& s) { s.dx[0] = call(Op::flip, {s.dz[0]}, Attrs().add_ints(s.node->ints(0))); }

// Element (.., o.., k..) of the windows is element (.., o * stride + k * dilation) of x.
void windows_grad(GradStep& s) {
  const Shape& x = shape_of(s, 0);
  auto stride = s.node->ints(1), dilation = s.node->ints(2);
  int n = int(stride.size()), lead = x.rank - n;
  ShortText index;
  auto put = [&](const auto&... parts) { (append_any(index, parts), ...); };
  for (int i = 0; i < x.rank; i++) {
    if (i) put(", ");
    if (i < lead) put("i", i);
    else put("i", i, "*", stride[i - lead], "+i", i + n, "*", dilation[i - lead]);
  }
  JT_CHECK(!index.is_cut());
  s.dx[0] =
      call(Op::reindex_reduce, {s.dz[0]}, Attrs().add_ints(x.extents()).add_string(index.view()).add_string("add"));
}

// ---- index ----------------------------------------------------------------------------------------------------------

void concat_grad(GradStep& s) {
  int axis = int(s.node->integer(0));
  Dim starts[kMaxRank] = {};
  for (int i = 0; i < s.node->n_inputs; i++) {
    const Shape& x = shape_of(s, i);
    if (s.needs[i]) s.dx[i] = box(s.dz[0], {starts, size_t(x.rank)}, x);
    starts[axis] += x[axis];
  }
}

void update_grad(GradStep& s) {
  Ref v = s.node->inputs()[1];
  auto starts = s.node->ints(0), steps = s.node->ints(1);
  if (s.needs[0]) s.dx[0] = call(Op::update, {s.dz[0], zeros_like(v)}, Attrs().add_ints(starts).add_ints(steps));
  if (s.needs[1]) s.dx[1] = box(s.dz[0], starts, v.shape(), steps);
}

Value taken(const Value& x, Ref index, Dim axis) { return call(Op::take, {x, index}, Attrs().add(axis)); }

void take_grad(GradStep& s) {
  Ref x = s.node->inputs()[0], index = s.node->inputs()[1];
  s.dx[0] = call(Op::scatter_add, {zeros_like(x), index, s.dz[0]}, Attrs().add(s.node->integer(0)));
}

void scatter_add_grad(GradStep& s) {
  if (s.needs[0]) s.dx[0] = s.dz[0];
  if (s.needs[2]) s.dx[2] = taken(s.dz[0], s.node->inputs()[1], s.node->integer(0));
}

// Gather and scatter along the axis and by the index of a node of either kind.
struct ByIndex {
  Ref index;
  Dim axis;
  Value gather(const Value& x) const { return call(Op::gather, {x, index}, Attrs().add(axis)); }
  Value scatter(const Value& x, const Value& v, std::string_view combine) const {
    return call(Op::scatter, {x, index, v}, Attrs().add(axis).add_string(combine));
  }
};

void gather_grad(GradStep& s) {
  ByIndex by{s.node->inputs()[1], s.node->integer(0)};
  s.dx[0] = by.scatter(zeros_like(s.node->inputs()[0]), s.dz[0], "add");
}

// ---- rows along an axis ---------------------------------------------------------------------------------------------

// Each element of z is the one of x that its index names.
void by_index_grad(GradStep& s) {
  ByIndex by{Ref{s.node, 1}, s.node->integer(attr_at(s.node, "axis"))};
  Ref x = s.node->inputs()[0];
  s.dx[0] = x.shape().rank ? by.scatter(zeros_like(x), s.dz[0], "add") : s.dz[0];
}
void sort_grad(GradStep& s) { by_index_grad(s); }

// Sums from each element to the last.
Value sums_from(const Value& x, int64_t axis) {
  if (!x.shape().rank) return x;
  auto flip = [&](const Value& v) { return call(Op::flip, {v}, Attrs().add_ints({&axis, 1})); };
  return flip(call(Op::cumsum, {flip(x)}, Attrs().add(axis)));
}

void cumsum_grad(GradStep& s) { s.dx[0] = sums_from(s.dz[0], s.node->integer(0)); }

// dx[i] = the sum over j >= i of dz[j] * z[j] / x[i]. Behind the first zero all products are 0; at it, they are those
// of the row with a 1 in its place.
void cumprod_grad(GradStep& s) {
  int64_t axis = s.node->integer(0);
  const Value x = s.node->inputs()[0], z = Ref{s.node, 0}, dz = s.dz[0];
  auto scan = [&](Op op, const Value& v) { return call(op, {v}, Attrs().add(axis)); };
  Value is_zero = equal(x, 0), zeros = scan(Op::cumsum, is_zero);
  Value is_first = logical_and(is_zero, equal(zeros, 1)), is_before = equal(zeros, 0);
  Value divisor = where(is_zero, 1, x), at_first = scan(Op::cumprod, where(is_first, 1, x));
  Value before = sums_from(dz * z, axis) / divisor;
  s.dx[0] = where(is_before, before, where(is_first, sums_from(dz * at_first, axis), 0));
}

void split_grad(GradStep& s) {
  Recycling recycling(s.node->owner->lists);
  List<Value> parts;
  List<Ref> refs;
  for (uint32_t i = 0; i < s.node->n_results; i++) {
    parts.push_back(s.dz[i] ? s.dz[i] : zeros_like(Ref{s.node, i}));
    refs.push_back(parts.back());
  }
  s.dx[0] = s.node->owner->build(Op::concat, refs, Attrs().add(s.node->integer(attr(Op::split, "axis"))));
}

// 0, 1, 2, .. in row-major order over a shape.
Value numbered(Recorder& recorder, const Shape& shape) {
  return reshape(iota(recorder, Shape{shape.count()}, 0, JT_I64), shape);
}

// Only the last of the values written to one place has a gradient.
void scatter_set_grad(GradStep& s, const ByIndex& by) {
  Ref x = s.node->inputs()[0], v = s.node->inputs()[2];
  if (s.needs[0]) s.dx[0] = by.scatter(s.dz[0], zeros_like(v), "set");
  if (!s.needs[2]) return;
  Recorder& recorder = *s.node->owner;
  Value number = numbered(recorder, v.shape());
  Value none_yet = expand(recorder.constant_int(JT_I64, -1), x.shape());
  Value is_last = by.gather(by.scatter(none_yet, number, "set")) == number;
  s.dx[2] = where(is_last, by.gather(s.dz[0]), 0);
}

// The factors of each place but this one, given the product of those that are not 0 and how many are.
Value other_factors(const Value& factor, const Value& product, const Value& zeros) {
  Value is_zero = equal(factor, 0), only = where(bitwise_and(is_zero, equal(zeros, 1)), product, 0);
  return where(equal(zeros, 0), product / where(is_zero, 1, factor), only);
}

void scatter_mul_grad(GradStep& s, const ByIndex& by) {
  Value x = s.node->inputs()[0], v = s.node->inputs()[2];
  if (s.needs[0]) s.dx[0] = s.dz[0] * by.scatter(fill(x, 1), v, "mul");
  if (!s.needs[2]) return;
  auto counted = [&](const Value& factor) { return cast(equal(factor, 0), wide(x.dtype())); };
  Value zeros = by.gather(by.scatter(counted(x), counted(v), "add"));
  Value product = by.scatter(where(equal(x, 0), 1, x), where(equal(v, 0), 1, v), "mul");
  s.dx[2] = by.gather(s.dz[0]) * other_factors(v, by.gather(product), zeros);
}

// max and min: equal ones share the gradient, as in the reductions.
void scatter_choice_grad(GradStep& s, const ByIndex& by) {
  Value x = s.node->inputs()[0], v = s.node->inputs()[2], z = Ref{s.node, 0};
  Value x_won = bitwise_or(x == z, isnan(x)), v_won = bitwise_or(v == by.gather(z), isnan(v));
  DType computed = wide(x.dtype());
  Value count = by.scatter(cast(x_won, computed), cast(v_won, computed), "add");
  Value share = cast(cast(s.dz[0], computed) / count, x.dtype());
  if (s.needs[0]) s.dx[0] = where(x_won, share, 0);
  if (s.needs[2]) s.dx[2] = where(v_won, by.gather(share), 0);
}

void scatter_grad(GradStep& s) {
  ByIndex by{s.node->inputs()[1], s.node->integer(0)};
  std::string_view combine = s.node->string(1);
  if (combine == "set") return scatter_set_grad(s, by);
  if (combine == "mul") return scatter_mul_grad(s, by);
  if (combine != "add") return scatter_choice_grad(s, by);
  if (s.needs[0]) s.dx[0] = s.dz[0];
  if (s.needs[2]) s.dx[2] = by.gather(s.dz[0]);
}

// Reindex and its adjoint with the index text of a node of either kind.
struct ByText {
  std::string_view index;
  Value pick(const Value& x, const Shape& shape) const {
    return call(Op::reindex, {x}, Attrs().add_ints(shape.extents()).add_string(index).add_real(0));
  }
  Value add(const Value& x, const Shape& shape) const {
    return call(Op::reindex_reduce, {x}, Attrs().add_ints(shape.extents()).add_string(index).add_string("add"));
  }
};

void reindex_grad(GradStep& s) { s.dx[0] = ByText{s.node->string(1)}.add(s.dz[0], shape_of(s, 0)); }

void reindex_reduce_grad(GradStep& s) {
  ByText by{s.node->string(1)};
  Value x = s.node->inputs()[0], z = Ref{s.node, 0}, dz = s.dz[0];
  std::string_view combine = s.node->string(2);
  if (combine == "add") {
    s.dx[0] = by.pick(dz, x.shape());
  } else if (combine == "mul") {
    Value zeros = by.pick(by.add(cast(equal(x, 0), wide(x.dtype())), z.shape()), x.shape());
    Value product = call(Op::reindex_reduce, {where(equal(x, 0), 1, x)},
                         Attrs().add_ints(z.shape().extents()).add_string(by.index).add_string("mul"));
    s.dx[0] = by.pick(dz, x.shape()) * other_factors(x, by.pick(product, x.shape()), zeros);
  } else {  // max and min: equal ones share
    Value won = bitwise_or(x == by.pick(z, x.shape()), isnan(x));
    Value count = by.add(cast(won, wide(x.dtype())), z.shape());
    s.dx[0] = where(won, by.pick(cast(cast(dz, count.dtype()) / count, x.dtype()), x.shape()), 0);
  }
}

// An embedding's weight by rows, those of the padding row left out.
void embedding_grad(GradStep& s) {
  Ref index = s.node->inputs()[0], weight = s.node->inputs()[1];
  Dim padding = s.node->integer(0);
  Value rows = s.dz[0];
  if (padding >= 0) {
    Shape column = index.shape();
    while (column.rank < rows.shape().rank) column.push(1);
    Value is_padding = equal(cast(index, JT_I64), s.node->owner->constant_int(JT_I64, padding));
    rows = where(reshape(is_padding, column), 0, rows);
  }
  s.dx[1] = call(Op::scatter_add, {zeros_like(weight), index, rows}, Attrs().add(0));
}

// ---- softmax: by their results, so that nothing is differentiated through the maximum -------------------------------

void softmax_grad(GradStep& s) {
  DType dtype = s.dz[0].dtype();
  Value z = cast(Ref{s.node, 0}, wide(dtype)), share = cast(s.dz[0], wide(dtype)) * z;
  Dim axis = s.node->integer(0);
  s.dx[0] = cast(share - z * sum(share, {&axis, 1}, true), dtype);
}

void log_softmax_grad(GradStep& s) {
  DType dtype = s.dz[0].dtype();
  Value z = cast(Ref{s.node, 0}, wide(dtype)), dz = cast(s.dz[0], wide(dtype));
  Dim axis = s.node->integer(0);
  s.dx[0] = cast(dz - exp(z) * sum(dz, {&axis, 1}, true), dtype);
}

// dz times the share of each element in the sum.
void logsumexp_grad(GradStep& s) {
  DType dtype = s.dz[0].dtype();
  Value x = cast(s.node->inputs()[0], wide(dtype)), z = spread_back(s.node, cast(Ref{s.node, 0}, wide(dtype)));
  s.dx[0] = cast(spread_back(s.node, cast(s.dz[0], wide(dtype))) * exp(x - z), s.node->inputs()[0].dtype());
}

// [N,..] as [N,1,..].
Value with_class_axis(const Value& rows) {
  Shape out{rows.shape()[0], 1};
  for (int i = 1; i < rows.shape().rank; i++) out.push(rows.shape()[i]);
  return reshape(rows, out);
}

// Whether only x of a row `x label weight?` is asked for, and labels are numbers of classes; else the body is
// differentiated.
bool is_of_x_alone(const GradStep& s) {
  bool others = std::any_of(s.needs.begin() + 1, s.needs.end(), [](char needed) { return needed; });
  return s.needs[0] && !others && !is_float(s.node->inputs()[1].dtype());
}

// What cross_entropy and nll have in common: rows [N,C,..], a single one [C] as N = 1.
struct Labelled {
  DType computed;
  Value x, label, ignored, weight;  // label: 0 where it is ignored; weight by class, may be absent
  Value share, slope;               // by row: what it weighs, and the gradient of its loss; 0 where it is ignored

  Labelled(const GradStep& s, Dim ignore_index, std::string_view how) : computed(wide(s.node->inputs()[0].dtype())) {
    std::span<const Ref> in = s.node->ins();
    x = cast(in[0], computed), label = cast(in[1], JT_I64);
    if (x.shape().rank == 1) x = reshape(x, Shape{1, x.shape()[0]}), label = reshape(label, Shape{1});
    ignored = equal(label, s.node->owner->constant_int(JT_I64, ignore_index));
    label = where(ignored, 0, label);
    share = cast(logical_not(ignored), computed);
    if (in.size() > 2)
      weight = cast(in[2], computed), share = where(ignored, 0, call(Op::take, {weight, label}, Attrs().add(0)));
    slope = cast(s.dz[0], computed);
    if (how == "none") slope = reshape(slope, label.shape());
    if (how == "mean") slope = slope / or_inf(sum(share));
    slope = where(ignored, 0, slope);
  }
  Value hit() const { return equal(iota(*x.ref().node->owner, x.shape(), 1, JT_I64), with_class_axis(label)); }
  Value weight_of_classes() const {
    Shape along{x.shape()[1]};
    for (int i = 2; i < x.shape().rank; i++) along.push(1);
    return reshape(weight, along);
  }
};

void nll_grad(GradStep& s) {
  s.is_left_to_body = !is_of_x_alone(s);
  if (s.is_left_to_body) return;
  Ref x = s.node->inputs()[0];
  Labelled rows(s, s.node->integer(0), s.node->string(1));
  s.dx[0] = cast(reshape(where(rows.hit(), with_class_axis(-rows.slope * rows.share), 0), x.shape()), x.dtype());
}

void cross_entropy_grad(GradStep& s) {
  s.is_left_to_body = !is_of_x_alone(s);
  if (s.is_left_to_body) return;
  Ref x = s.node->inputs()[0];
  Labelled rows(s, s.node->integer(0), s.node->string(1));
  double smoothing = s.node->real(2), classes = double(rows.x.shape()[1]);
  Value likely = call(Op::softmax, {rows.x}, Attrs().add(1)), away = likely - cast(rows.hit(), rows.computed);
  if (rows.weight) away = away * with_class_axis(rows.share);
  if (smoothing) {
    Value even = rows.weight ? likely * sum(rows.weight) - rows.weight_of_classes() : likely * classes - 1;
    away = away * (1 - smoothing) + even * (smoothing / classes);
  }
  s.dx[0] = cast(reshape(away * with_class_axis(rows.slope), x.shape()), x.dtype());
}

// Where a logarithm is cut off, its slope is large but finite, as in PyTorch.
// As one formula: through the product of x and its factor, dz * x would overflow before the factor's slope of 0 meets
// it.
void silu_grad(GradStep& s) {
  DType dtype = s.dz[0].dtype();
  Value x = cast(s.node->inputs()[0], wide(dtype)), share = sigmoid(x);
  s.dx[0] = cast(cast(s.dz[0], x.dtype()) * (share * (x * (1 - share) + 1)), dtype);
}

void mish_grad(GradStep& s) {
  DType dtype = s.dz[0].dtype();
  Value x = cast(s.node->inputs()[0], wide(dtype));
  Value factor = tanh(call(Op::softplus, {x}, Attrs().add_real(1).add_real(20)));
  s.dx[0] = cast(cast(s.dz[0], x.dtype()) * (factor + x * ((1 - factor * factor) * sigmoid(x))), dtype);
}

void bce_grad(GradStep& s) {
  std::span<const Ref> in = s.node->ins();
  if (in.size() > 2 && s.needs[2]) {
    s.is_left_to_body = true;
    return;
  }
  DType dtype = in[0].dtype(), computed = wide(dtype);
  Value x = cast(in[0], computed), y = cast(in[1], computed), dz = cast(s.dz[0], computed);
  if (s.node->string(0) == "mean") dz = dz / count(*s.node->owner, computed, x.shape().count());
  if (in.size() > 2) dz = dz * cast(in[2], computed);
  if (s.needs[0]) s.dx[0] = cast(dz * (x - y) / maximum((1 - x) * x, 1e-12), dtype);
  if (s.needs[1]) s.dx[1] = cast(dz * (maximum(log1p(-x), -100) - maximum(log(x), -100)), dtype);
}

// ---- statistics: where all is equal, and at the origin, the slope is taken to be 0 ----------------------------------

// What the node gives, before it was rounded to a half.
Value unrounded(const Node* node, const Value& x) {
  Ref z{const_cast<Node*>(node), 0};
  return x.dtype() == z.dtype() ? Value(z) : call(node->op, {x}, node->attrs());
}

void std_grad(GradStep& s) {
  DType dtype = s.dz[0].dtype();
  Value x = cast(s.node->inputs()[0], wide(dtype)), z = unrounded(s.node, x), dz = cast(s.dz[0], x.dtype());
  auto axes = reduced_axes(s.node);
  Dim n = 1, correction = s.node->integer(2);
  for (Dim axis : axes) n *= x.shape()[int(axis)];
  Value divisor = count(*s.node->owner, x.dtype(), n - correction);  // below 0 z is infinite, and its slope 0
  Value centred = x - call(Op::mean, {x}, Attrs().add_ints(axes).add(1));
  s.dx[0] = cast(spread_back(s.node, dz / (divisor * or_inf(z))) * centred, dtype);
}

// Of p = 2 it is dz * x / z. Else sign(x) * (|x| / z)^(p - 1), so that powers of large values do not overflow.
void norm_grad(GradStep& s) {
  double p = s.node->real(0);
  if (p == 0) return;
  DType dtype = s.dz[0].dtype();
  Value x = cast(s.node->inputs()[0], wide(dtype)), dz = cast(s.dz[0], x.dtype());
  auto spread = [&](const Value& v) { return spread_back(s.node, v); };
  auto slope = [&]() -> Value {
    if (p == 1) return spread(dz) * sign(x);
    Value z = unrounded(s.node, x);
    if (p == 2) return spread(dz) * (x / spread(or_inf(z)));
    if (std::isinf(p)) return shared_among(s.node, bitwise_or(abs(x) == spread(z), isnan(x)), dz) * sign(x);
    Value is_flat = bitwise_or(equal(x, 0), spread(equal(z, 0)));
    Value ratio = where(is_flat, 1, abs(x) / spread(or_inf(z)));
    return where(is_flat, 0, spread(dz) * sign(x) * pow(ratio, p - 1));
  };
  s.dx[0] = cast(slope(), dtype);
}

// ---- library --------------------------------------------------------------------------------------------------------

Value matrix_transpose(Ref x) {
  Dim axes[kMaxRank];
  int rank = x.shape().rank;
  for (int i = 0; i < rank; i++) axes[i] = i;
  std::swap(axes[rank - 1], axes[rank - 2]);
  return transpose(x, {axes, size_t(rank)});
}

void matmul_grad(GradStep& s) {
  if (s.needs[0]) s.dx[0] = matmul(s.dz[0], matrix_transpose(s.node->inputs()[1]));
  if (s.needs[1]) s.dx[1] = matmul(matrix_transpose(s.node->inputs()[0]), s.dz[0]);
}

// The trilinear form <g, conv2d(x, w)> has three partial derivatives, each linear in the other two operands.
struct Convolution {
  std::span<const Dim> stride, padding, dilation;
  Dim groups, channels_last;
  explicit Convolution(const Node* n)
      : stride(n->ints(attr_at(n, "stride"))), padding(n->ints(attr_at(n, "padding"))),
        dilation(n->ints(attr_at(n, "dilation"))), groups(n->integer(attr_at(n, "groups"))),
        channels_last(n->integer(attr_at(n, "channels_last"))) {}
  Attrs with(Attrs attrs) const {
    return attrs.add_ints(stride).add_ints(padding).add_ints(dilation).add(groups).add(channels_last);
  }
  Value forward(Ref x, Ref w) const { return call(Op::conv2d, {x, w}, with({})); }
  Value to_x(Ref g, Ref w, const Shape& x) const {
    return call(Op::conv2d_grad_x, {g, w}, with(Attrs().add_ints(x.extents())));
  }
  Value to_w(Ref g, Ref x, const Shape& w) const {
    return call(Op::conv2d_grad_w, {g, x}, with(Attrs().add_ints(w.extents())));
  }
};

void conv2d_grad(GradStep& s) {
  Convolution conv(s.node);
  Ref x = s.node->inputs()[0], w = s.node->inputs()[1], dz = s.dz[0];
  if (s.needs[0]) s.dx[0] = conv.to_x(dz, w, x.shape());
  if (s.needs[1]) s.dx[1] = conv.to_w(dz, x, w.shape());
}

void conv2d_grad_x_grad(GradStep& s) {
  Convolution conv(s.node);
  Ref g = s.node->inputs()[0], w = s.node->inputs()[1], dx = s.dz[0];
  if (s.needs[0]) s.dx[0] = conv.forward(dx, w);
  if (s.needs[1]) s.dx[1] = conv.to_w(g, dx, w.shape());
}

void conv2d_grad_w_grad(GradStep& s) {
  Convolution conv(s.node);
  Ref g = s.node->inputs()[0], x = s.node->inputs()[1], dw = s.dz[0];
  if (s.needs[0]) s.dx[0] = conv.forward(x, dw);
  if (s.needs[1]) s.dx[1] = conv.to_x(g, dw, x.shape());
}

// Attributes size, stride, padding, channels_last, which all pooling rows end with.
Attrs pool_attrs(const Node* n, Attrs attrs = {}) {
  for (std::string_view name : {"size", "stride", "padding", "channels_last"})
    attrs.add_ints(n->ints(attr_at(n, name)));
  return attrs;
}

void max_pool2d_grad_rule(GradStep& s) {
  Attrs attrs = pool_attrs(s.node, Attrs().add_ints(shape_of(s, 0).extents()));
  s.dx[0] = call(Op::max_pool2d_grad, {s.dz[0], Ref{s.node, 1}}, attrs);
}

// The elements of the plane that won, picked by their position h * W + w.
void max_pool2d_grad_grad(GradStep& s) {
  Ref index = s.node->inputs()[1];
  const Shape& out = index.shape();
  bool last = s.node->integer(attr(Op::max_pool2d_grad, "channels_last"));
  auto with_planes = [last](const Shape& x) {
    return last ? Shape{x[0], x[1] * x[2], x[3]} : Shape{x[0], x[1], x[2] * x[3]};
  };
  Value plane = reshape(s.dz[0], with_planes(s.dz[0].shape())), places = reshape(index, with_planes(out));
  s.dx[0] = reshape(ByIndex{places, last ? 1 : 2}.gather(plane), out);
}

void avg_pool2d_grad_rule(GradStep& s) {
  s.dx[0] = call(Op::avg_pool2d_grad, {s.dz[0]}, pool_attrs(s.node, Attrs().add_ints(shape_of(s, 0).extents())));
}

void avg_pool2d_grad_grad(GradStep& s) { s.dx[0] = call(Op::avg_pool2d, {s.dz[0]}, pool_attrs(s.node)); }

void custom_rule(GradStep& s) { s.node->custom->backward(s.node, s.dz, s.needs, s.dx); }

// ---- the table ------------------------------------------------------------------------------------------------------

void zero(GradStep&) {}
constexpr GradRule none = nullptr;

constexpr GradRule kRules[] = {
    none,  // data
    none,  // constant
    custom_rule,
    branch_grad,
    loop_grad,
#define JT_UNARY(name, ...) name##_rule,
#define JT_BINARY(name, ...) name##_rule,
#define JT_TERNARY(name, ...) name##_rule,
#define JT_REDUCE(name, ...) name##_rule,
#define JT_OP(name, kind, signature, type, gradient, since, doc, ...) gradient,
#include "core/ir/ops.def"
};
static_assert(sizeof kRules / sizeof *kRules == size_t(kOps));

}  // namespace

GradRule gradient_rule(Op op) { return kRules[int(op)]; }

bool has_gradient(Op op) {
  constexpr auto says = [](std::string_view text) { return text != "zero"; };
  constexpr bool table[] = {
      false,  // data
      false,  // constant
      true,   // custom
      true,   // branch
      true,   // loop
#define JT_UNARY(name, types, result, f, i, dx_, ...) says(#dx_),
#define JT_BINARY(name, types, result, f, i, dx_, dy_, ...) says(#dx_) || says(#dy_),
#define JT_TERNARY(name, types, result, f, i, dx_, dy_, dw_, ...) says(#dx_) || says(#dy_) || says(#dw_),
#define JT_REDUCE(name, types, result, reduction, dx_, ...) says(#dx_),
#define JT_OP(name, kind, signature, type, gradient, since, doc, ...) says(#gradient),
#include "core/ir/ops.def"
  };
  static_assert(sizeof table / sizeof *table == size_t(kOps));
  return table[int(op)] && (op == Op::custom || !signature(op).operands.empty());
}

}  // namespace jt
