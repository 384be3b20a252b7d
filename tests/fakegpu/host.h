// host: two streams, an event and a kernel that adds one, for tests of what a host does to the driver.
#pragma once

#include "tests/fakegpu/harness.h"

namespace fakegpu::test {

constexpr int kInvalidValue = 1, kOutOfMemory = 2, kNotInitialized = 3, kInvalidContext = 201, kNoBinary = 209,
              kInvalidPtx = 218, kInvalidHandle = 400, kNotFound = 500, kNotReady = 600, kAddress = 700, kFailed = 719;

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

}  // namespace fakegpu::test
