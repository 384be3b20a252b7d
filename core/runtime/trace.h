// trace: what happened when, as Chrome trace events (chrome://tracing, Perfetto). Off unless asked for.
#pragma once
#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "core/base/fork.h"

namespace jt {

class Trace {
 public:
  bool is_on() const { return on_.load(std::memory_order_relaxed); }
  bool start(std::string path);  // of the file that wants it; false: it is on
  struct Taken {
    std::string path, json;
  };
  std::optional<Taken> stop();   // and forgets the events; nothing: it is off
  static int64_t now_ns() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }
  void add(std::string name, const char* category, int64_t begin_ns, int64_t end_ns);

 private:
  std::string json() const;  // the mutex is held
  struct Event {
    std::string name;
    const char* category;
    int64_t begin_ns, end_ns;
  };
  std::atomic<bool> on_{false};
  mutable ForkMutex mutex_;
  std::string path_;
  std::vector<Event> events_;
};

}  // namespace jt
