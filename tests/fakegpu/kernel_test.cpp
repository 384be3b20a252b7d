// Kernels that NVRTC compiled for each architecture give what the host calculates, forward and reversed, and nothing is
// found.
#include <algorithm>
#include <random>

#include "tests/fakegpu/harness.h"

namespace fakegpu::test {
namespace {

class Kernels : public ::testing::TestWithParam<std::tuple<int, int>> {
 protected:
  Kernels() {
    fakegpu_set_reverse(std::get<1>(GetParam()));
    module = gpu.load(checked_in_ptx("basic.sm" + std::to_string(std::get<0>(GetParam()))));
    EXPECT_NE(module, nullptr) << gpu.last_finding();
  }
  ~Kernels() override { EXPECT_EQ(fakegpu_finding_count(), 0u) << gpu.last_finding(); }
  void* kernel(const char* name) { return gpu.function(module, name); }
  std::vector<float> floats(size_t n) {
    std::vector<float> v(n);
    for (float& x : v) x = static_cast<float>(static_cast<int>(random() % 2001) - 1000) / 64;
    return v;
  }
  Gpu gpu;
  void* module = nullptr;
  std::mt19937 random{1};
};

TEST_P(Kernels, Axpy) {
  for (int n : {1, 3, 4, 127, 1024, 1027}) {
    std::vector<float> a = floats(n), b = floats(n), expected(n);
    for (int i = 0; i < n; ++i) expected[i] = 2 * a[i] + b[i];
    uint64_t o = gpu.allocate(n * 4), x = gpu.upload(a), y = gpu.upload(b);
    ASSERT_EQ(gpu.launch(kernel("axpy"), {.grid = 3, .block = 96}, o, x, y, n), 0);
    EXPECT_EQ(gpu.download<float>(o, n), expected);
  }
}

TEST_P(Kernels, RowSum) {
  const int rows = 5, n = 1000;
  std::vector<float> a = floats(rows * n);
  uint64_t o = gpu.allocate(rows * 4), x = gpu.upload(a);
  ASSERT_EQ(gpu.launch(kernel("row_sum"), {.grid = rows, .block = 256}, o, x, n), 0);
  std::vector<float> sums = gpu.download<float>(o, rows);
  for (int r = 0; r < rows; ++r) {  // exact: every partial sum is a multiple of 1/64 below 2^24 of them
    double expected = 0;
    for (int i = 0; i < n; ++i) expected += a[r * n + i];
    EXPECT_EQ(sums[r], expected);
  }
  fakegpu_counters c;
  ASSERT_TRUE(fakegpu_kernel("row_sum", &c));
  EXPECT_EQ(c.barriers, 5u);
  EXPECT_EQ(c.bank_conflicts, 0u);
  EXPECT_EQ(c.bytes, 4u * (rows * n + rows));
}

TEST_P(Kernels, Transpose) {
  const int rows = 70, columns = 45;
  std::vector<float> a = floats(rows * columns), expected(rows * columns);
  for (int r = 0; r < rows; ++r)
    for (int c = 0; c < columns; ++c) expected[c * rows + r] = a[r * columns + c];
  uint64_t o = gpu.allocate(a.size() * 4), x = gpu.upload(a);
  ASSERT_EQ(gpu.launch(kernel("transpose"), {.grid = 2, .block = 32, .grid_y = 3, .block_y = 8}, o, x, rows, columns),
            0);
  EXPECT_EQ(gpu.download<float>(o, a.size()), expected);
  fakegpu_counters c;
  fakegpu_kernel("transpose", &c);
  EXPECT_EQ(c.bank_conflicts, 0u);
}

TEST_P(Kernels, Matmul) {
  const int n = 48;
  std::vector<float> a = floats(n * n), b = floats(n * n), expected(n * n);
  for (int r = 0; r < n; ++r)
    for (int q = 0; q < n; ++q)
      for (int k = 0; k < n; ++k) expected[r * n + q] += a[r * n + k] * b[k * n + q];
  uint64_t c = gpu.allocate(n * n * 4), x = gpu.upload(a), y = gpu.upload(b);
  ASSERT_EQ(gpu.launch(kernel("matmul"), {.grid = 3, .block = 16, .grid_y = 3, .block_y = 16}, c, x, y, n), 0);
  EXPECT_EQ(gpu.download<float>(c, n * n), expected);
}

TEST_P(Kernels, Histogram) {
  std::vector<uint8_t> a(3000);
  std::vector<uint32_t> expected(256);
  for (uint8_t& v : a) ++expected[v = random() % 7 * 31];
  uint64_t x = gpu.upload(a), o = gpu.upload(std::vector<uint32_t>(256));
  ASSERT_EQ(gpu.launch(kernel("histogram"), {.grid = 3, .block = 128, .shared = 1024}, o, x, 3000), 0);
  EXPECT_EQ(gpu.download<uint32_t>(o, 256), expected);
}

TEST_P(Kernels, SortInLocalMemory) {
  const int n = 70;
  std::vector<int> a(n * 8);
  for (int& v : a) v = static_cast<int>(random());
  uint64_t x = gpu.upload(a), o = gpu.allocate(a.size() * 4);
  ASSERT_EQ(gpu.launch(kernel("sorted8"), {.grid = 3, .block = 32}, o, x, n), 0);
  for (int i = 0; i < n; ++i) std::sort(a.begin() + i * 8, a.begin() + i * 8 + 8);
  EXPECT_EQ(gpu.download<int>(o, a.size()), a);
}

TEST_P(Kernels, CallsConstantsAndVariables) {
  std::vector<double> a = {-2, -1, 0.5, 3, 7, -0.25}, expected;
  for (double x : a) expected.push_back(x < 0 ? (3 * x + -1.25) * x + 0.5 : ((1e-3 * x + 3) * x + -1.25) * x + 0.5);
  uint64_t x = gpu.upload(a), o = gpu.allocate(a.size() * 8), counted = gpu.allocate(4);
  ASSERT_EQ(gpu.launch(kernel("polynomial"), {}, o, x, static_cast<int>(a.size())), 0);
  EXPECT_EQ(gpu.download<double>(o, a.size()), expected);
  ASSERT_EQ(gpu.launch(kernel("count"), {.block = 1}, counted), 0);
  EXPECT_EQ(gpu.download<int>(counted, 1)[0], 6);
}

TEST_P(Kernels, LanesPartAndMeet) {
  const int n = 100;
  std::vector<int> expected(n);
  for (int i = 0; i < n; ++i)
    for (unsigned v = i + 1; v != 1; ++expected[i]) v = v & 1 ? 3 * v + 1 : v / 2;
  uint64_t o = gpu.allocate(n * 4);
  ASSERT_EQ(gpu.launch(kernel("collatz"), {.grid = 2, .block = 64}, o, n), 0);
  EXPECT_EQ(gpu.download<int>(o, n), expected);
}

TEST_P(Kernels, AStructByValue) {
  struct Packed {
    int n;
    long long shift[3];
    float scale;
    unsigned char flags[3];
  } p = {3, {1000, -5, 1ll << 40}, 2.5f, {1, 2, 250}};
  std::vector<long long> expected;
  for (int i = 0; i < 32; ++i)
    expected.push_back(p.shift[i % 3] + static_cast<long long>(p.scale * i) + p.flags[i % 3]);
  uint64_t o = gpu.allocate(32 * 8);
  ASSERT_EQ(gpu.launch(kernel("packed"), {}, o, p), 0);
  EXPECT_EQ(gpu.download<long long>(o, 32), expected);
}

INSTANTIATE_TEST_SUITE_P(All, Kernels,
                         ::testing::Combine(::testing::Values(75, 80, 90, 100, 120), ::testing::Values(0, 1)),
                         [](const auto& info) {
                           return "sm" + std::to_string(std::get<0>(info.param)) +
                                  (std::get<1>(info.param) ? "reversed" : "forward");
                         });

}  // namespace
}  // namespace fakegpu::test
