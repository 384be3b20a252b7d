// f32 and f64. IEEE operations against the host's own and, where those could share a mistake, against wider arithmetic
// rounded by search.
#include <cfenv>

#include "tests/fakegpu/opcodes.h"

namespace fakegpu::test {
namespace {

template <class T> T quiet() { return std::numeric_limits<T>::quiet_NaN(); }
template <class T>
T flush(T x) {
  return x != 0 && std::fabs(x) < std::numeric_limits<T>::min() ? std::copysign(T(0), x) : x;
}

// high + low, of which 80 bits hold each, rounded by comparison with the two floats around it.
float rounded(long double high, long double low, int mode) {
  float near = static_cast<float>(high);
  if (high != high) return quiet<float>();
  if (std::isinf(high) || (near == high && low == 0)) return near;
  bool is_above = high != near ? high > near : low > 0;  // the exact value, of `near`
  float below = is_above ? near : std::nextafterf(near, -INFINITY),
        above = is_above ? std::nextafterf(near, INFINITY) : near;
  if (mode == FE_DOWNWARD) return below;
  if (mode == FE_UPWARD) return above;
  if (mode == FE_TOWARDZERO) return high > 0 ? below : above;
  bool is_halfway = high - below == above - high;
  return is_halfway && low != 0 ? (low > 0 ? above : below) : near;
}
float rounded_sum(float a, float b, int mode) {
  long double high = static_cast<long double>(a) + b, part = high - a;
  long double low = std::isfinite(high) ? (a - (high - part)) + (b - part) : 0;
  return rounded(high, low, mode);
}
struct Mode { const char* name; int mode; };
const Mode kModes[] = {{"rn", FE_TONEAREST}, {"rz", FE_TOWARDZERO}, {"rm", FE_DOWNWARD}, {"rp", FE_UPWARD}};

TEST(Floats, RoundedEveryWay) {
  const std::vector<float> e = edges<float>();
  for (auto [name, mode] : kModes) {
    const std::string m = std::string(".") + name + ".f32 $d, $a";
    // A zero that is a difference has a sign of its own: minus when rounding down.
    auto zero = [mode = mode](float r, float a, float b) {
      return r == 0 && a == -b && a != 0 ? (mode == FE_DOWNWARD ? -0.0f : 0.0f) : r;
    };
    auto zeros = [mode = mode](float a, float b) {
      return std::signbit(a) == std::signbit(b) ? a : mode == FE_DOWNWARD ? -0.0f : 0.0f;
    };
    auto sum = [=, mode = mode](float a, float b) {
      return a == 0 && b == 0 ? zeros(a, b) : zero(rounded_sum(a, b, mode), a, b);
    };
    expect<float>("add" + m + ", $b;", sum, e, e);
    expect<float>("sub" + m + ", $b;", [&](float a, float b) { return sum(a, -b); }, e, e);
    expect<float>("mul" + m + ", $b;", [mode = mode](float a, float b) {
      float r = rounded(static_cast<long double>(a) * b, 0, mode);
      return r == 0 ? std::copysign(r, std::copysign(1.0f, a) * std::copysign(1.0f, b)) : r;
    }, e, e);
    if (mode == FE_TONEAREST) {
      expect<float>("div" + m + ", $b;", [](float a, float b) { return a / b; }, e, e);
      expect<float>("sqrt" + m + ";", [](float a) { return std::sqrt(a); }, e);
      expect<float>("rcp" + m + ";", [](float a) { return 1 / a; }, e);
    } else {
      // Divided and rooted: the result times the divisor, or itself, is compared exactly.
      std::vector<float> q = run<float>("div" + m + ", $b;", std::vector<float>{1, 2, -1, 10, 1e30f},
                                        std::vector<float>{3, 7, 3, 3, -7e-3f});
      const double n[] = {1, 2, -1, 10, static_cast<double>(1e30f)}, d[] = {3, 7, 3, 3, static_cast<double>(-7e-3f)};
      for (int i = 0; i < 5; ++i) {
        float up = std::nextafterf(q[i], INFINITY), down = std::nextafterf(q[i], -INFINITY);
        long double exact = static_cast<long double>(n[i]) / d[i];
        bool is_below = mode == FE_DOWNWARD || (mode == FE_TOWARDZERO && exact > 0);
        EXPECT_TRUE(is_below ? q[i] <= exact && up > exact : q[i] >= exact && down < exact) << name << i;
      }
      std::vector<float> r = run<float>("sqrt" + m + ";", std::vector<float>{2, 3, 1e-38f, 4});
      const float of[] = {2, 3, 1e-38f, 4};
      for (int i = 0; i < 4; ++i)
        EXPECT_EQ(r[i], rounded(std::sqrt(static_cast<long double>(of[i])), 0, mode)) << name << i;
      std::vector<float> c = run<float>("rcp" + m + ";", std::vector<float>{3, -3, 1e-5f, 4});
      const float from[] = {3, -3, 1e-5f, 4};
      for (int i = 0; i < 4; ++i) EXPECT_EQ(c[i], rounded(1 / static_cast<long double>(from[i]), 0, mode)) << name << i;
    }
  }
}

TEST(Floats, FmaRoundsOnce) {
  // (1 + 2^-12)^2 = 1 + 2^-11 + 2^-24: a product rounded first loses the last term.
  std::vector<float> a = {1 + 0x1p-12f, 3, -0.0f, INFINITY, 1e30f, 0x1p-126f},
                     b = {1 + 0x1p-12f, 1.0f / 3, 5, 0, 1e30f, 0x1p-24f}, c = {-1, -1, 0.0f, 1, -INFINITY, 0x1p-149f};
  std::vector<float> got = run<float>("fma.rn.f32 $d, $a, $b, $c;", a, b, c);
  EXPECT_EQ(got[0], 0x1p-11f + 0x1p-24f);
  EXPECT_EQ(got[1], static_cast<float>(3.0 * (1.0f / 3) - 1));
  EXPECT_TRUE(got[2] == 0 && !std::signbit(got[2]));
  EXPECT_TRUE(std::isnan(got[3]));
  EXPECT_EQ(got[4], -INFINITY);
  EXPECT_EQ(got[5], 0x1p-149f * 2);  // 2^-150 + 2^-149 is halfway: to even
  EXPECT_EQ(run<float>("fma.rz.f32 $d, $a, $b, $c;", a, b, c)[5], 0x1p-149f);
  EXPECT_EQ(run<float>("fma.rp.f32 $d, $a, $b, $c;", a, b, c)[5], 0x1p-148f);
  EXPECT_EQ(run<double>("fma.rn.f64 $d, $a, $b, $c;", std::vector<double>{1 + 0x1p-27},
                        std::vector<double>{1 + 0x1p-27}, std::vector<double>{-1})[0],
            0x1p-26 + 0x1p-54);
  const std::vector<float> e = edges<float>();
  expect<float>("fma.rn.f32 $d, $a, $b, $c;", [](float x, float y, float z) { return std::fma(x, y, z); }, e, e, e);
  expect<float>("mad.rn.f32 $d, $a, $b, $c;", [](float x, float y, float z) { return std::fma(x, y, z); }, e, e, e);
  const std::vector<double> w = edges<double>();
  expect<double>("fma.rn.f64 $d, $a, $b, $c;", [](double x, double y, double z) { return std::fma(x, y, z); }, w, w, w);
}

template <class T> void both_sizes(const std::string& t) {
  const std::vector<T> e = edges<T>();
  expect<T>("add.rn" + t + " $d, $a, $b;", [](T a, T b) { return a + b; }, e, e);
  expect<T>("add" + t + " $d, $a, $b;", [](T a, T b) { return a + b; }, e, e);
  expect<T>("sub.rn" + t + " $d, $a, $b;", [](T a, T b) { return a - b; }, e, e);
  expect<T>("mul.rn" + t + " $d, $a, $b;", [](T a, T b) { return a * b; }, e, e);
  expect<T>("div.rn" + t + " $d, $a, $b;", [](T a, T b) { return a / b; }, e, e);
  expect<T>("rcp.rn" + t + " $d, $a;", [](T a) { return 1 / a; }, e);
  expect<T>("sqrt.rn" + t + " $d, $a;", [](T a) { return std::sqrt(a); }, e);
  auto least = [](T a, T b) { return a != a ? b : b != b ? a : a == b ? (std::signbit(a) ? a : b) : a < b ? a : b; };
  auto most = [](T a, T b) { return a != a ? b : b != b ? a : a == b ? (std::signbit(a) ? b : a) : a < b ? b : a; };
  expect<T>("min" + t + " $d, $a, $b;", least, e, e);
  expect<T>("max" + t + " $d, $a, $b;", most, e, e);
  expect<T>("neg" + t + " $d, $a;", [](T a) { return -a; }, e);
  expect<T>("abs" + t + " $d, $a;", [](T a) { return std::fabs(a); }, e);
  expect<T>("copysign" + t + " $d, $a, $b;", [](T a, T b) { return std::copysign(b, a); }, e, e);
  struct Test { const char* name; bool (*is)(T); };
  const Test tests[] = {{"finite", [](T a) { return std::isfinite(a); }},
                        {"infinite", [](T a) { return std::isinf(a); }},
                        {"number", [](T a) { return a == a; }},
                        {"notanumber", [](T a) { return a != a; }},
                        {"normal", [](T a) { return a == 0 || std::isnormal(a); }},
                        {"subnormal", [](T a) { return a != 0 && std::fabs(a) < std::numeric_limits<T>::min(); }}};
  for (const Test& test : tests)
    expect<Flag>(std::string("testp.") + test.name + t + " $d, $a;", [&](T a) { return Flag{uint8_t(test.is(a))}; }, e);
}
TEST(Floats, OrdinaryArithmetic) {
  both_sizes<float>(".f32");
  both_sizes<double>(".f64");
}

TEST(Floats, DoublesRoundedOtherwise) {
  for (auto [name, mode] : kModes) {
    if (mode == FE_TONEAREST) continue;
    bool up = mode == FE_UPWARD, toward_zero = mode == FE_TOWARDZERO;
    const std::string m = std::string(".") + name + ".f64 $d, $a, $b;";
    const std::vector<double> a = {1, -1}, tiny = {0x1p-80, -0x1p-80}, three = {3, 3};
    EXPECT_EQ(run<double>("add" + m, a, tiny),
              (std::vector<double>{up ? 1 + 0x1p-52 : 1, up || toward_zero ? -1 : -1 - 0x1p-52}));
    EXPECT_EQ(run<double>("sub" + m, a, tiny),
              (std::vector<double>{up ? 1 : 1 - 0x1p-53, up || toward_zero ? -1 + 0x1p-53 : -1}));
    double third = 1.0 / 3, above = std::nextafter(third, 1);  // the nearest is below
    EXPECT_EQ(run<double>("div" + m, a, three),
              (std::vector<double>{up ? above : third, mode == FE_DOWNWARD ? -above : -third}));
    EXPECT_EQ(run<double>("mul" + m, std::vector<double>{1 + 0x1p-52}, std::vector<double>{1 + 0x1p-52})[0],
              1 + (up ? 3 : 2) * 0x1p-52);
    EXPECT_EQ(run<double>(std::string("fma.") + name + ".f64 $d, $a, $b, 0d3FF0000000000000;", a, tiny),
              (std::vector<double>(2, up ? 1 + 0x1p-52 : 1)));
    EXPECT_EQ(run<double>(std::string("rcp.") + name + ".f64 $d, $a;", three)[0], up ? above : third);
    double root = std::sqrt(2.0);  // the nearest is above
    EXPECT_EQ(run<double>(std::string("sqrt.") + name + ".f64 $d, $a;", std::vector<double>{2})[0],
              up ? root : std::nextafter(root, 0));
  }
}

TEST(Floats, FlushedAndSaturated) {
  const std::vector<float> e = edges<float>();
  expect<float>("add.ftz.f32 $d, $a, $b;", [](float a, float b) { return flush(flush(a) + flush(b)); }, e, e);
  expect<float>("sub.rn.ftz.f32 $d, $a, $b;", [](float a, float b) { return flush(flush(a) - flush(b)); }, e, e);
  expect<float>("mul.ftz.f32 $d, $a, $b;", [](float a, float b) { return flush(flush(a) * flush(b)); }, e, e);
  expect<float>(
      "fma.rn.ftz.f32 $d, $a, $b, $c;",
      [](float a, float b, float c) { return flush(std::fma(flush(a), flush(b), flush(c))); }, e, e, e);
  expect<float>("div.rn.ftz.f32 $d, $a, $b;", [](float a, float b) { return flush(flush(a) / flush(b)); }, e, e);
  expect<float>("neg.ftz.f32 $d, $a;", [](float a) { return flush(-a); }, e);
  expect<float>("abs.ftz.f32 $d, $a;", [](float a) { return flush(std::fabs(a)); }, e);
  auto sat = [](float x) { return x > 0 ? std::min(x, 1.0f) : 0.0f; };  // of NaN too
  expect<float>("add.sat.f32 $d, $a, $b;", [&](float a, float b) { return sat(a + b); }, e, e);
  expect<float>("mul.sat.f32 $d, $a, $b;", [&](float a, float b) { return sat(a * b); }, e, e);
  expect<float>(
      "fma.rn.sat.f32 $d, $a, $b, $c;", [&](float a, float b, float c) { return sat(std::fma(a, b, c)); }, e, e, e);
  expect<float>(
      "min.NaN.f32 $d, $a, $b;",
      [](float a, float b) { return a != a || b != b ? quiet<float>()
                                    : a == b         ? (std::signbit(a) ? a : b)
                                                     : std::min(a, b); }, e, e);
  expect<float>(
      "max.NaN.f32 $d, $a, $b;",
      [](float a, float b) { return a != a || b != b ? quiet<float>()
                                    : a == b         ? (std::signbit(a) ? b : a)
                                                     : std::max(a, b); }, e, e);
}

TEST(Floats, OneNaN) {  // bits that the hardware gives, whatever the operands had
  std::vector<float> nans = {std::bit_cast<float>(0xffc12345u), std::bit_cast<float>(0x7f800001u), quiet<float>()};
  for (const char* op : {"add.f32 $d, $a, $a;", "mul.rz.f32 $d, $a, $a;", "fma.rn.f32 $d, $a, $a, $a;",
                         "max.f32 $d, $a, $a;", "sqrt.rn.f32 $d, $a;", "ex2.approx.f32 $d, $a;"})
    for (float r : run<float>(op, nans)) EXPECT_EQ(std::bit_cast<uint32_t>(r), 0x7fffffffu) << op;
}

// Approximations are within the manual's error, exact where no rounding is due, and never the rounded value itself
// where one is.
template <class F>
void approximate(const std::string& statement, F exact, const std::vector<float>& at, double relative,
                 double absolute = 0) {
  std::vector<float> got = run<float>(statement, at);
  int off = 0, inexact = 0;
  for (size_t i = 0; i < at.size(); ++i) {
    double wanted = exact(static_cast<double>(at[i]));
    float near = static_cast<float>(wanted);
    if (near == wanted || near != near || std::isinf(near)) {
      EXPECT_TRUE(same(got[i], near)) << statement << " of " << at[i] << " is " << got[i] << ", not " << near;
      continue;
    }
    ++inexact;
    off += got[i] != near;
    EXPECT_LE(std::fabs(got[i] - wanted), relative * std::fabs(wanted) + absolute + 0x1p-148)
        << statement << " of " << at[i];
  }
  EXPECT_EQ(off, inexact) << statement;
}
TEST(Floats, Approximations) {
  std::vector<float> e = edges<float>(), middle;
  for (int i = -200; i <= 200; ++i)
    middle.push_back(static_cast<float>(i) / 16), e.push_back(static_cast<float>(i) / 7);
  approximate("ex2.approx.f32 $d, $a;", [](double a) { return std::exp2(a); }, e, 0x1p-22);
  approximate("lg2.approx.f32 $d, $a;", [](double a) { return std::log2(a); }, e, 0x1p-21);
  approximate("rcp.approx.f32 $d, $a;", [](double a) { return 1 / a; }, e, 0x1p-22);
  approximate("sqrt.approx.f32 $d, $a;", [](double a) { return std::sqrt(a); }, e, 0x1p-22);
  approximate("rsqrt.approx.f32 $d, $a;", [](double a) { return 1 / std::sqrt(a); }, e, 0x1p-22);
  approximate("sin.approx.f32 $d, $a;", [](double a) { return std::sin(a); }, middle, 0, 0x1p-20);
  approximate("cos.approx.f32 $d, $a;", [](double a) { return std::cos(a); }, middle, 0, 0x1p-20);
  approximate("tanh.approx.f32 $d, $a;", [](double a) { return std::tanh(a); }, middle, 0x1p-11);
  approximate("div.approx.f32 $d, $a, 0f40400000;", [](double a) { return a / 3; }, middle, 0x1p-22);
  approximate("div.full.f32 $d, $a, 0f40400000;", [](double a) { return a / 3; }, middle, 0x1p-22);
  for (float r : run<float>("ex2.approx.ftz.f32 $d, $a;", std::vector<float>{-130, -140})) EXPECT_EQ(r, 0);
  EXPECT_EQ(run<float>("rcp.approx.ftz.f32 $d, $a;", std::vector<float>{0x1p-140f, -0x1p-140f}),
            (std::vector<float>{INFINITY, -INFINITY}));
  EXPECT_EQ(run<float>("lg2.approx.ftz.f32 $d, $a;", std::vector<float>{0x1p-140f, 8}),
            (std::vector<float>{-INFINITY, 3}));
}
TEST(Floats, ApproximationsOfDoubles) {
  const std::vector<double> a = {1, 3, -7, 0.1, 1e300, 4};
  std::vector<double> rcp = run<double>("rcp.approx.ftz.f64 $d, $a;", a),
                      rsqrt = run<double>("rsqrt.approx.ftz.f64 $d, $a;", a);
  std::vector<double> fine = run<double>("rsqrt.approx.f64 $d, $a;", a);
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_NEAR(rcp[i] * a[i], 1, 0x1p-19);
    EXPECT_EQ(std::bit_cast<uint64_t>(rcp[i]) & 0xffffffff, 0u);  // half of the bits are all there is
    if (a[i] < 0) continue;
    EXPECT_NEAR(rsqrt[i] * rsqrt[i] * a[i], 1, 0x1p-18);
    EXPECT_NEAR(fine[i] * fine[i] * a[i], 1, 0x1p-50);
  }
}

// ---- comparisons and choices
struct Comparison { const char* name; bool less, equal, greater, unordered; };
const Comparison kComparisons[] = {{"eq", 0, 1, 0, 0},  {"ne", 1, 0, 1, 0},  {"lt", 1, 0, 0, 0},  {"le", 1, 1, 0, 0},
                                   {"gt", 0, 0, 1, 0},  {"ge", 0, 1, 1, 0},  {"equ", 0, 1, 0, 1}, {"neu", 1, 0, 1, 1},
                                   {"ltu", 1, 0, 0, 1}, {"leu", 1, 1, 0, 1}, {"gtu", 0, 0, 1, 1}, {"geu", 0, 1, 1, 1},
                                   {"num", 1, 1, 1, 0}, {"nan", 0, 0, 0, 1}};
template <class T> Flag compared(const Comparison& c, T a, T b) {
  return {uint8_t(a != a || b != b ? c.unordered : a < b ? c.less : a == b ? c.equal : c.greater)};
}
template <class T> void comparisons(const std::string& t) {
  const std::vector<T> e = edges<T>();
  for (const Comparison& c : kComparisons) {
    bool of_integers = &c < kComparisons + 6;
    if (!of_integers && !std::is_floating_point_v<T>) continue;
    expect<Flag>(std::string("setp.") + c.name + t + " $d, $a, $b;", [&](T a, T b) { return compared(c, a, b); }, e, e);
  }
}
TEST(Comparisons, OfEveryType) {
  comparisons<float>(".f32");
  comparisons<double>(".f64");
  comparisons<uint16_t>(".u16");
  comparisons<int16_t>(".s16");
  comparisons<uint32_t>(".u32");
  comparisons<int32_t>(".s32");
  comparisons<uint64_t>(".u64");
  comparisons<int64_t>(".s64");
  const std::vector<uint32_t> u = edges<uint32_t>();
  expect<Flag>("setp.lo.u32 $d, $a, $b;", [](uint32_t a, uint32_t b) { return Flag{a < b}; }, u, u);
  expect<Flag>("setp.ls.u32 $d, $a, $b;", [](uint32_t a, uint32_t b) { return Flag{a <= b}; }, u, u);
  expect<Flag>("setp.hi.u32 $d, $a, $b;", [](uint32_t a, uint32_t b) { return Flag{a > b}; }, u, u);
  expect<Flag>("setp.hs.u32 $d, $a, $b;", [](uint32_t a, uint32_t b) { return Flag{a >= b}; }, u, u);
  const std::vector<float> f = edges<float>();
  expect<Flag>("setp.lt.ftz.f32 $d, $a, $b;", [](float a, float b) { return Flag{flush(a) < flush(b)}; }, f, f);
}
TEST(Comparisons, JoinedWithAPredicate) {
  const std::vector<int32_t> e = {-1, 0, 5};
  const std::vector<Flag> both = {{0}, {1}};
  expect<Flag>(
      "setp.lt.and.s32 $d, $a, $b, $c;", [](int a, int b, Flag c) { return Flag{a < b && c.value}; }, e, e, both);
  expect<Flag>(
      "setp.lt.or.s32 $d, $a, $b, !$c;", [](int a, int b, Flag c) { return Flag{a < b || !c.value}; }, e, e, both);
  expect<Flag>(
      "setp.lt.xor.s32 $d, $a, $b, $c;", [](int a, int b, Flag c) { return Flag{(a < b) != bool(c.value)}; }, e, e,
      both);
  expect<Flag>(
      "setp.lt.and.s32 %p10|$d, $a, $b, $c;", [](int a, int b, Flag c) { return Flag{!(a < b) && c.value}; }, e, e,
      both);
}
TEST(Comparisons, Choices) {
  const std::vector<Flag> both = {{0}, {1}};
  const std::vector<int32_t> signs = {-1, 0, 1, INT32_MIN, INT32_MAX};
  expect<uint16_t>(
      "selp.b16 $d, $a, $b, $c;", [](uint16_t a, uint16_t b, Flag c) { return c.value ? a : b; }, edges<uint16_t>(),
      edges<uint16_t>(), both);
  expect<float>(
      "selp.f32 $d, $a, $b, $c;", [](float a, float b, Flag c) { return c.value ? a : b; }, edges<float>(),
      edges<float>(), both);
  expect<uint64_t>(
      "selp.u64 $d, $a, $b, !$c;", [](uint64_t a, uint64_t b, Flag c) { return c.value ? b : a; }, edges<uint64_t>(),
      edges<uint64_t>(), both);
  expect<uint32_t>(
      "slct.u32.s32 $d, $a, $b, $c;", [](uint32_t a, uint32_t b, int c) { return c >= 0 ? a : b; }, edges<uint32_t>(),
      edges<uint32_t>(), signs);
  expect<double>(
      "slct.f64.f32 $d, $a, $b, $c;", [](double a, double b, float c) { return c >= 0 ? a : b; }, edges<double>(),
      edges<double>(), edges<float>());
  expect<uint32_t>("set.lt.u32.s32 $d, $a, $b;", [](int a, int b) { return a < b ? ~0u : 0; }, signs, signs);
  expect<float>(
      "set.geu.f32.f32 $d, $a, $b;", [](float a, float b) { return a < b ? 0.0f : 1.0f; }, edges<float>(),
      edges<float>());
}

}  // namespace
}  // namespace fakegpu::test
