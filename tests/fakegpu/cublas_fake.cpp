// libcublas_fake.so: the products of matrices of cuBLAS, on the host, in turn with what else is in their stream.
//
// Matrices are stored by columns, as cuBLAS has them. A sum is calculated in f64 and rounded once to the type of the
// result.
#include <algorithm>
#include <cstring>
#include <memory>
#include <unordered_map>

#include "tests/fakegpu/fakegpu.h"
#include "tests/fakegpu/formats.h"

#define CUBLAS_API extern "C" __attribute__((visibility("default")))

namespace fakegpu {
namespace {

enum Status : int { kSuccess = 0, kNotInitialized = 1, kInvalidValue = 7, kExecutionFailed = 13, kNotSupported = 15 };
enum DataType : int { kF32 = 0, kF64 = 1, kF16 = 2, kBF16 = 14 };
enum ComputeType : int {
  kCompute16F = 64,
  kCompute32F = 68,
  kCompute64F = 70,
  kComputeFast16F = 74,
  kComputeFastBF16 = 75,
  kComputeFastTf32 = 77
};

struct Handle { void* stream = nullptr; };

int size_of(int type) { return type == kF64 ? 8 : type == kF32 ? 4 : 2; }
bool is_known(int type) { return type == kF32 || type == kF64 || type == kF16 || type == kBF16; }

double value(const uint8_t* at, int type) {
  uint16_t half;
  float single;
  double wide;
  switch (type) {
    case kF32: memcpy(&single, at, 4); return single;
    case kF64: memcpy(&wide, at, 8); return wide;
    default: memcpy(&half, at, 2); return type == kF16 ? from_half(half) : from_bfloat(half);
  }
}
void set_value(uint8_t* at, int type, double v) {
  float single = static_cast<float>(v);
  uint16_t half = type == kF16 ? to_half(v) : to_bfloat(v);
  if (type == kF64) memcpy(at, &v, 8);
  else if (type == kF32) memcpy(at, &single, 4);
  else memcpy(at, &half, 2);
}

struct Matrix { uint64_t at; int type, stride; long long batch_stride; bool transposed; };

// Bytes of one column of a matrix that is stored with `rows` rows.
uint8_t* column(const Matrix& m, int batch, int column_number, int rows, bool writes) {
  uint64_t at = m.at + (batch * m.batch_stride + static_cast<uint64_t>(column_number) * m.stride) * size_of(m.type);
  return static_cast<uint8_t*>(fakegpu_bytes(at, static_cast<uint64_t>(rows) * size_of(m.type), writes));
}

struct Product {
  Matrix a, b, c;
  int m, n, k, batches;
  double alpha, beta;
};

// Element (row, i) of op(X), whose columns as stored have been looked up.
double element(const Matrix& x, const std::unique_ptr<const uint8_t*[]>& columns, int row, int i) {
  return value(x.transposed ? columns[row] + static_cast<size_t>(i) * size_of(x.type)
                            : columns[i] + static_cast<size_t>(row) * size_of(x.type),
               x.type);
}
std::unique_ptr<const uint8_t*[]> columns_of(const Matrix& x, int batch, int rows, int columns) {
  if (x.transposed) std::swap(rows, columns);
  auto list = std::make_unique<const uint8_t*[]>(columns);
  for (int j = 0; j < columns; ++j) list[j] = column(x, batch, j, rows, false);
  return list;
}

void run(void* data) {
  const Product& p = *static_cast<Product*>(data);
  for (int batch = 0; batch < p.batches; ++batch) {
    auto a = columns_of(p.a, batch, p.m, p.k), b = columns_of(p.b, batch, p.k, p.n);
    for (int j = 0; j < p.n; ++j) {
      const uint8_t* before = p.beta == 0 ? nullptr : column(p.c, batch, j, p.m, false);
      uint8_t* c = column(p.c, batch, j, p.m, true);
      for (int r = 0; r < p.m; ++r) {
        double sum = 0;
        for (int i = 0; i < p.k; ++i) sum += element(p.a, a, r, i) * element(p.b, b, i, j);
        const size_t at = static_cast<size_t>(r) * size_of(p.c.type);
        set_value(c + at, p.c.type, p.alpha * sum + (before ? p.beta * value(before + at, p.c.type) : 0));
      }
    }
  }
}
void drop(void* data) { delete static_cast<Product*>(data); }

// alpha and beta are of the type that is calculated in.
double scalar(const void* at, int compute) {
  return value(static_cast<const uint8_t*>(at), compute == kCompute64F ? kF64 : compute == kCompute16F ? kF16 : kF32);
}

int enqueue(Handle* handle, const Product& p, int compute) {
  if (!handle) return kNotInitialized;
  bool known = is_known(p.a.type) && is_known(p.b.type) && is_known(p.c.type) &&
               (compute == kCompute16F || compute == kCompute32F || compute == kCompute64F ||
                compute == kComputeFast16F || compute == kComputeFastBF16 || compute == kComputeFastTf32);
  if (!known || p.a.type != p.b.type) return kNotSupported;
  bool fits = p.m >= 0 && p.n >= 0 && p.k >= 0 && p.batches >= 0 &&
              p.a.stride >= std::max(1, p.a.transposed ? p.k : p.m) &&
              p.b.stride >= std::max(1, p.b.transposed ? p.n : p.k) && p.c.stride >= std::max(1, p.m);
  if (!fits) return kInvalidValue;
  if (!p.m || !p.n || !p.batches) return kSuccess;
  return fakegpu_enqueue(handle->stream, "product of matrices", run, drop, new Product(p)) ? kExecutionFailed
                                                                                           : kSuccess;
}

}  // namespace
}  // namespace fakegpu

using namespace fakegpu;

CUBLAS_API int cublasCreate_v2(Handle** out) {
  *out = new Handle;
  return kSuccess;
}
CUBLAS_API int cublasDestroy_v2(Handle* handle) {
  delete handle;
  return kSuccess;
}
CUBLAS_API int cublasGetVersion_v2(Handle*, int* out) {
  *out = 130000;
  return kSuccess;
}
CUBLAS_API int cublasSetStream_v2(Handle* handle, void* stream) {
  handle->stream = stream;
  return kSuccess;
}
CUBLAS_API int cublasSetWorkspace_v2(Handle*, void*, size_t) { return kSuccess; }
CUBLAS_API int cublasSetMathMode(Handle*, int) { return kSuccess; }
CUBLAS_API int cublasGemmEx(Handle* handle, int op_a, int op_b, int m, int n, int k, const void* alpha, uint64_t a,
                            int a_type, int lda, uint64_t b, int b_type, int ldb, const void* beta, uint64_t c,
                            int c_type, int ldc, int compute, int) {
  return enqueue(handle,
                 {{a, a_type, lda, 0, op_a != 0},
                  {b, b_type, ldb, 0, op_b != 0},
                  {c, c_type, ldc, 0, false},
                  m,
                  n,
                  k,
                  1,
                  scalar(alpha, compute),
                  scalar(beta, compute)},
                 compute);
}
CUBLAS_API int cublasGemmStridedBatchedEx(Handle* handle, int op_a, int op_b, int m, int n, int k, const void* alpha,
                                          uint64_t a, int a_type, int lda, long long stride_a, uint64_t b, int b_type,
                                          int ldb, long long stride_b, const void* beta, uint64_t c, int c_type,
                                          int ldc, long long stride_c, int batches, int compute, int) {
  return enqueue(handle,
                 {{a, a_type, lda, stride_a, op_a != 0},
                  {b, b_type, ldb, stride_b, op_b != 0},
                  {c, c_type, ldc, stride_c, false},
                  m,
                  n,
                  k,
                  batches,
                  scalar(alpha, compute),
                  scalar(beta, compute)},
                 compute);
}
