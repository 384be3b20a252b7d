// support: a context to record in, and the reference evaluator's opinion of what it recorded.
#pragma once
#include <functional>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <random>

#include "backends/cpu_tcc/cpu_backend.h"
#include "core/context.h"
#include "core/ir/block.h"
#include "core/ir/build.h"
#include "core/ir/eval.h"

namespace jt::test {

// How kernels run. With several threads, everything that can be split is.
struct Setting {
  std::string tier;
  int threads;
  Setting(std::string tier = "vm", int threads = 1) : tier(std::move(tier)), threads(threads) {}
  Setting(const char* tier) : Setting(std::string(tier)) {}
};

struct Bench {
  std::shared_ptr<Runtime> runtime;
  Context* context;
  explicit Bench(const Setting& setting = {}, bool poison = true, std::string isa = "best",
                 const std::function<void(RuntimeOptions&)>& also = {}) {
    RuntimeOptions o;
    o.backend = jt_cpu_backend();
    o.flags.cpu_tier = setting.tier;
    o.threads = setting.threads;
    if (o.threads > 1) o.flags.cpu_grain = "0";
    o.flags.cpu_isa = isa;
    o.flags.cache_dir = "off";
    o.flags.check = poison ? "1" : "0";
    // The host's heap, not mimalloc's: sanitizers watch it.
    o.allocator = {[](void*, size_t bytes, size_t align) {
                     return std::aligned_alloc(align, (bytes + align - 1) / align * align);
                   },
                   [](void*, void* p, size_t, size_t) { std::free(p); }, nullptr};
    if (also) also(o);
    runtime = std::make_shared<Runtime>(o);
    context = new Context(runtime);
    context->recorder().checks_indices = false;  // to the evaluator what lies outside is 0
  }
  ~Bench() { context->release(); }
  Recorder& recorder() { return context->recorder(); }
  Value floats(const Shape& shape, std::vector<float> values) {
    values.resize(size_t(shape.count()));
    return context->data({JT_F32, shape}, values.data());
  }
  std::vector<float> read(const Value& v) {
    Buffer* b = context->read(v);
    std::vector<float> out(size_t(v.type().count()));
    if (!out.empty()) std::memcpy(out.data(), host_bytes(b), out.size() * 4);
    return out;
  }
};

}  // namespace jt::test
