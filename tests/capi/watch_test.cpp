// The host looks on while a call evaluates, and may end it: nothing is lost, a later call goes on.
#include "tests/capi/capi.h"

using namespace jt::test;

namespace {

struct Looks {
  int64_t seen = 0, end_at = -1;  // the look that ends the evaluation
  std::vector<std::pair<int64_t, int64_t>> compiles;
  jt_context* uses = nullptr;     // a context to be used from within
  jt_status use = JT_OK;
};
jt_status look(void* user, int64_t compiled, int64_t to_compile) {
  auto& l = *static_cast<Looks*>(user);
  if (to_compile) l.compiles.push_back({compiled, to_compile});
  if (l.uses) l.use = jt_sync(l.uses);
  return l.seen++ == l.end_at ? JT_E_TIMEOUT : JT_OK;
}
struct Watched : Session {
  Looks looks;
  Watched() { must(jt_context_set_watch(ctx, look, &looks)); }
};

// Steps that cannot be one kernel.
Tensor chain(const Session& s, Tensor x, int n) {
  for (int i = 0; i < n; i++) x = s.make(jt_tanh, s.make(jt_matmul, x, x));
  return x;
}
std::vector<float> numbers(int64_t n) {
  std::vector<float> out;
  for (int64_t i = 0; i < n; i++) out.push_back(0.1f * float(i % 7) - 0.25f);
  return out;
}

std::vector<float> all_params(const LeNet& net) {
  std::vector<float> out;
  for (const Tensor& p : net.params) {
    std::vector<float> one = net.s.read(p);
    out.insert(out.end(), one.begin(), one.end());
  }
  return out;
}

}  // namespace

TEST(Watch, SeesEveryKernelThatIsCompiledAndThenTheRun) {
  Watched s;
  Tensor x = s.floats({5, 5}, numbers(25)), y = s.make(jt_exp, x), z = s.make(jt_matmul, y, y);
  s.read(z);
  auto& compiles = s.looks.compiles;
  ASSERT_FALSE(compiles.empty());
  int64_t n = compiles.back().second;
  EXPECT_GE(n, 1);
  ASSERT_EQ(compiles.size(), size_t(n) + 1);
  for (int64_t i = 0; i <= n; i++) EXPECT_EQ(compiles[size_t(i)], std::pair(i, n));
  EXPECT_EQ(s.stats().kernels_compiled, n);

  compiles.clear();
  int64_t before = s.looks.seen;
  s.read(chain(s, s.floats({5, 5}, numbers(25)), 4));  // matmul, tanh, ...: all but the first step come after a look
  EXPECT_EQ(compiles.size(), 2u);                       // one tanh for all
  EXPECT_EQ(s.looks.seen - before, 2 + 7);
}

TEST(Watch, EndsAnEvaluationWhichALaterOneGoesOnWith) {
  Session plain;
  std::vector<float> wanted = plain.read(chain(plain, plain.floats({5, 5}, numbers(25)), 6));
  bool has_ended = false;
  for (int64_t at = 0; !has_ended; at++) {
    Watched s;
    Tensor x = s.floats({5, 5}, numbers(25)), y = chain(s, x, 6), other = s.make(jt_neg, x);
    s.looks.end_at = at;
    std::vector<float> out(25);
    jt_status status = jt_tensor_read(s.ctx, y, out.data(), 100);
    has_ended = s.looks.seen <= at;
    if (!has_ended) {
      EXPECT_EQ(status, JT_E_TIMEOUT) << at;
      EXPECT_NE(last_message().find("ended"), std::string::npos) << last_message();
      EXPECT_FALSE(jt_tensor_is_ready(y));
      EXPECT_FALSE(jt_tensor_is_ready(other));  // nothing is salvaged: the program wants out
      EXPECT_EQ(s.looks.seen, at + 1);
    }
    EXPECT_EQ(s.read(y), wanted) << at;
    EXPECT_EQ(s.read(x), numbers(25));
  }
}

TEST(Watch, AnOptimiserStepThatWasEndedWasNotTaken) {
  auto train = [](Session& s, Looks* looks, int64_t at) {
    LeNet net(s, 3, 4, 10);
    jt_optimizer* adam = net.optimizer();
    Tensor x = pictures(s, 4), y = labels(s, 4);
    bool ended = false;
    for (int step = 0; step < 3; step++) {
      // the plan is new in the first step, and fits in the second
      if (looks && step == 1) looks->seen = 0, looks->end_at = at;
      std::vector<float> before = all_params(net);
      if (looks && step == 1) looks->seen = 0;
      Tensor loss = net.loss(net.forward(x), y);
      jt_status status = jt_optimizer_step(s.ctx, adam, loss);
      if (looks && status != JT_OK) {
        EXPECT_EQ(status, JT_E_TIMEOUT);
        EXPECT_EQ(all_params(net), before);
        ended = true;
        must(jt_optimizer_step(s.ctx, adam, loss));
      } else {
        must(status);
      }
    }
    std::vector<float> out = all_params(net);
    jt_optimizer_release(adam);
    return std::pair(out, ended);
  };
  Session plain;
  std::vector<float> wanted = train(plain, nullptr, 0).first;
  int64_t at = 0;
  for (;; at++) {
    Watched s;
    auto [params, ended] = train(s, &s.looks, at);
    EXPECT_EQ(params, wanted) << at;
    if (!ended) break;
  }
  EXPECT_GT(at, 3);
}

TEST(Watch, MustNotUseTheContext) {
  Watched s;
  s.looks.uses = s.ctx;
  s.read(chain(s, s.floats({2, 2}, numbers(4)), 2));
  EXPECT_EQ(s.looks.use, JT_E_BUSY);
  must(jt_context_set_watch(s.ctx, nullptr, nullptr));
  int64_t seen = s.looks.seen;
  s.read(chain(s, s.floats({2, 2}, numbers(4)), 3));
  EXPECT_EQ(s.looks.seen, seen);
}

TEST(Watch, EndsTheEvaluationOfALongGraphThatRecordingStarts) {
  Watched s;
  Tensor x = s.floats({2}, {1, 2}), w = s.floats({2, 2}, {0, 1, 1, 0});
  s.looks.end_at = 0;
  int64_t turns = 0;
  for (bool ended = false; !ended && turns < 200000; turns++) {
    jt_tensor* next = nullptr;
    jt_status status = jt_matmul(s.ctx, x, w, &next);
    ended = status != JT_OK;
    if (!ended) {
      x = Tensor(next);
      continue;
    }
    EXPECT_EQ(status, JT_E_TIMEOUT);
    EXPECT_EQ(next, nullptr);
  }
  EXPECT_LT(turns, 200000);
  EXPECT_EQ(s.read(x), (turns - 1) % 2 ? (std::vector<float>{2, 1}) : (std::vector<float>{1, 2}));
}

namespace {
struct Moody {
  int calls = 0, refuses = 1;
};
jt_status double_it(void* user, const jt_custom_call* call) {
  auto& moody = *static_cast<Moody*>(user);
  if (moody.calls++ < moody.refuses) return JT_E_CANCELLED;
  const float* from = static_cast<const float*>(call->inputs[0].data);
  float* to = static_cast<float*>(call->outputs[0].data);
  for (size_t i = 0; i < call->outputs[0].data_len / 4; i++) to[i] = 2 * from[i];
  return JT_OK;
}
}  // namespace

TEST(Watch, AFunctionOfTheHostMayEndTheEvaluationToo) {
  Session s;
  Moody moody;
  Tensor x = s.floats({2}, {1, 2});
  int64_t dims[] = {2};
  jt_custom_type type{};
  type.dtype = JT_F32, type.dims = dims, type.dims_len = 1;
  jt_custom_desc desc{};
  desc.struct_size = sizeof desc;
  desc.forward = double_it, desc.user = &moody, desc.outputs = &type, desc.outputs_len = 1;
  jt_tensor *input = x, *made = nullptr;
  must(jt_custom(s.ctx, &desc, &input, 1, &made, 1));
  Tensor y(made), z = s.make(jt_neg, y);
  double number;
  EXPECT_EQ(jt_tensor_item_f64(s.ctx, s.sum(z), &number), JT_E_CANCELLED);
  EXPECT_EQ(s.read(z), (std::vector<float>{-2, -4}));  // nothing was wrong with it
  EXPECT_EQ(moody.calls, 2);
}

TEST(Watch, EvaluatesManyValuesAtOnce) {
  Session s;
  Tensor x = s.floats({1}, {3});
  std::vector<Tensor> values;
  std::vector<jt_tensor*> handles;
  for (int i = 0; i < 5000; i++) {
    values.push_back(s.make(jt_add, x, s.scalar(i)));
    handles.push_back(values.back());
  }
  must(jt_eval(s.ctx, handles.data(), handles.size()));
  for (int i = 0; i < 5000; i++) ASSERT_EQ(s.item(values[size_t(i)]), 3 + i);
}
