// pool: 2-d pooling, plane by plane.
#pragma once
#include "backends/cpu_tcc/library/windows.h"

namespace jt::library {
namespace {

template <class T>
void max_plane(const Pool2dShape& s, i64 oh, i64 ow, const T* x, T* y, int32_t* index) {
  for (i64 i = 0; i < oh; i++) {
    const i64 y0 = i * s.stride_h - s.top;
    const Span rows(y0, s.kh, s.dilation_h, s.h);
    for (i64 j = 0; j < ow; j++) {
      const i64 x0 = j * s.stride_w - s.left;
      const Span columns(x0, s.kw, s.dilation_w, s.w);
      T best = -T(__builtin_inf());
      i64 winner = -1;
      for (i64 a = rows.begin; a < rows.end; a++)
        for (i64 b = columns.begin; b < columns.end; b++) {
          const T value = x[(y0 + a * s.dilation_h) * s.w + x0 + b * s.dilation_w];
          const bool is_nan = value != value;
          if (value > best || is_nan || winner < 0) {
            best = value;
            winner = a * s.kw + b;
          }
        }
      *y++ = best;
      *index++ = int32_t(winner);
    }
  }
}

// A 2x2 window at stride 2 inside the input: no bounds, and selects in place of branches. The same order as above.
template <class T>
void max_plane_2x2(i64 w, i64 oh, i64 ow, const T* x, T* y, int32_t* index) {
  for (i64 i = 0; i < oh; i++) {
    const T* upper = x + 2 * i * w;
    const T* lower = upper + w;
    for (i64 j = 0; j < ow; j++) {
      const T v[4] = {upper[2 * j], upper[2 * j + 1], lower[2 * j], lower[2 * j + 1]};
      T best = v[0];
      int32_t winner = 0;
      for (int32_t t = 1; t < 4; t++) {
        const bool wins = (v[t] > best) | (v[t] != v[t]);
        best = wins ? v[t] : best;
        winner = wins ? t : winner;
      }
      *y++ = best;
      *index++ = winner;
    }
  }
}

inline bool is_plain_2x2(const Pool2dShape& s) {
  return s.kh == 2 && s.kw == 2 && s.stride_h == 2 && s.stride_w == 2 && s.dilation_h == 1 && s.dilation_w == 1 &&
         s.top == 0 && s.left == 0 && s.bottom <= 0 && s.right <= 0;
}

template <class T>
void max_plane_grad(const Pool2dShape& s, i64 oh, i64 ow, const T* dy, const int32_t* index, T* dx) {
  fill(dx, s.h * s.w, T(0));
  for (i64 i = 0; i < oh; i++)
    for (i64 j = 0; j < ow; j++, dy++, index++) {
      if (*index < 0) continue;
      const i64 a = *index / int32_t(s.kw), b = *index % int32_t(s.kw);
      const i64 row = i * s.stride_h - s.top + a * s.dilation_h, column = j * s.stride_w - s.left + b * s.dilation_w;
      dx[row * s.w + column] += *dy;
    }
}

// Elements that an average divides by along one axis: those inside, or also the padding before and after.
inline i64 counted(i64 start, i64 window, i64 extent, i64 after, bool include_pad, const Span& inside) {
  return include_pad ? min(start + window, extent + after) - start : inside.end - inside.begin;
}

// Calls window(first row, last row, first column, last column, divisor) for each output of a plane.
template <class Window>
void for_each_average(const Pool2dShape& s, i64 oh, i64 ow, const Window& window) {
  for (i64 i = 0; i < oh; i++) {
    const i64 y0 = i * s.stride_h - s.top;
    const Span rows(y0, s.kh, 1, s.h);
    const i64 height = counted(y0, s.kh, s.h, s.bottom, s.count_include_pad, rows);
    for (i64 j = 0; j < ow; j++) {
      const i64 x0 = j * s.stride_w - s.left;
      const Span columns(x0, s.kw, 1, s.w);
      const i64 width = counted(x0, s.kw, s.w, s.right, s.count_include_pad, columns);
      window(y0 + rows.begin, y0 + rows.end, x0 + columns.begin, x0 + columns.end, height * width);
    }
  }
}

template <class T>
void avg_plane(const Pool2dShape& s, i64 oh, i64 ow, const T* x, T* y) {
  for_each_average(s, oh, ow, [&](i64 y0, i64 y1, i64 x0, i64 x1, i64 divisor) {
    T total = 0;
    for (i64 r = y0; r < y1; r++)
      for (i64 c = x0; c < x1; c++) total += x[r * s.w + c];
    *y++ = divisor > 0 ? total / T(divisor) : T(0);
  });
}

template <class T>
void avg_plane_grad(const Pool2dShape& s, i64 oh, i64 ow, const T* dy, T* dx) {
  fill(dx, s.h * s.w, T(0));
  for_each_average(s, oh, ow, [&](i64 y0, i64 y1, i64 x0, i64 x1, i64 divisor) {
    const T share = *dy++ / T(divisor);
    for (i64 r = y0; r < y1; r++)
      for (i64 c = x0; c < x1; c++) dx[r * s.w + c] += share;
  });
}

// ---- all planes, both dtypes

struct PlaneSizes {
  i64 oh, ow, in, out;
  explicit PlaneSizes(const Pool2dShape& s)
      : oh(output_height(s)), ow(output_width(s)), in(s.h * s.w), out(oh * ow) {}
};

inline i64 pool2d_units(const Pool2dShape& s) { return s.n * s.c; }

template <class T>
void max_planes(const Pool2dShape& s, const T* x, T* y, int32_t* index, i64 begin, i64 end) {
  const PlaneSizes size(s);
  for (i64 p = begin; p < end; p++) {
    if (is_plain_2x2(s))
      max_plane_2x2(s.w, size.oh, size.ow, x + p * size.in, y + p * size.out, index + p * size.out);
    else
      max_plane(s, size.oh, size.ow, x + p * size.in, y + p * size.out, index + p * size.out);
  }
}
inline void max_pool2d(const Pool2dShape& s, const void* x, void* y, int32_t* index, i64 begin, i64 end) {
  if (s.dtype == JT_F64)
    max_planes(s, (const double*)x, (double*)y, index, begin, end);
  else
    max_planes(s, (const float*)x, (float*)y, index, begin, end);
}

template <class T>
void max_planes_grad(const Pool2dShape& s, const T* dy, const int32_t* index, T* dx, i64 begin, i64 end) {
  const PlaneSizes size(s);
  for (i64 p = begin; p < end; p++)
    max_plane_grad(s, size.oh, size.ow, dy + p * size.out, index + p * size.out, dx + p * size.in);
}
inline void max_pool2d_grad(const Pool2dShape& s, const void* dy, const int32_t* index, void* dx, i64 begin, i64 end) {
  if (s.dtype == JT_F64)
    max_planes_grad(s, (const double*)dy, index, (double*)dx, begin, end);
  else
    max_planes_grad(s, (const float*)dy, index, (float*)dx, begin, end);
}

template <class T>
void avg_planes(const Pool2dShape& s, const T* x, T* y, i64 begin, i64 end) {
  const PlaneSizes size(s);
  for (i64 p = begin; p < end; p++) avg_plane(s, size.oh, size.ow, x + p * size.in, y + p * size.out);
}
inline void avg_pool2d(const Pool2dShape& s, const void* x, void* y, i64 begin, i64 end) {
  if (s.dtype == JT_F64)
    avg_planes(s, (const double*)x, (double*)y, begin, end);
  else
    avg_planes(s, (const float*)x, (float*)y, begin, end);
}

template <class T>
void avg_planes_grad(const Pool2dShape& s, const T* dy, T* dx, i64 begin, i64 end) {
  const PlaneSizes size(s);
  for (i64 p = begin; p < end; p++) avg_plane_grad(s, size.oh, size.ow, dy + p * size.out, dx + p * size.in);
}
inline void avg_pool2d_grad(const Pool2dShape& s, const void* dy, void* dx, i64 begin, i64 end) {
  if (s.dtype == JT_F64)
    avg_planes_grad(s, (const double*)dy, (double*)dx, begin, end);
  else
    avg_planes_grad(s, (const float*)dy, (float*)dx, begin, end);
}

}  // namespace
}  // namespace jt::library
