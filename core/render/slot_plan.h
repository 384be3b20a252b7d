// slot_plan: the decoded plan of a program -> which of its operations are one loop, and where values that leave a loop
// lie.
#pragma once
#include <string>
#include <vector>

#include "core/render/block_plan.h"
#include "core/render/element_text.h"

namespace jt::loops {

// How an operation runs: in a loop over a block that vectorises, in one that takes its elements in order, or by itself:
// a call of a function of blocks, or an assignment to a value of one element.
enum class Way : uint8_t { loop, in_order, alone };

// Operations that run together.
struct Item {
  Way way;
  Level space;
  std::vector<const Op*> ops;
  bool is_loop() const { return way != Way::alone; }
};
struct LoopStage {
  Level level;
  std::vector<Item> before, items;
  std::vector<int> reduces;
  bool needs_blocks = false;  // its blocks must fit SlotPlan::block()
};

// How a reduction of a row is kept: in lanes of the text's own, as the place of an element, or in a state of the
// host's.
enum class Kept : uint8_t { by_host, in_lanes, as_place };

inline bool writes_memory(const Op& op) {
  return op.kind == OpKind::element_out || op.kind == OpKind::store_block || op.kind == OpKind::store_mapped ||
         op.kind == OpKind::scatter;
}
inline bool is_reduction(const Op& op) {
  return op.kind == OpKind::reduce_row || op.kind == OpKind::reduce_rows || op.kind == OpKind::reduce_column ||
         op.kind == OpKind::reduce_bands;
}
inline bool is_place(Reduction r) { return r == Reduction::argmax || r == Reduction::argmin; }

// Where the values of a plan are.
class SlotPlan {
 public:
  SlotPlan(const Program& program, const BlockPlan& plan, const ElementText& elements, const Dialect& dialect);

  const std::vector<LoopStage>& stages() const { return stages_; }
  const std::vector<Item>& broadcasts() const { return broadcasts_; }
  int64_t block() const { return block_; }  // elements: kBlock, or fewer where many values leave their loops
  int64_t home_bytes() const { return home_bytes_; }
  bool has_states() const { return has_states_; }
  Kept kept(int reduction) const { return kept_[size_t(reduction)]; }
  CType type_of(int slot) const { return slots_[size_t(slot)].type; }
  bool is_one(int slot) const { return slots_[size_t(slot)].is_one; }
  // A broadcast stands for the value of one element that it repeats, wherever that will do.
  int source_of(int slot) const { return slots_[size_t(slot)].source; }
  bool is_single(const Op& op) const { return plan_.is_one_element(op.space); }
  bool is_elsewhere(int slot) const { return slots_[size_t(slot)].is_elsewhere; }
  int64_t home_of(int slot) const { return slots_[size_t(slot)].home; }
  // Rows that fit Dialect::row_cache: the slot of an earlier walk over the row that holds the same costly value, itself
  // where it is first computed; else -1.
  int cached(int slot) const { return caches_ && slot >= 0 ? slots_[size_t(slot)].cached : -1; }
  const std::vector<int>& cached_slots() const { return cached_slots_; }
  void use_caches(bool use) { caches_ = use; }
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
  Way way_of(const Op& op) const;
  bool vectorises(const Op& op) const;
  bool may_move_up(const Op& op, Way way) const;
  void describe_slots();
  void arrange(const std::vector<Op>& ops, std::vector<Item>& items);
  void note_def(const Op& op, int item, int stage, bool in_loop);
  void note_use(int slot, int item, int stage, bool in_loop);
  void note(const std::vector<Item>& items, int stage);
  void choose_places();
  void find_repeated_work();
  void lay_out();
  void lay_out(int64_t block);

  const Program& program_;
  const BlockPlan& plan_;
  const ElementText& elements_;
  const Dialect& dialect_;
  std::vector<Slot> slots_;
  std::vector<LoopStage> stages_;
  std::vector<Item> broadcasts_;
  std::vector<Kept> kept_;
  std::vector<const Op*> makers_;  // of each slot
  std::vector<int> cached_slots_;
  bool has_states_ = false, caches_ = false;
  int64_t home_bytes_ = 0, block_ = kBlock;
  int items_ = 0;
};

}  // namespace jt::loops
