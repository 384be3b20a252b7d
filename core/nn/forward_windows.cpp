// forward_windows: convolutions and pooling. One-dimensional layers are two-dimensional ones of height 1.
#include <algorithm>

#include "core/nn/forward.h"

namespace jt {

using namespace ops;

namespace {

// One value for each axis of a window: two or three, the width's last; `flat` for the height where only the width is given.
using PerAxis = std::vector<int64_t>;
PerAxis per_axis(const std::vector<int64_t>& given, int64_t flat) { return given.size() == 1 ? PerAxis{flat, given[0]} : given; }

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
  int rank = int(c["kernel_size"].ints.size()) + 2;
  check_rank(c, rank, rank);
  return is_flat(c) ? raised(c.x()) : c.x();
}
void give_image(LayerCall& c, const Value& y) { give(c, is_flat(c) ? lowered(y) : y); }

Value with_bias(const LayerCall& c, const Value& y) {
  Value bias = c.state("bias");
  return bias ? y + along_channels(bias, y.shape().rank) : y;
}

struct Convolution {
  Value weight;
  PerAxis stride, padding, dilation;
  int64_t groups;
  explicit Convolution(const LayerCall& c)
      : weight(is_flat(c) ? raised(c.state("weight")) : c.state("weight")), stride(per_axis(c["stride"].ints, 1)),
        padding(per_axis(c["padding"].ints, 0)), dilation(per_axis(c["dilation"].ints, 1)), groups(c["groups"].integer) {}
  bool is_volume() const { return stride.size() == 3; }
  Attrs with(Attrs attrs) const { return attrs.add_ints(stride).add_ints(padding).add_ints(dilation).add(groups); }
};

void convolve(LayerCall& c) {
  Value x = image(c);
  Convolution conv(c);
  give_image(c, with_bias(c, call(conv.is_volume() ? Op::conv3d : Op::conv2d, {x, conv.weight}, conv.with({}))));
}

// The gradient of a convolution with respect to its input is what this layer computes.
void convolve_transposed(LayerCall& c) {
  Value x = image(c);
  Convolution conv(c);
  PerAxis more = per_axis(c["output_padding"].ints, 0);
  if (x.shape()[1] != c["in_channels"].integer)
    fail(JT_E_SHAPE, c.layer.row().name, ": x has ", x.shape()[1], " channels, not in_channels ", c["in_channels"].integer);
  Shape out{x.shape()[0], c["out_channels"].integer};
  for (int i = 0; i < int(more.size()); i++) {
    size_t k = size_t(i);
    if (more[k] && more[k] >= conv.stride[k] && more[k] >= conv.dilation[k])
      fail(JT_E_INVALID, c.layer.row().name, ": output_padding ", more[k], " is not below stride ", conv.stride[k], " or dilation ", conv.dilation[k]);
    int64_t reach = conv.dilation[k] * (conv.weight.shape()[i + 2] - 1) + 1;
    out.push((x.shape()[i + 2] - 1) * conv.stride[k] - 2 * conv.padding[k] + reach + more[k]);
  }
  Op op = conv.is_volume() ? Op::conv3d_grad_x : Op::conv2d_grad_x;
  give_image(c, with_bias(c, call(op, {x, conv.weight}, conv.with(Attrs().add_ints(out.extents())))));
}

// Windows of a pooling; with ceil_mode the last ones may reach beyond the far edges, by `extra`.
struct Windows {
  PerAxis size, stride, padding, extra;
  Windows(const LayerCall& c, const Shape& x)
      : size(per_axis(c["kernel_size"].ints, 1)),
        stride(per_axis(c["stride"].ints.empty() ? c["kernel_size"].ints : c["stride"].ints, 1)),
        padding(per_axis(c["padding"].ints, 0)), extra(size.size()) {
    for (size_t i = 0; i < size.size(); i++)
      if (2 * padding[i] > size[i])
        fail(JT_E_INVALID, c.layer.row().name, ": padding ", padding[i], " is more than half of kernel_size ", size[i]);
    if (!c["ceil_mode"].integer) return;
    for (size_t i = 0; i < size.size(); i++) {
      int64_t n = x[int(i) + 2], room = n + 2 * padding[i] - size[i];
      if (room < 0) continue;
      int64_t last = (room + stride[i] - 1) / stride[i];               // windows behind the first
      if (last * stride[i] >= n + padding[i]) last--;                  // one that would begin beyond x
      extra[i] = std::max<int64_t>(last * stride[i] - room, 0);
    }
  }
  static bool any(const PerAxis& list) {
    return std::any_of(list.begin(), list.end(), [](int64_t v) { return v != 0; });
  }
  bool has_extra() const { return any(extra); }
  bool is_padded() const { return any(padding); }
  int64_t count() const {
    int64_t out = 1;
    for (int64_t extent : size) out *= extent;
    return out;
  }
  Op maxima() const { return size.size() == 3 ? Op::max_pool3d : Op::max_pool2d; }
  Op means() const { return size.size() == 3 ? Op::avg_pool3d : Op::avg_pool2d; }
  Attrs attrs() const { return attrs(padding); }
  Attrs attrs(const PerAxis& before) const {  // padding before and, with `extra`, behind each axis
    PerAxis around = before;
    for (size_t i = 0; i < before.size(); i++) around.push_back(before[i] + extra[i]);
    return Attrs().add_ints(size).add_ints(stride).add_ints(around);
  }
};

void take_maxima(LayerCall& c) {
  Value x = image(c);
  Windows w(c, x.shape());
  give_image(c, call(w.maxima(), {x}, w.attrs()));
}

// The mean over what counts: the window, without the padding or without what ceil_mode adds. The kernel divides by all of it;
// its answer for a plane of ones is the part that counts.
void take_means(LayerCall& c, int64_t divisor) {
  Value x = image(c);
  Windows w(c, x.shape());
  Value y = call(w.means(), {x}, w.attrs());
  bool counts_padding = c["count_include_pad"].integer;
  if (divisor != kNone) {
    y = y * (double(w.count()) / double(divisor));
  } else if (w.has_extra() || (w.is_padded() && !counts_padding)) {
    Shape plane_shape = x.shape();
    plane_shape.dims[0] = plane_shape.dims[1] = 1;
    Value plane = c.recorder().build(Op::full, {}, Attrs().add_ints(plane_shape.extents()).add_real(1).add(x.dtype()));
    if (counts_padding) {
      PerAxis around(2);
      around.insert(around.end(), w.padding.begin(), w.padding.end());
      plane = call(Op::pad, {plane}, Attrs().add_ints(around).add_ints(around).add_real(1));
      plane = call(w.means(), {plane}, w.attrs(PerAxis(w.size.size())));
    } else {
      plane = call(w.means(), {plane}, w.attrs());
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
void Conv3d_forward(LayerCall& c) { convolve(c); }
void ConvTranspose3d_forward(LayerCall& c) { convolve_transposed(c); }
void MaxPool3d_forward(LayerCall& c) { take_maxima(c); }
void AvgPool3d_forward(LayerCall& c) { take_means(c, c["divisor_override"].integer); }
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
