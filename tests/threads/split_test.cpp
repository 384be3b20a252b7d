// Bits do not depend on the number of threads: each kind of launch, with 2, 3 and 7 lanes, equals the launch on one.
//
// Lanes are run by a host that starts with the last and records how many there were: so it is known that work was
// split.
#include <functional>

#include "tests/pipeline/support.h"

using namespace jt;
using namespace jt::test;

namespace {

struct Host {
  int64_t most = 0;
  static void backwards(void* user, void (*body)(void*, int64_t), void* body_user, int64_t count) {
    auto& host = *static_cast<Host*>(user);
    host.most = std::max(host.most, count);
    for (int64_t i = count; i-- > 0;) body(body_user, i);
  }
};

using Bytes = std::vector<unsigned char>;
using Make = std::function<std::vector<Value>(Context&)>;

std::vector<Bytes> results(const std::string& tier, int threads, Host* host, const Make& make) {
  RuntimeOptions o;
  o.backend = jt_cpu_backend();
  o.flags.cpu_tier = tier, o.flags.cache_dir = "off", o.flags.check = "1", o.flags.cpu_grain = "0";
  o.threads = threads;
  if (host) o.parallel_for = {Host::backwards, host};
  auto runtime = std::make_shared<Runtime>(o);
  auto* context = new Context(runtime);
  std::vector<Bytes> out;
  {
    std::vector<Value> values = make(*context);
    std::vector<Ref> refs(values.begin(), values.end());
    if (host) host->most = 0;  // what `make` evaluates itself does not count
    context->eval(refs);
    for (const Value& v : values) {
      auto* data = static_cast<const unsigned char*>(host_bytes(context->read(v)));
      out.emplace_back(data, data + v.type().bytes());
    }
  }
  context->release();
  return out;
}

// splits: whether the host must have seen several lanes.
void expect_same_bits(const char* what, const Make& make, bool splits = true) {
  for (const char* tier : {"vm", "tcc"}) {
    auto alone = results(tier, 1, nullptr, make);
    for (int threads : {2, 3, 7}) {
      Host host;
      EXPECT_TRUE(results(tier, threads, &host, make) == alone)
          << what << ", " << tier << ", " << threads << " lanes of a host";
      if (splits) EXPECT_GT(host.most, 1) << what << " was not split";
      else EXPECT_LE(host.most, 1) << what << " was split";
      EXPECT_TRUE(results(tier, threads, nullptr, make) == alone)
          << what << ", " << tier << ", " << threads << " threads";
    }
  }
}

const std::vector<int64_t> kRows{0}, kColumns{1};

Value mean(Ref x, const std::vector<int64_t>& axes = {}, bool keepdims = false) {
  Value total = ops::sum(x, axes, keepdims);
  return ops::div(total, double(x.type().count()) / double(std::max<int64_t>(1, total.type().count())));
}

Value random(Context& c, const Shape& shape, DType dtype = JT_F32) {
  uint64_t state = 88172645463325252u + uint64_t(shape.count());
  std::vector<float> data(size_t(shape.count()));
  for (float& x : data) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    x = float(int64_t(state >> 40) - (1 << 23)) / float(1 << 18);
  }
  Value f = c.data({JT_F32, shape}, data.data());
  return dtype == JT_F32 ? f : ops::cast(f, dtype);
}

TEST(Split, SumsOfEverything) {
  for (int64_t n : {4095, 4096, 4097, 8192, 12289, 33 * 4096, 64 * 4096 + 1, 100003, 1 << 20})
    for (DType dtype : {JT_F32, JT_F64, JT_BF16, JT_I32})
      expect_same_bits("sum", [=](Context& c) {
        Value x = random(c, {n}, dtype);
        c.eval(std::vector<Ref>{x});
        return std::vector<Value>{ops::sum(x), ops::max(x), mean(ops::cast(x, JT_F32))};
      }, n > 4096);
}
TEST(Split, ReductionsOfOneRowFeedElements) {
  for (int64_t n : {5000, 100003})
    expect_same_bits("softmax", [=](Context& c) {
      Value x = random(c, {n}), m = ops::sub(x, ops::max(x)), e = ops::exp(m);
      return std::vector<Value>{ops::div(e, ops::sum(e)), ops::sum(ops::square(ops::sub(x, mean(x))))};
    });
}
TEST(Split, ReductionsWithNaNAndEmptyRows) {
  expect_same_bits("max of NaN", [](Context& c) {
    std::vector<float> data(50000, 1);
    data[40000] = NAN, data[20000] = INFINITY;
    Value x = c.data({JT_F32, {50000}}, data.data());
    return std::vector<Value>{ops::max(x), ops::min(x), ops::sum(x), ops::prod(x)};
  });
}
TEST(Split, FewColumnsAndManyRows) {
  for (int64_t columns : {1, 2, 3, 20, 64, 700})
    for (int64_t rows : {4097, 50000})
      expect_same_bits("column sums", [=](Context& c) {
        if (rows * columns > 3'000'000) return std::vector<Value>{ops::sum(random(c, {5000}))};
        Value x = random(c, {rows, columns});
        return std::vector<Value>{ops::sum(x, kRows), ops::min(x, kRows)};
      });
}
TEST(Split, RowsAndChains) {
  for (int64_t rows : {2, 7, 1000})
    for (int64_t length : {3, 100, 600, 5000})
      expect_same_bits("rows", [=](Context& c) {
        Value x = random(c, {rows, length}), y = ops::tanh(ops::mul(x, 0.25));
        Value centred = ops::sub(x, mean(x, kColumns, true));
        return std::vector<Value>{y, centred, ops::sum(ops::square(y), kColumns)};
      }, rows * length > kBlock);
}
TEST(Split, MatrixProducts) {
  struct Size { int64_t m, n, k; };
  for (auto [m, n, k] :
       {Size{130, 130, 70}, Size{300, 10, 64}, Size{20, 500, 33}, Size{1, 1000, 64}, Size{65, 257, 400}})
    expect_same_bits("matmul", [=, m = m, n = n, k = k](Context& c) {
      Value a = random(c, {m, k}), b = random(c, {k, n}), t = random(c, {n, k});
      return std::vector<Value>{ops::matmul(a, b), ops::matmul(a, ops::transpose(t))};
    });
}
Attrs ints(std::initializer_list<std::vector<int64_t>> lists) {
  Attrs out;
  for (const auto& list : lists) out.add_ints(list);
  return out;
}
TEST(Split, Convolutions) {
  for (int64_t groups : {1, 2, 6})
    expect_same_bits("conv2d", [=](Context& c) {
      Value x = random(c, {3, 6, 17, 13}), w = random(c, {12, 6 / groups, 3, 2}), dy = random(c, {3, 12, 9, 13});
      Attrs window = ints({{2, 1}, {1, 1, 1, 0}, {1, 1}}).add(groups);
      auto grad = [&](std::vector<int64_t> shape) {
        Attrs a = ints({shape, {2, 1}, {1, 1, 1, 0}, {1, 1}});
        return a.add(groups);
      };
      return std::vector<Value>{ops::call(Op::conv2d, {x, w}, window),
                                ops::call(Op::conv2d_grad_x, {dy, w}, grad({3, 6, 17, 13})),
                                ops::call(Op::conv2d_grad_w, {dy, x}, grad({12, 6 / groups, 3, 2}))};
    });
}
TEST(Split, Pooling) {
  expect_same_bits("pools", [](Context& c) {
    Value x = random(c, {3, 5, 20, 14});
    Attrs window = ints({{2, 2}, {2, 2}, {0, 0, 0, 0}});
    return std::vector<Value>{ops::call(Op::max_pool2d, {x}, window)};
  });
}
TEST(Split, RandomNumbersAndGathers) {
  expect_same_bits("take", [](Context& c) {
    Value x = random(c, {300, 40}), at = ops::iota(c.recorder(), {250}, 0, JT_I64);
    return std::vector<Value>{ops::call(Op::take, {x, at}, Attrs().add(0)), ops::iota(c.recorder(), {5000}, 0, JT_F32)};
  });
}
TEST(Split, AScatterKeepsItsOrder) {
  expect_same_bits(
      "scatter_add",
      [](Context& c) {
        Value x = random(c, {3, 4}), v = random(c, {3000, 4}),
              at = ops::cast(ops::mod(ops::iota(c.recorder(), {3000}, 0, JT_I64), 3), JT_I64);
        c.eval(std::vector<Ref>{x, v, at});
        return std::vector<Value>{ops::call(Op::scatter_add, {x, at, v}, Attrs().add(0))};
      },
      false);
}
TEST(Split, WhatIsDoneInPlace) {
  expect_same_bits("in place", [](Context& c) {
    Value x = random(c, {6000});
    for (int i = 0; i < 4; i++) {
      x = ops::add(ops::mul(x, 1.5), ops::sum(x));
      c.eval(std::vector<Ref>{x});
    }
    return std::vector<Value>{ops::mul(x, 0.5)};
  });
}

}  // namespace
