// optim: an optimiser handle: parameters' handles, their states, and a step that is one plan with its backward.
#include "capi/src/guard.h"
#include "core/grad/grad.h"
#include "core/ir/build.h"
#include "core/optim/init.h"
#include "core/optim/optimizer.h"
#include "core/tracing.h"

using namespace jt;
using namespace jt::capi;

struct jt_optimizer {
  // Parameters that share their fields.
  struct Group {
    Optimizer rule;
    std::vector<Cell*> params;               // counted
    std::vector<std::vector<Cell*>> states;  // counted; by param
    std::vector<int64_t> steps;              // by param: how many it has taken part in
  };
  std::atomic<int32_t> refs{1};
  Context* context;
  std::vector<std::unique_ptr<Group>> groups;
  Cell* step = nullptr;       // counted; i64, the steps of all params; null where no rule keeps anything
  uint64_t step_written = 0;  // sequence of the node it was last pointed at here; else the caller assigned to it
  std::vector<std::string> state_names;

  explicit jt_optimizer(Context& c) : context(&c) {}
  ~jt_optimizer() {
    for (auto& group : groups) {
      for (Cell* p : group->params) release(p);
      for (auto& list : group->states)
        for (Cell* s : list) release(s);
    }
    release(step);
  }
  size_t param_count() const {
    size_t n = 0;
    for (auto& group : groups) n += group->params.size();
    return n;
  }
};

// Adds a cell together with the caller's count on it, which is given back if there is no room.
static void take(std::vector<Cell*>& list, Cell* cell) {
  try {
    list.push_back(cell);
  } catch (...) {
    release(cell);
    throw;
  }
}

static Value step_value(Context& c, std::span<const int64_t> steps) {
  return c.data({JT_I64, Shape{int64_t(steps.size())}}, steps.data());
}

static List<int64_t> all_steps(const jt_optimizer& o) {
  List<int64_t> out;
  for (auto& group : o.groups) out.insert(out.end(), group->steps.begin(), group->steps.end());
  return out;
}

static Cell* zero_state(Context& c, const Cell& param) {
  Type type = Optimizer::state_type(param.type);
  Value zeros = c.data(type, nullptr);
  std::memset(host_room(c.read(zeros)), 0, type.bytes());
  return c.cell(zeros);
}

// Names the states of all groups, and gives `step` a place for each param, if anything is kept.
static void list_states(Context& c, jt_optimizer& o) {
  std::vector<std::string> names;
  size_t param = 0;
  for (auto& group : o.groups)
    for (size_t i = 0; i < group->params.size(); i++, param++)
      for (const std::string& name : group->rule.state_names()) names.push_back(text(name, ".", param));
  Cell* step = nullptr;
  if (!names.empty()) {
    names.push_back("step");
    step = c.cell(step_value(c, all_steps(o)));
  }
  release(std::exchange(o.step, step));
  if (step) o.step_written = step->value.ref().node->sequence;
  o.state_names = std::move(names);
}

// What the caller assigned to `step` counts.
static void read_steps(Context& c, jt_optimizer& o) {
  if (!o.step || c.value_of(*o.step).ref().node->sequence == o.step_written) return;
  const auto* given = static_cast<const unsigned char*>(host_bytes(c.read(o.step->value)));
  for (auto& group : o.groups)
    for (int64_t& steps : group->steps) std::memcpy(&steps, given, sizeof steps), given += sizeof steps;
  o.step_written = o.step->value.ref().node->sequence;
}

static void add_group(Context& c, jt_optimizer& o, std::string_view kind, std::span<const jt_attr> attrs,
                      std::span<jt_tensor* const> params) {
  auto made = std::make_unique<jt_optimizer::Group>(
      jt_optimizer::Group{Optimizer(kind, attrs), {}, {}, std::vector<int64_t>(params.size())});
  struct Given {  // until the optimiser has it
    jt_optimizer::Group& group;
    bool is_kept = false;
    ~Given() {
      if (is_kept) return;
      for (Cell* p : group.params) release(p);
      for (auto& list : group.states)
        for (Cell* s : list) release(s);
    }
  } given{*made};
  GradMode off(c.recorder(), false);
  for (size_t i = 0; i < params.size(); i++) {
    Cell& cell = own_cell(c, "params", params[i]);
    if (!is_float(cell.type.dtype))
      fail(JT_E_DTYPE, "param ", i, " is ", cell.type.dtype, ", not a floating-point dtype");
    bool is_known = std::find(made->params.begin(), made->params.end(), &cell) != made->params.end();
    for (auto& group : o.groups)
      is_known |= std::find(group->params.begin(), group->params.end(), &cell) != group->params.end();
    if (is_known) fail(JT_E_INVALID, "param ", i, " is named twice");
    retain(&cell);
    take(made->params, &cell);
    made->states.emplace_back();
    for (size_t k = 0; k < made->rule.state_names().size(); k++) take(made->states.back(), zero_state(c, cell));
  }
  read_steps(c, o);
  o.groups.push_back(std::move(made));
  given.is_kept = true;
  try {
    list_states(c, o);
  } catch (...) {
    given.is_kept = false;
    made = std::move(o.groups.back());
    o.groups.pop_back();
    throw;
  }
}

extern "C" jt_status jt_optimizer_create(jt_context* ctx, const char* kind, size_t kind_len, const jt_attr* attrs,
                                         size_t attrs_len, jt_tensor* const* params, size_t params_len,
                                         jt_optimizer** out) {
  if (out) *out = nullptr;
  return guarded("jt_optimizer_create", ctx, [&](Context& c) {
    require(out, "out"), require(kind, "kind"), require(params, "params");
    if (attrs_len) require(attrs, "attrs");
    auto made = std::make_unique<jt_optimizer>(c);
    add_group(c, *made, str("kind", kind, kind_len), std::span(attrs, attrs_len), {params, params_len});
    *out = made.release();
  });
}
extern "C" void jt_optimizer_retain(jt_optimizer* optimizer) {
  if (optimizer) optimizer->refs.fetch_add(1, std::memory_order_relaxed);
}
extern "C" void jt_optimizer_release(jt_optimizer* optimizer) {
  if (optimizer && optimizer->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) delete optimizer;
}

static jt_optimizer& own_optimizer(Context& c, jt_optimizer* optimizer) {
  require(optimizer, "optimizer");
  if (optimizer->context != &c) fail(JT_E_WRONG_CONTEXT, "optimizer belongs to another context");
  return *optimizer;
}

extern "C" jt_status jt_optimizer_add_group(jt_context* ctx, jt_optimizer* optimizer, const jt_attr* attrs,
                                            size_t attrs_len, jt_tensor* const* params, size_t params_len) {
  return guarded("jt_optimizer_add_group", ctx, [&](Context& c) {
    jt_optimizer& o = own_optimizer(c, optimizer);
    require(params, "params");
    if (attrs_len) require(attrs, "attrs");
    add_group(c, o, o.groups[0]->rule.kind(), std::span(attrs, attrs_len), {params, params_len});
  });
}

// Has the states that the fields now ask for: those that were there keep their values, others begin with zeros. A rule
// that had none begins to count.
static void change_states(Context& c, jt_optimizer& o, jt_optimizer::Group& group,
                          const std::vector<std::string>& before) {
  const std::vector<std::string>& names = group.rule.state_names();
  std::vector<std::vector<Cell*>> next(group.params.size());
  read_steps(c, o);
  GradMode off(c.recorder(), false);
  for (size_t i = 0; i < group.params.size(); i++)
    for (const std::string& name : names) {
      size_t at = size_t(std::find(before.begin(), before.end(), name) - before.begin());
      Cell* kept = at < before.size() ? group.states[i][at] : nullptr;
      if (kept) retain(kept);
      take(next[i], kept ? kept : zero_state(c, *group.params[i]));
    }
  for (auto& list : group.states)
    for (Cell* s : list) release(s);
  group.states = std::move(next);
  if (before.empty()) std::fill(group.steps.begin(), group.steps.end(), 0);
  list_states(c, o);
}

static void set_field(Context& c, jt_optimizer& o, jt_optimizer::Group& group, std::string_view name, double value) {
  if (auto before = group.rule.set(name, value)) change_states(c, o, group, *before);
}

extern "C" jt_status jt_optimizer_set_field(jt_context* ctx, jt_optimizer* optimizer, size_t group, const char* name,
                                            size_t name_len, double value) {
  return guarded("jt_optimizer_set_field", ctx, [&](Context& c) {
    jt_optimizer& o = own_optimizer(c, optimizer);
    require(name, "name");
    if (group >= o.groups.size()) fail(JT_E_INVALID, "group ", group, " of ", o.groups.size(), " does not exist");
    set_field(c, o, *o.groups[group], str("name", name, name_len), value);
  });
}

// ---- steps of a graph that is being recorded ------------------------------------------------------------------------

static void name_states(Tracing& tracing, const jt_optimizer& o) {
  const std::string prefix = tracing.prefix_of(&o, "optimizer");
  size_t next = 0;
  for (auto& group : o.groups)
    for (auto& list : group->states)
      for (Cell* state : list) tracing.name(*state, text(prefix, '.', o.state_names[next++]), false);
  if (o.step) tracing.name(*o.step, prefix + ".step", false);
}

// A field is a state of the graph, and what the optimiser says of it counts at the start of each run.
static Value field_of_graph(Tracing& tracing, jt_optimizer& o, const jt_optimizer::Group& group,
                            std::string_view field) {
  size_t number = 0;
  while (o.groups[number].get() != &group) number++;
  std::string name = number ? text(field, '.', number) : std::string(field);
  jt_optimizer_retain(&o);
  std::shared_ptr<jt_optimizer> held(&o, jt_optimizer_release);
  return tracing.number(&o, name, [held, number, field = std::string(field)] {
    return held->groups[number]->rule.get(field);
  });
}

// How many steps a param has taken after this one.
static Value step_of_graph(Context& c, const jt_optimizer& o, int64_t param) {
  const int64_t end = param + 1;
  Value taken = ops::reshape(ops::slice(c.value_of(*o.step), {&param, 1}, {&end, 1}), {});
  return ops::cast(ops::add(taken, c.recorder().constant_int(JT_I64, 1)), JT_F64);
}

// Records the values after one step. If it throws, no step was taken.
static List<Context::Assignment> next_values(Context& c, jt_optimizer& o, std::span<const Value> grads,
                                             List<int64_t>& steps) {
  read_steps(c, o);
  steps = all_steps(o);
  Tracing* tracing = c.tracing();
  if (tracing) name_states(*tracing, o);
  List<Context::Assignment> out;
  size_t first = 0;
  for (auto& group : o.groups) {
    size_t n = group->params.size();
    auto scalar = [&](std::string_view field, double value) {
      return tracing && !field.empty() ? field_of_graph(*tracing, o, *group, field) : c.data({JT_F64, {}}, &value);
    };
    List<List<Ref>> states(n);
    List<Value> counts(tracing && o.step ? n : 0);
    List<Optimizer::Parameter> parameters;
    for (size_t i = 0; i < n; i++) {
      for (Cell* s : group->states[i]) states[i].push_back(c.value_of(*s));
      if (!counts.empty()) counts[i] = step_of_graph(c, o, int64_t(first + i));
      parameters.push_back({c.value_of(*group->params[i]), grads[first + i], states[i], group->steps[i],
                            counts.empty() ? Ref() : Ref(counts[i])});
    }
    auto next = group->rule.step(c.recorder(), std::ref(scalar), parameters);
    for (size_t i = 0; i < n; i++) {
      if (!next[i].value) continue;
      steps[first + i]++;
      out.push_back({group->params[i], next[i].value});
      for (size_t k = 0; k < next[i].states.size(); k++) out.push_back({group->states[i][k], next[i].states[k]});
    }
    first += n;
  }
  if (o.step) {
    List<int64_t> before = all_steps(o);
    for (size_t i = 0; i < before.size(); i++) before[i] = steps[i] - before[i];
    out.push_back({o.step, tracing ? ops::add(c.value_of(*o.step), step_value(c, before)) : step_value(c, steps)});
  }
  return out;
}

// Gradients are gone when the plan is made: it may overwrite what only they read. `undo` is called if no step was
// taken.
template <class Gradients>
static void take_step(Context& c, jt_optimizer& o, const Gradients& gradients_of, std::span<const Ref> with,
                      const std::function<void()>& undo) {
  bool is_undone = false;
  List<int64_t> steps;
  try {
    List<Context::Assignment> next = next_values(c, o, gradients_of(), steps);
    auto note_undone = [&] { undo(), is_undone = true; };
    c.commit(std::move(next), with, std::ref(note_undone));
  } catch (...) {
    if (!is_undone) undo();
    throw;
  }
  if (c.tracing()) return;  // no step was taken
  size_t first = 0;
  for (auto& group : o.groups)
    for (int64_t& count : group->steps) count = steps[first++];
  if (o.step) o.step_written = o.step->value.ref().node->sequence;
}

// By param the gradient of the loss; nothing for one that requires none, or that the loss does not depend on.
static List<Value> gradients_of_params(Context& c, const jt_optimizer& o, Ref loss, const GradOptions& options) {
  List<Ref> wrt;
  List<size_t> places;
  size_t at = 0;
  for (auto& group : o.groups)
    for (Cell* p : group->params) {
      if (p->requires_grad) wrt.push_back(c.value_of(*p)), places.push_back(at);
      at++;
    }
  if (wrt.empty() && at) fail(JT_E_INVALID, "none of the ", at, " params requires a gradient");
  List<Value> found = gradients(c.recorder(), loss, {}, wrt, options), out(at);
  bool any = wrt.empty();
  for (size_t i = 0; i < found.size(); i++) any |= bool(found[i]), out[places[i]] = std::move(found[i]);
  if (!any) {
    if (options.consume) unconsume(c.recorder(), loss);
    fail(JT_E_INVALID, "the loss depends on no param that requires a gradient");
  }
  return out;
}

static void step_by_loss(Context& c, jt_optimizer& o, Ref loss, bool retains) {
  Recycling recycling(c.lists());
  bool has_consumed = false;
  auto gradients_of = [&] {
    GradOptions options;
    options.consume = !retains;
    List<Value> grads = gradients_of_params(c, o, loss, options);
    has_consumed = options.consume;
    return grads;
  };
  auto undo = [&] {
    if (has_consumed) unconsume(c.recorder(), loss);
  };
  take_step(c, o, gradients_of, {&loss, 1}, std::ref(undo));
}

extern "C" jt_status jt_optimizer_step(jt_context* ctx, jt_optimizer* optimizer, jt_tensor* loss) {
  return guarded("jt_optimizer_step", ctx, [&](Context& c) {
    jt_optimizer& o = own_optimizer(c, optimizer);
    step_by_loss(c, o, operand(c, "loss", loss), false);
  });
}

extern "C" jt_status jt_optimizer_step_retain_graph(jt_context* ctx, jt_optimizer* optimizer, jt_tensor* loss) {
  return guarded("jt_optimizer_step_retain_graph", ctx, [&](Context& c) {
    jt_optimizer& o = own_optimizer(c, optimizer);
    step_by_loss(c, o, operand(c, "loss", loss), true);
  });
}

extern "C" jt_status jt_optimizer_step_grads(jt_context* ctx, jt_optimizer* optimizer, jt_tensor* const* grads,
                                             size_t grads_len) {
  return guarded("jt_optimizer_step_grads", ctx, [&](Context& c) {
    jt_optimizer& o = own_optimizer(c, optimizer);
    if (grads_len != o.param_count())
      fail(JT_E_INVALID, "there are ", o.param_count(), " params, but ", grads_len, " gradients");
    if (grads_len) require(grads, "grads");
    Recycling recycling(c.lists());
    auto gradients_of = [&] {
      List<Value> values(grads_len);
      size_t i = 0;
      for (auto& group : o.groups)
        for (const Cell* p : group->params) {
          if (grads[i]) values[i] = operand(c, "grads", grads[i]);
          if (grads[i] && !same_extents(values[i].shape(), p->type.shape))
            fail(JT_E_SHAPE, "gradient ", i, " has shape ", values[i].shape(), ", its param ", p->type.shape);
          i++;
        }
      return values;
    };
    take_step(c, o, gradients_of, {}, [] {});
  });
}

extern "C" jt_status jt_optimizer_set_lr(jt_context* ctx, jt_optimizer* optimizer, double lr) {
  return guarded("jt_optimizer_set_lr", ctx, [&](Context& c) {
    if (!(lr >= 0)) fail(JT_E_INVALID, "a learning rate of ", lr, " is not a number >= 0");
    for (auto& group : own_optimizer(c, optimizer).groups) group->rule.set_lr(lr);
  });
}
extern "C" jt_status jt_optimizer_get_lr(jt_context* ctx, jt_optimizer* optimizer, double* out) {
  return guarded("jt_optimizer_get_lr", ctx, [&](Context& c) {
    require(out, "out");
    *out = own_optimizer(c, optimizer).groups[0]->rule.lr();
  });
}

extern "C" size_t jt_optimizer_state_count(jt_optimizer* optimizer) {
  return optimizer ? optimizer->state_names.size() : 0;
}
extern "C" jt_status jt_optimizer_state(jt_context* ctx, jt_optimizer* optimizer, size_t i, const char** out_name,
                                        jt_tensor** out) {
  if (out) *out = nullptr;
  return guarded("jt_optimizer_state", ctx, [&](Context& c) {
    jt_optimizer& o = own_optimizer(c, optimizer);
    if (i >= o.state_names.size()) fail(JT_E_INVALID, "state ", i, " of ", o.state_names.size(), " does not exist");
    if (out_name) *out_name = o.state_names[i].c_str();
    if (!out) return;
    Cell* cell = o.step;
    for (auto& group : o.groups)
      for (auto& list : group->states) {
        if (cell == o.step && i < list.size()) cell = list[i];
        i -= std::min(i, list.size());
      }
    retain(cell);
    *out = wrap(cell);
  });
}

extern "C" jt_status jt_init(jt_context* ctx, const char* kind, size_t kind_len, const int64_t* dims, size_t dims_len,
                             jt_dtype dtype, jt_tensor** out) {
  if (out) *out = nullptr;
  return guarded("jt_init", ctx, [&](Context& c) {
    require(out, "out"), require(kind, "kind");
    Type type = checked_type(dtype, dims, dims_len);
    GradMode off(c.recorder(), false);
    c.check_may_draw();
    Context::RandomState r = c.random();
    *out = wrap(c.cell(initial(c.recorder(), str("kind", kind, kind_len), type, {r.seed, r.stream, r.counter})));
    c.count_random();
  });
}
