#include "backends/cuda_nvrtc/cuda_backend.h"

#include <cstring>
#include <new>

#include "backends/cuda_nvrtc/device.h"
#include "backends/cuda_nvrtc/kernel.h"
#include "backends/cuda_nvrtc/library_ops.h"
#include "core/base/status.h"

// The types of the table are the library's own names; these are of this backend alone.
namespace jt::cuda {

namespace {

struct DeviceHandle {
  const jt_host_api* host;
  std::unique_ptr<Device> device;
  std::mutex mutex;
  CuStream own = nullptr;         // of calls without a stream
};

DeviceHandle& of(jt_be_device* d) { return *reinterpret_cast<DeviceHandle*>(d); }
CuStream of(jt_be_stream* s) { return reinterpret_cast<CuStream>(s); }
CuEvent of(jt_be_event* e) { return reinterpret_cast<CuEvent>(e); }
Kernel& of(jt_be_kernel* k) { return *reinterpret_cast<Kernel*>(k); }
CuPointer at(const void* p) { return reinterpret_cast<CuPointer>(p); }

jt_status told(const jt_host_api* host, jt_status status, int64_t native, std::string_view why) {
  host->set_error(host->host, status, native, why.data(), why.size());
  return status;
}
// No exception leaves.
template <class Body>
jt_status guarded(const jt_host_api* host, Body body) {
  try {
    body();
    return JT_OK;
  } catch (const Error& e) {
    return told(host, e.code(), e.native(), e.what());
  } catch (const std::bad_alloc&) {
    return told(host, JT_E_NOMEM, 0, "cuda: out of memory");
  } catch (const std::exception& e) {
    return told(host, JT_E_UNKNOWN, 0, e.what());
  }
}
template <class Body>
jt_status on(jt_be_device* d, Body body) {
  return guarded(of(d).host, [&] {
    Device::Current current(*of(d).device);
    body(*of(d).device);
  });
}
// Where nothing may fail; a device that is lost has nothing to give back. In a forked child there is nothing of the
// driver's.
template <class Body>
void quietly(jt_be_device* d, Body body) {
  Device::Current current(*of(d).device, std::nothrow);
  if (!of(d).device->is_of_parent()) body(of(d).device->api());
}

// ---- life ----

jt_status cuda_open(const jt_host_api* host, jt_be_device** out) {
  *out = nullptr;
  return guarded(host, [&] {
    auto made = std::make_unique<DeviceHandle>();
    made->host = host;
    made->device = std::make_unique<Device>(*host);
    *out = reinterpret_cast<jt_be_device*>(made.release());
  });
}
void cuda_close(jt_be_device* d) {
  if (!d) return;
  quietly(d, [&](const CuDriver& api) {
    of(d).device->drop_all();
    if (of(d).own) api.cuStreamDestroy_v2(of(d).own);
  });
  delete &of(d);
}
jt_status cuda_describe(const jt_host_api* host, void* user,
                        void (*take)(void* user, const char* text, size_t length)) {
  return guarded(host, [&] {
    std::string text = describe(settings_of(*host));
    take(user, text.data(), text.size());
  });
}

// ---- memory ----

jt_status cuda_mem_alloc(jt_be_device* d, size_t bytes, void** out) {
  *out = nullptr;
  return on(d, [&](Device& device) {
    CuPointer made = 0;
    device.check(device.api().cuMemAlloc_v2(&made, std::max<size_t>(bytes, 1)),
                 text("cuMemAlloc of ", bytes, " bytes"));
    *out = reinterpret_cast<void*>(made);
  });
}
void cuda_mem_free(jt_be_device* d, void* p, size_t) {
  if (p) quietly(d, [&](const CuDriver& api) { api.cuMemFree_v2(at(p)); });
}
jt_status cuda_mem_info(jt_be_device* d, size_t* out_free, size_t* out_total) {
  return on(d,
            [&](Device& device) { device.check(device.api().cuMemGetInfo_v2(out_free, out_total), "cuMemGetInfo"); });
}
jt_status cuda_stage_alloc(jt_be_device* d, size_t bytes, void** out) {
  constexpr unsigned kPortable = 1;
  *out = nullptr;
  return on(d, [&](Device& device) { device.check(device.api().cuMemHostAlloc(out, std::max<size_t>(bytes, 1),
      kPortable), "cuMemHostAlloc"); });
}
void cuda_stage_free(jt_be_device* d, void* p, size_t) {
  if (p) quietly(d, [&](const CuDriver& api) { api.cuMemFreeHost(p); });
}

// ---- streams and events ----

jt_status cuda_stream_create(jt_be_device* d, jt_be_stream** out) {
  *out = nullptr;
  return on(d, [&](Device& device) {
    CuStream made = nullptr;
    device.check(device.api().cuStreamCreate(&made, kCuStreamNonBlocking), "cuStreamCreate");
    *out = reinterpret_cast<jt_be_stream*>(made);
  });
}
void cuda_stream_release(jt_be_device* d, jt_be_stream* stream) {
  if (!stream) return;
  quietly(d, [&](const CuDriver& api) {
    of(d).device->drop(of(stream));
    api.cuStreamDestroy_v2(of(stream));
  });
}
jt_status cuda_event_create(jt_be_device* d, jt_be_event** out) {
  *out = nullptr;
  return on(d, [&](Device& device) {
    CuEvent made = nullptr;
    device.check(device.api().cuEventCreate(&made, kCuEventDefault), "cuEventCreate");
    *out = reinterpret_cast<jt_be_event*>(made);
  });
}
void cuda_event_release(jt_be_device* d, jt_be_event* event) {
  if (event) quietly(d, [&](const CuDriver& api) { api.cuEventDestroy_v2(of(event)); });
}
jt_status cuda_event_record(jt_be_device* d, jt_be_stream* stream, jt_be_event* event) {
  return on(d,
            [&](Device& device) { device.check(device.api().cuEventRecord(of(event), of(stream)), "cuEventRecord"); });
}
jt_status cuda_event_wait(jt_be_device* d, jt_be_stream* stream, jt_be_event* event) {
  return on(d, [&](Device& device) {
    device.check(device.api().cuStreamWaitEvent(of(stream), of(event), 0), "cuStreamWaitEvent");
  });
}
jt_status cuda_event_sync(jt_be_device* d, jt_be_event* event) {
  return on(d, [&](Device& device) { device.check(device.api().cuEventSynchronize(of(event)), "cuEventSynchronize"); });
}
jt_status cuda_event_ns(jt_be_device* d, jt_be_event* from, jt_be_event* to, int64_t* out) {
  *out = 0;
  return on(d, [&](Device& device) {
    float ms = 0;
    if (!device.api().cuEventElapsedTime) return;
    device.check(device.api().cuEventElapsedTime(&ms, of(from), of(to)), "cuEventElapsedTime");
    *out = int64_t(double(ms) * 1e6);
  });
}

// The stream of a call; one of the device's own if it names none, and then the call waits.
template <class Body>
jt_status in_stream(jt_be_device* d, jt_be_stream* stream, Body body) {
  return on(d, [&](Device& device) {
    if (stream) return body(device, of(stream));
    std::lock_guard lock(of(d).mutex);
    if (!of(d).own) device.check(device.api().cuStreamCreate(&of(d).own, kCuStreamNonBlocking), "cuStreamCreate");
    body(device, of(d).own);
    device.check(device.api().cuStreamSynchronize(of(d).own), "cuStreamSynchronize");
  });
}

// ---- copies ----

jt_status cuda_copy(jt_be_device* d, jt_be_stream* stream, void* to, const void* from, size_t bytes,
                    jt_be_copy_kind kind) {
  if (!bytes) return JT_OK;
  return in_stream(d, stream, [&](Device& device, CuStream s) {
    const CuDriver& api = device.api();
    if (kind == JT_BE_HOST_TO_DEVICE)
      device.check(api.cuMemcpyHtoDAsync_v2(at(to), from, bytes, s), "cuMemcpyHtoDAsync");
    else if (kind == JT_BE_DEVICE_TO_HOST)
      device.check(api.cuMemcpyDtoHAsync_v2(to, at(from), bytes, s), "cuMemcpyDtoHAsync");
    else if (kind == JT_BE_DEVICE_TO_DEVICE)
      device.check(api.cuMemcpyDtoDAsync_v2(at(to), at(from), bytes, s), "cuMemcpyDtoDAsync");
    else fail(JT_E_INVALID, "cuda: a copy of kind ", int(kind));
  });
}

// The driver's fills end at 32 bits.
constexpr const char* kFillText =
    "struct jt_arguments { unsigned long long *p, pattern; long long count; };\n"
    "extern \"C\" __global__ void __launch_bounds__(256) jt_fill(const struct jt_arguments A) {\n"
    "  const long long at = (long long)blockIdx.x * 256 + threadIdx.x;\n"
    "  if (at < A.count) A.p[at] = A.pattern;\n"
    "}\n";
void fill_words(Device& device, CuStream s, void* to, uint64_t pattern, size_t count) {
  uint64_t args[] = {reinterpret_cast<uint64_t>(to), pattern, count};
  device.module_of(kFillText)->launch("jt_fill", int64_t(count + 255) / 256, 256, s, args);
}
jt_status cuda_fill(jt_be_device* d, jt_be_stream* stream, void* to, uint64_t pattern, size_t item, size_t count) {
  if (!count) return JT_OK;
  return in_stream(d, stream, [&](Device& device, CuStream s) {
    const CuDriver& api = device.api();
    uint32_t low = uint32_t(pattern), high = uint32_t(pattern >> 32);
    switch (item) {
      case 1: return device.check(api.cuMemsetD8Async(at(to), uint8_t(low), count, s), "cuMemsetD8Async");
      case 2: return device.check(api.cuMemsetD16Async(at(to), uint16_t(low), count, s), "cuMemsetD16Async");
      case 4: return device.check(api.cuMemsetD32Async(at(to), low, count, s), "cuMemsetD32Async");
      case 8:
        if (low == high) return device.check(api.cuMemsetD32Async(at(to), low, 2 * count, s), "cuMemsetD32Async");
        return fill_words(device, s, to, pattern, count);
      default: fail(JT_E_INVALID, "cuda: a fill of items of ", item, " bytes");
    }
  });
}

// ---- kernels ----

jt_status cuda_compile(jt_be_device* d, const jt_be_source* source, jt_be_kernel** out) {
  *out = nullptr;
  const char* text;
  size_t length;
  if (jt_status status = source->render(source->user, JT_BE_PROGRAM, &text, &length)) return status;
  return on(d, [&](Device& device) {
    *out = reinterpret_cast<jt_be_kernel*>(std::make_unique<Kernel>(device, parse_program({text, length})).release());
  });
}
void cuda_kernel_release(jt_be_device* d, jt_be_kernel* kernel) {
  if (!kernel) return;
  Device::Current current(*of(d).device, std::nothrow);
  delete &of(kernel);
}
jt_status cuda_scratch_bytes(jt_be_device* d, jt_be_kernel* kernel, const jt_be_launch* launch, size_t* out) {
  *out = 0;
  return on(d, [&](Device&) { *out = size_t(of(kernel).scratch_bytes(*launch)); });
}
jt_status cuda_launch_on(jt_be_device* d, jt_be_stream* stream, jt_be_kernel* kernel, const jt_be_launch* launch,
                         void* scratch) {
  return in_stream(d, stream, [&](Device&, CuStream s) { of(kernel).launch(*launch, s, at(scratch)); });
}
jt_status cuda_launch(jt_be_device* d, jt_be_kernel* kernel, const jt_be_launch* launch, void* scratch) {
  return cuda_launch_on(d, nullptr, kernel, launch, scratch);
}
void cuda_kernel_prepare(jt_be_device* d, jt_be_kernel* kernel) {
  try {  // what fails here fails again when it is launched, and is told there
    Device::Current current(*of(d).device);
    of(kernel).prepare();
  } catch (const std::exception&) {
  }
}
void cuda_kernel_info(jt_be_device* d, jt_be_kernel* kernel, jt_be_kernel_info* inout) {
  if (inout->struct_size < sizeof *inout) return;
  inout->tier = of(d).device->target().is_ptx ? "ptx" : "cubin";
  inout->compile_ns = of(kernel).compile_ns(), inout->from_cache = of(kernel).is_from_disk();
}
jt_status cuda_kernel_text(jt_be_device* d, jt_be_kernel* kernel, void* user,
                           void (*take)(void* user, const char* text, size_t length)) {
  return on(d, [&](Device&) {
    std::string text = of(kernel).text();
    if (!text.empty()) take(user, text.data(), text.size());
  });
}

jt_status cuda_supports(jt_be_device*, const jt_be_node* node) {
  if (std::string_view(node->kind) != "library") return JT_OK;
  return node->results_len && offers(node->op, node->results[0].dtype) ? JT_OK : JT_E_UNSUPPORTED;
}

// ---- library ops ----

LibraryOp& of(jt_be_op* op) { return *reinterpret_cast<LibraryOp*>(op); }

jt_status cuda_op_create(jt_be_device* d, const char* name, const int64_t* params, size_t params_len, size_t* workspace,
                         jt_be_op** out) {
  *out = nullptr, *workspace = 0;
  return on(d, [&](Device& device) {
    std::unique_ptr<LibraryOp> made = make_library_op(device, name, {params, params_len});
    *workspace = made->workspace_bytes();
    *out = reinterpret_cast<jt_be_op*>(made.release());
  });
}
void cuda_op_release(jt_be_device*, jt_be_op* op) {
  if (op) delete &of(op);
}
jt_status cuda_op_run_on(jt_be_device* d, jt_be_stream* stream, jt_be_op* op, void* const* pointers, const uint64_t*,
    size_t, void* workspace) {
  return in_stream(d, stream, [&](Device&, CuStream s) { of(op).run(s, pointers, at(workspace)); });
}
jt_status cuda_op_run(jt_be_device* d, jt_be_op* op, void* const* pointers, size_t n, void* workspace) {
  return cuda_op_run_on(d, nullptr, op, pointers, nullptr, n, workspace);
}

}  // namespace
}  // namespace jt::cuda

const jt_backend_api* jt::jt_cuda_backend() {
  using namespace jt::cuda;
  static constexpr jt_backend_api table = [] {
    jt_backend_api t{};
    t.struct_size = sizeof t, t.abi_minor = JT_BACKEND_ABI_MINOR, t.name = "cuda";
    t.dialects = JT_BE_PROGRAM, t.flags = JT_BE_SURE_LAUNCHES | JT_BE_OWN_MEMORY | JT_BE_ASYNC | JT_BE_HALF_PRODUCTS;
    t.open = cuda_open, t.close = cuda_close, t.describe = cuda_describe;
    t.mem_alloc = cuda_mem_alloc, t.mem_free = cuda_mem_free, t.mem_info = cuda_mem_info;
    t.stage_alloc = cuda_stage_alloc, t.stage_free = cuda_stage_free;
    t.compile = cuda_compile, t.kernel_release = cuda_kernel_release, t.scratch_bytes = cuda_scratch_bytes;
    t.launch = cuda_launch, t.launch_on = cuda_launch_on, t.kernel_info = cuda_kernel_info,
    t.kernel_text = cuda_kernel_text;
    t.kernel_prepare = cuda_kernel_prepare;
    t.supports = cuda_supports;
    t.op_create = cuda_op_create, t.op_release = cuda_op_release, t.op_run = cuda_op_run, t.op_run_on = cuda_op_run_on;
    t.stream_create = cuda_stream_create, t.stream_release = cuda_stream_release, t.copy = cuda_copy,
    t.fill = cuda_fill;
    t.event_create = cuda_event_create, t.event_release = cuda_event_release, t.event_record = cuda_event_record;
    t.event_wait = cuda_event_wait, t.event_sync = cuda_event_sync, t.event_ns = cuda_event_ns;
    return t;
  }();
  return &table;
}
