// library_params: a library node -> the integers that describe it to a backend (docs/ADD-A-BACKEND.md lists them).
#pragma once
#include "core/ir/node.h"

namespace jt {

// operands: what the call reads; a matmul operand that is the input of node's transposed operand is read transposed.
std::vector<int64_t> library_params(const Node* node, std::span<const Ref> operands);

}  // namespace jt
