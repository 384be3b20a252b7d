// forward_windows: convolutions and pooling. One-dimensional layers are two-dimensional ones of height 1.
#include "core/nn/forward.h"

namespace jt {

using namespace ops;

namespace {

// A list of one or two values as one of two: the height's first, `flat` where there is none.
struct Pair {
  int64_t v[2];
  Pair(const std::vector<int64_t>& given, int64_t flat) : v{given.size() > 1 ? given[0] : flat, given.back()} {}
  operator std::span<const int64_t>() const { return v; }
  int64_t operator[](int i) const { return v[i]; }
};

bool is_flat(const LayerCall& c) { return c["kernel_size"].ints.size() == 1; }

// [.., L] as [.., 1, L], and back.
Value raised(const Value& x) {
  Shape shape;
  for (int i = 0; i + 1 < x.shape().rank; i++) shape.push(x.shape()[i]);
  shape.push(1), shape.push(x.shape()[x.shape().rank - 1]);
  return reshape(x, shape);
}
Value lowered(const Value& y) { return reshape(y, Shape{y.shape()[0], y.shape()[1], y.shape()[3]}); }

Value image(LayerCall& c) {
  int rank = is_flat(c) ? 3 : 4;
  check_rank(c, rank, rank);
  return is_flat(c) ? raised(c.x()) : c.x();
}
void give_image(LayerCall& c, const Value& y) { give(c, is_flat(c) ? lowered(y) : y); }

Value with_bias(const LayerCall& c, const Value& y) {
  Value bias = c.state("bias");
  return bias ? y + along_channels(bias, 4) : y;
}

struct Convolution {
  Value weight;
  Pair stride, padding, dilation;
  int64_t groups;
  explicit Convolution(const LayerCall& c)
      : weight(is_flat(c) ? raised(c.state("weight")) : c.state("weight")), stride(c["stride"].ints, 1),
        padding(c["padding"].ints, 0), dilation(c["dilation"].ints, 1), groups(c["groups"].integer) {}
  Attrs with(Attrs attrs) const { return attrs.add_ints(stride).add_ints(padding).add_ints(dilation).add(groups); }
};

void convolve(LayerCall& c) {
  Value x = image(c);
  Convolution conv(c);
  give_image(c, with_bias(c, call(Op::conv2d, {x, conv.weight}, conv.with({}))));
}

// The gradient of a convolution with respect to its input is what this layer computes.
void convolve_transposed(LayerCall& c) {
  Value x = image(c);
  Convolution conv(c);
  Pair more(c["output_padding"].ints, 0);
  if (x.shape()[1] != c["in_channels"].integer)
    fail(JT_E_SHAPE, c.layer.row().name, ": x has ", x.shape()[1], " channels, not in_channels ", c["in_channels"].integer);
  Shape out{x.shape()[0], c["out_channels"].integer};
  for (int i = 0; i < 2; i++) {
    if (more[i] && more[i] >= conv.stride[i] && more[i] >= conv.dilation[i])
      fail(JT_E_INVALID, c.layer.row().name, ": output_padding ", more[i], " is not below stride ", conv.stride[i], " or dilation ", conv.dilation[i]);
    int64_t reach = conv.dilation[i] * (conv.weight.shape()[i + 2] - 1) + 1;
    out.push((x.shape()[i + 2] - 1) * conv.stride[i] - 2 * conv.padding[i] + reach + more[i]);
  }
  give_image(c, with_bias(c, call(Op::conv2d_grad_x, {x, conv.weight}, conv.with(Attrs().add_ints(out.extents())))));
}

// Windows of a pooling; with ceil_mode the last ones may reach beyond the right and lower edge, by `extra`.
struct Windows {
  Pair size, stride, padding;
  int64_t extra[2] = {0, 0};
  Windows(const LayerCall& c, const Shape& x)
      : size(c["kernel_size"].ints, 1), stride(c["stride"].ints.empty() ? c["kernel_size"].ints : c["stride"].ints, 1),
        padding(c["padding"].ints, 0) {
    for (int i = 0; i < 2; i++)
      if (2 * padding[i] > size[i])
        fail(JT_E_INVALID, c.layer.row().name, ": padding ", padding[i], " is more than half of kernel_size ", size[i]);
    if (!c["ceil_mode"].integer) return;
    for (int i = 0; i < 2; i++) {
      int64_t n = x[i + 2], room = n + 2 * padding[i] - size[i];
      if (room < 0) continue;
      int64_t last = (room + stride[i] - 1) / stride[i];               // windows behind the first
      if (last * stride[i] >= n + padding[i]) last--;                  // one that would begin beyond x
      extra[i] = std::max<int64_t>(last * stride[i] - room, 0);
    }
  }
  bool has_extra() const { return extra[0] || extra[1]; }
  Attrs attrs() const {
    int64_t around[] = {padding[0], padding[1], padding[0] + extra[0], padding[1] + extra[1]};
    return Attrs().add_ints(size).add_ints(stride).add_ints(around);
  }
};

void take_maxima(LayerCall& c) {
  Value x = image(c);
  give_image(c, call(Op::max_pool2d, {x}, Windows(c, x.shape()).attrs()));
}

Value ones(LayerCall& c, const Value& x, int64_t height, int64_t width) {
  return c.recorder().build(Op::full, {}, Attrs().add_ints(Shape{1, 1, height, width}.extents()).add_real(1).add(x.dtype()));
}

// The mean over what counts: the window, without the padding or without what ceil_mode adds. The kernel divides by all of it;
// its answer for a plane of ones is the part that counts.
void take_means(LayerCall& c, int64_t divisor) {
  Value x = image(c);
  Windows w(c, x.shape());
  Value y = call(Op::avg_pool2d, {x}, w.attrs());
  bool counts_padding = c["count_include_pad"].integer, is_padded = w.padding[0] || w.padding[1];
  if (divisor != kNone) {
    y = y * (double(w.size[0] * w.size[1]) / double(divisor));
  } else if (w.has_extra() || (is_padded && !counts_padding)) {
    int64_t height = x.shape()[2], width = x.shape()[3], before[] = {0, 0, 0, 0}, after[] = {0, 0, 0, 0};
    Value plane = ones(c, x, height, width);
    if (counts_padding) {
      before[2] = after[2] = w.padding[0], before[3] = after[3] = w.padding[1];
      plane = call(Op::pad, {plane}, Attrs().add_ints(before).add_ints(after).add_real(1));
      int64_t only_extra[] = {0, 0, w.extra[0], w.extra[1]};
      plane = call(Op::avg_pool2d, {plane}, Attrs().add_ints(w.size).add_ints(w.stride).add_ints(only_extra));
    } else {
      plane = call(Op::avg_pool2d, {plane}, w.attrs());
    }
    y = y / plane;
  }
  give_image(c, y);
}

// [out, in]: row o weighs the elements of window o, from floor(o * in / out) to ceil((o + 1) * in / out).
Value averaging(Recorder& r, DType dtype, int64_t out, int64_t in) {
  Shape shape{out, in};
  Value o = iota(r, shape, 0, JT_I64), i = iota(r, shape, 1, JT_I64);
  Value first = floor_div(o * double(in), double(out)), end = floor_div((o + 1) * double(in) + double(out - 1), double(out));
  return where(logical_and(i >= first, i < end), 1 / cast(end - first, dtype), 0);
}

void adapt_means(LayerCall& c, const Value& x, int64_t height, int64_t width) {
  int64_t h = x.shape()[2], w = x.shape()[3], both[] = {2, 3};
  if (!h || !w) fail(JT_E_SHAPE, c.layer.row().name, ": x of shape ", x.shape(), " has no elements to average");
  if (height == 1 && width == 1) return give(c, call(Op::mean, {x}, Attrs().add_ints(both).add(1)));
  if (h % height == 0 && w % width == 0) {
    int64_t window[] = {h / height, w / width};
    return give(c, call(Op::avg_pool2d, {x}, Attrs().add_ints(window).add_ints(window).add_ints({})));
  }
  Value y = matmul(x, transpose(averaging(c.recorder(), x.dtype(), width, w)));
  give(c, matmul(averaging(c.recorder(), x.dtype(), height, h), y));
}

}  // namespace

void Conv1d_forward(LayerCall& c) { convolve(c); }
void Conv2d_forward(LayerCall& c) { convolve(c); }
void ConvTranspose1d_forward(LayerCall& c) { convolve_transposed(c); }
void ConvTranspose2d_forward(LayerCall& c) { convolve_transposed(c); }
void MaxPool1d_forward(LayerCall& c) { take_maxima(c); }
void MaxPool2d_forward(LayerCall& c) { take_maxima(c); }
void AvgPool1d_forward(LayerCall& c) { take_means(c, kNone); }
void AvgPool2d_forward(LayerCall& c) { take_means(c, c["divisor_override"].integer); }
void Pool_forward(LayerCall& c) { c["op"].word == "mean" ? take_means(c, kNone) : take_maxima(c); }

void AdaptiveAvgPool1d_forward(LayerCall& c) {
  check_rank(c, 3, 3);
  adapt_means(c, raised(c.x()), 1, c["output_size"].ints[0]);
  give(c, lowered(c.outputs[0]));
}
void AdaptiveAvgPool2d_forward(LayerCall& c) {
  check_rank(c, 4, 4);
  adapt_means(c, c.x(), c["output_size"].ints[0], c["output_size"].ints[1]);
}
void AdaptiveMaxPool2d_forward(LayerCall& c) {
  check_rank(c, 4, 4);
  const Shape& x = c.x().shape();
  auto out = c["output_size"].ints;
  if (!x[2] || !x[3] || x[2] % out[0] || x[3] % out[1])
    fail(JT_E_UNSUPPORTED, "AdaptiveMaxPool2d: output_size ", std::span<const int64_t>(out), " does not divide x of shape ", x);
  int64_t window[] = {x[2] / out[0], x[3] / out[1]};
  give(c, call(Op::max_pool2d, {c.x()}, Attrs().add_ints(window).add_ints(window).add_ints({})));
}

}  // namespace jt
