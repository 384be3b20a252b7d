// Scatters of many elements, of which many meet: sorted by place and combined in order, to the CPU's bits, on the
// device that the environment names.
#include "tests/cuda/both_devices.h"

#include <dlfcn.h>

#include <cstdlib>
#include <vector>

#include "tests/fakegpu/fakegpu.h"

using namespace jt::test;

namespace {

class Scatter : public BothDevices {
 protected:
  jt_tensor* numbers(std::vector<int64_t> dims, jt_dtype dtype) {
    jt_tensor *uniform, *out;
    must(jt_random_uniform(ctx_, dims.data(), dims.size(), -2, 2, JT_F32, &uniform)), keep(uniform);
    must(jt_cast(ctx_, uniform, dtype, &out));
    return keep(out);
  }
  // From -size to size - 1, so that each place is met by two numbers.
  jt_tensor* places(std::vector<int64_t> dims, int64_t size) {
    jt_tensor* out;
    must(jt_random_integers(ctx_, dims.data(), dims.size(), -size, size, JT_I64, &out));
    return keep(out);
  }
  // The bits of what `op` makes of operands are those of the CPU.
  template <class Op>
  void compare(std::vector<jt_tensor*> operands, Op op) {
    std::vector<unsigned char> results[2];
    for (int device = 0; device < 2; device++) {
      std::vector<jt_tensor*> here;
      for (jt_tensor* t : operands) {
        jt_tensor* moved;
        must(jt_tensor_to(ctx_, t, device, &moved));
        here.push_back(keep(moved));
      }
      must(jt_context_set_device(ctx_, device, nullptr));
      jt_tensor* z = keep(op(here));
      EXPECT_EQ(jt_tensor_device(z), device);
      results[device].resize(size_t(jt_tensor_count(z)) * size_t(jt_dtype_size(jt_tensor_dtype(z))));
      must(jt_tensor_read(ctx_, z, results[device].data(), results[device].size()));
    }
    must(jt_context_set_device(ctx_, 0, nullptr));
    EXPECT_TRUE(results[0] == results[1]);
  }
};

}  // namespace

TEST_F(Scatter, RowsThatMeetAreAddedInOrder) {
  for (jt_dtype t : {JT_F32, JT_F64, JT_F16, JT_BF16, JT_I8, JT_I32, JT_I64, JT_U64}) {
    SCOPED_TRACE(jt_dtype_name(t));
    compare({numbers({13, 5}, t), places({301}, 13), numbers({301, 5}, t)}, [&](std::vector<jt_tensor*>& x) {
      jt_tensor* z = nullptr;
      must(jt_scatter_add(ctx_, x[0], x[1], x[2], 0, &z));
      return z;
    });
  }
}
TEST_F(Scatter, EveryWayToCombine) {
  for (const char* combine : {"set", "add", "mul", "max", "min"})
    for (int64_t axis : {0, 1}) {
      SCOPED_TRACE(testing::Message() << combine << " along " << axis);
      std::vector<int64_t> dims = {axis ? 7 : 120, axis ? 120 : 7};
      compare({numbers({9, 9}, JT_F32), places(dims, 9), numbers(dims, JT_F32)}, [&](std::vector<jt_tensor*>& x) {
        jt_tensor* z = nullptr;
        must(jt_scatter(ctx_, x[0], x[1], x[2], axis, combine, JT_NUL, &z));
        return z;
      });
    }
}
// The gradient of an embedding: that of a row that is never read is 0.
TEST_F(Scatter, GradientsOfRowsThatWereRead) {
  compare({numbers({40, 6}, JT_F32), places({11, 31}, 20), numbers({11, 31, 6}, JT_F32)},
          [&](std::vector<jt_tensor*>& x) {
            jt_tensor *z = nullptr, *grad = nullptr;
            must(jt_tensor_set_requires_grad(ctx_, x[0], 1));
            must(jt_take(ctx_, x[0], x[1], 0, &z)), keep(z);
            jt_tensor *weighed = nullptr, *sum = nullptr;
            must(jt_mul(ctx_, z, x[2], &weighed)), keep(weighed);
            must(jt_sum(ctx_, weighed, nullptr, 0, 0, &sum)), keep(sum);
            must(jt_grad(ctx_, sum, &x[0], 1, nullptr, 0, &grad, 1));
            return grad;
          });
}
// As many as a sort takes; a thread for each place that walks over all would take ten thousand for each element.
TEST_F(Scatter, TakesTheInstructionsOfASort) {
  void* library = dlopen(std::getenv("JT_CUDA_DRIVER") ? std::getenv("JT_CUDA_DRIVER") : "/nowhere", RTLD_NOW);
  auto* reset = reinterpret_cast<decltype(&fakegpu_reset_counters)>(dlsym(library, "fakegpu_reset_counters"));
  auto* count = reinterpret_cast<decltype(&fakegpu_kernel)>(dlsym(library, "fakegpu_kernel"));
  if (!count) GTEST_SKIP() << "skipped: JT_CUDA_DRIVER is not the fake driver";
  must(jt_context_set_device(ctx_, 1, nullptr));
  for (int64_t log : {10, 13}) {
    int64_t n = int64_t(1) << log;
    jt_tensor *x = numbers({1024}, JT_F32), *at = places({n}, 1024), *v = numbers({n}, JT_F32), *z = nullptr;
    jt_tensor* all[] = {x, at, v};
    must(jt_eval(ctx_, all, 3)), must(jt_sync(ctx_));
    reset();
    must(jt_scatter_add(ctx_, x, at, v, 0, &z));
    must(jt_eval(ctx_, &z, 1)), must(jt_sync(ctx_)), keep(z);
    fakegpu_counters found{};
    ASSERT_TRUE(count(nullptr, &found));
    EXPECT_LT(found.lane_instructions, uint64_t(n * log * 220)) << n;
  }
}
