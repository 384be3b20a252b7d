// fork: what a forked child finds of what other threads of its parent were doing.
//
// A child has one thread, the one that forked. What other threads change in a moment (lists, counts) every fork waits
// for and holds until it is done, so that the child finds it free and whole. What they hold for long, as a lock over a
// compile, no fork can wait for: the child takes that over (fork_lock.h). So the list of what is held, and three
// handlers of pthread_atfork, are the process's.
#pragma once
#include <atomic>
#include <cstdint>
#include <mutex>

namespace jt {

namespace internal {
extern std::atomic<uint32_t> forks;
}
// From here on forks are counted. Throws std::bad_alloc.
void watch_forks();
// How many forks lie between this process and the one that watched them first; no system call.
inline uint32_t forks_before_us() { return internal::forks.load(std::memory_order_relaxed); }

enum class Hold {
  held,
  later,  // somebody is there, and will be gone in a moment
  never,  // and will stay: it is his own in the parent, and nobody's in the child
};

// The last member of what is held, so that it is told of when the others are there. Functions are called by the thread
// that forks.
class HeldOverFork {
 public:
  using TryHold = Hold (*)(void* what);
  using LetGo = void (*)(void* what);  // in the parent and in the child
  // ends: letting go may end it, for which it has to wait until all are let go.
  HeldOverFork(void* what, TryHold try_hold, LetGo let_go, bool ends = false);
  ~HeldOverFork();
  HeldOverFork(const HeldOverFork&) = delete;

 private:
  friend struct Forks;
  void* const what_;
  const TryHold try_hold_;
  const LetGo let_go_;
  const bool ends_;
  HeldOverFork *next_ = nullptr, *previous_ = nullptr;
  HeldOverFork* next_held_ = nullptr;
};

// A std::mutex that is held over a fork. Nothing of the host's is called under it, for that might fork.
class ForkMutex {
 public:
  void lock() { mutex_.lock(); }
  void unlock() { mutex_.unlock(); }

 private:
  std::mutex mutex_;
  HeldOverFork held_{&mutex_,
                     [](void* mutex) { return static_cast<std::mutex*>(mutex)->try_lock() ? Hold::held : Hold::later; },
                     [](void* mutex) { static_cast<std::mutex*>(mutex)->unlock(); }};
};

}  // namespace jt
