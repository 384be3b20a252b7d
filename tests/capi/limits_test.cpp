// Memory under a limit: caches go first, an error says what needed how much and who holds the most, and all else goes
// on.
#include "tests/capi/capi.h"

using namespace jt::test;

namespace {

constexpr int64_t kMiB = 1 << 20;

jt_runtime_desc limited(int64_t bytes) {
  jt_runtime_desc d{};
  d.struct_size = sizeof d, d.flags = JT_RT_NO_DISK_CACHE, d.memory_limit = bytes;
  return d;
}
// A value of so many MiB, evaluated.
Tensor held(const Session& s, int64_t mib, double fill = 1) {
  const int64_t dims[1] = {mib * kMiB / 4};
  Tensor x = s.make(jt_full, dims, size_t(1), fill, JT_F32);
  must(jt_eval(s.ctx, &x.handle, 1));
  return x;
}
jt_status eval(const Session& s, const Tensor& x) {
  jt_tensor* asked = x;
  return jt_eval(s.ctx, &asked, 1);
}

TEST(MemoryLimit, TheErrorNamesWhatNeedsHowMuchAndTheFiveLargest) {
  Session s(limited(64 * kMiB));
  std::vector<Tensor> all;
  for (int64_t mib : {1, 12, 2, 16, 8, 4}) all.push_back(held(s, mib));
  Tensor column = s.floats({1024, 1}, std::vector<float>(1024, 1)), row = s.floats({8192}, std::vector<float>(8192, 1));
  EXPECT_EQ(eval(s, s.make(jt_exp, s.make(jt_add, column, row))), JT_E_NOMEM);
  std::string said = last_message();
  EXPECT_NE(said.find("exp f32[1024,8192] needs 32.0 MiB"), said.npos) << said;
  EXPECT_NE(said.find("43.0 MiB in use of the limit of 64.0 MiB"), said.npos) << said;
  std::string largest;
  for (const char* size : {"16.0 MiB", "12.0 MiB", "8.0 MiB", "4.0 MiB", "2.0 MiB"})
    largest += std::string(largest.empty() ? "" : ", ") + "expand f32[" + std::to_string(std::atoll(size) * kMiB / 4) +
               "] " + size;
  EXPECT_NE(said.find("the largest: " + largest), said.npos) << said << "\nnot: " << largest;
  EXPECT_EQ(said.find("1.0 MiB,"), said.npos) << "five are enough: " << said;
}
TEST(MemoryLimit, DataOfTheHostIsNamedToo) {
  Session s(limited(kMiB));
  const int64_t dims[2] = {1000, 1000};
  std::vector<float> data(1000000);
  jt_tensor* out = nullptr;
  EXPECT_EQ(jt_tensor_from_bytes(s.ctx, data.data(), 4000000, JT_F32, dims, 2, &out), JT_E_NOMEM);
  EXPECT_EQ(out, nullptr);
  EXPECT_NE(last_message().find("data f32[1000,1000] needs 3.8 MiB; 0 bytes in use of the limit of 1.0 MiB"),
            std::string::npos)
      << last_message();
}
TEST(MemoryLimit, WhatIsCachedGoesFirst) {
  Session s(limited(32 * kMiB));
  for (int64_t mib : {24, 16, 28, 20}) {
    held(s, mib);  // released at once: its memory is cached, and of no use for the next
    EXPECT_GE(s.memory().cached_bytes, mib * kMiB);
  }
  EXPECT_LE(s.memory().live_bytes + s.memory().cached_bytes, 32 * kMiB);
}
TEST(MemoryLimit, TemporariesOfALargerPlanAreGivenUp) {
  Session s(limited(40 * kMiB));
  auto with_temporaries = [&](int64_t n) {  // a product that only the sum of its squares looks at
    const int64_t dims[2] = {n, 64};
    Tensor a = s.make(jt_full, dims, size_t(2), 1.0, JT_F32), t = s.make(jt_transpose, a, nullptr, 0);
    return s.sum(s.make(jt_square, s.make(jt_matmul, a, t)));
  };
  EXPECT_EQ(s.item(with_temporaries(2048)), 64.0 * 64 * 2048 * 2048);  // 16 MiB of temporaries
  int64_t kept = s.memory().live_bytes;
  EXPECT_GE(kept, 16 * kMiB);
  Tensor large = held(s, 28);  // does not fit beside them
  EXPECT_LT(s.memory().live_bytes, 29 * kMiB);
  EXPECT_EQ(s.item(with_temporaries(512)), 64.0 * 64 * 512 * 512);
  EXPECT_EQ(s.read(large)[7 * kMiB - 1], 1);
}
TEST(MemoryLimit, WhatIsAskedRunsThoughWhatIsHeldDoesNotFit) {
  Session s(limited(8 * kMiB));
  const int64_t dims[1] = {4 * kMiB};
  Tensor huge = s.make(jt_ones, dims, size_t(1), JT_F32), small = s.make(jt_exp, s.zeros({5}));
  EXPECT_EQ(eval(s, small), JT_OK);
  EXPECT_EQ(s.read(small)[4], 1);
  EXPECT_EQ(eval(s, huge), JT_E_NOMEM);
}
TEST(MemoryLimit, EveryLimitGivesAnErrorOrTheResult) {
  int failed = 0, worked = 0;
  for (int64_t kib = 16; kib < 8192; kib += kib / 6) {
    Session s(limited(kib * 1024));
    const int64_t dims[2] = {64, 700};
    jt_tensor *x = nullptr, *y = nullptr;
    jt_status status = jt_ones(s.ctx, dims, 2, JT_F32, &x);
    if (status == JT_OK) status = jt_softmax(s.ctx, x, 1, &y);
    if (status == JT_OK) status = jt_eval(s.ctx, &y, 1);
    if (status == JT_OK) {
      EXPECT_NEAR(s.read(y)[44799], 1.0f / 700, 1e-7f);
      worked++;
    } else {
      EXPECT_EQ(status, JT_E_NOMEM);
      failed++;
    }
    EXPECT_LE(s.memory().peak_bytes, kib * 1024);
    jt_tensor_release(x), jt_tensor_release(y);
  }
  EXPECT_GT(failed, 3);
  EXPECT_GT(worked, 3);
}
TEST(MemoryLimit, FromTheEnvironment) {
  auto limit_with = [](const char* text, int64_t own, uint32_t flags) {
    setenv("JT_MEMORY_LIMIT", text, 1);
    jt_runtime_desc d = limited(own);
    d.flags |= flags;
    int64_t limit = Session(d).memory().limit_bytes;
    unsetenv("JT_MEMORY_LIMIT");
    return limit;
  };
  EXPECT_EQ(limit_with("3M", 0, JT_RT_ALLOW_ENV), 3 * kMiB);
  EXPECT_EQ(limit_with("1000000", 0, JT_RT_ALLOW_ENV), 1000000);
  EXPECT_EQ(limit_with("2G", 0, JT_RT_ALLOW_ENV), 2048 * kMiB);
  EXPECT_EQ(limit_with("3M", 5 * kMiB, JT_RT_ALLOW_ENV), 5 * kMiB) << "the host's own holds";
  EXPECT_EQ(limit_with("3M", 0, 0), 0) << "the environment was not allowed";
  EXPECT_EQ(limit_with("3M", -1, JT_RT_ALLOW_ENV), 3 * kMiB);
  EXPECT_GT(limit_with("3M", -1, 0), 64 * kMiB) << "nearly what the machine has";
  for (const char* wrong : {"many", "-5", "3X", "M", "99999999999T", "3.5G"}) {
    setenv("JT_MEMORY_LIMIT", wrong, 1);
    jt_runtime_desc d = limited(0);
    d.flags |= JT_RT_ALLOW_ENV;
    jt_runtime* rt = nullptr;
    EXPECT_EQ(jt_runtime_create(&d, &rt), JT_E_INVALID) << wrong;
    EXPECT_NE(last_message().find("JT_MEMORY_LIMIT"), std::string::npos) << last_message();
  }
  unsetenv("JT_MEMORY_LIMIT");
}
TEST(Memory, PeakIsTheMostThatWasHeldAtOnce) {
  Session s;
  held(s, 1);  // the workspace of kernels is there from now on
  int64_t before = s.memory().live_bytes;
  Tensor x = s.floats({kMiB}, std::vector<float>(kMiB, 1));
  EXPECT_EQ(s.memory().live_bytes, before + 4 * kMiB);
  {
    Tensor y = s.make(jt_exp, x);
    must(jt_eval(s.ctx, &y.handle, 1));
    EXPECT_EQ(s.memory().live_bytes, before + 8 * kMiB);
  }
  EXPECT_EQ(s.memory().live_bytes, before + 4 * kMiB);
  EXPECT_EQ(s.memory().peak_bytes, before + 8 * kMiB);
  must(jt_runtime_reset_peak(s.rt));
  EXPECT_EQ(s.memory().peak_bytes, before + 4 * kMiB);
}

// Layers of dropout(tanh(x w + b)), and a few steps of Adam: what the backward pass reads again is most of what
// such a step needs.
struct Deep {
  static constexpr int64_t kRows = 2048, kWidth = 32, kLayers = 16;
  Session s;
  std::vector<Tensor> params;
  Tensor x, y;
  explicit Deep(int64_t limit = 0) : Deep(limited(limit)) {}
  explicit Deep(const jt_runtime_desc& d) : s(d), x(s.normal({kRows, kWidth})), y(s.normal({kRows, kWidth})) {
    for (int64_t i = 0; i < kLayers; i++)
      params.push_back(parameter(s, {kWidth, kWidth})), params.push_back(s.zeros({kWidth}));
    for (const Tensor& p : params) must(jt_tensor_set_requires_grad(s.ctx, p, 1));
    must(jt_sync(s.ctx));
  }
  Tensor loss(int step) const {
    Tensor h = x;
    for (size_t i = 0; i < params.size(); i += 2) {
      h = s.make(jt_tanh, s.make(jt_add, s.make(jt_matmul, h, params[i]), params[i + 1]));
      h = s.make(jt_dropout, h, 0.1, int64_t(7), int64_t(i), int64_t(step) << 20);
    }
    return s.make(jt_mse_loss, h, y, "mean", JT_NUL);
  }
  // The weights after some steps, or none where memory did not suffice.
  std::vector<float> trained() const {
    std::vector<jt_tensor*> handles(params.begin(), params.end());
    jt_optimizer* adam = nullptr;
    must(jt_optimizer_create(s.ctx, "adam", JT_NUL, nullptr, 0, handles.data(), handles.size(), &adam));
    std::vector<float> out;
    jt_status status = JT_OK;
    for (int step = 0; step < 3 && status == JT_OK; step++) status = jt_optimizer_step(s.ctx, adam, loss(step));
    if (status == JT_OK) status = jt_sync(s.ctx);
    EXPECT_TRUE(status == JT_OK || status == JT_E_NOMEM) << last_message();
    for (size_t i = 0; i < params.size() && status == JT_OK; i++)
      for (float w : s.read(params[i])) out.push_back(w);
    jt_optimizer_release(adam);
    return out;
  }
};

TEST(MemoryLimit, ATrainingStepComputesAgainWhatDoesNotFit) {
  Deep free;
  std::vector<float> expected = free.trained();
  for (int percent : {80, 60, 35}) {
    int64_t limit = free.s.memory().peak_bytes * percent / 100;
    Deep tight(limit);
    EXPECT_EQ(tight.trained(), expected) << percent << " % of the peak";
    EXPECT_LE(tight.s.memory().peak_bytes, limit);
    EXPECT_GT(tight.s.stats().launches, free.s.stats().launches);
    EXPECT_EQ(tight.s.stats().plans_made, free.s.stats().plans_made) << "the smaller plan is kept";
  }
}
TEST(MemoryLimit, WhatAGradientMayWantIsNotKeptWhereItDoesNotFit) {
  Deep free;
  double expected = free.s.item(free.loss(0));
  Tensor kept = free.loss(0);
  int64_t before = free.s.memory().live_bytes;
  free.s.item(kept);
  ASSERT_GT(free.s.memory().live_bytes, before + Deep::kLayers * Deep::kRows * Deep::kWidth * 4);
  Deep tight(free.s.memory().peak_bytes * 4 / 10);
  Tensor loss = tight.loss(0);
  EXPECT_EQ(tight.s.item(loss), expected);
  EXPECT_EQ(tight.s.item(loss), expected);
  jt_tensor *w = tight.params[0], *w_free = free.params[0], *g = nullptr, *g_free = nullptr;
  must(jt_grad(tight.s.ctx, loss, &w, 1, nullptr, 0, &g, 1));
  must(jt_grad(free.s.ctx, kept, &w_free, 1, nullptr, 0, &g_free, 1));
  EXPECT_EQ(tight.s.read(Tensor(g)), free.s.read(Tensor(g_free)));
}
TEST(MemoryLimit, AStepThatDoesNotFitEvenSoIsNotTaken) {
  Deep free;
  free.trained();
  Deep tight(free.s.memory().peak_bytes * 3 / 20);
  std::vector<float> before = tight.s.read(tight.params[0]);
  EXPECT_TRUE(tight.trained().empty());
  EXPECT_NE(last_message().find("out of memory: "), std::string::npos) << last_message();
  EXPECT_EQ(tight.s.read(tight.params[0]), before);
}
// A host's allocator that has so much and no more: there is no limit that tells how much that is.
struct Arena {
  int64_t left;
  static void* alloc(void* user, size_t bytes, size_t align) {
    auto* a = static_cast<Arena*>(user);
    if (int64_t(bytes) > a->left) return nullptr;
    a->left -= int64_t(bytes);
    return std::aligned_alloc(align, bytes);
  }
  static void free(void* user, void* p, size_t bytes, size_t) {
    static_cast<Arena*>(user)->left += int64_t(bytes);
    std::free(p);
  }
};
TEST(Memory, AnAllocatorThatRefusesIsAskedForLess) {
  Deep free;
  std::vector<float> expected = free.trained();
  Arena arena{free.s.memory().peak_bytes * 6 / 10};
  jt_runtime_desc d = limited(0);
  d.alloc = Arena::alloc, d.free = Arena::free, d.alloc_user = &arena;
  EXPECT_EQ(Deep(d).trained(), expected);
}

}  // namespace
