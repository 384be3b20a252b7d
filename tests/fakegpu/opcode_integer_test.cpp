// Integers: arithmetic and bits. The host's side widens to 128 bits, or goes bit by bit.
#include "tests/fakegpu/opcodes.h"

namespace fakegpu::test {
namespace {

using Wide = __int128;
template <class T>
Wide wide(T v) {
  return std::is_signed_v<T> ? Wide{v} : static_cast<Wide>(static_cast<unsigned __int128>(v));
}
template <class T> std::string typed() { return (std::is_signed_v<T> ? "s" : "u") + std::to_string(sizeof(T) * 8); }
template <class T> std::string untyped() { return "b" + std::to_string(sizeof(T) * 8); }
template <class T> T divided(T a, T b) { return b == 0 ? T(~T{0}) : T(wide(a) / wide(b)); }

template <class T> class Integers : public ::testing::Test {};
using Types = ::testing::Types<uint16_t, int16_t, uint32_t, int32_t, uint64_t, int64_t>;
TYPED_TEST_SUITE(Integers, Types);

TYPED_TEST(Integers, Arithmetic) {
  using T = TypeParam;
  const std::vector<T> e = edges<T>();
  const std::string t = "." + typed<T>();
  expect<T>("add" + t + " $d, $a, $b;", [](T a, T b) { return T(wide(a) + wide(b)); }, e, e);
  expect<T>("sub" + t + " $d, $a, $b;", [](T a, T b) { return T(wide(a) - wide(b)); }, e, e);
  expect<T>("mul.lo" + t + " $d, $a, $b;", [](T a, T b) { return T(wide(a) * wide(b)); }, e, e);
  expect<T>("mul.hi" + t + " $d, $a, $b;", [](T a, T b) {
    if constexpr (sizeof(T) == 8 && std::is_unsigned_v<T>) return T((static_cast<unsigned __int128>(a) * b) >> 64);
    else return T((wide(a) * wide(b)) >> (sizeof(T) * 8));
  }, e, e);
  expect<T>("mad.lo" + t + " $d, $a, $b, $c;", [](T a, T b, T c) { return T(wide(a) * wide(b) + wide(c)); }, e, e, e);
  expect<T>("div" + t + " $d, $a, $b;", [](T a, T b) { return divided(a, b); }, e, e);
  expect<T>("rem" + t + " $d, $a, $b;", [](T a, T b) { return b == 0 ? a : T(wide(a) % wide(b)); }, e, e);
  expect<T>("min" + t + " $d, $a, $b;", [](T a, T b) { return a < b ? a : b; }, e, e);
  expect<T>("max" + t + " $d, $a, $b;", [](T a, T b) { return a < b ? b : a; }, e, e);
  expect<T>(
      "sad" + t + " $d, $a, $b, $c;",
      [](T a, T b, T c) { return T((a < b ? wide(b) - wide(a) : wide(a) - wide(b)) + wide(c)); }, e, e, e);
  if constexpr (std::is_signed_v<T>) {
    expect<T>("neg" + t + " $d, $a;", [](T a) { return T(-wide(a)); }, e);
    expect<T>("abs" + t + " $d, $a;", [](T a) { return T(a < 0 ? -wide(a) : wide(a)); }, e);
  }
}

template <class T, class D> void widening() {
  const std::vector<T> e = edges<T>();
  const std::string t = "." + typed<T>();
  expect<D>("mul.wide" + t + " $d, $a, $b;", [](T a, T b) { return D(wide(a) * wide(b)); }, e, e);
  expect<D>(
      "mad.wide" + t + " $d, $a, $b, $c;", [](T a, T b, D c) { return D(wide(a) * wide(b) + wide(c)); }, e, e,
      edges<D>());
}
TEST(Opcodes, WideProducts) {
  widening<uint16_t, uint32_t>();
  widening<int16_t, int32_t>();
  widening<uint32_t, uint64_t>();
  widening<int32_t, int64_t>();
}

TEST(Opcodes, HighProductsAndSums) {
  const std::vector<uint32_t> u = edges<uint32_t>();
  const std::vector<int32_t> s = edges<int32_t>();
  expect<uint32_t>(
      "mad.hi.u32 $d, $a, $b, $c;", [](uint64_t a, uint64_t b, uint32_t c) { return uint32_t((a * b >> 32) + c); }, u,
      u, u);
  expect<int32_t>(
      "mad.hi.s32 $d, $a, $b, $c;", [](int64_t a, int64_t b, int32_t c) { return int32_t((a * b >> 32) + c); }, s, s,
      s);
  expect<uint32_t>(
      "mul24.lo.u32 $d, $a, $b;", [](uint64_t a, uint64_t b) { return uint32_t((a % (1 << 24)) * (b % (1 << 24))); }, u,
      u);
  auto low = [](int64_t v) { v &= 0xffffff; return v >= 1 << 23 ? v - (1 << 24) : v; };
  expect<int32_t>("mul24.lo.s32 $d, $a, $b;", [&](int32_t a, int32_t b) { return int32_t(low(a) * low(b)); }, s, s);
}

TEST(Opcodes, SaturatedSums) {
  const std::vector<int32_t> s = edges<int32_t>();
  auto clamped = [](int64_t v) { return int32_t(v > INT32_MAX ? INT32_MAX : v < INT32_MIN ? INT32_MIN : v); };
  expect<int32_t>("add.sat.s32 $d, $a, $b;", [&](int64_t a, int64_t b) { return clamped(a + b); }, s, s);
  expect<int32_t>("sub.sat.s32 $d, $a, $b;", [&](int64_t a, int64_t b) { return clamped(a - b); }, s, s);
}

// Numbers of 64 and 128 bits, made of their halves.
TEST(Opcodes, Carries) {
  const std::vector<uint64_t> e = edges<uint64_t>();
  const std::string split = "mov.b64 {%r10, %r11}, $a; mov.b64 {%r12, %r13}, $b; ", join = " mov.b64 $d, {%r14, %r15};";
  opcodes_run().insert({"addc", "subc", "madc"});
  expect<uint64_t>(
      split + "add.cc.u32 %r14, %r10, %r12; addc.u32 %r15, %r11, %r13;" + join,
      [](uint64_t a, uint64_t b) { return a + b; }, e, e);
  expect<uint64_t>(
      split + "sub.cc.u32 %r14, %r10, %r12; subc.u32 %r15, %r11, %r13;" + join,
      [](uint64_t a, uint64_t b) { return a - b; }, e, e);
  expect<uint64_t>(
      split + "add.cc.u32 %r14, %r10, %r12; addc.cc.u32 %r15, %r11, %r13; addc.u32 %r16, 0, 0; mov.b64 $d, {%r16, 0};",
      [](uint64_t a, uint64_t b) { return uint64_t(a + b < a); }, e, e);
  expect<uint64_t>(
      split +
          "mul.lo.u32 %r14, %r10, %r12; mul.hi.u32 %r15, %r10, %r12; mad.lo.cc.u32 %r15, %r10, %r13, %r15; madc.hi.u32 "
          "%r16, %r10, %r13, "
          "0;"
          "mad.lo.cc.u32 %r15, %r11, %r12, %r15; madc.hi.cc.u32 %r16, %r11, %r12, %r16; addc.u32 %r17, 0, 0;"
          "mad.lo.cc.u32 %r16, %r11, %r13, %r16; madc.hi.u32 %r17, %r11, %r13, %r17; mov.b64 $d, {%r16, %r17};",
      [](uint64_t a, uint64_t b) { return uint64_t((static_cast<unsigned __int128>(a) * b) >> 64); }, e, e);
  expect<uint64_t>(
      "add.cc.u64 %rd10, $a, $b; addc.u64 $d, 0, 0;", [](uint64_t a, uint64_t b) { return uint64_t(a + b < a); }, e, e);
}

TYPED_TEST(Integers, Logic) {
  using T = TypeParam;
  const std::vector<T> e = edges<T>();
  const std::string t = "." + untyped<T>();
  expect<T>("and" + t + " $d, $a, $b;", [](T a, T b) { return T(a & b); }, e, e);
  expect<T>("or" + t + " $d, $a, $b;", [](T a, T b) { return T(a | b); }, e, e);
  expect<T>("xor" + t + " $d, $a, $b;", [](T a, T b) { return T(a ^ b); }, e, e);
  expect<T>("not" + t + " $d, $a;", [](T a) { return T(-wide(a) - 1); }, e);
  expect<T>("cnot" + t + " $d, $a;", [](T a) { return T(a == 0); }, e);
  expect<T>(
      "shl" + t + " $d, $a, $b;",
      [](T a, uint32_t n) { return n >= sizeof(T) * 8 ? T(0) : T(static_cast<unsigned __int128>(wide(a)) << n); }, e,
      small_counts());
  expect<T>(
      "shr." + typed<T>() + " $d, $a, $b;", [](T a, uint32_t n) { return T(wide(a) >> (n > 100 ? 100 : n)); }, e,
      small_counts());
}

TEST(Opcodes, Predicates) {
  const std::vector<Flag> both = {{0}, {1}};
  expect<Flag>("and.pred $d, $a, $b;", [](Flag a, Flag b) { return Flag{uint8_t(a.value & b.value)}; }, both, both);
  expect<Flag>("or.pred $d, $a, $b;", [](Flag a, Flag b) { return Flag{uint8_t(a.value | b.value)}; }, both, both);
  expect<Flag>("xor.pred $d, $a, $b;", [](Flag a, Flag b) { return Flag{uint8_t(a.value ^ b.value)}; }, both, both);
  expect<Flag>("not.pred $d, $a;", [](Flag a) { return Flag{uint8_t(!a.value)}; }, both);
  expect<Flag>("mov.pred $d, $a;", [](Flag a) { return a; }, both);
  expect<uint32_t>(
      "mov.u32 $d, 3; @$a mov.u32 $d, 5; @!$b add.u32 $d, $d, 10;",
      [](Flag a, Flag b) { return (a.value ? 5u : 3u) + (b.value ? 0 : 10); }, both, both);
}

template <class T> uint32_t leading(T v) {
  uint32_t n = 0;
  for (int bit = sizeof(T) * 8 - 1; bit >= 0 && !(v >> bit & 1); --bit) ++n;
  return n;
}
template <class T> void counting() {
  const std::vector<T> e = edges<T>();
  const std::string t = "." + untyped<T>();
  expect<uint32_t>("clz" + t + " $d, $a;", [](T a) { return leading(a); }, e);
  expect<uint32_t>("popc" + t + " $d, $a;", [](T a) { uint32_t n = 0; for (; a; a >>= 1) n += a & 1; return n; }, e);
  expect<T>("brev" + t + " $d, $a;", [](T a) {
    T r = 0;
    for (size_t i = 0; i < sizeof(T) * 8; ++i) if (a >> i & 1) r |= T{1} << (sizeof(T) * 8 - 1 - i);
    return r;
  }, e);
  using S = std::make_signed_t<T>;
  const uint32_t top = sizeof(T) * 8 - 1;
  expect<uint32_t>(
      "bfind." + typed<T>() + " $d, $a;", [](T a) { return a ? uint32_t(sizeof(T) * 8 - 1 - leading(a)) : ~0u; }, e);
  expect<uint32_t>("bfind.shiftamt." + typed<T>() + " $d, $a;", [](T a) { return a ? leading(a) : ~0u; }, e);
  expect<uint32_t>(
      "bfind." + typed<S>() + " $d, $a;",
      [top](S a) {
        T v = a < 0 ? ~T(a) : T(a);
        return v ? top - leading(v) : ~0u;
      },
      edges<S>());
}
TEST(Opcodes, Counts) {
  counting<uint32_t>();
  counting<uint64_t>();
}

// As the manual's own loops over bits have it.
template <class T> T extracted(T a, uint32_t position, uint32_t length) {
  using U = std::make_unsigned_t<T>;
  const uint32_t msb = sizeof(T) * 8 - 1, pos = position & 255, len = length & 255;
  const bool sign = std::is_unsigned_v<T> || len == 0 ? false : U(a) >> std::min(pos + len - 1, msb) & 1;
  U d = 0;
  for (uint32_t i = 0; i <= msb; ++i) {
    bool bit = i < len && pos + i <= msb ? U(a) >> (pos + i) & 1 : sign;
    d |= U(bit) << i;
  }
  return T(d);
}
template <class T> T inserted(T a, T b, uint32_t position, uint32_t length) {
  const uint32_t msb = sizeof(T) * 8 - 1, pos = position & 255, len = length & 255;
  T f = b;
  for (uint32_t i = 0; i < len && pos + i <= msb; ++i)
    f = (f & ~(T{1} << (pos + i))) | ((i <= msb ? a >> i & 1 : T{0}) << (pos + i));
  return f;
}
TEST(Opcodes, Fields) {
  const std::vector<uint32_t> n = small_counts();
  expect<uint32_t>("bfe.u32 $d, $a, $b, $c;", extracted<uint32_t>, edges<uint32_t>(), n, n);
  expect<int32_t>("bfe.s32 $d, $a, $b, $c;", extracted<int32_t>, edges<int32_t>(), n, n);
  expect<uint64_t>("bfe.u64 $d, $a, $b, $c;", extracted<uint64_t>, edges<uint64_t>(), n, n);
  expect<int64_t>("bfe.s64 $d, $a, $b, $c;", extracted<int64_t>, edges<int64_t>(), n, n);
  expect<uint32_t>("bfi.b32 $d, $a, $b, $c, $e;", inserted<uint32_t>, edges<uint32_t>(),
                   std::vector<uint32_t>{0, ~0u, 0x5a5a5a5a}, n, n);
  expect<uint64_t>("bfi.b64 $d, $a, $b, $c, $e;", inserted<uint64_t>, edges<uint64_t>(),
                   std::vector<uint64_t>{0, ~0ull, 0x5a5a5a5a5a5a5a5a}, n, n);
}

TEST(Opcodes, FunnelsBytesAndTables) {
  const std::vector<uint32_t> e = edges<uint32_t>(), n = small_counts();
  auto both = [](uint32_t low, uint32_t high) { return uint64_t{high} << 32 | low; };
  expect<uint32_t>(
      "shf.l.wrap.b32 $d, $a, $b, $c;",
      [&](uint32_t a, uint32_t b, uint32_t c) { return uint32_t(both(a, b) >> (32 - c % 32)); }, e, e, n);
  expect<uint32_t>(
      "shf.r.wrap.b32 $d, $a, $b, $c;",
      [&](uint32_t a, uint32_t b, uint32_t c) { return uint32_t(both(a, b) >> c % 32); }, e, e, n);
  expect<uint32_t>(
      "shf.l.clamp.b32 $d, $a, $b, $c;",
      [&](uint32_t a, uint32_t b, uint32_t c) { return uint32_t(both(a, b) >> (32 - std::min(c, 32u))); }, e, e, n);
  expect<uint32_t>(
      "shf.r.clamp.b32 $d, $a, $b, $c;",
      [&](uint32_t a, uint32_t b, uint32_t c) { return uint32_t(both(a, b) >> std::min(c, 32u)); }, e, e, n);
  const std::vector<uint32_t> selectors = {0x3210, 0x7654, 0x0123, 0x5410, 0xba98, 0xfedc, 0x8f3c, 0xffff3210};
  expect<uint32_t>("prmt.b32 $d, $a, $b, $c;", [](uint32_t a, uint32_t b, uint32_t c) {
    uint8_t in[8], out[4];
    memcpy(in, &a, 4), memcpy(in + 4, &b, 4);
    for (int i = 0; i < 4; ++i) {
      uint8_t byte = in[c >> 4 * i & 7];
      out[i] = c >> 4 * i & 8 ? (byte >= 128 ? 255 : 0) : byte;
    }
    uint32_t r;
    memcpy(&r, out, 4);
    return r;
  }, e, e, selectors);
  expect<uint32_t>(
      "lop3.b32 $d, $a, $b, $c, 0xE8;", [](uint32_t a, uint32_t b, uint32_t c) { return (a & b) | (a & c) | (b & c); },
      e, e, e);
  expect<uint32_t>(
      "lop3.b32 $d, $a, $b, $c, 0x96;", [](uint32_t a, uint32_t b, uint32_t c) { return a ^ b ^ c; }, e, e, e);
  expect<uint32_t>(
      "lop3.b32 $d, $a, $b, $c, 0xCA;", [](uint32_t a, uint32_t b, uint32_t c) { return (a & b) | (~a & c); }, e, e, e);
}

}  // namespace
}  // namespace fakegpu::test
