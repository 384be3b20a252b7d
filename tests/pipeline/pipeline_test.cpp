// The whole way: what is recorded, run by the pipeline, equals what the reference evaluator says.
#include "core/grad/grad.h"
#include "core/optim/optimizer.h"
#include "tests/pipeline/support.h"

using namespace jt;
using namespace jt::ops;
using jt::test::Bench;

// Evaluates through the pipeline and compares with the evaluator; bound 0 means equal bits.
static void expect_same(Bench& b, std::initializer_list<Value> results, double bound = 0) {
  std::vector<Ref> refs;
  std::vector<Cell*> cells;
  for (const Value& v : results) refs.push_back(v), cells.push_back(b.context->cell(v));
  auto want = evaluate(refs);
  b.context->eval_all();
  for (size_t i = 0; i < refs.size(); i++) {
    Buffer* got = refs[i].node->results()[refs[i].result].buffer;
    ASSERT_TRUE(got) << i;
    if (bound == 0) {
      EXPECT_TRUE(want[i].bytes.empty() ||
                  std::memcmp(host_bytes(got), want[i].bytes.data(), want[i].bytes.size()) == 0)
          << "result " << i;
    } else {
      ASSERT_EQ(want[i].type.dtype, JT_F32);
      auto* g = static_cast<const float*>(host_bytes(got));
      auto* w = reinterpret_cast<const float*>(want[i].bytes.data());
      for (int64_t k = 0; k < want[i].type.count(); k++)
        ASSERT_NEAR(g[k], w[k], bound * (1 + std::fabs(w[k]))) << "result " << i << " element " << k;
    }
  }
  for (Cell* c : cells) release(c);
}

static std::vector<float> ramp(int64_t n, float scale = 0.37f) {
  std::vector<float> out;
  for (int64_t i = 0; i < n; i++) out.push_back(std::sin(float(i) * scale) * 2);
  return out;
}
static Value ramp(Bench& b, const Shape& s, float scale = 0.37f) { return b.floats(s, ramp(s.count(), scale)); }

TEST(Pipeline, Chain) {
  Bench b;
  Value x = ramp(b, {3, 5}), y = ramp(b, {3, 5}, 0.7f);
  expect_same(b, {relu((x * y + 1.5) * 0.5 - y)});
}
TEST(Pipeline, HeldInTheMiddle) {
  Bench b;
  Value x = ramp(b, {7, 11});
  Value m = exp(x), z = m * 2 + x;
  expect_same(b, {m, z});
}
TEST(Pipeline, Broadcast) {
  Bench b;
  Value x = ramp(b, {4, 6}), y = ramp(b, {6}), z = ramp(b, {4, 1});
  expect_same(b, {x + y, x * z, (x + y) * z});
}
TEST(Pipeline, TransposeSliceFlipPad) {
  Bench b;
  Value x = ramp(b, {4, 6});
  int64_t from[] = {1, 2}, to[] = {4, 6}, by[] = {1, 2};
  Value t = transpose(x), s = slice(x, from, to, by);
  Value f = call(Op::flip, {x}, Attrs().add_ints({}));
  int64_t before[] = {1, 0}, after[] = {0, 2};
  Value p = call(Op::pad, {x}, Attrs().add_ints(before).add_ints(after).add_real(7));
  expect_same(b, {t, s, f, p, exp(t) + 1, exp(p)});
}
TEST(Pipeline, AScalarBesideItsPaddedSelf) {
  Bench b;
  Value s = call(Op::erf, {ramp(b, {}) + 0.5});  // 0-d: computed again in each group, but not where the padding is
  int64_t before[] = {1}, after[] = {2}, one[] = {1};
  Value p = call(Op::pad, {call(Op::expand, {s}, Attrs().add_ints(one))},
                 Attrs().add_ints(before).add_ints(after).add_real(0));
  expect_same(b, {call(Op::less, {p, s}), p + s});
}
TEST(Pipeline, Reductions) {
  Bench b;
  Value x = ramp(b, {5, 70});
  int64_t a0[] = {0}, a1[] = {1};
  expect_same(b,
              {sum(x), sum(x, a0), sum(x, a1), max(x, a1), min(x, a0), argmax(x, a1), prod(x, a0), sum(x, a1, true)});
}
TEST(Pipeline, Softmax) {
  Bench b;
  Value x = ramp(b, {6, 10});
  Value s = call(Op::softmax, {x}, Attrs().add(1)), l = call(Op::log_softmax, {x}, Attrs().add(1));
  expect_same(b, {s});
  expect_same(b, {l, call(Op::softmax, {x}, Attrs().add(0))});
}
TEST(Pipeline, CrossEntropy) {
  Bench b;
  Value x = ramp(b, {6, 10});
  int64_t labels[] = {1, 9, 0, 3, 3, 7};
  Value y = b.context->data({JT_I64, {6}}, labels);
  expect_same(b, {call(Op::cross_entropy, {x, y})});
}
TEST(Pipeline, Matmul) {
  Bench b;
  Value x = ramp(b, {5, 7}), y = ramp(b, {7, 3}), w = ramp(b, {3, 7});
  expect_same(b, {matmul(x, y), matmul(x, transpose(w)), relu(matmul(x, y) + 1)}, 1e-5);
}
TEST(Pipeline, Conv) {
  Bench b;
  Value x = ramp(b, {2, 3, 8, 8}), w = ramp(b, {4, 3, 3, 3});
  int64_t one[] = {1, 1}, none[] = {0, 0, 0, 0}, two[] = {2, 2};
  Value c = call(Op::conv2d, {x, w}, Attrs().add_ints(one).add_ints(none).add_ints(one).add(1));
  Value p = call(Op::max_pool2d, {c}, Attrs().add_ints(two).add_ints(two).add_ints(none));
  expect_same(b, {c, p}, 1e-4);
}
TEST(Pipeline, IndexRows) {
  Bench b;
  Value x = ramp(b, {5, 4});
  int64_t index[] = {4, -1, 0, 9};
  Value i = b.context->data({JT_I64, {4}}, index);
  Value t = call(Op::take, {x, i}, Attrs().add(0)), v = ramp(b, {4, 4});
  Value s = call(Op::scatter_add, {x, i, v}, Attrs().add(0));
  expect_same(b, {t, s, exp(t)});
  int64_t shape[] = {3, 4};
  Value r = call(Op::reindex, {x}, Attrs().add_ints(shape).add_string("i0*2-1, i1").add_real(3));
  Value q = call(Op::reindex_reduce, {x}, Attrs().add_ints(shape).add_string("i0/2, i1").add_string("add"));
  expect_same(b, {r, q});
  Ref parts[] = {x, v};
  Value c = b.recorder().build(Op::concat, parts, Attrs().add(0));
  int64_t starts[] = {1, 0}, steps[] = {1, 1};
  Value u = call(Op::update, {c, v}, Attrs().add_ints(starts).add_ints(steps));
  expect_same(b, {c, u});
}
TEST(Pipeline, UpdateWithUnitAxesInFront) {
  Bench b;
  Value x = ramp(b, {3, 6});
  int64_t starts[] = {1, 2}, steps[] = {1, 2};
  Value row = ops::sum(ramp(b, {5, 2}), std::vector<int64_t>{0}, true);  // f32[1u,2]
  expect_same(b, {call(Op::update, {x, row}, Attrs().add_ints(starts).add_ints(steps))});
}
TEST(Pipeline, ZeroSize) {
  Bench b;
  Value x = ramp(b, {0, 4});
  int64_t a0[] = {0};
  expect_same(b, {exp(x), sum(x), sum(x, a0), transpose(x)});
}
TEST(Pipeline, ConcatOfNothingBesideAnotherUser) {
  Bench b;
  Value x = b.context->data({JT_F32, {0}}, nullptr), y = b.context->data({JT_F32, {0}}, nullptr), h = x + y;
  Ref parts[] = {h, y, h};
  Value c = b.recorder().build(Op::concat, parts, Attrs().add(0));
  expect_same(b, {cast(c, JT_BOOL), h < 4.9});
}
TEST(Pipeline, SoftmaxOfNothing) {
  Bench b;
  Value x = ramp(b, {3, 0});
  for (int64_t axis : {0, 1})
    expect_same(b, {call(Op::softmax, {x}, Attrs().add(axis)), call(Op::log_softmax, {x}, Attrs().add(axis))});
  std::vector<int64_t> labels(3, 0);
  expect_same(b, {call(Op::cross_entropy, {x, b.context->data({JT_I64, {3}}, labels.data())})});
}
TEST(Pipeline, SamePlanForOtherScalarsAndStarts) {
  Bench b;
  Value x = ramp(b, {8, 4});
  for (int i = 1; i < 5; i++) {
    int64_t from[] = {i, 0}, to[] = {i + 2, 4};
    expect_same(b, {slice(x, from, to) * (i + 0.5)});
  }
  EXPECT_EQ(b.runtime->stats.sums().plans_made, 1);
  EXPECT_EQ(b.runtime->device(0).kernels.compiled(), 1);
}

// ---- kernel counts: launches including library calls, only final results held ---------------------------------------

static int64_t launches_of(Bench& b, std::initializer_list<Value> results) {
  std::vector<Ref> asked;
  std::vector<Cell*> cells;
  for (const Value& v : results) cells.push_back(b.context->cell(v));
  RuntimeStats::Sums before = b.runtime->stats.sums();
  b.context->eval_all();
  RuntimeStats::Sums after = b.runtime->stats.sums();
  for (Cell* c : cells) release(c);
  return after.launches + after.library_calls - before.launches - before.library_calls;
}

TEST(KernelCounts, Softmax) {
  Bench b;
  EXPECT_EQ(launches_of(b, {call(Op::softmax, {ramp(b, {64, 100})}, Attrs().add(1))}), 1);
  EXPECT_EQ(launches_of(b, {call(Op::log_softmax, {ramp(b, {64, 100})}, Attrs().add(1))}), 1);
}
static Value layer_norm(Ref x, Ref gain, Ref bias) {
  return call(Op::layer_norm, {x, gain, bias}, make_attrs(Op::layer_norm, {}));
}
TEST(KernelCounts, LayerNorm) {
  Bench b;
  EXPECT_EQ(launches_of(b, {layer_norm(ramp(b, {64, 100}), ramp(b, {100}), ramp(b, {100}))}), 1);
}
TEST(KernelCounts, CrossEntropy) {
  Bench b;
  std::vector<int64_t> labels(64, 3);
  Value y = b.context->data({JT_I64, {64}}, labels.data());
  EXPECT_LE(launches_of(b, {call(Op::cross_entropy, {ramp(b, {64, 10}), y})}), 2);
}
static Value mean_of(const Value& x, std::initializer_list<int64_t> axes) {
  return call(Op::mean, {x}, Attrs().add_ints({axes.begin(), axes.size()}).add(0));
}
static Value var_of(const Value& x, std::initializer_list<int64_t> axes, int64_t correction = 0) {
  return call(Op::var, {x}, Attrs().add_ints({axes.begin(), axes.size()}).add(0).add(correction));
}
static Value batch_norm(const Value& x, const Value& mean, const Value& var, const Value& gain, const Value& bias) {
  return call(Op::batch_norm, {x, mean, var, gain, bias}, make_attrs(Op::batch_norm, {}));
}
TEST(KernelCounts, BatchNormTraining) {
  Bench b;
  Value x = ramp(b, {16, 8, 6, 6}), gain = ramp(b, {8}), bias = ramp(b, {8});
  Value mean = mean_of(x, {0, 2, 3}), var = var_of(x, {0, 2, 3});
  EXPECT_LE(launches_of(b, {batch_norm(x, mean, var, gain, bias), mean, var}), 3);
}
TEST(KernelCounts, BatchNormTrainingWithRunningStatistics) {
  Bench b;
  Value x = ramp(b, {16, 8, 6, 6}), gain = ramp(b, {8}), bias = ramp(b, {8}), m = ramp(b, {8}), v = ramp(b, {8});
  Value mean = mean_of(x, {0, 2, 3}), var = var_of(x, {0, 2, 3});
  Value next_mean = m + (mean - m) * 0.1, next_var = v + (var_of(x, {0, 2, 3}, 1) - v) * 0.1;
  EXPECT_LE(launches_of(b, {batch_norm(x, mean, var, gain, bias), next_mean, next_var}), 3);
}
TEST(KernelCounts, OneKernelEach) {
  Bench b;
  Value x = ramp(b, {16, 8, 6, 6}), w = ramp(b, {8}), m = ramp(b, {8}), v = ramp(b, {8}), last = ramp(b, {6});
  EXPECT_LE(launches_of(b, {batch_norm(x, m, v, w, w)}), 2);  // 1 / sqrt(var) once per channel, then the rest
  jt_attr groups{"groups", JT_ATTR_I64, 4, 0, nullptr, 0, nullptr, 0};
  EXPECT_EQ(launches_of(b, {call(Op::group_norm, {x, w, w}, make_attrs(Op::group_norm, {&groups, 1}))}), 1);
  EXPECT_EQ(launches_of(b, {call(Op::rms_norm, {x, last}, make_attrs(Op::rms_norm, {}))}), 1);
  EXPECT_EQ(launches_of(b, {call(Op::dropout, {x}, make_attrs(Op::dropout, {}))}), 1);
  for (Op row : {Op::leaky_relu, Op::elu, Op::celu, Op::selu, Op::hardtanh, Op::hardsigmoid, Op::hardswish, Op::mish,
                 Op::log_sigmoid, Op::gelu_tanh})
    EXPECT_EQ(launches_of(b, {call(row, {x}, make_attrs(row, {}))}), 1) << name(row);
}
// The whole step: forward, backward and update, with the loss looked at afterwards.
TEST(KernelCounts, LinearMseAdamStep) {
  Bench b;
  Value x = ramp(b, {32, 10}), want = ramp(b, {32, 5}), w = ramp(b, {5, 10}), bias = ramp(b, {5});
  Optimizer adam("adam", {});
  auto scalar = [&](std::string_view, double v) { return b.context->data({JT_F64, {}}, &v); };
  std::vector<Value> states;
  for (Ref p : {w.ref(), w.ref(), bias.ref(), bias.ref()}) states.push_back(ramp(b, p.shape()));
  w.ref().node->flags |= kGradLeaf, bias.ref().node->flags |= kGradLeaf;
  Value loss = call(Op::mse_loss, {matmul(x, transpose(w)) + bias, want});
  GradOptions options;
  options.consume = true;
  Ref params[] = {w, bias};
  auto grads = gradients(b.recorder(), loss, {}, params, options);
  Ref ws[] = {states[0], states[1]}, bs[] = {states[2], states[3]};
  Optimizer::Parameter ps[] = {{w, grads[0], ws}, {bias, grads[1], bs}};
  auto next = adam.step(b.recorder(), scalar, ps);
  grads.clear();
  EXPECT_LE(launches_of(b, {loss, next[0].value, next[0].states[0], next[0].states[1], next[1].value, next[1].states[0],
                            next[1].states[1]}),
            6);
}
TEST(Pipeline, Norms) {
  Bench b;
  expect_same(b, {layer_norm(ramp(b, {9, 70}), ramp(b, {70}), ramp(b, {70}))});
  Value x = ramp(b, {6, 5, 4, 3}), gain = ramp(b, {5}), bias = ramp(b, {5});
  Value mean = mean_of(x, {0, 2, 3}), var = var_of(x, {0, 2, 3});
  expect_same(b, {batch_norm(x, mean, var, gain, bias), mean, var});
  jt_attr groups{"groups", JT_ATTR_I64, 5, 0, nullptr, 0, nullptr, 0};
  expect_same(b, {call(Op::group_norm, {x, gain, bias}, make_attrs(Op::group_norm, {&groups, 1}))});
}
TEST(Pipeline, UpdateWithUnitAxes) {
  Bench b;
  Value x = ramp(b, {5, 4}), v = ramp(b, {3});
  int64_t axis[] = {1}, starts[] = {1, 0}, steps[] = {1, 1};
  Value row = sum(x, axis, true), part = reshape(v, {3, 1});
  expect_same(b, {call(Op::update, {row, part}, Attrs().add_ints(starts).add_ints(steps))});
}
