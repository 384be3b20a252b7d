// One plan for many extents: a second batch size, sequence length or image size makes one plan more, the others none,
// nothing is compiled for them, and the results are those, to the bit, of plans made for each alone (JT_SYMBOLS=0).
#include <functional>

#include "tests/capi/capi.h"

using namespace jt::test;

namespace {

// What a program computes for each of some sizes, and what was planned and compiled for it.
struct Course {
  std::vector<std::vector<float>> results;
  std::vector<int64_t> plans, kernels;
};

// Steps of a program that a session holds the state of: each gives what it computed.
using Step = std::function<std::vector<float>(int64_t size)>;
using Program = std::function<Step(const Session&)>;

uint32_t flags(bool symbols) {
  setenv("JT_SYMBOLS", symbols ? "1" : "0", 1);
  return JT_RT_NO_DISK_CACHE | JT_RT_ALLOW_ENV;
}

Course course(const Program& program, const std::vector<int64_t>& sizes, bool symbols) {
  Session s(flags(symbols));
  Step step = program(s);
  Course out;
  for (int64_t size : sizes) {
    jt_stats before = s.stats();
    out.results.push_back(step(size));
    out.plans.push_back(s.stats().plans_made - before.plans_made);
    out.kernels.push_back(s.stats().kernels_compiled - before.kernels_compiled);
  }
  return out;
}

// The first `warm` sizes may plan as they like; the next one once for each of the `graphs` that a step evaluates.
void expect_one_plan(const Program& program, const std::vector<int64_t>& sizes, size_t warm, int64_t graphs = 1) {
  Course with = course(program, sizes, true), without = course(program, sizes, false);
  for (size_t i = 0; i < sizes.size(); i++) {
    EXPECT_EQ(with.results[i], without.results[i]) << "size " << sizes[i];
    if (i < warm) continue;
    EXPECT_EQ(with.plans[i], i == warm ? graphs : 0) << "size " << sizes[i];
    EXPECT_EQ(with.kernels[i], 0) << "size " << sizes[i];
    EXPECT_GT(without.plans[i], 0) << "size " << sizes[i];
  }
}

std::vector<float> values(const Session& s, const std::vector<Tensor>& of) {
  std::vector<float> out;
  for (const Tensor& t : of)
    for (float v : s.read(t)) out.push_back(v);
  return out;
}

std::vector<int64_t> up_to_32(int64_t first) {
  std::vector<int64_t> sizes;
  for (int64_t i = 0; i < 32; i++) sizes.push_back(first + (i * 11) % 32);
  return sizes;
}

// Adam's states begin as zeros: a first step is another graph than those behind it.
Step training(const Session& s, std::vector<Tensor> params, std::function<Tensor(int64_t)> loss_of) {
  std::vector<jt_tensor*> handles(params.begin(), params.end());
  jt_optimizer* made = nullptr;
  must(jt_optimizer_create(s.ctx, "adam", JT_NUL, nullptr, 0, handles.data(), handles.size(), &made));
  std::shared_ptr<jt_optimizer> adam(made, jt_optimizer_release);
  return [&s, params, loss_of, adam](int64_t size) {
    Tensor loss = loss_of(size);
    must(jt_optimizer_step(s.ctx, adam.get(), loss));
    std::vector<Tensor> all = params;
    all.push_back(loss);
    return values(s, all);
  };
}

Tensor waves(const Session& s, const Dims& dims) {
  size_t n = 1;
  for (int64_t d : dims) n *= size_t(d);
  std::vector<float> data(n);
  for (size_t i = 0; i < n; i++) data[i] = std::sin(float(i * i % 9973));
  return s.floats(dims, data);
}

Tensor vector_parameter(const Session& s, int64_t n) {
  Tensor p = waves(s, {n});
  must(jt_tensor_set_requires_grad(s.ctx, p, 1));
  return p;
}

}  // namespace

TEST(Extents, LenetTrainsOnAnyBatch) {
  Program lenet = [](const Session& s) {
    auto net = std::make_shared<LeNet>(s, 4, 6, 32);
    return training(s, net->params,
                    [&s, net](int64_t n) { return net->loss(net->forward(pictures(s, n)), labels(s, n)); });
  };
  expect_one_plan(lenet, up_to_32(1), 2);
}

TEST(Extents, AnMlpTrainsOnAnyBatch) {
  Program mlp = [](const Session& s) {
    std::vector<Tensor> p = {parameter(s, {12, 24}), vector_parameter(s, 24), parameter(s, {24, 5}),
                             vector_parameter(s, 5)};
    return training(s, p, [&s, p](int64_t n) {
      Tensor h = s.make(jt_tanh, s.make(jt_add, s.make(jt_matmul, waves(s, {n, 12}), p[0]), p[1]));
      Tensor y = s.make(jt_add, s.make(jt_matmul, h, p[2]), p[3]), wanted = waves(s, {n, 5});
      return s.make(jt_mean, s.make(jt_square, s.make(jt_sub, y, wanted)), nullptr, size_t(0), 0);
    });
  };
  expect_one_plan(mlp, up_to_32(1), 2);
}

namespace {

constexpr int64_t kWidth = 16, kHeads = 2, kWords = 11;

// One block with attention under a causal mask, before a language model's loss.
Tensor block_loss(const Session& s, const std::vector<Tensor>& p, int64_t batch, int64_t length) {
  std::vector<int64_t> words(size_t(batch * length)), next(words.size());
  for (size_t i = 0; i < words.size(); i++) words[i] = int64_t(i * 7 % kWords), next[i] = int64_t((i * 7 + 3) % kWords);
  Tensor x = s.make(jt_embedding, s.of(JT_I64, {batch, length}, words), p[0], int64_t(-1));
  auto norm = [&](const Tensor& v) { return s.make(jt_layer_norm, v, p[5], p[6], int64_t(1), 1e-5); };
  auto heads = [&](const Tensor& v) {
    const int64_t order[] = {0, 2, 1, 3};
    return s.make(jt_transpose, s.reshape(v, {batch, length, kHeads, kWidth / kHeads}), order, size_t(4));
  };
  Tensor h = norm(x), qkv = s.make(jt_matmul, h, p[1]);
  Tensor q = heads(s.slice(qkv, {0, 0, 0}, {batch, length, kWidth})),
         k = heads(s.slice(qkv, {0, 0, kWidth}, {batch, length, 2 * kWidth})),
         v = heads(s.slice(qkv, {0, 0, 2 * kWidth}, {batch, length, 3 * kWidth}));
  const int64_t swap[] = {0, 1, 3, 2}, square[] = {length, length};
  Tensor scores = s.make(jt_mul, s.make(jt_matmul, q, s.make(jt_transpose, k, swap, size_t(4))), s.scalar(0.35));
  Tensor rows = s.make(jt_iota, square, size_t(2), int64_t(0), JT_I64),
         columns = s.make(jt_iota, square, size_t(2), int64_t(1), JT_I64);
  scores = s.make(jt_where, s.make(jt_less_equal, columns, rows), scores, s.scalar(-1e9));
  Tensor mixed = s.make(jt_matmul, s.make(jt_softmax, scores, int64_t(-1)), v);
  const int64_t back[] = {0, 2, 1, 3};
  mixed = s.reshape(s.make(jt_transpose, mixed, back, size_t(4)), {batch, length, kWidth});
  x = s.make(jt_add, x, s.make(jt_matmul, mixed, p[2]));
  x = s.make(jt_add, x, s.make(jt_matmul, s.make(jt_gelu, s.make(jt_matmul, norm(x), p[3]), "tanh", JT_NUL), p[4]));
  Tensor logits = s.reshape(s.make(jt_matmul, norm(x), p[7]), {batch * length, kWords});
  return s.make(jt_cross_entropy, logits, s.of(JT_I64, {batch * length}, next), nullptr, int64_t(-100), "mean", JT_NUL,
                0.0);
}
std::vector<Tensor> block_params(const Session& s) {
  return {parameter(s, {kWords, kWidth}),     parameter(s, {kWidth, 3 * kWidth}), parameter(s, {kWidth, kWidth}),
          parameter(s, {kWidth, 4 * kWidth}), parameter(s, {4 * kWidth, kWidth}), vector_parameter(s, kWidth),
          vector_parameter(s, kWidth),        parameter(s, {kWidth, kWords})};
}

}  // namespace

TEST(Extents, ATransformerTrainsOnAnyLength) {
  Program transformer = [](const Session& s) {
    std::vector<Tensor> p = block_params(s);
    return training(s, p, [&s, p](int64_t length) { return block_loss(s, p, 3, length); });
  };
  expect_one_plan(transformer, up_to_32(2), 2);
}

TEST(Extents, ATransformerTrainsOnAnyBatchAndLength) {
  Program transformer = [](const Session& s) {
    std::vector<Tensor> p = block_params(s);
    return training(s, p, [&s, p](int64_t size) { return block_loss(s, p, size / 100, size % 100); });
  };
  expect_one_plan(transformer, {205, 307, 511, 413, 702, 318, 919, 228}, 2);
}

TEST(Extents, AConvNetTrainsOnAnyImage) {
  Program net = [](const Session& s) {
    std::vector<Tensor> p = {parameter(s, {6, 3, 3, 3}), waves(s, {6, 1, 1}), parameter(s, {8, 6, 3, 3}),
                             parameter(s, {8, 4})};
    return training(s, p, [&s, p](int64_t side) {
      const int64_t one[] = {1, 1}, two[] = {2, 2}, last[] = {2, 3};
      Tensor x = s.make(jt_conv2d, waves(s, {2, 3, side, side + 4}), p[0], nullptr, size_t(0), one, size_t(2), nullptr,
                        size_t(0), int64_t(1), jt_bool(0));
      x = s.make(jt_relu, s.make(jt_add, x, p[1]));
      jt_tensor* pooled = nullptr;
      must(jt_max_pool2d(s.ctx, x, two, 2, two, 2, nullptr, 0, 0, &pooled, nullptr));
      x = s.make(jt_conv2d, Tensor(pooled), p[2], two, size_t(2), one, size_t(2), nullptr, size_t(0), int64_t(1),
                 jt_bool(0));
      x = s.make(jt_mean, s.make(jt_relu, x), last, size_t(2), jt_bool(0));
      Tensor y = s.make(jt_matmul, x, p[3]);
      return s.make(jt_mean, s.make(jt_square, y), nullptr, size_t(0), jt_bool(0));
    });
  };
  expect_one_plan(net, {12, 16, 20, 28, 32, 24, 40}, 2);
}

namespace {

// Attention and all: the batches and words of every loss are named.
Tensor named_loss(const Session& s, const std::vector<Tensor>& p, int64_t batch, int64_t length, bool by_name) {
  std::vector<int64_t> words(size_t(batch * length));
  for (size_t i = 0; i < words.size(); i++) words[i] = int64_t(i * 7 % kWords);
  Tensor x = s.of(JT_I64, {batch, length}, words);
  if (by_name) {
    must(jt_tensor_name_dim(s.ctx, x, 0, "N", JT_NUL, 1, 64));
    must(jt_tensor_name_dim(s.ctx, x, -1, "T", JT_NUL, 1, 512));
  } else {
    must(jt_tensor_mark_dynamic(s.ctx, x, 0)), must(jt_tensor_mark_dynamic(s.ctx, x, 1));
  }
  Tensor h = s.make(jt_embedding, x, p[0], int64_t(-1));
  Tensor y = s.reshape(s.make(jt_gelu, s.make(jt_matmul, h, p[3]), "tanh", JT_NUL), {batch * length, 4 * kWidth});
  return s.make(jt_mean, s.make(jt_square, s.make(jt_matmul, y, p[4])), nullptr, size_t(0), jt_bool(0));
}

void expect_the_first_plan_to_hold(bool by_name) {
  Session s(flags(true));
  std::vector<Tensor> p = block_params(s);
  must(jt_sync(s.ctx));
  int64_t plans = -1, kernels = -1;
  for (auto [batch, length] : {std::pair<int64_t, int64_t>{3, 7}, {4, 7}, {5, 9}, {1, 30}, {7, 7}, {9, 1}}) {
    double loss = s.item(named_loss(s, p, batch, length, by_name));
    Session alone(flags(false));
    std::vector<Tensor> q = block_params(alone);
    EXPECT_EQ(loss, alone.item(named_loss(alone, q, batch, length, by_name)));
    if (plans < 0) plans = s.stats().plans_made, kernels = s.stats().kernels_compiled;
    EXPECT_EQ(s.stats().plans_made, plans) << batch << " " << length;
    EXPECT_EQ(s.stats().kernels_compiled, kernels) << batch << " " << length;
  }
}

}  // namespace

TEST(Extents, OfNamedDimensionsTheFirstPlanHoldsForAll) { expect_the_first_plan_to_hold(true); }
TEST(Extents, OfMarkedDimensionsTheFirstPlanHoldsForAll) { expect_the_first_plan_to_hold(false); }

TEST(Extents, AnExtentOutsideItsRangeIsAnErrorThatNamesBoth) {
  Session s;
  Tensor x = s.zeros({4, 2000});
  EXPECT_EQ(jt_tensor_name_dim(s.ctx, x, 1, "T", JT_NUL, 1, 1024), JT_E_SHAPE);
  EXPECT_EQ(last_message(), "jt_tensor_name_dim: tensor: axis 1 has extent 2000; dimension T is 1..1024");
  EXPECT_EQ(jt_tensor_name_dim(s.ctx, x, 2, "T", JT_NUL, 1, 1024), JT_E_SHAPE);
  EXPECT_EQ(jt_tensor_name_dim(s.ctx, x, 0, "", JT_NUL, 1, 1024), JT_E_INVALID);
  EXPECT_EQ(jt_tensor_name_dim(s.ctx, x, 0, "N", JT_NUL, 9, 8), JT_E_INVALID);
  EXPECT_EQ(jt_tensor_name_dim(s.ctx, x, 0, nullptr, 0, 1, 8), JT_E_INVALID);
  EXPECT_EQ(jt_tensor_mark_dynamic(s.ctx, x, -3), JT_E_SHAPE);
  EXPECT_EQ(jt_tensor_mark_dynamic(s.ctx, nullptr, 0), JT_E_INVALID);
  must(jt_tensor_name_dim(s.ctx, x, -1, "T", JT_NUL, 1, 2000));
}

// What differs is told from what only happened to be equal: a square matrix at first, and a name on one of its sides.
TEST(Extents, ANameIsNoMoreThanOneOfManyEqualNumbers) {
  Session s(flags(true));
  Tensor w = s.normal({8, 8});
  must(jt_sync(s.ctx));
  for (int64_t n : {8, 3, 5, 8, 11}) {
    Tensor x = waves(s, {n, 8});
    must(jt_tensor_name_dim(s.ctx, x, 0, "N", JT_NUL, 1, 100));
    Tensor y = s.reshape(s.make(jt_matmul, x, w), {n, 2, 4});
    std::vector<float> a = s.read(s.make(jt_exp, y));
    Session alone(flags(false));
    must(jt_sync(alone.ctx));
    Tensor v = alone.normal({8, 8});
    std::vector<float> b =
        alone.read(alone.make(jt_exp, alone.reshape(alone.make(jt_matmul, waves(alone, {n, 8}), v), {n, 2, 4})));
    EXPECT_EQ(a, b) << n;
  }
  EXPECT_LE(s.stats().plans_made, 4);
}

TEST(Extents, TheMemoryReportIsAFormula) {
  setenv("JT_SYMBOLS", "1", 1);
  Session s(flags(true));
  Tensor w = parameter(s, {16, 32}), v = parameter(s, {32, 16});
  must(jt_sync(s.ctx));
  std::string report;
  must(jt_context_set_dump(
      s.ctx, "m", JT_NUL,
      [](void* user, jt_stage, const char* text, size_t len) { static_cast<std::string*>(user)->append(text, len); },
      &report));
  Tensor x = waves(s, {5, 16});
  must(jt_tensor_name_dim(s.ctx, x, 0, "N", JT_NUL, 1, 100));
  Tensor y = s.make(jt_matmul, s.make(jt_tanh, s.make(jt_matmul, x, w)), v);
  must(jt_eval(s.ctx, &y.handle, 1));
  EXPECT_NE(report.find("f32[N,16]"), std::string::npos) << report;
  EXPECT_NE(report.find("arena 640 bytes (128*N live at once)"), std::string::npos) << report;
  EXPECT_NE(report.find(", 64*N bytes"), std::string::npos) << report;
}
