// Kernels that run long: compiled on the host's thread through submit, or on jt's own; the values stay, and the end is
// quick.
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <deque>
#include <thread>
#include <vector>

#include "tests/capi/capi.h"

namespace {

struct Work {
  std::deque<std::pair<void (*)(void*), void*>> waiting;
  static void submit(void* user, void (*work)(void*), void* argument) {
    static_cast<Work*>(user)->waiting.emplace_back(work, argument);
  }
};

// Every kernel is at once worth another compile.
struct HotRuntime {
  jt_runtime* rt = nullptr;
  jt_context* ctx = nullptr;
  explicit HotRuntime(uint32_t flags, Work* work = nullptr) {
    setenv("JT_CPU_HOT_US", "0", 1);
    setenv("JT_CACHE_DIR", "off", 1);
    jt_runtime_desc d{};
    d.struct_size = sizeof d;
    d.flags = JT_RT_ALLOW_ENV | flags;
    if (work) d.submit = Work::submit, d.submit_user = work;
    EXPECT_EQ(jt_runtime_create(&d, &rt), JT_OK) << jt_last_error_message();
    EXPECT_EQ(jt_context_create(rt, &ctx), JT_OK);
    unsetenv("JT_CPU_HOT_US"), unsetenv("JT_CACHE_DIR");
  }
  ~HotRuntime() { jt_context_release(ctx), jt_runtime_release(rt); }
  HotRuntime(const HotRuntime&) = delete;
};

// tanh(x) * x + x over 1000 elements, as bytes.
std::vector<float> values(jt_context* ctx) {
  std::vector<float> data(1000);
  for (size_t i = 0; i < data.size(); i++) data[i] = float(i) / 250 - 2;
  int64_t n = 1000;
  jt_tensor *x, *t, *p, *y;
  EXPECT_EQ(jt_tensor_from_bytes(ctx, data.data(), data.size() * 4, JT_F32, &n, 1, &x), JT_OK);
  EXPECT_EQ(jt_tanh(ctx, x, &t), JT_OK);
  EXPECT_EQ(jt_mul(ctx, t, x, &p), JT_OK);
  EXPECT_EQ(jt_add(ctx, p, x, &y), JT_OK);
  EXPECT_EQ(jt_tensor_read(ctx, y, data.data(), data.size() * 4), JT_OK) << jt_last_error_message();
  for (jt_tensor* tensor : {x, t, p, y}) jt_tensor_release(tensor);
  return data;
}

TEST(Background, SubmitGetsTheWorkAndTheValuesStay) {
  Work work;
  HotRuntime hot(0, &work);
  std::vector<float> first = values(hot.ctx);
  EXPECT_NEAR(first[1000 - 1], std::tanh(1.996) * 1.996 + 1.996, 1e-5);
  for (; !work.waiting.empty(); work.waiting.pop_front()) work.waiting.front().first(work.waiting.front().second);
  for (int k = 0; k < 3; k++) EXPECT_EQ(values(hot.ctx), first);
}

TEST(Background, WorkMayComeAfterTheEnd) {
  Work work;
  { HotRuntime hot(0, &work), other(0, &work); values(hot.ctx), values(other.ctx); }
  for (auto [function, argument] : work.waiting) function(argument);
}

TEST(Background, ItsThreadEndsWithTheRuntime) {
  for (int k = 0; k < 5; k++) {
    HotRuntime hot(JT_RT_BACKGROUND_JIT);
    std::vector<float> first = values(hot.ctx);
    std::this_thread::sleep_for(std::chrono::milliseconds(10 * k));
    EXPECT_EQ(values(hot.ctx), first);
  }
}

}  // namespace
