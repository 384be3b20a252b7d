// Values that have run are operands in every context of their runtime, whatever their own context is doing meanwhile:
// the same bits, and no call is refused.
#include <atomic>
#include <thread>

#include "tests/capi/capi.h"

using namespace jt::test;

namespace {

constexpr int kThreads = 8;

// Calls of any context that were refused, and results that had other bits.
struct Seen {
  std::atomic<int64_t> refused{0}, wrong{0};
  void note(jt_status status) { refused += status != JT_OK; }
};

// Two dense layers, from weights of whatever context.
jt_status network(jt_context* ctx, jt_tensor* x, const std::vector<jt_tensor*>& w, std::vector<float>& out) {
  jt_tensor *a = nullptr, *b = nullptr, *c = nullptr, *y = nullptr, *z = nullptr;
  jt_status status = jt_matmul(ctx, x, w[0], &a);
  if (!status) status = jt_add(ctx, a, w[1], &b);
  if (!status) status = jt_relu(ctx, b, &c);
  if (!status) status = jt_matmul(ctx, c, w[2], &y);
  if (!status) status = jt_add(ctx, y, w[3], &z);
  if (!status) status = jt_tensor_read(ctx, z, out.data(), out.size() * 4);
  for (jt_tensor* t : {a, b, c, y, z}) jt_tensor_release(t);
  return status;
}

struct Weights {
  std::vector<Tensor> own;
  std::vector<jt_tensor*> all;
  explicit Weights(const Session& s) {
    for (const Dims& dims : {Dims{16, 32}, {32}, {32, 8}, {8}}) own.push_back(s.normal(dims));
    all = {own.begin(), own.end()};
    must(jt_eval(s.ctx, all.data(), all.size()));
  }
};
const std::vector<float> kInput(4 * 16, 0.25f);

TEST(SharedValues, EightContextsComputeFromTheWeightsOfOneAndSoDoesTheirOwn) {
  Session s;
  Weights w(s);
  std::vector<float> expected(32);
  must(network(s.ctx, s.floats({4, 16}, kInput), w.all, expected));
  Seen seen;
  auto work = [&](jt_context* ctx, jt_tensor* x) {
    std::vector<float> out(32);
    for (int i = 0; i < 6000; i++) {
      seen.note(network(ctx, x, w.all, out));
      seen.wrong += std::memcmp(out.data(), expected.data(), 128) != 0;
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; i++)
    threads.emplace_back([&] {
      Session mine(s.rt);
      work(mine.ctx, mine.floats({4, 16}, kInput));
    });
  work(s.ctx, s.floats({4, 16}, kInput));
  for (auto& t : threads) t.join();
  EXPECT_EQ(seen.refused, 0) << last_message();
  EXPECT_EQ(seen.wrong, 0);
}

TEST(SharedValues, EightContextsComputeFromTheWeightsOfAModuleThatIsAtWork) {
  Session s;
  jt_attr fields[2] = {{"in_features", JT_ATTR_I64, 16}, {"out_features", JT_ATTR_I64, 8}};
  jt_module* linear = nullptr;
  must(jt_module_create(s.ctx, "Linear", JT_NUL, fields, 2, &linear));
  size_t n = 0;
  jt_tensor* weights[2] = {};  // [8,16] and [8]
  must(jt_module_parameters(s.ctx, linear, weights, 2, &n));
  ASSERT_EQ(n, 2u);
  must(jt_eval(s.ctx, weights, 2));
  Tensor x = s.floats({4, 16}, kInput);
  auto forward = [&](std::vector<float>& out) {
    jt_tensor *in[1] = {x}, *y = nullptr;
    jt_status status = jt_module_forward(s.ctx, linear, in, 1, &y, 1);
    if (!status) status = jt_tensor_read(s.ctx, y, out.data(), out.size() * 4);
    jt_tensor_release(y);
    return status;
  };
  std::vector<float> expected(32);
  must(forward(expected));
  Seen seen;
  auto check = [&](jt_status status, const std::vector<float>& out) {
    seen.note(status);
    seen.wrong += std::memcmp(out.data(), expected.data(), 128) != 0;
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; i++)
    threads.emplace_back([&] {
      Session mine(s.rt);
      Tensor in = mine.floats({4, 16}, kInput);
      std::vector<float> out(32);
      for (int k = 0; k < 4000; k++) {
        jt_tensor *turned = nullptr, *product = nullptr, *y = nullptr;
        jt_status status = jt_transpose(mine.ctx, weights[0], nullptr, 0, &turned);
        if (!status) status = jt_matmul(mine.ctx, in, turned, &product);
        if (!status) status = jt_add(mine.ctx, product, weights[1], &y);
        if (!status) status = jt_tensor_read(mine.ctx, y, out.data(), 128);
        check(status, out);
        for (jt_tensor* t : {turned, product, y}) jt_tensor_release(t);
      }
    });
  std::vector<float> out(32);
  for (int k = 0; k < 12000; k++) check(forward(out), out);
  for (auto& t : threads) t.join();
  EXPECT_EQ(seen.refused, 0) << last_message();
  EXPECT_EQ(seen.wrong, 0);
  for (jt_tensor* t : weights) jt_tensor_release(t);
  jt_module_release(linear);
}

// Whoever reads while it is assigned to has the value before or the one after, whole.
TEST(SharedValues, AnAssignmentIsSeenWholeOrNotAtAll) {
  Session s;
  Tensor low = s.floats({300}, std::vector<float>(300, 1)), high = s.floats({300}, std::vector<float>(300, 2));
  Tensor w = s.make(jt_neg, low);
  must(jt_tensor_assign(s.ctx, w, low));
  Seen seen;
  std::atomic<bool> ends{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; i++)
    threads.emplace_back([&] {
      Session mine(s.rt);
      std::vector<float> out(300);
      while (!ends) {
        jt_tensor* y = nullptr;
        jt_status status = jt_add(mine.ctx, w, w, &y);
        if (!status) status = jt_tensor_read(mine.ctx, y, out.data(), 1200);
        seen.note(status);
        bool is_whole = out[0] >= 2 && out[0] <= 4;
        for (float v : out) is_whole &= v == out[0];
        seen.wrong += !status && !is_whole;
        jt_tensor_release(y);
      }
    });
  for (int i = 0; i < 20000; i++) must(jt_tensor_assign(s.ctx, w, i % 2 ? low : high));
  ends = true;
  for (auto& t : threads) t.join();
  EXPECT_EQ(seen.refused, 0) << last_message();
  EXPECT_EQ(seen.wrong, 0);
}

// A step overwrites weights in place unless somebody else computes from them: then their bytes stay.
TEST(SharedValues, TrainingWritesOverNothingThatOthersHold) {
  Session s;
  Tensor w = s.floats({512}, std::vector<float>(512, 1));
  must(jt_tensor_set_requires_grad(s.ctx, w, 1));
  jt_tensor* params[1] = {w};
  jt_attr lr = {"lr", JT_ATTR_F64, 0, 0.5};
  jt_optimizer* sgd = nullptr;
  must(jt_optimizer_create(s.ctx, "sgd", JT_NUL, &lr, 1, params, 1, &sgd));
  Seen seen;
  std::atomic<int64_t> pending{0};
  std::atomic<bool> ends{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; i++)
    threads.emplace_back([&] {
      Session mine(s.rt);
      std::vector<float> out(512);
      while (!ends) {
        jt_tensor* y = nullptr;
        jt_status status = jt_neg(mine.ctx, w, &y);
        if (status == JT_E_WRONG_CONTEXT) pending++;  // the step is not done
        else seen.note(status ? status : jt_tensor_read(mine.ctx, y, out.data(), 2048));
        for (float v : out) seen.wrong += !status && v != out[0];
        jt_tensor_release(y);
      }
    });
  for (int i = 0; i < 3000; i++) must(jt_optimizer_step(s.ctx, sgd, s.sum(w)));
  ends = true;
  for (auto& t : threads) t.join();
  EXPECT_EQ(seen.refused, 0) << last_message();
  EXPECT_EQ(seen.wrong, 0);
  jt_optimizer_release(sgd);
}

TEST(SharedValues, WhatHasNotRunOrFailedIsStillAnError) {
  Session s, other(s.rt);
  Tensor x = s.floats({2}, {1, 2}), y = s.make(jt_exp, x);
  jt_tensor* out = nullptr;
  EXPECT_EQ(jt_neg(other.ctx, y, &out), JT_E_WRONG_CONTEXT);
  EXPECT_EQ(last_message(), "neg: a tensor of another context has not been evaluated");
  must(jt_eval(s.ctx, &y.handle, 1));
  EXPECT_EQ(other.read(other.make(jt_neg, y))[0], -std::exp(1.0f));
}

}  // namespace
