// conv_grad_w: dw = dY[o, j] * X^T[j, k].
#pragma once
#include "backends/cpu_tcc/library/conv_parts.h"
#include "backends/cpu_tcc/library/grad_w_dots.h"

namespace jt::library {
namespace {

// A unit is some rows of dw, so that a range owns whole rows; the columns are summed in the order (a, b, channel) in
// place and put in the order of w at the end.
template <class T>
struct GradW {
  Windows windows;
  i64 outputs, pixels;
  bool pointwise, dots;
  GroupSlices slices;
  explicit GradW(const Conv2dShape& s)
      : windows(windows_of(s)),
        outputs(s.o / s.groups),
        pixels(s.n * windows.plane()),
        pointwise(is_pointwise(windows)),
        dots(pixels > 0 && is_sum_of_dots(windows, outputs, kLanes<T>)),
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
  if (plan.dots) {
    const DotScratch<T> scratch(windows, plan.outputs, memory);
    plan.slices.for_each(begin, end, [&](i64 group, i64 i0, i64 i1) {
      const i64 first = group * plan.outputs + i0;
      grad_w_dots(windows, s.n, i1 - i0, x + group * windows.channels * s.h * s.w, dy + first * windows.plane(),
                  s.o * windows.plane(), dw + first * windows.rows(), scratch);
    });
    return;
  }
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

}  // namespace
}  // namespace jt::library
