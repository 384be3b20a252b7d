// bodies: composite rows in other ops. simplify opens them, and the fuser makes them fast.
#include "core/ir/block.h"
#include "core/ir/build.h"
#include "core/ir/rules.h"

namespace jt {

using namespace ops;
#define JT_BODY(name) Value name##_body(Recorder& r, std::span<const Ref> in, const Attrs& attrs, const Type& result)
#define JT_UNUSED (void)r, (void)in, (void)attrs, (void)result

// Half floats are summed and exponentiated as f32 and rounded once, at the end: 65,504 is no bound on a mean's count.
static DType wide(DType t) { return t == JT_F16 || t == JT_BF16 ? JT_F32 : t; }

JT_BODY(full) {
  JT_UNUSED;
  Value c = r.constant(result.dtype, attrs.real(1));
  return result.shape.rank ? expand(c, result.shape) : c;
}

JT_BODY(mean) {
  JT_UNUSED;
  Value x = cast(in[0], wide(result.dtype));
  int64_t n = 1;
  for (int64_t axis : attrs.ints(0)) n *= x.shape()[int(axis)];
  Value count = r.constant(x.dtype(), double(n));
  count.ref().node->origin = kCount;
  return cast(sum(x, attrs.ints(0), attrs.integer(1)) / count, result.dtype);
}

// Of no elements there is no maximum, and nothing to centre.
static Value centred(Ref x, int64_t axis) {
  if (!x.shape()[int(axis)]) return x;
  return Value(x) - max(x, {&axis, 1}, true);
}

JT_BODY(softmax) {
  JT_UNUSED;
  int64_t axis = attrs.integer(0);
  Value x = cast(in[0], wide(result.dtype)), e = exp(centred(x, axis));
  return cast(e / sum(e, {&axis, 1}, true), result.dtype);
}

JT_BODY(log_softmax) {
  JT_UNUSED;
  int64_t axis = attrs.integer(0);
  Value x = cast(in[0], wide(result.dtype)), c = centred(x, axis);
  return cast(c - log(sum(exp(c), {&axis, 1}, true)), result.dtype);
}

JT_BODY(cross_entropy) {
  JT_UNUSED;
  Value x = cast(in[0], wide(result.dtype));
  Ref label = in[1];
  int64_t classes = 1;
  Value c = centred(x, classes);
  Value total = sum(exp(c), {&classes, 1});
  Value column = reshape(cast(label, JT_I64), Shape{label.shape()[0], 1});
  Value hit = equal(iota(r, x.shape(), 1, JT_I64), column);
  Value picked = sum(where(hit, c, 0), {&classes, 1});
  return cast(call(Op::mean, {log(total) - picked}, Attrs().add_ints({}).add(0)), result.dtype);
}

JT_BODY(mse_loss) {
  JT_UNUSED;
  Value x = cast(in[0], wide(result.dtype)), y = cast(in[1], wide(result.dtype));
  return cast(call(Op::mean, {square(x - y)}, Attrs().add_ints({}).add(0)), result.dtype);
}

JT_BODY(gelu) {
  JT_UNUSED;
  Value x = cast(in[0], wide(result.dtype));
  return cast(x * 0.5 * (erf(x * 0.7071067811865476) + 1), result.dtype);
}

JT_BODY(silu) {
  JT_UNUSED;
  Value x = cast(in[0], wide(result.dtype));
  return cast(x * sigmoid(x), result.dtype);
}

JT_BODY(softplus) {
  JT_UNUSED;
  Value x = cast(in[0], wide(result.dtype));
  return cast(maximum(x, 0) + log1p(exp(-abs(x))), result.dtype);
}

static Value random_unit(Recorder& r, const Attrs& attrs, const Type& result, int64_t stream) {
  Attrs bits_attrs;
  bits_attrs.add_ints(attrs.ints(0)).add(attrs.integer(1)).add(stream).add(attrs.integer(3));
  Value bits = r.build(Op::random_bits, {}, bits_attrs);
  if (result.dtype == JT_F64) return cast(bits, JT_F64) * 0x1p-32;
  Value upper = shift_right(bits, r.constant_int(JT_I64, 8));
  return cast(cast(upper, JT_F32) * 0x1p-24, result.dtype);
}

JT_BODY(uniform) {
  JT_UNUSED;
  return random_unit(r, attrs, result, attrs.integer(2));
}

// The two uniforms come from streams 2s and 2s+1 with the top bit set, which no uniform of the user has.
JT_BODY(normal) {
  JT_UNUSED;
  int64_t stream = attrs.integer(2) * 2 | INT64_MIN;
  Type wide = result;
  if (wide.dtype != JT_F64) wide.dtype = JT_F32;
  Value radius = sqrt(log(1 - random_unit(r, attrs, wide, stream)) * -2);
  return cast(radius * cos(random_unit(r, attrs, wide, stream + 1) * 6.283185307179586), result.dtype);
}

}  // namespace jt
