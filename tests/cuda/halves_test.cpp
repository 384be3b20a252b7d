// Products of halves by warps, through the backend's table: from every way that matrices lie, at every edge, against
// sums of doubles; as many products of 16 x 8 x 16 as there are, and no bank is met twice.
#include <gtest/gtest.h>

#include <dlfcn.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "backends/cuda_nvrtc/cuda_backend.h"
#include "core/ir/scalar_math.h"
#include "tests/fakegpu/fakegpu.h"

namespace jt::test {

namespace {

std::string told;

jt_host_api host_of() {
  jt_host_api host{};
  host.struct_size = sizeof host, host.abi_minor = JT_BACKEND_ABI_MINOR, host.threads = 1;
  host.set_error = [](void*, jt_status, int64_t, const char* message, size_t length) { told.assign(message, length); };
  host.setting = [](void*, const char* name) -> const char* {
    std::string variable = "JT_";
    for (const char* c = name; *c; c++) variable += *c == '.' ? '_' : char(toupper(*c));
    return variable == "JT_CACHE_DIR" ? nullptr : std::getenv(variable.c_str());
  };
  return host;
}

class Halves : public testing::TestWithParam<jt_dtype> {
 protected:
  void SetUp() override {
    if (api_->open(&host_, &device_) != JT_OK) GTEST_SKIP() << "skipped: " << told;
    void* library =
        dlopen(std::getenv("JT_CUDA_DRIVER") ? std::getenv("JT_CUDA_DRIVER") : "/nowhere", RTLD_NOW | RTLD_LOCAL);
    reset_ = reinterpret_cast<decltype(reset_)>(dlsym(library, "fakegpu_reset_counters"));
    count_ = reinterpret_cast<decltype(count_)>(dlsym(library, "fakegpu_kernel"));
  }
  void TearDown() override {
    if (device_) api_->close(device_);
  }
  void must(jt_status status) { ASSERT_EQ(status, JT_OK) << told; }

  // [rows, columns], rows `ld` apart; what lies between is NaN.
  struct Matrix {
    int64_t rows, columns, ld;
    std::vector<uint16_t> bits;
    Matrix(int64_t r, int64_t c, int64_t gap, DType t, uint64_t seed)
        : rows(r), columns(c), ld(c + gap), bits(size_t(rows * ld), 0x7fff) {
      for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++, seed = seed * 6364136223846793005ull + 1442695040888963407ull)
          store(t, reinterpret_cast<unsigned char*>(&bits[size_t(i * ld + j)]),
                word_of(t, double(int64_t(seed >> 33) % 64 - 32) / 16));
    }
    double at(DType t, int64_t i, int64_t j) const {
      return convert(load(t, reinterpret_cast<const unsigned char*>(&bits[size_t(i * ld + j)])), CType::f32, CType::f64)
          .f64;
    }
  };
  void* upload(const void* from, size_t bytes) {
    void* to = nullptr;
    must(api_->mem_alloc(device_, bytes, &to));
    must(api_->copy(device_, nullptr, to, from, bytes, JT_BE_HOST_TO_DEVICE));
    return to;
  }

  void product(int64_t m, int64_t n, int64_t k, bool ta, bool tb, int64_t gap, jt_dtype result) {
    DType t = GetParam();
    SCOPED_TRACE(testing::Message() << m << "x" << n << "x" << k << ", transposed " << ta << tb << ", rows " << gap
                                    << " apart, to " << jt_dtype_name(result));
    Matrix a(ta ? k : m, ta ? m : k, gap, t, 1), b(tb ? n : k, tb ? k : n, gap, t, 2);
    const size_t item = size_of(result), row = size_t(n + gap) * item;
    std::vector<unsigned char> c(size_t(m) * row, 0xff);
    int64_t params[] = {result, m, n, k, ta, tb, a.ld, b.ld, n + gap, 1, 0, 0, 0, t};
    size_t workspace = 0;
    jt_be_op* op = nullptr;
    must(api_->op_create(device_, "matmul", params, result == t ? 13 : 14, &workspace, &op));
    void* pointers[] = {upload(a.bits.data(), a.bits.size() * 2), upload(b.bits.data(), b.bits.size() * 2),
                        upload(c.data(), c.size())};
    void* room = nullptr;
    if (workspace) must(api_->mem_alloc(device_, workspace, &room));
    if (reset_) reset_();
    must(api_->op_run(device_, op, pointers, 3, room));
    must(api_->copy(device_, nullptr, c.data(), pointers[2], c.size(), JT_BE_DEVICE_TO_HOST));
    fakegpu_counters found{};
    if (count_ && count_("jt_product", &found)) {
      EXPECT_GE(found.matrix_products, uint64_t((m + 15) / 16 * ((n + 7) / 8) * ((k + 15) / 16)));
      EXPECT_EQ(found.bank_conflicts, 0u);
      EXPECT_EQ(found.local_accesses, 0u);
    }
    double step = result == JT_F32 ? 0 : t == JT_F16 ? 1.0 / 1024 : 1.0 / 128;
    for (int64_t i = 0; i < m; i++) {
      for (int64_t j = 0; j < n; j++) {
        double sum = 0;
        for (int64_t l = 0; l < k; l++) sum += a.at(t, ta ? l : i, ta ? i : l) * b.at(t, tb ? j : l, tb ? l : j);
        double got = convert(load(result, &c[size_t(i) * row + size_t(j) * item]), CType::f32, CType::f64).f64;
        ASSERT_LE(std::fabs(got - sum), step * std::fabs(sum) + 1e-4) << i << ", " << j;
      }
      for (size_t at = size_t(n) * item; at < row; at++) ASSERT_EQ(c[size_t(i) * row + at], 0xff);
    }
    for (void* p : pointers) api_->mem_free(device_, p, 0);
    if (room) api_->mem_free(device_, room, workspace);
    api_->op_release(device_, op);
  }

  const jt_backend_api* api_ = jt_cuda_backend();
  jt_host_api host_ = host_of();
  jt_be_device* device_ = nullptr;
  decltype(&fakegpu_reset_counters) reset_ = nullptr;
  decltype(&fakegpu_kernel) count_ = nullptr;
};

}  // namespace

TEST_P(Halves, ProductsByWarps) {
  // Whole tiles of both sizes; edges that no vector fits; long sums, which are split; none.
  const int64_t shapes[][3] = {{64, 64, 32},   {256, 256, 64}, {70, 90, 50}, {1, 1, 1},
                               {130, 264, 33}, {5, 7, 2100},   {9, 8, 0}};
  for (auto [m, n, k] : shapes)
    for (int turned = 0; turned < 4; turned++)
      for (jt_dtype result : {GetParam(), JT_F32})
        if (result != JT_F32 || turned % 3 == 0)
          product(m, n, k, turned & 1, turned & 2, turned == 0 ? 0 : turned == 3 ? 8 : 3, result);
}
INSTANTIATE_TEST_SUITE_P(Types, Halves, testing::Values(JT_F16, JT_BF16));

}  // namespace jt::test
