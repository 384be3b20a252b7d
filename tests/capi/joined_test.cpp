// What is computed of a product or a convolution, element by element, runs while its part of the result is near: the
// same bits as after it, whatever the shape and the number of threads, and nothing is overwritten that is still read.
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/capi/capi.h"

using namespace jt::test;

namespace {

using Floats = std::vector<float>;
Floats numbers(int64_t n, int seed) {
  Floats out;
  for (int64_t i = 0; i < n; i++) out.push_back(std::sin(float(i * 7 + seed)));
  return out;
}

jt_runtime_desc with_threads(int threads) {
  jt_runtime_desc desc{};
  desc.struct_size = sizeof desc;
  desc.flags = JT_RT_NO_DISK_CACHE;
  desc.threads = threads;
  return desc;
}

struct Net : Session {
  explicit Net(int threads = 1) : Session(with_threads(threads)) {}
  Tensor conv(jt_tensor* x, jt_tensor* w, int64_t pad = 0) const {
    return make(jt_conv2d, x, w, nullptr, 0, &pad, 1, nullptr, 0, 1, 0);
  }
  Tensor relu(jt_tensor* x) const { return make(jt_relu, x); }
  Tensor add(jt_tensor* x, jt_tensor* y) const { return make(jt_add, x, y); }
  // Makes *x relu(*x + b): then nobody wants what it was for itself.
  void bias(Tensor* x, jt_tensor* b) const {
    *x = make(jt_add, *x, b);
    *x = make(jt_relu, *x);
  }
  // conv(relu(conv(x, w) + b), w2); with `apart` the first result is there before the rest is recorded.
  Tensor two_layers(jt_tensor* x, jt_tensor* w, jt_tensor* b, jt_tensor* w2, bool apart = false) const {
    Tensor y = conv(x, w);
    if (apart) ran(y);
    bias(&y, b);
    y = conv(y, w2);
    return y;
  }
  Tensor layer(jt_tensor* x, jt_tensor* w, jt_tensor* b, bool apart = false) const {
    Tensor y = make(jt_matmul, x, w);
    if (apart) ran(y);
    bias(&y, b);
    return y;
  }
  Tensor ran(Tensor x) const {
    jt_tensor* one = x;
    must(jt_eval(ctx, &one, 1));
    return x;
  }
  // Steps of the plan of what make() records, as the trace names them.
  template <class Make>
  std::string steps(const Make& record) const {
    std::string path =
        (std::filesystem::temp_directory_path() / ("jt_joined_" + std::to_string(reinterpret_cast<uintptr_t>(this))))
            .string();
    must(jt_trace_start(rt, path.c_str(), JT_NUL));
    record();
    must(jt_trace_stop(rt));
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    std::filesystem::remove(path);
    return text.str();
  }
};

}  // namespace

TEST(Joined, IsOneStepOfThePlan) {
  Net s;
  Tensor x = s.floats({2, 3, 12, 12}, numbers(864, 1)), w = s.floats({20, 3, 3, 3}, numbers(540, 2)),
         b = s.floats({20, 1, 1}, numbers(20, 3));
  Tensor w2 = s.floats({4, 20, 3, 3}, numbers(720, 7));
  std::string trace = s.steps([&] { s.ran(s.two_layers(x, w, b, w2)); });
  EXPECT_NE(trace.find("conv2d + "), std::string::npos) << trace;
  Tensor a = s.floats({300, 40}, numbers(12000, 4)), m = s.floats({40, 30}, numbers(1200, 5)),
         c = s.floats({30}, numbers(30, 6));
  trace = s.steps([&] { s.ran(s.layer(a, m, c)); });
  EXPECT_NE(trace.find("matmul + "), std::string::npos) << trace;
}

TEST(Joined, GivesTheBitsOfOneAfterTheOther) {
  for (int threads : {1, 2, 3, 7}) {
    Net s(threads);
    for (auto [n, c, h, w, o] : {std::array<int64_t, 5>{1, 1, 5, 5, 1},
                                 {2, 3, 9, 7, 5},
                                 {3, 4, 11, 13, 20},
                                 {8, 16, 30, 31, 33},
                                 {1, 70, 40, 41, 64}}) {
      Tensor x = s.floats({n, c, h, w}, numbers(n * c * h * w, 1)), k = s.floats({o, c, 3, 3}, numbers(o * c * 9, 2));
      Tensor b = s.floats({o, 1, 1}, numbers(o, 3)), k2 = s.floats({o, o, 1, 1}, numbers(o * o, 4));
      Floats joined = s.read(s.two_layers(x, k, b, k2));
      Floats apart = s.read(s.two_layers(x, k, b, k2, true));
      ASSERT_EQ(std::memcmp(joined.data(), apart.data(), joined.size() * 4), 0)
          << n << " " << c << " " << o << " threads " << threads;
    }
    for (auto [m, n, k] :
         {std::array<int64_t, 3>{2, 1, 3}, {100, 7, 20}, {513, 33, 65}, {2000, 96, 48}, {700, 100, 1}, {64, 10, 0}}) {
      Tensor x = s.floats({m, k}, numbers(m * k, 1)), y = s.floats({k, n}, numbers(k * n, 2)),
             b = s.floats({n}, numbers(n, 3));
      Floats joined = s.read(s.layer(x, y, b));
      Floats apart = s.read(s.layer(x, y, b, true));
      ASSERT_EQ(std::memcmp(joined.data(), apart.data(), joined.size() * 4), 0)
          << m << " " << n << " " << k << " threads " << threads;
    }
  }
}

TEST(Joined, DoesNotOverwriteWhatTheOpStillReads) {
  for (int threads : {1, 2}) {
    Net s(threads);
    Floats pixels = numbers(2 * 8 * 20 * 20, 1);
    Tensor w = s.floats({8, 8, 3, 3}, numbers(576, 2));
    auto residual = [&](bool at_once) {
      // dies in the sum: its bytes are wanted for the result
      Tensor x = s.make(jt_neg, s.floats({2, 8, 20, 20}, pixels));
      if (!at_once) s.ran(x);
      Tensor y = s.conv(x, w, 1);
      if (!at_once) s.ran(y);
      Tensor z = s.add(y, x);
      x = Tensor(), y = Tensor();
      z = s.conv(s.relu(z), w, 1);
      return s.read(z);
    };
    EXPECT_EQ(residual(true), residual(false));
    // The second operand's own bytes as the sum's, which every row still reads.
    auto square = [&](bool apart) {
      Tensor a = s.floats({1024, 1024}, numbers(1024 * 1024, 3)), b = s.floats({1024, 512}, numbers(1024 * 512, 4));
      Tensor y = s.make(jt_matmul, a, b);
      if (apart) s.ran(y);
      Tensor z = s.add(y, b);
      b = Tensor();
      Floats out = s.read(z), product = s.read(y);
      out.insert(out.end(), product.begin(), product.end());
      return out;
    };
    EXPECT_EQ(square(true), square(false));
  }
}

TEST(Joined, ReadsTheResultElsewhereOnlyWhenItIsDone) {
  Net s(2);
  Tensor a = s.floats({300, 300}, numbers(90000, 1)), b = s.floats({300, 300}, numbers(90000, 2));
  const int64_t order[] = {1, 0};
  auto turned = [&](Tensor y) { return s.add(y, s.make(jt_transpose, y, order, size_t(2))); };
  EXPECT_EQ(s.read(turned(s.make(jt_matmul, a, b))), s.read(turned(s.ran(s.make(jt_matmul, a, b)))));
  auto first = [&](Tensor y) { return s.make(jt_sub, y, s.slice(y, {0, 0}, {1, 300})); };
  EXPECT_EQ(s.read(first(s.make(jt_matmul, a, b))), s.read(first(s.ran(s.make(jt_matmul, a, b)))));
}
