// mma.sync, ldmatrix and cp.async: products of matrices of small whole numbers are exact, whatever the order.
#include <random>

#include "tests/fakegpu/formats.h"
#include "tests/fakegpu/harness.h"

namespace fakegpu::test {
namespace {

class Matrices : public ::testing::TestWithParam<int> {
 protected:
  Matrices() {
    module = gpu.load(checked_in_ptx("matrix.sm" + std::to_string(GetParam())));
    EXPECT_NE(module, nullptr) << gpu.last_finding();
  }
  ~Matrices() override { EXPECT_EQ(fakegpu_finding_count(), 0u) << gpu.last_finding(); }
  std::vector<int> whole(size_t n, int most) {
    std::vector<int> v(n);
    for (int& x : v) x = static_cast<int>(random() % (2 * most + 1)) - most;
    return v;
  }
  template <class T, class F> static std::vector<T> as(const std::vector<int>& v, F to) {
    std::vector<T> out;
    for (int x : v) out.push_back(to(x));
    return out;
  }
  static std::vector<int> product(const std::vector<int>& a, const std::vector<int>& b, std::vector<int> c, int m,
                                  int n, int k) {
    for (int r = 0; r < m; ++r)
      for (int q = 0; q < n; ++q)
        for (int x = 0; x < k; ++x) c[r * n + q] += a[r * k + x] * b[x * n + q];
    return c;
  }
  // One tile, by the kernel of that name.
  template <class T, class D, class To, class ToD>
  void tile(const char* name, int m, int n, int k, To to, ToD to_result) {
    std::vector<int> a = whole(m * k, 9), b = whole(k * n, 9), c = whole(m * n, 50);
    uint64_t d = gpu.allocate(m * n * sizeof(D)), x = gpu.upload(as<T>(a, to)), y = gpu.upload(as<T>(b, to)),
             z = gpu.upload(as<D>(c, to_result));
    ASSERT_EQ(gpu.launch(gpu.function(module, name), {}, d, x, y, z), 0) << gpu.last_finding();
    EXPECT_EQ(gpu.download<D>(d, m * n), as<D>(product(a, b, c, m, n, k), to_result));
  }
  Gpu gpu;
  void* module = nullptr;
  std::mt19937 random{7};
};

TEST_P(Matrices, TilesInStages) {
  const int m = 128, n = 64, k = 96;
  for (bool bfloat : {false, true}) {
    auto narrow = [&](int x) { return bfloat ? to_bfloat(x) : to_half(x); };
    std::vector<int> a = whole(m * k, 8), b = whole(k * n, 8);
    uint64_t c = gpu.allocate(m * n * 4), x = gpu.upload(as<uint16_t>(a, narrow)),
             y = gpu.upload(as<uint16_t>(b, narrow));
    const char* name = bfloat ? "matmul_bfloat" : "matmul_half";
    ASSERT_EQ(gpu.launch(gpu.function(module, name), {.grid = n / 64, .block = 128, .grid_y = m / 64}, c, x, y, n, k),
              0)
        << gpu.last_finding();
    EXPECT_EQ(gpu.download<float>(c, m * n),
              as<float>(product(a, b, std::vector<int>(m * n), m, n, k), [](int v) { return float(v); }));
    fakegpu_counters counters;
    ASSERT_TRUE(fakegpu_kernel(name, &counters));
    EXPECT_EQ(counters.bank_conflicts, 0u);  // rows padded by 16 bytes meet no bank twice
    EXPECT_EQ(counters.matrix_products, uint64_t{m / 16} * (n / 8) * (k / 16));
  }
}
TEST_P(Matrices, Tf32) {
  tile<float, float>("tile_tf32", 16, 8, 8, [](int v) { return float(v); }, [](int v) { return float(v); });
}
TEST_P(Matrices, Tf32LooksAtNoLowBits) {
  std::vector<float> a(128, 1 + 0x1p-11f), b(64, 1), c(128, 0);
  uint64_t d = gpu.allocate(512), x = gpu.upload(a), y = gpu.upload(b), z = gpu.upload(c);
  ASSERT_EQ(gpu.launch(gpu.function(module, "tile_tf32"), {}, d, x, y, z), 0);
  EXPECT_EQ(gpu.download<float>(d, 128), std::vector<float>(128, 8));
}
TEST_P(Matrices, HalfIntoHalf) {
  tile<uint16_t, uint16_t>("tile_half", 16, 8, 8, [](int v) { return to_half(v); }, [](int v) { return to_half(v); });
}
TEST_P(Matrices, Doubles) {
  tile<double, double>("tile_double", 8, 8, 4, [](int v) { return double(v); }, [](int v) { return double(v); });
}
TEST_P(Matrices, Bytes) {
  tile<int8_t, int>("tile_bytes", 16, 8, 32, [](int v) { return int8_t(v); }, [](int v) { return v; });
}

INSTANTIATE_TEST_SUITE_P(All, Matrices, ::testing::Values(80, 90, 120));

}  // namespace
}  // namespace fakegpu::test
