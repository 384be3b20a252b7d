// Gradients through the C API.
#include "tests/capi/capi.h"

using namespace jt::test;

static Tensor variable(const Session& s, const Dims& dims, const std::vector<float>& data) {
  Tensor t = s.floats(dims, data);
  must(jt_tensor_set_requires_grad(s.ctx, t, 1));
  return t;
}
static Tensor grad(const Session& s, const Tensor& y, const Tensor& x, uint32_t flags = 0) {
  jt_tensor *in[1] = {x}, *out[1] = {};
  must(jt_grad(s.ctx, y, in, 1, nullptr, flags, out, 1));
  return Tensor(out[0]);
}
static Tensor gathered(const Session& s, const Tensor& x) {
  jt_tensor* out = nullptr;
  must(jt_tensor_grad(s.ctx, x, &out));
  return Tensor(out);
}
using Floats = std::vector<float>;

TEST(Grad, OfASumOfSquares) {
  Session s;
  Tensor x = variable(s, {3}, {1, 2, 3}), y = s.sum(s.make(jt_square, x));
  EXPECT_EQ(s.read(grad(s, y, x)), (Floats{2, 4, 6}));
}
TEST(Grad, TakesTheGradientOfWhatComesAfter) {
  Session s;
  Tensor x = variable(s, {2}, {1, 2}), y = s.make(jt_square, x), dy = s.floats({2}, {10, 100});
  jt_tensor *in[1] = {x}, *out[1] = {};
  must(jt_grad(s.ctx, y, in, 1, dy, 0, out, 1));
  EXPECT_EQ(s.read(Tensor(out[0])), (Floats{20, 400}));
  EXPECT_EQ(jt_grad(s.ctx, y, in, 1, nullptr, 0, out, 1), JT_E_SHAPE);
  EXPECT_EQ(out[0], nullptr);
  EXPECT_EQ(jt_grad(s.ctx, y, in, 1, s.zeros({3}), 0, out, 1), JT_E_SHAPE);
}
TEST(Grad, OfSecondOrder) {
  Session s;
  Tensor x = variable(s, {2}, {2, 3});
  Tensor y = s.sum(s.make(jt_mul, s.make(jt_square, x), x));  // x^3
  Tensor first = grad(s, y, x, JT_GRAD_CREATE_GRAPH);
  EXPECT_EQ(s.read(first), (Floats{12, 27}));
  Tensor second = grad(s, s.sum(first), x, JT_GRAD_CREATE_GRAPH);
  EXPECT_EQ(s.read(second), (Floats{12, 18}));
  EXPECT_EQ(s.read(grad(s, s.sum(second), x)), (Floats{6, 6}));
}
TEST(Grad, WithoutCreateGraphIsAConstant) {
  Session s;
  Tensor x = variable(s, {1}, {2}), first = grad(s, s.sum(s.make(jt_square, x)), x);
  jt_tensor *in[1] = {x}, *out[1] = {};
  EXPECT_EQ(jt_grad(s.ctx, s.sum(first), in, 1, nullptr, 0, out, 1), JT_E_INVALID);
  must(jt_grad(s.ctx, s.sum(first), in, 1, nullptr, JT_GRAD_ALLOW_UNUSED, out, 1));
  EXPECT_EQ(s.read(Tensor(out[0])), (Floats{0}));
}
TEST(Grad, DoesNotConsume) {
  Session s;
  Tensor x = variable(s, {2}, {1, 2}), y = s.sum(s.make(jt_exp, x));
  Floats once = s.read(grad(s, y, x));
  s.item(y);
  EXPECT_EQ(s.read(grad(s, y, x)), once);
}
TEST(Grad, AfterTheForwardRan) {
  Session s;
  Tensor x = variable(s, {2, 2}, {1, 2, 3, 4}), w = variable(s, {2, 2}, {1, 0, 1, 1});
  Tensor h = s.make(jt_tanh, s.make(jt_matmul, x, w)), y = s.sum(h);
  double value = s.item(y);
  Tensor dw = grad(s, y, w);
  Floats late = s.read(dw);
  Tensor y2 = s.sum(s.make(jt_tanh, s.make(jt_matmul, x, w)));
  EXPECT_EQ(s.read(grad(s, y2, w)), late);
  EXPECT_EQ(s.item(y2), value);
}
TEST(Grad, NamesWhatIsWrong) {
  Session s;
  Tensor x = variable(s, {2}, {1, 2}), other = s.zeros({2}), y = s.sum(s.make(jt_square, x));
  jt_tensor *in[1] = {other}, *out[2] = {};
  EXPECT_EQ(jt_grad(s.ctx, y, in, 1, nullptr, 0, out, 1), JT_E_INVALID);
  EXPECT_NE(last_message().find("does not require a gradient"), std::string::npos) << last_message();
  EXPECT_EQ(jt_grad(s.ctx, y, in, 1, nullptr, 0, out, 2), JT_E_INVALID);
  EXPECT_EQ(jt_grad(s.ctx, y, in, 1, nullptr, 64, out, 1), JT_E_INVALID);
  Tensor z = s.sum(s.make(jt_erf, x));
  must(jt_backward(s.ctx, z, 0));
  EXPECT_EQ(jt_backward(s.ctx, z, 0), JT_E_INVALID);
  EXPECT_NE(last_message().find("JT_GRAD_RETAIN_GRAPH"), std::string::npos) << last_message();
}

TEST(RequiresGrad, IsForFloats) {
  Session s;
  EXPECT_EQ(jt_tensor_set_requires_grad(s.ctx, s.of<int32_t>(JT_I32, {1}, {1}), 1), JT_E_DTYPE);
  Tensor x = s.zeros({2});
  EXPECT_EQ(jt_tensor_requires_grad(x), 0);
  must(jt_tensor_set_requires_grad(s.ctx, x, 1));
  must(jt_tensor_set_requires_grad(s.ctx, x, 1));
  EXPECT_EQ(jt_tensor_requires_grad(x), 1);
  must(jt_tensor_set_requires_grad(s.ctx, x, 0));
  EXPECT_EQ(jt_tensor_requires_grad(x), 0);
  Tensor y = s.sum(s.make(jt_square, x));
  EXPECT_EQ(jt_backward(s.ctx, y, 0), JT_E_INVALID);
  EXPECT_NE(last_message().find("depends on no tensor that requires a gradient"), std::string::npos) << last_message();
  EXPECT_EQ(gathered(s, x).handle, nullptr);
}
TEST(RequiresGrad, ModeOffRecordsNone) {
  Session s;
  Tensor x = variable(s, {1}, {3});
  jt_bool before = 0;
  must(jt_context_set_grad_mode(s.ctx, 0, &before));
  EXPECT_EQ(before, 1);
  Tensor y = s.sum(s.make(jt_square, x));
  must(jt_context_set_grad_mode(s.ctx, 1, nullptr));
  EXPECT_EQ(jt_backward(s.ctx, y, 0), JT_E_INVALID);
  EXPECT_EQ(gathered(s, x).handle, nullptr);
}

// 1 + 2^-12 is 1 as a half. The gradient is of the casts: that of an f32 is an f32.
TEST(Autocast, CastsProductsUntilItIsSwitchedOff) {
  Session s;
  const float more = 1 + 0x1p-12f;
  Tensor x = variable(s, {1, 1}, {more}), one = variable(s, {1, 1}, {1});
  jt_dtype before = JT_BOOL;
  must(jt_context_set_autocast(s.ctx, JT_F16, &before));
  EXPECT_EQ(before, JT_F32);
  Tensor y = s.make(jt_matmul, x, one);
  EXPECT_EQ(jt_tensor_dtype(y), JT_F16);
  EXPECT_EQ(jt_tensor_dtype(s.make(jt_exp, y)), JT_F32);
  EXPECT_EQ(jt_tensor_dtype(s.make(jt_square, y)), JT_F16);
  must(jt_backward(s.ctx, s.sum(y), 0));
  must(jt_context_set_autocast(s.ctx, JT_F32, &before));
  EXPECT_EQ(before, JT_F16);
  EXPECT_EQ(jt_tensor_dtype(gathered(s, x)), JT_F32);
  EXPECT_EQ(s.read(gathered(s, x)), Floats{1});
  EXPECT_EQ(s.read(gathered(s, one)), Floats{1});
  EXPECT_EQ(s.read(s.make(jt_matmul, x, one)), Floats{more});
  EXPECT_EQ(jt_context_set_autocast(s.ctx, JT_I32, nullptr), JT_E_DTYPE);
  EXPECT_EQ(last_message(), "jt_context_set_autocast: dtype is i32, not f16, bf16 or f32");
}

TEST(Backward, AddsUp) {
  Session s;
  Tensor x = variable(s, {2}, {1, 2});
  for (int i = 0; i < 3; i++) must(jt_backward(s.ctx, s.sum(s.make(jt_square, x)), 0));
  EXPECT_EQ(s.read(gathered(s, x)), (Floats{6, 12}));
  must(jt_zero_grad(s.ctx, &x.handle, 1));
  EXPECT_EQ(gathered(s, x).handle, nullptr);
  must(jt_backward(s.ctx, s.sum(s.make(jt_square, x)), 0));
  EXPECT_EQ(s.read(gathered(s, x)), (Floats{2, 4}));
}
TEST(Backward, RunsTheForwardOnce) {
  Session s;
  Tensor w = variable(s, {8, 8}, Floats(64, 0.5f)), x = s.floats({8, 8}, Floats(64, 0.25f));
  int64_t launches = 0;
  for (int i = 0; i < 4; i++) {
    int64_t before = s.stats().launches;
    Tensor loss = s.sum(s.make(jt_tanh, s.make(jt_matmul, x, w)));
    must(jt_backward(s.ctx, loss, 0));
    Tensor g = gathered(s, w);
    g = Tensor();
    if (i == 2) launches = s.stats().launches - before;
    if (i == 3) {
      EXPECT_EQ(s.stats().launches - before, launches);
    }
  }
  s.read(gathered(s, w));
  EXPECT_LE(launches, 5);  // of the step before: tanh again with its gradient, matmul, add; matmul, tanh with its sum
}
TEST(Backward, KeepsTheGraphOnRequest) {
  Session s;
  Tensor x = variable(s, {2}, {1, 2}), y = s.sum(s.make(jt_square, x));
  must(jt_backward(s.ctx, y, JT_GRAD_RETAIN_GRAPH));
  s.item(y);
  must(jt_backward(s.ctx, y, 0));
  EXPECT_EQ(s.read(gathered(s, x)), (Floats{4, 8}));
}
TEST(Backward, GivesOneGradientToAHandleNamedTwice) {
  Session s;
  Tensor x = variable(s, {1}, {3}), same = x;
  must(jt_backward(s.ctx, s.sum(s.make(jt_mul, x, same)), 0));
  EXPECT_EQ(s.read(gathered(s, same)), (Floats{6}));
}

TEST(Assignment, StopsGradients) {
  Session s;
  Tensor x = variable(s, {1}, {3}), w = variable(s, {1}, {1});
  Tensor twice = s.make(jt_add, x, x);
  must(jt_tensor_assign(s.ctx, w, twice));
  EXPECT_EQ(jt_tensor_requires_grad(w), 1);
  must(jt_backward(s.ctx, s.sum(s.make(jt_square, w)), 0));
  EXPECT_EQ(s.read(gathered(s, w)), (Floats{12}));
  EXPECT_EQ(gathered(s, x).handle, nullptr);
}
TEST(Assignment, DoesNotMakeItsSourceAParameter) {
  Session s;
  Tensor value = s.floats({1}, {5}), w = variable(s, {1}, {1});
  must(jt_tensor_assign(s.ctx, w, value));
  EXPECT_EQ(jt_backward(s.ctx, s.sum(s.make(jt_square, value)), 0), JT_E_INVALID);
  EXPECT_EQ(gathered(s, w).handle, nullptr);
}
