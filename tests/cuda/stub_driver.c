/* stub_driver: a library with the functions of libcuda.so.1 that jt calls, all of which do nothing; how it does not
 * serve is chosen when it is compiled. */
#ifndef INIT_RESULT
#define INIT_RESULT 0
#endif
#ifndef VERSION
#define VERSION 13000
#endif
#ifndef DEVICES
#define DEVICES 1
#endif
#define STUB(name) int name(void) { return 0; }

int cuInit(unsigned flags) { return flags ? 1 : INIT_RESULT; }
int cuDriverGetVersion(int* out) { return *out = VERSION, 0; }
int cuDeviceGetCount(int* out) { return *out = DEVICES, 0; }
int cuGetErrorName(int error, const char** out) {
  return *out = error == 100 ? "CUDA_ERROR_NO_DEVICE" : "CUDA_ERROR_OTHER", 0;
}
int cuGetErrorString(int error, const char** out) { return (void)error, *out = "as the stub was told", 0; }
int cuDeviceGet(int* out, int ordinal) { return *out = ordinal, 0; }
int cuDeviceGetName(char* out, int room, int device) { return (void)device, out[0] = 's', out[1] = 0, room < 2; }
int cuDeviceGetAttribute(int* out, int attribute, int device) {
  return (void)device, *out = attribute == 75 ? 9 : 0, 0;
}
int cuCtxGetCurrent(void** out) { return *out = 0, 0; }
int cuDevicePrimaryCtxRetain(void** out, int device) { return (void)device, *out = 0, 0; }
int cuDeviceTotalMem_v2(unsigned long* out, int device) { return (void)device, *out = 1ul << 30, 0; }
int cuStreamCreate(void** out, unsigned flags) { return *out = (void*)(64 + 0ul * flags), 0; }
int cuEventCreate(void** out, unsigned flags) { return *out = (void*)(64 + 0ul * flags), 0; }
int cuMemHostAlloc(void** out, unsigned long bytes, unsigned flags) { return (void)bytes, (void)flags, *out = 0, 2; }
#ifndef INCOMPLETE
int cuMemAlloc_v2(void** out, unsigned long bytes) { return *out = (void*)(4096ul + 64ul * (bytes == 0)), 0; }
#endif
STUB(cuDevicePrimaryCtxRelease_v2)
STUB(cuCtxSetCurrent) STUB(cuCtxSynchronize) STUB(cuMemGetInfo_v2) STUB(cuMemFree_v2) STUB(cuMemFreeHost)
    STUB(cuMemcpyHtoDAsync_v2) STUB(cuMemcpyDtoHAsync_v2) STUB(cuMemcpyDtoDAsync_v2) STUB(cuMemsetD8Async)
        STUB(cuMemsetD16Async) STUB(cuMemsetD32Async) STUB(cuStreamDestroy_v2) STUB(cuStreamSynchronize)
            STUB(cuStreamQuery) STUB(cuStreamWaitEvent) STUB(cuEventDestroy_v2) STUB(cuEventRecord) STUB(cuEventQuery)
                STUB(cuEventSynchronize) STUB(cuModuleLoadDataEx) STUB(cuModuleUnload) STUB(cuModuleGetFunction)
                    STUB(cuFuncGetAttribute) STUB(cuFuncSetAttribute) STUB(cuLaunchKernel)
