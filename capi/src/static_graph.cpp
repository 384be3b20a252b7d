// static_graph: graphs that are recorded once, and run, printed and kept.
#include "core/static_graph.h"

#include <jt/jt_graph.h>

#include "capi/src/guard.h"

using namespace jt;
using namespace jt::capi;

static StaticGraph* unwrap(jt_graph* graph) { return reinterpret_cast<StaticGraph*>(graph); }
static const StaticGraph* unwrap(const jt_graph* graph) { return reinterpret_cast<const StaticGraph*>(graph); }
static jt_graph* wrap(StaticGraph* graph) { return reinterpret_cast<jt_graph*>(graph); }

static StaticGraph& own_graph(Context& c, jt_graph* graph) {
  require(graph, "graph");
  if (unwrap(graph)->context != &c) fail(JT_E_WRONG_CONTEXT, "graph belongs to another context");
  return *unwrap(graph);
}

// ---- recording ------------------------------------------------------------------------------------------------------

static std::vector<std::string> names_of(std::string_view what, const char* const* names, size_t n) {
  std::vector<std::string> out;
  for (size_t i = 0; i < n; i++) {
    if (names) require(names[i], "names");
    out.push_back(names ? names[i] : text(what, '.', i));
    if (out.back().empty()) fail(JT_E_INVALID, what, ' ', i, " has an empty name");
    if (std::find(out.begin(), out.end() - 1, out.back()) != out.end() - 1)
      fail(JT_E_INVALID, "two ", what, "s are called '", out.back(), "'");
  }
  return out;
}

extern "C" jt_status jt_graph_begin(jt_context* ctx, const char* const* names, jt_tensor* const* inputs,
                                    size_t inputs_len, jt_tensor** outputs, size_t outputs_len) {
  for (size_t i = 0; outputs && i < outputs_len; i++) outputs[i] = nullptr;
  return guarded("jt_graph_begin", ctx, [&](Context& c) {
    if (inputs_len) require(inputs, "inputs"), require(outputs, "outputs");
    if (outputs_len != inputs_len) fail(JT_E_INVALID, "there are ", inputs_len, " inputs, but room for ", outputs_len);
    if (c.tracing()) fail(JT_E_INVALID, "a graph is being recorded already");
    if (c.recorder().loops_open) fail(JT_E_INVALID, "the body of a loop is being recorded");
    std::vector<Type> types;
    for (size_t i = 0; i < inputs_len; i++) types.push_back(operand(c, "inputs", inputs[i]).type());
    auto tracing = std::make_unique<Tracing>(c, types, names_of("input", names, inputs_len));
    give_handles(c, tracing->inputs(), outputs, outputs_len);
    c.begin_tracing(std::move(tracing));
  });
}

static Tracing& tracing_of(Context& c) {
  if (!c.tracing()) fail(JT_E_INVALID, "no graph is being recorded");
  return *c.tracing();
}

extern "C" jt_status jt_graph_name(jt_context* ctx, jt_tensor* tensor, const char* name, size_t name_len) {
  return guarded("jt_graph_name", ctx, [&](Context& c) {
    require(name, "name");
    std::string called(str("name", name, name_len));
    if (called.empty()) fail(JT_E_INVALID, "name is empty");
    Cell& cell = own_cell(c, "tensor", tensor);
    tracing_of(c).name(cell, called, cell.requires_grad);
  });
}

extern "C" jt_status jt_graph_end(jt_context* ctx, const char* const* names, jt_tensor* const* inputs,
                                  size_t inputs_len, jt_graph** out) {
  if (out) *out = nullptr;
  return guarded("jt_graph_end", ctx, [&](Context& c) {
    Tracing& tracing = tracing_of(c);
    struct Ends {
      Context& context;
      ~Ends() { context.end_tracing(); }
    } ends{c};
    require(out, "out");
    if (inputs_len) require(inputs, "inputs");
    std::vector<Ref> results;
    for (size_t i = 0; i < inputs_len; i++) results.push_back(operand(c, "inputs", inputs[i]));
    *out = wrap(tracing.finish(results, names_of("output", names, inputs_len)));
  });
}

extern "C" jt_status jt_graph_cancel(jt_context* ctx) {
  return guarded("jt_graph_cancel", ctx, [&](Context& c) { c.end_tracing(); });
}

extern "C" void jt_graph_retain(jt_graph* graph) {
  if (graph) unwrap(graph)->retain();
}
extern "C" void jt_graph_release(jt_graph* graph) { StaticGraph::release(unwrap(graph)); }

// ---- running --------------------------------------------------------------------------------------------------------

extern "C" jt_status jt_graph_run(jt_context* ctx, jt_graph* graph, jt_tensor* const* inputs, size_t inputs_len,
                                  jt_tensor** outputs, size_t outputs_len) {
  for (size_t i = 0; outputs && i < outputs_len; i++) outputs[i] = nullptr;
  return guarded("jt_graph_run", ctx, [&](Context& c) {
    Recycling recycling(c.lists());
    StaticGraph& g = own_graph(c, graph);
    if (inputs_len) require(inputs, "inputs");
    if (outputs_len) require(outputs, "outputs");
    if (outputs_len > g.graph.outputs.size())
      fail(JT_E_INVALID, "the graph gives ", g.graph.outputs.size(), " outputs, not ", outputs_len);
    List<Ref> values;
    for (size_t i = 0; i < inputs_len; i++) values.push_back(operand(c, "inputs", inputs[i]));
    List<Value> results = g.run(values);
    give_handles(c, results, outputs, outputs_len);
  });
}

// ---- parts ----------------------------------------------------------------------------------------------------------

extern "C" size_t jt_graph_count(const jt_graph* graph, jt_graph_part part) {
  if (!graph) return 0;
  const Graph& g = unwrap(graph)->graph;
  switch (part) {
    case JT_GRAPH_INPUT: return g.inputs.size();
    case JT_GRAPH_STATE: return g.states.size();
    case JT_GRAPH_CONSTANT: return g.constants.size();
    case JT_GRAPH_OUTPUT: return g.outputs.size();
    default: return 0;
  }
}

extern "C" jt_status jt_graph_part_get(const jt_graph* graph, jt_graph_part part, size_t i,
                                       jt_graph_part_info* inout) {
  return guarded("jt_graph_part_get", [&] {
    require(graph, "graph");
    if (i >= jt_graph_count(graph, part)) fail(JT_E_INVALID, "there is no part ", i, " of kind ", int(part));
    const Graph& g = unwrap(graph)->graph;
    bool is_state = part == JT_GRAPH_STATE;
    const std::string& name = part == JT_GRAPH_INPUT ? g.inputs[i] : is_state ? g.states[i].name
                              : part == JT_GRAPH_CONSTANT ? g.constants[i] : g.outputs[i];
    const Type& type = part == JT_GRAPH_INPUT ? g.input_type(i) : is_state ? g.state_type(i)
                       : part == JT_GRAPH_CONSTANT ? g.constant_type(i) : g.output_type(i);
    jt_graph_part_info info = {};
    info.dtype = type.dtype, info.name = name.c_str(), info.dims = type.shape.numbers(), info.ndim = type.shape.rank;
    info.is_parameter = is_state && g.states[i].is_parameter, info.changes = is_state && g.states[i].next >= 0;
    fill_sized("inout", inout, info);
  });
}

extern "C" jt_status jt_graph_state(jt_context* ctx, jt_graph* graph, const char* name, size_t name_len,
                                    jt_tensor** out) {
  if (out) *out = nullptr;
  return guarded("jt_graph_state", ctx, [&](Context& c) {
    StaticGraph& g = own_graph(c, graph);
    require(name, "name"), require(out, "out");
    std::string_view wanted = str("name", name, name_len);
    Cell* cell = g.state(wanted);
    if (!cell) fail(JT_E_NOT_FOUND, "the graph has no state called '", wanted, "'");
    retain(cell);
    *out = wrap(cell);
  });
}

extern "C" jt_status jt_graph_memory_get(jt_context* ctx, jt_graph* graph, jt_graph_memory* inout) {
  return guarded("jt_graph_memory_get", ctx, [&](Context& c) {
    StaticGraph& g = own_graph(c, graph);
    const SizedPlan& plan = g.plan();
    jt_graph_memory m = {};
    auto bytes = [](size_t n, auto type_of) {
      int64_t sum = 0;
      for (size_t i = 0; i < n; i++) sum += type_of(i).bytes();
      return sum;
    };
    m.steps = uint32_t(plan.plan->steps.size());
    m.inputs = bytes(g.graph.inputs.size(), [&](size_t i) { return g.graph.input_type(i); });
    m.states = bytes(g.graph.states.size(), [&](size_t i) { return g.graph.state_type(i); });
    m.constants = bytes(g.graph.constants.size(), [&](size_t i) { return g.graph.constant_type(i); });
    for (size_t i = 0; i < plan.sizing->output_bytes.size(); i++)
      if (plan.plan->output_from[i] < 0) m.outputs += plan.sizing->output_bytes[i];
    for (const Slot& slot : plan.sizing->slots) m.temporaries += slot.bytes;
    m.arena = plan.sizing->arena_bytes;
    fill_sized("inout", inout, m);
  });
}

// ---- text and files -------------------------------------------------------------------------------------------------

extern "C" jt_status jt_graph_text(const jt_graph* graph, char* dst, size_t dst_len, size_t* out_len) {
  return guarded("jt_graph_text", [&] {
    require(graph, "graph");
    give_text(to_text(unwrap(graph)->graph), dst, dst_len, out_len);
  });
}

extern "C" jt_status jt_graph_parse(jt_context* ctx, const char* source, size_t source_len, jt_graph** out) {
  if (out) *out = nullptr;
  return guarded("jt_graph_parse", ctx, [&](Context& c) {
    require(source, "source"), require(out, "out");
    *out = wrap(StaticGraph::of_text(c, str("source", source, source_len)));
  });
}

extern "C" jt_status jt_graph_save(jt_context* ctx, jt_graph* graph, const char* path, size_t path_len) {
  return guarded("jt_graph_save", ctx, [&](Context& c) {
    require(path, "path");
    own_graph(c, graph).save(std::string(str("path", path, path_len)));
  });
}

extern "C" jt_status jt_graph_load(jt_context* ctx, const char* path, size_t path_len, jt_graph** out) {
  if (out) *out = nullptr;
  return guarded("jt_graph_load", ctx, [&](Context& c) {
    require(path, "path"), require(out, "out");
    *out = wrap(StaticGraph::load(c, std::string(str("path", path, path_len))));
  });
}

extern "C" jt_status jt_graph_export_c(jt_context* ctx, jt_graph* graph, const char* folder, size_t folder_len,
                                       const char* name, size_t name_len) {
  return guarded("jt_graph_export_c", ctx, [&](Context& c) {
    require(folder, "folder"), require(name, "name");
    own_graph(c, graph).export_c(std::string(str("folder", folder, folder_len)),
                                 std::string(str("name", name, name_len)));
  });
}
