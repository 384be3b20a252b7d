#include <algorithm>

#include "backends/cuda_nvrtc/library_ops.h"
#include "backends/cuda_nvrtc/module.h"
#include "core/base/text.h"
#include "core/render/file_text.h"
#include "core/render/thread_plan.h"

namespace jt::cuda {

namespace {

// Images [n,h,w,c]; a thread has an element of the result. Windows of padding alone have the index -1.
constexpr const char* kArguments =
    R"(FN unsigned jt_quotient(unsigned n, u64 magic) { return (__umulhi(n, (unsigned)magic) + n) >> (unsigned)(magic >> 32); }
struct jt_arguments {
  const void *in, *also_in;
  void *out, *also_out;
  i64 n, c, h, w, kh, kw, stride_h, stride_w, top, left, oh, ow, count;
  u64 div_c, div_row, div_plane, div_w;
};
struct Place { int image, y, x, channel; };
FN Place place_of(const jt_arguments &A, unsigned at, int height, int width) {
  Place p;
  const unsigned pixel = jt_quotient(at, A.div_c), image = jt_quotient(pixel, A.div_plane),
      rest = pixel - image * (unsigned)(height * width);
  const unsigned y = jt_quotient(rest, A.div_row);
  p.channel = (int)(at - pixel * (unsigned)A.c), p.image = (int)image, p.y = (int)y, p.x = (int)(rest - y * (unsigned)width);
  return p;
}
#define KERNEL(name) extern "C" __global__ void __launch_bounds__(256) name(const struct jt_arguments A)
#define OPEN const unsigned at = blockIdx.x * 256u + threadIdx.x; if (at >= A.count) return;
)";

constexpr const char* kMax = R"(KERNEL(jt_pool) {
  OPEN
  const Place p = place_of(A, at, (int)A.oh, (int)A.ow);
  T best = -JT_INF;
  int winner = -1;
  for (int k = 0; k < A.kh; k++)
    for (int l = 0; l < A.kw; l++) {
      const int y = p.y * (int)A.stride_h - (int)A.top + k, x = p.x * (int)A.stride_w - (int)A.left + l;
      if ((unsigned)y >= (unsigned)A.h || (unsigned)x >= (unsigned)A.w) continue;
      const T v = ((const T *)A.in)[((p.image * A.h + y) * A.w + x) * A.c + p.channel];
      if (winner < 0 || v > best || (v != v && best == best)) best = v, winner = y * (int)A.w + x;
    }
  ((T *)A.out)[at] = best;
  ((int *)A.also_out)[at] = winner;
}
)";

constexpr const char* kAverage = R"(KERNEL(jt_pool) {
  OPEN
  const Place p = place_of(A, at, (int)A.oh, (int)A.ow);
  T sum = 0;
  for (int k = 0; k < A.kh; k++)
    for (int l = 0; l < A.kw; l++) {
      const int y = p.y * (int)A.stride_h - (int)A.top + k, x = p.x * (int)A.stride_w - (int)A.left + l;
      if ((unsigned)y >= (unsigned)A.h || (unsigned)x >= (unsigned)A.w) continue;
      sum += ((const T *)A.in)[((p.image * A.h + y) * A.w + x) * A.c + p.channel];
    }
  ((T *)A.out)[at] = sum / (T)(A.kh * A.kw);
}
)";

// An element of dx asks the windows that hold it, in order. A winner may lie anywhere in the plane: its window's own
// offset decides nothing.
constexpr const char* kGradOpen = R"(KERNEL(jt_pool) {
  OPEN
  const Place p = place_of(A, at, (int)A.h, (int)A.w);
  const int y = p.y + (int)A.top, x = p.x + (int)A.left;
  // The first and last windows that begin at or before, and end behind, this place.
  int y0 = y - (int)A.kh + (int)A.stride_h, x0 = x - (int)A.kw + (int)A.stride_w;
  y0 = y0 < 0 ? 0 : y0 / (int)A.stride_h, x0 = x0 < 0 ? 0 : x0 / (int)A.stride_w;
  int y1 = y / (int)A.stride_h + 1, x1 = x / (int)A.stride_w + 1;
  y1 = y1 < A.oh ? y1 : (int)A.oh, x1 = x1 < A.ow ? x1 : (int)A.ow;
  T sum = 0;
  for (int i = y0; i < y1; i++)
    for (int j = x0; j < x1; j++) {
      const i64 from = ((p.image * A.oh + i) * A.ow + j) * A.c + p.channel;
)";
constexpr const char* kMaxGrad =
    R"(      if (((const int *)A.also_in)[from] == p.y * (int)A.w + p.x) sum += ((const T *)A.in)[from];
    }
  ((T *)A.out)[at] = sum;
}
)";
constexpr const char* kAverageGrad = R"(      sum += ((const T *)A.in)[from];
    }
  ((T *)A.out)[at] = sum / (T)(A.kh * A.kw);
}
)";

std::string render_pool(std::string_view name, DType t) {
  loops::FileText file(cuda_dialect(), nullptr);
  std::string out = file.head() + text("typedef ", file.memory_type(t), " T;\n") + kArguments;
  if (name == "max_pool2d") return out + kMax;
  if (name == "avg_pool2d") return out + kAverage;
  return out + kGradOpen + (name == "max_pool2d_grad" ? kMaxGrad : kAverageGrad);
}

class Pool final : public LibraryOp {
 public:
  Pool(Device& device, std::string_view name, std::span<const int64_t> p) : has_index_(name.starts_with("max")),
      is_grad_(name.ends_with("grad")) {
    int64_t n = p[1], c = p[2], h = p[3], w = p[4], kh = p[5], kw = p[6], stride_h = p[7], stride_w = p[8];
    if (!stride_h || !stride_w) fail(JT_E_INVALID, "cuda: ", name, ": a stride of 0");
    int64_t oh = std::max<int64_t>((h + p[9] + p[11] - kh + stride_h) / stride_h, 0),
        ow = std::max<int64_t>((w + p[10] + p[12] - kw + stride_w) / stride_w, 0);
    int64_t height = is_grad_ ? h : oh, width = is_grad_ ? w : ow;
    count_ = n * c * height * width;
    constexpr int64_t kMost = int64_t(1) << 30;
    for (int64_t x : {count_, n * c * h * w, n * c * oh * ow})
      if (x > kMost) fail(JT_E_UNSUPPORTED, "cuda: ", name, " of ", x, " elements, more than ", kMost);
    args_ = {0, 0, 0, 0};
    for (int64_t x : {n, c, h, w, kh, kw, stride_h, stride_w, p[9], p[10], oh, ow, count_})
      args_.push_back(uint64_t(x));
    for (int64_t x : {c, width, height * width, w}) args_.push_back(magic_divisor(x));
    if (count_) module_ = device.module_of(render_pool(name, DType(p[0])));
  }
  void run(CuStream stream, void* const* pointers, CuPointer) override {
    if (!module_) return;
    std::vector<uint64_t> args = args_;
    auto put = [&](int at, int pointer) { args[size_t(at)] = reinterpret_cast<uint64_t>(pointers[pointer]); };
    put(0, 0);
    if (!has_index_) put(2, 1);
    else if (is_grad_) put(1, 1), put(2, 2);
    else put(2, 1), put(3, 2);
    module_->launch("jt_pool", (count_ + 255) / 256, 256, stream, args);
  }

 private:
  const bool has_index_, is_grad_;
  int64_t count_ = 0;
  std::vector<uint64_t> args_;
  std::shared_ptr<SharedModule> module_;
};

}  // namespace

std::unique_ptr<LibraryOp> make_pool(Device& device, std::string_view name, std::span<const int64_t> params) {
  return std::make_unique<Pool>(device, name, params);
}

}  // namespace jt::cuda
