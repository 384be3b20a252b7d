#include "core/schedule/step_graph.h"

#include "core/schedule/group.h"

#include <algorithm>
#include <queue>

namespace jt {

int StepGraph::new_step(int position) {
  steps_.emplace_back();
  steps_.back().position = position;
  order_.add();
  is_merged_.push_back(false), is_empty_.push_back(false);
  return int(steps_.size()) - 1;
}

int StepGraph::new_group(const Shape& shape, int position) {
  int s = new_step(position);
  for (int i = 0; i < shape.rank; i++)
    if (!shape.is_unit(i)) steps_[size_t(s)].group.axes.push_back({shape[i]});
  return s;
}

void StepGraph::takes_place(int into, int gone) {
  is_merged_[size_t(gone)] = true;
  order_.takes_place(into, gone);
}
int StepGraph::new_step_behind(const std::vector<int>& parts, int position) {
  int whole = new_step(position);
  is_empty_[size_t(whole)] = true;
  for (int part : parts) precedes(part, whole), parts_.push_back({part, whole});
  return whole;
}

// ---- uses -----------------------------------------------------------------------------------------------------------

int StepGraph::add_use(int s, Ref ref, Coords coords) {
  Group& g = steps_[size_t(s)].group;
  int id = int(g.uses.size());
  g.uses.push_back({ref, std::move(coords), -1});
  if (ref.node->op == Op::constant) {
    if (g.uses.back().coords.limits.empty()) g.uses[size_t(id)].instance = add_instance(g, ref, Coords(), false);
    else info(ref).must = true, info(ref).uses.push_back({s, id});
  } else {
    info(ref).uses.push_back({s, id});
  }
  return id;
}

void StepGraph::add_output(int s, Ref value, int use, Coords coords) {
  steps_[size_t(s)].group.outputs.push_back({value, use, std::move(coords)});
  info(value).step = s;
}
void StepGraph::read_whole(int s, Ref ref) {
  info(ref).must = true;
  info(ref).readers.push_back(s);
  steps_[size_t(s)].operands.push_back(ref);
}
void StepGraph::load_all(Ref ref) {
  ValueInfo& v = info(ref);
  for (auto [s, id] : v.uses) {
    Group& g = steps_[size_t(s)].group;
    g.uses[size_t(id)].instance = add_instance(g, ref, g.uses[size_t(id)].coords, true);
    if (v.step >= 0) precedes(v.step, s);
  }
  v.uses.clear();
  if (v.step >= 0)
    for (int s : v.readers) precedes(v.step, s);
}

int add_instance(Group& g, Ref ref, const Coords& coords, bool loads) {
  for (size_t i = 0; i < g.instances.size(); i++)
    if (g.instances[i].ref == ref && g.instances[i].loads == loads && g.instances[i].coords == coords) return int(i);
  g.instances.push_back({ref, coords, loads, {}});
  return int(g.instances.size()) - 1;
}

Coords identity(const Shape& shape) {
  Coords c;
  int axis = 0;
  for (int i = 0; i < shape.rank; i++) {
    c.of.emplace_back();
    if (!shape.is_unit(i)) c.of.back().add(axis++, 1);
  }
  return c;
}

// ---- order ----------------------------------------------------------------------------------------------------------

Ref StepGraph::resolved(Ref r) {
  for (bool again = true; again;) {
    again = false;
    if (auto it = alias_.find(r); it != alias_.end()) r = it->second, again = true;
  }
  return r;
}

Schedule StepGraph::ordered() {
  for (Step& s : steps_) outer_axes_first(s.group);
  for (auto [value, of] : aliases_) alias_[value] = of;
  std::vector<std::vector<int>> after(steps_.size());
  std::vector<int> waits(steps_.size());
  auto edge = [&](int from, int to) {
    if (from >= 0 && from != to) after[size_t(from)].push_back(to), waits[size_t(to)]++;
  };
  auto reads = [&](Ref ref, int s) {
    Ref r = resolved(ref);
    edge(info(r).step, s);
  };
  for (auto [part, whole] : parts_) edge(part, whole);
  for (int s = 0; s < int(steps_.size()); s++) {
    for (Ref r : steps_[size_t(s)].operands) reads(r, s);
    for (const Instance& i : steps_[size_t(s)].group.instances)
      if (i.loads) reads(i.ref, s);
  }
  using Entry = std::pair<int, int>;  // position, step
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> ready;
  for (int s = 0; s < int(steps_.size()); s++)
    if (!waits[size_t(s)] && !is_merged_[size_t(s)]) ready.push({steps_[size_t(s)].position, s});
  Schedule out;
  size_t seen = 0;
  while (!ready.empty()) {
    int s = ready.top().second;
    ready.pop();
    seen++;
    if (!is_empty_[size_t(s)]) out.steps.push_back(std::move(steps_[size_t(s)]));
    for (int t : after[size_t(s)])
      if (!--waits[size_t(t)]) ready.push({steps_[size_t(t)].position, t});
  }
  size_t merged = size_t(std::count(is_merged_.begin(), is_merged_.end(), true));
  if (seen + merged != steps_.size()) fail(JT_E_INTERNAL, "fuse: steps wait for each other");
  std::reverse(aliases_.begin(), aliases_.end());  // operands of reshapes before their results
  out.aliases = std::move(aliases_);
  return out;
}

}  // namespace jt
