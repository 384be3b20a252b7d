#include "core/kernel/memory.h"

#include <algorithm>

#include "core/ir/region.h"

namespace jt {

namespace {

constexpr int64_t kAlign = 64;
int64_t rounded(int64_t bytes) { return (std::max<int64_t>(bytes, 1) + kAlign - 1) / kAlign * kAlign; }

// Free ranges of the arena by offset; best fit, grown at the end when nothing fits.
class Arena {
 public:
  int64_t take(int64_t bytes) {
    auto best = free_.end();
    for (auto it = free_.begin(); it != free_.end(); ++it)
      if (it->bytes >= bytes && (best == free_.end() || it->bytes < best->bytes)) best = it;
    if (best == free_.end()) {
      int64_t at = end_;
      // the last range reaches the end
      bool may_grow = !free_.empty() && free_.back().offset + free_.back().bytes == end_;
      if (may_grow) at = free_.back().offset, free_.pop_back();
      return end_ = at + bytes, high_ = std::max(high_, end_), at;
    }
    int64_t at = best->offset;
    best->offset += bytes, best->bytes -= bytes;
    if (!best->bytes) free_.erase(best);
    return at;
  }
  void give(int64_t at, int64_t bytes) {
    auto next = std::ranges::lower_bound(free_, at, {}, &Slot::offset);
    bool joins_next = next != free_.end() && at + bytes == next->offset;
    bool joins_before = next != free_.begin() && std::prev(next)->offset + std::prev(next)->bytes == at;
    if (joins_before) {
      std::prev(next)->bytes += bytes + (joins_next ? next->bytes : 0);
      if (joins_next) free_.erase(next);
    } else if (joins_next) {
      next->offset = at, next->bytes += bytes;
    } else {
      free_.insert(next, {at, bytes});
    }
  }
  int64_t high() const { return high_; }

 private:
  std::vector<Slot> free_;
  int64_t end_ = 0, high_ = 0;
};

class MemoryPlanner {
 public:
  MemoryPlanner(const Block& b, const Numbering& n, const Schedule& s, std::span<const LoweredGroup> g,
                const MemoryRules& rules)
      : block_(b), numbering_(n), schedule_(s), groups_(g), rules_(rules), storages_(size_t(n.size())),
        root_(size_t(n.size())) {}

  MemoryPlan run() {
    find_storages();
    lifetimes();
    for (size_t s = 0; s < schedule_.steps.size(); s++) place_step(int(s));
    finish();
    return std::move(plan_);
  }

 private:
  struct Storage {  // of a value that is no alias
    bool is_input = false, is_result = false, placed = false;
    int32_t input = -1;
    int birth = -1, death = -1;
    Dim bytes = 0;
    int32_t output = -1;  // number, once placed as an output
    int32_t slot = -1;    // or in the arena
    bool gone = false;    // its bytes were taken over
  };

  void find_storages() {
    auto see = [&](const Value& first) {
      Node* node = first.ref().node;
      for (uint32_t i = 0; i < node->n_results; i++)
        storages_[size_t(numbering_[{node, i}])].bytes = node->results()[i].type.bytes();
    };
    for (size_t p = 0; p < block_.params.size(); p++) {
      see(block_.params[p]);
      Storage& s = storages_[size_t(numbering_[block_.params[p]])];
      s.is_input = s.placed = true;
      s.input = int32_t(p);
      s.death = INT32_MAX;
    }
    for (const Value& v : block_.nodes) see(v);
    for (int32_t i = 0; i < numbering_.size(); i++) root_[size_t(i)] = i;
    for (auto [value, of] : schedule_.aliases) root_[size_t(numbering_[value])] = root_[size_t(numbering_[of])];
  }
  Storage& storage(Ref r) { return storages_[size_t(root_[size_t(numbering_[r])])]; }

  template <class Visit>
  static void reads(const Step& step, Visit&& visit) {
    for (Ref r : step.operands) visit(r);
    for (const Instance& i : step.group.instances)
      if (i.loads) visit(i.ref);
  }
  template <class Visit>
  static void writes(const Step& step, Visit&& visit) {
    if (step.node)
      for (int i = 0; i < step.node->n_results; i++) visit(Ref{step.node, uint32_t(i)});
    for (const Output& o : step.group.outputs) visit(o.value);
  }

  void lifetimes() {
    for (const Value& r : block_.results) storage(r).is_result = true;
    for (Storage& s : storages_)
      // may be written over after its last read
      if (s.is_input && !s.is_result && rules_.dies[size_t(s.input)]) s.death = -1;
    for (int s = 0; s < int(schedule_.steps.size()); s++) {
      writes(schedule_.steps[size_t(s)], [&](Ref r) {
        Storage& v = storage(r);
        if (v.birth < 0) v.birth = s;
        if (!v.is_input) v.death = std::max(v.death, s);
      });
      reads(schedule_.steps[size_t(s)], [&](Ref r) {
        Storage& v = storage(r);
        if (v.death != INT32_MAX) v.death = std::max(v.death, s);
      });
    }
    for (Storage& s : storages_)
      if (s.is_result) s.death = INT32_MAX;
    for (const Value& r : std::span(block_.results).last(block_.guards.size()))
      last_guard_ = std::max(last_guard_, storage(r).birth);
  }
  bool may_take(const Storage& from, const Storage& to, int s) {
    if (!from.is_input) return true;
    bool is_its_next =
        rules_.next.empty() || (rules_.next[size_t(from.input)] && &storage(rules_.next[size_t(from.input)]) == &to);
    return is_its_next && s > last_guard_;
  }

  // ---- in place ----
  // Each element of `in` is read no later than the element of `out` at the same index is written.
  static bool may_overwrite(const Program& p, int in, int out) {
    const Operand &a = p.operands[size_t(in)], &b = p.operands[size_t(out)];
    if (a.access != Access::direct || b.access != Access::direct || a.level != b.level) return false;
    if (size_of(a.dtype) != size_of(b.dtype)) return false;
    int stored = -1;
    for (int s = 0; s < int(p.stages.size()); s++)
      for (int i = p.stages[size_t(s)].first; i < p.stages[size_t(s)].last; i++)
        if (p.instrs[size_t(i)].operand == out && p.instrs[size_t(i)].code == Code::store) stored = s;
    for (int s = stored + 1; s < int(p.stages.size()); s++)
      for (int i = p.stages[size_t(s)].first; i < p.stages[size_t(s)].last; i++)
        if (p.instrs[size_t(i)].operand == in && p.instrs[size_t(i)].code == Code::load) return false;
    return stored >= 0;
  }
  // An operand of this step whose bytes the output may take, or -1.
  int donor(int s, int out, const std::vector<bool>& taken) {
    const LoweredGroup& k = groups_[size_t(s)];
    Storage& to = storage(k.operands[size_t(out)].value);
    if (to.birth != s) return -1;
    int found = -1;
    for (int in = 0; in < int(k.operands.size()); in++) {
      const Operand& o = k.program.operands[size_t(in)];
      Ref value = k.operands[size_t(in)].value;
      if (o.is_output || !value || taken[size_t(in)]) continue;
      Storage& from = storage(value);
      if (from.death != s || !same(from.bytes, to.bytes) || from.gone || !from.placed || !may_take(from, to, s))
        continue;
      // An output may only take a buffer of its own kind; an input's or another output's buffer serves any.
      if (to.is_result != is_buffer(from)) continue;
      if (count_uses(k, from) != 1 || !may_overwrite(k.program, in, out)) continue;
      found = in;
      break;
    }
    return found;
  }
  static bool is_buffer(const Storage& s) { return s.is_input || s.output >= 0; }
  int count_uses(const LoweredGroup& k, const Storage& s) {
    int n = 0;
    for (size_t i = 0; i < k.operands.size(); i++)
      n += k.operands[i].value && &storage(k.operands[i].value) == &s;
    return n;
  }

  void place_new(Storage& s) {
    if (s.is_result) {
      s.output = int32_t(plan_.output_bytes.size());
      plan_.output_bytes.push_back(s.bytes);
      plan_.output_from.push_back(-1);
    } else {
      s.slot = int32_t(plan_.slot_bytes.size());
      plan_.slot_bytes.push_back(s.bytes);
      plan_.events.push_back({s.slot, true});
    }
    s.placed = true;
  }
  void take_over(Storage& to, Storage& from) {
    to.placed = true;
    from.gone = true;
    if (from.is_input) {
      to.output = int32_t(plan_.output_bytes.size());
      plan_.output_bytes.push_back(to.bytes);
      plan_.output_from.push_back(from.input);
    } else {
      to.output = from.output;
      to.slot = from.slot;
    }
  }

  void place_step(int s) {
    const Step& step = schedule_.steps[size_t(s)];
    plan_.copies_base.push_back(false);
    if (step.base) place_base(s);
    if (!step.node) place_in_place(s);
    if (step.node && step.node->op == Op::loop) place_carried(s);
    writes(step, [&](Ref r) {
      if (!storage(r).placed) place_new(storage(r));
    });
    int32_t slot =
        plan_.workspace.emplace_back(step.node && owns_blocks(step.node) ? int32_t(plan_.slot_bytes.size()) : -1);
    if (slot >= 0)
      plan_.slot_bytes.push_back(0), plan_.events.push_back({slot, true}), plan_.events.push_back({slot, false});
    auto free_if_dead = [&](Ref r) {
      Storage& v = storage(r);
      bool ends = v.death == s && v.placed && !v.gone && !v.is_input && v.output < 0;
      if (ends) v.gone = true, plan_.events.push_back({v.slot, false});
    };
    reads(step, free_if_dead);
    writes(step, free_if_dead);
  }
  // A loop goes on from where its carried values are. Not over what was there before the plan: then it could not be
  // ended midway.
  void place_carried(int s) {
    const Step& step = schedule_.steps[size_t(s)];
    const int carried = int(step.node->integer(attr_at(step.node, "carried")));
    for (int k = 0; k < carried; k++) {
      Ref initial = step.operands[size_t(LoopLayout::kFirst + k)];
      Storage &to = storage({step.node, uint32_t(k)}), &from = storage(initial);
      bool is_read_once = std::ranges::count_if(step.operands, [&](Ref r) { return &storage(r) == &from; }) == 1;
      bool dies_here = from.death == s && from.placed && !from.gone && !is_buffer(from) && same(from.bytes, to.bytes);
      if (is_read_once && dies_here && !to.placed && !to.is_result) take_over(to, from);
    }
  }
  void place_base(int s) {
    const Step& step = schedule_.steps[size_t(s)];
    Storage &to = storage(step.group.outputs[0].value), &from = storage(step.base);
    if (to.placed) return;
    const LoweredGroup& k = groups_[size_t(s)];
    bool dies_here = from.death == s && from.placed && !from.gone && may_take(from, to, s) && count_uses(k, from) == 0;
    if (dies_here && to.is_result == is_buffer(from)) return take_over(to, from);
    plan_.copies_base.back() = true;
  }
  void place_in_place(int s) {
    const LoweredGroup& k = groups_[size_t(s)];
    std::vector<bool> taken(k.operands.size(), false);
    for (int out = 0; out < int(k.operands.size()); out++) {
      if (!k.program.operands[size_t(out)].is_output || storage(k.operands[size_t(out)].value).placed) continue;
      int in = donor(s, out, taken);
      if (in < 0) continue;
      taken[size_t(in)] = true;
      take_over(storage(k.operands[size_t(out)].value), storage(k.operands[size_t(in)].value));
    }
  }

  void finish() {
    for (size_t i = 0; i < root_.size(); i++) {
      const Storage& s = storages_[size_t(root_[i])];
      Location at;
      if (s.is_input) at = {Where::input, s.input};
      else if (s.output >= 0) at = {Where::output, s.output};
      else at = {Where::arena, s.slot};
      plan_.values.push_back(at);
    }
    for (const Value& r : block_.results) {
      const Storage& s = storage(r);
      plan_.result_output.push_back(s.is_input ? -1 : s.output);
      plan_.result_input.push_back(s.is_input ? s.input : -1);
    }
  }

  const Block& block_;
  const Numbering& numbering_;
  const Schedule& schedule_;
  std::span<const LoweredGroup> groups_;
  const MemoryRules& rules_;
  std::vector<Storage> storages_;
  std::vector<int32_t> root_;
  int last_guard_ = -1;  // the last step that a guard is computed in
  MemoryPlan plan_;
};

}  // namespace

int64_t place_slots(std::span<const ArenaEvent> events, std::span<Slot> slots) {
  Arena arena;
  for (ArenaEvent event : events) {
    Slot& slot = slots[size_t(event.slot)];
    if (event.takes) slot.offset = arena.take(rounded(slot.bytes));
    else arena.give(slot.offset, rounded(slot.bytes));
  }
  return arena.high();
}

MemoryPlan plan_memory(const Block& block, const Numbering& numbering, const Schedule& schedule,
                       std::span<const LoweredGroup> groups, const MemoryRules& rules) {
  return MemoryPlanner(block, numbering, schedule, groups, rules).run();
}

// The bytes of the values that live at once, where these are most.
static Dim live_at_most(const MemoryPlan& plan) {
  Dim live = 0, most = 0;
  for (ArenaEvent event : plan.events) {
    Dim bytes = plan.slot_bytes[size_t(event.slot)];
    event.takes ? live += bytes : live -= bytes;
    if (worth(live) > worth(most)) most = live;
  }
  return most;
}

std::string to_text(const MemoryPlan& plan, const Block& block, const Numbering& numbering, const Schedule& schedule) {
  std::vector<Slot> slots;
  for (Dim bytes : plan.slot_bytes) slots.push_back({0, worth(bytes)});
  int64_t arena_bytes = place_slots(plan.events, slots);
  std::string out = text("# m\narena ", arena_bytes, " bytes");
  if (Dim most = live_at_most(plan); most.is_symbolic()) append(out, text(" (", most, " live at once)"));
  append(out, text(", ", plan.output_bytes.size(), " outputs\n"));
  auto line = [&](Ref r) {
    static constexpr const char* kWhere[] = {"input", "output", "arena"};
    int number = numbering[r];
    const Location& at = plan.values[size_t(number)];
    append(out, text("%", number, " ", r.type(), " ", kWhere[int(at.where)], " "));
    append(out, text(at.where == Where::arena ? slots[size_t(at.index)].offset : at.index));
    if (Dim bytes = r.type().bytes(); bytes.is_symbolic()) append(out, text(", ", bytes, " bytes"));
    out += '\n';
  };
  for (const Value& p : block.params) line(p);
  for (const Step& step : schedule.steps) {
    if (step.node) line({step.node, 0});
    for (const Output& o : step.group.outputs) line(o.value);
  }
  for (size_t i = 0; i < plan.output_from.size(); i++)
    if (plan.output_from[i] >= 0) append(out, text("output ", i, " takes over input ", plan.output_from[i], "\n"));
  return out;
}

}  // namespace jt
