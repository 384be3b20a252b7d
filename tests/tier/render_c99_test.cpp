// Programs as plain C99, compiled without anything of ours: they leave the same bytes as the block VM.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <unistd.h>

#include "backends/cpu_tcc/tcc/tcc_library.h"
#include "backends/cpu_tcc/vm/vm.h"
#include "core/base/text.h"
#include "core/render/render_loops.h"
#include "tests/tier/random_programs.h"

namespace jt::vm {
namespace {

using Kernel = void (*)(const int64_t* args, int64_t begin, int64_t end);

// All that a text may declare: functions that are exact or correctly rounded in every C library.
std::vector<cpu::TccSymbol> math_functions() {
  static const char* const names[] = {
#define JT_NAMES(f) #f, #f "f"
      JT_NAMES(fabs), JT_NAMES(sqrt),     JT_NAMES(floor), JT_NAMES(ceil), JT_NAMES(trunc),
      JT_NAMES(rint), JT_NAMES(copysign), JT_NAMES(fmod),  JT_NAMES(fma)};
  std::vector<cpu::TccSymbol> out;
  for (const char* name : names) out.push_back({name, dlsym(RTLD_DEFAULT, name)});
  return out;
}

// Two NaNs may differ in sign and payload.
bool is_same(DType dtype, const std::vector<char>& a, const std::vector<char>& b) {
  if (!is_float(dtype)) return a == b;
  size_t item = size_of(dtype);
  for (size_t at = 0; at + item <= a.size(); at += item) {
    if (std::memcmp(&a[at], &b[at], item) == 0) continue;
    auto is_nan = [&](const std::vector<char>& bytes) {
      if (item == 8) { double x; std::memcpy(&x, &bytes[at], 8); return x != x; }
      if (item == 4) { float x; std::memcpy(&x, &bytes[at], 4); return x != x; }
      uint16_t x;
      std::memcpy(&x, &bytes[at], 2);
      return dtype == JT_F16 ? (x & 0x7fff) > 0x7c00 : (x & 0x7fff) > 0x7f80;
    };
    if (!is_nan(a) || !is_nan(b)) return false;
  }
  return true;
}

// The dtype of what lies in a buffer.
DType dtype_in(const RandomCase& c, size_t buffer) {
  for (size_t k = 0; k < c.program.operands.size(); k++)
    if (c.args[size_t(arg_of_operand(int(k)))] == reinterpret_cast<int64_t>(c.buffers[buffer].data() + kGuard))
      return c.program.operands[k].dtype;
  return JT_U8;
}

// Neither do plans write two outputs to one place.
bool outputs_meet(const RandomCase& c) {
  for (int a = 0; a < int(c.program.operands.size()); a++)
    for (int b = 0; b < a; b++) {
      bool both_written = c.program.operands[size_t(a)].is_output && c.program.operands[size_t(b)].is_output;
      if (both_written && c.args[size_t(arg_of_operand(a))] == c.args[size_t(arg_of_operand(b))]) return true;
    }
  return false;
}
// Lowering makes no such programs: their order would be the mode's.
bool scatters_inside(const Program& p) {
  for (const Stage& s : p.stages)
    for (int i = s.first; i < s.last; i++)
      if (s.level == Level::inner && p.instrs[size_t(i)].code == Code::scatter) return true;
  return false;
}

TEST(RenderC99, RandomProgramsLeaveTheSameBytesAsTheVm) {
  const char* given = std::getenv("JT_TEST_SEED");
  uint64_t first = given ? std::strtoull(given, nullptr, 10) : 1;
  int count = given ? 1 : 600;
  std::string why_not;
  auto compiler = cpu::TccCompiler::open(JT_TCC_LIBRARY, &why_not);
  ASSERT_TRUE(compiler) << why_not;
  auto arena = cpu::CodeArena::open(&why_not);
  ASSERT_TRUE(arena) << why_not;
  std::vector<cpu::TccSymbol> symbols = math_functions();
  int compared = 0;
  for (uint64_t seed = first; seed < first + uint64_t(count); seed++) {
    RandomCase c = random_case(seed);
    if (scatters_inside(c.program) || outputs_meet(c)) continue;
    compared++;
    std::string context = text("JT_TEST_SEED=", seed, " O ", c.outer, " I ", c.inner, "\n", to_text(c.program));
    const auto before = c.buffers;
    VmCode vm(c.program, best_primitives());
    Scratch scratch(vm.scratch_bytes(c.args.data()));
    vm.run(c.args.data(), 0, c.outer, scratch.data);
    const auto expected = c.buffers;
    for (size_t k = 0; k < before.size(); k++) std::memcpy(c.buffers[k].data(), before[k].data(), before[k].size());

    NamedProgram named{"kernel", &c.program};
    std::string source = render_c99({&named, 1});
    cpu::TccKernel kernel = compiler->compile(source, "kernel", symbols, *arena);
    auto run = reinterpret_cast<Kernel>(kernel.entry);
    run(c.args.data(), 0, c.outer / 2);
    run(c.args.data(), c.outer / 2, c.outer);
    for (size_t k = 0; k < expected.size(); k++)
      ASSERT_TRUE(
          is_same(dtype_in(c, k), {c.buffers[k].begin(), c.buffers[k].end()}, {expected[k].begin(), expected[k].end()}))
          << "buffer " << k << ", " << context << source;
  }
  EXPECT_GT(compared, given ? 0 : count / 2);
}

// As an embedded project compiles it.
TEST(RenderC99, IsPlainC99) {
  if (std::system("gcc --version >/dev/null 2>&1") != 0) GTEST_SKIP() << "no gcc here";
  std::filesystem::path folder = std::filesystem::temp_directory_path() / text("jt_c99_", getpid());
  std::filesystem::create_directory(folder);
  std::vector<RandomCase> cases;
  for (uint64_t seed = 1; seed <= 10; seed++) cases.push_back(random_case(seed));
  std::vector<NamedProgram> programs;
  for (RandomCase& c : cases) programs.push_back({text("kernel_", programs.size()), &c.program});
  std::ofstream(folder / "kernels.c") << render_c99(programs);
  std::string command = text(
      "gcc -std=c99 -pedantic -Wall -Wextra -Werror -Wno-unused-but-set-variable -O1 -ffp-contract=off -fwrapv -c ",
      (folder / "kernels.c").string(), " -o ", (folder / "kernels.o").string());
  EXPECT_EQ(std::system(command.c_str()), 0) << command;
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace jt::vm
