// eval_library: the library ops by plain loops over all their products.
#pragma once
#include "core/ir/eval.h"

namespace jt {

// results[i].type is set and its bytes are there, all zero.
void evaluate_library(const Node* node, std::span<const HostValue* const> inputs, std::span<HostValue> results);
// Rows that work along one axis (eval_along.cpp).
void evaluate_along(const Node* node, const HostValue& x, std::span<HostValue> results);

}  // namespace jt
