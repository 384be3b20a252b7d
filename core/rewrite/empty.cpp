// empty: what has no elements needs no operands, and what only empty operands flow into is known: no work is left for
// what is not there, however large its other extents are.
#include <algorithm>

#include "core/ir/build.h"
#include "core/rewrite/rule.h"

namespace jt {

static bool is_empty(Ref x) { return x.type().count() == 0; }

// A constant spread to a shape: what every empty value becomes.
static bool is_fill(Ref z) {
  if (z.node->op != Op::expand) return false;
  Ref x = z.node->inputs()[0];
  return is_constant(x) || (x.node->op == Op::reshape && is_constant(x.node->inputs()[0]));
}

static Rewrite filled(std::string_view rule, Ref z, double value) {
  Value to = z.shape().rank ? ops::fill(z, value) : z.node->owner->constant(z.dtype(), value);
  return to.type() == z.type() ? Rewrite{rule, to} : Rewrite{};
}

static Rewrite of_reduction(Ref z) {
  if (!is_empty(z.node->inputs()[0])) return {};
  switch (def(z.node->op).reduction) {
    case Reduction::sum:
    case Reduction::any: return filled("sum over nothing", z, 0);
    case Reduction::prod:
    case Reduction::all: return filled("product over nothing", z, 1);
    default: return {};  // recorded only where there is something to choose from, or nobody to choose for
  }
}

// Sums of products with an empty operand, and gradients of what gave nothing.
static Rewrite of_library(Ref z) {
  if (z.node->op == Op::max_pool2d || z.node->op == Op::avg_pool2d) return {};  // windows of padding alone
  return std::ranges::any_of(z.node->ins(), is_empty) ? filled("library row of nothing", z, 0) : Rewrite{};
}

Rewrite empty(Rewriting&, Ref z) {
  const Node* node = z.node;
  if (node->op == Op::custom || node->n_results > 1) return {};
  if (is_empty(z)) return is_fill(z) ? Rewrite{} : filled("no elements", z, 0);
  if (kind(node) == Kind::reduce) return of_reduction(z);
  if (kind(node) == Kind::library) return of_library(z);
  bool adds_nothing = (node->op == Op::scatter_add || node->op == Op::scatter) ? is_empty(node->inputs()[2])
                      : (node->op == Op::update || node->op == Op::update_at) ? is_empty(node->inputs()[1])
                                                                              : false;
  return adds_nothing ? Rewrite{"nothing written", Value(node->inputs()[0])} : Rewrite{};
}

}  // namespace jt
