// Products, convolutions, sorting and sums along lines, of every tile, dtype, direction and number of parts, against
// the CPU's, on the device that the environment names.
#include "tests/cuda/both_devices.h"

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

using namespace jt::test;

namespace {

class LibraryOps : public BothDevices {
 protected:
  jt_tensor* numbers(std::vector<int64_t> dims, jt_dtype dtype) {
    jt_tensor *uniform, *out;
    must(jt_random_uniform(ctx_, dims.data(), dims.size(), -4, 4, JT_F32, &uniform)), keep(uniform);
    must(jt_cast(ctx_, uniform, dtype, &out));
    return keep(out);
  }
  std::vector<double> read(jt_tensor* t) {
    jt_tensor* wide;
    must(jt_cast(ctx_, t, JT_F64, &wide)), keep(wide);
    std::vector<double> out(size_t(jt_tensor_count(t)));
    must(jt_tensor_read(ctx_, wide, out.data(), out.size() * 8));
    return out;
  }
  // The same op on both; `op` makes it of operands.
  template <class Op>
  void compare(std::vector<jt_tensor*> operands, jt_dtype dtype, double bound, Op op) {
    std::vector<double> results[2];
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
      results[device] = read(z);
    }
    must(jt_context_set_device(ctx_, 0, nullptr));
    ASSERT_EQ(results[0].size(), results[1].size());
    double largest = 0, worst = 0;
    for (double x : results[0]) largest = std::max(largest, std::fabs(x));
    for (size_t i = 0; i < results[0].size(); i++) {
      double distance = std::fabs(results[0][i] - results[1][i]);
      worst = std::isnan(distance) ? INFINITY : std::max(worst, distance);
    }
    EXPECT_LE(worst, bound * largest) << "dtype " << dtype;
  }
};

double bound_of(jt_dtype t) {
  return t == JT_F64 ? 1e-14 : t == JT_F32 ? 2e-6 : t == JT_F16 ? 2e-3 : t == JT_BF16 ? 1e-2 : 0;
}

}  // namespace

TEST_F(LibraryOps, ProductsOfEveryTileAndDirection) {
  // One element; odd edges; a tile of 64; several of 128 with edges; long sums, which are split.
  const int64_t shapes[][3] = {{1, 1, 1}, {33, 17, 65}, {130, 70, 40}, {264, 136, 48}, {5, 7, 2100}};
  for (auto [m, n, k] : shapes)
    for (jt_dtype t : {JT_F32, JT_F16, JT_BF16})  // halves are multiplied by warps
      for (int turned = 0; turned < 4; turned++) {
        SCOPED_TRACE(testing::Message() << jt_dtype_name(t) << " " << m << "x" << n << "x" << k << ", transposed "
                                        << turned);
        bool ta = turned & 1, tb = turned & 2;
        std::vector<jt_tensor*> operands = {numbers(ta ? std::vector{k, m} : std::vector{m, k}, t), numbers(tb
            ? std::vector{n, k} : std::vector{k, n}, t)};
        compare(operands, t, bound_of(t), [&](std::vector<jt_tensor*>& x) {
          const int64_t axes[] = {1, 0};
          jt_tensor *a = x[0], *b = x[1], *z = nullptr;
          if (ta) must(jt_transpose(ctx_, a, axes, 2, &a)), keep(a);
          if (tb) must(jt_transpose(ctx_, b, axes, 2, &b)), keep(b);
          must(jt_matmul(ctx_, a, b, &z));
          return z;
        });
      }
}

TEST_F(LibraryOps, ProductsOfEveryDtype) {
  for (jt_dtype t : {JT_I8, JT_I16, JT_I32, JT_I64, JT_U8, JT_U16, JT_U32, JT_U64, JT_F16, JT_BF16, JT_F32, JT_F64}) {
    SCOPED_TRACE(jt_dtype_name(t));
    compare({numbers({3, 20, 40}, t), numbers({3, 40, 30}, t)}, t, bound_of(t), [&](std::vector<jt_tensor*>& x) {
      jt_tensor* z = nullptr;
      must(jt_matmul(ctx_, x[0], x[1], &z));
      return z;
    });
  }
}

TEST_F(LibraryOps, ConvolutionsForwardAndBackward) {
  struct { int64_t n, c, h, w, o, kh, kw, stride, padding, dilation, groups; } cases[] = {
      {2, 3, 9, 8, 4, 3, 3, 1, 1, 1, 1}, {1, 4, 11, 10, 6, 3, 2, 2, 1, 1, 2}, {2, 6, 8, 8, 6, 3, 3, 1, 2, 2, 6}, {1, 8,
          5, 5, 16, 1, 1, 1, 0, 1, 1}};
  for (const auto& p : cases)
    for (jt_dtype t : {JT_F32, JT_F64}) {
      SCOPED_TRACE(testing::Message() << "o " << p.o << ", groups " << p.groups << ", " << jt_dtype_name(t));
      jt_tensor *x = numbers({p.n, p.c, p.h, p.w}, t), *w = numbers({p.o, p.c / p.groups, p.kh, p.kw}, t);
      for (int part = 0; part < 3; part++)  // the value, the gradients of x and of w
        compare({x, w}, t, bound_of(t), [&](std::vector<jt_tensor*>& operands) {
          const int64_t stride[] = {p.stride, p.stride}, padding[] = {p.padding, p.padding, p.padding, p.padding},
              dilation[] = {p.dilation, p.dilation};
          for (jt_tensor* operand : operands) must(jt_tensor_set_requires_grad(ctx_, operand, 1));
          jt_tensor *z = nullptr, *square = nullptr, *sum = nullptr, *grad = nullptr;
          must(jt_conv2d(ctx_, operands[0], operands[1], stride, 2, padding, 4, dilation, 2, p.groups, 0, &z));
          if (part == 0) return z;
          must(jt_square(ctx_, z, &square)), must(jt_sum(ctx_, square, nullptr, 0, 0, &sum));
          keep(z), keep(square), keep(sum);
          must(jt_grad(ctx_, sum, &operands[size_t(part - 1)], 1, nullptr, 0, &grad, 1));
          return grad;
        });
    }
}

// Few different values, so that equal ones stay as they stood; one tile, several, lines that are far apart.
TEST_F(LibraryOps, SortAndSumsAlongLines) {
  const std::vector<int64_t> shapes[] = {{2, 40}, {1300}, {700, 3}};
  for (const std::vector<int64_t>& shape : shapes)
    for (jt_dtype t : {JT_I8, JT_U16, JT_I32, JT_U32, JT_I64, JT_U64, JT_F32, JT_F64}) {
      SCOPED_TRACE(testing::Message() << jt_dtype_name(t) << ", " << shape[0]);
      int64_t axis = shape[0] == 700 ? 0 : int64_t(shape.size()) - 1;
      jt_tensor *x = numbers(shape, t), *rounded = nullptr;
      if (t == JT_F32) must(jt_round(ctx_, x, &rounded)), x = keep(rounded);
      for (int result = 0; result < 5; result++)
        compare({x}, t, result < 3 ? 0 : bound_of(t), [&](std::vector<jt_tensor*>& here) {
          jt_tensor *a = nullptr, *b = nullptr;
          if (result < 2) must(jt_sort(ctx_, here[0], axis, result, &a, &b));
          if (result == 2) must(jt_cummax(ctx_, here[0], axis, &a, &b));
          if (result == 3) must(jt_cumsum(ctx_, here[0], axis, &a));
          if (result == 4) must(jt_cumprod(ctx_, here[0], axis, &a));
          return b ? keep(a), b : a;
        });
    }
}
