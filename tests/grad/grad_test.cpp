// The reverse walk: what it walks, what it leaves alone, and how it fails.
#include <pthread.h>

#include "check.h"

using namespace jt;
using namespace jt::test;
namespace op = jt::ops;

static std::string failure(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& e) {
    return e.message();
  }
  return "no error";
}

TEST(grad, what_y_does_not_depend_on_has_no_gradient) {
  Graph g;
  Value x = g.real({2}), other = g.real({2});
  std::vector<Value> d = gradients(g.recorder, op::sum(op::exp(x)), {}, g.wrt);
  EXPECT_TRUE(d[0]);
  EXPECT_FALSE(d[1]);
}

TEST(grad, an_intermediate_result_takes_its_gradient_and_passes_it_on) {
  Graph g;
  Value x = g.real({3}), h = op::sin(x), y = op::sum(h * h);
  Ref wrt[] = {h, x, h};
  std::vector<Value> d = gradients(g.recorder, y, {}, wrt);
  Array hv = run(h, g.feed), dh = run(d[0], g.feed), dx = run(d[1], g.feed), cosx = run(op::cos(x), g.feed);
  for (size_t i = 0; i < 3; i++) {
    EXPECT_DOUBLE_EQ(dh[i], 2 * hv[i]);
    EXPECT_DOUBLE_EQ(dx[i], 2 * hv[i] * cosx[i]);
  }
  EXPECT_TRUE(d[0].ref() == d[2].ref());
}

TEST(grad, y_itself_has_dy) {
  Graph g;
  Value y = op::exp(g.real({3})), dy = g.fixed({3});
  Ref wrt[] = {y};
  EXPECT_TRUE(gradients(g.recorder, y, dy, wrt)[0].ref() == dy.ref());
}

TEST(grad, dy_is_applied) {
  Graph g;
  Value x = g.real({3}), y = op::exp(x), dy = g.fixed({3});
  Array d = run(gradients(g.recorder, y, dy, g.wrt)[0], g.feed), yv = run(y, g.feed), w = run(dy, g.feed);
  for (size_t i = 0; i < 3; i++) EXPECT_DOUBLE_EQ(d[i], yv[i] * w[i]);
}

TEST(grad, errors_name_jt_grad_and_the_types) {
  Graph g;
  Value x = g.real({2, 3}), y = op::exp(x);
  EXPECT_EQ(failure([&] { gradients(g.recorder, y, {}, g.wrt); }),
            "grad: y has shape [2,3]; pass dy, or a y of one element");
  EXPECT_EQ(failure([&] { gradients(g.recorder, y, x.ref(), g.wrt); }), "no error");
  EXPECT_EQ(failure([&] { gradients(g.recorder, y, op::sum(x).ref(), g.wrt); }), "grad: dy is f64[], y is f64[2,3]");
  EXPECT_EQ(failure([&] { gradients(g.recorder, op::argmax(x), {}, g.wrt); }),
            "grad: y is i64[]; only floating-point values have gradients");
}

TEST(grad, one_element_suffices_without_dy) {
  Graph g;
  Value x = g.real({1, 1});
  EXPECT_EQ(gradients(g.recorder, x + x, {}, g.wrt)[0].type(), x.type());
}

TEST(grad, unit_axes_are_kept) {
  Graph g;
  Value x = g.real({3, 4}), m = op::mul(op::sum(x, std::vector<int64_t>{1}, true), 2.0), z = x * m;
  Ref wrt[] = {m, x};
  std::vector<Value> d = gradients(g.recorder, op::sum(z), {}, wrt);
  EXPECT_EQ(d[0].type(), m.type());
  EXPECT_TRUE(d[0].shape().is_unit(1));
  EXPECT_EQ(d[1].type(), x.type());
}

TEST(grad, only_what_is_asked_for_is_recorded) {
  Graph g;
  Value x = g.real({2}), c = g.fixed({2}), y = op::sum(x * c);
  int64_t before = g.recorder.pending_count();
  Ref wrt[] = {x};
  std::vector<Value> d = gradients(g.recorder, y, {}, wrt);
  EXPECT_EQ(g.recorder.pending_count() - before, 4);  // constant 1, spread, product: no gradient of c
}

TEST(grad, gradients_carry_gradients_only_on_demand) {
  Graph g;
  Value x = g.real({2}), y = op::sum(op::exp(x));
  EXPECT_FALSE(gradients(g.recorder, y, {}, g.wrt)[0].ref().node->has(kGrad));
  GradOptions options;
  options.create_graph = true;
  EXPECT_TRUE(gradients(g.recorder, y, {}, g.wrt, options)[0].ref().node->has(kGrad));
  EXPECT_TRUE(g.recorder.grad_mode);
}

TEST(grad, a_composite_leaves_no_gradient_marks_behind) {
  Graph g;
  Value x = g.real({2, 3});
  Value y = op::sum(g.recorder.build(Op::softmax, {x}, Attrs().add(-1)) * x);
  std::vector<Value> d = gradients(g.recorder, y, {}, g.wrt);
  for (Node* n = g.recorder.first_pending(); n; n = n->next)
    EXPECT_FALSE(n->sequence > y.ref().node->sequence && n->has(kGrad)) << name(n->op);
}

TEST(grad, a_second_backward_through_consumed_nodes_is_an_error) {
  Graph g;
  Value x = g.real({2}), y = op::sum(op::exp(x));
  GradOptions options;
  options.consume = true;
  gradients(g.recorder, y, {}, g.wrt, options);
  EXPECT_EQ(
      failure([&] { gradients(g.recorder, y, {}, g.wrt); }),
      "grad: the values that the gradient of sum needs were freed by an earlier backward; pass JT_GRAD_RETAIN_GRAPH");
  options.consumed_is_constant = true;
  Value z = y * op::sum(x);
  std::vector<Value> d = gradients(g.recorder, z, {}, g.wrt, options);
  EXPECT_EQ(run(d[0], g.feed)[0], run(y, g.feed)[0]);
}

TEST(grad, without_consume_the_graph_stays) {
  Graph g;
  Value x = g.real({2}), y = op::sum(op::exp(x));
  gradients(g.recorder, y, {}, g.wrt);
  EXPECT_EQ(failure([&] { gradients(g.recorder, y, {}, g.wrt); }), "no error");
}

TEST(grad, a_row_without_a_gradient_is_named) {
  Graph g;
  Value x = g.real({2}), y = op::exp(x);
  y.ref().node->op = Op::data;  // no row of the table lacks one
  Value z = op::sum(y);
  GradOptions options;
  options.consume = true;
  EXPECT_EQ(failure([&] { gradients(g.recorder, z, {}, g.wrt, options); }), "grad: data has no gradient");
  EXPECT_FALSE(z.ref().node->has(kConsumed));
  EXPECT_TRUE(g.recorder.grad_mode);
}

TEST(grad, empty_tensors_have_empty_gradients) {
  Graph g;
  Value x = g.real({0, 3}), w = g.real({3, 2});
  Value y = op::sum(op::tanh(op::matmul(x, w)));
  std::vector<Value> d = gradients(g.recorder, y, {}, g.wrt);
  EXPECT_EQ(d[0].type(), x.type());
  EXPECT_EQ(run(d[1], g.feed), Array(6, 0));
}

TEST(grad, integers_and_comparisons_stop_the_walk) {
  Graph g;
  Value x = g.real({3}), mask = x > 0, y = op::sum(op::where(mask, x, 0) + op::cast(op::cast(x, JT_I32), JT_F64));
  Array d = run(gradients(g.recorder, y, {}, g.wrt)[0], g.feed), v = run(x, g.feed);
  for (size_t i = 0; i < 3; i++) EXPECT_EQ(d[i], v[i] > 0);
}

static void* long_chain(void*) {
  Graph g;
  Value x = g.real({4}), y = x;
  for (int i = 0; i < 1000000; i++) y = i % 2 ? op::neg(y) : op::sin(y);
  Value d = gradients(g.recorder, op::sum(y), {}, g.wrt)[0];
  return d ? &g : nullptr;
}

TEST(grad, a_chain_of_a_million_nodes_on_a_small_stack) {
  pthread_attr_t attr;
  pthread_attr_init(&attr);
  pthread_attr_setstacksize(&attr, 256 << 10);
  pthread_t thread;
  ASSERT_EQ(pthread_create(&thread, &attr, long_chain, nullptr), 0);
  void* ok;
  pthread_join(thread, &ok);
  EXPECT_TRUE(ok);
}
