#include "tools/backend_check/run_block.h"

#include <cstdlib>
#include <cstring>

#include "core/pipeline.h"
#include "core/runtime/run_plan.h"

namespace jt {

std::shared_ptr<Runtime> runtime_of(const jt_backend_api* backend, const char* tier) {
  RuntimeOptions options;
  options.backend = backend;
  const char* folder = std::getenv("JT_CACHE_DIR");
  options.flags.cache_dir = folder ? folder : "off";
  options.flags.may_read_environment = true;  // for settings of a backend's own
  if (*tier) options.flags.cpu_tier = tier;
  return std::make_shared<Runtime>(std::move(options));
}

namespace {

struct Buffers {
  std::vector<Buffer*> all;
  ~Buffers() {
    for (Buffer* b : all) release(b);
  }
};

}  // namespace

std::vector<HostValue> run_block(Runtime& runtime, Block block, std::span<const HostValue> params) {
  std::vector<Type> types;
  for (const Value& result : block.results) types.push_back(result.type());
  Buffers inputs, outputs;
  for (const HostValue& p : params) {
    inputs.all.push_back(runtime.pool->allocate(std::max<size_t>(p.bytes.size(), 1)));
    if (!p.bytes.empty()) std::memcpy(host_room(inputs.all.back()), p.bytes.data(), p.bytes.size());
  }
  std::vector<int64_t> wheres = block.wheres, scalars;
  SizedPlan made = compile(std::move(block), runtime, std::vector<bool>(params.size()), nullptr);
  for (int32_t id : made.plan->written) scalars.push_back(made.plan->scalars[size_t(id)].bits);
  Arguments arguments(*made.plan, *made.sizing);
  Workspace workspace;
  DeviceState& device = runtime.device(0);
  DeviceStream stream(device.device);
  Buffers near{reachable_buffers(inputs.all, *device.pool, stream)};
  run_plan(made, arguments, {near.all, scalars, wheres}, workspace, *device.pool, stream, runtime.trace, outputs.all);
  std::vector<HostValue> out;
  for (size_t i = 0; i < types.size(); i++) {
    int32_t output = made.plan->result_output[i];
    Buffer* b = output >= 0 ? outputs.all[size_t(output)] : near.all[size_t(made.plan->result_input[i])];
    const auto* bytes = static_cast<const unsigned char*>(host_bytes(b));
    out.push_back({types[i], {bytes, bytes + types[i].bytes()}});
  }
  return out;
}

}  // namespace jt
