// bodies: composite rows in other ops. simplify opens them, and the fuser makes them fast.
#include <algorithm>
#include <cmath>

#include "core/ir/block.h"
#include "core/ir/body.h"

namespace jt {

using namespace ops;

void open_body(Recorder& recorder, std::span<const Ref> inputs, const Node& node, std::span<Value> out) {
  def(node.op).body(recorder, inputs, node, out);
  for (int i = 0; i < node.n_results; i++) {
    const Type &made = out[size_t(i)].type(), &wanted = node.results()[i].type;
    if (made.dtype == wanted.dtype && same_extents(made.shape, wanted.shape)) continue;
    fail(JT_E_INTERNAL, name(node.op), ": its body gives ", made, ", its row ", wanted);
  }
}


JT_BODY(full) {
  JT_UNUSED;
  Value c = r.constant(result.dtype, attrs.real(1));
  return result.shape.rank ? expand(c, result.shape) : c;
}

JT_BODY(mean) {
  JT_UNUSED;
  Value x = cast(in[0], wide(result.dtype));
  Dim n = 1;
  for (Dim axis : attrs.ints(0)) n *= x.shape()[int(axis)];
  return cast(sum(x, attrs.ints(0), attrs.integer(1)) / count(r, x.dtype(), n), result.dtype);
}

// ---- along an axis --------------------------------------------------------------------------------------------------


Value part_of(Ref x, int axis, int64_t from, int64_t to) {
  int64_t starts[kMaxRank] = {}, stops[kMaxRank];
  std::ranges::copy(x.shape().extents(), stops);
  starts[axis] = from, stops[axis] = to;
  size_t rank = size_t(x.shape().rank);
  return slice(x, {starts, rank}, {stops, rank});
}

JT_BODY(argsort) {
  JT_UNUSED;
  Value sorted = r.build(Op::sort, {in[0]}, attrs);
  return Recorder::result(sorted, 1);
}

JT_BODIES(topk) {
  int axis = int(node.integer(attr(Op::topk, "axis")));
  int64_t k = node.integer(attr(Op::topk, "k"));
  Value sorted = r.build(Op::sort, {in[0]}, Attrs().add(axis).add(node.integer(attr(Op::topk, "largest"))));
  for (uint32_t i : {0u, 1u}) {
    Ref all = Recorder::result(sorted, i);
    out[i] = all.shape().rank ? part_of(all, axis, 0, k) : Value(all);
  }
}

JT_BODIES(split) {
  (void)r;
  int axis = int(node.integer(attr(Op::split, "axis")));
  int64_t from = 0;
  for (size_t i = 0; i < out.size(); i++) {
    int64_t to = from + node.results()[i].type.shape[axis];
    out[i] = part_of(in[0], axis, from, to);
    from = to;
  }
}

// ---- volumes --------------------------------------------------------------------------------------------------------

// A convolution of volumes is one of images: an image for each depth of the result, whose channels are those of the
// slices under the window, [N * OD, C * KD, H, W].
struct VolumeConv {
  std::span<const Dim> stride, padding, dilation;
  Dim groups, channels, kd, depth, out_depth;
  Shape x;  // [N,C,D,H,W]
  VolumeConv(const Attrs& attrs, int first, const Shape& volume, const Shape& w)
      : stride(attrs.ints(first)), padding(attrs.ints(first + 1)), dilation(attrs.ints(first + 2)),
        groups(attrs.integer(first + 3)), channels(volume[1]), kd(w[2]), depth(volume[2] + padding[0] + padding[3]),
        out_depth((depth - dilation[0] * (kd - 1) - 1) / stride[0] + 1), x(volume) {}

  Dim reach() const { return (out_depth - 1) * stride[0] + 1; }  // of the slices that one tap meets
  Shape images() const { return {x[0] * out_depth, channels * kd, x[3], x[4]}; }
  Attrs image_attrs(Attrs attrs) const {
    Dim around[] = {padding[1], padding[2], padding[4], padding[5]};
    return attrs.add_ints(stride.subspan(1)).add_ints(around).add_ints(dilation.subspan(1)).add(groups);
  }
  static Value image_weights(Ref w) {
    const Shape& s = w.shape();
    return reshape(w, Shape{s[0], s[1] * s[2], s[3], s[4]});
  }
  Value to_images(Recorder& r, Ref volume) const {
    Dim before[] = {0, 0, padding[0], 0, 0}, after[] = {0, 0, padding[3], 0, 0};
    Value padded = call(Op::pad, {volume}, Attrs().add_ints(before).add_ints(after).add_real(0));
    Recycling recycling(r.lists);
    List<Value> taps;
    for (int64_t k = 0; k < kd; k++) {
      Dim from[] = {0, 0, k * dilation[0], 0, 0}, to[] = {x[0], x[1], k * dilation[0] + reach(), x[3], x[4]};
      Dim step[] = {1, 1, stride[0], 1, 1};
      taps.push_back(reshape(slice(padded, from, to, step), Shape{x[0], x[1], 1, out_depth, x[3], x[4]}));
    }
    List<Ref> refs(taps.begin(), taps.end());
    Value all = r.build(Op::concat, refs, Attrs().add(2));
    Dim order[] = {0, 3, 1, 2, 4, 5};
    return reshape(transpose(all, order), images());
  }
  // The adjoint: each slice goes back to the depths it came from.
  Value from_images(const Value& images) const {
    Dim order[] = {0, 2, 3, 1, 4, 5};
    Value taps = transpose(reshape(images, Shape{x[0], out_depth, channels, kd, x[3], x[4]}), order), sum;
    for (int64_t k = 0; k < kd; k++) {
      Dim from[] = {0, 0, k, 0, 0, 0}, to[] = {x[0], channels, k + 1, out_depth, x[3], x[4]};
      Value part = reshape(slice(taps, from, to), Shape{x[0], channels, out_depth, 1, x[3], x[4]});
      Dim none[] = {0, 0, 0, 0, 0, 0}, gap[] = {0, 0, 0, stride[0] - 1, 0, 0};
      part = call(Op::pad, {part}, Attrs().add_ints(none).add_ints(gap).add_real(0));
      part = reshape(part, Shape{x[0], channels, out_depth * stride[0], x[3], x[4]});
      Dim begin[] = {0, 0, 0, 0, 0}, end[] = {x[0], channels, reach(), x[3], x[4]};
      part = slice(part, begin, end);
      Dim before[] = {0, 0, k * dilation[0], 0, 0}, after[] = {0, 0, depth - k * dilation[0] - reach(), 0, 0};
      part = call(Op::pad, {part}, Attrs().add_ints(before).add_ints(after).add_real(0));
      sum = k ? sum + part : part;
    }
    Dim begin[] = {0, 0, padding[0], 0, 0}, end[] = {x[0], channels, padding[0] + x[2], x[3], x[4]};
    return slice(sum, begin, end);
  }
};

JT_BODY(conv3d) {
  JT_UNUSED;
  VolumeConv v(attrs, 0, in[0].shape(), in[1].shape());
  Value z = call(Op::conv2d, {v.to_images(r, in[0]), VolumeConv::image_weights(in[1])}, v.image_attrs({}));
  const Shape& s = result.shape;
  Dim order[] = {0, 2, 1, 3, 4};
  return transpose(reshape(z, Shape{s[0], s[2], s[1], s[3], s[4]}), order);
}

JT_BODY(conv3d_grad_x) {
  JT_UNUSED;
  VolumeConv v(attrs, 1, result.shape, in[1].shape());
  const Shape& s = in[0].shape();
  Dim order[] = {0, 2, 1, 3, 4};
  DType computed = wide(result.dtype);  // the slices' parts are added before they are rounded
  Value dz = reshape(transpose(cast(in[0], computed), order), Shape{s[0] * s[2], s[1], s[3], s[4]});
  Value images = call(Op::conv2d_grad_x, {dz, VolumeConv::image_weights(cast(in[1], computed))},
                      v.image_attrs(Attrs().add_ints(v.images().extents())));
  return cast(v.from_images(images), result.dtype);
}

// Windows of each slice, then of the depths: for maxima and for means the same as both at once.
static Value pooled(Op op, Ref x, const Attrs& attrs, const Shape& out) {
  auto size = attrs.ints(0), stride = attrs.ints(1), pad = attrs.ints(2);
  const Shape& s = x.shape();
  Dim around[] = {pad[1], pad[2], pad[4], pad[5]};
  Value z = call(op, {reshape(x, Shape{s[0], s[1] * s[2], s[3], s[4]})},
                 Attrs().add_ints(size.subspan(1)).add_ints(stride.subspan(1)).add_ints(around));
  Dim tall[] = {size[0], 1}, steps[] = {stride[0], 1}, ends[] = {pad[0], 0, pad[3], 0};
  z = call(op, {reshape(z, Shape{s[0], s[1], s[2], out[3] * out[4]})},
           Attrs().add_ints(tall).add_ints(steps).add_ints(ends));
  return reshape(z, out);
}
JT_BODY(max_pool3d) {
  JT_UNUSED;
  return pooled(Op::max_pool2d, in[0], attrs, result.shape);
}
JT_BODY(avg_pool3d) {
  JT_UNUSED;
  return cast(pooled(Op::avg_pool2d, cast(in[0], wide(result.dtype)), attrs, result.shape), result.dtype);
}

// Of no elements there is no maximum, and nothing to centre.
static Value centred(Ref x, Dim axis) {
  if (x.shape().rank && !x.shape()[int(axis)]) return x;
  return Value(x) - max(x, {&axis, 1}, true);
}

JT_BODY(softmax) {
  JT_UNUSED;
  Dim axis = attrs.integer(0);
  Value x = cast(in[0], wide(result.dtype)), e = exp(centred(x, axis));
  return cast(e / sum(e, {&axis, 1}, true), result.dtype);
}

JT_BODY(log_softmax) {
  JT_UNUSED;
  Dim axis = attrs.integer(0);
  Value x = cast(in[0], wide(result.dtype)), c = centred(x, axis);
  return cast(c - log(sum(exp(c), {&axis, 1}, true)), result.dtype);
}

// ---- losses ---------------------------------------------------------------------------------------------------------

// What is left of the losses of each element, which are computed wide and rounded once.
static Value reduced(const Value& each, std::string_view how, const Type& result) {
  if (how == "none") return cast(each, result.dtype);
  if (how == "mean") return cast(call(Op::mean, {each}, Attrs().add_ints({}).add(0)), result.dtype);
  Value total = sum(each);
  if (how == "batchmean") total = total / count(*each.ref().node->owner, each.dtype(), each.shape()[0]);
  return cast(total, result.dtype);
}

// Rows [N,C,..] with a label [N,..] for each; a single row [C] is one of N = 1.
struct Labelled {
  Value x, label, ignored, weight;  // label: 0 where it is ignored; weight by class, may be absent
  Labelled(Recorder& r, std::span<const Ref> in, Dim ignore_index, DType computed)
      : x(cast(in[0], computed)), label(cast(in[1], JT_I64)), weight(in.size() > 2 ? cast(in[2], computed) : Value()) {
    if (x.shape().rank == 1) x = reshape(x, Shape{1, x.shape()[0]}), label = reshape(label, Shape{1});
    ignored = equal(label, r.constant_int(JT_I64, ignore_index));
    label = where(ignored, 0, label);
  }
  // -values at the label, along axis 1.
  Value lost(Recorder& r, const Value& values) const {
    Dim classes = 1;
    Value column = with_class_axis(label);
    Value hit = equal(iota(r, values.shape(), 1, JT_I64), column);
    return -sum(where(hit, values, 0), {&classes, 1});
  }
  static Value with_class_axis(const Value& rows) {
    Shape column = rows.shape();
    for (int i = column.rank++; i > 1; i--) column.dims[i] = column.dims[i - 1];
    column.dims[1] = 1;
    return reshape(rows, Shape(column.extents()));
  }
  Value weight_of_rows() const {
    Value counts = cast(logical_not(ignored), x.dtype());
    return weight ? where(ignored, 0, call(Op::take, {weight, label}, Attrs().add(0))) : counts;
  }
  Value weight_of_classes() const {
    Shape shape{x.shape()[1]};
    for (int i = 2; i < x.shape().rank; i++) shape.push(1);
    return reshape(weight, shape);
  }
  // Ignored rows cost nothing, whatever they hold. A mean is over the weights.
  Value reduced(const Value& each, std::string_view how, const Type& result) const {
    Value counted = where(ignored, 0, each);
    if (how == "none") return reshape(cast(counted, result.dtype), Shape(result.shape.extents()));
    Value total = sum(counted);
    return cast(how == "mean" ? total / sum(weight_of_rows()) : total, result.dtype);
  }
};

// Labels that are probabilities [N,C,..]; the mean is over the rows.
static Value cross_entropy_of_probabilities(Recorder& r, std::span<const Ref> in, double smoothing,
                                            std::string_view how, const Type& result) {
  DType computed = wide(result.dtype);
  Value x = cast(in[0], computed), y = cast(in[1], computed);
  Dim axis = x.shape().rank > 1, classes = x.shape()[int(axis)];
  if (smoothing) y = y * (1 - smoothing) + smoothing / double(classes);
  Value each = call(Op::log_softmax, {x}, Attrs().add(axis)) * y;
  if (in.size() > 2) {
    Shape shape{classes};
    for (int i = 2; i < x.shape().rank; i++) shape.push(1);
    each = each * reshape(cast(in[2], computed), shape);
  }
  Value loss = -sum(each, {&axis, 1});
  (void)r;
  return reduced(loss, how, result);
}

JT_BODY(cross_entropy) {
  JT_UNUSED;
  double smoothing = attrs.real(2);
  std::string_view how = attrs.string(1);
  if (is_float(in[1].dtype())) return cross_entropy_of_probabilities(r, in, smoothing, how, result);
  Labelled rows(r, in, attrs.integer(0), wide(result.dtype));
  Dim classes = 1;
  Value c = centred(rows.x, classes), norm = log(sum(exp(c), {&classes, 1}));
  Value each = norm + rows.lost(r, c);
  if (rows.weight) each = each * rows.weight_of_rows();
  if (!smoothing) return rows.reduced(each, how, result);
  Value spread = Labelled::with_class_axis(norm) - c;
  if (rows.weight) spread = spread * rows.weight_of_classes();
  Value even = sum(spread, {&classes, 1}) / count(r, c.dtype(), c.shape()[1]);
  return rows.reduced(each * (1 - smoothing) + even * smoothing, how, result);
}

JT_BODY(nll) {
  JT_UNUSED;
  Labelled rows(r, in, attrs.integer(0), wide(result.dtype));
  Value each = rows.lost(r, rows.x);
  return rows.reduced(rows.weight ? each * rows.weight_of_rows() : each, attrs.string(1), result);
}

JT_BODY(mse_loss) {
  JT_UNUSED;
  Value x = cast(in[0], wide(result.dtype)), y = cast(in[1], wide(result.dtype));
  return reduced(square(x - y), attrs.string(0), result);
}

JT_BODY(gelu) {
  JT_UNUSED;
  if (attrs.string(0) == "tanh") return call(Op::gelu_tanh, {in[0]});
  Value x = cast(in[0], wide(result.dtype));
  return cast(x * 0.5 * (erf(x * 0.7071067811865476) + 1), result.dtype);
}

JT_BODY(silu) {
  JT_UNUSED;
  Value x = cast(in[0], wide(result.dtype));
  return cast(x * sigmoid(x), result.dtype);
}

// -|x|, with a gradient of NaN at NaN.
static Value minus_abs(const Value& x) { return minimum(x, -x); }

// beta * x above the threshold is what it is of: there the rest is lost in rounding, or meant to be.
JT_BODY(softplus) {
  JT_UNUSED;
  double beta = attrs.real(0), threshold = attrs.real(1);
  Value x = cast(in[0], wide(result.dtype)), scaled = beta == 1 ? x : x * beta;
  Value smooth = maximum(scaled, 0) + log1p(exp(minus_abs(scaled)));
  return cast(where(scaled > threshold, x, beta == 1 ? smooth : smooth / beta), result.dtype);
}

JT_BODY(gelu_tanh) {
  JT_UNUSED;
  Value x = cast(in[0], wide(result.dtype));
  Value inside = (x + square(x) * x * 0.044715) * 0.7978845608028654;
  return cast(x * 0.5 * (tanh(inside) + 1), result.dtype);
}

JT_BODY(leaky_relu) {
  JT_UNUSED;
  Value x = cast(in[0], wide(result.dtype));
  return cast(where(x > 0, x, x * attrs.real(0)), result.dtype);
}

// x where it is not positive, else 0: what exp is taken of, so that neither it nor its gradient overflows.
static Value below_zero(const Value& x) { return where(x > 0, 0, x); }

JT_BODY(elu) {
  JT_UNUSED;
  Value x = cast(in[0], wide(result.dtype));
  return cast(where(x > 0, x, expm1(below_zero(x)) * attrs.real(0)), result.dtype);
}

JT_BODY(celu) {
  JT_UNUSED;
  Value x = cast(in[0], wide(result.dtype));
  return cast(where(x > 0, x, expm1(below_zero(x) / attrs.real(0)) * attrs.real(0)), result.dtype);
}

JT_BODY(selu) {
  JT_UNUSED;
  constexpr double kScale = 1.0507009873554805, kAlpha = 1.6732632423543772;
  Value x = cast(in[0], wide(result.dtype));
  return cast(where(x > 0, x * kScale, expm1(below_zero(x)) * (kScale * kAlpha)), result.dtype);
}

// NaN stays NaN: it is neither <= low nor >= high.
static Value limited(const Value& x, double low, double high) {
  return where(x <= low, low, where(x >= high, high, x));
}

JT_BODY(hardtanh) {
  JT_UNUSED;
  return limited(cast(in[0], result.dtype), attrs.real(0), attrs.real(1));
}

JT_BODY(hardsigmoid) {
  JT_UNUSED;
  return cast(limited(cast(in[0], wide(result.dtype)) + 3, 0, 6) / 6, result.dtype);
}

JT_BODY(hardswish) {
  JT_UNUSED;
  Value x = cast(in[0], wide(result.dtype));
  return cast(x * (limited(x + 3, 0, 6) / 6), result.dtype);
}

JT_BODY(mish) {
  JT_UNUSED;
  Value x = cast(in[0], wide(result.dtype));
  return cast(x * tanh(call(Op::softplus, {x}, Attrs().add_real(1).add_real(20))), result.dtype);
}

JT_BODY(log_sigmoid) {
  JT_UNUSED;
  Value x = cast(in[0], wide(result.dtype));
  return cast(minimum(x, 0) - log1p(exp(minus_abs(x))), result.dtype);
}

// [C] beside x [N,C,..]: as [C,1,..].
static Value along_channels(const Value& factor, const Shape& x) {
  Shape shape{factor.shape()[0]};
  for (int i = 2; i < x.rank; i++) shape.push(1);
  return reshape(factor, shape);
}

JT_BODY(prelu) {
  JT_UNUSED;
  Value x = cast(in[0], wide(result.dtype)), weight = cast(in[1], x.dtype());
  weight = x.shape().rank < 2 || weight.shape()[0] == 1 ? reshape(weight, {}) : along_channels(weight, x.shape());
  return cast(where(x > 0, x, below_zero(x) * weight), result.dtype);
}

JT_BODY(dropout) {
  JT_UNUSED;
  double p = attrs.real(0);
  Attrs place =
      Attrs().add_ints(result.shape.extents()).add(attrs.integer(1)).add(attrs.integer(2)).add(attrs.integer(3));
  Value bits = r.build(Op::random_bits, {}, place), x = cast(in[0], wide(result.dtype));
  Value dropped = less(bits, r.constant_int(JT_I64, int64_t(p * 0x1p32)));
  return cast(where(dropped, 0, x * (p < 1 ? 1 / (1 - p) : 0)), result.dtype);
}

JT_BODY(embedding) {
  JT_UNUSED;
  return call(Op::take, {in[1], in[0]}, Attrs().add(0));
}

// What it says of its elements, guards compute (core/rewrite/guards.h).
JT_BODY(check_index) {
  JT_UNUSED;
  return in[0];
}

JT_BODY(one_hot) {
  JT_UNUSED;
  Shape column = in[0].shape();
  column.push(1);
  return cast(equal(iota(r, result.shape, column.rank - 1, JT_I64), reshape(cast(in[0], JT_I64), column)),
              result.dtype);
}

// ---- normalisation: sums as mean's, so that a reduction and what follows it are one kernel --------------------------

static Value mean_over(const Value& x, std::span<const Dim> axes, bool keepdims) {
  return call(Op::mean, {x}, Attrs().add_ints(axes).add(keepdims));
}

// The squares of the distances from the mean, summed, and what they are divided by.
struct Spread {
  Value centred, squares, divisor;
  Spread(Recorder& r, Ref in, const Attrs& attrs, DType result) {
    // An integer that float32 rounds may differ from their mean by less than it was rounded.
    DType computed = !is_float(in.dtype()) && size_of(in.dtype()) > 2 ? JT_F64 : wide(result);
    Value x = cast(in, computed);
    centred = x - mean_over(x, attrs.ints(0), true);
    squares = sum(square(centred), attrs.ints(0), attrs.integer(1));
    Dim n = 1, correction = attrs.integer(2);
    for (Dim axis : attrs.ints(0)) n *= x.shape()[int(axis)];
    bool is_beyond = correction < -INT64_MAX / 2;  // no difference is that of a count beyond any extent
    divisor = count(r, computed, is_beyond ? Dim(INT64_MAX) : correction < n ? n - correction : Dim(0));
  }
};

JT_BODY(var) {
  JT_UNUSED;
  Spread spread(r, in[0], attrs, result.dtype);
  return cast(spread.squares / spread.divisor, result.dtype);
}

JT_BODY(std) {
  JT_UNUSED;
  Spread spread(r, in[0], attrs, result.dtype);
  return cast(sqrt(spread.squares / spread.divisor), result.dtype);
}

JT_BODY(norm) {
  JT_UNUSED;
  double p = attrs.real(0);
  auto axes = attrs.ints(1);
  bool keepdims = attrs.integer(2);
  Value x = cast(in[0], wide(result.dtype));
  auto norm = [&]() -> Value {
    if (p == 0) return sum(cast(not_equal(x, 0), x.dtype()), axes, keepdims);
    if (p == 1) return sum(abs(x), axes, keepdims);
    if (p == 2) return sqrt(sum(square(x), axes, keepdims));
    if (std::isinf(p)) return p > 0 ? max(abs(x), axes, keepdims) : min(abs(x), axes, keepdims);
    return pow(sum(pow(abs(x), p), axes, keepdims), 1 / p);
  };
  return cast(norm(), result.dtype);
}

// (x - mean) / sqrt(var + eps) over these axes.
static Value normalised(const Value& x, std::span<const Dim> axes, double eps) {
  Value c = x - mean_over(x, axes, true);
  return c * rsqrt(mean_over(square(c), axes, true) + eps);
}

// y * in[first] + in[first + 1], as many of them as there are.
static Value scaled(Value y, std::span<const Ref> in, size_t first, const Shape& factor) {
  auto fitted = [&](Ref v) { return v.shape().rank ? reshape(cast(v, y.dtype()), factor) : cast(v, y.dtype()); };
  if (in.size() > first) y = y * fitted(in[first]);
  if (in.size() > first + 1) y = y + fitted(in[first + 1]);
  return y;
}

struct LastAxes {
  Dim list[kMaxRank];
  size_t count;
  LastAxes(int rank, Dim n) : count(size_t(n)) {
    for (int64_t i = 0; i < n; i++) list[i] = rank - n + i;
  }
  operator std::span<const Dim>() const { return {list, count}; }
};

JT_BODY(layer_norm) {
  JT_UNUSED;
  Value x = cast(in[0], wide(result.dtype));
  LastAxes axes(result.shape.rank, attrs.integer(0));
  Shape factor(result.shape.extents().last(axes.count));
  return cast(scaled(normalised(x, axes, attrs.real(1)), in, 1, factor), result.dtype);
}

JT_BODY(rms_norm) {
  JT_UNUSED;
  Value x = cast(in[0], wide(result.dtype));
  LastAxes axes(result.shape.rank, attrs.integer(0));
  Shape factor(result.shape.extents().last(axes.count));
  return cast(scaled(x * rsqrt(mean_over(square(x), axes, true) + attrs.real(1)), in, 1, factor), result.dtype);
}

// [N,C,..] as [N,G,C/G,..]: no axis is joined with another, so that loads stay index maps.
JT_BODY(group_norm) {
  JT_UNUSED;
  const Shape& x = result.shape;
  Dim groups = attrs.integer(0);
  if (!x.count()) {  // nothing to normalise; no channels are as many groups as one likes
    Shape each{x[1]};
    for (int i = 2; i < x.rank; i++) each.push(1);
    return cast(scaled(cast(in[0], wide(result.dtype)), in, 1, each), result.dtype);
  }
  Shape split{x[0], groups, x[1] / groups}, factor{groups, x[1] / groups};
  for (int i = 2; i < x.rank; i++) split.push(x[i]), factor.push(1);
  Value wide_x = reshape(cast(in[0], wide(result.dtype)), split);
  Value y = scaled(normalised(wide_x, LastAxes(split.rank, split.rank - 2), attrs.real(1)), in, 1, factor);
  return cast(reshape(y, x), result.dtype);
}

JT_BODY(batch_norm) {
  JT_UNUSED;
  Value x = cast(in[0], wide(result.dtype));
  Value mean = along_channels(cast(in[1], x.dtype()), x.shape()),
        var = along_channels(cast(in[2], x.dtype()), x.shape());
  return cast(scaled((x - mean) * rsqrt(var + attrs.real(0)), in, 3, mean.shape()), result.dtype);
}

// ---- losses of pairs ------------------------------------------------------------------------------------------------

// in[i], where it is there, beside each element.
static Value weighted(const Value& each, std::span<const Ref> in, size_t i) {
  return in.size() > i ? each * cast(in[i], each.dtype()) : each;
}

JT_BODY(bce) {
  JT_UNUSED;
  Value x = cast(in[0], wide(result.dtype)), y = cast(in[1], x.dtype());
  Value each = -(y * maximum(log(x), -100) + (1 - y) * maximum(log1p(-x), -100));
  return reduced(weighted(each, in, 2), attrs.string(0), result);
}

// (1 - y) * softplus(x) + p * y * softplus(-x), p being pos_weight, else 1: no two infinities meet.
JT_BODY(bce_with_logits) {
  JT_UNUSED;
  Value x = cast(in[0], wide(result.dtype)), y = cast(in[1], x.dtype()), rest = log1p(exp(minus_abs(x)));
  Value positive = in.size() > 3 ? cast(in[3], x.dtype()) * y : y;
  Value each = (1 - y) * maximum(x, 0) + positive * maximum(-x, 0) + (in.size() > 3 ? (1 - y + positive) * rest : rest);
  return reduced(weighted(each, in, 2), attrs.string(0), result);
}

// The square is of near ones alone: of infinity its slope times 0 is NaN. NaN is no far one, and stays NaN in the
// gradient.
JT_BODY(smooth_l1) {
  JT_UNUSED;
  double beta = attrs.real(0);
  Value apart = cast(in[0], wide(result.dtype)) - cast(in[1], wide(result.dtype)), distance = abs(apart),
        is_far = distance >= beta;
  if (beta) distance = where(is_far, distance - 0.5 * beta, square(where(is_far, 0, apart)) * (0.5 / beta));
  return reduced(distance, attrs.string(1), result);
}

JT_BODY(huber) {
  JT_UNUSED;
  double delta = attrs.real(0);
  Value apart = cast(in[0], wide(result.dtype)) - cast(in[1], wide(result.dtype)), distance = abs(apart),
        is_far = distance >= delta;
  Value each = where(is_far, (distance - 0.5 * delta) * delta, square(where(is_far, 0, apart)) * 0.5);
  return reduced(each, attrs.string(1), result);
}

// y * log(y) is 0 at 0.
JT_BODY(kl_div) {
  JT_UNUSED;
  Value x = cast(in[0], wide(result.dtype)), y = cast(in[1], x.dtype());
  Value each = attrs.integer(0) ? exp(y) * (y - x) : y * (log(where(y > 0, y, 1)) - x);
  return reduced(each, attrs.string(1), result);
}

static Value random_word(Recorder& r, const Attrs& attrs, Dim stream) {
  Attrs of;
  of.add_ints(attrs.ints(0)).add(attrs.integer(1)).add(stream).add(attrs.integer(3));
  return r.build(Op::random_bits, {}, of);
}
// As many random bits as the dtype has, so that nothing is rounded: none of them is 1. The lower bits of f64 come from
// a stream 2^62 further, which no caller uses.
static Value random_unit(Recorder& r, const Attrs& attrs, const Type& result, Dim stream) {
  Value bits = random_word(r, attrs, stream);
  auto upper = [&](const Value& word, int n) { return shift_right(word, r.constant_int(JT_I64, 32 - n)); };
  if (result.dtype == JT_F64) {
    Value more = upper(random_word(r, attrs, stream ^ kMoreBits), 21);
    return cast(shift_left(bits, r.constant_int(JT_I64, 21)) + more, JT_F64) * 0x1p-53;
  }
  int n = result.dtype == JT_F16 ? 11 : result.dtype == JT_BF16 ? 8 : 24;
  return cast(cast(upper(bits, n), JT_F32) * std::ldexp(1.0, -n), result.dtype);
}

JT_BODY(uniform) {
  JT_UNUSED;
  return random_unit(r, attrs, result, attrs.integer(2));
}

// The two uniforms come from streams 2s and 2s+1 with the top bit set, which no uniform of the user has.
JT_BODY(normal) {
  JT_UNUSED;
  Dim stream = int64_t(uint64_t(attrs.integer(2)) * 2) | INT64_MIN;
  Type wide = result;
  if (wide.dtype != JT_F64) wide.dtype = JT_F32;
  Value radius = sqrt(log(1 - random_unit(r, attrs, wide, stream)) * -2);
  return cast(radius * cos(random_unit(r, attrs, wide, stream + 1) * 6.283185307179586), result.dtype);
}

}  // namespace jt
