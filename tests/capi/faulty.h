// faulty: the CPU backend with calls that fail when a test says so, under a runtime that the C API takes.
#pragma once
#include <cstdlib>
#include <memory>
#include <string>

#include "backends/cpu_tcc/cpu_backend.h"
#include "capi/src/runtime.h"
#include "tests/capi/capi.h"

namespace jt::test {

struct Faults {
  std::string refuse;          // programs that contain this text do not compile
  std::string refuse_library;  // the library op that is not offered
  int64_t launches_left = -1;  // this many launches and library calls succeed; -1: all
  int64_t allocations_left = -1;  // of memory for values
  bool only_once = false;      // the call after those that are left fails, later ones succeed
  int64_t launches = 0, allocations = 0;
};
inline Faults faults;

inline bool fails_now(int64_t& left) {
  if (left < 0) return false;
  if (left > 0) return left--, false;
  if (faults.only_once) left = -1;
  return true;
}

inline const jt_backend_api& cpu() { return *jt_cpu_backend(); }

inline const jt_backend_api* faulty_backend(uint32_t flags) {
  static jt_backend_api table;
  table = cpu();
  table.flags = flags;
  table.compile = [](jt_be_device* d, const jt_be_source* s, jt_be_kernel** out) {
    bool refused =
        !faults.refuse.empty() && std::string_view(s->key, s->key_len).find(faults.refuse) != std::string_view::npos;
    return refused ? JT_E_COMPILE : cpu().compile(d, s, out);
  };
  table.op_create = [](jt_be_device* d, const char* name, const int64_t* p, size_t n, size_t* bytes, jt_be_op** out) {
    return faults.refuse_library == name ? JT_E_UNSUPPORTED : cpu().op_create(d, name, p, n, bytes, out);
  };
  table.launch = [](jt_be_device* d, jt_be_kernel* k, const jt_be_launch* l, void* scratch) {
    faults.launches++;
    return fails_now(faults.launches_left) ? JT_E_DEVICE : cpu().launch(d, k, l, scratch);
  };
  table.op_run = [](jt_be_device* d, jt_be_op* op, void* const* p, size_t n, void* workspace) {
    faults.launches++;
    return fails_now(faults.launches_left) ? JT_E_DEVICE : cpu().op_run(d, op, p, n, workspace);
  };
  return &table;
}

inline jt_runtime* faulty_runtime(uint32_t flags, const char* tier) {
  RuntimeOptions o;
  o.backend = faulty_backend(flags);
  o.flags.cpu_tier = tier;
  o.flags.cache_dir = "off";
  o.flags.check = "1";
  o.allocator = {[](void*, size_t bytes, size_t align) -> void* {
                   faults.allocations++;
                   if (fails_now(faults.allocations_left)) return nullptr;
                   return std::aligned_alloc(align, (bytes + align - 1) / align * align);
                 },
                 [](void*, void* p, size_t, size_t) { std::free(p); }, nullptr};
  auto* rt = new jt_runtime;
  rt->shared = std::make_shared<Runtime>(o);
  return rt;
}

// A session whose backend fails on demand; faults are over when it ends.
struct FaultySession : Session {
  explicit FaultySession(uint32_t flags = 0, const char* tier = "vm")
      : Session((faults = {}, faulty_runtime(flags, tier))) {
    jt_runtime_release(rt);  // the session keeps one count of its own
  }
  ~FaultySession() { faults = {}; }
};

}  // namespace jt::test
