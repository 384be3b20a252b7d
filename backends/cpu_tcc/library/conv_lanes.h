// conv_lanes: convolutions of few channels a group, as many in as out: lanes are channels of several groups, and each factor
// is a register of x whose lanes hold, within each group, one of its channels. Depthwise convolutions are groups of one.
//
// Nothing but the weights is packed: for each register of channels [tap][channel of the group][lane]. Pixels whose windows
// lie inside a row go in tiles, the others one by one with the taps that meet the source.
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
[[gnu::always_inline]] inline void add_groups(Vec<T>& sum, Vec<T> x, const Vec<T>* weights, std::integer_sequence<int, q...>) {
  ((sum += channel_of_groups<T, group, q>(x, std::make_integer_sequence<int, kLanes<T>>()) * weights[q]), ...);
}

// Where a walk over a row of results finds what it multiplies, for one register of channels; x and y are at the first pixel.
struct LaneWindows {
  i64 rows, columns;  // of taps
  i64 row_step, column_step, row_weights, column_weights;
  i64 x_step, y_step;
  i64 below, below_rows, below_columns, row, pixel;  // what the next row reads: its pixels lie apart, which no hardware foresees
  i64 y_below;                                       // and what it writes
};

template <class T, int group, int pixels>
[[gnu::always_inline]] inline void lane_tile(const LaneWindows& w, i64 first_column, i64 columns, const T* x, const T* weights, T* y) {
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
        add_groups<T, group>(sums[i], load<Vec<T>>(from + i * w.x_step), factors, std::make_integer_sequence<int, group>());
    }
#pragma GCC unroll 8
  for (int i = 0; i < pixels; i++) {
    __builtin_prefetch(x + i * w.x_step + w.below, 0, 2);
    __builtin_prefetch(y + i * w.y_step + w.y_below, 1, 2);
    store(y + i * w.y_step, sums[i]);
  }
  if (w.below_rows == 1 && w.below_columns == 1) return;
  for (i64 a = 0; a < w.below_rows; a++)
    for (i64 b = 0; b < w.below_columns; b++)
#pragma GCC unroll 8
      for (int i = 0; i < pixels; i++) __builtin_prefetch(x + i * w.x_step + w.below + a * w.row + b * w.pixel, 0, 2);
}

// Pixels [0, outputs); those of [inner, outer) meet all taps, pixel u the taps of taps_of(u). The last tile may overlap the one before.
template <class T, int group>
void lane_pixels(const LaneWindows& w, const Axis& h, i64 inner, i64 outer, const T* x, const T* weights, T* y) {
  auto alone = [&](i64 u) {
    const Axis::Range taps = h.taps_of(u);
    lane_tile<T, group, 1>(w, taps.begin, taps.end, x + u * w.x_step, weights, y + u * w.y_step);
  };
  for (i64 u = 0; u < inner; u++) alone(u);
  if (outer - inner < kLanePixels)
    for (i64 u = inner; u < outer; u++) alone(u);
  else
    for (i64 u = inner; u < outer; u += kLanePixels) {
      const i64 at = min(u, outer - kLanePixels);
      lane_tile<T, group, kLanePixels>(w, 0, w.columns, x + at * w.x_step, weights, y + at * w.y_step);
    }
  for (i64 u = outer; u < h.outputs; u++) alone(u);
}

template <class T>
bool fits_lanes(const Conv2dShape& s) {
  const i64 group = s.groups ? s.c / s.groups : 0;
  return s.groups > 1 && s.o == s.c && (group == 1 || group == 2 || group == 4) && kLanes<T> % group == 0 && s.c >= kLanes<T>;
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
    const auto pixels = group == 1 ? lane_pixels<T, 1> : group == 2 ? lane_pixels<T, 2> : lane_pixels<T, 4>;
    for (i64 unit = begin; unit < end; unit++) {
      const i64 image = unit / f.v.outputs, t = unit % f.v.outputs;
      const Axis::Range rows = f.v.taps_of(t);
      const LaneWindows windows{rows.end - rows.begin, f.h.taps, f.v.stride * f.row, f.h.stride * f.pixel, f.h.taps * tap, tap,
                                f.h.step * f.pixel, target.pixel, (rows.end - rows.begin) * f.v.stride * f.row, f.v.step, f.h.step, f.row, f.pixel,
                                target.row};
      const T* from = x + image * f.image + (f.v.at(t) + rows.begin * f.v.stride) * f.row + f.h.first * f.pixel;
      T* to = y + target.first + image * target.image + t * target.row;
      for (i64 r = 0; r < lanes().count(); r++)
        pixels(windows, f.h, inner, outer, from + lanes().at(r), weights + r * register_weights() + rows.begin * f.h.taps * tap, to + lanes().at(r));
    }
  }
};

template <class T>
LaneProduct<T> lane_forward(const Conv2dShape& s) {
  const i64 oh = output_height(s), ow = output_width(s);
  const Field f = field(forward_axis(s.h, s.kh, s.stride_h, s.dilation_h, s.top, oh), forward_axis(s.w, s.kw, s.stride_w, s.dilation_w, s.left, ow), s.n,
                        s.c / s.groups, s.c);
  return {f, target_of(f, ow, oh, s.o), s.c / s.groups, s.kh, s.kw, true};
}
template <class T>
LaneProduct<T> lane_grad_x(const Conv2dShape& s, i64 begin_h, i64 begin_w) {
  const i64 oh = output_height(s), ow = output_width(s);
  const Field f = field(gradient_axis(s.h, s.kh, s.stride_h, s.dilation_h, s.top, oh, begin_h),
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

// ---- the gradient of w: units are registers of channels; sums [tap][channel of the group][lane], row by row of dy.

constexpr int kLaneTaps = 3;  // of a row, and rows of them, that are summed in one walk

// Where a walk over the pixels of a row of dy finds x, and where the sums lie.
struct LaneWalk {
  i64 x_step, row_step, tap_step, dy_step;
  i64 below, below_rows, below_columns, row, pixel;  // what the next row of dy meets that this one does not: wanted next, and far away
  i64 dy_below;
  i64 row_sums;
};
// Pixels [0, outputs); those of [inner, outer) meet all taps, the others tap k where first + u * step + k * stride is in [0, extent).
struct LanePixels {
  i64 inner, outer, outputs;
  i64 first, step, stride, extent;
  // For the taps from k on.
  LanePixels(const Axis& h, i64 k, i64 taps) : outputs(h.outputs), first(h.first + k * h.stride), step(h.step), stride(h.stride), extent(h.extent) {
    inner = min(outputs, max(0, ceil_quotient(-first, step)));
    outer = max(inner, min(outputs, ceil_quotient(extent - first - (taps - 1) * stride, step)));
  }
  bool meets(i64 u, i64 tap) const {
    const i64 at = first + u * step + tap * stride;
    return at >= 0 && at < extent;
  }
};

// sums[row][tap][q][lane] += over pixels of channel q of x at the tap * dy; x is where tap 0 of row 0 meets pixel 0.
template <class T, int group, int rows, int taps>
void lane_sums(const LaneWalk& walk, const LanePixels& pixels, const T* x, const T* dy, T* sums) {
  constexpr int L = kLanes<T>;
  Vec<T> total[rows][taps][group] = {};
  auto add = [&]<bool is_inside>(std::bool_constant<is_inside>, i64 from, i64 to) {
    for (i64 u = from; u < to; u++) {
      const T* at = x + u * walk.x_step;
      const Vec<T> factor = load<Vec<T>>(dy + u * walk.dy_step);
      for (i64 a = 0; a < walk.below_rows; a++)
        for (i64 b = 0; b < walk.below_columns; b++) __builtin_prefetch(at + walk.below + a * walk.row + b * walk.pixel, 0, 2);
      __builtin_prefetch(dy + u * walk.dy_step + walk.dy_below, 0, 2);
#pragma GCC unroll 3
      for (int tap = 0; tap < taps; tap++) {
        if (!is_inside && !pixels.meets(u, tap)) continue;
#pragma GCC unroll 3
        for (int row = 0; row < rows; row++) {
          const Vec<T> value = load<Vec<T>>(at + row * walk.row_step + tap * walk.tap_step);
          [&]<int... q>(std::integer_sequence<int, q...>) {
            ((total[row][tap][q] += channel_of_groups<T, group, q>(value, std::make_integer_sequence<int, L>()) * factor), ...);
          }(std::make_integer_sequence<int, group>());
        }
      }
    }
  };
  add(std::false_type(), 0, pixels.inner);
  add(std::true_type(), pixels.inner, pixels.outer);
  add(std::false_type(), pixels.outer, pixels.outputs);
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

// What row t of dy of an image adds to the sums of one register: dy is at the row, x at the image.
template <class T, int group>
void lane_row(const Field& f, i64 t, const T* x, const T* dy, i64 channels, T* sums) {
  constexpr i64 kTap = group * kLanes<T>;
  const Axis::Range met = f.v.taps_of(t);
  const LaneWalk walk{f.h.step * f.pixel, f.v.stride * f.row, f.h.stride * f.pixel, channels, f.v.taps * f.v.stride * f.row, f.v.step, f.h.step,
                      f.row, f.pixel, f.h.outputs * channels, f.h.taps * kTap};
  auto add = [&]<int rows, int taps>(std::integer_sequence<int, rows, taps>, i64 kv, i64 k) {
    lane_sums<T, group, rows, taps>(walk, LanePixels(f.h, k, taps), x + (f.v.at(t) + kv * f.v.stride) * f.row + (f.h.first + k * f.h.stride) * f.pixel,
                                    dy, sums + (kv * f.h.taps + k) * kTap);
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
  const auto add_row = group == 1 ? lane_row<T, 1> : group == 2 ? lane_row<T, 2> : lane_row<T, 4>;
  fill(sums, (end - begin) * per_register, T(0));
  for (i64 image = 0; image < f.images; image++)
    for (i64 t = 0; t < f.v.outputs; t++)
      for (i64 r = begin; r < end; r++) {
        const i64 c0 = product.lanes().at(r);
        add_row(f, t, x + image * f.image + c0, dy + (image * f.v.outputs + t) * f.h.outputs * s.o + c0, s.o, sums + (r - begin) * per_register);
      }
  for (i64 r = begin; r < end; r++) {
    const i64 c0 = product.lanes().at(r);
    const T* from = sums + (r - begin) * per_register;
    for (i64 l = r * kLanes<T> - c0; l < kLanes<T>; l++)  // what overlaps belongs to the register before
      for (i64 q = 0; q < group; q++)
        for (i64 tap = 0; tap < taps; tap++) dw[((c0 + l) * group + q) * taps + tap] = from[(tap * group + q) * kLanes<T> + l];
  }
}

}  // namespace
}  // namespace jt::library
