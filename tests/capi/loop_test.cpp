// A loop in its steady state - recording, finding the plan, launching - takes nothing from the heap and asks nothing of
// the system; a training loop takes no new buffers and little heap for its gradients.
//
// operator new of this program is the library's too; jt's buffers come from an allocator that the runtime counts.
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "tests/capi/capi.h"

using namespace jt::test;

static std::atomic<int64_t> news{0};
[[gnu::noinline]] void* operator new(size_t bytes) {
  news.fetch_add(1, std::memory_order_relaxed);
  if (void* p = std::malloc(bytes ? bytes : 1)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, size_t) noexcept { std::free(p); }

// What `count` calls of a loop's body take, after as many to warm up.
template <class Body>
static int64_t news_of(int count, Body body) {
  for (int i = 0; i < count; i++) body();
  int64_t before = news;
  for (int i = 0; i < count; i++) body();
  return news - before;
}

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
TEST(SteadyTraining, TakesLittleFromTheHeapForItsGradients) {
  Session s;
  LeNet net(s, 4, 6, 32);
  jt_optimizer* o = net.optimizer();
  Tensor x = pictures(s, 8), y = labels(s, 8);
  int64_t step = news_of(20, [&] { must(jt_optimizer_step(s.ctx, o, net.loss(net.forward(x), y))); });
  EXPECT_LE(step / 20, 16 * int64_t(net.params.size())) << "a parameter has its operator, its gradient and its update";
  jt_optimizer_release(o);
}
