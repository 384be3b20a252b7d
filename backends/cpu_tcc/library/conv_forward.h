// conv_forward: y = W[o, k] * X[k, j], j over all images, so small images still fill a panel. Also dx where it is a forward
// pass over dy.
#pragma once
#include "backends/cpu_tcc/library/conv_parts.h"
#include "backends/cpu_tcc/library/direct.h"

namespace jt::library {
namespace {

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

  // y[outputs, j] for the pixels [j0, j1) of one group.
  void run(const T* weights, const T* x, T* y_first, i64 y_image, i64 j0, i64 j1) const {
    const Planes<T> y{y_first, y_image, windows.plane()};
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
  bool direct;
  GroupSlices slices;
  explicit Forward(const Conv2dShape& s)
      : windows(windows_of(s)),
        outputs(s.o / s.groups),
        direct(Direct<T>::suits(windows, outputs)),
        slices(s.n * windows.plane(), kTileColumns<T>) {}
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
  const i64 plane = windows.plane();
  if (plan.direct) {
    const Direct<T> direct(windows, plan.outputs, memory);
    plan.slices.for_each(begin, end, [&](i64 group, i64 j0, i64 j1) {
      direct.run(w + group * plan.outputs * windows.rows(), x + group * windows.channels * s.h * s.w,
                 y + group * plan.outputs * plane, s.o * plane, j0, j1);
    });
    return;
  }
  const WindowProduct<T> product = plan.product(s, memory);
  plan.slices.for_each(begin, end, [&](i64 group, i64 j0, i64 j1) {
    product.run(w + group * plan.outputs * windows.rows(), x + group * windows.channels * s.h * s.w,
                y + group * plan.outputs * plane, s.o * plane, j0, j1);
  });
}

}  // namespace
}  // namespace jt::library
