// render_gxx: Programs -> one C++ text for an optimising compiler, in which each is one function of fused loops.
//
//   extern "C" void k0(const i64 *A, i64 begin, i64 end, char *s, char *const *P)      parameters as in render_c.h
//
// Element-wise steps that follow each other are one loop; what they compute stays in registers unless something else
// reads it as a block. Float reductions keep their 64 lanes in local arrays, in the order of core/base/program.h. All
// else (index maps, gathers, half precision, far arguments) is a call of the block primitive that the VM calls.
// Bits are the VM's because expressions are the tables' own and nothing is reassociated. The text has no header, static
// data or external symbol. It is rendered from the VM's decoded plan; it works at any block position that the VM allows.
#pragma once
#include <span>
#include <string>

#include "backends/cpu_tcc/vm/block_table.h"
#include "core/base/program.h"

namespace jt::cpu {

// Functions are named k0, k1, ...; one that would need too much stack is left out. Throws JT_E_INTERNAL where VmCode does.
std::string render_gxx(std::span<const Program* const> programs, vm::Isa isa);

}  // namespace jt::cpu
