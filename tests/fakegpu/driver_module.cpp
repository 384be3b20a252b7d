// cuModule*, cuFunc*, cuLaunchKernel. A cubin is refused as one for another device, so that PTX is taken.
#include <algorithm>

#include "tests/fakegpu/driver.h"

namespace fakegpu {

LoadedFunction* function_of(void* handle, const char* caller) {
  auto found = state().functions.find(handle);
  if (found == state().functions.end()) {
    find(std::string(caller) + ": no such function, or its module is unloaded");
    return nullptr;
  }
  Device* of = found->second->module->device;
  if (of == current_device()) return found->second;
  find(std::string(caller) + ": the function is of device " + std::to_string(of->index) + ", the context of device " +
       std::to_string(current_device()->index));
  return nullptr;
}

namespace {

void place_variables(LoadedModule& module) {
  DeviceMemory& memory = *module.device->memory;
  for (const Variable& v : module.text->variables) {
    if (v.space == Space::kShared) continue;
    uint64_t at = memory.allocate(std::max<uint64_t>(v.size, 1), "variable " + v.name);
    if (!at) throw KernelFault(kOutOfMemory, "no memory for variable " + v.name);
    module.addresses[v.name] = at;
    Allocation& a = *memory.find(at, 1);
    memset(a.bytes, 0, a.size);
    memcpy(a.bytes, v.initial.data(), std::min<size_t>(v.initial.size(), a.size));
    a.set_written(at, a.size, true);
    a.is_readonly = v.space == Space::kConst;
  }
  for (const Variable& v : module.text->variables)
    for (const Variable::Address& address : v.addresses) {
      Allocation& a = *memory.find(module.addresses.at(v.name), 1);
      uint64_t target = module.addresses.at(address.name);
      memcpy(a.bytes + address.at, &target, 8);
    }
}

void forget_variables(LoadedModule& module) {
  for (auto& [name, at] : module.addresses) module.device->memory->free(at);
}

std::unique_ptr<LoadedModule> load(const char* image) {
  auto module = std::make_unique<LoadedModule>();
  module->device = current_device();
  auto text = std::make_shared<Module>(parse_ptx(image));
  module->text = text;
  if (text->target > state().capability)
    throw KernelFault(kNoBinary, "PTX for sm_" + std::to_string(text->target) + " on a device of sm_" +
                                     std::to_string(state().capability));
  try {
    place_variables(*module);
    for (const Function& f : text->functions) {
      if (!f.is_entry) continue;
      LoadedFunction& function = module->functions[f.name];
      function.module = module.get();
      function.kernel = Decoder(text, module->addresses).kernel(f);
    }
  } catch (...) {
    forget_variables(*module);
    throw;
  }
  return module;
}

// CU_JIT_ERROR_LOG_BUFFER = 5, its size = 6.
void write_log(unsigned n, const int* options, void** values, const std::string& text) {
  char* buffer = nullptr;
  size_t room = 0;
  for (unsigned i = 0; i < n; ++i) {
    if (options[i] == 5) buffer = static_cast<char*>(values[i]);
    if (options[i] == 6) room = reinterpret_cast<size_t>(values[i]);
  }
  if (buffer && room) snprintf(buffer, room, "%s", text.c_str());
}

std::string triple(const uint32_t* v) {
  return std::to_string(v[0]) + "x" + std::to_string(v[1]) + "x" + std::to_string(v[2]);
}

int refuse(const LoadedFunction& f, const Launch& launch) {
  const uint32_t *g = launch.grid, *b = launch.block;
  uint64_t threads = uint64_t{b[0]} * b[1] * b[2];
  std::string name = "cuLaunchKernel of " + f.kernel->name + ": ";
  bool fits = g[0] && g[1] && g[2] && g[0] <= 2147483647u && g[1] <= 65535 && g[2] <= 65535;
  if (!fits) return misuse(kInvalidValue, name + "a grid of " + triple(g));
  if (!threads || threads > 1024 || b[2] > 64) return misuse(kInvalidValue, name + "a block of " + triple(b));
  if (f.kernel->max_threads && threads > f.kernel->max_threads)
    return misuse(kInvalidValue, name + "a block of " + triple(b) + ", the kernel is built for " +
                                     std::to_string(f.kernel->max_threads) + " threads");
  if (launch.dynamic_shared > static_cast<uint32_t>(f.dynamic_shared_limit) ||
      launch.dynamic_shared + f.kernel->static_shared > 227u << 10)
    return misuse(kInvalidValue, name + std::to_string(launch.dynamic_shared) +
                                     " bytes of dynamic shared memory beside " +
                                     std::to_string(f.kernel->static_shared) + ", " +
                                     std::to_string(f.dynamic_shared_limit) + " are allowed");
  return kSuccess;
}

int take_parameters(const Kernel& kernel, void** parameters, void** extra, std::vector<uint8_t>& out) {
  out.assign(kernel.parameter_bytes, 0);
  if (parameters) {
    for (size_t i = 0; i < kernel.parameters.size(); ++i) {
      if (!parameters[i])
        return misuse(kInvalidValue,
                      "cuLaunchKernel of " + kernel.name + ": parameter " + std::to_string(i) + " is missing");
      memcpy(out.data() + kernel.parameters[i].offset, parameters[i], kernel.parameters[i].size);
    }
    return kSuccess;
  }
  if (!extra)
    return kernel.parameters.empty() ? kSuccess
                                     : misuse(kInvalidValue, "cuLaunchKernel of " + kernel.name + ": no parameters");
  const void* buffer = nullptr;
  size_t size = 0;
  for (int i = 0; extra[i]; i += 2) {  // 1: the buffer, 2: where its size is
    if (extra[i] == reinterpret_cast<void*>(1)) buffer = extra[i + 1];
    if (extra[i] == reinterpret_cast<void*>(2)) size = *static_cast<size_t*>(extra[i + 1]);
  }
  if (!buffer || size < kernel.parameter_bytes)
    return misuse(kInvalidValue, "cuLaunchKernel of " + kernel.name + ": " + std::to_string(size) +
                                     " bytes of parameters, it has " + std::to_string(kernel.parameter_bytes));
  memcpy(out.data(), buffer, out.size());
  return kSuccess;
}

void run_kernel(Launch& launch) {
  launch.counters = {};
  launch.reversed = state().reversed;
  launch.instruction_limit = state().instruction_limit;
  try {
    run_launch(launch);
  } catch (...) {
    note_launch(launch.kernel->name, launch.counters);
    throw;
  }
  note_launch(launch.kernel->name, launch.counters);
}

}  // namespace
}  // namespace fakegpu

using namespace fakegpu;

FAKEGPU_API int cuModuleLoadDataEx(void** out, const void* image, unsigned n, int* options, void** values) {
  FAKEGPU_CALL(cuModuleLoadDataEx, Needs::kContext);
  auto* text = static_cast<const char*>(image);
  if (!text) return misuse(kInvalidValue, "cuModuleLoadData of nothing");
  bool is_binary = memcmp(text, "\177ELF", 4) == 0 || memcmp(text, "\x50\xed\x55\xba", 4) == 0;
  if (is_binary) return kNoBinary;
  try {
    std::unique_ptr<LoadedModule> module = load(text);
    void* handle = new_handle();
    for (auto& [name, function] : module->functions) state().functions[function.handle = new_handle()] = &function;
    state().modules[handle] = std::move(module);
    *out = handle;
    return kSuccess;
  } catch (const PtxError& error) {
    write_log(n, options, values, error.what());
    return misuse(kInvalidPtx, error.what());
  } catch (const KernelFault& fault) {
    write_log(n, options, values, fault.what());
    return fault.error == kNoBinary ? fault.error : misuse(fault.error, fault.what());
  }
}
FAKEGPU_API int cuModuleLoadData(void** out, const void* image) {
  return cuModuleLoadDataEx(out, image, 0, nullptr, nullptr);
}
FAKEGPU_API int cuModuleUnload(void* handle) {
  FAKEGPU_CALL(cuModuleUnload, Needs::kContext);
  auto found = state().modules.find(handle);
  if (found == state().modules.end())
    return misuse(kInvalidHandle, "cuModuleUnload: no such module, or it is unloaded");
  for (auto& [name, function] : found->second->functions) {
    if (function.pending) {
      // the driver would wait too; who relies on it frees something else too early as well
      run_device(*found->second->device);
      find("cuModuleUnload: launches of " + name + " that have not run use the module");
    }
    state().functions.erase(function.handle);
  }
  forget_variables(*found->second);
  state().modules.erase(found);
  return kSuccess;
}
FAKEGPU_API int cuModuleGetFunction(void** out, void* handle, const char* name) {
  FAKEGPU_CALL(cuModuleGetFunction, Needs::kContext);
  auto found = state().modules.find(handle);
  if (found == state().modules.end())
    return misuse(kInvalidHandle, "cuModuleGetFunction: no such module, or it is unloaded");
  auto function = found->second->functions.find(name);
  if (function == found->second->functions.end()) return kNotFound;
  *out = function->second.handle;
  return kSuccess;
}
FAKEGPU_API int cuModuleGetGlobal_v2(uint64_t* out, size_t* bytes, void* handle, const char* name) {
  FAKEGPU_CALL(cuModuleGetGlobal_v2, Needs::kContext);
  auto found = state().modules.find(handle);
  if (found == state().modules.end())
    return misuse(kInvalidHandle, "cuModuleGetGlobal: no such module, or it is unloaded");
  auto variable = found->second->addresses.find(name);
  if (variable == found->second->addresses.end()) return kNotFound;
  if (out) *out = variable->second;
  if (bytes) *bytes = current_device()->memory->find(variable->second, 1)->size;
  return kSuccess;
}
FAKEGPU_API int cuFuncGetAttribute(int* out, int attribute, void* handle) {
  FAKEGPU_CALL(cuFuncGetAttribute, Needs::kContext);
  LoadedFunction* f = function_of(handle, "cuFuncGetAttribute");
  if (!f) return kInvalidHandle;
  switch (attribute) {
    case 0: *out = f->kernel->max_threads ? f->kernel->max_threads : 1024; break;
    case 1: *out = f->kernel->static_shared; break;
    case 2: *out = 0; break;
    case 3: *out = f->kernel->local_bytes; break;
    case 4: *out = 32; break;  // registers: nobody allocates them here
    case 5: case 6: *out = f->module->text->target; break;
    case 7: *out = 0; break;
    case 8: *out = f->dynamic_shared_limit; break;
    case 9: *out = -1; break;
    default: return misuse(kInvalidValue, "cuFuncGetAttribute: no answer for attribute " + std::to_string(attribute));
  }
  return kSuccess;
}
FAKEGPU_API int cuFuncSetAttribute(void* handle, int attribute, int value) {
  FAKEGPU_CALL(cuFuncSetAttribute, Needs::kContext);
  LoadedFunction* f = function_of(handle, "cuFuncSetAttribute");
  if (!f) return kInvalidHandle;
  if (attribute == 9) return kSuccess;
  if (attribute != 8) return misuse(kInvalidValue, "cuFuncSetAttribute: attribute " + std::to_string(attribute));
  if (value < 0 || value + f->kernel->static_shared > 227u << 10)
    return misuse(kInvalidValue, "cuFuncSetAttribute of " + f->kernel->name + ": " + std::to_string(value) +
                                     " bytes of dynamic shared memory");
  f->dynamic_shared_limit = value;
  return kSuccess;
}
FAKEGPU_API int cuOccupancyMaxActiveBlocksPerMultiprocessor(int* out, void* handle, int block, size_t shared) {
  FAKEGPU_CALL(cuOccupancyMaxActiveBlocksPerMultiprocessor, Needs::kContext);
  LoadedFunction* f = function_of(handle, "cuOccupancyMaxActiveBlocksPerMultiprocessor");
  if (!f) return kInvalidHandle;
  if (block < 1 || block > 1024)
    return misuse(kInvalidValue, "cuOccupancyMaxActiveBlocksPerMultiprocessor: a block of " + std::to_string(block));
  size_t bytes = f->kernel->static_shared + shared + 1024;
  *out = std::min<size_t>({32, 2048u / ((block + 31) / 32 * 32), (228u << 10) / bytes});
  return kSuccess;
}
FAKEGPU_API int cuLaunchKernel(void* handle, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                               unsigned bz, unsigned shared, void* stream_handle, void** parameters, void** extra) {
  FAKEGPU_CALL(cuLaunchKernel, Needs::kContext);
  LoadedFunction* f = function_of(handle, "cuLaunchKernel");
  StreamRef stream = stream_of(stream_handle, "cuLaunchKernel");
  if (!f || !stream) return kInvalidHandle;
  auto launch = std::make_shared<Launch>();
  launch->kernel = f->kernel.get();
  launch->memory = f->module->device->memory.get();
  const uint32_t grid[3] = {gx, gy, gz}, block[3] = {bx, by, bz};
  memcpy(launch->grid, grid, sizeof grid);
  memcpy(launch->block, block, sizeof block);
  launch->dynamic_shared = shared;
  if (int error = refuse(*f, *launch)) return error;
  if (int error = take_parameters(*f->kernel, parameters, extra, launch->parameters)) return error;
  return enqueue(stream, {.what = "launch of " + f->kernel->name,
                          .run = [launch, kernel = f->kernel] { run_kernel(*launch); },
                          .launch = launch,
                          .function = handle});
}
