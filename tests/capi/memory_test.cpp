// Memory stays flat where a program keeps nothing; holding values changes neither peaks nor how much is computed.
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "tests/capi/capi.h"

using namespace jt::test;

static int64_t resident_bytes() {
  long pages = 0;
  if (FILE* f = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(f, "%*d %ld", &pages) != 1) pages = 0;
    std::fclose(f);
  }
  return int64_t(pages) * 4096;
}

#if defined(__linux__) && !defined(__SANITIZE_ADDRESS__)  // which brings an allocator of its own
// Whether the mapping around an address asks for large pages.
static bool is_in_large_pages(uintptr_t address) {
  std::ifstream maps("/proc/self/smaps");
  bool is_here = false;
  for (std::string line; std::getline(maps, line);) {
    uintptr_t begin, end;
    if (std::sscanf(line.c_str(), "%zx-%zx ", &begin, &end) == 2) is_here = begin <= address && address < end;
    else if (is_here && line.starts_with("VmFlags:")) return line.find(" hg") != line.npos;
  }
  return false;
}
TEST(LargeValues, LieInLargePagesFromEndToEnd) {
  if (!std::filesystem::exists("/sys/kernel/mm/transparent_hugepage"))
    GTEST_SKIP() << "this system has no transparent large pages";
  constexpr int64_t kCount = 3 << 20;
  constexpr uintptr_t kPage = 2 << 20;
  Session s;
  Tensor large = s.make(jt_add, s.zeros({kCount}), s.scalar(1)), small = s.zeros({1000});
  jt_mapping of_large{sizeof of_large}, of_small{sizeof of_small};
  must(jt_tensor_map(s.ctx, large, &of_large)), must(jt_tensor_map(s.ctx, small, &of_small));
  const uintptr_t at = reinterpret_cast<uintptr_t>(of_large.data);
  EXPECT_EQ(at % kPage, 0u);
  for (uintptr_t page = 0; page < kCount * 4 / kPage; page++) EXPECT_TRUE(is_in_large_pages(at + page * kPage)) << page;
  EXPECT_FALSE(is_in_large_pages(reinterpret_cast<uintptr_t>(of_small.data)));
  jt_tensor_unmap(&of_large), jt_tensor_unmap(&of_small);
}
#endif

TEST(LazyOps, AMillionWithoutAnEvalStayFlat) {
  Session s;
  Tensor x = s.zeros({16}), one = s.scalar(1);
  int64_t after_first = 0;
  constexpr int kOps = 1'000'000;
  for (int i = 0; i < kOps; i++) {
    x = s.make(jt_add, x, one);
    if (i == 200'000) after_first = resident_bytes();
  }
  EXPECT_LT(resident_bytes() - after_first, 16 << 20);
  EXPECT_LT(s.memory().peak_bytes, 1 << 20);
  EXPECT_EQ(s.read(x)[3], float(kOps));
  EXPECT_LE(s.stats().plans_made, 4);
}
// The limit falls anywhere in a round; after the first flushes each one runs whole rounds, and the cached plan fits.
// What a gradient will want stays pending however often its last value is evaluated.
TEST(LazyOps, AChainThatWaitsForItsGradientIsFlushedNowAndThen) {
  Session s;
  Tensor first = s.zeros({}), one = s.scalar(1), x = first;
  must(jt_tensor_set_requires_grad(s.ctx, first, 1));
  for (int i = 0; i < 80000; i++) x = s.make(jt_add, x, one);
  EXPECT_LT(s.stats().evals, 10);
  EXPECT_EQ(s.item(x), 80000);
  jt_tensor *wrt = first, *dx = nullptr;
  must(jt_grad(s.ctx, x, &wrt, 1, nullptr, 0, &dx, 1));
  EXPECT_EQ(s.item(Tensor(dx)), 1);
}

// Numbers of the program wait until somebody asks for them.
TEST(LazyOps, ManyHeldNumbersAreFlushedNowAndThen) {
  Session s;
  std::vector<Tensor> numbers;
  for (int i = 0; i < 70000; i++) numbers.push_back(s.scalar(i));
  Tensor x = s.zeros({});
  for (int i = 0; i < 1000; i++) x = s.make(jt_add, x, numbers[size_t(i)]);
  EXPECT_LT(s.stats().evals, 10);
  EXPECT_EQ(s.item(x), 999 * 1000 / 2);
}

TEST(LazyOps, ALoopWithLinesIsFlushedInWholeRounds) {
  constexpr int kBody = 7, kRounds = 50'000, kWarm = 26'000;
  Session s;
  Tensor x = s.zeros({16}), one = s.scalar(1), largest = s.zeros({16});
  for (int i = 0; i < 5; i++) x = s.make(jt_add, x, one);  // before the loop
  int64_t made = 0;
  for (int i = 0; i < kRounds; i++) {
    for (uint32_t k = 0; k < kBody; k++) {
      must(jt_context_set_line(s.ctx, 100 + k));
      x = s.make(k % 2 ? jt_sub : jt_add, x, one);
    }
    must(jt_context_set_line(s.ctx, 99));
    largest = s.make(jt_maximum, largest, x);
    if (i == kWarm) made = s.stats().plans_made;
  }
  EXPECT_LE(made, 3);
  EXPECT_EQ(s.stats().plans_made, made);
  EXPECT_GE(s.stats().evals, 6);
  EXPECT_EQ(s.read(x)[3], float(5 + kRounds));
  EXPECT_EQ(s.read(largest)[3], float(5 + kRounds));
}
TEST(LazyOps, WhatNobodyHoldsIsNotKept) {
  Session s;
  Tensor x = s.zeros({16});
  int64_t before = resident_bytes();
  for (int i = 0; i < 1'000'000; i++) s.make(jt_exp, x);
  EXPECT_LT(resident_bytes() - before, 4 << 20);
  EXPECT_EQ(s.stats().evals, 0);
}
TEST(LazyOps, BuffersOfPendingOpsAreBounded) {
  Session s;
  Tensor total = s.scalar(0);
  constexpr int64_t n = 1 << 20;  // 4 MiB each: 100 of them wait for nobody
  std::vector<float> data(n, 1);
  for (int i = 0; i < 100; i++) total = s.make(jt_add, total, s.sum(s.floats({n}, data)));
  EXPECT_EQ(s.item(total), 100.0 * n);
  EXPECT_LE(s.memory().peak_bytes, 300 << 20);
}

// LeNet with fewer channels; what holds for the structure holds for the full one.
struct Training {
  Session s;
  LeNet net{s, 4, 6, 32};
  jt_optimizer* o = net.optimizer();
  Tensor x = pictures(s, 64), y = labels(s, 64);
  Training() { must(jt_sync(s.ctx)); }
  ~Training() { jt_optimizer_release(o); }
};

// A chain of ops that no other number below 8^7 gives.
static double chain(const Session& s, uint64_t number) {
  using Unary = jt_status (*)(jt_context*, jt_tensor*, jt_tensor**);
  static constexpr Unary kOps[] = {jt_sin, jt_cos, jt_tanh, jt_neg, jt_square, jt_sigmoid, jt_atan, jt_erf};
  Tensor x = s.floats({3}, {0.25f, 0.5f, 0.75f});
  for (int i = 0; i < 7; i++, number /= 8) x = s.make(kOps[number % 8], x);
  return s.item(s.sum(x));
}

// After 10,000 structures, when what can be kept is kept, as many again take no memory.
TEST(Kernels, OfEverNewStructuresAreReleased) {
  Session s;
  for (uint64_t i = 0; i < 10000; i++) chain(s, i * 37);
  int64_t before = resident_bytes();
  for (uint64_t i = 10000; i < 20000; i++) chain(s, i * 37);
  EXPECT_LE(jt_kernel_count(s.rt), 8192u);
  EXPECT_LT(resident_bytes() - before, 32 << 20);
}

TEST(LeNet, PeaksAlikeAfterTwoStepsAndTwoHundredWithEveryLossKept) {
  Training t;
  std::vector<Tensor> losses;
  Tensor out, loss;
  int64_t after_two = 0;
  for (int i = 0; i < 200; i++) {
    out = t.net.forward(t.x), loss = t.net.loss(out, t.y);
    must(jt_optimizer_step(t.s.ctx, t.o, loss));
    losses.push_back(loss);
    if (i == 1) after_two = t.s.memory().peak_bytes;
  }
  int64_t of_losses = 64 * 200;
  EXPECT_LE(t.s.memory().peak_bytes, after_two + of_losses);
  EXPECT_LT(t.s.item(losses.back()), t.s.item(losses[0]));
}

TEST(LeNet, ComputesNothingTwiceWhenTheLossIsReadBeforeTheStep) {
  struct Counts { int64_t matmuls_and_convolutions; double loss; };
  auto count = [](bool read_first) {
    Training t;
    must(jt_stats_reset(t.s.rt));
    must(jt_trace_start(t.s.rt, "/dev/null", JT_NUL));
    Counts c{};
    for (int i = 0; i < 3; i++) {
      Tensor out = t.net.forward(t.x), loss = t.net.loss(out, t.y);
      if (read_first) t.s.item(loss);
      must(jt_optimizer_step(t.s.ctx, t.o, loss));
      c.loss = t.s.item(loss);
    }
    must(jt_trace_stop(t.s.rt));
    size_t room = 0;
    must(jt_stats_print(t.s.rt, nullptr, 0, &room));
    std::string table(room, 0);
    must(jt_stats_print(t.s.rt, table.data(), room, &room));
    c.matmuls_and_convolutions = std::strtoll(table.c_str() + table.find("library calls ") + 14, nullptr, 10);
    return c;
  };
  Counts plain = count(false), read = count(true);
  EXPECT_GT(plain.matmuls_and_convolutions, 0);
  EXPECT_EQ(plain.matmuls_and_convolutions, read.matmuls_and_convolutions);
  EXPECT_EQ(plain.loss, read.loss);
}
