// tap_micro: the innermost loops of convolutions: one tile of results held in registers while the taps pass.
//
// Tiles are high and narrow, up to kTapRows pixels by two registers of channels: rows of images have 7, 14, 28 pixels,
// and a factor is loaded once for two products. Widths count in half registers, which cost half of a whole one on some
// CPUs. Weights are packed panels [k][width].
#pragma once
#include "backends/cpu_tcc/library/taps.h"

namespace jt::library {
namespace {

constexpr int kTapRows = JT_TAP_ROWS;
constexpr int kTapHalves = 4;  // of a panel
template <class T>
constexpr i64 kHalf = kLanes<T> / 2;
template <class T>
constexpr i64 kPanel = kTapHalves * kHalf<T>;

// Equal tiles of at most kTapRows.
struct TapTiles {
  i64 rows, count;
  explicit TapTiles(i64 n) : rows(n), count(ceil_div(n, kTapRows)) {}
  i64 begin(i64 tile) const { return tile * rows / count; }
};

// rows x halves of sums.
template <class T, int rows, int halves>
struct TapSums {
  static constexpr int kWhole = halves / 2;
  static constexpr bool kHasHalf = halves % 2;
  static constexpr int L = kLanes<T>;
  Vec<T> whole[rows][kWhole ? kWhole : 1] = {};
  HalfVec<T> half[rows] = {};

  // sums[i, j] += factor(i) * b[j]
  template <class Factor>
  [[gnu::always_inline]] inline void add(const Factor& factor, const T* b) {
    Vec<T> b_whole[kWhole ? kWhole : 1];
    HalfVec<T> b_half;
#pragma GCC unroll 2
    for (int j = 0; j < kWhole; j++) b_whole[j] = load<Vec<T>>(b + j * L);
    if constexpr (kHasHalf) b_half = load<HalfVec<T>>(b + kWhole * L);
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) {
      const T f = factor(i);
#pragma GCC unroll 2
      for (int j = 0; j < kWhole; j++) whole[i][j] += f * b_whole[j];
      if constexpr (kHasHalf) half[i] += f * b_half;
    }
  }
  [[gnu::always_inline]] inline void give(T* c, i64 c_row, bool accumulate) {
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++) {
      T* to = c + i * c_row;
#pragma GCC unroll 2
      for (int j = 0; j < kWhole; j++)
        store(to + j * L, accumulate ? load<Vec<T>>(to + j * L) + whole[i][j] : whole[i][j]);
      if constexpr (kHasHalf)
        store(to + kWhole * L, accumulate ? load<HalfVec<T>>(to + kWhole * L) + half[i] : half[i]);
    }
  }
};

// c[i, j] (+)= sum over the pieces, over k of a[source + k + i * a_row] * panel[k, j]
template <class T>
using TapKernel = void (*)(const Piece* pieces, i64 count, const T* a, i64 a_row, const T* panel, T* c, i64 c_row,
                           bool accumulate);

template <class T, int rows, int halves>
void tap_micro(const Piece* pieces, i64 count, const T* a, i64 a_row, const T* panel, T* c, i64 c_row,
               bool accumulate) {
  constexpr i64 kWidth = halves * kHalf<T>, kLine = 64 / sizeof(T);
  TapSums<T, rows, halves> sums;
  for (i64 p = 0; p < count; p++) {
    const T* from = a + pieces[p].source;
    const T* b = panel + pieces[p].k * kWidth;
    const T* const end = from + pieces[p].length;
    const T* next = from + rows * a_row;  // the tile below, line by line while this one is multiplied
    auto step = [&] [[gnu::always_inline]] {
      __builtin_prefetch(next);
      sums.add([&](int i) { return from[i * a_row]; }, b);
      from++, b += kWidth, next += rows;
    };
    if (p == 0)  // so is C, a line at a time: all at once would hold up the reading of A
      for (const T* line = c; line < c + kWidth; line += kLine)
        for (i64 i = 0; i < rows && from != end; i++) {
          __builtin_prefetch(line + i * c_row, 1);
          step();
        }
    while (from != end) step();
  }
  sums.give(c, c_row, accumulate);
}

// The kernel of a family for a tile of rows x halves.
template <class Kernel, template <int, int> class Family, int... index>
inline Kernel of_family(i64 rows, i64 halves, std::integer_sequence<int, index...>) {
  static constexpr Kernel kKernels[] = {Family<index / kTapHalves + 1, index % kTapHalves + 1>::kernel...};
  return kKernels[(rows - 1) * kTapHalves + halves - 1];
}
constexpr auto kAllTiles = std::make_integer_sequence<int, kTapRows * kTapHalves>();

template <class T>
struct TapKernels {
  template <int rows, int halves>
  struct Of {
    static constexpr TapKernel<T> kernel = tap_micro<T, rows, halves>;
  };
};
template <class T>
inline TapKernel<T> tap_kernel(i64 rows, i64 halves) {
  return of_family<TapKernel<T>, TapKernels<T>::template Of>(rows, halves, kAllTiles);
}

// A row of outputs that a gradient of weights sums over: what x its first window meets, and how many windows there are.
template <class T>
struct PixelRow {
  const T *x, *dy;
  i64 pixels;
};

// Stretches of memory that will be wanted: a line of them goes to L2 beside each pixel's work, if that is enough to
// hide it.
struct Ahead {
  struct Stretch {
    const char *at, *end;
  };
  Stretch now, then;
  bool is_empty() const { return now.at >= now.end; }
  void reached(const char* at) {
    now.at = at;
    if (at < now.end) return;
    now = then;
    then.at = then.end;
  }
};

// c[i, j] (+)= sum over rows, over their pixels u, of x[offset + u * x_step + i] * dy[u * dy_step + j]
template <class T>
using WeightKernel = void (*)(const PixelRow<T>* rows, i64 count, i64 offset, i64 x_step, i64 dy_step, T* c, i64 c_row,
                              bool accumulate, Ahead& ahead);

template <class T, int rows, int halves>
void weight_micro(const PixelRow<T>* pixel_rows, i64 count, i64 offset, i64 x_step, i64 dy_step, T* c, i64 c_row,
                  bool accumulate, Ahead& ahead) {
  constexpr i64 kWidth = halves * kHalf<T>, kLine = 64 / sizeof(T);
  constexpr bool kFetches = rows * halves >= 16;
  const char* line = ahead.now.at;
  const i64 line_step = ahead.is_empty() ? 0 : 64;
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++)  // on their way while pixels pass
    for (i64 j = 0; j < kWidth; j += kLine) __builtin_prefetch(c + i * c_row + j, 1);
  TapSums<T, rows, halves> sums;
  for (i64 p = 0; p < count; p++) {
    const T* x = pixel_rows[p].x + offset;
    const T* dy = pixel_rows[p].dy;
    for (i64 u = pixel_rows[p].pixels; u > 0; u--, x += x_step, dy += dy_step) {
      if constexpr (kFetches) __builtin_prefetch(line, 0, 2), line += line_step;
      sums.add([&](int i) { return x[i]; }, dy);
    }
  }
  if (kFetches) ahead.reached(line);
  sums.give(c, c_row, accumulate);
}

template <class T>
struct WeightKernels {
  template <int rows, int halves>
  struct Of {
    static constexpr WeightKernel<T> kernel = weight_micro<T, rows, halves>;
  };
};
template <class T>
inline WeightKernel<T> weight_kernel(i64 rows, i64 halves) {
  return of_family<WeightKernel<T>, WeightKernels<T>::template Of>(rows, halves, kAllTiles);
}

}  // namespace
}  // namespace jt::library
