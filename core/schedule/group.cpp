#include "core/schedule/group.h"

namespace jt {

static bool splits(Coordinate& c, int axis, std::span<const int> parts, std::span<const int64_t> extents) {
  for (int t = 0; t < c.n; t++) {
    if (c.terms[t].axis != axis) continue;
    int64_t factor = c.terms[t].factor;
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
    for (int64_t extent : split.extents) parts.push_back(int(axes.size())), axes.push_back({extent, g.axes[size_t(i)].inner});
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

static void append_value(std::string& out, Ref r) { append(out, text("%", r.node->results()[r.result].number)); }

std::string to_text(const Schedule& schedule, const Block&) {
  std::string out = "# f\n";
  for (auto [value, of] : schedule.aliases) {
    append_value(out, value), out += " is ", append_value(out, of), out += '\n';
  }
  for (size_t s = 0; s < schedule.steps.size(); s++) {
    const Step& step = schedule.steps[s];
    append(out, text("step ", s, ": "));
    if (step.node) {
      append(out, text("library ", name(step.node->op)));
      for (Ref r : step.operands) out += ' ', append_value(out, r);
      append(out, text(" -> %", step.node->results()[0].number, '\n'));
      continue;
    }
    out += "group [";
    for (size_t a = 0; a < step.group.axes.size(); a++)
      append(out, text(a ? " " : "", step.group.axes[a].extent, step.group.axes[a].inner ? "r" : ""));
    out += "]";
    for (size_t i = step.group.instances.size(); i-- > 0;) {
      const Instance& instance = step.group.instances[i];
      out += instance.loads ? " load " : text(" ", name(instance.ref.node->op), " ");
      append_value(out, instance.ref);
    }
    out += " ->";
    for (const Output& o : step.group.outputs) out += ' ', append_value(out, o.value);
    if (step.base) out += " over ", append_value(out, step.base);
    out += '\n';
  }
  return out;
}

}  // namespace jt
