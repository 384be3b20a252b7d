// Each planted fault of a host is found: what it forgot to wait for, what it freed too early, what it handed to the
// wrong device.
#include "tests/fakegpu/host.h"

namespace fakegpu::test {
namespace {

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
  EXPECT_NE(gpu.last_finding().find("no order with the launch of k, operation 1 of stream"), std::string::npos)
      << gpu.last_finding();
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

}  // namespace
}  // namespace fakegpu::test
