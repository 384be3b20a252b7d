// Random values: uniform ones reach neither end that is left out, in any dtype; integers miss none of their range; f64
// has all its bits; without a seed every process and context draws others; the same bits on every tier.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <set>

#include "tests/capi/capi.h"

using namespace jt::test;

namespace {

Tensor uniform(const Session& s, const Dims& dims, double low, double high, jt_dtype dtype) {
  return s.make(jt_random_uniform, dims.data(), dims.size(), low, high, dtype);
}
std::vector<double> as_doubles(const Session& s, const Tensor& x) { return s.read<double>(s.make(jt_cast, x, JT_F64)); }
Tensor integers(const Session& s, int64_t n, int64_t low, int64_t high, jt_dtype dtype = JT_I64) {
  return s.make(jt_random_integers, &n, 1, low, high, dtype);
}

constexpr jt_dtype kFloats[] = {JT_F16, JT_BF16, JT_F32, JT_F64};

TEST(Uniform, NeverReachesItsUpperEnd) {
  Session s;
  for (jt_dtype t : kFloats) {
    auto unit = as_doubles(s, uniform(s, {1 << 20}, 0, 1, t));
    auto [least, most] = std::ranges::minmax(unit);
    EXPECT_LT(most, 1) << t;
    EXPECT_GE(least, 0) << t;
    EXPECT_GT(most, 0.99) << t;
    double sum = 0;
    for (double v : unit) sum += v;
    EXPECT_NEAR(sum / double(unit.size()), t == JT_BF16 ? 0.5 - 0.5 / 256 : 0.5, 0.002) << t;
    for (auto [low, high] :
         {std::pair(-1.0, 1.0), {1.0, 1.0 + 0x1p-6}, {0.1, 0.3}, {-7.0, -3.0}, {100.0, 101.0}, {-0x1p-20, 0.0}})
      for (double v : as_doubles(s, uniform(s, {1 << 17}, low, high, t))) {
        if (v >= low && v < high) continue;
        ADD_FAILURE() << v << " of [" << low << ", " << high << ") in dtype " << t;
        break;
      }
  }
}
// [1, 1.0000001192...) holds one number of f32; the sum rounds to the upper end half the time.
TEST(Uniform, OfOneNumberIsThatNumber) {
  Session s;
  for (float v : s.read(uniform(s, {1000}, 1, 1 + 0x1p-23, JT_F32))) EXPECT_EQ(v, 1);
  for (double v : s.read<double>(uniform(s, {1000}, 3, 3, JT_F64))) EXPECT_EQ(v, 3);
}
TEST(Uniform, OfAWidthBeyondTheDtypeIsFinite) {
  Session s;
  double sum = 0;
  for (float v : s.read(uniform(s, {1 << 16}, -3e38, 3e38, JT_F32))) {
    ASSERT_TRUE(std::isfinite(v));
    sum += v / 3e38;
  }
  EXPECT_NEAR(sum / (1 << 16), 0, 0.02);
}
TEST(Uniform, OfF64HasAll53Bits) {
  Session s;
  std::set<double> seen;
  int64_t fine = 0;
  for (double v : s.read<double>(uniform(s, {4096}, 0, 1, JT_F64))) {
    seen.insert(v);
    fine += std::floor(v * 0x1p52) != v * 0x1p52;
    EXPECT_EQ(std::floor(v * 0x1p53), v * 0x1p53);
  }
  EXPECT_EQ(seen.size(), 4096u);
  EXPECT_NEAR(double(fine), 2048, 200) << "the last of 53 bits is set half the time";
}
// Of 2^-32 steps none lies beyond 6.66; of 4e6 normal numbers some lie beyond 5.2 and the fraction beyond 4 is
// erfc(4/sqrt 2).
TEST(Normal, OfF64HasItsTail) {
  Session s;
  const int64_t n = 1 << 21;
  int64_t beyond = 0;
  std::set<int64_t> low_bits;
  double sum = 0, squares = 0;
  for (double v : s.read<double>(s.make(jt_random_normal, &n, 1, 0.0, 1.0, JT_F64))) {
    ASSERT_TRUE(std::isfinite(v));
    beyond += std::fabs(v) > 4;
    sum += v, squares += v * v;
  }
  EXPECT_NEAR(sum / double(n), 0, 0.004);
  EXPECT_NEAR(squares / double(n), 1, 0.006);
  EXPECT_NEAR(double(beyond), double(n) * std::erfc(4 / std::sqrt(2.0)), 50);
}

TEST(Integers, MissNoneOfASmallRange) {
  Session s;
  for (auto [low, high] : {std::pair<int64_t, int64_t>(0, 7), {-3, 2}, {5, 6}}) {
    std::vector<int64_t> counts(size_t(high - low));
    auto drawn = s.read<int64_t>(integers(s, 70000, low, high));
    for (int64_t v : drawn) ASSERT_TRUE(v >= low && v < high) << v;
    for (int64_t v : drawn) counts[size_t(v - low)]++;
    for (int64_t c : counts) EXPECT_NEAR(double(c), 70000.0 / double(high - low), 500);
  }
}
// Odd ones, and each third of the range, come as often as they should, however wide it is.
TEST(Integers, MissNoneOfAWideRange) {
  Session s;
  const int64_t n = 60000;
  for (auto [low, high] : {std::pair<int64_t, int64_t>(0, 1 << 25),
                           {0, int64_t(1) << 54},
                           {-(int64_t(1) << 60), int64_t(1) << 62},
                           {INT64_MIN, INT64_MAX},
                           {INT64_MAX - 5, INT64_MAX},
                           {0, (int64_t(1) << 40) + 1}}) {
    double width = double(uint64_t(high) - uint64_t(low));
    int64_t odd = 0, first = 0, last = 0;
    for (int64_t v : s.read<int64_t>(integers(s, n, low, high))) {
      ASSERT_TRUE(v >= low && v < high) << v;
      odd += v & 1;
      double part = double(uint64_t(v) - uint64_t(low)) / width;
      first += part < 1.0 / 3, last += part >= 2.0 / 3;
    }
    if (width < 10) continue;
    EXPECT_NEAR(double(odd), n / 2.0, 600) << low << " " << high;
    EXPECT_NEAR(double(first), n / 3.0, 600) << low << " " << high;
    EXPECT_NEAR(double(last), n / 3.0, 600) << low << " " << high;
  }
}
TEST(Integers, OfOtherDtypesAndOfNone) {
  Session s;
  for (uint8_t v : s.read<uint8_t>(integers(s, 1000, 250, 256, JT_U8))) EXPECT_GE(v, 250);
  for (float v : s.read(integers(s, 1000, -2, 2, JT_F32))) EXPECT_TRUE(v >= -2 && v <= 1 && v == std::floor(v));
  jt_tensor* out = nullptr;
  const int64_t one = 1;
  EXPECT_EQ(jt_random_integers(s.ctx, &one, 1, 3, 3, JT_I64, &out), JT_E_INVALID);
  EXPECT_EQ(jt_tensor_count(integers(s, 0, 0, 3)), 0);
}
// None is wrapped into another that is as often as all, or becomes infinite.
TEST(Integers, OfARangeThatTheDtypeLacksAreRefused) {
  Session s;
  struct Range { jt_dtype dtype; int64_t low, high; };
  const int64_t one = 1;
  jt_tensor* out = nullptr;
  for (Range r : {Range{JT_I8, -128, 129},
                  {JT_I8, -129, 0},
                  {JT_U8, -1, 3},
                  {JT_U8, 0, 257},
                  {JT_I16, 0, 40000},
                  {JT_U16, 0, 70000},
                  {JT_I32, 0, INT64_C(1) << 40},
                  {JT_U32, -5, 5},
                  {JT_U64, -1, 5},
                  {JT_F16, 0, 70000},
                  {JT_BOOL, 0, 3},
                  {JT_BOOL, -1, 1}}) {
    EXPECT_EQ(jt_random_integers(s.ctx, &one, 1, r.low, r.high, r.dtype, &out), JT_E_DTYPE) << jt_dtype_name(r.dtype);
    EXPECT_NE(last_message().find("is not a value of " + std::string(jt_dtype_name(r.dtype))), std::string::npos)
        << last_message();
  }
  for (Range r : {Range{JT_I8, -128, 128},
                  {JT_U8, 0, 256},
                  {JT_I16, -32768, 32768},
                  {JT_U16, 0, 65536},
                  {JT_I32, INT32_MIN, INT64_C(1) << 31},
                  {JT_U32, 0, INT64_C(1) << 32},
                  {JT_I64, INT64_MIN, INT64_MAX},
                  {JT_F16, -65504, 65505},
                  {JT_F32, INT64_MIN, INT64_MAX},
                  {JT_BOOL, 0, 2}})
    EXPECT_TRUE(std::isfinite(s.item(integers(s, 1, r.low, r.high, r.dtype)))) << jt_dtype_name(r.dtype);
}

std::vector<float> first_numbers() {
  jt_runtime* rt = nullptr;
  jt_context* ctx = nullptr;
  jt_tensor* x = nullptr;
  const int64_t n = 8;
  std::vector<float> out(8);
  must(jt_runtime_create(nullptr, &rt)), must(jt_context_create(rt, &ctx));
  must(jt_random_uniform(ctx, &n, 1, 0, 1, JT_F32, &x)), must(jt_tensor_read(ctx, x, out.data(), 32));
  jt_tensor_release(x), jt_context_release(ctx), jt_runtime_release(rt);
  return out;
}
TEST(Seeds, AnotherOneForEachContextAndProcess) {
  std::vector<float> mine = first_numbers();
  EXPECT_NE(first_numbers(), mine);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  std::vector<std::vector<float>> seen{mine};
  for (int i = 0; i < 2; i++) {
    pid_t child = fork();
    if (child == 0) {
      std::vector<float> theirs = first_numbers();
      _exit(write(ends[1], theirs.data(), 32) == 32 ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    ASSERT_EQ(status, 0);
    std::vector<float> theirs(8);
    ASSERT_EQ(read(ends[0], theirs.data(), 32), 32);
    EXPECT_EQ(std::ranges::count(seen, theirs), 0);
    seen.push_back(theirs);
  }
  close(ends[0]), close(ends[1]);
}
TEST(Seeds, TheSameSeedGivesTheSameBitsOnEveryTierInOnePlan) {
  std::vector<std::vector<double>> seen;
  for (const char* tier : {"vm", "tcc", "gxx"}) {
    setenv("JT_CPU_TIER", tier, 1);
    jt_runtime_desc d{};
    d.struct_size = sizeof d, d.flags = JT_RT_NO_DISK_CACHE | JT_RT_ALLOW_ENV;
    Session s(d);
    unsetenv("JT_CPU_TIER");
    must(jt_context_set_seed(s.ctx, 11));
    std::vector<double> all;
    int64_t plans = 0;
    for (int round = 0; round < 3; round++) {
      for (jt_dtype t : kFloats)
        for (const Tensor& x :
             {uniform(s, {700}, -0.5, 2, t), s.make(jt_random_normal, Dims{700}.data(), 1, 0.0, 1.0, t)}) {
          auto values = as_doubles(s, x);
          all.insert(all.end(), values.begin(), values.end());
        }
      for (int64_t v : s.read<int64_t>(integers(s, 700, -5, int64_t(1) << 61))) all.push_back(double(v));
      if (round == 0) plans = s.stats().plans_made;
    }
    EXPECT_EQ(s.stats().plans_made, plans) << "counters are arguments";
    seen.push_back(all);
  }
  EXPECT_EQ(seen[0], seen[1]);
  EXPECT_EQ(seen[0], seen[2]);
}

TEST(Dropout, OfNothingAndOfEverything) {
  Session s;
  for (jt_dtype t : kFloats) {
    Tensor x = s.make(jt_cast, s.floats({4}, {1, -2, 0.5f, 3}), t);
    EXPECT_EQ(as_doubles(s, s.make(jt_dropout, x, 0.0, 1, 2, 3)), (std::vector<double>{1, -2, 0.5, 3}));
    EXPECT_EQ(as_doubles(s, s.make(jt_dropout, x, 1.0, 1, 2, 3)), (std::vector<double>(4, 0)));
  }
  Tensor ones = s.make(jt_ones, Dims{100000}.data(), 1, JT_F32);
  int64_t kept = 0;
  for (float v : s.read(s.make(jt_dropout, ones, 0.25, 1, 2, 3))) kept += v != 0;
  EXPECT_NEAR(double(kept), 75000, 600);
}

}  // namespace
