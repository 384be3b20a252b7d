#include "core/schedule/group.h"

#include <algorithm>

#include "core/ir/type_rules.h"

namespace jt {

static bool splits(Coordinate& c, int axis, std::span<const int> parts, std::span<const Dim> extents) {
  for (int t = 0; t < c.n; t++) {
    if (c.terms[t].axis != axis) continue;
    Dim factor = c.terms[t].factor;
    c.terms[t] = c.terms[--c.n];
    for (size_t p = parts.size(); p-- > 0;) {
      if (!c.add(parts[p], factor)) return false;
      factor *= extents[p];
    }
    return true;
  }
  return true;
}
bool split_axis(Group& g, const AxisSplit& split) {
  if (g.axes.size() + split.extents.size() - 1 > kMaxGroupAxes) return false;
  Group changed = g;
  std::vector<int> parts;
  std::vector<int> renumber;
  std::vector<GroupAxis> axes;
  for (int i = 0; i < int(g.axes.size()); i++) {
    renumber.push_back(int(axes.size()));
    if (i != split.axis) { axes.push_back(g.axes[size_t(i)]); continue; }
    for (Dim extent : split.extents)
      parts.push_back(int(axes.size())), axes.push_back({extent, g.axes[size_t(i)].inner});
  }
  constexpr int kHole = 1 << 20;  // stands for the split axis while the others move
  auto change = [&](Coords& c) {
    for (const Limit& l : c.limits)
      if (l.axis == split.axis) return false;
    for (Limit& l : c.limits) l.axis = renumber[size_t(l.axis)];
    for (Coordinate& x : c.of) {
      for (int t = 0; t < x.n; t++)
        x.terms[t].axis = x.terms[t].axis == split.axis ? kHole : renumber[size_t(x.terms[t].axis)];
      if (!splits(x, kHole, parts, split.extents)) return false;
    }
    return true;
  };
  changed.axes = axes;
  for (Use& u : changed.uses) if (!change(u.coords)) return false;
  for (Instance& i : changed.instances) if (!change(i.coords)) return false;
  for (Output& o : changed.outputs) if (!change(o.coords)) return false;
  g = std::move(changed);
  return true;
}

void outer_axes_first(Group& g) {
  std::vector<int> order, place(g.axes.size());
  for (bool inner : {false, true})
    for (int a = 0; a < int(g.axes.size()); a++)
      if (g.axes[size_t(a)].inner == inner) place[size_t(a)] = int(order.size()), order.push_back(a);
  std::vector<GroupAxis> axes;
  for (int a : order) axes.push_back(g.axes[size_t(a)]);
  g.axes = axes;
  auto change = [&](Coords& c) {
    for (Limit& l : c.limits) l.axis = place[size_t(l.axis)];
    for (Coordinate& x : c.of)
      for (int t = 0; t < x.n; t++) x.terms[t].axis = place[size_t(x.terms[t].axis)];
  };
  for (Use& u : g.uses) change(u.coords);
  for (Instance& i : g.instances) change(i.coords);
  for (Output& o : g.outputs) change(o.coords);
}

bool visits_once(const Group& g, const Coords& c, const Shape& shape) {
  uint32_t seen = 0;
  for (int i = 0; i < shape.rank; i++) {
    const Coordinate& x = c.of[size_t(i)];
    if (x.n == 0 && x.is_plain() && same(shape[i], 1)) continue;
    if (x.n != 1 || !x.is_axis(x.terms[0].axis) || seen >> x.terms[0].axis & 1) return false;
    if (!same(g.axes[size_t(x.terms[0].axis)].extent, shape[i])) return false;
    seen |= 1u << x.terms[0].axis;
  }
  bool touches_inner = false;
  for (size_t a = 0; a < g.axes.size(); a++) touches_inner |= g.axes[a].inner && seen >> a & 1;
  for (size_t a = 0; a < g.axes.size(); a++)
    if (!(seen >> a & 1) && (!g.axes[a].inner || touches_inner)) return false;
  return true;
}

bool visits_rows_once(const Group& g, const Coords& c, const Shape& shape) {
  Group rows = g;
  for (size_t a = 0; a < g.axes.size(); a++) {
    bool is_kept = false;
    for (const Coordinate& x : c.of) is_kept |= x.n == 1 && x.terms[0].axis == int(a);
    if (!is_kept) rows.axes[a].inner = true;
  }
  return visits_once(rows, c, shape);
}

std::vector<Dim> reduced_extents(const Node* node) {
  std::vector<Dim> out;
  for (Dim axis : node->ints(0)) out.push_back(node->inputs()[0].shape()[int(axis)]);
  return out;
}

static bool all_same(std::span<const Dim> a, std::span<const Dim> b) {
  return std::ranges::equal(a, b, [](Dim x, Dim y) { return same(x, y); });
}

bool can_reduce_in(const Node* node, const Group& g, const Coords& c) {
  if (g.is_flat_only) return false;
  const Ref ref{const_cast<Node*>(node), 0};
  uint32_t kept = 0;
  for (int i = 0; i < ref.shape().rank; i++) {
    const Coordinate& x = c.of[size_t(i)];
    if (x.n == 0 && x.is_plain() && ref.shape().is_unit(i)) continue;  // kept as 1
    if (x.n != 1 || !x.is_axis(x.terms[0].axis) || !same(g.axes[size_t(x.terms[0].axis)].extent, ref.shape()[i]))
      return false;
    if (kept >> x.terms[0].axis & 1) return false;
    kept |= 1u << x.terms[0].axis;
  }
  std::vector<Dim> rest, wanted = reduced_extents(node);
  bool has_inner = false;
  for (size_t a = 0; a < g.axes.size(); a++) {
    has_inner |= g.axes[a].inner;
    if (g.axes[a].inner && kept >> a & 1) return false;
    if (!(kept >> a & 1)) rest.push_back(g.axes[a].extent);
  }
  if (has_inner) {
    for (size_t a = 0; a < g.axes.size(); a++)
      if (!g.axes[a].inner && !(kept >> a & 1)) return false;
    return all_same(rest, wanted);
  }
  if (rest.empty()) return g.axes.size() + wanted.size() <= kMaxGroupAxes;
  // One row only would leave nothing to share out between threads.
  return kept != 0 && all_same(rest, wanted);
}

bool leads_to_reduction(const Node* node, const Group& g, const Coords& c) {
  for (int depth = 0; depth < 8; depth++) {
    const Node* next = nullptr;
    for (int i = 0; i < node->n_inputs; i++) {
      const Ref in = node->inputs()[i];
      if (!all_same(in.shape().extents(), node->results()[0].type.shape.extents())) continue;
      if (kind(in.node) == Kind::reduce && can_reduce_in(in.node, g, c)) return true;
      if (kind(in.node) == Kind::element || kind(in.node) == Kind::cast) next = in.node;
    }
    if (!next) return false;
    node = next;
  }
  return false;
}

std::string to_text(const Schedule& schedule, const Numbering& numbering) {
  std::string out = "# f\n";
  auto append_value = [&](Ref r) { append(out, text("%", numbering[r])); };
  for (auto [value, of] : schedule.aliases) append_value(value), out += " is ", append_value(of), out += '\n';
  for (size_t s = 0; s < schedule.steps.size(); s++) {
    const Step& step = schedule.steps[s];
    append(out, text("step ", s, ": "));
    if (step.node) {
      append(out, text("library ", name(step.node->op)));
      for (Ref r : step.operands) out += ' ', append_value(r);
      append(out, text(" -> %", numbering[{step.node, 0}], '\n'));
      continue;
    }
    out += "group [";
    for (size_t a = 0; a < step.group.axes.size(); a++)
      append(out, text(a ? " " : "", step.group.axes[a].extent, step.group.axes[a].inner ? "r" : ""));
    out += "]";
    for (size_t i = step.group.instances.size(); i-- > 0;) {
      const Instance& instance = step.group.instances[i];
      out += instance.loads ? " load " : text(" ", name(instance.ref.node->op), " ");
      append_value(instance.ref);
    }
    out += " ->";
    for (const Output& o : step.group.outputs) out += ' ', append_value(o.value);
    if (step.base) out += " over ", append_value(step.base);
    out += '\n';
  }
  return out;
}

}  // namespace jt
