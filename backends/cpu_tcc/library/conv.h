// conv: the three passes of a convolution as blocked products with X, the im2col matrix of `windows`, group by group.
//
//   y  = W[o, k] * X[k, j]            j over all images, so small images still fill a panel
//   dw = dY[o, j] * X^T[j, k]
//   dx = scatter(W^T[k, o] * dY[o, j]), or, at stride 1 with little padding, a forward pass over dY with W flipped
#pragma once
#include "backends/cpu_tcc/library/blocked.h"
#include "backends/cpu_tcc/library/depthwise.h"
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

template <class T>
void clear_padding(T* panel, i64 rows, i64 width, i64 padded) {
  if (width == padded) return;
  for (i64 r = 0; r < rows; r++) fill(panel + r * padded + width, padded - width, T(0));
}

// X as the right factor.
template <class T>
struct WindowColumns {
  const Windows& s;
  const T *x, *x_end;
  bool in_place(i64) const { return false; }
  const T* at(i64, i64) const { return nullptr; }
  i64 step() const { return 0; }
  void pack(i64 k0, i64 kc, i64 j0, i64 width, i64 padded, T* out) const {
    gather(s, x, x_end, Runs(s, j0, width), k0, k0 + kc, out, padded);
    clear_padding(out, kc, width, padded);
  }
};

// X^T as the right factor: gathered a square at a time, then turned.
template <class T>
struct WindowRows {
  const Windows& s;
  const T *x, *x_end;
  bool in_place(i64) const { return false; }
  const T* at(i64, i64) const { return nullptr; }
  i64 step() const { return 0; }
  void pack(i64 j0, i64 count, i64 k0, i64 width, i64 padded, T* out) const {
    constexpr int L = kLanes<T>;
    alignas(64) T square[kTileColumns<T> * kMostRuns + L];
    T* const zeros = square + width * kMostRuns;  // rows that become the padding
    fill(zeros, (padded - width) * kMostRuns, T(0));
    for (i64 j = 0; j < count; j += kMostRuns) {
      const i64 part = min(kMostRuns, count - j);
      gather(s, x, x_end, Runs(s, j0 + j, part), k0, k0 + width, square, kMostRuns);
      if (padded > width) fill(zeros, L, T(0));  // what gather scribbled
      transpose(square, kMostRuns, padded, part, out + j * padded, padded);
    }
  }
};

// dY as the right factor.
template <class T>
struct PlaneColumns {
  Planes<const T> dy;
  bool in_place(i64) const { return false; }
  const T* at(i64, i64) const { return nullptr; }
  i64 step() const { return 0; }
  void pack(i64 k0, i64 kc, i64 j0, i64 width, i64 padded, T* out) const {
    dy.for_each_part(j0, width, [&](i64 to, i64 j, i64 count) {
      for (i64 k = 0; k < kc; k++) copy(out + k * padded + to, dy.at(k0 + k, j), count);
    });
    clear_padding(out, kc, width, padded);
  }
};

// dY as the left factor: in place while the block stays in one image, else its rows are joined.
template <class T>
struct PlaneRows {
  Planes<const T> dy;
  View<T> rows(i64 i0, i64 count, i64 j0, i64 width, T* scratch) const {
    if (width == 0) return {scratch, 0, 0};
    if (dy.direct(j0, width)) return {dy.at(i0, j0), dy.plane, 1};
    dy.for_each_part(j0, width, [&](i64 to, i64 j, i64 part) {
      for (i64 i = 0; i < count; i++) copy(scratch + i * width + to, dy.at(i0 + i, j), part);
    });
    return {scratch, width, 1};
  }
};

template <class T>
struct ConvScratch {
  T *a, *b;
  ConvScratch(i64 m, i64 n, i64 k, Workspace& from) {
    Blocks most = blocks<T>(m, n, k, false);
    a = from.take<T>(packed_a_elements<T>(most));
    b = from.take<T>(packed_b_elements<T>(most));
  }
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

// y[planes of outputs] = W[outputs, k] * X, for columns [j0, j1).
template <class T>
void window_product(const Windows& s, i64 outputs, const T* weights, const T* x, const T* x_end, const Planes<T>& y,
                    i64 j0, i64 j1, const ConvScratch<T>& scratch) {
  StridedRows<T> a{weights, s.rows(), 1, false};
  WindowColumns<T> b{s, x, x_end};
  BlockedProduct<T, decltype(a), decltype(b), Planes<T>>{a, b, y, scratch.a, scratch.b}.run(
      outputs, j0, j1, s.rows(), blocks<T>(outputs, j1 - j0, s.rows(), false), false);
}

template <class T>
struct Forward {
  Windows windows;
  i64 outputs;
  GroupSlices slices;
  explicit Forward(const Conv2dShape& s)
      : windows(windows_of(s)), outputs(s.o / s.groups), slices(s.n * windows.plane(), kTileColumns<T>) {}
  i64 units(const Conv2dShape& s) const { return s.groups * slices.per_group; }
  ConvScratch<T> scratch(Workspace& from) const {
    return ConvScratch<T>(outputs, slices.extent, windows.rows(), from);
  }
};

template <class T>
void forward(const Conv2dShape& s, const T* x, const T* w, T* y, void* workspace, i64 begin, i64 end) {
  const Forward<T> plan(s);
  const Windows& windows = plan.windows;
  Workspace memory(workspace);
  const ConvScratch<T> scratch = plan.scratch(memory);
  const T* x_end = x + s.n * windows.image;
  const i64 plane = windows.plane();
  plan.slices.for_each(begin, end, [&](i64 group, i64 j0, i64 j1) {
    window_product(windows, plan.outputs, w + group * plan.outputs * windows.rows(),
                   x + group * windows.channels * s.h * s.w, x_end,
                   Planes<T>{y + group * plan.outputs * plane, s.o * plane, plane}, j0, j1, scratch);
  });
}

// ---- gradient of w

template <class T>
struct GradW {
  Windows windows;
  i64 outputs;
  GroupSlices slices;
  explicit GradW(const Conv2dShape& s)
      : windows(windows_of(s)), outputs(s.o / s.groups), slices(windows.rows(), kTileColumns<T>) {}
  i64 units(const Conv2dShape& s) const { return s.groups * slices.per_group; }
  ConvScratch<T> scratch(const Conv2dShape& s, Workspace& from) const {
    return ConvScratch<T>(outputs, windows.rows(), s.n * windows.plane(), from);
  }
};

template <class T>
void grad_w(const Conv2dShape& s, const T* x, const T* dy, T* dw, void* workspace, i64 begin, i64 end) {
  const GradW<T> plan(s);
  const Windows& windows = plan.windows;
  Workspace memory(workspace);
  const ConvScratch<T> scratch = plan.scratch(s, memory);
  const i64 plane = windows.plane(), m = plan.outputs, n = windows.rows(), k = s.n * plane;
  plan.slices.for_each(begin, end, [&](i64 group, i64 j0, i64 j1) {
    PlaneRows<T> a{{dy + group * m * plane, s.o * plane, plane}};
    WindowRows<T> b{windows, x + group * windows.channels * s.h * s.w, x + s.n * windows.image};
    PlainResult<T> c{dw + group * m * n, n};
    BlockedProduct<T, decltype(a), decltype(b), decltype(c)>{a, b, c, scratch.a, scratch.b}.run(
        m, j0, j1, k, blocks<T>(m, j1 - j0, k, false), false);
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
struct GradXScratch {
  T *weights, *strip = nullptr;
  ConvScratch<T> inner;
  GradXScratch(const GradX<T>& plan, Workspace& from)
      : weights(from.take<T>(plan.rows * plan.outputs)),
        strip(plan.flipped ? nullptr : from.take<T>(plan.rows * plan.strip)),
        inner(plan.flipped ? ConvScratch<T>(plan.channels, plan.slices.extent, plan.windows.rows(), from)
                           : ConvScratch<T>(plan.rows, plan.strip, plan.outputs, from)) {}
};

// dx of the images [n0, n1), strip by strip.
template <class T>
void grad_x_scattered(const GradX<T>& plan, const Conv2dShape& s, const Planes<const T>& dy, T* dx, i64 n0, i64 n1,
                      const GradXScratch<T>& scratch) {
  const i64 m = plan.rows, k = plan.outputs;
  for (i64 n = n0; n < n1; n++) fill(dx + n * plan.windows.image, plan.channels * s.h * s.w, T(0));
  StridedRows<T> a{scratch.weights, k, 1, false};
  PlaneColumns<T> b{dy};
  const i64 last = n1 * dy.plane;
  for (i64 j0 = n0 * dy.plane; j0 < last; j0 += plan.strip) {
    const i64 j1 = min(last, j0 + plan.strip), width = j1 - j0;
    PlainResult<T> c{scratch.strip - j0, plan.strip};
    BlockedProduct<T, decltype(a), decltype(b), decltype(c)>{a, b, c, scratch.inner.a, scratch.inner.b}.run(
        m, j0, j1, k, blocks<T>(m, width, k, false), false);
    for (i64 j = 0; j < width; j += kMostRuns)
      scatter_add(plan.windows, scratch.strip + j, plan.strip, Runs(plan.windows, j0 + j, min(kMostRuns, width - j)), dx);
  }
}

template <class T>
void grad_x(const Conv2dShape& s, const T* dy, const T* w, T* dx, void* workspace, i64 begin, i64 end) {
  const GradX<T> plan(s);
  Workspace memory(workspace);
  const GradXScratch<T> scratch(plan, memory);
  const i64 plane = output_height(s) * output_width(s), x_plane = s.h * s.w;
  i64 ready = -1;  // the group whose weights are in scratch
  plan.slices.for_each(begin, end, [&](i64 group, i64 first, i64 last) {
    const T* w_group = w + group * plan.outputs * plan.rows;
    const T* dy_group = dy + group * plan.outputs * plane;
    T* dx_group = dx + group * plan.channels * x_plane;
    if (ready != group && plan.flipped) flip_weights(s, w_group, scratch.weights);
    if (ready != group && !plan.flipped)
      transpose(w_group, plan.rows, plan.outputs, plan.rows, scratch.weights, plan.outputs);
    ready = group;
    if (plan.flipped) {
      window_product(plan.windows, plan.channels, (const T*)scratch.weights, dy_group, dy + s.n * s.o * plane,
                     Planes<T>{dx_group, s.c * x_plane, x_plane}, first, last, scratch.inner);
      return;
    }
    for (i64 n = first; n < last; n += plan.images_per_unit)
      grad_x_scattered(plan, s, Planes<const T>{dy_group, s.o * plane, plane}, dx_group, n,
                       min(last, n + plan.images_per_unit), scratch);
  });
}

// ---- both dtypes, and the depthwise case

template <class T>
size_t forward_workspace(const Conv2dShape& s) {
  if (is_depthwise(s)) return 0;
  Workspace memory(nullptr);
  Forward<T>(s).scratch(memory);
  return memory.measured();
}
template <class T>
size_t grad_x_workspace(const Conv2dShape& s) {
  if (is_depthwise(s)) return 0;
  Workspace memory(nullptr);
  GradXScratch<T>(GradX<T>(s), memory);
  return memory.measured();
}
template <class T>
size_t grad_w_workspace(const Conv2dShape& s) {
  if (is_depthwise(s)) return 0;
  Workspace memory(nullptr);
  GradW<T>(s).scratch(s, memory);
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
