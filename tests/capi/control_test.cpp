// Branches and loops from C: their values, gradients, errors, and what they cost a program that runs them again.
#include <gtest/gtest-spi.h>

#include <algorithm>
#include <functional>

#include "tests/capi/capi.h"

using namespace jt::test;

namespace {

using Tensors = std::vector<Tensor>;
struct Left {
  Tensors outputs;
  Tensor go_on;
};
using Recorded = std::function<Left(const Session&, const Tensors& in, const Tensor& i)>;

struct Bodies {
  const Session& s;
  Recorded first, second;
  static jt_status leave(const Bodies& b, const Recorded& body, jt_body_call* call) {
    Tensors in;
    for (size_t k = 0; k < call->inputs_len; k++) jt_tensor_retain(call->inputs[k]), in.emplace_back(call->inputs[k]);
    Tensor i;
    if (call->index) jt_tensor_retain(call->index), i = Tensor(call->index);
    Left left;
    try {
      left = body(b.s, in, i);
    } catch (const std::exception& e) {
      std::snprintf(call->message, call->message_len, "%s", e.what());
      return JT_E_INVALID;
    }
    for (size_t k = 0; k < left.outputs.size() && k < call->outputs_len; k++)
      call->outputs[k] = std::exchange(left.outputs[k].handle, nullptr);
    call->go_on = std::exchange(left.go_on.handle, nullptr);
    return JT_OK;
  }
  static jt_status one(void* user, jt_body_call* call) {
    auto& b = *static_cast<Bodies*>(user);
    return leave(b, b.first, call);
  }
  static jt_status two(void* user, jt_body_call* call) {
    auto& b = *static_cast<Bodies*>(user);
    return leave(b, b.second, call);
  }
};

std::vector<jt_tensor*> handles(const Tensors& all) {
  std::vector<jt_tensor*> out;
  for (const Tensor& t : all) out.push_back(t.handle);
  return out;
}
Tensors taken(const std::vector<jt_tensor*>& all) {
  Tensors out;
  for (jt_tensor* t : all) out.emplace_back(t);
  return out;
}

Tensors cond(const Session& s, const Tensor& by, const Tensors& in, size_t outputs, Recorded then, Recorded otherwise) {
  Bodies b{s, std::move(then), std::move(otherwise)};
  std::vector<jt_tensor*> inputs = handles(in), out(outputs);
  must(jt_cond(s.ctx, by, Bodies::one, Bodies::two, &b, inputs.data(), inputs.size(), out.data(), outputs));
  return taken(out);
}
Tensors while_loop(const Session& s, int64_t most, const Tensors& in, size_t outputs, Recorded condition,
                   Recorded body) {
  Bodies b{s, std::move(condition), std::move(body)};
  std::vector<jt_tensor*> inputs = handles(in), out(outputs);
  must(jt_while_loop(s.ctx, Bodies::one, Bodies::two, &b, most, inputs.data(), inputs.size(), out.data(), outputs));
  return taken(out);
}
Tensors for_loop(const Session& s, jt_tensor* rounds, int64_t most, const Tensors& in, size_t outputs, Recorded body) {
  Bodies b{s, std::move(body), {}};
  std::vector<jt_tensor*> inputs = handles(in), out(outputs);
  must(jt_for_loop(s.ctx, rounds, most, Bodies::one, &b, inputs.data(), inputs.size(), out.data(), outputs));
  return taken(out);
}
Left only(const Tensor& t) { return {{t}, {}}; }

Tensor with_gradient(Tensor t, const Session& s) {
  must(jt_tensor_set_requires_grad(s.ctx, t, 1));
  return t;
}
std::vector<float> gradient(const Session& s, const Tensor& y, const Tensor& x) {
  jt_tensor *in = x, *out = nullptr;
  must(jt_grad(s.ctx, y, &in, 1, nullptr, 0, &out, 1));
  return s.read(Tensor(out));
}

// x^n by a loop.
Tensor power(const Session& s, const Tensor& x, int64_t n) {
  Tensor one = s.make(jt_full_like, x, 1.0);
  return for_loop(s, nullptr, n, {one}, 1, [x](const Session& s, const Tensors& in, const Tensor&) {
    return only(s.make(jt_mul, in[0], x));
  })[0];
}

}  // namespace

TEST(Cond, ComputesOneSideAndHasItsGradient) {
  Session s;
  for (bool first : {true, false}) {
    Tensor x = with_gradient(s.floats({3}, {1, 2, 3}), s), by = s.scalar(first, JT_BOOL);
    Tensor y = cond(
        s, by, {x}, 1,
        [](const Session& s, const Tensors& in, const Tensor&) { return only(s.make(jt_mul, in[0], in[0])); },
        [](const Session& s, const Tensors& in, const Tensor&) { return only(s.make(jt_exp, in[0])); })[0];
    std::vector<float> want, slope;
    for (float v : {1.f, 2.f, 3.f})
      want.push_back(first ? v * v : std::exp(v)), slope.push_back(first ? 2 * v : std::exp(v));
    std::vector<float> got = s.read(y), got_slope = gradient(s, s.sum(y), x);
    for (size_t i = 0; i < 3; i++) {
      EXPECT_NEAR(got[i], want[i], 1e-5);
      EXPECT_NEAR(got_slope[i], slope[i], 1e-5);
    }
  }
}

TEST(ForLoop, CountsAddsAndStacks) {
  Session s;
  Tensor x = s.floats({2}, {1, 2});
  Tensors out = for_loop(s, nullptr, 4, {x}, 2, [](const Session& s, const Tensors& in, const Tensor& i) {
    Tensor f = s.make(jt_cast, i, JT_F32);
    return Left{{s.make(jt_add, in[0], f), s.make(jt_mul, in[0], f)}, {}};
  });
  EXPECT_EQ(s.read(out[0]), (std::vector<float>{7, 8}));
  EXPECT_EQ(s.read(out[1]), (std::vector<float>{0, 0, 1, 2, 4, 6, 12, 15}));
}

TEST(ForLoop, HasFirstAndSecondDerivatives) {
  Session s;
  for (int64_t n : {0, 1, 2, 5}) {
    Tensor x = with_gradient(s.floats({}, {1.5f}), s);
    Tensor y = power(s, x, n);
    EXPECT_NEAR(s.item(y), std::pow(1.5, double(n)), 1e-5);
    jt_tensor *in = x, *dx = nullptr;
    must(jt_grad(s.ctx, y, &in, 1, nullptr, JT_GRAD_CREATE_GRAPH, &dx, 1));
    Tensor first(dx);
    EXPECT_NEAR(s.item(first), double(n) * std::pow(1.5, double(n - 1)), 1e-4) << n;
    if (n < 2) continue;
    EXPECT_NEAR(gradient(s, first, x)[0], double(n * (n - 1)) * std::pow(1.5, double(n - 2)), 1e-3) << n;
  }
}

TEST(WhileLoop, RunsWhileItsConditionHolds) {
  Session s;
  // 27 by Collatz: 111 steps
  Tensors out = while_loop(
      s, -1, {s.of<int64_t>(JT_I64, {}, {27}), s.of<int64_t>(JT_I64, {}, {0})}, 2,
      [](const Session& s, const Tensors& in, const Tensor&) {
        return only(s.make(jt_not_equal, in[0], s.make(jt_scalar_i64, int64_t(1), JT_I64)));
      },
      [](const Session& s, const Tensors& in, const Tensor&) {
        Tensor one = s.make(jt_scalar_i64, int64_t(1), JT_I64), two = s.make(jt_scalar_i64, int64_t(2), JT_I64);
        Tensor is_odd = s.make(jt_equal, s.make(jt_mod, in[0], two), one);
        Tensor next = cond(s, is_odd, {}, 1,
            [&](const Session& s, const Tensors&, const Tensor&) {
              return only(s.make(jt_add, s.make(jt_mul, in[0], s.make(jt_scalar_i64, int64_t(3), JT_I64)), one));
            },
            [&](const Session& s, const Tensors&, const Tensor&) { return only(s.make(jt_floor_div, in[0], two)); })[0];
        return Left{{next, s.make(jt_add, in[1], one)}, {}};
      });
  EXPECT_EQ(s.read<int64_t>(out[0])[0], 1);
  EXPECT_EQ(s.read<int64_t>(out[1])[0], 111);
}

// An RNN step by step, against the same loop unrolled by the host.
TEST(ForLoop, GradientsOfCapturedWeightsEqualThoseOfTheUnrolledLoop) {
  Session s;
  for (int64_t batch : {3, 5, 2}) {
    Tensor w = with_gradient(s.normal({4, 4}), s), u = with_gradient(s.normal({2, 4}), s),
           b = with_gradient(s.normal({4}), s);
    Tensor xs = with_gradient(s.normal({6, batch, 2}), s), h0 = with_gradient(s.normal({batch, 4}), s);
    auto step = [&](const Tensor& h, const Tensor& x) {
      return s.make(jt_tanh, s.make(jt_add, s.make(jt_add, s.make(jt_matmul, h, w), s.make(jt_matmul, x, u)), b));
    };
    Tensors out = for_loop(s, nullptr, 6, {h0}, 2, [&](const Session& s, const Tensors& in, const Tensor& i) {
      Tensor h = step(in[0], s.reshape(s.make(jt_slice_at, xs, i, int64_t(1), int64_t(0)), {batch, 2}));
      return Left{{h, s.make(jt_square, h)}, {}};
    });
    Tensor loss = s.make(jt_add, s.sum(out[0]), s.sum(out[1])), h = h0, sums = s.scalar(0);
    for (int64_t t = 0; t < 6; t++) {
      h = step(h, s.reshape(s.slice(xs, {t, 0, 0}, {t + 1, batch, 2}), {batch, 2}));
      sums = s.make(jt_add, sums, s.sum(s.make(jt_square, h)));
    }
    Tensor want = s.make(jt_add, s.sum(h), sums);
    EXPECT_NEAR(s.item(loss), s.item(want), 1e-4);
    for (const Tensor& p : {w, u, b, xs, h0}) {
      std::vector<float> got = gradient(s, loss, p), unrolled = gradient(s, want, p);
      for (size_t k = 0; k < got.size(); k++) EXPECT_NEAR(got[k], unrolled[k], 2e-4 * (1 + std::abs(unrolled[k])));
    }
  }
}

TEST(WhileLoop, HasGradientsIfItsRoundsHaveABound) {
  Session s;
  // x doubles until it is above 10: 4 rounds from 1, 1 from 6, 0 from 11
  for (auto [start, factor] : std::vector<std::pair<float, float>>{{1, 16}, {6, 2}, {11, 1}}) {
    for (int64_t most : {10, -1}) {
      Tensor x = with_gradient(s.floats({2}, {start, 1}), s);
      Tensor y = while_loop(
          s, most, {x}, 1,
          [](const Session& s, const Tensors& in, const Tensor&) {
            return only(s.make(jt_less, s.make(jt_max, in[0], nullptr, 0, 0), s.scalar(10.5)));
          },
          [](const Session& s, const Tensors& in, const Tensor&) { return only(s.make(jt_add, in[0], in[0])); })[0];
      EXPECT_EQ(s.read(y), (std::vector<float>{start * factor, factor}));
      if (most > 0) {
        EXPECT_EQ(gradient(s, s.sum(y), x), (std::vector<float>{factor, factor}));
      } else {
        jt_tensor *in = x, *out = nullptr;
        EXPECT_EQ(jt_grad(s.ctx, s.sum(y), &in, 1, nullptr, 0, &out, 1), JT_E_UNSUPPORTED);
        EXPECT_NE(last_message().find("loop"), std::string::npos) << last_message();
      }
    }
  }
}

TEST(ForLoop, EndsWhereTheBodySaysSo) {
  Session s;
  Tensor x = with_gradient(s.floats({1}, {1}), s);
  Tensors out = for_loop(s, nullptr, 100, {x}, 2, [&](const Session& s, const Tensors& in, const Tensor&) {
    Tensor next = s.make(jt_mul, in[0], s.scalar(3));
    return Left{{next, next}, s.make(jt_less, s.reshape(next, {}), s.scalar(50))};
  });
  EXPECT_EQ(s.read(out[0]), (std::vector<float>{81}));
  std::vector<float> rows = s.read(out[1]);
  EXPECT_EQ(std::vector<float>(rows.begin(), rows.begin() + 5), (std::vector<float>{3, 9, 27, 81, 0}));
  EXPECT_EQ(gradient(s, s.sum(out[0]), x), (std::vector<float>{81}));
  EXPECT_EQ(gradient(s, s.sum(out[1]), x), (std::vector<float>{120}));
}

TEST(ForLoop, AsManyRoundsAsATensorSays) {
  Session s;
  for (int64_t n : {3, 0, -2, 9}) {
    Tensor rounds = s.make(jt_scalar_i64, n, JT_I32), x = s.floats({}, {1});
    auto twice = [](const Session& s, const Tensors& in, const Tensor&) { return only(s.make(jt_add, in[0], in[0])); };
    EXPECT_EQ(s.item(for_loop(s, rounds, -1, {x}, 1, twice)[0]), std::pow(2, double(std::max<int64_t>(n, 0))));
    EXPECT_EQ(s.item(for_loop(s, rounds, 5, {x}, 1, twice)[0]), std::pow(2, double(std::clamp<int64_t>(n, 0, 5))));
  }
}

TEST(ForLoop, CarriesEveryDtypeAndSwapsThem) {
  Session s;
  // Fibonacci: (a, b) -> (b, a + b); b becomes a without being computed
  for (jt_dtype t : {JT_I8, JT_U16, JT_I32, JT_I64, JT_F16, JT_BF16, JT_F32, JT_F64}) {
    Tensor a = s.scalar(0, t), b = s.scalar(1, t);
    for (int64_t n : {0, 1, 2, 7, 10}) {
      Tensors out = for_loop(s, nullptr, n, {a, b}, 2, [](const Session& s, const Tensors& in, const Tensor&) {
        return Left{{in[1], s.make(jt_add, in[0], in[1])}, {}};
      });
      int fib[] = {0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89};
      EXPECT_EQ(s.item(out[0]), fib[n]) << t;
      EXPECT_EQ(s.item(out[1]), fib[n + 1]) << t;
    }
  }
  Tensors flags = for_loop(s, nullptr, 3, {s.scalar(1, JT_BOOL), s.scalar(0, JT_BOOL)}, 2,
                           [](const Session& s, const Tensors& in, const Tensor&) {
                             return Left{{s.make(jt_logical_not, in[0]), in[0]}, {}};
                           });
  EXPECT_EQ(s.item(flags[0]), 0);
  EXPECT_EQ(s.item(flags[1]), 1);
}

TEST(ForLoop, NestsAndCapturesFromEveryLevel) {
  Session s;
  Tensor k = with_gradient(s.scalar(2), s), m = with_gradient(s.floats({3}, {1, 2, 3}), s);
  // sum over i < 3, j < i of k * m * i
  Tensor y = for_loop(s, nullptr, 3, {s.zeros({3})}, 1, [&](const Session& s, const Tensors& in, const Tensor& i) {
    Tensor f = s.make(jt_cast, i, JT_F32);
    return only(for_loop(s, i, 3, {in[0]}, 1, [&](const Session& s, const Tensors& in, const Tensor&) {
      return only(s.make(jt_add, in[0], s.make(jt_mul, s.make(jt_mul, k, m), f)));
    })[0]);
  })[0];
  EXPECT_EQ(s.read(y), (std::vector<float>{10, 20, 30}));
  EXPECT_EQ(gradient(s, s.sum(y), m), (std::vector<float>{10, 10, 10}));
  EXPECT_EQ(gradient(s, s.sum(y), k), (std::vector<float>{30}));
}

TEST(Control, OnePlanServesEveryBatchSizeAndNumberOfRounds) {
  Session s;
  auto run = [&](int64_t batch, int64_t rounds) {
    Tensor x = s.make(jt_ones, std::vector<int64_t>{batch, 3}.data(), size_t(2), JT_F32),
           w = with_gradient(s.floats({3}, {1, 2, 3}), s);
    Tensor y = s.sum(for_loop(s, nullptr, rounds, {x}, 1, [&](const Session& s, const Tensors& in, const Tensor&) {
      return only(s.make(jt_mul, in[0], w));
    })[0]);
    std::vector<float> dw = gradient(s, y, w);
    double want = 0;
    for (int k = 1; k <= 3; k++) {
      want += double(batch) * std::pow(k, double(rounds));
      EXPECT_NEAR(dw[size_t(k - 1)], double(batch * rounds) * std::pow(k, double(rounds - 1)), 1e-3);
    }
    EXPECT_NEAR(s.item(y), want, 1e-3);
  };
  run(4, 3), run(11, 4);
  int64_t plans = s.stats().plans_made;
  for (int64_t n : {2, 6, 9, 17}) run(n, 5), run(n, 2);
  EXPECT_EQ(s.stats().plans_made, plans);
}

TEST(Control, WhatDoesNotFitIsAnErrorThatNamesBothAndLeavesTheContextAlone) {
  Session s;
  Tensor x = s.floats({2}, {1, 2}), three = s.floats({3}, {1, 2, 3}), yes = s.scalar(1, JT_BOOL);
  auto message = [&](auto&& call) {
    try {
      call();
    } catch (const std::exception&) {
      return last_message();
    }
    return std::string("none");
  };
  auto says = [&](const std::string& text, std::initializer_list<const char*> words) {
    for (const char* w : words) EXPECT_NE(text.find(w), std::string::npos) << text << " lacks " << w;
  };
  testing::TestPartResultArray hidden;
  std::string texts[7];
  {
    testing::ScopedFakeTestPartResultReporter quiet(
        testing::ScopedFakeTestPartResultReporter::INTERCEPT_ONLY_CURRENT_THREAD, &hidden);
    auto same = [](const Session&, const Tensors& in, const Tensor&) { return only(in[0]); };
    texts[0] = message([&] {
      cond(s, yes, {x, three}, 1, same, [](const Session&, const Tensors& in, const Tensor&) { return only(in[1]); });
    });
    texts[1] = message([&] { cond(s, x, {x}, 1, same, same); });
    texts[2] = message([&] {
      for_loop(s, nullptr, 2, {x}, 1, [&](const Session&, const Tensors&, const Tensor&) { return only(three); });
    });
    texts[3] = message([&] {
      for_loop(s, nullptr, 2, {x}, 1, [&](const Session& s, const Tensors& in, const Tensor&) {
        return only(s.make(jt_cast, in[0], JT_F64));
      });
    });
    texts[4] = message([&] {
      for_loop(s, nullptr, 2, {x}, 1,
               [&](const Session&, const Tensors&, const Tensor&) -> Left { throw std::runtime_error("enough"); });
    });
    texts[5] = message([&] {
      for_loop(s, nullptr, 2, {x}, 1,
               [&](const Session& s, const Tensors& in, const Tensor&) { return s.read(in[0]), only(in[0]); });
    });
    texts[6] = message([&] {
      for_loop(s, nullptr, 2, {x}, 1, [&](const Session& s, const Tensors& in, const Tensor&) {
        return only(s.make(jt_add, in[0], s.normal({2})));
      });
    });
  }
  says(texts[0], {"cond", "f32[2]", "f32[3]"}), says(texts[1], {"cond", "condition", "f32[2]"});
  says(texts[2], {"for_loop", "carried value 0", "f32[2]", "f32[3]"}), says(texts[3], {"for_loop", "f32[2]", "f64[2]"});
  says(texts[4], {"for_loop", "enough"}), says(texts[5], {"for_loop", "body"}), says(texts[6], {"random"});
  EXPECT_EQ(s.read(power(s, x, 2)), (std::vector<float>{1, 4}));
}

TEST(Control, ALongLoopMayBeEndedAndGoesOnLater) {
  Session s;
  struct Looks { int64_t left; } looks{50};
  must(jt_context_set_watch(
      s.ctx, [](void* user, int64_t, int64_t) { return static_cast<Looks*>(user)->left-- > 0 ? JT_OK : JT_E_TIMEOUT; },
      &looks));
  Tensor x = s.floats({}, {0}),
         y = for_loop(s, nullptr, 1000, {x}, 1, [](const Session& s, const Tensors& in, const Tensor&) {
           return only(s.make(jt_add, in[0], s.scalar(1)));
         })[0];
  float out;
  EXPECT_EQ(jt_tensor_read(s.ctx, y, &out, sizeof out), JT_E_TIMEOUT);
  looks.left = 100000;
  EXPECT_EQ(s.item(y), 1000);
}

TEST(Control, WhatLacksMemoryCostsNothingElse) {
  Session s(JT_RT_NO_DISK_CACHE, nullptr, 8 << 20);
  Tensor x = s.floats({4}, {1, 2, 3, 4});
  auto grown = [](int64_t n) {
    return [n](const Session& s, const Tensors& in, const Tensor&) {
      int64_t dims[2] = {n, 4};
      Tensor wide = s.make(jt_exp, s.make(jt_mul, s.make(jt_expand, in[0], dims, size_t(2)),
                                          s.make(jt_iota, dims, size_t(2), int64_t(0), JT_F32)));
      Tensor product = s.make(jt_matmul, s.make(jt_transpose, wide, nullptr, size_t(0)), wide);
      return only(s.make(jt_add, in[0], s.make(jt_sum, s.make(jt_mul, product, s.scalar(0)), nullptr, 0, 0)));
    };
  };
  Tensor y = for_loop(s, nullptr, 3, {x}, 1, grown(1 << 20))[0];
  float out[4];
  EXPECT_EQ(jt_tensor_read(s.ctx, y, out, sizeof out), JT_E_NOMEM);
  EXPECT_EQ(s.read(x), (std::vector<float>{1, 2, 3, 4}));
  EXPECT_EQ(s.read(power(s, x, 2)), (std::vector<float>{1, 4, 9, 16}));
}

TEST(Control, AnIndexThatIsOutsideInABodyIsAnError) {
  Session s;
  Tensor x = s.floats({3}, {1, 2, 3});
  auto picked = [&](const Tensor& at) { return s.reshape(s.make(jt_slice_at, x, at, int64_t(1), int64_t(0)), {}); };
  for (int64_t n : {3, 4}) {
    Tensor k = s.make(jt_scalar_i64, n - 3, JT_I64);
    auto sum = [&](bool from_outside) {
      return for_loop(s, nullptr, n, {s.scalar(0)}, 1, [&](const Session& s, const Tensors& in, const Tensor& i) {
        return only(s.make(jt_add, in[0], picked(from_outside ? s.make(jt_sub, s.make(jt_add, i, k), k) : i)));
      })[0];
    };
    for (bool from_outside : {false, true}) {
      Tensor y = sum(from_outside);
      float out = 0;
      jt_status status = jt_tensor_read(s.ctx, y, &out, sizeof out);
      EXPECT_EQ(status, n == 3 ? JT_OK : JT_E_INDEX);
      if (n == 3) { EXPECT_EQ(out, 6); }
      else EXPECT_NE(last_message().find("slice_at: index 3"), std::string::npos) << last_message();
    }
  }
  // The side of a branch that is not taken may be as wrong as it likes.
  for (bool first : {true, false}) {
    Tensor by = s.scalar(first, JT_BOOL), one = s.make(jt_scalar_i64, int64_t(1), JT_I64),
           nine = s.make(jt_scalar_i64, int64_t(9), JT_I64);
    auto at = [&](const Tensor& place) {
      return [&, place](const Session&, const Tensors&, const Tensor&) { return only(picked(place)); };
    };
    Tensor y = cond(s, by, {}, 1, at(one), at(nine))[0];
    float out = 0;
    EXPECT_EQ(jt_tensor_read(s.ctx, y, &out, sizeof out), first ? JT_OK : JT_E_INDEX);
    if (first) { EXPECT_EQ(out, 2); }
  }
}

// Images are channels last inside, in bodies too.
TEST(ForLoop, ConvolvesPoolsAndSorts) {
  Session s;
  Tensor x = s.normal({2, 3, 6, 6}), w = with_gradient(s.normal({3, 3, 3, 3}), s);
  const int64_t pad[] = {1, 1, 1, 1};
  auto step = [&](const Tensor& v) {
    return s.make(jt_tanh, s.make(jt_conv2d, v, w, nullptr, size_t(0), pad, size_t(4), nullptr, size_t(0), int64_t(1),
                                  jt_bool(0)));
  };
  Tensor y = for_loop(s, nullptr, 3, {x}, 1,
                      [&](const Session&, const Tensors& in, const Tensor&) { return only(step(in[0])); })[0],
         z = x;
  for (int k = 0; k < 3; k++) z = step(z);
  std::vector<float> got = s.read(y), want = s.read(z), dw = gradient(s, s.sum(y), w),
                     dw_want = gradient(s, s.sum(z), w);
  for (size_t k = 0; k < got.size(); k++) EXPECT_NEAR(got[k], want[k], 1e-5);
  for (size_t k = 0; k < dw.size(); k++) EXPECT_NEAR(dw[k], dw_want[k], 1e-3 * (1 + std::abs(dw_want[k])));
  Tensor sorted =
      for_loop(s, nullptr, 2, {s.floats({4}, {3, 1, 2, 0})}, 1, [](const Session& s, const Tensors& in, const Tensor&) {
        jt_tensor *z = nullptr, *index = nullptr;
        must(jt_sort(s.ctx, in[0], 0, 0, &z, &index));
        jt_tensor_release(index);
        Tensor whole(z);
        return only(s.make(jt_neg, whole));
      })[0];
  EXPECT_EQ(s.read(sorted), (std::vector<float>{3, 2, 1, 0}));
}


TEST(Control, GradientsStopWhereTheyWereSwitchedOff) {
  Session s;
  Tensor x = with_gradient(s.scalar(2), s);
  Tensor y = for_loop(s, nullptr, 3, {x}, 1, [](const Session& s, const Tensors& in, const Tensor&) {
    jt_bool before;
    must(jt_context_set_grad_mode(s.ctx, 0, &before));
    Tensor factor = s.make(jt_square, in[0]);
    must(jt_context_set_grad_mode(s.ctx, before, nullptr));
    return only(s.make(jt_add, s.make(jt_mul, in[0], s.scalar(3)), factor));
  })[0];
  // 2 -> 10 -> 130 -> 17290, of which 3 a round is seen
  EXPECT_EQ(s.item(y), 17290);
  EXPECT_EQ(gradient(s, y, x), (std::vector<float>{27}));
}

// What a round writes into and reads there is not copied: its part is computed before.
TEST(ForLoop, WritesAPartOfWhatItCarriesInPlace) {
  Session s;
  Tensor x = s.floats({4, 2}, {1, 2, 3, 4, 5, 6, 7, 8});
  Tensor y = for_loop(s, nullptr, 4, {x}, 1, [](const Session& s, const Tensors& in, const Tensor& i) {
    Tensor part = s.make(jt_slice_at, in[0], i, int64_t(1), int64_t(0));
    return only(s.make(jt_update_at, in[0], s.make(jt_add, part, part), i, int64_t(0)));
  })[0];
  jt_tensor* asked = y;
  std::vector<char> plan(1 << 16);
  size_t room = 0;
  must(jt_graph_print(s.ctx, &asked, 1, JT_STAGE_PLAN, plan.data(), plan.size(), &room));
  EXPECT_EQ(std::string(plan.data()).find("step copy"), std::string::npos) << plan.data();
  EXPECT_EQ(s.read(y), (std::vector<float>{2, 4, 6, 8, 10, 12, 14, 16}));
}

// Two carried values that become one, which is made from the second where that lies.
TEST(ForLoop, WritesOverOneOfTwoThatBecomeTheSame) {
  Session s;
  Tensor x = s.floats({3}, {1, 2, 3}), y = s.floats({3}, {4, 5, 6});
  Tensors out = for_loop(s, nullptr, 1, {x, y}, 2, [](const Session& s, const Tensors& in, const Tensor& i) {
    Tensor v = s.make(jt_update_at, in[1], s.floats({1}, {9}), i, int64_t(0));
    return Left{{v, v}, {}};
  });
  EXPECT_EQ(s.read(out[0]), (std::vector<float>{9, 5, 6}));
  EXPECT_EQ(s.read(out[1]), (std::vector<float>{9, 5, 6}));
}
