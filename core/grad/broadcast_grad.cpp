// broadcast_grad: gradients of composite rows whose operands broadcast: computed in the shape of the result, and
// summed.
#include "core/grad/gradients.h"
#include "core/ir/body.h"
#include "core/ir/build.h"

namespace jt {

using namespace ops;

// Back to an operand of that type, which was broadcast.
static Value summed_to(const Value& v, Ref operand) {
  const Shape &from = v.shape(), &to = operand.shape();
  int64_t axes[kMaxRank];
  size_t n = 0;
  for (int i = 0; i < from.rank; i++) {
    int at = i - (from.rank - to.rank);
    if (at < 0 || (to[at] == 1 && from[i] != 1)) axes[n++] = i;
  }
  return cast(n ? reshape(sum(v, {axes, n}, true), to) : reshape(v, to), operand.dtype());
}

// The slope at x = 0 is that of the function beside it, log(y), where there is one.
void xlogy_grad(GradStep& s) {
  DType t = wide(s.dz[0].dtype());
  Ref a = s.node->inputs()[0], b = s.node->inputs()[1];
  Value x = cast(a, t), y = cast(b, t), dz = cast(s.dz[0], t);
  if (s.needs[0]) s.dx[0] = summed_to(dz * where(logical_and(equal(x, 0), y <= 0), 0, log(y)), a);
  if (s.needs[1]) s.dx[1] = summed_to(dz * x / y, b);
}

void fmod_grad(GradStep& s) {
  DType t = s.dz[0].dtype();
  Ref a = s.node->inputs()[0], b = s.node->inputs()[1];
  if (s.needs[0]) s.dx[0] = summed_to(s.dz[0], a);
  if (s.needs[1]) s.dx[1] = summed_to(-s.dz[0] * trunc(cast(a, t) / cast(b, t)), b);
}

// Its body takes one of two forms, by w: what is infinite in the other is no slope.
void lerp_grad(GradStep& s) {
  DType t = wide(s.dz[0].dtype());
  Ref from = s.node->inputs()[0], to = s.node->inputs()[1], share = s.node->inputs()[2];
  Value dz = cast(s.dz[0], t), w = cast(share, t);
  if (s.needs[0]) s.dx[0] = summed_to(dz * (1 - w), from);
  if (s.needs[1]) s.dx[1] = summed_to(dz * w, to);
  if (s.needs[2]) s.dx[2] = summed_to(dz * (cast(to, t) - cast(from, t)), share);
}

}  // namespace jt
