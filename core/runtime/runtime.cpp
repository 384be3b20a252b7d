#include "core/runtime/runtime.h"

#include "core/base/file.h"
#include "core/base/status.h"

namespace jt {

static Flags with_cache_folder(Flags flags) {
  if (flags.cache_dir.empty()) flags.cache_dir = cache_path(flags.xdg_cache_home.c_str(), flags.home.c_str());
  if (flags.cache_dir == "off") flags.cache_dir.clear();
  return flags;
}

// sums += sign * more
static void accumulate(RuntimeStats::Sums& sums, const RuntimeStats::Sums& more, int64_t sign) {
  sums.evals += sign * more.evals, sums.plans_made += sign * more.plans_made, sums.plans_reused += sign * more.plans_reused;
  sums.sizings_made += sign * more.sizings_made;
  sums.launches += sign * more.launches, sums.library_calls += sign * more.library_calls;
}
static RuntimeStats::Sums sums_of(const EvalStats& s) {
  return {s.evals.get(), s.plans_made.get(), s.plans_reused.get(), s.sizings_made.get(), s.launches.get(), s.library_calls.get()};
}

void RuntimeStats::join(const EvalStats& one) {
  std::lock_guard lock(mutex_);
  alive_.push_back(&one);
}
void RuntimeStats::leave(const EvalStats& one) {
  std::lock_guard lock(mutex_);
  std::erase(alive_, &one);
  accumulate(gone_, sums_of(one), 1);
}
RuntimeStats::Sums RuntimeStats::all_ever() const {
  Sums sums = gone_;
  for (const EvalStats* one : alive_) accumulate(sums, sums_of(*one), 1);
  return sums;
}
RuntimeStats::Sums RuntimeStats::sums() const {
  std::lock_guard lock(mutex_);
  Sums sums = all_ever();
  accumulate(sums, at_reset_, -1);
  return sums;
}
void RuntimeStats::reset() {
  std::lock_guard lock(mutex_);
  at_reset_ = all_ever();
}

Runtime::Runtime(RuntimeOptions options)
    : flags(with_cache_folder(std::move(options.flags))),
      log(options.log),
      pool(std::make_shared<BufferPool>(std::make_unique<HostMemory>(options.allocator))),
      threads(options.threads, options.parallel_for, log),
      backend_library(std::move(options.backend_library)),
      device(options.backend, flags, log, threads, options.submit),
      kernels(device) {
  pool->set_limit(options.memory_limit);
  pool->poison_freed = !flags.check.empty() && flags.check != "0";
  if (!flags.trace.empty()) trace.start();
  timing = !flags.stats.empty() && flags.stats != "0";
}

Runtime::~Runtime() {
  if (flags.trace.empty()) return;
  try {
    write_file(flags.trace, trace.json());
  } catch (const Error& e) {
    log(LogLevel::error, "trace", e.message());
  }
}

}  // namespace jt
