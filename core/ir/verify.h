// verify: the parts of verify() that parse also asks, one line at a time.
#pragma once
#include "core/ir/block.h"

namespace jt {

// A shape that can be: extents not negative, unit axes of extent 1, a number of elements that fits.
void check_shape(std::string_view who, const Shape& shape);
// How many operands the row takes.
void check_operand_count(Op op, size_t given);
// That scalar `id` is written, or folded from earlier ones to the value that folding gives.
void check_scalar(const Block& block, size_t id);
// That a node's origin exists and holds the node's numbers.
void check_origin(const Block& block, const Node* node);

}  // namespace jt
