// Every differentiable row, first and second order, against finite differences.
#include "check.h"

using namespace jt;
using namespace jt::test;
namespace op = jt::ops;

static bool takes_reals(Op row) {
  Operands t = def(row).operands;
  return t != Operands::INTEGER && t != Operands::LOGICAL && def(row).result != ResultRule::BOOL &&
         def(row).result != ResultRule::INDEX;
}

// Operand k of an element row: of `shape`, or 0-d if bit k of scalars is set.
static Value element(Graph& g, Op row, int operands, const Shape& shape, unsigned scalars) {
  Value made[3];
  Ref refs[3];
  for (int k = 0; k < operands; k++) {
    Shape s = scalars >> k & 1 ? Shape{} : shape;
    if (row == Op::where && k == 0) {
      Array mask;
      for (int64_t i = 0; i < s.count(); i++) mask.push_back(double(i % 3 == 1));
      made[k] = g.given(JT_BOOL, s, mask);
    } else {
      made[k] = g.real(s, def(row).lo, def(row).hi);
    }
    refs[k] = made[k];
  }
  return g.recorder.build(row, {refs, size_t(operands)});
}

TEST(gradcheck, every_element_row) {
  for (int i = kFirstElement; i <= kLastElement; i++) {
    Op row = Op(i);
    if (!takes_reals(row)) continue;
    int operands = int(signature(row).operands.size());
    for (unsigned scalars = 0; scalars < 1u << operands; scalars++) {
      Graph g;
      check(g, element(g, row, operands, Shape{3, 5}, scalars), text(name(row), ", 0-d operands ", scalars));
      if (HasFatalFailure()) return;
    }
  }
}

TEST(gradcheck, every_reduce_row) {
  for (int i = 0; i < kOps; i++) {
    Op row = Op(i);
    if (def(row).kind != Kind::reduce || !takes_reals(row)) continue;
    for (std::vector<int64_t> axes : {std::vector<int64_t>{}, {0}, {1}, {0, 2}, {-1}})
      for (bool keepdims : {false, true}) {
        Graph g;
        Value x = g.real({3, 2, 5}, def(row).lo, def(row).hi);
        check(g, g.recorder.build(row, {x}, Attrs().add_ints(axes).add(keepdims)),
              text(name(row), " over ", std::span<const int64_t>(axes), " keepdims ", keepdims));
        if (HasFatalFailure()) return;
      }
  }
}

TEST(gradcheck, equal_maxima_share_the_gradient) {
  Graph g;
  Value x = g.given(JT_F64, {4}, {1, 3, 3, 2});
  x.ref().node->flags |= kGradLeaf;
  Ref wrt[] = {x};
  EXPECT_EQ(run(gradients(g.recorder, op::max(x), {}, wrt)[0], g.feed), (Array{0, 0.5, 0.5, 0}));
}

TEST(gradcheck, movement_rows) {
  struct Case { const char* what; Shape shape; std::function<Value(const Value&)> make; };
  auto ints = [](std::initializer_list<int64_t> list) { return std::vector<int64_t>(list); };
  const Case cases[] = {
      {"reshape", {3, 4}, [&](const Value& x) { return op::reshape(x, Shape{2, 6}); }},
      {"reshape to units", {3}, [&](const Value& x) { return op::reshape(x, Shape{1, 3, 1}); }},
      {"transpose", {2, 3, 5}, [&](const Value& x) { return op::transpose(x, ints({2, 0, 1})); }},
      {"expand", {3, 1, 2}, [&](const Value& x) { return op::expand(x, Shape{4, 3, 5, 2}); }},
      {"expand of an extent 1", {1}, [&](const Value& x) { return op::expand(x, Shape{2, 3}); }},
      {"slice", {5, 4}, [&](const Value& x) { return op::slice(x, ints({1, 0}), ints({4, 3})); }},
      {"slice with steps", {7, 4}, [&](const Value& x) { return op::slice(x, ints({1, 0}), ints({7, 4}), ints({3, 2})); }},
      {"empty slice", {5}, [&](const Value& x) { return op::slice(x, ints({3}), ints({2})); }},
      {"pad", {2, 3}, [&](const Value& x) {
         return op::call(Op::pad, {x}, Attrs().add_ints(ints({1, 0})).add_ints(ints({2, 3})).add_real(7)); }},
      {"flip", {3, 4}, [&](const Value& x) { return op::call(Op::flip, {x}, Attrs().add_ints(ints({-1}))); }},
      {"windows", {2, 7, 8}, [&](const Value& x) {
         return op::call(Op::windows, {x}, Attrs().add_ints(ints({3, 2})).add_ints(ints({2, 1})).add_ints(ints({1, 3}))); }},
  };
  for (const Case& c : cases) {
    Graph g;
    Value x = g.real(c.shape);
    check(g, c.make(x * x), c.what);
    if (HasFatalFailure()) return;
  }
}

TEST(gradcheck, casts_round_the_gradient_to_the_operand) {
  Graph g;
  Value x = g.given(JT_F32, {2}, {1.5, -2});
  x.ref().node->flags |= kGradLeaf;
  Ref wrt[] = {x};
  Value d = gradients(g.recorder, op::sum(op::square(op::cast(x, JT_F64))), {}, wrt)[0];
  EXPECT_EQ(d.dtype(), JT_F32);
  EXPECT_EQ(run(d, g.feed), (Array{3, -4}));
}

TEST(gradcheck, concat_and_update) {
  Graph g, h;
  Value x = g.real({2, 3}), y = g.real({2, 1});
  check(g, g.recorder.build(Op::concat, {x * y, y, x}, Attrs().add(1)), "concat");
  Value w = h.real({4, 5}), v = h.real({2, 2});
  std::vector<int64_t> starts = {1, 0}, steps = {2, 3};
  check(h, h.recorder.build(Op::update, {w * w, v * v}, Attrs().add_ints(starts).add_ints(steps)), "update");
}

TEST(gradcheck, take_and_scatter_add) {
  for (int axis : {0, 1}) {
    Graph g, h;
    Value x = g.real({3, 4}), index = g.given(JT_I64, {2, 2}, {0, 2, -1, 2});
    Value z = g.recorder.build(Op::take, {x * x, index}, Attrs().add(axis));
    check(g, z, text("take ", axis));
    Value base = h.real({3, 4}), v = h.real(z.shape());
    index = h.given(JT_I64, {2, 2}, {0, 2, -1, 2});
    check(h, h.recorder.build(Op::scatter_add, {base * base, index, v * v}, Attrs().add(axis)), text("scatter_add ", axis));
    if (HasFatalFailure()) return;
  }
}

TEST(gradcheck, gather_and_scatter) {
  Graph g;
  Value x = g.real({3, 4}), index = g.given(JT_I32, {2, 3}, {2, 0, 1, 2, 0, -1});
  check(g, g.recorder.build(Op::gather, {x * x, index}, Attrs().add(0)), "gather");
  for (const char* combine : {"set", "add", "mul", "max", "min"}) {
    Graph h;
    Value x = h.real({3, 4}, 0.5, 2), index = h.given(JT_I32, {2, 3}, {2, 0, 1, 2, 0, -1});
    Value v = h.real({2, 3}, 0.5, 2);
    check(h, h.recorder.build(Op::scatter, {x * x, index, v * v}, Attrs().add(0).add_string(combine)),
          text("scatter ", combine));
    if (HasFatalFailure()) return;
  }
}

TEST(gradcheck, reindex_and_reindex_reduce) {
  Graph g;
  Value x = g.real({4, 3});
  std::vector<int64_t> shape = {3, 3, 2};
  check(g, g.recorder.build(Op::reindex, {x * x}, Attrs().add_ints(shape).add_string("i0+i1-1, 2-i2*2").add_real(5)), "reindex");
  for (const char* combine : {"add", "mul", "max", "min"}) {
    Graph h;
    Value x = h.real({4, 3}, 0.5, 2);
    shape = {2, 3};
    Value z = h.recorder.build(Op::reindex_reduce, {x * x}, Attrs().add_ints(shape).add_string("i0/2, i1").add_string(combine));
    check(h, z, text("reindex_reduce ", combine));
    if (HasFatalFailure()) return;
  }
}

TEST(gradcheck, matmul) {
  struct Case { Shape x, y; };
  for (const Case& c : {Case{{3, 4}, {4, 2}}, {{2, 3, 4}, {4, 5}}, {{3, 1, 2, 4}, {2, 4, 3}}, {{4}, {4, 2}}, {{3, 4}, {4}}, {{5}, {5}}}) {
    Graph g;
    Value x = g.real(c.x), y = g.real(c.y);
    check(g, op::matmul(x, y), text("matmul ", c.x, " ", c.y));
    if (HasFatalFailure()) return;
  }
}

static Attrs conv_attrs(Attrs attrs, int64_t groups, bool channels_last) {
  std::vector<int64_t> stride = {2, 1}, padding = {1, 0, 2, 1}, dilation = {1, 2};
  return attrs.add_ints(stride).add_ints(padding).add_ints(dilation).add(groups).add(channels_last);
}

TEST(gradcheck, convolution_and_its_two_gradients) {
  for (int64_t groups : {1, 2, -2}) {
    bool last = groups < 0;
    groups = std::abs(groups);
    Shape xs = last ? Shape{2, 5, 6, 4} : Shape{2, 4, 5, 6}, ws{2, 4 / groups, 3, 2};
    Graph g, gx, gw;
    Value x = g.real(xs), w = g.real(ws);
    Value z = g.recorder.build(Op::conv2d, {x, w}, conv_attrs({}, groups, last));
    check(g, z, text("conv2d of groups ", groups, last ? ", channels last" : ""));
    Value dz = gx.real(z.shape());
    w = gx.real(ws);
    check(gx, gx.recorder.build(Op::conv2d_grad_x, {dz, w}, conv_attrs(Attrs().add_ints(xs.extents()), groups, last)), "conv2d_grad_x");
    dz = gw.real(z.shape()), x = gw.real(xs);
    check(gw, gw.recorder.build(Op::conv2d_grad_w, {dz, x}, conv_attrs(Attrs().add_ints(ws.extents()), groups, last)), "conv2d_grad_w");
    if (HasFatalFailure()) return;
  }
}

TEST(gradcheck, pooling) {
  std::vector<int64_t> size = {3, 2}, stride = {2, 1}, padding = {1, 0, 0, 1};
  for (Op row : {Op::max_pool2d, Op::avg_pool2d})
    for (bool last : {false, true}) {
      Graph g;
      Value x = g.real(last ? Shape{2, 5, 4, 2} : Shape{2, 2, 5, 4});
      check(g, g.recorder.build(row, {x * x}, Attrs().add_ints(size).add_ints(stride).add_ints(padding).add(last)), name(row));
      if (HasFatalFailure()) return;
    }
}

TEST(gradcheck, composite_rows) {
  for (Op row : {Op::gelu, Op::silu, Op::softplus}) {
    Graph g;
    check(g, g.recorder.build(row, {g.real({3, 4})}), name(row));
    if (HasFatalFailure()) return;
  }
  for (Op row : {Op::softmax, Op::log_softmax})
    for (int axis : {0, -1}) {
      Graph g;
      check(g, g.recorder.build(row, {g.real({3, 4})}, Attrs().add(axis)), name(row));
      if (HasFatalFailure()) return;
    }
  Graph g, h, m, same;
  std::vector<int64_t> axes = {1};
  check(g, g.recorder.build(Op::mean, {op::square(g.real({3, 4}))}, Attrs().add_ints(axes).add(0)), "mean");
  Value x = h.real({3, 4}), label = h.given(JT_I64, {3}, {2, 0, 3});
  check(h, h.recorder.build(Op::cross_entropy, {x, label}), "cross_entropy");
  x = m.real({3, 4});
  check(m, m.recorder.build(Op::mse_loss, {x, m.real({3, 4})}), "mse_loss");
  x = same.real({3, 4});
  check(same, same.recorder.build(Op::mse_loss, {x * x, x}), "mse_loss of an operand that depends on the other");
}

// Rows with attributes go by their defaults but for those given.
static Attrs attrs_of(Op row, std::initializer_list<jt_attr> given = {}) { return make_attrs(row, {given.begin(), given.size()}); }
static jt_attr whole(const char* name, int64_t value) { return {name, JT_ATTR_I64, value, 0, nullptr, 0, nullptr, 0}; }
static jt_attr real(const char* name, double value) { return {name, JT_ATTR_F64, 0, value, nullptr, 0, nullptr, 0}; }

TEST(gradcheck, activation_rows) {
  for (Op row : {Op::gelu_tanh, Op::leaky_relu, Op::elu, Op::celu, Op::selu, Op::hardtanh, Op::hardsigmoid, Op::hardswish,
                 Op::mish, Op::log_sigmoid}) {
    Graph g;
    check(g, g.recorder.build(row, {g.real({3, 5}, -4, 4)}, attrs_of(row)), name(row));
    if (HasFatalFailure()) return;
  }
  for (Shape weight : {Shape{3}, Shape{1}}) {
    Graph g;
    Value x = g.real({2, 3, 2});
    check(g, g.recorder.build(Op::prelu, {x, g.real(weight)}), "prelu");
  }
  Graph g;
  Attrs attrs = attrs_of(Op::dropout, {real("p", 0.4), whole("seed", 1), whole("stream", 0), whole("counter", 5)});
  check(g, g.recorder.build(Op::dropout, {g.real({4, 5})}, attrs), "dropout");
}

TEST(gradcheck, activations_of_large_values_have_finite_gradients) {
  for (Op row : {Op::elu, Op::celu, Op::selu, Op::mish, Op::log_sigmoid, Op::gelu_tanh, Op::softplus}) {
    Graph g;
    Value x = g.given(JT_F64, {4}, {-1e5, -800, 800, 1e5});
    x.ref().node->flags |= kGradLeaf;
    Ref wrt[] = {x};
    Value y = op::sum(g.recorder.build(row, {x}, attrs_of(row)));
    for (double slope : run(gradients(g.recorder, y, {}, wrt)[0], g.feed)) EXPECT_TRUE(std::isfinite(slope)) << name(row);
  }
}

TEST(gradcheck, normalising_rows) {
  for (size_t factors : {0, 1, 2}) {
    for (Op row : {Op::layer_norm, Op::group_norm, Op::batch_norm, Op::rms_norm}) {
      if (row == Op::rms_norm && factors == 2) continue;
      Graph g;
      bool by_channel = row == Op::group_norm || row == Op::batch_norm;
      Shape factor = by_channel ? Shape{4} : Shape{4, 3};
      std::vector<Value> held{g.real({2, 4, 3})};
      if (row == Op::batch_norm) held.push_back(g.real(factor)), held.push_back(g.real(factor, 0.5, 2));
      for (size_t i = 0; i < factors; i++) held.push_back(g.real(factor));
      std::vector<Ref> in(held.begin(), held.end());
      Attrs attrs = row == Op::batch_norm   ? attrs_of(row)
                    : row == Op::group_norm ? attrs_of(row, {whole("groups", 2)})
                                            : attrs_of(row, {whole("axes", 2)});
      check(g, g.recorder.build(row, in, attrs), text(name(row), " with ", factors, " factors"));
      if (HasFatalFailure()) return;
    }
  }
  Graph g;
  check(g, g.recorder.build(Op::var, {g.real({3, 4})}, attrs_of(Op::var, {whole("axes", 1), whole("correction", 1)})), "var");
}

TEST(gradcheck, loss_rows_without_a_mean) {
  Graph n, l;
  Value label = n.given(JT_I64, {2, 3}, {0, 3, 1, 7, 2, -1});
  check(n, n.recorder.build(Op::nll, {n.real({2, 4, 3}), label}), "nll");
  check(l, l.recorder.build(Op::kl_div, {l.real({3, 4}), l.real({3, 4})}, attrs_of(Op::kl_div, {whole("log_target", 1)})), "kl_div, log");
  for (Op row : {Op::bce, Op::bce_with_logits, Op::smooth_l1, Op::huber, Op::kl_div}) {
    Graph g;
    Value x = g.real({3, 4}, 0.05, 0.95), y = g.real({3, 4}, 0.1, 0.9);
    if (row != Op::bce) x = x * 5;
    check(g, g.recorder.build(row, {x, y}, attrs_of(row)), name(row));
    if (HasFatalFailure()) return;
  }
}

TEST(gradcheck, bce_at_its_edges_is_finite) {
  Graph g;
  Value x = g.given(JT_F64, {4}, {0, 1, 0, 1}), y = g.given(JT_F64, {4}, {0, 1, 1, 0});
  x.ref().node->flags |= kGradLeaf;
  Ref wrt[] = {x};
  Value d = gradients(g.recorder, op::sum(g.recorder.build(Op::bce, {x, y})), {}, wrt)[0];
  EXPECT_EQ(run(d, g.feed), (Array{0, 0, -1e12, 1e12}));
}

TEST(gradcheck, embedding_and_its_padding) {
  Graph g, p;
  Value index = g.given(JT_I64, {2, 3}, {0, 2, 2, -1, 9, 1});
  check(g, g.recorder.build(Op::embedding, {index, op::square(g.real({4, 3}))}, attrs_of(Op::embedding)), "embedding");
  index = p.given(JT_I64, {3}, {1, 2, 1});
  Value weight = p.given(JT_F64, {3, 2}, {1, 2, 3, 4, 5, 6});
  weight.ref().node->flags |= kGradLeaf;
  Ref wrt[] = {weight};
  Value y = p.recorder.build(Op::embedding, {index, weight}, attrs_of(Op::embedding, {whole("padding", 1)}));
  EXPECT_EQ(run(y, p.feed), (Array{3, 4, 5, 6, 3, 4}));
  EXPECT_EQ(run(gradients(p.recorder, op::sum(y), {}, wrt)[0], p.feed), (Array{0, 0, 0, 0, 1, 1}));
}

TEST(gradcheck, pow_at_its_edges_is_finite) {
  Graph g;
  Value x = g.given(JT_F64, {3}, {0, 0, 2}), y = g.given(JT_F64, {3}, {0, 2, 0});
  x.ref().node->flags |= kGradLeaf, y.ref().node->flags |= kGradLeaf;
  Ref wrt[] = {x, y};
  std::vector<Value> d = gradients(g.recorder, op::sum(op::pow(x, y)), {}, wrt);
  EXPECT_EQ(run(d[0], g.feed), (Array{0, 0, 0}));
  EXPECT_EQ(run(d[1], g.feed), (Array{0, 0, std::log(2.0)}));
}

TEST(gradcheck, broadcasting_and_many_uses) {
  Graph g;
  Value x = g.real({3, 1}), y = g.real({1, 4}), s = g.real({});
  Value z = op::tanh(x * y) + x - s * y;
  check(g, z * z + op::exp(x) * s, "broadcast and many uses");
}
