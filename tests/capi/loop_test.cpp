// A loop in its steady state - recording, finding the plan, launching - takes nothing from the heap and asks nothing of
// the system; a training loop takes no new buffers either.
//
// jt's buffers come from an allocator that the runtime counts.
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/capi/heap.h"

using namespace jt::test;

// A loop with handles of its own: tests/capi/capi.h would be counted, too.
struct Loop {
  jt_context* ctx;
  jt_tensor *x, *w, *bias, *labels;
  void operator()() const {
    jt_tensor *product, *sum, *active, *row, *loss, *picked, *shifted;
    const int64_t from[2] = {0, 1}, to[2] = {4, 5}, axes[2] = {1, 0};
    must(jt_matmul(ctx, x, w, &product));
    must(jt_add(ctx, product, bias, &sum));
    must(jt_relu(ctx, sum, &active));
    must(jt_transpose(ctx, active, axes, 2, &row));
    must(jt_slice(ctx, active, from, 2, to, 2, nullptr, 0, &picked));
    must(jt_add(ctx, picked, picked, &shifted));
    must(jt_cross_entropy(ctx, active, labels, nullptr, -100, "mean", JT_NUL, 0, &loss));
    jt_tensor* asked[3] = {row, shifted, loss};
    must(jt_eval(ctx, asked, 3));
    for (jt_tensor* t : {product, sum, active, row, picked, shifted, loss}) jt_tensor_release(t);
  }
};
static Loop loop_in(const Session& s) {
  static const std::vector<float> numbers(64, 0.5f);
  auto own = [](Tensor t) { return std::exchange(t.handle, nullptr); };
  return {s.ctx, own(s.floats({4, 8}, {numbers.begin(), numbers.begin() + 32})), own(s.floats({8, 8}, numbers)),
          own(s.floats({8}, {numbers.begin(), numbers.begin() + 8})), own(s.of<int64_t>(JT_I64, {4}, {0, 1, 2, 3}))};
}
static void end(const Loop& l) {
  for (jt_tensor* t : {l.x, l.w, l.bias, l.labels}) jt_tensor_release(t);
}

TEST(SteadyLoop, TheLibraryIsCounted) {
  Session s;
  Loop loop = loop_in(s);
  int64_t before = news;
  loop();
  EXPECT_GT(news - before, 20) << "the first time, a plan is made";
  end(loop);
}
TEST(SteadyLoop, TakesNothingFromTheHeap) {
  Session s;
  Loop loop = loop_in(s);
  int64_t taken = news_of(50, loop), calls = s.memory().allocator_calls;
  EXPECT_EQ(taken, 0);
  EXPECT_EQ(news_of(50, loop), 0);
  EXPECT_EQ(s.memory().allocator_calls, calls);
  end(loop);
}
// Plans of several evals in turn are all found again.
TEST(SteadyLoop, TakesNothingFromTheHeapWithSeveralPlans) {
  Session s;
  Loop loop = loop_in(s);
  jt_context* ctx = s.ctx;
  auto body = [&] {
    loop();
    for (auto op : {jt_exp, jt_neg, jt_relu}) {
      jt_tensor* y;
      must(op(ctx, loop.x, &y)), must(jt_eval(ctx, &y, 1));
      jt_tensor_release(y);
    }
  };
  body();
  int64_t made = s.stats().plans_made;
  EXPECT_EQ(made, 4);
  EXPECT_EQ(news_of(20, body), 0);
  EXPECT_EQ(s.stats().plans_made, made);
  end(loop);
}

// In a child: all that a strict process may do is read, write and end.
TEST(SteadyLoop, AsksNothingOfTheSystem) {
  pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    Session s;
    Loop loop = loop_in(s);
    for (int i = 0; i < 50; i++) loop();
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT)) syscall(SYS_exit, 77);
    for (int i = 0; i < 200; i++) loop();
    syscall(SYS_exit, 0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) GTEST_SKIP() << "this system has no seccomp";
  EXPECT_TRUE(WIFEXITED(status)) << "ended by signal " << WTERMSIG(status) << ": a system call";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(SteadyTraining, TakesNoNewBuffersFromStep20ToStep200) {
  Session s;
  LeNet net(s, 4, 6, 32);
  jt_optimizer* o = net.optimizer();
  Tensor x = pictures(s, 8), y = labels(s, 8);
  jt_memory_info at_20{}, at_200{};
  for (int i = 0; i <= 200; i++) {
    must(jt_optimizer_step(s.ctx, o, net.loss(net.forward(x), y)));
    if (i == 20) at_20 = s.memory();
  }
  at_200 = s.memory();
  EXPECT_EQ(at_200.allocator_calls, at_20.allocator_calls);
  EXPECT_EQ(at_200.live_bytes, at_20.live_bytes);
  EXPECT_EQ(at_200.cached_bytes, at_20.cached_bytes);
  EXPECT_EQ(at_200.peak_bytes, at_20.peak_bytes);
  jt_optimizer_release(o);
}
TEST(SteadyTraining, TakesNothingFromTheHeap) {
  Session s;
  LeNet net(s, 4, 6, 32);
  jt_optimizer* o = net.optimizer();
  Tensor x = pictures(s, 8), y = labels(s, 8);
  EXPECT_EQ(news_of(20, [&] { must(jt_optimizer_step(s.ctx, o, net.loss(net.forward(x), y))); }), 0);
  jt_optimizer_release(o);
}

// ---- every function that a loop calls -------------------------------------------------------------------------------

namespace {

// Handles of one session, for calls that are counted.
struct Handles {
  Session s;
  jt_context* ctx = s.ctx;
  Tensor x = s.floats({4, 8}, std::vector<float>(32, 0.5f)), w = s.floats({8, 8}, std::vector<float>(64, 0.25f));
  Tensor labels = s.of<int64_t>(JT_I64, {4}, {0, 1, 2, 3}),
         image = s.floats({2, 3, 8, 8}, std::vector<float>(384, 0.5f));
  Tensor other = s.floats({4, 8}, std::vector<float>(32, 0.75f));
  std::vector<jt_module*> modules;
  std::vector<jt_optimizer*> optimizers;

  ~Handles() {
    for (jt_module* m : modules) jt_module_release(m);
    for (jt_optimizer* o : optimizers) jt_optimizer_release(o);
  }
  jt_module* module(const char* kind, std::initializer_list<jt_attr> fields = {}) {
    jt_module* out = nullptr;
    must(jt_module_create(ctx, kind, JT_NUL, fields.begin(), fields.size(), &out));
    modules.push_back(out);
    return out;
  }
  jt_optimizer* optimizer(const char* kind, std::initializer_list<jt_attr> fields, jt_tensor* of) {
    jt_optimizer* out = nullptr;
    must(jt_optimizer_create(ctx, kind, JT_NUL, fields.begin(), fields.size(), &of, 1, &out));
    optimizers.push_back(out);
    return out;
  }
};
jt_attr integer(const char* name, int64_t value) { return {name, JT_ATTR_I64, value}; }
jt_attr number(const char* name, double value) { return {name, JT_ATTR_F64, 0, value}; }
jt_attr integers(const char* name, const int64_t* values, size_t n) { return {name, JT_ATTR_INTS, 0, 0, values, n}; }

// A call that gives one tensor, run and released.
template <class Call>
void expect_none_of(const Handles& h, const char* what, Call call) {
  expect_none(what, [&] {
    jt_tensor* out = nullptr;
    must(call(&out));
    must(jt_eval(h.ctx, &out, 1));
    jt_tensor_release(out);
  });
}

}  // namespace

TEST(SteadyApi, OpsByNameTakeNothing) {
  Handles h;
  jt_tensor* in[2] = {h.x, h.w};
  jt_attr axes[2] = {integer("axes", 1), integer("keepdims", 1)};
  expect_none_of(h, "matmul",
                 [&](jt_tensor** out) { return jt_op_call(h.ctx, "matmul", JT_NUL, in, 2, nullptr, 0, out, 1); });
  expect_none_of(h, "sum", [&](jt_tensor** out) { return jt_op_call(h.ctx, "sum", JT_NUL, in, 1, axes, 2, out, 1); });
  jt_tensor* pair[2] = {h.x, h.labels};
  expect_none_of(h, "cross_entropy", [&](jt_tensor** out) {
    return jt_op_call(h.ctx, "cross_entropy", JT_NUL, pair, 2, nullptr, 0, out, 1);
  });
}

TEST(SteadyApi, FailuresTakeNothing) {
  Handles h;
  jt_tensor* out = nullptr;
  char bytes[4];
  expect_none("shapes", [&] { EXPECT_EQ(jt_add(h.ctx, h.x, h.w, &out), JT_E_SHAPE); });
  expect_none("inner extents", [&] { EXPECT_EQ(jt_matmul(h.ctx, h.w, h.x, &out), JT_E_SHAPE); });
  expect_none("dtype", [&] { EXPECT_EQ(jt_take(h.ctx, h.x, h.x, 0, &out), JT_E_DTYPE); });
  expect_none("no op", [&] {
    EXPECT_EQ(jt_op_call(h.ctx, "no_such_op", JT_NUL, nullptr, 0, nullptr, 0, &out, 1), JT_E_NOT_FOUND);
  });
  expect_none("no room", [&] { EXPECT_EQ(jt_tensor_read(h.ctx, h.x, bytes, 4), JT_E_INVALID); });
  expect_none("NULL", [&] { EXPECT_EQ(jt_relu(h.ctx, nullptr, &out), JT_E_INVALID); });
  jt_module* linear = h.module("Linear", {integer("in_features", 3), integer("out_features", 2)});
  jt_tensor* in = h.x;
  expect_none("a module", [&] { EXPECT_EQ(jt_module_forward(h.ctx, linear, &in, 1, &out, 1), JT_E_SHAPE); });
  jt_tensor* gradient = nullptr;
  expect_none("a gradient", [&] { EXPECT_EQ(jt_grad(h.ctx, h.x, &in, 1, nullptr, 0, &gradient, 1), JT_E_INVALID); });
}

TEST(SteadyApi, LayersTakeNothing) {
  Handles h;
  auto expect = [&](jt_module* m, jt_tensor* x, jt_tensor* y = nullptr) {
    expect_none(jt_module_kind(m), [&] {
      jt_tensor *in[2] = {x, y}, *out = nullptr;
      must(jt_module_forward(h.ctx, m, in, y ? 2 : 1, &out, 1));
      must(jt_eval(h.ctx, &out, 1));
      jt_tensor_release(out);
    });
  };
  const int64_t window[2] = {3, 3}, two[2] = {2, 2}, shape[1] = {8};
  jt_module* linear = h.module("Linear", {integer("in_features", 8), integer("out_features", 4)});
  expect(linear, h.x);
  expect(
      h.module("Conv2d", {integer("in_channels", 3), integer("out_channels", 4), integers("kernel_size", window, 2)}),
      h.image);
  expect(h.module("ConvTranspose2d",
                  {integer("in_channels", 3), integer("out_channels", 4), integers("kernel_size", window, 2)}),
         h.image);
  expect(h.module("MaxPool2d", {integers("kernel_size", two, 2)}), h.image);
  expect(h.module("AvgPool2d", {integers("kernel_size", two, 2)}), h.image);
  expect(h.module("BatchNorm2d", {integer("num_features", 3)}), h.image);
  expect(h.module("InstanceNorm2d", {integer("num_features", 3)}), h.image);
  expect(h.module("GroupNorm", {integer("num_groups", 3), integer("num_channels", 3)}), h.image);
  expect(h.module("LayerNorm", {integers("normalized_shape", shape, 1)}), h.x);
  expect(h.module("RMSNorm", {integers("normalized_shape", shape, 1)}), h.x);
  expect(h.module("Embedding", {integer("num_embeddings", 9), integer("embedding_dim", 5)}), h.labels);
  expect(h.module("CrossEntropyLoss"), h.x, h.labels);
  expect(h.module("MSELoss"), h.x, h.other);
  expect(h.module("BCEWithLogitsLoss"), h.x, h.other);
  expect(h.module("GRUCell", {integer("input_size", 8), integer("hidden_size", 4)}), h.x);
  expect(h.module("LSTMCell", {integer("input_size", 8), integer("hidden_size", 4)}), h.x);
  expect(h.module("Flatten"), h.image);
  for (const char* kind : {"ReLU", "GELU", "SiLU", "Sigmoid", "Tanh", "Softmax", "LeakyReLU", "Dropout"})
    expect(h.module(kind), h.x);
  jt_module* chain = h.module("Sequential");
  must(jt_module_add_child(h.ctx, chain, "0", 1, linear)),
      must(jt_module_add_child(h.ctx, chain, "1", 1, h.module("ReLU")));
  expect(chain, h.x);
  jt_tensor* params[2];
  size_t n = 0;
  expect_none("training", [&] { must(jt_module_set_training(h.ctx, chain, 1)); });
  expect_none("parameters", [&] {
    must(jt_module_parameters(h.ctx, chain, params, 2, &n));
    for (jt_tensor* p : params) jt_tensor_release(p);
  });
}

TEST(SteadyApi, OptimizersTakeNothing) {
  for (const char* kind : {"sgd", "adam", "adamw", "rmsprop", "adan"})
    for (bool by_loss : {true, false}) {
      Handles h;
      Tensor w = h.w;
      must(jt_tensor_set_requires_grad(h.ctx, w, 1));
      bool has_momentum = std::string_view(kind) == "sgd";
      jt_optimizer* o =
          has_momentum ? h.optimizer(kind, {number("lr", 0.01), number("momentum", 0.9)}, w) : h.optimizer(kind, {}, w);
      expect_none(kind, [&] {
        jt_tensor *y, *loss, *dw;
        must(jt_matmul(h.ctx, h.x, w, &y)),
            must(jt_cross_entropy(h.ctx, y, h.labels, nullptr, -100, "mean", JT_NUL, 0, &loss));
        if (by_loss) {
          must(jt_optimizer_step(h.ctx, o, loss));
        } else {
          jt_tensor* of = w;
          must(jt_grad(h.ctx, loss, &of, 1, nullptr, 0, &dw, 1));
          must(jt_optimizer_step_grads(h.ctx, o, &dw, 1));
          jt_tensor_release(dw);
        }
        must(jt_optimizer_set_lr(h.ctx, o, 0.02));
        jt_tensor_release(y), jt_tensor_release(loss);
      });
    }
}

TEST(SteadyApi, GradientsTakeNothing) {
  Handles h;
  jt_tensor* w = h.w;
  must(jt_tensor_set_requires_grad(h.ctx, w, 1));
  expect_none("backward", [&] {
    jt_tensor *y, *loss, *dw;
    must(jt_matmul(h.ctx, h.x, w, &y)),
        must(jt_cross_entropy(h.ctx, y, h.labels, nullptr, -100, "mean", JT_NUL, 0, &loss));
    must(jt_backward(h.ctx, loss, 0)), must(jt_tensor_grad(h.ctx, w, &dw)), must(jt_eval(h.ctx, &dw, 1));
    jt_tensor_release(dw), must(jt_zero_grad(h.ctx, &w, 1));
    jt_tensor_release(y), jt_tensor_release(loss);
  });
}

TEST(SteadyApi, OpsOfTheProgramTakeNothing) {
  Handles h;
  jt_tensor *x = h.x, *y = nullptr, *dx = nullptr;
  must(jt_tensor_set_requires_grad(h.ctx, x, 1));
  const int64_t dims[2] = {4, 8};
  const jt_custom_type out = {JT_F32, dims, 2};
  auto by_gradient = [&](const char* what, auto record) {
    expect_none_of(h, what, [&](jt_tensor** z) { return record(z); });
    expect_none(what, [&] {
      must(record(&y)), must(jt_sum(h.ctx, y, nullptr, 0, 0, &dx)), jt_tensor_release(y);
      must(jt_grad(h.ctx, dx, &x, 1, nullptr, 0, &y, 1)), must(jt_eval(h.ctx, &y, 1));
      jt_tensor_release(y), jt_tensor_release(dx);
    });
  };
  jt_custom_desc d{};
  d.struct_size = sizeof d, d.outputs = &out, d.outputs_len = 1;
  d.name = "a name that is longer than what fits beside its length", d.name_len = JT_NUL;
  d.forward = [](void*, const jt_custom_call* c) {
    for (size_t i = 0; i < 32; i++)
      static_cast<float*>(c->outputs[0].data)[i] = 2 * static_cast<const float*>(c->inputs[0].data)[i];
    return jt_status(JT_OK);
  };
  d.backward = [](void*, const jt_custom_grad* c) { return jt_add(c->ctx, c->grads[0], c->grads[0], c->input_grads); };
  by_gradient("custom", [&](jt_tensor** z) { return jt_custom(h.ctx, &d, &x, 1, z, 1); });

  const char *gradient = "for (int64_t i = 0; i < out_num; i++) out[i] = dout[i] * data_factor_of_the_whole;",
             *name = "factor_of_the_whole";
  double factor = 1;
  jt_code_desc code{};
  code.struct_size = sizeof code, code.outputs = &out, code.outputs_len = 1, code.name = d.name, code.name_len = JT_NUL;
  code.source = "for (int64_t i = 0; i < out_num; i++) out[i] = in0[i] * data_factor_of_the_whole;",
  code.source_len = JT_NUL;
  code.grad_sources = &gradient, code.grad_sources_len = 1, code.data_names = &name, code.data_values = &factor,
  code.data_len = 1;
  by_gradient("code", [&](jt_tensor** z) { return factor += 1, jt_code(h.ctx, &code, &x, 1, z, 1); });
}

TEST(SteadyApi, TensorsTakeNothing) {
  Handles h;
  const int64_t dims[2] = {4, 8};
  std::vector<float> data(32, 1);
  double item = 0;
  expect_none_of(h, "from_bytes",
                 [&](jt_tensor** out) { return jt_tensor_from_bytes(h.ctx, data.data(), 128, JT_F32, dims, 2, out); });
  expect_none_of(h, "scalar", [&](jt_tensor** out) { return jt_scalar(h.ctx, 2, JT_F32, out); });
  expect_none_of(h, "zeros", [&](jt_tensor** out) { return jt_zeros(h.ctx, dims, 2, JT_F32, out); });
  expect_none_of(h, "full_like", [&](jt_tensor** out) { return jt_full_like(h.ctx, h.x, 2, out); });
  expect_none_of(h, "uniform", [&](jt_tensor** out) { return jt_random_uniform(h.ctx, dims, 2, -1, 1, JT_F32, out); });
  expect_none_of(h, "normal", [&](jt_tensor** out) { return jt_random_normal(h.ctx, dims, 2, 0, 1, JT_F64, out); });
  expect_none_of(h, "integers", [&](jt_tensor** out) { return jt_random_integers(h.ctx, dims, 2, 0, 9, JT_I64, out); });
  const int64_t window[2] = {3, 3};
  jt_tensor* parts[2] = {h.x, h.other};
  Tensor weights = h.s.floats({4, 3, 3, 3}, std::vector<float>(108, 0.25f));
  expect_none_of(h, "conv2d", [&](jt_tensor** out) {
    return jt_conv2d(h.ctx, h.image, weights, nullptr, 0, nullptr, 0, nullptr, 0, 1, 0, out);
  });
  expect_none_of(h, "pool", [&](jt_tensor** out) {
    return jt_avg_pool2d(h.ctx, h.image, window, 2, nullptr, 0, nullptr, 0, 0, out);
  });
  expect_none_of(h, "concat", [&](jt_tensor** out) { return jt_concat(h.ctx, parts, 2, 0, out); });
  expect_none_of(h, "take", [&](jt_tensor** out) { return jt_take(h.ctx, h.x, h.labels, 0, out); });
  expect_none("borrow", [&] {
    jt_borrow_desc d{};
    d.struct_size = sizeof d, d.data = data.data(), d.data_len = 128, d.dtype = JT_F32, d.dims = dims, d.dims_len = 2;
    jt_tensor* out = nullptr;
    must(jt_tensor_borrow(h.ctx, &d, &out));
    jt_tensor_release(out);
  });
  expect_none("map", [&] {
    jt_mapping m{};
    m.struct_size = sizeof m;
    must(jt_tensor_map(h.ctx, h.x, &m)), jt_tensor_unmap(&m);
    m.struct_size = sizeof m;
    must(jt_tensor_map_write(h.ctx, h.other, &m)), jt_tensor_unmap(&m);
  });
  expect_none("assign", [&] {
    must(jt_tensor_assign(h.ctx, h.other, h.x)), must(jt_tensor_read(h.ctx, h.other, data.data(), 128));
    must(jt_tensor_rebind(h.ctx, h.other, h.x));
  });
  expect_none("item", [&] {
    jt_tensor* sum;
    must(jt_sum(h.ctx, h.x, nullptr, 0, 0, &sum)), must(jt_tensor_item_f64(h.ctx, sum, &item));
    jt_tensor_release(sum);
  });
  expect_none("modes", [&] {
    jt_bool before;
    must(jt_context_set_grad_mode(h.ctx, 1, &before)), must(jt_context_set_seed(h.ctx, 3)),
        must(jt_context_set_line(h.ctx, 0));
  });
  expect_none("sync", [&] { must(jt_sync(h.ctx)); });
  expect_none("statistics", [&] { h.s.stats(), h.s.memory(); });
}

TEST(SteadyApi, QuestionsTakeNothing) {
  Handles h;
  jt_module* chain = h.module("Sequential");
  must(jt_module_add_child(h.ctx, chain, "the first of a long name", JT_NUL,
                           h.module("Linear", {integer("in_features", 8), integer("out_features", 8)})));
  must(jt_module_add_child(h.ctx, chain, "second", JT_NUL, h.module("Dropout")));
  must(jt_tensor_set_requires_grad(h.ctx, h.w, 1));
  jt_optimizer* adam = h.optimizer("adam", {}, h.w);
  jt_tensor *loss = nullptr, *t = nullptr;
  must(jt_sum(h.ctx, h.w, nullptr, 0, 0, &loss)), must(jt_optimizer_step(h.ctx, adam, loss)), jt_tensor_release(loss);
  const int64_t dims[2] = {8, 8};
  expect_none_of(h, "scalar_i64", [&](jt_tensor** out) { return jt_scalar_i64(h.ctx, 7, JT_I64, out); });
  expect_none_of(h, "init",
                 [&](jt_tensor** out) { return jt_init(h.ctx, "xavier_uniform", JT_NUL, dims, 2, JT_F32, out); });
  expect_none_of(h, "module_get", [&](jt_tensor** out) {
    return jt_module_get(h.ctx, chain, "the first of a long name.weight", JT_NUL, out);
  });
  expect_none("item_i64", [&] {
    int64_t item = 0;
    must(jt_sum(h.ctx, h.labels, nullptr, 0, 0, &t)), must(jt_tensor_item_i64(h.ctx, t, &item));
    EXPECT_TRUE(jt_tensor_is_ready(t));
    jt_tensor_release(t);
  });
  expect_none("children", [&] {
    jt_module* child = nullptr;
    must(jt_module_child(h.ctx, chain, "second", JT_NUL, &child));
    EXPECT_STREQ(jt_module_child_name(chain, 1), "second");
    jt_module_release(child);
  });
  expect_none("optimizer", [&] {
    double lr = 0;
    const char* name = nullptr;
    must(jt_optimizer_get_lr(h.ctx, adam, &lr));
    for (size_t i = 0; i < jt_optimizer_state_count(adam); i++)
      must(jt_optimizer_state(h.ctx, adam, i, &name, &t)), jt_tensor_release(t);
  });
  expect_none("map_export", [&] {
    jt_mapping m{};
    m.struct_size = sizeof m;
    must(jt_tensor_map_export(h.ctx, h.x, &m)), jt_tensor_unmap(&m);
  });
  expect_none("kernels", [&] {
    EXPECT_GT(jt_kernel_count(h.s.rt), 0u);
    must(jt_stats_set_timing(h.s.rt, 1)), must(jt_stats_set_timing(h.s.rt, 0)), must(jt_stats_reset(h.s.rt));
  });
  expect_none("watch", [&] {
    must(jt_context_set_watch(h.ctx, [](void*, int64_t, int64_t) { return jt_status(JT_OK); }, nullptr));
    must(jt_context_set_watch(h.ctx, nullptr, nullptr));
    jt_error_info e{};
    e.struct_size = sizeof e;
    jt_last_error(&e);
  });
}
