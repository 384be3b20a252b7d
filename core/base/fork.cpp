#include "core/base/fork.h"

#include <pthread.h>
#include <sched.h>

#include <new>

namespace jt {

constinit std::atomic<uint32_t> internal::forks{0};

struct Forks {
  std::mutex mutex;  // over the lists, and over a fork
  HeldOverFork *first = nullptr, *held = nullptr;
  bool is_watched = false;

  void watch();
  bool hold_all();
  void let_go_all();
  static void before();
  static void after_in_parent();
  static void after_in_child();
};
static constinit Forks all;

// All or none, for whoever has one of them may be waiting for another.
bool Forks::hold_all() {
  for (HeldOverFork* one = first; one; one = one->next_) {
    Hold hold = one->try_hold_(one->what_);
    if (hold == Hold::later) return false;
    if (hold == Hold::held) one->next_held_ = held, held = one;
  }
  return true;
}

// Gives the mutex back between those that last and those that may end.
void Forks::let_go_all() {
  HeldOverFork* ending = nullptr;
  while (HeldOverFork* one = held) {
    held = one->next_held_;
    if (one->ends_) one->next_held_ = ending, ending = one;
    else one->let_go_(one->what_);
  }
  mutex.unlock();
  while (HeldOverFork* one = ending) {
    ending = one->next_held_;
    one->let_go_(one->what_);
  }
}

void Forks::before() {
  for (all.mutex.lock(); !all.hold_all(); all.mutex.lock()) {
    all.let_go_all();
    sched_yield();
  }
}
void Forks::after_in_parent() { all.let_go_all(); }
void Forks::after_in_child() {
  internal::forks.fetch_add(1);
  all.let_go_all();
}

void Forks::watch() {  // the mutex is held
  if (!is_watched && pthread_atfork(before, after_in_parent, after_in_child)) throw std::bad_alloc();
  is_watched = true;
}
void watch_forks() {
  std::lock_guard lock(all.mutex);
  all.watch();
}

HeldOverFork::HeldOverFork(void* what, TryHold try_hold, LetGo let_go, bool ends)
    : what_(what), try_hold_(try_hold), let_go_(let_go), ends_(ends) {
  std::lock_guard lock(all.mutex);
  all.watch();
  next_ = all.first;
  if (next_) next_->previous_ = this;
  all.first = this;
}
HeldOverFork::~HeldOverFork() {
  std::lock_guard lock(all.mutex);
  (previous_ ? previous_->next_ : all.first) = next_;
  if (next_) next_->previous_ = previous_;
}

}  // namespace jt
