// Handles are released in any order, on any thread; a context belongs to one thread at a time.
#include <atomic>
#include <thread>

#include "tests/capi/capi.h"

using namespace jt::test;

TEST(Handles, OutliveContextAndRuntime) {
  jt_runtime* rt = nullptr;
  jt_context* ctx = nullptr;
  jt_tensor *x = nullptr, *y = nullptr;
  jt_optimizer* o = nullptr;
  int64_t dims[1] = {3};
  must(jt_runtime_create(nullptr, &rt)), must(jt_context_create(rt, &ctx));
  jt_runtime_release(rt);
  must(jt_ones(ctx, dims, 1, JT_F32, &x)), must(jt_exp(ctx, x, &y));
  must(jt_optimizer_create(ctx, "adam", JT_NUL, nullptr, 0, &x, 1, &o));
  must(jt_tensor_set_requires_grad(ctx, x, 1));
  must(jt_eval(ctx, &y, 1));
  jt_context_release(ctx);
  EXPECT_EQ(jt_tensor_dim(y, 0), 3);
  std::thread([&] { jt_tensor_release(x); }).join();
  jt_tensor_release(y);
  jt_optimizer_release(o);
}
TEST(Handles, CountsKeepThem) {
  Session s;
  jt_context_retain(s.ctx), jt_runtime_retain(s.rt);
  jt_context_release(s.ctx), jt_runtime_release(s.rt);
  jt_tensor* x = nullptr;
  must(jt_scalar(s.ctx, 1, JT_F32, &x));
  jt_tensor_retain(x);
  jt_tensor_release(x);
  EXPECT_EQ(s.item(Tensor(x)), 1);
}
TEST(Handles, GradientsGoWithTheirTensor) {
  Session s;
  for (int i = 0; i < 100; i++) {
    Tensor x = s.floats({1024}, std::vector<float>(1024, 1));
    must(jt_tensor_set_requires_grad(s.ctx, x, 1));
    must(jt_backward(s.ctx, s.sum(s.make(jt_square, x)), 0));
    must(jt_sync(s.ctx));
  }
  EXPECT_LT(s.memory().live_bytes, 20000);
}
TEST(Handles, ReleasedElsewhereWhileTheContextWorks) {
  Session s;
  std::atomic<jt_tensor*> handed{nullptr};
  std::atomic<bool> stop{false};
  std::thread other([&] {
    while (!stop) jt_tensor_release(handed.exchange(nullptr));
    jt_tensor_release(handed.exchange(nullptr));
  });
  Tensor x = s.floats({256}, std::vector<float>(256, 1));
  for (int i = 0; i < 20000; i++) {
    jt_tensor* y = nullptr;
    jt_status status = jt_neg(s.ctx, x, &y);
    if (status == JT_E_BUSY) continue;  // the other thread is freeing a cell just now
    must(status);
    if (i % 3 == 0) {
      jt_status ran = jt_eval(s.ctx, &y, 1);
      ASSERT_TRUE(ran == JT_OK || ran == JT_E_BUSY) << last_message();
    }
    jt_tensor* before = handed.exchange(y);
    jt_tensor_release(before);
  }
  stop = true;
  other.join();
  must(jt_sync(s.ctx));
  EXPECT_LT(s.memory().live_bytes, 100000);
}
TEST(Handles, LastOnesOfAContextGoOnTwoThreads) {
  for (int i = 0; i < 2000; i++) {
    jt_runtime* rt = nullptr;
    static jt_runtime* shared = nullptr;
    if (!shared) must(jt_runtime_create(nullptr, &shared));
    rt = shared;
    jt_context* ctx = nullptr;
    jt_tensor *x = nullptr, *y = nullptr;
    must(jt_context_create(rt, &ctx));
    must(jt_scalar(ctx, 1, JT_F32, &x)), must(jt_scalar(ctx, 2, JT_F32, &y));
    jt_context_release(ctx);
    std::atomic<int> ready{0};
    std::thread other([&] {
      for (ready++; ready < 2;) std::this_thread::yield();
      jt_tensor_release(x);
    });
    for (ready++; ready < 2;) std::this_thread::yield();
    jt_tensor_release(y);
    other.join();
  }
}

// Nobody enters the context afterwards: what was released is gone all the same.
TEST(Handles, NothingStaysBehindWhereManyThreadsRelease) {
  Session s;
  for (int round = 0; round < 200; round++) {
    std::vector<jt_tensor*> made;
    for (int i = 0; i < 64; i++) {
      Tensor x = s.floats({16}, std::vector<float>(16, 1));
      made.push_back(std::exchange(x.handle, nullptr));
    }
    std::atomic<int> ready{0};
    std::vector<std::thread> threads;
    for (size_t t = 0; t < 3; t++)
      threads.emplace_back([&, t] {
        for (ready++; ready < 4;) std::this_thread::yield();
        for (size_t i = t; i < made.size(); i += 4) jt_tensor_release(made[i]);
      });
    for (ready++; ready < 4;) std::this_thread::yield();
    for (size_t i = 3; i < made.size(); i += 4) {
      jt_context_set_seed(s.ctx, 1);  // in and out of the context, or turned away
      jt_tensor_release(made[i]);
    }
    for (std::thread& t : threads) t.join();
    ASSERT_EQ(s.memory().live_bytes, 0) << "round " << round;
  }
}

TEST(Threads, ASecondOneIsTurnedAway) {
  Session s;
  // The context is busy while its dump function runs.
  static Session* inside;
  static jt_status seen;
  inside = &s, seen = JT_OK;
  must(jt_context_set_dump(s.ctx, "g", 1, [](void*, jt_stage, const char*, size_t) {
    std::thread([] {
      jt_tensor* out = nullptr;
      seen = jt_scalar(inside->ctx, 1, JT_F32, &out);
    }).join();
  }, nullptr));
  s.read(s.make(jt_exp, s.floats({1}, {1})));
  EXPECT_EQ(seen, JT_E_BUSY);
}
TEST(Threads, HandTheContextOver) {
  Session s;
  Tensor x = s.floats({1}, {2});
  double got = 0;
  std::thread([&] { got = s.item(s.make(jt_square, x)); }).join();
  EXPECT_EQ(got, 4);
}
TEST(Threads, ContextsOfOneRuntimeRunAtOnce) {
  Session s;
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; t++)
    threads.emplace_back([&, t] {
      jt_context* ctx = nullptr;
      must(jt_context_create(s.rt, &ctx));
      for (int i = 0; i < 200; i++) {
        int64_t dims[1] = {64 + i % 3};
        jt_tensor *x = nullptr, *y = nullptr, *z = nullptr;
        must(jt_ones(ctx, dims, 1, JT_F32, &x)), must(jt_exp(ctx, x, &y)), must(jt_sum(ctx, y, nullptr, 0, 0, &z));
        double got = 0;
        must(jt_tensor_item_f64(ctx, z, &got));
        wrong += std::fabs(got - std::exp(1.0) * double(dims[0])) > 1e-3;
        jt_tensor_release(x), jt_tensor_release(y), jt_tensor_release(z);
      }
      jt_context_release(ctx);
      (void)t;
    });
  for (auto& t : threads) t.join();
  EXPECT_EQ(wrong, 0);
}
TEST(Contexts, ShareEvaluatedValues) {
  Session s;
  jt_context* other = nullptr;
  must(jt_context_create(s.rt, &other));
  Tensor x = s.floats({2}, {1, 2}), pending = s.make(jt_exp, x);
  jt_tensor* out = nullptr;
  EXPECT_EQ(jt_neg(other, pending, &out), JT_E_WRONG_CONTEXT);
  must(jt_add(other, x, x, &out));
  float got[2];
  must(jt_tensor_read(other, out, got, sizeof got));
  EXPECT_EQ(got[1], 4);
  jt_tensor_release(out);
  EXPECT_EQ(jt_tensor_assign(other, x, x), JT_E_WRONG_CONTEXT);
  Session stranger;
  EXPECT_EQ(jt_neg(stranger.ctx, x, &out), JT_E_WRONG_CONTEXT);
  jt_context_release(other);
}
