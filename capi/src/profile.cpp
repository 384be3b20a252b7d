// profile: counts, the table of kernels, traces.
#include "capi/src/guard.h"
#include "capi/src/runtime.h"
#include "core/base/file.h"

using namespace jt;
using namespace jt::capi;

static jt_be_kernel_info info_of(const CompiledKernel& k) {
  jt_be_kernel_info info{};
  info.struct_size = sizeof info;
  k.device.api().kernel_info(k.device.handle(), k.kernel, &info);
  return info;
}

// By device, in order of making.
static std::vector<const CompiledKernel*> kernels_of(Runtime& rt) {
  std::vector<const CompiledKernel*> all;
  for (auto& d : rt.devices) d->kernels.each([&](const CompiledKernel& k) { all.push_back(&k); });
  return all;
}

std::string capi::stats_table(Runtime& rt) {
  RuntimeStats::Sums s = rt.stats.sums();
  std::string out = text("evals ", s.evals, ", plans made ", s.plans_made, ", reused ", s.plans_reused,
                         ", sized again ", s.sizings_made, ", launches ", s.launches, ", library calls ",
                         s.library_calls, "\n    launches      time ms  compile us  tier  kernel\n");
  auto padded = [&](std::string s, size_t width) {
    out += std::string(width > s.size() ? width - s.size() : 0, ' ') + s;
  };
  std::vector<const CompiledKernel*> all = kernels_of(rt);
  std::stable_sort(all.begin(), all.end(), [](auto* a, auto* b) { return a->time_ns > b->time_ns; });
  for (const CompiledKernel* k : all) {
    jt_be_kernel_info info = info_of(*k);
    padded(text(k->launches.load()), 12), padded(text(k->time_ns / 1000 / 1000.0), 13),
        padded(text(info.compile_ns / 1000), 12);
    out += text("  ", info.tier ? info.tier : "?", "   ", k->name, "\n");
  }
  return out;
}

extern "C" jt_status jt_runtime_stats(jt_runtime* rt, jt_stats* inout) {
  return guarded("jt_runtime_stats", [&] {
    require(rt, "rt"), require(inout, "inout");
    RuntimeStats::Sums s = rt->shared->stats.sums();
    jt_stats out{};
    out.evals = s.evals, out.plans_made = s.plans_made, out.launches = s.launches + s.library_calls;
    for (auto& d : rt->shared->devices) {
      d->kernels.each([&out](const CompiledKernel& k) {
        out.compile_ns += info_of(k).compile_ns;
        out.run_ns += k.time_ns;
      });
      out.kernels_compiled += d->kernels.compiled();
      out.kernels_from_disk += d->kernels.from_disk();
    }
    fill_sized("inout", inout, out);
  });
}
extern "C" jt_status jt_stats_reset(jt_runtime* rt) {
  return guarded("jt_stats_reset", [&] {
    require(rt, "rt");
    rt->shared->stats.reset();
    for (auto& d : rt->shared->devices) d->kernels.reset_counts();
  });
}
extern "C" jt_status jt_stats_set_timing(jt_runtime* rt, jt_bool timing) {
  return guarded("jt_stats_set_timing", [&] {
    require(rt, "rt");
    rt->shared->timing = timing != 0;
  });
}
static size_t count_of_kernels(Runtime& rt) {
  size_t count = 0;
  for (auto& d : rt.devices) count += d->kernels.count();
  return count;
}
static std::shared_ptr<const CompiledKernel> kernel_at(Runtime& rt, size_t i) {
  for (auto& d : rt.devices) {
    if (auto kernel = d->kernels.at(i)) return kernel;
    size_t here = d->kernels.count();
    if (i < here) return nullptr;  // one went meanwhile
    i -= here;
  }
  return nullptr;
}
extern "C" size_t jt_kernel_count(jt_runtime* rt) { return rt ? count_of_kernels(*rt->shared) : 0; }
extern "C" jt_status jt_kernel_stats_get(jt_runtime* rt, size_t i, jt_kernel_stats* inout) {
  return guarded("jt_kernel_stats_get", [&] {
    require(rt, "rt"), require(inout, "inout");
    auto kernel = kernel_at(*rt->shared, i);
    if (!kernel) fail(JT_E_INVALID, "kernel ", i, " of ", count_of_kernels(*rt->shared), " does not exist");
    jt_be_kernel_info info = info_of(*kernel);
    jt_kernel_stats out{};
    out.name = kernel->name.c_str(), out.tier = info.tier, out.launches = kernel->launches;
    out.run_ns = kernel->time_ns, out.compile_ns = info.compile_ns, out.bytes = kernel->bytes;
    fill_sized("inout", inout, out);
  });
}
extern "C" jt_status jt_stats_print(jt_runtime* rt, char* dst, size_t dst_len, size_t* out_len) {
  return guarded("jt_stats_print", [&] {
    require(rt, "rt");
    give_text(stats_table(*rt->shared), dst, dst_len, out_len);
  });
}

extern "C" jt_status jt_trace_start(jt_runtime* rt, const char* path, size_t path_len) {
  return guarded("jt_trace_start", [&] {
    require(rt, "rt"), require(path, "path");
    if (!rt->shared->trace.start(std::string(str("path", path, path_len))))
      fail(JT_E_INVALID, "a trace is being collected already");
  });
}
extern "C" jt_status jt_trace_stop(jt_runtime* rt) {
  return guarded("jt_trace_stop", [&] {
    require(rt, "rt");
    auto taken = rt->shared->trace.stop();
    if (!taken) fail(JT_E_INVALID, "no trace is being collected");
    write_file(taken->path, taken->json);
  });
}
