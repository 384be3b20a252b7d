// process: another program as a function from bytes to bytes: what it reads and what it writes are files in memory.
//
// No shell, no temporary file, no fork of this process's memory: the program is started by posix_spawn with an argument
// list, in a process group of its own, which is killed and reaped when it takes too long or is no longer wanted. Every
// system call goes through a ProcessSystem, a table that a test replaces to make each call fail in turn.
#pragma once
#include <spawn.h>
#include <sys/types.h>

#include <atomic>
#include <string>
#include <string_view>
#include <vector>

namespace jt {

struct ProcessSystem {
  int (*memory_file)(const char* name);  // memfd_create, closed on exec
  ssize_t (*read)(int fd, void* to, size_t size);
  ssize_t (*write)(int fd, const void* from, size_t size);
  off_t (*seek)(int fd, off_t offset, int whence);
  int (*close)(int fd);
  // An error number, as posix_spawn.
  int (*spawn)(pid_t* child, const char* path, const posix_spawn_file_actions_t* files,
               const posix_spawnattr_t* attributes, char* const* arguments, char* const* environment);
  pid_t (*wait)(pid_t child, int* status, int options);
  int (*kill)(pid_t process, int signal);
  void (*lower_priority)(pid_t process);
};
// The system's own calls.
extern const ProcessSystem kProcessSystem;

// Tells those who wait that they should not any more. Any thread.
class Stop {
 public:
  void raise();
  // Waits at most this long; true once raised.
  bool wait(int milliseconds);
  bool is_raised() const { return raised_.load(); }

 private:
  std::atomic<uint32_t> raised_{0};  // once: 1
};

struct Command {
  std::string program;                   // absolute path
  std::vector<std::string> arguments;    // after the program's name
  std::vector<std::string> environment;  // `NAME=value`; nothing else is passed on
  int timeout_ms = 60000;
  bool is_background = false;            // gives way to whatever else wants the processor
};
// Where a command finds a file to write its result to. Its standard input is the input, its standard output and error
// together are `said`.
constexpr const char* kResultPath = "/proc/self/fd/3";

struct Outcome {
  bool is_ok = false;  // it ended by itself with status 0
  bool has_run = false;
  std::string why;     // else: `cannot start '/usr/bin/g++': No such file or directory`
  std::string said;    // the beginning of what it printed
  std::string result;
};

// Blocks; leaves no process behind. Throws std::bad_alloc only.
Outcome run_command(const Command& command, std::string_view input, Stop& stop,
                    const ProcessSystem& system = kProcessSystem);

}  // namespace jt
