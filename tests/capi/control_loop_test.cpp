// What a loop that runs takes: nothing from the heap, however many rounds it has, and of memory no more for many than
// for few.
#include "tests/capi/heap.h"

using namespace jt::test;

namespace {

// x = tanh(x w) + row i of rows, and a branch on its sum.
struct Body {
  jt_tensor *w, *rows;
};
jt_status half(void*, jt_body_call* call) {
  jt_tensor* by = nullptr;
  jt_status status = jt_scalar(call->ctx, 0.5, JT_F32, &by);
  if (status == JT_OK) status = jt_mul(call->ctx, call->inputs[0], by, call->outputs);
  jt_tensor_release(by);
  return status;
}
jt_status same(void*, jt_body_call* call) {
  jt_tensor_retain(call->outputs[0] = call->inputs[0]);
  return JT_OK;
}
jt_status round_of(void* user, jt_body_call* call) {
  auto& b = *static_cast<Body*>(user);
  jt_context* ctx = call->ctx;
  jt_tensor *product = nullptr, *active = nullptr, *row = nullptr, *sum = nullptr, *total = nullptr, *zero = nullptr,
            *by = nullptr, *three = nullptr, *place = nullptr;
  must(jt_matmul(ctx, call->inputs[0], b.w, &product)), must(jt_tanh(ctx, product, &active));
  must(jt_scalar_i64(ctx, 3, JT_I64, &three)), must(jt_mod(ctx, call->index, three, &place));
  must(jt_slice_at(ctx, b.rows, place, 1, 0, &row)), must(jt_add(ctx, active, row, &sum));
  must(jt_sum(ctx, sum, nullptr, 0, 0, &total)), must(jt_scalar(ctx, 0, JT_F32, &zero)),
      must(jt_less(ctx, total, zero, &by));
  must(jt_cond(ctx, by, half, same, nullptr, &sum, 1, call->outputs, 1));
  for (jt_tensor* t : {product, active, row, sum, total, zero, by, three, place}) jt_tensor_release(t);
  return JT_OK;
}

}  // namespace

TEST(ControlLoop, ARoundTakesNothingFromTheHeap) {
  Session s;
  Tensor w = s.normal({8, 8}), rows = s.normal({3, 8}), x = s.normal({4, 8});
  s.read(w), s.read(rows), s.read(x);
  Body body{w, rows};
  auto run = [&](int64_t rounds) {
    jt_tensor *in = x, *out = nullptr, *n = nullptr;
    float got[32];
    must(jt_scalar_i64(s.ctx, rounds, JT_I64, &n));
    must(jt_for_loop(s.ctx, n, -1, round_of, &body, &in, 1, &out, 1));
    int64_t before = news;
    must(jt_tensor_read(s.ctx, out, got, sizeof got));
    int64_t taken = news - before;
    jt_tensor_release(out), jt_tensor_release(n);
    return taken;
  };
  for (int64_t n : {5, 6, 2000, 5, 6}) run(n);
  for (int64_t n : {5, 2000, 7}) EXPECT_EQ(run(n), 0) << n << " rounds";
  int64_t calls = s.memory().allocator_calls;
  for (int64_t n : {5, 2000, 7}) run(n);
  EXPECT_EQ(s.memory().allocator_calls, calls);
}

namespace {

// A loop of one round in a loop of one round, so many deep.
struct Nest {
  int depth;
};
jt_status deeper(void* user, jt_body_call* call) {
  Nest inner{static_cast<Nest*>(user)->depth - 1};
  if (inner.depth == 0) return jt_add(call->ctx, call->inputs[0], call->inputs[0], call->outputs);
  jt_tensor *looped = nullptr, *one = nullptr;
  must(jt_for_loop(call->ctx, nullptr, 1, deeper, &inner, call->inputs, 1, &looped, 1));
  must(jt_scalar(call->ctx, 1, JT_F32, &one)), must(jt_add(call->ctx, looped, one, call->outputs));
  jt_tensor_release(looped), jt_tensor_release(one);
  return JT_OK;
}

}  // namespace

// As its plan is made and run for the first time.
TEST(ControlLoop, ANestTakesMemoryByItsDepth) {
  auto takes = [](int depth) {
    Session s;
    Tensor x = s.floats({2}, {1, 2});
    jt_tensor *in = x, *out = nullptr;
    Nest nest{depth};
    must(jt_for_loop(s.ctx, nullptr, 1, deeper, &nest, &in, 1, &out, 1));
    int64_t before = news;
    Tensor y(out);
    EXPECT_EQ(s.read(y), (std::vector<float>{float(2 + depth - 1), float(4 + depth - 1)}));
    return news - before;
  };
  int64_t of_7 = takes(7), of_14 = takes(14), of_28 = takes(28);
  EXPECT_LT(of_14 - of_7, 4 * of_7);
  EXPECT_LT(of_28 - of_14, 8 * (of_14 - of_7)) << of_7 << ", " << of_14 << ", " << of_28;
}
