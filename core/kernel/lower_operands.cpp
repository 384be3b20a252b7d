#include "core/kernel/lowering.h"

#include "core/ir/eval.h"
#include "core/ir/type_rules.h"

namespace jt {

OperandRecipe Lowering::recipe(Ref value, const Coords& c, const Shape& shape, Level level) {
  OperandRecipe out;
  out.value = value;
  Strides strides(shape);
  std::vector<Dim> step(g_.axes.size(), 0);
  for (size_t j = 0; j < c.of.size(); j++) {
    out.offset.add(c.of[j].place, strides[int(j)]);
    for (int t = 0; t < c.of[j].n; t++)
      step[size_t(c.of[j].terms[t].axis)] += c.of[j].terms[t].factor * strides[int(j)];
  }
  for (size_t a = 0; a < g_.axes.size(); a++) {
    if (g_.axes[a].inner && level != Level::inner) continue;
    int k = out.map.outer_rank + out.map.inner_rank;
    (g_.axes[a].inner ? out.map.inner_rank : out.map.outer_rank)++;
    out.map.extent[k] = g_.axes[a].extent;
    out.map.stride[k] = step[a];
    for (const Limit& l : c.limits) {
      if (l.axis != int(a)) continue;
      out.map.masked |= 1u << k;
      out.map.lo[k] = l.lo.base, out.map.hi[k] = l.hi.base;
      if (!l.lo.is_fixed() || !l.hi.is_fixed()) out.moving.push_back({k, l.lo, l.hi});
    }
  }
  return out;
}

bool Lowering::is_direct(const Coords& c, const Shape& shape, Level level) const {
  if (!c.limits.empty()) return false;
  std::vector<int> walked;
  for (int j = 0; j < shape.rank; j++) {
    const Coordinate& x = c.of[size_t(j)];
    if (!x.is_plain()) return false;
    if (x.n == 0) {
      if (!shape.is_unit(j)) return false;
      continue;
    }
    Dim extent = 1;
    std::vector<Coordinate::Term> terms(x.terms, x.terms + x.n);
    std::sort(terms.begin(), terms.end(), [](auto a, auto b) { return a.axis < b.axis; });
    for (size_t t = terms.size(); t-- > 0;) {
      if (!same(terms[t].factor, extent)) return false;
      extent *= g_.axes[size_t(terms[t].axis)].extent;
    }
    if (j > 0 && !same(extent, shape[j])) return false;
    for (const Coordinate::Term& term : terms) walked.push_back(term.axis);
  }
  size_t n = 0;
  for (size_t a = 0; a < g_.axes.size(); a++) {
    if (g_.axes[a].inner && level != Level::inner) continue;
    if (n >= walked.size() || walked[n++] != int(a)) return false;
  }
  return n == walked.size();
}

int Lowering::add_operand(DType dtype, Access access, Level level, bool is_output, OperandRecipe recipe) {
  recipe.has_map = access == Access::mapped;
  kernel_.operands.push_back(std::move(recipe));
  program().operands.push_back({dtype, access, level, is_output});
  return int(program().operands.size()) - 1;
}

int Lowering::load(const Instance& i, Value& v) {
  Ref value = i.ref;
  CType type = ctype_of(value.dtype());
  if (v.operand < 0) {
    OperandRecipe r = recipe(value, i.coords, value.shape(), v.level);
    bool direct = v.level == Level::uniform ? i.coords.limits.empty() : is_direct(i.coords, value.shape(), v.level);
    v.operand = add_operand(value.dtype(), direct ? Access::direct : Access::mapped, v.level, false, std::move(r));
  }
  int fill = -1;
  if (!i.coords.limits.empty() && !same_bits(i.coords.fill, 0)) fill = constant(type, value.dtype(), i.coords.fill);
  Instr& instr = emit(Code::load, type, v.level);
  instr.operand = int16_t(v.operand), instr.b = int16_t(fill);
  return instr.dst;
}

int Lowering::index(const Coords& c, const Shape& shape, Level level) {
  OperandRecipe r = recipe({}, c, shape, level);
  int operand = add_operand(JT_I64, Access::mapped, level, false, std::move(r));
  Instr& instr = emit(Code::index, CType::i64, level);
  instr.operand = int16_t(operand);
  return instr.dst;
}

int Lowering::coordinate_along(const Coords& c, int axis, Level level) {
  Coords one;
  one.of = {c.of[size_t(axis)]};
  return index(one, Shape{1}, level);
}

int Lowering::coordinate(const Instance& i, const Value& v) {
  DType dtype = i.ref.dtype();
  const Shape& shape = i.ref.shape();
  int reg = shape.rank ? coordinate_along(i.coords, int(i.ref.node->integer(attr(Op::iota, "axis"))), v.level)
                       : scalar(CType::i64, 0);
  Level level = shape.rank ? v.level : Level::uniform;
  return narrowed(converted(reg, CType::i64, ctype_of(dtype), level), ctype_of(dtype), dtype, level);
}

int Lowering::random(const Instance& i, const Value& v) {
  const Node* node = i.ref.node;
  uint64_t key =
      random_key(node->integer(attr(Op::random_bits, "seed")), node->integer(attr(Op::random_bits, "stream")));
  int id = node->origin;  // its key and counter are two scalars of the block
  int at = index(i.coords, i.ref.shape(), v.level);
  int key_reg = scalar(CType::u64, int64_t(key), id),
      counter = scalar(CType::i64, node->integer(attr(Op::random_bits, "counter")), id < 0 ? -1 : id + 1);
  Instr& instr = emit(Code::random, CType::i64, v.level);
  instr.a = int16_t(at), instr.b = int16_t(key_reg), instr.c = int16_t(counter);
  return instr.dst;
}

}  // namespace jt
