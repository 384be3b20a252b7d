#include "core/kernel/lower.h"

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

namespace {

int element_of(Op op) { return int(op) - kFirstElement; }

class Lowering {
 public:
  explicit Lowering(const Group& g) : g_(g), values_(g.instances.size()) {
    for (const GroupAxis& a : g.axes) (a.inner ? kernel_.inner : kernel_.outer) *= a.extent, has_inner_ |= a.inner;
    for (const Instance& i : g.instances) has_inner_ |= is_reduce(i);  // also over no axes: one element each
  }

  LoweredGroup run() {
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

 private:
  struct Value {
    Level level = Level::uniform;
    int stage = 0;         // inner: the stage that computes it; others: the first stage that may read it
    int reg = -1;          // uniform and outer values; inner values: of the current stage
    int reg_stage = -1;
    int operand = -1;      // loads: made once
  };
  Program& program() { return kernel_.program; }
  int instance_of(int use) const { return g_.uses[size_t(use)].instance; }
  Level above() const { return has_inner_ ? Level::inner : Level::outer; }

  Level level_of(const Coords& c) const {
    Level level = Level::uniform;
    auto see = [&](int axis) { level = std::max(level, g_.axes[size_t(axis)].inner ? Level::inner : Level::outer); };
    for (const Coordinate& x : c.of)
      for (int t = 0; t < x.n; t++) see(x.terms[t].axis);
    for (const Limit& l : c.limits) see(l.axis);
    return level;
  }
  static bool is_reduce(const Instance& i) { return !i.loads && kind(i.ref.node) == Kind::reduce; }

  // Columns if most of what is reduced lies along its inner axes with the outer axes innermost in memory.
  Mode mode() const {
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

  // Level and stage of an instance; producers come after their users in the list, so they are placed first.
  void place(int i) {
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

  // ---- instructions ----
  int new_register(CType type, Level level) {
    program().registers.push_back({type, level, 0});
    return int(program().registers.size()) - 1;
  }
  Instr& emit(Code code, CType type, Level level, bool has_result = true) {
    Instr instr{};
    instr.code = code, instr.type = type;
    if (has_result) instr.dst = int16_t(new_register(type, level));
    code_[int(level)].push_back(instr);
    return code_[int(level)].back();
  }
  int scalar(CType type, int64_t literal, int id = -1) {
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
  int number(CType type, Dim value) {
    if (!value.is_symbolic()) return scalar(type, argument_bits(type, JT_I64, value.word()));
    int reg = scalar(type, 0);
    kernel_.scalars.back().number = value;
    return reg;
  }
  int element(Op op, CType type, Level level, int a, int b = -1, int c = -1) {
    return element(op, type, type, level, a, b, c);
  }
  int compare(Op op, CType type, Level level, int a, int b) { return element(op, type, CType::b8, level, a, b, -1); }
  int element(Op op, CType type, CType result, Level level, int a, int b, int c) {
    Instr& instr = emit(Code::element, result, level);
    instr.type = type;
    instr.prim = uint16_t(element_of(op));
    instr.a = int16_t(a), instr.b = int16_t(b), instr.c = int16_t(c);
    return instr.dst;
  }
  int narrowed(int reg, CType type, DType dtype, Level level) {
    bool exact = dtype == JT_F32 || dtype == JT_F64 || dtype == JT_I32 || dtype == JT_I64 || dtype == JT_U64 || dtype == JT_BOOL;
    if (exact) return reg;
    Instr& instr = emit(Code::narrow, type, level);
    instr.sub = uint8_t(dtype), instr.a = int16_t(reg);
    return instr.dst;
  }
  int converted(int reg, CType from, CType to, Level level) {
    if (from == to) return reg;
    Instr& instr = emit(Code::convert, to, level);
    instr.sub = uint8_t(from), instr.a = int16_t(reg);
    return instr.dst;
  }

  // A value of the program as an element of this dtype.
  int constant(CType type, DType dtype, double value) {
    return scalar(type, argument_bits(type, dtype, bits_of_word(dtype, word_of(dtype, value))));
  }

  // A float that became an integer of the compute type (which saturates) ends at the bounds of its own dtype.
  int saturated(int reg, CType type, DType dtype, Level level) {
    if (size_of(dtype) == size_t(size_of(type))) return reg;
    int bits = int(size_of(dtype)) * 8;
    int64_t lowest = is_signed_int(dtype) ? -(int64_t(1) << (bits - 1)) : 0;
    int64_t largest = is_signed_int(dtype) ? -lowest - 1 : (int64_t(1) << bits) - 1;
    return element(Op::clamp, type, level, reg, scalar(type, argument_bits(type, JT_I64, lowest)),
                   scalar(type, argument_bits(type, JT_I64, largest)));
  }

  // The register of an instance, computed now if this stage has not computed it yet.
  int reg_of(int i) {
    Value& v = values_[size_t(i)];
    bool known = v.reg >= 0 && (v.level != Level::inner || v.reg_stage == stage_);
    if (known) return v.reg;
    int reg = compute(g_.instances[size_t(i)], v);
    v.reg = reg, v.reg_stage = stage_;
    return reg;
  }
  int reg_of_use(int use) { return reg_of(instance_of(use)); }
  Level level_of_use(int use) const { return values_[size_t(instance_of(use))].level; }

  int compute(const Instance& i, Value& v) {
    const Node* node = i.ref.node;
    DType dtype = i.ref.dtype();
    CType type = ctype_of(dtype);
    if (i.loads) return load(i, v);
    switch (kind(node)) {
      case Kind::constant: {
        int id = node->origin;
        bool is_count = id == kCount && Dim(node->constant_bits).is_symbolic();
        int reg = is_count ? number(type, node->constant_bits) : scalar(type, id < 0 ? argument_bits(type, dtype, node->constant_bits) : 0, id);
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

  // ---- operands ----
  // Offset and map of a value under the axes of `level`.
  OperandRecipe recipe(Ref value, const Coords& c, const Shape& shape, Level level) {
    OperandRecipe out;
    out.value = value;
    Strides strides(shape);
    std::vector<Dim> step(g_.axes.size(), 0);
    for (size_t j = 0; j < c.of.size(); j++) {
      out.offset.add(c.of[j].place, strides[int(j)]);
      for (int t = 0; t < c.of[j].n; t++) step[size_t(c.of[j].terms[t].axis)] += c.of[j].terms[t].factor * strides[int(j)];
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
  // By structure, not by numbers: a transposed [1,n] is not direct although its elements lie in order.
  bool is_direct(const Coords& c, const Shape& shape, Level level) const {
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
  int add_operand(DType dtype, Access access, Level level, bool is_output, OperandRecipe recipe) {
    recipe.has_map = access == Access::mapped;
    kernel_.operands.push_back(std::move(recipe));
    program().operands.push_back({dtype, access, level, is_output});
    return int(program().operands.size()) - 1;
  }

  int load(const Instance& i, Value& v) {
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

  // i64 offsets of a map that reads nothing.
  int index(const Coords& c, const Shape& shape, Level level) {
    OperandRecipe r = recipe({}, c, shape, level);
    int operand = add_operand(JT_I64, Access::mapped, level, false, std::move(r));
    Instr& instr = emit(Code::index, CType::i64, level);
    instr.operand = int16_t(operand);
    return instr.dst;
  }
  // The coordinate along one axis of a value walked at c.
  int coordinate_along(const Coords& c, int axis, Level level) {
    Coords one;
    one.of = {c.of[size_t(axis)]};
    return index(one, Shape{1}, level);
  }
  int coordinate(const Instance& i, const Value& v) {
    DType dtype = i.ref.dtype();
    const Shape& shape = i.ref.shape();
    int reg = shape.rank ? coordinate_along(i.coords, int(i.ref.node->integer(attr(Op::iota, "axis"))), v.level) : scalar(CType::i64, 0);
    Level level = shape.rank ? v.level : Level::uniform;
    return narrowed(converted(reg, CType::i64, ctype_of(dtype), level), ctype_of(dtype), dtype, level);
  }
  int random(const Instance& i, const Value& v) {
    const Node* node = i.ref.node;
    uint64_t key = random_key(node->integer(attr(Op::random_bits, "seed")), node->integer(attr(Op::random_bits, "stream")));
    int id = node->origin;  // its key and counter are two scalars of the block
    int at = index(i.coords, i.ref.shape(), v.level);
    int key_reg = scalar(CType::u64, int64_t(key), id), counter = scalar(CType::i64, node->integer(attr(Op::random_bits, "counter")), id < 0 ? -1 : id + 1);
    Instr& instr = emit(Code::random, CType::i64, v.level);
    instr.a = int16_t(at), instr.b = int16_t(key_reg), instr.c = int16_t(counter);
    return instr.dst;
  }

  // ---- computed addresses ----
  // index, wrapped once if negative; and whether it is inside 0..extent-1
  struct Checked { int index, valid; };
  Checked checked(int index, Dim extent, Level level, bool wraps) {
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
  int scaled(int index, Dim stride, Level level) {
    return element(Op::mul, CType::i64, level, index, number(CType::i64, stride));
  }
  int sum(int a, int b, Level level) { return element(Op::add, CType::i64, level, a, b); }
  int where_valid(int valid, int offset, Level level) {
    return element(Op::where, CType::i64, level, valid, offset, scalar(CType::i64, -1));
  }
  int as_index(int use) {
    Ref ref = g_.uses[size_t(use)].ref;
    return converted(reg_of_use(use), ctype_of(ref.dtype()), CType::i64, level_of_use(use));
  }
  // Offset of element (.., index, ..) of x: the computed coordinate along `axis`, the others from where we are. For take,
  // n_index axes of the walked value stand for the one axis of x.
  int address(const Shape& x, int axis, int n_index, const Coords& c, int index_reg, Level level) {
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
  // Offset from index expressions over the walked value's coordinates.
  int address(const Shape& to, std::string_view exprs, const Coords& c, Level level) {
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
  int evaluated(const IndexExpr& expr, const Coords& c, Level level) {
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
  int whole_operand(Ref value, bool is_output) {
    OperandRecipe r;
    r.value = value;
    r.second = value.shape().count();
    return add_operand(value.dtype(), Access::whole, Level::uniform, is_output, std::move(r));
  }
  int gathered(const Instance& i, const Value& v) {
    const Node* node = i.ref.node;
    Ref x = node->inputs()[0];
    int at, fill = -1;
    CType type = ctype_of(x.dtype());
    if (node->op == Op::reindex) {
      at = address(x.shape(), node->string(attr(Op::reindex, "index")), i.coords, v.level);
      if (double value = node->real(attr(Op::reindex, "value")); !same_bits(value, 0)) fill = constant(type, x.dtype(), value);
    } else {
      int n_index = node->op == Op::take ? node->inputs()[1].shape().rank : 1;
      at = address(x.shape(), int(node->integer(attr_at(node, "axis"))), n_index, i.coords, as_index(i.uses[0]), v.level);
    }
    int operand = whole_operand(x, false);
    Instr& instr = emit(Code::gather, type, v.level);
    instr.operand = int16_t(operand), instr.a = int16_t(at), instr.b = int16_t(fill);
    return instr.dst;
  }

  // ---- stages ----
  void emit_outer(int stage) {
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
  Level output_level(const Output& o) const {
    if (o.scatters()) return above();
    return level_of(o.coords);
  }

  void emit_inner(int stage) {
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
      // A sum of small integers adds in the type of its result; recorded ones are widened before, those in a text may not be.
      if (def(node->op).result == ResultRule::WIDE) source = converted(source, compared, type, Level::inner), compared = type;
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

  void store(const Output& o) {
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
  void scatter(const Output& o, int source, CType type, Level level) {
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

  // ---- assembly ----
  // Uniform code of all segments runs first; then outer and inner segments in turn. Stores end their segment, so that a
  // buffer may be overwritten in place by what was computed from it.
  void finish_segment(Level level) {
    auto& code = code_[int(level)];
    auto writes = [](const Instr& i) { return i.code == Code::store || i.code == Code::scatter; };
    std::stable_partition(code.begin(), code.end(), [&](const Instr& i) { return !writes(i); });
    if (level == Level::inner) {  // what the stage needs from outside it was emitted meanwhile: it goes before
      if (!code_[int(Level::outer)].empty()) finish_segment(Level::outer);
    }
    if (!code.empty()) segments_.push_back({level, std::move(code)});
    code.clear();
  }
  void assemble() {
    if (!code_[int(Level::outer)].empty()) finish_segment(Level::outer);
    auto add = [&](Level level, const std::vector<Instr>& code) {
      int first = int(program().instrs.size());
      program().instrs.insert(program().instrs.end(), code.begin(), code.end());
      program().stages.push_back({level, first, int(program().instrs.size())});
    };
    if (!code_[int(Level::uniform)].empty()) add(Level::uniform, code_[int(Level::uniform)]);
    for (auto& [level, code] : segments_) add(level, code);
  }

  // Registers of one stage's blocks are shared when their lifetimes do not meet; values that outlive a stage keep theirs.
  void allocate_registers() {
    Program& p = program();
    std::vector<int> stage_of(p.registers.size(), -1), last(p.registers.size(), -1);
    std::vector<bool> crosses(p.registers.size(), false);
    for (int s = 0; s < int(p.stages.size()); s++) {
      for (int i = p.stages[s].first; i < p.stages[s].last; i++) {
        const Instr& instr = p.instrs[size_t(i)];
        if (instr.dst >= 0) stage_of[instr.dst] = instr.code == Code::reduce ? -2 : s;
        for (int r : {instr.a, instr.b, instr.c})
          if (r >= 0) last[r] = i, crosses[r] = crosses[r] || stage_of[r] != s;
      }
    }
    uint32_t end = 0;
    auto fresh = [&](CType type, Level level) {
      uint32_t bytes = level == Level::uniform ? 64 : uint32_t(kBlock * size_of(type));
      uint32_t offset = end;
      end += (bytes + 63) / 64 * 64 + (level == Level::uniform ? 0 : 64);
      return offset;
    };
    std::vector<std::pair<int, uint32_t>> idle[9];  // by element size: (free after instruction, offset)
    for (int s = 0; s < int(p.stages.size()); s++) {
      for (auto& list : idle) list.clear();
      for (int i = p.stages[s].first; i < p.stages[s].last; i++) {
        const Instr& instr = p.instrs[size_t(i)];
        if (instr.dst < 0) continue;
        Register& reg = p.registers[size_t(instr.dst)];
        bool shares = p.stages[s].level == reg.level && reg.level != Level::uniform && !crosses[instr.dst] &&
                      stage_of[instr.dst] == s;
        auto& list = idle[size_of(reg.type)];
        bool found = false;
        for (size_t k = 0; shares && k < list.size() && !found; k++) {
          if (list[k].first > i) continue;
          reg.offset = list[k].second;
          list[k].first = last[instr.dst] < 0 ? i : last[instr.dst];
          found = true;
        }
        if (found) continue;
        reg.offset = fresh(reg.type, reg.level);
        if (shares) list.push_back({last[instr.dst] < 0 ? i : last[instr.dst], reg.offset});
      }
    }
    p.scratch_bytes = end;
  }

  const Group& g_;
  LoweredGroup kernel_;
  std::vector<Value> values_;
  std::vector<int> scalar_registers_;
  std::vector<Instr> code_[3];
  std::vector<std::pair<Level, std::vector<Instr>>> segments_;
  bool has_inner_ = false;
  int last_stage_ = 0, stage_ = 0;
};

}  // namespace

LoweredGroup lower(const Group& group) { return Lowering(group).run(); }

}  // namespace jt
