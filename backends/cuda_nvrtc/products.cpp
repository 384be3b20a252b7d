#include <algorithm>

#include "backends/cuda_nvrtc/library_ops.h"
#include "backends/cuda_nvrtc/module.h"
#include "backends/cuda_nvrtc/product_text.h"
#include "core/base/text.h"
#include "core/render/thread_plan.h"

namespace jt::cuda {

namespace {

constexpr int64_t kMostSplits = 64;
constexpr size_t kMatmulParams = 13;
constexpr int64_t kMostIndex = int64_t(1) << 30;  // of m, n and k: texts count them in 32 bits, and a step beyond

// The largest tile of which there are enough to fill the device; else the smallest. Doubles take twice the registers.
Tile tile_for(int64_t m, int64_t n, int64_t batches, DType dtype, bool by_warp, int processors) {
  constexpr Tile kTiles[] = {
      {128, 128, 64, 32, true}, {64, 64, 32, 32, true}, {128, 128, 8, 8}, {64, 64, 4, 4}, {32, 32, 2, 2}};
  for (const Tile& t : kTiles) {
    if (t.by_warp != by_warp || (t.rows == 8 && size_of(dtype) == 8)) continue;
    int64_t blocks = (m + t.m - 1) / t.m * ((n + t.n - 1) / t.n) * batches;
    if (blocks >= processors) return t;
  }
  return by_warp ? kTiles[1] : kTiles[4];
}

// Of the operands: what a matmul has beside its result's, if it is another.
DType read_dtype(ProductKind kind, std::span<const int64_t> p) {
  return DType(kind == ProductKind::matmul && p.size() > kMatmulParams ? p[kMatmulParams] : p[0]);
}

// As a product of matrices that lie in rows; a convolution is one where it has one tap, and meets each element once.
std::optional<Gemm> gemm_of(ProductKind kind, std::span<const int64_t> p) {
  DType t = DType(p[0]);
  if (kind == ProductKind::matmul) {
    bool ta = p[4], tb = p[5];
    return Gemm{read_dtype(kind, p), t, p[1], p[2], p[3], ta, tb, p[6], p[7], p[8], p[9], p[10], p[11], p[12]};
  }
  constexpr int64_t kOneTap[] = {1, 1, 1, 1, 0, 0, 0, 0};  // its extents, strides and padding
  if (!std::ranges::equal(p.subspan(6, 8), kOneTap) || !p[16]) return {};
  int64_t pixels = p[1] * p[3] * p[4], c = p[2], o = p[5], groups = p[16], gc = c / groups, go = o / groups;
  switch (kind) {
    case ProductKind::conv2d: return Gemm{t, t, pixels, go, gc, false, true, c, gc, o, groups, gc, go * gc, go};
    case ProductKind::conv2d_grad_x: return Gemm{t, t, pixels, gc, go, false, false, o, gc, c, groups, go, go * gc, gc};
    default: return Gemm{t, t, go, gc, pixels, true, false, o, c, gc, groups, go, gc, go * gc};
  }
}

class Product final : public LibraryOp {
 public:
  Product(Device& device, ProductKind kind, std::span<const int64_t> p) : device_(device), kind_(kind),
      dtype_(read_dtype(kind, p)), result_(DType(p[0])), args_(kProductArgs) {
    if (kind == ProductKind::matmul) read_matmul(p);
    else read_conv(p);
    for (int64_t extent : {m_, n_, k_})
      if (extent > kMostIndex)
        fail(JT_E_UNSUPPORTED, "cuda: a product with an extent of ", extent, ", more than ", kMostIndex);
    if (is_empty()) return;
    gemm_ = gemm_of(kind, p);
    by_cublas_ = gemm_ && may_take(*gemm_) && device.cublas();
    if (!by_cublas_) make_kernels(kMostSplits);
  }

  size_t workspace_bytes() const override {
    size_t sum = size_of(dtype_) == 8 ? 8 : 4;
    return splits_ > 1 ? size_t(batches_ * splits_ * m_ * n_) * sum : 0;
  }

  void run(CuStream stream, void* const* pointers, CuPointer workspace) override {
    if (is_empty() || (by_cublas_ && is_done_by_cublas(stream, pointers))) return;
    std::vector<uint64_t> args = args_;
    for (int i = 0; i < 3; i++) args[size_t(kArgA + i)] = reinterpret_cast<uint64_t>(pointers[i]);
    args[kArgPartial] = workspace;
    module_->launch("jt_product", tiles_ * splits_ * batches_, tile_.threads(), stream, args);
    if (splits_ > 1) module_->launch("jt_add_splits", (m_ * n_ * batches_ + 255) / 256, 256, stream, args);
  }

 private:
  bool is_empty() const { return !m_ || !n_ || !batches_; }
  void set(ProductArg arg, int64_t value) { args_[arg] = uint64_t(value); }

  // What it refuses once has kernels from then on. There is no room for parts of sums then.
  bool is_done_by_cublas(CuStream stream, void* const* pointers) {
    std::string why;
    if (device_.cublas()->multiply(device_, stream, *gemm_, pointers, why)) return true;
    std::lock_guard lock(mutex_);
    if (!by_cublas_) return false;
    device_.warn(why + "; the product has a kernel of its own");
    make_kernels(1);
    by_cublas_ = false;
    return false;
  }

  void make_kernels(int64_t most_splits) {
    choose_tile(most_splits);
    module_ = device_.module_of(render_product({kind_, dtype_, result_, tile_, a_along_m_, b_along_n_}));
  }

  void read_matmul(std::span<const int64_t> p) {
    bool ta = p[4], tb = p[5];
    int64_t lda = p[6], ldb = p[7];
    m_ = p[1], n_ = p[2], k_ = p[3], batches_ = p[9];
    a_along_m_ = ta, b_along_n_ = !tb;
    int64_t strides[] = {ta ? 1 : lda, ta ? lda : 1, p[10], tb ? 1 : ldb, tb ? ldb : 1, p[11], p[8], p[12]};
    for (size_t i = 0; i < std::size(strides); i++) args_[kArgStrides + i] = uint64_t(strides[i]);
  }

  void read_conv(std::span<const int64_t> p) {
    int64_t n = p[1], c = p[2], h = p[3], w = p[4], o = p[5], kh = p[6], kw = p[7], stride_h = p[8], stride_w = p[9];
    int64_t dilation_h = p[14], dilation_w = p[15], groups = p[16];
    if (!stride_h || !stride_w || !groups) fail(JT_E_INVALID, "cuda: a convolution with a stride or groups of 0");
    int64_t oh = std::max<int64_t>((h + p[10] + p[12] - dilation_h * (kh - 1) - 1 + stride_h) / stride_h, 0);
    int64_t ow = std::max<int64_t>((w + p[11] + p[13] - dilation_w * (kw - 1) - 1 + stride_w) / stride_w, 0);
    int64_t group_c = c / groups, group_o = o / groups, taps = kh * kw;
    batches_ = groups;
    bool is_grad_x = kind_ == ProductKind::conv2d_grad_x, is_grad_w = kind_ == ProductKind::conv2d_grad_w;
    if (is_grad_x) m_ = n * h * w, n_ = group_c, k_ = taps * group_o;
    else if (is_grad_w) m_ = group_o, n_ = taps * group_c, k_ = n * oh * ow;
    else m_ = n * oh * ow, n_ = group_o, k_ = taps * group_c;
    a_along_m_ = b_along_n_ = is_grad_w;
    const std::pair<ProductArg, int64_t> facts[] = {{kArgH, h},
                                                    {kArgW, w},
                                                    {kArgChannels, c},
                                                    {kArgOh, oh},
                                                    {kArgOw, ow},
                                                    {kArgO, o},
                                                    {kArgKh, kh},
                                                    {kArgKw, kw},
                                                    {kArgStrideH, stride_h},
                                                    {kArgStrideW, stride_w},
                                                    {kArgTop, p[10]},
                                                    {kArgLeft, p[11]},
                                                    {kArgDilationH, dilation_h},
                                                    {kArgDilationW, dilation_w},
                                                    {kArgGroupChannels, group_c},
                                                    {kArgGroupO, group_o}};
    for (auto [arg, value] : facts) {
      if (value > kMostIndex)
        fail(JT_E_UNSUPPORTED, "cuda: a convolution with an extent of ", value, ", more than ", kMostIndex);
      set(arg, value);
    }
    args_[kArgDivPlane] = magic_divisor(is_grad_x ? h * w : oh * ow),
    args_[kArgDivRow] = magic_divisor(is_grad_x ? w : ow);
    args_[kArgDivInner] = magic_divisor(is_grad_x ? group_o : group_c), args_[kArgDivKw] = magic_divisor(kw);
    args_[kArgDivStrideH] = magic_divisor(stride_h), args_[kArgDivStrideW] = magic_divisor(stride_w);
  }

  void choose_tile(int64_t most_splits) {
    constexpr int kFirstArch = 80;  // with products of halves by warps
    bool by_warp =
        kind_ == ProductKind::matmul && (dtype_ == JT_F16 || dtype_ == JT_BF16) && device_.target().arch >= kFirstArch;
    tile_ = tile_for(m_, n_, batches_, dtype_, by_warp, device_.processors());
    int64_t tiles_m = (m_ + tile_.m - 1) / tile_.m, tiles_n = (n_ + tile_.n - 1) / tile_.n;
    tiles_ = tiles_m * tiles_n;
    // Few tiles of long sums: the sums are split.
    constexpr int64_t kLeastDepth = 256;
    int64_t wanted = 2 * device_.processors() / std::max<int64_t>(tiles_ * batches_, 1);
    splits_ = std::clamp<int64_t>(std::min(wanted, k_ / kLeastDepth), 1, most_splits);
    int64_t depth = std::max<int64_t>((k_ + splits_ - 1) / splits_, 1);
    depth = (depth + tile_.depth() - 1) / tile_.depth() * tile_.depth();
    splits_ = std::max<int64_t>((k_ + depth - 1) / depth, 1);
    set(kArgM, m_), set(kArgN, n_), set(kArgK, k_), set(kArgTilesM, tiles_m), set(kArgTilesN, tiles_n);
    set(kArgBatches, batches_), set(kArgSplits, splits_), set(kArgDepth, depth);
  }

  Device& device_;
  const ProductKind kind_;
  const DType dtype_, result_;  // of the operands, and of the result
  int64_t m_ = 0, n_ = 0, k_ = 0, batches_ = 1, tiles_ = 0, splits_ = 1;
  bool a_along_m_ = false, b_along_n_ = false;
  Tile tile_{};
  std::vector<uint64_t> args_;
  std::shared_ptr<SharedModule> module_;  // once cuBLAS does not take it
  std::optional<Gemm> gemm_;
  std::atomic<bool> by_cublas_{false};
  std::mutex mutex_;  // of giving cuBLAS up
};

}  // namespace

std::unique_ptr<LibraryOp> make_product(Device& device, std::string_view name, std::span<const int64_t> params) {
  ProductKind kind = name == "matmul"          ? ProductKind::matmul
                     : name == "conv2d"        ? ProductKind::conv2d
                     : name == "conv2d_grad_x" ? ProductKind::conv2d_grad_x
                                               : ProductKind::conv2d_grad_w;
  return std::make_unique<Product>(device, kind, params);
}

}  // namespace jt::cuda
