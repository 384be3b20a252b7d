// Planted faults: the random graphs find each of them. Linked with the copies that plant.py makes; a fault that ends
// the process counts as found, so each is tried in a child.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>

#include "tests/fuzz/program_check.h"

int jt_planted_fault = 0;

using namespace jt::test;

namespace {

constexpr const char* kNames[] = {"none",
#include "fault_names.inc"
};
constexpr int kFaults = int(std::size(kNames));
constexpr int kGraphs = 2000, kExit = 2;

// The first graph that goes wrong, told through `out`: its number, or -1.
void search(uint64_t seed, int count, int out) {
  std::unique_ptr<Bench> bench;
  for (int i = 0; i < count; i++) {
    auto recompute = [i](jt::RuntimeOptions& o) { o.flags.recompute = i % 100 ? "1" : "0"; };
    if (i % 50 == 0) bench = std::make_unique<Bench>("vm", true, "base", recompute);
    (void)!write(out, &i, sizeof i);
    Draw draw{seed * 1000003 + uint64_t(i), seed * 1000003 + uint64_t(i)};
    if (!outcome(*bench, draw, nullptr).empty()) _exit(kExit);
  }
  _exit(0);
}

struct Found { int graph; const char* how; };
Found find(int fault, uint64_t seed, int count) {
  int ends[2];
  if (pipe(ends)) return {-1, "no pipe"};
  pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    for (int s : {SIGSEGV, SIGABRT, SIGBUS}) std::signal(s, SIG_DFL);
    rlimit none{0, 0};
    setrlimit(RLIMIT_CORE, &none);
    alarm(60);
    jt_planted_fault = fault;
    search(seed, count, ends[1]);
  }
  close(ends[1]);
  int graph = -1, status = 0;
  while (read(ends[0], &graph, sizeof graph) == sizeof graph) {}
  close(ends[0]);
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) return {-1, "out of time"};
  if (WIFSIGNALED(status)) return {graph, "the process ended"};
  if (WEXITSTATUS(status) == kExit) return {graph, "differs"};
  return {-1, "not found"};
}

}  // namespace

int main(int argc, char** argv) {
  uint64_t seed = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 20261129;
  std::printf("seed %llu, at most %d graphs a fault\n", (unsigned long long)seed, kGraphs);
  int missed = 0;
  for (int f = 0; f < kFaults; f++) {
    auto begin = std::chrono::steady_clock::now();
    Found found = find(f, seed, f ? kGraphs : 200);
    double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    bool good = (found.graph >= 0) == (f != 0);
    missed += !good;
    std::printf("%s%-55s graph %5d  %-17s %.1f s\n", good ? "  " : "! ", kNames[f], found.graph, found.how, seconds);
    std::fflush(stdout);
  }
  std::printf("%d of %d planted faults found\n", kFaults - 1 - missed, kFaults - 1);
  return missed != 0;
}
