// depthwise: a convolution whose groups have one channel in and one out, directly, plane by plane. A window has too few
// elements to be worth a matrix product.
#pragma once
#include "backends/cpu_tcc/library/windows.h"

namespace jt::library {
namespace {

inline bool is_depthwise(const Conv2dShape& s) { return s.groups > 1 && s.c == s.groups && s.o == s.groups; }

// The columns [first, last) whose windows lie inside x along that axis.
struct InnerColumns {
  i64 first, last;
  explicit InnerColumns(const Windows& s) {
    const i64 room = s.w - 1 - s.dilation_w * (s.kw - 1) + s.left;
    first = min(s.ow, ceil_div(s.left, s.stride_w));
    last = room < 0 ? first : max(first, min(s.ow, room / s.stride_w + 1));
  }
};

// y[i,j] for one window; the tap (a, b) weighs w[(a * kw + b) * w_step].
template <class T>
T depthwise_element(const Windows& s, const T* x, const T* w, i64 w_step, const Span& rows, i64 y0, i64 x0) {
  const Span columns(x0, s.kw, s.dilation_w, s.w);
  T total = 0;
  for (i64 a = rows.begin; a < rows.end; a++)
    for (i64 b = columns.begin; b < columns.end; b++)
      total += x[(y0 + a * s.dilation_h) * s.w + x0 + b * s.dilation_w] * w[(a * s.kw + b) * w_step];
  return total;
}

template <class T>
void depthwise_plane(const Windows& s, const T* x, const T* w, i64 w_step, T* y) {
  constexpr int L = kLanes<T>;
  const InnerColumns inner(s);
  for (i64 i = 0; i < s.oh; i++, y += s.ow) {
    const i64 y0 = i * s.stride_h - s.top;
    const Span rows(y0, s.kh, s.dilation_h, s.h);
    auto element = [&](i64 j) { y[j] = depthwise_element(s, x, w, w_step, rows, y0, j * s.stride_w - s.left); };
    i64 done = inner.first;
    for (i64 j = 0; j < inner.first; j++) element(j);
    while (s.stride_w == 1 && done < inner.last && inner.last - inner.first >= L) {
      const i64 j = min(done, inner.last - L);  // the last register overlaps the one before
      Vec<T> total = {};
      for (i64 a = rows.begin; a < rows.end; a++) {
        const T* row = x + (y0 + a * s.dilation_h) * s.w + j - s.left;
        for (i64 b = 0; b < s.kw; b++) total += load<Vec<T>>(row + b * s.dilation_w) * w[(a * s.kw + b) * w_step];
      }
      store(y + j, total);
      done = j + L;
    }
    for (i64 j = done; j < s.ow; j++) element(j);
  }
}

// Units [begin, end) are planes of y.
template <class T>
void depthwise(const Conv2dShape& s, const T* x, const T* w, T* y, i64 begin, i64 end) {
  const Windows windows = windows_of(s);
  for (i64 p = begin; p < end; p++)
    depthwise_plane(windows, x + p * s.h * s.w, w + p % s.c * s.kh * s.kw, 1, y + p * windows.plane());
}

template <class T>
void depthwise_plane_scattered(const Windows& s, const T* dy, const T* w, T* dx) {
  fill(dx, s.h * s.w, T(0));
  for (i64 i = 0; i < s.oh; i++) {
    const i64 y0 = i * s.stride_h - s.top;
    const Span rows(y0, s.kh, s.dilation_h, s.h);
    for (i64 j = 0; j < s.ow; j++) {
      const i64 x0 = j * s.stride_w - s.left;
      const Span columns(x0, s.kw, s.dilation_w, s.w);
      for (i64 a = rows.begin; a < rows.end; a++)
        for (i64 b = columns.begin; b < columns.end; b++)
          dx[(y0 + a * s.dilation_h) * s.w + x0 + b * s.dilation_w] += dy[i * s.ow + j] * w[a * s.kw + b];
    }
  }
}

// Units [begin, end) are planes of dx.
template <class T>
void depthwise_grad_x(const Conv2dShape& s, const T* dy, const T* w, T* dx, i64 begin, i64 end) {
  const Windows windows = windows_of(s);
  const i64 taps = s.kh * s.kw;
  for (i64 p = begin; p < end; p++) {
    const T* weights = w + p % s.c * taps;
    const T* from = dy + p * windows.plane();
    T* to = dx + p * s.h * s.w;
    if (can_flip(s))
      depthwise_plane(flipped_windows(s), from, weights + taps - 1, -1, to);
    else
      depthwise_plane_scattered(windows, from, weights, to);
  }
}

// Sum over one plane of dy[i,j] * x at the tap (a, b) of window (i, j).
template <class T>
T depthwise_tap(const Windows& s, const T* x, const T* dy, i64 a, i64 b) {
  constexpr int L = kLanes<T>;
  const Inside inside(b * s.dilation_w - s.left, s.stride_w, s.ow, s.w);
  Vec<T> lanes = {};
  T total = 0;
  for (i64 i = 0; i < s.oh; i++) {
    const i64 row = i * s.stride_h + a * s.dilation_h - s.top;
    if (row < 0 || row >= s.h) continue;
    const T* from = x + row * s.w + b * s.dilation_w - s.left;
    const T* factors = dy + i * s.ow;
    i64 j = inside.t0;
    for (; s.stride_w == 1 && j + L <= inside.t1; j += L) lanes += load<Vec<T>>(from + j) * load<Vec<T>>(factors + j);
    for (; j < inside.t1; j++) total += from[j * s.stride_w] * factors[j];
  }
  return total + sum<T>(lanes);
}

// Units [begin, end) are channels.
template <class T>
void depthwise_grad_w(const Conv2dShape& s, const T* x, const T* dy, T* dw, i64 begin, i64 end) {
  const Windows windows = windows_of(s);
  for (i64 c = begin; c < end; c++) {
    T* to = dw + c * s.kh * s.kw;
    fill(to, s.kh * s.kw, T(0));
    for (i64 p = c; p < s.n * s.c; p += s.c)
      for (i64 t = 0; t < s.kh * s.kw; t++)
        to[t] += depthwise_tap(windows, x + p * s.h * s.w, dy + p * windows.plane(), t / s.kw, t % s.kw);
  }
}

}  // namespace
}  // namespace jt::library
