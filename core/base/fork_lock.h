/* fork_lock: a lock that a forked child takes over where the thread that held it stayed behind in the parent.
 *
 * The word says which process holds it, so a child sees that nobody will ever give it back; a mutex would make it wait
 * for ever. Nothing has to be registered with the process for that. Who takes it over finds what it guards as the other
 * thread
 * left it. For what is held long, as over a compile: each call asks the system for the process. In C, for libjt_tcc.so
 * too. */
#ifndef JT_FORK_LOCK_H
#define JT_FORK_LOCK_H

#include <linux/futex.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef struct jt_fork_lock {
  int32_t holder; /* a process; 0: free */
  int32_t waiters;
} jt_fork_lock;

/* Whether it was taken over from another process. */
static inline int jt_fork_lock_take(jt_fork_lock* lock) {
  const int32_t self = (int32_t)getpid();
  for (;;) {
    int32_t found = 0;
    if (__atomic_compare_exchange_n(&lock->holder, &found, self, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) return 0;
    if (found != self) {
      if (__atomic_compare_exchange_n(&lock->holder, &found, self, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) return 1;
      continue;
    }
    __atomic_fetch_add(&lock->waiters, 1, __ATOMIC_SEQ_CST);
    syscall(SYS_futex, &lock->holder, FUTEX_WAIT_PRIVATE, self, NULL, NULL, 0);
    __atomic_fetch_sub(&lock->waiters, 1, __ATOMIC_SEQ_CST);
  }
}

static inline void jt_fork_lock_give(jt_fork_lock* lock) {
  __atomic_store_n(&lock->holder, 0, __ATOMIC_SEQ_CST);
  if (__atomic_load_n(&lock->waiters, __ATOMIC_SEQ_CST))
    syscall(SYS_futex, &lock->holder, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

#ifdef __cplusplus
namespace jt {

class ForkLock {  // for std::lock_guard
 public:
  ForkLock() = default;
  ForkLock(const ForkLock&) = delete;
  void lock() { jt_fork_lock_take(&lock_); }
  void unlock() { jt_fork_lock_give(&lock_); }

 private:
  jt_fork_lock lock_{};
};

}  // namespace jt
#endif

#endif
