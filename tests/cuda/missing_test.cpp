// Whatever of CUDA a machine lacks, or has in a way that does not serve: the reason names it, and the CPU computes.
//
// Each case is a library made for it (stub_driver.c, stub_nvrtc.c), named by the settings that a user has.
#include <gtest/gtest.h>

#include <jt/jt.h>

#include <cstdlib>
#include <string>

namespace {

const std::string kStubs = JT_STUBS;

struct Set {
  explicit Set(const std::string& driver, const std::string& folder = "/nowhere") {
    setenv("JT_CUDA_DRIVER", driver.c_str(), 1), setenv("JT_CUDA_LIBDIR", folder.c_str(), 1);
  }
  ~Set() { unsetenv("JT_CUDA_DRIVER"), unsetenv("JT_CUDA_LIBDIR"); }
};

// Why no runtime with the GPU can be had; one of the CPU can, and adds.
std::string reason() {
  const char* devices[] = {"cpu", "cuda"};
  jt_runtime_desc desc{};
  desc.struct_size = sizeof desc, desc.flags = JT_RT_ALLOW_ENV | JT_RT_NO_DISK_CACHE, desc.devices = devices,
  desc.devices_len = 2;
  jt_runtime* rt = nullptr;
  std::string why;
  if (jt_runtime_create(&desc, &rt) != JT_OK) why = jt_last_error_message();
  jt_runtime_release(rt);
  desc.devices = nullptr, desc.devices_len = 0;
  EXPECT_EQ(jt_runtime_create(&desc, &rt), JT_OK);
  jt_context* ctx = nullptr;
  jt_tensor *one = nullptr, *two = nullptr;
  EXPECT_EQ(jt_context_create(rt, &ctx), JT_OK);
  EXPECT_EQ(jt_scalar(ctx, 1, JT_F32, &one), JT_OK);
  EXPECT_EQ(jt_add(ctx, one, one, &two), JT_OK);
  double value = 0;
  EXPECT_EQ(jt_tensor_item_f64(ctx, two, &value), JT_OK);
  EXPECT_EQ(value, 2);
  jt_tensor_release(one), jt_tensor_release(two), jt_context_release(ctx), jt_runtime_release(rt);
  return why;
}
std::string described() {
  std::string text(1 << 16, 0);
  size_t length = 0;
  EXPECT_EQ(jt_runtime_describe(nullptr, text.data(), text.size(), &length), JT_OK);
  text.resize(length - 1);
  return text;
}
void expect_has(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << part << "\nis not in\n" << text;
}

}  // namespace

TEST(Missing, NoDriver) {
  Set set("/nowhere/libcuda.so.1");
  expect_has(reason(),
             "cuda: no CUDA driver: /nowhere/libcuda.so.1: cannot open shared object file: No such file or directory");
  expect_has(described(), "driver tried: /nowhere/libcuda.so.1: cannot open shared object file");
}
TEST(Missing, NoDriverOnTheWholeMachine) {
  Set set("");
  std::string why = reason();
  if (why.find("libcuda.so.1 is in none of ") == std::string::npos)
    GTEST_SKIP() << "skipped: this machine has a driver: " << why;
  for (const char* place : {"libcuda.so.1", "/usr/local/nvidia/lib64/libcuda.so.1", "/usr/lib/wsl/lib/libcuda.so.1",
      "/usr/lib64/libcuda.so.1"})
    expect_has(described(), std::string("  driver tried: ") + place + ": ");
}
TEST(Missing, AFileThatIsNoLibrary) {
  Set set(kStubs + "/../../../CMakeCache.txt");
  expect_has(reason(), "CMakeCache.txt: ");
}
TEST(Missing, TheStubOfAToolkit) {
  Set set(kStubs + "/stub/libcuda.so.1");
  expect_has(reason(), "stub/libcuda.so.1: a toolkit's stub to link with, not a driver");
}
TEST(Missing, ADriverWithoutDevices) {
  Set set(kStubs + "/no_device/libcuda.so.1");
  expect_has(reason(), "cuInit: CUDA_ERROR_NO_DEVICE (100): as the stub was told");
  Set none(kStubs + "/none/libcuda.so.1");
  expect_has(reason(), "none/libcuda.so.1: the driver has no device");
}
TEST(Missing, ADriverThatIsTooOld) {
  Set set(kStubs + "/old/libcuda.so.1");
  expect_has(reason(), "the driver is too old: it serves CUDA 10.2, needed is 11.2");
}
TEST(Missing, ADriverThatLacksAFunction) {
  Set set(kStubs + "/incomplete/libcuda.so.1");
  expect_has(reason(), "it lacks cuMemAlloc_v2: no driver, or one older than CUDA 11.2");
}
TEST(Missing, NoNvrtc) {
  Set set(kStubs + "/driver/libcuda.so.1", "/nowhere");
  expect_has(reason(), "cuda: no NVRTC: libnvrtc.so is in none of 3 places");
  expect_has(described(), "NVRTC tried: /nowhere/libnvrtc.so.12: cannot open shared object file");
}
TEST(Missing, NvrtcWithoutItsBuiltins) {
  Set set(kStubs + "/driver/libcuda.so.1", kStubs + "/alone");
  expect_has(reason(),
             "alone/libnvrtc.so.13: it cannot compile without libnvrtc-builtins.so.13.5, which is not beside it: ");
}
TEST(Missing, NvrtcNewerThanTheDriver) {
  Set set(kStubs + "/twelve/libcuda.so.1", kStubs + "/nvrtc");
  expect_has(reason(), "libnvrtc.so.13: newer than the driver, which serves CUDA 12.4");
}
// A kernel that cannot be made is the value's error.
void expect_no_kernel(const char* part, const char* another) {
  const char* device = "cuda";
  jt_runtime_desc desc{};
  desc.struct_size = sizeof desc, desc.flags = JT_RT_ALLOW_ENV | JT_RT_NO_DISK_CACHE, desc.devices = &device,
  desc.devices_len = 1;
  jt_runtime* rt = nullptr;
  jt_context* ctx = nullptr;
  ASSERT_EQ(jt_runtime_create(&desc, &rt), JT_OK) << jt_last_error_message();
  ASSERT_EQ(jt_context_create(rt, &ctx), JT_OK);
  const int64_t dims[] = {4};
  jt_tensor *x = nullptr, *y = nullptr;
  ASSERT_EQ(jt_ones(ctx, dims, 1, JT_F32, &x), JT_OK);
  ASSERT_EQ(jt_exp(ctx, x, &y), JT_OK);
  float out[4];
  EXPECT_EQ(jt_tensor_read(ctx, y, out, sizeof out), JT_E_COMPILE);
  expect_has(jt_last_error_message(), part), expect_has(jt_last_error_message(), another);
  jt_tensor_release(x), jt_tensor_release(y), jt_context_release(ctx), jt_runtime_release(rt);
}
TEST(Missing, BuiltinsThatNvrtcDoesNotTake) {
  Set set(kStubs + "/driver/libcuda.so.1", kStubs + "/wrong_builtins");
  expect_no_kernel("cuda: NVRTC does not take its builtins, ", "libnvrtc-builtins.so.13.5: a log");
}
TEST(Missing, ACompilerThatFails) {
  Set set(kStubs + "/driver/libcuda.so.1", kStubs + "/failing");
  expect_no_kernel("cuda: NVRTC: result 1: a log", "(computing ");
}
TEST(Missing, AChipThatNvrtcKnowsNoMore) {
  Set set(kStubs + "/driver/libcuda.so.1", kStubs + "/newer_chips");
  expect_has(reason(), "cuda: NVRTC 13.5 compiles for sm_100 and newer, the device is sm_90: an older NVRTC serves it");
}
TEST(Missing, NoCublas) {
  Set set(kStubs + "/driver/libcuda.so.1", kStubs + "/nvrtc");
  EXPECT_EQ(reason(), "");  // it does without
  expect_has(described(), "cuBLAS: no cuBLAS: ");
  expect_has(described(), "nvrtc/libcublas.so.13: No such file or directory");
  expect_has(described(), "cuda:0: s, sm_90, 0 multiprocessors, 1024 MiB, kernels as cubin for sm_90");
}
TEST(Missing, ADeviceTooMany) {
  Set set(kStubs + "/driver/libcuda.so.1", kStubs + "/nvrtc");
  const char* device = "cuda:1";
  jt_runtime_desc desc{};
  desc.struct_size = sizeof desc, desc.flags = JT_RT_ALLOW_ENV, desc.devices = &device, desc.devices_len = 1;
  jt_runtime* rt = nullptr;
  EXPECT_EQ(jt_runtime_create(&desc, &rt), JT_E_NOT_FOUND);
  expect_has(jt_last_error_message(), "cuda: there is no device 1, the driver has 1");
}
