#include "backends/cpu_tcc/vm/primitives.h"

#include <cpuid.h>
#include <string.h>

#include <algorithm>

#include "core/base/status.h"

namespace jt::vm {

constexpr int64_t kColumnStateBytes = 160 << 10;  // lanes of all reductions: they should stay in the second-level cache

#define JT_PER_ISA(isa)                                                                                     \
  extern const ElementTable elements_f32_##isa, elements_f64_##isa, elements_i32_##isa, elements_i64_##isa, \
      elements_u64_##isa, elements_b8_##isa;                                                                \
  extern const BlockPrimitives blocks_##isa;                                                                \
  static constexpr Primitives k_##isa = {                                                                   \
      Isa::isa,                                                                                             \
      {&elements_f32_##isa, &elements_f64_##isa, &elements_i32_##isa, &elements_i64_##isa,                  \
       &elements_u64_##isa, &elements_b8_##isa},                                                            \
      &blocks_##isa};
JT_PER_ISA(base)
JT_PER_ISA(avx2)
JT_PER_ISA(avx512)
#undef JT_PER_ISA

const char* name(Isa isa) { return isa == Isa::base ? "base" : isa == Isa::avx2 ? "avx2" : "avx512"; }

// clang 14's __builtin_cpu_supports does not know the name.
static bool has_f16c() {
  unsigned a, b, c, d;
  return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}

static bool cpu_runs(Isa isa) {
  bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
  bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  return isa == Isa::base || (avx2 && (isa == Isa::avx2 || avx512));
}

const Primitives* primitives(Isa isa) {
  static constexpr const Primitives* kTables[kIsas] = {&k_base, &k_avx2, &k_avx512};
  return cpu_runs(isa) ? kTables[int(isa)] : nullptr;
}

const Primitives& best_primitives() {
  if (const Primitives* p = primitives(Isa::avx512)) return *p;
  if (const Primitives* p = primitives(Isa::avx2)) return *p;
  return k_base;
}

int64_t reduce_state_bytes(CType t, int64_t width, int64_t inner) {
  int64_t levels = 1;
  for (int64_t blocks = inner / kReduceBlock; blocks; blocks /= 2) levels++;
  int64_t bytes = 64 + (kLanes + levels) * width * size_of(t);
  return (bytes + 63) / 64 * 64;
}

void reduce_begin(void* state, int64_t width) {
  int64_t* s = static_cast<int64_t*>(state);
  s[0] = 0;
  s[1] = width;
}

int64_t column_width(int64_t lane_bytes, int64_t inner) {
  int64_t lanes = inner < kLanes ? inner : kLanes, width = kBlock;
  while (width > 64 && width * lanes * lane_bytes > kColumnStateBytes) width /= 2;
  return width;
}

void direct_map(IndexMap* map, bool has_inner, int64_t outer, int64_t inner) {
  map->outer_rank = 1;
  map->inner_rank = has_inner;
  map->masked = 0;
  map->offset = 0;
  map->extent[0] = outer;
  map->stride[0] = has_inner ? inner : 1;
  map->extent[1] = inner;
  map->stride[1] = 1;
}

void swapped_map(IndexMap* map, const IndexMap* from, int64_t outer, int64_t inner) {
  IndexMap direct;
  if (!from) direct_map(&direct, true, outer, inner), from = &direct;
  int n = from->outer_rank, m = from->inner_rank;
  map->outer_rank = m + n;
  map->inner_rank = 0;
  map->masked = 0;
  map->offset = from->offset;
  for (int k = 0; k < m + n; k++) {
    int of = k < m ? n + k : k - m;
    map->extent[k] = from->extent[of], map->stride[k] = from->stride[of], map->lo[k] = from->lo[of],
    map->hi[k] = from->hi[of];
    map->masked |= (from->masked >> of & 1) << k;
  }
  if (map->masked) return;
  // What lies one behind another is one axis.
  int last = 0;
  for (int k = 1; k < m + n; k++) {
    bool joins = map->stride[last] == map->stride[k] * map->extent[k];
    int to = joins ? last : ++last;
    map->extent[to] = map->extent[k] * (joins ? map->extent[to] : 1), map->stride[to] = map->stride[k];
  }
  map->outer_rank = std::min(last + 1, m + n);
}

int number_of(const Primitives& p, const void* entry) {
  // Distance in entries from the first of a table; wraps to a large number if it lies before it.
  auto place_in = [entry](const void* table) {
    return (reinterpret_cast<uintptr_t>(entry) - reinterpret_cast<uintptr_t>(table)) / sizeof(void*);
  };
  for (int t = 0; t < kCTypes; t++)
    if (size_t place = place_in(p.element[t]); place < kElements * 3) return t * kElements * 3 + int(place);
  size_t place = place_in(p.block);
  JT_CHECK(place < kBlockNumbers);
  return kElementNumbers + int(place);
}

template <class Function>
static const void* address(Function* function) {
  return reinterpret_cast<const void*>(function);
}

std::vector<const void*> by_number(const Primitives& p) {
  std::vector<const void*> all(kPrimitives);
  for (int t = 0; t < kCTypes; t++) memcpy(&all[t * kElements * 3], p.element[t], sizeof *p.element[t]);
  memcpy(&all[kElementNumbers], p.block, sizeof *p.block);
  all[kReduceBegin] = address(&reduce_begin);
  all[kReduceStateBytes] = address(&reduce_state_bytes);
  all[kColumnWidth] = address(&column_width);
  all[kDirectMap] = address(&direct_map);
  all[kCopy] = address(&memcpy);
  all[kSwappedMap] = address(&swapped_map);
  return all;
}

}  // namespace jt::vm
