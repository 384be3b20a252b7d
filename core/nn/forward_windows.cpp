// forward_windows: convolutions and pooling. One-dimensional layers are two-dimensional ones of height 1.
#include <algorithm>
#include <limits>

#include "core/nn/forward.h"

namespace jt {

using namespace ops;

namespace {

// One value for each axis of a window: two or three, the width's last; `flat` for the height where only the width is
// given.
using PerAxis = List<int64_t>;
PerAxis per_axis(const std::vector<int64_t>& given, int64_t flat) {
  return given.size() == 1 ? PerAxis{flat, given[0]} : PerAxis(given.begin(), given.end());
}

bool is_flat(const LayerCall& c) { return c["kernel_size"].ints.size() == 1; }

// [.., L] as [.., 1, L], and back.
Value raised(const Value& x) {
  Shape shape;
  for (int i = 0; i + 1 < x.shape().rank; i++) shape.push(x.shape()[i]);
  shape.push(1), shape.push(x.shape()[x.shape().rank - 1]);
  return reshape(x, shape);
}
Value lowered(const Value& y) { return reshape(y, Shape{y.shape()[0], y.shape()[1], y.shape()[3]}); }

Value image(LayerCall& c) { return unrounded(is_flat(c) ? raised(c.x()) : c.x()); }
void give_image(LayerCall& c, const Value& y) { give_rounded(c, is_flat(c) ? lowered(y) : y); }

Value with_bias(const LayerCall& c, const Value& y) {
  Value bias = c.state("bias");
  return bias ? y + along_channels(unrounded(bias), y.shape().rank) : y;
}

struct Convolution {
  Value weight;
  PerAxis stride, padding, dilation;
  int64_t groups;
  explicit Convolution(const LayerCall& c)
      : weight(unrounded(is_flat(c) ? raised(c.state("weight")) : c.state("weight"))),
        stride(per_axis(c["stride"].ints, 1)), padding(per_axis(c["padding"].ints, 0)),
        dilation(per_axis(c["dilation"].ints, 1)), groups(c["groups"].integer) {
    DType given = c.x().dtype(), held = c.state("weight").dtype();
    if (given != held) fail(JT_E_DTYPE, c.layer.row().name, ": x is ", given, ", weight ", held);
  }
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
    fail(JT_E_SHAPE, c.layer.row().name, ": x has ", x.shape()[1], " channels, not in_channels ",
         c["in_channels"].integer);
  Shape out{x.shape()[0], c["out_channels"].integer};
  // what is cut off at the far ends; rows there that no window reaches
  PerAxis behind = conv.padding, rest(more.size());
  for (int i = 0; i < int(more.size()); i++) {
    size_t k = size_t(i);
    if (more[k] && more[k] >= conv.stride[k] && more[k] >= conv.dilation[k])
      fail(JT_E_INVALID, c.layer.row().name, ": output_padding ", more[k], " is not below stride ", conv.stride[k],
           " or dilation ", conv.dilation[k]);
    std::string_view who = c.layer.row().name;
    int64_t reach = checked_sum(who, checked_product(who, conv.dilation[k], conv.weight.shape()[i + 2] - 1), 1);
    if (more[k] >= conv.stride[k]) {  // a convolution of that extent would have more windows
      behind[k] = std::max<int64_t>(conv.padding[k] - more[k], 0);
      rest[k] = std::max<int64_t>(more[k] - conv.padding[k], 0);
    }
    int64_t whole =
        checked_sum(who, checked_product(who, x.shape()[i + 2] - 1, conv.stride[k]), checked_sum(who, reach, more[k]));
    out.push(checked_sum(who, checked_sum(who, whole, checked_product(who, -2, conv.padding[k])), -rest[k]));
  }
  conv.padding.insert(conv.padding.end(), behind.begin(), behind.end());
  Op op = conv.is_volume() ? Op::conv3d_grad_x : Op::conv2d_grad_x;
  Value y = call(op, {x, conv.weight}, conv.with(Attrs().add_ints(out.extents())));
  if (std::any_of(rest.begin(), rest.end(), [](int64_t n) { return n != 0; })) {
    rest.insert(rest.begin(), 2, 0);
    y = call(Op::pad, {y}, Attrs().add_ints(PerAxis(rest.size())).add_ints(rest).add_real(0));
  }
  give_image(c, with_bias(c, y));
}

// Windows of a pooling; with ceil_mode the last ones may reach beyond the far edges, by `extra`.
struct Windows {
  std::string_view who;
  PerAxis size, stride, padding, extra;
  Windows(const LayerCall& c, const Shape& x)
      : who(c.layer.row().name), size(per_axis(c["kernel_size"].ints, 1)),
        stride(per_axis(c["stride"].ints.empty() ? c["kernel_size"].ints : c["stride"].ints, 1)),
        padding(per_axis(c["padding"].ints, 0)), extra(size.size()) {
    for (size_t i = 0; i < size.size(); i++)
      if (padding[i] > size[i] / 2)
        fail(JT_E_INVALID, c.layer.row().name, ": padding ", padding[i], " is more than half of kernel_size ", size[i]);
    if (!c["ceil_mode"].integer) return;
    for (size_t i = 0; i < size.size(); i++) {
      int64_t n = x[int(i) + 2], room = n + (2 * padding[i] - size[i]);
      if (room <= -stride[i]) continue;  // no window fits, not even one that reaches beyond
      int64_t last = room <= 0 ? 0 : room / stride[i] + (room % stride[i] != 0);  // windows behind the first
      if (last && last * stride[i] - padding[i] >= n) last--;                     // one that would begin beyond x
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
    for (int64_t extent : size) out = checked_product(who, out, extent);
    return out;
  }
  Op maxima() const { return size.size() == 3 ? Op::max_pool3d : Op::max_pool2d; }
  Op means() const { return size.size() == 3 ? Op::avg_pool3d : Op::avg_pool2d; }
  Attrs attrs() const { return attrs(padding); }
  Attrs attrs(const PerAxis& before) const {  // padding before and, with `extra`, behind each axis
    PerAxis around = before;
    for (size_t i = 0; i < before.size(); i++) around.push_back(checked_sum(who, before[i], extra[i]));
    return Attrs().add_ints(size).add_ints(stride).add_ints(around);
  }
};

void take_maxima(LayerCall& c) {
  Value x = image(c);
  Windows w(c, x.shape());
  give_image(c, call(w.maxima(), {x}, w.attrs()));
}

// The mean over what counts: the window, without the padding or without what ceil_mode adds. The kernel divides by all
// of it; its answer for a plane of ones is the part that counts.
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

// How `out` windows cover an axis: window o from floor(o * in / out) to ceil((o + 1) * in / out).
struct Cover {
  int64_t in, out, longest;
  Value position, is_inside, count;  // [out, longest] and [out, 1]; positions outside are the last of the axis
  Cover(Recorder& r, int64_t in, int64_t out) : in(in), out(out), longest(in / out + (in % out ? 2 : 0)) {
    Shape shape{out, longest}, column{out, 1};
    Value o = iota(r, column, 0, JT_I64);
    Value first = floor_div(o * double(in), double(out)),
          end = floor_div((o + 1) * double(in) + double(out - 1), double(out));
    position = first + iota(r, shape, 1, JT_I64), is_inside = position < end, count = end - first;
    position = minimum(position, double(in - 1));
  }
  // x with each element of that axis replaced by its window, [.., out, longest, ..]; `beyond` where a window has ended.
  Value windows(const Value& x, int64_t axis, double beyond) const {
    Value taken = call(Op::take, {x, reshape(position, Shape{out * longest})}, Attrs().add(axis));
    Shape split, mask;
    for (int i = 0; i < x.shape().rank; i++) {
      split.push(i == axis ? Dim(out) : x.shape()[i]), mask.push(i == axis ? out : 1);
      if (i == axis) split.push(longest), mask.push(longest);
    }
    return where(reshape(is_inside, mask), reshape(taken, split), beyond);
  }
  // The windows' means along that axis.
  Value means(const Value& x, int64_t axis) const {
    Shape along;
    for (int i = 0; i < x.shape().rank; i++) along.push(i == axis ? out : 1);
    Dim inside[] = {axis + 1};
    return sum(windows(x, axis, 0), inside) / reshape(cast(count, x.dtype()), along);
  }
};

void adapt_means(LayerCall& c, const Value& x, int64_t height, int64_t width) {
  int64_t h = x.shape()[2], w = x.shape()[3];
  Dim both[] = {2, 3};
  if (!h || !w) fail(JT_E_SHAPE, c.layer.row().name, ": x of shape ", x.shape(), " has no elements to average");
  if (height == 1 && width == 1) return give_rounded(c, call(Op::mean, {x}, Attrs().add_ints(both).add(1)));
  if (h % height == 0 && w % width == 0) {
    int64_t window[] = {h / height, w / width};
    return give_rounded(c, call(Op::avg_pool2d, {x}, Attrs().add_ints(window).add_ints(window).add_ints({})));
  }
  bool is_half = x.dtype() == JT_F16 || x.dtype() == JT_BF16;
  Value wide = is_half ? cast(x, JT_F32) : x;
  Value rows = Cover(c.recorder(), w, width).means(wide, 3);
  give(c, cast(Cover(c.recorder(), h, height).means(rows, 2), x.dtype()));
}

// The maximum of each window, its gradient to the first that equals it, as max_pool2d has it.
void adapt_maxima(LayerCall& c, const Value& x, int64_t height, int64_t width) {
  int64_t h = x.shape()[2], w = x.shape()[3];
  if (!h || !w) fail(JT_E_SHAPE, c.layer.row().name, ": x of shape ", x.shape(), " has no elements to choose from");
  if (h % height == 0 && w % width == 0) {
    int64_t window[] = {h / height, w / width};
    return give(c, call(Op::max_pool2d, {x}, Attrs().add_ints(window).add_ints(window).add_ints({})));
  }
  Cover across(c.recorder(), w, width), down(c.recorder(), h, height);
  constexpr double kLowest = -std::numeric_limits<double>::infinity();
  Value windows = down.windows(across.windows(x, 3, kLowest), 2, kLowest);  // [N, C, height, h, width, w]
  Dim order[] = {0, 1, 2, 4, 3, 5}, last[] = {4};
  Shape flat{x.shape()[0], x.shape()[1], height, width, down.longest * across.longest};
  Value each = reshape(transpose(windows, order), flat);
  Value chosen = call(Op::argmax, {each}, Attrs().add_ints(last).add(1));
  Value y = call(Op::gather, {each, chosen}, Attrs().add(4));
  give(c, reshape(y, Shape{x.shape()[0], x.shape()[1], height, width}));
}

}  // namespace

// Layers of windows by the number of their axes.
template <class Body>
static void for_images(LayerCall& c, const Body& body) {
  for_batch(c, int(c["kernel_size"].ints.size()) + 2, body);
}
static void convolutions(LayerCall& c) {
  for_images(c, [&] { convolve(c); });
}
static void transposed_convolutions(LayerCall& c) {
  for_images(c, [&] { convolve_transposed(c); });
}
static void maxima(LayerCall& c) {
  for_images(c, [&] { take_maxima(c); });
}
static void means(LayerCall& c, int64_t divisor) {
  for_images(c, [&] { take_means(c, divisor); });
}

void Conv1d_forward(LayerCall& c) { convolutions(c); }
void Conv2d_forward(LayerCall& c) { convolutions(c); }
void Conv3d_forward(LayerCall& c) { convolutions(c); }
void ConvTranspose1d_forward(LayerCall& c) { transposed_convolutions(c); }
void ConvTranspose2d_forward(LayerCall& c) { transposed_convolutions(c); }
void ConvTranspose3d_forward(LayerCall& c) { transposed_convolutions(c); }
void MaxPool1d_forward(LayerCall& c) { maxima(c); }
void MaxPool2d_forward(LayerCall& c) { maxima(c); }
void MaxPool3d_forward(LayerCall& c) { maxima(c); }
void AvgPool1d_forward(LayerCall& c) { means(c, kNone); }
void AvgPool2d_forward(LayerCall& c) { means(c, c["divisor_override"].integer); }
void AvgPool3d_forward(LayerCall& c) { means(c, c["divisor_override"].integer); }
void Pool_forward(LayerCall& c) { c["op"].word == "mean" ? means(c, kNone) : maxima(c); }

void AdaptiveAvgPool1d_forward(LayerCall& c) {
  for_batch(c, 3, [&] {
    adapt_means(c, raised(c.x()), 1, c["output_size"].ints[0]);
    give(c, lowered(c.outputs[0]));
  });
}
void AdaptiveAvgPool2d_forward(LayerCall& c) {
  for_batch(c, 4, [&] { adapt_means(c, c.x(), c["output_size"].ints[0], c["output_size"].ints[1]); });
}
void AdaptiveMaxPool2d_forward(LayerCall& c) {
  for_batch(c, 4, [&] { adapt_maxima(c, c.x(), c["output_size"].ints[0], c["output_size"].ints[1]); });
}

}  // namespace jt
