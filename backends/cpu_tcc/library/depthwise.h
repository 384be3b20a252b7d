// depthwise: the gradient of x where groups have one channel in and one out and windows are more than a step apart, plane
// by plane. A window has too few elements to be worth a matrix product. The other passes are `direct` and `grad_w_dots`.
#pragma once
#include "backends/cpu_tcc/library/windows.h"

namespace jt::library {
namespace {

inline bool is_depthwise(const Conv2dShape& s) { return s.groups > 1 && s.c == s.groups && s.o == s.groups; }

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
  for (i64 p = begin; p < end; p++)
    depthwise_plane_scattered(windows, dy + p * windows.plane(), w + p % s.c * s.kh * s.kw, dx + p * s.h * s.w);
}

}  // namespace
}  // namespace jt::library
