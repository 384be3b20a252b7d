// tap_micro: the innermost loops of convolutions: one tile of results held in registers while the taps pass.
//
// Tiles are high and narrow, up to kTapRows pixels by two registers of channels: rows of images have 7, 14, 28 pixels, and a
// factor is loaded once for two products. Weights are packed panels [k][vectors * lanes].
#pragma once
#include "backends/cpu_tcc/library/taps.h"

namespace jt::library {
namespace {

constexpr int kTapRows = JT_TAP_ROWS;
constexpr int kTapVectors = 2;
template <class T>
constexpr i64 kPanel = kTapVectors * kLanes<T>;

// Equal tiles of at most kTapRows.
struct TapTiles {
  i64 rows, count;
  explicit TapTiles(i64 n) : rows(n), count(ceil_div(n, kTapRows)) {}
  i64 begin(i64 tile) const { return tile * rows / count; }
};

// c[i, j] (+)= sum over the pieces, over k of a[source + k + i * a_row] * panel[k, j]
template <class T>
using TapKernel = void (*)(const Piece* pieces, i64 count, const T* a, i64 a_row, const T* panel, T* c, i64 c_row, bool accumulate);

template <class T, int rows, int vectors>
void tap_micro(const Piece* pieces, i64 count, const T* a, i64 a_row, const T* panel, T* c, i64 c_row, bool accumulate) {
  constexpr int L = kLanes<T>;
  Vec<T> sums[rows][vectors] = {};
  for (i64 p = 0; p < count; p++) {
    const T* from = a + pieces[p].source;
    const T* b = panel + pieces[p].k * (vectors * L);
    const T* const end = from + pieces[p].length;
    for (; from != end; from++, b += vectors * L) {
      Vec<T> b_row[vectors];
#pragma GCC unroll 2
      for (int j = 0; j < vectors; j++) b_row[j] = load<Vec<T>>(b + j * L);
#pragma GCC unroll 16
      for (int i = 0; i < rows; i++) {
        const T factor = from[i * a_row];
#pragma GCC unroll 2
        for (int j = 0; j < vectors; j++) sums[i][j] += factor * b_row[j];
      }
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
    for (int j = 0; j < vectors; j++) {
      T* to = c + i * c_row + j * L;
      store(to, accumulate ? load<Vec<T>>(to) + sums[i][j] : sums[i][j]);
    }
}

template <class T, int... index>
inline TapKernel<T> tap_kernel(i64 rows, i64 vectors, std::integer_sequence<int, index...>) {
  static constexpr TapKernel<T> kKernels[] = {tap_micro<T, index / kTapVectors + 1, index % kTapVectors + 1>...};
  return kKernels[(rows - 1) * kTapVectors + vectors - 1];
}
template <class T>
inline TapKernel<T> tap_kernel(i64 rows, i64 vectors) {
  return tap_kernel<T>(rows, vectors, std::make_integer_sequence<int, kTapRows * kTapVectors>());
}

// A row of outputs that a gradient of weights sums over: what x its first window meets, and how many windows there are.
template <class T>
struct PixelRow {
  const T *x, *dy;
  i64 pixels;
};

// c[i, j] (+)= sum over rows, over their pixels u, of x[offset + u * x_step + i] * dy[u * dy_step + j]
template <class T>
using WeightKernel = void (*)(const PixelRow<T>* rows, i64 count, i64 offset, i64 x_step, i64 dy_step, T* c, i64 c_row, bool accumulate);

template <class T, int rows, int vectors>
void weight_micro(const PixelRow<T>* pixel_rows, i64 count, i64 offset, i64 x_step, i64 dy_step, T* c, i64 c_row, bool accumulate) {
  constexpr int L = kLanes<T>;
  Vec<T> sums[rows][vectors] = {};
  for (i64 p = 0; p < count; p++) {
    const T* x = pixel_rows[p].x + offset;
    const T* dy = pixel_rows[p].dy;
    for (i64 u = pixel_rows[p].pixels; u > 0; u--, x += x_step, dy += dy_step) {
      Vec<T> b_row[vectors];
#pragma GCC unroll 2
      for (int j = 0; j < vectors; j++) b_row[j] = load<Vec<T>>(dy + j * L);
#pragma GCC unroll 16
      for (int i = 0; i < rows; i++) {
        const T factor = x[i];
#pragma GCC unroll 2
        for (int j = 0; j < vectors; j++) sums[i][j] += factor * b_row[j];
      }
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
    for (int j = 0; j < vectors; j++) {
      T* to = c + i * c_row + j * L;
      store(to, accumulate ? load<Vec<T>>(to) + sums[i][j] : sums[i][j]);
    }
}

template <class T, int... index>
inline WeightKernel<T> weight_kernel(i64 rows, i64 vectors, std::integer_sequence<int, index...>) {
  static constexpr WeightKernel<T> kKernels[] = {weight_micro<T, index / kTapVectors + 1, index % kTapVectors + 1>...};
  return kKernels[(rows - 1) * kTapVectors + vectors - 1];
}
template <class T>
inline WeightKernel<T> weight_kernel(i64 rows, i64 vectors) {
  return weight_kernel<T>(rows, vectors, std::make_integer_sequence<int, kTapRows * kTapVectors>());
}

}  // namespace
}  // namespace jt::library
