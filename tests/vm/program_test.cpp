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
  int16_t x = m.operand(JT_F32, Access::direct, Level::inner),
          z = m.operand(JT_F32, Access::direct, Level::inner, true);
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

TEST_P(ProgramTest, ColumnSumThroughAMap) {
  // x is [inner, outer] in memory; the sum runs over the first axis.
  ProgramMaker m(Mode::column);
  int16_t x = m.operand(JT_F32, Access::mapped, Level::inner),
          z = m.operand(JT_F32, Access::direct, Level::outer, true);
  m.stage(Level::inner);
  int16_t sum = m.reduce(Reduction::sum, m.load(x));
  m.stage(Level::outer);
  m.store(z, sum);
  for (int64_t outer : {1, 17, 64, 256, 257, 600})
    for (int64_t inner : {1, 10, 100, 4200}) {
      std::vector<float> a = numbers(outer * inner), out(outer);
      IndexMap map{1, 1, 0, 0, {outer, inner}, {1, outer}, {}, {}};
      run_program(m.p, *p, Args(outer, inner).map(a.data(), map).operand(out.data()).words.data());
      for (int64_t o = 0; o < outer; o++)
        ASSERT_EQ(out[o], slow_sum(a.data() + o, inner, outer)) << outer << " " << inner;
    }
}

TEST_P(ProgramTest, OuterValuesAndScalarsBroadcastIntoRows) {
  // z[o,i] = where(x[o,i] < row[o], half, row[o]); in place of x, through bf16 rounding.
  for (Mode mode : {Mode::row, Mode::column}) {
    ProgramMaker m(mode);
    int16_t x = m.operand(JT_F32, Access::direct, Level::inner), row = m.operand(JT_F32, Access::direct, Level::outer);
    int16_t z = m.operand(JT_F32, Access::direct, Level::inner, true);
    m.stage(Level::uniform);
    int16_t half = m.scalar(CType::f32);
    m.stage(Level::outer);
    int16_t limit = m.load(row);
    m.stage(Level::inner);
    int16_t v =
        m.element(Element::where_, CType::f32, m.element(Element::less_, CType::f32, m.load(x), limit), half, limit);
    m.store(z, m.add({.code = Code::narrow,
                      .type = CType::f32,
                      .sub = JT_BF16,
                      .dst = m.reg(CType::f32, Level::inner),
                      .a = v}));
    for (int64_t inner : {1, 10, 256, 257, 1000}) {
      const int64_t outer = 77;
      std::vector<float> a = numbers(outer * inner), b = numbers(outer, 2), out = a;
      run_program(
          m.p, *p,
          Args(outer, inner).operand(out.data()).operand(b.data()).operand(out.data()).scalar(0.5f).words.data());
      for (int64_t k = 0; k < outer * inner; k++) {
        float expected = a[k] < b[k / inner] ? 0.5f : b[k / inner];
        p->block->narrow[JT_BF16](&expected, &expected, 1);
        ASSERT_EQ(out[k], expected) << inner << " " << k;
      }
    }
  }
}

TEST_P(ProgramTest, AScalarFillsABuffer) {
  ProgramMaker m(Mode::flat);
  int16_t z = m.operand(JT_F16, Access::direct, Level::outer, true);
  m.stage(Level::uniform);
  int16_t value = m.scalar(CType::f32);
  m.stage(Level::outer);
  m.store(z, value);
  std::vector<uint16_t> out(700);
  run_program(m.p, *p, Args(700, 1).operand(out.data()).scalar(1.5f).words.data());
  for (uint16_t h : out) ASSERT_EQ(h, 0x3e00);
}

TEST_P(ProgramTest, AnInputReadAfterItWasOverwrittenKeepsItsValue) {
  // y = x * x goes where x is; then z = y + x still needs x.
  ProgramMaker m(Mode::flat);
  int16_t x = m.operand(JT_F32, Access::direct, Level::outer),
          y = m.operand(JT_F32, Access::direct, Level::outer, true);
  int16_t z = m.operand(JT_F32, Access::direct, Level::outer, true);
  m.stage(Level::outer);
  int16_t v = m.load(x);
  int16_t square = m.element(Element::mul_, CType::f32, v, v, -1, y);
  m.element(Element::add_, CType::f32, square, v, -1, z);
  std::vector<float> a = numbers(1000), out = a, sum(1000);
  run_program(m.p, *p, Args(1000, 1).operand(out.data()).operand(out.data()).operand(sum.data()).words.data());
  for (int i = 0; i < 1000; i++) {
    ASSERT_EQ(out[i], a[i] * a[i]);
    ASSERT_EQ(sum[i], a[i] * a[i] + a[i]);
  }
}

TEST_P(ProgramTest, GatherScatterAndRandom) {
  // out[index[e]] += table[index[e]] * 2, and bits[e] = random of e.
  ProgramMaker m(Mode::flat);
  int16_t index = m.operand(JT_I32, Access::direct, Level::outer),
          table = m.operand(JT_F32, Access::whole, Level::uniform);
  int16_t out = m.operand(JT_F32, Access::whole, Level::uniform, true);
  int16_t bits = m.operand(JT_I64, Access::direct, Level::outer, true);
  m.stage(Level::uniform);
  int16_t key = m.scalar(CType::u64), counter = m.scalar(CType::i64);
  m.stage(Level::outer);
  int16_t at = m.add({.code = Code::convert, .type = CType::i64, .sub = uint8_t(CType::i32),
                      .dst = m.reg(CType::i64, Level::outer), .a = m.load(index)});
  int16_t v = m.add(
      {.code = Code::gather, .type = CType::f32, .dst = m.reg(CType::f32, Level::outer), .a = at, .operand = table});
  v = m.element(Element::add_, CType::f32, v, v);
  m.add({.code = Code::scatter, .type = CType::f32, .sub = uint8_t(Combine::add), .a = at, .b = v, .operand = out});
  int16_t e = m.add({.code = Code::index, .type = CType::i64, .dst = m.reg(CType::i64, Level::outer), .operand = bits});
  m.store(bits, m.add({.code = Code::random,
                       .type = CType::i64,
                       .dst = m.reg(CType::i64, Level::outer),
                       .a = e,
                       .b = key,
                       .c = counter}));
  const int n = 1500;
  std::vector<int32_t> ix(n);
  for (int i = 0; i < n; i++) ix[i] = i * 7 % 53 - 1;
  std::vector<float> t = numbers(50), sums(50), expected(50);
  std::vector<int64_t> words(n);
  run_program(m.p, *p,
              Args(n, 1)
                  .operand(ix.data())
                  .operand(t.data(), 50)
                  .operand(sums.data(), 50)
                  .operand(words.data())
                  .scalar(uint64_t(0x1234567890abcdef))
                  .scalar(int64_t(77))
                  .words.data());
  for (int i = 0; i < n; i++)
    if (ix[i] >= 0 && ix[i] < 50) expected[ix[i]] += t[ix[i]] + t[ix[i]];
  EXPECT_EQ(sums, expected);
  for (int64_t i = 0; i < n; i++) {
    uint64_t k = 0x1234567890abcdef;
    int64_t c = 77, word;
    p->block->random(&word, &i, &k, &c, 1);
    ASSERT_EQ(words[i], word) << i;
  }
}

TEST_P(ProgramTest, RangesTogetherGiveTheWhole) {
  for (Mode mode : {Mode::row, Mode::column}) {
    const int64_t outer = 300, inner = 30;
    std::vector<float> x = numbers(outer * inner), whole(x.size()), parts(x.size());
    Args args(outer, inner), part(outer, inner);
    args.operand(x.data()).operand(whole.data());
    part.operand(x.data()).operand(parts.data());
    run_program(softmax(mode), *p, args.words.data());
    VmCode code(softmax(mode), *p);
    std::vector<char> memory(code.scratch_bytes(part.words.data()) + 64);
    char* scratch = memory.data() + (64 - reinterpret_cast<uintptr_t>(memory.data()) % 64) % 64;
    for (int64_t at = 0, step = 1; at < outer; at += step, step = step * 3 % 101)
      code.run(part.words.data(), at, std::min(outer, at + step), scratch);
    EXPECT_EQ(whole, parts);
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
