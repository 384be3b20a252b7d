// depthwise: convolutions whose groups have one channel in and one out: every channel by itself, so vectors hold channels
// and nothing is packed but the weights, as [tap][channel]. Too few products to be worth a tile.
//
// Units: rows of the result for both images, blocks of channels for the weights.
#pragma once
#include "backends/cpu_tcc/library/taps.h"

namespace jt::library {
namespace {

inline bool is_depthwise(const Conv2dShape& s) { return s.groups > 1 && s.c == s.groups && s.o == s.groups; }

template <class T>
struct TapPair {
  const T *x, *w;
};

// y[c] = sum over taps of x[c] * w[c], `vectors` registers of channels at once.
template <class T, int vectors>
inline void depthwise_channels(const TapPair<T>* taps, i64 count, i64 c, T* y) {
  constexpr int L = kLanes<T>;
  Vec<T> sums[vectors] = {};
  for (i64 k = 0; k < count; k++)
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) sums[v] += load<Vec<T>>(taps[k].x + c + v * L) * load<Vec<T>>(taps[k].w + c + v * L);
#pragma GCC unroll 4
  for (int v = 0; v < vectors; v++) store(y + c + v * L, sums[v]);
}
template <class T>
void depthwise_pixel(const TapPair<T>* taps, i64 count, i64 channels, T* y) {
  constexpr int L = kLanes<T>;
  i64 c = 0;
  for (; c + 4 * L <= channels; c += 4 * L) depthwise_channels<T, 4>(taps, count, c, y);
  for (; c + L <= channels; c += L) depthwise_channels<T, 1>(taps, count, c, y);
  if (c < channels && channels >= L) {  // the last register overlaps the one before
    depthwise_channels<T, 1>(taps, count, channels - L, y);
    return;
  }
  for (; c < channels; c++) {
    T total = 0;
    for (i64 k = 0; k < count; k++) total += taps[k].x[c] * taps[k].w[c];
    y[c] = total;
  }
}

// w[c, tap] -> [tap][c]
template <class T>
void depthwise_weights(const Conv2dShape& s, const T* w, T* out) {
  transpose(w, s.kh * s.kw, s.c, s.kh * s.kw, out, s.c);
}

template <class T>
struct DepthwiseScratch {
  T* weights;
  TapPair<T>* taps;
  DepthwiseScratch(const Conv2dShape& s, Workspace& memory)
      : weights(memory.take<T>(s.kh * s.kw * s.c)), taps(memory.take<TapPair<T>>(s.kh * s.kw)) {}
};
template <class T>
size_t depthwise_workspace(const Conv2dShape& s) {
  Workspace memory(nullptr);
  DepthwiseScratch<T>(s, memory);
  return memory.measured();
}

inline i64 depthwise_units(const Conv2dShape& s) { return s.n * output_height(s); }
template <class T>
void depthwise(const Conv2dShape& s, const T* x, const T* w, T* y, void* workspace, i64 begin, i64 end) {
  if (begin >= end) return;
  Workspace memory(workspace);
  const DepthwiseScratch<T> scratch(s, memory);
  depthwise_weights(s, w, scratch.weights);
  const i64 oh = output_height(s), ow = output_width(s);
  const Axis v = forward_axis(s.h, s.kh, s.stride_h, s.dilation_h, s.top, oh), h = forward_axis(s.w, s.kw, s.stride_w, s.dilation_w, s.left, ow);
  for (i64 unit = begin; unit < end; unit++) {
    const i64 t = unit % oh;
    const T* image = x + unit / oh * s.h * s.w * s.c;
    const Axis::Taps rows = v.taps_of(t);
    for (i64 u = 0; u < ow; u++) {
      const Axis::Taps columns = h.taps_of(u);
      i64 count = 0;
      for (i64 a = rows.begin; a < rows.end; a++)
        for (i64 b = columns.begin; b < columns.end; b++)
          scratch.taps[count++] = {image + ((v.at(t) + a * s.dilation_h) * s.w + h.at(u) + b * s.dilation_w) * s.c,
                                   scratch.weights + (a * s.kw + b) * s.c};
      depthwise_pixel(scratch.taps, count, s.c, y + (unit * ow + u) * s.c);
    }
  }
}

inline i64 depthwise_grad_x_units(const Conv2dShape& s) { return s.n * s.h; }
template <class T>
void depthwise_grad_x(const Conv2dShape& s, const T* dy, const T* w, T* dx, void* workspace, i64 begin, i64 end) {
  if (begin >= end) return;
  Workspace memory(workspace);
  const DepthwiseScratch<T> scratch(s, memory);
  depthwise_weights(s, w, scratch.weights);
  const i64 oh = output_height(s), ow = output_width(s);
  for (i64 unit = begin; unit < end; unit++) {
    const i64 row = unit % s.h;
    const T* image = dy + unit / s.h * oh * ow * s.c;
    for (i64 column = 0; column < s.w; column++) {
      i64 count = 0;
      for (i64 a = 0; a < s.kh; a++) {
        const i64 from = row + s.top - a * s.dilation_h, i = from / s.stride_h;
        if (from < 0 || i * s.stride_h != from || i >= oh) continue;
        for (i64 b = 0; b < s.kw; b++) {
          const i64 at = column + s.left - b * s.dilation_w, j = at / s.stride_w;
          if (at < 0 || j * s.stride_w != at || j >= ow) continue;
          scratch.taps[count++] = {image + (i * ow + j) * s.c, scratch.weights + (a * s.kw + b) * s.c};
        }
      }
      depthwise_pixel(scratch.taps, count, s.c, dx + (unit * s.w + column) * s.c);
    }
  }
}

// ---- the gradient of w: [tap][channel] of some channels, added up row by row of dy.

inline i64 depthwise_grad_w_units(const Conv2dShape& s) { return ceil_div(s.c, 16); }

template <class T, int vectors>
inline void depthwise_row_sums(const T* x, i64 x_step, const T* dy, i64 dy_step, i64 pixels, T* sums) {
  constexpr int L = kLanes<T>;
  Vec<T> total[2][vectors] = {};  // even and odd pixels: sums that wait for themselves less
  i64 u = 0;
  for (; u + 2 <= pixels; u += 2, x += 2 * x_step, dy += 2 * dy_step)
#pragma GCC unroll 2
    for (int odd = 0; odd < 2; odd++)
#pragma GCC unroll 4
      for (int v = 0; v < vectors; v++)
        total[odd][v] += load<Vec<T>>(x + odd * x_step + v * L) * load<Vec<T>>(dy + odd * dy_step + v * L);
  if (u < pixels)
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) total[0][v] += load<Vec<T>>(x + v * L) * load<Vec<T>>(dy + v * L);
#pragma GCC unroll 4
  for (int v = 0; v < vectors; v++) store(sums + v * L, load<Vec<T>>(sums + v * L) + (total[0][v] + total[1][v]));
}

template <class T>
void depthwise_row_sums(const T* x, i64 x_step, const T* dy, i64 dy_step, i64 pixels, i64 channels, T* sums) {
  constexpr int L = kLanes<T>;
  i64 c = 0;
  for (; c + 4 * L <= channels; c += 4 * L) depthwise_row_sums<T, 4>(x + c, x_step, dy + c, dy_step, pixels, sums + c);
  for (; c + L <= channels; c += L) depthwise_row_sums<T, 1>(x + c, x_step, dy + c, dy_step, pixels, sums + c);
  for (; c < channels; c++)
    for (i64 u = 0; u < pixels; u++) sums[c] += x[u * x_step + c] * dy[u * dy_step + c];
}

template <class T>
void depthwise_grad_w(const Conv2dShape& s, const T* x, const T* dy, T* dw, void* workspace, i64 begin, i64 end) {
  if (begin >= end) return;
  Workspace memory(workspace);
  const DepthwiseScratch<T> scratch(s, memory);
  const i64 oh = output_height(s), ow = output_width(s), taps = s.kh * s.kw;
  const i64 c0 = begin * 16, channels = min(s.c, end * 16) - c0;
  const Axis v = forward_axis(s.h, s.kh, s.stride_h, s.dilation_h, s.top, oh), h = forward_axis(s.w, s.kw, s.stride_w, s.dilation_w, s.left, ow);
  fill(scratch.weights, taps * channels, T(0));
  for (i64 image = 0; image < s.n; image++)
    for (i64 t = 0; t < oh; t++) {
      const Axis::Taps rows = v.taps_of(t);
      for (i64 a = rows.begin; a < rows.end; a++)
        for (i64 b = 0; b < s.kw; b++) {
          // The windows whose column b meets x.
          const i64 first = h.first + b * h.stride, u0 = min(ow, max(0, ceil_quotient(-first, h.step)));
          const i64 u1 = max(u0, min(ow, ceil_quotient(s.w - first, h.step)));
          const T* from = x + ((image * s.h + v.at(t) + a * v.stride) * s.w + first + u0 * h.step) * s.c + c0;
          depthwise_row_sums(from, h.step * s.c, dy + ((image * oh + t) * ow + u0) * s.c + c0, s.c, u1 - u0, channels,
                             scratch.weights + (a * s.kw + b) * channels);
        }
    }
  transpose(scratch.weights, channels, taps, channels, dw + c0 * taps, taps);
}

}  // namespace
}  // namespace jt::library
