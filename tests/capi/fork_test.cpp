// A process that is forked while other threads of it are in jt: the child goes on with the runtime and the context that
// it has inherited, whatever those threads were doing, and so does the parent. JT_FORKS says how many children each
// case has.
#include "tests/capi/child.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <thread>

using namespace jt::test;

namespace {

int forks() {
  const char* said = std::getenv("JT_FORKS");
  return said ? std::atoi(said) : 60;
}

// Threads of the parent that do one thing over and over, each in a context of its own.
class Others {
 public:
  using Body = std::function<void(const Session&)>;
  Others(const Session& shared, int count, Body body) {
    for (int i = 0; i < count; i++)
      threads_.emplace_back([this, &shared, body] {
        Session s(shared.rt);
        while (!stops_) body(s), turns_++;
      });
  }
  ~Others() {
    stops_ = true;
    for (std::thread& thread : threads_) thread.join();
  }
  bool are_at_work() const { return turns_ > 0; }

 private:
  std::atomic<bool> stops_{false};
  std::atomic<int64_t> turns_{0};
  std::vector<std::thread> threads_;
};

// What a child does with what it inherited; 0 where all is right.
int go_on(const Session& s, const Tensor& x, double expected, int number) {
  if (s.item(s.sum(s.make(jt_mul, x, x))) != expected) return 1;
  if (!std::isfinite(chain(s, 500000 + uint64_t(number)))) return 2;  // a kernel that is compiled here
  jt_memory_info info = s.memory();
  if (info.live_bytes <= 0 || info.live_bytes > (int64_t(1) << 30) || s.stats().evals <= 0) return 3;
  {
    Session another(s.rt);
    Tensor y = another.make(jt_add, x, x);
    if (another.item(another.sum(y)) != 12) return 4;
  }
  must(jt_runtime_trim(s.rt));
  return s.item(s.sum(s.make(jt_mul, x, x))) == expected ? 0 : 5;
}

void expect_children_go_on(Session& s, const Others::Body& body) {
  Tensor x = s.floats({3}, {1, 2, 3});
  s.item(s.sum(s.make(jt_mul, x, x)));
  Others others(s, 3, body);
  while (!others.are_at_work()) usleep(100);
  for (int i = 0; i < forks() && !testing::Test::HasFailure(); i++) {
    int status = in_child([&] { return go_on(s, x, 14, i); });
    EXPECT_EQ(status, 0) << "child " << i << (status < 0 ? " hangs" : "");
    EXPECT_EQ(s.item(s.sum(s.make(jt_mul, x, x))), 14) << "the parent goes on";
  }
}

TEST(Fork, WhileOthersEvaluate) {
  Session s;
  expect_children_go_on(s, [](const Session& o) { chain(o, 0); });
}
TEST(Fork, WhileOthersCompile) {
  Session s;
  std::atomic<uint64_t> next{1};
  expect_children_go_on(s, [&](const Session& o) { chain(o, next++); });
}
TEST(Fork, WhileOthersTakeAndGiveMemory) {
  Session s;
  expect_children_go_on(s, [](const Session& o) {
    for (int64_t n = 1; n < 3000; n += 97) o.zeros({n});
    must(jt_runtime_trim(o.rt));
  });
}
TEST(Fork, WhileOthersAskForStatistics) {
  Session s;
  expect_children_go_on(s, [](const Session& o) {
    o.stats(), o.memory();
    Session more(o.rt);
    more.stats();
    must(jt_stats_reset(o.rt));
    must(jt_eval(more.ctx, nullptr, 0));
    Tensor x = o.scalar(1);
    o.item(o.make(jt_add, x, x));
  });
}
TEST(Fork, WhileOthersAreTraced) {
  Session s;
  std::string path = "/tmp/jt-fork-" + std::to_string(getpid());
  must(jt_trace_start(s.rt, path.c_str(), JT_NUL));
  expect_children_go_on(s, [](const Session& o) { chain(o, 0); });
  must(jt_trace_stop(s.rt));
  unlink(path.c_str());
}
TEST(Fork, WhileOthersPackWeights) {
  Session s;
  Tensor w = s.normal({64, 64});
  must(jt_eval(s.ctx, &w.handle, 1));
  expect_children_go_on(s, [&](const Session& o) {
    Tensor x = o.zeros({40, 64});
    for (int i = 0; i < 3; i++) o.item(o.sum(o.make(jt_matmul, x, w)));
  });
}
// Who releases a handle of a context that nobody is in is inside for a moment, and with him gone the child could never
// enter.
TEST(Fork, WhileOthersReleaseHandlesOfTheContextThatForks) {
  Session s;
  std::atomic<bool> stops{false};
  std::mutex mutex;
  std::vector<jt_tensor*> given;
  auto release = [&] {
    while (!stops) {
      std::vector<jt_tensor*> mine;
      {
        std::lock_guard lock(mutex);
        mine.swap(given);
      }
      for (jt_tensor* t : mine) jt_tensor_release(t);
    }
  };
  Tensor x = s.floats({3}, {1, 2, 3});
  std::thread first(release), second(release);
  for (int i = 0; i < 4 * forks() && !testing::Test::HasFailure(); i++) {
    std::vector<jt_tensor*> made(400);
    for (jt_tensor*& t : made) must(jt_mul(s.ctx, x, x, &t));
    must(jt_eval(s.ctx, made.data(), made.size()));
    mutex.lock();
    given = made;
    mutex.unlock();
    int status = in_child([&] { return s.item(s.sum(s.make(jt_mul, x, x))) == 14 ? 0 : 1; });
    EXPECT_EQ(status, 0) << "child " << i << (status < 0 ? " hangs" : "");
  }
  stops = true;
  first.join(), second.join();
  for (jt_tensor* t : given) jt_tensor_release(t);
}
// A context that another thread is in stays that thread's: an error, and what it has evaluated serves other contexts.
TEST(Fork, AContextWhoseThreadStayedInTheParentSaysSo) {
  Session s, mine(s.rt);
  Tensor x = s.floats({3}, {1, 2, 3});
  std::atomic<int> step{0};
  auto watch = [](void* user, int64_t, int64_t) -> jt_status {
    auto& step = *static_cast<std::atomic<int>*>(user);
    if (step == 0) step = 1;
    while (step == 1) usleep(100);
    return JT_OK;
  };
  must(jt_context_set_watch(s.ctx, watch, &step));
  std::thread thread([&] { s.item(s.sum(s.make(jt_exp, x))); });
  while (step == 0) usleep(100);
  int status = in_child([&] {
    jt_tensor* y = nullptr;
    if (jt_mul(s.ctx, x, x, &y) != JT_E_BUSY ||
        last_message().find("when this process was forked") == std::string::npos)
      return 1;
    // A thread of this process's, whatever it is called, is not the one that is inside.
    std::atomic<int> failed{0};
    for (int i = 0; i < 20; i++)
      std::thread([&] {
        jt_tensor* z = nullptr;
        failed += jt_mul(s.ctx, x, x, &z) != JT_E_BUSY;
      }).join();
    if (failed) return 2;
    return mine.item(mine.sum(mine.make(jt_mul, x, x))) == 14 ? 0 : 3;
  });
  EXPECT_EQ(status, 0);
  step = 2;
  thread.join();
}
TEST(Fork, AChildHasThreadsOfItsOwn) {
  jt_runtime_desc desc{};
  desc.struct_size = sizeof desc, desc.flags = JT_RT_NO_DISK_CACHE, desc.threads = 3;
  Session s(desc);
  auto work = [](const Session& o) {
    Tensor x = o.make(jt_full, (const int64_t[]){300000}, size_t(1), 1.0, JT_F32);
    return o.item(o.sum(o.make(jt_exp, x)));
  };
  double expected = work(s);
  Others others(s, 2, [&](const Session& o) { work(o); });
  while (!others.are_at_work()) usleep(100);
  for (int i = 0; i < forks() / 5 && !testing::Test::HasFailure(); i++) {
    int status = in_child([&] {
      if (work(s) != expected) return 1;
      Session own(desc);
      return work(own) == expected ? 0 : 2;
    });
    EXPECT_EQ(status, 0) << "child " << i << (status < 0 ? " hangs" : "");
  }
}

}  // namespace
