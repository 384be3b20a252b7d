#include "core/kernel/lowering.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/ir/eval.h"
#include "core/ir/index_expr.h"
#include "core/ir/type_rules.h"
#include "core/ir/scalar_math.h"

namespace jt {

int64_t argument_bits(CType type, DType dtype, int64_t bits) {
  double real = double(bits);
  if (is_float(dtype)) std::memcpy(&real, &bits, 8);
  int64_t out = 0;
  switch (type) {
    case CType::f32: {
      float f = float(real);
      std::memcpy(&out, &f, 4);
      return out;
    }
    case CType::f64: std::memcpy(&out, &real, 8); return out;
    case CType::i32: return int64_t(uint32_t(is_float(dtype) ? int64_t(real) : bits));
    case CType::b8: return (is_float(dtype) ? real != 0 : bits != 0);
    default: return is_float(dtype) ? int64_t(real) : bits;
  }
}

static int element_of(Op op) { return int(op) - kFirstElement; }

Lowering::Lowering(const Group& g) : g_(g), values_(g.instances.size()) {
  for (const GroupAxis& a : g.axes) (a.inner ? kernel_.inner : kernel_.outer) *= a.extent, has_inner_ |= a.inner;
  for (const Instance& i : g.instances) has_inner_ |= is_reduce(i);  // also over no axes: one element each
}

LoweredGroup Lowering::run() {
  program().mode = mode();
  for (size_t i = g_.instances.size(); i-- > 0;) place(int(i));
  for (const Output& o : g_.outputs)  // also an outer value may be stored at every inner element
    if (output_level(o) == Level::inner) last_stage_ = std::max(last_stage_, values_[size_t(instance_of(o.use))].stage);
  for (int stage = 0; stage <= last_stage_; stage++) {
    emit_outer(stage);
    emit_inner(stage);
  }
  emit_outer(last_stage_ + 1);
  assemble();
  allocate_registers();
  return std::move(kernel_);
}

Level Lowering::level_of(const Coords& c) const {
  Level level = Level::uniform;
  auto see = [&](int axis) { level = std::max(level, g_.axes[size_t(axis)].inner ? Level::inner : Level::outer); };
  for (const Coordinate& x : c.of)
    for (int t = 0; t < x.n; t++) see(x.terms[t].axis);
  for (const Limit& l : c.limits) see(l.axis);
  return level;
}

Mode Lowering::mode() const {
  if (!has_inner_) return Mode::flat;
  int rows = 0, columns = 0;
  for (const Instance& i : g_.instances) {
    if (!i.loads || level_of(i.coords) != Level::inner || i.coords.of.empty()) continue;
    const Coordinate& last = i.coords.of.back();
    bool along_inner = false, along_outer = last.n == 0;
    for (int t = 0; t < last.n; t++) {
      bool inner = g_.axes[size_t(last.terms[t].axis)].inner;
      along_inner |= inner && last.n == 1 && same(last.terms[t].factor, 1);
      along_outer |= !inner;
    }
    (along_outer || !along_inner ? columns : rows)++;
  }
  return columns > rows ? Mode::column : Mode::row;
}

void Lowering::place(int i) {
  const Instance& instance = g_.instances[size_t(i)];
  Value& v = values_[size_t(i)];
  if (instance.loads || kind(instance.ref.node) == Kind::source) {
    v.level = level_of(instance.coords);
    return;
  }
  if (kind(instance.ref.node) == Kind::index) v.level = level_of(instance.coords);
  for (int use : instance.uses) {
    const Value& in = values_[size_t(instance_of(use))];
    v.level = std::max(v.level, in.level);
    v.stage = std::max(v.stage, in.stage);
  }
  if (is_reduce(instance)) {
    v.level = Level::outer;
    v.stage++;
    last_stage_ = std::max(last_stage_, v.stage - 1);
  }
  if (v.level == Level::inner) last_stage_ = std::max(last_stage_, v.stage);
}

// ---- instructions ---------------------------------------------------------------------------------------------------

int Lowering::new_register(CType type, Level level) {
  program().registers.push_back({type, level, 0});
  return int(program().registers.size()) - 1;
}

Instr& Lowering::emit(Code code, CType type, Level level, bool has_result) {
  Instr instr{};
  instr.code = code, instr.type = type;
  if (has_result) instr.dst = int16_t(new_register(type, level));
  code_[int(level)].push_back(instr);
  return code_[int(level)].back();
}

int Lowering::scalar(CType type, int64_t literal, int id) {
  for (size_t s = 0; s < kernel_.scalars.size(); s++) {
    const ScalarRecipe& known = kernel_.scalars[s];
    if (known.type == type && known.scalar == id && id >= 0) return scalar_registers_[s];
  }
  kernel_.scalars.push_back({type, id, literal});
  Instr& instr = emit(Code::scalar, type, Level::uniform);
  instr.operand = int16_t(program().scalars++);
  scalar_registers_.push_back(instr.dst);
  return instr.dst;
}

int Lowering::number(CType type, Dim value) {
  if (!value.is_symbolic()) return scalar(type, argument_bits(type, JT_I64, value.word()));
  int reg = scalar(type, 0);
  kernel_.scalars.back().number = value;
  return reg;
}

int Lowering::element(Op op, CType type, Level level, int a, int b, int c) {
  return element(op, type, type, level, a, b, c);
}

int Lowering::element(Op op, CType type, CType result, Level level, int a, int b, int c) {
  Instr& instr = emit(Code::element, result, level);
  instr.type = type;
  instr.prim = uint16_t(element_of(op));
  instr.a = int16_t(a), instr.b = int16_t(b), instr.c = int16_t(c);
  return instr.dst;
}

int Lowering::narrowed(int reg, CType type, DType dtype, Level level) {
  bool exact =
      dtype == JT_F32 || dtype == JT_F64 || dtype == JT_I32 || dtype == JT_I64 || dtype == JT_U64 || dtype == JT_BOOL;
  if (exact) return reg;
  Instr& instr = emit(Code::narrow, type, level);
  instr.sub = uint8_t(dtype), instr.a = int16_t(reg);
  return instr.dst;
}

int Lowering::converted(int reg, CType from, CType to, Level level) {
  if (from == to) return reg;
  Instr& instr = emit(Code::convert, to, level);
  instr.sub = uint8_t(from), instr.a = int16_t(reg);
  return instr.dst;
}

int Lowering::constant(CType type, DType dtype, double value) {
  return scalar(type, argument_bits(type, dtype, bits_of_word(dtype, word_of(dtype, value))));
}

int Lowering::saturated(int reg, CType type, DType dtype, Level level) {
  if (size_of(dtype) == size_t(size_of(type))) return reg;
  int bits = int(size_of(dtype)) * 8;
  int64_t lowest = is_signed_int(dtype) ? -(int64_t(1) << (bits - 1)) : 0;
  int64_t largest = is_signed_int(dtype) ? -lowest - 1 : (int64_t(1) << bits) - 1;
  return element(Op::clamp, type, level, reg, scalar(type, argument_bits(type, JT_I64, lowest)),
                 scalar(type, argument_bits(type, JT_I64, largest)));
}

int Lowering::reg_of(int i) {
  Value& v = values_[size_t(i)];
  bool known = v.reg >= 0 && (v.level != Level::inner || v.reg_stage == stage_);
  if (known) return v.reg;
  int reg = compute(g_.instances[size_t(i)], v);
  v.reg = reg, v.reg_stage = stage_;
  return reg;
}

int Lowering::compute(const Instance& i, Value& v) {
  const Node* node = i.ref.node;
  DType dtype = i.ref.dtype();
  CType type = ctype_of(dtype);
  if (i.loads) return load(i, v);
  switch (kind(node)) {
    case Kind::constant: {
      int id = node->origin;
      bool is_count = id == kCount && Dim(node->constant_bits).is_symbolic();
      int reg = is_count ? number(type, node->constant_bits)
                         : scalar(type, id < 0 ? argument_bits(type, dtype, node->constant_bits) : 0, id);
      return narrowed(reg, type, dtype, Level::uniform);
    }
    case Kind::element: {
      CType computed = ctype_of(node->inputs()[node->n_inputs - 1].dtype());
      int regs[3] = {-1, -1, -1};
      for (size_t u = 0; u < i.uses.size(); u++) regs[u] = reg_of_use(i.uses[u]);
      int reg = element(node->op, computed, type, v.level, regs[0], regs[1], regs[2]);
      return narrowed(reg, type, dtype, v.level);
    }
    case Kind::cast: {
      DType from = node->inputs()[0].dtype();
      int reg = converted(reg_of_use(i.uses[0]), ctype_of(from), type, v.level);
      if (is_float(from) && is_int(dtype)) return saturated(reg, type, dtype, v.level);
      bool is_subset = is_float(from) == is_float(dtype) && size_of(from) < size_of(dtype) && from != JT_BOOL &&
                       (is_float(from) || is_unsigned_int(from) || is_signed_int(dtype));
      return is_subset ? reg : narrowed(reg, type, dtype, v.level);
    }
    case Kind::source: return node->op == Op::iota ? coordinate(i, v) : random(i, v);
    case Kind::index: return gathered(i, v);
    default: fail(JT_E_INTERNAL, "lower: ", name(node->op), " has no place in a group");
  }
}

// ---- stages ---------------------------------------------------------------------------------------------------------

void Lowering::emit_outer(int stage) {
  stage_ = stage;
  for (size_t i = g_.instances.size(); i-- > 0;) {
    Value& v = values_[i];
    if (v.level == Level::inner || v.stage != stage || is_reduce(g_.instances[i])) continue;
    reg_of(int(i));
  }
  for (const Output& o : g_.outputs) {
    const Value& v = values_[size_t(instance_of(o.use))];
    if (output_level(o) != Level::inner && v.stage == stage) store(o);
  }
  finish_segment(Level::outer);
}

Level Lowering::output_level(const Output& o) const {
  if (o.scatters()) return above();
  return level_of(o.coords);
}

void Lowering::emit_inner(int stage) {
  if (!has_inner_) return;
  stage_ = stage;
  std::vector<int> reduces;
  for (size_t i = g_.instances.size(); i-- > 0;)
    if (is_reduce(g_.instances[i]) && values_[i].stage == stage + 1) reduces.push_back(int(i));
  for (int i : reduces) {
    const Instance& instance = g_.instances[size_t(i)];
    const Node* node = instance.ref.node;
    CType compared = ctype_of(node->inputs()[0].dtype());
    int source = reg_of_use(instance.uses[0]);
    CType type = ctype_of(instance.ref.dtype());
    // A sum of small integers adds in the type of its result; recorded ones are widened before, those in a text may not
    // be.
    if (def(node->op).result == ResultRule::WIDE)
      source = converted(source, compared, type, Level::inner), compared = type;
    Instr instr{};
    instr.code = Code::reduce, instr.type = compared;
    instr.sub = uint8_t(def(node->op).reduction);
    instr.a = int16_t(source);
    instr.dst = int16_t(new_register(type, Level::outer));
    code_[int(Level::inner)].push_back(instr);
    values_[size_t(i)].reg = instr.dst;
  }
  for (const Output& o : g_.outputs)
    if (output_level(o) == Level::inner && values_[size_t(instance_of(o.use))].stage == stage) store(o);
  finish_segment(Level::inner);
  // A reduction rounds once, when it is done.
  for (int i : reduces) {
    const Instance& instance = g_.instances[size_t(i)];
    DType dtype = instance.ref.dtype();
    values_[size_t(i)].reg = narrowed(values_[size_t(i)].reg, ctype_of(dtype), dtype, Level::outer);
  }
}

void Lowering::store(const Output& o) {
  Ref value = o.value;
  CType type = ctype_of(value.dtype());
  Level level = output_level(o);
  int source = reg_of_use(o.use);
  if (o.scatters()) return scatter(o, source, type, level);
  OperandRecipe r = recipe(value, o.coords, value.shape(), level);
  bool direct = level == Level::uniform || is_direct(o.coords, value.shape(), level);
  if (level == Level::uniform) level = Level::outer;  // a 0-d value: one outer element
  int operand = add_operand(value.dtype(), direct ? Access::direct : Access::mapped, level, true, std::move(r));
  Instr& instr = emit(Code::store, type, level, false);
  instr.operand = int16_t(operand), instr.a = int16_t(source);
}

void Lowering::scatter(const Output& o, int source, CType type, Level level) {
  const Node* node = o.value.node;
  const Shape& to = o.value.shape();
  int at;
  if (node->op == Op::reindex_reduce) {
    at = address(to, node->string(attr(Op::reindex_reduce, "index")), o.coords, level);
  } else {
    int n_index = node->op == Op::scatter_add ? node->inputs()[1].shape().rank : 1;
    at = address(to, int(node->integer(attr_at(node, "axis"))), n_index, o.coords, as_index(o.index_use), level);
  }
  int operand = whole_operand(o.value, true);
  Instr& instr = emit(Code::scatter, type, level, false);
  instr.sub = uint8_t(o.combine), instr.operand = int16_t(operand), instr.a = int16_t(at), instr.b = int16_t(source);
  kernel_.is_sequential = true;
}

LoweredGroup lower(const Group& group) { return Lowering(group).run(); }

}  // namespace jt
