// joining: which groups become one, and which group a value is computed in.
#include <algorithm>

#include "core/schedule/group.h"
#include "core/schedule/step_graph.h"

namespace jt {

size_t open_operands(const Group& g) {
  size_t open = g.outputs.size();
  for (const Use& u : g.uses) open += u.instance < 0 || g.instances[size_t(u.instance)].loads;
  return open;
}

const Coords* common_coords(StepGraph& graph, Ref ref, int s) {
  const Coords* found = nullptr;
  for (auto [user, id] : graph.info(ref).uses) {
    if (user != s) continue;
    const Coords& c = graph.group(s).uses[size_t(id)].coords;
    if (found && !(*found == c)) return nullptr;
    found = &c;
  }
  return found;
}

// ---- merging --------------------------------------------------------------------------------------------------------

// The same axes; where one reduces, the other reduces the same, or nothing: its elements come row by row then.
static bool have_same_walk(const Group& a, const Group& b) {
  if (a.axes.size() != b.axes.size()) return false;
  bool reduces[2] = {}, differs = false;
  for (size_t i = 0; i < a.axes.size(); i++) {
    if (!same(a.axes[i].extent, b.axes[i].extent)) return false;
    reduces[0] |= a.axes[i].inner, reduces[1] |= b.axes[i].inner, differs |= a.axes[i].inner != b.axes[i].inner;
  }
  return !differs || !reduces[0] || !reduces[1];
}

static bool can_merge(StepGraph& graph, Ref ref, int a, int b) {
  const Step &sa = graph.step(a), &sb = graph.step(b);
  if (sa.node || sb.node || sa.group.is_flat_only || sb.group.is_flat_only) return false;
  if (graph.reaches(a, b) || graph.reaches(b, a)) return false;
  if (!have_same_walk(sa.group, sb.group)) return false;
  const Coords *ca = common_coords(graph, ref, a), *cb = common_coords(graph, ref, b);
  if (!ca || !cb || !(*ca == *cb)) return false;
  if (sa.group.instances.size() + sb.group.instances.size() > kMaxInstances) return false;
  return open_operands(sa.group) + open_operands(sb.group) <= kMaxOpenUses;
}

static void merge(StepGraph& graph, int a, int b) {
  Step &into = graph.step(a), &from = graph.step(b);
  int use_base = int(into.group.uses.size()), instance_base = int(into.group.instances.size());
  for (size_t i = 0; i < into.group.axes.size(); i++) into.group.axes[i].inner |= from.group.axes[i].inner;
  for (Use& u : from.group.uses) {
    if (u.instance >= 0) u.instance += instance_base;
    into.group.uses.push_back(std::move(u));
  }
  for (Instance& i : from.group.instances) {
    for (int& use : i.uses) use += use_base;
    into.group.instances.push_back(std::move(i));
  }
  for (Output& o : from.group.outputs) {
    o.use += use_base;
    if (o.index_use >= 0) o.index_use += use_base;
    graph.info(o.value).step = a;
    into.group.outputs.push_back(std::move(o));
  }
  for (size_t u = size_t(use_base); u < into.group.uses.size(); u++) {
    if (into.group.uses[u].instance >= 0) continue;
    for (auto& [s, id] : graph.info(into.group.uses[u].ref).uses)
      if (s == b && id == int(u) - use_base) s = a, id = int(u);
  }
  for (Ref r : from.operands) {
    std::replace(graph.info(r).readers.begin(), graph.info(r).readers.end(), b, a);
    into.operands.push_back(r);
  }
  into.position = std::min(into.position, from.position);
  from.group = Group{}, from.operands.clear();
  graph.takes_place(a, b);
}

void merge_users(StepGraph& graph, Ref ref) {
  int first = -1;
  std::vector<int> users;
  for (auto [s, id] : graph.info(ref).uses)
    if (std::find(users.begin(), users.end(), s) == users.end()) users.push_back(s);
  for (int s : users) {
    if (first < 0) first = s;
    else if (can_merge(graph, ref, first, s)) merge(graph, first, s);
  }
}

// ---- joining --------------------------------------------------------------------------------------------------------

bool has_other_users(StepGraph& graph, Ref ref, int s) {
  if (graph.info(ref).must) return true;
  for (auto [user, id] : graph.info(ref).uses)
    if (user != s) return true;
  return false;
}
static bool others_allow(StepGraph& graph, Ref ref, int s) {
  for (auto [user, id] : graph.info(ref).uses)
    if (user != s && graph.reaches(user, s)) return false;
  for (int reader : graph.info(ref).readers)
    if (reader == s || graph.reaches(reader, s)) return false;
  return true;
}
static bool is_costly(const Node* node) {
  return node->op == Op::random_bits || std::string_view(def(node->op).float_text).find('(') != std::string_view::npos;
}

static bool can_join(StepGraph& graph, Node* node, int s) {
  Ref ref{node, 0};
  Group& g = graph.group(s);
  if (graph.step(s).node) return false;
  const Coords* c = common_coords(graph, ref, s);
  if (!c || !c->limits.empty()) return false;
  if (g.instances.size() >= kMaxInstances) return false;
  if (open_operands(g) + node->n_inputs > kMaxOpenUses) return false;
  if (!others_allow(graph, ref, s)) return false;
  if (kind(node) == Kind::reduce && !can_reduce_in(node, g, *c)) return false;
  bool once = kind(node) == Kind::reduce ? visits_rows_once(g, *c, ref.shape()) : visits_once(g, *c, ref.shape());
  if (has_other_users(graph, ref, s) && (!once || g.is_flat_only)) return false;
  return once || kind(node) == Kind::reduce || !is_costly(node) || leads_to_reduction(node, g, *c);
}

int group_to_join(StepGraph& graph, Node* node) {
  for (auto [s, id] : graph.info({node, 0}).uses)
    if (can_join(graph, node, s)) return s;
  return -1;
}

}  // namespace jt
