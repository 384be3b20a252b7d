// cublas: products of matrices by cuBLAS. It is opened with a device's first product, and has a handle for each stream.
//
// A machine need not have it, and it need not take every product: whoever multiplies has kernels of its own for the
// rest.
#pragma once
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "backends/cuda_nvrtc/toolkit.h"
#include "core/base/dtype.h"

namespace jt::cuda {

class Device;

// C = A B, by rows. A [m,k] has rows that are `lda` elements apart, or is [k,m] if ta; B is [k,n], or [n,k] if tb; C is
// [m,n]. Each of `batches` lies so many elements behind the one before.
struct Gemm {
  DType dtype, result;  // of A and B; of C
  int64_t m, n, k;
  bool ta, tb;
  int64_t lda, ldb, ldc, batches, a_step, b_step, c_step;
};
bool may_take(const Gemm& gemm);
std::string to_text(const Gemm& gemm);

class Cublas {
 public:
  explicit Cublas(CublasLibrary library, bool uses_tf32) : library_(std::move(library)), uses_tf32_(uses_tf32) {}
  Cublas(const Cublas&) = delete;

  // False: it does not take that product, and `why` says so. Throws what a failed one means. The pointers are A, B, C.
  bool multiply(Device& device, CuStream stream, const Gemm& gemm, void* const* pointers, std::string& why);
  // The stream ends, or all do; while the device's context is the thread's.
  void drop(CuStream stream);
  void drop_all();

 private:
  CublasHandle handle_of(CuStream stream, std::string& why);
  const CublasLibrary library_;
  const bool uses_tf32_;
  std::mutex mutex_;
  std::map<CuStream, CublasHandle> handles_;
};

}  // namespace jt::cuda
