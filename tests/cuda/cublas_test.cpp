// Products by cuBLAS, on the library that stands for it: what it is asked, what it refuses, every call of it made to
// fail, and what happens where it is missing. Products are of small integers, so every order of summation is exact.
#include "tests/cuda/both_devices.h"

#include <dlfcn.h>

#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "tests/fakegpu/fakegpu.h"

using namespace jt::test;

namespace {

const char* variable(const char* name) { return std::getenv(name) ? std::getenv(name) : "/nowhere"; }

struct Fake {
  void* library = dlopen(variable("JT_CUDA_DRIVER"), RTLD_NOW | RTLD_LOCAL);
  template <class F>
  F* find(const char* name) const {
    return reinterpret_cast<F*>(dlsym(library, name));
  }
  decltype(fakegpu_calls)* calls = find<decltype(fakegpu_calls)>("fakegpu_calls");
  decltype(fakegpu_fail)* fail = find<decltype(fakegpu_fail)>("fakegpu_fail");
  decltype(fakegpu_kernel)* kernel = find<decltype(fakegpu_kernel)>("fakegpu_kernel");
  decltype(fakegpu_reset_counters)* reset = find<decltype(fakegpu_reset_counters)>("fakegpu_reset_counters");
  decltype(fakegpu_alive)* alive = find<decltype(fakegpu_alive)>("fakegpu_alive");
  bool ran(const char* name) const {
    fakegpu_counters counters;
    return kernel(name, &counters);
  }
};

// A variable of the environment, for the life of a device.
struct Set {
  const char* const name;
  const std::optional<std::string> before;
  Set(const char* n, const std::string& value)
      : name(n), before(std::getenv(n) ? std::optional<std::string>(std::getenv(n)) : std::nullopt) {
    setenv(n, value.c_str(), 1);
  }
  ~Set() { before ? setenv(name, before->c_str(), 1) : unsetenv(name); }
};

// A runtime with a GPU, whose log is kept.
class Gpu {
 public:
  Gpu() {
    const char* devices[] = {"cuda", "cpu"};
    jt_runtime_desc desc{};
    desc.struct_size = sizeof desc, desc.flags = JT_RT_ALLOW_ENV, desc.devices = devices;
    desc.devices_len = 2, desc.log_user = &log, desc.log_level = JT_LOG_WARNING;
    desc.log = [](void* user, jt_log_level, const char*, const char* message, size_t length) {
      static_cast<std::string*>(user)->append(message, length) += '\n';
    };
    status = jt_runtime_create(&desc, &rt_);
    if (status == JT_OK) status = jt_context_create(rt_, &ctx);
    if (status != JT_OK) error = jt_last_error_message();
  }
  ~Gpu() {
    for (jt_tensor* t : tensors_) jt_tensor_release(t);
    jt_context_release(ctx), jt_runtime_release(rt_);
  }
  jt_tensor* keep(jt_tensor* t) { return tensors_.push_back(t), t; }
  jt_tensor* of(const std::vector<float>& values, std::vector<int64_t> dims, jt_dtype dtype = JT_F32) {
    jt_tensor *made = nullptr, *cast = nullptr;
    must(jt_tensor_from_bytes(ctx, values.data(), values.size() * 4, JT_F32, dims.data(), dims.size(), &made));
    must(jt_cast(ctx, keep(made), dtype, &cast));
    return keep(cast);
  }
  // The product, or what went wrong in `error`.
  std::vector<float> product(const std::vector<float>& a, std::vector<int64_t> a_dims, const std::vector<float>& b,
                             std::vector<int64_t> b_dims, jt_dtype dtype = JT_F32) {
    jt_tensor *z = nullptr, *wide = nullptr;
    must(jt_matmul(ctx, of(a, a_dims, dtype), of(b, b_dims, dtype), &z));
    must(jt_cast(ctx, keep(z), JT_F32, &wide)), keep(wide);
    std::vector<float> out(size_t(jt_tensor_count(wide)));
    status = jt_tensor_read(ctx, wide, out.data(), out.size() * 4);
    if (status != JT_OK) error = jt_last_error_message();
    return out;
  }
  std::vector<float> of_two() { return product({1, 2, 3, 4, 5, 6}, {2, 3}, {1, 0, 2, 1, 0, 3}, {3, 2}); }

  std::string log, error;
  jt_status status = JT_OK;
  jt_context* ctx = nullptr;

 private:
  jt_runtime* rt_ = nullptr;
  std::vector<jt_tensor*> tensors_;
};
const std::vector<float> kOfTwo = {5, 11, 14, 23};

class Cublas : public testing::Test {
 protected:
  void SetUp() override {
    if (!fake_.fail) GTEST_SKIP() << "skipped: JT_CUDA_DRIVER is not the fake driver";
    Gpu gpu;
    if (gpu.status != JT_OK) GTEST_SKIP() << "skipped: " << gpu.error;
    fake_.reset();
  }
  void expect_has(const std::string& text, const std::string& part) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\nis not in\n" << text;
  }
  Fake fake_;
};

}  // namespace

TEST_F(Cublas, MultipliesAloneAndInBatches) {
  Gpu gpu;
  uint64_t single = fake_.calls("cublasGemmEx"), batched = fake_.calls("cublasGemmStridedBatchedEx");
  EXPECT_EQ(gpu.of_two(), kOfTwo);
  EXPECT_EQ(gpu.product({1, 2, 3, 4}, {2, 1, 2}, {1, 2, 3, 4}, {2, 2, 1}), (std::vector<float>{5, 25}));
  EXPECT_EQ(fake_.calls("cublasGemmEx"), single + 1);
  EXPECT_EQ(fake_.calls("cublasGemmStridedBatchedEx"), batched + 1);
  EXPECT_FALSE(fake_.ran("jt_product"));
  EXPECT_EQ(gpu.log, "");
}
// No kernel casts them before or after.
TEST_F(Cublas, HalvesAreMultipliedAsTheyAre) {
  for (jt_dtype t : {JT_F16, JT_BF16}) {
    Gpu gpu;
    jt_tensor *a = gpu.of({1, 2, 3, 4, 5, 6}, {2, 3}, t), *b = gpu.of({1, 0, 2, 1, 0, 3}, {3, 2}, t), *z = nullptr;
    jt_tensor* both[] = {a, b};
    must(jt_eval(gpu.ctx, both, 2)), must(jt_sync(gpu.ctx));
    fake_.reset();
    must(jt_matmul(gpu.ctx, a, b, &z));
    uint16_t bits[4];
    must(jt_tensor_read(gpu.ctx, gpu.keep(z), bits, sizeof bits));
    const uint16_t f16[] = {0x4500, 0x4980, 0x4b00, 0x4dc0}, bf16[] = {0x40a0, 0x4130, 0x4160, 0x41b8};
    for (int i = 0; i < 4; i++) EXPECT_EQ(bits[i], t == JT_F16 ? f16[i] : bf16[i]);
    EXPECT_FALSE(fake_.ran(nullptr)) << "a kernel was launched beside the product";
  }
}
// Nor where their sums stay f32, as a bias wants them.
TEST_F(Cublas, HalvesThatWereCastAreReadAsTheyWere) {
  for (const char* cublas : {variable("JT_CUDA_CUBLAS"), "off"}) {
    Set set("JT_CUDA_CUBLAS", cublas);
    Gpu gpu;
    jt_tensor *a = gpu.of({1, 2, 3, 4, 5, 6}, {2, 3}, JT_F16), *b = gpu.of({1, 2, 0, 1, 0, 3}, {2, 3}, JT_F16);
    jt_tensor *both[] = {a, b}, *wide[2], *turned = nullptr, *z = nullptr;
    must(jt_eval(gpu.ctx, both, 2)), must(jt_sync(gpu.ctx));
    fake_.reset();
    const int64_t axes[] = {1, 0};
    for (int i = 0; i < 2; i++) must(jt_cast(gpu.ctx, both[i], JT_F32, &wide[i]));
    must(jt_transpose(gpu.ctx, wide[1], axes, 2, &turned));
    must(jt_matmul(gpu.ctx, wide[0], turned, &z));
    for (jt_tensor* t : {wide[0], wide[1], turned}) jt_tensor_release(t);  // what is held is computed too
    float out[4];
    must(jt_tensor_read(gpu.ctx, gpu.keep(z), out, sizeof out));
    EXPECT_EQ(std::vector<float>(out, out + 4), (std::vector<float>{5, 10, 14, 22}));
    EXPECT_FALSE(fake_.ran("jt_kernel_0")) << "a kernel casts";
  }
}
TEST_F(Cublas, WithoutItWarpsMultiplyHalves) {
  Set set("JT_CUDA_CUBLAS", "off");
  for (jt_dtype t : {JT_F16, JT_BF16, JT_F32}) {
    fake_.reset();
    EXPECT_EQ(Gpu().product({1, 2, 3, 4, 5, 6}, {2, 3}, {1, 0, 2, 1, 0, 3}, {3, 2}, t), kOfTwo);
    fakegpu_counters found{};
    ASSERT_TRUE(fake_.kernel("jt_product", &found));
    EXPECT_EQ(found.matrix_products > 0, t != JT_F32);
  }
}
TEST_F(Cublas, IsGivenBackWithTheDevice) {
  uint64_t made = fake_.calls("cublasCreate_v2"), destroyed = fake_.calls("cublasDestroy_v2");
  {
    Gpu gpu;
    EXPECT_EQ(gpu.of_two(), kOfTwo);
    EXPECT_GT(fake_.calls("cublasCreate_v2"), made);
  }
  EXPECT_EQ(fake_.calls("cublasCreate_v2") - made, fake_.calls("cublasDestroy_v2") - destroyed);
  EXPECT_EQ(fake_.alive(nullptr), 0u);
}
// [1 + 2^-12] x [1]: exact in f32; TF32 has no room for the last bit.
TEST_F(Cublas, Tf32IsForThoseWhoAsk) {
  const float more = 1 + 0x1p-12f;
  EXPECT_EQ(Gpu().product({more}, {1, 1}, {1}, {1, 1})[0], more);
  Set set("JT_CUDA_TF32", "1");
  EXPECT_EQ(Gpu().product({more}, {1, 1}, {1}, {1, 1})[0], 1);
}
TEST_F(Cublas, WhatItRefusesHasAKernel) {
  for (int status : {3, 7, 8, 15}) {
    SCOPED_TRACE(status);
    fake_.reset();
    Gpu gpu;
    fake_.fail("cublasGemmEx", 1, status);
    EXPECT_EQ(gpu.of_two(), kOfTwo);
    EXPECT_TRUE(fake_.ran("jt_product"));
    expect_has(gpu.log, "cuBLAS f32 2x2x3: CUBLAS_STATUS_");
    expect_has(gpu.log, "(" + std::to_string(status) + "); the product has a kernel of its own");
    uint64_t calls = fake_.calls("cublasGemmEx");
    EXPECT_EQ(gpu.of_two(), kOfTwo);
    EXPECT_EQ(fake_.calls("cublasGemmEx"), calls);  // it is not asked again
  }
}
TEST_F(Cublas, WhatFailsIsTheValuesError) {
  for (int status : {11, 13, 14, 77}) {
    Gpu gpu;
    fake_.fail("cublasGemmEx", 0, status);  // once would be mended: a value that failed is asked for by itself
    gpu.of_two();
    fake_.fail("cublasGemmEx", 1, 0);
    EXPECT_EQ(gpu.status, JT_E_DEVICE);
    expect_has(gpu.error, "cuda: cuBLAS f32 2x2x3: ");
    expect_has(gpu.error, "(" + std::to_string(status) + ")");
    EXPECT_EQ(gpu.of_two(), kOfTwo);
  }
}
// A handle that cannot be had is no failure of the product.
TEST_F(Cublas, WithoutAHandleThereAreKernels) {
  for (const char* function : {"cublasCreate_v2", "cublasSetMathMode", "cublasSetStream_v2"})
    for (int status : {1, 3, 14}) {
      SCOPED_TRACE(testing::Message() << function << " answers " << status);
      {
        Gpu gpu;
        fake_.fail(function, 1, status);
        EXPECT_EQ(gpu.of_two(), kOfTwo);
        EXPECT_EQ(gpu.status, JT_OK) << gpu.error;
        expect_has(gpu.log, "(" + std::to_string(status) + "); the product has a kernel of its own");
      }
      EXPECT_EQ(fake_.alive(nullptr), 0u);
    }
}
// A convolution with one tap is a product, in groups a batch of them; so are its gradients.
TEST_F(Cublas, TakesConvolutionsWithOneTap) {
  for (int64_t groups : {1, 2}) {
    SCOPED_TRACE(groups);
    std::vector<float> x(2 * 4 * 3 * 3), w(size_t(6 * 4 / groups));
    for (size_t i = 0; i < x.size(); i++) x[i] = float(i * 7 % 11) - 5;
    for (size_t i = 0; i < w.size(); i++) w[i] = float(i * 5 % 7) - 3;
    std::vector<float> results[2][3];
    for (int device = 0; device < 2; device++) {
      Gpu gpu;
      must(jt_context_set_device(gpu.ctx, device, nullptr));
      uint64_t before = fake_.calls("cublasGemmEx") + fake_.calls("cublasGemmStridedBatchedEx");
      jt_tensor *operands[] = {gpu.of(x, {2, 4, 3, 3}), gpu.of(w, {6, 4 / groups, 1, 1})}, *z = nullptr, *sum = nullptr;
      for (jt_tensor* t : operands) must(jt_tensor_set_requires_grad(gpu.ctx, t, 1));
      must(jt_conv2d(gpu.ctx, operands[0], operands[1], nullptr, 0, nullptr, 0, nullptr, 0, groups, 0, &z));
      jt_tensor *square = nullptr, *grads[2] = {};
      must(jt_square(gpu.ctx, gpu.keep(z), &square)), must(jt_sum(gpu.ctx, gpu.keep(square), nullptr, 0, 0, &sum));
      must(jt_grad(gpu.ctx, gpu.keep(sum), operands, 2, nullptr, 0, grads, 2));
      jt_tensor* all[] = {z, gpu.keep(grads[0]), gpu.keep(grads[1])};
      for (int i = 0; i < 3; i++) {
        results[device][i].resize(size_t(jt_tensor_count(all[i])));
        must(jt_tensor_read(gpu.ctx, all[i], results[device][i].data(), results[device][i].size() * 4));
      }
      uint64_t calls = fake_.calls("cublasGemmEx") + fake_.calls("cublasGemmStridedBatchedEx") - before;
      EXPECT_EQ(calls, device == 0 ? 3u : 0u);
    }
    for (int i = 0; i < 3; i++) EXPECT_EQ(results[0][i], results[1][i]) << i;
  }
}
TEST_F(Cublas, WhereItIsMissingThereAreKernels) {
  struct { std::string path, why; } cases[] = {
      {"/nowhere/libcublas.so.13", "no cuBLAS: /nowhere/libcublas.so.13: No such file or directory"},
      {__FILE__, "no cuBLAS: " __FILE__ ": "},
      {variable("JT_CUDA_DRIVER"), "it lacks cublasCreate_v2: no cuBLAS, or one older than CUDA 11"}};
  for (const auto& c : cases) {
    SCOPED_TRACE(c.path);
    Set set("JT_CUDA_CUBLAS", c.path);
    fake_.reset();
    Gpu gpu;
    EXPECT_EQ(gpu.of_two(), kOfTwo);
    EXPECT_TRUE(fake_.ran("jt_product"));
    expect_has(gpu.log, c.why), expect_has(gpu.log, "; products have kernels of their own");
  }
  Set set("JT_CUDA_CUBLAS", "off");
  Gpu gpu;
  EXPECT_EQ(gpu.of_two(), kOfTwo);
  EXPECT_EQ(gpu.log, "");  // somebody wants that
}
