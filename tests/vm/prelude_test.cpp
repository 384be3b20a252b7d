// The f32 functions of prelude.def stay within a stored bound of the C library's double ones, over every 997th float.
#include <gtest/gtest.h>

#include <cmath>

#include "core/base/prelude.h"

namespace {

namespace f32 = jt::prelude::f32;

// Distance in units of the last place of the exact result's float neighbourhood (denormals: of the least denormal).
double error_in_ulp(float got, double exact) {
  if (std::isnan(exact)) return std::isnan(got) ? 0 : 1e9;
  float nearest = float(exact);
  if (got == nearest) return 0;
  if (std::isinf(nearest) || !std::isfinite(got)) return 1e9;
  double ulp = std::ldexp(1.0, std::max(std::ilogb(exact), -126) - 23);
  return std::fabs(double(got) - exact) / ulp;
}

struct Function {
  const char* name;
  float (*ours)(float);
  double (*exact)(double);
  double bound;
};
const Function kFunctions[] = {
    {"exp", [](float x) { return f32::exp(x); }, std::exp, 1.1},
    {"log", [](float x) { return f32::log(x); }, std::log, 1.1},
    {"tanh", [](float x) { return f32::tanh(x); }, std::tanh, 1.5},
    {"erf", [](float x) { return f32::erf(x); }, std::erf, 1.5},
    {"sin", [](float x) { return f32::sin(x); }, std::sin, 1.6},
    {"cos", [](float x) { return f32::cos(x); }, std::cos, 1.6},
};

TEST(Prelude, StaysWithinItsBound) {
  for (const Function& f : kFunctions) {
    double worst = 0;
    float worst_at = 0;
    for (uint64_t u = 0; u < 1ull << 32; u += 997) {
      float x = f32::from_bits(uint32_t(u));
      double error = error_in_ulp(f.ours(x), f.exact(x));
      if (error > worst) worst = error, worst_at = x;
    }
    RecordProperty(f.name, std::to_string(worst));
    EXPECT_LE(worst, f.bound) << f.name << " at " << worst_at;
  }
}

TEST(Prelude, KeepsSignedZerosInfinitiesAndNaN) {
  float inf = JT_INF;
  for (auto odd : {kFunctions[2].ours, kFunctions[3].ours, kFunctions[4].ours}) {
    EXPECT_TRUE(std::signbit(odd(-0.0f)));
    EXPECT_FALSE(std::signbit(odd(0.0f)));
  }
  EXPECT_EQ(f32::exp(-inf), 0.0f);
  EXPECT_EQ(f32::exp(inf), inf);
  EXPECT_EQ(f32::log(0.0f), -inf);
  EXPECT_EQ(f32::log(-0.0f), -inf);
  EXPECT_EQ(f32::log(inf), inf);
  EXPECT_TRUE(std::isnan(f32::log(-1.0f)));
  EXPECT_EQ(f32::tanh(-inf), -1.0f);
  EXPECT_EQ(f32::erf(inf), 1.0f);
  for (const Function& f : kFunctions) EXPECT_TRUE(std::isnan(f.ours(JT_NAN))) << f.name;
}

TEST(Prelude, MaximumAndMinimumCommute) {
  float inf = JT_INF;
  for (float x : {0.0f, -0.0f, 1.0f, -2.0f, inf, -inf})
    for (float y : {0.0f, -0.0f, 1.0f, -2.0f, inf, -inf}) {
      EXPECT_EQ(f32::bits(f32::fmaximum(x, y)), f32::bits(f32::fmaximum(y, x)));
      EXPECT_EQ(f32::bits(f32::fminimum(x, y)), f32::bits(f32::fminimum(y, x)));
      EXPECT_EQ(f32::fmaximum(x, y), std::fmax(x, y));
      EXPECT_EQ(f32::fminimum(x, y), std::fmin(x, y));
    }
  EXPECT_TRUE(std::isnan(f32::fmaximum(JT_NAN, 1)) && std::isnan(f32::fmaximum(1, JT_NAN)));
  EXPECT_TRUE(std::isnan(f32::fminimum(JT_NAN, 1)) && std::isnan(f32::fminimum(1, JT_NAN)));
}

TEST(Prelude, IntegersNeverTrap) {
  namespace i32 = jt::prelude::i32;
  namespace u64 = jt::prelude::u64;
  EXPECT_EQ(i32::ifloordiv(INT32_MIN, -1), INT32_MIN);
  EXPECT_EQ(i32::ifloordiv(7, 0), 0);
  EXPECT_EQ(i32::ifloordiv(-7, 2), -4);
  EXPECT_EQ(i32::ifloordiv(7, -2), -4);
  EXPECT_EQ(i32::imodulo(INT32_MIN, -1), 0);
  EXPECT_EQ(i32::imodulo(-7, 3), 2);
  EXPECT_EQ(i32::imodulo(7, -3), -2);
  EXPECT_EQ(i32::imodulo(7, 0), 0);
  EXPECT_EQ(i32::ipow(-1, -3), -1);
  EXPECT_EQ(i32::ipow(2, -1), 0);
  EXPECT_EQ(i32::ipow(3, 4), 81);
  EXPECT_EQ(u64::ipow(3, 40), 12157665459056928801ull);
  EXPECT_EQ(i32::ishl(1, 31), INT32_MIN);
  EXPECT_EQ(i32::ishl(1, 32), 0);
  EXPECT_EQ(i32::ishr(-8, 1), -4);
  EXPECT_EQ(i32::ishr(-8, 99), -1);
  EXPECT_EQ(i32::ishr(8, -1), 0);
  EXPECT_EQ(u64::ishr(~0ull, 63), 1u);
  EXPECT_EQ(u64::ishr(~0ull, 64), 0u);
}

}  // namespace
