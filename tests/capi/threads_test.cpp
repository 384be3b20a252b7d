// Threads as a host sees them: none unless asked for, the host's own where it has them, the same bits with any number;
// and contexts of one runtime on several threads of the host.
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "tests/capi/capi.h"

using namespace jt::test;

namespace {

size_t threads_of_process() {
  size_t n = 0;
  for ([[maybe_unused]] auto& task : std::filesystem::directory_iterator("/proc/self/task")) n++;
  return n;
}

// A thread that was joined may be listed a moment longer.
size_t threads_left(size_t wanted) {
  for (int i = 0; i < 2000 && threads_of_process() > wanted; i++) usleep(1000);
  return threads_of_process();
}

// LeNet with fewer channels; the losses of some steps.
std::vector<float> losses(const Session& s, const Tensor& x, const Tensor& y, int steps) {
  must(jt_context_set_seed(s.ctx, 7));
  LeNet net(s, 4, 6, 32);
  jt_optimizer* adam = net.optimizer();
  std::vector<float> out;
  for (int i = 0; i < steps; i++) {
    Tensor loss = net.loss(net.forward(x), y);
    must(jt_optimizer_step(s.ctx, adam, loss));
    out.push_back(float(s.item(loss)));
  }
  jt_optimizer_release(adam);
  return out;
}
std::vector<float> losses(const Session& s, int steps = 4) { return losses(s, pictures(s, 64), labels(s, 64), steps); }
bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * 4) == 0;
}
jt_runtime_desc with_threads(int32_t threads) {
  jt_runtime_desc d{};
  d.struct_size = sizeof d, d.flags = JT_RT_NO_DISK_CACHE, d.threads = threads;
  return d;
}

TEST(Threads, LossesOfLenetHaveTheSameBits) {
  std::vector<float> alone = losses(Session());
  EXPECT_LT(alone.back(), alone.front());
  for (int threads : {1, 2, 3, 7}) EXPECT_TRUE(same_bits(losses(Session(with_threads(threads))), alone)) << threads;
}
TEST(Threads, NoneUnlessAskedFor) {
  size_t before = threads_of_process();
  for (int threads : {0, 1}) {
    Session s(with_threads(threads));
    losses(s, 1);
    EXPECT_EQ(threads_of_process(), before);
  }
  {
    Session s(with_threads(3));
    EXPECT_EQ(threads_of_process(), before) << "none before there is work for them";
    losses(s, 1);
    EXPECT_EQ(threads_of_process(), before + 2);
  }
  EXPECT_EQ(threads_left(before), before) << "they end with the runtime";
}
TEST(Threads, TheEnvironmentIsAskedOnlyWhereTheHostLeftItOpen) {
  size_t before = threads_of_process();
  auto made = [&](int32_t threads, uint32_t flags) {
    jt_runtime_desc d = with_threads(threads);
    d.flags |= flags;
    Session s(d);
    size_t alone = threads_left(before);
    losses(s, 1);
    return threads_of_process() - alone;
  };
  setenv("JT_THREADS", "4", 1);
  EXPECT_EQ(made(0, JT_RT_ALLOW_ENV), 3u);
  EXPECT_EQ(made(-1, JT_RT_ALLOW_ENV), 3u);
  EXPECT_EQ(made(2, JT_RT_ALLOW_ENV), 1u);
  EXPECT_EQ(made(0, 0), 0u);
  setenv("JT_THREADS", "0", 1);
  cpu_set_t cores;
  sched_getaffinity(0, sizeof cores, &cores);
  EXPECT_EQ(made(0, JT_RT_ALLOW_ENV), size_t(CPU_COUNT(&cores)) - 1) << "one per core that this process may use";
  unsetenv("JT_THREADS");
  EXPECT_EQ(made(0, JT_RT_ALLOW_ENV), 0u);
}
TEST(Threads, NumbersThatMeanNothing) {
  jt_runtime* rt = nullptr;
  for (int32_t threads : {-2, 257, INT32_MIN, INT32_MAX}) {
    jt_runtime_desc d = with_threads(threads);
    EXPECT_EQ(jt_runtime_create(&d, &rt), JT_E_INVALID);
    EXPECT_NE(last_message().find("threads is " + std::to_string(threads)), std::string::npos) << last_message();
  }
  for (const char* text : {"two", "-1", "3x", "257", "99999999999999999999"}) {
    setenv("JT_THREADS", text, 1);
    jt_runtime_desc d = with_threads(0);
    d.flags |= JT_RT_ALLOW_ENV;
    EXPECT_EQ(jt_runtime_create(&d, &rt), JT_E_INVALID);
    EXPECT_NE(last_message().find("JT_THREADS"), std::string::npos) << last_message();
  }
  unsetenv("JT_THREADS");
}

struct HostThreads {
  std::atomic<int64_t> calls{0}, most{0};
  static void in_parallel(void* user, void (*body)(void*, int64_t), void* body_user, int64_t count) {
    auto& host = *static_cast<HostThreads*>(user);
    host.calls++;
    if (count > host.most) host.most = count;
    std::vector<std::thread> threads;
    for (int64_t i = 0; i < count; i++) threads.emplace_back(body, body_user, i);
    for (auto& t : threads) t.join();
  }
};
TEST(Threads, OfTheHost) {
  std::vector<float> alone = losses(Session());
  HostThreads host;
  jt_runtime_desc d = with_threads(3);
  d.parallel_for = HostThreads::in_parallel, d.parallel_user = &host;
  size_t before = threads_of_process();
  Session s(d);
  EXPECT_TRUE(same_bits(losses(s), alone));
  EXPECT_GT(host.calls, 4);
  EXPECT_EQ(host.most, 3);
  EXPECT_EQ(threads_left(before), before);
}

TEST(Contexts, EightTrainAtOnceOnOneRuntime) {
  std::vector<float> alone = losses(Session(), 3);
  for (int32_t jt_threads : {1, 2}) {
    Session shared(with_threads(jt_threads));
    std::vector<std::vector<float>> seen(8);
    std::vector<std::thread> hosts;
    for (auto& mine : seen)
      hosts.emplace_back([&shared, &mine] {
        Session s(shared.rt);
        mine = losses(s, 3);
      });
    for (auto& t : hosts) t.join();
    for (auto& mine : seen) EXPECT_TRUE(same_bits(mine, alone));
  }
}
TEST(Contexts, OneFromTwoThreadsIsAnError) {
  Session s(with_threads(2));
  Tensor x = s.floats({100}, std::vector<float>(100, 1));
  std::atomic<int64_t> busy{0}, done{0}, other{0};
  std::atomic<bool> starts{false};
  auto work = [&] {
    while (!starts) sched_yield();
    for (int i = 0; i < 2000; i++) {
      jt_tensor* y = nullptr;
      jt_status status = jt_exp(s.ctx, x, &y);
      if (status == JT_OK) status = jt_eval(s.ctx, &y, 1);
      (status == JT_OK ? done : status == JT_E_BUSY ? busy : other)++;
      jt_tensor_release(y);
    }
  };
  std::thread a(work), b(work);
  starts = true;
  a.join(), b.join();
  EXPECT_EQ(other, 0);
  EXPECT_GT(done, 0);
  EXPECT_EQ(done + busy, 4000);
  EXPECT_EQ(s.read(s.make(jt_exp, x))[99], std::exp(1.0f));
}

#if !defined(__SANITIZE_THREAD__)
TEST(Threads, AForkedChildComputesAlone) {
  Session s(with_threads(3));
  std::vector<float> before = losses(s);
  pid_t child = fork();
  if (child == 0) {
    alarm(60);
    _exit(same_bits(losses(s), before) ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(same_bits(losses(s), before));
}
#endif
#if defined(__x86_64__)
TEST(Threads, AHostThatRoundsDownGetsTheSameBits) {
  for (int threads : {1, 2}) {
    std::vector<float> nearest = losses(Session(with_threads(threads)));
    Session s(with_threads(threads));
    Tensor x = pictures(s, 64), y = labels(s, 64);  // std::sin rounds as told
    unsigned mode = __builtin_ia32_stmxcsr(), down = (mode & ~0x3fu) | 0x2000 | 0x8040;  // also denormals to zero
    __builtin_ia32_ldmxcsr(down);
    std::vector<float> rounded = losses(s, x, y, 4);
    unsigned after = __builtin_ia32_stmxcsr();
    __builtin_ia32_ldmxcsr(mode);
    EXPECT_TRUE(same_bits(rounded, nearest)) << threads;
    EXPECT_EQ(after & ~0x3fu, down & ~0x3fu) << "the host's mode";
  }
}
#endif

}  // namespace
