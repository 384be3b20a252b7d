// Ops of the program's own: functions of the host, and C source.
#include <functional>

#include "tests/capi/capi.h"

using namespace jt::test;

namespace {

using Floats = std::vector<float>;

// An op made of lambdas; counts what is called.
struct Op {
  std::function<jt_status(const jt_custom_call&)> forward;
  std::function<jt_status(const jt_custom_grad&)> backward;
  int forwards = 0, backwards = 0, releases = 0;

  struct Result { jt_dtype dtype; Dims dims; };
  std::vector<jt_custom_type> types;
  std::vector<Result> results;

  jt_custom_desc desc(const char* name) {
    types.clear();
    for (const Result& r : results) types.push_back({r.dtype, r.dims.data(), r.dims.size()});
    jt_custom_desc d{};
    d.struct_size = sizeof d;
    d.name = name, d.name_len = JT_NUL;
    d.user = this;
    d.forward = [](void* user, const jt_custom_call* call) {
      Op& op = *static_cast<Op*>(user);
      return op.forwards++, op.forward(*call);
    };
    if (backward) d.backward = [](void* user, const jt_custom_grad* call) {
      Op& op = *static_cast<Op*>(user);
      return op.backwards++, op.backward(*call);
    };
    d.release = [](void* user) { static_cast<Op*>(user)->releases++; };
    d.outputs = types.data(), d.outputs_len = types.size();
    return d;
  }
  std::vector<Tensor> call(const Session& s, std::vector<jt_tensor*> inputs, const char* name = "mine") {
    jt_custom_desc d = desc(name);
    std::vector<jt_tensor*> out(results.size(), nullptr);
    must(jt_custom(s.ctx, &d, inputs.data(), inputs.size(), out.data(), out.size()));
    return std::vector<Tensor>(out.begin(), out.end());
  }
};

const float* in(const jt_custom_call& c, size_t i) { return static_cast<const float*>(c.inputs[i].data); }
float* out(const jt_custom_call& c, size_t i) { return static_cast<float*>(c.outputs[i].data); }

jt_status fail_with(char* message, size_t room, const char* text, jt_status status) {
  std::snprintf(message, room, "%s", text);
  return status;
}

// z = x^3, elementwise; its gradient in ops of jt, so that it can be differentiated again.
Op cube(Dims dims) {
  Op op;
  op.results = {{JT_F32, dims}};
  op.forward = [](const jt_custom_call& c) {
    for (size_t i = 0; i < c.outputs[0].data_len / 4; i++) out(c, 0)[i] = in(c, 0)[i] * in(c, 0)[i] * in(c, 0)[i];
    return JT_OK;
  };
  op.backward = [](const jt_custom_grad& g) {
    jt_tensor *square = nullptr, *three = nullptr, *slope = nullptr;
    must(jt_square(g.ctx, g.inputs[0], &square));
    must(jt_scalar(g.ctx, 3, JT_F32, &three));
    must(jt_mul(g.ctx, square, three, &slope));
    must(jt_mul(g.ctx, slope, g.grads[0], &g.input_grads[0]));
    for (jt_tensor* t : {square, three, slope}) jt_tensor_release(t);
    return JT_OK;
  };
  return op;
}
Tensor parameter_of(const Session& s, const Dims& dims, const Floats& values) {
  Tensor x = s.floats(dims, values);
  must(jt_tensor_set_requires_grad(s.ctx, x, 1));
  return x;
}
Tensor gradient(const Session& s, jt_tensor* y, jt_tensor* x, uint32_t flags = 0) {
  jt_tensor* dx = nullptr;
  must(jt_grad(s.ctx, y, &x, 1, nullptr, flags, &dx, 1));
  return Tensor(dx);
}
jt_status read_status(const Session& s, jt_tensor* x) {
  Floats to(size_t(jt_tensor_count(x)));
  return jt_tensor_read(s.ctx, x, to.data(), to.size() * 4);
}

}  // namespace

// ---- forward --------------------------------------------------------------------------------------------------------

TEST(Custom, ComputesSeveralOutputsOnce) {
  Op op;
  op.results = {{JT_F32, {2, 3}}, {JT_I64, {}}};
  op.forward = [](const jt_custom_call& c) {
    EXPECT_EQ(c.inputs_len, 2u);
    EXPECT_EQ(c.inputs[0].dims_len, 2u);
    EXPECT_EQ(c.inputs[0].dims[1], 3);
    EXPECT_EQ(c.inputs[1].dtype, JT_U8);
    EXPECT_EQ(c.outputs[0].data_len, 24u);
    for (int i = 0; i < 6; i++) out(c, 0)[i] = in(c, 0)[i] + static_cast<const uint8_t*>(c.inputs[1].data)[0];
    *static_cast<int64_t*>(c.outputs[1].data) = 1ll << 40;
    return JT_OK;
  };
  {
    Session s;
    Tensor x = s.floats({2, 3}, {1, 2, 3, 4, 5, NAN}), sum = s.make(jt_add, x, x), n = s.of<uint8_t>(JT_U8, {1}, {7});
    auto z = op.call(s, {sum, n});
    EXPECT_EQ(op.forwards, 0);
    int64_t whole = 0;
    must(jt_tensor_item_i64(s.ctx, z[1], &whole));
    EXPECT_EQ(whole, 1ll << 40);
    Tensor twice = s.make(jt_add, z[0], z[0]);
    Floats got = s.read(twice);
    EXPECT_EQ(Floats(got.begin(), got.begin() + 5), Floats({18, 22, 26, 30, 34}));
    EXPECT_TRUE(std::isnan(got[5]));
    EXPECT_EQ(op.forwards, 1);
  }
  EXPECT_EQ(op.releases, 1);
}
TEST(Custom, IsNeverMergedAndNeverRunForNobody) {
  Session s;
  Op op = cube({2});
  Tensor x = s.floats({2}, {1, 2});
  auto a = op.call(s, {x}), b = op.call(s, {x});
  op.call(s, {x});
  EXPECT_EQ(op.releases, 1);
  EXPECT_EQ(s.read(s.make(jt_add, a[0], b[0])), Floats({2, 16}));
  EXPECT_EQ(op.forwards, 2);
}
TEST(Custom, TakesNoElementsAndNoAxes) {
  Session s;
  Op empty = cube({0, 3}), scalar = cube({});
  EXPECT_EQ(s.read(empty.call(s, {s.zeros({0, 3})})[0]), Floats());
  EXPECT_EQ(s.read(scalar.call(s, {s.scalar(3)})[0]), Floats({27}));
  EXPECT_EQ(empty.forwards + scalar.forwards, 2);
}
TEST(Custom, ComputesNothingTwiceAroundIt) {
  Session s;
  Op op = cube({2, 2});
  Tensor x = s.floats({2, 2}, {1, 2, 3, 4}), y = s.make(jt_matmul, x, x);
  Tensor flat = s.reshape(s.reshape(y, {4}), {2, 2});
  Tensor z = s.make(jt_add, op.call(s, {s.make(jt_neg, y)})[0], flat);
  y = Tensor(), flat = Tensor();
  must(jt_stats_reset(s.rt));
  EXPECT_EQ(s.read(z), Floats({-343 + 7, -1000 + 10, -3375 + 15, -10648 + 22}));
  EXPECT_EQ(s.stats().launches, 4);  // matmul, neg, the op, add
}
TEST(Custom, RunsInAChain) {
  Session s;
  Op op = cube({2});
  Tensor x = s.floats({2}, {1, -1});
  for (int i = 0; i < 20; i++) x = s.make(jt_neg, op.call(s, {x})[0]);
  EXPECT_EQ(s.read(x), Floats({1, -1}));
  EXPECT_EQ(op.forwards, 20);
}
TEST(Custom, KeepsItsInputsAliveAndLetsThemGo) {
  Op op = cube({2});
  Session s;
  Tensor z = op.call(s, {s.make(jt_neg, s.floats({2}, {1, 2}))})[0];
  EXPECT_EQ(s.read(z), Floats({-1, -8}));
  z = Tensor();
  EXPECT_EQ(op.releases, 1);
}

// ---- failures -------------------------------------------------------------------------------------------------------

TEST(Custom, ThatFailsPoisonsItsResultsAndNothingElse) {
  Session s;
  Op op = cube({2});
  op.results.push_back({JT_F32, {2}});
  op.forward = [](const jt_custom_call& c) {
    return fail_with(c.message, c.message_len, "the sensor is gone", jt_status(-1234));
  };
  Tensor x = s.floats({2}, {1, 2}), before = s.make(jt_neg, x);
  auto z = op.call(s, {before}, "sensor");
  Tensor of_z = s.make(jt_add, z[1], x), after = s.make(jt_exp, s.zeros({2}));
  EXPECT_EQ(s.read(after), Floats({1, 1}));
  for (jt_tensor* t : {z[0].handle, z[1].handle, of_z.handle, z[0].handle}) {
    EXPECT_EQ(read_status(s, t), jt_status(-1234));
    EXPECT_NE(last_message().find("sensor: the sensor is gone"), std::string::npos) << last_message();
  }
  EXPECT_EQ(op.forwards, 1);
  EXPECT_EQ(s.read(before), Floats({-1, -2}));
  must(jt_sync(s.ctx));
}
TEST(Custom, ThatFailsTellsASync) {
  Session s;
  Op op = cube({1});
  op.forward = [](const jt_custom_call&) { return JT_E_IO; };
  auto z = op.call(s, {s.zeros({1})});
  EXPECT_EQ(jt_sync(s.ctx), JT_E_IO);
  EXPECT_NE(last_message().find("mine: failed with JT_E_IO"), std::string::npos) << last_message();
  must(jt_sync(s.ctx));
}
TEST(Custom, ThatFailsInAStepLeavesParametersAsTheyWere) {
  Session s;
  bool fails = false;
  Op op = cube({2});
  auto forward = op.forward;
  op.forward = [&](const jt_custom_call& c) { return fails ? JT_E_USER : forward(c); };
  Tensor w = s.floats({2}, {1, 2}), b = s.floats({2}, {3, 4});
  jt_tensor* params[] = {w, b};
  for (jt_tensor* param : params) must(jt_tensor_set_requires_grad(s.ctx, param, 1));
  jt_optimizer* o = nullptr;
  must(jt_optimizer_create(s.ctx, "adam", JT_NUL, nullptr, 0, params, 2, &o));
  auto step = [&] {  // b's gradient does not depend on the op, w's does
    Tensor loss = s.sum(s.make(jt_add, op.call(s, {w})[0], s.make(jt_square, b)));
    return jt_optimizer_step(s.ctx, o, loss);
  };
  must(step());
  Floats w1 = s.read(w), b1 = s.read(b);
  fails = true;
  EXPECT_EQ(step(), JT_E_USER);
  EXPECT_EQ(s.read(w), w1);
  EXPECT_EQ(s.read(b), b1);
  fails = false;
  must(step());
  EXPECT_LT(s.read(w)[0], w1[0]);
  jt_optimizer_release(o);
}
TEST(Custom, MayNotUseItsContextButAnother) {
  Session s, other;
  Op op = cube({1});
  Tensor x = s.floats({1}, {2}), y = s.make(jt_neg, x);
  op.forward = [&](const jt_custom_call& c) {
    jt_tensor* sum = nullptr;
    EXPECT_EQ(jt_add(s.ctx, x, x, &sum), JT_E_BUSY);
    EXPECT_EQ(sum, nullptr);
    EXPECT_EQ(jt_sync(s.ctx), JT_E_BUSY);
    EXPECT_EQ(read_status(s, y), JT_E_BUSY);
    EXPECT_NE(last_message().find("must not use it"), std::string::npos) << last_message();
    y = Tensor();  // letting go is fine
    out(c, 0)[0] = float(other.item(other.make(jt_exp, other.scalar(0)))) + in(c, 0)[0];
    return JT_OK;
  };
  EXPECT_EQ(s.read(op.call(s, {x})[0]), Floats({3}));
  EXPECT_EQ(s.read(s.make(jt_add, x, x)), Floats({4}));
}
TEST(Custom, TellsMistakesWhenItIsRecorded) {
  Session s;
  Op op = cube({2});
  jt_tensor *x = nullptr, *z = nullptr, *two[2];
  const int64_t dims[1] = {2};
  must(jt_zeros(s.ctx, dims, 1, JT_F32, &x));
  Tensor held(x);
  auto with = [&](auto change) {
    jt_custom_desc d = op.desc("mine");
    change(d);
    z = x;
    jt_status status = jt_custom(s.ctx, &d, &x, 1, &z, 1);
    EXPECT_EQ(z, nullptr);
    return status;
  };
  EXPECT_EQ(with([](jt_custom_desc& d) { d.forward = nullptr; }), JT_E_INVALID);
  EXPECT_EQ(with([](jt_custom_desc& d) { d.outputs = nullptr; }), JT_E_INVALID);
  EXPECT_EQ(with([](jt_custom_desc& d) { d.outputs_len = 0; }), JT_E_INVALID);
  EXPECT_EQ(with([](jt_custom_desc& d) { d.flags = 1; }), JT_E_INVALID);
  EXPECT_EQ(with([](jt_custom_desc& d) { d.struct_size = 2; }), JT_E_ABI);
  jt_custom_type wrong = {jt_dtype(99), dims, 1};
  EXPECT_EQ(with([&](jt_custom_desc& d) { d.outputs = &wrong; }), JT_E_DTYPE);
  const int64_t negative[1] = {-2};
  jt_custom_type bad = {JT_F32, negative, 1};
  EXPECT_EQ(with([&](jt_custom_desc& d) { d.outputs = &bad; }), JT_E_SHAPE);
  jt_custom_desc d = op.desc("mine");
  EXPECT_EQ(jt_custom(s.ctx, &d, &x, 1, two, 2), JT_E_INVALID);
  EXPECT_NE(last_message().find("mine: has 1 outputs, but outputs_len is 2"), std::string::npos) << last_message();
  EXPECT_EQ(op.releases, 0);
}

// ---- gradients ------------------------------------------------------------------------------------------------------

TEST(CustomGradient, OfFirstAndSecondOrder) {
  Session s;
  Op op = cube({3});
  Tensor x = parameter_of(s, {3}, {1, -2, 3}), y = s.sum(s.make(jt_neg, op.call(s, {x})[0]));
  Tensor dx = gradient(s, y, x, JT_GRAD_CREATE_GRAPH);
  EXPECT_EQ(s.read(dx), Floats({-3, -12, -27}));
  EXPECT_EQ(s.read(gradient(s, s.sum(dx), x)), Floats({-6, 12, -18}));
  EXPECT_EQ(op.backwards, 1);  // dx depends on x beside the op, not through it
  EXPECT_EQ(op.forwards, 1);
}
TEST(CustomGradient, OfSecondOrderThroughTheResult) {
  Session s;
  Op op = cube({2});
  Tensor x = parameter_of(s, {2}, {1, 2}), y = s.sum(s.make(jt_square, op.call(s, {x})[0]));  // x^6
  Tensor dx = gradient(s, y, x, JT_GRAD_CREATE_GRAPH);
  EXPECT_EQ(s.read(gradient(s, s.sum(dx), x)), Floats({30, 30 * 16}));
  EXPECT_EQ(op.backwards, 2);
  EXPECT_EQ(op.forwards, 1);
}
TEST(CustomGradient, ReachesOpsBeforeAndAfterAlsoOnceValuesRan) {
  Session s;
  Op op = cube({2});
  Tensor x = parameter_of(s, {2}, {1, 2});
  Tensor y = s.sum(s.make(jt_square, op.call(s, {s.make(jt_add, x, x)})[0]));  // (2x)^6
  EXPECT_EQ(s.item(y), 64 + 4096);
  EXPECT_EQ(s.read(gradient(s, y, x)), Floats({6 * 64, 6 * 64 * 32}));
  EXPECT_EQ(op.forwards, 1);
}
TEST(CustomGradient, MayEvaluateDifferentiateAndLetGo) {
  Session s;
  Op op = cube({2});
  Tensor x = parameter_of(s, {2}, {1, 2}), a = s.make(jt_exp, x), b = s.make(jt_square, x);
  Tensor y = s.sum(s.make(jt_mul, s.make(jt_add, op.call(s, {b})[0], a), b));  // (x^6 + e^x) x^2
  auto recorded = op.backward;
  op.backward = [&](const jt_custom_grad& g) {
    EXPECT_EQ(s.read(g.outputs[0]), Floats({1, 64}));
    EXPECT_EQ(s.read(g.grads[0]), Floats({1, 4}));
    jt_bool before;
    must(jt_context_set_grad_mode(s.ctx, 1, &before));
    EXPECT_FALSE(before);
    Tensor other = parameter_of(s, {2}, {5, 6});
    EXPECT_EQ(s.read(gradient(s, s.sum(s.make(jt_square, other)), other)), Floats({10, 12}));
    must(jt_context_set_grad_mode(s.ctx, before, nullptr));
    a = Tensor(), b = Tensor(), y = Tensor();
    s.make(jt_neg, x);
    return recorded(g);
  };
  Floats dx = s.read(gradient(s, y, x));
  for (int i = 0; i < 2; i++) {
    double v = i + 1, expected = 8 * std::pow(v, 7) + std::exp(v) * (v * v + 2 * v);
    EXPECT_NEAR(dx[size_t(i)], expected, 1e-5 * expected);
  }
}
TEST(CustomGradient, SaysWhatIsNeededAndWhatComes) {
  Session s;
  Op op;
  op.results = {{JT_F32, {2}}, {JT_F32, {2}}, {JT_I32, {2}}};
  op.forward = [](const jt_custom_call& c) {
    std::memset(c.outputs[2].data, 0, 8);
    for (int i = 0; i < 2; i++) out(c, 0)[i] = in(c, 0)[i] * in(c, 1)[i], out(c, 1)[i] = 0;
    return JT_OK;
  };
  op.backward = [](const jt_custom_grad& g) {
    EXPECT_EQ(g.inputs_len, 2u);
    EXPECT_EQ(g.outputs_len, 3u);
    EXPECT_FALSE(g.needs[0]);
    EXPECT_TRUE(g.needs[1]);
    EXPECT_NE(g.grads[0], nullptr);
    EXPECT_EQ(g.grads[1], nullptr);
    EXPECT_EQ(g.grads[2], nullptr);
    return jt_mul(g.ctx, g.grads[0], g.inputs[0], &g.input_grads[1]);
  };
  Tensor x = s.floats({2}, {5, 7}), w = parameter_of(s, {2}, {1, 2});
  EXPECT_EQ(s.read(gradient(s, s.sum(op.call(s, {x, w})[0]), w)), Floats({5, 7}));
}
TEST(CustomGradient, MistakesAreErrorsThatNameTheOp) {
  Session s;
  Op op = cube({2});
  Tensor x = parameter_of(s, {2}, {1, 2});
  auto status = [&](std::function<jt_status(const jt_custom_grad&)> backward) {
    op.backward = backward;
    Tensor y = s.sum(op.call(s, {x}, "mine")[0]);
    jt_tensor *from = x, *dx = nullptr;
    jt_status got = jt_grad(s.ctx, y, &from, 1, nullptr, 0, &dx, 1);
    EXPECT_EQ(dx, nullptr);
    EXPECT_NE(last_message().find("grad: mine"), std::string::npos) << last_message();
    return got;
  };
  EXPECT_EQ(status(nullptr), JT_E_UNSUPPORTED);
  EXPECT_EQ(status([](const jt_custom_grad& g) { return fail_with(g.message, g.message_len, "no", JT_E_USER); }),
            JT_E_USER);
  EXPECT_EQ(status([](const jt_custom_grad& g) {
    const int64_t dims[1] = {3};
    return jt_zeros(g.ctx, dims, 1, JT_F32, &g.input_grads[0]);
  }), JT_E_SHAPE);
  EXPECT_NE(last_message().find("the gradient of input 0 is f32[3], the input f32[2]"), std::string::npos)
      << last_message();
  EXPECT_EQ(status([](const jt_custom_grad& g) { return jt_cast(g.ctx, g.grads[0], JT_F64, &g.input_grads[0]); }),
            JT_E_DTYPE);
  EXPECT_EQ(s.read(x), Floats({1, 2}));
  op.backward = [](const jt_custom_grad&) { return JT_OK; };  // no gradient given: zero
  EXPECT_EQ(s.read(gradient(s, s.sum(s.make(jt_add, op.call(s, {x})[0], x)), x)), Floats({1, 1}));
}
TEST(CustomGradient, OfAFailedForwardIsItsError) {
  Session s;
  Op op = cube({2});
  op.forward = [](const jt_custom_call&) { return JT_E_USER; };
  Tensor x = parameter_of(s, {2}, {1, 2}), y = s.sum(s.make(jt_square, op.call(s, {x})[0]));
  Tensor dx = gradient(s, y, x);
  EXPECT_EQ(read_status(s, dx), JT_E_USER);
  EXPECT_EQ(read_status(s, y), JT_E_USER);
  EXPECT_EQ(op.forwards, 1);
}

// ---- the text of a graph --------------------------------------------------------------------------------------------

TEST(Custom, IsSeenInTheGraph) {
  Session s;
  Op op = cube({2});
  Tensor z = s.make(jt_neg, op.call(s, {s.make(jt_exp, s.zeros({2}))}, "my \"own\"")[0]);
  jt_tensor* asked[] = {z};
  for (char stage : {'g', 's', 'f', 'm'}) {
    char text[4096];
    must(jt_graph_print(s.ctx, asked, 1, jt_stage(stage), text, sizeof text, nullptr));
    bool is_graph = stage == 'g' || stage == 's';
    EXPECT_NE(std::string(text).find(is_graph       ? "custom \"my \\\"own\\\"\""
                                     : stage == 'f' ? "custom"
                                                    : "arena"),
              std::string::npos)
        << stage << text;
  }
  EXPECT_EQ(op.forwards, 0);
}
