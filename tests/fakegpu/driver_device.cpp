// cuInit, cuDevice*, cuCtx*, cuMemGetInfo, cuGetError*.
#include "tests/fakegpu/driver.h"

namespace fakegpu {

struct ResultRow { int code; const char* name; };
static const ResultRow kResults[] = {
    {0, "CUDA_SUCCESS"},
    {1, "CUDA_ERROR_INVALID_VALUE"},
    {2, "CUDA_ERROR_OUT_OF_MEMORY"},
    {3, "CUDA_ERROR_NOT_INITIALIZED"},
    {4, "CUDA_ERROR_DEINITIALIZED"},
    {34, "CUDA_ERROR_STUB_LIBRARY"},
    {46, "CUDA_ERROR_DEVICE_UNAVAILABLE"},
    {100, "CUDA_ERROR_NO_DEVICE"},
    {101, "CUDA_ERROR_INVALID_DEVICE"},
    {200, "CUDA_ERROR_INVALID_IMAGE"},
    {201, "CUDA_ERROR_INVALID_CONTEXT"},
    {209, "CUDA_ERROR_NO_BINARY_FOR_GPU"},
    {214, "CUDA_ERROR_ECC_UNCORRECTABLE"},
    {218, "CUDA_ERROR_INVALID_PTX"},
    {222, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION"},
    {304, "CUDA_ERROR_OPERATING_SYSTEM"},
    {400, "CUDA_ERROR_INVALID_HANDLE"},
    {401, "CUDA_ERROR_ILLEGAL_STATE"},
    {500, "CUDA_ERROR_NOT_FOUND"},
    {600, "CUDA_ERROR_NOT_READY"},
    {700, "CUDA_ERROR_ILLEGAL_ADDRESS"},
    {701, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES"},
    {702, "CUDA_ERROR_LAUNCH_TIMEOUT"},
    {709, "CUDA_ERROR_CONTEXT_IS_DESTROYED"},
    {710, "CUDA_ERROR_ASSERT"},
    {714, "CUDA_ERROR_HARDWARE_STACK_ERROR"},
    {715, "CUDA_ERROR_ILLEGAL_INSTRUCTION"},
    {716, "CUDA_ERROR_MISALIGNED_ADDRESS"},
    {717, "CUDA_ERROR_INVALID_ADDRESS_SPACE"},
    {718, "CUDA_ERROR_INVALID_PC"},
    {719, "CUDA_ERROR_LAUNCH_FAILED"},
    {801, "CUDA_ERROR_NOT_SUPPORTED"},
    {802, "CUDA_ERROR_SYSTEM_NOT_READY"},
    {900, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"},
    {901, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED"},
    {904, "CUDA_ERROR_STREAM_CAPTURE_UNJOINED"},
    {905, "CUDA_ERROR_STREAM_CAPTURE_ISOLATION"},
    {906, "CUDA_ERROR_STREAM_CAPTURE_IMPLICIT"},
    {910, "CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE"},
    {999, "CUDA_ERROR_UNKNOWN"},
};
const char* result_name(int result) {
  for (const ResultRow& row : kResults)
    if (row.code == result) return row.name;
  return nullptr;
}

static Device* device_at(int index) {
  State& s = state();
  return index >= 0 && static_cast<size_t>(index) < s.devices.size() ? s.devices[index].get() : nullptr;
}

// Numbers of CUdevice_attribute; what a large device answers.
static int attribute(int number, const State& s, const Device& device, int* out) {
  switch (number) {
    case 1: *out = 1024; break;                 // threads a block
    case 2: case 3: *out = 1024; break;         // of them along x and y
    case 4: *out = 64; break;                   // and z
    case 5: *out = 2147483647; break;           // blocks along x
    case 6: case 7: *out = 65535; break;        // y and z
    case 8: *out = 48 << 10; break;             // shared memory a block
    case 9: *out = 64 << 10; break;             // constant memory
    case 10: *out = 32; break;                  // warp
    case 11: *out = 2147483647; break;          // pitch
    case 12: case 82: *out = 65536; break;      // registers a block, a multiprocessor
    case 13: *out = 1980000; break;             // clock in kHz
    case 14: *out = 512; break;                 // texture alignment
    case 15: case 31: case 41: *out = 1; break; // overlap, concurrent kernels, unified addressing
    case 16: *out = s.multiprocessors; break;
    case 17: case 18: case 20: case 32: case 35: *out = 0; break;  // timeout, integrated, compute mode, ECC, TCC
    case 19: *out = 1; break;                   // maps host memory
    case 33: *out = device.index + 1; break;    // PCI bus
    case 34: case 50: *out = 0; break;          // PCI device, domain
    case 36: *out = 3201000; break;             // memory clock in kHz
    case 37: *out = 6144; break;                // bus width
    case 38: *out = 60 << 20; break;            // L2
    case 39: *out = 2048; break;                // threads a multiprocessor
    case 40: *out = 3; break;                   // copy engines
    case 75: *out = s.capability / 10; break;
    case 76: *out = s.capability % 10; break;
    case 78: *out = 1; break;                   // stream priorities
    case 81: *out = 228 << 10; break;           // shared memory a multiprocessor
    // managed memory, cooperative launch, concurrent managed access, pageable access
    case 83: case 95: case 89: case 88: *out = 0; break;
    case 97: *out = 227 << 10; break;           // shared memory a block may opt in to
    case 102: case 115: *out = 0; break;        // virtual memory management, memory pools
    case 106: *out = 32; break;                 // blocks a multiprocessor
    case 111: *out = 1024; break;               // reserved shared memory a block
    default: return misuse(kInvalidValue, "cuDeviceGetAttribute: no answer for attribute " + std::to_string(number));
  }
  return kSuccess;
}

}  // namespace fakegpu

using namespace fakegpu;

FAKEGPU_API int cuInit(unsigned flags) {
  FAKEGPU_CALL(cuInit, Needs::kNothing);
  if (flags) return misuse(kInvalidValue, "cuInit: flags " + std::to_string(flags));
  if (state().devices.empty()) return kNoDevice;
  state().is_initialized = true;
  return kSuccess;
}
FAKEGPU_API int cuDriverGetVersion(int* out) {
  FAKEGPU_CALL(cuDriverGetVersion, Needs::kNothing);
  *out = state().driver_version;
  return kSuccess;
}
FAKEGPU_API int cuGetErrorName(int error, const char** out) {
  FAKEGPU_CALL(cuGetErrorName, Needs::kNothing);
  *out = result_name(error);
  return *out ? kSuccess : kInvalidValue;
}
FAKEGPU_API int cuGetErrorString(int error, const char** out) {
  FAKEGPU_CALL(cuGetErrorString, Needs::kNothing);
  *out = result_name(error);
  bool has_reason = error >= kIllegalAddress && error <= kLaunchFailed && !state().findings.empty();
  if (has_reason) *out = state().findings.back().c_str();
  return *out ? kSuccess : kInvalidValue;
}
FAKEGPU_API int cuDeviceGetCount(int* out) {
  FAKEGPU_CALL(cuDeviceGetCount, Needs::kInit);
  *out = state().devices.size();
  return kSuccess;
}
FAKEGPU_API int cuDeviceGet(int* out, int ordinal) {
  FAKEGPU_CALL(cuDeviceGet, Needs::kInit);
  if (!device_at(ordinal)) return kInvalidDevice;
  *out = ordinal;
  return kSuccess;
}
FAKEGPU_API int cuDeviceGetName(char* out, int room, int device) {
  FAKEGPU_CALL(cuDeviceGetName, Needs::kInit);
  if (!device_at(device)) return kInvalidDevice;
  snprintf(out, room, "fake GPU %d", device);
  return kSuccess;
}
FAKEGPU_API int cuDeviceGetAttribute(int* out, int number, int device) {
  FAKEGPU_CALL(cuDeviceGetAttribute, Needs::kInit);
  if (!device_at(device)) return kInvalidDevice;
  return attribute(number, state(), *device_at(device), out);
}
FAKEGPU_API int cuDeviceTotalMem_v2(size_t* out, int device) {
  FAKEGPU_CALL(cuDeviceTotalMem_v2, Needs::kInit);
  if (!device_at(device)) return kInvalidDevice;
  *out = device_at(device)->memory->total();
  return kSuccess;
}
FAKEGPU_API int cuDeviceGetUuid_v2(char* out, int device) {
  FAKEGPU_CALL(cuDeviceGetUuid_v2, Needs::kInit);
  if (!device_at(device)) return kInvalidDevice;
  memcpy(out, "fake GPU uuid 00", 16);
  out[15] += device;
  return kSuccess;
}
FAKEGPU_API int cuDevicePrimaryCtxRetain(void** out, int device) {
  FAKEGPU_CALL(cuDevicePrimaryCtxRetain, Needs::kInit);
  Device* d = device_at(device);
  if (!d) return kInvalidDevice;
  ++d->retained;
  *out = d;
  return kSuccess;
}
FAKEGPU_API int cuDevicePrimaryCtxRelease_v2(int device) {
  FAKEGPU_CALL(cuDevicePrimaryCtxRelease_v2, Needs::kInit);
  Device* d = device_at(device);
  if (!d) return kInvalidDevice;
  if (!d->retained)
    return misuse(kInvalidContext, "cuDevicePrimaryCtxRelease: device " + std::to_string(device) + " is not retained");
  if (--d->retained == 0) run_device(*d);
  return kSuccess;
}
FAKEGPU_API int cuCtxSetCurrent(void* context) {
  FAKEGPU_CALL(cuCtxSetCurrent, Needs::kInit);
  for (auto& device : state().devices)
    if (device.get() == context && device->retained) {
      set_current_device(device.get());
      return kSuccess;
    }
  if (context) return misuse(kInvalidContext, "cuCtxSetCurrent: no such context, or it is released");
  set_current_device(nullptr);
  return kSuccess;
}
FAKEGPU_API int cuCtxGetCurrent(void** out) {
  FAKEGPU_CALL(cuCtxGetCurrent, Needs::kInit);
  *out = current_device();
  return kSuccess;
}
FAKEGPU_API int cuCtxGetDevice(int* out) {
  FAKEGPU_CALL(cuCtxGetDevice, Needs::kContext);
  *out = current_device()->index;
  return kSuccess;
}
FAKEGPU_API int cuCtxSynchronize(void) {
  FAKEGPU_CALL(cuCtxSynchronize, Needs::kContext);
  for (StreamRef& stream : current_device()->streams)
    if (stream->capture) {
      stream->capture->is_invalid = true;
      return misuse(kStreamCaptureUnsupported, "cuCtxSynchronize while a stream is being captured");
    }
  run_device(*current_device());
  return current_device()->sticky;
}
FAKEGPU_API int cuMemGetInfo_v2(size_t* free, size_t* total) {
  FAKEGPU_CALL(cuMemGetInfo_v2, Needs::kContext);
  DeviceMemory& memory = *current_device()->memory;
  *total = memory.total();
  *free = memory.total() - std::min(memory.total(), memory.used());
  return kSuccess;
}
