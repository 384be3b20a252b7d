// render_c: a Program -> C99 text that makes the same calls to the block primitives, in the same order, as the VM.
//
//   void k(const long long *A, long long begin, long long end, char *s, char *const *P)
//
// A: the program's argument words. s: scratch memory, of VmCode::scratch_bytes(). P: the primitives by number. The text
// has no header, literal of floating point, external symbol or static data, so the code made of it holds no address and
// runs wherever it is copied. Equal programs give equal text. It is rendered from the decoded plan that the VM runs, so
// that what a program means is said once; a backend without these primitives has no use for this text.
#pragma once
#include <string>

#include "core/base/program.h"

namespace jt::cpu {

// Throws JT_E_INTERNAL where VmCode does.
std::string render_c(const Program& program);

}  // namespace jt::cpu
