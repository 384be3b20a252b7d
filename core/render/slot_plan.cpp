// slot_plan: operations -> loops and calls in an order that keeps loops long, and a place for each value that leaves
// one.
#include "core/render/slot_plan.h"

#include <algorithm>
#include <map>

#include "core/base/element.h"
#include "core/base/status.h"
#include "core/base/text.h"

namespace jt::loops {

namespace {

bool is_half(DType d) { return d == JT_F16 || d == JT_BF16; }
bool is_float(CType t) { return t == CType::f32 || t == CType::f64; }

bool is_splat(const Op& op) { return op.kind == OpKind::block && op.instr < 0; }

bool reads(const Op& op, int slot) { return op.a == slot || op.b == slot || op.c == slot; }

}  // namespace

SlotPlan::SlotPlan(const Program& program, const BlockPlan& plan, const ElementText& elements, const Dialect& dialect)
    : program_(program), plan_(plan), elements_(elements), dialect_(dialect), kept_(plan.reductions.size()),
      makers_(size_t(plan.slots)) {
  slots_.resize(size_t(plan.slots));
  describe_slots();
  arrange(plan.broadcasts, broadcasts_);
  for (const PlanStage& stage : plan.stages) {
    LoopStage& mine = stages_.emplace_back(LoopStage{stage.level, {}, {}, stage.reduces, false});
    arrange(stage.before, mine.before);
    arrange(stage.ops, mine.items);
  }
  note(broadcasts_, -1);
  for (size_t s = 0; s < stages_.size(); s++) note(stages_[s].before, int(s)), note(stages_[s].items, int(s));
  has_states_ = std::find(kept_.begin(), kept_.end(), Kept::by_host) != kept_.end();
  choose_places();
  lay_out();
  if (plan.layout == Layout::row && dialect.row_cache) find_repeated_work();
}

void SlotPlan::describe_slots() {
  for (size_t k = 0; k < program_.registers.size(); k++) {
    slots_[k].type = program_.registers[k].type;
    slots_[k].is_one = plan_.is_one_element(program_.registers[k].level);
  }
  auto describe = [&](const Op& op) {
    if (op.instr >= 0) return;
    slots_[size_t(op.dst)].type = slots_[size_t(op.a)].type;
    if (is_splat(op)) slots_[size_t(op.dst)].source = op.a;
  };
  for (const Op& op : plan_.broadcasts) describe(op);
  for (const PlanStage& stage : plan_.stages)
    for (const Op& op : stage.before) describe(op);
}

// Whether a loop over a block does it without a branch or a call.
bool SlotPlan::vectorises(const Op& op) const {
  const Instr& i = program_.instrs[size_t(op.instr)];
  switch (op.kind) {
    case OpKind::element:
    case OpKind::element_out: return i.code == Code::element && elements_.vectorises(i.prim, i.type);
    case OpKind::load_here: return true;
    case OpKind::load_block:
    case OpKind::store_block: return !is_half(program_.operands[size_t(op.operand)].dtype);
    case OpKind::block:
      if (i.code == Code::narrow) return !is_half(DType(i.sub));
      return i.type == CType::b8 || is_float(i.type) || !is_float(CType(i.sub));
    case OpKind::reduce_row: return !is_place(Reduction(i.sub));
    default: return false;
  }
}

Way SlotPlan::way_of(const Op& op) const {
  if (op.instr < 0 || plan_.is_one_element(op.space)) return Way::alone;
  if (vectorises(op)) return Way::loop;
  return dialect_.calls_host ? Way::alone : Way::in_order;
}

// Whether only what it reads must be there first.
bool SlotPlan::may_move_up(const Op& op, Way way) const {
  if (op.kind == OpKind::load_mapped || op.kind == OpKind::index || op.kind == OpKind::load_block) return true;
  return !is_reduction(op) && !writes_memory(op) && (way == Way::in_order || plan_.is_one_element(op.space));
}

void SlotPlan::arrange(const std::vector<Op>& ops, std::vector<Item>& items) {
  bool is_open = false, has_written = false;  // the last item is a loop that may grow
  for (const Op& op : ops) {
    if (op.dst >= 0) makers_[size_t(op.dst)] = &op;
    Way way = way_of(op);
    if (is_reduction(op) && op.reduction >= 0)
      kept_[size_t(op.reduction)] = way == Way::loop       ? Kept::in_lanes
                                    : way == Way::in_order ? Kept::as_place
                                                           : Kept::by_host;
    if (way == Way::loop && is_open && items.back().space == op.space) {
      items.back().ops.push_back(&op);
    } else if (way == Way::loop) {
      items.push_back({way, op.space, {&op}});
      is_open = true;
      has_written = false;
    } else {
      auto needs = [&](const Op* earlier) { return earlier->dst >= 0 && reads(op, earlier->dst); };
      bool moves = is_open && may_move_up(op, way) && !has_written &&
                   std::none_of(items.back().ops.begin(), items.back().ops.end(), needs);
      auto at = moves ? items.end() - 1 : items.end();
      bool joins = way == Way::in_order && at != items.begin() && at[-1].way == way && at[-1].space == op.space;
      if (joins) at[-1].ops.push_back(&op);
      else items.insert(at, {way, op.space, {&op}});
      is_open = moves;
      continue;
    }
    has_written |= writes_memory(op);
  }
}

void SlotPlan::note_def(const Op& op, int item, int stage, bool in_loop) {
  if (op.dst < 0) return;
  Slot& slot = slots_[size_t(op.dst)];
  bool is_reduced_later = is_reduction(op) && op.kind != OpKind::reduce_rows;
  if (!is_reduction(op) && slot.is_one != plan_.is_one_element(op.space))
    fail(JT_E_UNSUPPORTED, "kernel: a value of another level than its place");
  slot.item = item;
  slot.is_made_by_loop = in_loop && !is_reduced_later;
  slot.first_stage = stage;
  slot.last_stage = stage < 0 ? int(stages_.size()) : stage;  // made once, it is needed in each outer block
}

void SlotPlan::note_use(int number, int item, int stage, bool in_loop) {
  if (number < 0) return;
  Slot& slot = slots_[size_t(number)];
  slot.last_stage = std::max(slot.last_stage, stage);
  bool as_block = slot.source >= 0 ? !in_loop : !in_loop || slot.item != item;
  slot.is_read_outside |= as_block;
}

void SlotPlan::note(const std::vector<Item>& items, int stage) {
  for (const Item& item : items) {
    items_++;
    for (const Op* op : item.ops) {
      for (int slot : {op->a, op->b, op->c}) note_use(slot, items_, stage, item.is_loop());
      note_def(*op, items_, stage, item.is_loop());
    }
  }
}

void SlotPlan::choose_places() {
  constexpr int64_t kWanted = 0;
  for (size_t k = 0; k < slots_.size(); k++) {
    Slot& slot = slots_[k];
    const Op* maker = makers_[k];
    if (!maker || slot.is_one) continue;
    bool is_needed = slot.is_made_by_loop || slot.source >= 0 ? slot.is_read_outside : true;
    if (!is_needed) continue;
    bool is_in_place = maker->kind == OpKind::load_here && !maker->copy;
    bool may_be_in_place = maker->kind == OpKind::load_mapped && !slot.is_made_by_loop;
    slot.is_elsewhere = is_in_place || maker->kind == OpKind::element_out || may_be_in_place;
    if (!slot.is_elsewhere || may_be_in_place) slot.home = kWanted;
  }
}

// Values of which one may still be needed in a stage where the other exists do not overlap.
void SlotPlan::lay_out(int64_t block) {
  std::vector<const Slot*> placed;
  auto bytes = [block](const Slot& slot) { return block * size_of(slot.type) + 64; };
  block_ = block;
  home_bytes_ = 0;
  for (Slot& slot : slots_) {
    if (slot.home < 0) continue;
    slot.home = 0;
    for (bool moved = true; moved;) {
      moved = false;
      for (const Slot* other : placed) {
        bool coexist = slot.first_stage <= other->last_stage && other->first_stage <= slot.last_stage;
        bool overlap = slot.home < other->home + bytes(*other) && other->home < slot.home + bytes(slot);
        if (coexist && overlap) slot.home = other->home + bytes(*other), moved = true;
      }
    }
    placed.push_back(&slot);
    home_bytes_ = std::max(home_bytes_, slot.home + bytes(slot));
  }
}

void SlotPlan::lay_out() {
  lay_out(kBlock);
  // The host's functions of blocks count on kBlock.
  if (!dialect_.calls_host)
    while (home_bytes_ > dialect_.most_stack && block_ > kLanes) lay_out(block_ / 2);
  for (LoopStage& stage : stages_)
    for (const Item& item : stage.items)
      for (const Op* op : item.ops)
        stage.needs_blocks |=
            (!item.is_loop() && !is_single(*op)) || (op->dst >= 0 && slots_[size_t(op->dst)].home >= 0);
}

// Walks over a row that compute the same: equal texts are equal values, as operands that are only read do not change.
void SlotPlan::find_repeated_work() {
  constexpr size_t kMostCached = 2;
  std::vector<std::string> keys(slots_.size());
  auto key_of = [&](int slot) {
    if (slot < 0) return std::string();
    if (slots_[size_t(slot)].source >= 0) slot = slots_[size_t(slot)].source;
    return keys[size_t(slot)].empty() ? text("r", slot) : keys[size_t(slot)];
  };
  std::map<std::string, int> first;
  for (const LoopStage& stage : stages_)
    for (const Item& item : stage.items) {
      if (item.way != Way::loop || stage.level != Level::inner) continue;
      for (const Op* op : item.ops) {
        if (op->dst < 0 || op->kind == OpKind::reduce_row) continue;
        const Instr& i = program_.instrs[size_t(op->instr)];
        bool is_load = op->kind == OpKind::load_here || op->kind == OpKind::load_block;
        if (is_load && (program_.operands[size_t(op->operand)].is_output || op->copy)) continue;
        std::string& key = keys[size_t(op->dst)];
        if (is_load) key = text("@", op->operand);
        else
          key = text("(", int(i.code), " ", int(i.prim), " ", int(i.sub), " ", int(i.type), " ", key_of(op->a), " ",
                     key_of(op->b), " ", key_of(op->c), ")");
        if (key.size() > 500) key.clear();  // a value of its own
        if (is_load || key.empty() || i.code != Code::element || !ElementText::is_costly(i.prim, i.type)) continue;
        auto [at, is_new] = first.emplace(key, op->dst);
        Slot &earlier = slots_[size_t(at->second)], &slot = slots_[size_t(op->dst)];
        if (is_new || (earlier.cached < 0 && cached_slots_.size() == kMostCached)) continue;
        if (earlier.cached < 0) cached_slots_.push_back(at->second);
        earlier.cached = slot.cached = at->second;
      }
    }
}

std::string SlotPlan::declarations() const {
  std::string lines;
  for (size_t k = 0; k < slots_.size(); k++) {
    if (!makers_[k]) continue;
    if (slots_[k].is_one) lines += text("  ", elements_.type_name(slots_[k].type), " u", k, ";\n");
    else if (slots_[k].is_elsewhere) lines += text("  char *r", k, ";\n");
  }
  return lines;
}

}  // namespace jt::loops
