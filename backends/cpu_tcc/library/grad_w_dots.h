// grad_w_dots: dw where x has few channels, as dot products along the rows of dy: dw[o,k] = sum of dy[o,row] . X[k,row].
//
// With few k there is little to share: packing X would cost more than multiplying. A frame's rows are X's rows already,
// so lanes run along the row, and each (o, k) keeps a register of partial sums, added up at the very end.
#pragma once
#include "backends/cpu_tcc/library/frame.h"

namespace jt::library {
namespace {

constexpr int kDotRows = JT_VECTOR_BYTES == 64 ? 4 : 2, kDotColumns = 5;

inline bool is_sum_of_dots(const Windows& s, i64 outputs, i64 lanes) {
  const bool is_little_shared = s.rows() <= 32 || (s.rows() <= 64 && outputs <= 8);
  return s.rows() > 0 && is_little_shared && s.ow >= lanes / 4 && s.ow <= kMostPixels;
}

// Rows that a tile walks: dy where it lies, or, with rows shorter than a register, in copies as long as one; X in a frame.
template <class T>
struct DotRows {
  const T* dy;
  i64 plane, dy_row;  // between outputs, between rows
  const T* x;
  const i64* taps;   // offset of each k
  i64 x_row, rows, width;
};

template <class T, int... lane>
inline Vec<T> widened(HalfVec<T> half, std::integer_sequence<int, lane...>) {
  return __builtin_shufflevector(half, HalfVec<T>{}, lane...);
}
template <class T>
inline Vec<T> load_half(const T* from) {
  return widened<T>(load<HalfVec<T>>(from), std::make_integer_sequence<int, kLanes<T>>());
}

// Zeroes all lanes but [first, last): also a NaN, which no factor of zero would.
template <class T>
struct SomeLanes {
  typedef decltype(Vec<T>{} == Vec<T>{}) Mask;
  Mask mask;
  SomeLanes(i64 first, i64 last) {
    for (int lane = 0; lane < kLanes<T>; lane++) mask[lane] = lane >= first && lane < last ? -1 : 0;
  }
  Vec<T> operator()(const T* from) const { return (Vec<T>)((Mask)load<Vec<T>>(from) & mask); }
};

template <class T, int rows, int columns, class Load>
inline void dot_step(const T* dy, i64 plane, const T* const* x, i64 at, const Load& load_at, Vec<T> (&sums)[rows][columns]) {
  Vec<T> factors[rows];
#pragma GCC unroll 8
  for (int i = 0; i < rows; i++) factors[i] = load_at(dy + i * plane + at);
#pragma GCC unroll 8
  for (int k = 0; k < columns; k++) {
    const Vec<T> values = load_at(x[k] + at);
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++) sums[i][k] += factors[i] * values;
  }
}

// sums[i * sums_row + k] += lanes of dy row i times X row k.
template <class T, int rows, int columns>
[[gnu::noinline]] void dot_rows_tile(const DotRows<T>& from, Vec<T>* total, i64 total_row) {
  constexpr int L = kLanes<T>;
  const bool is_short = from.width < L;
  const SomeLanes<T> some(is_short ? 0 : L - from.width % L, is_short ? from.width : L);
  Vec<T> sums[rows][columns];
#pragma GCC unroll 8
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
    for (int k = 0; k < columns; k++) sums[i][k] = total[i * total_row + k];
  const T* dy = from.dy;
  const T* x[columns];
  for (int k = 0; k < columns; k++) x[k] = from.x + from.taps[k];
  const i64 width = from.width, plane = from.plane;
  for (i64 r = 0; r < from.rows; r++, dy += from.dy_row) {
    i64 j = 0;
    for (; j + L <= width; j += L) dot_step<T>(dy, plane, x, j, [](const T* at) { return load<Vec<T>>(at); }, sums);
    if (width - j == L / 2 && L > 2)
      dot_step<T>(dy, plane, x, j, load_half<T>, sums);
    else if (j < width)
      dot_step<T>(dy, plane, x, is_short ? 0 : width - L, some, sums);
#pragma GCC unroll 8
    for (int k = 0; k < columns; k++) x[k] += from.x_row;
  }
#pragma GCC unroll 8
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
    for (int k = 0; k < columns; k++) total[i * total_row + k] = sums[i][k];
}

template <class T, int rows>
void dot_rows_columns(DotRows<T> from, i64 columns, Vec<T>* total) {
  i64 k = 0;
  for (; k + kDotColumns <= columns; k += kDotColumns, from.taps += kDotColumns)
    dot_rows_tile<T, rows, kDotColumns>(from, total + k, columns);
  for (; k < columns; k++, from.taps++) dot_rows_tile<T, rows, 1>(from, total + k, columns);
}

template <class T>
struct DotScratch {
  Vec<T>* sums;  // [output][k]
  T *frame, *rows;
  DotScratch(const Windows& s, i64 outputs, Workspace& from)
      : sums(reinterpret_cast<Vec<T>*>(from.take<T>(outputs * s.rows() * kLanes<T>))),
        frame(from.take<T>(PlaneFrame<T>::elements(s, s.channels))),
        rows(s.ow < kLanes<T> ? from.take<T>(outputs * min(s.oh, kMostPixels / s.ow) * kLanes<T>) : nullptr) {}
};

// Rows of dy, each in a register's length.
template <class T>
void lengthen_rows(const T* dy, i64 plane, i64 outputs, i64 rows, i64 width, T* to) {
  for (i64 o = 0; o < outputs; o++, dy += plane)
    for (i64 r = 0; r < rows; r++, to += kLanes<T>) copy(to, dy + r * width, width);
}

// dw[outputs, k] for one group; dy and x begin at the group's first planes.
template <class T>
void grad_w_dots(const Windows& s, i64 images, i64 outputs, const T* x, const T* dy, i64 dy_image, T* dw, const DotScratch<T>& scratch) {
  const i64 columns = s.rows(), plane = s.plane();
  fill(reinterpret_cast<T*>(scratch.sums), outputs * columns * kLanes<T>, T(0));
  for (i64 image = 0; image < images; image++)
    for (i64 row = 0, count; row < s.oh; row += count) {
      count = min(s.oh - row, max(1, kMostPixels / s.ow));
      const i64 j = image * plane + row * s.ow;
      const PlaneFrame<T> frame(s, j, j + count * s.ow, scratch.frame);
      frame.build(x, 0, s.channels);
      i64 taps[64];
      for (Tap tap(s, 0); tap.channel < s.channels; tap.next()) taps[tap.row()] = frame.offset_of(tap);
      const i64 row_length = frame.region.step * frame.slots * frame.width;
      DotRows<T> from{dy + image * dy_image + row * s.ow, plane, s.ow, frame.at, taps, row_length, count, s.ow};
      if (s.ow < kLanes<T>) {
        lengthen_rows(from.dy, plane, outputs, count, s.ow, scratch.rows);
        from.dy = scratch.rows, from.dy_row = kLanes<T>, from.plane = count * kLanes<T>;
      }
      i64 o = 0;
      for (; o + kDotRows <= outputs; o += kDotRows, from.dy += kDotRows * from.plane)
        dot_rows_columns<T, kDotRows>(from, columns, scratch.sums + o * columns);
      for (; o < outputs; o++, from.dy += from.plane) dot_rows_columns<T, 1>(from, columns, scratch.sums + o * columns);
    }
  for (i64 i = 0; i < outputs * columns; i++) dw[i] = sum<T>(scratch.sums[i]);
}

}  // namespace
}  // namespace jt::library
