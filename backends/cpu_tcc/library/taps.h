// taps: how the outputs of a convolution meet its source, axis by axis, and where the source is read.
//
// Images are [n,h,w,c]. An output pixel (t, u) of an image is a sum over *taps* (kv, kh): source pixel
// (t * step + first + kv * stride, the same along w) times a matrix of weights. The forward pass is of this form, and
// so is the gradient of x: for each phase of the stride, over dy, with the taps turned around.
//
// Rows above and below the source are left out of the sums. Along a row it is read in place where no window reaches
// over its ends, or where there is so much to sum that each column of taps can pass by itself, over the outputs that it
// reaches; else from a
// *frame*, a copy of the rows that a block of outputs needs, with zeros beside them.
#pragma once
#include "backends/cpu_tcc/library/blocked.h"
#include "backends/cpu_tcc/library/library.h"

namespace jt::library {
namespace {

constexpr i64 ceil_quotient(i64 a, i64 b) {
  if (b == 1) return a;  // mostly, and a division takes as long as a pixel
  return a >= 0 ? ceil_div(a, b) : -(-a / b);
}

struct Axis {
  i64 outputs = 0;          // of this axis
  i64 step = 1;             // output t begins at t * step
  i64 taps = 0;             // tap k lies first + k * stride behind that
  i64 first = 0, stride = 1;
  i64 extent = 0;           // of the source
  i64 weight = 0, weight_step = 1;  // tap k multiplies row (or column) weight + k * weight_step of the window
  i64 target = 0, target_step = 1;  // output t is element target + t * target_step of the result

  i64 at(i64 t) const { return t * step + first; }
  i64 reach() const { return (outputs - 1) * step + (taps - 1) * stride + 1; }
  bool is_inside() const { return first >= 0 && first + reach() <= extent; }
  struct Range { i64 begin, end; };
  // The taps [begin, end) of output t that meet the source.
  Range taps_of(i64 t) const {
    const i64 from = at(t);
    if (from >= 0 && from + (taps - 1) * stride < extent) return {0, taps};
    const i64 begin = min(taps, max(0, ceil_quotient(-from, stride)));
    return {begin, max(begin, min(taps, ceil_quotient(extent - from, stride)))};
  }
  // The outputs whose tap k meets the source.
  Range outputs_of(i64 k) const {
    const i64 from = first + k * stride;
    const i64 begin = min(outputs, max(0, ceil_quotient(-from, step)));
    return {begin, max(begin, min(outputs, ceil_quotient(extent - from, step)))};
  }
  // The first tap that meets the source for all outputs; `taps`: none does.
  i64 whole_tap() const {
    const i64 k = min(taps, max(0, ceil_quotient(-first, stride)));  // the first that does not begin before the source
    return k < taps && outputs_of(k).begin == 0 && outputs_of(k).end == outputs ? k : taps;
  }
};

inline Axis forward_axis(i64 extent, i64 window, i64 stride, i64 dilation, i64 before, i64 outputs) {
  return {outputs, stride, window, -before, dilation, extent, 0, 1, 0, 1};
}

constexpr i64 greatest_divisor(i64 a, i64 b) { return b ? greatest_divisor(b, a % b) : a; }

// The least k >= 0 with k * factor = remainder modulo modulus, factor having no divisor in common with it.
constexpr i64 quotient_modulo(i64 remainder, i64 factor, i64 modulus) {
  i64 r = modulus, next_r = factor % modulus, x = 0, next_x = 1;  // x * factor = r modulo modulus
  while (next_r) {
    const i64 q = r / next_r, last_r = r, last_x = x;
    r = next_r, next_r = last_r - q * next_r;
    x = next_x, next_x = last_x - q * next_x;
  }
  const i64 inverse = (x % modulus + modulus) % modulus;
  return i64((unsigned __int128)((remainder % modulus + modulus) % modulus) * inverse % modulus);
}

// The elements begin, begin + stride, .. of dx, begin < stride: taps k with k * dilation = begin + before modulo stride
// reach them, from outputs (i + before - k * dilation) / stride.
inline Axis gradient_axis(i64 extent, i64 window, i64 stride, i64 dilation, i64 before, i64 outputs, i64 begin) {
  const i64 divisor = greatest_divisor(stride, dilation), every = stride / divisor, apart = dilation / divisor;
  const bool can_reach = (begin + before) % divisor == 0;
  const i64 k = can_reach ? quotient_modulo((begin + before) / divisor, apart, every) : 0;
  const bool is_reached = can_reach && k < window;
  Axis axis;
  axis.outputs = begin < extent ? (extent - 1 - begin) / stride + 1 : 0;
  axis.taps = is_reached ? (window - 1 - k) / every + 1 : 0;
  axis.stride = apart;
  axis.first = is_reached ? (begin + before - k * dilation) / stride - (axis.taps - 1) * apart : 0;
  axis.extent = outputs;
  axis.weight = k + (axis.taps - 1) * every, axis.weight_step = -every;
  axis.target = begin, axis.target_step = stride;
  return axis;
}

// Images as the taps read them. `total`: pixels of an image, where its last row is cut off.
struct Field {
  Axis v, h;
  i64 images = 0, total = 0;
  i64 channels = 0;          // that are summed over: of a group
  i64 image = 0, row = 0, pixel = 0;  // strides of the source
  bool is_flat = false;      // rows are stretches of all pixels, whatever the images' extents
  bool is_aliased = false;   // pixels lie a power of two apart: a tile's would all meet in few sets of the cache
  bool by_column = false;    // of taps, the whole one first

  bool in_place() const { return k() == 0 || by_column || (h.is_inside() && !is_aliased); }
  i64 frame_pixel() const { return channels + (is_aliased ? 16 : 0); }
  i64 columns(i64 t) const { return min(h.outputs, total - t * h.outputs); }
  i64 k() const { return v.taps * h.taps * channels; }
  i64 frame_row() const { return h.reach() * frame_pixel(); }
  i64 frame_elements(i64 rows) const { return ((rows - 1) * v.step + (v.taps - 1) * v.stride + 1) * frame_row(); }
  bool is_empty() const { return images == 0 || v.outputs <= 0 || h.outputs <= 0; }
};

inline Field field(const Axis& v, const Axis& h, i64 images, i64 channels, i64 all_channels) {
  return {v,
          h,
          images,
          v.outputs * h.outputs,
          channels,
          v.extent * h.extent * all_channels,
          h.extent * all_channels,
          all_channels};
}

// Elements of the source that a block of rows reads: about a quarter of a small L2 cache.
constexpr i64 kBlockElements = i64(1) << 15;

// Single taps without a step meet all pixels in order: rows as long as they like.
inline bool can_be_flat(const Field& f) {
  return f.v.taps == 1 && f.h.taps == 1 && f.v.step == 1 && f.h.step == 1 && f.v.first == 0 && f.h.first == 0 &&
         f.v.outputs == f.v.extent && f.h.outputs == f.h.extent && f.h.target_step == 1 && f.v.target_step == 1;
}
// alias: pixels that many bytes apart (or a multiple) are copied apart.
inline Field flattened(Field f, i64 element_bytes, i64 alias) {
  if (!can_be_flat(f) || f.is_empty()) return f;
  f.is_flat = true;
  f.is_aliased = f.pixel * element_bytes % alias == 0 && f.channels == f.pixel;
  const i64 columns = max(56, min(112, kBlockElements / max(1, f.channels) / 14 * 14));
  f.total *= f.images;
  f.images = 1;
  f.h.outputs = f.h.extent = min(columns, f.total);
  f.v.outputs = f.v.extent = ceil_div(f.total, columns);
  f.row = f.h.outputs * f.pixel;
  return f;
}

// Columns of taps by themselves: results are added to once more for each, which the sums must be long enough for.
inline Field by_columns(Field f) {
  constexpr i64 kFewestK = 128;  // of a column
  f.by_column =
      !f.in_place() && !f.is_flat && !f.is_empty() && f.h.whole_tap() < f.h.taps && f.v.taps * f.channels >= kFewestK;
  return f;
}

// A block: output rows [t0, t1) of an image.
struct Rows {
  i64 image, t0, t1;
};
struct RowBlocks {
  i64 outputs, step, per_image, count;
  RowBlocks(const Field& f, i64 most_elements) : outputs(f.v.outputs), step(1), per_image(0), count(0) {
    if (f.is_empty()) return;
    while (step < outputs && f.frame_elements(step + 1) <= most_elements) step++;
    per_image = ceil_div(outputs, step);
    step = ceil_div(outputs, per_image);
    per_image = ceil_div(outputs, step);
    count = per_image * f.images;
  }
  Rows at(i64 block) const {
    const i64 t0 = block % per_image * step;
    return {block / per_image, t0, min(outputs, t0 + step)};
  }
};

// Where pixel (t, u) of a block lies: origin + t * step * row + u * step * pixel; a tap, a fixed distance behind it.
template <class T>
struct Source {
  const T* origin;
  i64 row, pixel;
};
template <class T>
inline Source<T> source_in_place(const Field& f, const T* x, i64 image) {
  return {x + image * f.image, f.row, f.pixel};
}

// Copies what `rows` need into `frame`, zeros where the source has no columns; rows that it lacks are never read.
template <class T>
Source<T> source_in_frame(const Field& f, const T* x, const Rows& rows, T* frame) {
  const i64 y0 = f.v.at(rows.t0), y1 = f.v.at(rows.t1 - 1) + (f.v.taps - 1) * f.v.stride + 1;
  const i64 reach = f.h.reach(), left = min(reach, max(0, -f.h.first)), first = f.h.first + left;
  const i64 inside = max(0, min(reach - left, f.h.extent - first));
  for (i64 y = max(0, y0); y < min(f.v.extent, y1); y++) {
    const T* from = x + rows.image * f.image + y * f.row + first * f.pixel;
    T* to = frame + (y - y0) * f.frame_row();
    const i64 pixel = f.frame_pixel(), columns = f.is_flat ? f.columns(y) : inside;
    clear(to, left * pixel);
    to += left * pixel;
    if (pixel == f.pixel) {
      copy(to, from, columns * pixel);
    } else {
      for (i64 p = 0; p < columns; p++) copy(to + p * pixel, from + p * f.pixel, f.channels);
    }
    clear(to + inside * pixel, (reach - left - inside) * pixel);
  }
  return {frame - y0 * f.frame_row() - f.h.first * f.frame_pixel(), f.frame_row(), f.frame_pixel()};
}

// A stretch of the sum over k whose source elements lie side by side for one pixel.
struct Piece {
  i64 source;  // distance from the pixel
  i64 length;
  i64 k;       // its first row of the weights: k runs over (kv, kh, channel)
};

// All pieces of a field, column of taps by column, where they are told apart, and tap row by tap row; none longer than
// `most`.
struct Pieces {
  i64 columns, runs, parts;  // of the field; per tap row of a column; per run
  i64 length;                // of a run
  Pieces(const Field& f, i64 pixel, i64 most) {
    const bool is_dense = f.h.stride == 1 && pixel == f.channels && !f.by_column;
    columns = f.by_column ? f.h.taps : 1;
    runs = is_dense || f.by_column ? 1 : f.h.taps;
    length = is_dense ? f.h.taps * f.channels : f.channels;
    parts = max(1, ceil_div(length, most));
    whole_ = f.by_column ? f.h.whole_tap() : 0;
  }
  i64 per_tap_row() const { return runs * parts; }
  i64 tap_of(i64 column) const { return column == 0 ? whole_ : column - (column <= whole_); }
  void write(const Field& f, i64 row, i64 pixel, Piece* out) const {
    for (i64 column = 0; column < columns; column++)
      for (i64 kv = 0; kv < f.v.taps; kv++)
        for (i64 r = 0; r < runs; r++)
          for (i64 p = 0; p < parts; p++) {
            const i64 from = p * length / parts, to = (p + 1) * length / parts, kh = f.by_column ? tap_of(column) : r;
            const i64 offset = (f.v.first + kv * f.v.stride) * row + (f.h.first + kh * f.h.stride) * pixel;
            *out++ = {offset + from, to - from, (kv * f.h.taps + kh) * f.channels + from};
          }
  }

 private:
  i64 whole_;
};

}  // namespace
}  // namespace jt::library
