// driver_api: the driver's functions as the tests here call them. Handles are pointers, addresses numbers.
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" {
int cuInit(unsigned flags);
int cuDriverGetVersion(int* out);
int cuGetErrorName(int error, const char** out);
int cuGetErrorString(int error, const char** out);
int cuDeviceGetCount(int* out);
int cuDeviceGet(int* out, int ordinal);
int cuDeviceGetName(char* out, int room, int device);
int cuDeviceGetAttribute(int* out, int attribute, int device);
int cuDeviceTotalMem_v2(size_t* out, int device);
int cuDevicePrimaryCtxRetain(void** out, int device);
int cuDevicePrimaryCtxRelease_v2(int device);
int cuCtxSetCurrent(void* context);
int cuCtxGetCurrent(void** out);
int cuCtxSynchronize(void);
int cuMemGetInfo_v2(size_t* free, size_t* total);
int cuMemAlloc_v2(uint64_t* out, size_t bytes);
int cuMemFree_v2(uint64_t at);
int cuMemHostAlloc(void** out, size_t bytes, unsigned flags);
int cuMemFreeHost(void* at);
int cuMemcpyHtoDAsync_v2(uint64_t to, const void* from, size_t bytes, void* stream);
int cuMemcpyDtoHAsync_v2(void* to, uint64_t from, size_t bytes, void* stream);
int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, void* stream);
int cuMemcpyHtoD_v2(uint64_t to, const void* from, size_t bytes);
int cuMemcpyDtoH_v2(void* to, uint64_t from, size_t bytes);
int cuMemsetD8Async(uint64_t at, unsigned char value, size_t count, void* stream);
int cuMemsetD16Async(uint64_t at, unsigned short value, size_t count, void* stream);
int cuMemsetD32Async(uint64_t at, unsigned value, size_t count, void* stream);
int cuStreamCreate(void** out, unsigned flags);
int cuStreamDestroy_v2(void* stream);
int cuStreamSynchronize(void* stream);
int cuStreamQuery(void* stream);
int cuStreamWaitEvent(void* stream, void* event, unsigned flags);
int cuEventCreate(void** out, unsigned flags);
int cuEventDestroy_v2(void* event);
int cuEventRecord(void* event, void* stream);
int cuEventQuery(void* event);
int cuEventSynchronize(void* event);
int cuEventElapsedTime(float* out, void* from, void* to);
int cuModuleLoadData(void** out, const void* image);
int cuModuleLoadDataEx(void** out, const void* image, unsigned n, int* options, void** values);
int cuModuleUnload(void* module);
int cuModuleGetFunction(void** out, void* module, const char* name);
int cuModuleGetGlobal_v2(uint64_t* out, size_t* bytes, void* module, const char* name);
int cuFuncGetAttribute(int* out, int attribute, void* function);
int cuFuncSetAttribute(void* function, int attribute, int value);
int cuOccupancyMaxActiveBlocksPerMultiprocessor(int* out, void* function, int block, size_t shared);
int cuLaunchKernel(void* function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                   unsigned shared, void* stream, void** parameters, void** extra);
int cuStreamBeginCapture_v2(void* stream, int mode);
int cuStreamEndCapture(void* stream, void** graph);
int cuStreamIsCapturing(void* stream, int* out);
int cuGraphInstantiateWithFlags(void** out, void* graph, unsigned long long flags);
int cuGraphLaunch(void* exec, void* stream);
int cuGraphExecUpdate_v2(void* exec, void* graph, int* result);
int cuGraphExecDestroy(void* exec);
int cuGraphDestroy(void* graph);
}
