// render_threads: a block program and a shape -> one file of CUDA C whose kernels do it, a thread for each element.
//
// The element expressions are the tables' own, as everywhere, and reductions keep the order of core/base/program.h: a
// lane's elements are added by one thread in order of their index, lanes are folded by a halving tree, blocks are
// combined as a binary counter does. So the bits are the CPU's, if the compiler contracts nothing and rounds divisions
// and roots.
//
// Names in a text: A, the arguments (thread_plan); r3, register 3; o and i, outer and inner index; x0_1, coordinate of
// walk 0 along axis 1; q3 and k3, the outer part of operand 3's offset and whether limits let it in; j, element of a
// thread's group, or lane of a thread; b3 and y3, what a group reads from and writes to operand 3; t3, lanes of the
// reduction that is instruction 3.
#pragma once
#include <string>

#include "core/render/dialect.h"
#include "core/render/thread_plan.h"

namespace jt {

// Throws JT_E_UNSUPPORTED for a program that has no such text.
std::string render_threads(const Program& program, const ThreadShape& shape, const Dialect& dialect = cuda_dialect());

}  // namespace jt
