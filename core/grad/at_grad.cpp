// at_grad: gradients of parts at a place that is an operand: each row is the other's adjoint.
#include "core/grad/gradients.h"
#include "core/ir/build.h"

namespace jt {

using namespace ops;

void slice_at_grad(GradStep& s) {
  Ref x = s.node->inputs()[0], start = s.node->inputs()[1];
  s.dx[0] =
      call(Op::update_at, {zeros_like(x), s.dz[0], start}, Attrs().add(s.node->integer(attr(Op::slice_at, "axis"))));
}

void update_at_grad(GradStep& s) {
  Ref v = s.node->inputs()[1], start = s.node->inputs()[2];
  int64_t axis = s.node->integer(attr(Op::update_at, "axis"));
  if (s.needs[0]) s.dx[0] = call(Op::update_at, {s.dz[0], zeros_like(v), start}, Attrs().add(axis));
  if (s.needs[1]) s.dx[1] = call(Op::slice_at, {s.dz[0], start}, Attrs().add(v.shape()[int(axis)]).add(axis));
}

}  // namespace jt
