// Products of halves. They are recorded as f32, rounded on the way out, as that is what the CPU computes in. A device
// that multiplies halves with sums in f32 (JT_BE_HALF_PRODUCTS) reads half the bytes and rounds the same sums. Where
// something comes before rounding, such as a bias, fusing sees to it that the operands are read before they are cast.
#include "core/ir/body.h"
#include "core/rewrite/rule.h"

namespace jt {

// What was cast from `half`, before that: the way to it, if it is one of movements, goes over halves. Null: it is not.
static Value before_cast(Rewriting& with, Ref x, DType half) {
  Node* node = x.node;
  if (node->op == Op::cast) return node->inputs()[0].dtype() == half ? Value(node->inputs()[0]) : Value();
  if (kind(node) != Kind::movement || node->n_inputs != 1) return {};
  Value from = before_cast(with, node->inputs()[0], half);
  if (!from) return {};
  Ref input = from;
  Attrs attrs = node->attrs();
  Value made = with.recorder.record(node->op, {&input, 1}, attrs);
  made.ref().node->origin = node->origin;
  return made;
}

Rewrite halves(Rewriting& with, Ref z) {
  if (!with.half_products || z.node->op != Op::cast || wide(z.dtype()) == z.dtype()) return {};
  Ref product = z.node->inputs()[0];
  if (product.node->op != Op::matmul || product.dtype() != JT_F32) return {};
  Value held[2];
  Ref operands[2];
  for (int i = 0; i < 2; i++) {
    held[i] = before_cast(with, product.node->inputs()[i], z.dtype());
    if (!held[i]) return {};
    operands[i] = held[i];
  }
  Attrs none;
  return {"product of halves", with.recorder.record(Op::matmul, operands, none)};
}

}  // namespace jt
