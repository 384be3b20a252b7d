// child: what tests of forked processes do in them.
#pragma once
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "tests/capi/capi.h"

namespace jt::test {

using Unary = jt_status (*)(jt_context*, jt_tensor*, jt_tensor**);

// A chain of ops that no other number gives: a kernel of its own.
inline double chain(const Session& s, uint64_t number) {
  static constexpr Unary kOps[] = {jt_sin, jt_cos, jt_tanh, jt_neg, jt_square, jt_sigmoid, jt_atan, jt_erf};
  Tensor x = s.floats({3}, {0.25f, 0.5f, 0.75f});
  for (int i = 0; i < 7; i++, number /= 8) x = s.make(kOps[number % 8], x);
  return s.item(s.sum(x));
}

// Runs `body` in a child; its exit status, or -1 where it had to be ended after a minute.
inline int in_child(const std::function<int()>& body) {
  pid_t child = fork();
  if (child == 0) {
    int status = 100;
    try {
      status = body();
    } catch (...) {
    }
    _exit(status);
  }
  int status = 0;
  for (int i = 0; i < 60000; i++) {
    if (waitpid(child, &status, WNOHANG) == child)
      return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    usleep(i < 2000 ? 100 : 1000);
  }
  kill(child, SIGKILL);
  waitpid(child, &status, 0);
  return -1;
}

}  // namespace jt::test
