// Reductions and what is fused around them have the CPU's bits in every form: a warp a row, a block of threads a row or
// 32 columns, a kernel a stage, and partial results combined by threads and by warps.
#include "tests/cuda/both_devices.h"

#include <cstring>
#include <string>
#include <vector>

using namespace jt::test;

namespace {

class Rows : public BothDevices {
 protected:
  // Bytes of what `op` gives of the same numbers on both devices.
  template <class Op>
  void compare(const char* what, std::vector<int64_t> dims, Op op) {
    SCOPED_TRACE(testing::Message() << what << " of " << dims[0] << "x" << dims[1]);
    jt_tensor* x = nullptr;
    must(jt_random_uniform(ctx_, dims.data(), dims.size(), -4, 4, JT_F32, &x)), keep(x);
    std::vector<char> bytes[2];
    for (int device = 0; device < 2; device++) {
      jt_tensor *here = nullptr, *out = nullptr;
      must(jt_context_set_device(ctx_, device, nullptr));
      must(jt_tensor_to(ctx_, x, device, &here)), keep(here);
      must(op(here, &out)), keep(out);
      bytes[device].resize(size_t(jt_tensor_count(out)) * jt_dtype_size(jt_tensor_dtype(out)));
      must(jt_tensor_read(ctx_, out, bytes[device].data(), bytes[device].size()));
      EXPECT_EQ(jt_tensor_device(out), device);
    }
    must(jt_context_set_device(ctx_, 0, nullptr));
    EXPECT_TRUE(bytes[0] == bytes[1]);
  }
  void compare_all(int64_t rows, int64_t columns, int64_t axis) {
    std::vector<int64_t> dims = {rows, columns};
    compare("sum", dims, [&](jt_tensor* x, jt_tensor** out) { return jt_sum(ctx_, x, &axis, 1, 0, out); });
    compare("argmax", dims, [&](jt_tensor* x, jt_tensor** out) { return jt_argmax(ctx_, x, &axis, 1, 0, out); });
    compare("softmax", dims, [&](jt_tensor* x, jt_tensor** out) { return jt_softmax(ctx_, x, axis, out); });
    compare("var", dims, [&](jt_tensor* x, jt_tensor** out) { return jt_var(ctx_, x, &axis, 1, 0, 1, out); });
  }
};

}  // namespace

TEST_F(Rows, AWarpARow) { compare_all(9, 1000, 1), compare_all(7, 63, 1), compare_all(520, 1100, 1); }
TEST_F(Rows, ABlockOfThreadsARow) {
  compare_all(3, 4097, 1), compare_all(2, 4096 * 4, 1), compare_all(66, 4096 * 5 + 7, 1);
}
TEST_F(Rows, AKernelAStage) { compare_all(3, 4096 * 5, 1), compare_all(2, 140000, 1); }
TEST_F(Rows, BlocksOfColumns) { compare_all(4096, 33, 0), compare_all(100, 70, 0), compare_all(4100, 2050, 0); }
TEST_F(Rows, AKernelAStageOfColumns) { compare_all(5000, 35, 0), compare_all(140000, 3, 0); }
