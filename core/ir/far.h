// far: which words of a node say how far, and so belong to a binding and not to the structure (core/capture.h).
#pragma once
#include <optional>

#include "core/ir/block.h"

namespace jt {

// A count follows from extents; its class is not one of the structure.
inline bool is_count(const Node* node) { return node->op == Op::constant && node->origin == kCount; }
// The integer that a count stands for, if it is one that may be another in the next binding.
std::optional<int64_t> counted(const Node* count);
// Bit i: attribute i says how far.
uint32_t far_attrs(Op op);
// Extents of these results are binding words: they do not follow from operands and attributes in the key.
inline bool has_own_extents(Op op) { return op == Op::slice || op == Op::custom; }
// Whether an extent or a number of steps is 0, or below, is structure: plans differ too much.
inline uint64_t sign_of(int64_t n) { return n >= 1 ? 0 : n == 0 ? 1 : 2; }

}  // namespace jt
