// conv_grad_x: dx = scatter(W^T[k, o] * dY[o, j]), or, at stride 1 with little padding, a forward pass over dY with W
// flipped.
#pragma once
#include "backends/cpu_tcc/library/conv_forward.h"

namespace jt::library {
namespace {

// The forward pass over dy would do the same work plus what falls into the padding: worth it if that is little, since
// nothing is scattered. One or two rows would leave the multipliers idle, unless they go the direct way.
inline bool is_flipped_forward(const Conv2dShape& s) {
  const bool little_padding = 2 * s.h * s.w <= 3 * output_height(s) * output_width(s);
  if (!can_flip(s) || !little_padding) return false;
  return s.c / s.groups >= 4 || Direct<float>::suits(flipped_windows(s), s.c / s.groups);
}

// to[c][o][a][b] = w[o][c][kh-1-a][kw-1-b], for one group.
template <class T>
void flip_weights(const Conv2dShape& s, const T* w, T* to) {
  const i64 channels = s.c / s.groups, outputs = s.o / s.groups, taps = s.kh * s.kw;
  constexpr i64 kTogether = 16;  // outputs: as many streams as prefetching follows
  for (i64 o0 = 0; o0 < outputs; o0 += kTogether)
    for (i64 c = 0; c < channels; c++)
      for (i64 o = o0; o < min(outputs, o0 + kTogether); o++) {
        const T* from = w + (o * channels + c) * taps + taps - 1;
        T* at = to + (c * outputs + o) * taps;
        for (i64 t = 0; t < taps; t++) at[t] = from[-t];
      }
}

template <class T>
struct GradX {
  bool flipped, direct;
  Windows windows;  // over dy when flipped, else over dx
  i64 channels, outputs, rows;
  i64 images_per_unit, strip;  // when scattered; a unit's order is fixed by them
  GroupSlices slices;          // of columns of dx when flipped, else of images

  explicit GradX(const Conv2dShape& s)
      : flipped(is_flipped_forward(s)),
        direct(flipped && Direct<T>::suits(flipped_windows(s), s.c / s.groups)),
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

// Product is Direct or WindowProduct.
template <class T, class Product>
struct FlippedScratch {
  T* weights;
  Product product;
  FlippedScratch(const Conv2dShape& s, const GradX<T>& plan, Workspace& from)
      : weights(from.take<T>(plan.rows * plan.outputs)), product(made(s, plan, from, static_cast<Product*>(nullptr))) {}

 private:
  static Direct<T> made(const Conv2dShape&, const GradX<T>& plan, Workspace& from, Direct<T>*) {
    return {plan.windows, plan.channels, from};
  }
  static WindowProduct<T> made(const Conv2dShape& s, const GradX<T>& plan, Workspace& from, WindowProduct<T>*) {
    return {s, plan.windows, plan.channels, plan.slices.extent, from};
  }
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

template <class Product, class T>
void grad_x_flipped(const GradX<T>& plan, const Conv2dShape& s, const T* dy, const T* w, T* dx, Workspace memory, i64 begin, i64 end) {
  const FlippedScratch<T, Product> scratch(s, plan, memory);
  const i64 plane = output_height(s) * output_width(s), x_plane = s.h * s.w;
  i64 ready = -1;  // the group whose weights are in scratch
  plan.slices.for_each(begin, end, [&](i64 group, i64 j0, i64 j1) {
    if (ready != group) flip_weights(s, w + group * plan.outputs * plan.rows, scratch.weights);
    ready = group;
    scratch.product.run(scratch.weights, dy + group * plan.outputs * plane,
                        dx + group * plan.channels * x_plane, s.c * x_plane, j0, j1);
  });
}

template <class T>
void grad_x(const Conv2dShape& s, const T* dy, const T* w, T* dx, void* workspace, i64 begin, i64 end) {
  const GradX<T> plan(s);
  Workspace memory(workspace);
  if (plan.direct) return grad_x_flipped<Direct<T>>(plan, s, dy, w, dx, memory, begin, end);
  if (plan.flipped) return grad_x_flipped<WindowProduct<T>>(plan, s, dy, w, dx, memory, begin, end);
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

}  // namespace
}  // namespace jt::library
