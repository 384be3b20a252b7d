#include "backends/cpu_tcc/tier/render_gxx.h"

#include "backends/cpu_tcc/tier/primitive_calls.h"
#include "core/base/text.h"
#include "core/render/render_loops.h"

namespace jt::cpu {

std::string render_gxx(std::span<const Program* const> programs, vm::Isa isa) {
  std::vector<NamedProgram> named;
  for (const Program* program : programs) named.push_back({text("k", named.size()), program});
  PrimitiveCalls calls;
  return render_loops(named, cpp_dialect(isa != vm::Isa::base), &calls);
}

}  // namespace jt::cpu
