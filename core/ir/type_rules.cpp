#include "core/ir/type_rules.h"

#include <algorithm>

#include "core/ir/index_expr.h"
#include "core/ir/rule_checks.h"

namespace jt {

// ---- parts that several rules share ---------------------------------------------------------------------------------

int normal_axis(std::string_view who, int64_t axis, int rank) {
  if (axis < -rank || axis >= rank)
    fail(JT_E_SHAPE, who, ": axis ", axis, " is outside the ", rank, " axes of the operand");
  return int(axis < 0 ? axis + rank : axis);
}

bool is_only_axis(const Shape& x, int64_t axis) { return x.rank == 0 && (axis == 0 || axis == -1); }

uint32_t axis_set(std::span<const Dim> axes) {
  uint32_t set = 0;
  for (int64_t axis : axes) set |= 1u << axis;
  return set;
}

// What is so whatever extents are is asked first: it needs no guard.
static bool broadcast_extent(Dim a, Dim b, Dim* both) {
  bool takes_a = same(a, b) || same(b, 1), takes_b = !takes_a && same(a, 1);
  if (!takes_a && !takes_b) takes_a = a == b || b == 1, takes_b = !takes_a && a == 1;
  *both = takes_a ? a : b;
  return takes_a || takes_b;
}

Shape broadcast(std::string_view who, const Shape& a, const Shape& b) {
  Shape out;
  int rank = std::max(a.rank, b.rank);
  for (int i = 0; i < rank; i++) {
    int ia = i - (rank - a.rank), ib = i - (rank - b.rank);
    bool a_absent = ia < 0, b_absent = ib < 0;
    Dim da = a_absent ? Dim(1) : a[ia], db = b_absent ? Dim(1) : b[ib];
    bool ua = a_absent || a.is_unit(ia), ub = b_absent || b.is_unit(ib);
    Dim both;
    if (!broadcast_extent(da, db, &both))
      fail(JT_E_SHAPE, who, ": shapes ", a, " and ", b, " do not broadcast: ", da, " and ", db, " at axis ", i - rank);
    out.push(both, ua && ub);
  }
  return out;
}

Shape reduced_shape(const Shape& shape, uint32_t axes, bool keepdims) {
  Shape out;
  for (int i = 0; i < shape.rank; i++) {
    if (!(axes >> i & 1)) out.push(shape[i], shape.is_unit(i));
    else if (keepdims) out.push(1, true);
  }
  return out;
}

// Whether symbolic ones fit is seen when they have values.
void check_count(std::string_view who, const Shape& shape) {
  int64_t count = 1;
  for (Dim dim : shape.extents()) {
    if (dim.is_symbolic()) [[unlikely]] continue;
    int64_t extent = dim.word();
    if (extent < 0) fail(JT_E_SHAPE, who, ": extent ", extent, " is negative");
    if (extent && __builtin_mul_overflow(count, extent, &count)) count = kMaxCount + 1;
    if (count > kMaxCount) fail(JT_E_SHAPE, who, ": shape ", shape, " has too many elements");
  }
}

DType operand_dtype(const OpDef& op, DType t) {
  switch (op.operands) {
    case Operands::FLOAT: return is_float(t) ? t : JT_F32;
    case Operands::LOGICAL: return JT_BOOL;
    case Operands::NUMBER:
      if (t == JT_BOOL) fail(JT_E_DTYPE, op.name, ": bool is not a number; cast it first");
      return t;
    case Operands::INTEGER:
      if (is_float(t)) fail(JT_E_DTYPE, op.name, ": ", t, " is not an integer or bool");
      return t;
    case Operands::ANY:
    case Operands::CHOICE: return t;
  }
  return t;
}

static void check_extent(std::string_view who, Dim extent) {
  if (extent < 0) fail(JT_E_SHAPE, who, ": extent ", extent, " is negative");
}
// A list attribute of `n` values; an absent one is n times `fallback`, a single one is repeated.
static std::span<const Dim> list_of(TypeRule& r, int attr, size_t n, int64_t fallback) {
  auto given = std::as_const(r.attrs).ints(attr);
  if (given.size() == n) return given;
  if (given.size() > 1)
    fail(JT_E_SHAPE, r.op.name, ": ", signature(op_of(r.op)).attrs[size_t(attr)].name, " has ", given.size(),
         " values, not ", n);
  Dim value = given.empty() ? Dim(fallback) : given[0], full[16];
  std::fill_n(full, n, value);
  r.attrs.set_ints(attr, {full, n});
  return std::as_const(r.attrs).ints(attr);
}
// Sizes, strides, dilations and padding are at most this, so that their sums and products fit.
constexpr int64_t kMaxStep = int64_t(1) << 30;
static std::span<const Dim> positive_list(TypeRule& r, int attr, size_t n, int64_t fallback) {
  auto list = list_of(r, attr, n, fallback);
  for (Dim v : list)
    if (v < 1 || v > kMaxStep)
      fail(JT_E_INVALID, r.op.name, ": ", signature(op_of(r.op)).attrs[size_t(attr)].name, " ", v, " is ",
           v < 1 ? "not positive" : "too large");
  return list;
}
// That an operand of a row recorded as it is has a dtype the row computes in.
static void check_operand_dtype(const TypeRule& r, DType t) {
  DType wanted = operand_dtype(r.op, t);
  if (wanted != t) fail(JT_E_DTYPE, r.op.name, ": operand of dtype ", t, " needs a cast to ", wanted);
}

// ---- element, cast, reduce ------------------------------------------------------------------------------------------

void element_type(TypeRule& r) {
  const Shape* shape = &r.inputs[0].shape();  // of the first operand that is no scalar
  for (const Ref& in : r.inputs)
    if (!shape->rank) shape = &in.shape();
  uint8_t units = shape->units;
  for (const Ref& in : r.inputs) {
    if (in.shape().rank == 0 || &in.shape() == shape) continue;
    if (!same_extents(in.shape(), *shape))
      fail(JT_E_SHAPE, r.op.name, ": shapes ", *shape, " and ", in.shape(), " differ");
    units &= in.shape().units;
  }
  DType dtype = r.inputs.back().dtype();
  for (size_t i = r.op.operands == Operands::CHOICE; i < r.inputs.size(); i++)
    if (r.inputs[i].dtype() != dtype)
      fail(JT_E_DTYPE, r.op.name, ": dtypes differ: ", r.inputs[i].dtype(), " and ", dtype);
  check_operand_dtype(r, dtype);
  if (r.op.operands == Operands::CHOICE && r.inputs[0].dtype() != JT_BOOL)
    fail(JT_E_DTYPE, r.op.name, ": operand 0 is ", r.inputs[0].dtype(), ", not bool");
  r.results[0].dtype = element_dtype(r.op, dtype);
  r.results[0].shape = *shape;
  r.results[0].shape.units = units;
}

void cast_type(TypeRule& r) {
  r.results[0] = {dtype_attr(r, r.at("dtype")), r.inputs[0].shape()};
}

static DType widened(DType t) {
  if (is_float(t)) return t;
  return is_unsigned_int(t) ? JT_U64 : JT_I64;
}

void reduce_type(TypeRule& r) {
  const Shape& x = r.inputs[0].shape();
  int place = r.at("axes");
  auto given = std::as_const(r.attrs).ints(place);
  uint32_t axes = 0;
  for (int64_t axis : given) {
    if (is_only_axis(x, axis)) continue;
    uint32_t bit = 1u << normal_axis(r.op.name, axis, x.rank);
    if (axes & bit) fail(JT_E_SHAPE, r.op.name, ": axis ", axis, " is named twice");
    axes |= bit;
  }
  if (given.empty()) axes = (1u << x.rank) - 1;
  Dim sorted[kMaxRank];
  size_t n = 0;
  Dim reduced = 1;
  for (int i = 0; i < x.rank; i++)
    if (axes >> i & 1) sorted[n++] = i, reduced *= x[i];
  r.attrs.set_ints(place, {sorted, n});
  bool has_identity = r.op.reduction != Reduction::max && r.op.reduction != Reduction::min &&
                      r.op.result != ResultRule::INDEX;
  Shape out = reduced_shape(x, axes, r.attrs.integer(place + 1));
  if (!has_identity && reduced == 0 && out.count() != 0)
    fail(JT_E_SHAPE, r.op.name, ": no elements to choose from along the reduced axes of shape ", x);
  DType t = r.inputs[0].dtype();
  check_operand_dtype(r, t);
  switch (r.op.result) {
    case ResultRule::SAME: break;
    case ResultRule::BOOL: t = JT_BOOL; break;
    case ResultRule::INDEX: t = JT_I64; break;
    case ResultRule::WIDE: t = widened(t); break;
  }
  r.results[0] = {t, out};
}

// ---- movement -------------------------------------------------------------------------------------------------------

void reshape_type(TypeRule& r) {
  const Shape& x = r.inputs[0].shape();
  auto given = std::as_const(r.attrs).ints(0);  // -1 stays: an extent found this way makes no unit axis
  Shape bare(given);
  Dim known = 1;
  int hole = -1;
  for (int i = 0; i < bare.rank; i++) {
    if (same(bare[i], -1) && hole < 0) { hole = i; continue; }
    check_extent("reshape", bare[i]);
    known = checked_product("reshape", known, bare[i]);
  }
  bool fits = hole < 0 ? known == x.count() : known != 0 && x.count() % known == 0;
  if (!fits) fail(JT_E_SHAPE, "reshape: ", x.count(), " elements of shape ", x, " do not fit shape ", given);
  if (hole >= 0) bare.dims[hole] = x.count() / known;
  Shape out;
  ReshapeRuns runs = reshape_runs(x, bare);
  for (int k = 0; k < runs.count; k++) {
    ReshapeRun run = runs.runs[k];
    bool one_to_one = run.in_last - run.in_first == 1 && run.out_last - run.out_first == 1;
    for (int o = run.out_first; o < run.out_last; o++)
      out.push(bare[o], one_to_one ? x.is_unit(run.in_first) : hole != o && same(bare[o], 1));
  }
  r.results[0] = {r.inputs[0].dtype(), out};
}

// Of two products that differ. A part of the other, whatever symbols are worth, may be as large for some of them: such
// runs are right for those too.
static bool is_less(Dim a, Dim b) {
  if (!a.is_symbolic() && !b.is_symbolic()) return a < b;
  if (same(b % a, 0)) return true;
  return !same(a % b, 0) && a < b;
}

// Runs close as soon as the products of both sides agree, so that an axis which stays itself is a run of its own; a 1
// on one side only joins no axis of the other.
ReshapeRuns reshape_runs(const Shape& in, const Shape& out) {
  ReshapeRuns runs{0, {}};
  int i = 0, o = 0;
  while (i < in.rank || o < out.rank) {
    ReshapeRun run{i, i, o, o};
    bool in_one = i < in.rank && same(in[i], 1), out_one = o < out.rank && same(out[o], 1);
    if (in_one != out_one && (in_one || out_one)) {
      in_one ? i++ : o++;
    } else {
      Dim a = i < in.rank ? in[i++] : Dim(1), b = o < out.rank ? out[o++] : Dim(1);
      while (!same(a, b)) {
        bool a_is_less = is_less(a, b);
        if (a_is_less && i < in.rank) a *= in[i++];
        else if (!a_is_less && o < out.rank) b *= out[o++];
        else break;  // an extent of 0: the rest is one run
      }
      if (!same(a, b)) i = in.rank, o = out.rank;
    }
    run.in_last = i, run.out_last = o;
    if (runs.count == kMaxRank + 1) {  // more ones than slots: fold them into the last run
      runs.runs[kMaxRank].in_last = in.rank, runs.runs[kMaxRank].out_last = out.rank;
      return runs;
    }
    runs.runs[runs.count++] = run;
  }
  return runs;
}

void transpose_type(TypeRule& r) {
  const Shape& x = r.inputs[0].shape();
  auto given = std::as_const(r.attrs).ints(0);
  Dim axes[kMaxRank];
  if (given.empty()) {
    for (int i = 0; i < x.rank; i++) axes[i] = x.rank - 1 - i;
  } else {
    if (given.size() != size_t(x.rank)) fail(JT_E_SHAPE, "transpose: ", given.size(), " axes for shape ", x);
    for (int i = 0; i < x.rank; i++) axes[i] = normal_axis("transpose", given[i], x.rank);
  }
  Shape out;
  uint32_t seen = 0;
  for (int i = 0; i < x.rank; i++) {
    if (seen >> axes[i] & 1) fail(JT_E_SHAPE, "transpose: axis ", axes[i], " is named twice");
    seen |= 1u << axes[i];
    out.push(x[int(axes[i])], x.is_unit(int(axes[i])));
  }
  r.attrs.set_ints(0, {axes, size_t(x.rank)});
  r.results[0] = {r.inputs[0].dtype(), out};
}

void expand_type(TypeRule& r) {
  const Shape& x = r.inputs[0].shape();
  auto wanted = std::as_const(r.attrs).ints(0);  // -1 stays: it keeps an axis as it is, unit or not
  int lead = int(wanted.size()) - x.rank;
  if (lead < 0) fail(JT_E_SHAPE, "expand: shape ", x, " has more axes than ", wanted);
  Shape out;
  for (int i = 0; i < int(wanted.size()); i++) {
    if (i >= lead && same(wanted[i], -1)) {
      out.push(x[i - lead], x.is_unit(i - lead));
      continue;
    }
    check_extent("expand", wanted[i]);
    bool keeps = i >= lead && same(x[i - lead], wanted[i]), repeats = i < lead || same(x[i - lead], 1);
    if (!keeps && !repeats && x[i - lead] != wanted[i] && x[i - lead] != 1)
      fail(JT_E_SHAPE, "expand: axis ", i, " has extent ", x[i - lead], ", not 1 or ", wanted[i]);
    out.push(wanted[i]);
  }
  Dim count = 1;
  for (Dim extent : out.extents()) count = checked_product("expand", count, extent);
  r.results[0] = {r.inputs[0].dtype(), out};
}

void slice_type(TypeRule& r) {
  const Shape& x = r.inputs[0].shape();
  auto starts = std::as_const(r.attrs).ints(0), stops = std::as_const(r.attrs).ints(1),
       steps = std::as_const(r.attrs).ints(2);
  auto check = [&](std::span<const Dim> list) {
    if (list.size() > size_t(x.rank)) fail(JT_E_SHAPE, "slice: ", list.size(), " ranges for shape ", x);
  };
  check(starts), check(stops), check(steps);
  Dim from[kMaxRank], to[kMaxRank], by[kMaxRank];
  Shape out;
  for (int i = 0; i < x.rank; i++) {
    by[i] = size_t(i) < steps.size() ? steps[i] : Dim(1);
    if (by[i] < 1) fail(JT_E_INVALID, "slice: step ", by[i], " of axis ", i, " is not positive; flip first");
    auto clip = [&](Dim v) { return least(most(v < 0 ? v + x[i] : v, 0), x[i]); };
    from[i] = size_t(i) < starts.size() ? clip(starts[i]) : Dim(0);
    to[i] = size_t(i) < stops.size() ? clip(stops[i]) : x[i];
    Dim extent = to[i] > from[i] ? (to[i] - from[i] - 1) / by[i] + 1 : Dim(0);
    out.push(extent, x.is_unit(i) && extent == 1);
  }
  r.attrs = Attrs().add_ints({from, size_t(x.rank)}).add_ints({to, size_t(x.rank)}).add_ints({by, size_t(x.rank)});
  r.results[0] = {r.inputs[0].dtype(), out};
}

void pad_type(TypeRule& r) {
  check_holds(r, "value", r.attrs.real(r.at("value")), r.inputs[0].dtype());
  const Shape& x = r.inputs[0].shape();
  auto before = list_of(r, 0, x.rank, 0), after = list_of(r, 1, x.rank, 0);
  before = std::as_const(r.attrs).ints(0);
  Shape out;
  for (int i = 0; i < x.rank; i++) {
    if (before[i] > kMaxCount || after[i] > kMaxCount) fail(JT_E_SHAPE, "pad: too many elements");
    if (before[i] < 0 || after[i] < 0)
      fail(JT_E_INVALID, "pad: axis ", i, " is padded by ", before[i], " and ", after[i], "; neither may be negative");
    out.push(x[i] + before[i] + after[i], x.is_unit(i) && before[i] + after[i] == 0);
  }
  r.results[0] = {r.inputs[0].dtype(), out};
}

void flip_type(TypeRule& r) {
  const Shape& x = r.inputs[0].shape();
  auto given = std::as_const(r.attrs).ints(0);
  uint32_t set = given.empty() ? (1u << x.rank) - 1 : 0;
  for (int64_t axis : given)
    if (!is_only_axis(x, axis)) set |= 1u << normal_axis("flip", axis, x.rank);
  Dim axes[kMaxRank];
  size_t n = 0;
  for (int i = 0; i < x.rank; i++)
    if (set >> i & 1) axes[n++] = i;
  r.attrs.set_ints(0, {axes, n});
  r.results[0] = {r.inputs[0].dtype(), x};
}

void windows_type(TypeRule& r) {
  const Shape& x = r.inputs[0].shape();
  size_t n = r.attrs.ints(0).size();
  if (n == 0 || n > size_t(x.rank)) fail(JT_E_SHAPE, "windows: ", n, " window sizes for shape ", x);
  positive_list(r, 0, n, 1), positive_list(r, 1, n, 1), positive_list(r, 2, n, 1);
  auto size = std::as_const(r.attrs).ints(0), stride = std::as_const(r.attrs).ints(1),
       dilation = std::as_const(r.attrs).ints(2);
  Shape out;
  int lead = x.rank - int(n);
  for (int i = 0; i < lead; i++) out.push(x[i], x.is_unit(i));
  for (size_t i = 0; i < n; i++) {
    Dim span = dilation[i] * (size[i] - 1) + 1;
    if (span > x[lead + int(i)])
      fail(JT_E_SHAPE, "windows: a window of ", span, " does not fit extent ", x[lead + int(i)], " of axis ",
           lead + int(i));
    out.push((x[lead + int(i)] - span) / stride[i] + 1);
  }
  for (size_t i = 0; i < n; i++) out.push(size[i], size[i] == 1);
  r.results[0] = {r.inputs[0].dtype(), out};
}

// ---- index ----------------------------------------------------------------------------------------------------------

void concat_type(TypeRule& r) {
  if (r.inputs.empty()) fail(JT_E_INVALID, "concat: no tensors");
  Shape out = r.inputs[0].shape();
  int axis = normal_axis("concat", r.attrs.integer(0), out.rank);
  r.attrs.ints(0)[0] = axis;
  for (size_t k = 1; k < r.inputs.size(); k++) {
    const Shape& s = r.inputs[k].shape();
    check_same_dtype(r, 0, int(k));
    if (s.rank != out.rank) fail(JT_E_SHAPE, "concat: shapes ", r.inputs[0].shape(), " and ", s, " differ in rank");
    for (int i = 0; i < s.rank; i++)
      if (i != axis && s[i] != out[i])
        fail(JT_E_SHAPE, "concat: axis ", i, " differs: ", r.inputs[0].shape(), " and ", s);
    out.dims[axis] += s[axis];
    if (out.dims[axis] > kMaxCount) fail(JT_E_SHAPE, "concat: too many elements");
  }
  if (r.inputs.size() > 1) out.units &= uint8_t(~(1u << axis));
  r.results[0] = {r.inputs[0].dtype(), out};
}

void update_type(TypeRule& r) {
  const Shape &x = r.inputs[0].shape(), &v = r.inputs[1].shape();
  check_same_dtype(r, 0, 1);
  if (v.rank != x.rank) fail(JT_E_SHAPE, "update: shapes ", x, " and ", v, " differ in rank");
  list_of(r, 0, x.rank, 0), positive_list(r, 1, x.rank, 1);
  auto starts = std::as_const(r.attrs).ints(0), steps = std::as_const(r.attrs).ints(1);
  for (int i = 0; i < x.rank; i++) {
    bool inside = starts[i] >= 0 && starts[i] <= x[i] &&
                  (v[i] == 0 || (x[i] > starts[i] && v[i] - 1 <= (x[i] - 1 - starts[i]) / steps[i]));
    if (!inside)
      fail(JT_E_SHAPE, "update: box ", v, " at ", starts, " reaches outside shape ", x, " along axis ", i);
  }
  r.results[0] = r.inputs[0].type();
}

void take_type(TypeRule& r) {
  const Shape &x = r.inputs[0].shape(), &index = r.inputs[1].shape();
  check_integer(r, 1);
  int axis = normal_axis("take", r.attrs.integer(0), x.rank);
  r.attrs.ints(0)[0] = axis;
  Shape out;
  for (int i = 0; i < axis; i++) out.push(x[i], x.is_unit(i));
  for (int i = 0; i < index.rank; i++) out.push(index[i], index.is_unit(i));
  for (int i = axis + 1; i < x.rank; i++) out.push(x[i], x.is_unit(i));
  r.results[0] = {r.inputs[0].dtype(), out};
  r.index = {1, x[axis], true};
}

void scatter_add_type(TypeRule& r) {
  Type taken;
  TypeRule take{r.op, r.inputs.first(2), r.attrs, {&taken, 1}};
  take_type(take);
  r.index = take.index;
  check_same_dtype(r, 0, 2);
  if (!same_extents(taken.shape, r.inputs[2].shape()))
    fail(JT_E_SHAPE, "scatter_add: values need shape ", taken.shape, ", theirs is ", r.inputs[2].shape());
  r.results[0] = r.inputs[0].type();
}

static void check_gather(TypeRule& r) {
  const Shape &x = r.inputs[0].shape(), &index = r.inputs[1].shape();
  check_integer(r, 1);
  if (index.rank != x.rank) fail(JT_E_SHAPE, r.op.name, ": index ", index, " needs as many axes as ", x);
  int axis = normal_axis(r.op.name, r.attrs.integer(0), x.rank);
  r.attrs.ints(0)[0] = axis;
  for (int i = 0; i < x.rank; i++)
    if (i != axis && index[i] > x[i])
      fail(JT_E_SHAPE, r.op.name, ": index ", index, " is larger than ", x, " along axis ", i);
  r.index = {1, x[axis], true};
}

void gather_type(TypeRule& r) {
  check_gather(r);
  r.results[0] = {r.inputs[0].dtype(), r.inputs[1].shape()};
}

static void check_combine(const TypeRule& r, std::string_view combine) {
  for (int i = 0; i <= int(Combine::min); i++)
    if (combine == name(Combine(i))) return;
  fail(JT_E_INVALID, r.op.name, ": combine '", combine, "' is none of set, add, mul, max, min");
}

void scatter_type(TypeRule& r) {
  check_gather(r);
  check_same_dtype(r, 0, 2);
  check_combine(r, r.attrs.string(1));
  if (!same_extents(r.inputs[1].shape(), r.inputs[2].shape()))
    fail(JT_E_SHAPE, "scatter: index ", r.inputs[1].shape(), " and values ", r.inputs[2].shape(), " differ");
  r.results[0] = r.inputs[0].type();
}

void reindex_type(TypeRule& r) {
  check_holds(r, "value", r.attrs.real(r.at("value")), r.inputs[0].dtype());
  Shape out = shape_attr(r, r.at("shape"));
  check_index_exprs("reindex", r.attrs.string(1), out.rank, r.inputs[0].shape().rank);
  r.results[0] = {r.inputs[0].dtype(), out};
}

void reindex_reduce_type(TypeRule& r) {
  Shape out = shape_attr(r, r.at("shape"));
  check_index_exprs("reindex_reduce", r.attrs.string(1), r.inputs[0].shape().rank, out.rank);
  check_combine(r, r.attrs.string(2));
  if (r.attrs.string(2) == "set") fail(JT_E_INVALID, "reindex_reduce: combine 'set' is not a reduction");
  r.results[0] = {r.inputs[0].dtype(), out};
}

// ---- source ---------------------------------------------------------------------------------------------------------

void iota_type(TypeRule& r) {
  Shape shape = shape_attr(r, r.at("shape"));
  if (shape.rank) r.attrs.ints(1)[0] = normal_axis("iota", r.attrs.integer(1), shape.rank);
  r.results[0] = {dtype_attr(r, r.at("dtype")), shape};
}
void full_type(TypeRule& r) {
  r.results[0] = {dtype_attr(r, r.at("dtype")), shape_attr(r, r.at("shape"))};
}
void random_bits_type(TypeRule& r) { r.results[0] = {JT_I64, shape_attr(r, r.at("shape"))}; }
void uniform_type(TypeRule& r) {
  DType t = dtype_attr(r, r.at("dtype"));
  if (!is_float(t)) fail(JT_E_DTYPE, r.op.name, ": dtype ", t, " is not a floating-point dtype");
  r.results[0] = {t, shape_attr(r, r.at("shape"))};
}

// ---- library --------------------------------------------------------------------------------------------------------

void matmul_type(TypeRule& r) {
  const Shape &x = r.inputs[0].shape(), &y = r.inputs[1].shape();
  check_same_dtype(r, 0, 1);
  if (r.inputs[0].dtype() == JT_BOOL) fail(JT_E_DTYPE, "matmul: bool is not a number; cast it first");
  if (x.rank < 2 || y.rank < 2) fail(JT_E_SHAPE, "matmul: shapes ", x, " and ", y, " need two axes each");
  if (x[x.rank - 1] != y[y.rank - 2])
    fail(JT_E_SHAPE, "matmul: inner extents differ: ", x[x.rank - 1], " of ", x, " and ", y[y.rank - 2], " of ", y);
  if (x.rank != y.rank) fail(JT_E_SHAPE, "matmul: shapes ", x, " and ", y, " differ in rank");
  Shape out;
  for (int i = 0; i < x.rank - 2; i++) {
    if (x[i] != y[i]) fail(JT_E_SHAPE, "matmul: batch axes of ", x, " and ", y, " differ");
    out.push(x[i], x.is_unit(i) && y.is_unit(i));
  }
  out.push(x[x.rank - 2], x.is_unit(x.rank - 2));
  out.push(y[y.rank - 1], y.is_unit(y.rank - 1));
  r.results[0] = {r.inputs[0].dtype(), out};
}

// Rows over images are about [N,C,H,W]; with the attribute channels_last, their last and absent by default, their
// images are [N,H,W,C].
static bool channels_last(TypeRule& r) {
  int attr = r.at("channels_last");
  if (r.attrs.count() == attr) r.attrs.add(0);
  return r.attrs.integer(attr);
}
static Shape image_axes(const Shape& x, std::initializer_list<int> axes) {
  Shape out;
  for (int axis : axes) out.push(x[axis], x.is_unit(axis));
  return out;
}
static Shape to_first(const Shape& x, bool last) { return last ? image_axes(x, {0, 3, 1, 2}) : x; }
static Shape from_first(const Shape& x, bool last) { return last ? image_axes(x, {0, 2, 3, 1}) : x; }

static Dim windows_along(std::string_view who, Dim extent, Dim size, Dim before, Dim after, Dim stride, Dim dilation) {
  Dim padded = extent + before + after, reach = checked_product(who, dilation, size - 1);
  if (reach >= padded)
    fail(JT_E_SHAPE, who, ": a window of ", uint64_t(worth(reach)) + 1, " does not fit extent ", padded,
         " (padding included)");
  return (padded - reach - 1) / stride + 1;
}

// 3x2, for messages.
static std::string by(std::span<const Dim> extents) {
  std::string out;
  for (Dim extent : extents) append(out, text(out.empty() ? "" : "x", extent));
  return out;
}

// Paddings before each axis, then behind each; given once, they are the same on both sides.
static void padding_list(TypeRule& r, int attr, size_t axes = 2) {
  auto given = std::as_const(r.attrs).ints(attr);
  if (given.size() == axes) {
    Dim full[2 * kMaxRank];
    std::ranges::copy(given, std::ranges::copy(given, full).out);
    r.attrs.set_ints(attr, {full, 2 * axes});
  }
  for (Dim p : list_of(r, attr, 2 * axes, 0))
    if (p < 0 || p > kMaxStep)
      fail(JT_E_INVALID, r.op.name, ": padding ", p, " is ", p < 0 ? "negative" : "too large");
}

// Over planes, x is [N,C,H,W] and w [O,C/groups,KH,KW]; over volumes they have a depth before the height.
static Shape conv_shape(TypeRule& r, const Shape& x, const Shape& w) {
  int stride_at = r.at("stride"), padding_at = r.at("padding"), dilation_at = r.at("dilation");
  size_t axes = size_t(x.rank) - 2;
  positive_list(r, stride_at, axes, 1);
  padding_list(r, padding_at, axes);
  positive_list(r, dilation_at, axes, 1);
  auto stride = std::as_const(r.attrs).ints(stride_at), pad = std::as_const(r.attrs).ints(padding_at),
       dilation = std::as_const(r.attrs).ints(dilation_at);
  int64_t groups = r.attrs.integer(r.at("groups"));
  if (groups < 1 || x[1] % groups != 0 || w[0] % groups != 0)
    fail(JT_E_SHAPE, r.op.name, ": ", groups, " groups do not divide channels ", x[1], " and ", w[0]);
  Dim channels = checked_product(r.op.name, w[1], groups);
  if (channels != x[1])
    fail(JT_E_SHAPE, r.op.name, ": input has ", x[1], " channels, the weights ", w, " expect ", channels);
  Shape out{x[0], w[0]};
  for (size_t i = 0; i < axes; i++)
    if (w[int(i) + 2] < 1) fail(JT_E_SHAPE, r.op.name, ": window of ", by(w.extents().subspan(2)), " is empty");
  for (size_t i = 0; i < axes; i++)
    out.push(windows_along(r.op.name, x[int(i) + 2], w[int(i) + 2], pad[i], pad[i + axes], stride[i], dilation[i]));
  return out;
}
static Shape conv2d_shape(TypeRule& r, const Shape& images, const Shape& w) {
  bool last = channels_last(r);
  return from_first(conv_shape(r, to_first(images, last), w), last);
}

static void check_real(const TypeRule& r) {  // f32 or f64: what the library kernels compute in
  check_float(r, 0);
  for (size_t i = 1; i < r.inputs.size(); i++)
    if (is_float(r.inputs[i].dtype())) check_same_dtype(r, 0, int(i));
}

void conv2d_type(TypeRule& r) {
  check_rank(r, 0, 4), check_rank(r, 1, 4), check_real(r), check_same_dtype(r, 0, 1);
  r.results[0] = {r.inputs[0].dtype(), conv2d_shape(r, r.inputs[0].shape(), r.inputs[1].shape())};
}
void conv2d_grad_x_type(TypeRule& r) {
  check_rank(r, 0, 4), check_rank(r, 1, 4), check_real(r), check_same_dtype(r, 0, 1);
  Shape x = shape_attr(r, r.at("shape"));
  if (x.rank != 4) fail(JT_E_SHAPE, "conv2d_grad_x: shape ", x, " needs 4 axes");
  Shape z = conv2d_shape(r, x, r.inputs[1].shape());
  if (!same_extents(z, r.inputs[0].shape()))
    fail(JT_E_SHAPE, "conv2d_grad_x: dz is ", r.inputs[0].shape(), ", not ", z);
  r.results[0] = {r.inputs[0].dtype(), x};
}
void conv2d_grad_w_type(TypeRule& r) {
  check_rank(r, 0, 4), check_rank(r, 1, 4), check_real(r), check_same_dtype(r, 0, 1);
  Shape w = shape_attr(r, r.at("shape"));
  if (w.rank != 4) fail(JT_E_SHAPE, "conv2d_grad_w: shape ", w, " needs 4 axes");
  Shape z = conv2d_shape(r, r.inputs[1].shape(), w);
  if (!same_extents(z, r.inputs[0].shape()))
    fail(JT_E_SHAPE, "conv2d_grad_w: dz is ", r.inputs[0].shape(), ", not ", z);
  r.results[0] = {r.inputs[0].dtype(), w};
}

// Its body joins a slice for each depth of the window, as operands of one node.
static void check_depth(const TypeRule& r, const Shape& w) {
  if (w[2] > UINT16_MAX)
    fail(JT_E_UNSUPPORTED, r.op.name, ": a window of depth ", w[2], " is deeper than ", UINT16_MAX);
}

void conv3d_type(TypeRule& r) {
  check_rank(r, 0, 5), check_rank(r, 1, 5), check_real(r), check_same_dtype(r, 0, 1),
      check_depth(r, r.inputs[1].shape());
  r.results[0] = {r.inputs[0].dtype(), conv_shape(r, r.inputs[0].shape(), r.inputs[1].shape())};
}
void conv3d_grad_x_type(TypeRule& r) {
  check_rank(r, 0, 5), check_rank(r, 1, 5), check_real(r), check_same_dtype(r, 0, 1),
      check_depth(r, r.inputs[1].shape());
  Shape x = shape_attr(r, r.at("shape"));
  if (x.rank != 5) fail(JT_E_SHAPE, "conv3d_grad_x: shape ", x, " needs 5 axes");
  Shape z = conv_shape(r, x, r.inputs[1].shape());
  if (!same_extents(z, r.inputs[0].shape()))
    fail(JT_E_SHAPE, "conv3d_grad_x: dz is ", r.inputs[0].shape(), ", not ", z);
  r.results[0] = {r.inputs[0].dtype(), x};
}
// Likewise; an empty stride is the size.
static Shape pool_shape(TypeRule& r, const Shape& x) {
  int size_at = r.at("size"), stride_at = r.at("stride"), padding_at = r.at("padding");
  size_t axes = size_t(x.rank) - 2;
  auto given = positive_list(r, size_at, axes, 1);
  Dim kept[kMaxRank];
  std::span<const Dim> size(kept, std::ranges::copy(given, kept).out);
  if (r.attrs.ints(stride_at).empty()) r.attrs.set_ints(stride_at, size);
  positive_list(r, stride_at, axes, 1);
  padding_list(r, padding_at, axes);
  auto stride = std::as_const(r.attrs).ints(stride_at), pad = std::as_const(r.attrs).ints(padding_at);
  for (size_t i = 0; i < axes; i++)
    if (pad[i] >= size[i] || pad[i + axes] >= size[i])
      fail(JT_E_INVALID, r.op.name, ": padding ", pad, " reaches a whole window of ", by(size));
  Shape out{x[0], x[1]};
  for (size_t i = 0; i < axes; i++)
    out.push(windows_along(r.op.name, x[int(i) + 2], size[i], pad[i], pad[i + axes], stride[i], 1));
  return out;
}
static Shape pool2d_shape(TypeRule& r, const Shape& images) {
  bool last = channels_last(r);
  return from_first(pool_shape(r, to_first(images, last)), last);
}
void pool3d_type(TypeRule& r) {
  check_rank(r, 0, 5), check_real(r);
  r.results[0] = {r.inputs[0].dtype(), pool_shape(r, r.inputs[0].shape())};
}

void max_pool2d_type(TypeRule& r) {
  check_rank(r, 0, 4), check_real(r);
  Shape out = pool2d_shape(r, r.inputs[0].shape());
  r.results[0] = {r.inputs[0].dtype(), out};
  r.results[1] = {JT_I32, out};
}
void avg_pool2d_type(TypeRule& r) {
  check_rank(r, 0, 4), check_real(r);
  r.results[0] = {r.inputs[0].dtype(), pool2d_shape(r, r.inputs[0].shape())};
}
static void pool2d_grad_type(TypeRule& r) {
  check_rank(r, 0, 4), check_float(r, 0);
  Shape x = shape_attr(r, r.at("shape"));
  if (x.rank != 4) fail(JT_E_SHAPE, r.op.name, ": shape ", x, " needs 4 axes");
  Shape z = pool2d_shape(r, x);
  if (!same_extents(z, r.inputs[0].shape())) fail(JT_E_SHAPE, r.op.name, ": dz is ", r.inputs[0].shape(), ", not ", z);
  r.results[0] = {r.inputs[0].dtype(), x};
}
void max_pool2d_grad_type(TypeRule& r) {
  pool2d_grad_type(r);
  if (r.inputs[1].dtype() != JT_I32 || !same_extents(r.inputs[1].shape(), r.inputs[0].shape()))
    fail(JT_E_SHAPE, "max_pool2d_grad: index is ", r.inputs[1].type(), ", not i32", r.inputs[0].shape());
}
void avg_pool2d_grad_type(TypeRule& r) { pool2d_grad_type(r); }

}  // namespace jt
