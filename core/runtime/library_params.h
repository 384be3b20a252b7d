// library_params: a library node -> the integers that describe it to a backend (docs/ADD-A-BACKEND.md lists them).
#pragma once
#include "core/ir/node.h"

namespace jt {

// transposed: bits of a matmul's operands that are stored with their last two axes swapped. read: the dtype in which
// they are read, mostly that of the result.
std::vector<Dim> library_params(const Node* node, uint32_t transposed, DType read);

}  // namespace jt
