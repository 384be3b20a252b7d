// session: the C API for benches: a runtime with a context, and calls that end the program when they fail.
#pragma once
#include <jt/jt.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <vector>

namespace jt::bench {

inline void must(jt_status status) {
  if (status == JT_OK) return;
  std::fprintf(stderr, "%s\n", jt_last_error_message());
  std::exit(1);
}

struct Session {
  jt_runtime* rt;
  jt_context* ctx;
  // tier: "vm", "tcc" or "auto", which only the environment can choose.
  explicit Session(const char* tier = "auto", const char* cache_dir = nullptr, int threads = 1) {
    setenv("JT_CPU_TIER", tier, 1);
    jt_runtime_desc desc{};
    desc.struct_size = sizeof desc;
    desc.flags = JT_RT_ALLOW_ENV | (cache_dir ? 0 : JT_RT_NO_DISK_CACHE);
    desc.threads = threads;
    desc.cache_dir = cache_dir, desc.cache_dir_len = cache_dir ? JT_NUL : 0;
    must(jt_runtime_create(&desc, &rt)), must(jt_context_create(rt, &ctx));
  }
  ~Session() { jt_context_release(ctx), jt_runtime_release(rt); }
  Session(const Session&) = delete;
  jt_tensor* floats(std::vector<int64_t> dims, std::span<const float> data) const {
    jt_tensor* out;
    must(jt_tensor_from_bytes(ctx, data.data(), data.size() * 4, JT_F32, dims.data(), dims.size(), &out));
    return out;
  }
  jt_stats stats() const {
    jt_stats s{sizeof s};
    must(jt_runtime_stats(rt, &s));
    return s;
  }
};

}  // namespace jt::bench
