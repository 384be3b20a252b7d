#include "core/kernel/lowering.h"

#include <algorithm>

#include "core/ir/type_rules.h"

namespace jt {

Lowering::Checked Lowering::checked(int index, Dim extent, Level level, bool wraps) {
  int zero = scalar(CType::i64, 0), n = number(CType::i64, extent);
  if (wraps) {
    int negative = compare(Op::less, CType::i64, level, index, zero);
    int wrapped = element(Op::add, CType::i64, level, index, n);
    index = element(Op::where, CType::i64, level, negative, wrapped, index);
  }
  int low = compare(Op::greater_equal, CType::i64, level, index, zero);
  int high = compare(Op::less, CType::i64, level, index, n);
  return {index, element(Op::bitwise_and, CType::b8, level, low, high)};
}

int Lowering::scaled(int index, Dim stride, Level level) {
  return element(Op::mul, CType::i64, level, index, number(CType::i64, stride));
}

int Lowering::where_valid(int valid, int offset, Level level) {
  return element(Op::where, CType::i64, level, valid, offset, scalar(CType::i64, -1));
}

int Lowering::as_index(int use) {
  Ref ref = g_.uses[size_t(use)].ref;
  return converted(reg_of_use(use), ctype_of(ref.dtype()), CType::i64, level_of_use(use));
}

int Lowering::address(const Shape& x, int axis, int n_index, const Coords& c, int index_reg, Level level) {
  std::vector<Coordinate> rest = c.of;
  rest.erase(rest.begin() + axis, rest.begin() + axis + n_index);
  Strides strides(x);
  OperandRecipe r;
  std::vector<Dim> step(g_.axes.size(), 0);
  for (size_t j = 0, k = 0; j < size_t(x.rank); j++) {
    if (int(j) == axis) continue;
    const Coordinate& from = rest[k++];
    r.offset.add(from.place, strides[int(j)]);
    for (int t = 0; t < from.n; t++) step[size_t(from.terms[t].axis)] += from.terms[t].factor * strides[int(j)];
  }
  for (size_t a = 0; a < g_.axes.size(); a++) {
    if (g_.axes[a].inner && level != Level::inner) continue;
    int k = r.map.outer_rank + r.map.inner_rank;
    (g_.axes[a].inner ? r.map.inner_rank : r.map.outer_rank)++;
    r.map.extent[k] = g_.axes[a].extent, r.map.stride[k] = step[a];
  }
  int operand = add_operand(JT_I64, Access::mapped, level, false, std::move(r));
  Instr& instr = emit(Code::index, CType::i64, level);
  instr.operand = int16_t(operand);
  int elsewhere = instr.dst;
  Checked at = checked(index_reg, x[axis], level, true);
  return where_valid(at.valid, sum(elsewhere, scaled(at.index, strides[axis], level), level), level);
}

int Lowering::address(const Shape& to, std::string_view exprs, const Coords& c, Level level) {
  auto axes = parse_index_exprs("reindex", exprs, int(c.of.size()));
  Strides strides(to);
  int total = -1, valid = -1;
  for (int j = 0; j < to.rank; j++) {
    Checked at = checked(evaluated(axes[size_t(j)], c, level), to[j], level, false);
    int part = scaled(at.index, strides[j], level);
    total = j ? sum(total, part, level) : part;
    valid = j ? element(Op::bitwise_and, CType::b8, level, valid, at.valid) : at.valid;
  }
  if (total < 0) return index(Coords(), Shape(), level);
  return where_valid(valid, total, level);
}

int Lowering::evaluated(const IndexExpr& expr, const Coords& c, Level level) {
  std::vector<int> stack;
  static constexpr Op kOps[] = {Op::add, Op::sub, Op::mul, Op::floor_div, Op::mod};
  for (const IndexStep& step : expr) {
    if (step.kind == IndexStep::coordinate) {
      stack.push_back(coordinate_along(c, int(step.value), level));
    } else if (step.kind == IndexStep::integer) {
      stack.push_back(scalar(CType::i64, step.value));
    } else if (step.kind == IndexStep::neg) {
      stack.back() = element(Op::neg, CType::i64, level, stack.back());
    } else {
      int b = stack.back();
      stack.pop_back();
      stack.back() = element(kOps[step.kind - IndexStep::add], CType::i64, level, stack.back(), b);
    }
  }
  return stack.back();
}

int Lowering::whole_operand(Ref value, bool is_output) {
  OperandRecipe r;
  r.value = value;
  r.second = value.shape().count();
  return add_operand(value.dtype(), Access::whole, Level::uniform, is_output, std::move(r));
}

int Lowering::gathered(const Instance& i, const Value& v) {
  const Node* node = i.ref.node;
  Ref x = node->inputs()[0];
  int at, fill = -1;
  CType type = ctype_of(x.dtype());
  if (node->op == Op::reindex) {
    at = address(x.shape(), node->string(attr(Op::reindex, "index")), i.coords, v.level);
    if (double value = node->real(attr(Op::reindex, "value")); !same_bits(value, 0))
      fill = constant(type, x.dtype(), value);
  } else {
    int n_index = node->op == Op::take ? node->inputs()[1].shape().rank : 1;
    at = address(x.shape(), int(node->integer(attr_at(node, "axis"))), n_index, i.coords, as_index(i.uses[0]), v.level);
  }
  int operand = whole_operand(x, false);
  Instr& instr = emit(Code::gather, type, v.level);
  instr.operand = int16_t(operand), instr.a = int16_t(at), instr.b = int16_t(fill);
  return instr.dst;
}

}  // namespace jt
