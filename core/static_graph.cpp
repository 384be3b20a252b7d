#include "core/static_graph.h"

#include <algorithm>

#include "core/capture.h"
#include "core/graph/export_c.h"
#include "core/io/safetensors.h"
#include "core/ir/eval.h"
#include "core/ir/region.h"
#include "core/runtime/stream.h"

namespace jt {

StaticGraph::StaticGraph(Context& c, Graph g, std::vector<Value> constants, std::vector<GraphNumber> numbers)
    : context(&c), graph(std::move(g)), device_(c.recorder().device), constants_(std::move(constants)),
      numbers_(std::move(numbers)), told_(numbers_.size()) {
  context->retain();
  for (const Scalar& s : graph.block.scalars) scalars_.push_back(s.bits);
  std::unordered_map<int32_t, int64_t> streams;  // by key
  for (const Value& v : graph.block.nodes) {
    const Node* n = v.ref().node;
    if (n->op == Op::random_bits) streams.emplace(n->origin, n->integer(attr_at(n, "stream")));
  }
  for (const GraphDraw& draw : graph.draws) streams_.push_back(streams[draw.key]);
  for (size_t i = 0; i < numbers_.size(); i++) told_[i] = numbers_[i].now();
}

StaticGraph::~StaticGraph() {
  for (Cell* cell : states_) jt::release(cell);
  for (GraphNumber& n : numbers_) jt::release(n.cell);
}

StaticGraph* StaticGraph::make(Context& context, Graph graph, std::span<Cell* const> states,
                               std::vector<Value> constants, std::vector<GraphNumber> numbers) {
  auto* made = new StaticGraph(context, std::move(graph), std::move(constants), std::move(numbers));
  made->states_.reserve(states.size());
  for (Cell* cell : states) jt::retain(cell), made->states_.push_back(cell);
  return made;
}

void StaticGraph::release(StaticGraph* graph) noexcept {
  if (!graph || graph->refs_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  Context* context = graph->context;
  delete graph;
  context->release();
}

Cell* StaticGraph::state(std::string_view name) const {
  for (size_t i = 0; i < states_.size(); i++)
    if (graph.states[i].name == name) return states_[i];
  return nullptr;
}

// ---- a run ----------------------------------------------------------------------------------------------------------

void StaticGraph::check_inputs(std::span<const Ref> inputs) const {
  if (inputs.size() != graph.inputs.size())
    fail(JT_E_INVALID, "graph: ", inputs.size(), " inputs, not ", graph.inputs.size());
  for (size_t i = 0; i < inputs.size(); i++) {
    const Type &wanted = graph.input_type(i), &given = inputs[i].type();
    if (given.dtype != wanted.dtype)
      fail(JT_E_DTYPE, "graph: input '", graph.inputs[i], "' is ", given, ", not ", wanted);
    if (!same_extents(given.shape, wanted.shape))
      fail(JT_E_SHAPE, "graph: input '", graph.inputs[i], "' is ", given, ", not ", wanted);
  }
}

void StaticGraph::refresh_numbers() {
  for (size_t i = 0; i < numbers_.size(); i++) {
    double now = numbers_[i].now();
    if (now == told_[i]) continue;
    context->assign(*numbers_[i].cell, context->data({JT_F64, {}}, &now));
    told_[i] = now;
  }
}

static bool carries_gradient(Ref r) { return is_float(r.dtype()) && r.node->flags & (kGrad | kGradLeaf); }

// A graph with states that change is a step of its own.
bool StaticGraph::is_recorded(std::span<const Ref> inputs) const {
  if (context->tracing() || context->recorder().loops_open) return true;
  bool changes = std::ranges::any_of(graph.states, [](const GraphState& s) { return s.next >= 0; });
  if (changes || !context->recorder().grad_mode) return false;
  return std::ranges::any_of(inputs, carries_gradient) ||
         std::ranges::any_of(states_, [](const Cell* cell) { return carries_gradient(cell->value); });
}

List<Value> StaticGraph::run(std::span<const Ref> inputs) {
  check_inputs(inputs);
  refresh_numbers();
  if (is_recorded(inputs)) return record(inputs);
  List<Value> held;
  List<Ref> pending;
  auto take = [&](Ref value) {
    held.push_back(context->to(value, device_));
    Ref there = held.back();
    context->recorder().check(there.node);
    if (!there.node->results()[there.result].buffer) pending.push_back(there);
  };
  for (Ref r : inputs) take(r);
  for (Cell* cell : states_) take(context->value_of(*cell));
  for (const Value& v : constants_) take(v);
  if (!pending.empty()) context->eval(pending);
  params_.clear();
  for (const Value& v : held) params_.push_back(v.ref().node->results()[v.ref().result].buffer);

  const bool overwrites = states_are_ours();
  held.clear();  // so that what is overwritten is held by its tensor alone
  Program& p = program(overwrites);
  count_draws();
  of_results_.clear();
  context->planner().execute({p.made, *p.arguments, params_, scalars_, graph.block.wheres, device_}, of_results_);
  List<Value> results;
  results.reserve(of_results_.size());
  for (size_t i = 0; i < of_results_.size(); i++) {
    Type type = graph.block.results[i].type();
    type.shape.units = 0;
    results.push_back(context->recorder().leaf(type, of_results_[i]));
  }
  for (size_t i = 0; i < states_.size(); i++)
    if (int32_t next = graph.states[i].next; next >= 0) context->assign(*states_[i], results[size_t(next)]);
  results.resize(graph.outputs.size());
  return results;
}

// The tensors of states that change are all that holds their values.
bool StaticGraph::states_are_ours() const {
  for (size_t i = 0; i < states_.size(); i++) {
    if (graph.states[i].next < 0) continue;
    Ref r = states_[i]->value;
    const Result& result = r.node->results()[r.result];
    bool is_ours = r.node->n_results == 1 && r.node->refs <= 2 && result.handles == 1 && is_exclusive(result.buffer) &&
                   params_[graph.first_state() + i] == result.buffer;
    if (!is_ours) return false;
  }
  return true;
}

StaticGraph::Program& StaticGraph::program(bool overwrites) {
  Program& p = programs_[overwrites];
  if (p.made) return p;
  std::vector<bool> dies(graph.block.params.size());
  for (size_t i = 0; i < graph.states.size(); i++)
    dies[graph.first_state() + i] = overwrites && graph.states[i].next >= 0;
  p.made = context->planner().plan_of(copied(graph.block), dies, device_);
  p.arguments = std::make_unique<Arguments>(*p.made.plan, *p.made.sizing);
  return p;
}

const SizedPlan& StaticGraph::plan() { return program(true).made; }

// The next draws of the context are this run's.
void StaticGraph::count_draws() {
  if (!graph.n_draws) return;
  Context::RandomState now = context->random();
  for (size_t i = 0; i < graph.draws.size(); i++) {
    const GraphDraw& draw = graph.draws[i];
    scalars_[size_t(draw.key)] = int64_t(random_key(now.seed, streams_[i]));
    scalars_[size_t(draw.key) + 1] = now.counter + draw.number;
  }
  now.counter += graph.n_draws;
  context->set_random(now);
}

// The block's nodes once more, among what is pending.
List<Value> StaticGraph::record(std::span<const Ref> inputs) {
  Recorder& recorder = context->recorder();
  if (graph.n_draws) context->check_may_draw();
  List<Value> held;
  List<Ref> args(inputs.begin(), inputs.end());
  for (Cell* cell : states_) args.push_back(context->value_of(*cell));
  for (const Value& v : constants_) args.push_back(v);
  Context::RandomState random = context->random();
  std::unordered_map<const Node*, Value> made;
  for (size_t i = 0; i < args.size(); i++) made.emplace(graph.block.params[i].ref().node, Value(args[i]));
  auto now = [&](Ref r) -> Ref {
    Ref first = made.at(r.node);
    return {first.node, first.result + r.result};
  };
  std::vector<Ref> in;
  for (const Value& v : graph.block.nodes) {
    Ref first = v;
    Node* node = first.node;
    in.clear();
    for (Ref r : node->ins()) in.push_back(now(r));
    Value copy = recorder.again(node, in);
    Node* here = copy.ref().node;
    if (here->origin != kCount) here->origin = kStructure;
    auto draw = std::ranges::find(graph.draws, node->op == Op::random_bits ? node->origin : -1, &GraphDraw::key);
    if (draw != graph.draws.end()) {
      auto set = [&](std::string_view name, int64_t value) {
        here->words()[here->attr_begins()[attr_at(here, name)]] = value;
      };
      set("seed", random.seed), set("counter", random.counter + draw->number);
    }
    made.emplace(node, std::move(copy));
  }
  List<Value> results;
  for (const Value& r : graph.block.results) results.push_back(Value(now(r)));
  for (size_t i = 0; i < states_.size(); i++)
    if (int32_t next = graph.states[i].next; next >= 0) context->assign(*states_[i], results[size_t(next)]);
  random.counter += graph.n_draws;
  context->set_random(random);
  results.resize(graph.outputs.size());
  return results;
}

// ---- files ----------------------------------------------------------------------------------------------------------

static constexpr const char *kTextKey = "jt.graph", *kVersionKey = "jt.version", *kVersion = "1";

void StaticGraph::save(const std::string& path) {
  std::vector<NamedTensor> tensors;
  List<Value> held;
  auto add = [&](const std::string& name, Value value) {
    held.push_back(std::move(value));
    Ref ref = held.back();
    const Type& type = ref.type();
    auto extents = type.shape.extents();
    const void* bytes = host_bytes(context->read(ref));
    tensors.push_back({name, type.dtype, {extents.begin(), extents.end()},
                       {static_cast<const char*>(bytes), size_t(type.bytes())}});
  };
  refresh_numbers();
  for (size_t i = 0; i < states_.size(); i++) add(graph.states[i].name, context->value_of(*states_[i]));
  for (size_t i = 0; i < constants_.size(); i++) add(graph.constants[i], constants_[i]);
  write_safetensors(path, tensors, {{kVersionKey, kVersion}, {kTextKey, to_text(graph)}});
}

// Makes a graph whose states and constants have the values that stored(name, type) gives.
template <class Stored>
static StaticGraph* with_values(Context& context, Graph graph, const Stored& stored) {
  struct Given {
    List<Cell*> cells;
    ~Given() {
      for (Cell* cell : cells) jt::release(cell);
    }
  } states;
  for (size_t i = 0; i < graph.states.size(); i++) {
    states.cells.push_back(context.cell(stored(graph.states[i].name, graph.state_type(i))));
    if (graph.states[i].is_parameter && is_float(graph.state_type(i).dtype))
      context.set_requires_grad(*states.cells.back(), true);
  }
  std::vector<Value> constants;
  for (size_t i = 0; i < graph.constants.size(); i++)
    constants.push_back(stored(graph.constants[i], graph.constant_type(i)));
  return StaticGraph::make(context, std::move(graph), states.cells, std::move(constants), {});
}

StaticGraph* StaticGraph::of_text(Context& context, std::string_view text) {
  return with_values(context, parse_graph(text), [&](const std::string&, const Type& type) {
    Value value = context.data({type.dtype, Shape(type.shape.extents())}, nullptr);
    std::memset(host_room(context.read(value)), 0, size_t(type.bytes()));
    return value;
  });
}

void StaticGraph::export_c(const std::string& folder, const std::string& name) {
  refresh_numbers();
  List<Value> held;
  for (Cell* cell : states_) held.push_back(context->value_of(*cell));
  held.insert(held.end(), constants_.begin(), constants_.end());
  std::vector<std::string_view> values;
  for (const Value& value : held) {
    const void* bytes = host_bytes(context->read(value));
    values.push_back({static_cast<const char*>(bytes), size_t(value.type().bytes())});
  }
  CFiles files = jt::export_c(graph, plan(), name, values);
  write_file(folder + "/" + name + ".c", files.source);
  write_file(folder + "/" + name + ".h", files.header);
}

StaticGraph* StaticGraph::load(Context& context, const std::string& path) {
  OpenTensorFile file(path);
  auto told = [&](std::string_view key) -> const std::string* {
    for (const auto& [name, value] : file.metadata())
      if (name == key) return &value;
    return nullptr;
  };
  const std::string *version = told(kVersionKey), *text = told(kTextKey);
  if (!text) fail(JT_E_IO, path, ": no graph: its metadata lacks ", kTextKey);
  if (!version || *version != kVersion)
    fail(JT_E_IO, path, ": a graph of version '", version ? *version : "", "', not ", kVersion);
  Graph graph;
  try {
    graph = parse_graph(*text);
  } catch (const Error& e) {
    fail(e.code() == JT_E_NOMEM ? JT_E_NOMEM : JT_E_IO, path, ": the graph's text: ", e.message());
  }
  auto stored = [&](const std::string& name, const Type& type) {
    const OpenTensorFile::Entry* entry = file.find(name);
    if (!entry) fail(JT_E_IO, path, ": the graph needs '", name, "', which the file lacks");
    std::span<const int64_t> dims = entry->dims, wanted{type.shape.numbers(), size_t(type.shape.rank)};
    if (entry->dtype != type.dtype || !std::ranges::equal(dims, wanted))
      fail(JT_E_IO, path, ": '", name, "' is ", entry->dtype, dims, ", in the graph ", type);
    Value value = context.data({type.dtype, Shape(dims)}, nullptr);
    file.read(*entry, static_cast<char*>(host_room(context.read(value))));
    return value;
  };
  return with_values(context, std::move(graph), stored);
}

}  // namespace jt
