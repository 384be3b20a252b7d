// cvt, f16 and bf16. The values of the 65,536 halves come from their definition, and roundings to them from a search
// among those values.
#include <algorithm>
#include <cfenv>
#include <map>

#include "tests/fakegpu/opcodes.h"

namespace fakegpu::test {
namespace {

struct Format { const char* name; int exponent_bits, mantissa_bits; };
const Format kF16 = {"f16", 5, 10}, kBF16 = {"bf16", 8, 7};

double value_of(const Format& f, uint16_t bits) {
  int field = bits >> f.mantissa_bits & ((1 << f.exponent_bits) - 1), mantissa = bits & ((1 << f.mantissa_bits) - 1);
  int bias = (1 << (f.exponent_bits - 1)) - 1;
  double sign = bits & 0x8000 ? -1 : 1;
  if (field == (1 << f.exponent_bits) - 1) return mantissa ? NAN : sign * INFINITY;
  if (field == 0) return sign * std::ldexp(mantissa, 1 - bias - f.mantissa_bits);
  return sign * std::ldexp(mantissa + (1 << f.mantissa_bits), field - bias - f.mantissa_bits);
}

// Finite values in order, with their bits; of the two zeros the positive one.
const std::vector<std::pair<double, uint16_t>>& ladder(const Format& f) {
  static std::map<std::string, std::vector<std::pair<double, uint16_t>>> all;
  auto& list = all[f.name];
  if (!list.empty()) return list;
  for (int bits = 0; bits < 65536; ++bits) {
    double v = value_of(f, bits);
    if (std::isfinite(v) && bits != 0x8000) list.push_back({v, bits});
  }
  std::sort(list.begin(), list.end());
  return list;
}

uint16_t rounded(const Format& f, long double x, int mode) {
  const uint16_t infinity = ((1 << f.exponent_bits) - 1) << f.mantissa_bits;
  if (x != x) return 0x7fff;
  if (std::isinf(x)) return x > 0 ? infinity : infinity | 0x8000;
  if (x == 0) return std::signbit(x) ? 0x8000 : 0;
  const auto& list = ladder(f);
  const long double most = list.back().first, beyond = most + (most - list[list.size() - 2].first) / 2;
  auto above = std::lower_bound(list.begin(), list.end(), x, [](const auto& a, long double b) { return a.first < b; });
  if (above != list.end() && above->first == x) return above->second;
  auto signed_zero = [&](uint16_t bits) { return bits == 0 && x < 0 ? uint16_t{0x8000} : bits; };
  if (above == list.end() || above == list.begin()) {  // beyond the largest
    bool positive = x > 0,
         outward = mode == FE_TONEAREST ? std::fabs(x) >= beyond : mode == (positive ? FE_UPWARD : FE_DOWNWARD);
    return (outward ? infinity : infinity - 1) | (positive ? 0 : 0x8000);
  }
  auto below = above - 1;
  bool up = mode == FE_UPWARD || (mode == FE_TOWARDZERO && x < 0);
  if (mode == FE_TONEAREST) {
    long double to_below = x - below->first, to_above = above->first - x;
    up = to_above < to_below || (to_above == to_below && !(above->second & 1));
  }
  return signed_zero(up ? above->second : below->second);
}

std::vector<Half> all_halves() {
  std::vector<Half> v(65536);
  for (int i = 0; i < 65536; ++i) v[i].bits = i;
  return v;
}
// Every half, the places halfway to its neighbour and the floats beside those: where each rounding changes.
std::vector<float> around(const Format& f) {
  std::vector<float> v = edges<float>();
  const auto& list = ladder(f);
  for (size_t i = 1; i < list.size(); ++i) {
    float low = static_cast<float>(list[i - 1].first),
          middle = static_cast<float>((list[i - 1].first + list[i].first) / 2);
    v.insert(v.end(), {low, std::nextafterf(low, INFINITY), std::nextafterf(middle, -INFINITY), middle,
                       std::nextafterf(middle, INFINITY)});
  }
  const float most = static_cast<float>(list.back().first),
              step = most - static_cast<float>(list[list.size() - 2].first);
  for (float x : {most + step / 4, most + step / 2, std::nextafterf(most + step / 2, 0.0f), most + step})
    v.push_back(x), v.push_back(-x);
  return v;
}

struct Mode { const char* name; int mode; };
const Mode kModes[] = {{"rn", FE_TONEAREST}, {"rz", FE_TOWARDZERO}, {"rm", FE_DOWNWARD}, {"rp", FE_UPWARD}};

TEST(Halves, AllOfThemAsFloats) {
  for (const Format& f : {kF16, kBF16})
    expect<float>(
        std::string("cvt.f32.") + f.name + " $d, $a;", [&](Half h) { return static_cast<float>(value_of(f, h.bits)); },
        all_halves());
}
TEST(Halves, FromFloatsRoundedEveryWay) {
  for (const Format& f : {kF16, kBF16})
    for (auto [name, mode] : kModes) {
      if (f.name == kBF16.name && mode != FE_TONEAREST && mode != FE_TOWARDZERO) continue;
      expect<Half>(
          std::string("cvt.") + name + "." + f.name + ".f32 $d, $a;",
          [&, mode = mode](float x) { return Half{rounded(f, x, mode)}; }, around(f));
    }
}
TEST(Halves, FromDoubles) {
  std::vector<double> e = edges<double>();
  e.insert(e.end(), {1 + 0x1p-11, 1 + 0x1p-11 + 0x1p-52, 1 + 0x1p-11 - 0x1p-53, 65520, 65519.999999999, 0x1p-25,
                     0x1p-25 + 0x1p-77});
  expect<Half>("cvt.rn.f16.f64 $d, $a;", [](double x) { return Half{rounded(kF16, x, FE_TONEAREST)}; }, e);
}
TEST(Halves, RoundTripKeepsEveryHalf) {
  for (const Format& f : {kF16, kBF16}) {
    std::vector<Half> all = all_halves();
    std::vector<Half> back =
        run<Half>(std::string("cvt.f32.") + f.name + " %f10, $a; cvt.rn." + f.name + ".f32 $d, %f10;", all);
    for (int i = 0; i < 65536; ++i) ASSERT_EQ(back[i].bits, std::isnan(value_of(f, i)) ? 0x7fff : i);
  }
}
TEST(Halves, InPairs) {
  std::vector<float> e = edges<float>();
  auto pair = [](const Format& f, float a, float b) {
    return Pair{uint32_t{rounded(f, a, FE_TONEAREST)} << 16 | rounded(f, b, FE_TONEAREST)};
  };
  expect<Pair>("cvt.rn.f16x2.f32 $d, $a, $b;", [&](float a, float b) { return pair(kF16, a, b); }, e, e);
  expect<Pair>("cvt.rn.bf16x2.f32 $d, $a, $b;", [&](float a, float b) { return pair(kBF16, a, b); }, e, e);
  auto relu = [](float x) { return x < 0 ? 0.0f : x; };
  expect<Pair>(
      "cvt.rn.relu.bf16x2.f32 $d, $a, $b;",
      [&](float a, float b) { return pair(kBF16, relu(a) + 0.0f, relu(b) + 0.0f); }, e, e);
}
TEST(Halves, Tf32) {
  std::vector<float> x = {1 + 0x1p-11f, 1 + 0x1p-11f - 0x1p-23f, -1 - 0x1p-11f, 3, 0x1p-130f};
  EXPECT_EQ(run<float>("cvt.rna.tf32.f32 %r10, $a; mov.b32 $d, %r10;", x),
            (std::vector<float>{1 + 0x1p-10f, 1, -1 - 0x1p-10f, 3, 0x1p-130f}));
}

// Sums and products of halves: exact in 80 bits, rounded once by the search. Edges against all of them.
void arithmetic(const Format& f) {
  std::vector<Half> all = all_halves(), some;
  for (int b : {0x0000, 0x8000, 0x0001, 0x8001, 0x03ff, 0x0400, 0x3c00, 0xbc00, 0x3555, 0x3f80, 0x4248, 0x7bff, 0xfbff,
                0x7c00, 0x7f7f, 0x7f80, 0xff80, 0x7e00, 0x5a5a})
    some.push_back({uint16_t(b)});
  auto wide = [&](Half h) { return static_cast<long double>(value_of(f, h.bits)); };
  auto near = [&](long double x) { return Half{rounded(f, x, FE_TONEAREST)}; };
  const std::string t = std::string(".") + f.name, rn = f.name == kBF16.name ? ".rn" + t : t;
  auto sum = [&](long double a, long double b) {  // what is lost beyond 80 bits is kept by making the last of them odd
    long double s = a + b, part = s - a, lost = std::isfinite(s) ? (a - (s - part)) + (b - part) : 0;
    uint64_t mantissa;
    memcpy(&mantissa, &s, 8);
    return lost == 0 || (mantissa & 1) ? near(s) : near(std::nextafterl(s, lost > 0 ? INFINITY : -INFINITY));
  };
  expect<Half>("add" + rn + " $d, $a, $b;", [&](Half a, Half b) { return sum(wide(a), wide(b)); }, all, some);
  expect<Half>("sub" + rn + " $d, $a, $b;", [&](Half a, Half b) { return sum(wide(a), -wide(b)); }, all, some);
  expect<Half>("mul" + rn + " $d, $a, $b;", [&](Half a, Half b) { return near(wide(a) * wide(b)); }, all, some);
  expect<Half>(
      "fma.rn" + t + " $d, $a, $b, $c;", [&](Half a, Half b, Half c) { return sum(wide(a) * wide(b), wide(c)); }, all,
      std::vector<Half>{{0x8001}, {0x3555}, {0x4248}, {0x7f80}},
      std::vector<Half>{{0x0001}, {0xbc00}, {0x3c01}, {0x7bff}});
  auto extreme = [&](Half a, Half b, bool least) {
    long double x = wide(a), y = wide(b);
    if (x != x || y != y) return x != x && y != y ? Half{0x7fff} : x != x ? b : a;
    if (x == y) return std::signbit(x) == least ? a : b;
    return (x < y) == least ? a : b;
  };
  expect<Half>("min" + t + " $d, $a, $b;", [&](Half a, Half b) { return extreme(a, b, true); }, all, some);
  expect<Half>("max" + t + " $d, $a, $b;", [&](Half a, Half b) { return extreme(a, b, false); }, all, some);
  expect<Half>("neg" + t + " $d, $a;", [](Half a) { return Half{uint16_t(a.bits ^ 0x8000)}; }, all);
  expect<Half>("abs" + t + " $d, $a;", [](Half a) { return Half{uint16_t(a.bits & 0x7fff)}; }, all);
  for (const char* c : {"lt", "geu", "neu", "nan"})
    expect<Flag>(std::string("setp.") + c + t + " $d, $a, $b;", [&](Half a, Half b) {
      double x = value_of(f, a.bits), y = value_of(f, b.bits);
      bool unordered = x != x || y != y;
      return Flag{c[0] == 'l'   ? x < y
                  : c[0] == 'g' ? unordered || x >= y
                  : c[2] == 'u' ? unordered || x != y
                                : unordered};
    }, all, some);
}
TEST(Halves, ArithmeticOfF16) { arithmetic(kF16); }
TEST(Halves, ArithmeticOfBF16) { arithmetic(kBF16); }
TEST(Halves, TwoAtATime) {
  std::vector<Pair> a = {{0x3c004000}, {0x7bff0001}, {0x80000000}}, b = {{0x3c003c00}, {0x7bff0001}, {0x00008000}};
  std::vector<Pair> sum = run<Pair>("add.f16x2 $d, $a, $b;", a, b), product = run<Pair>("mul.f16x2 $d, $a, $b;", a, b);
  EXPECT_EQ(sum[0].bits, 0x40004200u);      // 1 + 1, 2 + 1
  EXPECT_EQ(sum[1].bits, 0x7c000002u);      // beyond the largest; two of the smallest
  EXPECT_EQ(product[1].bits, 0x7c000000u);
  EXPECT_EQ(product[2].bits, 0x80008000u);  // -0 * 0, 0 * -0
  EXPECT_EQ(
      run<Pair>("fma.rn.bf16x2 $d, $a, $b, $a;", std::vector<Pair>{{0x3f804000}}, std::vector<Pair>{{0x3f803f80}})[0]
          .bits,
      0x40004080u);
}

// ---- between integers and floats
template <class To, class From> To clamped(From x) {
  if (x != x)
    return sizeof(To) < 8 && sizeof(From) < 8 ? To(0) : To(std::make_unsigned_t<To>(1) << (sizeof(To) * 8 - 1));
  const long double low = std::numeric_limits<To>::min(), high = std::numeric_limits<To>::max(), v = x;
  return v <= low ? std::numeric_limits<To>::min() : v >= high ? std::numeric_limits<To>::max() : static_cast<To>(v);
}
template <class T>
std::string named() {
  return std::string(std::is_floating_point_v<T> ? "f"
                     : std::is_signed_v<T>       ? "s"
                                                 : "u") +
         std::to_string(sizeof(T) * 8);
}

template <class To, class From> void float_to_integer() {
  std::vector<From> e = edges<From>();
  for (From x : {From(1.5), From(-0.5), From(0.49999), From(254.5), From(255.5), From(-128.5), From(-129),
                 From(32767.5), From(4294967295.0), From(9.3e18), From(1.9e19)})
    e.push_back(x), e.push_back(-x);
  const std::string t = "." + named<To>() + "." + named<From>() + " $d, $a;";
  expect<To>("cvt.rzi" + t, [](From x) { return clamped<To>(std::trunc(x)); }, e);
  expect<To>("cvt.rmi" + t, [](From x) { return clamped<To>(std::floor(x)); }, e);
  expect<To>("cvt.rpi" + t, [](From x) { return clamped<To>(std::ceil(x)); }, e);
  expect<To>("cvt.rni" + t, [](From x) {  // halves to even
    From down = std::floor(x), rest = x - down;
    if (x != x || std::isinf(x)) return clamped<To>(x);
    return clamped<To>(rest > From(0.5) || (rest == From(0.5) && std::fmod(down, From(2)) != 0) ? down + 1 : down);
  }, e);
}
template <class From> void to_every_integer() {
  float_to_integer<int8_t, From>();
  float_to_integer<uint8_t, From>();
  float_to_integer<int16_t, From>();
  float_to_integer<uint16_t, From>();
  float_to_integer<int32_t, From>();
  float_to_integer<uint32_t, From>();
  float_to_integer<int64_t, From>();
  float_to_integer<uint64_t, From>();
}
TEST(Conversions, FloatsToIntegers) {
  to_every_integer<float>();
  to_every_integer<double>();
}

// Every integer has few enough bits for 80 of them; the float below it is found by going down from the nearest.
template <class To, class From> void integer_to_float() {
  std::vector<From> e = edges<From>();
  for (int bit = 20; bit < static_cast<int>(sizeof(From) * 8) - 1; ++bit)
    for (int d : {-1, 0, 1}) e.push_back(static_cast<From>((From(1) << bit) + d));
  for (auto [name, mode] : kModes)
    expect<To>(
        std::string("cvt.") + name + "." + named<To>() + "." + named<From>() + " $d, $a;",
        [mode = mode](From v) {
          long double exact = v;
          To near = static_cast<To>(exact);
          if (near == exact || mode == FE_TONEAREST) return near;
          To below = near > exact ? std::nextafter(near, To(-INFINITY)) : near,
             above = near < exact ? std::nextafter(near, To(INFINITY)) : near;
          return mode == FE_DOWNWARD || (mode == FE_TOWARDZERO && exact > 0) ? below : above;
        },
        e);
}
template <class From> void to_both_floats() {
  integer_to_float<float, From>();
  integer_to_float<double, From>();
}
TEST(Conversions, IntegersToFloats) {
  to_both_floats<int8_t>();
  to_both_floats<uint8_t>();
  to_both_floats<int16_t>();
  to_both_floats<uint16_t>();
  to_both_floats<int32_t>();
  to_both_floats<uint32_t>();
  to_both_floats<int64_t>();
  to_both_floats<uint64_t>();
  expect<Half>(
      "cvt.rn.f16.s32 $d, $a;", [](int32_t v) { return Half{rounded(kF16, v, FE_TONEAREST)}; },
      std::vector<int32_t>{0, 1, -1, 2049, 2051, 65519, 65520, -70000});
  expect<Half>(
      "cvt.rn.bf16.s64 $d, $a;", [](int64_t v) { return Half{rounded(kBF16, v, FE_TONEAREST)}; },
      std::vector<int64_t>{0, -1, 257, 259, (1ll << 62) + (1ll << 54), (1ll << 62) + (1ll << 54) + 1,
                           (1ll << 62) + (1ll << 54) - 1});
  expect<int32_t>(
      "cvt.rni.s32.f16 $d, $a;",
      [](Half h) {
        double v = value_of(kF16, h.bits);
        return v != v ? 0 : clamped<int32_t>(std::nearbyint(v));
      },
      all_halves());
}

template <class To, class From> void between_integers() {
  const std::vector<From> e = edges<From>();
  const std::string t = "." + named<To>() + "." + named<From>() + " $d, $a;";
  expect<To>("cvt" + t, [](From v) { return static_cast<To>(v); }, e);
  expect<To>("cvt.sat" + t, [](From v) { return clamped<To>(v); }, e);
}
template <class To> void from_every_integer() {
  between_integers<To, int8_t>();
  between_integers<To, uint8_t>();
  between_integers<To, int16_t>();
  between_integers<To, uint16_t>();
  between_integers<To, int32_t>();
  between_integers<To, uint32_t>();
  between_integers<To, int64_t>();
  between_integers<To, uint64_t>();
}
TEST(Conversions, BetweenIntegers) {
  from_every_integer<int8_t>();
  from_every_integer<uint8_t>();
  from_every_integer<int16_t>();
  from_every_integer<uint16_t>();
  from_every_integer<int32_t>();
  from_every_integer<uint32_t>();
  from_every_integer<int64_t>();
  from_every_integer<uint64_t>();
}

TEST(Conversions, BetweenFloats) {
  std::vector<double> e = edges<double>();
  e.insert(e.end(),
           {1 + 0x1p-24, 1 + 0x1p-24 + 0x1p-52, 3.4028235677973366e38, 3.5e38, 0x1p-150, 0x1.8p-150, -0x1p-151});
  expect<double>("cvt.f64.f32 $d, $a;", [](float x) { return static_cast<double>(x); }, edges<float>());
  for (auto [name, mode] : kModes)
    expect<float>(std::string("cvt.") + name + ".f32.f64 $d, $a;", [mode = mode](double x) {
      fesetround(mode);
      volatile double in = x;
      volatile float out = static_cast<float>(in);
      fesetround(FE_TONEAREST);
      return float{out};
    }, e);
  expect<float>(
      "cvt.rn.ftz.f32.f64 $d, $a;",
      [](double x) {
        float f = static_cast<float>(x);
        return f != 0 && std::fabs(f) < 0x1p-126f ? std::copysign(0.0f, f) : f;
      },
      e);
  expect<float>("cvt.sat.f32.f32 $d, $a;", [](float x) { return x > 0 ? std::min(x, 1.0f) : 0.0f; }, edges<float>());
  std::vector<float> f = edges<float>();
  for (float x : {0.5f, 1.5f, 2.5f, -0.5f, -1.5f, 8388607.5f}) f.push_back(x);
  expect<float>("cvt.rni.f32.f32 $d, $a;", [](float x) { return std::nearbyint(x); }, f);
  expect<float>("cvt.rzi.f32.f32 $d, $a;", [](float x) { return std::trunc(x); }, f);
  expect<float>("cvt.rmi.f32.f32 $d, $a;", [](float x) { return std::floor(x); }, f);
  expect<float>("cvt.rpi.f32.f32 $d, $a;", [](float x) { return std::ceil(x); }, f);
  expect<double>("cvt.rni.f64.f64 $d, $a;", [](double x) { return std::nearbyint(x); }, e);
}

TEST(Conversions, RegistersWiderThanTheirTypes) {
  expect<uint32_t>("cvt.u32.u8 $d, $a;", [](uint32_t v) { return v & 255; }, edges<uint32_t>());
  expect<int32_t>("cvt.s32.s8 $d, $a;", [](int32_t v) { return int32_t(int8_t(v)); }, edges<int32_t>());
  expect<int32_t>("cvt.s8.s32 $d, $a;", [](int32_t v) { return int32_t(int8_t(v)); }, edges<int32_t>());
  expect<uint64_t>("cvt.u16.u64 $d, $a;", [](uint64_t v) { return v & 65535; }, edges<uint64_t>());
}

}  // namespace
}  // namespace fakegpu::test
