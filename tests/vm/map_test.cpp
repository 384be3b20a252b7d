// Mapped loads, stores and indices visit what a naive loop over coordinates visits, for random maps and every dtype.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>

#include "backends/cpu_tcc/vm/primitives.h"

namespace jt::vm {
namespace {

// A random map that stays inside a buffer of `size` elements wherever an element exists.
struct RandomMap {
  IndexMap map{};
  int64_t outer = 1, inner = 1, size = 1;

  RandomMap(std::mt19937& r, bool distinct) {
    map.outer_rank = int(r() % 4);
    map.inner_rank = int(r() % 3);
    int rank = map.outer_rank + map.inner_rank;
    int64_t step = 1;
    int order[8] = {0, 1, 2, 3, 4, 5, 6, 7};  // of axes in the buffer, slowest first: as they are, or transposed
    if (r() % 2) std::shuffle(order, order + rank, r);
    for (int j = rank - 1; j >= 0; j--) {
      const int k = order[j];
      int64_t n = 1 + int64_t(r() % (k == rank - 1 ? 40 : 12));
      (k < map.outer_rank ? outer : inner) *= n;
      bool limited = r() % 4 == 0;
      map.extent[k] = n;
      map.lo[k] = limited ? int64_t(r() % n) : 0;
      map.hi[k] = limited ? map.lo[k] + int64_t(r() % (n - map.lo[k] + 1)) : n;
      map.masked |= uint32_t(limited) << k;
      int kind = distinct ? int(r() % 2) : int(r() % 4);
      map.stride[k] = kind == 0 ? step : kind == 1 ? -step : kind == 2 ? 0 : step * 2;
      if (map.stride[k] < 0) map.offset += step * (n - 1);
      if (map.stride[k] != 0) step *= n * (kind == 3 ? 2 : 1);
    }
    size = step;
  }

  // Offset of element (o, i), or -1.
  int64_t at(int64_t o, int64_t i) const {
    int64_t offset = map.offset, rest[2] = {i, o};
    for (int k = map.outer_rank + map.inner_rank - 1; k >= 0; k--) {
      int64_t& index = rest[k < map.outer_rank];
      int64_t c = index % map.extent[k];
      index /= map.extent[k];
      if (map.masked >> k & 1 && (c < map.lo[k] || c >= map.hi[k])) return -1;
      offset += c * map.stride[k];
    }
    return offset;
  }
};

struct Range {
  int64_t outer, inner, n;
  int along;
  // The pair that element k of the range is.
  std::pair<int64_t, int64_t> pair(const RandomMap& m, int64_t k) const {
    if (along == kAlongOuter) return {outer + k, inner};
    if (along == kAlongInner) return {outer, inner + k};
    return {(outer + k) / m.inner, (outer + k) % m.inner};
  }
};

Range random_range(const RandomMap& m, std::mt19937& r) {
  int along = int(r() % 3);
  int64_t space = along == kAlongOuter ? m.outer : along == kAlongInner ? m.inner : m.outer * m.inner;
  int64_t start = int64_t(r() % space), n = 1 + int64_t(r() % std::min<int64_t>(space - start, kBlock));
  if (along == kAlongOuter) return {start, int64_t(r() % m.inner), n, along};
  if (along == kAlongInner) return {int64_t(r() % m.outer), start, n, along};
  return {start, 0, n, along};
}

struct MapTest : ::testing::TestWithParam<int> {
  const Primitives* p = primitives(Isa(GetParam()));
  void SetUp() override {
    if (!p) GTEST_SKIP() << "this CPU has no " << name(Isa(GetParam()));
  }
};
INSTANTIATE_TEST_SUITE_P(Isa, MapTest, ::testing::Range(0, kIsas),
                         [](const auto& info) { return std::string(name(Isa(info.param))); });

TEST_P(MapTest, LoadsAndIndices) {
  std::mt19937 r(1);
  for (int round = 0; round < 6000; round++) {
    DType d = DType(1 + r() % kDTypes);
    CType t = ctype_of(d);
    RandomMap m(r, false);
    Range range = random_range(m, r);
    size_t stored = size_of(d), computed = size_t(size_of(t));
    std::vector<char> buffer(m.size * stored), home(kBlock * 8), one(8), fill(8);
    for (char& c : buffer) c = char(d == JT_BOOL ? r() & 1 : r());
    for (char& c : fill) c = char(t == CType::b8 ? r() & 1 : r());
    bool has_fill = r() % 2;
    auto* z =
        static_cast<const char*>(p->block->map_load[d](home.data(), buffer.data(), &m.map, range.outer, range.inner,
                                                       range.n, range.along, has_fill ? fill.data() : nullptr));
    std::vector<int64_t> index(range.n);
    p->block->map_index(index.data(), &m.map, range.outer, range.inner, range.n, range.along);
    for (int64_t k = 0; k < range.n; k++) {
      auto [o, i] = range.pair(m, k);
      int64_t at = m.at(o, i);
      ASSERT_EQ(index[k], at);
      if (at < 0) {
        one.assign(8, 0);
        if (has_fill) one = fill;
      } else {
        p->block->load[d](one.data(), buffer.data() + at * stored, 1);
      }
      ASSERT_EQ(std::memcmp(z + k * computed, one.data(), computed), 0)
          << jt::name(d) << " round " << round << " element " << k;
    }
  }
}

TEST_P(MapTest, Stores) {
  std::mt19937 r(2);
  for (int round = 0; round < 6000; round++) {
    DType d = DType(1 + r() % kDTypes);
    size_t stored = size_of(d), computed = size_t(size_of(ctype_of(d)));
    RandomMap m(r, true);
    Range range = random_range(m, r);
    std::vector<char> buffer(m.size * stored, 0x55), expected = buffer, values(kBlock * 8);
    for (char& c : values) c = char(d == JT_BOOL ? r() & 1 : r());
    p->block->map_store[d](buffer.data(), values.data(), &m.map, range.outer, range.inner, range.n, range.along);
    for (int64_t k = 0; k < range.n; k++) {
      auto [o, i] = range.pair(m, k);
      int64_t at = m.at(o, i);
      if (at >= 0) p->block->store[d](expected.data() + at * stored, values.data() + k * computed, 1);
    }
    ASSERT_EQ(buffer, expected) << jt::name(d) << " round " << round;
  }
}

TEST_P(MapTest, ContiguousRunIsNotCopied) {
  float buffer[24] = {}, home[24];
  IndexMap map{3, 0, 0, 2, {2, 3, 4}, {12, 4, 1}, {}, {}};
  EXPECT_EQ(p->block->map_load[JT_F32](home, buffer, &map, 5, 0, 17, kAlongOuter, nullptr), buffer + 7);
}

TEST_P(MapTest, GatherAndScatterInOrder) {
  for (int d = 1; d <= kDTypes; d++) {
    DType dtype = DType(d);
    size_t stored = size_of(dtype), computed = size_t(size_of(ctype_of(dtype)));
    int32_t ones[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    std::vector<char> values(64), table(5 * stored), out(64), fill(8, 1);
    p->block->convert[int(ctype_of(dtype))][int(CType::i32)](values.data(), ones, 8);
    if (ctype_of(dtype) == CType::i32) std::memcpy(values.data(), ones, sizeof ones);
    int64_t at[8] = {0, 4, 4, -1, 5, 2, 4, 0};
    p->block->scatter[int(Combine::add)][d](table.data(), at, values.data(), 5, 8);
    double counts[5] = {2, 0, 1, 0, 3};
    int64_t all[6] = {0, 1, 2, 3, 4, 5};
    p->block->gather[d](out.data(), table.data(), all, 5, 6, fill.data());
    for (int k = 0; k < 5; k++) {
      double value = 0;
      p->block->convert[int(CType::f64)][int(ctype_of(dtype))](&value, out.data() + k * computed, 1);
      if (ctype_of(dtype) == CType::f64) std::memcpy(&value, out.data() + k * computed, 8);
      EXPECT_EQ(value, dtype == JT_BOOL ? counts[k] != 0 : counts[k]) << jt::name(dtype) << k;
    }
    EXPECT_EQ(std::memcmp(out.data() + 5 * computed, fill.data(), computed), 0);
  }
}

}  // namespace
}  // namespace jt::vm
