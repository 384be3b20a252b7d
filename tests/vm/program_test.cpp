// Programs written by hand do what they say, on every ISA level, to the bit the same.
#include <gtest/gtest.h>

#include <cmath>

#include "core/base/prelude.h"
#include "tests/vm/programs.h"

namespace jt::vm {
namespace {

namespace f32 = jt::prelude::f32;

struct ProgramTest : ::testing::TestWithParam<int> {
  const Primitives* p = primitives(Isa(GetParam()));
  void SetUp() override {
    if (!p) GTEST_SKIP() << "this CPU has no " << name(Isa(GetParam()));
  }
};
INSTANTIATE_TEST_SUITE_P(Isa, ProgramTest, ::testing::Range(0, kIsas),
                         [](const auto& info) { return std::string(name(Isa(info.param))); });

std::vector<float> numbers(int64_t n, int seed = 1) {
  std::vector<float> v(n);
  uint64_t state = seed * 88172645463325252u + 1;
  for (float& x : v) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    x = float(int64_t(state % 20001) - 10000) / 1700.0f;
  }
  return v;
}

// The order that program.h defines, written as it is said there.
float slow_sum(const float* x, int64_t n, int64_t stride = 1) {
  if (n == 0) return 0.0f;
  std::vector<std::pair<int64_t, float>> parts;  // (blocks in it, value), earliest first
  for (int64_t at = 0; at < n; at += kReduceBlock) {
    std::vector<float> lanes(kLanes, -0.0f);
    for (int64_t i = 0; i < kReduceBlock && at + i < n; i++) lanes[i % kLanes] += x[(at + i) * stride];
    for (int half = kLanes / 2; half; half /= 2)
      for (int l = 0; l < half; l++) lanes[l] += lanes[l + half];
    parts.push_back({1, lanes[0]});
    while (parts.size() > 1 && parts[parts.size() - 2].first == parts.back().first) {
      auto later = parts.back();
      parts.pop_back();
      parts.back() = {2 * later.first, parts.back().second + later.second};
    }
  }
  float sum = parts.back().second;
  for (size_t k = parts.size() - 1; k-- > 0;) sum = parts[k].second + sum;
  return sum;
}

TEST_P(ProgramTest, ChainOfElementsWithScalar) {
  ProgramMaker m(Mode::flat);
  int16_t x = m.operand(JT_F32, Access::direct, Level::outer), y = m.operand(JT_BF16, Access::direct, Level::outer);
  int16_t z = m.operand(JT_F32, Access::direct, Level::outer, true);
  m.stage(Level::uniform);
  int16_t half = m.scalar(CType::f32);
  m.stage(Level::outer);
  int16_t product = m.element(Element::mul_, CType::f32, m.load(x), half);
  int16_t sum = m.element(Element::sub_, CType::f32, half, m.element(Element::add_, CType::f32, product, m.load(y)));
  m.element(Element::where_, CType::f32, m.element(Element::less_, CType::f32, sum, half), sum, half, z);
  for (int64_t n : {1, 3, 511, 512, 513, 2000}) {
    std::vector<float> a = numbers(n), out(n);
    std::vector<uint16_t> b(n);
    for (int64_t i = 0; i < n; i++) b[i] = uint16_t(0x3f00 + i % 300);
    run_program(m.p, *p, Args(n, 1).operand(a.data()).operand(b.data()).operand(out.data()).scalar(0.5f).words.data());
    for (int64_t i = 0; i < n; i++) {
      float s = 0.5f - (a[i] * 0.5f + f32::from_bits(uint32_t(b[i]) << 16));
      ASSERT_EQ(out[i], s < 0.5f ? s : 0.5f) << i;
    }
  }
}

Program softmax(Mode mode) {
  ProgramMaker m(mode);
  int16_t x = m.operand(JT_F32, Access::direct, Level::inner), z = m.operand(JT_F32, Access::direct, Level::inner, true);
  m.stage(Level::inner);
  int16_t most = m.reduce(Reduction::max, m.load(x));
  m.stage(Level::inner);
  int16_t e = m.element(Element::exp_, CType::f32, m.element(Element::sub_, CType::f32, m.load(x), most));
  int16_t sum = m.reduce(Reduction::sum, e);
  m.stage(Level::inner);
  e = m.element(Element::exp_, CType::f32, m.element(Element::sub_, CType::f32, m.load(x), most));
  m.element(Element::div_, CType::f32, e, sum, -1, z);
  return m.p;
}

TEST_P(ProgramTest, SoftmaxInThreeStages) {
  for (int64_t inner : {1, 2, 10, 63, 64, 65, 200, 256, 257, 512, 1000, 5000, 12345}) {
    int64_t outer = inner > 1000 ? 3 : 131;
    std::vector<float> x = numbers(outer * inner), rows(x.size()), columns(x.size());
    run_program(softmax(Mode::row), *p, Args(outer, inner).operand(x.data()).operand(rows.data()).words.data());
    run_program(softmax(Mode::column), *p, Args(outer, inner).operand(x.data()).operand(columns.data()).words.data());
    for (int64_t o = 0; o < outer; o++) {
      float most = -JT_INF;
      for (int64_t i = 0; i < inner; i++) most = f32::fmaximum(most, x[o * inner + i]);
      std::vector<float> e(inner);
      for (int64_t i = 0; i < inner; i++) e[i] = f32::exp(x[o * inner + i] - most);
      float sum = slow_sum(e.data(), inner);
      for (int64_t i = 0; i < inner; i++) {
        ASSERT_EQ(rows[o * inner + i], e[i] / sum) << inner << " " << o << " " << i;
        ASSERT_EQ(columns[o * inner + i], e[i] / sum) << inner << " " << o << " " << i;
      }
    }
  }
}

TEST(Program, Text) {
  EXPECT_EQ(to_text(softmax(Mode::row)), R"(program row scalars 0 scratch 40960
@0 f32 direct inner
@1 f32 direct inner output
r0 f32 inner at 0
r1 f32 outer at 4096
r2 f32 inner at 8192
r3 f32 inner at 12288
r4 f32 inner at 16384
r5 f32 outer at 20480
r6 f32 inner at 24576
r7 f32 inner at 28672
r8 f32 inner at 32768
r9 f32 inner at 36864
inner:
  r0 = load @0 f32
  r1 = reduce.max f32 r0
inner:
  r2 = load @0 f32
  r3 = sub f32 r2 r1
  r4 = exp f32 r3
  r5 = reduce.sum f32 r4
inner:
  r6 = load @0 f32
  r7 = sub f32 r6 r1
  r8 = exp f32 r7
  r9 = div f32 r8 r5 -> @1
)");
}

}  // namespace
}  // namespace jt::vm
