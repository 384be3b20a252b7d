#include "core/base/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "core/base/file_limit.h"
#include "core/base/futex.h"
#include "core/base/text.h"

namespace jt {

const ProcessSystem kProcessSystem = {
    [](const char* name) { return memfd_create(name, MFD_CLOEXEC); },
    ::read,
    ::write,
    ::lseek,
    ::close,
    ::posix_spawn,
    ::waitpid,
    ::kill,
    [](pid_t process) { setpriority(PRIO_PROCESS, id_t(process), 19); },
};

void Stop::raise() {
  raised_.store(1);
  wake(raised_);
}

bool Stop::wait(int milliseconds) {
  using namespace std::chrono;
  auto end = steady_clock::now() + std::chrono::milliseconds(milliseconds);
  while (!is_raised()) {
    int64_t left = ceil<std::chrono::milliseconds>(end - steady_clock::now()).count();
    if (left <= 0) return false;
    sleep_while(raised_, 0, int(left));
  }
  return true;
}

namespace {

constexpr size_t kMostSaid = 4000, kMostResult = size_t(64) << 20;
constexpr int kResultDescriptor = 3;

// A file in memory. Its descriptor is above those that the child gets, so that giving them does not close it.
class MemoryFile {
 public:
  MemoryFile(const char* name, const ProcessSystem& system) : system_(system), fd_(system.memory_file(name)) {
    if (fd_ < 0 || fd_ > kResultDescriptor) return;
    int low = fd_;
    fd_ = fcntl(low, F_DUPFD_CLOEXEC, kResultDescriptor + 1);
    system_.close(low);
  }
  ~MemoryFile() {
    if (fd_ >= 0) system_.close(fd_);
  }
  MemoryFile(const MemoryFile&) = delete;
  int descriptor() const { return fd_; }

  bool put(std::string_view bytes) {
    FileLimit limit;
    while (!bytes.empty()) {
      ssize_t n = system_.write(fd_, bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return false;
      bytes.remove_prefix(size_t(n));
    }
    return system_.seek(fd_, 0, SEEK_SET) == 0;
  }
  bool get(std::string& out, size_t most) {
    if (system_.seek(fd_, 0, SEEK_SET) != 0) return false;
    char piece[16384];
    while (out.size() < most) {
      ssize_t n = system_.read(fd_, piece, std::min(sizeof piece, most - out.size()));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return false;
      if (n == 0) return true;
      out.append(piece, size_t(n));
    }
    return true;
  }

 private:
  const ProcessSystem& system_;
  int fd_;
};

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (const std::string& t : texts) out.push_back(const_cast<char*>(t.c_str()));
  out.push_back(nullptr);
  return out;
}

// posix_spawn with its two descriptions; an error number.
int start(const Command& command, const MemoryFile& input, const MemoryFile& said, const MemoryFile& result,
          const ProcessSystem& system, pid_t* child) {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  if (int error = posix_spawn_file_actions_init(&files)) return error;
  if (int error = posix_spawnattr_init(&attributes)) return posix_spawn_file_actions_destroy(&files), error;
  int error = 0;
  auto also = [&error](int result) { error = error ? error : result; };
  also(posix_spawn_file_actions_adddup2(&files, input.descriptor(), 0));
  also(posix_spawn_file_actions_adddup2(&files, said.descriptor(), 1));
  also(posix_spawn_file_actions_adddup2(&files, said.descriptor(), 2));
  also(posix_spawn_file_actions_adddup2(&files, result.descriptor(), kResultDescriptor));
  short flags = POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  also(posix_spawnattr_setpgroup(&attributes, 0));
  also(posix_spawnattr_setsigmask(&attributes, &none));
  also(posix_spawnattr_setsigdefault(&attributes, &all));
  also(posix_spawnattr_setflags(&attributes, flags));
  std::vector<std::string> all_arguments = command.arguments;
  all_arguments.insert(all_arguments.begin(), command.program);
  if (!error)
    error = system.spawn(child, command.program.c_str(), &files, &attributes, pointers(all_arguments).data(),
                         pointers(command.environment).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  return error;
}

// Empty once it has ended well. Its group is killed and it is reaped in any case.
std::string await(const Command& command, pid_t child, Stop& stop, const ProcessSystem& system) {
  using Clock = std::chrono::steady_clock;
  Clock::time_point end = Clock::now() + std::chrono::milliseconds(command.timeout_ms);
  std::string why;
  for (;;) {
    int status = 0;
    pid_t ended = system.wait(child, &status, WNOHANG);
    if (ended < 0 && errno == EINTR) continue;
    // Somebody else reaped it (SIGCHLD is ignored): then the result says whether it went well.
    if (ended < 0) return "";
    if (ended == child) {
      if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return "";
      return WIFEXITED(status) ? text("ended with status ", WEXITSTATUS(status))
                               : text("was killed by signal ", WTERMSIG(status));
    }
    if (stop.wait(1)) why = "is no longer wanted";
    else if (Clock::now() > end) why = text("took longer than ", command.timeout_ms, " ms");
    if (!why.empty()) break;
  }
  system.kill(-child, SIGKILL);
  int status;
  while (system.wait(child, &status, 0) < 0 && errno == EINTR) continue;
  return why;
}

}  // namespace

Outcome run_command(const Command& command, std::string_view input, Stop& stop, const ProcessSystem& system) {
  Outcome outcome;
  auto because = [&](std::string_view what, int error) {
    outcome.why = text(what, " '", command.program, "': ", std::strerror(error));
    return std::move(outcome);
  };
  MemoryFile in("jt source", system), said("jt messages", system), result("jt object", system);
  if (in.descriptor() < 0 || said.descriptor() < 0 || result.descriptor() < 0)
    return because("no file in memory for", errno);
  if (!in.put(input)) return because("cannot write the input of", errno);
  pid_t child = 0;
  if (int error = start(command, in, said, result, system, &child)) return because("cannot start", error);
  // Its own children are started later, and inherit it.
  if (command.is_background) system.lower_priority(child);
  outcome.has_run = true;
  std::string why = await(command, child, stop, system);
  said.get(outcome.said, kMostSaid);
  if (!why.empty()) {
    outcome.why = text("'", command.program, "' ", why);
    return outcome;
  }
  if (!result.get(outcome.result, kMostResult)) return because("cannot read the result of", errno);
  outcome.is_ok = true;
  return outcome;
}

}  // namespace jt
