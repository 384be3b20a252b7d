// Another program runs as a function of bytes, and whatever fails about it is told and leaves nothing behind.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "core/base/process.h"
#include "tests/io/scratch.h"

namespace jt {
namespace {

using test::Fault;

Command shell(const std::string& script, int timeout_ms = 20000) {
  Command c;
  c.program = "/bin/sh";
  c.arguments = {"-c", script, "name with 'quotes\" $(x) 中文"};
  c.environment = {"PATH=/usr/bin:/bin", "GIVEN=yes"};
  c.timeout_ms = timeout_ms;
  return c;
}

const ProcessSystem kFaulty = {
    [](const char* name) { return Fault::hits() ? -1 : kProcessSystem.memory_file(name); },
    [](int fd, void* to, size_t size) -> ssize_t { return Fault::hits() ? -1 : kProcessSystem.read(fd, to, size); },
    [](int fd, const void* from, size_t size) -> ssize_t {
      return Fault::hits() ? -1 : kProcessSystem.write(fd, from, size);
    },
    [](int fd, off_t offset, int whence) -> off_t {
      return Fault::hits() ? -1 : kProcessSystem.seek(fd, offset, whence);
    },
    [](int fd) { return kProcessSystem.close(fd); },
    [](pid_t* child, const char* path, const posix_spawn_file_actions_t* files, const posix_spawnattr_t* attributes,
       char* const* arguments, char* const* environment) {
      return Fault::hits() ? Fault::error
                           : kProcessSystem.spawn(child, path, files, attributes, arguments, environment);
    },
    kProcessSystem.wait,
    kProcessSystem.kill,
    kProcessSystem.lower_priority,
};

void expect_no_child() {
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST(Process, ReadsAndWritesFilesInMemory) {
  Stop stop;
  std::string big(300000, 'x');
  Outcome outcome = run_command(shell("tr x y > /proc/self/fd/3; echo \"$0 $GIVEN $HOME\"; echo error >&2"), big, stop);
  EXPECT_TRUE(outcome.is_ok) << outcome.why;
  EXPECT_EQ(outcome.result, std::string(300000, 'y'));
  EXPECT_EQ(outcome.said, "name with 'quotes\" $(x) 中文 yes \nerror\n");
  expect_no_child();
}

TEST(Process, TellsHowItEnded) {
  Stop stop;
  EXPECT_EQ(run_command(shell("exit 3"), "", stop).why, "'/bin/sh' ended with status 3");
  EXPECT_EQ(run_command(shell("kill -9 $$"), "", stop).why, "'/bin/sh' was killed by signal 9");
  EXPECT_EQ(run_command(shell("sleep 1000", 50), "", stop).why, "'/bin/sh' took longer than 50 ms");
  Command absent = shell("");
  absent.program = "/nowhere";
  Outcome outcome = run_command(absent, "", stop);
  EXPECT_EQ(outcome.why, "cannot start '/nowhere': No such file or directory");
  EXPECT_FALSE(outcome.has_run);
  expect_no_child();
}

TEST(Process, EndsWhenItIsStopped) {
  Stop stop;
  std::thread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    stop.raise();
  });
  EXPECT_EQ(run_command(shell("sleep 1000 & sleep 1000"), "", stop).why, "'/bin/sh' is no longer wanted");
  other.join();
  expect_no_child();
}

TEST(Process, RunsWhereChildrenAreReapedByTheSystem) {
  Stop stop;
  auto before = signal(SIGCHLD, SIG_IGN);
  Outcome outcome = run_command(shell("echo made > /proc/self/fd/3"), "", stop);
  signal(SIGCHLD, before);
  EXPECT_TRUE(outcome.is_ok) << outcome.why;
  EXPECT_EQ(outcome.result, "made\n");
}

TEST(Process, EveryFailingCallIsAReason) {
  Stop stop;
  size_t descriptors = test::open_descriptors();
  Fault::none();
  ASSERT_TRUE(run_command(shell("echo made > /proc/self/fd/3"), "input", stop, kFaulty).is_ok);
  int calls = Fault::calls;
  ASSERT_GT(calls, 8);
  int failed = 0;
  for (int error : {ENOMEM, EMFILE, EIO})
    for (int n = 0; n < calls; n++) {
      Fault::at(n, error);
      Outcome outcome = run_command(shell("echo made > /proc/self/fd/3"), "input", stop, kFaulty);
      failed += !outcome.is_ok;
      EXPECT_TRUE(outcome.is_ok ? outcome.result == "made\n" : !outcome.why.empty());
    }
  Fault::none();
  EXPECT_GT(failed, 15);
  EXPECT_EQ(test::open_descriptors(), descriptors);
  expect_no_child();
}

}  // namespace
}  // namespace jt
