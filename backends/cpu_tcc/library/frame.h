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

  // Calls output(output row, image, row in the image, the frame's first row for it): row_of without its divisions.
  template <class Output>
  void for_each_output_row(const Output& output) const {
    i64 image = first_row / s.oh, i = first_row % s.oh, to = 0;
    for (i64 r = first_row; r <= last_row; r++) {
      output(r, image, i, to);
      const bool is_last = ++i == s.oh;
      to += is_last ? span : step;
      if (is_last) i = 0, image++;
    }
  }

  // Calls row(frame row, row of x or -1 for zeros, offset of the image in x).
  template <class Row>
  void for_each_row(const Row& row) const {
    i64 done = 0;  // frame rows
    for_each_output_row([&](i64, i64 image, i64 i, i64 to) {
      const i64 y0 = i * s.stride_h - s.top;
      for (i64 q = max(done, to); q < to + span; q++) {
        const i64 y = y0 + q - to;
        row(q, y >= 0 && y < s.h ? y : -1, image * s.image);
      }
      done = to + span;
    });
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
constexpr int kMostOffsets = 64;

// The pieces of `rows` rows; row r begins at from + offsets[r]. Kept apart, so that all it needs stays in registers.
template <class V, int count, class T>
[[gnu::noinline]] void copy_few_pieces(const Pieces& pieces, const T* from, const i64* offsets, i64 rows, T* to, i64 to_row) {
  i64 target[count], source[count];
  for (int p = 0; p < count; p++) target[p] = pieces.to[p], source[p] = pieces.from[p];
  for (i64 r = 0; r < rows; r++, to += to_row) {
    const T* row = from + offsets[r];
#pragma GCC unroll 8
    for (int p = 0; p < count; p++) store(to + target[p], load<V>(row + source[p]));
  }
}
template <class V, class T>
[[gnu::noinline]] void copy_pieces(const Pieces& pieces, const T* from, const i64* offsets, i64 rows, T* to, i64 to_row) {
  switch (pieces.count) {
    case 1: return copy_few_pieces<V, 1>(pieces, from, offsets, rows, to, to_row);
    case 2: return copy_few_pieces<V, 2>(pieces, from, offsets, rows, to, to_row);
    case 3: return copy_few_pieces<V, 3>(pieces, from, offsets, rows, to, to_row);
    case 4: return copy_few_pieces<V, 4>(pieces, from, offsets, rows, to, to_row);
    case 5: return copy_few_pieces<V, 5>(pieces, from, offsets, rows, to, to_row);
    case 6: return copy_few_pieces<V, 6>(pieces, from, offsets, rows, to, to_row);
    default: break;
  }
  for (i64 r = 0; r < rows; r++, to += to_row) {
    const T* row = from + offsets[r];
    for (int p = 0; p < pieces.count; p++) store(to + pieces.to[p], load<V>(row + pieces.from[p]));
  }
}
// Half registers where no run needs a whole one: they cross fewer cache lines.
template <class T>
void copy_pieces(const Pieces& pieces, bool halves, const T* from, const i64* offsets, i64 rows, T* to, i64 to_row) {
  if (halves)
    copy_pieces<HalfVec<T>>(pieces, from, offsets, rows, to, to_row);
  else
    copy_pieces<Vec<T>>(pieces, from, offsets, rows, to, to_row);
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
    for (i64 slot = 0; slot < slots; slot++) {
      const i64 x0 = region.first_column * s.stride_w - s.left + (by_tap ? slot * s.dilation_w : slot);
      const Inside inside(x0, s.stride_w, width, s.w);
      const i64 t0 = inside.t0, t1 = inside.t1;
      region.for_each_row([&](i64 row, i64 y, i64 image) {
        T* to = at + (row * slots + slot) * width;
        const T* from = x + image + (c0 * s.h + max(y, 0)) * s.w + x0;
        for (i64 c = c0; c < c1; c++, to += channel, from += s.h * s.w) copy_row(to, from, t0, y < 0 ? t0 : t1);
      });
    }
  }

  void copy_row(T* to, const T* from, i64 t0, i64 t1) const {
    clear(to, t0);
    if (s.stride_w == 1)
      copy(to + t0, from + t0, t1 - t0);
    else
      for (i64 t = t0; t < t1; t++) to[t] = from[t * s.stride_w];
    clear(to + t1, width - t1);
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
    const bool halves = longest <= kLanes<T> / 2;
    for (i64 at = 0; at < width;) {
      const i64 row = (j0 + at) / s.ow, column = (j0 + at) % s.ow, count = min(s.ow - column, width - at);
      const i64 origin = frame.region.row_of(row) * frame.slots * frame.width + column - frame.region.first_column;
      pieces.add(at, origin, count, halves ? kLanes<T> / 2 : kLanes<T>);
      at += count;
    }
    Tap tap(s, k0);
    i64 offsets[kMostOffsets];
    for (i64 k = 0; k < kc; k += kMostOffsets) {
      const i64 rows = min(kMostOffsets, kc - k);
      for (i64 r = 0; r < rows; r++, tap.next()) offsets[r] = frame.offset_of(tap);
      copy_pieces(pieces, halves, (const T*)frame.at, offsets, rows, out + k * padded, padded);
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
  void find(i64 k0, i64 width, i64 run, i64 lanes, Pieces& pieces) const {
    const Windows& s = frame.s;
    for (i64 at = 0; at < width;) {
      const i64 k = k0 + at, length = min(run - k % run, width - at);
      const i64 a = k / (s.kw * s.channels), b = k / s.channels % s.kw, c = k % s.channels;
      pieces.add(at, (a * s.dilation_h * frame.width + b * s.dilation_w) * s.channels + c, length, lanes);
      at += length;
    }
  }

  void pack(i64 j0, i64 count, i64 k0, i64 width, i64 padded, T* out) const {
    const Windows& s = frame.s;
    const i64 run = s.dilation_w == 1 ? s.kw * s.channels : s.channels, pixel = s.stride_w * s.channels;
    const bool halves = run <= kLanes<T> / 2;
    Pieces pieces;
    find(k0, width, run, halves ? kLanes<T> / 2 : kLanes<T>, pieces);
    i64 offsets[kMostOffsets];
    for (i64 j = j_first + j0, end = j + count; j < end;) {
      const i64 row = j / s.ow, column = j % s.ow, in_row = min(kMostOffsets, min(s.ow - column, end - j));
      const i64 origin = frame.region.row_of(row) * frame.width * s.channels + (column - frame.region.first_column) * pixel;
      for (i64 t = 0; t < in_row; t++) offsets[t] = origin + t * pixel;
      copy_pieces(pieces, halves, (const T*)frame.at, offsets, in_row, out, padded);
      out += in_row * padded;
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
  }
};

}  // namespace
}  // namespace jt::library
