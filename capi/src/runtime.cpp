// runtime: making and asking runtimes; JT_LOG and JT_STATS on stderr when the host allowed the environment.
#include <unistd.h>

#include <atomic>
#include <charconv>

#include "backends/builtin.h"
#include "capi/src/guard.h"
#include "capi/src/runtime.h"
#include "core/base/hash.h"
#include "core/base/file_limit.h"
#include "core/runtime/backend_library.h"

using namespace jt;
using namespace jt::capi;

namespace {

// One line on stderr, without stdio: the host's streams stay untouched.
void write_stderr(std::string_view text) {
  FileLimit limit;
  while (!text.empty()) {
    ssize_t n = ::write(2, text.data(), text.size());
    if (n <= 0) return;
    text.remove_prefix(size_t(n));
  }
}
void log_to_stderr(void*, int32_t, const char* domain, const char* message, size_t length) {
  write_stderr(text("jt ", domain, ": ", std::string_view(message, length), "\n"));
}

LogLevel level_named(std::string_view name) {
  if (name == "error") return LogLevel::error;
  if (name == "info") return LogLevel::info;
  if (name == "debug") return LogLevel::debug;
  return LogLevel::warning;
}

void host_log(void* user, int32_t level, const char* domain, const char* message, size_t length) {
  auto* rt = static_cast<jt_runtime*>(user);
  rt->desc.log(rt->desc.log_user, jt_log_level(level + 1), domain, message, length);
}

int64_t integer(const char* variable, std::string_view text) {
  int64_t value = 0;
  auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (wrong != std::errc() || end != text.data() + text.size())
    fail(JT_E_INVALID, variable, ": `", text, "` is no integer");
  return value;
}

// Another one in each process and for each context.
int64_t random_seed() {
  static std::atomic<uint64_t> made{0};
  uint64_t bits = 0;
  if (getentropy(&bits, sizeof bits)) bits = uint64_t(Trace::now_ns()) ^ uint64_t(getpid()) << 32;
  return int64_t(mix(bits, made.fetch_add(1, std::memory_order_relaxed)));
}

int threads_of(const jt_runtime_desc& d, std::string_view variable) {
  if (d.threads > 0) return d.threads;
  int64_t wanted = d.threads < 0 || d.parallel_for ? 0 : 1;
  if (!variable.empty()) wanted = integer("JT_THREADS", variable);
  if (wanted < 0 || wanted > kMaxThreads) fail(JT_E_INVALID, "JT_THREADS: ", wanted, " is not in 0..", kMaxThreads);
  return wanted ? int(wanted) : usable_cores();
}

// Almost what the machine has: a system that promises more than it has ends the process that takes it.
int64_t memory_of_machine() { return int64_t(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE) / 16 * 15; }

// 512M, 2G, 1000000
int64_t memory_limit_of(const jt_runtime_desc& d, std::string_view variable) {
  if (d.memory_limit > 0) return d.memory_limit;
  if (variable.empty()) return d.memory_limit < 0 ? memory_of_machine() : 0;
  constexpr std::string_view kUnits = "KMGT";
  size_t unit = kUnits.find(variable.back());
  bool has_unit = unit != kUnits.npos;
  int64_t limit = integer("JT_MEMORY_LIMIT", variable.substr(0, variable.size() - has_unit));
  if (limit < 0 || (has_unit && __builtin_mul_overflow(limit, int64_t(1) << (10 * (unit + 1)), &limit)))
    fail(JT_E_INVALID, "JT_MEMORY_LIMIT: `", variable, "` is no number of bytes");
  return limit;
}

// A path has a slash; a name is of a backend that is linked in.
RuntimeOptions::Backend backend_called(std::string_view wanted) {
  if (wanted.find('/') != wanted.npos) {
    BackendLibrary loaded = load_backend(std::string(wanted));
    return {loaded.api, std::move(loaded.library), 0};
  }
  std::string known;
  for (const jt_backend_api* backend : builtin_backends()) {
    if (wanted.empty() || wanted == backend->name) return {backend, nullptr, 0};
    known += text(known.empty() ? "" : ", ", backend->name);
  }
  fail(JT_E_NOT_FOUND, "no backend is called '", wanted, "'; built in: ", known,
       "; a library is named by a path with a slash");
}

// The same, with the number of one of its devices behind it: `cpu`, `/lib/far.so:1`.
RuntimeOptions::Backend device_called(std::string_view wanted) {
  size_t colon = wanted.rfind(':');
  std::string_view digits = colon == wanted.npos ? "" : wanted.substr(colon + 1);
  int index = 0;
  auto [end, wrong] = std::from_chars(digits.data(), digits.data() + digits.size(), index);
  bool has_index = !digits.empty() && wrong == std::errc() && end == digits.data() + digits.size();
  RuntimeOptions::Backend out = backend_called(has_index ? wanted.substr(0, colon) : wanted);
  out.index = index;
  return out;
}

void choose_devices(RuntimeOptions& o, const jt_runtime_desc& d) {
  std::vector<std::string_view> names;
  if (d.devices_len) require(d.devices, "devices");
  if (d.devices_len && d.backend) fail(JT_E_INVALID, "there are both a backend and devices");
  for (size_t i = 0; i < d.devices_len; i++) require(d.devices[i], "devices"), names.push_back(d.devices[i]);
  bool asks_environment = names.empty() && !d.backend;
  for (std::string_view rest = asks_environment ? std::string_view(o.flags.devices) : ""; !rest.empty();) {
    names.push_back(rest.substr(0, rest.find(',')));
    rest.remove_prefix(std::min(rest.size(), names.back().size() + 1));
  }
  if (names.size() > kMaxDevices) fail(JT_E_INVALID, names.size(), " devices are more than ", kMaxDevices);
  for (std::string_view name : names) o.devices.push_back(device_called(name));
  if (names.empty())
    o.devices.push_back(backend_called(d.backend ? str("backend", d.backend, d.backend_len) : std::string_view()));
}

// Where every device may refuse an op there is one more behind them that does not.
void add_fallback(RuntimeOptions& o) {
  auto has_any = [&](bool (*is_so)(const jt_backend_api&)) {
    return std::ranges::any_of(o.devices, [&](const RuntimeOptions::Backend& b) { return is_so(*b.api); });
  };
  if (has_any(may_refuse) && !has_any(is_like_host)) o.devices.push_back({builtin_backends()[0], nullptr, 0});
}

// What is kept for speed beside the values is a small part of what they may take.
void limit_packs(RuntimeOptions& o) {
  int64_t most = o.memory_limit / 8;
  if (o.memory_limit && integer("JT_CPU_PACK_BYTES", o.flags.cpu_pack_bytes) > most)
    o.flags.cpu_pack_bytes = std::to_string(most);
}

RuntimeOptions options_of(jt_runtime& rt) {
  const jt_runtime_desc& d = rt.desc;
  RuntimeOptions o;
  if (d.flags & JT_RT_ALLOW_ENV) o.flags = flags_from_environment();
  if (d.cache_dir) o.flags.cache_dir = str("cache_dir", d.cache_dir, d.cache_dir_len);
  if (d.flags & JT_RT_NO_DISK_CACHE) o.flags.cache_dir = "off";
  if (d.flags & JT_RT_NO_COMPILE) o.flags.cpu_tier = "vm";
  if (d.flags & JT_RT_BACKGROUND_JIT) o.flags.background = "1";
  o.submit = {d.submit, d.submit_user};
  if (d.flags & JT_RT_POISON_FREED) o.flags.check = "1";
  if (!(d.flags & JT_RT_ALLOW_ENV) && !d.cache_dir) o.flags.cache_dir = "off";  // no environment, no home
  if (d.log) o.log = {host_log, &rt, d.log_level ? LogLevel(d.log_level - 1) : LogLevel::warning};
  else if (!o.flags.log.empty()) o.log = {log_to_stderr, nullptr, level_named(o.flags.log)};
  if (d.alloc) o.allocator = {d.alloc, d.free, d.alloc_user};
  o.memory_limit = memory_limit_of(d, o.flags.memory_limit);
  limit_packs(o);
  o.threads = threads_of(d, o.flags.threads);
  o.parallel_for = {d.parallel_for, d.parallel_user};
  choose_devices(o, d);
  add_fallback(o);
  return o;
}

// The host's memory, and that of every device with its own.
template <class Visit>
void each_pool(Runtime& runtime, Visit visit) {
  visit(*runtime.pool);
  for (auto& d : runtime.devices)
    if (d->pool != runtime.pool) visit(*d->pool);
}

constexpr uint32_t kRuntimeFlags =
    JT_RT_ALLOW_ENV | JT_RT_BACKGROUND_JIT | JT_RT_NO_DISK_CACHE | JT_RT_NO_COMPILE | JT_RT_POISON_FREED;

}  // namespace

extern "C" jt_status jt_runtime_create(const jt_runtime_desc* desc, jt_runtime** out) {
  if (out) *out = nullptr;
  return guarded("jt_runtime_create", [&] {
    require(out, "out");
    auto rt = std::make_unique<jt_runtime>();
    if (desc) rt->desc = sized("desc", desc);
    const jt_runtime_desc& d = rt->desc;
    if (d.flags & ~kRuntimeFlags) fail(JT_E_INVALID, "flags has unknown bits: ", d.flags);
    if (!d.alloc != !d.free) fail(JT_E_INVALID, "alloc and free must both be given, or neither");
    if (d.threads < -1 || d.threads > kMaxThreads)
      fail(JT_E_INVALID, "threads is ", d.threads, ", not in -1..", kMaxThreads);
    if (d.memory_limit < -1) fail(JT_E_INVALID, "memory_limit is ", d.memory_limit, ", less than -1");
    rt->shared = std::make_shared<Runtime>(options_of(*rt));
    *out = rt.release();
  });
}
extern "C" void jt_runtime_retain(jt_runtime* rt) {
  if (rt) rt->refs.fetch_add(1, std::memory_order_relaxed);
}
extern "C" void jt_runtime_release(jt_runtime* rt) {
  if (!rt || rt->refs.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  DefaultFpuMode mode;
  if (!rt->shared->flags.stats.empty() && rt->shared->flags.stats != "0") write_stderr(stats_table(*rt->shared));
  // Contexts may outlive the handle; the log function belongs to it, and hears what is left to say.
  std::shared_ptr<Runtime> shared = std::move(rt->shared);
  if (shared.use_count() == 1) shared.reset();
  else if (rt->desc.log) shared->log.sink = nullptr;
  delete rt;
}

extern "C" jt_status jt_runtime_memory_info(jt_runtime* rt, jt_memory_info* inout) {
  return guarded("jt_runtime_memory_info", [&] {
    require(rt, "rt"), require(inout, "inout");
    jt_memory_info info{};
    each_pool(*rt->shared, [&](BufferPool& pool) {
      PoolStats s = pool.stats();
      info.live_bytes += s.live_bytes, info.peak_bytes += s.peak_bytes;
      info.cached_bytes += s.cached_bytes, info.allocator_calls += s.allocator_calls;
    });
    for (auto& d : rt->shared->devices) info.cached_bytes += d->device.kept_bytes();
    info.limit_bytes = rt->shared->pool->limit();
    fill_sized("inout", inout, info);
  });
}
extern "C" jt_status jt_runtime_reset_peak(jt_runtime* rt) {
  return guarded("jt_runtime_reset_peak", [&] {
    require(rt, "rt");
    each_pool(*rt->shared, [](BufferPool& pool) { pool.reset_peak(); });
  });
}
extern "C" jt_status jt_runtime_trim(jt_runtime* rt) {
  return guarded("jt_runtime_trim", [&] {
    require(rt, "rt");
    each_pool(*rt->shared, [](BufferPool& pool) { pool.trim(); });
    for (auto& d : rt->shared->devices) d->device.trim();
  });
}

extern "C" int32_t jt_runtime_device_count(jt_runtime* rt) { return rt ? int32_t(rt->shared->devices.size()) : 0; }
extern "C" jt_status jt_runtime_device_name(jt_runtime* rt, int32_t device, char* dst, size_t dst_len,
                                            size_t* out_len) {
  return guarded("jt_runtime_device_name", [&] {
    require(rt, "rt");
    rt->shared->check_device(device);
    give_text(rt->shared->device(device).device.name(), dst, dst_len, out_len);
  });
}
extern "C" jt_status jt_runtime_find_device(jt_runtime* rt, const char* name, size_t name_len, int32_t* out) {
  return guarded("jt_runtime_find_device", [&] {
    require(rt, "rt"), require(out, "out");
    *out = rt->shared->find_device(str("name", name, name_len));
  });
}

extern "C" jt_status jt_runtime_describe(jt_runtime* rt, char* dst, size_t dst_len, size_t* out_len) {
  return guarded("jt_runtime_describe", [&] {
    if (!dst && !out_len) fail(JT_E_INVALID, "dst and out_len are NULL");
    std::string out = text("jt ", jt_version(), "\n");
    if (rt) {
      out += "devices of the runtime:";
      for (auto& d : rt->shared->devices) out += " " + d->device.name();
      out += "\n";
    }
    Flags flags = rt ? rt->shared->flags : flags_from_environment();
    for (const jt_backend_api* backend : builtin_backends())
      out += text("backend ", backend->name, "\n", description_of(*backend, flags));
    give_text(out, dst, dst_len, out_len);
  });
}

extern "C" jt_status jt_context_create(jt_runtime* rt, jt_context** out) {
  if (out) *out = nullptr;
  return guarded("jt_context_create", [&] {
    require(out, "out"), require(rt, "rt");
    const std::string& wanted = rt->shared->flags.seed;
    int64_t seed = wanted.empty() ? random_seed() : integer("JT_SEED", wanted);
    auto* made = new Context(rt->shared);
    *out = reinterpret_cast<jt_context*>(made);
    made->seed(seed);
    if (const std::string& stages = rt->shared->flags.dump; !stages.empty())
      made->set_dump(stages, [](char, std::string_view text) { write_stderr(text); });
  });
}
