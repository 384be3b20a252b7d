// A training loop in its steady state asks nobody for memory: steps 20 to 1000 of LeNet make no request of the
// allocator, and the process calls none of mmap, munmap, mremap, brk and madvise: from step 20 on a seccomp filter
// stops them, and the test fails.
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>

#include "tests/capi/capi.h"

using namespace jt::test;

#if defined(__x86_64__)
namespace {

volatile sig_atomic_t calls_stopped, last_call;

// The call was not made; it seems to have failed. On a thread that blocks signals it ends the process.
void stopped(int, siginfo_t* info, void* context) {
  calls_stopped = calls_stopped + 1;
  last_call = info->si_syscall;
  static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RAX] = info->si_syscall == SYS_brk ? 0 : -ENOMEM;
}

bool stop_memory_calls() {
  struct sigaction action = {};
  action.sa_sigaction = stopped, action.sa_flags = SA_SIGINFO;
  sigaction(SIGSYS, &action, nullptr);
  std::vector<sock_filter> filter = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
  for (unsigned call : {SYS_mmap, SYS_munmap, SYS_mremap, SYS_brk, SYS_madvise}) {
    filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1));
    filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP));
  }
  filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  sock_fprog program = {static_cast<unsigned short>(filter.size()), filter.data()};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0;
}

constexpr int kNoFilter = 77;

// In a process of its own, since a filter stays: 0 if all is well.
int train(int32_t threads) {
  jt_runtime_desc d{};
  d.struct_size = sizeof d, d.flags = JT_RT_NO_DISK_CACHE, d.threads = threads;
  Session s(d);
  LeNet net(s, 4, 6, 32);
  jt_optimizer* adam = net.optimizer();
  Tensor x = pictures(s, 16), y = labels(s, 16);
  int64_t requests = 0;
  for (int step = 0; step < 1000; step++) {
    if (step == 20) {
      requests = s.memory().allocator_calls;
      if (!stop_memory_calls()) return kNoFilter;
    }
    Tensor loss = net.loss(net.forward(x), y);
    must(jt_optimizer_set_lr(s.ctx, adam, 1e-3 / (1 + step)));
    must(jt_optimizer_step(s.ctx, adam, loss));
    if (!std::isfinite(s.item(loss))) return 2;
  }
  int64_t more = s.memory().allocator_calls - requests;
  if (more || calls_stopped)
    std::fprintf(stderr,
                 "%d threads: %lld requests of the allocator, %d system calls for memory, the last of them %d\n",
                 threads, static_cast<long long>(more), int(calls_stopped), int(last_call));
  _exit(more || calls_stopped ? 1 : 0);  // the end of a thread gives memory back
}

int status_of(int (*body)(int32_t), int32_t argument) {
  pid_t child = fork();
  if (child == 0) _exit(body(argument));
  int status = -1;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

TEST(SteadyState, TheFilterStopsACallForMemory) {
  int status = status_of([](int32_t) {
    if (!stop_memory_calls()) return kNoFilter;
    void* memory = mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED && calls_stopped == 1 && last_call == SYS_mmap ? 0 : 1;
  }, 0);
  if (status == kNoFilter) GTEST_SKIP() << "this system has no seccomp";
  EXPECT_EQ(status, 0);
}
TEST(SteadyState, OfLenetAsksNobodyForMemory) {
  for (int32_t threads : {1, 2}) {
    int status = status_of(train, threads);
    if (status == kNoFilter) GTEST_SKIP() << "this system has no seccomp";
    EXPECT_EQ(status, 0) << threads << " threads";
  }
}

}  // namespace
#endif
