// threads: the threads that help a launch: jt's own, or the host's through its parallel_for.
//
// One launch at a time has helpers; a launch of another context that comes meanwhile runs on its own thread alone, and
// so does a child process that was forked. Threads are made when the first launch wants them, never for `threads` = 1.
// A launch is cut into *lanes*: lane 0 runs on the caller, the others where a helper is free. Nobody waits for a helper
// that has not begun: the work behind lanes is claimed piece by piece, so whatever lanes do run finish all of it.
#pragma once
#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <cstdint>
#include <memory>

#include "core/base/log.h"

namespace jt {

using LaneBody = void (*)(void* user, int64_t lane);

// Calls body(body_user, i) once for each i in [0, count), on threads of the host, and returns when all have.
struct HostParallelFor {
  void (*call)(void* user, void (*body)(void* body_user, int64_t index), void* body_user, int64_t count) = nullptr;
  void* user = nullptr;
};

constexpr int kMaxThreads = 256;
int usable_cores();  // that this process may run on

class ThreadPool {
 public:
  ThreadPool(int threads, const HostParallelFor& host, const Logger& log);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;

  int threads() const { return threads_; }  // the caller's included
  // body(user, 0) here, and body(user, i) for some of the i in [1, lanes) on other threads, each at most once. Returns
  // when all that began have returned.
  void run(LaneBody body, void* user, int64_t lanes) noexcept;
  // Between two launches helpers spin a little, for the next one comes soon. At the end of a Rest they go to sleep at
  // once.
  class Rest {
   public:
    explicit Rest(ThreadPool& pool) : pool_(pool) {}
    ~Rest() {
      if (pool_.is_hot_.load(std::memory_order_relaxed)) pool_.is_hot_.store(false, std::memory_order_relaxed);
    }
   private:
    ThreadPool& pool_;
  };

 private:
  static void* helper(void* pool);
  void help();
  void start();
  bool take_lane(uint64_t seen);
  bool leave_callers_core();
  void wait_for(uint32_t lanes);
  bool is_child() const;

  const int threads_;
  const HostParallelFor host_;
  const Logger& log_;
  std::unique_ptr<pthread_t[]> helpers_;
  int started_ = 0;
  bool has_started_ = false;
  uint32_t forks_ = 0;  // of the process that has the helpers
  cpu_set_t cores_;  // that helpers may use
  bool has_core_each_ = false;
  std::atomic<int> caller_core_{-1};
  std::atomic<bool> is_busy_{false}, stops_{false}, is_hot_{false};

  // The launch under way. Lanes are claimed in state_: the launch's number, the next lane, how many there are. body_
  // and user_ are written before state_ and stay until every claimed lane is finished.
  LaneBody body_ = nullptr;
  void* user_ = nullptr;
  uint32_t number_ = 0;
  alignas(64) std::atomic<uint64_t> state_{0};
  alignas(64) std::atomic<uint32_t> finished_{0};
  std::atomic<bool> caller_sleeps_{false};
  alignas(64) std::atomic<uint32_t> wakes_{0};  // what sleeping helpers wait on
  std::atomic<int32_t> sleepers_{0};
};

}  // namespace jt
