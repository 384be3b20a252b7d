// vector: one SIMD register of T, on GCC's vector extensions. Compiled once per ISA (see isa.cpp).
//
// No header with inline functions may come in here: the linker could keep the AVX-512 copy of one for every caller.
#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>

namespace jt::library {
namespace {

using i64 = int64_t;

constexpr i64 min(i64 a, i64 b) { return a < b ? a : b; }
constexpr i64 max(i64 a, i64 b) { return a > b ? a : b; }
constexpr i64 ceil_div(i64 a, i64 b) { return (a + b - 1) / b; }
constexpr i64 round_up(i64 a, i64 b) { return ceil_div(a, b) * b; }

template <class T, int bytes>
struct Register {
  static constexpr int kLanes = bytes / int(sizeof(T));
  typedef T type __attribute__((vector_size(bytes)));
};
template <class T>
constexpr int kLanes = Register<T, JT_VECTOR_BYTES>::kLanes;
template <class T>
using Vec = typename Register<T, JT_VECTOR_BYTES>::type;
template <class T>
using HalfVec = typename Register<T, JT_VECTOR_BYTES / 2>::type;

// memcpy, because only the element's alignment is known.
template <class V, class T>
inline V load(const T* from) {
  V v;
  __builtin_memcpy(&v, from, sizeof v);
  return v;
}
template <class V, class T>
inline void store(T* to, V v) {
  __builtin_memcpy(to, &v, sizeof v);
}

// Lanes added as a halving tree.
template <class T, int half, int... lane>
inline T sum_lanes(Vec<T> v, std::integer_sequence<int, lane...> lanes) {
  if constexpr (half == 0) {
    return v[0];
  } else {
    v += __builtin_shufflevector(v, v, ((lane + half) % kLanes<T>)...);
    return sum_lanes<T, half / 2>(v, lanes);
  }
}
template <class T>
inline T sum(Vec<T> v) {
  return sum_lanes<T, kLanes<T> / 2>(v, std::make_integer_sequence<int, kLanes<T>>());
}

// One butterfly step: the off-diagonal blocks of `half` rows and lanes change places; then the same for half of half.
template <class T, int half, int... lane>
inline void exchange_blocks(Vec<T>* row, std::integer_sequence<int, lane...> lanes) {
#pragma GCC unroll 16
  for (int r = 0; r < kLanes<T>; r++) {
    if (r & half) continue;
    Vec<T> upper = row[r], lower = row[r + half];
    row[r] = __builtin_shufflevector(upper, lower, ((lane & half) ? kLanes<T> + lane - half : lane)...);
    row[r + half] = __builtin_shufflevector(upper, lower, ((lane & half) ? kLanes<T> + lane : lane + half)...);
  }
  if constexpr (half > 1) exchange_blocks<T, half / 2>(row, lanes);
}

// to[c * to_row + r] = from[r * from_row + c] for a square of kLanes.
template <class T>
inline void transpose_square(const T* from, i64 from_row, T* to, i64 to_row) {
  Vec<T> row[kLanes<T>];
#pragma GCC unroll 16
  for (int r = 0; r < kLanes<T>; r++) row[r] = load<Vec<T>>(from + r * from_row);
  exchange_blocks<T, kLanes<T> / 2>(row, std::make_integer_sequence<int, kLanes<T>>());
#pragma GCC unroll 16
  for (int r = 0; r < kLanes<T>; r++) store(to + r * to_row, row[r]);
}

// to[c * to_row + r] = from[r * from_row + c], r < rows, c < columns.
template <class T>
void transpose(const T* from, i64 from_row, i64 rows, i64 columns, T* to, i64 to_row) {
  constexpr int L = kLanes<T>;
  i64 whole_rows = rows / L * L, whole_columns = columns / L * L;
  for (i64 c = 0; c < whole_columns; c += L)
    for (i64 r = 0; r < whole_rows; r += L)
      transpose_square(from + r * from_row + c, from_row, to + c * to_row + r, to_row);
  for (i64 c = 0; c < columns; c++)
    for (i64 r = c < whole_columns ? whole_rows : 0; r < rows; r++) to[c * to_row + r] = from[r * from_row + c];
}

template <class T>
inline void fill(T* to, i64 count, T value) {
  for (i64 i = 0; i < count; i++) to[i] = value;
}

template <class T>
inline void copy(T* to, const T* from, i64 count) {
  i64 i = 0;
  for (; i + kLanes<T> <= count; i += kLanes<T>) store(to + i, load<Vec<T>>(from + i));
  for (; i < count; i++) to[i] = from[i];
}

// to += from
template <class T>
inline void add(T* to, const T* from, i64 count) {
  i64 i = 0;
  for (; i + kLanes<T> <= count; i += kLanes<T>) store(to + i, load<Vec<T>>(to + i) + load<Vec<T>>(from + i));
  if (i + kLanes<T> / 2 <= count) {
    store(to + i, load<HalfVec<T>>(to + i) + load<HalfVec<T>>(from + i));
    i += kLanes<T> / 2;
  }
  for (; i < count; i++) to[i] += from[i];
}

}  // namespace
}  // namespace jt::library
