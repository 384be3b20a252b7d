#include "core/optim/optimizer.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/grad/grad.h"
#include "core/ir/build.h"

namespace jt {

using namespace ops;

namespace {

// The fields as f64 leaves, each made when first asked for.
class Fields {
 public:
  Fields(const Optimizer& optimizer, const Optimizer::MakeScalar& scalar)
      : optimizer_(optimizer), scalar_(scalar), leaves_(optimizer.fields().size()) {}
  Value operator[](std::string_view field) {
    size_t i = 0;
    while (optimizer_.fields()[i].name != field) i++;
    if (!leaves_[i]) leaves_[i] = scalar_(field, optimizer_.fields()[i].value);
    return leaves_[i];
  }
  Value number(double value) const { return scalar_({}, value); }

 private:
  const Optimizer& optimizer_;
  const Optimizer::MakeScalar& scalar_;
  List<Value> leaves_;
};

// The numbers of the parameters that take their step number `step`: the fields, and that number as another leaf.
class Numbers {
 public:
  Numbers(Fields& fields, int64_t step, Ref counted) : number(step), fields_(fields) {
    if (counted) step_ = Value(counted);
  }
  const int64_t number;
  Value operator[](std::string_view field) { return fields_[field]; }
  Value step() {
    if (!step_) step_ = fields_.number(double(number));
    return step_;
  }
  // 1 - beta^step
  Value correction(std::string_view beta) { return 1 - pow((*this)[beta], step()); }

 private:
  Fields& fields_;
  Value step_;
};

// What an update computed from numbers alone, shared by all parameters of a dtype: entry i is its i-th such value.
struct Shared {
  List<Value> of[2];  // f32, f64
};

// One parameter's update: reads p, g and states, writes p and states.
struct Update {
  const Optimizer& optimizer;
  Numbers& numbers;
  Shared& shared;
  Value p, g;
  List<Value> states;
  size_t shared_used = 0;

  bool has(std::string_view field) const { return optimizer.get(field) != 0; }
  Value& state(std::string_view name) {
    size_t i = 0;
    while (optimizer.state_names()[i] != name) i++;
    return states[i];
  }
  // A value of numbers only, in the dtype that this parameter computes in.
  template <class Make>
  Value once(Make make) {
    List<Value>& list = shared.of[p.dtype() == JT_F64];
    if (shared_used == list.size()) list.push_back(cast(make(numbers), p.dtype()));
    return list[shared_used++];
  }
  Value operator[](std::string_view field) {
    return once([&](Numbers& n) { return n[field]; });
  }
  // 1 - field
  Value rest(std::string_view field) {
    return once([&](Numbers& n) { return 1 - n[field]; });
  }
};

void decay_into_gradient(Update& u) {
  if (u.has("weight_decay")) u.g = u.g + u.p * u["weight_decay"];
}

// The first gradient enters the velocity undampened, as in PyTorch.
void sgd_update(Update& u) {
  decay_into_gradient(u);
  if (u.has("momentum")) {
    Value momentum = u["momentum"], fresh = u.g;
    if (u.has("dampening"))
      fresh = u.g * u.once([](Numbers& n) { return where(equal(n.step(), 1), 1, 1 - n["dampening"]); });
    Value& velocity = u.state("velocity");
    velocity = velocity * momentum + fresh;
    u.g = u.has("nesterov") ? u.g + velocity * momentum : velocity;
  }
  u.p = u.p - u.g * u["lr"];
}

void rmsprop_update(Update& u) {
  decay_into_gradient(u);
  Value alpha = u["alpha"], fresh = u.rest("alpha");
  Value& square_mean = u.state("square");
  square_mean = square_mean * alpha + square(u.g) * fresh;
  Value spread = square_mean;
  if (u.has("centered")) {
    Value& mean = u.state("mean");
    mean = mean + (u.g - mean) * fresh;
    spread = square_mean - square(mean);
  }
  Value move = u.g / (sqrt(spread) + u["eps"]);
  if (u.has("momentum")) {
    Value& velocity = u.state("velocity");
    move = velocity = velocity * u["momentum"] + move;
  }
  u.p = u.p - move * u["lr"];
}

void adam_move(Update& u) {
  Value &mean = u.state("mean"), &square_mean = u.state("square");
  mean = mean + (u.g - mean) * u.rest("beta1");
  square_mean = square_mean * u["beta2"] + square(u.g) * u.rest("beta2");
  Value largest = square_mean;
  if (u.has("amsgrad")) largest = u.state("largest") = maximum(u.state("largest"), square_mean);
  Value rate = u.once([](Numbers& n) { return n["lr"] / n.correction("beta1"); });
  Value root = u.once([](Numbers& n) { return sqrt(n.correction("beta2")); });
  u.p = u.p - mean / (sqrt(largest) / root + u["eps"]) * rate;
}

void adam_update(Update& u) {
  decay_into_gradient(u);
  adam_move(u);
}

void adamw_update(Update& u) {
  if (u.has("weight_decay")) u.p = u.p * u.once([](Numbers& n) { return 1 - n["lr"] * n["weight_decay"]; });
  adam_move(u);
}

// Has no difference of gradients in its first step.
void adan_update(Update& u) {
  Value is_later = u.once([](Numbers& n) { return greater(n.step(), 1); });
  Value beta2 = u["beta2"];
  Value &mean = u.state("mean"), &difference = u.state("difference"), &square_mean = u.state("square");
  Value change = (u.g - u.state("before")) * is_later;
  u.state("before") = u.g;
  mean = mean + (u.g - mean) * u.rest("beta1");
  difference = difference + (change - difference) * u.rest("beta2");
  square_mean = square_mean * u["beta3"] + square(u.g + change * beta2) * u.rest("beta3");
  Value rate = u.once([](Numbers& n) { return n["lr"] / n.correction("beta1"); });
  Value change_rate = u.once([](Numbers& n) { return n["lr"] * n["beta2"] / n.correction("beta2"); });
  Value root = u.once([](Numbers& n) { return sqrt(n.correction("beta3")); });
  u.p = u.p - (mean * rate + difference * change_rate) / (sqrt(square_mean) / root + u["eps"]);
  if (u.has("weight_decay")) u.p = u.p / u.once([](Numbers& n) { return n["lr"] * n["weight_decay"] + 1; });
}

struct Row {
  std::string_view name, fields, states;
  void (*update)(Update&);
};
constexpr Row kRows[] = {
#define JT_OPTIMIZER(name, title, fields, states, doc) {#name, fields, states, name##_update},
#include "core/optim/optimizers.def"
};

const Row& row_of(std::string_view kind) {
  for (const Row& row : kRows)
    if (row.name == kind) return row;
  std::string known;
  for (const Row& row : kRows) append(known, text(known.empty() ? "" : ", ", row.name));
  fail(JT_E_NOT_FOUND, "optimizer: no kind is called '", kind, "'; there are ", known);
}

std::vector<std::string_view> words(std::string_view text) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(text.size(), word.size() + 1));
    if (!word.empty()) out.push_back(word);
  }
  return out;
}

OptimizerField parse_field(std::string_view word) {
  size_t equals = word.find('=');
  OptimizerField field{std::string(word.substr(0, equals)), 0, false};
  std::from_chars(word.data() + equals + 1, word.data() + word.size(), field.value);
  field.is_flag = field.name.ends_with('?');
  if (field.is_flag) field.name.pop_back();
  return field;
}

}  // namespace

Optimizer::Optimizer(std::string_view kind, std::span<const jt_attr> attrs) : kind_(kind) {
  const Row& row = row_of(kind);
  for (std::string_view word : words(row.fields)) fields_.push_back(parse_field(word));
  for (const jt_attr& a : attrs) {
    if (a.kind != JT_ATTR_I64 && a.kind != JT_ATTR_F64)
      fail(JT_E_INVALID, kind_, ": attribute ", a.name ? a.name : "(null)", " is not a number");
    set(a.name ? a.name : "(null)", a.kind == JT_ATTR_I64 ? double(a.i64) : a.f64);
  }
  states_ = states_by_fields();
}

std::vector<std::string> Optimizer::states_by_fields() const {
  std::vector<std::string> out;
  for (std::string_view word : words(row_of(kind_).states)) {
    size_t colon = word.find(':');
    if (colon == word.npos || get(word.substr(colon + 1)) != 0) out.emplace_back(word.substr(0, colon));
  }
  return out;
}

OptimizerField& Optimizer::field(std::string_view name) {
  for (OptimizerField& f : fields_)
    if (f.name == name) return f;
  std::string known;
  for (const OptimizerField& f : fields_) append(known, text(known.empty() ? "" : ", ", f.name));
  fail(JT_E_INVALID, kind_, ": no attribute is called '", name, "'; there are ", known);
}

double Optimizer::get(std::string_view name) const { return const_cast<Optimizer*>(this)->field(name).value; }

std::optional<std::vector<std::string>> Optimizer::set(std::string_view name, double value) {
  OptimizerField& f = field(name);
  if (!(value >= 0) || !std::isfinite(value))
    fail(JT_E_INVALID, kind_, ": ", name, " ", value, " is not a number >= 0");
  if (f.is_flag && value != 0 && value != 1) fail(JT_E_INVALID, kind_, ": ", name, " ", value, " is neither 0 nor 1");
  bool may_decide = (value != 0) != (f.value != 0);
  f.value = value;
  if (!may_decide) return {};
  std::vector<std::string> before = std::exchange(states_, states_by_fields());
  if (before == states_) return {};
  return before;
}

Type Optimizer::state_type(const Type& parameter) {
  return {parameter.dtype == JT_F64 ? JT_F64 : JT_F32, parameter.shape};
}

static void check(std::string_view kind, size_t i, const Optimizer::Parameter& parameter, size_t states) {
  const Type& type = parameter.value.type();
  if (!is_float(type.dtype)) fail(JT_E_DTYPE, kind, ": parameter ", i, " is ", type, ", not of a floating-point dtype");
  if (!same_extents(parameter.grad.shape(), type.shape))
    fail(JT_E_SHAPE, kind, ": parameter ", i, " is ", type, ", its gradient ", parameter.grad.type());
  if (parameter.states.size() != states)
    fail(JT_E_INVALID, kind, ": parameter ", i, " comes with ", parameter.states.size(), " states, not ", states);
}

List<Optimizer::Updated> Optimizer::step(Recorder& recorder, const MakeScalar& scalar,
                                         std::span<const Parameter> parameters) {
  GradMode off(recorder, false);
  WithoutAutocast as_they_are(recorder);
  const Row& row = row_of(kind_);
  Fields fields(*this, scalar);
  struct Together {  // those that have taken as many steps
    Numbers numbers;
    Shared shared;
    Together(Fields& fields, int64_t step, Ref counted) : numbers(fields, step, counted) {}
  };
  List<Together> all;
  List<Updated> out(parameters.size());
  for (size_t i = 0; i < parameters.size(); i++) {
    const Parameter& parameter = parameters[i];
    if (!parameter.grad) continue;
    check(kind_, i, parameter, states_.size());
    AtDevice there(recorder, parameter.value.node->device);
    DType computed = state_type(parameter.value.type()).dtype;
    int64_t step = parameter.steps + 1;
    auto found = std::find_if(all.begin(), all.end(), [&](const Together& t) { return t.numbers.number == step; });
    Together& together = found == all.end() ? all.emplace_back(fields, step, parameter.step) : *found;
    Update update{*this,
                  together.numbers,
                  together.shared,
                  cast(parameter.value, computed),
                  cast(parameter.grad, computed),
                  {parameter.states.begin(), parameter.states.end()}};
    row.update(update);
    out[i] = {cast(update.p, parameter.value.dtype()), std::move(update.states)};
  }
  return out;
}

}  // namespace jt
