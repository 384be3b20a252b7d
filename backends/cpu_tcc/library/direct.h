// direct: a convolution with few outputs in a group (depthwise is one), straight from a frame: nothing is packed, since
// nothing would be read often enough to pay for it.
//
// The rows of a frame follow each other, so at stride 1 one run of positions goes through all of them; what falls between
// two rows of the output is computed and left. At other strides a run is one row.
#pragma once
#include "backends/cpu_tcc/library/blocked.h"
#include "backends/cpu_tcc/library/frame.h"

namespace jt::library {
namespace {

constexpr int kDirectRows = JT_VECTOR_BYTES == 64 ? 4 : 2, kDirectVectors = 4;
template <class T>
constexpr i64 kDirectStep = kDirectVectors * kLanes<T>;

// For the positions p < count, rounded up to kDirectStep: out[i * out_row + p] = sum of w[i * w_row + k] * x[taps[k] + p].
template <class T, int rows>
[[gnu::noinline]] void direct_run(i64 taps_count, const i64* taps, const T* w, i64 w_row, const T* x, i64 count, T* out, i64 out_row) {
  constexpr int L = kLanes<T>;
  for (i64 p = 0; p < count; p += kDirectStep<T>) {
    Vec<T> sums[rows][kDirectVectors] = {};
    for (i64 k = 0; k < taps_count; k++) {
      const T* from = x + taps[k] + p;
      Vec<T> values[kDirectVectors];
#pragma GCC unroll 8
      for (int v = 0; v < kDirectVectors; v++) values[v] = load<Vec<T>>(from + v * L);
#pragma GCC unroll 8
      for (int i = 0; i < rows; i++) {
        const T factor = w[i * w_row + k];
#pragma GCC unroll 8
        for (int v = 0; v < kDirectVectors; v++) sums[i][v] += factor * values[v];
      }
    }
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
      for (int v = 0; v < kDirectVectors; v++) store(out + i * out_row + p + v * L, sums[i][v]);
  }
}

template <class T>
struct Direct {
  Windows windows;
  i64 outputs;
  i64* taps;
  T *frame, *out;
  i64 out_row;

  // Few outputs, and not so many more channels that one run is long and lonely.
  static bool suits(const Windows& s, i64 outputs) { return s.rows() > 0 && outputs <= 2 * kDirectRows && s.channels <= 4 * outputs; }

  Direct(const Windows& s, i64 outputs, Workspace& from)
      : windows(s), outputs(outputs), taps(from.take<i64>(s.rows())), out_row(PlaneFrame<T>::elements(s, 1) + kDirectStep<T>) {
    frame = from.take<T>(PlaneFrame<T>::elements(s, s.channels) + kDirectStep<T>);
    out = from.take<T>(kDirectRows * out_row);
  }

  // y[outputs, j] for the pixels [j0, j1) of one group.
  void run(const T* weights, const T* x, T* y, i64 y_image, i64 j0, i64 j1) const {
    for (i64 j = j0, end; j < j1; j = end) {
      end = block_end(windows, j, j1);
      const PlaneFrame<T> pixels(windows, j, end, frame);
      pixels.build(x, 0, windows.channels);
      for (Tap tap(windows, 0); tap.channel < windows.channels; tap.next()) taps[tap.row()] = pixels.offset_of(tap);
      i64 o = 0;
      for (; o + kDirectRows <= outputs; o += kDirectRows)
        block<kDirectRows>(pixels, weights + o * windows.rows(), y + o * windows.plane(), y_image, j, end);
      for (; o < outputs; o++) block<1>(pixels, weights + o * windows.rows(), y + o * windows.plane(), y_image, j, end);
    }
  }

 private:
  template <int rows>
  void block(const PlaneFrame<T>& pixels, const T* w, T* y, i64 y_image, i64 j0, i64 j1) const {
    const Region& region = pixels.region;
    const i64 pitch = pixels.slots * pixels.width;
    const bool joined = pixels.slots == 1 && region.step == 1;
    if (joined) {
      const i64 positions = (region.rows() - region.span) * pitch + region.columns;
      direct_run<T, rows>(windows.rows(), taps, w, windows.rows(), pixels.at, positions, out, out_row);
    }
    const i64 first_column = j0 % windows.ow, end_column = (j1 - 1) % windows.ow + 1;
    region.for_each_output_row([&](i64 r, i64 image, i64 row, i64 frame_row) {
      const T* from = pixels.at + frame_row * pitch;
      if (!joined) direct_run<T, rows>(windows.rows(), taps, w, windows.rows(), from, region.columns, out, out_row);
      const i64 column0 = r == region.first_row ? first_column : 0, column1 = r == region.last_row ? end_column : windows.ow;
      T* to = y + image * y_image + row * windows.ow + column0;
      for (int i = 0; i < rows; i++, to += windows.plane())
        copy(to, out + i * out_row + (joined ? frame_row * pitch : 0) + column0 - region.first_column, column1 - column0);
    });
  }
};

}  // namespace
}  // namespace jt::library
