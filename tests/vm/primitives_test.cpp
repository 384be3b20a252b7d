// Every primitive gives on every ISA level what its scalar twin gives, for every length, also in place.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "core/base/status.h"
#include "tests/vm/element_twin.h"

namespace jt::vm {
namespace {

constexpr int64_t kLengths[] = {0, 1, 3, 15, 16, 17, 63, 64, 65, 511, 512};

uint64_t next(uint64_t& state) {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return state;
}

// Blocks of special and random values; a NaN is the quiet positive one, whose payload every operation keeps.
template <class T>
void fill(T* v, int64_t n, uint64_t seed) {
  static const double kSpecial[] = {0.0,  -0.0,  1,     -1,  2,     0.5,    -0.5,    3.5,   -2.5,
                                    1e30, -1e30, 1e-40, 100, -88.5, JT_INF, -JT_INF, JT_NAN};
  uint64_t state = seed * 0x9e3779b97f4a7c15u + 1;
  for (int64_t i = 0; i < n; i++) {
    uint64_t u = next(state);
    if constexpr (std::is_floating_point_v<T>) {
      v[i] = u % 4 == 0 ? T(kSpecial[u / 4 % 17]) : T(int64_t(u >> 20) % 2000001 - 1000000) / T(u % 2 ? 100000 : 3);
    } else if constexpr (sizeof(T) == 1) {
      v[i] = u & 1;
    } else {
      v[i] = T(u % 4 == 0   ? u >> 8
               : u % 4 == 1 ? (u >> 60) << (8 * sizeof(T) - 4)
                            : uint64_t(int64_t(u >> 40) % 41 - 20));
    }
  }
}

void fill(void* v, CType t, int64_t n, uint64_t seed) {
  switch (t) {
    case CType::f32: return fill(static_cast<float*>(v), n, seed);
    case CType::f64: return fill(static_cast<double*>(v), n, seed);
    case CType::i32: return fill(static_cast<int32_t*>(v), n, seed);
    case CType::i64: return fill(static_cast<int64_t*>(v), n, seed);
    case CType::u64: return fill(static_cast<uint64_t*>(v), n, seed);
    case CType::b8: return fill(static_cast<uint8_t*>(v), n, seed);
  }
}

// Equal to the bit, all NaNs being one.
bool same(const void* a, const void* b, CType t) {
  float fa, fb;
  double da, db;
  if (t == CType::f32) {
    std::memcpy(&fa, a, 4), std::memcpy(&fb, b, 4);
    if (std::isnan(fa) && std::isnan(fb)) return true;
  }
  if (t == CType::f64) {
    std::memcpy(&da, a, 8), std::memcpy(&db, b, 8);
    if (std::isnan(da) && std::isnan(db)) return true;
  }
  return std::memcmp(a, b, size_of(t)) == 0;
}

struct Block {
  alignas(64) char bytes[(kBlock + 8) * 8];
  const char* at(CType t, int64_t i) const { return bytes + i * size_of(t); }
};

struct PrimitivesTest : ::testing::TestWithParam<int> {
  const Primitives* p = primitives(Isa(GetParam()));
  void SetUp() override {
    if (!p) GTEST_SKIP() << "this CPU has no " << name(Isa(GetParam()));
  }
};
INSTANTIATE_TEST_SUITE_P(Isa, PrimitivesTest, ::testing::Range(0, kIsas),
                         [](const auto& info) { return std::string(name(Isa(info.param))); });

TEST_P(PrimitivesTest, ElementsEqualTheirScalarTwins) {
  static Block x, y, w, z;
  for (int t = 0; t < kCTypes; t++)
    for (int e = 0; e < kElements; e++) {
      CType type = CType(t), result = kElementFacts[e].gives_bool ? CType::b8 : type;
      CType first = kElementFacts[e].types == ElementTypes::CHOICE ? CType::b8 : type;
      for (int v = 0; v < 3; v++) {
        ElementFn fn = (*p->element[t])[e][v];
        bool exists = computes_in(kElementFacts[e].types, type) && (v == 0 || kElementFacts[e].arity == 2);
        ASSERT_EQ(fn != nullptr, exists) << kElementFacts[e].name << " " << name(type);
        if (!fn) continue;
        for (int64_t n : kLengths) {
          fill(x.bytes, first, kBlock, n + 1), fill(y.bytes, type, kBlock, n + 2), fill(w.bytes, type, kBlock, n + 3);
          std::memset(z.bytes, 0x55, sizeof z.bytes);
          bool in_place = n % 2 && first == result && v != int(Variant::sv);
          Block& out = in_place ? x : z;
          static Block kept;
          kept = x;
          fn(out.bytes, x.bytes, y.bytes, w.bytes, n);
          for (int64_t i = 0; i < n; i++) {
            char expected[8];
            ASSERT_TRUE(twin::element(Element(e), type, kept.at(first, v == 2 ? 0 : i), y.at(type, v == 1 ? 0 : i),
                                      w.at(type, i), expected));
            ASSERT_TRUE(same(out.at(result, i), expected, result))
                << kElementFacts[e].name << " " << name(type) << " variant " << v << " n " << n << " i " << i;
          }
          if (!in_place) { ASSERT_EQ(out.bytes[n * size_of(result)], 0x55); }
        }
      }
    }
}

TEST_P(PrimitivesTest, HalvesConvertAsIeeeSays) {
  static uint16_t all[65536], back[65536];
  static float wide[65536];
  for (int i = 0; i < 65536; i++) all[i] = uint16_t(i);
  p->block->load[JT_F16](wide, all, 65536);
  for (int i = 0; i < 65536; i++) {
    int exponent = i >> 10 & 31, mantissa = i & 1023;
    double value = exponent == 31  ? (mantissa ? NAN : INFINITY)
                   : exponent == 0 ? std::ldexp(mantissa, -24)
                                   : std::ldexp(1024 + mantissa, exponent - 25);
    if (i & 0x8000) value = -value;
    float expected = float(value);
    ASSERT_TRUE(same(&wide[i], &expected, CType::f32)) << i;
  }
  p->block->store[JT_F16](back, wide, 65536);
  for (int i = 0; i < 65536; i++)
    ASSERT_EQ(back[i], std::isnan(wide[i]) ? i | 0x200 : i);  // NaNs become quiet
  p->block->load[JT_BF16](wide, all, 65536);
  p->block->store[JT_BF16](back, wide, 65536);
  for (int i = 0; i < 65536; i++) ASSERT_EQ(back[i], std::isnan(wide[i]) ? i | 0x40 : i);
}

// The nearest half by search: the twin of the store.
uint16_t nearest_half(float x, const float* halves) {
  int low = 0, high = 0x7c00;  // halves[0..0x7c00] ascend
  float a = std::fabs(x);
  while (high - low > 1) {
    int middle = (low + high) / 2;
    (halves[middle] <= a ? low : high) = middle;
  }
  double below = halves[low], above = high == 0x7c00 ? 65536.0 : double(halves[high]);
  double to_below = a - below, to_above = above - a;
  int best = to_below < to_above || (to_below == to_above && low % 2 == 0) ? low : high;
  return uint16_t(best | (std::signbit(x) ? 0x8000 : 0));
}

TEST_P(PrimitivesTest, HalfStoresRoundToNearestEven) {
  static uint16_t all[0x7c01];
  static float halves[0x7c01];
  for (int i = 0; i <= 0x7c00; i++) all[i] = uint16_t(i);
  p->block->load[JT_F16](halves, all, 0x7c01);
  uint64_t state = 7;
  for (int round = 0; round < 400; round++) {
    float x[kBlock], narrowed[kBlock], again[kBlock];
    uint16_t h[kBlock];
    for (float& v : x) {
      uint64_t u = next(state);
      v = std::ldexp(float(u % (1 << 24)), int(u >> 32) % 48 - 24 - 24) * (u >> 63 ? -1.0f : 1.0f);
      if (u >> 62 & 1) v = halves[u % 0x7bff] / 2 + halves[u % 0x7bff + 1] / 2;  // ties
    }
    p->block->store[JT_F16](h, x, kBlock);
    p->block->narrow[JT_F16](narrowed, x, kBlock);
    p->block->load[JT_F16](again, h, kBlock);
    for (int i = 0; i < kBlock; i++) ASSERT_EQ(h[i], nearest_half(x[i], halves)) << x[i];
    ASSERT_EQ(std::memcmp(narrowed, again, sizeof again), 0);
  }
}

TEST_P(PrimitivesTest, ConversionsSaturateAndNaNIsZero) {
  float x[] = {1.9f,   -1.9f,   3e9f,          -3e9f,          1e20f,         -1e20f, JT_NAN,
               JT_INF, -JT_INF, 2147483648.0f, -2147483648.0f, 2147483520.0f, -0.5f};
  constexpr int n = 13;
  int32_t i32[n];
  int64_t i64[n];
  uint64_t u64[n];
  uint8_t b8[n];
  auto& convert = p->block->convert;
  convert[int(CType::i32)][int(CType::f32)](i32, x, n);
  convert[int(CType::i64)][int(CType::f32)](i64, x, n);
  convert[int(CType::u64)][int(CType::f32)](u64, x, n);
  convert[int(CType::b8)][int(CType::f32)](b8, x, n);
  int32_t e32[] = {1,         -1,        INT32_MAX, INT32_MIN, INT32_MAX,  INT32_MIN, 0,
                   INT32_MAX, INT32_MIN, INT32_MAX, INT32_MIN, 2147483520, 0};
  int64_t e64[] = {1,         -1,        3000000000, -3000000000, INT64_MAX,  INT64_MIN, 0,
                   INT64_MAX, INT64_MIN, 2147483648, -2147483648, 2147483520, 0};
  uint64_t eu[] = {1, 0, 3000000000, 0, UINT64_MAX, 0, 0, UINT64_MAX, 0, 2147483648, 0, 2147483520, 0};
  for (int k = 0; k < n; k++) {
    EXPECT_EQ(i32[k], e32[k]) << x[k];
    EXPECT_EQ(i64[k], e64[k]) << x[k];
    EXPECT_EQ(u64[k], eu[k]) << x[k];
    EXPECT_EQ(b8[k], 1);
  }
}

TEST_P(PrimitivesTest, ConversionsEqualThoseOfBase) {
  static Block x, ours, base;
  for (int to = 0; to < kCTypes; to++)
    for (int from = 0; from < kCTypes; from++)
      for (int64_t n : kLengths) {
        fill(x.bytes, CType(from), kBlock, n + 5);
        p->block->convert[to][from](ours.bytes, x.bytes, n);
        primitives(Isa::base)->block->convert[to][from](base.bytes, x.bytes, n);
        for (int64_t i = 0; i < n; i++)
          ASSERT_TRUE(same(ours.at(CType(to), i), base.at(CType(to), i), CType(to)))
              << name(CType(to)) << " of " << name(CType(from));
      }
}

TEST_P(PrimitivesTest, RandomGivesThePublishedAnswers) {
  // kat_vectors of Random123: counter, key, word 0.
  struct Row {
    uint32_t counter[4], key[2], word;
  } rows[] = {{{0, 0, 0, 0}, {0, 0}, 0x6627e8d5},
              {{~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}, 0x408f276d},
              {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}, 0xd16cfe09}};
  for (const Row& r : rows) {
    uint64_t a[19], b[19], c[19];
    int64_t z[19];
    for (int i = 0; i < 19; i++) {
      a[i] = r.counter[0] | uint64_t(r.counter[1]) << 32;
      c[i] = r.counter[2] | uint64_t(r.counter[3]) << 32;
      b[i] = r.key[0] | uint64_t(r.key[1]) << 32;
    }
    p->block->random(z, a, b, c, 19);
    for (int64_t word : z) EXPECT_EQ(word, int64_t(r.word));
  }
}

TEST(Primitives, HaveTheSameNumbersOnEveryLevel) {
  for (int isa = 0; isa < kIsas; isa++) {
    const Primitives* p = primitives(Isa(isa));
    if (!p) continue;
    std::vector<const void*> functions = by_number(*p);
    ASSERT_EQ(int(functions.size()), kPrimitives);
    const ElementFn& add = (*p->element[int(CType::i64)])[int(Element::add_)][int(Variant::vs)];
    const ReduceFns& best = p->block->reduce[int(Reduction::argmax)][int(CType::b8)];
    EXPECT_EQ(number_of(*p, &add), (int(CType::i64) * kElements + int(Element::add_)) * 3 + int(Variant::vs));
    EXPECT_EQ(functions[number_of(*p, &add)], reinterpret_cast<const void*>(add));
    EXPECT_EQ(functions[number_of(*p, &p->block->map_index)], reinterpret_cast<const void*>(p->block->map_index));
    EXPECT_EQ(functions[number_of(*p, &best) + 3], reinterpret_cast<const void*>(best.column_end));
    EXPECT_EQ(number_of(*p, &p->block->load[0]), kElementNumbers);
    EXPECT_THROW(number_of(*p, p), Error);
  }
}

}  // namespace
}  // namespace jt::vm
