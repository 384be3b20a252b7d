// Every op and every layer, its gradient too, on operands of several dtypes: called again and again, it takes nothing
// from the heap, nor does a call that is refused.
#include <set>

#include "tests/capi/heap.h"
#include "tests/nn/cases.h"

using namespace jt::test;

namespace {

Tensor operand(const Session& s, const Operand& o) {
  Tensor made = s.make(jt_ones, o.dims.data(), o.dims.size(), o.dtype);
  must(jt_eval(s.ctx, &made.handle, 1));
  return made;
}

// The case itself, and each float operand, and all of them, of another dtype.
std::vector<Case> with_dtypes(const Case& base) {
  std::vector<Case> out = {base};
  for (jt_dtype t : {JT_F64, JT_F16, JT_BF16, JT_I32}) {
    Case all = base;
    for (size_t i = 0; i < base.operands.size(); i++) {
      if (base.operands[i].dtype != JT_F32) continue;
      Case one = base;
      one.operands[i].dtype = all.operands[i].dtype = t;
      if (base.operands.size() > 1) out.push_back(one);
    }
    out.push_back(all);
  }
  return out;
}

// Calls `record`, which gives 0 where the dtypes are refused, evaluates what it makes and, where there is one, its
// gradient.
class Loop {
 public:
  explicit Loop(const Session& session) : s(session) {}
  int calls = 0, refusals = 0, gradients = 0;

  template <class Record>
  bool check(const std::string& what, const Case& c, Record record) {
    std::vector<Tensor> held;
    std::vector<jt_tensor*> in, wrt;
    for (const Operand& o : c.operands) held.push_back(operand(s, o)), in.push_back(held.back());
    jt_tensor* out = record(in);
    if (!out) {
      expect_none(what + ", refused", [&] { record(in); });
      refusals++;
      return false;
    }
    expect_none(what, [&] { run(record(in)); });
    calls++;
    for (jt_tensor* x : in)
      if (jt_tensor_set_requires_grad(s.ctx, x, 1) == JT_OK) wrt.push_back(x);
    jt_tensor_release(std::exchange(out, record(in)));  // now as what a gradient flows through
    std::vector<jt_tensor*> dx(wrt.size());
    bool has_gradient = !wrt.empty() && grad(out, wrt, dx);
    jt_tensor_release(out);
    if (!has_gradient) return true;
    expect_none(what + ", gradient", [&] {
      jt_tensor* y = record(in);
      grad(y, wrt, dx);
      jt_tensor_release(y);
    });
    gradients++;
    return true;
  }

 private:
  void run(jt_tensor* y) {
    must(jt_eval(s.ctx, &y, 1));
    jt_tensor_release(y);
  }
  bool grad(jt_tensor* y, const std::vector<jt_tensor*>& wrt, std::vector<jt_tensor*>& dx) {
    jt_tensor* dy = nullptr;
    must(jt_full_like(s.ctx, y, 1, &dy));
    bool is_there = jt_grad(s.ctx, y, wrt.data(), wrt.size(), dy, JT_GRAD_ALLOW_UNUSED, dx.data(), dx.size()) == JT_OK;
    jt_tensor_release(dy);
    if (!is_there) return false;
    must(jt_eval(s.ctx, dx.data(), dx.size()));
    for (jt_tensor* d : dx) jt_tensor_release(d);
    return true;
  }
  const Session& s;
};

TEST(SteadySweep, EveryOpTakesNothing) {
  Session s;
  Loop loop(s);
  for (size_t i = 0; i < jt_op_count(); i++) {
    std::string name = jt_op_name(i);
    bool any = false;
    for (const Case& c : with_dtypes(base_of(name, jt_op_signature(i)))) {
      Fields attrs(c.text());
      std::string what = name + c.shapes();
      for (const Operand& o : c.operands) what += std::string(" ") + jt_dtype_name(o.dtype);
      any |= loop.check(what, c, [&](const std::vector<jt_tensor*>& in) {
        jt_tensor* out = nullptr;
        jt_op_call(s.ctx, name.c_str(), JT_NUL, in.data(), in.size(), attrs.data(), attrs.size(), &out, 1);
        return out;
      });
    }
    EXPECT_TRUE(any) << name << " is called wrongly: " << last_message();
  }
  std::printf("%d calls, %d gradients, %d refusals\n", loop.calls, loop.gradients, loop.refusals);
  EXPECT_GT(loop.calls, 500);
  EXPECT_GT(loop.gradients, 200);
}

TEST(SteadySweep, EveryLayerTakesNothing) {
  Session s;
  Loop loop(s);
  std::set<std::string> kinds;
  for (const auto& [kind, base] : layer_cases()) {
    kinds.insert(kind);
    Module module(s, kind.c_str(), base.text());
    for (bool is_training : {true, false}) {
      module.training(is_training);
      bool is_called = loop.check(kind + " " + base.text() + (is_training ? ", training" : ""), base,
                                  [&](const std::vector<jt_tensor*>& in) {
                                    jt_tensor* out = nullptr;
                                    must(jt_module_forward(s.ctx, module, in.data(), in.size(), &out, 1));
                                    return out;
                                  });
      EXPECT_TRUE(is_called) << kind;
    }
  }
  std::printf("%d calls of %zu layers, %d gradients\n", loop.calls, kinds.size(), loop.gradients);
  EXPECT_GE(kinds.size() + 2, jt_layer_count()) << "all but Module and Sequential";
}

TEST(SteadySweep, SettingFieldsTakesNothing) {
  Session s;
  jt_attr attrs[] = {{}, {}, {}, {}};
  auto real = [](const char* name, double v) { jt_attr a{}; a.name = name, a.kind = JT_ATTR_F64, a.f64 = v; return a; };
  auto number = [](const char* name, int64_t v) {
    jt_attr a{};
    a.name = name, a.kind = JT_ATTR_I64, a.i64 = v;
    return a;
  };
  int64_t sizes[] = {2, 2};
  jt_attr stride{};
  stride.name = "stride", stride.kind = JT_ATTR_INTS, stride.ints = sizes, stride.ints_len = 2;
  Module norm(s, "BatchNorm2d", "num_features=4"), conv(s, "Conv2d", "in_channels=4 out_channels=2 kernel_size=3");
  expect_none("set_field", [&] {
    must(jt_module_set_field(s.ctx, norm, &(attrs[0] = real("momentum", 0.25))));
    must(jt_module_set_field(s.ctx, norm, &(attrs[1] = real("eps", 1e-3))));
    must(jt_module_set_field(s.ctx, norm, &(attrs[2] = number("num_features", 4))));
    must(jt_module_set_field(s.ctx, conv, &stride));
  });
  expect_none("set_field, refused", [&] {
    EXPECT_EQ(jt_module_set_field(s.ctx, norm, &(attrs[3] = number("num_features", 5))), JT_E_INVALID);
    EXPECT_EQ(jt_module_set_field(s.ctx, norm, &(attrs[3] = real("eps", -1))), JT_E_INVALID);
    EXPECT_EQ(jt_module_set_field(s.ctx, norm, &(attrs[3] = number("no_field", 5))), JT_E_INVALID);
  });
  Tensor x = s.zeros({1, 4, 7, 7}), y;
  must(jt_module_forward(s.ctx, conv, &x.handle, 1, &y.handle, 1));
  EXPECT_EQ(y.count(), 2 * 3 * 3) << "the stride that was set counts";
}

TEST(SteadySweep, ListsOfModulesAndKernelsTakeNothing) {
  Session s;
  Module net(s, "Sequential", ""), first(s, "Linear", "in_features=4 out_features=3"),
      second(s, "BatchNorm1d", "num_features=3");
  must(jt_module_add_child(s.ctx, net, "a_layer_whose_name_is_long", JT_NUL, first));
  must(jt_module_add_child(s.ctx, net, "another_layer_whose_name_is_long", JT_NUL, second));
  for (auto op : {jt_exp, jt_neg, jt_tanh}) {
    Tensor x = s.floats({3}, {1, 2, 3});
    s.item(s.sum(s.make(op, x)));
  }
  size_t count = 0;
  expect_none("module_list", [&] {
    must(jt_module_list(s.ctx, net, JT_MODULE_PARAMETERS, &count));
    must(jt_module_list(s.ctx, net, JT_MODULE_STATE, &count));
  });
  ASSERT_EQ(count, 7u);
  EXPECT_STREQ(jt_module_listed_name(net, 0), "a_layer_whose_name_is_long.weight");
  EXPECT_STREQ(jt_module_listed_name(net, 4), "another_layer_whose_name_is_long.running_mean");
  size_t kernels = jt_kernel_count(s.rt);
  ASSERT_GE(kernels, 3u);
  jt_kernel_stats stats{sizeof stats};
  expect_none("kernel_stats_get", [&] {
    for (size_t i = 0; i < kernels; i++) must(jt_kernel_stats_get(s.rt, i, &stats));
  });
  expect_none("kernel_stats_get, refused",
              [&] { EXPECT_EQ(jt_kernel_stats_get(s.rt, kernels, &stats), JT_E_INVALID); });
}

}  // namespace

TEST(SteadySweep, RunsOfGraphsTakeNothing) {
  Session s;
  LeNet net(s, 2, 3, 8);
  jt_optimizer* adam = net.optimizer();
  Tensor x = pictures(s, 4), y = labels(s, 4);
  jt_tensor *in[2] = {x, y}, *placeholders[2] = {}, *out[1] = {};
  auto recorded = [&](bool trains) {
    must(jt_graph_begin(s.ctx, nullptr, in, 2, placeholders, 2));
    Tensor pixels(placeholders[0]), numbers(placeholders[1]), scores = net.forward(pixels);
    Tensor result = trains ? net.loss(scores, numbers) : scores;
    if (trains) must(jt_optimizer_step(s.ctx, adam, result));
    out[0] = result;
    jt_graph* made = nullptr;
    must(jt_graph_end(s.ctx, nullptr, out, 1, &made));
    return made;
  };
  jt_graph *step = recorded(true), *scores = recorded(false);
  auto run = [&](jt_graph* graph) {
    must(jt_graph_run(s.ctx, graph, in, 2, out, 1));
    jt_tensor_release(out[0]);
  };
  expect_none("a training step", [&] { run(step); });
  must(jt_context_set_grad_mode(s.ctx, 0, nullptr));
  expect_none("scores", [&] { run(scores); });
  expect_none("a learning rate and a step", [&, lr = 0.001]() mutable {
    must(jt_optimizer_set_lr(s.ctx, adam, lr *= 0.99));
    run(step);
  });
  jt_graph_release(step), jt_graph_release(scores), jt_optimizer_release(adam);
}
