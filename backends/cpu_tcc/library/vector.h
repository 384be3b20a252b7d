// vector: one SIMD register of T, on GCC's vector extensions. Compiled once per ISA (see isa.cpp).
//
// No header with inline functions may come in here: the linker could keep the AVX-512 copy of one for every caller.
#pragma once
#include <cstddef>
#include <cstdint>
#include <type_traits>
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
template <class V, int lanes, int half, int... lane>
inline void exchange_blocks(V* row, std::integer_sequence<int, lane...> all) {
#pragma GCC unroll 16
  for (int r = 0; r < lanes; r++) {
    if (r & half) continue;
    V upper = row[r], lower = row[r + half];
    row[r] = __builtin_shufflevector(upper, lower, ((lane & half) ? lanes + lane - half : lane)...);
    row[r + half] = __builtin_shufflevector(upper, lower, ((lane & half) ? lanes + lane : lane + half)...);
  }
  if constexpr (half > 1) exchange_blocks<V, lanes, half / 2>(row, all);
}

// to[c * to_row + r] = from[r * from_row + c] for a square of V's lanes. Long rows are asked for ahead of their use:
// they are more than the hardware's prefetching follows.
template <class V, class T>
inline void transpose_square(const T* from, i64 from_row, T* to, i64 to_row, bool is_long) {
  constexpr int L = sizeof(V) / sizeof(T);
  V row[L];
#pragma GCC unroll 16
  for (int r = 0; r < L; r++) row[r] = load<V>(from + r * from_row);
  if (is_long)
#pragma GCC unroll 16
    for (int r = 0; r < L; r++) __builtin_prefetch(from + r * from_row + 4 * L);
  exchange_blocks<V, L, L / 2>(row, std::make_integer_sequence<int, L>());
#pragma GCC unroll 16
  for (int r = 0; r < L; r++) store(to + r * to_row, row[r]);
}

// Both extents hold a square at least; the last ones overlap those before.
template <class V, class T>
void transpose_squares(const T* from, i64 from_row, i64 rows, i64 columns, T* to, i64 to_row) {
  constexpr i64 L = sizeof(V) / sizeof(T);
  for (i64 c = 0; c < columns; c += L) {
    c = min(c, columns - L);
    for (i64 r = 0; r < rows; r += L) {
      r = min(r, rows - L);
      transpose_square<V>(from + r * from_row + c, from_row, to + c * to_row + r, to_row, c + 5 * L <= columns);
    }
  }
}

// to[c * to_row + r] = from[r * from_row + c], r < rows, c < columns.
template <class T>
void transpose(const T* from, i64 from_row, i64 rows, i64 columns, T* to, i64 to_row) {
  constexpr int L = kLanes<T>;
  if (rows >= L && columns >= L) return transpose_squares<Vec<T>>(from, from_row, rows, columns, to, to_row);
  if constexpr (L >= 8)
    if (rows >= L / 2 && columns >= L / 2)
      return transpose_squares<HalfVec<T>>(from, from_row, rows, columns, to, to_row);
  if (rows == 1 && to_row == 1) {
    for (i64 c = 0; c < columns; c++) to[c] = from[c];
    return;
  }
  for (i64 c = 0; c < columns; c++)
    for (i64 r = 0; r < rows; r++) to[c * to_row + r] = from[r * from_row + c];
}

template <class T>
inline void fill(T* to, i64 count, T value) {
  for (i64 i = 0; i < count; i++) to[i] = value;
}

// Mostly a few elements of padding.
template <class T>
inline void clear(T* to, i64 count) {
  i64 i = 0;
  for (; i + kLanes<T> <= count; i += kLanes<T>) store(to + i, Vec<T>{});
  for (; i < count; i++) to[i] = 0;
}

// The last registers overlap those before, so that few elements are copied one by one.
template <class T>
inline void copy(T* to, const T* from, i64 count) {
  constexpr i64 L = kLanes<T>;
  if (count >= L) {
    for (i64 i = 0; i + L <= count; i += L) store(to + i, load<Vec<T>>(from + i));
    store(to + count - L, load<Vec<T>>(from + count - L));
    return;
  }
  i64 i = 0;
  if (L >= 4 && count >= L / 2) {
    store(to, load<HalfVec<T>>(from));
    i = count - L / 2;
    store(to + i, load<HalfVec<T>>(from + i));
    return;
  }
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
