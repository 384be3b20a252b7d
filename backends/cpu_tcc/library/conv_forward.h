// conv_forward: fields and their weights -> images. The forward pass is one field a group; the gradient of x is one a
// group and phase of the stride.
//
// Two orders of work, by which of weights and source is larger:
//   by rows    all panels are packed first; units are blocks of rows, all channels of which a unit finishes
//   by panels  frames of all images are made first; units are panels, each packed, used and forgotten
// Bits do not depend on the order: each element sums k in chunks of kChunkK, always the same.
#pragma once
#include "backends/cpu_tcc/library/conv_weights.h"

namespace jt::library {
namespace {

constexpr i64 kChunkK = 1536;
constexpr i64 kMostFrames = i64(1) << 22;  // elements of the frames that are kept at once

// Where results lie, in elements: target pixel (t, u) of an image.
struct Target {
  i64 image, row, pixel;
  i64 first;
};
inline Target target_of(const Field& f, i64 width, i64 height, i64 channels) {
  if (f.is_flat) return {0, f.h.outputs * channels, channels, 0};
  const i64 row = width * channels;
  return {height * row, f.v.target_step * row, f.h.target_step * channels, f.v.target * row + f.h.target * channels};
}

// One field of one group.
template <class T>
class TapProduct {
 public:
  TapProduct(const Field& field, const Target& target, i64 columns)
      : f_(field), target_(target), columns_(columns), panels_(ceil_div(columns, kPanel<T>)),
        blocks_(field, kBlockElements),
        pieces_(field, field.in_place() ? field.pixel : field.frame_pixel(), kChunkK) {
    const i64 frames = f_.in_place() ? 0 : f_.images * f_.frame_elements(f_.v.outputs);
    const i64 source = f_.in_place() ? f_.images * f_.image : frames;
    by_panels_ = panels_ > 1 && f_.k() * columns > source && frames <= kMostFrames;
  }

  i64 units() const {
    if (f_.is_empty() || columns_ == 0) return 0;
    return by_panels_ ? panels_ : blocks_.count;
  }

  // The element of the target at which a unit begins; -1: units are not stretches of it.
  i64 unit_begin(i64 unit) const {
    if (by_panels_ || target_.first || (target_.pixel != columns_)) return -1;
    const Rows rows = blocks_.at(unit);
    return rows.image * target_.image + rows.t0 * target_.row;
  }
  i64 packed_elements() const { return f_.k() * round_up(columns_, kHalf<T>); }
  void pack(const TapWeights<T>& weights, T* out) const {
    for (i64 j = 0; j < panels_; j++) weights.pack(j, out + j * panel_elements());
  }

  struct Scratch {
    Piece* pieces;
    T *panels, *frames;
  };
  Scratch scratch(Workspace& memory) const {
    Scratch s;
    s.pieces = memory.take<Piece>(pieces());
    s.panels = memory.take<T>(by_panels_ ? f_.k() * kPanel<T> : packed_elements());
    i64 frame = 0;
    if (!f_.in_place() && !f_.is_empty())
      frame = by_panels_ ? f_.images * f_.frame_elements(f_.v.outputs) : f_.frame_elements(blocks_.step);
    s.frames = memory.take<T>(frame);
    return s;
  }

  // packed: all panels, by pack; null: they are packed here.
  void run(const T* x, const TapWeights<T>& weights, const T* packed, T* y, const Scratch& s, i64 begin,
           i64 end) const {
    if (begin >= end) return;
    if (f_.k() == 0) return clear_rows(y, begin, end);
    const i64 row = f_.in_place() ? f_.row : f_.frame_row(), pixel = f_.in_place() ? f_.pixel : f_.frame_pixel();
    pieces_.write(f_, row, pixel, s.pieces);
    by_panels_ ? run_by_panels(x, weights, packed, y, s, begin, end)
               : run_by_rows(x, weights, packed, y, s, begin, end);
  }

 private:
  i64 per_column() const { return f_.v.taps * pieces_.per_tap_row(); }
  i64 pieces() const { return pieces_.columns * per_column(); }
  // The pieces [p, result) are one chunk of k, in one column of taps.
  i64 chunk_end(const Piece* all, i64 p) const {
    const i64 end = (p / per_column() + 1) * per_column();
    i64 k = all[p++].length;
    while (p < end && k + all[p].length <= kChunkK) k += all[p++].length;
    return p;
  }
  template <class Body>
  void for_each_chunk(const Piece* all, const Body& body) const {
    for (i64 p = 0, q; p < pieces(); p = q) body(p, q = chunk_end(all, p));
  }
  i64 panel_elements() const { return f_.k() * kPanel<T>; }

  // No taps reach these: a phase of a stride that is longer than the window.
  void clear_rows(T* y, i64 begin, i64 end) const {
    for (i64 unit = begin; unit < end; unit++) {
      const Rows rows = blocks_.at(unit);
      for (i64 t = rows.t0; t < rows.t1; t++)
        for (i64 u = 0; u < f_.columns(t); u++)
          clear(y + target_.first + rows.image * target_.image + t * target_.row + u * target_.pixel, columns_);
    }
  }

  void run_by_rows(const T* x, const TapWeights<T>& weights, const T* packed, T* y, const Scratch& s, i64 begin,
                   i64 end) const {
    if (!packed) pack(weights, s.panels), packed = s.panels;
    for (i64 unit = begin; unit < end; unit++) {
      const Rows rows = blocks_.at(unit);
      const Source<T> source =
          f_.in_place() ? source_in_place(f_, x, rows.image) : source_in_frame(f_, x, rows, s.frames);
      for_each_chunk(s.pieces, [&](i64 p, i64 q) {
        for (i64 j = 0; j < panels_; j++)
          panel(rows, source, s.pieces, p, q, packed + j * panel_elements(), y + j * kPanel<T>, weights.width(j),
                j == 0);
      });
    }
  }
  void run_by_panels(const T* x, const TapWeights<T>& weights, const T* packed, T* y, const Scratch& s, i64 begin,
                     i64 end) const {
    const i64 frame = f_.frame_elements(f_.v.outputs);
    if (!f_.in_place())
      for (i64 image = 0; image < f_.images; image++)
        source_in_frame(f_, x, {image, 0, f_.v.outputs}, s.frames + image * frame);
    for (i64 j = begin; j < end; j++) {
      const T* const ready = packed ? packed + j * panel_elements() : s.panels;
      if (!packed) weights.pack(j, s.panels);
      for_each_chunk(s.pieces, [&](i64 p, i64 q) {
        for (i64 image = 0; image < f_.images; image++) {
          const Rows rows{image, 0, f_.v.outputs};
          Source<T> source = source_in_place(f_, x, image);
          if (!f_.in_place())
            source = {s.frames + image * frame - f_.v.first * f_.frame_row() - f_.h.first * f_.frame_pixel(),
                      f_.frame_row(), f_.frame_pixel()};
          panel(rows, source, s.pieces, p, q, ready, y + j * kPanel<T>, weights.width(j), false);
        }
      });
    }
  }

  // The next block of pixels, which lie one behind another: more streams than the hardware follows read them.
  static void fetch_ahead(const T* from, i64 count) {
    for (i64 i = 0; i < count; i += 64 / i64(sizeof(T))) __builtin_prefetch(from + i, 0, 2);
  }

  // The pieces [p, q) of k for some rows and one panel.
  void panel(const Rows& rows, const Source<T>& source, const Piece* all, i64 p, i64 q, const T* packed, T* y,
             i64 width, bool is_first) const {
    const i64 halves = TapWeights<T>::halves(width), padded = halves * kHalf<T>, per = pieces_.per_tap_row();
    const i64 column = p / per_column(), before = column * per_column();
    const Axis::Range all_outputs{0, f_.h.outputs},
        outputs = f_.by_column ? f_.h.outputs_of(pieces_.tap_of(column)) : all_outputs;
    for (i64 t = rows.t0; t < rows.t1; t++) {
      const Axis::Range taps = f_.v.taps_of(t);
      const i64 first = max(p, before + taps.begin * per), count = max(0, min(q, before + taps.end * per) - first);
      const TapTiles tiles(min(outputs.end, f_.columns(t)) - outputs.begin);
      for (i64 tile = 0; tile < tiles.count; tile++) {
        const i64 u = outputs.begin + tiles.begin(tile), height = tiles.begin(tile + 1) - tiles.begin(tile);
        const T* a = source.origin + t * f_.v.step * source.row + u * f_.h.step * source.pixel;
        T* c = y + target_.first + rows.image * target_.image + t * target_.row + u * target_.pixel;
        const TapKernel<T> kernel = tap_kernel<T>(height, halves);
        if (is_first && f_.is_flat && f_.in_place())
          fetch_ahead(a + (rows.t1 - rows.t0) * source.row, height * source.pixel);
        if (width == padded) {
          kernel(all + first, count, a, f_.h.step * source.pixel, packed, c, target_.pixel, p > 0);
          continue;
        }
        alignas(64) T out[kTapRows * kPanel<T>];
        kernel(all + first, count, a, f_.h.step * source.pixel, packed, out, padded, false);
        for (i64 i = 0; i < height; i++) {
          if (p > 0) add(c + i * target_.pixel, out + i * padded, width);
          else copy(c + i * target_.pixel, out + i * padded, width);
        }
      }
    }
  }

  Field f_;
  Target target_;
  i64 columns_, panels_;
  RowBlocks blocks_;
  Pieces pieces_;
  bool by_panels_ = false;
};

// ---- the forward pass: units are those of one group, group by group.

struct Group {
  i64 groups, c, o;  // channels of one
  explicit Group(const Conv2dShape& s) : groups(s.groups), c(s.c / s.groups), o(s.o / s.groups) {}
};

template <class T>
struct Forward {
  Group group;
  Field f;
  TapProduct<T> product;

  explicit Forward(const Conv2dShape& s)
      : group(s),
        f(by_columns(flattened(
            field(forward_axis(s.h, s.kh, s.stride_h, s.dilation_h, s.top, output_height(s)),
                  forward_axis(s.w, s.kw, s.stride_w, s.dilation_w, s.left, output_width(s)), s.n, group.c, s.c),
            sizeof(T), 4096))),
        product(f, target_of(f, output_width(s), output_height(s), s.o), group.o) {}

  i64 units() const { return group.groups * product.units(); }
  size_t workspace() const {
    Workspace memory(nullptr);
    product.scratch(memory);
    return memory.measured();
  }
  TapWeights<T> weights(const Conv2dShape& s, const T* w, i64 g) const {
    return {w + g * group.o * group.c * s.kh * s.kw, group.o, group.c, s.kh, s.kw, true, f};
  }
  size_t packed_bytes() const {
    if (!units()) return 0;
    return size_t(group.groups * product.packed_elements() + kLanes<T>) * sizeof(T);
  }
  i64 unit_begin(i64 unit) const { return group.groups == 1 && units() ? product.unit_begin(unit) : -1; }
  void pack(const Conv2dShape& s, const T* w, T* packed) const {
    for (i64 g = 0; g < group.groups; g++) product.pack(weights(s, w, g), packed + g * product.packed_elements());
  }
  void run(const Conv2dShape& s, const T* x, const T* w, T* y, void* workspace, const T* packed, i64 begin,
           i64 end) const {
    Workspace memory(workspace);
    const auto scratch = product.scratch(memory);
    const i64 per_group = product.units();
    while (begin < end) {
      const i64 g = begin / per_group, from = begin % per_group, to = min(per_group, from + end - begin);
      const T* const ready = packed ? packed + g * product.packed_elements() : nullptr;
      product.run(x + g * group.c, weights(s, w, g), ready, y + g * group.o, scratch, from, to);
      begin += to - from;
    }
  }
};

}  // namespace
}  // namespace jt::library
