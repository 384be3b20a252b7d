// library: the CPU backend's hand-written kernels: matrix product, 2-d convolution, 2-d pooling.
//
// In: a shape descriptor, raw pointers, a workspace. Out: the result array, every element of it written exactly
// as the shape says and nothing else touched. Plain functions: no state, no allocation, no exceptions, no threads.
//
// Every function works on a range [begin, end) of *units*, the op's independent pieces; *_units(shape) counts them.
// A thread pool hands out sub-ranges (each running call with a workspace of its own); one thread passes [0, units).
// An element's summation order depends on shape, transposition and ISA, never on how the units were split.
//
// Pointers need the alignment of their element type only. Any extent may be zero. NaN and infinity propagate: no
// term is skipped because a factor is zero. Results must not overlap operands or workspace.
#pragma once
#include <cstddef>
#include <cstdint>

#include "core/base/dtype.h"

namespace jt::library {

using i64 = int64_t;

// Shapes carry `cache_bytes`, the size of the cache that one core has for itself (cache_of_a_core()): blocks follow it.
// It decides about speed and workspace, never about bits.
constexpr i64 kUnknownCache = i64(1) << 20;
i64 cache_of_a_core();  // bytes; asks the CPU, which takes microseconds: once for a device

// C[m,n] = A[m,k] * B[k,n], or += with accumulate, for each of `batch` matrices; k = 0 gives zeros.
// All row-major: row i of A as stored begins at i * lda. transpose_a means that A is stored as [k,m], transpose_b
// that B is stored as [n,k]; C is always [m,n]. A batch stride of 0 broadcasts A or B.
// f32 and f64 are fast. f16 and bf16 are summed in f32 and rounded once; integers wrap; bool is not offered.
struct GemmShape {
  DType dtype = JT_F32;
  i64 m = 0, n = 0, k = 0;
  bool transpose_a = false, transpose_b = false;
  i64 lda = 0, ldb = 0, ldc = 0;
  i64 batch = 1;
  i64 batch_stride_a = 0, batch_stride_b = 0, batch_stride_c = 0;  // in elements
  bool accumulate = false;
  i64 cache_bytes = kUnknownCache;
};

// x[n,h,w,c], w[o,c/groups,kh,kw], y[n,oh,ow,o]: dense, f32 or f64; groups divides c and o.
//   y[n,i,j,o] = sum over c,a,b of
//       x[n, i*stride_h + a*dilation_h - top, j*stride_w + b*dilation_w - left, c] * w[o,c,a,b]
// with x = 0 outside of its extents; times an infinite or NaN factor that zero is NaN or left out. oh and ow follow
// from output_extent.
struct Conv2dShape {
  DType dtype = JT_F32;
  i64 n = 0, c = 0, h = 0, w = 0;
  i64 o = 0, kh = 1, kw = 1;
  i64 stride_h = 1, stride_w = 1;
  i64 dilation_h = 1, dilation_w = 1;
  i64 top = 0, left = 0, bottom = 0, right = 0;  // zeros around x
  i64 groups = 1;
  i64 cache_bytes = kUnknownCache;
};

// x[n,h,w,c] -> y[n,oh,ow,c]: dense, f32 or f64. The padding is below every number for max; for average it is 0 and
// counts as elements of the window only with count_include_pad (what lies beyond bottom and right never counts).
struct Pool2dShape {
  DType dtype = JT_F32;
  i64 n = 0, c = 0, h = 0, w = 0;
  i64 kh = 1, kw = 1;
  i64 stride_h = 1, stride_w = 1;
  i64 dilation_h = 1, dilation_w = 1;  // max only
  i64 top = 0, left = 0, bottom = 0, right = 0;
  bool count_include_pad = true;  // average only
};

// Windows along one axis: floor((extent + before + after - dilation*(window-1) - 1) / stride) + 1, at least 0.
static constexpr i64 output_extent(i64 extent, i64 window, i64 stride, i64 dilation, i64 before, i64 after) {
  i64 room = extent + before + after - dilation * (window - 1) - 1;
  return room < 0 ? 0 : room / stride + 1;
}
template <class Shape>
static constexpr i64 output_height(const Shape& s) {
  return output_extent(s.h, s.kh, s.stride_h, s.dilation_h, s.top, s.bottom);
}
template <class Shape>
static constexpr i64 output_width(const Shape& s) {
  return output_extent(s.w, s.kw, s.stride_w, s.dilation_w, s.left, s.right);
}

enum class Isa { best, generic, avx2, avx512 };

// One instruction set's kernels. *_workspace gives bytes, for one call over any range of units; 0 allows nullptr.
struct LibraryKernels {
  Isa isa;
  const char* name;

  bool (*gemm_offers)(DType dtype);
  size_t (*gemm_workspace)(const GemmShape& shape);
  i64 (*gemm_units)(const GemmShape& shape);
  // packed: what gemm_pack made of b, or null; the same bits.
  void (*gemm)(const GemmShape& shape, const void* a, const void* b, void* c, void* workspace, const void* packed,
               i64 begin, i64 end);
  // Operands that do not change may be packed once: bytes, aligned to 64; 0 where that would be of no use.
  size_t (*gemm_packed_bytes)(const GemmShape& shape);
  void (*gemm_pack)(const GemmShape& shape, const void* b, void* packed);
  // The element of c, which is dense, at which those of a unit begin, where units are stretches of it in order; else
  // -1.
  i64 (*gemm_unit_begin)(const GemmShape& shape, i64 unit);

  // y = conv(x, w)
  size_t (*conv2d_workspace)(const Conv2dShape& shape);
  i64 (*conv2d_units)(const Conv2dShape& shape);
  void (*conv2d)(const Conv2dShape& shape, const void* x, const void* w, void* y, void* workspace, const void* packed,
                 i64 begin, i64 end);
  size_t (*conv2d_packed_bytes)(const Conv2dShape& shape);  // of w; as gemm_packed_bytes
  void (*conv2d_pack)(const Conv2dShape& shape, const void* w, void* packed);
  i64 (*conv2d_unit_begin)(const Conv2dShape& shape, i64 unit);  // of y; as gemm_unit_begin

  // dx = d(sum of y*dy)/dx
  size_t (*conv2d_grad_x_workspace)(const Conv2dShape& shape);
  i64 (*conv2d_grad_x_units)(const Conv2dShape& shape);
  void (*conv2d_grad_x)(const Conv2dShape& shape, const void* dy, const void* w, void* dx, void* workspace, i64 begin,
                        i64 end);

  // dw = d(sum of y*dy)/dw
  size_t (*conv2d_grad_w_workspace)(const Conv2dShape& shape);
  i64 (*conv2d_grad_w_units)(const Conv2dShape& shape);
  void (*conv2d_grad_w)(const Conv2dShape& shape, const void* x, const void* dy, void* dw, void* workspace, i64 begin,
                        i64 end);

  // Pooling: no workspace. index[n,oh,ow,c] is the winner's place in its plane, row*w + column:
  // the first of the largest, or the first NaN; -1, and y = -infinity, where the window holds padding alone.
  i64 (*pool2d_units)(const Pool2dShape& shape);
  void (*max_pool2d)(const Pool2dShape& shape, const void* x, void* y, int32_t* index, i64 begin, i64 end);
  void (*max_pool2d_grad)(const Pool2dShape& shape, const void* dy, const int32_t* index, void* dx, i64 begin, i64 end);
  void (*avg_pool2d)(const Pool2dShape& shape, const void* x, void* y, i64 begin, i64 end);
  void (*avg_pool2d_grad)(const Pool2dShape& shape, const void* dy, void* dx, i64 begin, i64 end);
};

// The kernels for an ISA; nullptr if this build or this CPU lacks it. Isa::best always gives some.
const LibraryKernels* library_kernels(Isa isa = Isa::best);

}  // namespace jt::library
