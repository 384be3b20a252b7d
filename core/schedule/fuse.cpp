#include "core/schedule/fuse.h"

#include <algorithm>
#include <map>
#include <queue>

#include "core/ir/index_expr.h"
#include "core/ir/type_rules.h"
#include "core/schedule/group.h"
#include "core/schedule/step_order.h"

namespace jt {

namespace {

constexpr int kMaxInstances = 128, kMaxOpenUses = 28;

struct ValueInfo {
  std::vector<std::pair<int, int>> uses;  // (step, use) not yet resolved
  std::vector<int> readers;               // steps that read its buffer whole (library calls, gathers)
  bool must = false;                      // its buffer is needed
  int step = -1;                          // that makes its buffer
};

class Fuser {
 public:
  Fuser(const Block& block, const Numbering& numbering) : block_(block), numbering_(numbering), infos_(size_t(numbering.size())) {}

  Schedule run() {
    for (const Value& r : block_.results) info(r).must = true;
    for (size_t i = block_.nodes.size(); i-- > 0;) visit(block_.nodes[i].ref().node, int(i));
    for (const Value& p : block_.params) load_all(p);
    for (Step& s : steps_) outer_axes_first(s.group);
    return ordered();
  }

 private:
  ValueInfo& info(Ref r) { return infos_[size_t(numbering_[r])]; }

  // ---- dependencies between steps ----
  int new_step(int position) {
    steps_.emplace_back();
    steps_.back().position = position;
    order_.add();
    is_merged_.push_back(false), is_empty_.push_back(false);
    return int(steps_.size()) - 1;
  }
  bool reaches(int from, int to) const { return order_.reaches(from, to); }
  void precedes(int from, int to) { order_.precedes(from, to); }

  // ---- uses ----
  // Registers that step `s` needs `ref` at `coords`; constants are resolved at once.
  int add_use(int s, Ref ref, Coords coords) {
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
  int add_instance(Group& g, Ref ref, const Coords& coords, bool loads) {
    for (size_t i = 0; i < g.instances.size(); i++)
      if (g.instances[i].ref == ref && g.instances[i].loads == loads && g.instances[i].coords == coords) return int(i);
    g.instances.push_back({ref, coords, loads, {}});
    return int(g.instances.size()) - 1;
  }
  void read_whole(int s, Ref ref) {
    info(ref).must = true;
    info(ref).readers.push_back(s);
    steps_[size_t(s)].operands.push_back(ref);
  }
  // All users load it; whoever makes it runs before them.
  void load_all(Ref ref) {
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

  // ---- visiting ----
  void visit(Node* node, int position) {
    switch (kind(node)) {
      case Kind::movement: return visit_movement(node, position);
      case Kind::library:
      case Kind::region:
      case Kind::custom: return visit_library(node, position);
      case Kind::constant:
      case Kind::source: return visit_source(node, position);
      case Kind::element:
      case Kind::cast:
      case Kind::reduce: return visit_computed(node, position);
      case Kind::index: return visit_index(node, position);
      default: fail(JT_E_INTERNAL, "fuse: ", name(node->op), " was not opened by simplify");
    }
  }

  bool is_needed(Ref ref) { return info(ref).must || !info(ref).uses.empty(); }

  // Unit axes are not walked: their coordinate is always 0.
  static Coords identity(const Shape& shape) {
    Coords c;
    int axis = 0;
    for (int i = 0; i < shape.rank; i++) {
      c.of.emplace_back();
      if (!shape.is_unit(i)) c.of.back().add(axis++, 1);
    }
    return c;
  }
  // A new flat group whose axes are those of `shape`.
  int new_group(const Shape& shape, int position) {
    int s = new_step(position);
    for (int i = 0; i < shape.rank; i++)
      if (!shape.is_unit(i)) steps_[size_t(s)].group.axes.push_back({shape[i]});
    return s;
  }
  void add_output(int s, Ref value, int use, Coords coords) {
    steps_[size_t(s)].group.outputs.push_back({value, use, std::move(coords)});
    info(value).step = s;
  }

  void visit_library(Node* node, int position) {
    bool needed = false;
    for (int i = 0; i < node->n_results; i++) needed |= is_needed({node, uint32_t(i)});
    if (!needed) return;
    int s = new_step(position);
    steps_[size_t(s)].node = node;
    for (int i = 0; i < node->n_results; i++) {
      info({node, uint32_t(i)}).step = s;
      load_all({node, uint32_t(i)});
    }
    for (int i = 0; i < node->n_inputs; i++) {
      Ref in = node->inputs()[i], read = library_operand(node, in);
      if (!(read == in)) steps_[size_t(s)].transposed |= 1u << i;
      read_whole(s, read);
    }
  }
  // Some rows read a transposed matrix in place.
  static Ref library_operand(const Node* node, Ref in) {
    if (!def(node->op).reads_transposed || in.node->op != Op::transpose) return in;
    auto axes = in.node->ints(0);
    int rank = int(axes.size());
    for (int i = 0; i < rank - 2; i++)
      if (axes[i] != i) return in;
    return axes[rank - 1] == rank - 2 ? in.node->inputs()[0] : in;
  }

  // A reshape, or a transpose that moves axes of extent 1 only.
  static bool keeps_bytes(const Node* node) {
    if (node->op == Op::reshape) return true;
    if (node->op != Op::transpose) return false;
    const Shape& x = node->inputs()[0].shape();
    int64_t previous = -1;
    for (int64_t axis : node->ints(0)) {
      if (same(x[int(axis)], 1)) continue;
      if (axis < previous) return false;
      previous = axis;
    }
    return true;
  }
  void visit_movement(Node* node, int position) {
    Ref ref{node, 0};
    ValueInfo& v = info(ref);
    if (v.must && keeps_bytes(node)) {
      Ref in = node->inputs()[0];
      aliases_.push_back({ref, in});
      info(in).must = true;
      for (int s : v.readers) info(in).readers.push_back(s);
    } else if (v.must) {
      make_root(node, position);
      return;
    }
    auto uses = std::move(v.uses);
    v.uses.clear();
    std::vector<std::pair<int, int>> stuck;
    for (auto [s, id] : uses)
      if (!pass(node, s, id)) stuck.push_back({s, id});
    if (stuck.empty()) return;
    info(ref).uses = std::move(stuck);
    if (node->op == Op::reshape) alias_for_loads(ref);
    else make_root(node, position);
  }
  // A reshape that no use can pass: its users load the operand's buffer under the new shape.
  void alias_for_loads(Ref ref) {
    Ref in = ref.node->inputs()[0];
    if (!info(ref).must) aliases_.push_back({ref, in});
    info(in).must = true;
    std::vector<int> users;
    for (auto [s, id] : info(ref).uses) users.push_back(s);
    load_all(ref);
    for (int s : users) info(in).readers.push_back(s);
  }
  // Moves a use from a movement's result to its operand; false if that cannot be written as an index map.
  bool pass(Node* node, int s, int id) {
    Group& g = steps_[size_t(s)].group;
    for (int attempt = 0; attempt < kMaxGroupAxes; attempt++) {
      std::vector<Dim> extents;
      for (const GroupAxis& a : g.axes) extents.push_back(a.extent);
      Coords in;
      AxisSplit split;
      Passage p = through(node, g.uses[size_t(id)].coords, extents, block_, &in, &split);
      if (p == Passage::no) return false;
      if (p == Passage::needs_split) {
        if (!split_axis(g, split)) return false;
        continue;
      }
      Ref operand = node->inputs()[0];
      Use& use = g.uses[size_t(id)];
      use.ref = operand, use.coords = std::move(in);
      if (operand.node->op == Op::constant && use.coords.limits.empty()) {
        use.instance = add_instance(g, operand, Coords(), false);
      } else {
        if (operand.node->op == Op::constant) info(operand).must = true;
        info(operand).uses.push_back({s, id});
      }
      return true;
    }
    return false;
  }

  void visit_source(Node* node, int position) {
    Ref ref{node, 0};
    bool is_constant = node->op == Op::constant;
    if (info(ref).must && (is_constant || node->op == Op::iota || info(ref).uses.empty())) {
      make_root(node, position);
      return;
    }
    if (node->op == Op::iota) {  // cheaper to compute again than to load
      std::vector<std::pair<int, int>> rest;
      for (auto [s, id] : info(ref).uses) {
        Group& g = steps_[size_t(s)].group;
        if (!g.uses[size_t(id)].coords.limits.empty()) { rest.push_back({s, id}); continue; }
        g.uses[size_t(id)].instance = add_instance(g, ref, g.uses[size_t(id)].coords, false);
      }
      info(ref).uses = std::move(rest);
      if (!info(ref).uses.empty()) make_root(node, position);
      return;
    }
    if (!info(ref).uses.empty()) visit_computed(node, position);
  }

  void visit_computed(Node* node, int position) {
    if (!is_needed({node, 0})) return;
    if (is_small_change(node)) repeat_in_users(node);
    if (!is_needed({node, 0})) return;
    merge_users({node, 0});
    int s = group_to_join(node);
    s < 0 ? make_root(node, position) : join(node, s);
  }

  // A 0-d value (a bias correction, a clipping factor) costs less to compute once in each launch than a launch of its own.
  bool is_small_change(const Node* node) {
    return !info({const_cast<Node*>(node), 0}).must && kind(node) != Kind::reduce && kind(node) != Kind::source &&
           kind(node) != Kind::index && node->results()[0].type.shape.rank == 0;
  }
  void repeat_in_users(Node* node) {
    Ref ref{node, 0};
    auto uses = std::move(info(ref).uses);
    std::vector<std::pair<int, int>> rest;
    std::vector<std::pair<int, int>> made;  // step, instance
    for (auto [s, id] : uses) {
      Group& g = steps_[size_t(s)].group;
      int step = s;  // lambdas cannot capture structured bindings everywhere yet
      auto known = std::find_if(made.begin(), made.end(), [step](auto m) { return m.first == step; });
      bool has_room = g.instances.size() < kMaxInstances && open_operands(g) + node->n_inputs <= kMaxOpenUses;
      bool has_limits = !g.uses[size_t(id)].coords.limits.empty();  // it is not that value everywhere
      if (has_limits || (known == made.end() && !has_room)) { rest.push_back({s, id}); continue; }
      if (known == made.end()) {
        int instance = add_instance(g, ref, Coords(), false);
        made.push_back({s, instance});
        compute(node, s, instance, Coords());
        known = std::prev(made.end());
      }
      steps_[size_t(s)].group.uses[size_t(id)].instance = known->second;
    }
    info(ref).uses = std::move(rest);
  }

  // ---- merging ----
  // Groups that walk the same axes and use the same value become one, so that it is computed once and read by both: the
  // two sums of a cross entropy, a mean and a variance.
  void merge_users(Ref ref) {
    int first = -1;
    std::vector<int> users;
    for (auto [s, id] : info(ref).uses)
      if (std::find(users.begin(), users.end(), s) == users.end()) users.push_back(s);
    for (int s : users) {
      if (first < 0) first = s;
      else if (can_merge(ref, first, s)) merge(first, s);
    }
  }
  bool can_merge(Ref ref, int a, int b) {
    const Step &sa = steps_[size_t(a)], &sb = steps_[size_t(b)];
    if (sa.node || sb.node || sa.group.is_flat_only || sb.group.is_flat_only) return false;
    if (reaches(a, b) || reaches(b, a)) return false;
    if (!have_same_walk(sa.group, sb.group)) return false;
    const Coords *ca = common_coords(ref, a), *cb = common_coords(ref, b);
    if (!ca || !cb || !(*ca == *cb)) return false;
    if (sa.group.instances.size() + sb.group.instances.size() > kMaxInstances) return false;
    return open_operands(sa.group) + open_operands(sb.group) <= kMaxOpenUses;
  }
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
  static size_t open_operands(const Group& g) {
    size_t open = g.outputs.size();
    for (const Use& u : g.uses) open += u.instance < 0 || g.instances[size_t(u.instance)].loads;
    return open;
  }
  void merge(int a, int b) {
    Step &into = steps_[size_t(a)], &from = steps_[size_t(b)];
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
      info(o.value).step = a;
      into.group.outputs.push_back(std::move(o));
    }
    for (size_t u = size_t(use_base); u < into.group.uses.size(); u++) {
      if (into.group.uses[u].instance >= 0) continue;
      for (auto& [s, id] : info(into.group.uses[u].ref).uses)
        if (s == b && id == int(u) - use_base) s = a, id = int(u);
    }
    for (Ref r : from.operands) {
      std::replace(info(r).readers.begin(), info(r).readers.end(), b, a);
      into.operands.push_back(r);
    }
    into.position = std::min(into.position, from.position);
    from.group = Group{}, from.operands.clear();
    is_merged_[size_t(b)] = true;
    order_.takes_place(a, b);
  }

  // ---- joining ----
  // The one set of coordinates at which a group uses the value, or null.
  const Coords* common_coords(Ref ref, int s) {
    const Coords* found = nullptr;
    for (auto [user, id] : info(ref).uses) {
      if (user != s) continue;
      const Coords& c = steps_[size_t(s)].group.uses[size_t(id)].coords;
      if (found && !(*found == c)) return nullptr;
      found = &c;
    }
    return found;
  }
  bool others_allow(Ref ref, int s) {
    for (auto [user, id] : info(ref).uses)
      if (user != s && reaches(user, s)) return false;
    for (int reader : info(ref).readers)
      if (reader == s || reaches(reader, s)) return false;
    return true;
  }
  bool has_other_users(Ref ref, int s) {
    if (info(ref).must) return true;
    for (auto [user, id] : info(ref).uses)
      if (user != s) return true;
    return false;
  }
  static bool is_costly(const Node* node) {
    return node->op == Op::random_bits || std::string_view(def(node->op).float_text).find('(') != std::string_view::npos;
  }

  bool can_join(Node* node, int s) {
    Ref ref{node, 0};
    Group& g = steps_[size_t(s)].group;
    if (steps_[size_t(s)].node) return false;
    const Coords* c = common_coords(ref, s);
    if (!c || !c->limits.empty()) return false;
    if (g.instances.size() >= kMaxInstances) return false;
    if (open_operands(g) + node->n_inputs > kMaxOpenUses) return false;
    if (!others_allow(ref, s)) return false;
    if (kind(node) == Kind::reduce && !can_reduce_in(node, g, *c)) return false;
    bool once = kind(node) == Kind::reduce ? visits_rows_once(g, *c, ref.shape()) : visits_once(g, *c, ref.shape());
    if (has_other_users(ref, s) && (!once || g.is_flat_only)) return false;
    return once || kind(node) == Kind::reduce || !is_costly(node) || leads_to_reduction(node, g, *c);
  }
  int group_to_join(Node* node) {
    for (auto [s, id] : info({node, 0}).uses)
      if (can_join(node, s)) return s;
    return -1;
  }

  void join(Node* node, int s) {
    Ref ref{node, 0};
    Coords coords = *common_coords(ref, s);
    ValueInfo& v = info(ref);
    Group& g = steps_[size_t(s)].group;
    bool shared = has_other_users(ref, s);
    int instance = add_instance(g, ref, coords, false), use = -1;
    std::vector<std::pair<int, int>> others;
    for (auto [user, id] : v.uses) {
      if (user != s) { others.push_back({user, id}); continue; }
      g.uses[size_t(id)].instance = instance;
      use = id;
    }
    v.uses = std::move(others);
    if (shared) {
      add_output(s, ref, use, coords);
      load_all(ref);
    }
    compute(node, s, instance, coords);
  }

  // Begins a group for a value that must have a buffer.
  void make_root(Node* node, int position) {
    Ref ref{node, 0};
    int s = new_group(ref.shape(), position);
    Coords coords = identity(ref.shape());
    if (kind(node) == Kind::movement) {
      int id = int(steps_[size_t(s)].group.uses.size());
      steps_[size_t(s)].group.uses.push_back({ref, coords, -1});
      add_output(s, ref, id, coords);
      load_all(ref);
      if (!pass(node, s, id)) fail(JT_E_INTERNAL, "fuse: ", name(node->op), " is not an index map of its operand");
      return;
    }
    Group& g = steps_[size_t(s)].group;
    int instance = add_instance(g, ref, coords, false);
    g.uses.push_back({ref, coords, instance});
    add_output(s, ref, 0, identity(ref.shape()));
    load_all(ref);
    compute(node, s, instance, coords);
  }

  // Registers what computing `node` at `coords` needs.
  void compute(Node* node, int s, int instance, const Coords& coords) {
    std::vector<int> uses;
    if (kind(node) == Kind::reduce) {
      uses.push_back(add_use(s, node->inputs()[0], reduced_coords(node, s, coords)));
    } else if (kind(node) == Kind::index) {
      uses = use_index_operands(node, s, coords);
    } else {
      for (Ref in : node->ins()) uses.push_back(add_use(s, in, in.shape().rank ? coords : Coords()));
    }
    steps_[size_t(s)].group.instances[size_t(instance)].uses = std::move(uses);
  }

  // Coordinates of a reduction's operand: kept axes as in the result, reduced axes along the group's inner axes, which
  // are made if there are none.
  Coords reduced_coords(Node* node, int s, const Coords& coords) {
    Group& g = steps_[size_t(s)].group;
    const Shape& x = node->inputs()[0].shape();
    bool keepdims = node->integer(1);
    uint32_t reduced = axis_set(node->ints(0)), kept = 0;
    for (const Coordinate& c : coords.of)
      if (c.n == 1) kept |= 1u << c.terms[0].axis;
    std::vector<int> inner;
    for (size_t a = 0; a < g.axes.size(); a++)
      if (!(kept >> a & 1)) g.axes[a].inner = true, inner.push_back(int(a));
    if (inner.empty())
      for (Dim extent : reduced_extents(node)) inner.push_back(int(g.axes.size())), g.axes.push_back({extent, true});
    Coords out;
    size_t next_inner = 0;
    for (int i = 0, o = 0; i < x.rank; i++) {
      if (reduced >> i & 1) {
        out.of.emplace_back().add(inner[next_inner++], 1);
        o += keepdims;
      } else {
        out.of.push_back(coords.of[size_t(o++)]);
      }
    }
    return out;
  }
  // ---- index rows ----
  void visit_index(Node* node, int position) {
    if (!is_needed({node, 0})) return;
    switch (node->op) {
      case Op::take:
      case Op::gather:
      case Op::reindex: return visit_computed(node, position);
      case Op::concat: return make_concat(node, position);
      default: return make_scatter(node, position);
    }
  }
  // take, gather, reindex: the operand is read whole, at addresses computed from the index, which is inlined.
  std::vector<int> use_index_operands(Node* node, int s, const Coords& coords) {
    read_whole(s, node->inputs()[0]);
    if (node->op == Op::reindex) return {};
    Coords index;
    index.limits = coords.limits;
    int axis = int(node->integer(0)), rank = node->inputs()[1].shape().rank;
    for (int i = 0; i < rank; i++) index.of.push_back(coords.of[size_t(node->op == Op::take ? axis + i : i)]);
    return {add_use(s, node->inputs()[1], index)};
  }
  // One group per operand; each stores its part. Whoever reads the whole waits for one empty step behind all of them.
  void make_concat(Node* node, int position) {
    Ref ref{node, 0};
    int axis = int(node->integer(0));
    Dim at = 0;
    std::vector<int> parts;
    for (Ref in : node->ins()) {
      if (in.shape()[axis] != 0) {
        int s = new_group(in.shape(), position);
        Coords coords = identity(in.shape()), place = coords;
        place.of[size_t(axis)].place.base = at;
        steps_[size_t(s)].group.is_flat_only = true;
        parts.push_back(s);
        add_output(s, ref, int(steps_[size_t(s)].group.uses.size()), place);
        add_use(s, in, coords);
      }
      at += in.shape()[axis];
    }
    if (parts.empty()) {  // nothing to store: an empty value
      int s = new_group(ref.shape(), position);
      steps_[size_t(s)].group.is_flat_only = true;
      add_output(s, ref, 0, identity(ref.shape()));
      add_use(s, node->inputs()[0], identity(node->inputs()[0].shape()));
      parts.push_back(s);
    }
    int whole = info(ref).step = new_step(position);
    is_empty_[size_t(whole)] = true;
    for (int part : parts) precedes(part, whole), parts_.push_back({part, whole});
    load_all(ref);
  }
  // update, scatter, scatter_add, reindex_reduce: a group over the values that come, storing into what was there.
  void make_scatter(Node* node, int position) {
    Ref ref{node, 0};
    bool reindexes = node->op == Op::reindex_reduce, updates = node->op == Op::update;
    Ref v = node->inputs()[reindexes ? 0 : updates ? 1 : 2];
    int s = new_group(v.shape(), position);
    Coords coords = identity(v.shape());
    Step& step = steps_[size_t(s)];
    step.group.is_flat_only = true;
    step.fills = reindexes;
    Output out{ref, 0, coords, reindexes ? Output::kByText : Output::kNone};
    if (node->op == Op::scatter_add) out.combine = Combine::add;
    if (node->op == Op::scatter) out.combine = combine_named(node->string(attr(Op::scatter, "combine")));
    if (reindexes) out.combine = combine_named(node->string(attr(Op::reindex_reduce, "combine")));
    if (updates) out.coords = update_coords(node, coords);
    info(ref).step = s;
    load_all(ref);
    out.use = add_use(s, v, coords);
    if (!reindexes) {
      steps_[size_t(s)].base = node->inputs()[0];
      read_whole(s, node->inputs()[0]);
    }
    if (!reindexes && !updates) {
      Coords index;
      Ref i = node->inputs()[1];
      int axis = int(node->integer(attr_at(node, "axis")));
      for (int k = 0; k < i.shape().rank; k++) index.of.push_back(coords.of[size_t(node->op == Op::scatter_add ? axis + k : k)]);
      out.index_use = add_use(s, i, index);
    }
    steps_[size_t(s)].group.outputs.push_back(out);
  }
  static Combine combine_named(std::string_view text) {
    for (int i = 0; i <= int(Combine::min); i++)
      if (text == name(Combine(i))) return Combine(i);
    return Combine::set;
  }
  static Coords update_coords(const Node* node, const Coords& v) {
    Coords out = v;
    for (size_t i = 0; i < v.of.size(); i++) {
      Coordinate c;
      if (v.of[i].n) c.add(v.of[i].terms[0].axis, node->ints(attr(Op::update, "steps"))[i]);
      if (node->origin >= 0) c.place.add({0, {{node->origin + int(i), 1}}});
      else c.place.base = node->ints(attr(Op::update, "starts"))[i];
      out.of[i] = c;
    }
    return out;
  }

  // ---- finishing ----
  Ref resolved(Ref r) {
    for (bool again = true; again;) {
      again = false;
      if (auto it = alias_.find(r); it != alias_.end()) r = it->second, again = true;
    }
    return r;
  }

  // Program order, except where a step waits for another.
  Schedule ordered() {
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

  struct RefOrder {
    bool operator()(Ref a, Ref b) const { return a.node != b.node ? a.node < b.node : a.result < b.result; }
  };

  const Block& block_;
  const Numbering& numbering_;
  std::vector<ValueInfo> infos_;
  std::vector<Step> steps_;
  std::vector<bool> is_merged_;              // into another step
  std::vector<bool> is_empty_;               // stands for several others
  StepOrder order_;
  std::vector<std::pair<Ref, Ref>> aliases_;
  std::map<Ref, Ref, RefOrder> alias_;
  std::vector<std::pair<int, int>> parts_;   // (step, empty step behind it)
};

}  // namespace

Schedule fuse(const Block& block, const Numbering& numbering) { return Fuser(block, numbering).run(); }

}  // namespace jt
