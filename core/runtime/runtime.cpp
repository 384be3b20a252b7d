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
  sums.evals += sign * more.evals, sums.plans_made += sign * more.plans_made,
      sums.plans_reused += sign * more.plans_reused;
  sums.sizings_made += sign * more.sizings_made;
  sums.launches += sign * more.launches, sums.library_calls += sign * more.library_calls;
}
static RuntimeStats::Sums sums_of(const EvalStats& s) {
  return {s.evals.get(),        s.plans_made.get(), s.plans_reused.get(),
          s.sizings_made.get(), s.launches.get(),   s.library_calls.get()};
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
      threads(options.threads, options.parallel_for, log) {
  if (options.devices.empty()) options.devices = {{options.backend, options.backend_library, 0}};
  for (auto& d : options.devices)
    devices.push_back(std::make_unique<DeviceState>(std::move(d), *this, options.submit));
  pool->set_limit(options.memory_limit);
  pool->poison_freed = !flags.check.empty() && flags.check != "0";
  for (auto& s : devices) s->pool->poison_freed = pool->poison_freed;
  if (!flags.trace.empty()) trace.start(flags.trace);
  timing = !flags.stats.empty() && flags.stats != "0";
}

static std::shared_ptr<BufferPool> pool_of(Device& device, const Runtime& runtime) {
  if (!device.has_own_memory()) return runtime.pool;
  return std::make_shared<BufferPool>(std::make_unique<DeviceMemory>(device, runtime.pool));
}

DeviceState::DeviceState(RuntimeOptions::Backend b, Runtime& runtime, const Submit& submit)
    : backend(std::move(b)),
      device(backend.api, runtime.flags, runtime.log, runtime.threads, submit, backend.index),
      pool(pool_of(device, runtime)),
      kernels(device) {}

DeviceState& Runtime::compiles_for_host(std::string_view who) const {
  for (auto& s : devices)
    if (!s->device.has_own_memory() && !s->device.is_async() && s->kernels.compiles_code()) return *s;
  if (!devices[0]->kernels.compiles_code()) return *devices[0];  // which says so
  fail(JT_E_UNSUPPORTED, who, ": no device of this runtime compiles C for the host; the first is ",
       devices[0]->device.name());
}

void Runtime::check_device(int number) const {
  int count = int(devices.size());
  if (number < 0 || number >= count) fail(JT_E_INVALID, "device ", number, " is not one of the runtime's ", count);
}

int Runtime::find_device(std::string_view name) const {
  std::string known;
  for (size_t i = 0; i < devices.size(); i++) {
    const std::string& one = devices[i]->device.name();
    if (one == name || one == text(name, ":0") || text(one, ":0") == name) return int(i);
    known += (i ? ", " : "") + one;
  }
  fail(JT_E_NOT_FOUND, "no device is called '", name, "'; there are: ", known);
}

int Runtime::fallback() const {
  for (size_t i = 0; i < devices.size(); i++)
    if (devices[i]->device.is_like_host()) return int(i);
  return -1;
}

bool Runtime::reaches_only_host() const {
  for (auto& s : devices)
    if (s->device.has_own_memory() || s->device.is_async()) return false;
  return true;
}

Runtime::~Runtime() {
  pool->trim();  // what devices still read of it they must be asked about while they are open
  try {
    if (auto taken = trace.stop()) write_file(taken->path, taken->json);
  } catch (const std::exception& e) {
    log(LogLevel::error, "trace", e.what());
  }
}

}  // namespace jt
