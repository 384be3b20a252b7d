// fused_stage: the decoded plan of a program -> which of its operations are one loop, where values that leave a loop
// lie, and the text of the loops and calls. Used by render_gxx alone.
//
// Names in the text: O, I extents; o, i first elements of the block; n, m elements of an outer and an inner block; at: o * I + i;
// u3: register 3 where it is one element; v3: an element of it inside a loop; r3: address of its block; b: blocks; x3, y3:
// operands under the loop; t0, p0: lanes and partial results of reduction 0, or t0 its state for the primitives.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "backends/cpu_tcc/vm/vm_plan.h"
#include "core/base/text.h"
#include "core/render/element_text.h"

namespace jt::cpu {

// What the kernels of one file share: the definitions at its head.
class FileText {
 public:
  explicit FileText(vm::Isa isa) : elements({.vectorises_only = true, .rounds_in_an_instruction = isa != vm::Isa::base}) {}
  void use_function_type(std::string_view name);
  std::string use_reduction(Reduction r, CType type);  // `sum_f32`
  bool has_reductions() const { return !reductions_.empty(); }
  std::string function_types() const;
  std::string reduction_types() const { return reductions_; }
  ElementText elements;

 private:
  uint32_t types_ = 0;  // bits by row of kFunctionTypes
  std::string reductions_;
};

// Operations that run together: a loop, or one call (or one assignment to a value of one element).
struct FusedItem {
  bool is_loop;
  Level space;
  std::vector<const vm::Op*> ops;
};
struct FusedStage {
  Level level;
  std::vector<FusedItem> before, items;
  std::vector<int> reduces;
  bool needs_blocks = false;  // its blocks must fit kBlock
};

// Where the values of a plan are.
class SlotPlan {
 public:
  SlotPlan(const Program& program, const vm::VmPlan& plan, const ElementText& elements);

  const std::vector<FusedStage>& stages() const { return stages_; }
  const std::vector<FusedItem>& broadcasts() const { return broadcasts_; }
  int64_t home_bytes() const { return home_bytes_; }
  bool has_states() const { return has_states_; }
  bool is_fused(int reduction) const { return fused_[size_t(reduction)]; }
  CType type_of(int slot) const { return slots_[size_t(slot)].type; }
  bool is_one(int slot) const { return slots_[size_t(slot)].is_one; }
  // A broadcast stands for the value of one element that it repeats, wherever that will do.
  int source_of(int slot) const { return slots_[size_t(slot)].source; }
  bool is_single(const vm::Op& op) const { return is_one_element(op.space); }
  bool is_elsewhere(int slot) const { return slots_[size_t(slot)].is_elsewhere; }
  int64_t home_of(int slot) const { return slots_[size_t(slot)].home; }
  // Rows that fit kRowCache: the slot of an earlier walk over the row that holds the same costly value, itself where it is
  // first computed; else -1.
  int cached(int slot) const { return caches_ && slot >= 0 ? slots_[size_t(slot)].cached : -1; }
  const std::vector<int>& cached_slots() const { return cached_slots_; }
  void use_caches(bool use) { caches_ = use; }
  static constexpr int64_t kRowCache = 2048;  // elements, on the stack
  // Written by its loop to a block of its own.
  bool is_kept(int slot) const { return slot >= 0 && slots_[size_t(slot)].home >= 0; }
  std::string declarations() const;  // of u3 and r3

 private:
  struct Slot {
    CType type = CType::f32;
    bool is_one = false, is_elsewhere = false;  // elsewhere: found in an operand's buffer
    bool is_made_by_loop = false, is_read_outside = false;
    int cached = -1;
    int source = -1, item = -1, first_stage = -1, last_stage = -1;
    int64_t home = -1;
  };
  bool is_one_element(Level level) const;
  bool is_pointwise(const vm::Op& op) const;
  bool may_move_up(const vm::Op& op) const;
  void describe_slots();
  void arrange(const std::vector<vm::Op>& ops, std::vector<FusedItem>& items);
  void note_def(const vm::Op& op, int item, int stage, bool in_loop);
  void note_use(int slot, int item, int stage, bool in_loop);
  void note(const std::vector<FusedItem>& items, int stage);
  void choose_places();
  void find_repeated_work();
  void lay_out();

  const Program& program_;
  const vm::VmPlan& plan_;
  const ElementText& elements_;
  std::vector<Slot> slots_;
  std::vector<FusedStage> stages_;
  std::vector<FusedItem> broadcasts_;
  std::vector<bool> fused_;
  std::vector<const vm::Op*> makers_;  // of each slot
  std::vector<int> cached_slots_;
  bool has_states_ = false, caches_ = false;
  int64_t home_bytes_ = 0;
  int items_ = 0;
};

// Lines of one function.
struct FusedText {
  const Program& program;
  const vm::VmPlan& plan;
  const SlotPlan& slots;
  FileText& file;
  std::string out;
  size_t depth;
  bool streams;  // outputs go by way of a block, from where they are streamed

  template <class... Parts>
  void line(const Parts&... parts) {
    out.append(2 * depth, ' ');
    (append(out, parts), ...);
    out += '\n';
  }
  void open(std::string_view heading) {
    line(heading, heading.empty() ? "{" : " {");
    depth++;
  }
  void close() {
    depth--;
    line("}");
  }
  std::string take() { return std::move(out); }
  std::string call(std::string_view type, int number, const std::string& arguments);

  void render(const std::vector<FusedItem>& items);
  void begin_reduction(int r, const char* width);
  void end_reduction_block(int r);
  void end_reduction(int r, bool columns);

 private:
  const Instr& instr(const vm::Op& op) const { return program.instrs[size_t(op.instr)]; }
  DType dtype_of(const vm::Op& op) const { return program.operands[size_t(op.operand)].dtype; }
  std::string origin(const vm::Op& op) const;
  const char* count(Level level) const;
  std::string here(const vm::Op& op) const;
  std::string where(const vm::Op& op) const;
  std::string map_of(const vm::Op& op) const;
  std::string address(int slot) const;
  std::string value(int slot) const;
  std::string expression(const vm::Op& op, const std::string& a, const std::string& b, const std::string& c) const;
  std::string fold_of(int reduction) const;
  void render_one(const vm::Op& op);
  void render_call(const vm::Op& op);
  void render_call(const vm::Op& op, const std::string& to, bool moves);
  void render_loop(const FusedItem& item);
  bool has_effect(const FusedItem& item) const;
  void point_to_operands(const FusedItem& item);
  void open_operands(const FusedItem& item);
  void render_masked(const FusedItem& item, const char* n);
  std::vector<std::pair<int, std::string>> operands_read(const FusedItem& item) const;
  // from: the letter of the pointers to operands.
  void render_body(const FusedItem& item, const char* index, const char* from = "x");
};

}  // namespace jt::cpu
