// conv_grad_w: the gradient of w as a matrix [k][o], k = (kv, kh, channel), in panels of o, summed over all pixels: x
// is read as the forward pass reads it, dy where it lies. At the end the matrix is turned into [o, channel, kv, kh].
//
// Pixels come in blocks of rows or whole images, each summed in registers and added to the matrix; blocks follow from
// the shape alone. Units are tiles of the matrix, panel by panel of o.
#pragma once
#include "backends/cpu_tcc/library/conv_forward.h"

namespace jt::library {
namespace {

// Blocks of pixels: rows of an image, or several images. Each reads and writes the whole matrix: a large one, farther
// away than the pixels, seldom; beside a small one, two blocks have room in L2, one of them on its way.
struct PixelBlocks {
  RowBlocks rows;
  i64 images = 1;  // of a block
  static i64 elements(i64 matrix) { return matrix < 2 * kBlockElements ? kBlockElements : 8 * kBlockElements; }  // of x
  PixelBlocks(const Field& f, i64 matrix) : rows(f, elements(matrix)) {
    const i64 most = max(1, elements(matrix) / max(1, f.frame_elements(f.v.outputs)));
    if (rows.per_image == 1) images = ceil_div(f.images, ceil_div(f.images, most));
  }
  i64 count() const { return ceil_div(rows.count, images); }
  i64 begin(i64 block) const { return block * images; }
  i64 end(i64 block) const { return min(rows.count, block * images + images); }
};

template <class T>
class GradW {
 public:
  explicit GradW(const Conv2dShape& s)
      : s_(s), group_(s), f_(flattened(field(forward_axis(s.h, s.kh, s.stride_h, s.dilation_h, s.top, output_height(s)),
                                             forward_axis(s.w, s.kw, s.stride_w, s.dilation_w, s.left, output_width(s)),
                                             s.n, group_.c, s.c),
                                       sizeof(T), 2048)),
        blocks_(f_, f_.k() * group_.o), pieces_(f_, pixel(), INT64_MAX), tiles_(pieces_.length),
        panels_(ceil_div(group_.o, kPanel<T>)) {
    const i64 tiles = f_.v.taps * pieces_.runs * tiles_.count;
    parts_ = min(tiles, max(1, ceil_div(16, max(1, panels_))));
    tiles_in_all_ = tiles;
  }

  i64 units() const { return group_.groups * units_of_group(); }

  size_t workspace() const {
    Workspace memory(nullptr);
    Scratch(*this, memory);
    return memory.measured();
  }

  void run(const T* x, const T* dy, T* dw, void* workspace, i64 begin, i64 end) const {
    Workspace memory(workspace);
    const Scratch scratch(*this, memory);
    const i64 per_group = units_of_group();
    while (begin < end) {
      const i64 g = begin / per_group, from = begin % per_group, to = min(per_group, from + end - begin);
      run_group(x + g * group_.c, dy + g * group_.o, dw + g * group_.o * f_.k(), scratch, from, to);
      begin += to - from;
    }
  }

 private:
  i64 units_of_group() const { return f_.k() == 0 ? 0 : panels_ * parts_; }
  i64 pixel() const { return f_.in_place() ? f_.pixel : f_.frame_pixel(); }
  i64 row() const { return f_.in_place() ? f_.row : f_.frame_row(); }
  i64 frame() const { return f_.in_place() ? 0 : f_.frame_elements(blocks_.rows.step); }
  i64 width(i64 panel) const { return min(kPanel<T>, group_.o - panel * kPanel<T>); }
  i64 matrix_elements() const { return panels_ * f_.k() * kPanel<T>; }
  i64 most_rows() const { return blocks_.images * blocks_.rows.step; }
  // Whether dy is read from a copy: pixels fill no half registers, or would meet in few sets of the cache. The last
  // panel: any of them.
  bool is_copied(i64 panel) const {
    const bool is_aliased = s_.o * i64(sizeof(T)) % 2048 == 0 && tiles_in_all_ >= 4 * parts_;
    return width(panel) % kHalf<T> != 0 || is_aliased;
  }
  i64 copied_elements() const { return is_copied(panels_ - 1) ? most_rows() * max(0, f_.h.outputs) * kPanel<T> : 0; }

  struct Scratch {
    T *matrix, *frames, *narrow;
    PixelRow<T>* rows;
    Source<T>* sources;
    Scratch(const GradW& g, Workspace& memory)
        : matrix(memory.take<T>(g.matrix_elements())), frames(memory.take<T>(g.blocks_.images * g.frame())),
          narrow(memory.take<T>(g.copied_elements())),
          rows(memory.take<PixelRow<T>>(g.most_rows())), sources(memory.take<Source<T>>(g.blocks_.images)) {}
  };

  // Tile number `tile` of the matrix's rows.
  struct Tile {
    i64 kv, offset, k, height;
  };
  Tile tile(i64 index) const {
    const i64 run = index / tiles_.count, part = index % tiles_.count, kv = run / pieces_.runs, kh = run % pieces_.runs;
    const i64 first = tiles_.begin(part);
    const i64 offset = (f_.v.first + kv * f_.v.stride) * row() + (f_.h.first + kh * f_.h.stride) * pixel() + first;
    return {kv, offset, (kv * f_.h.taps + kh) * f_.channels + first, tiles_.begin(part + 1) - first};
  }

  void run_group(const T* x, const T* dy, T* dw, const Scratch& s, i64 begin, i64 end) const {
    if (blocks_.count() == 0)  // no pixels: nothing to add up
      for (i64 i = 0; i < matrix_elements(); i++) s.matrix[i] = 0;
    for (i64 block = 0; block < blocks_.count(); block++) {
      const i64 first = blocks_.begin(block), last = blocks_.end(block);
      for (i64 b = first; b < last; b++) {
        const Rows rows = blocks_.rows.at(b);
        s.sources[b - first] = f_.in_place() ? source_in_place(f_, x, rows.image)
                                             : source_in_frame(f_, x, rows, s.frames + (b - first) * frame());
      }
      Ahead ahead = next_block(x, dy, last);
      for (i64 unit = begin; unit < end; unit++)
        add_unit(dy, s, block, unit / parts_, unit % parts_, unit == begin, ahead);
    }
    for (i64 unit = begin; unit < end; unit++) give_unit(dw, s, unit / parts_, unit % parts_);
  }

  // What the first rows of a block read; nothing where much of it would be another group's, or left out by a stride.
  Ahead next_block(const T* x, const T* dy, i64 first) const {
    auto stretch = [](const T* from, i64 count) {
      return Ahead::Stretch{(const char*)from, (const char*)(from + count)};
    };
    if (first == blocks_.rows.count || group_.groups > 1 || f_.v.step > 1) return {stretch(x, 0), stretch(x, 0)};
    const Rows rows = blocks_.rows.at(first);
    const i64 count = rows.t1 - rows.t0;
    return {stretch(dy + (rows.image * f_.total + rows.t0 * f_.h.outputs) * s_.o,
                    min(count * f_.h.outputs, f_.total - rows.t0 * f_.h.outputs) * s_.o),
            stretch(x + rows.image * f_.image + rows.t0 * f_.row, min(count, f_.v.extent - rows.t0) * f_.row)};
  }

  void add_unit(const T* dy, const Scratch& s, i64 block, i64 panel, i64 part, bool is_first, Ahead& ahead) const {
    const i64 w = width(panel), halves = TapWeights<T>::halves(w), padded = halves * kHalf<T>;
    const bool is_narrow = is_copied(panel);
    if (is_narrow && (is_first || part == 0)) copy_narrow(dy + panel * kPanel<T>, s, block, w, padded);
    i64 kv = -1, count = 0;
    for (i64 index = part * tiles_in_all_ / parts_; index < (part + 1) * tiles_in_all_ / parts_; index++) {
      const Tile t = tile(index);
      if (t.kv != kv) count = rows_of_tap(dy + panel * kPanel<T>, s, block, kv = t.kv, is_narrow ? padded : 0);
      weight_kernel<T>(t.height, halves)(s.rows, count, t.offset, f_.h.step * pixel(), is_narrow ? padded : s_.o,
                                          at(s, panel, t.k), kPanel<T>, block > 0, ahead);
    }
  }

  // The rows of a block's pixels whose windows meet x with their tap row kv.
  i64 rows_of_tap(const T* dy, const Scratch& s, i64 block, i64 kv, i64 narrow) const {
    i64 count = 0, seen = 0;
    const i64 first = blocks_.begin(block);
    for (i64 b = first; b < blocks_.end(block); b++) {
      const Rows rows = blocks_.rows.at(b);
      for (i64 t = rows.t0; t < rows.t1; t++, seen += f_.h.outputs) {
        const i64 y = f_.v.at(t) + kv * f_.v.stride;
        if (y < 0 || y >= f_.v.extent) continue;
        const T* from = narrow ? s.narrow + seen * narrow : dy + (rows.image * f_.total + t * f_.h.outputs) * s_.o;
        s.rows[count++] = {s.sources[b - first].origin + t * f_.v.step * row(), from, f_.columns(t)};
      }
    }
    return count;
  }

  // A panel of dy side by side, with zeros behind pixels that fill no half register.
  void copy_narrow(const T* dy, const Scratch& s, i64 block, i64 w, i64 padded) const {
    T* to = s.narrow;
    for (i64 b = blocks_.begin(block); b < blocks_.end(block); b++) {
      const Rows rows = blocks_.rows.at(b);
      for (i64 t = rows.t0; t < rows.t1; t++) {
        const T* from = dy + (rows.image * f_.total + t * f_.h.outputs) * s_.o;
        for (i64 u = 0; u < f_.h.outputs; u++, to += padded) {
          if (u >= f_.columns(t)) continue;
          if (w < padded) fill(to + padded - kHalf<T>, kHalf<T>, T(0));
          copy(to, from + u * s_.o, w);
        }
      }
    }
  }

  T* at(const Scratch& s, i64 panel, i64 k) const { return s.matrix + (panel * f_.k() + k) * kPanel<T>; }

  // From [k][o] to [o][c][kv][kh], all taps of a few channels together: they lie side by side.
  void give_unit(T* dw, const Scratch& s, i64 panel, i64 part) const {
    constexpr i64 kTogether = 16;
    const Tile last = tile((part + 1) * tiles_in_all_ / parts_ - 1);
    const i64 begin = tile(part * tiles_in_all_ / parts_).k, end = last.k + last.height;
    const i64 taps = f_.v.taps * f_.h.taps, w = width(panel);
    T* const out = dw + panel * kPanel<T> * f_.k();
    if (taps == 1) return transpose(at(s, panel, begin), kPanel<T>, end - begin, w, out + begin, f_.k());
    for (i64 first = 0; first < f_.channels; first += kTogether)
      for (i64 tap = 0; tap < taps; tap++) {
        const i64 from = max(first, begin - tap * f_.channels),
                  to = min(min(first + kTogether, f_.channels), end - tap * f_.channels);
        for (i64 j = 0; j < w; j++) {
          const T* m = at(s, panel, tap * f_.channels) + j;
          for (i64 c = from; c < to; c++) out[j * f_.k() + c * taps + tap] = m[c * kPanel<T>];
        }
      }
  }

  const Conv2dShape& s_;
  Group group_;
  Field f_;
  PixelBlocks blocks_;
  Pieces pieces_;
  TapTiles tiles_;
  i64 panels_, parts_ = 1, tiles_in_all_ = 0;
};

}  // namespace
}  // namespace jt::library
