// lowering: the state of lower(): a group on its way to a program. Its methods are in four files, by what they touch:
//   lower.cpp            levels and stages of instances, instructions, stores
//   lower_operands.cpp   operands: how a value lies under the axes of a level
//   lower_addresses.cpp  addresses that are computed: take, gather, reindex, scatter
//   lower_registers.cpp  segments put together, registers shared
#pragma once
#include <string_view>
#include <utility>
#include <vector>

#include "core/ir/index_expr.h"
#include "core/kernel/lower.h"

namespace jt {

class Lowering {
 public:
  explicit Lowering(const Group& group);

  LoweredGroup run();

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

  Level level_of(const Coords& c) const;
  static bool is_reduce(const Instance& i) { return !i.loads && kind(i.ref.node) == Kind::reduce; }

  // Columns if most of what is reduced lies along its inner axes with the outer axes innermost in memory.
  Mode mode() const;

  // Level and stage of an instance; producers come after their users in the list, so they are placed first.
  void place(int i);

  // ---- instructions ----
  int new_register(CType type, Level level);
  Instr& emit(Code code, CType type, Level level, bool has_result = true);
  int scalar(CType type, int64_t literal, int id = -1);
  int number(CType type, Dim value);
  int element(Op op, CType type, Level level, int a, int b = -1, int c = -1);
  int compare(Op op, CType type, Level level, int a, int b) { return element(op, type, CType::b8, level, a, b, -1); }
  int element(Op op, CType type, CType result, Level level, int a, int b, int c);
  int narrowed(int reg, CType type, DType dtype, Level level);
  int converted(int reg, CType from, CType to, Level level);

  // A value of the program as an element of this dtype.
  int constant(CType type, DType dtype, double value);

  // A float that became an integer of the compute type (which saturates) ends at the bounds of its own dtype.
  int saturated(int reg, CType type, DType dtype, Level level);

  // The register of an instance, computed now if this stage has not computed it yet.
  int reg_of(int i);
  int reg_of_use(int use) { return reg_of(instance_of(use)); }
  Level level_of_use(int use) const { return values_[size_t(instance_of(use))].level; }

  int compute(const Instance& i, Value& v);

  // ---- operands ----
  // Offset and map of a value under the axes of `level`.
  OperandRecipe recipe(Ref value, const Coords& c, const Shape& shape, Level level);
  // By structure, not by numbers: a transposed [1,n] is not direct although its elements lie in order.
  bool is_direct(const Coords& c, const Shape& shape, Level level) const;
  int add_operand(DType dtype, Access access, Level level, bool is_output, OperandRecipe recipe);

  int load(const Instance& i, Value& v);

  // i64 offsets of a map that reads nothing.
  int index(const Coords& c, const Shape& shape, Level level);
  // The coordinate along one axis of a value walked at c.
  int coordinate_along(const Coords& c, int axis, Level level);
  int coordinate(const Instance& i, const Value& v);
  int random(const Instance& i, const Value& v);

  // ---- computed addresses ----
  // index, wrapped once if negative; and whether it is inside 0..extent-1
  struct Checked { int index, valid; };
  Checked checked(int index, Dim extent, Level level, bool wraps);
  int scaled(int index, Dim stride, Level level);
  int sum(int a, int b, Level level) { return element(Op::add, CType::i64, level, a, b); }
  int where_valid(int valid, int offset, Level level);
  int as_index(int use);
  // Offset of element (.., index, ..) of x: the computed coordinate along `axis`, the others from where we are. For
  // take, n_index axes of the walked value stand for the one axis of x.
  int address(const Shape& x, int axis, int n_index, const Coords& c, int index_reg, Level level);
  // Offset from index expressions over the walked value's coordinates.
  int address(const Shape& to, std::string_view exprs, const Coords& c, Level level);
  int evaluated(const IndexExpr& expr, const Coords& c, Level level);
  int whole_operand(Ref value, bool is_output);
  int gathered(const Instance& i, const Value& v);

  // ---- stages ----
  void emit_outer(int stage);
  Level output_level(const Output& o) const;

  void emit_inner(int stage);

  void store(const Output& o);
  void scatter(const Output& o, int source, CType type, Level level);

  // ---- assembly ----
  // Uniform code of all segments runs first; then outer and inner segments in turn. Stores end their segment, so that a
  // buffer may be overwritten in place by what was computed from it.
  void finish_segment(Level level);
  void assemble();

  // Registers of one stage's blocks are shared when their lifetimes do not meet; values that outlive a stage keep
  // theirs.
  void allocate_registers();

  const Group& g_;
  LoweredGroup kernel_;
  std::vector<Value> values_;
  std::vector<int> scalar_registers_;
  std::vector<Instr> code_[3];
  std::vector<std::pair<Level, std::vector<Instr>>> segments_;
  bool has_inner_ = false;
  int last_stage_ = 0, stage_ = 0;
};

}  // namespace jt
