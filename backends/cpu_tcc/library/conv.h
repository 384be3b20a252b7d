// conv: the three passes of a convolution as blocked products with X, the im2col matrix of `windows`, group by group.
// X is never built: its panels are copied from the `frame` of some hundred pixels at a time.
//
//   y  = W[o, k] * X[k, j]            j over all images, so small images still fill a panel
//   dw = dY[o, j] * X^T[j, k]
//   dx = scatter(W^T[k, o] * dY[o, j]), or, at stride 1 with little padding, a forward pass over dY with W flipped
#pragma once
#include "backends/cpu_tcc/library/blocked.h"
#include "backends/cpu_tcc/library/depthwise.h"
#include "backends/cpu_tcc/library/frame.h"
#include "backends/cpu_tcc/library/windows.h"

namespace jt::library {
namespace {

// y, dy or dx as a matrix [channel, (image, place)].
template <class T>
struct Planes {
  T* at0;
  i64 image, plane;

  bool direct(i64 j, i64 width) const { return j % plane + width <= plane; }
  T* at(i64 i, i64 j) const { return at0 + j / plane * image + i * plane + j % plane; }
  i64 row() const { return plane; }

  // Calls part(at, j, count) for the stretches of [j0, j0 + width) that lie in one image.
  template <class Part>
  void for_each_part(i64 j0, i64 width, const Part& part) const {
    for (i64 at = 0; at < width;) {
      const i64 count = min(width - at, plane - (j0 + at) % plane);
      part(at, j0 + at, count);
      at += count;
    }
  }

  void store(i64 i, i64 rows, i64 j0, i64 width, const T* tile, bool accumulate) const {
    for_each_part(j0, width, [&](i64 from, i64 j, i64 count) {
      for (i64 r = 0; r < rows; r++) {
        const T* values = tile + r * kTileColumns<T> + from;
        if (accumulate)
          add(at(i + r, j), values, count);
        else
          copy(at(i + r, j), values, count);
      }
    });
  }
};

// dY, or x where X is x itself, as the right factor: in place while a panel stays in one image.
template <class T>
struct PlaneColumns {
  Planes<const T> from;
  bool in_place(i64 j, i64 width) const { return from.direct(j, width); }
  const T* at(i64 k0, i64 j) const { return from.at(k0, j); }
  i64 step() const { return from.plane; }
  void pack(i64 k0, i64 kc, i64 j0, i64 width, i64 padded, T* out) const {
    from.for_each_part(j0, width, [&](i64 to, i64 j, i64 count) {
      for (i64 k = 0; k < kc; k++) copy(out + k * padded + to, from.at(k0 + k, j), count);
    });
    for (i64 k = 0; k < kc && padded > width; k++) fill(out + k * padded + width, padded - width, T(0));
  }
};

// dY as the left factor, its columns counted from j_first: in place while the block stays in one image, else its rows
// are joined.
template <class T>
struct PlaneRows {
  Planes<const T> dy;
  i64 j_first;
  View<T> rows(i64 i0, i64 count, i64 j0, i64 width, T* scratch) const {
    if (width == 0) return {scratch, 0, 0};
    if (dy.direct(j_first + j0, width)) return {dy.at(i0, j_first + j0), dy.plane, 1};
    dy.for_each_part(j_first + j0, width, [&](i64 to, i64 j, i64 part) {
      for (i64 i = 0; i < count; i++) copy(scratch + i * width + to, dy.at(i0 + i, j), part);
    });
    return {scratch, width, 1};
  }
};

template <class T>
struct ConvScratch {
  Blocks most;
  T *a, *b;
  // whole_k: k is cut by the caller.
  ConvScratch(const Conv2dShape& s, i64 m, i64 n, i64 k, bool whole_k, bool packs_a, Workspace& from)
      : most(blocks<T>(m, n, k, whole_k, packs_a, s.cache_bytes)),
        a(packs_a ? from.take<T>(packed_a_elements<T>(most)) : nullptr),
        b(from.take<T>(packed_b_elements<T>(most))) {}
};

// Units of a pass: groups times slices of the axis that has `extent` columns.
struct GroupSlices {
  i64 step, extent, per_group;
  GroupSlices(i64 extent, i64 step) : step(step), extent(extent), per_group(ceil_div(extent, step)) {}

  template <class Work>  // work(group, first column, last column)
  void for_each(i64 begin, i64 end, const Work& work) const {
    while (begin < end) {
      const i64 group = begin / per_group, first = begin % per_group;
      const i64 last = min(per_group, first + end - begin);
      work(group, first * step, min(extent, last * step));
      begin += last - first;
    }
  }
};

// ---- forward

inline bool is_pointwise(const Windows& s) {
  const bool one_tap = s.kh == 1 && s.kw == 1 && s.stride_h == 1 && s.stride_w == 1;
  return one_tap && s.top == 0 && s.left == 0 && s.oh == s.h && s.ow == s.w;
}

// W[outputs, k] * X for some columns: channels in groups whose rows of X make a block of k.
template <class T>
struct WindowProduct {
  Windows windows;
  i64 outputs, channels_together;
  bool pointwise;
  ConvScratch<T> scratch;
  T* frame;

  WindowProduct(const Conv2dShape& s, const Windows& windows, i64 outputs, i64 columns, Workspace& from)
      : windows(windows),
        outputs(outputs),
        channels_together(max(1, min(windows.channels, kBlockK<T> / (windows.kh * windows.kw)))),
        pointwise(is_pointwise(windows)),
        scratch(s, outputs, columns, pointwise ? windows.channels : channels_together * windows.kh * windows.kw, !pointwise, false, from),
        frame(pointwise || columns == 0 ? nullptr : from.take<T>(PlaneFrame<T>::elements(windows, channels_together))) {}

  void run(const T* weights, const T* x, const Planes<T>& y, i64 j0, i64 j1) const {
    if (pointwise) {
      StridedRows<T> a{weights, windows.rows(), 1, false, outputs};
      PlaneColumns<T> b{{x, windows.image, windows.plane()}};
      multiply(a, b, y, j0, j1, windows.rows(), false);
      return;
    }
    for (i64 j = j0, end; j < j1; j = end) {
      end = block_end(windows, j, j1);
      const PlaneFrame<T> pixels(windows, j, end, frame);
      i64 c = 0;
      do {  // once even without channels, which writes the zeros
        const i64 c1 = min(windows.channels, c + channels_together), taps = windows.kh * windows.kw;
        pixels.build(x, c, c1);
        StridedRows<T> a{weights + c * taps, windows.rows(), 1, false, outputs};
        multiply(a, FrameColumns<T>{pixels}, y, j, end, (c1 - c) * taps, c > 0);
        c = c1;
      } while (c < windows.channels);
    }
  }

 private:
  template <class B>
  void multiply(const StridedRows<T>& a, const B& b, const Planes<T>& y, i64 j0, i64 j1, i64 k, bool accumulate) const {
    BlockedProduct<T, StridedRows<T>, B, Planes<T>>{a, b, y, scratch.a, scratch.b}.run(outputs, j0, j1, k, scratch.most, accumulate);
  }
};

template <class T>
struct Forward {
  Windows windows;
  i64 outputs;
  GroupSlices slices;
  explicit Forward(const Conv2dShape& s)
      : windows(windows_of(s)), outputs(s.o / s.groups), slices(s.n * windows.plane(), kTileColumns<T>) {}
  i64 units(const Conv2dShape& s) const { return s.groups * slices.per_group; }
  WindowProduct<T> product(const Conv2dShape& s, Workspace& from) const {
    return WindowProduct<T>(s, windows, outputs, slices.extent, from);
  }
};

template <class T>
void forward(const Conv2dShape& s, const T* x, const T* w, T* y, void* workspace, i64 begin, i64 end) {
  const Forward<T> plan(s);
  const Windows& windows = plan.windows;
  Workspace memory(workspace);
  const WindowProduct<T> product = plan.product(s, memory);
  const i64 plane = windows.plane();
  plan.slices.for_each(begin, end, [&](i64 group, i64 j0, i64 j1) {
    product.run(w + group * plan.outputs * windows.rows(), x + group * windows.channels * s.h * s.w,
                Planes<T>{y + group * plan.outputs * plane, s.o * plane, plane}, j0, j1);
  });
}

// ---- gradient of w

// A unit is some rows of dw, so that a range owns whole rows; the columns are summed in the order (a, b, channel) in
// place and put in the order of w at the end.
template <class T>
struct GradW {
  Windows windows;
  i64 outputs, pixels;
  bool pointwise;
  GroupSlices slices;
  explicit GradW(const Conv2dShape& s)
      : windows(windows_of(s)),
        outputs(s.o / s.groups),
        pixels(s.n * windows.plane()),
        pointwise(is_pointwise(windows)),
        slices(outputs, 2 * kTileRows) {}
  i64 units(const Conv2dShape& s) const { return windows.rows() == 0 ? 0 : s.groups * slices.per_group; }
};

template <class T>
struct GradWScratch {
  ConvScratch<T> inner;
  T *frame = nullptr, *row = nullptr;
  GradWScratch(const Conv2dShape& s, const GradW<T>& plan, Workspace& from)
      : inner(s, plan.outputs, plan.windows.rows(), min(plan.pixels, kMostPixels), true, true, from) {
    if (plan.pointwise || plan.pixels == 0) return;
    frame = from.take<T>(PixelFrame<T>::elements(plan.windows));
    row = from.take<T>(plan.windows.rows());
  }
};

template <class T, class B>
void grad_w_block(const GradWScratch<T>& scratch, const PlaneRows<T>& dy, const B& x, T* dw, i64 outputs, i64 columns, i64 pixels,
                  bool accumulate) {
  PlainResult<T> c{dw, columns};
  BlockedProduct<T, PlaneRows<T>, B, PlainResult<T>>{dy, x, c, scratch.inner.a, scratch.inner.b}.run(
      outputs, 0, columns, pixels, scratch.inner.most, accumulate);
}

// Rows of dw, [taps][channels] each, to [channels][taps].
template <class T>
void reorder_rows(const Windows& s, i64 rows, T* dw, T* scratch) {
  const i64 taps = s.kh * s.kw;
  if (taps == 1 || s.channels == 1) return;
  for (i64 r = 0; r < rows; r++, dw += s.rows()) {
    copy(scratch, dw, s.rows());
    transpose(scratch, s.channels, taps, s.channels, dw, taps);
  }
}

template <class T>
void grad_w(const Conv2dShape& s, const T* x, const T* dy, T* dw, void* workspace, i64 begin, i64 end) {
  const GradW<T> plan(s);
  const Windows& windows = plan.windows;
  Workspace memory(workspace);
  const GradWScratch<T> scratch(s, plan, memory);
  const i64 plane = windows.plane(), columns = windows.rows();
  plan.slices.for_each(begin, end, [&](i64 group, i64 i0, i64 i1) {
    const T* x_group = x + group * windows.channels * s.h * s.w;
    T* to = dw + (group * plan.outputs + i0) * columns;
    if (plan.pixels == 0) fill(to, (i1 - i0) * columns, T(0));
    for (i64 j = 0, last; j < plan.pixels; j = last) {
      last = block_end(windows, j, plan.pixels);
      PlaneRows<T> a{{dy + (group * plan.outputs + i0) * plane, s.o * plane, plane}, j};
      if (plan.pointwise) {
        grad_w_block(scratch, a, TurnedPlanes<T>{x_group, windows.image, plane, j}, to, i1 - i0, columns, last - j, j > 0);
        continue;
      }
      const PixelFrame<T> frame(windows, j, last, scratch.frame);
      frame.build(x_group);
      grad_w_block(scratch, a, FrameRows<T>{frame, j}, to, i1 - i0, columns, last - j, j > 0);
    }
    if (!plan.pointwise && plan.pixels > 0) reorder_rows(windows, i1 - i0, to, scratch.row);
  });
}

// ---- gradient of x

// The forward pass over dy would do the same work plus what falls into the padding: worth it if that is little, since
// nothing is scattered. One or two rows would leave the multipliers idle.
inline bool is_flipped_forward(const Conv2dShape& s) {
  const bool little_padding = 2 * s.h * s.w <= 3 * output_height(s) * output_width(s);
  return can_flip(s) && little_padding && s.c / s.groups >= 4;
}

// to[c][o][a][b] = w[o][c][kh-1-a][kw-1-b], for one group.
template <class T>
void flip_weights(const Conv2dShape& s, const T* w, T* to) {
  const i64 channels = s.c / s.groups, outputs = s.o / s.groups, taps = s.kh * s.kw;
  for (i64 c = 0; c < channels; c++)
    for (i64 o = 0; o < outputs; o++)
      for (i64 t = 0; t < taps; t++) *to++ = w[(o * channels + c) * taps + taps - 1 - t];
}

template <class T>
struct GradX {
  bool flipped;
  Windows windows;  // over dy when flipped, else over dx
  i64 channels, outputs, rows;
  i64 images_per_unit, strip;  // when scattered; a unit's order is fixed by them
  GroupSlices slices;          // of columns of dx when flipped, else of images

  explicit GradX(const Conv2dShape& s)
      : flipped(is_flipped_forward(s)),
        windows(flipped ? flipped_windows(s) : windows_of(s)),
        channels(s.c / s.groups),
        outputs(s.o / s.groups),
        rows(channels * s.kh * s.kw),
        images_per_unit(max(1, min(s.n, 256 / max(1, windows.plane())))),
        strip(strip_columns(rows, images_per_unit * windows.plane())),
        slices(flipped ? s.n * s.h * s.w : s.n, flipped ? kTileColumns<T> : images_per_unit) {}

  // As many columns as keep W^T * dY within half a megabyte.
  static i64 strip_columns(i64 rows, i64 columns) {
    const i64 most = (i64(1) << 19) / i64(sizeof(T)) / max(1, rows) / kMostRuns * kMostRuns;
    return min(columns, max(kMostRuns, most));
  }

  i64 units(const Conv2dShape& s) const { return s.groups * slices.per_group; }
};

template <class T>
struct ScatterScratch {
  T *weights, *strip;
  ConvScratch<T> inner;
  ScatterScratch(const Conv2dShape& s, const GradX<T>& plan, Workspace& from)
      : weights(from.take<T>(plan.rows * plan.outputs)),
        strip(from.take<T>(plan.rows * plan.strip)),
        inner(s, plan.rows, plan.strip, plan.outputs, false, false, from) {}
};

template <class T>
struct FlippedScratch {
  T* weights;
  WindowProduct<T> product;
  FlippedScratch(const Conv2dShape& s, const GradX<T>& plan, Workspace& from)
      : weights(from.take<T>(plan.rows * plan.outputs)),
        product(s, plan.windows, plan.channels, plan.slices.extent, from) {}
};

// dx of the images [n0, n1), strip by strip.
template <class T>
void grad_x_scattered(const GradX<T>& plan, const Conv2dShape& s, const Planes<const T>& dy, T* dx, i64 n0, i64 n1,
                      const ScatterScratch<T>& scratch) {
  const i64 m = plan.rows, k = plan.outputs;
  for (i64 n = n0; n < n1; n++) fill(dx + n * plan.windows.image, plan.channels * s.h * s.w, T(0));
  StridedRows<T> a{scratch.weights, k, 1, false, m};
  PlaneColumns<T> b{dy};
  const i64 last = n1 * dy.plane;
  for (i64 j0 = n0 * dy.plane; j0 < last; j0 += plan.strip) {
    const i64 j1 = min(last, j0 + plan.strip), width = j1 - j0;
    PlainResult<T> c{scratch.strip - j0, plan.strip};
    BlockedProduct<T, decltype(a), decltype(b), decltype(c)>{a, b, c, scratch.inner.a, scratch.inner.b}.run(
        m, j0, j1, k, scratch.inner.most, false);
    for (i64 j = 0; j < width; j += kMostRuns)
      scatter_add(plan.windows, scratch.strip + j, plan.strip, Runs(plan.windows, j0 + j, min(kMostRuns, width - j)), dx);
  }
}

template <class T>
void grad_x_flipped(const GradX<T>& plan, const Conv2dShape& s, const T* dy, const T* w, T* dx, Workspace memory, i64 begin, i64 end) {
  const FlippedScratch<T> scratch(s, plan, memory);
  const i64 plane = output_height(s) * output_width(s), x_plane = s.h * s.w;
  i64 ready = -1;  // the group whose weights are in scratch
  plan.slices.for_each(begin, end, [&](i64 group, i64 j0, i64 j1) {
    if (ready != group) flip_weights(s, w + group * plan.outputs * plan.rows, scratch.weights);
    ready = group;
    scratch.product.run(scratch.weights, dy + group * plan.outputs * plane,
                        Planes<T>{dx + group * plan.channels * x_plane, s.c * x_plane, x_plane}, j0, j1);
  });
}

template <class T>
void grad_x(const Conv2dShape& s, const T* dy, const T* w, T* dx, void* workspace, i64 begin, i64 end) {
  const GradX<T> plan(s);
  Workspace memory(workspace);
  if (plan.flipped) return grad_x_flipped(plan, s, dy, w, dx, memory, begin, end);
  const ScatterScratch<T> scratch(s, plan, memory);
  const i64 plane = output_height(s) * output_width(s);
  i64 ready = -1;
  plan.slices.for_each(begin, end, [&](i64 group, i64 first, i64 last) {
    if (ready != group)
      transpose(w + group * plan.outputs * plan.rows, plan.rows, plan.outputs, plan.rows, scratch.weights, plan.outputs);
    ready = group;
    const Planes<const T> planes{dy + group * plan.outputs * plane, s.o * plane, plane};
    for (i64 n = first; n < last; n += plan.images_per_unit)
      grad_x_scattered(plan, s, planes, dx + group * plan.channels * s.h * s.w, n, min(last, n + plan.images_per_unit), scratch);
  });
}

// ---- both dtypes, and the depthwise case

template <class T>
size_t forward_workspace(const Conv2dShape& s) {
  if (is_depthwise(s)) return 0;
  Workspace memory(nullptr);
  Forward<T>(s).product(s, memory);
  return memory.measured();
}
template <class T>
size_t grad_x_workspace(const Conv2dShape& s) {
  if (is_depthwise(s)) return 0;
  Workspace memory(nullptr);
  const GradX<T> plan(s);
  if (plan.flipped)
    FlippedScratch<T>(s, plan, memory);
  else
    ScatterScratch<T>(s, plan, memory);
  return memory.measured();
}
template <class T>
size_t grad_w_workspace(const Conv2dShape& s) {
  if (is_depthwise(s)) return 0;
  Workspace memory(nullptr);
  GradWScratch<T>(s, GradW<T>(s), memory);
  return memory.measured();
}

inline size_t conv2d_workspace(const Conv2dShape& s) {
  return s.dtype == JT_F64 ? forward_workspace<double>(s) : forward_workspace<float>(s);
}
inline size_t conv2d_grad_x_workspace(const Conv2dShape& s) {
  return s.dtype == JT_F64 ? grad_x_workspace<double>(s) : grad_x_workspace<float>(s);
}
inline size_t conv2d_grad_w_workspace(const Conv2dShape& s) {
  return s.dtype == JT_F64 ? grad_w_workspace<double>(s) : grad_w_workspace<float>(s);
}
inline i64 conv2d_units(const Conv2dShape& s) {
  if (is_depthwise(s)) return s.n * s.c;
  return s.dtype == JT_F64 ? Forward<double>(s).units(s) : Forward<float>(s).units(s);
}
inline i64 conv2d_grad_x_units(const Conv2dShape& s) {
  if (is_depthwise(s)) return s.n * s.c;
  return s.dtype == JT_F64 ? GradX<double>(s).units(s) : GradX<float>(s).units(s);
}
inline i64 conv2d_grad_w_units(const Conv2dShape& s) {
  if (is_depthwise(s)) return s.c;
  return s.dtype == JT_F64 ? GradW<double>(s).units(s) : GradW<float>(s).units(s);
}

template <class T>
void conv2d_of(const Conv2dShape& s, const void* x, const void* w, void* y, void* memory, i64 begin, i64 end) {
  if (is_depthwise(s)) return depthwise(s, (const T*)x, (const T*)w, (T*)y, begin, end);
  forward(s, (const T*)x, (const T*)w, (T*)y, memory, begin, end);
}
template <class T>
void grad_x_of(const Conv2dShape& s, const void* dy, const void* w, void* dx, void* memory, i64 begin, i64 end) {
  if (is_depthwise(s)) return depthwise_grad_x(s, (const T*)dy, (const T*)w, (T*)dx, begin, end);
  grad_x(s, (const T*)dy, (const T*)w, (T*)dx, memory, begin, end);
}
template <class T>
void grad_w_of(const Conv2dShape& s, const void* x, const void* dy, void* dw, void* memory, i64 begin, i64 end) {
  if (is_depthwise(s)) return depthwise_grad_w(s, (const T*)x, (const T*)dy, (T*)dw, begin, end);
  grad_w(s, (const T*)x, (const T*)dy, (T*)dw, memory, begin, end);
}

inline void conv2d(const Conv2dShape& s, const void* x, const void* w, void* y, void* memory, i64 begin, i64 end) {
  (s.dtype == JT_F64 ? conv2d_of<double> : conv2d_of<float>)(s, x, w, y, memory, begin, end);
}
inline void conv2d_grad_x(const Conv2dShape& s, const void* dy, const void* w, void* dx, void* memory, i64 begin,
                          i64 end) {
  (s.dtype == JT_F64 ? grad_x_of<double> : grad_x_of<float>)(s, dy, w, dx, memory, begin, end);
}
inline void conv2d_grad_w(const Conv2dShape& s, const void* x, const void* dy, void* dw, void* memory, i64 begin,
                          i64 end) {
  (s.dtype == JT_F64 ? grad_w_of<double> : grad_w_of<float>)(s, x, dy, dw, memory, begin, end);
}

}  // namespace
}  // namespace jt::library
