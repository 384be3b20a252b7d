// futex: a word that threads sleep on. It keeps nothing of who sleeps, so that a forked child finds no trace of the
// threads that stayed in its parent; a std::condition_variable counts them, and its destructor would wait for them for
// ever.
#pragma once
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <cstdint>

namespace jt {

// Returns when woken, or at once where the word is another already, or after so long (-1: never for that), or for no
// reason.
inline void sleep_while(std::atomic<uint32_t>& word, uint32_t value, int milliseconds = -1) {
  timespec most{milliseconds / 1000, milliseconds % 1000 * 1000000L};
  ::syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, milliseconds < 0 ? nullptr : &most, nullptr, 0);
}
inline void wake(std::atomic<uint32_t>& word, int count = INT_MAX) {
  ::syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, count, nullptr, nullptr, 0);
}

// What a condition variable is to a mutex. Rung under the lock.
class Bell {
 public:
  void ring() {
    rings_.fetch_add(1);
    wake(rings_);
  }
  template <class Lock, class Claim>
  void wait(Lock& lock, const Claim& is_so) {
    while (!is_so()) {
      uint32_t rings = rings_.load();
      lock.unlock();
      sleep_while(rings_, rings);
      lock.lock();
    }
  }

 private:
  std::atomic<uint32_t> rings_{0};
};

}  // namespace jt
