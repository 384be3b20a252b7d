// optim: an optimiser handle: parameters' handles, their states, and a step that is one plan with its backward.
#include "capi/src/guard.h"
#include "core/grad/grad.h"
#include "core/ir/build.h"
#include "core/optim/init.h"
#include "core/optim/optimizer.h"

using namespace jt;
using namespace jt::capi;

struct jt_optimizer {
  std::atomic<int32_t> refs{1};
  Optimizer rule;
  Context* context;
  std::vector<Cell*> params;               // counted
  std::vector<std::vector<Cell*>> states;  // counted; by param
  Cell* step = nullptr;                    // counted; i64, how many steps were taken; null where a rule keeps nothing
  uint64_t step_written = 0;               // sequence of the node it was last pointed at here; else the caller assigned to it
  std::vector<std::string> state_names;

  jt_optimizer(std::string_view kind, std::span<const jt_attr> attrs, Context& c) : rule(kind, attrs), context(&c) {}
  ~jt_optimizer() {
    for (Cell* p : params) release(p);
    for (auto& list : states)
      for (Cell* s : list) release(s);
    release(step);
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

static Value step_value(Context& c, int64_t steps) { return c.data({JT_I64, {}}, &steps); }

extern "C" jt_status jt_optimizer_create(jt_context* ctx, const char* kind, size_t kind_len, const jt_attr* attrs,
                                         size_t attrs_len, jt_tensor* const* params, size_t params_len, jt_optimizer** out) {
  if (out) *out = nullptr;
  return guarded("jt_optimizer_create", ctx, [&](Context& c) {
    require(out, "out"), require(kind, "kind"), require(params, "params");
    if (attrs_len) require(attrs, "attrs");
    auto made = std::make_unique<jt_optimizer>(str("kind", kind, kind_len), std::span(attrs, attrs_len), c);
    GradMode off(c.recorder(), false);
    for (size_t i = 0; i < params_len; i++) {
      Cell& cell = own_cell(c, "params", params[i]);
      if (!is_float(cell.type.dtype)) fail(JT_E_DTYPE, "param ", i, " is ", cell.type.dtype, ", not a floating-point dtype");
      for (Cell* other : made->params)
        if (other == &cell) fail(JT_E_INVALID, "param ", i, " is named twice");
      retain(&cell);
      take(made->params, &cell);
      made->states.emplace_back();
      Type type = Optimizer::state_type(cell.type);
      for (const std::string& name : made->rule.state_names()) {
        Value zeros = c.data(type, nullptr);
        std::memset(host_room(c.read(zeros)), 0, type.bytes());
        take(made->states.back(), c.cell(zeros));
        made->state_names.push_back(text(name, ".", i));
      }
    }
    if (!made->rule.state_names().empty()) {
      made->step = c.cell(step_value(c, 0));
      made->step_written = made->step->value.ref().node->sequence;
      made->state_names.push_back("step");
    }
    for (Cell* cell : made->params) c.set_requires_grad(*cell, true);
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

// Records the values after one step. If it throws, no step was taken.
static List<Context::Assignment> next_values(Context& c, jt_optimizer& o, std::span<const Value> grads) {
  if (o.step && c.value_of(*o.step).ref().node->sequence != o.step_written) {
    int64_t steps;
    std::memcpy(&steps, host_bytes(c.read(o.step->value)), sizeof steps);
    o.rule.set_steps(steps);
  }
  List<List<Ref>> states(o.params.size());
  List<Optimizer::Parameter> parameters;
  for (size_t i = 0; i < o.params.size(); i++) {
    for (Cell* s : o.states[i]) states[i].push_back(c.value_of(*s));
    parameters.push_back({c.value_of(*o.params[i]), grads[i], states[i]});
  }
  auto scalar = [&](double value) { return c.data({JT_F64, {}}, &value); };
  Value counted;
  if (o.step) counted = step_value(c, o.rule.steps() + 1);
  auto next = o.rule.step(c.recorder(), scalar, parameters);
  List<Context::Assignment> out;
  for (size_t i = 0; i < o.params.size(); i++) {
    if (next[i].value) out.push_back({o.params[i], next[i].value});
    for (size_t k = 0; k < next[i].states.size(); k++) out.push_back({o.states[i][k], next[i].states[k]});
  }
  if (o.step) out.push_back({o.step, counted});
  return out;
}

// Gradients are gone when the plan is made: it may overwrite what only they read. `undo` is called if no step was taken.
template <class Gradients>
static void take_step(Context& c, jt_optimizer& o, const Gradients& gradients_of, std::span<const Ref> with,
                      const std::function<void()>& undo) {
  int64_t steps = o.rule.steps();
  bool is_undone = false;
  try {
    List<Context::Assignment> next = next_values(c, o, gradients_of());
    auto note_undone = [&] { undo(), is_undone = true; };
    c.commit(std::move(next), with, std::ref(note_undone));
  } catch (...) {
    o.rule.set_steps(steps);
    if (!is_undone) undo();
    throw;
  }
  if (o.step) o.step_written = o.step->value.ref().node->sequence;
}

extern "C" jt_status jt_optimizer_step(jt_context* ctx, jt_optimizer* optimizer, jt_tensor* loss) {
  return guarded("jt_optimizer_step", ctx, [&](Context& c) {
    jt_optimizer& o = own_optimizer(c, optimizer);
    Ref from = operand(c, "loss", loss);
    Recycling recycling(c.lists());
    List<Ref> wrt;
    for (Cell* p : o.params) wrt.push_back(c.value_of(*p));
    bool has_consumed = false;
    auto gradients_of = [&] {
      GradOptions options;
      options.consume = true;
      List<Value> grads = gradients(c.recorder(), from, {}, wrt, options);
      has_consumed = true;
      bool any = wrt.empty() || std::any_of(grads.begin(), grads.end(), [](const Value& g) { return bool(g); });
      if (!any) fail(JT_E_INVALID, "the loss depends on no param, or only through what has no gradient");
      return grads;
    };
    auto undo = [&] {
      if (has_consumed) unconsume(c.recorder(), from);
    };
    take_step(c, o, gradients_of, {&from, 1}, std::ref(undo));
  });
}

extern "C" jt_status jt_optimizer_step_grads(jt_context* ctx, jt_optimizer* optimizer, jt_tensor* const* grads, size_t grads_len) {
  return guarded("jt_optimizer_step_grads", ctx, [&](Context& c) {
    jt_optimizer& o = own_optimizer(c, optimizer);
    if (grads_len != o.params.size()) fail(JT_E_INVALID, "there are ", o.params.size(), " params, but ", grads_len, " gradients");
    if (grads_len) require(grads, "grads");
    Recycling recycling(c.lists());
    auto gradients_of = [&] {
      List<Value> values(grads_len);
      for (size_t i = 0; i < grads_len; i++) {
        if (!grads[i]) continue;
        values[i] = operand(c, "grads", grads[i]);
        if (!same_extents(values[i].shape(), o.params[i]->type.shape))
          fail(JT_E_SHAPE, "gradient ", i, " has shape ", values[i].shape(), ", its param ", o.params[i]->type.shape);
      }
      return values;
    };
    take_step(c, o, gradients_of, {}, [] {});
  });
}

extern "C" jt_status jt_optimizer_set_lr(jt_context* ctx, jt_optimizer* optimizer, double lr) {
  return guarded("jt_optimizer_set_lr", ctx, [&](Context& c) {
    if (!(lr >= 0)) fail(JT_E_INVALID, "a learning rate of ", lr, " is not a number >= 0");
    own_optimizer(c, optimizer).rule.set_lr(lr);
  });
}
extern "C" jt_status jt_optimizer_get_lr(jt_context* ctx, jt_optimizer* optimizer, double* out) {
  return guarded("jt_optimizer_get_lr", ctx, [&](Context& c) {
    require(out, "out");
    *out = own_optimizer(c, optimizer).rule.lr();
  });
}

extern "C" size_t jt_optimizer_state_count(jt_optimizer* optimizer) { return optimizer ? optimizer->state_names.size() : 0; }
extern "C" jt_status jt_optimizer_state(jt_context* ctx, jt_optimizer* optimizer, size_t i, const char** out_name, jt_tensor** out) {
  if (out) *out = nullptr;
  return guarded("jt_optimizer_state", ctx, [&](Context& c) {
    jt_optimizer& o = own_optimizer(c, optimizer);
    if (i >= o.state_names.size()) fail(JT_E_INVALID, "state ", i, " of ", o.state_names.size(), " does not exist");
    if (out_name) *out_name = o.state_names[i].c_str();
    if (!out) return;
    size_t each = o.rule.state_names().size();
    Cell* cell = i + 1 == o.state_names.size() ? o.step : o.states[i / each][i % each];
    retain(cell);
    *out = wrap(cell);
  });
}

extern "C" jt_status jt_init(jt_context* ctx, const char* kind, size_t kind_len, const int64_t* dims, size_t dims_len, jt_dtype dtype,
                             jt_tensor** out) {
  if (out) *out = nullptr;
  return guarded("jt_init", ctx, [&](Context& c) {
    require(out, "out"), require(kind, "kind");
    Type type = checked_type(dtype, dims, dims_len);
    GradMode off(c.recorder(), false);
    Context::RandomState r = c.random();
    *out = wrap(c.cell(initial(c.recorder(), str("kind", kind, kind_len), type, {r.seed, r.stream, r.counter})));
    c.count_random();
  });
}
