// Reductions follow the order that program.h defines, in rows, short rows and columns, on every ISA level.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "core/base/prelude.h"
#include "core/base/text.h"
#include "tests/vm/programs.h"

namespace jt::vm {
namespace {

template <class T>
T combine(Reduction r, T x, T y) {
  switch (r) {
    case Reduction::sum: return x + y;
    case Reduction::prod: return x * y;
    case Reduction::any: case Reduction::max:
      if (x != x) return x;
      return x > y || (x == y && !std::signbit(double(x))) ? x : y;
    default:
      if (x != x) return x;
      return x < y || (x == y && std::signbit(double(x))) ? x : y;
  }
}

template <class T>
T identity(Reduction r) {
  constexpr bool is_float = std::is_floating_point_v<T>;
  if constexpr (sizeof(T) == 1) return r == Reduction::all || r == Reduction::min;
  switch (r) {
    case Reduction::sum: return is_float ? T(-0.0) : T(0);
    case Reduction::prod: return T(1);
    case Reduction::max: return is_float ? T(-JT_INF) : std::numeric_limits<T>::lowest();
    default: return is_float ? T(JT_INF) : std::numeric_limits<T>::max();
  }
}

// As program.h says it, with every lane there from the beginning.
template <class T>
T twin(Reduction r, const T* x, int64_t n) {
  if (n == 0) return r == Reduction::sum ? T(0) : identity<T>(r);
  std::vector<std::pair<int64_t, T>> parts;  // blocks in it and value, earliest first
  for (int64_t at = 0; at < n; at += kReduceBlock) {
    std::vector<T> lanes(kLanes, identity<T>(r));
    for (int64_t i = at; i < n && i < at + kReduceBlock; i++) lanes[i % kLanes] = combine(r, lanes[i % kLanes], x[i]);
    for (int half = kLanes / 2; half; half /= 2)
      for (int l = 0; l < half; l++) lanes[l] = combine(r, lanes[l], T(lanes[l + half]));
    parts.push_back({1, lanes[0]});
    while (parts.size() > 1 && parts[parts.size() - 2].first == parts.back().first) {
      auto later = parts.back();
      parts.pop_back();
      parts.back() = {2 * later.first, combine(r, parts.back().second, later.second)};
    }
  }
  T value = parts.back().second;
  for (size_t k = parts.size() - 1; k-- > 0;) value = combine(r, parts[k].second, value);
  return value;
}

template <class T>
int64_t twin_index(Reduction r, const T* x, int64_t n) {
  int64_t best = 0;
  for (int64_t i = 1; i < n; i++) {
    if (x[best] != x[best]) break;
    if (x[i] != x[i] || (r == Reduction::argmax ? x[i] > x[best] : x[i] < x[best])) best = i;
  }
  return best;
}

bool is_index(Reduction r) { return r == Reduction::argmax || r == Reduction::argmin; }

Program reduction(Mode mode, DType d, Reduction r) {
  ProgramMaker m(mode);
  int16_t x = m.operand(d, Access::direct, Level::inner);
  int16_t z = m.operand(is_index(r) ? JT_I64 : d, Access::direct, Level::outer, true);
  m.stage(Level::inner);
  int16_t value = m.reduce(r, m.load(x));
  m.stage(Level::outer);
  m.store(z, value);
  return m.p;
}

template <class T>
void check(DType d, Reduction r, const std::vector<T>& x, int64_t outer, int64_t inner) {
  for (int isa = 0; isa < kIsas; isa++)
    for (Mode mode : {Mode::row, Mode::column}) {
      const Primitives* p = primitives(Isa(isa));
      if (!p) continue;
      std::vector<int64_t> memory(outer);
      T* z = reinterpret_cast<T*>(memory.data());
      run_program(reduction(mode, d, r), *p, Args(outer, inner).operand(x.data()).operand(z).words.data());
      for (int64_t o = 0; o < outer; o++) {
        const T* row = x.data() + o * inner;
        std::string what =
            text(name(r), " ", jt::name(d), " ", name(Isa(isa)), " mode ", int(mode), " length ", inner, " row ", o);
        if (is_index(r)) {
          ASSERT_EQ(memory[o], twin_index(r, row, inner)) << what;
          continue;
        }
        T expected = twin(r, row, inner);
        bool both_nan = expected != expected && z[o] != z[o];
        ASSERT_TRUE(both_nan || std::memcmp(&z[o], &expected, sizeof(T)) == 0)
            << what << ": " << double(z[o]) << " " << double(expected);
      }
    }
}

template <class T>
std::vector<T> values(int64_t n, uint64_t seed, bool specials) {
  std::vector<T> v(n);
  uint64_t state = seed * 0x9e3779b97f4a7c15u + 1;
  for (T& x : v) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    if constexpr (std::is_floating_point_v<T>) {
      x = T(int64_t(state >> 20) % 200001 - 100000) / T(77777);
      if (specials && state % 8 == 0) x = T(state % 16 ? -0.0 : 0.0);
      if (specials && state % 1024 == 1) x = T(JT_NAN);
    } else {
      x = sizeof(T) == 1 ? T(state % 16 == 0) : T(state >> 7);
    }
  }
  return v;
}

template <class T>
void check_all(DType d, std::initializer_list<Reduction> reductions) {
  for (Reduction r : reductions)
    for (int64_t inner : {0,   1,   2,   7,   10,  31,   32,   33,   63,   64,    65,    100,   255,
                          256, 257, 511, 512, 513, 4095, 4096, 4097, 8192, 12288, 12345, 20480, 28673}) {
      int64_t outer = inner > 1000 ? 3 : 70;
      check<T>(d, r, values<T>(outer * inner, inner + 1, r != Reduction::prod), outer, inner);
    }
}

using enum Reduction;
TEST(Reduction, F32) { check_all<float>(JT_F32, {sum, prod, max, min, argmax, argmin}); }
TEST(Reduction, F64) { check_all<double>(JT_F64, {sum, prod, max, min, argmax, argmin}); }
TEST(Reduction, I32) { check_all<int32_t>(JT_I32, {sum, prod, max, min, argmax, argmin}); }
TEST(Reduction, I64) { check_all<int64_t>(JT_I64, {sum, prod, max, min, argmax, argmin}); }
TEST(Reduction, U64) { check_all<uint64_t>(JT_U64, {sum, prod, max, min, argmax, argmin}); }
TEST(Reduction, Bool) { check_all<uint8_t>(JT_BOOL, {any, all, max, min, argmax, argmin}); }

TEST(Reduction, ManyColumnsAndUnevenRanges) {
  for (int64_t inner : {5, 64, 130, 5000})
    check<float>(JT_F32, sum, values<float>(1100 * inner, 3, false), 1100, inner);
}

TEST(Reduction, SumOfNegativeZerosIsNegativeZero) {
  for (int64_t n : {1, 10, 64, 500, 5000}) check<float>(JT_F32, sum, std::vector<float>(2 * n, -0.0f), 2, n);
}

}  // namespace
}  // namespace jt::vm
