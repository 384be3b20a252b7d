// Optimisers against stored vectors of PyTorch's formulas, step by step; schedules; initial values.
#include "core/optim/optimizer.h"

#include <deque>
#include <fstream>
#include <set>
#include <sstream>

#include "tests/grad/check.h"
#include "core/optim/init.h"
#include "core/optim/learning_rate.h"

using namespace jt;
using namespace jt::test;

static jt_attr number(const char* name, double value) {
  jt_attr a{};
  a.name = name, a.kind = JT_ATTR_F64, a.f64 = value;
  return a;
}

// One parameter with its states, stepped by feeding what the last step computed.
struct Trainer {
  Optimizer optimizer;
  DType dtype;
  Array p = {0.5, -1.25, 2.0, -0.125};
  std::vector<Array> states;
  int64_t steps = 0;

  Trainer(std::string_view kind, std::span<const jt_attr> attrs, DType t = JT_F64) : optimizer(kind, attrs), dtype(t) {
    states.assign(optimizer.state_names().size(), Array(p.size(), 0));
  }
  void step(const Array& gradient) {
    Graph g;
    Shape shape{int64_t(p.size())};
    Type type{dtype, shape};
    Value value = g.given(dtype, shape, p), grad = g.given(dtype, shape, gradient);
    std::vector<Value> held;
    std::vector<Ref> refs;
    for (const Array& s : states) {
      held.push_back(g.given(Optimizer::state_type(type).dtype, shape, s));
      refs.push_back(held.back());
    }
    auto scalar = [&](std::string_view, double v) { return g.given(JT_F64, {}, {v}); };
    Optimizer::Parameter parameter{value, grad, refs, steps++};
    Optimizer::Updated next = optimizer.step(g.recorder, scalar, {&parameter, 1})[0];
    EXPECT_EQ(next.value.type(), type);
    EXPECT_FALSE(next.value.ref().node->has(kGrad));
    p = run(next.value, g.feed);
    for (size_t i = 0; i < states.size(); i++) states[i] = run(next.states[i], g.feed);
  }
};

static Array numbers(std::string_view text) {
  std::istringstream in{std::string(text)};
  Array out;
  for (double x; in >> x;) out.push_back(x);
  return out;
}

TEST(optimizer, every_rule_equals_pytorch_step_by_step) {
  std::ifstream file(JT_OPTIM_VECTORS);
  std::unique_ptr<Trainer> trainer;
  std::string line, what;
  int steps = 0;
  std::set<std::string> seen;
  while (std::getline(file, line)) {
    size_t colon = line.find(':');
    if (colon == line.npos) {
      std::istringstream words(what = line);
      std::string kind, word;
      std::vector<std::string> names;
      std::vector<double> values;
      words >> kind;
      seen.insert(kind);
      while (words >> word) {
        size_t equals = word.find('=');
        names.push_back(word.substr(0, equals)), values.push_back(std::stod(word.substr(equals + 1)));
      }
      std::vector<jt_attr> attrs;
      for (size_t i = 0; i < names.size(); i++) attrs.push_back(number(names[i].c_str(), values[i]));
      trainer = std::make_unique<Trainer>(kind, attrs);
      continue;
    }
    trainer->step(numbers(line.substr(0, colon)));
    Array wanted = numbers(line.substr(colon + 1));
    for (size_t i = 0; i < wanted.size(); i++)
      ASSERT_NEAR(trainer->p[i], wanted[i], 1e-12) << what << ", step " << line;
    steps++;
  }
  EXPECT_GT(steps, 0);
  for (const char* row : {
#define JT_OPTIMIZER(name, ...) #name,
#include "core/optim/optimizers.def"
       })
    EXPECT_TRUE(seen.count(row)) << row << " has no vector";
}

TEST(optimizer, half_precision_parameters_keep_f32_states) {
  Type type{JT_F16, {4}};
  EXPECT_EQ(Optimizer::state_type(type).dtype, JT_F32);
  jt_attr attrs[] = {number("momentum", 0.9)};
  Trainer trainer("sgd", attrs, JT_F16);
  trainer.step({1, 1, 1, 1});
  for (size_t i = 0; i < 4; i++) EXPECT_NEAR(trainer.p[i], (Array{0.49, -1.26, 1.99, -0.135}[i]), 1e-3);
}

TEST(optimizer, numbers_are_inputs_shared_by_all_parameters) {
  Graph g;
  Optimizer adam("adam", {});
  int made = 0;
  auto scalar = [&](std::string_view, double v) { return made++, g.given(JT_F64, {}, {v}); };
  std::vector<Value> held;
  std::vector<Ref> states[2];
  std::vector<Optimizer::Parameter> parameters;
  for (int i = 0; i < 2; i++) {
    for (int k = 0; k < 4; k++) held.push_back(g.given(JT_F32, {3}, {1, 2, 3}));
    states[i] = {held[size_t(i * 4 + 2)], held[size_t(i * 4 + 3)]};
    parameters.push_back({held[size_t(i * 4)], held[size_t(i * 4 + 1)], states[i], 0});
  }
  std::vector<Optimizer::Updated> next = adam.step(g.recorder, scalar, parameters);
  EXPECT_EQ(made, 5);  // lr, beta1, beta2, eps, step
  for (Node* n = g.recorder.first_pending(); n; n = n->next) {
    if (n->op != Op::constant) continue;
    double value;
    std::memcpy(&value, &n->constant_bits, 8);
    EXPECT_EQ(value, 1) << "a hyper-parameter is a constant";
  }
}

// The one that has taken 4 steps less is where it would be alone.
TEST(optimizer, each_parameter_counts_its_own_steps) {
  auto stepped = [](std::vector<int64_t> counts) {
    Graph g;
    Optimizer adam("adam", {});
    auto scalar = [&](std::string_view, double v) { return g.given(JT_F64, {}, {v}); };
    std::vector<Optimizer::Parameter> parameters;
    std::vector<Value> held;
    std::deque<std::vector<Ref>> states;
    for (int64_t count : counts) {
      Value zero = g.given(JT_F64, {1}, {0.5});
      held.push_back(zero), states.push_back({zero, zero});
      parameters.push_back({zero, zero, states.back(), count});
    }
    Array out;
    for (auto& next : adam.step(g.recorder, scalar, parameters)) out.push_back(run(next.value, g.feed)[0]);
    return out;
  };
  Array together = stepped({4, 0, 4});
  EXPECT_EQ(together, (Array{stepped({4})[0], stepped({0})[0], stepped({4})[0]}));
  EXPECT_NE(together[0], together[1]);
}

TEST(optimizer, a_parameter_without_a_gradient_is_left_as_it_is) {
  Graph g;
  Optimizer sgd("sgd", {});
  Optimizer::Parameter parameter{g.fixed({2}), {}, {}, 0};
  auto scalar = [&](std::string_view, double v) { return g.given(JT_F64, {}, {v}); };
  EXPECT_FALSE(sgd.step(g.recorder, scalar, {&parameter, 1})[0].value);
}

static std::string failure(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& e) {
    return e.message();
  }
  return "no error";
}

TEST(optimizer, errors_name_the_kind_and_the_attribute) {
  EXPECT_EQ(failure([] { Optimizer("sdg", {}); }),
            "optimizer: no kind is called 'sdg'; there are sgd, rmsprop, adam, adamw, adan");
  jt_attr typo[] = {number("rate", 1)}, negative[] = {number("lr", -1)}, half[] = {number("nesterov", 0.5)};
  EXPECT_EQ(failure([&] { Optimizer("sgd", typo); }),
            "sgd: no attribute is called 'rate'; there are lr, momentum, dampening, weight_decay, nesterov");
  EXPECT_EQ(failure([&] { Optimizer("sgd", negative); }), "sgd: lr -1 is not a number >= 0");
  EXPECT_EQ(failure([&] { Optimizer("sgd", half); }), "sgd: nesterov 0.5 is neither 0 nor 1");
  Optimizer sgd("sgd", {});
  EXPECT_TRUE(sgd.set("momentum", 0.9));
  EXPECT_EQ(sgd.state_names(), (std::vector<std::string>{"velocity"}));
  EXPECT_FALSE(sgd.set("momentum", 0.5));
  sgd.set_lr(0.5);
  EXPECT_EQ(sgd.lr(), 0.5);
}

TEST(schedule, values_at_the_ends_and_between) {
  EXPECT_DOUBLE_EQ(cosine_lr(1, 0.1, 0, 10), 1);
  EXPECT_DOUBLE_EQ(cosine_lr(1, 0.1, 5, 10), 0.55);
  EXPECT_DOUBLE_EQ(cosine_lr(1, 0.1, 99, 10), 0.1);
  EXPECT_DOUBLE_EQ(step_lr(1, 0.5, 9, 5), 0.5);
  EXPECT_DOUBLE_EQ(exponential_lr(1, 0.5, 3), 0.125);
  EXPECT_DOUBLE_EQ(warmup_lr(1, 0, 4), 0.25);
  EXPECT_DOUBLE_EQ(warmup_lr(1, 7, 4), 1);
}

TEST(init, fans_are_those_of_pytorch) {
  Fans f = fans(Shape{8, 3, 5, 7});
  EXPECT_EQ(f.in, 3 * 35);
  EXPECT_EQ(f.out, 8 * 35);
  EXPECT_EQ(failure([] { fans(Shape{8}); }), "init: weights of shape [8] have no fans; two axes are needed");
}

TEST(init, deviations_and_types) {
  Recorder recorder;
  for (const char* kind : {"zeros", "ones", "he_normal", "he_uniform", "xavier_normal", "xavier_uniform"})
    for (DType t : {JT_F16, JT_F32, JT_F64}) {
      Type type{t, {6, 3}};
      EXPECT_EQ(initial(recorder, kind, type).type(), type) << kind;
    }
  // he_uniform is uniform * 2 bound - bound; bound = sqrt(2) * sqrt(3 / fan_in) = sqrt(2)
  Value v = initial(recorder, "he_uniform", {JT_F64, {6, 3}});
  Node* bound = v.ref().node->inputs()[1].node;
  while (bound->op != Op::constant) bound = bound->inputs()[0].node;
  double value;
  std::memcpy(&value, &bound->constant_bits, 8);
  EXPECT_NEAR(std::fabs(value), std::sqrt(2.0), 1e-15);
  EXPECT_EQ(
      failure([&] { initial(recorder, "lecun", {JT_F32, {2, 2}}); }),
      "init: no kind is called 'lecun'; there are zeros, ones, uniform, normal, lecun_normal, he_normal, he_uniform, "
      "xavier_normal, xavier_uniform");
}
