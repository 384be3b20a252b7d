// What failed tells so whenever it is read, everything else comes; a step that failed was not taken.
#include "tests/capi/faulty.h"

using namespace jt::test;

namespace {

struct Outcome {
  jt_status code;
  std::string message;
  bool operator==(const Outcome&) const = default;
};
Outcome outcome(jt_status status) { return {status, status == JT_OK ? "" : last_message()}; }
Outcome try_read(const Session& s, jt_tensor* x) {
  std::vector<float> out(size_t(jt_tensor_count(x)));
  return outcome(jt_tensor_read(s.ctx, x, out.data(), out.size() * 4));
}

struct FourValues {
  FaultySession s;
  Tensor x = s.floats({3}, {1, 4, 9});
  Tensor before = s.make(jt_sqrt, x), bad = s.make(jt_exp, on_line(x, 12)), of_bad = s.make(jt_add, bad, x),
         after = s.make(jt_neg, x);
  jt_tensor* on_line(jt_tensor* t, uint32_t line) {
    must(jt_context_set_line(s.ctx, line));
    return t;
  }
  FourValues() { faults.refuse = " = exp "; }
};
using Floats = std::vector<float>;

}  // namespace

TEST(Poison, AValueRepeatsTheErrorOfItsOpAndTheOthersCome) {
  FourValues v;
  EXPECT_EQ(v.s.read(v.after), Floats({-1, -4, -9}));
  Outcome first = try_read(v.s, v.bad);
  EXPECT_EQ(first.code, JT_E_COMPILE);
  EXPECT_NE(first.message.find("cpu: compile failed (computing exp f32[3], recorded at line 12)"), std::string::npos)
      << first.message;
  faults = {};  // the op would come now: but it has failed already
  EXPECT_EQ(try_read(v.s, v.bad), first);
  EXPECT_EQ(try_read(v.s, v.of_bad), first);
  EXPECT_EQ(v.s.read(v.before), Floats({1, 2, 3}));
  EXPECT_EQ(v.s.read(v.x), Floats({1, 4, 9}));
}
TEST(Poison, IsNoLongerPending) {
  FourValues v;
  EXPECT_EQ(jt_sync(v.s.ctx), JT_E_COMPILE);
  int64_t evals = v.s.stats().evals;
  must(jt_sync(v.s.ctx));
  EXPECT_EQ(v.s.stats().evals, evals);
  EXPECT_FALSE(jt_tensor_is_ready(v.bad));
  EXPECT_TRUE(jt_tensor_is_ready(v.after));
}
TEST(Poison, IsInheritedByWhatIsRecordedLater) {
  FourValues v;
  Outcome first = try_read(v.s, v.bad);
  Tensor mixed = v.s.make(jt_mul, v.of_bad, v.before), fine = v.s.make(jt_mul, v.before, v.before);
  EXPECT_EQ(try_read(v.s, v.s.sum(mixed)), first);
  EXPECT_EQ(v.s.read(fine), Floats({1, 4, 9}));
  Tensor f16 = v.s.make(jt_cast, v.bad, JT_F16);
  double number;
  Tensor one = v.s.slice(v.s.reshape(f16, {3}), {0}, {1});
  EXPECT_EQ(jt_tensor_item_f64(v.s.ctx, one, &number), JT_E_COMPILE);
}
TEST(Poison, TheAskedValueAloneDecidesWhetherAnEvalFails) {
  FourValues v;
  jt_tensor* asked[] = {v.before, v.after};
  must(jt_eval(v.s.ctx, asked, 2));
  asked[1] = v.of_bad;
  EXPECT_EQ(jt_eval(v.s.ctx, asked, 2), JT_E_COMPILE);
}
TEST(Poison, CoversEveryResultOfAnOp) {
  FaultySession s;
  faults.refuse_library = "max_pool2d";
  const int64_t two[2] = {2, 2};
  jt_tensor *z = nullptr, *index = nullptr;
  must(jt_max_pool2d(s.ctx, s.normal({1, 1, 4, 4}), two, 2, two, 2, nullptr, 0, 0, &z, &index));
  Tensor value(z), places(index);
  Outcome first = try_read(s, value);
  EXPECT_EQ(first.code, JT_E_UNSUPPORTED);
  EXPECT_EQ(outcome(jt_sync(s.ctx)).code, JT_OK);
  EXPECT_EQ(try_read(s, places), first);
}
TEST(Poison, ReachesGradients) {
  FaultySession s;
  Tensor x = s.floats({2}, {1, 2});
  must(jt_tensor_set_requires_grad(s.ctx, x, 1));
  Tensor y = s.sum(s.make(jt_exp, x));
  faults.refuse = " = exp ";
  Outcome first = try_read(s, y);
  jt_tensor *in[] = {x}, *dx = nullptr;
  must(jt_grad(s.ctx, y, in, 1, nullptr, 0, &dx, 1));
  Tensor held(dx);
  EXPECT_EQ(first.code, JT_E_COMPILE);
  EXPECT_EQ(try_read(s, held).code, JT_E_COMPILE);
  EXPECT_EQ(s.read(x), Floats({1, 2}));
}
TEST(Poison, IsToldToAnotherContext) {
  FourValues v;
  Outcome first = try_read(v.s, v.bad);
  jt_context* other = nullptr;
  must(jt_context_create(v.s.rt, &other));
  jt_tensor* out = nullptr;
  EXPECT_EQ(jt_neg(other, v.bad, &out), first.code);
  EXPECT_EQ(out, nullptr);
  jt_context_release(other);
}
TEST(Poison, AWeakMomentPassesWithoutATrace) {
  FourValues v;
  faults.refuse.clear();
  for (int64_t n = 0; n < 3; n++) {
    Tensor y = v.s.make(jt_square, v.x), z = v.s.make(jt_neg, y);
    faults.launches_left = n, faults.only_once = true;
    EXPECT_EQ(v.s.read(y), Floats({1, 16, 81}));
    faults.launches_left = -1;
    EXPECT_EQ(v.s.read(z), Floats({-1, -16, -81}));
  }
}

TEST(NoMemory, LeavesAValuePendingThatComesOnceThereIsMemory) {
  FaultySession s;
  Tensor x = s.floats({1000}, Floats(1000, 4)), y = s.make(jt_sqrt, x), z = s.make(jt_neg, x);
  faults.allocations_left = 0;
  EXPECT_EQ(try_read(s, y).code, JT_E_NOMEM);
  EXPECT_NE(last_message().find("needs 4000 bytes"), std::string::npos) << last_message();
  EXPECT_EQ(jt_sync(s.ctx), JT_E_NOMEM);
  EXPECT_EQ(s.read(x)[999], 4);
  faults = {};
  EXPECT_EQ(s.read(y)[999], 2);
  EXPECT_EQ(s.read(z)[0], -4);
}
TEST(NoMemory, OfAHeldValueLeavesTheAskedOneAlone) {
  Session s(JT_RT_NO_DISK_CACHE, nullptr, 1 << 20);
  Tensor huge = s.make(jt_exp, s.zeros({1 << 20})), small = s.make(jt_exp, s.zeros({4}));
  EXPECT_EQ(s.read(small), Floats(4, 1));
  EXPECT_EQ(try_read(s, huge).code, JT_E_NOMEM);
  EXPECT_EQ(s.read(s.make(jt_add, small, small)), Floats(4, 2));
}

TEST(NoMemory, ForACustomOpLeavesItPendingAndItRunsOnce) {
  FaultySession s;
  int calls = 0;
  jt_custom_type type = {JT_F32, nullptr, 0};
  jt_custom_desc desc{};
  desc.struct_size = sizeof desc;
  desc.user = &calls;
  desc.outputs = &type, desc.outputs_len = 1;
  desc.forward = [](void* user, const jt_custom_call* call) {
    ++*static_cast<int*>(user);
    *static_cast<float*>(call->outputs[0].data) = *static_cast<const float*>(call->inputs[0].data);
    return JT_OK;
  };
  for (int64_t n = 0; n < 3; n++) {  // its operand, its result, what follows
    Tensor leaf = s.floats({1}, {7}), x = s.make(jt_neg, leaf);
    jt_tensor *in = x, *out = nullptr;
    must(jt_custom(s.ctx, &desc, &in, 1, &out, 1));
    Tensor result(out), z = s.make(jt_neg, result);
    must(jt_runtime_trim(s.rt));
    faults.allocations_left = n;
    EXPECT_EQ(try_read(s, z).code, JT_E_NOMEM) << n;
    faults = {};
    EXPECT_EQ(s.read(z), Floats({7}));
    EXPECT_EQ(calls, n + 1);
  }
}

// ---- steps ----------------------------------------------------------------------------------------------------------

namespace {

// Two dense layers and the optimiser of them.
struct Steps {
  FaultySession s;
  Tensor x = s.floats({4, 3}, {1, -2, 3, 0, 1, 0, 2, 2, -1, 1, 1, 1}), w, b;
  jt_optimizer* o = nullptr;
  Tensor loss;

  Steps(const char* kind, uint32_t flags, double momentum) : s(flags) {
    w = s.floats({3, 2}, {0.5f, -1, 2, 0.25f, -0.5f, 1}), b = s.floats({2}, {0.1f, -0.2f});
    jt_tensor* params[] = {w, b};
    for (jt_tensor* param : params) must(jt_tensor_set_requires_grad(s.ctx, param, 1));
    jt_attr attr = {"momentum", JT_ATTR_F64, 0, momentum};
    must(jt_optimizer_create(s.ctx, kind, JT_NUL, momentum ? &attr : nullptr, momentum ? 1 : 0, params, 2, &o));
  }
  ~Steps() { jt_optimizer_release(o); }
  jt_status step() {
    Tensor y = s.make(jt_tanh, s.make(jt_add, s.make(jt_matmul, x, w), b));
    loss = s.make(jt_mean, s.make(jt_square, y), nullptr, 0, 0);
    return jt_optimizer_step(s.ctx, o, loss);
  }
  // Parameters and states, as bytes.
  std::vector<std::string> all() {
    std::vector<std::string> out;
    auto add = [&](jt_tensor* t) {
      jt_mapping m{sizeof m};
      must(jt_tensor_map(s.ctx, t, &m));
      out.emplace_back(static_cast<const char*>(m.data), m.data_len);
      jt_tensor_unmap(&m);
    };
    add(w), add(b);
    for (size_t i = 0; i < jt_optimizer_state_count(o); i++) {
      jt_tensor* state = nullptr;
      must(jt_optimizer_state(s.ctx, o, i, nullptr, &state));
      add(Tensor(state));
    }
    return out;
  }
};

struct Kind { const char* name; double momentum; };
constexpr Kind kKinds[] = {{"sgd", 0}, {"sgd", 0.9}, {"adam", 0}, {"adan", 0}};

// Values after each of the first three steps that nothing disturbs.
std::vector<std::vector<std::string>> undisturbed(const Kind& kind, uint32_t flags) {
  Steps t(kind.name, flags, kind.momentum);
  std::vector<std::vector<std::string>> out;
  for (int i = 0; i < 3; i++) must(t.step()), out.push_back(t.all());
  return out;
}

// Lets the n-th launch or allocation of the second step, and all after it, fail.
void check_second_step(const Kind& kind, uint32_t flags, int64_t Faults::* left, jt_status expected) {
  auto right = undisturbed(kind, flags);
  int failed = 0;
  for (int64_t n = 0;; n++) {
    Steps t(kind.name, flags, kind.momentum);
    must(t.step());
    must(jt_runtime_trim(t.s.rt));
    faults.*left = n;
    jt_status status = t.step();
    faults.*left = -1;
    SCOPED_TRACE(std::string(kind.name) + ", call " + std::to_string(n));
    if (status == JT_OK) {
      EXPECT_EQ(t.all(), right[1]);
      break;
    }
    failed++;
    ASSERT_EQ(status, expected) << last_message();
    ASSERT_EQ(t.all(), right[0]);
    // What only lacked memory can be tried again as it is; what failed is recorded anew.
    if (expected == JT_E_NOMEM && n % 2) must(jt_optimizer_step(t.s.ctx, t.o, t.loss));
    else must(t.step());
    ASSERT_EQ(t.all(), right[1]);
    must(t.step());
    ASSERT_EQ(t.all(), right[2]);
  }
  EXPECT_GE(failed, 2);
}

}  // namespace

TEST(OptimizerStep, ThatFailsAtAnyLaunchWasNotTaken) {
  for (const Kind& kind : kKinds) check_second_step(kind, 0, &Faults::launches_left, JT_E_DEVICE);
}
TEST(OptimizerStep, ThatFailsAtAnyAllocationWasNotTaken) {
  for (const Kind& kind : kKinds)
    for (uint32_t flags : {0u, uint32_t(JT_BE_SURE_LAUNCHES)})
      check_second_step(kind, flags, &Faults::allocations_left, JT_E_NOMEM);
}
TEST(OptimizerStep, IsTakenWhereOnlyAnotherHeldValueFails) {
  Steps t("adam", 0, 0);
  Tensor bad = t.s.make(jt_exp, t.x);
  faults.refuse = " = exp ";
  must(t.step());
  faults = {};
  EXPECT_EQ(t.all(), undisturbed(kKinds[2], 0)[0]);
}
TEST(OptimizerStep, OverwritesInPlaceOnlyWhereLaunchesAreSure) {
  for (uint32_t flags : {0u, uint32_t(JT_BE_SURE_LAUNCHES)}) {
    Steps t("sgd", flags, 0);
    must(t.step());
    auto address = [&] {
      jt_mapping m{sizeof m};
      must(jt_tensor_map(t.s.ctx, t.w, &m));
      const void* data = m.data;
      jt_tensor_unmap(&m);
      return data;
    };
    const void* before = address();
    must(t.step());
    EXPECT_EQ(address() == before, flags != 0);
  }
}
TEST(OptimizerStep, WithGivenGradientsThatFailWasNotTaken) {
  Steps t("adam", 0, 0);
  must(t.step());
  auto before = t.all();
  Tensor gw = t.s.make(jt_exp, t.w), gb = t.s.make(jt_neg, t.b);
  jt_tensor* grads[] = {gw, gb};
  faults.refuse = " = exp ";
  EXPECT_EQ(jt_optimizer_step_grads(t.s.ctx, t.o, grads, 2), JT_E_COMPILE);
  EXPECT_EQ(t.all(), before);
  faults = {};
  EXPECT_EQ(t.s.read(gb).size(), 2u);
  must(t.step());
}

TEST(Backward, WhoseSumFailsChangesNoGradient) {
  FaultySession s;
  Tensor w = s.floats({2}, {1, 2});
  must(jt_tensor_set_requires_grad(s.ctx, w, 1));
  must(jt_backward(s.ctx, s.sum(s.make(jt_square, w)), 0));
  auto grad = [&] {
    jt_tensor* g = nullptr;
    must(jt_tensor_grad(s.ctx, w, &g));
    return Tensor(g);
  };
  EXPECT_EQ(s.read(grad()), Floats({2, 4}));
  EXPECT_EQ(jt_backward(s.ctx, s.make(jt_square, w), 0), JT_E_SHAPE);
  EXPECT_EQ(s.read(grad()), Floats({2, 4}));
  must(jt_backward(s.ctx, s.sum(s.make(jt_exp, w)), 0));
  faults.refuse = " = exp ";
  EXPECT_EQ(try_read(s, grad()).code, JT_E_COMPILE);
  EXPECT_EQ(s.read(w), Floats({1, 2}));
}

// ---- recording ------------------------------------------------------------------------------------------------------

TEST(FailedRecord, TakesNoRandomNumber) {
  auto draw = [](bool fail_first) {
    Session s;
    jt_tensor* out = nullptr;
    const int64_t dims[1] = {4};
    if (fail_first) {
      EXPECT_EQ(jt_random_normal(s.ctx, dims, 1, 0, 1, JT_I32, &out), JT_E_DTYPE);
      EXPECT_EQ(jt_init(s.ctx, "no_such_kind", JT_NUL, dims, 1, JT_F32, &out), JT_E_NOT_FOUND);
    }
    return s.read(s.normal({4}));
  };
  EXPECT_EQ(draw(true), draw(false));
}
TEST(FailedFlush, FailsNoRecord) {
  FaultySession s;
  Tensor bad = s.make(jt_exp, s.floats({2}, {1, 2})), x = s.zeros({16}), one = s.scalar(1);
  faults.refuse = " = exp ";
  constexpr int kOps = 70'000;
  for (int i = 0; i < kOps; i++) x = s.make(jt_add, x, one);
  EXPECT_EQ(try_read(s, bad).code, JT_E_COMPILE);
  EXPECT_EQ(s.read(x)[3], float(kOps));
  faults.allocations_left = 0;
  must(jt_runtime_trim(s.rt));
  for (int i = 0; i < kOps; i++) x = s.make(jt_add, x, one);
  faults = {};
  EXPECT_EQ(s.read(x)[3], 2 * float(kOps));
}
