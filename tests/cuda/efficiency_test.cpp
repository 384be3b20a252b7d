// What kernels move and how many instructions they take, as the fake driver counts them: the least there is to move, in
// whole sectors, without conflicts of banks. Counts, not times.
#include <gtest/gtest.h>

#include <dlfcn.h>
#include <jt/jt.h>

#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "tests/fakegpu/fakegpu.h"

namespace {

class Efficiency : public testing::Test {
 protected:
  void SetUp() override {
    const char* path = std::getenv("JT_CUDA_DRIVER");
    void* library = dlopen(path ? path : "/nowhere", RTLD_NOW | RTLD_LOCAL);
    reset_ = reinterpret_cast<decltype(reset_)>(dlsym(library, "fakegpu_reset_counters"));
    count_ = reinterpret_cast<decltype(count_)>(dlsym(library, "fakegpu_kernel"));
    if (!reset_ || !count_) GTEST_SKIP() << "skipped: JT_CUDA_DRIVER is not the fake driver";
    const char* device = "cuda";
    jt_runtime_desc desc{};
    desc.struct_size = sizeof desc, desc.flags = JT_RT_ALLOW_ENV | JT_RT_NO_DISK_CACHE, desc.devices = &device,
    desc.devices_len = 1;
    if (jt_runtime_create(&desc, &rt_) != JT_OK) GTEST_SKIP() << "skipped: " << jt_last_error_message();
    must(jt_context_create(rt_, &ctx_)), must(jt_context_set_seed(ctx_, 3));
  }
  void TearDown() override {
    for (jt_tensor* t : tensors_) jt_tensor_release(t);
    jt_context_release(ctx_), jt_runtime_release(rt_);
  }
  static void must(jt_status status) { ASSERT_EQ(status, JT_OK) << jt_last_error_message(); }
  jt_tensor* keep(jt_tensor* t) { return tensors_.push_back(t), t; }
  jt_tensor* numbers(std::vector<int64_t> dims, jt_dtype dtype = JT_F32) {
    jt_tensor *uniform = nullptr, *out = nullptr;
    must(jt_random_uniform(ctx_, dims.data(), dims.size(), -4, 4, JT_F32, &uniform)), keep(uniform);
    must(jt_cast(ctx_, uniform, dtype, &out)), keep(out);
    must(jt_eval(ctx_, &out, 1)), must(jt_sync(ctx_));
    return out;
  }
  // Counters of all kernels that what `op` makes takes.
  fakegpu_counters counted(const std::function<jt_status(jt_tensor**)>& op) {
    jt_tensor* made = nullptr;
    fakegpu_counters out{};
    must(op(&made)), keep(made);
    reset_();
    must(jt_eval(ctx_, &made, 1)), must(jt_sync(ctx_));
    EXPECT_TRUE(count_(nullptr, &out));
    return out;
  }
  jt_runtime* rt_ = nullptr;
  jt_context* ctx_ = nullptr;
  std::vector<jt_tensor*> tensors_;
  decltype(&fakegpu_reset_counters) reset_ = nullptr;
  decltype(&fakegpu_kernel) count_ = nullptr;
};

// Bytes as they have to be, and sectors of 32 that hold little else.
void expect_moved(const fakegpu_counters& c, double bytes, double more = 0.01, bool uses_stack = false) {
  EXPECT_NEAR(double(c.bytes), bytes, bytes * more);
  EXPECT_GE(double(c.bytes) / (32.0 * double(c.sectors)), 0.95);
  EXPECT_EQ(c.bank_conflicts, 0u);
  if (!uses_stack) {
    EXPECT_EQ(c.local_accesses, 0u);
  }
}

}  // namespace

TEST_F(Efficiency, ElementWise) {
  const int64_t n = 1 << 16;
  struct { jt_dtype dtype; double bytes, most_instructions; } cases[] = {{JT_F32, 4, 13}, {JT_BF16, 2, 40}, {JT_F64, 8,
      24}, {JT_I8, 1, 13}};
  for (const auto& c : cases) {
    SCOPED_TRACE(jt_dtype_name(c.dtype));
    jt_tensor *x = numbers({n}, c.dtype), *y = numbers({n}, c.dtype);
    fakegpu_counters found = counted([&](jt_tensor** out) { return jt_add(ctx_, x, y, out); });
    expect_moved(found, 3 * c.bytes * n);
    EXPECT_EQ(found.launches, 1u);
    EXPECT_LE(double(found.lane_instructions) / n, c.most_instructions);
  }
}

TEST_F(Efficiency, RowsAndColumns) {
  const int64_t rows = 256, columns = 1024;
  jt_tensor* x = numbers({rows, columns});
  const double bytes = 4.0 * rows * columns;
  const int64_t axes[] = {0, 1};
  fakegpu_counters along = counted([&](jt_tensor** out) { return jt_sum(ctx_, x, axes + 1, 1, 0, out); });
  expect_moved(along, bytes + 4.0 * rows);
  EXPECT_EQ(along.launches, 1u);
  fakegpu_counters across = counted([&](jt_tensor** out) { return jt_sum(ctx_, x, axes, 1, 0, out); });
  expect_moved(across, bytes + 4.0 * columns, 0.02);
  fakegpu_counters whole = counted([&](jt_tensor** out) { return jt_sum(ctx_, x, axes, 2, 0, out); });
  expect_moved(whole, bytes, 0.02, true);  // levels of the counter
  // Three walks over a row: the largest, the sum, the result.
  fakegpu_counters softmax = counted([&](jt_tensor** out) { return jt_softmax(ctx_, x, 1, out); });
  expect_moved(softmax, 4 * bytes);
  EXPECT_EQ(softmax.launches, 1u);
}

TEST_F(Efficiency, Products) {
  for (int64_t size : {48, 192, 256}) {
    SCOPED_TRACE(size);
    jt_tensor *a = numbers({size, size}), *b = numbers({size, size});
    fakegpu_counters found = counted([&](jt_tensor** out) { return jt_matmul(ctx_, a, b, out); });
    EXPECT_EQ(found.bank_conflicts, 0u);
    EXPECT_EQ(found.local_accesses, 0u);
    if (size % 64 == 0) {
      EXPECT_GE(double(found.bytes) / (32.0 * double(found.sectors)), 0.95);
    }
    double products = double(size) * double(size) * double(size);
    EXPECT_LE(double(found.lane_instructions) / products, size == 256 ? 1.5 : size == 192 ? 2.7 : 7.0);
  }
}
