// Trees of modules: names, shared parameters, replacing, modes, checkpoints, chance, errors.
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "tests/nn/module.h"

using namespace jt::test;

namespace {

using Names = std::vector<std::string>;

Tensor ramp(const Session& s, const Dims& dims) {
  int64_t n = 1;
  for (int64_t d : dims) n *= d;
  std::vector<float> data(static_cast<size_t>(n));
  for (size_t i = 0; i < data.size(); i++) data[i] = std::sin(float(i) * 0.7f) * 2;
  return s.floats(dims, data);
}

std::string failure(jt_status want, jt_status got) {
  EXPECT_EQ(got, want) << last_message();
  return last_message();
}
std::string not_made(const Session& s, const char* kind, const std::string& fields, jt_status want = JT_E_INVALID) {
  Fields f(fields);
  jt_module* out = reinterpret_cast<jt_module*>(1);
  std::string text = failure(want, jt_module_create(s.ctx, kind, JT_NUL, f.data(), f.size(), &out));
  EXPECT_EQ(out, nullptr);
  return text;
}

TEST(Modules, ParametersBeginAsInPyTorch) {
  Session s;
  Module linear(s, "Linear", "in_features=100 out_features=50"),
      conv(s, "Conv", "in_channels=4 out_channels=8 kernel_size=3 groups=2");
  EXPECT_STREQ(jt_module_kind(conv), "Conv2d");
  for (auto [name, bound] : {std::pair("weight", 0.1), {"bias", 0.1}}) {
    std::vector<float> values = s.read(linear.get(name));
    double largest = 0;
    for (float v : values) largest = std::max(largest, std::fabs(double(v)));
    EXPECT_LE(largest, bound);
    EXPECT_GT(largest, bound * 0.9);
    EXPECT_TRUE(jt_tensor_requires_grad(linear.get(name)));
  }
  double bound = 1 / std::sqrt(2 * 9.0);
  for (float v : s.read(conv.get("weight"))) EXPECT_LE(std::fabs(v), bound);
  EXPECT_EQ(jt_tensor_dim(conv.get("weight"), 1), 2);
  Module norm(s, "BatchNorm", "num_features=3 dtype=10");
  EXPECT_EQ(jt_tensor_dtype(norm.get("weight")), JT_F16);
  EXPECT_EQ(jt_tensor_dtype(norm.get("num_batches_tracked")), JT_I64);
  EXPECT_FALSE(jt_tensor_requires_grad(norm.get("running_mean")));
  Module table(s, "Embedding", "num_embeddings=3 embedding_dim=2 padding_idx=1");
  std::vector<float> rows = s.read(table.get("weight"));
  EXPECT_EQ(rows[2], 0);
  EXPECT_EQ(rows[3], 0);
  EXPECT_NE(rows[0], 0);
}

TEST(Modules, SameSeedSameParameters) {
  std::vector<float> first;
  for (int i = 0; i < 2; i++) {
    Session s;
    must(jt_context_set_seed(s.ctx, 7));
    Module a(s, "Linear", "in_features=5 out_features=3"), b(s, "Linear", "in_features=5 out_features=3");
    std::vector<float> values = s.read(a.get("weight"));
    EXPECT_NE(values, s.read(b.get("weight")));
    if (i) { EXPECT_EQ(values, first); }
    first = values;
  }
}

struct Net {
  Module all, inner, first, norm, last;
  explicit Net(const Session& s)
      : all(s, "Sequential"), inner(s, "Sequential"), first(s, "Linear", "in_features=4 out_features=3"),
        norm(s, "BatchNorm1d", "num_features=3"), last(s, "Linear", "in_features=3 out_features=2 bias=0") {
    inner.add("0", norm), inner.add("act", Module(s, "ReLU"));
    all.add("0", first), all.add("body", inner), all.add("2", last);
  }
};

TEST(Modules, NamesAreDottedPathsInTheOrderOfTheTree) {
  Session s;
  Net net(s);
  EXPECT_EQ(net.all.names(), (Names{"0.weight", "0.bias", "body.0.weight", "body.0.bias", "body.0.running_mean",
                                    "body.0.running_var", "body.0.num_batches_tracked", "2.weight"}));
  EXPECT_EQ(net.all.names(JT_MODULE_BUFFERS),
            (Names{"body.0.running_mean", "body.0.running_var", "body.0.num_batches_tracked"}));
  EXPECT_EQ(net.all.parameters().size(), 5u);
  EXPECT_EQ(jt_module_child_count(net.all), 3u);
  EXPECT_STREQ(jt_module_child_name(net.all, 1), "body");
  EXPECT_EQ(jt_module_child_name(net.all, 3), nullptr);
  EXPECT_EQ(jt_module_listed_name(net.all, 3), nullptr);
  jt_module* found = nullptr;
  must(jt_module_child(s.ctx, net.all, "body.0", JT_NUL, &found));
  EXPECT_EQ(found, net.norm.handle);
  jt_module_release(found);
  EXPECT_EQ(net.all.get("body.0.weight").handle, net.norm.get("weight").handle) << "the cell itself";
}

TEST(Modules, SequentialIsItsChildrenInTurn) {
  Session s;
  Net net(s);
  Tensor x = ramp(s, {5, 4});
  net.all.training(false);
  std::vector<float> want = s.read(net.last(s.make(jt_relu, net.norm(net.first(x)))));
  EXPECT_EQ(s.read(net.all(x)), want);
  Module empty(s, "Sequential");
  EXPECT_EQ(s.read(empty(x)), s.read(x));
}

TEST(Modules, TrainingMovesRunningStatisticsAndEvaluationKeepsThem) {
  Session s;
  Net net(s);
  EXPECT_TRUE(jt_module_is_training(net.norm));
  Tensor x = ramp(s, {5, 4});
  std::vector<float> before = s.read(net.norm.get("running_mean"));
  net.all(x), net.all(x);
  std::vector<float> after = s.read(net.norm.get("running_mean"));
  EXPECT_NE(before, after);
  EXPECT_EQ(s.read<int64_t>(net.norm.get("num_batches_tracked"))[0], 2);
  net.all.training(false);
  EXPECT_FALSE(jt_module_is_training(net.norm));
  net.all(x);
  EXPECT_EQ(s.read(net.norm.get("running_mean")), after);
}

TEST(Modules, ALayerUsedTwiceInOneForwardMovesItsStatisticsTwice) {
  Session s;
  Module norm(s, "BatchNorm1d", "num_features=3"), twice(s, "Sequential");
  twice.add("a", norm), twice.add("b", norm);
  twice(ramp(s, {4, 3}));
  EXPECT_EQ(s.read<int64_t>(norm.get("num_batches_tracked"))[0], 2);
}

TEST(Modules, AFailedForwardMovesNothing) {
  Session s;
  Module all(s, "Sequential");
  Module norm(s, "BatchNorm1d", "num_features=3"), wrong(s, "Linear", "in_features=4 out_features=3");
  all.add("0", norm), all.add("1", wrong);
  Tensor x = ramp(s, {4, 3});
  jt_tensor *in = x, *out = nullptr;
  std::string text = failure(JT_E_SHAPE, jt_module_forward(s.ctx, all, &in, 1, &out, 1));
  EXPECT_NE(text.find("Linear: x has shape [4,3], its last extent is not in_features 4"), text.npos) << text;
  EXPECT_EQ(out, nullptr);
  EXPECT_EQ(s.read<int64_t>(norm.get("num_batches_tracked"))[0], 0);
}

TEST(Modules, ASharedCellIsOneParameterUpdatedOnce) {
  Session s;
  Module all(s, "Module"), a(s, "Linear", "in_features=3 out_features=3 bias=0"),
      b(s, "Linear", "in_features=3 out_features=3 bias=0");
  all.add("a", a), all.add("b", b);
  b.set("weight", a.get("weight"));
  EXPECT_EQ(all.names(), (Names{"a.weight", "b.weight"}));
  ASSERT_EQ(all.parameters().size(), 1u);
  jt_tensor* params[] = {all.parameters()[0]};
  jt_attr lr{"lr", JT_ATTR_F64, 0, 1};
  jt_optimizer* sgd = nullptr;
  must(jt_optimizer_create(s.ctx, "sgd", JT_NUL, &lr, 1, params, 1, &sgd));
  std::vector<float> w = s.read(a.get("weight"));
  Tensor x = s.floats({1, 3}, {1, 0, 0}), loss = s.sum(s.make(jt_add, a(x), b(x)));
  must(jt_optimizer_step(s.ctx, sgd, loss));
  std::vector<float> next = s.read(b.get("weight"));
  for (int i = 0; i < 3; i++)
    EXPECT_FLOAT_EQ(next[size_t(i * 3)], w[size_t(i * 3)] - 2) << "gradients of both uses, summed";
  EXPECT_EQ(next, s.read(a.get("weight")));
  jt_optimizer_release(sgd);
}

TEST(Modules, AParameterCanBeReplacedByOneOfItsType) {
  Session s;
  Module m(s, "Linear", "in_features=2 out_features=2 bias=0");
  m.set("weight", s.floats({2, 2}, {1, 2, 3, 4}));
  EXPECT_EQ(s.read(m(s.floats({1, 2}, {1, 10}))), (std::vector<float>{21, 43}));
  auto set = [&](jt_tensor* t) { return jt_module_set(s.ctx, m, "weight", JT_NUL, t); };
  EXPECT_NE(failure(JT_E_SHAPE, set(s.zeros({2, 3}))).find("Linear: weight has shape [2,2], not [2,3]"),
            std::string::npos);
  EXPECT_NE(failure(JT_E_DTYPE, set(s.of(JT_F64, {2, 2}, std::vector<double>(4)))).find("weight is f32, not f64"),
            std::string::npos);
  EXPECT_NE(failure(JT_E_INVALID, set(nullptr)).find("'weight' is not optional"), std::string::npos);
  failure(JT_E_NOT_FOUND, jt_module_set(s.ctx, m, "bias", JT_NUL, s.zeros({2})));
  failure(JT_E_NOT_FOUND, jt_module_set(s.ctx, m, "0.bias", JT_NUL, s.zeros({2})));
}

TEST(Modules, AContainerKeepsTensorsOfItsOwn) {
  Session s;
  Module m(s, "Module");
  m.set("scale", parameter(s, {2, 2})), m.set("mask", s.zeros({3}));
  EXPECT_EQ(m.names(JT_MODULE_PARAMETERS), Names{"scale"});
  EXPECT_EQ(m.names(), (Names{"scale", "mask"}));
  Tensor x = s.zeros({1});
  jt_tensor *in = x, *out = nullptr;
  EXPECT_NE(failure(JT_E_UNSUPPORTED, jt_module_forward(s.ctx, m, &in, 1, &out, 1)).find("Module: has no forward"),
            std::string::npos);
}

TEST(Modules, AnOptionalTensorIsAbsentUntilItIsSet) {
  Session s;
  Module loss(s, "CrossEntropyLoss");
  jt_tensor* out = nullptr;
  failure(JT_E_NOT_FOUND, jt_module_get(s.ctx, loss, "weight", JT_NUL, &out));
  EXPECT_EQ(loss.names(), Names{});
  Tensor x = ramp(s, {3, 2}), y = s.of(JT_I64, {3}, std::vector<int64_t>{0, 1, 1});
  double plain = s.item(loss.run({x, y})[0]);
  loss.set("weight", s.floats({2}, {1, 5}));
  EXPECT_EQ(loss.names(), Names{"weight"});
  EXPECT_NE(s.item(loss.run({x, y})[0]), plain);
  must(jt_module_set(s.ctx, loss, "weight", JT_NUL, nullptr));
  EXPECT_EQ(s.item(loss.run({x, y})[0]), plain);
  loss.set("weight", s.floats({3}, {1, 2, 3}));
  jt_tensor* in[] = {x, y};
  EXPECT_NE(failure(JT_E_SHAPE, jt_module_forward(s.ctx, loss, in, 2, &out, 1))
                .find("cross_entropy: weight has shape [3], x [3,2] needs [2]"),
            std::string::npos);
}

struct File {
  std::string path = "nn_modules_" + std::to_string(getpid()) + ".safetensors";
  ~File() { std::remove(path.c_str()); }
};

TEST(Modules, SaveAndLoadBringEverythingBack) {
  Session s;
  Net one(s), other(s);
  Tensor x = ramp(s, {5, 4});
  one.all(x);
  File file;
  must(jt_module_save(s.ctx, one.all, file.path.c_str(), JT_NUL));
  must(jt_module_load(s.ctx, other.all, file.path.c_str(), JT_NUL, 0));
  one.all.training(false), other.all.training(false);
  EXPECT_EQ(s.read(one.all(x)), s.read(other.all(x)));
  EXPECT_EQ(s.read<int64_t>(other.norm.get("num_batches_tracked"))[0], 1);
  EXPECT_TRUE(jt_tensor_requires_grad(other.first.get("weight")));
  Tensor loss = s.sum(other.all(x)), weight = other.first.get("weight");
  jt_tensor *asked = weight, *grad = nullptr;
  must(jt_grad(s.ctx, loss, &asked, 1, nullptr, 0, &grad, 1));
  jt_tensor_release(grad);
}

TEST(Modules, LoadChangesAllOrNothing) {
  Session s;
  Net net(s);
  Module more(s, "Sequential"), extra(s, "Linear", "in_features=2 out_features=2");
  more.add("0", net.first), more.add("body", net.inner), more.add("2", net.last), more.add("3", extra);
  File file;
  must(jt_module_save(s.ctx, net.all, file.path.c_str(), JT_NUL));
  std::vector<float> saved = s.read(net.first.get("weight"));
  must(jt_tensor_assign(s.ctx, net.first.get("weight"), s.zeros({3, 4})));
  auto load = [&](const Module& m, uint32_t flags) {
    return jt_module_load(s.ctx, m, file.path.c_str(), JT_NUL, flags);
  };
  EXPECT_NE(failure(JT_E_NOT_FOUND, load(more, 0)).find("the file has no tensor called '3.weight'"), std::string::npos);
  EXPECT_EQ(s.read(net.first.get("weight"))[0], 0) << "what had a value in the file was assigned too";
  EXPECT_NE(failure(JT_E_NOT_FOUND, load(net.inner, 0)).find("no tensor called '"), std::string::npos);
  must(load(more, JT_LOAD_PARTIAL));
  EXPECT_EQ(s.read(net.first.get("weight")), saved);
  Net wider(s);
  wider.all.add("0", Module(s, "Linear", "in_features=5 out_features=3"));
  EXPECT_NE(failure(JT_E_SHAPE, load(wider.all, 0)).find("'0.weight' has shape [3,5], in the file [3,4]"),
            std::string::npos);
  failure(JT_E_INVALID, load(net.all, 8));
  failure(JT_E_IO, jt_module_load(s.ctx, net.all, "/nowhere/x", JT_NUL, 0));
}

TEST(Modules, ChildrenAreNoAncestors) {
  Session s;
  Module a(s, "Sequential"), b(s, "Sequential"), leaf(s, "ReLU");
  a.add("b", b);
  auto add = [&](const Module& m, const char* name, const Module& child) {
    return jt_module_add_child(s.ctx, m, name, JT_NUL, child);
  };
  EXPECT_NE(failure(JT_E_INVALID, add(b, "a", a)).find("holds the module itself"), std::string::npos);
  failure(JT_E_INVALID, add(a, "a", a));
  EXPECT_NE(failure(JT_E_INVALID, add(leaf, "a", a)).find("ReLU: is no container"), std::string::npos);
  for (const char* name : {"", "a.b"}) failure(JT_E_INVALID, add(a, name, leaf));
  a.set("t", s.zeros({1}));
  failure(JT_E_INVALID, add(a, "t", leaf));
  failure(JT_E_INVALID, jt_module_set(s.ctx, a, "b", JT_NUL, s.zeros({1})));
  a.add("b", leaf);  // in place of the other
  EXPECT_EQ(jt_module_child_count(a), 1u);
}

TEST(Modules, AVeryDeepTreeIsReleasedButNotWalked) {
  Session s;
  Module top(s, "Sequential");
  jt_module* at = top;
  for (int i = 0; i < 20000; i++) {
    jt_module* next = nullptr;
    must(jt_module_create(s.ctx, "Sequential", JT_NUL, nullptr, 0, &next));
    must(jt_module_add_child(s.ctx, at, "0", JT_NUL, next));
    jt_module_release(next);
    at = next;
  }
  size_t n = 7;
  failure(JT_E_INVALID, jt_module_list(s.ctx, top, JT_MODULE_STATE, &n));
  EXPECT_EQ(n, 0u);
  Tensor x = s.zeros({1});
  jt_tensor *in = x, *out = nullptr;
  failure(JT_E_INVALID, jt_module_forward(s.ctx, top, &in, 1, &out, 1));
}

TEST(Modules, ModulesOutliveTheirHandles) {
  jt_module* child = nullptr;
  {
    Session s;
    Module all(s, "Sequential");
    must(jt_module_create(s.ctx, "Linear", JT_NUL, Fields("in_features=2 out_features=2").data(), 2, &child));
    all.add("0", Module(s, "Dropout")), must(jt_module_add_child(s.ctx, all, "1", JT_NUL, child));
  }
  EXPECT_STREQ(jt_module_kind(child), "Linear");
  jt_module_release(child);
  jt_module_release(nullptr), jt_module_retain(nullptr);
}

// ---- chance ---------------------------------------------------------------------------------------------------------

TEST(Chance, DropoutKeepsTheMeanAndDropsAShare) {
  Session s;
  Module drop(s, "Dropout", "p=0.3");
  Tensor x = s.make(jt_ones, Dims{100000}.data(), size_t(1), JT_F32);
  std::vector<float> y = s.read(drop(x)), z = s.read(drop(x));
  double dropped = 0;
  for (float v : y) {
    EXPECT_TRUE(v == 0 || std::fabs(v - 1 / 0.7f) < 1e-6) << v;
    dropped += v == 0;
  }
  EXPECT_NEAR(dropped / double(y.size()), 0.3, 5 * std::sqrt(0.3 * 0.7 / double(y.size())));
  EXPECT_NE(y, z) << "every call draws anew";
  drop.training(false);
  EXPECT_EQ(s.read(drop(x)), s.read(x));
  Module all(s, "Dropout", "p=1");
  for (float v : s.read(all(x))) EXPECT_EQ(v, 0);
}

TEST(Chance, ChannelsAndSamplesAreDroppedAsAWhole) {
  Session s;
  struct Shape { const char* kind; Dims dims; int64_t whole; };
  for (const Shape& t : {Shape{"Dropout1d", {20, 30, 5}, 5},
                         {"Dropout2d", {20, 30, 2, 3}, 6},
                         {"Dropout3d", {20, 30, 2, 1, 2}, 4},
                         {"DropPath", {500, 3, 2}, 6}}) {
    Module drop(s, t.kind, "p=0.5");
    Tensor x = s.make(jt_ones, t.dims.data(), t.dims.size(), JT_F32);
    std::vector<float> y = s.read(drop(x));
    int64_t n = int64_t(y.size()) / t.whole, dropped = 0;
    for (int64_t i = 0; i < n; i++) {
      for (int64_t k = 0; k < t.whole; k++) EXPECT_EQ(y[size_t(i * t.whole + k)], y[size_t(i * t.whole)]) << t.kind;
      EXPECT_TRUE(y[size_t(i * t.whole)] == 0 || y[size_t(i * t.whole)] == 2) << t.kind;
      dropped += y[size_t(i * t.whole)] == 0;
    }
    EXPECT_NEAR(double(dropped) / double(n), 0.5, 5 * 0.5 / std::sqrt(double(n))) << t.kind;
  }
}

TEST(Chance, ATrainingLoopWithDropoutAndBatchNormCompilesAndPlansOnce) {
  Session s;
  Module net(s, "Sequential");
  net.add("0", Module(s, "Linear", "in_features=4 out_features=8")),
      net.add("1", Module(s, "BatchNorm1d", "num_features=8"));
  net.add("2", Module(s, "ReLU")), net.add("3", Module(s, "Dropout", "p=0.25")),
      net.add("4", Module(s, "Linear", "in_features=8 out_features=3"));
  Module loss(s, "CrossEntropyLoss");
  std::vector<Tensor> params = net.parameters();
  std::vector<jt_tensor*> handles(params.begin(), params.end());
  jt_optimizer* adam = nullptr;
  must(jt_optimizer_create(s.ctx, "adam", JT_NUL, nullptr, 0, handles.data(), handles.size(), &adam));
  jt_stats before{}, after{};
  for (int i = 0; i < 8; i++) {
    Tensor x = ramp(s, {6, 4}), y = s.of(JT_I64, {6}, std::vector<int64_t>{0, 1, 2, 2, 1, 0});
    Tensor value = loss.run({net(x), y})[0];
    must(jt_optimizer_step(s.ctx, adam, value));
    if (i == 2) before = s.stats();
  }
  after = s.stats();
  EXPECT_EQ(after.kernels_compiled, before.kernels_compiled);
  EXPECT_EQ(after.plans_made, before.plans_made);
  EXPECT_EQ(s.read<int64_t>(net.get("1.num_batches_tracked"))[0], 8);
  jt_optimizer_release(adam);
}

TEST(Modules, AFieldCanChangeUnlessTensorsFollowFromIt) {
  Session s;
  Module drop(s, "Dropout", "p=0.5"), linear(s, "Linear", "in_features=2 out_features=3");
  must(jt_module_set_field(s.ctx, drop, Fields("p=0").data()));
  Tensor x = ramp(s, {7});
  EXPECT_EQ(s.read(drop(x)), s.read(x));
  EXPECT_NE(
      failure(JT_E_INVALID, jt_module_set_field(s.ctx, drop, Fields("p=2").data())).find("Dropout: p 2 is not in 0..1"),
      std::string::npos);
  EXPECT_EQ(s.read(drop(x)), s.read(x));
  for (const char* field : {"in_features=3", "bias=0", "dtype=13"})
    EXPECT_NE(failure(JT_E_INVALID, jt_module_set_field(s.ctx, linear, Fields(field).data())).find("cannot change"),
              std::string::npos);
  EXPECT_EQ(linear.parameters().size(), 2u);
}

TEST(Layers, RMSNormIsItsFormula) {
  Session s;
  Module norm(s, "RMSNorm", "normalized_shape=3 eps=0.5");
  norm.set("weight", s.floats({3}, {1, 2, -1}));
  std::vector<float> y = s.read(norm(s.floats({1, 3}, {1, 2, 3})));
  double root = std::sqrt(14.0 / 3 + 0.5);
  EXPECT_NEAR(y[0], 1 / root, 1e-6);
  EXPECT_NEAR(y[1], 4 / root, 1e-6);
  EXPECT_NEAR(y[2], -3 / root, 1e-6);
}

TEST(Layers, ZeroSizes) {
  Session s;
  EXPECT_EQ(s.read(Module(s, "Linear", "in_features=4 out_features=3")(s.zeros({0, 4}))).size(), 0u);
  EXPECT_EQ(s.read(Module(s, "Conv2d", "in_channels=1 out_channels=2 kernel_size=3")(s.zeros({0, 1, 5, 5}))).size(),
            0u);
  EXPECT_EQ(s.read(Module(s, "Dropout")(s.zeros({0}))).size(), 0u);
  Module norm(s, "BatchNorm1d", "num_features=3");
  norm.training(false);
  EXPECT_EQ(s.read(norm(s.zeros({0, 3}))).size(), 0u);
}

// ---- errors ---------------------------------------------------------------------------------------------------------

TEST(Errors, FieldsAreNamedWithTheirValues) {
  Session s;
  auto has = [&](const std::string& text, const char* part) { EXPECT_NE(text.find(part), text.npos) << text; };
  has(not_made(s, "Lineal", "", JT_E_NOT_FOUND), "no layer is called 'Lineal'");
  has(not_made(s, "Linear", "in_features=3"), "Linear: out_features is missing");
  has(not_made(s, "Linear", "in_features=3 out_features=0"), "Linear: out_features 0 is below 1");
  has(not_made(s, "Linear", "in_features=3 out_features=2 width=1"), "Linear: no field is called 'width'");
  has(not_made(s, "Linear", "in_features=3 out_features=2 bias=2"), "Linear: bias 2 is neither 0 nor 1");
  has(not_made(s, "Linear", "in_features=3 in_features=3 out_features=2"), "Linear: in_features is given twice");
  has(not_made(s, "Linear", "in_features=3 out_features=2 dtype=4", JT_E_DTYPE),
      "dtype 4 is not a floating-point dtype");
  has(not_made(s, "Linear", "in_features=4611686018427387904 out_features=4611686018427387904", JT_E_SHAPE),
      "too many elements");
  has(not_made(s, "Conv2d", "in_channels=3 out_channels=4 kernel_size=[1,2,3]"),
      "Conv2d: kernel_size has 3 values, not 2");
  has(not_made(s, "Conv2d", "in_channels=3 out_channels=4 kernel_size=3 groups=2"),
      "Conv2d: groups 2 does not divide 3");
  has(not_made(s, "Conv2d", "in_channels=3 out_channels=4 kernel_size=3 padding=-1"), "Conv2d: padding -1 is below 0");
  has(not_made(s, "Dropout", "p=1.5"), "Dropout: p 1.5 is not in 0..1");
  has(not_made(s, "Dropout", "p=x"), "Dropout: p is not a number");
  has(not_made(s, "MSELoss", "reduction=max"), "MSELoss: reduction 'max' is none of mean|sum|none");
  has(not_made(s, "BatchNorm2d", "num_features=3 eps=-0.5"), "BatchNorm2d: eps -0.5 is not a number >= 0");
  has(not_made(s, "LayerNorm", "normalized_shape=[]"), "LayerNorm: normalized_shape has 0 values");
  has(not_made(s, "Embedding", "num_embeddings=3 embedding_dim=2 padding_idx=3"), "padding_idx 3 is outside 3 rows");
}

TEST(Errors, ShapesAreNamed) {
  Session s;
  auto forward = [&](const Module& m, std::vector<jt_tensor*> in, jt_status want, const char* part, size_t outs = 1) {
    jt_tensor* out[3] = {};
    std::string text = failure(want, jt_module_forward(s.ctx, m, in.data(), in.size(), out, outs));
    EXPECT_NE(text.find(part), text.npos) << text;
  };
  Tensor x = ramp(s, {2, 3}), image = ramp(s, {1, 3, 4, 4});
  forward(Module(s, "BatchNorm2d", "num_features=3"), {x}, JT_E_SHAPE,
          "BatchNorm2d: x needs 4 axes, its shape is [2,3]");
  forward(Module(s, "BatchNorm1d", "num_features=4"), {x}, JT_E_SHAPE,
          "BatchNorm1d: x has 3 channels, not num_features 4");
  forward(Module(s, "BatchNorm1d", "num_features=3"), {ramp(s, {1, 3})}, JT_E_SHAPE, "one value per channel");
  forward(Module(s, "LayerNorm", "normalized_shape=4"), {x}, JT_E_SHAPE,
          "LayerNorm: x of shape [2,3] does not end in normalized_shape [4]");
  forward(Module(s, "AdaptiveMaxPool2d", "output_size=3"), {x}, JT_E_SHAPE,
          "AdaptiveMaxPool2d: x needs 3 to 4 axes, its shape is [2,3]");
  forward(Module(s, "MaxPool2d", "kernel_size=2 padding=2"), {image}, JT_E_INVALID,
          "padding 2 is more than half of kernel_size 2");
  forward(Module(s, "MSELoss"), {x}, JT_E_INVALID, "MSELoss: takes 2 operands, not 1");
  forward(Module(s, "MSELoss"), {x, nullptr}, JT_E_INVALID, "MSELoss: operand y is NULL");
  forward(Module(s, "ReLU"), {nullptr}, JT_E_INVALID, "ReLU: inputs[0] is NULL");
  forward(Module(s, "ReLU"), {x}, JT_E_INVALID, "ReLU: gives 1 results, not 2", 2);
  forward(Module(s, "LSTMCell", "input_size=3 hidden_size=2"), {x, ramp(s, {2, 3})}, JT_E_SHAPE,
          "a state has shape [2,3], not [2,2]", 2);
  forward(Module(s, "GLU"), {x}, JT_E_SHAPE, "GLU: extent 3 of axis 1 is odd");
  forward(Module(s, "Flatten"), {ramp(s, {3})}, JT_E_SHAPE, "Flatten: start_dim 1 is outside the 1 axes of x");
}

TEST(Errors, AModuleBelongsToItsContext) {
  Session s, t;
  Module m(s, "ReLU");
  size_t n = 0;
  failure(JT_E_WRONG_CONTEXT, jt_module_list(t.ctx, m, JT_MODULE_STATE, &n));
  failure(JT_E_WRONG_CONTEXT, jt_module_set_training(t.ctx, m, 0));
}

TEST(Table, CanBeReadFromOutside) {
  EXPECT_GT(jt_layer_count(), 60u);
  for (size_t i = 0; i < jt_layer_count(); i++) {
    EXPECT_GT(std::strlen(jt_layer_name(i)), 1u);
    EXPECT_GT(std::strlen(jt_layer_doc(i)), 1u);
    ASSERT_NE(jt_layer_fields(i), nullptr);
  }
  EXPECT_EQ(jt_layer_name(jt_layer_count()), nullptr);
}

// Initial values, a forward and its gradients: the second layer, and every later one, takes the plans of the first.
TEST(Plans, AreSharedByEqualLayers) {
  for (auto [kind, fields, dims] : std::vector<std::tuple<const char*, const char*, Dims>>{
           {"Linear", "in_features=8 out_features=5", {4, 8}},
           {"Conv2d", "in_channels=3 out_channels=4 kernel_size=3 padding=1", {2, 3, 8, 8}},
           {"BatchNorm2d", "num_features=3", {2, 3, 8, 8}},
           {"PReLU", "num_parameters=3", {2, 3, 8, 8}}}) {
    Session s;
    Tensor x = s.normal(dims);
    must(jt_eval(s.ctx, nullptr, 0));
    for (int i = 0; i < 5; i++) {
      int64_t before = s.stats().plans_made;
      Module m(s, kind, fields);
      must(jt_eval(s.ctx, nullptr, 0));
      std::vector<Tensor> params = m.parameters();
      std::vector<jt_tensor*> in(params.begin(), params.end()), grads(in.size());
      Tensor y = s.sum(m(x));
      must(jt_grad(s.ctx, y, in.data(), in.size(), nullptr, 0, grads.data(), grads.size()));
      must(jt_eval(s.ctx, nullptr, 0));
      for (jt_tensor* g : grads) jt_tensor_release(g);
      EXPECT_TRUE(i == 0 || s.stats().plans_made == before) << kind << ", layer " << i;
    }
  }
}

}  // namespace
