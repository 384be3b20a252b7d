// windows: the im2col matrix of one group, X[k,j], without ever being built: k runs over (channel, a, b) of a window,
// j over (image, i, j) of the windows themselves.
//
// `frame` copies pieces of it; scatter_add here adds a piece back. It walks *runs*: columns whose windows begin in one
// row of one image, so that for a fixed k they meet neighbours (stride apart) of one row of x.
#pragma once
#include "backends/cpu_tcc/library/library.h"
#include "backends/cpu_tcc/library/vector.h"

namespace jt::library {
namespace {

// The part [begin, end) of a window along one axis that lies in the input, in steps of the window.
struct Span {
  i64 begin, end;
  Span(i64 start, i64 window, i64 dilation, i64 extent) : begin(0), end(window) {
    if (start < 0) begin = min(window, steps(-start, dilation));
    if (start + (window - 1) * dilation >= extent) end = max(begin, start >= extent ? 0 : steps(extent - start, dilation));
  }
  // Division is the slowest thing here, and rarely needed.
  static i64 steps(i64 distance, i64 dilation) { return dilation == 1 ? distance : ceil_div(distance, dilation); }
};

struct Windows {
  i64 channels, h, w;  // of the group
  i64 image;           // elements between images
  i64 kh, kw, stride_h, stride_w, dilation_h, dilation_w, top, left;
  i64 oh, ow;
  i64 rows() const { return channels * kh * kw; }
  i64 plane() const { return oh * ow; }
};

inline Windows windows_of(const Conv2dShape& s) {
  return {s.c / s.groups, s.h,          s.w,          s.c * s.h * s.w, s.kh,   s.kw,
          s.stride_h,     s.stride_w,   s.dilation_h, s.dilation_w,    s.top,  s.left,
          output_height(s), output_width(s)};
}

// At stride 1 the gradient of x is a convolution of dy with the window turned around, unless the padding exceeds it.
inline bool can_flip(const Conv2dShape& s) {
  const bool unit_stride = s.stride_h == 1 && s.stride_w == 1;
  return unit_stride && s.top <= s.dilation_h * (s.kh - 1) && s.left <= s.dilation_w * (s.kw - 1);
}

inline Windows flipped_windows(const Conv2dShape& s) {
  const i64 oh = output_height(s), ow = output_width(s);
  return {s.o / s.groups, oh, ow, s.o * oh * ow, s.kh, s.kw, 1, 1, s.dilation_h, s.dilation_w,
          s.dilation_h * (s.kh - 1) - s.top, s.dilation_w * (s.kw - 1) - s.left, s.h, s.w};
}

constexpr i64 kMostRuns = 64;

// At most kMostRuns columns of X, from j0 on.
struct Runs {
  struct Run {
    i64 at, count;  // columns, counted from j0
    i64 image;      // offset of the image in x
    i64 y, x;       // where the first window begins; negative in the padding
    i64 origin;     // the same as an offset in x
  };
  int count = 0;
  i64 longest = 0;
  bool inside = true;  // no window touches the padding
  Run run[kMostRuns];

  Runs(const Windows& s, i64 j0, i64 width) {
    const i64 plane = s.plane();
    for (i64 at = 0; at < width;) {
      const i64 j = j0 + at, place = j % plane, row = place / s.ow, column = place % s.ow;
      const i64 length = min(s.ow - column, width - at);
      const i64 image = j / plane * s.image, y = row * s.stride_h - s.top, x = column * s.stride_w - s.left;
      run[count++] = {at, length, image, y, x, image + y * s.w + x};
      longest = max(longest, length);
      inside = inside && y >= 0 && y + s.dilation_h * (s.kh - 1) < s.h;
      inside = inside && x >= 0 && x + s.stride_w * (length - 1) + s.dilation_w * (s.kw - 1) < s.w;
      at += length;
    }
  }
};

// The columns [t0, t1) of a run whose element at `x` + t * stride lies in a row of w.
struct Inside {
  i64 t0, t1;
  explicit Inside(i64 count) : t0(0), t1(count) {}
  Inside(i64 x, i64 stride, i64 count, i64 w) : t0(0), t1(count) {
    if (x < 0) t0 = min(count, ceil_div(-x, stride));
    if (x + (count - 1) * stride >= w) t1 = max(t0, x >= w ? 0 : ceil_div(w - x, stride));
  }
};

// Row k of X as (channel, a, b), counted up.
struct Tap {
  const Windows& s;
  i64 channel, a, b;
  Tap(const Windows& s, i64 k) : s(s), channel(k / s.kw / s.kh), a(k / s.kw % s.kh), b(k % s.kw) {}
  i64 row() const { return (channel * s.kh + a) * s.kw + b; }
  i64 offset() const { return (channel * s.h + a * s.dilation_h) * s.w + b * s.dilation_w; }
  void next() {
    if (++b < s.kw) return;
    b = 0;
    if (++a < s.kh) return;
    a = 0;
    channel++;
  }
};

// For each run at one tap: piece(run, offset in x of its first column inside, inside), where nothing may be inside.
template <class Piece>
inline void for_each_piece(const Windows& s, const Runs& runs, const Tap& tap, const Piece& piece) {
  const i64 offset = tap.offset();
  for (int r = 0; r < runs.count; r++) {
    const Runs::Run& run = runs.run[r];
    if (runs.inside) {
      piece(run, run.origin + offset, Inside(run.count));
      continue;
    }
    const i64 y = run.y + tap.a * s.dilation_h;
    Inside inside(run.x + tap.b * s.dilation_w, s.stride_w, run.count, s.w);
    if (y < 0 || y >= s.h) inside.t1 = inside.t0;
    piece(run, run.origin + offset + inside.t0 * s.stride_w, inside);
  }
}

// x at X[k,j] += in[k * in_row + j - j0] for every row k. The tap's b runs slowest: sums one element apart in x follow
// each other only after the others are out of the store buffer, which could not forward them.
template <class T>
void scatter_add(const Windows& s, const T* in, i64 in_row, const Runs& runs, T* x) {
  Tap tap(s, 0);
  for (tap.b = 0; tap.b < s.kw; tap.b++)
    for (tap.channel = 0; tap.channel < s.channels; tap.channel++)
      for (tap.a = 0; tap.a < s.kh; tap.a++) {
        const T* values = in + tap.row() * in_row;
        if (runs.inside && s.stride_w == 1) {
          T* to = x + tap.offset();
          for (int r = 0; r < runs.count; r++) add(to + runs.run[r].origin, values + runs.run[r].at, runs.run[r].count);
          continue;
        }
        for_each_piece(s, runs, tap, [&](const Runs::Run& run, i64 offset, Inside inside) {
          const T* from = values + run.at + inside.t0;
          for (i64 t = 0; t < inside.t1 - inside.t0; t++) x[offset + t * s.stride_w] += from[t];
        });
      }
}

}  // namespace
}  // namespace jt::library
