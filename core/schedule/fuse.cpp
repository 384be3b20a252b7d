#include "core/schedule/fuse.h"

#include <algorithm>

#include "core/ir/body.h"
#include "core/ir/index_expr.h"
#include "core/ir/type_rules.h"
#include "core/schedule/group.h"
#include "core/schedule/step_graph.h"

namespace jt {

namespace {

bool is_half(DType t) { return wide(t) != t; }

class Fuser {
 public:
  Fuser(const Block& block, const Numbering& numbering, bool reads_halves)
      : graph_(block, numbering), reads_halves_(reads_halves) {}

  Schedule run() {
    const Block& block = graph_.block;
    for (const Value& r : block.results) graph_.info(r).must = true;
    for (size_t i = block.nodes.size(); i-- > 0;) visit(block.nodes[i].ref().node, int(i));
    for (const Value& p : block.params) graph_.load_all(p);
    return graph_.ordered();
  }

 private:
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

  void visit_library(Node* node, int position) {
    bool needed = false;
    for (int i = 0; i < node->n_results; i++) needed |= graph_.is_needed({node, uint32_t(i)});
    if (!needed) return;
    int s = graph_.new_step(position);
    graph_.step(s).node = node;
    for (int i = 0; i < node->n_results; i++) {
      graph_.info({node, uint32_t(i)}).step = s;
      graph_.load_all({node, uint32_t(i)});
    }
    bool of_halves = multiplies_halves(node);
    for (int i = 0; i < node->n_inputs; i++) {
      LibraryOperand x = library_operand(node, node->inputs()[i], of_halves);
      if (x.is_transposed) graph_.step(s).transposed |= 1u << i;
      graph_.read_whole(s, x.read);
    }
  }
  // Some rows read a transposed matrix in place, and what was cast as it was.
  struct LibraryOperand {
    Ref read;
    bool is_transposed = false;
  };
  static LibraryOperand library_operand(const Node* node, Ref in, bool before_cast) {
    LibraryOperand out{in};
    if (!def(node->op).reads_transposed) return out;
    for (;; out.read = out.read.node->inputs()[0]) {
      const Node* made = out.read.node;
      if (made->op == Op::cast && before_cast && is_half(made->inputs()[0].dtype())) continue;
      if (out.is_transposed || made->op != Op::transpose || !swaps_last_axes(made)) return out;
      out.is_transposed = true;
    }
  }
  static bool swaps_last_axes(const Node* transpose) {
    auto axes = transpose->ints(0);
    int rank = int(axes.size());
    for (int i = 0; i < rank - 2; i++)
      if (axes[i] != i) return false;
    return axes[rank - 1] == rank - 2;
  }
  // Both operands were halves of one kind.
  bool multiplies_halves(const Node* node) const {
    if (!reads_halves_ || node->op != Op::matmul || node->results()[0].type.dtype != JT_F32) return false;
    DType x = library_operand(node, node->inputs()[0], true).read.dtype();
    return is_half(x) && library_operand(node, node->inputs()[1], true).read.dtype() == x;
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
    ValueInfo& v = graph_.info(ref);
    if (v.must && keeps_bytes(node)) {
      Ref in = node->inputs()[0];
      graph_.add_alias(ref, in);
      graph_.info(in).must = true;
      for (int s : v.readers) graph_.info(in).readers.push_back(s);
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
    graph_.info(ref).uses = std::move(stuck);
    if (node->op == Op::reshape) alias_for_loads(ref);
    else make_root(node, position);
  }
  // A reshape that no use can pass: its users load the operand's buffer under the new shape.
  void alias_for_loads(Ref ref) {
    Ref in = ref.node->inputs()[0];
    if (!graph_.info(ref).must) graph_.add_alias(ref, in);
    graph_.info(in).must = true;
    std::vector<int> users;
    for (auto [s, id] : graph_.info(ref).uses) users.push_back(s);
    graph_.load_all(ref);
    for (int s : users) graph_.info(in).readers.push_back(s);
  }
  // Moves a use from a movement's result to its operand; false if that cannot be written as an index map.
  bool pass(Node* node, int s, int id) {
    Group& g = graph_.group(s);
    for (int attempt = 0; attempt < kMaxGroupAxes; attempt++) {
      std::vector<Dim> extents;
      for (const GroupAxis& a : g.axes) extents.push_back(a.extent);
      Coords in;
      AxisSplit split;
      Passage p = through(node, g.uses[size_t(id)].coords, extents, graph_.block, &in, &split);
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
        if (operand.node->op == Op::constant) graph_.info(operand).must = true;
        graph_.info(operand).uses.push_back({s, id});
      }
      return true;
    }
    return false;
  }

  void visit_source(Node* node, int position) {
    Ref ref{node, 0};
    bool is_constant = node->op == Op::constant;
    if (graph_.info(ref).must && (is_constant || node->op == Op::iota || graph_.info(ref).uses.empty())) {
      make_root(node, position);
      return;
    }
    if (node->op == Op::iota) {  // cheaper to compute again than to load
      std::vector<std::pair<int, int>> rest;
      for (auto [s, id] : graph_.info(ref).uses) {
        Group& g = graph_.group(s);
        if (!g.uses[size_t(id)].coords.limits.empty()) { rest.push_back({s, id}); continue; }
        g.uses[size_t(id)].instance = add_instance(g, ref, g.uses[size_t(id)].coords, false);
      }
      graph_.info(ref).uses = std::move(rest);
      if (!graph_.info(ref).uses.empty()) make_root(node, position);
      return;
    }
    if (!graph_.info(ref).uses.empty()) visit_computed(node, position);
  }

  void visit_computed(Node* node, int position) {
    if (!graph_.is_needed({node, 0})) return;
    if (is_small_change(node)) repeat_in_users(node);
    if (!graph_.is_needed({node, 0})) return;
    merge_users(graph_, {node, 0});
    int s = group_to_join(graph_, node);
    s < 0 ? make_root(node, position) : join(node, s);
  }

  // A 0-d value (a bias correction, a clipping factor) costs less to compute once in each launch than a launch of its
  // own.
  bool is_small_change(const Node* node) {
    return !graph_.info({const_cast<Node*>(node), 0}).must && kind(node) != Kind::reduce &&
           kind(node) != Kind::source && kind(node) != Kind::index && node->results()[0].type.shape.rank == 0;
  }
  void repeat_in_users(Node* node) {
    Ref ref{node, 0};
    auto uses = std::move(graph_.info(ref).uses);
    std::vector<std::pair<int, int>> rest;
    std::vector<std::pair<int, int>> made;  // step, instance
    for (auto [s, id] : uses) {
      Group& g = graph_.group(s);
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
      graph_.group(s).uses[size_t(id)].instance = known->second;
    }
    graph_.info(ref).uses = std::move(rest);
  }

  void join(Node* node, int s) {
    Ref ref{node, 0};
    Coords coords = *common_coords(graph_, ref, s);
    ValueInfo& v = graph_.info(ref);
    Group& g = graph_.group(s);
    bool shared = has_other_users(graph_, ref, s);
    int instance = add_instance(g, ref, coords, false), use = -1;
    std::vector<std::pair<int, int>> others;
    for (auto [user, id] : v.uses) {
      if (user != s) { others.push_back({user, id}); continue; }
      g.uses[size_t(id)].instance = instance;
      use = id;
    }
    v.uses = std::move(others);
    if (shared) {
      graph_.add_output(s, ref, use, coords);
      graph_.load_all(ref);
    }
    compute(node, s, instance, coords);
  }

  // Begins a group for a value that must have a buffer.
  void make_root(Node* node, int position) {
    Ref ref{node, 0};
    int s = graph_.new_group(ref.shape(), position);
    Coords coords = identity(ref.shape());
    if (kind(node) == Kind::movement) {
      int id = int(graph_.group(s).uses.size());
      graph_.group(s).uses.push_back({ref, coords, -1});
      graph_.add_output(s, ref, id, coords);
      graph_.load_all(ref);
      if (!pass(node, s, id)) fail(JT_E_INTERNAL, "fuse: ", name(node->op), " is not an index map of its operand");
      return;
    }
    Group& g = graph_.group(s);
    int instance = add_instance(g, ref, coords, false);
    g.uses.push_back({ref, coords, instance});
    graph_.add_output(s, ref, 0, identity(ref.shape()));
    graph_.load_all(ref);
    compute(node, s, instance, coords);
  }

  // Registers what computing `node` at `coords` needs.
  void compute(Node* node, int s, int instance, const Coords& coords) {
    std::vector<int> uses;
    if (kind(node) == Kind::reduce) {
      uses.push_back(graph_.add_use(s, node->inputs()[0], reduced_coords(node, s, coords)));
    } else if (kind(node) == Kind::index) {
      uses = use_index_operands(graph_, node, s, coords);
    } else {
      for (Ref in : node->ins()) uses.push_back(graph_.add_use(s, in, in.shape().rank ? coords : Coords()));
    }
    graph_.group(s).instances[size_t(instance)].uses = std::move(uses);
  }

  // Coordinates of a reduction's operand: kept axes as in the result, reduced axes along the group's inner axes, which
  // are made if there are none.
  Coords reduced_coords(Node* node, int s, const Coords& coords) {
    Group& g = graph_.group(s);
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
  void visit_index(Node* node, int position) {
    if (!graph_.is_needed({node, 0})) return;
    switch (node->op) {
      case Op::take:
      case Op::gather:
      case Op::reindex: return visit_computed(node, position);
      case Op::concat: return make_concat(graph_, node, position);
      default: return make_scatter(graph_, node, position);
    }
  }

  StepGraph graph_;
  const bool reads_halves_;
};

}  // namespace

Schedule fuse(const Block& block, const Numbering& numbering, bool reads_halves) {
  return Fuser(block, numbering, reads_halves).run();
}

}  // namespace jt
