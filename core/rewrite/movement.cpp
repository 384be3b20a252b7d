// movement: rewrites about shapes, axes and dtypes. One function each, found by the op it begins with.
//
// What a rule makes is typed by the op's own rule and taken only if it has the type of the node it replaces, unit flags
// included: so a rule that does not fit some flags does not fire.
#include <algorithm>

#include "core/ir/body.h"
#include "core/ir/type_rules.h"
#include "core/rewrite/rule.h"

namespace jt {

static Value make(Rewriting& with, Op op, Ref x, Attrs attrs) { return with.recorder.record(op, {&x, 1}, attrs); }
static Ref input(Ref z, int i = 0) { return z.node->inputs()[i]; }
static bool is(Ref x, Op op) { return x.node->op == op; }

Value spread(Recorder& recorder, Ref value, const Type& type) {
  if (!type.shape.rank) return value;
  if (type.shape.units) return {};
  Attrs attrs;
  attrs.add_ints(type.shape.extents());
  return recorder.record(Op::expand, {&value, 1}, attrs);
}

// ---- reshape, transpose, expand -------------------------------------------------------------------------------------

static Value same_type(Rewriting&, Ref z) { return z.type() == input(z).type() ? Value(input(z)) : Value(); }

static Value reshape_of_reshape(Rewriting& with, Ref z) {
  if (!is(input(z), Op::reshape)) return {};
  return make(with, Op::reshape, input(input(z)), z.node->attrs());
}

static Value reshape_of_spread(Rewriting& with, Ref z) {
  Ref x = input(z);
  if (!is(x, Op::expand) || input(x).shape().rank) return {};
  return spread(with.recorder, input(x), z.type());
}

static Value identity_transpose(Rewriting&, Ref z) {
  auto axes = z.node->ints(0);
  return std::ranges::is_sorted(axes) ? Value(input(z)) : Value();
}

static Value transpose_of_transpose(Rewriting& with, Ref z) {
  Ref x = input(z);
  if (!is(x, Op::transpose)) return {};
  Dim axes[kMaxRank];
  size_t n = 0;
  for (Dim axis : z.node->ints(0)) axes[n++] = x.node->ints(0)[size_t(axis)];
  return make(with, Op::transpose, input(x), Attrs().add_ints({axes, n}));
}

static Value transpose_of_spread(Rewriting& with, Ref z) {
  Ref x = input(z);
  if (!is(x, Op::expand) || input(x).shape().rank) return {};
  return spread(with.recorder, input(x), z.type());
}

static Value expand_of_expand(Rewriting& with, Ref z) {
  Ref x = input(z);
  if (!is(x, Op::expand)) return {};
  auto outer = z.node->ints(0), inner = x.node->ints(0);
  size_t lead = outer.size() - inner.size();
  Dim shape[kMaxRank];
  for (size_t i = 0; i < outer.size(); i++) shape[i] = outer[i] == -1 ? inner[i - lead] : outer[i];
  return make(with, Op::expand, input(x), Attrs().add_ints({shape, outer.size()}));
}

// ---- slice, pad, flip, concat ---------------------------------------------------------------------------------------

// A step of 1 over the whole extent leaves the start no choice.
static Value slice_of_all(Rewriting&, Ref z) {
  for (Dim step : z.node->ints(2))
    if (step != 1) return {};
  return z.type() == input(z).type() ? Value(input(z)) : Value();
}

static Value pad_by_nothing(Rewriting&, Ref z) {
  for (int list = 0; list < 2; list++)
    for (Dim n : z.node->ints(list))
      if (n) return {};
  return input(z);
}

static Value flip_of_units(Rewriting&, Ref z) {
  for (Dim axis : z.node->ints(0))
    if (!z.shape().is_unit(int(axis))) return {};
  return input(z);
}

static Value flip_of_flip(Rewriting& with, Ref z) {
  Ref x = input(z);
  if (!is(x, Op::flip)) return {};
  uint32_t set = axis_set(z.node->ints(0)) ^ axis_set(x.node->ints(0));
  if (!set) return input(x);
  Dim axes[kMaxRank];
  size_t n = 0;
  for (int i = 0; i < kMaxRank; i++)
    if (set >> i & 1) axes[n++] = i;
  return make(with, Op::flip, input(x), Attrs().add_ints({axes, n}));
}

static Value concat_of_one(Rewriting&, Ref z) { return z.node->n_inputs == 1 ? Value(input(z)) : Value(); }

// ---- reductions -----------------------------------------------------------------------------------------------------

static uint32_t reduced_axes(Ref z) { return axis_set(z.node->ints(0)); }

// One element is its own sum, product, maximum.
static Value reduce_of_units(Rewriting& with, Ref z) {
  Ref x = input(z);
  if (reduced_axes(z) & ~uint32_t(x.shape().units)) return {};
  if (z.dtype() != x.dtype()) return {};
  if (z.type() == x.type()) return x;
  return make(with, Op::reshape, x, Attrs().add_ints(z.shape().extents()));
}

// The axes that an expand makes by its structure: new ones, and unit axes given another extent.
static uint32_t expanded_axes(Ref expand) {
  Ref x = input(expand);
  auto wanted = expand.node->ints(0);
  int lead = int(wanted.size()) - x.shape().rank;
  uint32_t set = 0;
  for (int i = 0; i < int(wanted.size()); i++)
    if (i < lead || (wanted[size_t(i)] != -1 && x.shape().is_unit(i - lead))) set |= 1u << i;
  return set;
}

// Of equal elements any is the largest. (A maximum over none of them is an error, unless the result has no elements.)
static Value without_expand(Rewriting& with, Ref z) {
  Ref x = input(z);
  if (!is(x, Op::expand) || reduced_axes(z) != expanded_axes(x)) return {};
  Ref base = input(x);
  if (z.shape().count() != base.shape().count()) return {};  // an axis of the data with extent 1 was expanded too
  return z.type() == base.type() ? Value(base) : make(with, Op::reshape, base, Attrs().add_ints(z.shape().extents()));
}

// Integers wrap, so adding x n times is x * n.
static Value integer_sum_of_expand(Rewriting& with, Ref z) {
  if (is_float(z.dtype()) || z.dtype() != input(z).dtype()) return {};
  Value base = without_expand(with, z);
  if (!base) return {};
  Dim count = 1;
  for (Dim axis : z.node->ints(0)) count *= input(z).shape()[int(axis)];
  Value n = with.recorder.constant_int(z.dtype(), count);
  n.ref().node->origin = kCount;
  Ref both[2] = {base, n};
  Attrs none;
  return with.recorder.record(Op::mul, both, none);
}

// ---- dtypes ---------------------------------------------------------------------------------------------------------

static bool is_lossless(DType from, DType to) {
  auto precision = [](DType t) { return t == JT_F64 ? 53 : t == JT_F32 ? 24 : t == JT_F16 ? 11 : 8; };
  if (from == to || from == JT_BOOL) return true;
  if (to == JT_BOOL) return false;
  int bits = int(size_of(from)) * 8, to_bits = int(size_of(to)) * 8;
  if (is_float(from)) return is_float(to) && bits < to_bits;
  if (is_float(to)) return precision(to) >= bits - is_signed_int(from) && !(to == JT_F16 && bits > 8);
  if (is_signed_int(from)) return is_signed_int(to) && bits < to_bits;
  return bits < to_bits;
}

// A float on the way saturates where an integer would wrap.
static bool passes_on(DType from, DType via, DType to) {
  if (!is_lossless(from, via)) return false;
  return !is_float(via) || is_float(from) || is_float(to) || to == JT_BOOL || is_lossless(from, to);
}

static Value cast_to_itself(Rewriting&, Ref z) { return z.dtype() == input(z).dtype() ? Value(input(z)) : Value(); }

static Value cast_of_cast(Rewriting& with, Ref z) {
  Ref x = input(z);
  if (!is(x, Op::cast) || !passes_on(input(x).dtype(), x.dtype(), z.dtype())) return {};
  return make(with, Op::cast, input(x), z.node->attrs());
}

// ---- element rows ---------------------------------------------------------------------------------------------------

static bool is_spread(Ref x) { return is(x, Op::expand) && !input(x).shape().rank; }

// Element rows take 0-d operands as they are.
static Value element_of_spread(Rewriting& with, Ref z) {
  Ref inputs[3];
  bool any = false, all = true;
  for (int i = 0; i < z.node->n_inputs; i++) {
    Ref x = input(z, i);
    inputs[i] = is_spread(x) ? input(x) : x;
    any |= is_spread(x);
    all &= inputs[i].shape().rank == 0;
  }
  if (!any) return {};
  Attrs none;
  Value made = with.recorder.record(z.node->op, {inputs, z.node->n_inputs}, none);
  return all ? spread(with.recorder, made, z.type()) : made;
}

static Value cast_of_spread(Rewriting& with, Ref z) {
  if (!is_spread(input(z))) return {};
  return spread(with.recorder, make(with, Op::cast, input(input(z)), z.node->attrs()), z.type());
}

// ---- scatter --------------------------------------------------------------------------------------------------------

// Many may meet in one element: like any other sum or product, theirs is of float32, and rounded to a half once.
static Value gathered_in_float32(Rewriting& with, Ref z) {
  DType t = z.dtype();
  if (wide(t) == t) return {};
  std::string_view combine = is(z, Op::scatter)          ? z.node->string(attr(Op::scatter, "combine"))
                             : is(z, Op::reindex_reduce) ? z.node->string(attr(Op::reindex_reduce, "combine"))
                                                         : "add";
  if (combine != "add" && combine != "mul") return {};
  Value held[3];
  Ref wider[3];
  size_t n = 0;
  for (Ref in : z.node->ins()) {
    held[n] = in.dtype() == t ? make(with, Op::cast, in, Attrs().add(wide(t))) : Value(in);
    wider[n] = held[n], n++;
  }
  Attrs attrs = z.node->attrs();
  return make(with, Op::cast, with.recorder.record(z.node->op, {wider, n}, attrs), Attrs().add(t));
}

// ---- the table ------------------------------------------------------------------------------------------------------

namespace {
struct MovementRule {
  Op op;
  std::string_view name;
  Value (*rewrite)(Rewriting&, Ref);
};
}  // namespace

static constexpr MovementRule kRules[] = {
    {Op::cast, "cast to the same dtype", cast_to_itself},
    {Op::cast, "cast of a lossless cast", cast_of_cast},
    {Op::cast, "cast of a spread scalar", cast_of_spread},
    {Op::reshape, "reshape to the same type", same_type},
    {Op::reshape, "reshape of reshape", reshape_of_reshape},
    {Op::reshape, "reshape of a spread scalar", reshape_of_spread},
    {Op::transpose, "transpose by nothing", identity_transpose},
    {Op::transpose, "transpose of transpose", transpose_of_transpose},
    {Op::transpose, "transpose of a spread scalar", transpose_of_spread},
    {Op::expand, "expand to the same type", same_type},
    {Op::expand, "expand of expand", expand_of_expand},
    {Op::slice, "slice of all", slice_of_all},
    {Op::pad, "pad by nothing", pad_by_nothing},
    {Op::flip, "flip of unit axes", flip_of_units},
    {Op::flip, "flip of flip", flip_of_flip},
    {Op::concat, "concat of one", concat_of_one},
    {Op::sum, "sum over unit axes", reduce_of_units},
    {Op::prod, "prod over unit axes", reduce_of_units},
    {Op::max, "max over unit axes", reduce_of_units},
    {Op::min, "min over unit axes", reduce_of_units},
    {Op::any, "any over unit axes", reduce_of_units},
    {Op::all, "all over unit axes", reduce_of_units},
    {Op::max, "max of what was expanded", without_expand},
    {Op::min, "min of what was expanded", without_expand},
    {Op::sum, "integer sum of what was expanded", integer_sum_of_expand},
    {Op::scatter_add, "halves are added up in float32", gathered_in_float32},
    {Op::scatter, "halves are added up in float32", gathered_in_float32},
    {Op::reindex_reduce, "halves are added up in float32", gathered_in_float32},
};

static Rewrite taken(std::string_view rule, Value to, Ref z) {
  if (!to || !(to.type() == z.type()) || to.ref().node == z.node) return {};
  return {rule, std::move(to)};
}

Rewrite movement(Rewriting& with, Ref z) {
  if (kind(z.node) == Kind::element) return taken("element row of a spread scalar", element_of_spread(with, z), z);
  for (const MovementRule& rule : kRules) {
    if (rule.op != z.node->op) continue;
    if (Rewrite r = taken(rule.name, rule.rewrite(with, z), z)) return r;
  }
  return {};
}

}  // namespace jt
