// far_queue: streams that do nothing until somebody waits, and the thread on which what they were given runs then.
#pragma once
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/backend/far/far_backend.h"

namespace jt::test {

struct FarFailure {
  jt_status status = JT_OK;
  std::string message;
};
using FarWork = std::function<FarFailure()>;

struct FarStream;
struct FarPoint {  // what an event stands for
  std::shared_ptr<FarStream> stream;
  bool has_happened = false;
  FarFailure failure;  // the first since the point before it
  int64_t ns = 0;
};

struct FarStream {
  struct Item {
    FarWork work;                            // or
    std::shared_ptr<FarPoint> waits, records;
  };
  std::deque<Item> items;
  FarFailure failure;
};

// Runs one thing after the other on a thread of its own.
class FarThread {
 public:
  FarThread() : thread_([this] { loop(); }) {}
  ~FarThread() {
    {
      std::lock_guard lock(mutex_);
      ends_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  void run(const std::function<void()>& body) {  // until it has run
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !body_; });
    body_ = &body;
    bool is_done = false;
    done_ = &is_done;
    changed_.notify_all();
    changed_.wait(lock, [&] { return is_done; });
  }

 private:
  void loop() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return ends_ || body_; });
      if (ends_) return;
      lock.unlock();
      (*body_)();
      lock.lock();
      *done_ = true, body_ = nullptr;
      changed_.notify_all();
    }
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  const std::function<void()>* body_ = nullptr;
  bool* done_ = nullptr;
  bool ends_ = false;
  std::thread thread_;
};

class FarQueue {
 public:
  std::shared_ptr<FarStream> stream() {
    std::lock_guard lock(mutex_);
    streams_.push_back(std::make_shared<FarStream>());
    return streams_.back();
  }
  void give(const std::shared_ptr<FarStream>& stream, FarWork work) {
    if (!stream) return now(work);
    std::lock_guard lock(mutex_);
    stream->items.push_back({std::move(work), {}, {}});
  }
  std::shared_ptr<FarPoint> record(const std::shared_ptr<FarStream>& stream) {
    std::lock_guard lock(mutex_);
    auto point = std::make_shared<FarPoint>();
    point->stream = stream;
    stream->items.push_back({{}, {}, point});
    return point;
  }
  void wait(const std::shared_ptr<FarStream>& stream, const std::shared_ptr<FarPoint>& point) {
    std::lock_guard lock(mutex_);
    stream->items.push_back({{}, point, {}});
  }
  FarFailure sync(const std::shared_ptr<FarPoint>& point) {
    far_control().waits++;
    std::lock_guard lock(mutex_);
    if (!point->has_happened) thread_.run([&] { stray(), reach(*point); });
    return point->failure;
  }
  // Whatever is left, at the end.
  void finish() {
    std::lock_guard lock(mutex_);
    thread_.run([&] {
      for (auto& s : streams_)
        while (!s->items.empty()) step(*s);
    });
  }

 private:
  void now(const FarWork& work) {
    std::lock_guard lock(mutex_);
    thread_.run([&] { work(); });
  }
  void reach(FarPoint& point) {
    while (!point.has_happened) step(*point.stream);
  }
  void step(FarStream& s) {
    FarStream::Item item = std::move(s.items.front());
    s.items.pop_front();
    if (item.waits) return reach(*item.waits);
    if (item.work) {
      FarFailure failure = item.work();
      if (failure.status != JT_OK && s.failure.status == JT_OK) s.failure = std::move(failure);
      return;
    }
    item.records->failure = std::exchange(s.failure, {});
    item.records->ns = std::chrono::steady_clock::now().time_since_epoch().count();
    item.records->has_happened = true;
  }
  // Other streams get ahead, as far as they need not wait for one that does not.
  void stray() {
    if (!far_control().seed) return;
    for (auto& s : streams_) {
      bool is_waiting = !s->items.empty() && s->items.front().waits && !s->items.front().waits->has_happened;
      for (uint64_t steps = die() % 8; steps-- > 0 && !s->items.empty() && !is_waiting;) {
        step(*s);
        is_waiting = !s->items.empty() && s->items.front().waits && !s->items.front().waits->has_happened;
      }
    }
    std::erase_if(streams_, [](const auto& s) { return s.use_count() == 1 && s->items.empty(); });
  }
  uint64_t die() {
    state_ = (state_ ^ far_control().seed) * 6364136223846793005u + 1442695040888963407u;
    return state_ >> 33;
  }
  std::mutex mutex_;
  std::vector<std::shared_ptr<FarStream>> streams_;
  FarThread thread_;
  uint64_t state_ = 1;
};

}  // namespace jt::test
