// Random programs leave the same bytes in all memory, run by the VM and by an optimising compiler's code.
//
// gxx_programs_test; JT_TEST_COUNT and JT_TEST_SEED choose how many and which. One NaN is as good as another: which of
// two operands' NaNs an instruction passes on is the compiler's choice.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>

#include "backends/cpu_tcc/tier/cxx_compiler.h"
#include "backends/cpu_tcc/tier/render_gxx.h"
#include "backends/cpu_tcc/tier/tcc_tier.h"
#include "backends/cpu_tcc/vm/vm.h"
#include "core/base/status.h"
#include "core/render/render_loops.h"
#include "tests/tier/random_programs.h"
#include "tests/vm/programs.h"

namespace jt::vm {
namespace {

constexpr size_t kBatch = 16;

template <class Run>
void in_ranges(const RandomCase& c, uint64_t seed, Run run) {
  int64_t split = seed % 3 ? 0 : c.outer / 2;
  if (c.program.mode == Mode::flat) split = split / kBlock * kBlock;
  if (split) run(0, split);
  run(split, c.outer);
}

template <class T>
bool same_floats(const char* a, const char* b, size_t bytes) {
  for (size_t k = 0; k + sizeof(T) <= bytes; k += sizeof(T)) {
    T x, y;
    std::memcpy(&x, a + k, sizeof x), std::memcpy(&y, b + k, sizeof y);
    if (std::memcmp(&x, &y, sizeof x) != 0 && !(std::isnan(x) && std::isnan(y))) return false;
  }
  return true;
}
bool same_halves(DType d, const char* a, const char* b, size_t bytes) {
  uint16_t most = d == JT_F16 ? 0x7c00 : 0x7f80;
  for (size_t k = 0; k + 2 <= bytes; k += 2) {
    uint16_t x, y;
    std::memcpy(&x, a + k, 2), std::memcpy(&y, b + k, 2);
    if (x != y && ((x & 0x7fff) <= most || (y & 0x7fff) <= most)) return false;
  }
  return true;
}

// Operand k's buffer, guards included, against what it should hold.
bool same(const RandomCase& c, size_t k, const std::vector<char>& expected) {
  const std::vector<char>& found = c.buffers[k];
  if (std::memcmp(found.data(), expected.data(), found.size()) == 0) return true;
  for (size_t o = 0; o < c.program.operands.size(); o++) {
    if (c.args[size_t(arg_of_operand(int(o)))] != reinterpret_cast<int64_t>(found.data() + kGuard)) continue;
    DType d = c.program.operands[o].dtype;
    const char *a = found.data(), *b = expected.data();
    if (d == JT_F32) return same_floats<float>(a, b, found.size());
    if (d == JT_F64) return same_floats<double>(a, b, found.size());
    if (d == JT_F16 || d == JT_BF16) return same_halves(d, a, b, found.size());
  }
  return false;
}

uint64_t number_from(const char* variable, uint64_t otherwise) {
  const char* given = std::getenv(variable);
  return given ? std::strtoull(given, nullptr, 10) : otherwise;
}

void check(RandomCase& c, uint64_t seed, const Primitives& primitives, cpu::MachineCode run,
           const std::string& context) {
  std::vector<const void*> numbered = by_number(primitives);
  const auto before = c.buffers;
  VmCode vm(c.program, primitives);
  Scratch scratch(vm.scratch_bytes(c.args.data())), other(vm.scratch_bytes(c.args.data()));
  in_ranges(c, seed, [&](int64_t begin, int64_t end) { vm.run(c.args.data(), begin, end, scratch.data); });
  const auto expected = c.buffers;
  for (size_t k = 0; k < before.size(); k++) std::memcpy(c.buffers[k].data(), before[k].data(), before[k].size());
  in_ranges(c, seed, [&](int64_t begin, int64_t end) { run(c.args.data(), begin, end, other.data, numbered.data()); });
  for (size_t k = 0; k < expected.size(); k++)
    ASSERT_TRUE(same(c, k, expected[k])) << "buffer " << k << "\n" << context;
  ASSERT_FALSE(other.is_exceeded() || scratch.is_exceeded()) << context;
}

struct GxxPrograms : ::testing::TestWithParam<std::tuple<Isa, const char*>> {};

TEST_P(GxxPrograms, LeaveTheSameBytesAsTheVm) {
  auto [isa, name] = GetParam();
  const Primitives* primitives = vm::primitives(isa);
  std::string why_not;
  auto compiler = cpu::CxxCompiler::find(name, "/usr/bin:/bin", isa, &why_not);
  if (!primitives || !compiler) GTEST_SKIP() << why_not;
  auto arena = cpu::CodeArena::open(&why_not);
  ASSERT_TRUE(arena) << why_not;
  Stop stop;
  uint64_t first = number_from("JT_TEST_SEED", 1), count = number_from("JT_TEST_COUNT", 32), left_out = 0;
  for (uint64_t seed = first; seed < first + count; seed += kBatch) {
    std::deque<RandomCase> cases;  // which do not move: arguments point into them
    for (uint64_t s = seed; s < std::min(seed + kBatch, first + count); s++) cases.push_back(random_case(s));
    std::vector<const Program*> programs;
    for (const RandomCase& c : cases) programs.push_back(&c.program);
    std::string why;
    std::vector<cpu::ObjectCode> codes = compiler->compile(programs, false, stop, &why);
    for (size_t k = 0; k < cases.size(); k++) {
      std::string context = text("JT_TEST_SEED=", seed + k, " O ", cases[k].outer, " I ", cases[k].inner, " ", why,
                                 "\n", to_text(cases[k].program));
      const Program* alone[] = {programs[k]};
      std::string source = cpu::render_gxx(alone, isa);
      if (codes[k].bytes.empty()) {
        ASSERT_NE(source.find("on the stack"), source.npos) << context << source;
        left_out++;
        continue;
      }
      cpu::CodeBlock code = arena->allocate(codes[k].bytes.size());
      std::memcpy(code.data(), codes[k].bytes.data(), codes[k].bytes.size());
      code.make_executable();
      auto run = reinterpret_cast<cpu::MachineCode>(static_cast<char*>(code.data()) + codes[k].entry);
      ASSERT_NO_FATAL_FAILURE(check(cases[k], seed + k, *primitives, run, context + source));
    }
  }
  EXPECT_LE(left_out * 50, count);
}

// A kernel's text is its key: of the same programs it is the same bytes, whatever was rendered before, in each dialect.
TEST(RenderLoops, TheSameProgramsGiveTheSameBytes) {
  for (uint64_t seed = 1; seed <= 200; seed++) {
    RandomCase first = random_case(seed), second = random_case(seed);
    const Program *one[] = {&first.program}, *other[] = {&second.program};
    std::string source = cpu::render_gxx(one, Isa::avx2);
    NamedProgram named{"kernel", &first.program}, again{"kernel", &second.program};
    std::string plain = render_c99({&named, 1});
    cpu::render_gxx(other, Isa::base);
    EXPECT_EQ(cpu::render_gxx(other, Isa::avx2), source) << seed;
    EXPECT_EQ(render_c99({&again, 1}), plain) << seed;
  }
}

// exp(x - max) is needed in two walks over the row: rows of up to Dialect::row_cache keep it. `far` has a step that
// takes a primitive, so that walks go by blocks.
Program softmax(bool is_far) {
  ProgramMaker m(Mode::row);
  int16_t x = m.operand(JT_F32, Access::direct, Level::inner),
          z = m.operand(JT_F32, Access::direct, Level::inner, true);
  auto raised = [&](int16_t most) {
    return m.element(Element::exp_, CType::f32, m.element(Element::sub_, CType::f32, m.load(x), most));
  };
  m.stage(Level::inner);
  int16_t most = m.reduce(Reduction::max, m.load(x));
  m.stage(Level::inner);
  int16_t e = raised(most);
  if (is_far) e = m.element(Element::mul_, CType::f32, e, m.element(Element::sin_, CType::f32, m.load(x)));
  int16_t sum = m.reduce(Reduction::sum, e);
  m.stage(Level::inner);
  int16_t again = raised(most);
  if (is_far) again = m.element(Element::add_, CType::f32, again, m.element(Element::sin_, CType::f32, m.load(x)));
  m.element(Element::div_, CType::f32, again, sum, -1, z);
  return m.p;
}

TEST_P(GxxPrograms, KeepWhatTwoWalksNeed) {
  auto [isa, name] = GetParam();
  const Primitives* primitives = vm::primitives(isa);
  std::string why_not;
  auto compiler = cpu::CxxCompiler::find(name, "/usr/bin:/bin", isa, &why_not);
  if (!primitives || !compiler) GTEST_SKIP() << why_not;
  auto arena = cpu::CodeArena::open(&why_not);
  ASSERT_TRUE(arena) << why_not;
  Stop stop;
  for (bool is_far : {false, true}) {
    Program program = softmax(is_far);
    const Program* alone[] = {&program};
    std::string source = cpu::render_gxx(alone, isa);
    if (isa != Isa::base) {
      ASSERT_NE(source.find("cached_k0"), source.npos) << source;
    }
    std::vector<cpu::ObjectCode> codes = compiler->compile({&program}, false, stop, &why_not);
    ASSERT_FALSE(codes[0].bytes.empty()) << why_not;
    cpu::CodeBlock code = arena->allocate(codes[0].bytes.size());
    std::memcpy(code.data(), codes[0].bytes.data(), codes[0].bytes.size());
    code.make_executable();
    auto run = reinterpret_cast<cpu::MachineCode>(static_cast<char*>(code.data()) + codes[0].entry);
    std::vector<const void*> numbered = by_number(*primitives);
    for (int64_t width : {0, 1, 10, 63, 64, 65, 100, 511, 513, 768, 2047, 2048, 2049, 5000}) {
      constexpr int64_t kRows = 5;
      std::vector<float> x(size_t(kRows * width + 1)), expected(x.size(), 7), found(x.size(), 7);
      for (size_t i = 0; i < x.size(); i++) x[i] = float(i * 7919 % 1009) / 100 - 5;
      VmCode vm(program, *primitives);
      auto words = [&](std::vector<float>& z) { return Args(kRows, width).operand(x.data()).operand(z.data()).words; };
      Scratch scratch(vm.scratch_bytes(words(expected).data())), other(vm.scratch_bytes(words(found).data()));
      vm.run(words(expected).data(), 0, kRows, scratch.data);
      run(words(found).data(), 0, kRows, other.data, numbered.data());
      EXPECT_EQ(std::memcmp(expected.data(), found.data(), x.size() * 4), 0) << width << "\n" << source;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, GxxPrograms,
                         ::testing::Combine(::testing::Values(Isa::avx512, Isa::avx2, Isa::base),
                                            ::testing::Values("g++", "clang++")));

}  // namespace
}  // namespace jt::vm
