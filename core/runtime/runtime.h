// runtime: what contexts share: memory, the device, compiled kernels, settings, statistics. Locks inside.
#pragma once
#include <atomic>
#include <memory>

#include "core/base/buffer.h"
#include "core/base/flags.h"
#include "core/base/log.h"
#include "core/runtime/device.h"
#include "core/runtime/trace.h"

namespace jt {

struct RuntimeOptions {
  Flags flags;
  Logger log;
  Allocator allocator = default_allocator();
  int64_t memory_limit = 0;
  const jt_backend_api* backend = nullptr;
  std::shared_ptr<void> backend_library;  // whatever holds the table
};

struct RuntimeStats {
  std::atomic<int64_t> evals{0}, plans_made{0}, plans_reused{0}, launches{0}, library_calls{0};
};

struct Runtime {
  explicit Runtime(RuntimeOptions options);
  ~Runtime();
  Flags flags;
  Logger log;
  std::shared_ptr<BufferPool> pool;
  std::shared_ptr<void> backend_library;  // before the device: outlives it
  Device device;
  KernelCache kernels;
  RuntimeStats stats;
  Trace trace;
  std::atomic<bool> timing{false};
};

}  // namespace jt
