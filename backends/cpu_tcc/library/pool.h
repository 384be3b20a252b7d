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
          const i64 at = (y0 + a * s.dilation_h) * s.w + x0 + b * s.dilation_w;
          const T value = x[at];
          const bool wins = winner < 0 || value > best || (value != value && best == best);
          best = wins ? value : best;
          winner = wins ? at : winner;
        }
      *y++ = best;
      *index++ = int32_t(winner);
    }
  }
}

// Does b take the place of a, which comes before it?
template <class T>
inline bool beats(T b, T a) { return (b > a) | ((b != b) & (a == a)); }

// A 2x2 window at stride 2 inside the input: the larger of each column, then of each pair of columns; loops without
// branches, which vectorise. Equal maxima (and NaNs) go to the smaller position, as the general loop has it.
template <class T>
void max_rows_2x2(const T* upper, const T* lower, i64 n, int32_t first, int32_t w, T* y, int32_t* index) {
  constexpr i64 kColumns = 256;
  T best[kColumns];
  int32_t at[kColumns];
  for (i64 from = 0; from < n; from += kColumns / 2) {
    const i64 count = min(kColumns / 2, n - from);
    const T *u = upper + 2 * from, *l = lower + 2 * from;
    const int32_t corner = first + int32_t(2 * from);
    for (i64 c = 0; c < 2 * count; c++) {
      const bool is_lower = beats(l[c], u[c]);
      best[c] = is_lower ? l[c] : u[c];
      at[c] = corner + int32_t(c) + (is_lower ? w : 0);
    }
    for (i64 j = 0; j < count; j++) {
      const T a = best[2 * j], b = best[2 * j + 1];
      const bool ties = (a == b) | ((a != a) & (b != b));
      const bool is_right = beats(b, a) | (ties & (at[2 * j + 1] < at[2 * j]));
      y[from + j] = is_right ? b : a;
      index[from + j] = is_right ? at[2 * j + 1] : at[2 * j];
    }
  }
}
template <class T>
void max_plane_2x2(i64 w, i64 oh, i64 ow, const T* x, T* y, int32_t* index) {
  for (i64 i = 0; i < oh; i++) {
    const T* upper = x + 2 * i * w;
    max_rows_2x2(upper, upper + w, ow, int32_t(2 * i * w), int32_t(w), y + i * ow, index + i * ow);
  }
}

inline bool is_plain_2x2(const Pool2dShape& s) {
  return s.kh == 2 && s.kw == 2 && s.stride_h == 2 && s.stride_w == 2 && s.dilation_h == 1 && s.dilation_w == 1 &&
         s.top == 0 && s.left == 0 && s.bottom <= 0 && s.right <= 0;
}

// An index outside the plane counts as none: it came from a tensor that anyone may have made.
template <class T>
void max_plane_grad(const Pool2dShape& s, i64 oh, i64 ow, const T* dy, const int32_t* index, T* dx) {
  fill(dx, s.h * s.w, T(0));
  const uint64_t plane = uint64_t(s.h * s.w);
  for (i64 k = 0; k < oh * ow; k++) {
    const uint64_t at = uint64_t(i64(index[k]));
    if (at < plane) dx[at] += dy[k];
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

// Whole windows side by side: no bounds, one divisor. The same order as below.
inline bool is_tiled(const Pool2dShape& s, i64 oh, i64 ow) {
  return s.kh == s.stride_h && s.kw == s.stride_w && s.top == 0 && s.left == 0 && oh * s.kh <= s.h && ow * s.kw <= s.w;
}
template <class T>
void avg_plane_tiled(const Pool2dShape& s, i64 oh, i64 ow, const T* x, T* y) {
  const T divisor = T(s.kh * s.kw);
  for (i64 i = 0; i < oh; i++)
    for (i64 j = 0; j < ow; j++) {
      const T* corner = x + i * s.kh * s.w + j * s.kw;
      T total = 0;
      for (i64 a = 0; a < s.kh; a++)
        for (i64 b = 0; b < s.kw; b++) total += corner[a * s.w + b];
      *y++ = total / divisor;
    }
}
template <class T>
void avg_plane_grad_tiled(const Pool2dShape& s, i64 oh, i64 ow, const T* dy, T* dx) {
  const T divisor = T(s.kh * s.kw);
  fill(dx, s.h * s.w, T(0));
  for (i64 i = 0; i < oh; i++)
    for (i64 j = 0; j < ow; j++) {
      const T share = *dy++ / divisor;
      T* corner = dx + i * s.kh * s.w + j * s.kw;
      for (i64 a = 0; a < s.kh; a++)
        for (i64 b = 0; b < s.kw; b++) corner[a * s.w + b] = share;
    }
}

template <class T>
void avg_plane(const Pool2dShape& s, i64 oh, i64 ow, const T* x, T* y) {
  if (is_tiled(s, oh, ow)) return avg_plane_tiled(s, oh, ow, x, y);
  for_each_average(s, oh, ow, [&](i64 y0, i64 y1, i64 x0, i64 x1, i64 divisor) {
    T total = 0;
    for (i64 r = y0; r < y1; r++)
      for (i64 c = x0; c < x1; c++) total += x[r * s.w + c];
    *y++ = divisor > 0 ? total / T(divisor) : T(0);
  });
}

template <class T>
void avg_plane_grad(const Pool2dShape& s, i64 oh, i64 ow, const T* dy, T* dx) {
  if (is_tiled(s, oh, ow)) return avg_plane_grad_tiled(s, oh, ow, dy, dx);
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
