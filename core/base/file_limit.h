// file_limit: a write beyond RLIMIT_FSIZE is an error like a full disk: the signal that would end the process is held
// back from this thread while it writes, and taken away if it came. No handler is set.
#pragma once
#include <signal.h>
#include <time.h>

namespace jt {

class FileLimit {
 public:
  FileLimit() {
    sigset_t wanted = only_it(), pending;
    is_held_ = ::pthread_sigmask(SIG_BLOCK, &wanted, &before_) == 0;
    was_pending_ = ::sigpending(&pending) == 0 && ::sigismember(&pending, SIGXFSZ) == 1;
  }
  ~FileLimit() {
    if (!is_held_) return;
    sigset_t wanted = only_it();
    const timespec at_once{};
    if (!was_pending_) ::sigtimedwait(&wanted, nullptr, &at_once);
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  FileLimit(const FileLimit&) = delete;

 private:
  static sigset_t only_it() {
    sigset_t set;
    ::sigemptyset(&set);
    ::sigaddset(&set, SIGXFSZ);
    return set;
  }
  sigset_t before_;
  bool is_held_ = false, was_pending_ = false;
};

}  // namespace jt
