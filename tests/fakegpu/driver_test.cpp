// What is no fault of the host, but has to be lived with: errors that stay, memory that runs out, calls that fail,
// orders, the environment.
#include "tests/fakegpu/host.h"

namespace fakegpu::test {
namespace {

using Driver = Host;

TEST_F(Driver, AnErrorStays) {
  uint64_t a = gpu.allocate(128), b = gpu.upload(numbers(1));
  run(b, a + 4096, one);
  EXPECT_EQ(run(b, b, one), 0);  // it does not know yet
  EXPECT_EQ(cuStreamSynchronize(one), kAddress);
  EXPECT_EQ(cuStreamSynchronize(two), kAddress);
  EXPECT_EQ(cuMemFree_v2(b), kAddress);
  const char* text = nullptr;
  EXPECT_EQ(cuGetErrorName(kAddress, &text), 0);
  EXPECT_STREQ(text, "CUDA_ERROR_ILLEGAL_ADDRESS");
}
TEST_F(Driver, MemoryRunsOut) {
  fakegpu_set_memory(0, 1 << 20);
  uint64_t a = 0, b = 0;
  EXPECT_EQ(cuMemAlloc_v2(&a, 1 << 19), 0);
  EXPECT_EQ(cuMemAlloc_v2(&b, (1 << 19) + 1), kOutOfMemory);
  size_t free = 0, total = 0;
  EXPECT_EQ(cuMemGetInfo_v2(&free, &total), 0);
  EXPECT_EQ(free, size_t{1} << 19);
  EXPECT_EQ(cuMemFree_v2(a), 0);
  EXPECT_EQ(cuMemAlloc_v2(&b, (1 << 19) + 1), 0);
  EXPECT_EQ(fakegpu_finding_count(), 0u);
}
TEST_F(Driver, CallsFailWhenAsked) {
  uint64_t a = 0;
  fakegpu_fail("cuMemAlloc_v2", 2, kOutOfMemory);
  EXPECT_EQ(cuMemAlloc_v2(&a, 16), 0);
  EXPECT_EQ(cuMemAlloc_v2(&a, 16), kOutOfMemory);
  EXPECT_EQ(cuMemAlloc_v2(&a, 16), 0);
  fakegpu_fail(nullptr, 1, 999);
  EXPECT_EQ(cuStreamSynchronize(one), 999);
  EXPECT_EQ(cuStreamSynchronize(one), 0);
  EXPECT_EQ(fakegpu_finding_count(), 0u);
}
TEST_F(Driver, ACubinIsForAnotherDevice) {
  void* m = nullptr;
  EXPECT_EQ(cuModuleLoadData(&m, "\177ELF and so on"), kNoBinary);
  EXPECT_EQ(cuModuleLoadData(&m, kernel_text("", 0, 130).c_str()), kNoBinary);
  EXPECT_EQ(fakegpu_finding_count(), 0u);
}
TEST_F(Driver, UnknownPtxIsNamed) {
  char log[300] = "";
  int options[] = {5, 6};
  void *values[] = {log, reinterpret_cast<void*>(sizeof log)}, *m = nullptr;
  std::string text = kernel_text("tensormap.replace.tile.rank.global.b1024.b32 [%rd0], 2;", 0);
  EXPECT_EQ(cuModuleLoadDataEx(&m, text.c_str(), 2, options, values), kInvalidPtx);
  found("PTX line 12: tensormap.replace.tile.rank.global.b1024.b32: unsupported opcode");
  EXPECT_EQ(gpu.last_finding().find(log), 0u);
  EXPECT_EQ(cuModuleLoadData(&m, kernel_text("add.sat.u32 %r0, %r1, %r2;", 0).c_str()), kInvalidPtx);
  found("add.sat.u32: unsupported type u32", 2);
  EXPECT_EQ(cuModuleLoadData(&m, kernel_text("add.oddly.s32 %r0, %r1, %r2;", 0).c_str()), kInvalidPtx);
  found("add.oddly.s32: unsupported modifier .oddly", 3);
  EXPECT_EQ(cuModuleLoadData(&m, kernel_text("add.s32 %r0, %rd1, %r2;", 0).c_str()), kInvalidPtx);
  found("a register of b64 for a value of s32", 4);
}
TEST_F(Driver, NamesThatAreNotThere) {
  void* f = nullptr;
  EXPECT_EQ(cuModuleGetFunction(&f, module, "nobody"), kNotFound);
  EXPECT_EQ(fakegpu_finding_count(), 0u);
}
TEST_F(Driver, WhoAsksOftenEnoughGetsThere) {
  uint64_t a = gpu.upload(numbers(1)), b = gpu.allocate(128);
  run(b, a, one);
  cuEventRecord(event, one);
  int asked = 0;
  for (; cuEventQuery(event) == kNotReady; ++asked) ASSERT_LT(asked, 10);
  EXPECT_GT(asked, 0);
  EXPECT_EQ(gpu.download<uint32_t>(b, 32), numbers(2));
}
TEST_F(Driver, TheNullStreamTakesTurnsWithBlockingOnes) {
  uint64_t a = gpu.upload(numbers(1)), b = gpu.allocate(128), c = gpu.allocate(128);
  void* blocking = nullptr;
  EXPECT_EQ(cuStreamCreate(&blocking, 0), 0);
  run(b, a, blocking);
  run(c, b, nullptr);
  run(a, c, blocking);
  EXPECT_EQ(cuStreamSynchronize(blocking), 0) << gpu.last_finding();
  EXPECT_EQ(gpu.download<uint32_t>(a, 32), numbers(4));
}
TEST_F(Driver, EverySchedule) {
  for (const char* schedule : {"lazy", "eager", "1", "2", "3", "4", "5"}) {
    fakegpu_set_schedule(schedule);
    uint64_t a = gpu.upload(numbers(1)), b = gpu.allocate(128);
    for (int i = 0; i < 20; ++i) {
      EXPECT_EQ(run(b, a, one), 0);
      EXPECT_EQ(cuEventRecord(event, one), 0);
      EXPECT_EQ(cuStreamWaitEvent(two, event, 0), 0);
      EXPECT_EQ(run(a, b, two), 0);
      EXPECT_EQ(cuEventRecord(event, two), 0);
      EXPECT_EQ(cuStreamWaitEvent(one, event, 0), 0);
    }
    EXPECT_EQ(cuStreamSynchronize(two), 0);
    EXPECT_EQ(gpu.download<uint32_t>(a, 32), numbers(41)) << schedule;
  }
}

// A process of its own, with the variables that the list of tests sets.
TEST(Environment, SetsItUp) {
  const char* schedule = getenv("FAKEGPU_SCHEDULE");
  if (!schedule)
    GTEST_SKIP() << "another process runs this with FAKEGPU_SCHEDULE, _DEVICES, _MEMORY, _CC, _SMS, _DRIVER and _FAIL";
  int count = 0, version = 0, major = 0, minor = 0, multiprocessors = 0;
  size_t bytes = 0;
  void *context = nullptr, *stream = nullptr;
  uint64_t at = 0;
  ASSERT_EQ(cuInit(0), 0);
  EXPECT_EQ(cuDeviceGetCount(&count), 0);
  EXPECT_EQ(cuDriverGetVersion(&version), 0);
  EXPECT_EQ(cuDeviceGetAttribute(&major, 75, 2), 0);
  EXPECT_EQ(cuDeviceGetAttribute(&minor, 76, 2), 0);
  EXPECT_EQ(cuDeviceGetAttribute(&multiprocessors, 16, 2), 0);
  EXPECT_EQ(cuDeviceTotalMem_v2(&bytes, 2), 0);
  EXPECT_EQ(count, 3);
  EXPECT_EQ(version, 12040);
  EXPECT_EQ(major * 10 + minor, 86);
  EXPECT_EQ(multiprocessors, 7);
  EXPECT_EQ(bytes, 65536u);
  EXPECT_EQ(cuDevicePrimaryCtxRetain(&context, 2), 0);
  EXPECT_EQ(cuCtxSetCurrent(context), 0);
  EXPECT_EQ(cuMemAlloc_v2(&at, 16), 0);
  EXPECT_EQ(cuMemAlloc_v2(&at, 16), kOutOfMemory);  // the second call
  EXPECT_EQ(cuMemAlloc_v2(&at, 16), 0);
  EXPECT_EQ(cuStreamCreate(&stream, 1), 999);  // every call
  EXPECT_EQ(cuStreamCreate(&stream, 1), 999);
  EXPECT_EQ(cuMemsetD8Async(at, 0, 16, nullptr), 0);
  EXPECT_EQ(fakegpu_pending(), 0u);  // eager
}

}  // namespace
}  // namespace fakegpu::test
