#include "core/tracing.h"

#include <algorithm>
#include <unordered_set>

#include "core/capture.h"
#include "core/grad/grad.h"
#include "core/ir/custom.h"
#include "core/module.h"
#include "core/static_graph.h"

namespace jt {

static Type plain(Type type) {
  type.shape.units = 0;
  return type;
}

Tracing::Tracing(Context& context, std::span<const Type> inputs, std::vector<std::string> names)
    : context_(context), floor_(context.recorder().recorded()), random_(context.random()),
      input_names_(std::move(names)) {
  std::vector<Type> types;
  for (const Type& type : inputs) types.push_back(plain(type));
  Error error(JT_E_INVALID,
              "trace: a tensor of the graph that is being recorded has no value; "
              "read as a number it would be baked in");
  GradMode off(context_.recorder(), false);
  inputs_ = context_.recorder().placeholders(types, error);
  context_.each_trained([&](Cell& cell) {
    retain(&cell);
    if (cell.grad) retain(cell.grad);
    gradients_.push_back({&cell, cell.grad});
  });
}

// Everything stands again for what it stood for.
Tracing::~Tracing() {
  context_.each_trained([&](Cell& cell) { release(std::exchange(cell.grad, nullptr)); });
  for (Gradient& g : gradients_) {
    release(std::exchange(g.cell->grad, g.grad));
    release(g.cell);
  }
  for (Changed& c : changed_) {
    context_.assign(*c.cell, c.before);
    release(c.cell);
  }
  for (Named& n : named_) release(n.cell);
  for (GraphNumber& n : numbers_) release(n.cell);
  context_.set_random(random_);
}

// ---- names ----------------------------------------------------------------------------------------------------------

const Tracing::Named* Tracing::named(const Cell* cell) const {
  auto found = by_cell_.find(cell);
  return found == by_cell_.end() ? nullptr : &named_[found->second];
}

std::string Tracing::free_name(const std::string& name) const {
  std::string out = name;
  auto is_taken = [&] { return std::ranges::any_of(named_, [&](const Named& n) { return n.name == out; }); };
  for (int i = 1; is_taken(); i++) out = text(name, '.', i);
  return out;
}

void Tracing::name(Cell& cell, const std::string& name, bool is_parameter) {
  if (named(&cell)) return;
  named_.push_back({&cell, free_name(name), is_parameter});
  retain(&cell);
  by_cell_.emplace(&cell, named_.size() - 1);
}

void Tracing::name(const Module& module) {
  std::string path;
  std::vector<Cell*> parameters;
  auto add = [&](bool is_parameter) {
    return [this, is_parameter](const std::string& at, Cell* cell) { name(*cell, at, is_parameter); };
  };
  module.each_tensor(Module::parameters_part, path, add(true));
  module.each_tensor(Module::buffers_part, path, add(false));
}

std::string Tracing::prefix_of(const void* owner, const std::string& kind) {
  for (const auto& [known, prefix] : prefixes_)
    if (known == owner) return prefix;
  auto is_taken = [&](const std::string& name) {
    return std::ranges::any_of(prefixes_, [&](const auto& p) { return p.second == name; });
  };
  std::string out = kind;
  for (int i = 1; is_taken(out); i++) out = text(kind, '.', i);
  prefixes_.push_back({owner, out});
  return out;
}

Value Tracing::number(const void* owner, const std::string& field, std::function<double()> now) {
  std::string name = text(prefix_of(owner, "optimizer"), '.', field);
  for (const GraphNumber& n : numbers_)
    if (named(n.cell)->name == name) return context_.value_of(*n.cell);
  double value = now();
  numbers_.push_back({context_.cell(context_.data({JT_F64, {}}, &value)), std::move(now)});
  this->name(*numbers_.back().cell, name, false);
  return numbers_.back().cell->value;
}

// Gradients that are added up, then whatever else a run changes or trains.
void Tracing::name_the_rest() {
  for (const Gradient& g : gradients_)
    if (const Named* of = named(g.cell); of && g.grad) name(*g.grad, of->name + ".grad", false);
  for (const Changed& c : changed_) {
    bool is_parameter = c.cell->requires_grad;
    name(*c.cell, is_parameter ? "parameter" : "state", is_parameter);
  }
  context_.each_trained([&](Cell& cell) { name(cell, "parameter", true); });
}

// ---- what the program does ------------------------------------------------------------------------------------------

void Tracing::before_assign(Cell& cell) {
  if (std::ranges::any_of(changed_, [&](const Changed& c) { return c.cell == &cell; })) return;
  bool was_there = cell.value.ref().node->sequence <= floor_ || named(&cell);
  if (!was_there) return;
  changed_.push_back({&cell, context_.value_of(cell)});
  retain(&cell);
}

void Tracing::check_may_read(Ref value) const {
  const Node* node = value.node;
  bool is_placeholder = node->poison;
  bool is_made_here = node->sequence > floor_ && node->op == Op::data && !is_placeholder;
  if (is_made_here || node->op == Op::constant) return;
  context_.recorder().check(node);
  fail(JT_E_INVALID, "trace: the value of a tensor ", value.type(), node->sequence > floor_ ? "" : " from outside",
       " is read while a graph is recorded: it would be baked into the graph");
}

// ---- the graph ------------------------------------------------------------------------------------------------------

Value Tracing::before(Cell& cell) const {
  for (const Changed& c : changed_)
    if (c.cell == &cell) return c.before;
  return context_.value_of(cell);
}

bool Tracing::is_inside(const Node* node) const {
  return node->op == Op::constant || (node->op != Op::data && node->sequence > floor_);
}

// Those that the results need, in program order.
std::vector<Node*> Tracing::nodes_of(std::span<const Ref> results) const {
  std::unordered_set<const Node*> seen;
  std::vector<Node*> out;
  auto see = [&](Ref r) {
    if (is_inside(r.node) && seen.insert(r.node).second) out.push_back(r.node);
  };
  for (Ref r : results) see(r);
  for (size_t next = 0; next < out.size(); next++)
    for (Ref in : out[next]->ins()) see(in);
  std::ranges::sort(out, {}, &Node::sequence);
  int device = context_.recorder().device;
  for (const Node* node : out) {
    if (node->op == Op::custom)
      fail(JT_E_UNSUPPORTED, "trace: ", node->custom->name(),
           " cannot stand in a graph: a custom op runs between plans");
    if (node->op != Op::constant && node->device != device)
      fail(JT_E_UNSUPPORTED, "trace: ", jt::name(node->op), " runs on device ", int(node->device), ", not on ", device,
           " as the graph");
  }
  return out;
}

// Others than those of the context are what the program says.
std::vector<GraphDraw> Tracing::draws_of(const Block& block) const {
  std::vector<GraphDraw> out;
  const int64_t end = context_.random().counter;
  for (const Value& value : block.nodes) {
    const Node* n = value.ref().node;
    if (n->op != Op::random_bits) continue;
    auto number = [&](std::string_view what) { return n->integer(attr_at(n, what)); };
    const int64_t counter = number("counter");
    bool is_of_context = number("seed") == random_.seed && counter >= random_.counter && counter < end;
    if (is_of_context) out.push_back({n->origin, counter - random_.counter});
  }
  return out;
}

StaticGraph* Tracing::finish(std::span<const Ref> outputs, std::vector<std::string> names) {
  name_the_rest();
  std::vector<Ref> results(outputs.begin(), outputs.end());
  for (const Named& n : named_)
    if (std::ranges::any_of(changed_, [&](const Changed& c) { return c.cell == n.cell; }))
      results.push_back(context_.value_of(*n.cell));
  if (results.empty()) fail(JT_E_INVALID, "trace: the graph has no outputs, and no state changes");
  std::vector<Node*> nodes = nodes_of(results);

  // What they read from outside.
  std::unordered_set<const Node*> placeholders;
  for (const Value& v : inputs_) placeholders.insert(v.ref().node);
  std::vector<Ref> outside;
  auto see = [&](Ref r) {
    if (!is_inside(r.node) && !placeholders.contains(r.node) && std::ranges::find(outside, r) == outside.end())
      outside.push_back(r);
  };
  for (Node* node : nodes)
    for (Ref in : node->ins()) see(in);
  for (Ref r : results) see(r);

  Graph graph;
  graph.inputs = std::move(input_names_), graph.outputs = std::move(names);
  std::vector<Ref> leaves;
  for (const Value& v : inputs_) leaves.push_back(v);
  std::vector<Cell*> states;
  std::vector<Value> constants, held;
  int32_t next = int32_t(outputs.size());
  for (const Named& n : named_) {
    held.push_back(before(*n.cell));
    Ref value = held.back();
    bool changes = std::ranges::any_of(changed_, [&](const Changed& c) { return c.cell == n.cell; });
    auto used = std::ranges::find(outside, value);
    if (!changes && used == outside.end()) continue;
    if (used != outside.end()) outside.erase(used);
    leaves.push_back(value), states.push_back(n.cell);
    graph.states.push_back({n.name, n.is_parameter, changes ? next++ : -1});
  }
  for (Ref r : outside) {
    leaves.push_back(r), constants.push_back(Value(r));
    std::string name = text("constant.", graph.constants.size());
    auto is_taken = [&] { return std::ranges::any_of(graph.states, [&](const auto& s) { return s.name == name; }); };
    while (is_taken()) name += "_";
    graph.constants.push_back(name);
  }

  int32_t number = 0;
  for (Node* node : nodes)
    for (int k = 0; k < node->n_results; k++) node->results()[k].number = number++;
  for (size_t i = 0; i < leaves.size(); i++)
    leaves[i].node->results()[leaves[i].result].number = kLeaf + int32_t(i);
  graph.block = captured({nodes, leaves, results, {}, {}, {}});
  graph.draws = draws_of(graph.block);
  const Context::RandomState now = context_.random();
  if (now.seed == random_.seed) graph.n_draws = now.counter - random_.counter;
  return StaticGraph::make(context_, std::move(graph), states, std::move(constants), std::move(numbers_));
}

}  // namespace jt
