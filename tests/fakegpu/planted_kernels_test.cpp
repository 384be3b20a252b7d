// Each planted fault of a kernel is found, with the words and on the line of PTX that are its own.
#include "tests/fakegpu/harness.h"

namespace fakegpu::test {
namespace {

struct Fault { const char* kernel; int threads; const char* says; const char* opcode; int error; };

constexpr int kAddress = 700, kTimeout = 702, kInstruction = 715, kMisaligned = 716, kFailed = 719;
const Fault kFaults[] = {
    {"read_behind", 32, "out of bounds: global read of 4 bytes", "ld.global", kAddress},
    {"read_before", 32, "out of bounds: global read of 4 bytes", "ld.global", kAddress},
    {"write_behind", 64, "out of bounds: global write of 4 bytes", "st.global", kAddress},
    {"far_pointer", 32, "out of bounds: global read of 4 bytes at 0x10", "ld.", kAddress},
    {"misaligned_vector", 8, "misaligned global read of 16 bytes", "ld.global", kMisaligned},
    {"misaligned_atomic", 1, "misaligned global atomic of 4 bytes", ".add.f32", kMisaligned},
    {"no_first_barrier", 64, "race on shared memory: write of 4 bytes", "st.shared", kFailed},
    {"no_second_barrier", 64, "race on shared memory: read of 4 bytes", "ld.shared", kFailed},
    {"two_writers", 64, "race on shared memory: write of 4 bytes", "st.shared", kFailed},
    {"no_warp_barrier", 32, "race on shared memory: read of 4 bytes", "ld.shared", kFailed},
    {"plain_and_atomic", 64, "race on shared memory", "shared", kFailed},
    {"half_a_warp_waits", 32, "divergent barrier: this thread of the warp is elsewhere", "bar", kFailed},
    {"two_barriers", 64, "divergent barrier: another warp waits at PTX line", "bar", kFailed},
    {"a_warp_never_comes", 64, "a barrier that not all threads reach", "bar.sync", kTimeout},
    {"shuffle_apart", 32, "divergent shfl.sync", "shfl.sync", kFailed},
    {"shuffle_after_return", 32, "divergent shfl.sync: the mask names this thread", "shfl.sync", kFailed},
    {"shuffle_from_the_dead", 32, "shfl.sync reads from lane 20, which is not here", "shfl.sync", kFailed},
    {"vote_of_others", 32, "vote.sync: the mask does not name this thread", "vote.sync", kFailed},
    {"shared_unwritten", 64, "uninitialised: shared read of 4 bytes", "ld.shared", kFailed},
    {"global_unwritten", 32, "uninitialised: global read of 4 bytes", "ld.global", kFailed},
    {"shared_too_small", 32, "out of bounds: shared write of 4 bytes", "st.shared", kAddress},
    {"local_behind", 32, "out of bounds: local read of 4 bytes", "ld.local", kAddress},
    {"trapped", 32, "trap", "trap", kInstruction},
    {"constant_written", 32, "in read-only variable table", "st.global", kAddress},
    {"copy_not_awaited", 32, "which a cp.async fills that nobody waited for", "ld.shared", kFailed},
    {"copy_awaited_late", 32, "which a cp.async fills that nobody waited for", "ld.shared", kFailed},
    {"copy_without_barrier", 64, "race on shared memory: write of 16 bytes", "cp.async", kFailed},
    {"copy_not_closed", 32, "no cp.async.commit_group closed", "", kFailed},
};

class Planted : public ::testing::TestWithParam<int> {
 protected:
  void load() { module = gpu.load(checked_in_ptx("planted.sm" + std::to_string(GetParam()))); }
  Gpu gpu;
  void* module = nullptr;
};

TEST_P(Planted, IsFoundOnItsLine) {
  for (const Fault& fault : kFaults)
    for (int reversed : {0, 1}) {
      SCOPED_TRACE(std::string(fault.kernel) + (reversed ? " reversed" : ""));
      Gpu fresh;
      fakegpu_set_reverse(reversed);
      void* m = fresh.load(checked_in_ptx("planted.sm" + std::to_string(GetParam())));
      std::vector<float> a(256);
      for (int i = 0; i < 256; ++i) a[i] = static_cast<float>(i);
      uint64_t o = fresh.allocate(64 * 4), x = fresh.upload(a);
      if (std::string(fault.kernel) == "misaligned_atomic") o = fresh.upload(std::vector<float>(64));
      bool ends_lanes = std::string(fault.kernel).find("shuffle_") == 0;
      int n = std::string(fault.kernel) == "read_behind" ? 256 : ends_lanes ? 20 : 16;
      EXPECT_EQ(fresh.launch(fresh.function(m, fault.kernel), {.block = static_cast<unsigned>(fault.threads)}, o, x, n),
                fault.error);
      ASSERT_EQ(fakegpu_finding_count(), 1u);
      std::string said = fakegpu_finding(0);
      EXPECT_NE(said.find(fault.says), std::string::npos) << said;
      EXPECT_NE(said.find(std::string("kernel ") + fault.kernel + ":"), std::string::npos) << said;
      size_t line = said.find(", PTX line ");
      ASSERT_NE(line, std::string::npos) << said;
      EXPECT_NE(said.find(fault.opcode, line), std::string::npos) << said;
      EXPECT_EQ(cuCtxSynchronize(), fault.error);  // it stays
    }
}

TEST_P(Planted, ALoopWithoutEndEnds) {
  load();
  uint64_t o = gpu.upload(std::vector<float>{0}), x = gpu.upload(std::vector<float>{1});
  EXPECT_EQ(gpu.launch(gpu.function(module, "endless"), {.block = 1}, o, x, 0), kTimeout);
  EXPECT_NE(gpu.last_finding().find("runs for ever"), std::string::npos);
}

template <class T>
std::vector<T> both_orders(const char* kernel, int arch, Shape shape, std::vector<T> out, const std::vector<T>& in,
                           int n) {
  std::vector<T> results;
  for (int reversed : {0, 1}) {
    Gpu gpu;
    fakegpu_set_reverse(reversed);
    void* module = gpu.load(checked_in_ptx("planted.sm" + std::to_string(arch)));
    uint64_t o = gpu.upload(out), x = gpu.upload(in);
    EXPECT_EQ(gpu.launch(gpu.function(module, kernel), shape, o, x, n), 0);
    results.push_back(gpu.download<T>(o, out.size()).back());
  }
  return results;
}
TEST_P(Planted, WhatDependsOnAnOrderDiffersInTheOther) {
  std::vector<float> a(32, 1);
  a[0] = 1e8;  // takes no 1 alone, but 31 of them
  std::vector<float> sums = both_orders<float>("order_of_atomics", GetParam(), {}, {0}, a, 0);
  EXPECT_EQ(sums, (std::vector<float>{1e8, 1e8 + 32}));
  sums = both_orders<float>("order_of_blocks", GetParam(), {.grid = 3}, {0, 0, 0}, a, 0);
  EXPECT_NE(sums[0], sums[1]);
  EXPECT_EQ(both_orders<int>("last_of_all", GetParam(), {.grid = 3}, {0}, {0}, 0), (std::vector<int>{2, 0}));
}

INSTANTIATE_TEST_SUITE_P(All, Planted, ::testing::Values(80, 120));

}  // namespace
}  // namespace fakegpu::test
