#include "core/runtime/threads.h"

#include <sched.h>
#include <signal.h>

#include <chrono>
#include <new>

#include "core/base/fork.h"
#include "core/base/fpu.h"
#include "core/base/futex.h"

namespace jt {

// A futex takes 30-100 us to wake who sleeps on it. Helpers look for the next launch that long; the caller waits less,
// since the helper it waits for may be without a core until the caller's own is given up.
constexpr int64_t kHelperSpinNs = 50'000, kCallerSpinNs = 20'000;
constexpr size_t kStackBytes = size_t(1) << 20;

namespace {

// A wait that burns cycles, for a while.
class Spin {
 public:
  explicit Spin(int64_t most_ns) : most_ns_(most_ns) {}
  // False once the time is over.
  bool again() {
    for (int i = 0; i < 8; i++) {
#if defined(__x86_64__)
      __builtin_ia32_pause();
#endif
    }
    int64_t now = now_ns();
    if (begin_ < 0) begin_ = now;
    return now - begin_ < most_ns_;
  }
  void restart() { begin_ = -1; }

 private:
  static int64_t now_ns() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }
  const int64_t most_ns_;
  int64_t begin_ = -1;
};

// ThreadPool::state_
constexpr uint64_t packed(uint32_t number, uint64_t next, uint64_t count) {
  return uint64_t(number) << 32 | next << 16 | count;
}
constexpr uint64_t next_of(uint64_t state) { return state >> 16 & 0xffff; }
constexpr uint64_t count_of(uint64_t state) { return state & 0xffff; }
constexpr uint64_t kOneLane = 1 << 16;

struct HostBody {
  LaneBody body;
  void* user;
};
void run_on_host_thread(void* user, int64_t lane) {
  DefaultFpuMode mode;
  auto* of = static_cast<HostBody*>(user);
  of->body(of->user, lane);
}

}  // namespace

int usable_cores() {
  cpu_set_t set;
  int count = ::sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  return count < 1 ? 1 : count > kMaxThreads ? kMaxThreads : count;
}

ThreadPool::ThreadPool(int threads, const HostParallelFor& host, const Logger& log)
    : threads_(threads < 1 ? 1 : threads > kMaxThreads ? kMaxThreads : threads), host_(host), log_(log) {}

ThreadPool::~ThreadPool() {
  if (is_child()) return;  // its helpers live on in the parent only
  stops_.store(true);
  wakes_.fetch_add(1);
  wake(wakes_);
  for (int i = 0; i < started_; i++) ::pthread_join(helpers_[size_t(i)], nullptr);
}

bool ThreadPool::is_child() const { return has_started_ && forks_before_us() != forks_; }

// ---- helpers

// Signals of the host are for its own threads.
void ThreadPool::start() {
  has_started_ = true;
  try {
    watch_forks();
  } catch (const std::bad_alloc&) {
    return;
  }
  forks_ = forks_before_us();
  has_core_each_ = ::sched_getaffinity(0, sizeof cores_, &cores_) == 0 && CPU_COUNT(&cores_) >= threads_;
  helpers_.reset(new (std::nothrow) pthread_t[size_t(threads_ - 1)]);
  if (!helpers_) return;
  pthread_attr_t attributes;
  if (::pthread_attr_init(&attributes)) return;
  ::pthread_attr_setstacksize(&attributes, kStackBytes);
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  int failure = 0;
  while (!failure && started_ < threads_ - 1) {
    failure = ::pthread_create(&helpers_[size_t(started_)], &attributes, helper, this);
    started_ += !failure;
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ::pthread_attr_destroy(&attributes);
  if (failure)
    log_(LogLevel::warning, "threads", started_, " of ", threads_ - 1, " helping threads started: error ", failure);
}

void* ThreadPool::helper(void* pool) {
  ::pthread_setname_np(::pthread_self(), "jt");
  DefaultFpuMode mode;
  static_cast<ThreadPool*>(pool)->help();
  return nullptr;
}

// Beside busy neighbours a woken thread is often put on the core of the one that woke it. There it would take the
// caller's time, not help; and nobody would move it, for the cores are loaded alike. True if it was there, and moved.
bool ThreadPool::leave_callers_core() {
  int core = caller_core_.load(std::memory_order_relaxed);
  if (!has_core_each_ || core < 0 || core >= CPU_SETSIZE || ::sched_getcpu() != core) return false;
  cpu_set_t others = cores_;
  CPU_CLR(core, &others);
  if (::sched_setaffinity(0, sizeof others, &others)) return false;
  ::sched_setaffinity(0, sizeof cores_, &cores_);  // where the caller sleeps, its core may be taken after all
  return true;
}

void ThreadPool::help() {
  Spin spin(kHelperSpinNs);
  while (!stops_.load(std::memory_order_relaxed)) {
    uint64_t seen = state_.load(std::memory_order_acquire);
    if (next_of(seen) < count_of(seen)) {
      if (!leave_callers_core() && take_lane(seen)) spin.restart();
      continue;
    }
    if (is_hot_.load(std::memory_order_relaxed) && !leave_callers_core() && spin.again()) continue;
    // Who publishes a launch looks at sleepers_ after state_; here it is the other way round. One of the two sees the
    // other.
    uint32_t wakes = wakes_.load(std::memory_order_relaxed);
    sleepers_.fetch_add(1);
    if (state_.load() == seen && !stops_.load()) sleep_while(wakes_, wakes);
    sleepers_.fetch_sub(1);
    spin.restart();
  }
}

bool ThreadPool::take_lane(uint64_t seen) {
  if (!state_.compare_exchange_weak(seen, seen + kOneLane, std::memory_order_acquire)) return false;
  body_(user_, int64_t(next_of(seen)));
  finished_.fetch_add(1);
  if (caller_sleeps_.load()) wake(finished_, 1);
  return true;
}

// ---- the caller

void ThreadPool::run(LaneBody body, void* user, int64_t lanes) noexcept {
  if (lanes > threads_) lanes = threads_;
  if (lanes > 1 && host_.call) {
    HostBody of{body, user};
    host_.call(host_.user, run_on_host_thread, &of, lanes);
    return;
  }
  if (lanes <= 1 || is_busy_.exchange(true, std::memory_order_acquire)) return body(user, 0);
  if (!has_started_) start();
  if (started_ == 0 || is_child()) {
    body(user, 0);
    is_busy_.store(false, std::memory_order_release);
    return;
  }
  body_ = body, user_ = user;
  caller_core_.store(::sched_getcpu(), std::memory_order_relaxed);
  finished_.store(0, std::memory_order_relaxed);
  is_hot_.store(true, std::memory_order_relaxed);
  number_++;
  state_.store(packed(number_, 1, uint64_t(lanes)));
  if (sleepers_.load()) {
    wakes_.fetch_add(1);
    wake(wakes_, int(lanes - 1));
  }
  body(user, 0);
  uint64_t seen = state_.exchange(packed(number_, uint64_t(lanes), uint64_t(lanes)), std::memory_order_acquire);
  wait_for(uint32_t(next_of(seen) - 1));
  is_busy_.store(false, std::memory_order_release);
}

void ThreadPool::wait_for(uint32_t lanes) {
  Spin spin(kCallerSpinNs);
  for (;;) {
    if (finished_.load(std::memory_order_acquire) == lanes) return;
    if (spin.again()) continue;
    caller_sleeps_.store(true);
    uint32_t finished = finished_.load();
    if (finished != lanes) sleep_while(finished_, finished);
    caller_sleeps_.store(false);
    spin.restart();
  }
}

}  // namespace jt
