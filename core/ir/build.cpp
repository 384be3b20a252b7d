// build: the user's operands to the row's: dtypes promoted (NumPy), shapes broadcast, then recorded.
#include "core/ir/build.h"

#include <algorithm>

#include "core/ir/block.h"
#include "core/ir/type_rules.h"

namespace jt {

IndexUse infer(Op op, std::span<const Ref> inputs, Attrs& attrs, std::span<Type> results) {
  if (results.empty())
    fail(JT_E_INVALID, name(op), ": ", signature(op).attrs[size_t(signature(op).results_by)].name, " is empty");
  TypeRule rule{def(op), inputs, attrs, results};
  def(op).type(rule);
  for (const Type& result : results) check_count(name(op), result.shape);
  return rule.index;
}

static Value converted(Recorder& r, Ref x, DType to) {
  if (x.dtype() == to) return x;
  if (x.node->op == Op::constant && x.node->origin == -1 && is_float(x.dtype()) == is_float(to) && to != JT_BOOL)
    return r.constant_bits(to, x.node->constant_bits);
  Attrs attrs;
  attrs.add(to);
  return r.record(Op::cast, {&x, 1}, attrs);
}

// A unit axis records an expand also against 1, so that the graph is the same for every extent.
static Value broadcast_to(Recorder& r, Ref x, const Shape& shape) {
  const Shape& from = x.shape();
  int lead = shape.rank - from.rank;
  bool may_fit = lead == 0 && !(from.units & ~shape.units);
  if (may_fit && same_extents(from, shape)) return x;
  Dim wanted[kMaxRank];
  for (int i = 0; i < shape.rank; i++) {
    bool keeps = i >= lead && same(from[i - lead], shape[i]) && from.is_unit(i - lead) == shape.is_unit(i);
    wanted[i] = keeps ? Dim(-1) : shape[i];
  }
  Attrs attrs;
  attrs.add_ints({wanted, size_t(shape.rank)});
  Value made = r.record(Op::expand, {&x, 1}, attrs);
  made.ref().node->flags |= kImplicit;
  return made;
}

// The shape that operands of one dtype have, scalars beside them aside: nothing has to be converted or expanded.
// Null if they differ.
static const Shape* common_shape(std::span<const Ref> inputs) {
  const Shape* shape = &inputs[0].shape();
  for (Ref in : inputs.subspan(1)) {
    if (in.dtype() != inputs[0].dtype()) return nullptr;
    if (in.shape().rank == 0) continue;
    if (shape->rank == 0) shape = &in.shape();
    else if (!(in.shape() == *shape)) return nullptr;
  }
  return shape;
}

// Truth values in rows of numbers, as NumPy and PyTorch have them: a sum is true where either is, a product where both
// are; a square is counted with.
static bool build_of_bools(Recorder& r, Op op, std::span<const Ref> inputs, Attrs& attrs, Value& out) {
  if (!takes_bools(op)) return false;
  for (Ref in : inputs)
    if (in.dtype() != JT_BOOL) return false;
  if (op == Op::add) return out = r.build(Op::logical_or, inputs, attrs), true;
  if (op == Op::mul) return out = r.build(Op::logical_and, inputs, attrs), true;
  Value number = converted(r, inputs[0], JT_I64);
  Ref ref = number;
  return out = r.build(op, {&ref, 1}, attrs), true;
}

static Value build_element(Recorder& r, Op op, std::span<const Ref> inputs, Attrs& attrs) {
  const OpDef& row = def(op);
  Value of_bools;
  if (row.operands == Operands::NUMBER && inputs[0].dtype() == JT_BOOL &&
      build_of_bools(r, op, inputs, attrs, of_bools))
    return of_bools;
  size_t first = row.operands == Operands::CHOICE;
  DType dtype = inputs[first].dtype();
  const Shape* common = first ? nullptr : common_shape(inputs);
  if (common && operand_dtype(row, dtype) == dtype) {
    Type result{element_dtype(row, dtype), *common};
    return r.record_typed(op, inputs, attrs, {&result, 1});
  }
  for (size_t i = first; i < inputs.size(); i++) dtype = promote(dtype, inputs[i].dtype());
  dtype = operand_dtype(row, dtype);
  Shape shape = inputs[0].shape();
  for (Ref in : inputs.subspan(1)) shape = broadcast(row.name, shape, in.shape());
  Value made[3];
  Ref refs[3];
  for (size_t i = 0; i < inputs.size(); i++) {
    made[i] = converted(r, inputs[i], i < first ? JT_BOOL : dtype);
    if (made[i].shape().rank) made[i] = broadcast_to(r, made[i], shape);
    refs[i] = made[i];
  }
  return r.record(op, {refs, inputs.size()}, attrs);
}

// What a row computes in that sums up.
static DType summed_dtype(const OpDef& row, DType t) {
  if (row.result != ResultRule::WIDE || is_float(t)) return t;
  return is_unsigned_int(t) ? JT_U64 : JT_I64;
}

static Value build_reduce(Recorder& r, Op op, Ref x, Attrs& attrs) {
  const OpDef& row = def(op);
  Value operand = converted(r, x, summed_dtype(row, operand_dtype(row, x.dtype())));
  Ref ref = operand;
  return r.record(op, {&ref, 1}, attrs);
}

// What the library kernels compute in: their results are rounded or wrapped once, on the way out.
static DType library_dtype(DType t) {
  if (t == JT_F16 || t == JT_BF16) return JT_F32;
  if (t == JT_U32) return JT_I64;
  return is_int(t) && size_of(t) < 4 ? JT_I32 : t;
}

static Value with_axis(Recorder& r, Ref x, int axis) {
  Dim dims[kMaxRank + 1];
  for (int i = 0, o = 0; o <= x.shape().rank; o++) dims[o] = o == axis ? Dim(1) : x.shape()[i++];
  Attrs attrs;
  attrs.add_ints({dims, size_t(x.shape().rank) + 1});
  return r.record(Op::reshape, {&x, 1}, attrs);
}

static Value without_axis(Recorder& r, Ref x, int axis) {
  Dim dims[kMaxRank];
  size_t n = 0;
  for (int i = 0; i < x.shape().rank; i++)
    if (i != axis) dims[n++] = x.shape()[i];
  Attrs attrs;
  attrs.add_ints({dims, n});
  return r.record(Op::reshape, {&x, 1}, attrs);
}

static Shape with_batch(const Shape& batch, const Shape& matrix) {
  Shape out = batch;
  for (int i = matrix.rank - 2; i < matrix.rank; i++) out.push(matrix[i], matrix.is_unit(i));
  return out;
}
static Shape batch_of(const Shape& s) {
  Shape out;
  for (int i = 0; i < s.rank - 2; i++) out.push(s[i], s.is_unit(i));
  return out;
}

static Value build_matmul(Recorder& r, Ref a, Ref b) {
  DType promoted = promote(a.dtype(), b.dtype());
  if (a.shape().rank == 0 || b.shape().rank == 0)
    fail(JT_E_SHAPE, "matmul: shapes ", a.shape(), " and ", b.shape(), " need at least one axis each");
  Value x = converted(r, a, promoted), y = converted(r, b, promoted);
  bool row = x.shape().rank == 1, column = y.shape().rank == 1;
  if (row) x = with_axis(r, x, 0);
  if (column) y = with_axis(r, y, 1);
  if (x.shape()[x.shape().rank - 1] != y.shape()[y.shape().rank - 2])
    fail(JT_E_SHAPE, "matmul: inner extents differ: ", a.shape(), " and ", b.shape());
  Shape batch = broadcast("matmul", batch_of(x.shape()), batch_of(y.shape()));
  x = broadcast_to(r, x, with_batch(batch, x.shape()));
  y = broadcast_to(r, y, with_batch(batch, y.shape()));
  DType computed = library_dtype(promoted);
  x = converted(r, x, computed), y = converted(r, y, computed);
  Ref refs[2] = {x, y};
  Attrs none;
  Value z = converted(r, r.record(Op::matmul, refs, none), promoted);
  if (column) z = without_axis(r, z, z.shape().rank - 1);
  if (row) z = without_axis(r, z, z.shape().rank - 1 - !column);
  return z;
}

static Value build_concat(Recorder& r, std::span<const Ref> inputs, Attrs& attrs) {
  if (inputs.empty()) fail(JT_E_INVALID, "concat: no tensors");
  DType t = inputs[0].dtype();
  for (Ref in : inputs) t = promote(t, in.dtype());
  if (std::ranges::all_of(inputs, [&](Ref in) { return in.dtype() == t; })) return r.record(Op::concat, inputs, attrs);
  Recycling recycling(r.lists);
  List<Value> made;
  List<Ref> refs;
  for (Ref in : inputs) made.push_back(converted(r, in, t)), refs.push_back(made.back());
  return r.record(Op::concat, refs, attrs);
}

static Value build_library(Recorder& r, Op op, std::span<const Ref> inputs, Attrs& attrs) {
  DType stored = summed_dtype(def(op), inputs[0].dtype()), computed = library_dtype(stored);
  Value made[3];
  if (stored != inputs[0].dtype()) {
    made[0] = converted(r, inputs[0], stored);
    Ref wide = made[0];
    return r.record(op, {&wide, 1}, attrs);
  }
  if (stored == computed || !is_float(stored)) return r.record(op, inputs, attrs);
  Ref refs[3];
  for (size_t i = 0; i < inputs.size(); i++) {
    made[i] = is_float(inputs[i].dtype()) ? converted(r, inputs[i], computed) : Value(inputs[i]);
    refs[i] = made[i];
  }
  return converted(r, r.record(op, {refs, inputs.size()}, attrs), stored);
}

// Autocast: floating operands in halves, or in f32, as the row says.
static Value build_cast(Recorder& r, Op op, std::span<const Ref> inputs, Attrs&& attrs) {
  DType to = kPrecisions[int(op)] == Precision::low ? r.low_precision : JT_F32;
  WithoutAutocast as_they_are(r);
  Recycling recycling(r.lists);
  List<Value> made;
  List<Ref> refs;
  for (Ref in : inputs) {
    made.push_back(in && is_cast_to(in.dtype(), to) ? converted(r, in, to) : Value(in));
    refs.push_back(made.back());
  }
  return r.build(op, refs, std::move(attrs));
}

Value Recorder::build(Op op, std::span<const Ref> inputs, Attrs&& attrs) {
  if (low_precision != JT_F32 && kPrecisions[int(op)] != Precision::as_is) [[unlikely]]
    return build_cast(*this, op, inputs, std::move(attrs));
  switch (def(op).kind) {
    case Kind::element: return build_element(*this, op, inputs, attrs);
    case Kind::reduce: return build_reduce(*this, op, inputs[0], attrs);
    case Kind::library:
      return op == Op::matmul ? build_matmul(*this, inputs[0], inputs[1]) : build_library(*this, op, inputs, attrs);
    default: return op == Op::concat ? build_concat(*this, inputs, attrs) : record(op, inputs, attrs);
  }
}

// ---- attributes by name ---------------------------------------------------------------------------------------------

static void add_default(Attrs& out, const AttrDef& a) {
  switch (a.type) {
    case AttrType::ints: out.add_ints({}); return;
    case AttrType::string: out.add_string(a.fallback); return;
    case AttrType::dtype: out.add(a.fallback.empty() ? JT_F32 : dtype_named(a.fallback)); return;
    default: break;
  }
  double value = 0;
  std::from_chars(a.fallback.data(), a.fallback.data() + a.fallback.size(), value);
  a.type == AttrType::real ? out.add_real(value) : out.add(int64_t(value));
}

static void add_given(Attrs& out, Op op, const AttrDef& a, const jt_attr& given) {
  auto wrong = [&] { fail(JT_E_INVALID, name(op), ": attribute ", a.name, " is of the wrong kind"); };
  switch (a.type) {
    case AttrType::ints:
      if (given.kind == JT_ATTR_I64) { out.add(given.i64); return; }
      if (given.kind != JT_ATTR_INTS || (given.ints_len && !given.ints)) wrong();
      out.add_ints({given.ints, given.ints_len});
      return;
    case AttrType::string:
      if (given.kind != JT_ATTR_STR || !given.str) wrong();
      out.add_string({given.str, given.str_len == JT_NUL ? std::strlen(given.str) : given.str_len});
      return;
    case AttrType::real:
      if (given.kind == JT_ATTR_I64) { out.add_real(double(given.i64)); return; }
      if (given.kind != JT_ATTR_F64) wrong();
      out.add_real(given.f64);
      return;
    default:
      if (given.kind != JT_ATTR_I64) wrong();
      out.add(a.type == AttrType::boolean ? given.i64 != 0 : given.i64);
  }
}

Attrs make_attrs(Op op, std::span<const jt_attr> given) {
  const Signature& sig = signature(op);
  for (const jt_attr& g : given) {
    bool known = false;
    for (const AttrDef& a : sig.attrs) known |= g.name && a.name == g.name;
    if (!known) fail(JT_E_INVALID, name(op), ": no attribute is called '", g.name ? g.name : "(null)", "'");
  }
  Attrs out;
  for (const AttrDef& a : sig.attrs) {
    const jt_attr* found = nullptr;
    for (const jt_attr& g : given)
      if (a.name == g.name) found = &g;
    found ? add_given(out, op, a, *found) : add_default(out, a);
  }
  return out;
}

// ---- functions ------------------------------------------------------------------------------------------------------

namespace ops {

static Value apply_with_numbers(Op op, std::initializer_list<Arg> args) {
  Ref first;
  size_t skip = def(op).operands == Operands::CHOICE, n = 0;
  for (const Arg& a : args)
    if (n++ >= skip && !a.is_number() && !first) first = a.ref();
  for (const Arg& a : args)
    if (!first && !a.is_number()) first = a.ref();
  Recorder& r = *first.node->owner;
  Value made[3];
  Ref refs[3];
  n = 0;
  for (const Arg& a : args) {
    made[n] = a.is_number() ? r.constant(first.dtype(), a.number()) : Value(a.ref());
    refs[n] = made[n];
    n++;
  }
  return r.build(op, {refs, n});
}

Value apply(Op op, std::initializer_list<Arg> args) {
  Ref refs[3];
  size_t n = 0;
  for (const Arg& a : args) {
    if (a.is_number()) return apply_with_numbers(op, args);
    refs[n++] = a.ref();
  }
  return refs[0].node->owner->build(op, {refs, n});
}

#define JT_REDUCE(name, ...)                                                        \
  Value name(Ref x, DimList axes, bool keepdims) {                 \
    return x.node->owner->build(Op::name, {x}, Attrs().add_ints(axes).add(keepdims)); \
  }
#include "core/ir/ops.def"

Value call(Op op, std::initializer_list<Ref> inputs, const Attrs& attrs) {
  if (!attrs.count() && !signature(op).attrs.empty()) {
    const Attrs defaults = make_attrs(op, {});
    return inputs.begin()->node->owner->build(op, inputs, defaults);
  }
  return inputs.begin()->node->owner->build(op, inputs, attrs);
}
Value cast(Ref x, DType dtype) { return x.dtype() == dtype ? Value(x) : call(Op::cast, {x}, Attrs().add(dtype)); }
Value reshape(Ref x, const Shape& shape) {
  if (x.shape() == shape) return x;
  return call(Op::reshape, {x}, Attrs().add_ints(shape.extents()));
}
Value transpose(Ref x, DimList axes) { return call(Op::transpose, {x}, Attrs().add_ints(axes)); }
Value expand(Ref x, const Shape& shape) { return broadcast_to(*x.node->owner, x, shape); }
Value slice(Ref x, DimList starts, DimList stops, DimList steps) {
  return call(Op::slice, {x}, Attrs().add_ints(starts).add_ints(stops).add_ints(steps));
}
Value matmul(Ref x, Ref y) { return call(Op::matmul, {x, y}); }
Value iota(Recorder& recorder, const Shape& shape, int axis, DType dtype) {
  return recorder.build(Op::iota, {}, Attrs().add_ints(shape.extents()).add(axis).add(dtype));
}
Value count(Recorder& recorder, DType dtype, Dim n) {
  Value c = n.is_symbolic() ? recorder.constant_bits(dtype, n.word()) : recorder.constant(dtype, double(n.word()));
  c.ref().node->origin = kCount;
  return c;
}
Value fill(Ref like, double value) {
  Value c = like.node->owner->constant(like.dtype(), value);
  const Shape& shape = like.shape();
  if (shape.rank == 0) return c;
  Shape ones;  // an axis is a unit axis only if it was one before the expand
  for (int i = 0; i < shape.rank; i++) ones.push(1, true);
  return expand(shape.units ? reshape(c, ones) : c, shape);
}
Value zeros_like(Ref like) { return fill(like, 0); }

}  // namespace ops
}  // namespace jt
