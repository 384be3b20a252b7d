// reductions: blocks of inner values -> one value per outer element, in the order that Reduction (program.h) defines.
//
// Lanes that no element reached are never touched: that is the same as holding the identity. So a row of ten elements
// costs ten lanes. Each kReduceBlock elements the lanes are folded and the result enters a binary counter of partial
// results, one per power of two of blocks.
#pragma once
#include <string.h>

#include "backends/cpu_tcc/vm/block_table.h"
#include "core/base/prelude.h"

namespace jt::vm {
namespace {

struct Sum {
  static constexpr Reduction kind = Reduction::sum;
  template <class T>
  static T of(T earlier, T later) { return earlier + later; }
};
struct Prod {
  static constexpr Reduction kind = Reduction::prod;
  template <class T>
  static T of(T earlier, T later) { return earlier * later; }
};
struct Max {
  static constexpr Reduction kind = Reduction::max;
  [[gnu::always_inline]] static float of(float x, float y) { return prelude::f32::fmaximum(x, y); }
  [[gnu::always_inline]] static double of(double x, double y) { return prelude::f64::fmaximum(x, y); }
  template <class T>
  static T of(T x, T y) { return x > y ? x : y; }
};
struct Min {
  static constexpr Reduction kind = Reduction::min;
  [[gnu::always_inline]] static float of(float x, float y) { return prelude::f32::fminimum(x, y); }
  [[gnu::always_inline]] static double of(double x, double y) { return prelude::f64::fminimum(x, y); }
  template <class T>
  static T of(T x, T y) { return x < y ? x : y; }
};

// The state of a reduction: its lanes (64 rows of `width` elements), then the binary counter (rows again).
struct State {
  int64_t count, width;
  int64_t unused[6];
  template <class T>
  T* lanes() { return reinterpret_cast<T*>(this + 1); }
  template <class T>
  T* partial(int level) { return lanes<T>() + (kLanes + level) * width; }
};
static_assert(sizeof(State) == 64);

// All lanes: each level of its own length, so that the compiler keeps it in registers.
template <class T, class Op, int half>
T fold_all(const T* lanes) {
  T folded[half];
  _Pragma("GCC ivdep") for (int l = 0; l < half; l++) folded[l] = Op::of(lanes[l], lanes[l + half]);
  if constexpr (half == 1) return folded[0];
  else return fold_all<T, Op, half / 2>(folded);
}

// lane l with lane l + 32, then 16, ...; of the first `used` lanes.
template <class T, class Op>
T fold(T* lanes, int64_t used) {
  if (used == kLanes) return fold_all<T, Op, kLanes / 2>(lanes);
  for (int64_t half = kLanes / 2; half; half /= 2) {
    if (used <= half) continue;
    for (int64_t l = 0; l < used - half; l++) lanes[l] = Op::of(lanes[l], lanes[l + half]);
    used = half;
  }
  return lanes[0];
}

// Adds n elements to lanes of which the first `used` hold something; the first element belongs to lane 0.
template <class T, class Op>
void add_to_lanes(T* state_lanes, int64_t used, const T* a, int64_t n) {
  if (used == 0 && n < kLanes) {
    for (int64_t l = 0; l < n; l++) state_lanes[l] = a[l];
    return;
  }
  T lanes[kLanes];
  memcpy(lanes, used ? state_lanes : a, sizeof lanes);
  if (!used) a += kLanes, n -= kLanes;
  for (; n >= kLanes; n -= kLanes, a += kLanes) {
    _Pragma("GCC ivdep") for (int l = 0; l < kLanes; l++) lanes[l] = Op::of(lanes[l], a[l]);
  }
  memcpy(state_lanes, lanes, sizeof lanes);
  for (int64_t l = 0; l < n; l++) state_lanes[l] = Op::of(state_lanes[l], a[l]);
}

template <class T, class Op>
void row_add(void* state, const void* a, int64_t n) {
  State* s = static_cast<State*>(state);
  T* lanes = s->lanes<T>();
  const T* x = static_cast<const T*>(a);
  while (n > 0) {
    int64_t in_block = s->count % kReduceBlock, take = kReduceBlock - in_block;
    if (take > n) take = n;
    add_to_lanes<T, Op>(lanes, in_block < kLanes ? in_block : kLanes, x, take);
    s->count += take;
    x += take;
    n -= take;
    if (s->count % kReduceBlock) return;
    T value = fold<T, Op>(lanes, kLanes);
    int64_t block = s->count / kReduceBlock - 1;
    int level = 0;
    for (; block >> level & 1; level++) value = Op::of(*s->partial<T>(level), value);
    *s->partial<T>(level) = value;
  }
}

template <class T, class Op>
void row_end(void* state, void* dst) {
  State* s = static_cast<State*>(state);
  int64_t rest = s->count % kReduceBlock, blocks = s->count / kReduceBlock;
  bool started = rest != 0;
  T value = started ? fold<T, Op>(s->lanes<T>(), rest < kLanes ? rest : kLanes) : value_of<T>(of_nothing(Op::kind));
  for (int level = 0; blocks >> level; level++) {
    if (!(blocks >> level & 1)) continue;
    value = started ? Op::of(*s->partial<T>(level), value) : *s->partial<T>(level);
    started = true;
  }
  *static_cast<T*>(dst) = value;
}

template <class T, class Op>
void combine_rows(T* earlier, const T* later, int64_t n) {
  _Pragma("GCC ivdep") for (int64_t i = 0; i < n; i++) earlier[i] = Op::of(earlier[i], later[i]);
}

template <class T, class Op>
void fold_columns(State* s, int64_t used) {
  T* lanes = s->lanes<T>();
  for (int64_t half = kLanes / 2; half; half /= 2) {
    for (int64_t l = 0; l + half < used; l++)
      combine_rows<T, Op>(lanes + l * s->width, lanes + (l + half) * s->width, s->width);
    if (used > half) used = half;
  }
}

// Adds n elements for `indices` inner indices, whose lanes follow one another.
template <class T, class Op>
void add_to_columns(State* s, const void* a, int64_t n, int64_t indices) {
  int64_t in_block = s->count % kReduceBlock;
  T* lane = s->lanes<T>() + in_block % kLanes * s->width;
  if (in_block < kLanes)
    memcpy(lane, a, n * sizeof(T));
  else
    combine_rows<T, Op>(lane, static_cast<const T*>(a), n);
  s->count += indices;
  if (s->count % kReduceBlock) return;
  fold_columns<T, Op>(s, kLanes);
  T* value = s->lanes<T>();
  int64_t block = s->count / kReduceBlock - 1;
  int level = 0;
  for (; block >> level & 1; level++) {
    T* partial = s->partial<T>(level);
    combine_rows<T, Op>(partial, value, s->width);
    value = partial;
  }
  memcpy(s->partial<T>(level), value, s->width * sizeof(T));
}

template <class T, class Op>
void column_add(void* state, const void* a, int64_t n) {
  add_to_columns<T, Op>(static_cast<State*>(state), a, n, 1);
}
template <class T, class Op>
void bands_add(void* state, const void* a, int64_t n, int64_t indices) {
  add_to_columns<T, Op>(static_cast<State*>(state), a, n * indices, indices);
}

template <class T, class Op>
void column_end(void* state, void* dst, int64_t n) {
  State* s = static_cast<State*>(state);
  T* z = static_cast<T*>(dst);
  int64_t rest = s->count % kReduceBlock, blocks = s->count / kReduceBlock;
  T* value = nullptr;
  if (rest) {
    fold_columns<T, Op>(s, rest < kLanes ? rest : kLanes);
    value = s->lanes<T>();
  }
  for (int level = 0; blocks >> level; level++) {
    if (!(blocks >> level & 1)) continue;
    T* partial = s->partial<T>(level);
    if (value) combine_rows<T, Op>(partial, value, s->width);
    value = partial;
  }
  if (value)
    memcpy(z, value, n * sizeof(T));
  else
    for (int64_t i = 0; i < n; i++) z[i] = value_of<T>(of_nothing(Op::kind));
}

// Rows of up to kLanes elements, as many as fit a block, are turned on their side and folded all at once.
template <class T, class Op>
void fold_short_rows(T* dst, const T* x, int64_t rows, int64_t length) {
  T lanes[kBlock];
  for (int64_t l = 0; l < length; l++)
    for (int64_t r = 0; r < rows; r++) lanes[l * rows + r] = x[r * length + l];
  int64_t used = length;
  for (int64_t half = kLanes / 2; half; half /= 2) {
    if (used <= half) continue;
    combine_rows<T, Op>(lanes, lanes + half * rows, (used - half) * rows);
    used = half;
  }
  memcpy(dst, lanes, rows * sizeof(T));
}

template <class T, class Op>
void short_rows(void* dst, const void* a, int64_t rows, int64_t length) {
  T* z = static_cast<T*>(dst);
  const T* x = static_cast<const T*>(a);
  if (length <= kLanes) {
    for (int64_t at = 0, step = kBlock / length; at < rows; at += step)
      fold_short_rows<T, Op>(z + at, x + at * length, rows - at < step ? rows - at : step, length);
    return;
  }
  for (int64_t r = 0; r < rows; r++, x += length) {
    T lanes[kLanes];
    for (int l = 0; l < kLanes; l++) lanes[l] = x[l];
    int64_t at = kLanes;
    for (; at + kLanes <= length; at += kLanes) combine_rows<T, Op>(lanes, x + at, kLanes);
    combine_rows<T, Op>(lanes, x + at, length - at);
    z[r] = fold<T, Op>(lanes, kLanes);
  }
}

// --- the index of the first greatest or least element; the first NaN wins ---

struct ArgMax {
  template <class T>
  static bool better(T x, T best) { return (x > best) | ((x != x) & (best == best)); }
};
struct ArgMin {
  template <class T>
  static bool better(T x, T best) { return (x < best) | ((x != x) & (best == best)); }
};

// For column c: lanes row 0 holds the best value; the indices follow it as i64 in rows of their own.
template <class T>
int64_t* best_index(State* s) {
  return reinterpret_cast<int64_t*>(s->lanes<T>() + 8 * s->width);
}

template <class T, class Op>
void row_arg_add(void* state, const void* a, int64_t n) {
  State* s = static_cast<State*>(state);
  const T* x = static_cast<const T*>(a);
  if (n <= 0) return;
  T best = s->count ? *s->lanes<T>() : x[0];
  int64_t index = s->count ? *best_index<T>(s) : 0;
  for (int64_t i = 0; i < n; i++)
    if (Op::better(x[i], best)) {
      best = x[i];
      index = s->count + i;
    }
  *s->lanes<T>() = best;
  *best_index<T>(s) = index;
  s->count += n;
}

template <class T, class Op>
void row_arg_end(void* state, void* dst) {
  State* s = static_cast<State*>(state);
  *static_cast<int64_t*>(dst) = s->count ? *best_index<T>(s) : 0;
}

template <class T, class Op>
void column_arg_add(void* state, const void* a, int64_t n) {
  State* s = static_cast<State*>(state);
  const T* x = static_cast<const T*>(a);
  T* best = s->lanes<T>();
  int64_t *index = best_index<T>(s), at = s->count++;
  if (at == 0) {
    memcpy(best, x, n * sizeof(T));
    memset(index, 0, n * sizeof(int64_t));
    return;
  }
  _Pragma("GCC ivdep") for (int64_t i = 0; i < n; i++) {
    bool better = Op::better(x[i], best[i]);
    best[i] = better ? x[i] : best[i];
    index[i] = better ? at : index[i];
  }
}

template <class T, class Op>
void bands_arg_add(void* state, const void* a, int64_t n, int64_t indices) {
  for (int64_t i = 0; i < indices; i++) column_arg_add<T, Op>(state, static_cast<const T*>(a) + i * n, n);
}

template <class T, class Op>
void column_arg_end(void* state, void* dst, int64_t n) {
  State* s = static_cast<State*>(state);
  if (s->count)
    memcpy(dst, best_index<T>(s), n * sizeof(int64_t));
  else
    memset(dst, 0, n * sizeof(int64_t));
}

template <class T, class Op>
void arg_rows(void* dst, const void* a, int64_t rows, int64_t length) {
  int64_t* z = static_cast<int64_t*>(dst);
  const T* x = static_cast<const T*>(a);
  for (int64_t r = 0; r < rows; r++, x += length) {
    int64_t index = 0;
    for (int64_t i = 1; i < length; i++)
      if (Op::better(x[i], x[index])) index = i;
    z[r] = index;
  }
}

#define JT_REDUCE(T, Op) \
  {row_add<T, Op>, row_end<T, Op>, column_add<T, Op>, column_end<T, Op>, short_rows<T, Op>, bands_add<T, Op>}
#define JT_ARG(T, Op)                                                \
  {row_arg_add<T, Op>,    row_arg_end<T, Op>, column_arg_add<T, Op>, \
   column_arg_end<T, Op>, arg_rows<T, Op>,    bands_arg_add<T, Op>}
#define JT_REDUCE_NUMBERS(Op)                                                                    \
  {                                                                                              \
    JT_REDUCE(float, Op), JT_REDUCE(double, Op), JT_REDUCE(int32_t, Op), JT_REDUCE(int64_t, Op), \
        JT_REDUCE(uint64_t, Op), {}                                                              \
  }
#define JT_REDUCE_ALL(Op)                                                   \
  {JT_REDUCE(float, Op),   JT_REDUCE(double, Op),   JT_REDUCE(int32_t, Op), \
   JT_REDUCE(int64_t, Op), JT_REDUCE(uint64_t, Op), JT_REDUCE(uint8_t, Op)}
#define JT_REDUCE_BOOL(Op) {{}, {}, {}, {}, {}, JT_REDUCE(uint8_t, Op)}
#define JT_REDUCE_WHERE(Op)                                        \
  {JT_ARG(float, Op),   JT_ARG(double, Op),   JT_ARG(int32_t, Op), \
   JT_ARG(int64_t, Op), JT_ARG(uint64_t, Op), JT_ARG(uint8_t, Op)}

}  // namespace
}  // namespace jt::vm
