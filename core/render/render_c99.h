// render_c99: block programs -> C99 that needs nothing else: no headers, no primitives, no scratch memory.
//
// Each program becomes `void NAME(const jt_i64 *A, jt_i64 begin, jt_i64 end)`; A is the argument words of a launch (program.h),
// begin..end the outer elements to do. One loop over outer elements, in it one over inner elements for each inner stage; values
// are C variables. Bits are those of every other tier if the compiler contracts nothing (-ffp-contract=off) and lets integers wrap
// (-fwrapv). Of the C library only functions that are exact everywhere are called (fma, sqrt, fmod, ..), declared as far as used.
#pragma once
#include <span>
#include <string>

#include "core/base/program.h"

namespace jt {

struct NamedProgram {
  std::string name;
  const Program* program;
};
// The text of one file.
std::string render_c99(std::span<const NamedProgram> programs);

}  // namespace jt
