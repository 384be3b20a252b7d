// The functions of prelude.def stay within 1 (f32) and 2 (f64) units of the last place, are right at special values,
// and integers never trap. What is exact comes from prelude_vectors.txt, from C99's annex F, or for f32 from double
// functions.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "core/base/prelude.h"

namespace {

namespace f32 = jt::prelude::f32;
namespace f64 = jt::prelude::f64;
constexpr double kInf = JT_INF, kNan = JT_NAN;

#define JT_UNARY_FUNCTIONS(X)                                                                                    \
  X(exp)                                                                                                         \
  X(exp2) X(expm1) X(log) X(log2) X(log10) X(log1p) X(cbrt) X(sin) X(cos) X(tan) X(asin) X(acos) X(atan) X(sinh) \
      X(cosh) X(tanh) X(asinh) X(acosh) X(atanh) X(erf)
#define JT_BINARY_FUNCTIONS(X) X(pow) X(atan2) X(hypot)

struct Function {
  float (*in_f32)(float, float);
  double (*in_f64)(double, double);
  double (*exact)(double);  // null for two operands
};
const std::map<std::string, Function>& functions() {
#define JT_ROW(name)                                                                                             \
  {#name, {[](float x, float) { return f32::name(x); }, [](double x, double) { return f64::name(x); },           \
           [](double x) { return std::name(x); }}},
#define JT_ROW2(name) \
  {#name,             \
   {[](float x, float y) { return f32::name(x, y); }, [](double x, double y) { return f64::name(x, y); }, nullptr}},
  static const std::map<std::string, Function> all = {JT_UNARY_FUNCTIONS(JT_ROW) JT_BINARY_FUNCTIONS(JT_ROW2)};
  return all;
}

// |got - (value + rest)| in units of the last place of the exact result's neighbourhood (denormals: of the least
// denormal).
double distance(double got, double value, double rest, int least, int digits) {
  int exponent = std::max(std::ilogb(value), least);
  return std::fabs(std::ldexp(got - value, digits - exponent) - std::ldexp(rest, digits - exponent));
}

double error_in_ulp(float got, double exact) {
  if (std::isnan(exact)) return std::isnan(got) ? 0 : 1e9;
  if (got == float(exact)) return std::signbit(got) == std::signbit(exact) ? 0 : 1e9;
  if (std::isinf(float(exact)) || !std::isfinite(got)) return 1e9;
  return distance(got, exact, 0, -126, 23);
}

TEST(Prelude, EveryFunctionIsWithinItsBoundOfStoredValues) {
  std::ifstream file(JT_TEST_DATA "/prelude_vectors.txt");
  ASSERT_TRUE(file.good()) << JT_TEST_DATA;
  std::map<std::string, int> cases;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name, type, word;
    words >> name >> type;
    double v[4];
    int n = 0;
    while (n < 4 && words >> word) v[n++] = std::strtod(word.c_str(), nullptr);
    ASSERT_TRUE(functions().contains(name) && n >= 3) << line;
    const Function& f = functions().at(name);
    double y = n == 4 ? v[1] : 0, value = v[n - 2], rest = v[n - 1];
    bool is_f32 = type == "f32";
    double got = is_f32 ? double(f.in_f32(float(v[0]), float(y))) : f.in_f64(v[0], y);
    cases[name + type]++;
    double nearest = is_f32 ? double(float(value)) : value;
    if (got == nearest && (std::isinf(got) || got == 0)) continue;
    if (is_f32) EXPECT_LE(distance(got, value, rest, -126, 23), 1) << line << " not " << got;
    else EXPECT_LE(distance(got, value, rest, -1022, 52), 2) << line << " not " << got;
  }
  for (const auto& [name, f] : functions())
    for (const char* type : {"f32", "f64"}) EXPECT_GE(cases[name + type], 8) << name << " " << type;
}

TEST(Prelude, EveryFunctionOfOneOperandIsWithinOneUlpInF32) {
  for (const auto& [name, f] : functions()) {
    if (!f.exact) continue;
    double worst = 0;
    float worst_at = 0;
    for (uint64_t u = 0; u < 1ull << 32; u += 4999) {
      float x = f32::from_bits(uint32_t(u));
      double error = error_in_ulp(f.in_f32(x, 0), f.exact(x));
      if (error > worst) worst = error, worst_at = x;
    }
    RecordProperty(name, std::to_string(worst));
    EXPECT_LE(worst, 1) << name << " at " << worst_at;
  }
}

// Both types, NaN as NaN, zeros with their signs.
void expect_both(const std::string& name, double x, double y, double exact) {
  const Function& f = functions().at(name);
  for (bool is_f32 : {true, false}) {
    double got = is_f32 ? double(f.in_f32(float(x), float(y))) : f.in_f64(x, y);
    if (std::isnan(exact)) EXPECT_TRUE(std::isnan(got)) << name << "(" << x << ", " << y << ") is " << got;
    else EXPECT_TRUE(got == exact && std::signbit(got) == std::signbit(exact))
        << name << "(" << x << ", " << y << ") is " << got << ", not " << exact;
  }
}

TEST(Prelude, FunctionsOfOneOperandAreRightAtSpecialValues) {
  struct Case {
    const char* name;
    double x, exact;
  };
  const Case kCases[] = {
      {"exp", -kInf, 0},       {"exp", kInf, kInf},    {"exp", 0, 1},         {"exp", -0.0, 1},
      {"exp", 1e4, kInf},      {"exp", -1e4, 0},       {"exp2", -kInf, 0},    {"exp2", kInf, kInf},
      {"exp2", 0, 1},          {"exp2", 10, 1024},     {"exp2", -3, 0.125},   {"exp2", 2e3, kInf},
      {"exp2", -2e3, 0},       {"expm1", -kInf, -1},   {"expm1", kInf, kInf}, {"expm1", -0.0, -0.0},
      {"expm1", 0, 0},         {"expm1", 1e4, kInf},   {"expm1", -1e4, -1},   {"log", 0, -kInf},
      {"log", -0.0, -kInf},    {"log", 1, 0},          {"log", -1, kNan},     {"log", kInf, kInf},
      {"log", -kInf, kNan},    {"log2", 0, -kInf},     {"log2", -0.0, -kInf}, {"log2", 1, 0},
      {"log2", 1024, 10},      {"log2", -2, kNan},     {"log2", kInf, kInf},  {"log10", 0, -kInf},
      {"log10", 1, 0},         {"log10", 1000, 3},     {"log10", -2, kNan},   {"log10", kInf, kInf},
      {"log1p", -1, -kInf},    {"log1p", -2, kNan},    {"log1p", kInf, kInf}, {"log1p", -0.0, -0.0},
      {"log1p", 0, 0},         {"log1p", -kInf, kNan}, {"cbrt", -0.0, -0.0},  {"cbrt", 0, 0},
      {"cbrt", kInf, kInf},    {"cbrt", -kInf, -kInf}, {"cbrt", -27, -3},     {"sin", -0.0, -0.0},
      {"sin", 0, 0},           {"sin", kInf, kNan},    {"sin", -kInf, kNan},  {"cos", 0, 1},
      {"cos", -0.0, 1},        {"cos", kInf, kNan},    {"tan", -0.0, -0.0},   {"tan", 0, 0},
      {"tan", -kInf, kNan},    {"asin", -0.0, -0.0},   {"asin", 1.5, kNan},   {"asin", -kInf, kNan},
      {"acos", 1, 0},          {"acos", 1.5, kNan},    {"acos", -1.5, kNan},  {"acos", kInf, kNan},
      {"atan", -0.0, -0.0},    {"atan", 0, 0},         {"sinh", -0.0, -0.0},  {"sinh", 0, 0},
      {"sinh", kInf, kInf},    {"sinh", -kInf, -kInf}, {"sinh", 1e4, kInf},   {"sinh", -1e4, -kInf},
      {"cosh", 0, 1},          {"cosh", -0.0, 1},      {"cosh", -kInf, kInf}, {"cosh", 1e4, kInf},
      {"tanh", -0.0, -0.0},    {"tanh", 0, 0},         {"tanh", kInf, 1},     {"tanh", -kInf, -1},
      {"tanh", 30, 1},         {"asinh", -0.0, -0.0},  {"asinh", 0, 0},       {"asinh", kInf, kInf},
      {"asinh", -kInf, -kInf}, {"acosh", 1, 0},        {"acosh", 0.5, kNan},  {"acosh", -2, kNan},
      {"acosh", -kInf, kNan},  {"acosh", kInf, kInf},  {"atanh", -0.0, -0.0}, {"atanh", 0, 0},
      {"atanh", 1, kInf},      {"atanh", -1, -kInf},   {"atanh", 2, kNan},    {"atanh", -kInf, kNan},
      {"erf", -0.0, -0.0},     {"erf", 0, 0},          {"erf", kInf, 1},      {"erf", -kInf, -1},
      {"erf", 30, 1},
  };
  for (const Case& c : kCases)
    expect_both(c.name, c.x, 0, c.exact);
  for (const auto& [name, f] : functions())
    if (f.exact) expect_both(name, kNan, 0, kNan);
}

TEST(Prelude, TheLeastAndTheGreatestArgumentsAreRight) {
  for (const char* name : {"expm1", "log1p", "sin", "tan", "asin", "atan", "sinh", "tanh", "asinh", "atanh"})
    for (double sign : {1, -1}) {
      EXPECT_EQ(functions().at(name).in_f32(float(sign * 0x1p-149), 0), float(sign * 0x1p-149)) << name;
      EXPECT_EQ(functions().at(name).in_f32(float(sign * 0x1.fffffcp-127), 0), float(sign * 0x1.fffffcp-127)) << name;
      EXPECT_EQ(functions().at(name).in_f64(sign * 0x1p-1074, 0), sign * 0x1p-1074) << name;
      EXPECT_EQ(functions().at(name).in_f64(sign * 0x1.ffffffffffffep-1023, 0), sign * 0x1.ffffffffffffep-1023) << name;
    }
  // The last finite and the first infinite value, the last denormal and the first zero.
  EXPECT_TRUE(std::isfinite(f32::exp(0x1.62e42ep+6f)) && std::isinf(f32::exp(0x1.62e430p+6f)));
  EXPECT_TRUE(f32::exp(-0x1.9fe368p+6f) == 0x1p-149f && f32::exp(-0x1.9fe36ap+6f) == 0);
  EXPECT_TRUE(std::isfinite(f64::exp(0x1.62e42fefa39efp+9)) && std::isinf(f64::exp(0x1.62e42fefa39f0p+9)));
  EXPECT_TRUE(f64::exp(-0x1.74910d52d3051p+9) == 0x1p-1074 && f64::exp(-0x1.74910d52d3052p+9) == 0);
  EXPECT_TRUE(std::isfinite(f32::exp2(0x1.fffffep+6f)) && std::isinf(f32::exp2(128.0f)));
  EXPECT_TRUE(f32::exp2(-149.0f) == 0x1p-149f && f32::exp2(-150.0f) == 0);
  EXPECT_TRUE(f64::exp2(-1074.0) == 0x1p-1074 && f64::exp2(-1075.0) == 0 && std::isinf(f64::exp2(1024.0)));
  EXPECT_TRUE(std::isfinite(f32::sinh(0x1.65a9f8p+6f)) && std::isinf(f32::sinh(0x1.65a9fap+6f)));
  EXPECT_TRUE(std::isfinite(f64::cosh(0x1.633ce8fb9f87dp+9)) && std::isinf(f64::cosh(0x1.633ce8fb9f87ep+9)));
  EXPECT_TRUE(std::isfinite(f32::expm1(0x1.62e42ep+6f)) && std::isinf(f32::expm1(0x1.62e430p+6f)));
  for (double x : {0x1.fffffep+127, -0x1.fffffep+127})
    for (const auto& [name, f] : functions()) {
      if (!f.exact) continue;
      EXPECT_LE(error_in_ulp(f.in_f32(float(x), 0), f.exact(x)), 1) << name << " at " << x;
    }
}

TEST(Prelude, PowIsC99s) {
  const double odd[] = {-3, -1, 1, 3, 5}, even[] = {-4, -2, 2, 4}, broken[] = {-2.5, -0.5, 0.5, 1.5};
  for (double zero : {0.0, -0.0}) {
    for (double y : odd) expect_both("pow", zero, y, y < 0 ? std::copysign(kInf, zero) : zero);
    for (double y : even) expect_both("pow", zero, y, y < 0 ? kInf : 0.0);
    for (double y : broken) expect_both("pow", zero, y, y < 0 ? kInf : 0.0);
    expect_both("pow", zero, -kInf, kInf), expect_both("pow", zero, kInf, 0);
    for (double x : {0.0, -0.0, 1.0, -2.5, kInf, -kInf, kNan}) expect_both("pow", x, zero, 1);
  }
  for (double y : {kInf, -kInf}) {
    expect_both("pow", -1, y, 1);
    for (double x : {0.5, -0.5}) expect_both("pow", x, y, y < 0 ? kInf : 0);
    for (double x : {2.0, -2.0, kInf, -kInf}) expect_both("pow", x, y, y < 0 ? 0 : kInf);
  }
  for (double y : {-kInf, -2.5, 0.0, 3.0, kInf, kNan}) expect_both("pow", 1, y, 1);
  for (double y : broken) expect_both("pow", -2, y, kNan), expect_both("pow", kInf, y, y < 0 ? 0 : kInf);
  for (double y : broken) expect_both("pow", -kInf, y, y < 0 ? 0 : kInf);
  for (double y : odd) expect_both("pow", -kInf, y, y < 0 ? -0.0 : -kInf), expect_both("pow", -1, y, -1);
  for (double y : even) expect_both("pow", -kInf, y, y < 0 ? 0 : kInf), expect_both("pow", -1, y, 1);
  expect_both("pow", kNan, 2, kNan), expect_both("pow", 2, kNan, kNan), expect_both("pow", -1, kNan, kNan);
  expect_both("pow", -2, 3, -8), expect_both("pow", 3, 4, 81), expect_both("pow", 2, -2, 0.25),
      expect_both("pow", -2, 10, 1024);
  expect_both("pow", -2, 1e30, kInf), expect_both("pow", -2, -1e30, 0), expect_both("pow", -0.5, 2001, -0.0);
  EXPECT_EQ(f32::pow(-1.0f, 16777215.0f), -1);
  EXPECT_EQ(f32::pow(-1.0f, 16777216.0f), 1);
  EXPECT_EQ(f64::pow(-1.0, 9007199254740991.0), -1);
  EXPECT_EQ(f64::pow(-1.0, 9007199254740992.0), 1);
  EXPECT_EQ(f32::pow(2.0f, -149.0f), 0x1p-149f);
  EXPECT_EQ(f64::pow(2.0, -1074.0), 0x1p-1074);
  EXPECT_EQ(f32::pow(0x1p-149f, 1.0f), 0x1p-149f);
  EXPECT_EQ(f64::pow(0x1p-1074, 1.0), 0x1p-1074);
}

TEST(Prelude, Atan2KnowsItsQuadrantsAndZeros) {
  for (bool is_f32 : {true, false}) {
    auto angle = [&](double y, double x) { return is_f32 ? double(f32::atan2(float(y), float(x))) : f64::atan2(y, x); };
    auto expect = [&](double y, double x, double exact) {
      double nearest = is_f32 ? double(float(exact)) : exact, got = angle(y, x);
      EXPECT_TRUE(got == nearest && std::signbit(got) == std::signbit(exact))
          << y << " " << x << " is " << got << ", not " << exact;
    };
    const double pi = 3.14159265358979323846;
    for (double s : {1, -1}) {
      expect(s * 0.0, 0.0, s * 0.0), expect(s * 0.0, -0.0, s * pi), expect(s * 0.0, 2, s * 0.0),
          expect(s * 0.0, -2, s * pi);
      expect(s * 2, 0.0, s * pi / 2), expect(s * 2, -0.0, s * pi / 2), expect(s * 2, kInf, s * 0.0),
          expect(s * 2, -kInf, s * pi);
      expect(s * kInf, 2, s * pi / 2), expect(s * kInf, -2, s * pi / 2), expect(s * kInf, kInf, s * pi / 4);
      expect(s * kInf, -kInf, s * 3 * pi / 4), expect(s * 0.0, kInf, s * 0.0), expect(s * 0.0, -kInf, s * pi);
      expect(s * 3, 3, s * pi / 4), expect(s * 1e30, 1e-30, s * pi / 2), expect(s * 1e-40, 1e-40, s * pi / 4);
    }
    for (double v : {0.0, 1.0, -kInf, kInf, kNan})
      EXPECT_TRUE(std::isnan(angle(kNan, v)) && std::isnan(angle(v, kNan))) << v;
  }
}

TEST(Prelude, HypotNeitherOverflowsNorVanishes) {
  expect_both("hypot", 3, -4, 5), expect_both("hypot", 0, -0.0, 0), expect_both("hypot", -2, 0, 2);
  for (double v : {0.0, -5.0, kNan, kInf}) expect_both("hypot", -kInf, v, kInf), expect_both("hypot", v, kInf, kInf);
  expect_both("hypot", kNan, 1, kNan), expect_both("hypot", 1, kNan, kNan);
  EXPECT_EQ(f32::hypot(0x3p+120f, 0x4p+120f), 0x5p+120f);
  EXPECT_EQ(f64::hypot(0x3p+1000, 0x4p+1000), 0x5p+1000);
  EXPECT_EQ(f32::hypot(0x3p-149f, 0x4p-149f), 0x5p-149f);
  EXPECT_EQ(f64::hypot(0x3p-1074, 0x4p-1074), 0x5p-1074);
  EXPECT_EQ(f32::hypot(0x1.8p+127f, 0x1.8p+127f), kInf);
  EXPECT_EQ(f64::hypot(0x1.8p+1023, 0x1.8p+1023), kInf);
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
