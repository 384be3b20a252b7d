// product_text: products of matrices, and convolutions as such, as CUDA C: tiles in shared memory, sums in registers.
//
// A kernel computes C[m, n] = sum over k of A(m, k) * B(k, n) for each of a batch; where A and B lie is what the kinds
// differ in. Each sum goes over k in order, by fused multiply-adds in f32 or f64, of halves in f32 (16 at a time by
// warps); with several splits, over ranges of k, which a second kernel adds in order. The text depends on the kind, the
// dtype and the tile; extents and strides are arguments.
#pragma once
#include <cstdint>
#include <string>

#include "core/base/dtype.h"

namespace jt::cuda {

enum class ProductKind : uint8_t { matmul, conv2d, conv2d_grad_x, conv2d_grad_w };

struct Tile {
  int m, n;           // of a block of threads
  int rows, columns;  // of a thread; of a warp, where its threads multiply together
  bool by_warp = false;  // matrices of halves by mma.sync, from sm_80 on
  int depth() const { return by_warp ? 32 : 8; }
  int threads() const { return m / rows * (n / columns) * (by_warp ? 32 : 1); }
};

struct ProductText {
  ProductKind kind;
  DType dtype, result;  // of A and B; of C
  Tile tile;
  bool a_along_m, b_along_n;  // which way neighbours lie: along m and n, else along k
};

std::string render_product(const ProductText& text);

// The arguments: 64-bit words, in this order. A quotient is by multiplication: `magic_divisor` of thread_plan.
enum ProductArg : int {
  kArgA,
  kArgB,
  kArgC,
  kArgPartial,
  kArgM,
  kArgN,
  kArgK,
  kArgTilesM,
  kArgTilesN,
  kArgBatches,
  kArgSplits,
  kArgDepth,                // depth: of a split
  kArgStrides,              // matmul: of A along m, k, batch; of B along k, n, batch; of C along m, batch
  kArgImage = kArgStrides,  // convolutions, from here on
  kArgH = kArgImage,
  kArgW,
  kArgChannels,
  kArgOh,
  kArgOw,
  kArgO,
  kArgKh,
  kArgKw,
  kArgStrideH,
  kArgStrideW,
  kArgTop,
  kArgLeft,
  kArgDilationH,
  kArgDilationW,
  kArgGroupChannels,
  kArgGroupO,
  kArgDivPlane,
  kArgDivRow,
  kArgDivInner,
  kArgDivKw,
  kArgDivStrideH,
  kArgDivStrideW,
  kProductArgs
};

}  // namespace jt::cuda
