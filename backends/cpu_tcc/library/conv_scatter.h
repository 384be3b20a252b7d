// conv_scatter: the gradient of x for windows that never reach over the ends of rows, many images at once: each pixel
// of dy times w, [o] by [tap, channel], is added where its window lies. Unlike the sum over taps of conv_grad_x it
// multiplies no zeros around dy, and narrow channels lie side by side with those of the next tap.
//
// A tile's rows are the same pixel of several images, so no two of them are added to the same place. Units: tiles of
// images.
#pragma once
#include "backends/cpu_tcc/library/conv_forward.h"

namespace jt::library {
namespace {

template <class T>
class Scatter {
 public:
  explicit Scatter(const Conv2dShape& s)
      : s_(s), oh_(output_height(s)), ow_(output_width(s)), runs_(s.dilation_w == 1 ? 1 : s.kw),
        run_(s.dilation_w == 1 ? s.kw * s.c : s.c), parts_(max(1, ceil_div(s.o, kChunkK))), tiles_(s.n) {}

  // Fewer products than the sum over taps makes, and sums long enough that adding their results costs little.
  static bool is_better(const Conv2dShape& s) {
    const Scatter scatter(s);
    const bool stays_inside = s.left == 0 && (scatter.ow_ - 1) * s.stride_w + (s.kw - 1) * s.dilation_w < s.w;
    if (s.groups != 1 || !stays_inside || s.n < kTapRows / 2 || s.o < 32) return false;
    const i64 products = scatter.ow_ * scatter.runs_ * round_up(scatter.run_, kHalf<T>);
    const i64 over_taps = ceil_div(s.w * s.kw, s.stride_w) * round_up(s.c, kHalf<T>);
    return products * 10 < over_taps * 9;
  }

  i64 units() const { return s_.c == 0 || s_.h == 0 || s_.w == 0 ? 0 : tiles_.count; }

  struct Scratch {
    Piece* pieces;
    T* panels;
  };
  Scratch scratch(Workspace& memory) const {
    Scratch s;
    s.pieces = memory.take<Piece>(parts_);
    s.panels = memory.take<T>(s_.kh * runs_ * s_.o * round_up(run_, kHalf<T>));
    return s;
  }

  void run(const T* dy, const T* w, T* dx, const Scratch& s, i64 begin, i64 end) const {
    if (begin >= end) return;
    for (i64 p = 0; p < parts_; p++) {
      const i64 from = p * s_.o / parts_;
      s.pieces[p] = {from, (p + 1) * s_.o / parts_ - from, from};
    }
    pack(w, s.panels);
    const i64 image = s_.h * s_.w * s_.c;
    for (i64 unit = begin; unit < end; unit++) {
      const i64 n = tiles_.begin(unit), count = tiles_.begin(unit + 1) - n;
      fill(dx + n * image, count * image, T(0));
      const T* panel = s.panels;
      for_each_panel([&](i64 kv, i64 run, i64 j, i64 width) {
        add_panel(dy + n * oh_ * ow_ * s_.o, dx + n * image, s.pieces, panel, kv, run, j, width, count);
        panel += s_.o * round_up(width, kHalf<T>);
      });
    }
  }

 private:
  // body(tap row, run in it, first column, columns)
  template <class Body>
  void for_each_panel(const Body& body) const {
    for (i64 kv = 0; kv < s_.kh; kv++)
      for (i64 run = 0; run < runs_; run++)
        for (i64 j = 0; j < run_; j += kPanel<T>) body(kv, run, j, min(kPanel<T>, run_ - j));
  }

  // w[o, c, tap] -> [o][columns] of each panel, whose column is (tap, c).
  void pack(const T* w, T* out) const {
    const i64 taps = s_.kh * s_.kw;
    for_each_panel([&](i64 kv, i64 run, i64 j, i64 width) {
      const i64 padded = round_up(width, kHalf<T>);
      for (i64 o = 0; o < s_.o; o++, out += padded) {
        i64 tap = kv * s_.kw + (runs_ == 1 ? j / s_.c : run), c = runs_ == 1 ? j % s_.c : j;
        for (i64 i = 0; i < width; i++) {
          out[i] = w[(o * s_.c + c) * taps + tap];
          if (++c == s_.c) c = 0, tap++;
        }
        for (i64 i = width; i < padded; i++) out[i] = 0;
      }
    });
  }

  void add_panel(const T* dy, T* dx, const Piece* pieces, const T* panel, i64 kv, i64 run, i64 j, i64 width,
                 i64 images) const {
    const i64 halves = ceil_div(width, kHalf<T>), padded = halves * kHalf<T>, from_image = oh_ * ow_ * s_.o,
              to_image = s_.h * s_.w * s_.c;
    const TapKernel<T> kernel = tap_kernel<T>(images, halves);
    for (i64 t = 0; t < oh_; t++) {
      const i64 y = t * s_.stride_h + kv * s_.dilation_h - s_.top;
      if (y < 0 || y >= s_.h) continue;
      for (i64 u = 0; u < ow_; u++) {
        const T* a = dy + (t * ow_ + u) * s_.o;
        T* c = dx + (y * s_.w + u * s_.stride_w + run * s_.dilation_w) * s_.c + j;
        if (width == padded) {
          kernel(pieces, parts_, a, from_image, panel, c, to_image, true);
          continue;
        }
        alignas(64) T out[kTapRows * kPanel<T>];
        kernel(pieces, parts_, a, from_image, panel, out, padded, false);
        for (i64 i = 0; i < images; i++) add(c + i * to_image, out + i * padded, width);
      }
    }
  }

  const Conv2dShape& s_;
  i64 oh_, ow_;
  i64 runs_, run_;  // of a tap row: how many, and how many columns each has
  i64 parts_;
  TapTiles tiles_;
};

}  // namespace
}  // namespace jt::library
