// pool: 2-d pooling of images [n,h,w,c]. Loops over a window's taps hold loops over channels, which vectorise. A unit
// is kPoolChannels channels of an image.
#pragma once
#include "backends/cpu_tcc/library/taps.h"

namespace jt::library {
namespace {

constexpr i64 kPoolChannels = 64;

struct PoolUnit {
  i64 image, channel, channels;
  PoolUnit(const Pool2dShape& s, i64 unit) {
    const i64 per_image = ceil_div(s.c, kPoolChannels);
    image = unit / per_image, channel = unit % per_image * kPoolChannels, channels = min(kPoolChannels, s.c - channel);
  }
};
inline i64 pool2d_units(const Pool2dShape& s) { return s.n * ceil_div(s.c, kPoolChannels); }

// The axes of a pooling, and offsets of pixels.
struct PoolAxes {
  Axis v, h;
  explicit PoolAxes(const Pool2dShape& s)
      : v(forward_axis(s.h, s.kh, s.stride_h, s.dilation_h, s.top, output_height(s))),
        h(forward_axis(s.w, s.kw, s.stride_w, s.dilation_w, s.left, output_width(s))) {}
  i64 input(const Pool2dShape& s, const PoolUnit& u) const { return u.image * s.h * s.w * s.c + u.channel; }
  i64 output(const Pool2dShape& s, const PoolUnit& u) const {
    return u.image * v.outputs * h.outputs * s.c + u.channel;
  }
  // tap(place) for each pixel of x, as row * w + column, that window (t, u) holds.
  template <class Tap>
  void for_each_tap(i64 t, i64 u, const Tap& tap) const {
    const Axis::Range rows = v.taps_of(t), columns = h.taps_of(u);
    for (i64 a = rows.begin; a < rows.end; a++)
      for (i64 b = columns.begin; b < columns.end; b++)
        tap((v.at(t) + a * v.stride) * h.extent + h.at(u) + b * h.stride);
  }
};

// Does b take the place of a, which comes before it?
template <class T>
inline bool beats(T b, T a) { return (b > a) | ((b != b) & (a == a)); }

template <class T>
void max_unit(const Pool2dShape& s, const PoolUnit& unit, const T* x, T* y, int32_t* index) {
  const PoolAxes axes(s);
  const i64 n = unit.channels;
  x += axes.input(s, unit), y += axes.output(s, unit), index += axes.output(s, unit);
  for (i64 t = 0; t < axes.v.outputs; t++)
    for (i64 u = 0; u < axes.h.outputs; u++, y += s.c, index += s.c) {
      bool is_first = true;
      axes.for_each_tap(t, u, [&](i64 place) {
        const T* from = x + place * s.c;
        if (is_first) {
          for (i64 c = 0; c < n; c++) y[c] = from[c], index[c] = int32_t(place);
        } else {
#pragma GCC ivdep
          for (i64 c = 0; c < n; c++) {
            const bool wins = beats(from[c], y[c]);
            y[c] = wins ? from[c] : y[c];
            index[c] = wins ? int32_t(place) : index[c];
          }
        }
        is_first = false;
      });
      if (!is_first) continue;
      for (i64 c = 0; c < n; c++) y[c] = -T(__builtin_inf()), index[c] = -1;
    }
}

// Clears what a unit has of dx.
template <class T>
void clear_pixels(const Pool2dShape& s, i64 channels, T* dx) {
  for (i64 p = 0; p < s.h * s.w; p++) fill(dx + p * s.c, channels, T(0));
}

// An index outside the plane counts as none: it came from a tensor that anyone may have made.
template <class T>
void max_unit_grad(const Pool2dShape& s, const PoolUnit& unit, const T* dy, const int32_t* index, T* dx) {
  const PoolAxes axes(s);
  const uint64_t plane = uint64_t(s.h * s.w);
  dx += axes.input(s, unit), dy += axes.output(s, unit), index += axes.output(s, unit);
  clear_pixels(s, unit.channels, dx);
  for (i64 p = 0; p < axes.v.outputs * axes.h.outputs; p++, dy += s.c, index += s.c)
    for (i64 c = 0; c < unit.channels; c++) {
      const uint64_t at = uint64_t(i64(index[c]));
      if (at < plane) dx[i64(at) * s.c + c] += dy[c];
    }
}

// Elements that an average divides by along one axis: those inside, or also the padding before and after.
inline i64 counted(const Axis& axis, i64 t, i64 after, bool include_pad) {
  const Axis::Range inside = axis.taps_of(t);
  return include_pad ? min(axis.at(t) + axis.taps, axis.extent + after) - axis.at(t) : inside.end - inside.begin;
}
inline i64 divisor_of(const Pool2dShape& s, const PoolAxes& axes, i64 t, i64 u) {
  return counted(axes.v, t, s.bottom, s.count_include_pad) * counted(axes.h, u, s.right, s.count_include_pad);
}

template <class T>
void avg_unit(const Pool2dShape& s, const PoolUnit& unit, const T* x, T* y) {
  const PoolAxes axes(s);
  x += axes.input(s, unit), y += axes.output(s, unit);
  for (i64 t = 0; t < axes.v.outputs; t++)
    for (i64 u = 0; u < axes.h.outputs; u++, y += s.c) {
      const i64 divisor = divisor_of(s, axes, t, u);
      fill(y, unit.channels, T(0));
      axes.for_each_tap(t, u, [&](i64 place) { add(y, x + place * s.c, unit.channels); });
      if (divisor > 0)
        for (i64 c = 0; c < unit.channels; c++) y[c] /= T(divisor);
    }
}

template <class T>
void avg_unit_grad(const Pool2dShape& s, const PoolUnit& unit, const T* dy, T* dx) {
  const PoolAxes axes(s);
  dx += axes.input(s, unit), dy += axes.output(s, unit);
  clear_pixels(s, unit.channels, dx);
  for (i64 t = 0; t < axes.v.outputs; t++)
    for (i64 u = 0; u < axes.h.outputs; u++, dy += s.c) {
      const T divisor = T(divisor_of(s, axes, t, u));
      T share[kPoolChannels];
      for (i64 c = 0; c < unit.channels; c++) share[c] = dy[c] / divisor;
      axes.for_each_tap(t, u, [&](i64 place) { add(dx + place * s.c, share, unit.channels); });
    }
}

// ---- all units, both dtypes

inline void max_pool2d(const Pool2dShape& s, const void* x, void* y, int32_t* index, i64 begin, i64 end) {
  for (i64 unit = begin; unit < end; unit++) {
    if (s.dtype == JT_F64) max_unit(s, PoolUnit(s, unit), (const double*)x, (double*)y, index);
    else max_unit(s, PoolUnit(s, unit), (const float*)x, (float*)y, index);
  }
}
inline void max_pool2d_grad(const Pool2dShape& s, const void* dy, const int32_t* index, void* dx, i64 begin, i64 end) {
  for (i64 unit = begin; unit < end; unit++) {
    if (s.dtype == JT_F64) max_unit_grad(s, PoolUnit(s, unit), (const double*)dy, index, (double*)dx);
    else max_unit_grad(s, PoolUnit(s, unit), (const float*)dy, index, (float*)dx);
  }
}
inline void avg_pool2d(const Pool2dShape& s, const void* x, void* y, i64 begin, i64 end) {
  for (i64 unit = begin; unit < end; unit++) {
    if (s.dtype == JT_F64) avg_unit(s, PoolUnit(s, unit), (const double*)x, (double*)y);
    else avg_unit(s, PoolUnit(s, unit), (const float*)x, (float*)y);
  }
}
inline void avg_pool2d_grad(const Pool2dShape& s, const void* dy, void* dx, i64 begin, i64 end) {
  for (i64 unit = begin; unit < end; unit++) {
    if (s.dtype == JT_F64) avg_unit_grad(s, PoolUnit(s, unit), (const double*)dy, (double*)dx);
    else avg_unit_grad(s, PoolUnit(s, unit), (const float*)dy, (float*)dx);
  }
}

}  // namespace
}  // namespace jt::library
