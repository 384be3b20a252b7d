#include "backends/cpu_tcc/vm/primitives.h"

#include "core/base/text.h"

namespace jt::vm {

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

static bool cpu_runs(Isa isa) {
  bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
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

std::string element_symbol(Element e, CType t, Variant v) {
  const ElementFacts& facts = kElementFacts[int(e)];
  const char* variant = facts.arity == 1 ? "v" : facts.arity == 3 ? "vvv" : v == Variant::vv ? "vv" : v == Variant::vs ? "vs" : "sv";
  return text("jt_", facts.name, "_", name(t), "_", variant);
}
std::string dtype_symbol(const char* what, DType d) { return text("jt_", what, "_", jt::name(d)); }
std::string scatter_symbol(Combine c, DType d) { return text("jt_scatter_", name(c), "_", jt::name(d)); }
std::string convert_symbol(CType to, CType from) { return text("jt_convert_", name(to), "_", name(from)); }
std::string reduce_symbol(Reduction r, CType t, const char* step) {
  return text("jt_", name(r), "_", name(t), "_", step);
}

std::vector<std::pair<std::string, const void*>> symbols(const Primitives& p) {
  std::vector<std::pair<std::string, const void*>> all;
  auto put = [&](std::string symbol, auto function) {
    if (function) all.emplace_back(std::move(symbol), reinterpret_cast<const void*>(function));
  };
  const BlockPrimitives& block = *p.block;
  for (int t = 0; t < kCTypes; t++) {
    for (int e = 0; e < kElements; e++)
      for (int v = 0; v < 3; v++) put(element_symbol(Element(e), CType(t), Variant(v)), (*p.element[t])[e][v]);
    for (int from = 0; from < kCTypes; from++) put(convert_symbol(CType(t), CType(from)), block.convert[t][from]);
    put(text("jt_splat_", name(CType(t))), block.splat[t]);
    put(text("jt_repeat_", name(CType(t))), block.repeat[t]);
    for (int r = 0; r < kReductions; r++) {
      const ReduceFns& reduce = block.reduce[r][t];
      put(reduce_symbol(Reduction(r), CType(t), "add"), reduce.add);
      put(reduce_symbol(Reduction(r), CType(t), "end"), reduce.end);
      put(reduce_symbol(Reduction(r), CType(t), "column_add"), reduce.column_add);
      put(reduce_symbol(Reduction(r), CType(t), "column_end"), reduce.column_end);
      put(reduce_symbol(Reduction(r), CType(t), "rows"), reduce.rows);
    }
  }
  for (int d = 1; d <= kDTypes; d++) {
    put(dtype_symbol("load", DType(d)), block.load[d]);
    put(dtype_symbol("store", DType(d)), block.store[d]);
    put(dtype_symbol("narrow", DType(d)), block.narrow[d]);
    put(dtype_symbol("map_load", DType(d)), block.map_load[d]);
    put(dtype_symbol("map_store", DType(d)), block.map_store[d]);
    put(dtype_symbol("gather", DType(d)), block.gather[d]);
    for (int c = 0; c < kCombines; c++) put(scatter_symbol(Combine(c), DType(d)), block.scatter[c][d]);
  }
  put("jt_map_index", block.map_index);
  put("jt_random", block.random);
  put("jt_reduce_begin", &reduce_begin);
  return all;
}

}  // namespace jt::vm
