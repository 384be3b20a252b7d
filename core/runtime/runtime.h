// runtime: what contexts share: memory, the device, compiled kernels, settings, statistics. Locks inside.
#pragma once
#include <atomic>
#include <memory>
#include <vector>

#include "core/base/buffer.h"
#include "core/base/flags.h"
#include "core/base/fork.h"
#include "core/base/log.h"
#include "core/runtime/stream.h"
#include "core/runtime/trace.h"

namespace jt {

constexpr int kMaxDevices = 32;

struct Runtime;
struct RuntimeOptions {
  Flags flags;
  Logger log;
  Allocator allocator = default_allocator();
  int64_t memory_limit = 0;
  const jt_backend_api* backend = nullptr;
  struct Backend {
    const jt_backend_api* api;
    std::shared_ptr<void> library;  // whatever holds the table
    int index = 0;                  // which of its devices
  };
  std::vector<Backend> devices;  // instead of one device of `backend`
  int threads = 1;  // that compute, the caller's included
  HostParallelFor parallel_for;
  std::shared_ptr<void> backend_library;
  Submit submit;
};

// Counts by one thread at a time, read by any.
class Counter {
 public:
  void add(int64_t n) { count_.store(count_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed); }
  int64_t get() const { return count_.load(std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> count_{0};
};

// What a context has run.
struct EvalStats {
  Counter evals, plans_made, plans_reused, sizings_made, launches, library_calls;
};

// What all contexts of a runtime have run, since the last reset.
class RuntimeStats {
 public:
  struct Sums {
    int64_t evals = 0, plans_made = 0, plans_reused = 0, sizings_made = 0, launches = 0, library_calls = 0;
  };
  void join(const EvalStats& one);
  void leave(const EvalStats& one);
  Sums sums() const;
  void reset();

 private:
  Sums all_ever() const;  // the mutex is held
  mutable ForkMutex mutex_;
  std::vector<const EvalStats*> alive_;
  Sums gone_, at_reset_;
};

// A device of a runtime, its memory and its kernels.
struct DeviceState {
  DeviceState(RuntimeOptions::Backend backend, Runtime& runtime, const Submit& submit);
  const RuntimeOptions::Backend backend;  // before the device: outlives it
  Device device;
  std::shared_ptr<BufferPool> pool;       // of memory that the device reaches: the runtime's, or its own
  KernelCache kernels;
};

struct Runtime {
  explicit Runtime(RuntimeOptions options);
  ~Runtime();
  Flags flags;
  Logger log;
  std::shared_ptr<BufferPool> pool;  // of the host's memory
  ThreadPool threads;
  std::vector<std::unique_ptr<DeviceState>> devices;  // at least one
  void check_device(int number) const;  // throws JT_E_INVALID
  DeviceState& device(int number) const { return *devices[size_t(number)]; }
  // A device that compiles C which the host calls; throws if there is none.
  DeviceState& compiles_for_host(std::string_view who) const;
  int find_device(std::string_view name) const;  // `far` is `far:0`; throws JT_E_NOT_FOUND, which says what there is
  // The first that runs whatever the others do not, in the host's memory; -1: none does.
  int fallback() const;
  bool reaches_only_host() const;  // no device runs late or has memory of its own
  RuntimeStats stats;
  Trace trace;
  std::atomic<bool> timing{false};
};

}  // namespace jt
