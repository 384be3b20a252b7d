// forward_norm: normalisation by statistics of the batch, of a sample, or of all batches so far.
#include "core/nn/forward.h"

#include "core/grad/grad.h"

namespace jt {

using namespace ops;

namespace {

// x * weight + bias behind the row's own operands, as far as the layer has them.
Value normalise(const LayerCall& c, Op row, std::initializer_list<Value> operands, const Attrs& attrs) {
  List<Value> held(operands);
  for (std::string_view name : {"weight", "bias"})
    if (Value factor = c.state(name)) held.push_back(factor);
  List<Ref> refs(held.begin(), held.end());
  return c.recorder().build(row, refs, attrs);
}

void check_channels(const LayerCall& c, std::string_view field) {
  if (c.x().shape()[1] != c[field].integer)
    fail(JT_E_SHAPE, c.layer.row().name, ": x has ", c.x().shape()[1], " channels, not ", field, " ", c[field].integer);
}

Value mean_of(const Value& x, std::span<const int64_t> axes) {
  return call(Op::mean, {x}, Attrs().add_ints(axes).add(0));
}
Value var_of(const Value& x, std::span<const int64_t> axes, int64_t correction) {
  return call(Op::var, {x}, Attrs().add_ints(axes).add(0).add(correction));
}

// Moves running statistics towards these by `share` of the difference.
template <class Share>
void follow(LayerCall& c, const Value& mean, const Value& var, const Share& share) {
  auto moved = [&](std::string_view name, const Value& to) {
    Value from = c.state(name);
    // not from + (to - from) * share: NaN from infinities
    c.update(name, from * (1 - share) + cast(to, from.dtype()) * share);
  };
  moved("running_mean", mean), moved("running_var", var);
}

Value by_running_statistics(const LayerCall& c) {
  return normalise(c, Op::batch_norm, {c.x(), c.state("running_mean"), c.state("running_var")},
                   Attrs().add_real(c["eps"].real));
}

void batch_norm(LayerCall& c, int least, int most) {
  check_rank(c, least, most), check_channels(c, "num_features");
  bool tracks = bool(c.state("running_mean"));
  if (!c.training && tracks) return give(c, by_running_statistics(c));
  const Value& x = c.x();
  List<int64_t> axes{0};
  int64_t each = x.shape()[0];
  for (int i = 2; i < x.shape().rank; i++) axes.push_back(i), each *= x.shape()[i];
  if (c.training && each == 1)
    fail(JT_E_SHAPE, c.layer.row().name, ": x of shape ", x.shape(), " has one value per channel; training needs more");
  Value mean = mean_of(x, axes), var = var_of(x, axes, 0);
  give(c, normalise(c, Op::batch_norm, {x, mean, var}, Attrs().add_real(c["eps"].real)));
  if (!c.training || !tracks || !each) return;  // no values say nothing about the next ones
  GradMode off(c.recorder(), false);
  Value count = c.state("num_batches_tracked") + 1, unbiased = var_of(x, axes, 1);
  double momentum = c["momentum"].real;
  if (momentum == momentum) follow(c, mean, unbiased, momentum);
  else follow(c, mean, unbiased, reciprocal(cast(count, c.state("running_mean").dtype())));
  c.update("num_batches_tracked", count);
}

// Running statistics are means over the samples'. As in PyTorch the batches are not counted, and without a momentum
// nothing moves.
void instance_norm(LayerCall& c, int rank) {
  check_channels(c, "num_features");
  bool tracks = bool(c.state("running_mean"));
  if (!c.training && tracks) return give(c, by_running_statistics(c));
  const Value& x = c.x();
  List<int64_t> axes;
  int64_t each = 1, samples[] = {0};
  for (int i = 2; i < rank; i++) axes.push_back(i), each *= x.shape()[i];
  if (c.training && each == 1)
    fail(JT_E_SHAPE, c.layer.row().name, ": x of shape ", x.shape(),
         " has one value per sample and channel; training needs more");
  give(c, normalise(c, Op::group_norm, {x}, Attrs().add(x.shape()[1]).add_real(c["eps"].real)));
  double momentum = c["momentum"].real;
  if (!c.training || !tracks || momentum != momentum || !x.shape().count()) return;
  GradMode off(c.recorder(), false);
  follow(c, mean_of(mean_of(x, axes), samples), mean_of(var_of(x, axes, 1), samples), momentum);
}

Attrs last_axes(const LayerCall& c) {
  return Attrs().add(int64_t(c["normalized_shape"].ints.size())).add_real(c["eps"].real);
}
void check_last_axes(const LayerCall& c) {
  Shape wanted(c["normalized_shape"].ints);
  const Shape& x = c.x().shape();
  bool fits = x.rank >= wanted.rank && same_extents(Shape(x.extents().last(size_t(wanted.rank))), wanted);
  if (!fits) fail(JT_E_SHAPE, c.layer.row().name, ": x of shape ", x, " does not end in normalized_shape ", wanted);
}

}  // namespace

void BatchNorm1d_forward(LayerCall& c) { batch_norm(c, 2, 3); }
void BatchNorm2d_forward(LayerCall& c) { batch_norm(c, 4, 4); }
void BatchNorm3d_forward(LayerCall& c) { batch_norm(c, 5, 5); }
void InstanceNorm1d_forward(LayerCall& c) {
  for_batch(c, 3, [&] { instance_norm(c, 3); });
}
void InstanceNorm2d_forward(LayerCall& c) {
  for_batch(c, 4, [&] { instance_norm(c, 4); });
}
void InstanceNorm3d_forward(LayerCall& c) {
  for_batch(c, 5, [&] { instance_norm(c, 5); });
}
void LayerNorm_forward(LayerCall& c) {
  check_last_axes(c), give(c, normalise(c, Op::layer_norm, {c.x()}, last_axes(c)));
}
void RMSNorm_forward(LayerCall& c) { check_last_axes(c), give(c, normalise(c, Op::rms_norm, {c.x()}, last_axes(c))); }
void GroupNorm_forward(LayerCall& c) {
  check_rank(c, 2, kMaxRank - 1), check_channels(c, "num_channels");
  give(c, normalise(c, Op::group_norm, {c.x()}, Attrs().add(c["num_groups"].integer).add_real(c["eps"].real)));
}

}  // namespace jt
