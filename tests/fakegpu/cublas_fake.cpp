// libcublas_fake.so: the products of matrices of cuBLAS, on the host, in turn with what else is in their stream.
//
// Matrices are stored by columns, as cuBLAS has them. A sum is calculated in f64 and rounded once to the type of the
// result.
#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

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
  bool rounds = false;  // operands, to TF32
};

// The 10 bits of fraction that TF32 keeps, rounded to nearest, to even as hardware may.
double in_tf32(double v) {
  uint32_t bits;
  float single = static_cast<float>(v);
  memcpy(&bits, &single, 4);
  if ((bits & 0x7f800000) != 0x7f800000) bits = (bits + 0xfff + (bits >> 13 & 1)) & ~0x1fffu;
  memcpy(&single, &bits, 4);
  return single;
}

// op(X), by its columns.
std::vector<double> values_of(const Matrix& x, int batch, int rows, int columns, bool rounds) {
  std::vector<double> out(static_cast<size_t>(rows) * columns);
  const int stored_rows = x.transposed ? columns : rows, stored_columns = x.transposed ? rows : columns;
  for (int j = 0; j < stored_columns; ++j) {
    const uint8_t* from = column(x, batch, j, stored_rows, false);
    for (int i = 0; i < stored_rows; ++i) {
      double v = value(from + static_cast<size_t>(i) * size_of(x.type), x.type);
      out[x.transposed ? j + static_cast<size_t>(i) * rows : i + static_cast<size_t>(j) * rows] =
          rounds ? in_tf32(v) : v;
    }
  }
  return out;
}

void run(void* data) {
  const Product& p = *static_cast<Product*>(data);
  std::vector<double> sums(p.m);
  for (int batch = 0; batch < p.batches; ++batch) {
    std::vector<double> a = values_of(p.a, batch, p.m, p.k, p.rounds), b = values_of(p.b, batch, p.k, p.n, p.rounds);
    for (int j = 0; j < p.n; ++j) {
      std::fill(sums.begin(), sums.end(), 0.0);
      for (int i = 0; i < p.k; ++i) {
        const double factor = b[i + static_cast<size_t>(j) * p.k], *from = &a[static_cast<size_t>(i) * p.m];
        for (int r = 0; r < p.m; ++r) sums[r] += from[r] * factor;
      }
      const uint8_t* before = p.beta == 0 ? nullptr : column(p.c, batch, j, p.m, false);
      uint8_t* c = column(p.c, batch, j, p.m, true);
      for (int r = 0; r < p.m; ++r) {
        const size_t at = static_cast<size_t>(r) * size_of(p.c.type);
        set_value(c + at, p.c.type, p.alpha * sums[r] + (before ? p.beta * value(before + at, p.c.type) : 0));
      }
    }
  }
}
void drop(void* data) { delete static_cast<Product*>(data); }

// alpha and beta are of the type that is calculated in.
double scalar(const void* at, int compute) {
  return value(static_cast<const uint8_t*>(at), compute == kCompute64F ? kF64 : compute == kCompute16F ? kF16 : kF32);
}

int enqueue(Handle* handle, Product p, int compute) {
  p.rounds = compute == kComputeFastTf32;
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

// A call made to fail answers with its error.
#define FAKE_CALL(name) \
  if (int error = fakegpu_call(#name)) return error

CUBLAS_API int cublasCreate_v2(Handle** out) {
  FAKE_CALL(cublasCreate_v2);
  *out = new Handle;
  return kSuccess;
}
CUBLAS_API int cublasDestroy_v2(Handle* handle) {
  FAKE_CALL(cublasDestroy_v2);
  delete handle;
  return kSuccess;
}
CUBLAS_API int cublasGetVersion_v2(Handle*, int* out) {
  *out = 130000;
  return kSuccess;
}
CUBLAS_API int cublasSetStream_v2(Handle* handle, void* stream) {
  FAKE_CALL(cublasSetStream_v2);
  handle->stream = stream;
  return kSuccess;
}
CUBLAS_API int cublasSetWorkspace_v2(Handle*, void*, size_t) {
  FAKE_CALL(cublasSetWorkspace_v2);
  return kSuccess;
}
CUBLAS_API int cublasSetMathMode(Handle*, int) {
  FAKE_CALL(cublasSetMathMode);
  return kSuccess;
}
CUBLAS_API int cublasGemmEx(Handle* handle, int op_a, int op_b, int m, int n, int k, const void* alpha, uint64_t a,
                            int a_type, int lda, uint64_t b, int b_type, int ldb, const void* beta, uint64_t c,
                            int c_type, int ldc, int compute, int) {
  FAKE_CALL(cublasGemmEx);
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
  FAKE_CALL(cublasGemmStridedBatchedEx);
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
