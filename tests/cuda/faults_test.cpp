// Every call of the driver, of cuBLAS and of NVRTC made to fail in turn: the program is told, what it has on the host
// stays, and nothing is left behind.
#include <gtest/gtest.h>

#include <dlfcn.h>
#include <jt/jt.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "tests/fakegpu/fakegpu.h"

namespace {

// The fake driver's own functions; it is the one that the backend opens.
struct Fake {
  void* library =
      dlopen(std::getenv("JT_CUDA_DRIVER") ? std::getenv("JT_CUDA_DRIVER") : "/nowhere", RTLD_NOW | RTLD_LOCAL);
  template <class F>
  F* find(const char* name) const {
    return reinterpret_cast<F*>(dlsym(library, name));
  }
  decltype(fakegpu_calls)* calls = find<decltype(fakegpu_calls)>("fakegpu_calls");
  decltype(fakegpu_fail)* fail = find<decltype(fakegpu_fail)>("fakegpu_fail");
  decltype(fakegpu_alive)* alive = find<decltype(fakegpu_alive)>("fakegpu_alive");
  decltype(fakegpu_restart)* restart = find<decltype(fakegpu_restart)>("fakegpu_restart");
  decltype(fakegpu_finding_count)* findings = find<decltype(fakegpu_finding_count)>("fakegpu_finding_count");
  decltype(fakegpu_finding)* finding = find<decltype(fakegpu_finding)>("fakegpu_finding");
};

struct Outcome {
  jt_status status = JT_OK;
  std::string message;
  std::vector<float> values, on_host;  // what was read of the device; a value of the CPU's, read afterwards
};

// A gradient with a product, a softmax and a scatter on the GPU, beside a value that the CPU has.
class Program {
 public:
  Outcome run() {
    Outcome out;
    const char* devices[] = {"cpu", "cuda"};
    jt_runtime_desc desc{};
    desc.struct_size = sizeof desc, desc.flags = JT_RT_ALLOW_ENV, desc.devices = devices, desc.devices_len = 2;
    out.status = jt_runtime_create(&desc, &rt_);
    if (out.status != JT_OK) return out.message = jt_last_error_message(), out;
    EXPECT_EQ(jt_context_create(rt_, &ctx_), JT_OK);
    jt_tensor* host = nullptr;
    const int64_t four[] = {4};
    EXPECT_EQ(jt_tensor_from_bytes(ctx_, kHost, sizeof kHost, JT_F32, four, 1, &host), JT_OK);
    keep(host);
    out.status = compute(out.values);
    if (out.status != JT_OK) out.message = jt_last_error_message();
    EXPECT_EQ(jt_context_set_device(ctx_, 0, nullptr), JT_OK);
    jt_tensor* sum = nullptr;
    out.on_host.resize(4);
    EXPECT_EQ(jt_add(ctx_, host, host, &sum), JT_OK);
    keep(sum);
    EXPECT_EQ(jt_tensor_read(ctx_, sum, out.on_host.data(), 16), JT_OK) << jt_last_error_message();
    for (jt_tensor* t : tensors_) jt_tensor_release(t);
    jt_context_release(ctx_), jt_runtime_release(rt_);
    return out;
  }
  static constexpr float kHost[] = {1, 2, 3, 4};

 private:
  void keep(jt_tensor* t) { tensors_.push_back(t); }
  jt_status compute(std::vector<float>& values) {
    const int64_t dims[] = {3, 4}, square[] = {4, 4}, rows[] = {1};
    std::vector<float> numbers(16);
    for (size_t i = 0; i < numbers.size(); i++) numbers[i] = float(i % 5) - 1.5f;
    const int32_t places[] = {2, 0, 2};
    const int64_t three[] = {3};
    jt_tensor *x = nullptr, *w = nullptr, *at = nullptr, *z = nullptr, *s = nullptr, *l = nullptr, *g = nullptr,
              *out = nullptr;
    jt_status status = JT_OK;
    auto step = [&](jt_status s, jt_tensor** made) {
      if (status == JT_OK) status = s;
      if (made && *made) keep(*made);
      return status == JT_OK;
    };
    if (!step(jt_context_set_device(ctx_, 1, nullptr), nullptr)) return status;
    if (!step(jt_tensor_from_bytes(ctx_, numbers.data(), 48, JT_F32, dims, 2, &x), &x)) return status;
    if (!step(jt_tensor_from_bytes(ctx_, numbers.data(), 64, JT_F32, square, 2, &w), &w)) return status;
    if (!step(jt_tensor_from_bytes(ctx_, places, 12, JT_I32, three, 1, &at), &at)) return status;
    if (!step(jt_tensor_set_requires_grad(ctx_, w, 1), nullptr)) return status;
    if (!step(jt_matmul(ctx_, x, w, &z), &z) || !step(jt_softmax(ctx_, z, 1, &s), &s)) return status;
    if (!step(jt_mul(ctx_, s, x, &l), &l)) return status;
    jt_tensor* sum = nullptr;
    if (!step(jt_sum(ctx_, l, nullptr, 0, 0, &sum), &sum)) return status;
    if (!step(jt_grad(ctx_, sum, &w, 1, nullptr, 0, &g, 1), &g)) return status;
    if (!step(jt_take(ctx_, g, at, 0, &out), &out)) return status;
    (void)rows;
    values.resize(12);
    step(jt_tensor_read(ctx_, out, values.data(), 48), nullptr);
    return status;
  }
  jt_runtime* rt_ = nullptr;
  jt_context* ctx_ = nullptr;
  std::vector<jt_tensor*> tensors_;
};
constexpr float Program::kHost[];

}  // namespace

class Faults : public testing::TestWithParam<int> {};

TEST_P(Faults, EveryCallFails) {
  Fake fake;
  if (!fake.fail) GTEST_SKIP() << "skipped: JT_CUDA_DRIVER is not the fake driver";
  std::string cache = testing::TempDir() + "jt_cuda_faults_" + std::to_string(getpid());
  setenv("JT_CACHE_DIR", cache.c_str(), 1);
  Outcome first = Program().run();
  if (first.message.find("NVRTC") != std::string::npos) GTEST_SKIP() << "skipped: no NVRTC";
  ASSERT_EQ(first.status, JT_OK) << first.message;
  uint64_t before = fake.calls(nullptr);
  Outcome good = Program().run();  // its kernels are on the disk
  uint64_t calls = fake.calls(nullptr) - before;
  ASSERT_EQ(good.values, first.values);
  ASSERT_EQ(fake.alive(nullptr), 0u);
  ASSERT_GT(calls, 50u);
  uint64_t told = 0;
  for (uint64_t n = 1; n <= calls; n++) {
    SCOPED_TRACE(testing::Message() << "call " << n << " of " << calls << " answers " << GetParam());
    fake.fail(nullptr, n, GetParam());
    Outcome out = Program().run();
    fake.fail(nullptr, 1, 0);
    told += out.status != JT_OK;
    if (out.status == JT_OK) {
      EXPECT_EQ(out.values, good.values);
    } else {
      EXPECT_FALSE(out.message.empty());
    }
    if (!out.on_host.empty()) {
      EXPECT_EQ(out.on_host, (std::vector<float>{2, 4, 6, 8}));
    }
    bool is_lost = GetParam() == 719;
    if (!is_lost) {
      EXPECT_LE(fake.alive(nullptr), 1u);  // what was to be given back by the call that failed
    }
    fake.restart();
    if (HasFailure()) break;
  }
  EXPECT_GT(told, 20u);
  for (uint64_t i = 0; i < fake.findings() && i < 5; i++) ADD_FAILURE() << fake.finding(i);
}
INSTANTIATE_TEST_SUITE_P(Errors, Faults, testing::Values(1, 2, 719));

// A kernel that was not made is the value's error; what is kept of it on the disk is right or nothing.
TEST(CompilerFaults, EveryCallFails) {
  Fake fake;
  if (!fake.fail) GTEST_SKIP() << "skipped: JT_CUDA_DRIVER is not the fake driver";
  const std::string cache = testing::TempDir() + "jt_cuda_compiler_faults_" + std::to_string(getpid()) + "_";
  int folders = 0;
  auto cold = [&] { setenv("JT_CACHE_DIR", (cache + std::to_string(folders++)).c_str(), 1); };
  cold();
  Outcome good = Program().run();
  ASSERT_EQ(good.status, JT_OK) << good.message;
  if (!fake.calls("nvrtcCompileProgram")) GTEST_SKIP() << "skipped: JT_CUDA_LIBDIR is not the folder of nvrtc_shim";
  int told = 0;
  for (const char* function :
       {"nvrtcVersion", "nvrtcGetNumSupportedArchs", "nvrtcGetSupportedArchs", "nvrtcCreateProgram",
        "nvrtcCompileProgram", "nvrtcDestroyProgram", "nvrtcGetProgramLogSize", "nvrtcGetProgramLog",
        "nvrtcGetPTXSize", "nvrtcGetPTX"}) {
    cold();
    uint64_t before = fake.calls(function);
    ASSERT_EQ(Program().run().values, good.values);
    uint64_t calls = fake.calls(function) - before;
    for (uint64_t n = 1; n <= calls; n++)
      for (int error : {1, 11}) {  // out of memory; internal
        SCOPED_TRACE(testing::Message() << function << ", call " << n << " of " << calls << " answers " << error);
        cold();
        fake.fail(function, n, error);
        Outcome out = Program().run();
        fake.fail(function, 1, 0);
        told += out.status != JT_OK;
        if (out.status == JT_OK) {
          EXPECT_EQ(out.values, good.values);
        } else {
          EXPECT_FALSE(out.message.empty());
        }
        if (!out.on_host.empty()) {
          EXPECT_EQ(out.on_host, (std::vector<float>{2, 4, 6, 8}));
        }
        Outcome again = Program().run();
        EXPECT_EQ(again.status, JT_OK) << again.message;
        EXPECT_EQ(again.values, good.values);
        EXPECT_EQ(fake.alive(nullptr), 0u);
        if (HasFailure()) return;
      }
  }
  EXPECT_GT(told, 5);
}
