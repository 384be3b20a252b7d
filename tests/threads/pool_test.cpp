// The pool: every lane at most once, work finished whatever lanes run, nothing left spinning, forked children go on
// alone.
#include "core/runtime/threads.h"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

using namespace jt;

#if !defined(__SANITIZE_THREAD__)
// Stands before the C library's: counts threads, and refuses them when told to.
static std::atomic<int> threads_made{0}, threads_allowed{1 << 20};
extern "C" int pthread_create(pthread_t* out, const pthread_attr_t* attributes, void* (*body)(void*), void* user) {
  static auto real = reinterpret_cast<decltype(&pthread_create)>(dlsym(RTLD_NEXT, "pthread_create"));
  if (threads_allowed-- <= 0) return EAGAIN;
  threads_made++;
  return real(out, attributes, body, user);
}
#endif

namespace {

const Logger kSilent;

// Pieces claimed by lanes, as a backend does it.
struct Pieces {
  std::vector<std::atomic<int>> done;
  std::vector<std::atomic<int>> lanes;
  std::atomic<size_t> next{0};
  Pieces(size_t count, size_t lanes) : done(count), lanes(lanes) {}
  static void work(void* user, int64_t lane) {
    auto& p = *static_cast<Pieces*>(user);
    p.lanes[size_t(lane)]++;
    for (size_t i; (i = p.next++) < p.done.size();) p.done[i]++;
  }
  void run(ThreadPool& pool) { pool.run(work, this, int64_t(lanes.size())); }
  void check() const {
    for (auto& d : done) ASSERT_EQ(d, 1);
    EXPECT_EQ(lanes[0], 1);
    for (auto& l : lanes) EXPECT_LE(l, 1);
  }
};

// Waits until `count` lanes are inside at once; false if they never are.
struct Meeting {
  int count;
  std::atomic<int> inside{0};
  std::atomic<bool> met{false};
  static void come(void* user, int64_t) {
    auto& m = *static_cast<Meeting*>(user);
    m.inside++;
    auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (m.inside < m.count && std::chrono::steady_clock::now() < until) sched_yield();
    if (m.inside >= m.count) m.met = true;
  }
};
bool meet(ThreadPool& pool, int count) {
  Meeting m{count};
  pool.run(Meeting::come, &m, count);
  return m.met;
}

std::vector<std::string> tasks() {
  std::vector<std::string> out;
  for (auto& entry : std::filesystem::directory_iterator("/proc/self/task")) out.push_back(entry.path());
  return out;
}
// A thread that was joined may be listed a moment longer.
size_t tasks_left(size_t wanted) {
  for (int i = 0; i < 2000 && tasks().size() > wanted; i++) usleep(1000);
  return tasks().size();
}
std::string line_of(const std::string& file, const std::string& begin) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);)
    if (line.starts_with(begin)) return line;
  return "";
}

TEST(ThreadPool, EveryPieceIsDoneOnceInManyLaunches) {
  for (int threads : {1, 2, 3, 7}) {
    ThreadPool pool(threads, {}, kSilent);
    for (int i = 0; i < 3000; i++) {
      Pieces p(size_t(i % 50), size_t(threads));
      p.run(pool);
      p.check();
      if (i % 500 == 0) ThreadPool::Rest rest(pool);  // helpers asleep at the next one
    }
  }
}
TEST(ThreadPool, LanesRunAtOnce) {
  for (int threads : {2, 3, 7}) {
    ThreadPool pool(threads, {}, kSilent);
    for (int i = 0; i < 20; i++) EXPECT_TRUE(meet(pool, threads)) << threads;
  }
}
TEST(ThreadPool, AHelperKeepsOffTheCallersCore) {
  cpu_set_t cores, one;
  sched_getaffinity(0, sizeof cores, &cores);
  if (CPU_COUNT(&cores) < 2) GTEST_SKIP() << "one core";
  ThreadPool pool(2, {}, kSilent);
  EXPECT_TRUE(meet(pool, 2));
  struct Places {
    Meeting meeting{2};
    int of[2] = {-1, -1};
    static void look(void* user, int64_t lane) {
      static_cast<Places*>(user)->of[lane] = sched_getcpu();
      Meeting::come(&static_cast<Places*>(user)->meeting, lane);
    }
  };
  for (int core = 0; core < CPU_SETSIZE; core++) {
    if (!CPU_ISSET(core, &cores)) continue;
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
    for (int i = 0; i < 20; i++) {
      Places places;
      pool.run(Places::look, &places, 2);
      ASSERT_TRUE(places.meeting.met);
      EXPECT_EQ(places.of[0], core);
      EXPECT_NE(places.of[1], core);
      ThreadPool::Rest rest(pool);
    }
  }
  sched_setaffinity(0, sizeof cores, &cores);
}
TEST(ThreadPool, MoreLanesThanThreadsAreCut) {
  ThreadPool pool(2, {}, kSilent);
  Pieces p(100, 64);
  p.run(pool);
  p.check();
  for (size_t lane = 2; lane < 64; lane++) EXPECT_EQ(p.lanes[lane], 0);
}
TEST(ThreadPool, LaunchesFromManyThreadsAtOnce) {
  ThreadPool pool(3, {}, kSilent);
  std::vector<std::thread> callers;
  for (int t = 0; t < 6; t++)
    callers.emplace_back([&] {
      for (int i = 0; i < 1500; i++) {
        Pieces p(23, 3);
        p.run(pool);
        p.check();
        ThreadPool::Rest rest(pool);
      }
    });
  for (auto& t : callers) t.join();
}
TEST(ThreadPool, HelpersSleepAfterARest) {
  ThreadPool pool(2, {}, kSilent);
  {
    ThreadPool::Rest rest(pool);
    EXPECT_TRUE(meet(pool, 2));
  }
  auto is_asleep = [](const std::string& task) {
    return line_of(task + "/status", "State:").find("S (") != std::string::npos;
  };
  std::string helper;
  for (const std::string& task : tasks())
    if (line_of(task + "/comm", "jt") == "jt") helper = task;
  ASSERT_NE(helper, "");
  for (int i = 0; i < 2000 && !is_asleep(helper); i++) usleep(1000);
  std::string before = line_of(helper + "/status", "voluntary_ctxt_switches");
  usleep(50'000);
  EXPECT_TRUE(is_asleep(helper));
  EXPECT_EQ(line_of(helper + "/status", "voluntary_ctxt_switches"), before);
  EXPECT_EQ(line_of(helper + "/status", "SigBlk"), "SigBlk:\tfffffffe7ffbfeff") << "signals are for the host's threads";
  EXPECT_TRUE(meet(pool, 2)) << "and they come again";
}
#if !defined(__SANITIZE_THREAD__)
TEST(ThreadPool, ThreadsAreMadeWhenFirstWantedAndNoneForOne) {
  int before = threads_made;
  {
    ThreadPool one(1, {}, kSilent), three(3, {}, kSilent), idle(7, {}, kSilent);
    Pieces p(10, 3), few(10, 1);
    p.run(one), few.run(three);
    EXPECT_EQ(threads_made, before);
    Pieces again(10, 3);
    again.run(three);
    EXPECT_EQ(threads_made, before + 2);
    EXPECT_EQ(tasks().size(), 3u);
  }
  EXPECT_EQ(tasks_left(1), 1u) << "they end with the pool";
}
TEST(ThreadPool, FewerThreadsThanWantedStillFinish) {
  std::string said;
  Logger log{[](void* user, int32_t, const char*, const char* message, size_t length) {
               static_cast<std::string*>(user)->append(message, length);
             }, &said, LogLevel::warning};
  for (int allowed : {0, 1}) {
    said.clear();
    threads_allowed = allowed;
    ThreadPool pool(4, {}, log);
    for (int i = 0; i < 200; i++) {
      Pieces p(50, 4);
      p.run(pool);
      p.check();
    }
    threads_allowed = 1 << 20;
    EXPECT_NE(said.find(text(allowed, " of 3 ")), said.npos) << said;
  }
}
TEST(ThreadPool, AForkedChildGoesOnAlone) {
  ThreadPool pool(3, {}, kSilent);
  Pieces before(50, 3);
  before.run(pool);
  pid_t child = fork();
  if (child == 0) {
    alarm(30);
    {
      ThreadPool mine(2, {}, kSilent);  // one of its own has threads
      bool wrong = !meet(mine, 2);
      for (int i = 0; i < 100; i++) {
        Pieces p(50, 3);
        p.run(pool);
        wrong |= p.lanes[0] != 1 || p.lanes[1] || p.lanes[2];
        for (auto& d : p.done) wrong |= d != 1;
      }
      if (wrong) _exit(1);
    }
    pool.~ThreadPool();  // waits for nobody
    _exit(0);
  }
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(meet(pool, 3)) << "the parent's helpers are still there";
}
#endif
#if defined(__x86_64__)
TEST(ThreadPool, LanesRoundToNearestWhateverTheHostDoes) {
  struct Modes {
    Meeting meeting{2};
    std::atomic<unsigned> of[2];
    static void look(void* user, int64_t lane) {
      static_cast<Modes*>(user)->of[lane] = _mm_getcsr() & 0xffc0;
      Meeting::come(&static_cast<Modes*>(user)->meeting, lane);
    }
  };
  Modes modes;
  const unsigned host = _mm_getcsr();
  _mm_setcsr(host | 0x2000);  // round down
  {
    ThreadPool pool(2, {}, kSilent);
    pool.run(Modes::look, &modes, 2);
  }
  EXPECT_EQ(modes.of[1], 0x1f80u);
  _mm_setcsr(host);
}
#endif

struct HostThreads {
  std::vector<int64_t> counts;
  static void backwards(void* user, void (*body)(void*, int64_t), void* body_user, int64_t count) {
    static_cast<HostThreads*>(user)->counts.push_back(count);
    for (int64_t i = count; i-- > 0;) body(body_user, i);
  }
};
TEST(ThreadPool, AHostsParallelForTakesThePlaceOfThreads) {
  HostThreads host;
  size_t before = tasks().size();
  ThreadPool pool(5, {HostThreads::backwards, &host}, kSilent);
  Pieces p(100, 3), one(10, 1), many(100, 9);
  p.run(pool), one.run(pool), many.run(pool);
  p.check(), one.check();
  EXPECT_EQ(host.counts, (std::vector<int64_t>{3, 5}));
  EXPECT_EQ(tasks().size(), before);
}

}  // namespace
