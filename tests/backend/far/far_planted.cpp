// Planted faults: the checks of a far device find each of them. Linked with the copies that plant.py makes; each is
// tried in a child, as one that ends the process is found too.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>

#include "tests/backend/far/far_check.h"

int jt_planted_fault = 0;

using namespace jt::test;

namespace {

constexpr const char* kNames[] = {"none",
#include "fault_names.inc"
};
constexpr int kFaults = int(std::size(kNames));

std::string outcome(const FarCheck& check) {
  try {
    return check.run();
  } catch (const std::exception& e) {
    return e.what();
  }
}

// How it was found: a check's complaint, or how the process ended. Empty: not at all.
std::string find(int fault) {
  int ends[2];
  if (pipe(ends)) return "no pipe";
  pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    for (int s : {SIGSEGV, SIGABRT, SIGBUS}) std::signal(s, SIG_DFL);
    rlimit none{0, 0};
    setrlimit(RLIMIT_CORE, &none);
    alarm(60);
    jt_planted_fault = fault;
    for (const FarCheck& check : far_checks()) {
      std::string wrong = outcome(check);
      if (wrong.empty()) continue;
      wrong = std::string(check.name) + ": " + wrong;
      (void)!write(ends[1], wrong.data(), wrong.size());
      _exit(2);
    }
    _exit(0);
  }
  close(ends[1]);
  std::string out;
  char some[256];
  for (ssize_t n; (n = read(ends[0], some, sizeof some)) > 0;) out.append(some, size_t(n));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status))
    return WTERMSIG(status) == SIGSEGV ? "the process ended: an address that the host cannot follow"
                                       : "the process ended";
  return out;
}

}  // namespace

int main() {
  int missed = 0;
  for (int f = 0; f < kFaults; f++) {
    std::string found = find(f);
    bool good = found.empty() == (f == 0);
    missed += !good;
    std::printf("%s%-55s %s\n", good ? "  " : "! ", kNames[f], found.empty() ? "nothing" : found.c_str());
  }
  std::printf("%d of %d planted faults found\n", kFaults - 1 - missed, kFaults - 1);
  return missed != 0;
}
