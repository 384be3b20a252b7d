// render_gxx: Programs -> one C++ text for an optimising compiler (core/render/render_loops), which calls primitives by
// number.
//
//   extern "C" void k0(const i64 *A, i64 begin, i64 end, char *s, char *const *P)      parameters as in render_c.h
#pragma once
#include <span>
#include <string>

#include "backends/cpu_tcc/vm/block_table.h"
#include "core/base/program.h"

namespace jt::cpu {

// Functions are named k0, k1, ...; one that would need too much stack is left out. Throws JT_E_INTERNAL where VmCode
// does.
std::string render_gxx(std::span<const Program* const> programs, vm::Isa isa);

}  // namespace jt::cpu
