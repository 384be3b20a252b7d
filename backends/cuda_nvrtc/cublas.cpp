#include "backends/cuda_nvrtc/cublas.h"

#include "backends/cuda_nvrtc/device.h"
#include "core/base/text.h"

namespace jt::cuda {

namespace {

const char* name_of(CublasStatus status) {
  switch (status) {
    case 1: return "CUBLAS_STATUS_NOT_INITIALIZED";
    case kCublasAllocFailed: return "CUBLAS_STATUS_ALLOC_FAILED";
    case kCublasInvalidValue: return "CUBLAS_STATUS_INVALID_VALUE";
    case kCublasArchMismatch: return "CUBLAS_STATUS_ARCH_MISMATCH";
    case 11: return "CUBLAS_STATUS_MAPPING_ERROR";
    case 13: return "CUBLAS_STATUS_EXECUTION_FAILED";
    case 14: return "CUBLAS_STATUS_INTERNAL_ERROR";
    case kCublasNotSupported: return "CUBLAS_STATUS_NOT_SUPPORTED";
    case 16: return "CUBLAS_STATUS_LICENSE_ERROR";
    default: return "cuBLAS error";
  }
}
std::string error(const char* what, CublasStatus status) {
  return jt::text(what, ": ", name_of(status), " (", status, ")");
}
// It has done nothing, and another way may do.
bool is_refusal(CublasStatus s) {
  return s == kCublasAllocFailed || s == kCublasInvalidValue || s == kCublasArchMismatch || s == kCublasNotSupported;
}

struct Types {
  int data, compute;
};
std::optional<Types> types_of(DType t, bool uses_tf32) {
  switch (t) {
    case JT_F32: return Types{kCudaF32, uses_tf32 ? kCublasComputeTf32 : kCublasCompute32};
    case JT_F64: return Types{kCudaF64, kCublasCompute64};
    case JT_F16: return Types{kCudaF16, kCublasCompute32};
    case JT_BF16: return Types{kCudaBf16, kCublasCompute32};
    default: return {};
  }
}

}  // namespace

bool may_take(const Gemm& g) {
  for (int64_t extent : {g.m, g.n, g.k, g.batches, g.lda, g.ldb, g.ldc})
    if (extent < 1 || extent > INT32_MAX) return false;
  return types_of(g.dtype, false) && types_of(g.result, false);
}
std::string to_text(const Gemm& g) {
  const char* to = g.result == g.dtype ? " " : " to f32 ";
  std::string out = jt::text("cuBLAS ", name(g.dtype), to, g.m, "x", g.n, "x", g.k);
  return g.batches > 1 ? jt::text(out, ", ", g.batches, " of them") : out;
}

CublasHandle Cublas::handle_of(CuStream stream, std::string& why) {
  std::lock_guard lock(mutex_);
  if (auto found = handles_.find(stream); found != handles_.end()) return found->second;
  const CublasApi& api = library_.api;
  CublasHandle made = nullptr;
  if (CublasStatus s = api.cublasCreate_v2(&made)) return why = error("cublasCreate", s), nullptr;
  // What halves are summed up in stays f32, also where a sum is split.
  CublasStatus status = api.cublasSetMathMode(made, kCublasNoReducedSums);
  if (!status) status = api.cublasSetStream_v2(made, stream);
  if (!status) return handles_[stream] = made;
  api.cublasDestroy_v2(made);
  return why = error("cublasSetStream", status), nullptr;
}

bool Cublas::multiply(Device& device, CuStream stream, const Gemm& g, void* const* pointers, std::string& why) {
  CublasHandle handle = handle_of(stream, why);
  if (!handle) return false;
  Types types = *types_of(g.dtype, uses_tf32_);
  int result = types_of(g.result, false)->data;
  float one = 1, zero = 0;
  double wide_one = 1, wide_zero = 0;
  bool is_wide = types.compute == kCublasCompute64;
  const void *alpha = is_wide ? static_cast<void*>(&wide_one) : &one,
             *beta = is_wide ? static_cast<void*>(&wide_zero) : &zero;
  auto at = [&](int i) { return reinterpret_cast<CuPointer>(pointers[i]); };
  device.note_launch(to_text(g));
  // Its matrices lie by columns: what lies by rows is transposed to it, and C' = B' A'.
  CublasStatus status =
      g.batches == 1
          ? library_.api.cublasGemmEx(handle, g.tb, g.ta, int(g.n), int(g.m), int(g.k), alpha, at(1), types.data,
                                      int(g.ldb), at(0), types.data, int(g.lda), beta, at(2), result, int(g.ldc),
                                      types.compute, kCublasDefaultAlgorithm)
          : library_.api.cublasGemmStridedBatchedEx(
                handle, g.tb, g.ta, int(g.n), int(g.m), int(g.k), alpha, at(1), types.data, int(g.ldb), g.b_step, at(0),
                types.data, int(g.lda), g.a_step, beta, at(2), result, int(g.ldc), g.c_step, int(g.batches),
                types.compute, kCublasDefaultAlgorithm);
  if (is_refusal(status)) return why = error(to_text(g).c_str(), status), false;
  if (status) {
    CuResult of_stream = device.api().cuStreamQuery(stream);
    if (of_stream != kCuNotReady) device.check(of_stream, to_text(g));  // a device that is lost says so
    throw Error(JT_E_DEVICE, "cuda: " + error(to_text(g).c_str(), status), status);
  }
  if (device.waits_for_launches()) device.check(device.api().cuStreamSynchronize(stream), to_text(g));
  return true;
}

void Cublas::drop(CuStream stream) {
  std::lock_guard lock(mutex_);
  auto found = handles_.find(stream);
  if (found == handles_.end()) return;
  library_.api.cublasDestroy_v2(found->second);
  handles_.erase(found);
}
void Cublas::drop_all() {
  std::lock_guard lock(mutex_);
  for (auto& [stream, handle] : handles_) library_.api.cublasDestroy_v2(handle);
  handles_.clear();
}

}  // namespace jt::cuda
