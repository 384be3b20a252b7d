// run_with_tcc: stands in for run_program where a test of the VM is built for libtcc's code.
#include <gtest/gtest.h>

#include <cstdlib>

#include "backends/cpu_tcc/tier/tcc_tier.h"
#include "backends/cpu_tcc/vm/vm.h"

namespace jt::vm {

static cpu::TccTier& tier_of(const Primitives& primitives) {
  auto log = [](int, std::string_view line) { ADD_FAILURE() << line; };
  static std::unique_ptr<cpu::TccTier> tiers[kIsas];
  std::unique_ptr<cpu::TccTier>& tier = tiers[int(primitives.isa)];
  if (!tier) tier = std::make_unique<cpu::TccTier>(primitives, cpu::TccSettings{"tcc", JT_TCC_LIBRARY, ""}, log);
  return *tier;
}

void run_program(const Program& program, const Primitives& primitives, const int64_t* args) {
  cpu::TccTier& tier = tier_of(primitives);
  cpu::TccKernel kernel = tier.compile(program, to_text(program));
  ASSERT_TRUE(kernel.entry);
  size_t bytes = size_t(VmCode(program, primitives).scratch_bytes(args));
  char* scratch = static_cast<char*>(std::aligned_alloc(64, (bytes + 127) / 64 * 64));
  reinterpret_cast<cpu::MachineCode>(kernel.entry)(args, 0, args[kArgOuter], scratch, tier.primitives());
  std::free(scratch);
}

}  // namespace jt::vm
