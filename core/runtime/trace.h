// trace: what happened when, as Chrome trace events (chrome://tracing, Perfetto). Off unless asked for.
#pragma once
#include <atomic>
#include <chrono>
#include <string>
#include <vector>

#include "core/base/fork.h"

namespace jt {

class Trace {
 public:
  bool is_on() const { return on_.load(std::memory_order_relaxed); }
  void start() { on_ = true; }
  void stop() { on_ = false; }
  static int64_t now_ns() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
  }
  void add(std::string name, const char* category, int64_t begin_ns, int64_t end_ns);
  std::string json() const;
  std::string take_json();  // and forgets the events

 private:
  struct Event {
    std::string name;
    const char* category;
    int64_t begin_ns, end_ns;
  };
  std::atomic<bool> on_{false};
  mutable ForkMutex mutex_;
  std::vector<Event> events_;
};

}  // namespace jt
