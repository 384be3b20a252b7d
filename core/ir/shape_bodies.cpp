// Bodies of composite rows that pair operands or lay elements out anew.
#include <algorithm>
#include <cmath>
#include <limits>

#include "core/ir/body.h"

namespace jt {

using namespace ops;

constexpr double kInf = std::numeric_limits<double>::infinity();

JT_BODY(logsumexp) {
  JT_UNUSED;
  Value x = cast(in[0], wide(result.dtype));
  auto axes = attrs.ints(0);
  bool keepdims = attrs.integer(1);
  for (int64_t axis : axes)
    if (x.shape()[int(axis)] == 0) return cast(log(sum(x, axes, keepdims)), result.dtype);  // of nothing: log(0)
  Value most = max(x, axes, true);
  most = where(isfinite(most), most, 0);  // exp(inf - inf) is no number; exp(inf - 0) is right
  Value total = log(sum(exp(x - most), axes, keepdims));
  return cast(total + reshape(most, total.shape()), result.dtype);
}

// Where both are the same infinity their difference is no number.
JT_BODY(logaddexp) {
  JT_UNUSED;
  DType t = wide(result.dtype);
  Value x = cast(in[0], t), y = cast(in[1], t), is_same = equal(x, y);
  Value gap = where(is_same, 0, x) - where(is_same, 0, y), d = where(x > y, gap, -gap);
  Value apart = where(x > y, x, y) + log1p(exp(-d)), together = x * 0.5 + y * 0.5 + std::log(2.0);
  return cast(where(is_same, together, apart), result.dtype);
}

JT_BODY(xlogy) {
  JT_UNUSED;
  DType t = wide(result.dtype);
  Value x = cast(in[0], t), y = cast(in[1], t);
  Value is_nothing = logical_and(equal(x, 0), logical_or(y <= 0, equal(y, kInf)));
  return cast(where(is_nothing, 0, x * log(where(is_nothing, 1, y))), result.dtype);
}

JT_BODY(fmod) {
  JT_UNUSED;
  Value x = cast(in[0], result.dtype), y = cast(in[1], result.dtype);
  if (!is_float(result.dtype)) {
    Value rest = mod(x, y), is_other = logical_xor(rest < 0, x < 0);
    return where(logical_and(not_equal(rest, 0), is_other), rest - y, rest);
  }
  Value is_negative = copysign(1, x) < 0;
  Value rest = mod(where(is_negative, -x, x), where(y < 0, -y, y));  // of positive numbers it is exact
  return where(is_negative, -rest, rest);
}

JT_BODY(lerp) {
  JT_UNUSED;
  DType t = wide(result.dtype);
  Value x = cast(in[0], t), y = cast(in[1], t), w = cast(in[2], t), d = y - x;
  return cast(where(abs(w) < 0.5, fma(w, d, x), fma(w - 1, d, y)), result.dtype);
}

JT_BODY(isclose) {
  JT_UNUSED;
  DType t = wide(promote(in[0].dtype(), in[1].dtype()));
  if (!is_float(t)) t = JT_F64;
  Value x = cast(in[0], t), y = cast(in[1], t);
  Value is_near = logical_and(abs(x - y) <= abs(y) * attrs.real(0) + attrs.real(1), isfinite(y));
  Value out = logical_or(equal(x, y), is_near);
  return attrs.integer(2) ? logical_or(out, logical_and(isnan(x), isnan(y))) : out;
}

static double largest(DType t) {
  switch (t) {
    case JT_F16: return 65504;
    case JT_BF16: return 0x1.FEp127;
    case JT_F32: return std::numeric_limits<float>::max();
    default: return std::numeric_limits<double>::max();
  }
}
JT_BODY(nan_to_num) {
  JT_UNUSED;
  Value x = in[0];
  if (!is_float(x.dtype())) return x;
  auto of = [&](int i) {
    return std::isinf(attrs.real(i)) ? std::copysign(largest(x.dtype()), attrs.real(i)) : attrs.real(i);
  };
  Value high = where(equal(x, kInf), of(1), x), low = where(equal(x, -kInf), of(2), high);
  return where(isnan(x), attrs.real(0), low);
}

// Where elements that begin at `start` along an axis lie.
static Value places_from(Recorder& r, Ref start, const Shape& shape, int axis) {
  return iota(r, shape, axis, JT_I64) + cast(start, JT_I64);
}
JT_BODY(slice_at) {
  JT_UNUSED;
  int64_t axis = attrs.integer(1);
  return reshape(call(Op::take, {in[0], places_from(r, in[1], Shape{attrs.dim(0)}, 0)}, Attrs().add(axis)),
                 result.shape);
}
JT_BODY(update_at) {
  JT_UNUSED;
  int axis = int(attrs.integer(0));
  return call(Op::scatter, {in[0], places_from(r, in[2], in[1].shape(), axis), in[1]},
              Attrs().add(axis).add_string("set"));
}

JT_BODY(masked_fill) {
  JT_UNUSED;
  return where(Value(in[1]), attrs.real(0), Value(in[0]));
}

// Whether an element of the last two axes lies on that side of the diagonal, or on it.
static Value triangle(Recorder& r, Ref x, int64_t diagonal, bool is_upper) {
  const Shape& shape = x.shape();
  Shape matrix{shape[shape.rank - 2], shape[shape.rank - 1]};
  Value row = iota(r, matrix, 0, JT_I64), column = iota(r, matrix, 1, JT_I64), d = column - row;
  Value bound = r.constant_int(JT_I64, diagonal);
  return where(is_upper ? d >= bound : d <= bound, Value(x), 0);
}
JT_BODY(tril) {
  JT_UNUSED;
  return triangle(r, in[0], attrs.integer(0), false);
}
JT_BODY(triu) {
  JT_UNUSED;
  return triangle(r, in[0], attrs.integer(0), true);
}

// Rows behind one another: the diagonal is every (columns + 1)-th element.
JT_BODY(diagonal) {
  JT_UNUSED;
  const Shape& s = in[0].shape();
  int axes[2] = {int(attrs.integer(1)), int(attrs.integer(2))};
  int64_t order[kMaxRank], columns = s[axes[1]], offset = attrs.integer(0), n = result.shape[result.shape.rank - 1];
  size_t last = 0;
  Shape flat;
  for (int i = 0; i < s.rank; i++)
    if (i != axes[0] && i != axes[1]) order[last++] = i, flat.push(s[i], s.is_unit(i));
  order[last] = axes[0], order[last + 1] = axes[1];
  flat.push(s[axes[0]] * s[axes[1]]);
  Value x = reshape(transpose(in[0], {order, size_t(s.rank)}), flat);
  int64_t starts[kMaxRank] = {}, stops[kMaxRank], steps[kMaxRank];
  for (size_t i = 0; i <= last; i++) stops[i] = flat[int(i)], steps[i] = 1;
  int64_t first = n ? offset >= 0 ? offset : -offset * columns : 0;
  starts[last] = first, stops[last] = n ? first + (n - 1) * (columns + 1) + 1 : first, steps[last] = columns + 1;
  return slice(x, {starts, last + 1}, {stops, last + 1}, {steps, last + 1});
}

static Value rolled(Ref x, int axis, int64_t shift) {
  int64_t extent = x.shape()[axis];
  if (!shift) return x;
  Value tail = part_of(x, axis, extent - shift, extent), head = part_of(x, axis, 0, extent - shift);
  return call(Op::concat, {tail, head}, Attrs().add(axis));
}
JT_BODY(roll) {
  JT_UNUSED;
  auto shifts = attrs.ints(0), axes = attrs.ints(1);
  if (axes.empty()) return reshape(rolled(reshape(in[0], Shape{in[0].shape().count()}), 0, shifts[0]), result.shape);
  Value out = in[0];
  for (size_t i = 0; i < axes.size(); i++) out = rolled(out, int(axes[i]), shifts[i]);
  return out;
}

// One axis after the other, as three: rank 8 has no room for two axes each.
JT_BODY(tile) {
  JT_UNUSED;
  // what lies between could have too many elements
  if (in[0].shape().count() == 0) return reshape(in[0], result.shape);
  auto times = attrs.ints(0);
  Shape now;
  for (int i = in[0].shape().rank; i < result.shape.rank; i++) now.push(1);
  for (int i = 0; i < in[0].shape().rank; i++) now.push(in[0].shape()[i], in[0].shape().is_unit(i));
  Value out = reshape(in[0], now);
  for (int i = 0; i < result.shape.rank; i++) {
    int at = i - (result.shape.rank - int(times.size()));
    if (at < 0 || times[size_t(at)] == 1) continue;
    Dim before = 1, behind = 1;
    for (int k = 0; k < result.shape.rank; k++) (k < i ? before : behind) *= k == i ? Dim(1) : now[k];
    behind *= now[i];
    now.dims[i] = now[i] * times[size_t(at)], now.units &= uint8_t(~(1u << i));
    out = reshape(expand(reshape(out, Shape{before, 1, behind}), Shape{before, times[size_t(at)], behind}), now);
  }
  return out;
}

JT_BODY(stack) {
  JT_UNUSED;
  int axis = int(attrs.integer(0));
  Shape one = result.shape;
  one.dims[axis] = 1;
  Recycling recycling(r.lists);
  List<Value> parts;
  List<Ref> refs;
  for (Ref x : in) parts.push_back(reshape(x, one)), refs.push_back(parts.back());
  return r.build(Op::concat, refs, Attrs().add(axis));
}

JT_BODIES(aminmax) {
  (void)r;
  out[0] = min(in[0], node.ints(0), node.integer(1));
  out[1] = max(in[0], node.ints(0), node.integer(1));
}
JT_BODIES(var_mean) {
  (void)r;
  Attrs attrs = node.attrs();
  out[0] = call(Op::var, {in[0]}, attrs);
  out[1] = call(Op::mean, {in[0]}, Attrs().add_ints(node.ints(0)).add(node.integer(1)));
}

}  // namespace jt
