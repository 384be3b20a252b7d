// forward_dense: containers, matrix products, embedding, chance, activations, shapes.
#include "core/nn/forward.h"

#include "core/grad/grad.h"
#include "core/ir/type_rules.h"

namespace jt {

using namespace ops;

void Module_forward(LayerCall& c) { fail(JT_E_UNSUPPORTED, c.layer.row().name, ": has no forward of its own"); }
void Sequential_forward(LayerCall& c) { give(c, c.x()); }  // with no children; whoever has some calls them
void Identity_forward(LayerCall& c) { give(c, c.x()); }

// ---- products -------------------------------------------------------------------------------------------------------

static void check_last(const LayerCall& c, const Value& x, std::string_view field) {
  int64_t wanted = c[field].integer;
  if (x.shape().rank < 1 || x.shape()[x.shape().rank - 1] != wanted)
    fail(JT_E_SHAPE, c.layer.row().name, ": x has shape ", x.shape(), ", its last extent is not ", field, " ", wanted);
}

// Over the last axis, the others as one: a batch of matrices is one matrix here.
void Linear_forward(LayerCall& c) {
  Value x = c.x(), bias = c.state("bias");
  check_last(c, x, "in_features");
  Shape shape = x.shape();
  int64_t out = c["out_features"].integer, rows = 1;
  for (int i = 0; i + 1 < shape.rank; i++) rows *= shape[i];
  if (shape.rank > 2) x = reshape(x, Shape{rows, shape[shape.rank - 1]});
  Value weight = c.state("weight");
  // then the bias joins before rounding
  bool is_half = bias && x.dtype() == weight.dtype() && unrounded(x).dtype() != x.dtype();
  Value y = is_half ? matmul(unrounded(x), transpose(unrounded(weight))) : matmul(x, transpose(weight));
  if (bias) y = y + bias;
  if (is_half) y = cast(y, x.dtype());
  shape.dims[shape.rank - 1] = out;
  give(c, shape.rank > 2 ? reshape(y, shape) : y);
}

// x1 [..,I], weight [O,I,J], x2 [..,J]: (x1 @ weight as [I,O*J]) as [N,O,J], times x2, summed over J.
void Bilinear_forward(LayerCall& c) {
  const Shape &x1 = c.x(0).shape(), &x2 = c.x(1).shape();
  check_last(c, c.x(0), "in1_features"), check_last(c, c.x(1), "in2_features"), check_rank(c, 1, kMaxRank);
  Shape result(x1.extents().first(size_t(x1.rank - 1)));
  if (!same_extents(result, Shape(x2.extents().first(size_t(x2.rank - 1)))))
    fail(JT_E_SHAPE, "Bilinear: shapes ", x1, " and ", x2, " differ before their last axis");
  int64_t n = 1, in1 = c["in1_features"].integer, in2 = c["in2_features"].integer, out = c["out_features"].integer;
  for (int64_t extent : result.extents()) n *= extent;
  Dim in_first[] = {1, 0, 2}, last[] = {2};
  Value weight = reshape(transpose(c.state("weight"), in_first), Shape{in1, out * in2});
  Value products = reshape(matmul(reshape(c.x(0), Shape{n, in1}), weight), Shape{n, out, in2});
  Value y = sum(products * reshape(c.x(1), Shape{n, 1, in2}), last), bias = c.state("bias");
  result.push(out);
  give(c, reshape(bias ? y + bias : y, result));
}

void Embedding_forward(LayerCall& c) {
  int64_t padding = c["padding_idx"].integer, rows = c["num_embeddings"].integer;
  if (padding == kNone) padding = -1;
  else if (padding < 0) padding += rows;
  give(c, call(Op::embedding, {c.x(), c.state("weight")}, Attrs().add(padding)));
}

// ---- chance ---------------------------------------------------------------------------------------------------------

// The body of `dropout`, not the row: then p and the counter are arguments of the plan, and the next call needs no new
// one. The mask spans the first `axes` axes of x.
static void drop(LayerCall& c, int axes) {
  Value x = c.x();
  double p = c["p"].real;
  if (!c.training || p == 0) return give(c, x);
  if (x.shape().rank < axes)
    fail(JT_E_SHAPE, c.layer.row().name, ": x needs ", axes, " axes or more, its shape is ", x.shape());
  RandomPlace place = c.random();
  Type type = x.type();
  for (int i = axes; i < type.shape.rank; i++) type.shape.dims[i] = 1, type.shape.units |= uint8_t(1 << i);
  Value factor = x;
  bool is_whole = axes == type.shape.rank;
  if (!is_whole) {
    Value one = c.recorder().constant(type.dtype, 1);
    Shape ones;
    for (int i = 0; i < type.shape.rank; i++) ones.push(1);
    factor = expand(reshape(one, ones), type.shape);
  }
  type = factor.type();
  Attrs attrs = Attrs().add_real(p).add(place.seed).add(place.stream).add(place.counter);
  Ref in = factor;
  infer(Op::dropout, {&in, 1}, attrs, {&type, 1});
  Value kept = dropout_body(c.recorder(), {&in, 1}, attrs, type);
  give(c, is_whole ? kept : x * kept);
}
void Dropout_forward(LayerCall& c) { drop(c, c.x().shape().rank); }
void Dropout1d_forward(LayerCall& c) {
  for_batch(c, 3, [&] { drop(c, 2); });
}
void Dropout2d_forward(LayerCall& c) {
  for_batch(c, 4, [&] { drop(c, 2); });
}
void Dropout3d_forward(LayerCall& c) {
  for_batch(c, 5, [&] { drop(c, 2); });
}
void DropPath_forward(LayerCall& c) { drop(c, 1); }

// ---- activations ----------------------------------------------------------------------------------------------------

#define JT_BY_ROW(layer, row) \
  void layer##_forward(LayerCall& c) { give(c, call(Op::row, {c.x()}, make_attrs(Op::row, {}))); }
JT_BY_ROW(ReLU, relu)
JT_BY_ROW(SELU, selu)
JT_BY_ROW(SiLU, silu)
JT_BY_ROW(Mish, mish)
JT_BY_ROW(Sigmoid, sigmoid)
JT_BY_ROW(LogSigmoid, log_sigmoid)
JT_BY_ROW(Hardsigmoid, hardsigmoid)
JT_BY_ROW(Hardswish, hardswish)
JT_BY_ROW(Tanh, tanh)
#undef JT_BY_ROW

static Value hardtanh(const Value& x, double low, double high) {
  return call(Op::hardtanh, {x}, Attrs().add_real(low).add_real(high));
}
void ReLU6_forward(LayerCall& c) { give(c, hardtanh(c.x(), 0, 6)); }
void Hardtanh_forward(LayerCall& c) { give(c, hardtanh(c.x(), c["min_val"].real, c["max_val"].real)); }
void LeakyReLU_forward(LayerCall& c) {
  give(c, call(Op::leaky_relu, {c.x()}, Attrs().add_real(c["negative_slope"].real)));
}
void PReLU_forward(LayerCall& c) { give(c, call(Op::prelu, {c.x(), c.state("weight")})); }
void ELU_forward(LayerCall& c) { give(c, call(Op::elu, {c.x()}, Attrs().add_real(c["alpha"].real))); }
void CELU_forward(LayerCall& c) { give(c, call(Op::celu, {c.x()}, Attrs().add_real(c["alpha"].real))); }
void GELU_forward(LayerCall& c) { give(c, call(Op::gelu, {c.x()}, Attrs().add_string(c["approximate"].word))); }
void Hardshrink_forward(LayerCall& c) { give(c, where(abs(c.x()) <= c["lambd"].real, 0, c.x())); }
void Softshrink_forward(LayerCall& c) {
  double lambda = c["lambd"].real;
  give(c, where(c.x() > lambda, c.x() - lambda, where(c.x() < -lambda, c.x() + lambda, c.x() * 0)));
}
void Softplus_forward(LayerCall& c) {
  give(c, call(Op::softplus, {c.x()}, Attrs().add_real(c["beta"].real).add_real(c["threshold"].real)));
}
void Softsign_forward(LayerCall& c) { give(c, c.x() / (abs(c.x()) + 1)); }
void Tanhshrink_forward(LayerCall& c) { give(c, c.x() - tanh(c.x())); }
void Threshold_forward(LayerCall& c) { give(c, where(c.x() <= c["threshold"].real, c["value"].real, c.x())); }
void Softmax_forward(LayerCall& c) { give(c, call(Op::softmax, {c.x()}, Attrs().add(c["dim"].integer))); }
void Softmin_forward(LayerCall& c) { give(c, call(Op::softmax, {-c.x()}, Attrs().add(c["dim"].integer))); }
void LogSoftmax_forward(LayerCall& c) { give(c, call(Op::log_softmax, {c.x()}, Attrs().add(c["dim"].integer))); }

// ---- shapes ---------------------------------------------------------------------------------------------------------

static int axis_of(const LayerCall& c, std::string_view field) {
  int64_t axis = c[field].integer, rank = c.x().shape().rank;
  if (axis < -rank || axis >= rank)
    fail(JT_E_SHAPE, c.layer.row().name, ": ", field, " ", axis, " is outside the ", rank, " axes of x");
  return int(axis < 0 ? axis + rank : axis);
}

void GLU_forward(LayerCall& c) {
  int axis = axis_of(c, "dim");
  const Shape& x = c.x().shape();
  if (x[axis] % 2) fail(JT_E_SHAPE, "GLU: extent ", x[axis], " of axis ", axis, " is odd");
  Dim zeros[kMaxRank] = {}, middle[kMaxRank] = {}, half[kMaxRank], whole[kMaxRank];
  for (int i = 0; i < x.rank; i++) half[i] = whole[i] = x[i];
  middle[axis] = half[axis] = x[axis] / 2;
  size_t n = size_t(x.rank);
  give(c, slice(c.x(), {zeros, n}, {half, n}) * sigmoid(slice(c.x(), {middle, n}, {whole, n})));
}

void Flatten_forward(LayerCall& c) {
  const Shape& x = c.x().shape();
  if (x.rank == 0) return give(c, reshape(c.x(), Shape{1}));
  int first = axis_of(c, "start_dim"), last = axis_of(c, "end_dim");
  if (first > last) fail(JT_E_INVALID, "Flatten: start_dim ", first, " is behind end_dim ", last);
  Shape out;
  int64_t flat = 1;
  for (int i = 0; i < x.rank; i++) {
    if (i >= first && i <= last) flat *= x[i];
    if (i < first || i > last) out.push(x[i]);
    else if (i == last) out.push(flat);
  }
  give(c, reshape(c.x(), out));
}

void Unflatten_forward(LayerCall& c) {
  const Shape& x = c.x().shape();
  int axis = axis_of(c, "dim");
  List<int64_t> out;
  for (int i = 0; i < x.rank; i++) {
    if (i != axis) out.push_back(x[i]);
    else out.insert(out.end(), c["unflattened_size"].ints.begin(), c["unflattened_size"].ints.end());
  }
  give(c, call(Op::reshape, {c.x()}, Attrs().add_ints(out)));
}

static void shuffle(LayerCall& c) {
  const Shape& x = c.x().shape();
  int64_t r = c["upscale_factor"].integer, square = checked_product("PixelShuffle", r, r);
  Dim order[] = {0, 1, 4, 2, 5, 3};
  if (x[1] % square) fail(JT_E_SHAPE, "PixelShuffle: ", x[1], " channels are no multiple of ", square);
  int64_t height = checked_product("PixelShuffle", x[2], r), width = checked_product("PixelShuffle", x[3], r);
  Value split = reshape(c.x(), Shape{x[0], x[1] / square, r, r, x[2], x[3]});
  give(c, reshape(transpose(split, order), Shape{x[0], x[1] / square, height, width}));
}
void PixelShuffle_forward(LayerCall& c) {
  for_batch(c, 4, [&] { shuffle(c); });
}

static void unshuffle(LayerCall& c) {
  const Shape& x = c.x().shape();
  int64_t r = c["downscale_factor"].integer;
  Dim order[] = {0, 1, 3, 5, 2, 4};
  if (x[2] % r || x[3] % r) fail(JT_E_SHAPE, "PixelUnshuffle: shape ", x, " is no multiple of ", r);
  int64_t channels = checked_product("PixelUnshuffle", x[1], checked_product("PixelUnshuffle", r, r));
  Value split = reshape(c.x(), Shape{x[0], x[1], x[2] / r, r, x[3] / r, r});
  give(c, reshape(transpose(split, order), Shape{x[0], channels, x[2] / r, x[3] / r}));
}
void PixelUnshuffle_forward(LayerCall& c) {
  for_batch(c, 4, [&] { unshuffle(c); });
}

// Left, right, top, bottom of the last two axes.
static void pad_around(LayerCall& c, double value) {
  check_rank(c, 2, kMaxRank);
  const auto& p = c["padding"].ints;
  int rank = c.x().shape().rank;
  int64_t before[kMaxRank] = {}, after[kMaxRank] = {};
  before[rank - 1] = p[0], after[rank - 1] = p[1], before[rank - 2] = p[2], after[rank - 2] = p[3];
  give(c, call(Op::pad, {c.x()},
               Attrs().add_ints({before, size_t(rank)}).add_ints({after, size_t(rank)}).add_real(value)));
}
void ConstantPad2d_forward(LayerCall& c) { pad_around(c, c["value"].real); }
void ZeroPad2d_forward(LayerCall& c) { pad_around(c, 0); }

void UpsamplingNearest2d_forward(LayerCall& c) {
  check_rank(c, 4, 4);
  const Shape& x = c.x().shape();
  const auto& by = c["scale_factor"].ints;
  int64_t height = checked_product("UpsamplingNearest2d", x[2], by[0]),
          width = checked_product("UpsamplingNearest2d", x[3], by[1]);
  Value spread =
      expand(reshape(c.x(), Shape{x[0], x[1], x[2], 1, x[3], 1}), Shape{x[0], x[1], x[2], by[0], x[3], by[1]});
  give(c, reshape(spread, Shape{x[0], x[1], height, width}));
}

}  // namespace jt
