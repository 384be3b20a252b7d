// blocks: loads, stores, conversions, mapped access, gather, scatter and random numbers, for one ISA level.
//
// Compiled once per level, which JT_ISA names. No function with external linkage but those named after the level may
// come of this file, or levels would share code. Reductions are in reductions.cpp.
#include <string.h>
#ifdef __F16C__
#include <immintrin.h>
#else
#include <emmintrin.h>
#endif

#include "backends/cpu_tcc/vm/block_table.h"
#include "backends/cpu_tcc/vm/map_runs.h"
#include "backends/cpu_tcc/vm/reductions.h"
#include "backends/cpu_tcc/vm/stored.h"

#define JT_LOOP _Pragma("GCC ivdep") for (int64_t i = 0; i < n; i++)

namespace jt::vm {
namespace {

template <int D>
void load(void* dst, const void* src, int64_t n) {
  auto* z = static_cast<typename Stored<D>::C*>(dst);
  auto* x = static_cast<const typename Stored<D>::S*>(src);
  JT_LOOP z[i] = Stored<D>::load(x[i]);
}

template <int D>
void store(void* dst, const void* src, int64_t n) {
  auto* z = static_cast<typename Stored<D>::S*>(dst);
  auto* x = static_cast<const typename Stored<D>::C*>(src);
  JT_LOOP z[i] = Stored<D>::store(x[i]);
}

#ifdef __F16C__
// The instructions give the bits that stored.h computes; HalvesConvertAsIeeeSays holds both to it.
template <>
void load<JT_F16>(void* dst, const void* src, int64_t n) {
  auto* z = static_cast<float*>(dst);
  auto* x = static_cast<const uint16_t*>(src);
  int64_t i = 0;
  for (; i + 8 <= n; i += 8)
    _mm256_storeu_ps(z + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x + i))));
  for (; i < n; i++) z[i] = float_of_half(x[i]);
}
template <>
void store<JT_F16>(void* dst, const void* src, int64_t n) {
  auto* z = static_cast<uint16_t*>(dst);
  auto* x = static_cast<const float*>(src);
  int64_t i = 0;
  for (; i + 8 <= n; i += 8)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(z + i),
                     _mm256_cvtps_ph(_mm256_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT));
  for (; i < n; i++) z[i] = half_of_float(x[i]);
}
#endif

template <int D>
void narrow(void* dst, const void* src, int64_t n) {
  auto* z = static_cast<typename Stored<D>::C*>(dst);
  auto* x = static_cast<const typename Stored<D>::C*>(src);
  JT_LOOP z[i] = Stored<D>::load(Stored<D>::store(x[i]));
}

// --- conversions between compute types ---

struct Bool {};  // b8 as a target: != 0

// The least float not below the greatest value of the integer type To, plus one; and the least value.
template <class To, class From>
[[gnu::always_inline]] inline To saturate(From x) {
  constexpr bool is_signed = To(-1) < To(0);
  constexpr From above = is_signed ? From(uint64_t(1) << (8 * sizeof(To) - 1)) : From(18446744073709551616.0);
  constexpr From below = is_signed ? -above : From(0);
  constexpr To most = is_signed ? To((uint64_t(1) << (8 * sizeof(To) - 1)) - 1) : To(-1);
  constexpr To least = is_signed ? To(-most - 1) : To(0);
  bool fits = (x >= below) & (x < above);
  To z = To(fits ? x : From(0));
  z = x >= above ? most : z;
  return x < below ? least : z;
}

template <class To, class From>
void convert(void* dst, const void* src, int64_t n) {
  auto* x = static_cast<const From*>(src);
  if constexpr (__is_same(To, Bool)) {
    auto* z = static_cast<uint8_t*>(dst);
    JT_LOOP z[i] = x[i] != 0;
  } else {
    constexpr bool saturates = From(0.5) != From(0) && To(0.5) == To(0);
    auto* z = static_cast<To*>(dst);
    if constexpr (saturates) {
      JT_LOOP z[i] = saturate<To>(x[i]);
    } else {
      JT_LOOP z[i] = To(x[i]);
    }
  }
}

template <class T>
void splat(void* dst, const void* src, int64_t n) {
  auto* z = static_cast<T*>(dst);
  const T x = *static_cast<const T*>(src);
  JT_LOOP z[i] = x;
}

// Elements are aligned to their size and blocks begin at multiples of kBlock, but buffers may begin anywhere.
void stream(void* dst, const void* src, int64_t n) {
  char* to = static_cast<char*>(dst);
  const char* from = static_cast<const char*>(src);
  int64_t head = int64_t(-reinterpret_cast<uintptr_t>(to) & 63);
  if (head > n) head = n;
  memcpy(to, from, size_t(head));
  to += head, from += head, n -= head;
  for (; n >= 64; n -= 64, to += 64, from += 64) {
#ifdef __AVX512F__
    _mm512_stream_si512(reinterpret_cast<__m512i*>(to), _mm512_loadu_si512(from));
#elif defined(__AVX2__)
    for (int k = 0; k < 64; k += 32)
      _mm256_stream_si256(reinterpret_cast<__m256i*>(to + k),
                          _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + k)));
#else
    for (int k = 0; k < 64; k += 16)
      _mm_stream_si128(reinterpret_cast<__m128i*>(to + k), _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + k)));
#endif
  }
  memcpy(to, from, size_t(n));
}

template <class T>
void tile(void* dst, const void* src, int64_t count, int64_t times) {
  auto* z = static_cast<T*>(dst);
  auto* x = static_cast<const T*>(src);
  for (; times > 0; times--)
    for (int64_t i = 0; i < count; i++) *z++ = x[i];
}

template <class T>
void repeat(void* dst, const void* src, int64_t count, int64_t times) {
  auto* z = static_cast<T*>(dst);
  auto* x = static_cast<const T*>(src);
  // A short run is written as a whole vector; the next runs overwrite what is too much of it.
  constexpr int64_t kVector = 16;
  if (times > 0 && times <= kVector) {
    int64_t safe = count - (kVector + times - 1) / times;
    for (; count > 0 && safe > 0; safe--, count--, x++, z += times) {
      const T value = *x;
      for (int i = 0; i < kVector; i++) z[i] = value;
    }
  }
  for (int64_t k = 0; k < count; k++)
    for (int64_t i = 0; i < times; i++) *z++ = x[k];
}

// --- mapped access ---

// A matrix of 4 by 4 elements of 4 bytes, rows `from_step` apart, transposed into rows `to_step` apart.
void transpose_four(void* to, int64_t to_step, const void* from, int64_t from_step) {
  using Row = int32_t __attribute__((vector_size(16)));
  auto* x = static_cast<const int32_t*>(from);
  auto* z = static_cast<int32_t*>(to);
  Row a, b, c, d;
  memcpy(&a, x, 16), memcpy(&b, x + from_step, 16), memcpy(&c, x + 2 * from_step, 16),
      memcpy(&d, x + 3 * from_step, 16);
  const Row ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5), ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
  const Row cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5), cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
  const Row rows[4] = {
      __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5), __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7),
      __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5), __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7)};
  for (int k = 0; k < 4; k++) memcpy(z + k * to_step, &rows[k], 16);
}

// z[r, c] = x[c * stride + r]: four by four where the buffer holds what registers hold, else along the contiguous axis.
template <int D>
void load_transposed(typename Stored<D>::C* z, const typename Stored<D>::S* x, const Tile& t) {
  int64_t c = 0;
  if constexpr (Stored<D>::is_compute && sizeof(typename Stored<D>::S) == 4)
    for (; c + 4 <= t.count; c += 4)
      for (int64_t r = 0; r < t.rows; r += 4) {
        if (r + 4 > t.rows) r = t.rows - 4;  // the last rows overlap those before
        transpose_four(z + r * t.count + c, t.count, x + c * t.stride + r, t.stride);
      }
  for (; c < t.count; c++)
    for (int64_t r = 0; r < t.rows; r++) z[r * t.count + c] = Stored<D>::load(x[c * t.stride + r]);
}

// Where elements that lie one behind another begin, or null where that is not plain to see.
template <class S>
const S* in_a_row(const S* base, const IndexMap& map, int64_t outer, int64_t inner, int64_t n, int along) {
  if (map.masked || along == kAlongInner || map.outer_rank != 1 || map.stride[0] != 1) return nullptr;
  if (map.inner_rank == 0) return base + map.offset + outer;
  if (map.inner_rank != 1 || along != kAlongOuter) return nullptr;
  const S* x = base + map.offset + outer + inner * map.stride[1];
  // Rows that lie far apart are no stream to the machine.
  constexpr int64_t kAhead = 8;
  for (int64_t i = 0, step = int64_t(64 / sizeof(S)); i < n; i += step)
    __builtin_prefetch(x + kAhead * map.stride[1] + i);
  return x;
}

template <int D>
const void* map_load(void* dst, const void* base, const IndexMap* map, int64_t outer, int64_t inner, int64_t n,
                     int along, const void* fill) {
  using S = typename Stored<D>::S;
  using C = typename Stored<D>::C;
  auto* from = static_cast<const S*>(base);
  if (const S* x = in_a_row(from, *map, outer, inner, n, along)) {
    if (Stored<D>::is_compute) return x;
    load<D>(static_cast<C*>(dst), x, n);
    return dst;
  }
  MapRuns runs(*map, outer, inner, n, along);
  Run run;
  Tile tile;
  for (;;) {
    if (runs.next_tile(tile)) {
      load_transposed<D>(static_cast<C*>(dst) + tile.position, from + tile.offset, tile);
      continue;
    }
    if (!runs.next(run)) break;
    const S* x = from + run.offset;
    C* z = static_cast<C*>(dst) + run.position;
    const int64_t n_run = run.count, stride = run.stride;
    if (!run.exists) {
      const C value = fill ? *static_cast<const C*>(fill) : C(0);
      for (int64_t i = 0; i < n_run; i++) z[i] = value;
    } else if (stride == 1) {
      if (Stored<D>::is_compute && n_run == n) return x;
      load<D>(z, x, n_run);
    } else if (stride == 0) {
      const C value = Stored<D>::load(*x);
      for (int64_t i = 0; i < n_run; i++) z[i] = value;
    } else {
      for (int64_t i = 0; i < n_run; i++) z[i] = Stored<D>::load(x[i * stride]);
    }
  }
  return dst;
}

template <int D>
void map_store(void* base, const void* src, const IndexMap* map, int64_t outer, int64_t inner, int64_t n, int along) {
  using S = typename Stored<D>::S;
  using C = typename Stored<D>::C;
  MapRuns runs(*map, outer, inner, n, along);
  Run run;
  while (runs.next(run)) {
    if (!run.exists) continue;
    S* z = static_cast<S*>(base) + run.offset;
    const C* x = static_cast<const C*>(src) + run.position;
    const int64_t n_run = run.count, stride = run.stride;
    if (stride == 1) {
      store<D>(z, x, n_run);
    } else {
      for (int64_t i = 0; i < n_run; i++) z[i * stride] = Stored<D>::store(x[i]);
    }
  }
}

void map_index(int64_t* dst, const IndexMap* map, int64_t outer, int64_t inner, int64_t n, int along) {
  MapRuns runs(*map, outer, inner, n, along);
  Run run;
  while (runs.next(run)) {
    int64_t* z = dst + run.position;
    const int64_t offset = run.exists ? run.offset : -1, stride = run.exists ? run.stride : 0;
    for (int64_t i = 0; i < run.count; i++) z[i] = offset + i * stride;
  }
}

// --- gather, scatter ---

template <int D>
void gather(void* dst, const void* base, const int64_t* at, int64_t count, int64_t n, const void* fill) {
  using C = typename Stored<D>::C;
  auto* x = static_cast<const typename Stored<D>::S*>(base);
  auto* z = static_cast<C*>(dst);
  const C value = fill ? *static_cast<const C*>(fill) : C(0);
  for (int64_t i = 0; i < n; i++) z[i] = uint64_t(at[i]) < uint64_t(count) ? Stored<D>::load(x[at[i]]) : value;
}

struct Set {
  template <class C>
  static C of(C, C x) { return x; }
};
struct Add {
  template <class C>
  static C of(C old, C x) { return old + x; }
  static uint8_t of(uint8_t old, uint8_t x) { return old | x; }
};
struct Mul {
  template <class C>
  static C of(C old, C x) { return old * x; }
};

template <int D, class Op>
void scatter(void* base, const int64_t* at, const void* src, int64_t count, int64_t n) {
  auto* z = static_cast<typename Stored<D>::S*>(base);
  auto* x = static_cast<const typename Stored<D>::C*>(src);
  for (int64_t i = 0; i < n; i++) {
    if (uint64_t(at[i]) >= uint64_t(count)) continue;
    auto* slot = z + at[i];
    *slot = Stored<D>::store(Op::of(Stored<D>::load(*slot), x[i]));
  }
}

// --- Philox4x32-10, word 0 (Salmon et al. 2011) ---

// Sixteen at a time: the rounds are the outer loop, so that each round is a loop over lanes, which vectorises.
constexpr int kRandomLanes = 16;

void random_lanes(int64_t* z, const uint64_t* index, const uint64_t* keys, const uint64_t* counter) {
  uint32_t c0[kRandomLanes], c1[kRandomLanes], c2[kRandomLanes], c3[kRandomLanes], k0[kRandomLanes], k1[kRandomLanes];
  for (int l = 0; l < kRandomLanes; l++) {
    c0[l] = uint32_t(index[l]), c1[l] = uint32_t(index[l] >> 32);
    c2[l] = uint32_t(counter[l]), c3[l] = uint32_t(counter[l] >> 32);
    k0[l] = uint32_t(keys[l]), k1[l] = uint32_t(keys[l] >> 32);
  }
  for (int round = 0; round < 10; round++)
    for (int l = 0; l < kRandomLanes; l++) {
      uint64_t p0 = uint64_t(c0[l]) * 0xd2511f53u, p1 = uint64_t(c2[l]) * 0xcd9e8d57u;
      c0[l] = uint32_t(p1 >> 32) ^ c1[l] ^ k0[l];
      c1[l] = uint32_t(p1);
      c2[l] = uint32_t(p0 >> 32) ^ c3[l] ^ k1[l];
      c3[l] = uint32_t(p0);
      k0[l] += 0x9e3779b9u;
      k1[l] += 0xbb67ae85u;
    }
  for (int l = 0; l < kRandomLanes; l++) z[l] = int64_t(c0[l]);
}

void random_bits(void* dst, const void* a, const void* b, const void* c, int64_t n) {
  auto* z = static_cast<int64_t*>(dst);
  auto* index = static_cast<const uint64_t*>(a);
  auto* keys = static_cast<const uint64_t*>(b);
  auto* counter = static_cast<const uint64_t*>(c);
  int64_t i = 0;
  for (; i + kRandomLanes <= n; i += kRandomLanes) random_lanes(z + i, index + i, keys + i, counter + i);
  if (i == n) return;
  uint64_t rest[3][kRandomLanes] = {};
  int64_t words[kRandomLanes];
  memcpy(rest[0], index + i, (n - i) * sizeof(uint64_t));
  memcpy(rest[1], keys + i, (n - i) * sizeof(uint64_t));
  memcpy(rest[2], counter + i, (n - i) * sizeof(uint64_t));
  random_lanes(words, rest[0], rest[1], rest[2]);
  memcpy(z + i, words, (n - i) * sizeof(int64_t));
}

}  // namespace

#define JT_PASTE(a, b) a##b
#define JT_NAME(a, b) JT_PASTE(a, b)
#define JT_PER_DTYPE(f) \
  {nullptr, f(JT_BOOL), f(JT_I8), f(JT_I16), f(JT_I32), f(JT_I64), f(JT_U8), f(JT_U16), f(JT_U32), f(JT_U64), \
   f(JT_F16), f(JT_BF16), f(JT_F32), f(JT_F64)}
#define JT_PER_CTYPE(f) {f(float), f(double), f(int32_t), f(int64_t), f(uint64_t), f(uint8_t)}
#define JT_LOAD(d) load<d>
#define JT_STORE(d) store<d>
#define JT_NARROW(d) narrow<d>
#define JT_MAP_LOAD(d) map_load<d>
#define JT_MAP_STORE(d) map_store<d>
#define JT_GATHER(d) gather<d>
#define JT_SET(d) scatter<d, Set>
#define JT_ADD(d) scatter<d, Add>
#define JT_MUL(d) scatter<d, Mul>
#define JT_MAX(d) scatter<d, Max>
#define JT_MIN(d) scatter<d, Min>
#define JT_SPLAT(t) splat<t>
#define JT_REPEAT(t) repeat<t>
#define JT_TILE(t) tile<t>
#define JT_TO_F32(t) convert<float, t>
#define JT_TO_F64(t) convert<double, t>
#define JT_TO_I32(t) convert<int32_t, t>
#define JT_TO_I64(t) convert<int64_t, t>
#define JT_TO_U64(t) convert<uint64_t, t>
#define JT_TO_B8(t) convert<Bool, t>

extern const BlockPrimitives JT_NAME(blocks_, JT_ISA);
const BlockPrimitives JT_NAME(blocks_, JT_ISA) = {
    JT_PER_DTYPE(JT_LOAD),
    JT_PER_DTYPE(JT_STORE),
    JT_PER_DTYPE(JT_NARROW),
    {JT_PER_CTYPE(JT_TO_F32), JT_PER_CTYPE(JT_TO_F64), JT_PER_CTYPE(JT_TO_I32), JT_PER_CTYPE(JT_TO_I64),
     JT_PER_CTYPE(JT_TO_U64), JT_PER_CTYPE(JT_TO_B8)},
    JT_PER_CTYPE(JT_SPLAT),
    stream,
    JT_PER_CTYPE(JT_REPEAT),
    JT_PER_CTYPE(JT_TILE),
    JT_PER_DTYPE(JT_MAP_LOAD),
    JT_PER_DTYPE(JT_MAP_STORE),
    map_index,
    JT_PER_DTYPE(JT_GATHER),
    {JT_PER_DTYPE(JT_SET), JT_PER_DTYPE(JT_ADD), JT_PER_DTYPE(JT_MUL), JT_PER_DTYPE(JT_MAX), JT_PER_DTYPE(JT_MIN)},
    random_bits,
    {JT_REDUCE_NUMBERS(Sum), JT_REDUCE_NUMBERS(Prod), JT_REDUCE_ALL(Max), JT_REDUCE_ALL(Min), JT_REDUCE_BOOL(Max),
     JT_REDUCE_BOOL(Min), JT_REDUCE_WHERE(ArgMax), JT_REDUCE_WHERE(ArgMin)},
};

}  // namespace jt::vm
