// Optimisers against their closed forms, schedules, initial values.
#include <functional>

#include "tests/capi/capi.h"

using namespace jt::test;

struct Fields { double lr, momentum, beta1, beta2, eps, decay; };

static jt_optimizer* optimizer(const Session& s, const char* kind, std::vector<jt_attr> attrs,
                               std::vector<jt_tensor*> params) {
  jt_optimizer* out = nullptr;
  for (jt_tensor* param : params) must(jt_tensor_set_requires_grad(s.ctx, param, 1));
  must(jt_optimizer_create(s.ctx, kind, JT_NUL, attrs.data(), attrs.size(), params.data(), params.size(), &out));
  return out;
}
static jt_attr real(const char* name, double value) { return {name, JT_ATTR_F64, 0, value, nullptr, 0, nullptr, 0}; }

// loss = sum(w^2) / 2, so that the gradient is w.
static void descend(const Session& s, jt_optimizer* o, const Tensor& w, int steps) {
  for (int i = 0; i < steps; i++) {
    Tensor loss = s.make(jt_mul, s.sum(s.make(jt_square, w)), s.scalar(0.5));
    must(jt_optimizer_step(s.ctx, o, loss));
    EXPECT_TRUE(jt_tensor_is_ready(w));
    EXPECT_TRUE(jt_tensor_is_ready(loss));
  }
}

TEST(Sgd, IsPlainDescent) {
  Session s;
  Tensor w = s.floats({2}, {1, -4});
  jt_optimizer* o = optimizer(s, "sgd", {real("lr", 0.25)}, {w});
  EXPECT_EQ(jt_tensor_requires_grad(w), 1);
  descend(s, o, w, 3);
  EXPECT_EQ(s.read(w), (std::vector<float>{0.421875f, -1.6875f}));
  jt_optimizer_release(o);
}
TEST(Sgd, WithMomentum) {
  Session s;
  Tensor w = s.floats({1}, {1});
  jt_optimizer* o = optimizer(s, "sgd", {real("lr", 0.1), real("momentum", 0.9)}, {w});
  double x = 1, m = 0;
  for (int i = 0; i < 5; i++) m = 0.9 * m + x, x -= 0.1 * m;
  descend(s, o, w, 5);
  EXPECT_NEAR(s.read(w)[0], x, 1e-6);
  jt_optimizer_release(o);
}
TEST(Adam, EqualsItsClosedForm) {
  for (bool is_adamw : {false, true}) {
    Session s;
    Tensor w = s.floats({1}, {1});
    jt_optimizer* o = optimizer(s, is_adamw ? "adamw" : "adam", {real("lr", 0.1), real("weight_decay", 0.01)}, {w});
    double x = 1, m = 0, v = 0;
    for (int t = 1; t <= 6; t++) {
      double g = x;
      if (is_adamw) x -= 0.1 * 0.01 * x;
      else g += 0.01 * x;
      m = 0.9 * m + 0.1 * g, v = 0.999 * v + 0.001 * g * g;
      x -= 0.1 * (m / (1 - std::pow(0.9, t))) / (std::sqrt(v / (1 - std::pow(0.999, t))) + 1e-8);
    }
    descend(s, o, w, 6);
    EXPECT_NEAR(s.read(w)[0], x, 2e-6);
    jt_optimizer_release(o);
  }
}
TEST(Optimizer, StepWithGivenGradients) {
  Session s;
  Tensor a = s.floats({1}, {1}), b = s.floats({1}, {1});
  jt_optimizer* o = optimizer(s, "sgd", {real("lr", 1)}, {a, b});
  jt_tensor* grads[2] = {s.floats({1}, {0.5}).handle, nullptr};
  Tensor held = s.floats({1}, {0.5});
  grads[0] = held;
  must(jt_optimizer_step_grads(s.ctx, o, grads, 2));
  EXPECT_EQ(s.item(a), 0.5);
  EXPECT_EQ(s.item(b), 1);
  EXPECT_EQ(jt_optimizer_step_grads(s.ctx, o, grads, 1), JT_E_INVALID);
  Tensor wrong = s.zeros({2});
  grads[0] = wrong;
  EXPECT_EQ(jt_optimizer_step_grads(s.ctx, o, grads, 2), JT_E_SHAPE);
  EXPECT_EQ(s.item(a), 0.5);
  jt_optimizer_release(o);
}
TEST(Optimizer, LearningRateChangesCompileNothing) {
  Session s;
  Tensor w = s.floats({2}, {1, 2});
  jt_optimizer* o = optimizer(s, "adam", {}, {w});
  descend(s, o, w, 2);
  jt_stats before = s.stats();
  for (double lr : {0.5, 0.25, 0.125, 1.0, 0.0}) {
    must(jt_optimizer_set_lr(s.ctx, o, lr));
    double now = -1;
    must(jt_optimizer_get_lr(s.ctx, o, &now));
    EXPECT_EQ(now, lr);
    descend(s, o, w, 1);
  }
  EXPECT_EQ(s.stats().plans_made, before.plans_made);
  EXPECT_EQ(s.stats().kernels_compiled, before.kernels_compiled);
  EXPECT_EQ(jt_optimizer_set_lr(s.ctx, o, -1), JT_E_INVALID);
  EXPECT_EQ(jt_optimizer_set_lr(s.ctx, o, NAN), JT_E_INVALID);
  jt_optimizer_release(o);
}
TEST(Optimizer, StateGoesThroughAnotherOptimizer) {
  Session s;
  Tensor w = s.floats({2}, {1, 2});
  jt_optimizer* o = optimizer(s, "adam", {}, {w});
  descend(s, o, w, 3);
  Tensor v = s.floats({2}, s.read(w));
  jt_optimizer* p = optimizer(s, "adam", {}, {v});
  ASSERT_EQ(jt_optimizer_state_count(o), jt_optimizer_state_count(p));
  for (size_t i = 0; i < jt_optimizer_state_count(o); i++) {
    const char *from_name, *to_name;
    jt_tensor *from, *to;
    must(jt_optimizer_state(s.ctx, o, i, &from_name, &from));
    must(jt_optimizer_state(s.ctx, p, i, &to_name, &to));
    EXPECT_STREQ(from_name, to_name);
    must(jt_tensor_assign(s.ctx, to, from));
    jt_tensor_release(from), jt_tensor_release(to);
  }
  descend(s, o, w, 2), descend(s, p, v, 2);
  EXPECT_EQ(s.read(w), s.read(v));
  jt_optimizer_release(o), jt_optimizer_release(p);
}
TEST(Optimizer, SaysWhatIsWrong) {
  Session s;
  Tensor w = s.floats({1}, {1}), n = s.of<int32_t>(JT_I32, {1}, {1});
  jt_optimizer* o = nullptr;
  jt_tensor *one[1] = {w}, *twice[2] = {w, w}, *integer[1] = {n};
  jt_attr odd = real("learning_rate", 1), negative = real("lr", -1);
  EXPECT_EQ(jt_optimizer_create(s.ctx, "adagrad", JT_NUL, nullptr, 0, one, 1, &o), JT_E_NOT_FOUND);
  EXPECT_EQ(jt_optimizer_create(s.ctx, "sgd", JT_NUL, &odd, 1, one, 1, &o), JT_E_INVALID);
  EXPECT_EQ(jt_optimizer_create(s.ctx, "sgd", JT_NUL, &negative, 1, one, 1, &o), JT_E_INVALID);
  EXPECT_EQ(jt_optimizer_create(s.ctx, "sgd", JT_NUL, nullptr, 0, twice, 2, &o), JT_E_INVALID);
  EXPECT_EQ(jt_optimizer_create(s.ctx, "sgd", JT_NUL, nullptr, 0, integer, 1, &o), JT_E_DTYPE);
  EXPECT_EQ(o, nullptr);
}

// Values by hand: p -= lr * g.
TEST(Optimizer, LeavesAloneWhatRequiresNoGradientUntilItDoes) {
  Session s;
  Tensor w = s.floats({1}, {1}), v = s.floats({1}, {1});
  jt_tensor* params[] = {w, v};
  jt_optimizer* o = nullptr;
  jt_attr lr = real("lr", 0.25);
  must(jt_tensor_set_requires_grad(s.ctx, w, 1));
  must(jt_optimizer_create(s.ctx, "sgd", JT_NUL, &lr, 1, params, 2, &o));
  EXPECT_EQ(jt_tensor_requires_grad(v), 0);
  auto step = [&] { return jt_optimizer_step(s.ctx, o, s.sum(s.make(jt_square, s.make(jt_mul, w, v)))); };
  must(step());
  EXPECT_EQ(s.read(w)[0], 0.5f);
  EXPECT_EQ(s.read(v)[0], 1);
  must(jt_tensor_set_requires_grad(s.ctx, w, 0)), must(jt_tensor_set_requires_grad(s.ctx, v, 1));
  must(step());
  EXPECT_EQ(s.read(w)[0], 0.5f);
  EXPECT_EQ(s.read(v)[0], 0.875f);
  must(jt_tensor_set_requires_grad(s.ctx, v, 0));
  EXPECT_EQ(step(), JT_E_INVALID);
  EXPECT_NE(last_message().find("none of the 2 params requires a gradient"), std::string::npos) << last_message();
  jt_optimizer_release(o);
}
// The second loss does not reach v: Adam's moments would move it.
TEST(Optimizer, LeavesAloneWhatALossDoesNotReachInAnyGroup) {
  for (bool retains : {false, true}) {
    Session s;
    Tensor w = s.floats({1}, {1}), v = s.floats({1}, {1});
    jt_optimizer* o = optimizer(s, "adam", {real("lr", 0.1)}, {w});
    jt_tensor* more = v;
    jt_attr lr = real("lr", 0.5);
    must(jt_tensor_set_requires_grad(s.ctx, v, 1));
    must(jt_optimizer_add_group(s.ctx, o, &lr, 1, &more, 1));
    EXPECT_EQ(jt_optimizer_add_group(s.ctx, o, &lr, 1, &more, 1), JT_E_INVALID);
    auto* step = retains ? jt_optimizer_step_retain_graph : jt_optimizer_step;
    must(step(s.ctx, o, s.sum(s.make(jt_mul, w, v))));
    EXPECT_NEAR(s.read(w)[0], 0.9, 1e-6);
    EXPECT_NEAR(s.read(v)[0], 0.5, 1e-6);
    for (int i = 0; i < 3; i++) must(step(s.ctx, o, s.sum(s.make(jt_square, w))));
    EXPECT_NEAR(s.read(v)[0], 0.5, 1e-6);
    EXPECT_LT(s.read(w)[0], 0.9);
    jt_optimizer_release(o);
  }
}
TEST(Optimizer, TakesFieldsLater) {
  Session s;
  Tensor w = s.floats({1}, {1});
  jt_optimizer* o = optimizer(s, "sgd", {real("lr", 0.5)}, {w});
  auto step = [&] { must(jt_optimizer_step(s.ctx, o, s.sum(w))); };
  EXPECT_EQ(jt_optimizer_state_count(o), 0u);
  step();
  EXPECT_EQ(s.read(w)[0], 0.5f);
  must(jt_optimizer_set_field(s.ctx, o, 0, "momentum", JT_NUL, 0.5));
  EXPECT_EQ(jt_optimizer_state_count(o), 2u);  // velocity.0, step
  step(), step();                               // velocities 1, 1.5
  EXPECT_EQ(s.read(w)[0], -0.75f);
  must(jt_optimizer_set_field(s.ctx, o, 0, "momentum", JT_NUL, 0));
  must(jt_optimizer_set_field(s.ctx, o, 0, "weight_decay", JT_NUL, 2));
  step();  // 1 - 2 * 0.75
  EXPECT_EQ(s.read(w)[0], -0.5f);
  EXPECT_EQ(jt_optimizer_set_field(s.ctx, o, 1, "lr", JT_NUL, 1), JT_E_INVALID);
  EXPECT_EQ(jt_optimizer_set_field(s.ctx, o, 0, "rate", JT_NUL, 1), JT_E_INVALID);
  EXPECT_EQ(jt_optimizer_set_field(s.ctx, o, 0, "lr", JT_NUL, NAN), JT_E_INVALID);
  jt_optimizer_release(o);
}
TEST(Optimizer, LeavesGatheredGradientsAlone) {
  Session s;
  Tensor w = s.floats({1}, {2});
  jt_optimizer* o = optimizer(s, "sgd", {real("lr", 0.5)}, {w});
  must(jt_backward(s.ctx, s.sum(s.make(jt_square, w)), 0));
  descend(s, o, w, 1);
  jt_tensor* g = nullptr;
  must(jt_tensor_grad(s.ctx, w, &g));
  EXPECT_EQ(s.item(Tensor(g)), 4);
  EXPECT_EQ(s.item(w), 1);
  jt_optimizer_release(o);
}

TEST(Schedules, HaveTheirClosedForms) {
  EXPECT_EQ(jt_schedule_cosine(1, 0, 0, 10), 1);
  EXPECT_NEAR(jt_schedule_cosine(1, 0, 5, 10), 0.5, 1e-12);
  EXPECT_EQ(jt_schedule_cosine(1, 0.25, 10, 10), 0.25);
  EXPECT_EQ(jt_schedule_cosine(1, 0.25, 0, 0), 0.25);
  EXPECT_EQ(jt_schedule_step(8, 0.5, 7, 3), 2);
  EXPECT_EQ(jt_schedule_step(8, 0.5, 3, 0), 1);
  EXPECT_EQ(jt_schedule_warmup(1, 0, 4), 0.25);
  EXPECT_EQ(jt_schedule_warmup(1, 3, 4), 1);
  EXPECT_EQ(jt_schedule_warmup(1, 9, 0), 1);
}

TEST(Init, HasTheDeviationOfItsFans) {
  Session s;
  auto deviation = [&](const char* kind, const Dims& dims) {
    std::vector<float> v = s.read(s.make(jt_init, kind, JT_NUL, dims.data(), dims.size(), JT_F32));
    double squares = 0;
    for (float x : v) squares += double(x) * x;
    return std::sqrt(squares / double(v.size()));
  };
  EXPECT_NEAR(deviation("he_normal", {100, 200}), std::sqrt(2.0 / 200), 2e-3);
  EXPECT_NEAR(deviation("he_normal", {50, 20, 5, 5}), std::sqrt(2.0 / 500), 2e-3);
  EXPECT_NEAR(deviation("xavier_uniform", {100, 200}), std::sqrt(2.0 / 300), 2e-3);
  EXPECT_NEAR(deviation("lecun_normal", {100, 200}), std::sqrt(1.0 / 200), 2e-3);
  EXPECT_NEAR(deviation("uniform", {20000}), std::sqrt(1.0 / 3), 1e-2);
  EXPECT_EQ(deviation("zeros", {7}), 0);
  EXPECT_EQ(deviation("ones", {7}), 1);
  jt_tensor* out = nullptr;
  Dims one{3}, two{3, 3};
  EXPECT_EQ(jt_init(s.ctx, "he_normal", JT_NUL, one.data(), 1, JT_F32, &out), JT_E_SHAPE);
  EXPECT_EQ(jt_init(s.ctx, "hee", JT_NUL, two.data(), 2, JT_F32, &out), JT_E_NOT_FOUND);
  EXPECT_EQ(jt_init(s.ctx, "normal", JT_NUL, two.data(), 2, JT_I64, &out), JT_E_DTYPE);
}
