// Indices and labels that are out of range: an error that names op, index and extent when the value is first looked at,
// and nothing else is lost. What is in range, what is ignored and what nobody looks at is none.
#include <cstdlib>
#include <functional>

#include "tests/capi/capi.h"

using namespace jt::test;

namespace {

jt_runtime_desc of_environment() {
  jt_runtime_desc d{};
  d.struct_size = sizeof d, d.flags = JT_RT_NO_DISK_CACHE | JT_RT_ALLOW_ENV;
  return d;
}

Tensor numbers(const Session& s, jt_dtype dtype, const Dims& dims, const std::vector<int64_t>& data) {
  Tensor wide = s.of<int64_t>(JT_I64, dims, data);
  return s.make(jt_cast, wide, dtype);
}

// A row with an index of two elements along an axis of 5, by name; `wraps`: -5..-1 count from the end.
struct Row {
  const char* name;
  bool wraps;
  std::function<Tensor(const Session&, const Tensor& x, const Tensor& index)> call;
};
const std::vector<Row> kRows = {
    {"take", true, [](const Session& s, const Tensor& x, const Tensor& i) { return s.make(jt_take, x, i, 0); }},
    {"gather", true,
     [](const Session& s, const Tensor& x, const Tensor& i) { return s.make(jt_gather, x, s.reshape(i, {2, 1}), 0); }},
    {"scatter", true,
     [](const Session& s, const Tensor& x, const Tensor& i) {
       return s.make(jt_scatter, x, s.reshape(i, {2, 1}), s.make(jt_ones, Dims{2, 1}.data(), 2, jt_tensor_dtype(x)), 0,
                     "set", JT_NUL);
     }},
    {"scatter_add", true,
     [](const Session& s, const Tensor& x, const Tensor& i) {
       return s.make(jt_scatter_add, x, i, s.make(jt_ones, Dims{2, 3}.data(), 2, jt_tensor_dtype(x)), 0);
     }},
    {"embedding", true,
     [](const Session& s, const Tensor& x, const Tensor& i) { return s.make(jt_embedding, i, x, -1); }},
    {"one_hot", false,
     [](const Session& s, const Tensor&, const Tensor& i) { return s.make(jt_one_hot, i, 5, JT_F32); }},
    {"nll", false,
     [](const Session& s, const Tensor& x, const Tensor& i) {
       return s.make(jt_nll, s.slice(s.make(jt_transpose, x, nullptr, 0), {0, 0}, {2, 5}), i, nullptr, int64_t(-100),
                     "mean", JT_NUL);
     }},
    {"cross_entropy", false,
     [](const Session& s, const Tensor& x, const Tensor& i) {
       Tensor logits = s.slice(s.make(jt_transpose, x, nullptr, 0), {0, 0}, {2, 5});
       return s.make(jt_cross_entropy, logits, i, nullptr, int64_t(-100), "mean", JT_NUL, 0.0);
     }},
};
Tensor rows(const Session& s, jt_dtype dtype) {
  std::vector<float> data(15);
  for (size_t i = 0; i < 15; i++) data[i] = float(i) / 8;
  return s.make(jt_cast, s.floats({5, 3}, data), dtype);
}
jt_status status_of(const Session& s, const Tensor& y) { return jt_eval(s.ctx, &y.handle, 1); }

void expect_outside(const Session& s, const Row& row, const Tensor& y, const std::string& index) {
  EXPECT_EQ(status_of(s, y), JT_E_INDEX) << row.name << " " << index;
  std::string wanted = std::string(row.name) + ": index " + index + " is outside an extent of 5, ";
  EXPECT_NE(last_message().find(wanted), std::string::npos) << last_message();
}

void every_row(const Session& s) {
  for (const Row& row : kRows)
    for (jt_dtype data : {JT_F32, JT_F16, JT_F64}) {
      Tensor x = rows(s, data);
      for (jt_dtype t : {JT_I8, JT_I16, JT_I32, JT_I64, JT_U8, JT_U16, JT_U32, JT_U64}) {
        EXPECT_EQ(status_of(s, row.call(s, x, numbers(s, t, {2}, {4, 0}))), JT_OK)
            << row.name << ": " << last_message();
        expect_outside(s, row, row.call(s, x, numbers(s, t, {2}, {0, 5})), "5");
        expect_outside(s, row, row.call(s, x, numbers(s, t, {2}, {127, 1})), "127");
        bool is_signed = t == JT_I8 || t == JT_I16 || t == JT_I32 || t == JT_I64;
        if (!is_signed) continue;
        if (row.wraps) {
          EXPECT_EQ(status_of(s, row.call(s, x, numbers(s, t, {2}, {-5, -1}))), JT_OK) << row.name;
        }
        expect_outside(s, row, row.call(s, x, numbers(s, t, {2}, {row.wraps ? -6 : -1, 0})), row.wraps ? "-6" : "-1");
      }
      if (data != JT_F32) continue;
      expect_outside(s, row, row.call(s, x, numbers(s, JT_I64, {2}, {0, INT64_MIN})), "-9223372036854775808");
      expect_outside(s, row, row.call(s, x, numbers(s, JT_I64, {2}, {INT64_MAX, 0})), "9223372036854775807");
      expect_outside(s, row, row.call(s, x, numbers(s, JT_U64, {2}, {-1, 0})), "18446744073709551615");
    }
}
TEST(Indices, OutsideOfEveryRowOnEveryTier) {
  for (const char* tier : {"vm", "tcc", "auto"}) {
    setenv("JT_CPU_TIER", tier, 1);
    every_row(Session(of_environment()));
  }
  unsetenv("JT_CPU_TIER");
}
TEST(Indices, OutsideAsSeenByGxx) {
  setenv("JT_CPU_TIER", "gxx", 1);
  Session s(of_environment());
  unsetenv("JT_CPU_TIER");
  Tensor x = rows(s, JT_F32);
  expect_outside(s, kRows[0], kRows[0].call(s, x, numbers(s, JT_I32, {2}, {0, 5})), "5");
  EXPECT_EQ(s.read(kRows[0].call(s, x, numbers(s, JT_I32, {2}, {0, 4})))[3], 1.5f);
}
TEST(Indices, InRangeGiveWhatNumpyGives) {
  Session s;
  Tensor x = rows(s, JT_F32), i = numbers(s, JT_I64, {2}, {-1, 1});
  EXPECT_EQ(s.read(s.make(jt_take, x, i, 0)), (std::vector<float>{1.5, 1.625, 1.75, 0.375, 0.5, 0.625}));
  EXPECT_EQ(s.read(s.make(jt_gather, x, s.reshape(i, {2, 1}), 0)), (std::vector<float>{1.5, 0.375}));
}
TEST(Indices, OneOfAMillion) {
  for (int threads : {1, 3}) {
    jt_runtime_desc d{};
    d.struct_size = sizeof d, d.flags = JT_RT_NO_DISK_CACHE, d.threads = threads;
    Session s(d);
    std::vector<int32_t> at(1000000);
    for (size_t i = 0; i < at.size(); i++) at[i] = int32_t(i % 5);
    Tensor x = rows(s, JT_F32);
    EXPECT_EQ(status_of(s, s.make(jt_take, x, s.of<int32_t>(JT_I32, {1000000}, at), 0)), JT_OK);
    at[777777] = 6;
    expect_outside(s, kRows[0], s.make(jt_take, x, s.of<int32_t>(JT_I32, {1000000}, at), 0), "6");
  }
}
TEST(Indices, OfNothingAndIntoNothing) {
  Session s;
  Tensor x = rows(s, JT_F32), none = s.zeros({0, 3});
  EXPECT_EQ(status_of(s, s.make(jt_take, x, numbers(s, JT_I64, {0}, {}), 0)), JT_OK);
  EXPECT_EQ(status_of(s, s.make(jt_take, none, numbers(s, JT_I64, {0}, {}), 0)), JT_OK);
  jt_tensor* out = nullptr;
  EXPECT_EQ(jt_take(s.ctx, none, numbers(s, JT_I64, {1}, {0}), 0, &out), JT_E_INDEX);
  EXPECT_EQ(last_message(), "take: 1 index into an extent of 0");
}
TEST(Indices, ThatNobodyLooksAtAreNoError) {
  Session s;
  Tensor x = rows(s, JT_F32);
  { Tensor gone = s.make(jt_take, x, numbers(s, JT_I64, {1}, {9}), 0); }
  EXPECT_EQ(jt_sync(s.ctx), JT_OK);
}
// What argmax gives is always inside.
TEST(Indices, OfArgmaxAreLegal) {
  Session s;
  Tensor x = rows(s, JT_F32);
  const int64_t axis = 0;
  EXPECT_EQ(s.read(s.make(jt_gather, x, s.make(jt_argmax, x, &axis, 1, 1), 0)), (std::vector<float>{1.5, 1.625, 1.75}));
}
TEST(Indices, SeveralInOnePlan) {
  Session s;
  Tensor x = rows(s, JT_F32), good = numbers(s, JT_I64, {1}, {3}), bad = numbers(s, JT_I64, {1}, {-7});
  Tensor a = s.make(jt_take, x, good, 0), b = s.make(jt_take, x, bad, 0),
         c = s.make(jt_take, a, numbers(s, JT_I64, {1}, {2}), 1);
  EXPECT_EQ(jt_sync(s.ctx), JT_E_INDEX);
  EXPECT_EQ(s.read(a), (std::vector<float>{1.125, 1.25, 1.375}));
  EXPECT_EQ(s.read(c), std::vector<float>{1.375});
  for (int again = 0; again < 2; again++) expect_outside(s, kRows[0], b, "-7");
  Tensor from_it = s.make(jt_neg, b);
  expect_outside(s, kRows[0], from_it, "-7");
}

// ---- what an error leaves behind

TEST(Indices, AfterAnErrorEverythingElseIsThere) {
  Session s;
  Tensor x = rows(s, JT_F32), w = s.floats({600}, std::vector<float>(600, 3));
  must(jt_eval(s.ctx, &w.handle, 1));
  must(jt_tensor_assign(s.ctx, w, s.make(jt_add, w, w)));  // may be done in place
  Tensor bad = s.make(jt_take, x, numbers(s, JT_I64, {1}, {5}), 0);
  EXPECT_EQ(jt_sync(s.ctx), JT_E_INDEX);
  EXPECT_EQ(s.read(w), std::vector<float>(600, 6));
  must(jt_tensor_assign(s.ctx, w, s.make(jt_add, w, w)));
  EXPECT_EQ(status_of(s, bad), JT_E_INDEX);
  EXPECT_EQ(s.read(w), std::vector<float>(600, 12));
  EXPECT_EQ(s.read(x)[14], 1.75f);
}
TEST(Indices, TheGradientOfAnErrorIsOneToo) {
  Session s;
  for (const Row& row : kRows) {
    // one_hot has none; what scatter_add adds to passes its gradient on, wherever is added.
    if (std::string(row.name) == "one_hot" || std::string(row.name) == "scatter_add") continue;
    Tensor x = rows(s, JT_F32);
    must(jt_tensor_set_requires_grad(s.ctx, x, 1));
    Tensor loss = s.sum(row.call(s, x, numbers(s, JT_I64, {2}, {0, 9})));
    jt_tensor* dx = nullptr;
    must(jt_grad(s.ctx, loss, &x.handle, 1, nullptr, 0, &dx, 1));
    expect_outside(s, row, Tensor(dx), "9");
    expect_outside(s, row, loss, "9");
    EXPECT_EQ(s.read(x)[1], 0.125f);
  }
}

// Losses: a label that is ignored may be anything, and is no error in the gradient either; any other is looked at.
TEST(Labels, ThatAreIgnoredMayBeAnything) {
  Session s;
  for (jt_dtype t : {JT_I8, JT_I32, JT_I64, JT_U64})
    for (int64_t ignored : {-100, 77, 1}) {
      if (t == JT_U64 && ignored < 0) continue;
      Tensor x = s.floats({2, 3}, {1, 2, 3, 1, 2, 4}), label = numbers(s, t, {2}, {0, ignored});
      must(jt_tensor_set_requires_grad(s.ctx, x, 1));
      Tensor loss = s.make(jt_cross_entropy, x, label, nullptr, ignored, "mean", JT_NUL, 0.0);
      EXPECT_NEAR(s.read(loss)[0], 2.4076059, 1e-6);
      jt_tensor* dx = nullptr;
      must(jt_grad(s.ctx, loss, &x.handle, 1, nullptr, 0, &dx, 1));
      EXPECT_EQ(s.read(Tensor(dx))[4], 0.0f);
      EXPECT_EQ(s.read(s.make(jt_nll, x, label, nullptr, ignored, "none", JT_NUL)), (std::vector<float>{-1, 0}));
      Tensor other = numbers(s, t, {2}, {78, ignored});
      EXPECT_EQ(status_of(s, s.make(jt_cross_entropy, x, other, nullptr, ignored, "mean", JT_NUL, 0.0)), JT_E_INDEX);
      EXPECT_NE(last_message().find("cross_entropy: index 78 is outside an extent of 3"), std::string::npos)
          << last_message();
    }
}

struct Classifier {
  Session s;
  Tensor x, w, bias;
  jt_optimizer* optimizer = nullptr;
  explicit Classifier(const char* kind = "adam") {
    std::vector<float> data(8 * 4);
    for (size_t i = 0; i < data.size(); i++) data[i] = float(i % 7) / 4 - 0.5f;
    x = s.floats({8, 4}, data), w = s.floats({4, 2}, {data.begin(), data.begin() + 8}), bias = s.zeros({2});
    jt_tensor* params[2] = {w, bias};
    for (jt_tensor* p : params) must(jt_tensor_set_requires_grad(s.ctx, p, 1));
    must(jt_optimizer_create(s.ctx, kind, JT_NUL, nullptr, 0, params, 2, &optimizer));
  }
  ~Classifier() { jt_optimizer_release(optimizer); }
  jt_status step(int64_t last_label) {
    Tensor label = s.of<int64_t>(JT_I64, {8}, {0, 1, 0, 1, 1, 0, 1, last_label});
    Tensor out = s.make(jt_add, s.make(jt_matmul, x, w), bias);
    return jt_optimizer_step(s.ctx, optimizer,
                             s.make(jt_cross_entropy, out, label, nullptr, int64_t(-100), "mean", JT_NUL, 0.0));
  }
};
TEST(Labels, AStepWithABadOneChangesNothing) {
  for (const char* kind : {"sgd", "adam"}) {
    Classifier good(kind), bad(kind);
    must(good.step(1)), must(bad.step(1));
    std::vector<float> before = bad.s.read(bad.w);
    for (int64_t label : {5, -1, 2}) {
      EXPECT_EQ(bad.step(label), JT_E_INDEX);
      EXPECT_NE(
          last_message().find("cross_entropy: index " + std::to_string(label) + " is outside an extent of 2, 0..1"),
          std::string::npos)
          << last_message();
      EXPECT_EQ(bad.s.read(bad.w), before);
    }
    for (int i = 0; i < 3; i++) must(good.step(0)), must(bad.step(0));
    EXPECT_EQ(bad.s.read(bad.w), good.s.read(good.w));
    EXPECT_EQ(bad.s.read(bad.bias), good.s.read(good.bias));
  }
}
TEST(Labels, LayersAndFunctionsAgree) {
  Session s;
  Tensor x = s.floats({2, 2}, {1, 2, 3, 4});
  auto layer = [&](const char* kind, const std::string& row, std::vector<int64_t> labels, jt_status wanted) {
    jt_module* m = nullptr;
    must(jt_module_create(s.ctx, kind, JT_NUL, nullptr, 0, &m));
    Tensor label = s.of<int64_t>(JT_I64, {2}, labels);
    jt_tensor *in[2] = {x, label}, *out = nullptr;
    must(jt_module_forward(s.ctx, m, in, 2, &out, 1));
    Tensor loss(out);
    EXPECT_EQ(status_of(s, loss), wanted) << kind;
    if (wanted != JT_OK) {
      EXPECT_NE(last_message().find(row + ": index "), std::string::npos) << last_message();
    }
    jt_module_release(m);
    return wanted == JT_OK ? s.item(loss) : NAN;
  };
  for (auto [kind, row] : {std::pair("CrossEntropyLoss", "cross_entropy"), {"NLLLoss", "nll"}}) {
    for (int64_t bad : {5, 2, -1, -2}) layer(kind, row, {0, bad}, JT_E_INDEX);
    layer(kind, row, {0, 1}, JT_OK);
  }
  EXPECT_NEAR(layer("CrossEntropyLoss", "cross_entropy", {0, -100}, JT_OK), std::log(1 + std::exp(1.0)), 1e-6)
      << "ignored";
  EXPECT_NEAR(layer("NLLLoss", "nll", {-100, 1}, JT_OK), -4, 1e-6);
}

TEST(Indices, AreNotLookedAtWithoutChecks) {
  setenv("JT_CHECK", "0", 1);
  Session s(of_environment());
  unsetenv("JT_CHECK");
  Tensor x = rows(s, JT_F32);
  EXPECT_EQ(s.read(s.make(jt_take, x, numbers(s, JT_I64, {2}, {5, 1}), 0)),
            (std::vector<float>{0, 0, 0, 0.375, 0.5, 0.625}));
  jt_module* m = nullptr;
  must(jt_module_create(s.ctx, "CrossEntropyLoss", JT_NUL, nullptr, 0, &m));
  jt_tensor* out = nullptr;
  Tensor label = numbers(s, JT_I64, {5}, {0, 1, 2, 7, 0});
  jt_tensor* in[2] = {x, label};
  must(jt_module_forward(s.ctx, m, in, 2, &out, 1));
  EXPECT_TRUE(std::isfinite(s.item(Tensor(out))));
  jt_module_release(m);
}

// One launch more for each index, whatever its size, and nothing new from the heap of buffers: see loop_test for the
// rest.
TEST(Indices, CostOneLaunch) {
  auto launches = [](const char* check) {
    setenv("JT_CHECK", check, 1);
    Session s(of_environment());
    unsetenv("JT_CHECK");
    Tensor x = rows(s, JT_F32), i = numbers(s, JT_I64, {2}, {1, 2});
    must(jt_eval(s.ctx, &i.handle, 1));
    int64_t before = s.stats().launches;
    s.read(s.make(jt_take, x, i, 0));
    return s.stats().launches - before;
  };
  EXPECT_EQ(launches(""), launches("0") + 1);
}

}  // namespace
