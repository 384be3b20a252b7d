// Each planted fault of a host is found: what it forgot to wait for, what it freed too early, what it handed to the wrong device.
#include "tests/fakegpu/harness.h"

namespace fakegpu::test {
namespace {

constexpr int kInvalidValue = 1, kOutOfMemory = 2, kNotInitialized = 3, kInvalidContext = 201, kNoBinary = 209, kInvalidPtx = 218,
              kInvalidHandle = 400, kNotFound = 500, kNotReady = 600, kAddress = 700, kFailed = 719;

// o[i] = a[i] + 1 for the thread's own element.
const char* const kIncrement = R"(
ld.param.u64 %rd0, [p0];
ld.param.u64 %rd1, [p1];
mov.u32 %r0, %tid.x;
mul.wide.u32 %rd2, %r0, 4;
add.s64 %rd0, %rd0, %rd2;
add.s64 %rd1, %rd1, %rd2;
ld.global.u32 %r1, [%rd1];
add.s32 %r1, %r1, 1;
st.global.u32 [%rd0], %r1;)";

class Host : public ::testing::Test {
 protected:
  Host() {
    module = gpu.load(kernel_text(kIncrement, 2));
    increment = gpu.function(module, "k");
    EXPECT_EQ(cuStreamCreate(&one, 1), 0);
    EXPECT_EQ(cuStreamCreate(&two, 1), 0);
    EXPECT_EQ(cuEventCreate(&event, 2), 0);
  }
  int run(uint64_t o, uint64_t a, void* stream) {
    void* list[] = {&o, &a};
    return cuLaunchKernel(increment, 1, 1, 1, 32, 1, 1, 0, stream, list, nullptr);
  }
  void found(const std::string& words, uint64_t count = 1) {
    EXPECT_EQ(fakegpu_finding_count(), count);
    EXPECT_NE(gpu.last_finding().find(words), std::string::npos) << gpu.last_finding();
  }
  uint32_t* pinned(size_t n) {
    void* p = nullptr;
    EXPECT_EQ(cuMemHostAlloc(&p, n * 4, 0), 0);
    return static_cast<uint32_t*>(p);
  }
  std::vector<uint32_t> numbers(uint32_t first) const {
    std::vector<uint32_t> v(32);
    for (uint32_t i = 0; i < 32; ++i) v[i] = first + i;
    return v;
  }
  Gpu gpu;
  void *module = nullptr, *increment = nullptr, *one = nullptr, *two = nullptr, *event = nullptr;
};

TEST_F(Host, WithoutFaultsNothingIsFound) {
  uint64_t a = gpu.allocate(128), b = gpu.allocate(128);
  uint32_t *in = pinned(32), *out = pinned(32);
  memcpy(in, numbers(5).data(), 128);
  EXPECT_EQ(cuMemcpyHtoDAsync_v2(a, in, 128, one), 0);
  EXPECT_EQ(cuEventRecord(event, one), 0);
  EXPECT_EQ(cuStreamWaitEvent(two, event, 0), 0);
  EXPECT_EQ(run(b, a, two), 0);
  EXPECT_EQ(cuMemcpyDtoHAsync_v2(out, b, 128, two), 0);
  EXPECT_EQ(fakegpu_pending(), 5u);  // nothing has run: nothing waits
  EXPECT_EQ(cuStreamSynchronize(two), 0);
  EXPECT_EQ(std::vector<uint32_t>(out, out + 32), numbers(6));
  EXPECT_EQ(fakegpu_pending(), 0u);
  EXPECT_EQ(fakegpu_finding_count(), 0u);
}
TEST_F(Host, ReadsBeforeItWaits) {
  uint64_t a = gpu.upload(numbers(1));
  uint32_t* out = pinned(32);
  EXPECT_EQ(cuMemcpyDtoHAsync_v2(out, a, 128, one), 0);
  EXPECT_EQ(out[0], 0xffffffffu);  // what it would read
  EXPECT_EQ(cuStreamSynchronize(one), 0);
  EXPECT_EQ(out[0], 1u);
}
TEST_F(Host, NoEventBetweenStreams) {
  uint64_t a = gpu.allocate(128), b = gpu.allocate(128);
  uint32_t* in = pinned(32);
  memcpy(in, numbers(5).data(), 128);
  cuMemcpyHtoDAsync_v2(a, in, 128, one);
  run(b, a, two);
  EXPECT_EQ(cuStreamSynchronize(two), kFailed);
  found("uninitialised: global read of 4 bytes");
}
TEST_F(Host, AnEventRecordedTooEarly) {
  uint64_t a = gpu.allocate(128), b = gpu.allocate(128);
  uint32_t* in = pinned(32);
  memcpy(in, numbers(5).data(), 128);
  cuEventRecord(event, one);
  cuMemcpyHtoDAsync_v2(a, in, 128, one);
  cuStreamWaitEvent(two, event, 0);
  run(b, a, two);
  EXPECT_EQ(cuStreamSynchronize(two), kFailed);
  found("uninitialised: global read of 4 bytes");
}
// Values are there in every case of these; that they are the right ones is luck.
TEST_F(Host, NoEventBetweenAWriteAndARead) {
  uint64_t a = gpu.upload(numbers(1)), b = gpu.upload(numbers(1)), c = gpu.allocate(128);
  run(b, a, one);
  run(c, b, two);
  EXPECT_EQ(cuStreamSynchronize(two), 0);  // the write has not run: it is the write that comes too late
  EXPECT_EQ(cuStreamSynchronize(one), kFailed);
  found("race between streams: global write of 4 bytes");
  EXPECT_NE(gpu.last_finding().find("no order with the launch of k, operation 1 of stream"), std::string::npos) << gpu.last_finding();
}
TEST_F(Host, NoEventBetweenAReadAndAWrite) {
  fakegpu_set_schedule("eager");  // the read comes first, as if on purpose
  uint64_t a = gpu.upload(numbers(1)), b = gpu.allocate(128);
  uint32_t* in = pinned(32);
  memcpy(in, numbers(5).data(), 128);
  EXPECT_EQ(run(b, a, one), 0);
  EXPECT_EQ(cuMemcpyHtoDAsync_v2(a, in, 128, two), kFailed);
  found("race between streams: copy to the device of 128 bytes, no order with the launch of k, operation 1 of stream");
}
TEST_F(Host, AnEventOrAWaitIsAnOrder) {
  fakegpu_set_schedule("eager");
  uint64_t a = gpu.upload(numbers(1)), b = gpu.allocate(128);
  EXPECT_EQ(run(b, a, one), 0);
  EXPECT_EQ(cuStreamSynchronize(one), 0);
  EXPECT_EQ(run(a, b, two), 0);  // the host waited
  EXPECT_EQ(cuEventRecord(event, two), 0);
  EXPECT_EQ(cuStreamWaitEvent(one, event, 0), 0);
  EXPECT_EQ(run(b, a, one), 0);  // the stream waits
  EXPECT_EQ(cuEventQuery(event), 0);
  EXPECT_EQ(run(a, a, two), kFailed);  // of stream one nobody knows more
  found("race between streams: global write of 4 bytes");
}
TEST_F(Host, StagingUsedAgainBeforeItsCopyRan) {
  uint64_t a = gpu.allocate(128);
  uint32_t* in = pinned(32);
  memcpy(in, numbers(5).data(), 128);
  cuMemcpyHtoDAsync_v2(a, in, 128, one);
  in[3] = 99;
  EXPECT_EQ(cuStreamSynchronize(one), kFailed);
  found("pinned memory of a copy of 128 bytes to the device changed before the copy ran");
}
TEST_F(Host, PageableMemoryIsTakenAtTheCall) {
  uint64_t a = gpu.allocate(128);
  std::vector<uint32_t> v = numbers(5);
  cuMemcpyHtoDAsync_v2(a, v.data(), 128, one);
  v[3] = 99;
  EXPECT_EQ(cuStreamSynchronize(one), 0);
  EXPECT_EQ(gpu.download<uint32_t>(a, 32), numbers(5));
}
TEST_F(Host, FreesWhatALaunchStillUses) {
  uint64_t a = gpu.upload(numbers(1)), b = gpu.allocate(128);
  run(b, a, one);
  EXPECT_EQ(cuMemFree_v2(a), 0);
  EXPECT_EQ(cuStreamSynchronize(one), kAddress);
  found("use after free: global read of 4 bytes");
}
TEST_F(Host, FreesWhatACopyStillUses) {
  uint64_t a = gpu.upload(numbers(1)), b = gpu.allocate(128);
  cuMemcpyDtoDAsync_v2(b, a, 128, one);
  EXPECT_EQ(cuMemFree_v2(b), 0);
  EXPECT_EQ(cuStreamSynchronize(one), kAddress);
  found("use after free: copy on the device of 128 bytes");
}
TEST_F(Host, FreesPinnedMemoryThatACopyStillUses) {
  uint64_t a = gpu.allocate(128);
  uint32_t* in = pinned(32);
  cuMemcpyHtoDAsync_v2(a, in, 128, one);
  EXPECT_EQ(cuMemFreeHost(in), 0);
  found("cuMemFreeHost: a copy of 128 bytes that has not run uses the memory");
  EXPECT_EQ(cuStreamSynchronize(one), kAddress);
  found("use after free: a copy of 128 bytes from pinned memory", 2);
}
TEST_F(Host, FreesTwice) {
  uint64_t a = gpu.allocate(128);
  EXPECT_EQ(cuMemFree_v2(a), 0);
  EXPECT_EQ(cuMemFree_v2(a), kInvalidValue);
  found("cuMemFree: freed a second time");
}
TEST_F(Host, FreesTheMiddle) {
  EXPECT_EQ(cuMemFree_v2(gpu.allocate(128) + 16), kInvalidValue);
  found("cuMemFree: not the beginning of an allocation");
}
TEST_F(Host, CopiesBeyondTheEnd) {
  uint64_t a = gpu.allocate(100);
  std::vector<uint32_t> v = numbers(1);
  EXPECT_EQ(cuMemcpyHtoDAsync_v2(a, v.data(), 104, one), kInvalidValue);
  found("cuMemcpyHtoDAsync of 104 bytes: across the end of the allocation of 100 bytes");
}
TEST_F(Host, SwapsTheDirectionOfACopy) {
  uint64_t a = gpu.allocate(128);
  std::vector<uint32_t> v = numbers(1);
  EXPECT_EQ(cuMemcpyDtoHAsync_v2(v.data(), reinterpret_cast<uint64_t>(v.data()), 128, one), kInvalidValue);
  found("cuMemcpyDtoHAsync of 128 bytes: at no address of a device");
  EXPECT_EQ(cuMemFree_v2(a), 0);
}
TEST_F(Host, CopiesWhatNobodyWrote) {
  uint64_t a = gpu.allocate(128);
  cuMemsetD8Async(a, 0, 100, one);
  std::vector<uint32_t> v(32);
  EXPECT_EQ(cuMemcpyDtoHAsync_v2(v.data(), a, 128, one), kFailed);
  found("uninitialised: copy to the host of 128 bytes, of which byte 100 was never written");
}
TEST_F(Host, UsesADestroyedStream) {
  EXPECT_EQ(cuStreamDestroy_v2(one), 0);
  EXPECT_EQ(cuStreamSynchronize(one), kInvalidHandle);
  found("cuStreamSynchronize: no such stream, or it is destroyed");
}
TEST_F(Host, UsesADestroyedEvent) {
  EXPECT_EQ(cuEventDestroy_v2(event), 0);
  EXPECT_EQ(cuEventRecord(event, one), kInvalidHandle);
  found("cuEventRecord: no such event, or it is destroyed");
}
TEST_F(Host, TimesEventsWithoutTiming) {
  float ms = 0;
  EXPECT_EQ(cuEventElapsedTime(&ms, event, event), kInvalidHandle);
  found("cuEventElapsedTime of an event without timing");
}
TEST_F(Host, UnloadsAModuleThatALaunchStillUses) {
  uint64_t a = gpu.upload(numbers(1)), b = gpu.allocate(128);
  run(b, a, one);
  EXPECT_EQ(cuModuleUnload(module), 0);
  found("cuModuleUnload: launches of k that have not run use the module");
}
TEST_F(Host, LaunchesAKernelOfAnUnloadedModule) {
  EXPECT_EQ(cuModuleUnload(module), 0);
  EXPECT_EQ(run(0, 0, one), kInvalidHandle);
  found("cuLaunchKernel: no such function, or its module is unloaded");
}
TEST_F(Host, LaunchesTooManyThreads) {
  uint64_t a = 0;
  void* list[] = {&a, &a};
  EXPECT_EQ(cuLaunchKernel(increment, 1, 1, 1, 1025, 1, 1, 0, one, list, nullptr), kInvalidValue);
  found("cuLaunchKernel of k: a block of 1025x1x1");
  EXPECT_EQ(cuLaunchKernel(increment, 1, 65536, 1, 32, 1, 1, 0, one, list, nullptr), kInvalidValue);
  found("cuLaunchKernel of k: a grid of 1x65536x1", 2);
  EXPECT_EQ(cuLaunchKernel(increment, 0, 1, 1, 32, 1, 1, 0, one, list, nullptr), kInvalidValue);
  found("cuLaunchKernel of k: a grid of 0x1x1", 3);
}
TEST_F(Host, LaunchesWithMoreSharedMemoryThanItAskedFor) {
  uint64_t a = gpu.upload(numbers(1));
  void* list[] = {&a, &a};
  EXPECT_EQ(cuLaunchKernel(increment, 1, 1, 1, 32, 1, 1, 49153, one, list, nullptr), kInvalidValue);
  found("49153 bytes of dynamic shared memory");
  EXPECT_EQ(cuFuncSetAttribute(increment, 8, 65536), 0);
  EXPECT_EQ(cuLaunchKernel(increment, 1, 1, 1, 32, 1, 1, 49153, one, list, nullptr), 0);
}
TEST_F(Host, LaunchesWithTooFewBytesOfParameters) {
  uint64_t a = 0;
  size_t size = 8;
  void* extra[] = {reinterpret_cast<void*>(1), &a, reinterpret_cast<void*>(2), &size, nullptr};
  EXPECT_EQ(cuLaunchKernel(increment, 1, 1, 1, 32, 1, 1, 0, one, nullptr, extra), kInvalidValue);
  found("cuLaunchKernel of k: 8 bytes of parameters, it has 16");
}
TEST_F(Host, HasNoContext) {
  EXPECT_EQ(cuCtxSetCurrent(nullptr), 0);
  uint64_t a = 0;
  EXPECT_EQ(cuMemAlloc_v2(&a, 16), kInvalidContext);
  found("cuMemAlloc_v2 without a current context");
}
TEST_F(Host, HasNotBegun) {
  fakegpu_restart();
  void* context = nullptr;
  EXPECT_EQ(cuDevicePrimaryCtxRetain(&context, 0), kNotInitialized);
  found("cuDevicePrimaryCtxRetain before cuInit");
}
TEST_F(Host, HandsThingsToTheWrongDevice) {
  int count = 0;
  EXPECT_EQ(cuDeviceGetCount(&count), 0);
  ASSERT_EQ(count, 2);
  uint64_t a = gpu.upload(numbers(1));
  void* second = nullptr;
  EXPECT_EQ(cuDevicePrimaryCtxRetain(&second, 1), 0);
  EXPECT_EQ(cuCtxSetCurrent(second), 0);
  EXPECT_EQ(run(a, a, nullptr), kInvalidHandle);
  found("cuLaunchKernel: the function is of device 0, the context of device 1");
  EXPECT_EQ(cuStreamSynchronize(one), kInvalidHandle);
  found("cuStreamSynchronize: the stream is of device 0, the context of device 1", 2);
  void* there = gpu.load(kernel_text(kIncrement, 2));
  increment = gpu.function(there, "k");
  EXPECT_EQ(run(a, a, nullptr), 0);
  EXPECT_EQ(cuCtxSynchronize(), kAddress);
  found("out of bounds: global read of 4 bytes", 3);
  uint64_t b = 0;
  EXPECT_EQ(cuMemAlloc_v2(&b, 16), kAddress);  // that device is lost
  void* first = nullptr;
  EXPECT_EQ(cuDevicePrimaryCtxRetain(&first, 0), 0);
  EXPECT_EQ(cuCtxSetCurrent(first), 0);
  EXPECT_EQ(gpu.download<uint32_t>(a, 32), numbers(1));  // this one is not
}
TEST_F(Host, TouchesDeviceMemoryItself) {
  uint64_t a = gpu.upload(numbers(1));
  EXPECT_DEATH(*reinterpret_cast<volatile uint32_t*>(a) = 1, "");
}
TEST_F(Host, ForgetsToFree) {
  EXPECT_EQ(fakegpu_alive("device allocations"), 0u);
  uint64_t a = gpu.allocate(16);
  EXPECT_EQ(fakegpu_alive("device allocations"), 1u);
  EXPECT_EQ(fakegpu_alive("streams"), 2u);
  cuMemFree_v2(a);
  EXPECT_EQ(fakegpu_alive("device allocations"), 0u);
}

// ---- what is no fault of the host, but has to be lived with
TEST_F(Host, AnErrorStays) {
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
TEST_F(Host, MemoryRunsOut) {
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
TEST_F(Host, CallsFailWhenAsked) {
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
TEST_F(Host, ACubinIsForAnotherDevice) {
  void* m = nullptr;
  EXPECT_EQ(cuModuleLoadData(&m, "\177ELF and so on"), kNoBinary);
  EXPECT_EQ(cuModuleLoadData(&m, kernel_text("", 0, 130).c_str()), kNoBinary);
  EXPECT_EQ(fakegpu_finding_count(), 0u);
}
TEST_F(Host, UnknownPtxIsNamed) {
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
TEST_F(Host, NamesThatAreNotThere) {
  void* f = nullptr;
  EXPECT_EQ(cuModuleGetFunction(&f, module, "nobody"), kNotFound);
  EXPECT_EQ(fakegpu_finding_count(), 0u);
}
TEST_F(Host, WhoAsksOftenEnoughGetsThere) {
  uint64_t a = gpu.upload(numbers(1)), b = gpu.allocate(128);
  run(b, a, one);
  cuEventRecord(event, one);
  int asked = 0;
  for (; cuEventQuery(event) == kNotReady; ++asked) ASSERT_LT(asked, 10);
  EXPECT_GT(asked, 0);
  EXPECT_EQ(gpu.download<uint32_t>(b, 32), numbers(2));
}
TEST_F(Host, TheNullStreamTakesTurnsWithBlockingOnes) {
  uint64_t a = gpu.upload(numbers(1)), b = gpu.allocate(128), c = gpu.allocate(128);
  void* blocking = nullptr;
  EXPECT_EQ(cuStreamCreate(&blocking, 0), 0);
  run(b, a, blocking);
  run(c, b, nullptr);
  run(a, c, blocking);
  EXPECT_EQ(cuStreamSynchronize(blocking), 0) << gpu.last_finding();
  EXPECT_EQ(gpu.download<uint32_t>(a, 32), numbers(4));
}
TEST_F(Host, EverySchedule) {
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
  if (!schedule) GTEST_SKIP() << "another process runs this with FAKEGPU_SCHEDULE, _DEVICES, _MEMORY, _CC, _SMS, _DRIVER and _FAIL";
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
