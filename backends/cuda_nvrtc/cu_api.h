// cu_api: the functions of the CUDA driver, NVRTC and cuBLAS that are called, as jt declares them: no header of CUDA
// builds it.
//
// X(name, parameters) for each function; a table (CuDriver, Nvrtc) has a pointer of that name for it. The driver's
// names carry the version of their parameters (_v2), under which every driver since CUDA 11 exports them.
#pragma once
#include <cstddef>
#include <cstdint>

namespace jt::cuda {

using CuResult = int;
using CuDevice = int;
using CuPointer = unsigned long long;
using CuContext = struct CuContextOfDriver*;
using CuModule = struct CuModuleOfDriver*;
using CuFunction = struct CuFunctionOfDriver*;
using CuStream = struct CuStreamOfDriver*;
using CuEvent = struct CuEventOfDriver*;
struct CuUuid { char bytes[16]; };

#define JT_CU_REQUIRED(X)                                                                                        \
  X(cuInit, (unsigned flags))                                                                                    \
  X(cuDriverGetVersion, (int* out))                                                                              \
  X(cuGetErrorName, (CuResult error, const char** out))                                                          \
  X(cuGetErrorString, (CuResult error, const char** out))                                                        \
  X(cuDeviceGetCount, (int* out))                                                                                \
  X(cuDeviceGet, (CuDevice * out, int ordinal))                                                                  \
  X(cuDeviceGetName, (char* out, int room, CuDevice device))                                                     \
  X(cuDeviceGetAttribute, (int* out, int attribute, CuDevice device))                                            \
  X(cuDeviceTotalMem_v2, (size_t* out, CuDevice device))                                                         \
  X(cuDevicePrimaryCtxRetain, (CuContext * out, CuDevice device))                                                \
  X(cuDevicePrimaryCtxRelease_v2, (CuDevice device))                                                             \
  X(cuCtxSetCurrent, (CuContext context))                                                                        \
  X(cuCtxGetCurrent, (CuContext * out))                                                                          \
  X(cuCtxSynchronize, (void))                                                                                    \
  X(cuMemGetInfo_v2, (size_t* free, size_t* total))                                                              \
  X(cuMemAlloc_v2, (CuPointer * out, size_t bytes))                                                              \
  X(cuMemFree_v2, (CuPointer at))                                                                                \
  X(cuMemHostAlloc, (void** out, size_t bytes, unsigned flags))                                                  \
  X(cuMemFreeHost, (void* at))                                                                                   \
  X(cuMemcpyHtoDAsync_v2, (CuPointer to, const void* from, size_t bytes, CuStream stream))                       \
  X(cuMemcpyDtoHAsync_v2, (void* to, CuPointer from, size_t bytes, CuStream stream))                             \
  X(cuMemcpyDtoDAsync_v2, (CuPointer to, CuPointer from, size_t bytes, CuStream stream))                         \
  X(cuMemsetD8Async, (CuPointer to, unsigned char value, size_t count, CuStream stream))                         \
  X(cuMemsetD16Async, (CuPointer to, unsigned short value, size_t count, CuStream stream))                       \
  X(cuMemsetD32Async, (CuPointer to, unsigned value, size_t count, CuStream stream))                             \
  X(cuStreamCreate, (CuStream * out, unsigned flags))                                                            \
  X(cuStreamDestroy_v2, (CuStream stream))                                                                       \
  X(cuStreamSynchronize, (CuStream stream))                                                                      \
  X(cuStreamQuery, (CuStream stream))                                                                            \
  X(cuStreamWaitEvent, (CuStream stream, CuEvent event, unsigned flags))                                         \
  X(cuEventCreate, (CuEvent * out, unsigned flags))                                                              \
  X(cuEventDestroy_v2, (CuEvent event))                                                                          \
  X(cuEventRecord, (CuEvent event, CuStream stream))                                                             \
  X(cuEventQuery, (CuEvent event))                                                                               \
  X(cuEventSynchronize, (CuEvent event))                                                                         \
  X(cuModuleLoadDataEx, (CuModule * out, const void* image, unsigned n, int* options, void** values))            \
  X(cuModuleUnload, (CuModule module))                                                                           \
  X(cuModuleGetFunction, (CuFunction * out, CuModule module, const char* name))                                  \
  X(cuFuncGetAttribute, (int* out, int attribute, CuFunction function))                                          \
  X(cuFuncSetAttribute, (CuFunction function, int attribute, int value))                                         \
  X(cuLaunchKernel,                                                                                              \
    (CuFunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y, \
     unsigned block_z, unsigned shared_bytes, CuStream stream, void** parameters, void** extra))

// What is missing is done without.
#define JT_CU_OPTIONAL(X) \
  X(cuDeviceGetUuid_v2, (CuUuid* out, CuDevice device)) \
  X(cuEventElapsedTime, (float* out_ms, CuEvent from, CuEvent to)) \
  X(cuOccupancyMaxActiveBlocksPerMultiprocessor, (int* out, CuFunction function, int block, size_t shared_bytes)) \
  X(cuPointerGetAttribute, (void* out, int attribute, CuPointer at))

struct CuDriver {
#define JT_CU_FIELD(name, parameters) CuResult (*name) parameters = nullptr;
  JT_CU_REQUIRED(JT_CU_FIELD)
  JT_CU_OPTIONAL(JT_CU_FIELD)
#undef JT_CU_FIELD
};

// Results that are told apart.
enum : CuResult {
  kCuSuccess = 0,
  kCuInvalidValue = 1,
  kCuOutOfMemory = 2,
  kCuNotInitialized = 3,
  kCuDeinitialized = 4,
  kCuStubLibrary = 34,
  kCuNoDevice = 100,
  kCuInvalidImage = 200,
  kCuNoBinaryForGpu = 209,
  kCuInvalidPtx = 218,
  kCuUnsupportedPtxVersion = 222,
  kCuNotReady = 600,
  kCuUnknown = 999,
};
// Attributes of a device, and of a function.
enum : int {
  kCuMaxGridX = 5,
  kCuMultiprocessors = 16,
  kCuCapabilityMajor = 75,
  kCuCapabilityMinor = 76,
  kCuMaxSharedOptin = 97,
  kCuFunctionMaxDynamicShared = 8,
};
enum : unsigned { kCuStreamNonBlocking = 1, kCuEventDefault = 0 };

using NvrtcResult = int;
using NvrtcProgram = struct NvrtcProgramOfNvrtc*;
enum : NvrtcResult {
  kNvrtcSuccess = 0,
  kNvrtcOutOfMemory = 1,
  kNvrtcInvalidOption = 5,
  kNvrtcCompilation = 6,
  kNvrtcBuiltins = 7
};

#define JT_NVRTC_REQUIRED(X)                                                                  \
  X(nvrtcVersion, (int* major, int* minor))                                                   \
  X(nvrtcGetNumSupportedArchs, (int* out))                                                    \
  X(nvrtcGetSupportedArchs, (int* out))                                                       \
  X(nvrtcCreateProgram, (NvrtcProgram * out, const char* text, const char* name, int headers, \
                         const char* const* contents, const char* const* names))              \
  X(nvrtcCompileProgram, (NvrtcProgram program, int n, const char* const* options))           \
  X(nvrtcDestroyProgram, (NvrtcProgram * program))                                            \
  X(nvrtcGetProgramLogSize, (NvrtcProgram program, size_t* out))                              \
  X(nvrtcGetProgramLog, (NvrtcProgram program, char* out))                                    \
  X(nvrtcGetCUBINSize, (NvrtcProgram program, size_t* out))                                   \
  X(nvrtcGetCUBIN, (NvrtcProgram program, char* out))                                         \
  X(nvrtcGetPTXSize, (NvrtcProgram program, size_t* out))                                     \
  X(nvrtcGetPTX, (NvrtcProgram program, char* out))

struct Nvrtc {
#define JT_NVRTC_FIELD(name, parameters) NvrtcResult (*name) parameters = nullptr;
  JT_NVRTC_REQUIRED(JT_NVRTC_FIELD)
#undef JT_NVRTC_FIELD
};

using CublasStatus = int;
using CublasHandle = struct CublasContextOfCublas*;
enum : CublasStatus {
  kCublasSuccess = 0,
  kCublasAllocFailed = 3,
  kCublasInvalidValue = 7,
  kCublasArchMismatch = 8,
  kCublasNotSupported = 15,
};
enum : int {
  kCudaF32 = 0,
  kCudaF64 = 1,
  kCudaF16 = 2,
  kCudaBf16 = 14,
  kCublasCompute32 = 68,
  kCublasCompute64 = 70,
  kCublasComputeTf32 = 77,
  kCublasNoReducedSums = 16,  // CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION
  kCublasDefaultAlgorithm = -1,
};

#define JT_CUBLAS_REQUIRED(X) \
  X(cublasCreate_v2, (CublasHandle* out)) \
  X(cublasDestroy_v2, (CublasHandle handle)) \
  X(cublasSetStream_v2, (CublasHandle handle, CuStream stream)) \
  X(cublasSetMathMode, (CublasHandle handle, int mode)) \
  X(cublasGemmEx, (CublasHandle handle, int op_a, int op_b, int m, int n, int k, const void* alpha, CuPointer a, \
                   int a_type, int lda, CuPointer b, int b_type, int ldb, const void* beta, CuPointer c, int c_type, \
                   int ldc, int compute, int algorithm)) \
  X(cublasGemmStridedBatchedEx, (CublasHandle handle, int op_a, int op_b, int m, int n, int k, const void* alpha, \
                                 CuPointer a, int a_type, int lda, long long a_step, CuPointer b, int b_type, int ldb, \
                                 long long b_step, const void* beta, CuPointer c, int c_type, int ldc, \
                                 long long c_step, int batches, int compute, int algorithm))

struct CublasApi {
#define JT_CUBLAS_FIELD(name, parameters) CublasStatus (*name) parameters = nullptr;
  JT_CUBLAS_REQUIRED(JT_CUBLAS_FIELD)
#undef JT_CUBLAS_FIELD
};

}  // namespace jt::cuda
