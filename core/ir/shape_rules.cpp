// Type rules of composite rows that pair operands or lay elements out anew.
#include <algorithm>

#include "core/ir/rule_checks.h"

namespace jt {

static DType as_float(DType t) { return is_float(t) ? t : JT_F32; }

static Type paired(const TypeRule& r) {
  DType dtype = r.inputs[0].dtype();
  Shape shape = r.inputs[0].shape();
  for (Ref in : r.inputs.subspan(1))
    dtype = promote(dtype, in.dtype()), shape = broadcast(r.op.name, shape, in.shape());
  return {dtype, shape};
}

// Operands broadcast and are promoted, to a float dtype.
void pair_type(TypeRule& r) {
  Type pair = paired(r);
  r.results[0] = {as_float(pair.dtype), pair.shape};
}

// The same without the change of dtype.
void number_pair_type(TypeRule& r) {
  r.results[0] = paired(r);
  operand_dtype(def(Op::mod), r.results[0].dtype);  // bool is refused
}

void isclose_type(TypeRule& r) {
  for (const char* name : {"rtol", "atol"})
    if (double bound = r.attrs.real(r.at(name)); !(bound >= 0))
      fail(JT_E_INVALID, "isclose: ", name, " is ", bound, ", not 0 or more");
  r.results[0] = {JT_BOOL, paired(r).shape};
}

void nan_to_num_type(TypeRule& r) { r.results[0] = r.inputs[0].type(); }

void masked_fill_type(TypeRule& r) {
  Ref x = r.inputs[0], mask = r.inputs[1];
  if (mask.dtype() != JT_BOOL) fail(JT_E_DTYPE, "masked_fill: mask is ", mask.dtype(), ", not bool");
  if (!same_extents(broadcast("masked_fill", x.shape(), mask.shape()), x.shape()))
    fail(JT_E_SHAPE, "masked_fill: mask ", mask.shape(), " does not broadcast to x ", x.shape());
  double value = r.attrs.real(r.at("value"));
  check_holds(r, "value", value, x.dtype());
  if (!is_float(x.dtype()) && value != std::trunc(value))
    fail(JT_E_DTYPE, "masked_fill: value ", value, " is not a value of ", x.dtype());
  r.results[0] = x.type();
}

void triangle_type(TypeRule& r) {
  const Shape& x = r.inputs[0].shape();
  if (x.rank < 2) fail(JT_E_SHAPE, r.op.name, ": x needs 2 axes or more, its shape is ", x);
  r.results[0] = r.inputs[0].type();
}

void diagonal_type(TypeRule& r) {
  const Shape& x = r.inputs[0].shape();
  if (x.rank < 2) fail(JT_E_SHAPE, "diagonal: x needs 2 axes or more, its shape is ", x);
  int place[2] = {r.at("axis1"), r.at("axis2")}, axes[2];
  for (int i : {0, 1}) r.attrs.ints(place[i])[0] = axes[i] = normal_axis("diagonal", r.attrs.integer(place[i]), x.rank);
  if (axes[0] == axes[1]) fail(JT_E_SHAPE, "diagonal: axis1 and axis2 are both ", axes[0]);
  int64_t rows = x[axes[0]], columns = x[axes[1]], offset = r.attrs.integer(r.at("offset"));
  int64_t most = offset >= 0 ? std::min(rows, columns - std::min(columns, offset))
                             : std::min(columns, rows + std::max(-rows, offset));
  Shape out;
  for (int i = 0; i < x.rank; i++)
    if (i != axes[0] && i != axes[1]) out.push(x[i], x.is_unit(i));
  out.push(most);
  r.results[0] = {r.inputs[0].dtype(), out};
}

// Shifts become what they are modulo the extent.
void roll_type(TypeRule& r) {
  const Shape& x = r.inputs[0].shape();
  auto shifts = r.attrs.ints(r.at("shifts")), axes = r.attrs.ints(r.at("axes"));
  size_t wanted = axes.empty() ? 1 : axes.size();
  if (shifts.size() != wanted)
    fail(JT_E_INVALID, "roll: ", shifts.size(), " shifts, ", axes.size(),
         axes.empty() ? " axes: then there is one shift" : " axes");
  for (size_t i = 0; i < shifts.size(); i++) {
    if (!axes.empty()) axes[i] = normal_axis("roll", axes[i], x.rank);
    int64_t extent = axes.empty() ? x.count() : x[int(axes[i])], shift = shifts[i];
    shifts[i] = extent ? (shift % extent + extent) % extent : 0;
  }
  r.results[0] = r.inputs[0].type();
}

void tile_type(TypeRule& r) {
  const Shape& x = r.inputs[0].shape();
  auto times = std::as_const(r.attrs).ints(r.at("times"));
  int rank = std::max(x.rank, int8_t(std::min<size_t>(times.size(), kMaxRank + 1)));
  Shape out;
  for (int i = 0; i < rank; i++) {
    int in = i - (rank - x.rank), at = i - (rank - int(times.size()));
    int64_t n = at < 0 ? Dim(1) : times[size_t(at)];
    if (n < 0) fail(JT_E_INVALID, "tile: times ", times, " are negative");
    out.push(in < 0   ? Dim(n)
             : n == 1 ? x[in]
                      : Dim(checked_product("tile", x[in], n)),
             in >= 0 && n == 1 && x.is_unit(in));
  }
  r.results[0] = {r.inputs[0].dtype(), out};
}

void stack_type(TypeRule& r) {
  if (r.inputs.empty()) fail(JT_E_INVALID, "stack: no tensors");
  const Shape& x = r.inputs[0].shape();
  DType dtype = r.inputs[0].dtype();
  for (Ref in : r.inputs) {
    dtype = promote(dtype, in.dtype());
    if (!same_extents(in.shape(), x)) fail(JT_E_SHAPE, "stack: shapes ", x, " and ", in.shape(), " differ");
  }
  int at = r.at("axis"), axis = normal_axis("stack", r.attrs.integer(at), x.rank + 1);
  r.attrs.ints(at)[0] = axis;
  Shape out;
  for (int i = 0; i <= x.rank; i++) {
    if (i == axis) out.push(int64_t(r.inputs.size()));
    if (i < x.rank) out.push(x[i], x.is_unit(i));
  }
  r.results[0] = {dtype, out};
}

// A 0-d integer that says where along an axis.
static void check_start(const TypeRule& r, int i) {
  check_integer(r, i);
  if (r.inputs[i].shape().rank) fail(JT_E_SHAPE, r.op.name, ": start is ", r.inputs[i].type(), ", not a 0-d integer");
}

void slice_at_type(TypeRule& r) {
  Shape x = r.inputs[0].shape();
  check_start(r, 1);
  int axis = normal_axis("slice_at", r.attrs.integer(r.at("axis")), x.rank);
  r.attrs.ints(r.at("axis"))[0] = axis;
  Dim length = r.attrs.dim(r.at("length"));
  if (length < 0 || length > x[axis])
    fail(JT_E_SHAPE, "slice_at: length ", length, " does not fit extent ", x[axis], " of axis ", axis, " of shape ", x);
  r.index = {1, x[axis] - length + 1};
  if (!same(x[axis], length)) x.units &= uint8_t(~(1u << axis));
  x.dims[axis] = length;
  r.results[0] = {r.inputs[0].dtype(), x};
}

void update_at_type(TypeRule& r) {
  const Shape &x = r.inputs[0].shape(), &v = r.inputs[1].shape();
  check_same_dtype(r, 0, 1), check_start(r, 2);
  int axis = normal_axis("update_at", r.attrs.integer(0), x.rank);
  r.attrs.ints(0)[0] = axis;
  if (v.rank != x.rank) fail(JT_E_SHAPE, "update_at: shapes ", x, " and ", v, " differ in rank");
  for (int i = 0; i < x.rank; i++)
    if (i == axis ? v[i] > x[i] : v[i] != x[i])
      fail(JT_E_SHAPE, "update_at: v ", v, " does not fit x ", x, ", which differs from it along axis ", axis,
           " at most");
  if (v.count() != 0) r.index = {2, x[axis] - v[axis] + 1};  // nothing fits anywhere
  r.results[0] = r.inputs[0].type();
}

void aminmax_type(TypeRule& r) {
  reduce_type(r);
  r.results[1] = r.results[0] = {r.inputs[0].dtype(), r.results[0].shape};
  const Shape& x = r.inputs[0].shape();
  for (int64_t axis : std::as_const(r.attrs).ints(r.at("axes")))
    if (x[int(axis)] == 0) fail(JT_E_SHAPE, "aminmax: no elements to choose from along axis ", axis, " of shape ", x);
}

void var_mean_type(TypeRule& r) {
  mean_type(r);
  r.results[1] = r.results[0];
}

}  // namespace jt
