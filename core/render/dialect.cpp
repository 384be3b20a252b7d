#include "core/render/dialect.h"

namespace jt {

namespace {

constexpr std::string_view kCppHead =
    "typedef long long i64;\n"
    "typedef unsigned long long u64;\n"
    "#define JT_INF __builtin_inff()\n"
    "#define JT_NAN __builtin_nanf(\"\")\n"
    "#define FN static inline __attribute__((always_inline))\n"
    "#define APART static __attribute__((noinline))\n"
    "#ifdef __clang__\n"
    "#define LOOP _Pragma(\"clang loop vectorize(assume_safety)\")\n"
    "#else\n"
    "#define LOOP _Pragma(\"GCC ivdep\")\n"
    "#endif\n";

// Types of what lies in memory may alias: a plan keeps values of different types in one arena.
constexpr std::string_view kC99Head =
    "typedef long long jt_i64;\n"
    "typedef unsigned long long jt_u64;\n"
    "typedef long long i64;\n"
    "typedef unsigned long long u64;\n"
    "#if defined __GNUC__ && !defined __TINYC__\n"
    "#define FN static inline __attribute__((always_inline, unused))\n"
    "#define APART static __attribute__((noinline, unused))\n"
    "#define JT_MEMORY __attribute__((may_alias))\n"
    "#define JT_INF __builtin_inff()\n"
    "#define JT_NAN __builtin_nanf(\"\")\n"
    "#else\n"
    "#define FN static inline\n"
    "#define APART static\n"
    "#define JT_MEMORY\n"
    "#define JT_INF (1e300 * 1e300)\n"
    "#define JT_NAN (JT_INF * 0)\n"
    "#endif\n"
    "#if defined __clang__\n"
    "#pragma clang diagnostic ignored \"-Wpass-failed\"\n"
    "#define LOOP _Pragma(\"clang loop vectorize(assume_safety)\")\n"
    "#elif defined __GNUC__ && !defined __TINYC__\n"
    "#define LOOP _Pragma(\"GCC ivdep\")\n"
    "#else\n"
    "#define LOOP\n"
    "#endif\n"
    "typedef unsigned char JT_MEMORY jt_u8;\n"
    "typedef signed char JT_MEMORY jt_i8;\n"
    "typedef unsigned short JT_MEMORY jt_u16;\n"
    "typedef short JT_MEMORY jt_i16;\n"
    "typedef unsigned JT_MEMORY jt_u32;\n"
    "typedef int JT_MEMORY jt_i32;\n"
    "typedef unsigned long long JT_MEMORY jt_m64;\n"
    "typedef long long JT_MEMORY jt_s64;\n"
    "typedef float JT_MEMORY jt_f32;\n"
    "typedef double JT_MEMORY jt_f64;\n";

// Lanes, folded by a halving tree; results of full blocks of lanes combined as a binary counter does.
constexpr std::string_view kReduction =
    "FN TYPE NAME_of(TYPE x, TYPE y) { return OF; }\n"
    "FN TYPE NAME_empty(void) { return EMPTY; }\n"
    "FN void NAME_begin(TYPE *t) {\n"
    "  LOOP for (int l = 0; l < 64; l++) t[l] = NONE;\n"
    "}\n"
    "APART TYPE NAME_fold_halves(const TYPE *t) {\n"
    "  TYPE a[32], b[16], c[8], d[4];\n"  // one loop a level, so that each stays in registers
    "  LOOP for (int l = 0; l < 32; l++) a[l] = NAME_of(t[l], t[l + 32]);\n"
    "  LOOP for (int l = 0; l < 16; l++) b[l] = NAME_of(a[l], a[l + 16]);\n"
    "  LOOP for (int l = 0; l < 8; l++) c[l] = NAME_of(b[l], b[l + 8]);\n"
    "  LOOP for (int l = 0; l < 4; l++) d[l] = NAME_of(c[l], c[l + 4]);\n"
    "  TYPE x = NAME_of(d[0], d[2]), y = NAME_of(d[1], d[3]);\n"
    "  return NAME_of(x, y);\n"
    "}\n"
    "FN TYPE NAME_fold(const TYPE *t) {\n"
    "  TYPE copy[64];\n"  // the lanes themselves have no address, so they may be registers
    "  LOOP for (int l = 0; l < 64; l++) copy[l] = t[l];\n"
    "  return NAME_fold_halves(copy);\n"
    "}\n"
    "APART void NAME_add_block(TYPE v, TYPE *p, i64 block) {\n"
    "  int level = 0;\n"
    "  for (; block >> level & 1; level++) v = NAME_of(p[level], v);\n"
    "  p[level] = v;\n"
    "}\n"
    "FN void NAME_end_block(TYPE *t, TYPE *p, i64 block) {\n"
    "  NAME_add_block(NAME_fold(t), p, block);\n"
    "  NAME_begin(t);\n"
    "}\n"
    "FN TYPE NAME_fold_few(TYPE *t, int used) {\n"  // the other lanes hold the identity
    "  for (int half = 32; half; half /= 2) {\n"
    "    for (int l = 0; l + half < used; l++) t[l] = NAME_of(t[l], t[l + half]);\n"
    "    if (used > half) used = half;\n"
    "  }\n"
    "  return t[0];\n"
    "}\n"
    "FN TYPE NAME_end_row(TYPE *t, TYPE *p, i64 blocks) {\n"
    "  TYPE v = NAME_fold(t);\n"
    "  for (int level = 0; blocks >> level; level++)\n"
    "    if (blocks >> level & 1) v = NAME_of(p[level], v);\n"
    "  return v;\n"
    "}\n";

constexpr std::string_view kPlaceReduction =
    "struct NAME { TYPE best; i64 index; };\n"
    "FN void NAME_add(struct NAME *s, TYPE x, i64 at) {\n"
    "  TYPE best = s->best;\n"
    "  if (at == 0 || (OF)) s->best = x, s->index = at;\n"
    "}\n";

constexpr Dialect kC99 = {
    .head = kC99Head,
    .function = "FN",
    .part = "static void ",
    .kernel = "void ",
    .parameters = "(const jt_i64 *A, jt_i64 begin, jt_i64 end)",
    .arguments = "(A, begin, end)",
    .extents = "  const i64 O = A[0], I = A[1];\n  (void)O, (void)I;\n",
    .has_name_spaces = false,
    .libm = Libm::declared,
    .over_outer = "for (i64 o = begin; o < end; o++)",
    .over_elements = "LOOP for (i64 j = 0; j < N; j++)",
    .in_order = "for (i64 j = 0; j < N; j++)",
    .over_lanes = "LOOP for (int l = 0; l < N; l++)",
    .blocks = "double blocks[N / 8];\n  char *const b = (char *)blocks;",
    .pads_lanes = false,
    .reduction = kReduction,
    .place_reduction = kPlaceReduction,
    .calls_host = false,
    .rounds_in_an_instruction = false,
    .most_stack = 16 << 10,
    .row_cache = 0,
    .stored = {nullptr, "jt_u8", "jt_i8", "jt_i16", "jt_i32", "jt_s64", "jt_u8", "jt_u16", "jt_u32", "jt_m64", "jt_u16",
               "jt_u16", "jt_f32", "jt_f64"},
};

constexpr Dialect kCpp = {
    .head = kCppHead,
    .function = "FN",
    .part = "static void ",
    .kernel = "extern \"C\" void ",
    .parameters = "(const i64 *A, i64 begin, i64 end, char *s, char *const *P)",
    .arguments = "(A, begin, end, s, P)",
    .extents = "  i64 O = A[0], I = A[1];\n",
    .has_name_spaces = true,
    .libm = Libm::builtin,
    .over_outer = kC99.over_outer,
    .over_elements = kC99.over_elements,
    .in_order = kC99.in_order,
    .over_lanes = kC99.over_lanes,
    .blocks = "char b[N] __attribute__((aligned(64)));",
    .pads_lanes = true,
    .reduction = kReduction,
    .place_reduction = kPlaceReduction,
    .calls_host = true,
    .rounds_in_an_instruction = false,
    .most_stack = 64 << 10,
    .row_cache = 2048,
    .stored = {nullptr, "unsigned char", "signed char", "short", "int", "i64", "unsigned char", "unsigned short",
               "unsigned", "u64", nullptr, nullptr, "float", "double"},
};
// JT_NAN is the quiet one without a sign.
constexpr std::string_view kCudaHead =
    "typedef long long i64;\n"
    "typedef unsigned long long u64;\n"
    "#define FN static __device__ __forceinline__\n"
    "#define JT_INF __int_as_float(0x7f800000)\n"
    "#define JT_NAN __int_as_float(0x7fc00000)\n";

// A lane, or the lanes of a warp, two each; partial results of full blocks, `step` apart, combined as a binary counter
// does. By a warp: 32 blocks at a time, which are a tree of their own.
constexpr std::string_view kCudaFolds =
    "FN NAME_t NAME_warp(NAME_t x, NAME_t y) {\n"
    "  x = NAME_of(x, y);\n"
    "#pragma unroll\n"
    "  for (int half = 16; half; half /= 2) x = NAME_of(x, NAME_down(x, half));\n"
    "  return NAME_first(x);\n"
    "}\n"
    "struct NAME_counter {\n"
    "  NAME_t p[32];\n"
    "};\n"
    "FN void NAME_add_block(NAME_counter &c, NAME_t v, i64 block, int level) {\n"
    "  for (; block >> level & 1; level++) v = NAME_of(c.p[level], v);\n"
    "  c.p[level] = v;\n"
    "}\n"
    "FN NAME_t NAME_end_row(NAME_counter &c, NAME_t v, i64 blocks) {\n"
    "  for (int level = 0; blocks >> level; level++)\n"
    "    if (blocks >> level & 1) v = NAME_of(c.p[level], v);\n"
    "  return v;\n"
    "}\n"
    "FN NAME_t NAME_fold(const NAME_t *p, i64 blocks, i64 step, i64 I) {\n"
    "  const i64 full = I / 4096;\n"
    "  if (blocks == 1) return p[0];\n"
    "  NAME_counter c;\n"
    "  for (i64 block = 0; block < full; block++) NAME_add_block(c, p[block * step], block, 0);\n"
    "  return NAME_end_row(c, full < blocks ? p[full * step] : NAME_none(), full);\n"
    "}\n"
    "FN NAME_t NAME_fold_by_warp(const NAME_t *p, i64 blocks, i64 I) {\n"
    "  const i64 full = I / 4096;\n"
    "  const int lane = threadIdx.x & 31;\n"
    "  NAME_counter c;\n"
    "  i64 block = 0;\n"
    "  for (; block + 32 <= full; block += 32) {\n"
    "    NAME_t v = p[block + lane];\n"
    "#pragma unroll\n"
    "    for (int by = 1; by < 32; by *= 2) v = NAME_of(v, NAME_down(v, by));\n"
    "    NAME_add_block(c, NAME_first(v), block, 5);\n"
    "  }\n"
    "  for (; block < full; block++) NAME_add_block(c, p[block], block, 0);\n"
    "  return NAME_end_row(c, full < blocks ? p[full] : NAME_none(), full);\n"
    "}\n";

constexpr std::string_view kCudaReduction =
    "typedef TYPE NAME_t;\n"
    "FN NAME_t NAME_none(void) { return NONE; }\n"
    "FN NAME_t NAME_of(NAME_t x, NAME_t y) { return OF; }\n"
    "FN NAME_t NAME_put(NAME_t x, TYPE y, i64) { return NAME_of(x, y); }\n"
    "FN TYPE NAME_value(NAME_t x, i64 I) { return I ? x : (TYPE)EMPTY; }\n"
    "FN NAME_t NAME_first(NAME_t x) { return (NAME_t)__shfl_sync(~0u, x, 0); }\n"
    "FN NAME_t NAME_down(NAME_t x, int by) { return (NAME_t)__shfl_down_sync(~0u, x, by); }\n";

// Of two places the better one, of equal ones the first; -1: none yet. No byte of it is without a value.
constexpr std::string_view kCudaPlaceReduction =
    "struct NAME_t { union { TYPE best; u64 word; }; i64 index; };\n"
    "FN bool NAME_beats(TYPE x, TYPE best) { return OF; }\n"
    "FN NAME_t NAME_none(void) { NAME_t s; s.word = 0, s.index = -1; return s; }\n"
    "FN NAME_t NAME_of(NAME_t s, NAME_t t) {\n"
    "  const bool t_is_first = t.index < s.index, t_wins = NAME_beats(t.best, s.best), s_wins = NAME_beats(s.best, "
    "t.best);\n"
    "  const bool takes_t = t.index >= 0 && (s.index < 0 || t_wins || (!s_wins && t_is_first));\n"
    "  s.word = takes_t ? t.word : s.word, s.index = takes_t ? t.index : s.index;\n"
    "  return s;\n"
    "}\n"
    "FN NAME_t NAME_put(NAME_t s, TYPE x, i64 at) { NAME_t t = NAME_none(); t.best = x, t.index = at; return "
    "NAME_of(s, t); }\n"
    "FN i64 NAME_value(NAME_t s, i64 I) { return I ? s.index : 0; }\n"
    "FN NAME_t NAME_first(NAME_t s) { s.word = __shfl_sync(~0u, s.word, 0), s.index = __shfl_sync(~0u, s.index, 0); "
    "return s; }\n"
    "FN NAME_t NAME_down(NAME_t s, int by) {\n"
    "  s.word = __shfl_down_sync(~0u, s.word, by), s.index = __shfl_down_sync(~0u, s.index, by);\n"
    "  return s;\n"
    "}\n";

constexpr Dialect kCuda = {
    .head = kCudaHead,
    .function = "FN",
    .part = "static __device__ void ",
    .kernel = "extern \"C\" __global__ void ",
    .has_name_spaces = false,
    .libm = Libm::known,
    .pads_lanes = false,
    .reduction = kCudaReduction,
    .place_reduction = kCudaPlaceReduction,
    .folds = kCudaFolds,
    .calls_host = false,
    .rounds_in_an_instruction = true,
    .stored = {nullptr, "unsigned char", "signed char", "short", "int", "i64", "unsigned char", "unsigned short",
               "unsigned", "u64", "unsigned short", "unsigned short", "float", "double"},
};

static_assert(JT_BOOL == 1 && JT_I8 == 2 && JT_I16 == 3 && JT_I32 == 4 && JT_I64 == 5 && JT_U8 == 6 && JT_U16 == 7 &&
              JT_U32 == 8 && JT_U64 == 9 && JT_F16 == 10 && JT_BF16 == 11 && JT_F32 == 12 && JT_F64 == 13);

}  // namespace

Dialect cpp_dialect(bool rounds_in_an_instruction) {
  Dialect dialect = kCpp;
  dialect.rounds_in_an_instruction = rounds_in_an_instruction;
  return dialect;
}

const Dialect& c99_dialect() { return kC99; }
const Dialect& cuda_dialect() { return kCuda; }

}  // namespace jt
