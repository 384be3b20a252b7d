// gradients: what one node adds to the gradients of its operands: a function per row of ops.def, in the table's order.
#pragma once
#include <span>

#include "core/ir/recorder.h"

namespace jt {

struct GradStep {
  Node* node;
  std::span<const Value> dz;    // by result; empty: the result has no gradient
  std::span<const char> needs;  // by operand: is its gradient asked for
  std::span<Value> dx;          // by operand, to be filled: left empty where nothing is contributed
  bool create_graph = false;    // gradients are to have gradients
  bool is_left_to_body = false; // set by the rule of a composite row: its body is to be differentiated this time
};
using GradRule = void (*)(GradStep&);

// Of rows with a file of their own.
void slice_at_grad(GradStep&);
void update_at_grad(GradStep&);
void xlogy_grad(GradStep&);
void fmod_grad(GradStep&);
void lerp_grad(GradStep&);
// Of ops that own blocks (region_grad.cpp).
void branch_grad(GradStep&);
void loop_grad(GradStep&);

// Null for rows without one.
GradRule gradient_rule(Op op);
// Whether an operand of the row may have a gradient other than 0, by its rule or through its body.
bool has_gradient(Op op);

}  // namespace jt
