// conv_lanes: convolutions of few channels a group, as many in as out: lanes are channels of several groups, and each
// factor is a register of x whose lanes hold, within each group, one of its channels. Depthwise convolutions are groups
// of one.
//
// Nothing but the weights is packed: for each register of channels [tap][channel of the group][lane]. Rows of pixels go
// in tiles. Where windows move by a pixel, a tile reads each register of x once; else those at the ends go one by one
// with the taps that meet the source.
#pragma once
#include "backends/cpu_tcc/library/conv_forward.h"

namespace jt::library {
namespace {

constexpr int kLanePixels = 6;  // of a tile

// Lane l of channel(x): x[l / group * group + q].
template <class T, int group, int q, int... lane>
inline Vec<T> channel_of_groups(Vec<T> x, std::integer_sequence<int, lane...>) {
  if constexpr (group == 1) return x;
  else return __builtin_shufflevector(x, x, (lane / group * group + q)...);
}
template <class T, int group, int... q>
[[gnu::always_inline]] inline void add_groups(Vec<T>& sum, Vec<T> x, const Vec<T>* weights,
                                              std::integer_sequence<int, q...>) {
  ((sum += channel_of_groups<T, group, q>(x, std::make_integer_sequence<int, kLanes<T>>()) * weights[q]), ...);
}

// What the walk over the next row meets: its pixels are fetched in the order in which they lie, beside a walk that goes
// register by register, which no hardware would foresee. A step is a register; `pixel` bytes lie from one pixel to the
// next.
template <int is_write>
struct LaneAhead {
  const char* at;
  i64 to_next_pixel, registers, left;
  template <class T>
  LaneAhead(const T* row, i64 pixel, i64 all)
      : at((const char*)row), to_next_pixel(pixel * i64(sizeof(T)) - (all - 1) * JT_VECTOR_BYTES), registers(all),
        left(all) {}
  void step() {
    __builtin_prefetch(at, is_write, 2);
    left--;
    at += left ? JT_VECTOR_BYTES : to_next_pixel;
    left = left ? left : registers;
  }
  void steps(i64 count) {
    for (; count > 0; count--) step();
  }
};

// Where a walk over a row of results finds what it multiplies, for one register of channels; x and y are at the first
// pixel.
struct LaneWindows {
  i64 rows, columns;  // of taps
  i64 row_step, column_step, row_weights, column_weights;
  i64 x_step, y_step;
  i64 read_below;  // pixels of x that the next row meets for each of this one
};
struct LanesAhead {
  LaneAhead<0> x;
  LaneAhead<1> y;
};

template <class T, int group, int pixels>
[[gnu::always_inline]] inline void lane_tile(const LaneWindows& w, i64 first_column, i64 columns, const T* x,
                                             const T* weights, T* y) {
  constexpr int L = kLanes<T>;
  Vec<T> sums[pixels] = {};
  for (i64 a = 0; a < w.rows; a++)
    for (i64 b = first_column; b < columns; b++) {
      const T* from = x + a * w.row_step + b * w.column_step;
      const T* at = weights + a * w.row_weights + b * w.column_weights;
      Vec<T> factors[group];
#pragma GCC unroll 8
      for (int q = 0; q < group; q++) factors[q] = load<Vec<T>>(at + q * L);
#pragma GCC unroll 8
      for (int i = 0; i < pixels; i++)
        add_groups<T, group>(sums[i], load<Vec<T>>(from + i * w.x_step), factors,
                             std::make_integer_sequence<int, group>());
    }
#pragma GCC unroll 8
  for (int i = 0; i < pixels; i++) store(y + i * w.y_step, sums[i]);
}

// Pixels [0, outputs); those of [inner, outer) meet all taps, pixel u the taps of taps_of(u). The last tile may overlap
// the one before.
template <class T, int group>
void lane_pixels(const LaneWindows& w, const Axis& h, i64 inner, i64 outer, const T* x, const T* weights, T* y,
                 LanesAhead& all_ahead) {
  LanesAhead ahead = all_ahead;
  auto fetch = [&](i64 pixels) {
    ahead.x.steps(pixels * w.read_below);
    ahead.y.steps(pixels);
  };
  auto alone = [&](i64 u) {
    const Axis::Range taps = h.taps_of(u);
    lane_tile<T, group, 1>(w, taps.begin, taps.end, x + u * w.x_step, weights, y + u * w.y_step);
    fetch(1);
  };
  for (i64 u = 0; u < inner; u++) alone(u);
  if (outer - inner < kLanePixels)
    for (i64 u = inner; u < outer; u++) alone(u);
  else
    for (i64 u = inner; u < outer; u += kLanePixels) {
      const i64 at = min(u, outer - kLanePixels);
      lane_tile<T, group, kLanePixels>(w, 0, w.columns, x + at * w.x_step, weights, y + at * w.y_step);
      fetch(min(kLanePixels, outer - u));
    }
  for (i64 u = outer; u < h.outputs; u++) alone(u);
  all_ahead = ahead;
}

// A tile whose windows move by a pixel: each register of x is read once for all taps of a row. At the ends of a padded
// row the columns outside it are left out.
constexpr int kSlidPixels = 7;
template <class T, int taps, bool is_left, bool is_right>
[[gnu::always_inline]] inline void slid_tile(const LaneWindows& w, const T* x, const T* weights, T* y) {
  constexpr int kOutside = taps / 2;
  Vec<T> sums[kSlidPixels] = {};
  for (i64 a = 0; a < w.rows; a++, x += w.row_step, weights += w.row_weights) {
    Vec<T> factors[taps];
#pragma GCC unroll 8
    for (int b = 0; b < taps; b++) factors[b] = load<Vec<T>>(weights + b * kLanes<T>);
#pragma GCC unroll 16
    for (int c = 0; c < kSlidPixels + taps - 1; c++) {
      if ((is_left && c < kOutside) || (is_right && c >= kSlidPixels + kOutside)) continue;
      const Vec<T> value = load<Vec<T>>(x + c * w.x_step);
#pragma GCC unroll 8
      for (int b = 0; b < taps; b++)
        if (c - b >= 0 && c - b < kSlidPixels) sums[c - b] += value * factors[b];
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < kSlidPixels; i++) store(y + i * w.y_step, sums[i]);
}
template <class T, int taps>
void slid_pixels(const LaneWindows& w, const Axis& h, i64 inner, i64, const T* x, const T* weights, T* y,
                 LanesAhead& all_ahead) {
  LanesAhead ahead = all_ahead;
  const i64 last = h.outputs - kSlidPixels;
  for (i64 u = 0; u < h.outputs; u += kSlidPixels) {  // tiles but the first and the last keep away from the ends
    const i64 at = u >= last ? last : min(u, last - inner), pixels = min(kSlidPixels, h.outputs - u);
    const bool is_left = inner > 0 && at == 0, is_right = inner > 0 && at == last;
    const T* from = x + at * w.x_step;
    T* to = y + at * w.y_step;
    if (is_left && is_right) slid_tile<T, taps, true, true>(w, from, weights, to);
    else if (is_left) slid_tile<T, taps, true, false>(w, from, weights, to);
    else if (is_right) slid_tile<T, taps, false, true>(w, from, weights, to);
    else slid_tile<T, taps, false, false>(w, from, weights, to);
    ahead.x.steps(pixels * w.read_below), ahead.y.steps(pixels);
  }
  all_ahead = ahead;
}

// The function for a row of pixels, of which those of [inner, outer) meet all taps.
template <class T>
using LaneRow = void (*)(const LaneWindows&, const Axis&, i64 inner, i64 outer, const T* x, const T* weights, T* y,
                         LanesAhead&);
template <class T>
LaneRow<T> lane_pixels_of(const Axis& h, i64 group, i64 inner, i64 outer) {
  const bool is_padded = inner == h.taps / 2 && outer == h.outputs - inner, is_valid = inner == 0 && outer == h.outputs;
  const bool has_room = h.outputs == kSlidPixels || h.outputs >= kSlidPixels + inner;
  if (group == 1 && h.step == 1 && h.stride == 1 && has_room && (is_padded || is_valid)) {
    if (h.taps == 3) return slid_pixels<T, 3>;
    if (h.taps == 5) return slid_pixels<T, 5>;
  }
  return group == 1 ? lane_pixels<T, 1> : group == 2 ? lane_pixels<T, 2> : lane_pixels<T, 4>;
}

template <class T>
bool fits_lanes(const Conv2dShape& s) {
  const i64 group = s.groups ? s.c / s.groups : 0;
  return s.groups > 1 && s.o == s.c && (group == 1 || group == 2 || group == 4) && kLanes<T> % group == 0 &&
         s.c >= kLanes<T>;
}

// Registers of channels; the last one overlaps the one before.
template <class T>
struct LaneChannels {
  i64 channels;
  i64 count() const { return ceil_div(channels, kLanes<T>); }
  i64 at(i64 register_) const { return min(register_ * kLanes<T>, channels - kLanes<T>); }
};

// One field (of all channels): the forward pass, or a phase of the gradient of x.
template <class T>
struct LaneProduct {
  Field f;
  Target target;
  i64 group, kh, kw;
  bool by_outputs;  // results are outputs o; else channels c, and the sums run over o

  LaneChannels<T> lanes() const { return {f.pixel}; }
  i64 units() const { return f.is_empty() ? 0 : f.images * f.v.outputs; }
  i64 register_weights() const { return f.v.taps * f.h.taps * group * kLanes<T>; }

  void pack(const T* w, T* out) const {
    for (i64 r = 0; r < lanes().count(); r++)
      for (i64 kv = 0; kv < f.v.taps; kv++)
        for (i64 k = 0; k < f.h.taps; k++) {
          const i64 tap = (f.v.weight + kv * f.v.weight_step) * kw + f.h.weight + k * f.h.weight_step;
          for (i64 q = 0; q < group; q++)
            for (i64 l = 0; l < kLanes<T>; l++) {
              const i64 result = lanes().at(r) + l, in_group = result % group, first = result - in_group;
              const i64 o = by_outputs ? result : first + q, c = by_outputs ? q : in_group;
              *out++ = w[(o * group + c) * kh * kw + tap];
            }
        }
  }

  void run(const T* x, const T* weights, T* y, i64 begin, i64 end) const {
    // Windows of outputs [inner, outer) lie inside the rows of the source.
    const i64 inner = min(f.h.outputs, max(0, ceil_quotient(-f.h.first, f.h.step)));
    const i64 room = f.h.extent - f.h.first - (f.h.taps - 1) * f.h.stride;
    const i64 outer = f.h.taps == 0 ? inner : max(inner, min(f.h.outputs, ceil_quotient(room, f.h.step)));
    const i64 tap = group * kLanes<T>;
    const LaneRow<T> pixels = lane_pixels_of<T>(f.h, group, inner, outer);
    for (i64 unit = begin; unit < end; unit++) {
      const i64 image = unit / f.v.outputs, t = unit % f.v.outputs;
      const Axis::Range rows = f.v.taps_of(t);
      const LaneWindows windows{rows.end - rows.begin, f.h.taps,       f.v.stride * f.row,
                                f.h.stride * f.pixel,  f.h.taps * tap, tap,
                                f.h.step * f.pixel,    target.pixel,   ceil_div(f.v.step * f.h.extent, f.h.outputs)};
      const T* from = x + image * f.image + (f.v.at(t) + rows.begin * f.v.stride) * f.row + f.h.first * f.pixel;
      T* to = y + target.first + image * target.image + t * target.row;
      const T* const below = x + image * f.image + (f.v.at(t) + (f.v.taps - 1) * f.v.stride + 1) * f.row;
      LanesAhead ahead{LaneAhead<0>(below, f.pixel, lanes().count()),
                       LaneAhead<1>(to + target.row, target.pixel, lanes().count())};
      for (i64 r = 0; r < lanes().count(); r++)
        pixels(windows, f.h, inner, outer, from + lanes().at(r),
               weights + r * register_weights() + rows.begin * f.h.taps * tap, to + lanes().at(r), ahead);
    }
  }
};

template <class T>
LaneProduct<T> lane_forward(const Conv2dShape& s) {
  const i64 oh = output_height(s), ow = output_width(s);
  const Field f = field(forward_axis(s.h, s.kh, s.stride_h, s.dilation_h, s.top, oh),
                        forward_axis(s.w, s.kw, s.stride_w, s.dilation_w, s.left, ow), s.n, s.c / s.groups, s.c);
  return {f, target_of(f, ow, oh, s.o), s.c / s.groups, s.kh, s.kw, true};
}
template <class T>
LaneProduct<T> lane_grad_x(const Conv2dShape& s, i64 begin_h, i64 begin_w) {
  const i64 oh = output_height(s), ow = output_width(s);
  const Field f =
      field(gradient_axis(s.h, s.kh, s.stride_h, s.dilation_h, s.top, oh, begin_h),
            gradient_axis(s.w, s.kw, s.stride_w, s.dilation_w, s.left, ow, begin_w), s.n, s.o / s.groups, s.o);
  return {f, target_of(f, s.w, s.h, s.c), s.c / s.groups, s.kh, s.kw, false};
}

// Room for the weights of any field, and for sums of as many.
template <class T>
T* lane_weights(const Conv2dShape& s, Workspace& memory) {
  return memory.take<T>(s.kh * s.kw * s.c / s.groups * round_up(s.c, kLanes<T>));
}
template <class T>
size_t lanes_workspace(const Conv2dShape& s) {
  Workspace memory(nullptr);
  lane_weights<T>(s, memory);
  return memory.measured();
}

template <class T>
void lanes_forward(const Conv2dShape& s, const T* x, const T* w, T* y, void* workspace, i64 begin, i64 end) {
  if (begin >= end) return;
  Workspace memory(workspace);
  T* weights = lane_weights<T>(s, memory);
  const LaneProduct<T> product = lane_forward<T>(s);
  product.pack(w, weights);
  product.run(x, weights, y, begin, end);
}

// body(phase) for each phase of the strides.
template <class T, class Body>
void for_each_lane_phase(const Conv2dShape& s, const Body& body) {
  for (i64 i = 0; i < min(s.stride_h, s.h); i++)
    for (i64 j = 0; j < min(s.stride_w, s.w); j++) body(lane_grad_x<T>(s, i, j));
}
template <class T>
i64 lanes_grad_x_units(const Conv2dShape& s) {
  i64 units = 0;
  for_each_lane_phase<T>(s, [&](const LaneProduct<T>& phase) { units += phase.units(); });
  return units;
}
template <class T>
void lanes_grad_x(const Conv2dShape& s, const T* dy, const T* w, T* dx, void* workspace, i64 begin, i64 end) {
  Workspace memory(workspace);
  T* weights = lane_weights<T>(s, memory);
  i64 first = 0;
  for_each_lane_phase<T>(s, [&](const LaneProduct<T>& phase) {
    const i64 from = max(0, begin - first), to = min(phase.units(), end - first);
    first += phase.units();
    if (from >= to) return;
    phase.pack(w, weights);
    phase.run(dy, weights, dx, from, to);
  });
}

// ---- the gradient of w: units are registers of channels; sums [tap][channel of the group][lane], over blocks of rows
// of dy.

constexpr i64 kLaneBlock = 5 * kBlockElements / 2;  // of x and dy: a third of a small L2 cache
constexpr int kLaneTaps = 3;  // of a row, and rows of them, that are summed in one walk

// Where a walk over the pixels of rows of dy finds x, and where the sums lie.
struct LaneWalk {
  i64 x_step, row_step, tap_step, dy_step;
  i64 next_x, next_dy;  // row of dy
  i64 row_sums;
  i64 read_below;  // pixels of x that the next row meets for each of this one
};
// Pixels [0, outputs); those of [inner, outer) meet all taps, the others tap k where first + u * step + k * stride is
// in [0, extent).
struct LanePixels {
  i64 inner, outer, outputs;
  i64 first, step, stride, extent;
  // For the taps from k on.
  LanePixels(const Axis& h, i64 k, i64 taps)
      : outputs(h.outputs), first(h.first + k * h.stride), step(h.step), stride(h.stride), extent(h.extent) {
    inner = min(outputs, max(0, ceil_quotient(-first, step)));
    outer = max(inner, min(outputs, ceil_quotient(extent - first - (taps - 1) * stride, step)));
  }
  bool meets(i64 u, i64 tap) const {
    const i64 at = first + u * step + tap * stride;
    return at >= 0 && at < extent;
  }
};

struct WalksAhead {
  LaneAhead<0> x, dy;
};

// sums[row][tap][q][lane] += over pixels of `count` rows of channel q of x at the tap * dy; x is where tap 0 of row 0
// meets pixel 0.
template <class T, int group, int rows, int taps>
void lane_sums(const LaneWalk& walk, const LanePixels& pixels, i64 count, const T* x, const T* dy, T* sums,
               WalksAhead& all_ahead) {
  WalksAhead ahead = all_ahead;
  constexpr int L = kLanes<T>;
  Vec<T> total[rows][taps][group] = {};
  auto add = [&]<bool is_inside>(std::bool_constant<is_inside>, i64 from, i64 to) {
    for (i64 u = from; u < to; u++) {
      const T* at = x + u * walk.x_step;
      const Vec<T> factor = load<Vec<T>>(dy + u * walk.dy_step);
      ahead.x.steps(walk.read_below), ahead.dy.step();
#pragma GCC unroll 3
      for (int tap = 0; tap < taps; tap++) {
        if (!is_inside && !pixels.meets(u, tap)) continue;
#pragma GCC unroll 3
        for (int row = 0; row < rows; row++) {
          const Vec<T> value = load<Vec<T>>(at + row * walk.row_step + tap * walk.tap_step);
          [&]<int... q>(std::integer_sequence<int, q...>) {
            ((total[row][tap][q] +=
              channel_of_groups<T, group, q>(value, std::make_integer_sequence<int, L>()) * factor),
             ...);
          }(std::make_integer_sequence<int, group>());
        }
      }
    }
  };
  for (; count > 0; count--, x += walk.next_x, dy += walk.next_dy) {
    add(std::false_type(), 0, pixels.inner);
    add(std::true_type(), pixels.inner, pixels.outer);
    add(std::false_type(), pixels.outer, pixels.outputs);
  }
  all_ahead = ahead;
#pragma GCC unroll 3
  for (int row = 0; row < rows; row++)
#pragma GCC unroll 3
    for (int tap = 0; tap < taps; tap++)
#pragma GCC unroll 4
      for (int q = 0; q < group; q++) {
        T* to = sums + row * walk.row_sums + (tap * group + q) * L;
        store(to, load<Vec<T>>(to) + total[row][tap][q]);
      }
}

// What rows [t, t + count) of dy of an image, which meet the same taps, add to the sums of one register; x and dy are
// at the image.
template <class T, int group>
void lane_rows(const Field& f, i64 t, i64 count, const T* x, const T* dy, i64 channels, T* sums, WalksAhead& ahead) {
  constexpr i64 kTap = group * kLanes<T>;
  const Axis::Range met = f.v.taps_of(t);
  const i64 dy_row = f.h.outputs * channels;
  const LaneWalk walk{f.h.step * f.pixel,   f.v.stride * f.row,
                      f.h.stride * f.pixel, channels,
                      f.v.step * f.row,     dy_row,
                      f.h.taps * kTap,      ceil_div(f.v.step * f.h.extent, max(1, f.h.outputs))};
  auto add = [&]<int rows, int taps>(std::integer_sequence<int, rows, taps>, i64 kv, i64 k) {
    lane_sums<T, group, rows, taps>(walk, LanePixels(f.h, k, taps), count,
                                    x + (f.v.at(t) + kv * f.v.stride) * f.row + (f.h.first + k * f.h.stride) * f.pixel,
                                    dy + t * dy_row, sums + (kv * f.h.taps + k) * kTap, ahead);
  };
  auto add_rows = [&]<int rows>(std::integer_sequence<int, rows>, i64 kv) {
    i64 k = 0;
    for (; k + kLaneTaps <= f.h.taps; k += kLaneTaps) add(std::integer_sequence<int, rows, kLaneTaps>(), kv, k);
    for (; k < f.h.taps; k++) add(std::integer_sequence<int, rows, 1>(), kv, k);
  };
  i64 kv = met.begin;
  if constexpr (group == 1) {  // more sums than registers otherwise
    for (; kv + kLaneTaps <= met.end; kv += kLaneTaps) add_rows(std::integer_sequence<int, kLaneTaps>(), kv);
    for (; kv + 2 <= met.end; kv += 2) add_rows(std::integer_sequence<int, 2>(), kv);
  }
  for (; kv < met.end; kv++) add_rows(std::integer_sequence<int, 1>(), kv);
}

template <class T>
void lanes_grad_w(const Conv2dShape& s, const T* x, const T* dy, T* dw, void* workspace, i64 begin, i64 end) {
  Workspace memory(workspace);
  T* sums = lane_weights<T>(s, memory);
  const LaneProduct<T> product = lane_forward<T>(s);
  const Field& f = product.f;
  const i64 group = product.group, taps = s.kh * s.kw, per_register = product.register_weights();
  const auto add_rows = group == 1 ? lane_rows<T, 1> : group == 2 ? lane_rows<T, 2> : lane_rows<T, 4>;
  const i64 most = max(1, kLaneBlock / max(1, (f.h.outputs + f.v.step * f.h.extent) * f.pixel));
  fill(sums, (end - begin) * per_register, T(0));
  for (i64 image = 0; image < f.images; image++)
    for (i64 t = 0, next; t < f.v.outputs; t = next) {
      const Axis::Range met = f.v.taps_of(t);
      for (next = t + 1; next < f.v.outputs && next < t + most; next++)
        if (const Axis::Range others = f.v.taps_of(next); others.begin != met.begin || others.end != met.end) break;
      const i64 first = product.lanes().at(begin), below = f.v.at(next - 1) + (f.v.taps - 1) * f.v.stride + 1;
      const T *const x_image = x + image * f.image, *const dy_image = dy + image * f.total * s.o;
      WalksAhead ahead{LaneAhead<0>(x_image + below * f.row + first, f.pixel, end - begin),
                       LaneAhead<0>(dy_image + next * f.h.outputs * s.o + first, s.o, end - begin)};
      for (i64 r = begin; r < end; r++) {
        const i64 c0 = product.lanes().at(r);
        add_rows(f, t, next - t, x_image + c0, dy_image + c0, s.o, sums + (r - begin) * per_register, ahead);
      }
    }
  for (i64 r = begin; r < end; r++) {
    const i64 c0 = product.lanes().at(r);
    const T* from = sums + (r - begin) * per_register;
    for (i64 l = r * kLanes<T> - c0; l < kLanes<T>; l++)  // what overlaps belongs to the register before
      for (i64 q = 0; q < group; q++)
        for (i64 tap = 0; tap < taps; tap++)
          dw[((c0 + l) * group + q) * taps + tap] = from[(tap * group + q) * kLanes<T> + l];
  }
}

}  // namespace
}  // namespace jt::library
