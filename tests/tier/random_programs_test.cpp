// Random programs leave the same bytes in all memory, run by the VM and by libtcc's code, from wherever that was
// copied.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>

#include "backends/cpu_tcc/tier/render_c.h"
#include "backends/cpu_tcc/tier/tcc_tier.h"
#include "backends/cpu_tcc/vm/vm.h"
#include "core/base/status.h"
#include "tests/tier/random_programs.h"

namespace jt::vm {
namespace {

// The whole outer space in one or two ranges.
template <class Run>
void in_ranges(const RandomCase& c, uint64_t seed, Run run) {
  int64_t split = seed % 3 ? 0 : c.outer / 2;
  if (c.program.mode == Mode::flat) split = split / kBlock * kBlock;
  if (split) run(0, split);
  run(split, c.outer);
}

// A copy of the code at another address; the first is gone.
cpu::TccKernel moved(cpu::TccKernel kernel, cpu::CodeArena& arena) {
  cpu::TccKernel copy;
  copy.code = arena.allocate(kernel.code.size());
  std::memcpy(copy.code.data(), kernel.code.data(), kernel.code.size());
  copy.code.make_executable();
  size_t offset = reinterpret_cast<uintptr_t>(kernel.entry) - reinterpret_cast<uintptr_t>(kernel.code.data());
  copy.entry = reinterpret_cast<cpu::TccKernel::Entry>(static_cast<char*>(copy.code.data()) + offset);
  return copy;
}

TEST(RandomPrograms, LeaveTheSameBytesAsTheVm) {
  const char* given = std::getenv("JT_TEST_SEED");
  uint64_t first = given ? std::strtoull(given, nullptr, 10) : 1;
  int count = given ? 1 : 3000;
  std::string why_not;
  auto compiler = cpu::TccCompiler::open(JT_TCC_LIBRARY, &why_not);
  ASSERT_TRUE(compiler) << why_not;
  auto arena = cpu::CodeArena::open(&why_not);
  ASSERT_TRUE(arena) << why_not;
  std::vector<const void*> numbered = by_number(best_primitives());
  for (uint64_t seed = first; seed < first + uint64_t(count); seed++) {
    RandomCase c = random_case(seed);
    std::string context = text("JT_TEST_SEED=", seed, " O ", c.outer, " I ", c.inner, "\n", to_text(c.program));
    ASSERT_EQ(to_text(parse_program(to_text(c.program))), to_text(c.program)) << context;
    const auto before = c.buffers;
    auto restore = [&] {
      for (size_t k = 0; k < before.size(); k++) std::memcpy(c.buffers[k].data(), before[k].data(), before[k].size());
    };

    VmCode vm(c.program, best_primitives());
    Scratch scratch(vm.scratch_bytes(c.args.data()));
    in_ranges(c, seed, [&](int64_t begin, int64_t end) { vm.run(c.args.data(), begin, end, scratch.data); });
    const auto expected = c.buffers;
    restore();

    std::string source = cpu::render_c(c.program);
    cpu::TccKernel kernel = compiler->compile(source, "k", {}, *arena),
                   twin = compiler->compile(source, "k", {}, *arena);
    ASSERT_EQ(std::memcmp(kernel.code.data(), twin.code.data(), twin.code.size()), 0) << "an address in\n" << source;
    kernel = moved(std::move(kernel), *arena);
    auto run = reinterpret_cast<cpu::MachineCode>(kernel.entry);
    Scratch other(vm.scratch_bytes(c.args.data()));
    in_ranges(c, seed,
              [&](int64_t begin, int64_t end) { run(c.args.data(), begin, end, other.data, numbered.data()); });
    for (size_t k = 0; k < expected.size(); k++)
      ASSERT_EQ(std::memcmp(c.buffers[k].data(), expected[k].data(), expected[k].size()), 0) << context << source;
    ASSERT_FALSE(other.is_exceeded() || scratch.is_exceeded()) << context;
  }
}

}  // namespace
}  // namespace jt::vm
