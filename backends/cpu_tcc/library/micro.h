// micro: the innermost loops: one tile of C held in registers while k runs.
//
// micro_kernel<T>(rows, vectors) gives the function for a tile of that many rows and registers per row. A is read in
// place through two strides, so the same code serves A as stored, A transposed and A packed.
#pragma once
#include "backends/cpu_tcc/library/vector.h"

namespace jt::library {
namespace {

constexpr int kTileRows = JT_TILE_ROWS;
constexpr int kTileVectors = JT_TILE_VECTORS;
template <class T>
constexpr int kTileColumns = kTileVectors * kLanes<T>;
constexpr int kMostTileColumns = kTileColumns<float>;

// Where a tile's operands lie: A[i,k] = a[i*a_row + k*a_step], B[k,j] = b[k*b_step + j].
template <class T>
struct TileOperands {
  const T* a;
  i64 a_row, a_step;
  const T* b;
  i64 b_step;  // unless packed
  T* panel;    // kept only: rows of B side by side, as packed ones lie
};

// B of a tile: a packed panel, which has no gaps; where it lies; or where it lies, and written to a panel as it is
// read, which costs nothing beside the multiplications.
enum class Reading { packed, in_place, kept };

template <class T>
using MicroKernel = void (*)(i64 k, const TileOperands<T>& from, T* c, i64 c_row, bool accumulate);

template <class T, int rows, int vectors, Reading reading>
void micro(i64 k, const TileOperands<T>& from, T* c, i64 c_row, bool accumulate) {
  constexpr int L = kLanes<T>;
  constexpr int kAhead = 8, kFarAhead = 24;  // rows of B: about the latency of the next cache level, and of memory
  // A panel is read in order, and one touch keeps the hardware's prefetching going; more would only take issue slots.
  constexpr int kTouches = reading == Reading::packed ? 1 : vectors;
  const T* a = from.a;
  const T* b = from.b;
  T* panel = from.panel;
  const i64 a_row = from.a_row, a_step = from.a_step;
  const i64 b_step = reading == Reading::packed ? vectors * L : from.b_step;
  if (k >= 256) {  // C is wanted at the end: on its way from a far cache while k runs
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
      for (int j = 0; j < vectors; j++) __builtin_prefetch(c + i * c_row + j * L, 1);
  }
  Vec<T> sums[rows][vectors] = {};
  for (i64 p = 0; p < k; p++) {
    Vec<T> b_row[vectors];
#pragma GCC unroll 8
    for (int j = 0; j < vectors; j++) b_row[j] = load<Vec<T>>(b + j * L);
#pragma GCC unroll 8
    for (int j = 0; j < kTouches; j++) __builtin_prefetch(b + kAhead * b_step + j * L);
    if constexpr (reading != Reading::packed)
#pragma GCC unroll 8
      for (int j = 0; j < kTouches; j++) __builtin_prefetch(b + kFarAhead * b_step + j * L, 0, 2);
    if constexpr (reading == Reading::kept) {
#pragma GCC unroll 8
      for (int j = 0; j < vectors; j++) store(panel + j * L, b_row[j]);
      panel += vectors * L;
    }
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++) {
      const T factor = a[i * a_row];
#pragma GCC unroll 8
      for (int j = 0; j < vectors; j++) sums[i][j] += factor * b_row[j];
    }
    a += a_step;
    b += b_step;
  }
#pragma GCC unroll 8
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
    for (int j = 0; j < vectors; j++) {
      T* to = c + i * c_row + j * L;
      store(to, accumulate ? load<Vec<T>>(to) + sums[i][j] : sums[i][j]);
    }
}

template <class T, Reading reading, int... index>
inline MicroKernel<T> micro_kernel(int rows, int vectors, std::integer_sequence<int, index...>) {
  static constexpr MicroKernel<T> kKernels[] = {
      micro<T, index / kTileVectors + 1, index % kTileVectors + 1, reading>...};
  return kKernels[(rows - 1) * kTileVectors + vectors - 1];
}
template <class T>
inline MicroKernel<T> micro_kernel(i64 rows, i64 vectors, Reading reading) {
  constexpr auto kAll = std::make_integer_sequence<int, kTileRows * kTileVectors>();
  switch (reading) {
    case Reading::packed: return micro_kernel<T, Reading::packed>(int(rows), int(vectors), kAll);
    case Reading::in_place: return micro_kernel<T, Reading::in_place>(int(rows), int(vectors), kAll);
    default: return micro_kernel<T, Reading::kept>(int(rows), int(vectors), kAll);
  }
}

// C[i,j] (+)= sum over k of a[i*a_row + k] * b[j*b_row + k]: both operands lie along k, so lanes hold partial sums.
template <class T, int rows, int columns>
void dot_tile(i64 k, const T* a, i64 a_row, const T* b, i64 b_row, T* c, i64 c_row, bool accumulate) {
  constexpr int L = kLanes<T>;
  Vec<T> sums[rows][columns] = {};
  i64 p = 0;
  for (; p + L <= k; p += L) {
    Vec<T> b_part[columns];
#pragma GCC unroll 8
    for (int j = 0; j < columns; j++) b_part[j] = load<Vec<T>>(b + j * b_row + p);
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++) {
      const Vec<T> a_part = load<Vec<T>>(a + i * a_row + p);
#pragma GCC unroll 8
      for (int j = 0; j < columns; j++) sums[i][j] += a_part * b_part[j];
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 8
    for (int j = 0; j < columns; j++) {
      T total = sum<T>(sums[i][j]);
      for (i64 q = p; q < k; q++) total += a[i * a_row + q] * b[j * b_row + q];
      T* to = c + i * c_row + j;
      *to = accumulate ? *to + total : total;
    }
}

}  // namespace
}  // namespace jt::library
