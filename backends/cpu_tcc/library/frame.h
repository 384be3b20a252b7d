// frame: the part of x that a block of windows reads, copied once into zero-padded rows, so that what is made of it
// (panels of the im2col matrix) is copied from it in whole registers, with neither edges nor strides to heed.
//
// A block is a stretch of pixels: windows, counted over images, rows and columns. Each of its output rows reads `span`
// rows of x; those of neighbouring output rows of one image are shared where they overlap. Two layouts of the columns:
//   planes    [channel][row][slot][position]: columns that windows' taps meet with step stride_w lie side by side in a slot
//   pixels    [row][column][channel]: what a window reads of one row lies side by side
#pragma once
#include "backends/cpu_tcc/library/windows.h"

namespace jt::library {
namespace {

constexpr i64 kMostPixels = 512;  // of a block

// Pixels of the block that begins at j, at most up to `end`; rows that are longer are not joined.
inline i64 block_end(const Windows& s, i64 j, i64 end) {
  const i64 row_end = j - j % s.ow + s.ow;
  return min(end, s.ow >= kMostPixels ? min(row_end, j + kMostPixels) : j + kMostPixels);
}

// The rows and columns of a block.
struct Region {
  const Windows& s;
  i64 first_row, last_row;        // output rows, counted over images
  i64 first_column, columns;      // of the output
  i64 span, step;                 // rows of x for one output row, and from one to the next
  i64 rows_of_first, rows_of_image;  // in the frame

  Region(const Windows& s, i64 j0, i64 j1) : s(s), first_row(j0 / s.ow), last_row((j1 - 1) / s.ow), first_column(0), columns(s.ow) {
    if (first_row == last_row) first_column = j0 % s.ow, columns = j1 - j0;
    span = (s.kh - 1) * s.dilation_h + 1;
    step = min(s.stride_h, span);
    const i64 in_first = min(s.oh - first_row % s.oh, last_row - first_row + 1);
    rows_of_first = (in_first - 1) * step + span;
    rows_of_image = (s.oh - 1) * step + span;
  }

  // The frame's first row for an output row.
  i64 row_of(i64 output_row) const {
    const i64 image = output_row / s.oh - first_row / s.oh, i = output_row % s.oh;
    if (image == 0) return (output_row - first_row) * step;
    return rows_of_first + (image - 1) * rows_of_image + i * step;
  }
  i64 rows() const { return row_of(last_row) + span; }

  static i64 most_rows(const Windows& s) {
    const i64 outputs = s.ow >= kMostPixels ? 1 : kMostPixels / max(1, s.ow) + 2;
    const i64 images = min(outputs, outputs / max(1, s.oh) + 2), span = (s.kh - 1) * s.dilation_h + 1;
    return outputs * min(s.stride_h, span) + images * span;
  }

  // Calls row(frame row, row of x or -1 for zeros, offset of the image in x).
  template <class Row>
  void for_each_row(const Row& row) const {
    i64 done = 0;  // frame rows
    for (i64 r = first_row; r <= last_row; r++) {
      const i64 to = row_of(r), y0 = r % s.oh * s.stride_h - s.top;
      for (i64 q = max(done, to); q < to + span; q++) {
        const i64 y = y0 + q - to;
        row(q, y >= 0 && y < s.h ? y : -1, r / s.oh * s.image);
      }
      done = to + span;
    }
  }
};

// Copies of whole registers, side by side in the destination but for what each overwrites of the one before.
struct Pieces {
  static constexpr int kMost = 128;
  int count = 0;
  i64 to[kMost], from[kMost];
  void add(i64 at, i64 origin, i64 length, i64 lanes) {
    for (i64 t = 0; t < length; t += lanes) to[count] = at + t, from[count++] = origin + t;
  }
};
template <class V, class T>
inline void copy_pieces(const Pieces& pieces, const T* from, T* to) {
  for (int p = 0; p < pieces.count; p++) store(to + pieces.to[p], load<V>(from + pieces.from[p]));
}

// ---- planes

template <class T>
struct PlaneFrame {
  const Windows& s;
  i64 slots, width;  // of a row: by phase of the stride, or, with fewer taps than phases, by tap
  T* at;
  Region region;
  i64 channel;  // elements of one

  static i64 slots_of(const Windows& s) { return min(s.stride_w, s.kw); }
  static i64 width_of(const Windows& s, i64 columns) {
    return s.kw < s.stride_w ? columns : columns + (s.kw - 1) * s.dilation_w / s.stride_w;
  }
  static i64 elements(const Windows& s, i64 channels) {
    return channels * Region::most_rows(s) * slots_of(s) * width_of(s, min(s.ow, kMostPixels)) + kLanes<T>;
  }

  PlaneFrame(const Windows& s, i64 j0, i64 j1, T* memory)
      : s(s), slots(slots_of(s)), at(memory), region(s, j0, j1) {
    width = width_of(s, region.columns);
    channel = region.rows() * slots * width;
  }

  // The copies of channels [c0, c1).
  void build(const T* x, i64 c0, i64 c1) const {
    const bool by_tap = s.kw < s.stride_w;
    for (i64 c = c0; c < c1; c++)
      region.for_each_row([&](i64 row, i64 y, i64 image) {
        T* to = at + (c - c0) * channel + row * slots * width;
        for (i64 slot = 0; slot < slots; slot++, to += width) {
          const i64 x0 = region.first_column * s.stride_w - s.left + (by_tap ? slot * s.dilation_w : slot);
          const Inside inside(x0, s.stride_w, width, s.w);
          if (y < 0 || inside.t0 >= inside.t1) {
            fill(to, width, T(0));
            continue;
          }
          const T* from = x + image + (c * s.h + y) * s.w + x0;
          for (i64 t = 0; t < inside.t0; t++) to[t] = 0;
          if (s.stride_w == 1)
            copy(to + inside.t0, from + inside.t0, inside.t1 - inside.t0);
          else
            for (i64 t = inside.t0; t < inside.t1; t++) to[t] = from[t * s.stride_w];
          for (i64 t = inside.t1; t < width; t++) to[t] = 0;
        }
      });
  }

  i64 offset_of(const Tap& tap) const {
    const i64 b = tap.b * s.dilation_w, origin = tap.channel * channel + tap.a * s.dilation_h * slots * width;
    if (s.stride_w == 1) return origin + b;
    return origin + (s.kw < s.stride_w ? tap.b * width : b % s.stride_w * width + b / s.stride_w);
  }
};

// X as the right factor, k counted from the frame's first channel.
template <class T>
struct FrameColumns {
  const PlaneFrame<T>& frame;
  bool in_place(i64, i64) const { return false; }
  const T* at(i64, i64) const { return nullptr; }
  i64 step() const { return 0; }
  void pack(i64 k0, i64 kc, i64 j0, i64 width, i64 padded, T* out) const {
    const Windows& s = frame.s;
    Pieces pieces;
    i64 longest = 0;
    for (i64 at = 0, count; at < width; at += count) longest = max(longest, count = min(s.ow - (j0 + at) % s.ow, width - at));
    const i64 lanes = longest <= kLanes<T> / 2 ? kLanes<T> / 2 : kLanes<T>;
    for (i64 at = 0; at < width;) {
      const i64 row = (j0 + at) / s.ow, column = (j0 + at) % s.ow, count = min(s.ow - column, width - at);
      pieces.add(at, frame.region.row_of(row) * frame.slots * frame.width + column - frame.region.first_column, count, lanes);
      at += count;
    }
    Tap tap(s, k0);
    for (i64 k = 0; k < kc; k++, tap.next(), out += padded) {
      const T* from = frame.at + frame.offset_of(tap);
      if (lanes == kLanes<T>)
        copy_pieces<Vec<T>>(pieces, from, out);
      else
        copy_pieces<HalfVec<T>>(pieces, from, out);
      fill(out + width, padded - width, T(0));
    }
  }
};

// ---- pixels

template <class T>
struct PixelFrame {
  const Windows& s;
  Region region;
  i64 width;  // columns of a row
  T* at;

  static i64 width_of(const Windows& s, i64 columns) { return (columns - 1) * s.stride_w + (s.kw - 1) * s.dilation_w + 1; }
  static i64 elements(const Windows& s) {
    return Region::most_rows(s) * width_of(s, min(s.ow, kMostPixels)) * s.channels + kLanes<T>;
  }

  PixelFrame(const Windows& s, i64 j0, i64 j1, T* memory) : s(s), region(s, j0, j1), at(memory) {
    width = width_of(s, region.columns);
  }

  void build(const T* x) const {
    const i64 x0 = region.first_column * s.stride_w - s.left, row_length = width * s.channels;
    const Inside inside(x0, 1, width, s.w);
    region.for_each_row([&](i64 row, i64 y, i64 image) {
      T* to = at + row * row_length;
      if (y < 0 || inside.t0 >= inside.t1) {
        fill(to, row_length, T(0));
        return;
      }
      const T* from = x + image + y * s.w + x0 + inside.t0;
      fill(to, inside.t0 * s.channels, T(0));
      transpose(from, s.h * s.w, s.channels, inside.t1 - inside.t0, to + inside.t0 * s.channels, s.channels);
      fill(to + inside.t1 * s.channels, (width - inside.t1) * s.channels, T(0));
    });
  }
};

// X^T as the right factor, its columns ordered (a, b, channel); rows are the frame's pixels from j_first on.
template <class T>
struct FrameRows {
  const PixelFrame<T>& frame;
  i64 j_first;
  bool in_place(i64, i64) const { return false; }
  const T* at(i64, i64) const { return nullptr; }
  i64 step() const { return 0; }

  // Where the columns [k0, k0 + width) lie, seen from a window's first element.
  void find(i64 k0, i64 width, Pieces& pieces) const {
    const Windows& s = frame.s;
    const i64 run = s.dilation_w == 1 ? s.kw * s.channels : s.channels;  // side by side
    for (i64 at = 0; at < width;) {
      const i64 k = k0 + at, length = min(run - k % run, width - at);
      const i64 a = k / (s.kw * s.channels), b = k / s.channels % s.kw, c = k % s.channels;
      pieces.add(at, (a * s.dilation_h * frame.width + b * s.dilation_w) * s.channels + c, length, kLanes<T>);
      at += length;
    }
  }

  void pack(i64 j0, i64 count, i64 k0, i64 width, i64 padded, T* out) const {
    const Windows& s = frame.s;
    Pieces pieces;
    find(k0, width, pieces);
    for (i64 j = j_first + j0, end = j + count; j < end;) {
      const i64 row = j / s.ow, column = j % s.ow, in_row = min(s.ow - column, end - j);
      const T* from = frame.at + (frame.region.row_of(row) * frame.width + (column - frame.region.first_column) * s.stride_w) * s.channels;
      for (i64 t = 0; t < in_row; t++, out += padded, from += s.stride_w * s.channels) {
        copy_pieces<Vec<T>>(pieces, from, out);
        for (i64 q = width; q < padded; q++) out[q] = 0;
      }
      j += in_row;
    }
  }
};

// One tap of stride 1 without padding: X is x itself, and X^T its planes turned.
template <class T>
struct TurnedPlanes {
  const T* x;
  i64 image, plane, j_first;
  bool in_place(i64, i64) const { return false; }
  const T* at(i64, i64) const { return nullptr; }
  i64 step() const { return 0; }
  void pack(i64 j0, i64 count, i64 k0, i64 width, i64 padded, T* out) const {
    for (i64 at = 0; at < count;) {
      const i64 j = j_first + j0 + at, part = min(plane - j % plane, count - at);
      transpose(x + j / plane * image + k0 * plane + j % plane, plane, width, part, out + at * padded, padded);
      at += part;
    }
    for (i64 j = 0; j < count && padded > width; j++) fill(out + j * padded + width, padded - width, T(0));
  }
};

}  // namespace
}  // namespace jt::library
