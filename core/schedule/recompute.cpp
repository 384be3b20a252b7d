#include "core/schedule/recompute.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "core/ir/op.h"

namespace jt {

namespace {

constexpr size_t kMostRuns = 4;   // of all steps together, in multiples of their number
constexpr int kMostNested = 400;  // runs that wait for one another

class Recomputer {
 public:
  Recomputer(Block& block, Numbering& numbering, const Schedule& schedule, int64_t budget)
      : block_(block), numbering_(numbering), schedule_(schedule), budget_(budget) {
    find_stored();
    for (const Step& step : schedule.steps) steps_.push_back(facts_of(step));
    find_uses();
    find_repeatable();
  }

  std::optional<Schedule> run() {
    for (now_ = 0; now_ < int(steps_.size()); now_++)
      if (!execute(now_, -1, 0)) return std::nullopt;
    return rebuilt();
  }

 private:
  // A value that is no alias.
  struct Stored {
    int64_t bytes = 0;
    int maker = -1;             // the only step that writes it; -1: several, or none
    bool is_kept = false;       // a param or a result
    bool is_repeatable = false; // it can be computed again from what is always there
    std::vector<int> readers;   // steps, in order
    size_t next = 0;            // of them, to come
    bool is_there = false;
    int locks = 0, version = 0, versions = 0;
    bool has_reader() const { return next < readers.size(); }
  };
  struct StepFacts {
    std::vector<int> reads, writes;  // stored values, each once
    double cost = 0;                 // about, in bytes moved
    bool is_repeatable = false;
  };
  struct Run {
    int step;
    std::vector<std::pair<int, int>> versions;  // stored value, version: of what it reads and writes, other than 0
  };

  void find_stored() {
    auto see = [&](const Value& first) {
      for (int i = 0; i < first.ref().node->n_results; i++)
        stored_.emplace_back().bytes = int64_t(first.ref().node->results()[i].type.bytes());
    };
    for (const Value& p : block_.params) see(p);
    for (const Value& v : block_.nodes) see(v);
    for (int i = 0; i < numbering_.size(); i++) root_.push_back(i);
    for (auto [value, of] : schedule_.aliases) root_[size_t(numbering_[value])] = root(of);
    for (const Value& p : block_.params) stored(root(p)).is_kept = stored(root(p)).is_there = true;
    for (const Value& r : block_.results) stored(root(r)).is_kept = true;
  }
  int root(Ref r) const { return root_[size_t(numbering_[r])]; }
  Stored& stored(int value) { return stored_[size_t(value)]; }

  StepFacts facts_of(const Step& step) {
    StepFacts f;
    auto add = [this](std::vector<int>& to, Ref r) {
      if (int value = root(r); std::ranges::find(to, value) == to.end()) to.push_back(value);
    };
    for (Ref r : step.operands) add(f.reads, r);
    for (const Instance& i : step.group.instances)
      if (i.loads) add(f.reads, i.ref);
    for (int i = 0; step.node && i < step.node->n_results; i++) add(f.writes, {step.node, uint32_t(i)});
    for (const Output& o : step.group.outputs) add(f.writes, o.value);
    double product = 1;
    for (const auto* values : {&f.reads, &f.writes})
      for (int v : *values) f.cost += double(stored(v).bytes), product *= double(stored(v).bytes) / 4;
    // A contraction multiplies about as often as the root of its operands' and result's sizes multiplied.
    bool contracts = step.node && f.reads.size() == 2 && f.writes.size() == 1;
    if (contracts) f.cost += std::sqrt(product) / 4;
    f.is_repeatable = !step.base && !step.fills &&
                      !(step.node && (kind(step.node) == Kind::custom || kind(step.node) == Kind::region));
    for (Ref r : whole_reads(step)) f.is_repeatable &= stored(root(r)).is_kept;
    return f;
  }
  // Arrays that an index op in a group reads by way of its node: no other value can take their place.
  static std::vector<Ref> whole_reads(const Step& step) {
    std::vector<Ref> out;
    for (Ref r : step.operands)
      if (!step.node && r != step.base) out.push_back(r);
    return out;
  }

  void find_uses() {
    for (size_t s = 0; s < steps_.size(); s++) {
      for (int v : steps_[s].reads) stored(v).readers.push_back(int(s));
      for (int v : steps_[s].writes) stored(v).maker = stored(v).versions++ ? -1 : int(s);
    }
    for (Stored& v : stored_) v.versions = 0;
  }
  void find_repeatable() {
    std::vector<bool> is_read_whole(stored_.size());
    for (const Step& step : schedule_.steps)
      for (Ref r : whole_reads(step)) is_read_whole[size_t(root(r))] = true;
    for (size_t s = 0; s < steps_.size(); s++) {
      StepFacts& f = steps_[s];
      for (int v : f.reads) f.is_repeatable &= stored(v).is_kept || stored(v).is_repeatable;
      for (int v : f.writes)
        stored(v).is_repeatable = f.is_repeatable && stored(v).maker == int(s) && !is_read_whole[size_t(v)];
    }
  }

  // ---- the walk ----
  // Runs step `s`; where it runs again, for the value `wanted`, which the caller locks next.
  bool execute(int s, int wanted, int nested) {
    const StepFacts& f = steps_[size_t(s)];
    bool is_again = wanted >= 0;
    if (nested > kMostNested || runs_.size() >= kMostRuns * steps_.size()) return false;
    for (int v : f.reads) {
      if (!stored(v).is_there && !execute(stored(v).maker, v, nested + 1)) return false;
      stored(v).locks++;
    }
    if (!make_room(new_bytes(s, is_again))) return false;
    Run run{s, {}};
    for (int v : f.reads)
      if (stored(v).version) run.versions.push_back({v, stored(v).version});
    for (int v : f.writes) {
      int version = is_again ? ++stored(v).versions : 0;
      if (version) run.versions.push_back({v, version});
      if (stored(v).is_there) continue;  // a part of it came before; or it is made again beside what is wanted
      stored(v).is_there = true, stored(v).version = version;
      if (!stored(v).is_kept) used_ += stored(v).bytes;
    }
    runs_.push_back(std::move(run));
    for (int v : f.reads) {
      stored(v).locks--;
      if (!is_again) stored(v).next++;
      drop_if_done(v);
    }
    for (int v : f.writes)
      if (v != wanted) drop_if_done(v);
    return true;
  }
  // Where what it makes takes the place of an operand, nothing is added.
  int64_t new_bytes(int s, bool is_again) {
    const StepFacts& f = steps_[size_t(s)];
    int64_t bytes = 0;
    std::vector<int> donors;
    for (int v : f.reads) {
      const Stored& d = stored(v);
      bool ends = d.next + !is_again >= d.readers.size();
      if (!schedule_.steps[size_t(s)].node && !d.is_kept && d.locks == 1 && ends) donors.push_back(v);
    }
    for (int v : f.writes) {
      bool takes_none = is_again ? stored(v).is_kept && !stored(v).is_there : stored(v).is_kept || stored(v).is_there;
      if (takes_none) continue;
      auto donor = std::ranges::find_if(donors, [&](int d) { return stored(d).bytes == stored(v).bytes; });
      if (donor == donors.end()) bytes += stored(v).bytes;
      else donors.erase(donor);
    }
    return bytes;
  }
  void drop(int v) {
    stored(v).is_there = false;
    used_ -= stored(v).bytes;
  }
  void drop_if_done(int v) {
    const Stored& d = stored(v);
    if (!d.is_kept && d.is_there && !d.locks && !d.has_reader()) drop(v);
  }

  bool make_room(int64_t bytes) {
    while (used_ + bytes > budget_) {
      int victim = -1;
      double best = 0;
      for (size_t i = 0; i < stored_.size(); i++) {
        const Stored& d = stored_[i];
        if (!d.is_there || d.is_kept || d.locks || !d.is_repeatable || !d.bytes) continue;
        double distance = d.has_reader() ? d.readers[d.next] - now_ + 1 : double(steps_.size());
        double value = double(d.bytes) * distance / (1 + cost_of(int(i)));
        if (value > best) best = value, victim = int(i);
      }
      if (victim < 0) return false;
      drop(victim);
    }
    return true;
  }
  // Of having `value` again once it is gone, with everything that is gone already.
  double cost_of(int value) {
    double cost = 0;
    seen_.assign(steps_.size(), false);
    std::vector<int> open{stored(value).maker};
    while (!open.empty()) {
      int s = open.back();
      open.pop_back();
      if (s < 0 || seen_[size_t(s)]) continue;
      seen_[size_t(s)] = true;
      cost += steps_[size_t(s)].cost;
      for (int v : steps_[size_t(s)].reads)
        if (!stored(v).is_there) open.push_back(stored(v).maker);
    }
    return cost;
  }

  // ---- the schedule of what ran ----
  Schedule rebuilt() {
    Schedule out;
    out.aliases = schedule_.aliases;
    for (const Run& run : runs_) {
      out.steps.push_back(schedule_.steps[size_t(run.step)]);
      if (!run.versions.empty()) rename(out.steps.back(), run, out.aliases);
    }
    return out;
  }
  void rename(Step& step, const Run& run, std::vector<std::pair<Ref, Ref>>& aliases) {
    auto renamed = [&](Ref r) {
      int value = root(r);
      auto it = std::ranges::find(run.versions, value, &std::pair<int, int>::first);
      return it == run.versions.end() ? r : version_of(r, it->second, aliases);
    };
    for (Ref& r : step.operands) r = renamed(r);
    if (step.base) step.base = renamed(step.base);
    for (Use& u : step.group.uses)
      if (u.instance >= 0 && step.group.instances[size_t(u.instance)].loads) u.ref = renamed(u.ref);
    for (Instance& i : step.group.instances)
      if (i.loads) i.ref = renamed(i.ref);
    for (Output& o : step.group.outputs) o.value = renamed(o.value);
    bool is_again =
        step.node && std::ranges::any_of(run.versions, [&](auto v) { return v.first == root({step.node, 0}); });
    if (!is_again) return;
    Node* again = copy_of(step.node);
    for (int i = 0; i < step.node->n_results; i++) {
      int value = root({step.node, uint32_t(i)});
      auto it = std::ranges::find(run.versions, value, &std::pair<int, int>::first);
      versions_[{value, it->second}] = {again, uint32_t(i)};
    }
    step.node = again;
  }
  // Another node for the same value.
  Node* copy_of(Node* node) {
    block_.nodes.push_back(block_.recorder->again(node, node->ins()));
    Node* copy = block_.nodes.back().ref().node;
    numbering_.add(copy);
    return copy;
  }
  Ref version_of(Ref r, int version, std::vector<std::pair<Ref, Ref>>& aliases) {
    auto [it, is_new] = versions_.try_emplace({numbering_[r], version});
    if (!is_new) return it->second;
    Ref made = it->second = {copy_of(r.node), r.result};
    if (int value = root(r); value != numbering_[r]) aliases.push_back({made, versions_.at({value, version})});
    return made;
  }

  Block& block_;
  Numbering& numbering_;
  const Schedule& schedule_;
  int64_t budget_, used_ = 0;
  int now_ = 0;                    // the step of the given schedule that runs, or waits for others to run again
  std::vector<Stored> stored_;  // by number of value; those of aliases are not used
  std::vector<int> root_;
  std::vector<StepFacts> steps_;
  std::vector<Run> runs_;
  std::vector<bool> seen_;
  std::map<std::pair<int, int>, Ref> versions_;  // number of value, version
};

}  // namespace

std::optional<Schedule> recompute(Block& block, Numbering& numbering, const Schedule& schedule, int64_t budget) {
  return Recomputer(block, numbering, schedule, budget).run();
}

}  // namespace jt
