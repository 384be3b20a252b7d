// render_loops: block programs -> one file of a C-like language in which each is one function of loops.
//
// Element-wise steps that follow each other are one loop; what they compute stays in registers unless something else
// reads it as a block. Reductions of floats keep their 64 lanes in local arrays, in the order of core/base/program.h.
// What keeps a loop from vectorising (index maps, gathers, half precision, far arguments) is a call of the host's
// functions of blocks where it offers some, else a loop of its own. Bits are those of every other tier because
// expressions are the tables' own and nothing is reassociated. The text of a program is the same each time; it has no
// header, static data or external symbol but what the dialect declares. It is rendered from the plan that the block VM
// runs, and works at any block position that the VM allows.
#pragma once
#include <span>
#include <string>

#include "core/base/program.h"
#include "core/render/dialect.h"
#include "core/render/layout_text.h"

namespace jt {

struct NamedProgram {
  std::string name;
  const Program* program;
};

// host: where the dialect calls it. Throws JT_E_UNSUPPORTED for a program that has no text, or JT_E_INTERNAL.
std::string render_loops(std::span<const NamedProgram> programs, const Dialect& dialect,
                         loops::HostCalls* host = nullptr);

// C99 that needs nothing else: no headers, no primitives, no scratch memory. Each program is
//   void NAME(const jt_i64 *A, jt_i64 begin, jt_i64 end)
// where A is the argument words of a launch (program.h), begin..end the outer elements to do. Bits are those of every
// other tier if the compiler contracts nothing (-ffp-contract=off) and lets integers wrap (-fwrapv). Of the C library
// only functions that are exact everywhere are called (fma, sqrt, fmod, ..), declared as far as used.
std::string render_c99(std::span<const NamedProgram> programs);

}  // namespace jt
