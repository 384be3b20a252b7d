// A Dim is a number or an expression, and nothing about an expression is taken for granted without a guard.
#include "core/base/dim_table.h"

#include <gtest/gtest.h>

#include "core/base/shape.h"

namespace jt {
namespace {

struct DimTest : testing::Test {
  DimTable table{2};
  DimTable::InUse in_use{&table};
  int64_t of_n[2] = {32, 64}, of_t[2] = {7, 11};
  Dim n = table.symbol(of_n), t = table.symbol(of_t);
};

TEST(PlainDim, IsANumber) {
  Dim a = 6, b = 4;
  EXPECT_EQ(int64_t(a + b), 10);
  EXPECT_EQ(int64_t(a - 8), -2);
  EXPECT_EQ(int64_t(3 * a / b), 4);
  EXPECT_EQ(int64_t(a % b), 2);
  EXPECT_EQ(int(-a), -6);
  EXPECT_TRUE(b < a && a > b && a >= 6 && a <= 6 && a != b && 6 == a);
  EXPECT_TRUE(same(least(a, b), 4) && same(most(a, b), 6));
}

TEST(PlainDim, AWordThatLooksLikeAnExpressionIsANumberWithoutATable) {
  Dim odd = Dim::of_entry(5);
  EXPECT_EQ(int64_t(odd), odd.word());
  EXPECT_EQ(int64_t(odd - 1), odd.word() - 1);
  EXPECT_TRUE(odd != 5);
}

TEST_F(DimTest, EqualSumsAreOneEntry) {
  EXPECT_EQ((n * 800).word(), (20 * n * 40).word());
  EXPECT_EQ((n * t + n).word(), (n * (t + 1)).word());
  EXPECT_EQ(((n + 3) * (n - 3)).word(), (n * n - 9).word());
  EXPECT_EQ((n - n).word(), 0);
  EXPECT_EQ((n * 784 / n).word(), 784);
  EXPECT_EQ((n * 784 / 4).word(), (n * 196).word());
  EXPECT_EQ((n * 784 % 4).word(), 0);
  EXPECT_EQ((n * t / t).word(), n.word());
  EXPECT_EQ(((n - 4) / 2).word(), ((n - 4) / 2).word());
  EXPECT_EQ((n + n / 3 - n / 3).word(), n.word());
  EXPECT_TRUE(table.guards().empty());
}

TEST_F(DimTest, KnowsWhatItIsWorthInEveryBinding) {
  Dim d = (n * t - 4) / 3;
  EXPECT_EQ(table.worth(d), (32 * 7 - 4) / 3);
  EXPECT_EQ(table.worth(d, 1), (64 * 11 - 4) / 3);
  table.offer(n * 20);
  int64_t both[2] = {640, 1280}, neither[2] = {640, 640};
  EXPECT_EQ(table.find(both).word(), (n * 20).word());
  EXPECT_EQ(table.find(neither).word(), 640);
}

TEST_F(DimTest, WhatHoldsWhateverSymbolsAreNeedsNoGuard) {
  EXPECT_TRUE(n * 2 > n);
  EXPECT_TRUE(n * t >= n);
  EXPECT_TRUE(n != 0);
  EXPECT_TRUE(n + t > 1);
  EXPECT_FALSE(n * 20 * 576 == n * 50 * 64);
  EXPECT_FALSE(n / 2 < 0);
  EXPECT_TRUE(same(most(n, 1), n));
  EXPECT_TRUE(same(least(n * 3, n), n));
  EXPECT_TRUE(table.guards().empty());
}

TEST_F(DimTest, AComparisonThatMayBeAnsweredOtherwiseIsAGuard) {
  EXPECT_FALSE(n == 5);
  EXPECT_FALSE(n * t == n);
  EXPECT_TRUE(t < 20);
  EXPECT_FALSE(t < 7);
  DimFormulas kept(table);
  std::vector<int64_t> worth;
  auto holds = [&](int64_t a, int64_t b) {
    int64_t symbols[] = {a, b};
    return kept.evaluate(symbols, worth);
  };
  EXPECT_TRUE(holds(32, 7));
  EXPECT_TRUE(holds(1, 19));
  EXPECT_FALSE(holds(5, 8));
  EXPECT_FALSE(holds(8, 20));
  EXPECT_FALSE(holds(8, 6));
  EXPECT_FALSE(holds(0, 8));
}

TEST_F(DimTest, AConversionPins) {
  int64_t plain = n * 2 + 1;
  EXPECT_EQ(plain, 65);
  EXPECT_EQ(table.guards().size(), 1u);
  DimFormulas kept(table);
  std::vector<int64_t> worth;
  int64_t now[] = {32, 9}, other[] = {33, 7};
  EXPECT_TRUE(kept.evaluate(now, worth));
  EXPECT_FALSE(kept.evaluate(other, worth));
}

TEST_F(DimTest, SameRecordsNothingAndSaysNoInDoubt) {
  int64_t both[2] = {32, 60};
  Dim m = table.symbol(both);
  EXPECT_FALSE(same(m, n));
  EXPECT_FALSE(same(m, 32));
  EXPECT_TRUE(table.guards().empty());
  EXPECT_TRUE(m == n);
  EXPECT_EQ(table.guards().size(), 1u);
  EXPECT_TRUE(same(m, n));  // which a guard says now
}

TEST_F(DimTest, NumbersThatDoNotFitAreRefused) {
  EXPECT_THROW(n * (int64_t(1) << 62), Error);
  EXPECT_THROW(n / 0, Error);
  Dim large = n * n * n * (int64_t(1) << 40);
  DimFormulas kept(table);
  Dim d = kept.keep(table, large);
  std::vector<int64_t> worth;
  int64_t small[] = {32, 7}, big[] = {1 << 20, 7};
  ASSERT_TRUE(kept.evaluate(small, worth));
  EXPECT_EQ(DimFormulas::at(d, worth), int64_t(32 * 32 * 32) << 40);
  EXPECT_FALSE(kept.evaluate(big, worth));
}

TEST_F(DimTest, FormulasComputeWhatTheTableDoes) {
  std::vector<Dim> all = {n,           t,     n * t * 3 - 5, (n - 4) / 2 + 1, most(n, 3 * t), least(n * t, 100),
                          (n * t) % 6, n / t, -n + 40};
  DimFormulas kept(table);
  std::vector<Dim> packed;
  for (Dim d : all) packed.push_back(kept.keep(table, d));
  std::vector<int64_t> worth;
  int64_t a = 50, b = 9, symbols[] = {a, b};
  ASSERT_TRUE(kept.evaluate(symbols, worth));
  std::vector<int64_t> wanted = {
      a,         b,     a * b * 3 - 5, (a - 4) / 2 + 1, std::max(a, 3 * b), std::min<int64_t>(a * b, 100),
      a * b % 6, a / b, 40 - a};
  for (size_t i = 0; i < all.size(); i++)
    EXPECT_EQ(DimFormulas::at(packed[i], worth), wanted[i]) << table.formula(all[i]);
}

TEST_F(DimTest, IsWrittenAsAFormula) {
  EXPECT_EQ(text(n * 800), "800*s0");
  EXPECT_EQ(text((n - 4) / 2), "(s0-4)/2");
  EXPECT_EQ(text(n * t - 1), "s0*s1-1");
  EXPECT_EQ(text(Shape{n, 3}), "[s0,3]");
}

TEST_F(DimTest, ShapesAreEqualWhereTheyAlwaysAre) {
  int64_t both[2] = {32, 60};
  Dim m = table.symbol(both);
  EXPECT_TRUE((Shape{n, 4} == Shape{n * 2 / 2, 4}));
  EXPECT_FALSE((Shape{n, 4} == Shape{m, 4}));
  EXPECT_TRUE(table.guards().empty());
  EXPECT_TRUE(same_extents(Shape{n, 4}, Shape{m, 4}));
  EXPECT_EQ(table.guards().size(), 1u);
  EXPECT_EQ(text(Shape({n, 4}).count()), "4*s0");
}

}  // namespace
}  // namespace jt
