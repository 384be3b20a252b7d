// Nodes are looked at in program order, each after its inputs. A rewrite gives nodes that are looked at in turn, from a
// worklist; a node that no rewrite wants is *final*: entered in the table of equal nodes and listed. A node's inputs
// are final when it is looked at, so a chain of rewrites ends at a fixed point and one pass is enough.
#include "core/rewrite/simplify.h"

#include <algorithm>
#include <unordered_set>

#include "core/base/hash.h"
#include "core/ir/type_rules.h"
#include "core/rewrite/rule.h"

namespace jt {

// ---- equal nodes ----------------------------------------------------------------------------------------------------

static std::span<const uint8_t> attr_begins(const Node* n) {
  return {const_cast<Node*>(n)->attr_begins(), size_t(n->n_attrs) + 1};
}
static std::span<const Dim> attr_words(const Node* n) { return {const_cast<Node*>(n)->words(), n->n_words}; }

// A count stays itself: two that agree here may differ for other extents. Constants with an id are equal by it.
static bool same_constant(const Node* a, const Node* b) {
  if (a->origin == kCount) return a == b;
  return a->origin >= 0 || a->constant_bits == b->constant_bits;
}

struct SameNode {
  bool operator()(const Node* a, const Node* b) const {
    if (a->op != b->op || a->origin != b->origin || a->n_inputs != b->n_inputs) return false;
    if (a->op == Op::custom || (owns_blocks(a) && a->region != b->region)) return a == b;
    if (!std::equal(a->inputs(), a->inputs() + a->n_inputs, b->inputs())) return false;
    for (int i = 0; i < a->n_results; i++)
      if (!(a->results()[i].type == b->results()[i].type)) return false;
    if (a->op == Op::constant) return same_constant(a, b);
    return std::ranges::equal(attr_begins(a), attr_begins(b)) &&
           std::ranges::equal(attr_words(a), attr_words(b), {}, &Dim::word, &Dim::word);
  }
};

struct HashNode {
  size_t operator()(const Node* n) const {
    uint64_t hash = mix(uint64_t(n->op), uint64_t(int64_t(n->origin)));
    const Type& type = n->results()[0].type;
    hash = mix(hash, uint64_t(type.dtype) << 8 | type.shape.units);
    if (n->op == Op::constant && n->origin < 0) hash = mix(hash, uint64_t(n->constant_bits));
    for (Ref in : std::span(n->inputs(), n->n_inputs)) hash = mix(hash, uint64_t(in.node) + in.result);
    return hash_bytes(attr_words(n).data(), attr_words(n).size_bytes(), hash);
  }
};

// ---- nodes that results need ----------------------------------------------------------------------------------------

static std::vector<Value> live(Recorder& recorder, std::span<const Value> nodes, std::span<const Value> results) {
  uint32_t mark = recorder.next_mark();
  size_t count = 0;
  for (const Value& result : results) result.ref().node->mark = mark;
  for (size_t i = nodes.size(); i-- > 0;) {
    Node* node = nodes[i].ref().node;
    if (node->mark != mark) continue;
    for (Ref in : node->ins()) in.node->mark = mark;
    count++;
  }
  std::vector<Value> out;
  out.reserve(count);
  for (const Value& node : nodes)
    if (node.ref().node->mark == mark) out.push_back(node);
  return out;
}

// ---- the pass -------------------------------------------------------------------------------------------------------

namespace {

struct Pass {
  const SimplifyOptions& options;
  Recorder& recorder;
  ScalarTable scalars;
  uint32_t mark;            // of nodes whose end is known
  std::vector<Ref> ends;    // from results()[0].number of a marked node on: what its results became
  std::vector<Value> nodes; // the new list
  std::vector<Value> opened;
  std::unordered_set<Node*, HashNode, SameNode> known;

  bool has_end(const Node* n) const { return n->mark == mark; }
  void begin_ends(Node* n) {
    n->mark = mark;
    n->results()[0].number = int32_t(ends.size());
  }
  void set_end(Node* n, Node* same) {  // its results became those of another
    begin_ends(n);
    for (uint32_t i = 0; i < n->n_results; i++) ends.push_back({same, i});
  }
  void set_ends(Node* n, std::span<const Value> results) {
    begin_ends(n);
    for (const Value& result : results) ends.push_back(end_of(result));
  }
  Ref end_of(Ref x) const { return ends[size_t(x.node->results()[0].number) + x.result]; }

  bool precedes(Ref a, Ref b) const;
  Value on_final_inputs(Node* node);
  Rewrite rewrite(Ref node);
  Rewrite open(Node* node);
  void take(const Value& root);
};

}  // namespace

// Order of a commutative row's operands: constants last, else as listed.
bool Pass::precedes(Ref a, Ref b) const {
  if (is_constant(a) != is_constant(b)) return is_constant(b);
  int32_t at = a.node->results()[0].number, bt = b.node->results()[0].number;
  return at != bt ? at < bt : a.result < b.result;
}

static bool same_types(std::span<const Ref> a, std::span<const Ref> b) {
  return std::ranges::equal(a, b, [](Ref x, Ref y) { return x.type() == y.type(); });
}

// Types differ only in unit flags, and only after the body of a composite row that knows them less well than its rule.
Value Pass::on_final_inputs(Node* node) {
  if (!node->n_inputs) return Ref{node};
  std::vector<Ref> inputs(node->n_inputs);
  for (size_t i = 0; i < inputs.size(); i++) inputs[i] = end_of(node->inputs()[i]);
  if (def(node->op).commutes && precedes(inputs[1], inputs[0])) std::swap(inputs[0], inputs[1]);
  if (std::ranges::equal(inputs, node->ins())) return Ref{node};
  if (same_types(inputs, node->ins()) || node->op == Op::custom || owns_blocks(node))
    return recorder.again(node, inputs);
  recorder.line = node->line;
  Attrs attrs = node->attrs();
  Value made = recorder.record(node->op, inputs, attrs);
  made.ref().node->origin = node->origin;
  return made;
}

Rewrite Pass::open(Node* node) {
  auto [place, fresh] = known.insert(node);
  if (!fresh) return {"equal", Ref{*place}};
  opened.push_back(Ref{node});
  recorder.line = node->line;
  std::vector<Value> made(node->n_results);
  open_body(recorder, node->ins(), *node, made);
  return {"open", made[0], {made.begin() + 1, made.end()}};
}

// What the results of `node` became, one by one.
static std::vector<Value> results_of(const Rewrite& r, const Node* node) {
  std::vector<Value> out{r.to};
  out.insert(out.end(), r.others.begin(), r.others.end());
  for (uint32_t i = uint32_t(out.size()); i < node->n_results; i++) out.push_back(Ref{r.to.ref().node, i});
  return out;
}

// The value of a constant of class 0, 1 or -1 is part of the structure.
static Rewrite constant_by_class(Rewriting& with, Ref node) {
  if (!is_constant(node) || node.node->origin < 0) return {};
  ScalarClass c = with.scalars.class_of(node.node);
  if (c != ScalarClass::zero && c != ScalarClass::one && c != ScalarClass::minus_one) return {};
  return {"constant by class", with.recorder.constant_bits(node.dtype(), node.node->constant_bits)};
}

Rewrite Pass::rewrite(Ref node) {
  Rewriting with{recorder, scalars, options.fast_math, options.half_products};
  recorder.line = node.node->line;
  if (Rewrite r = empty(with, node)) return r;
  if (def(node.node->op).body) return open(node.node);
  for (auto* rules : {constant_by_class, fold, halves, movement, algebra})
    if (Rewrite r = rules(with, node)) return r;
  return {};
}

void Pass::take(const Value& root) {
  struct Item {
    Value node, looked_at;
    std::vector<Value> became;  // result by result; empty: not known yet
  };
  std::vector<Item> work(1);
  work[0].node = root;
  while (!work.empty()) {
    Node* node = work.back().node.ref().node;
    Node* waits_for = nullptr;
    if (has_end(node)) { work.pop_back(); continue; }
    if (!work.back().became.empty()) {
      for (const Value& became : work.back().became)
        if (!has_end(became.ref().node)) waits_for = became.ref().node;
      if (waits_for) { work.push_back({Ref{waits_for}, {}, {}}); continue; }
      Node* looked_at = work.back().looked_at.ref().node;
      set_ends(node, work.back().became);
      if (looked_at != node) set_ends(looked_at, work.back().became);
      work.pop_back();
      continue;
    }
    for (Ref in : node->ins())
      if (!has_end(in.node)) { waits_for = in.node; break; }
    if (waits_for) { work.push_back({Ref{waits_for}, {}, {}}); continue; }
    Value looked_at = on_final_inputs(node);
    Node* candidate = looked_at.ref().node;
    Rewrite r = rewrite(looked_at);
    if (r) {
      if (options.trace) options.trace(r.rule, looked_at, r.to);
      work.back().looked_at = looked_at, work.back().became = results_of(r, candidate);
      continue;
    }
    auto [place, fresh] = known.insert(candidate);
    if (fresh) {
      nodes.push_back(looked_at);
      set_end(candidate, candidate);
    } else if (options.trace && *place != node) {
      options.trace("equal", looked_at, Ref{*place});
    }
    if (!has_end(node)) set_end(node, *place);
    work.pop_back();
  }
}

Block simplify(Block block, const SimplifyOptions& options) {
  Recorder& recorder = *block.recorder;
  uint32_t line = recorder.line;
  std::vector<Value> todo = live(recorder, block.nodes, block.results);
  Pass pass{options, recorder, ScalarTable(block.scalars), recorder.next_mark(), {}, {}, {}, {}};
  pass.ends.reserve(todo.size() + block.params.size());
  pass.nodes.reserve(todo.size());
  pass.known.reserve(todo.size());
  for (const Value& param : block.params) pass.set_end(param.ref().node, param.ref().node);
  for (const Value& node : todo) pass.take(node);
  for (Value& result : block.results) result = pass.end_of(result);
  block.nodes = live(recorder, pass.nodes, block.results);
  recorder.line = line;
  return block;
}

}  // namespace jt
