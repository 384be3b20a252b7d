// Bench row 5: element-wise chains of 5 and 20 ops over 1e3, 1e5 and 1e7 elements, on both tiers, beside the same loop
// as g++ -O3 -march=native makes it (this file is compiled so) and beside a copy of the same bytes.
#include <cstring>

#include "tests/bench/array.h"
#include "tests/bench/row.h"
#include "tests/bench/session.h"

using namespace jt::bench;

// y = x; then y = y * x + 0.5, y = relu(y) - 0.25 and so on: a multiply, an add, a maximum, a subtraction, an add.
static jt_tensor* chain(const Session& s, jt_tensor* x, int ops) {
  jt_tensor *half, *quarter;
  must(jt_scalar(s.ctx, 0.5, JT_F32, &half)), must(jt_scalar(s.ctx, 0.25, JT_F32, &quarter));
  jt_tensor *y = x, *z = nullptr;
  jt_tensor_retain(y);
  for (int i = 0; i < ops; i++) {
    switch (i % 5) {
      case 0: must(jt_mul(s.ctx, y, x, &z)); break;
      case 1: must(jt_add(s.ctx, y, half, &z)); break;
      case 2: must(jt_relu(s.ctx, y, &z)); break;
      case 3: must(jt_sub(s.ctx, y, quarter, &z)); break;
      case 4: must(jt_add(s.ctx, y, x, &z)); break;
    }
    jt_tensor_release(y), y = z;
  }
  jt_tensor_release(half), jt_tensor_release(quarter);
  return y;
}
template <int ops>
[[gnu::noinline]] static void by_hand(const float* __restrict x, float* __restrict out, size_t n, float half,
                                      float quarter) {
  for (size_t i = 0; i < n; i++) {
    float y = x[i];
    for (int k = 0; k < ops / 5; k++) {
      y = y * x[i] + half;
      y = (y > 0 ? y : 0) - quarter + x[i];
    }
    out[i] = y;
  }
}

template <int ops>
static void measure(size_t n) {
  Array<float> x(n), out(n), copy(n);
  for (size_t i = 0; i < n; i++) x[i] = float(i * 7919 % 1000) / 1000;
  int runs = n > 1000000 ? 15 : n > 10000 ? 300 : 3000;
  by_hand<ops>(x.data(), out.data(), n, 0.5f, 0.25f);
  for (const char* tier : {"vm", "tcc", "gxx"}) {
    Session s(tier);
    jt_tensor* in = s.floats({int64_t(n)}, x);
    auto run = [&] {
      jt_tensor* y = chain(s, in, ops);
      must(jt_eval(s.ctx, &y, 1));
      return y;
    };
    jt_tensor* y = run();
    must(jt_tensor_read(s.ctx, y, copy.data(), n * 4)), jt_tensor_release(y);
    for (size_t i = 0; i < n; i += 97)
      if (std::fabs(copy[i] - out[i]) > 1e-4f * (1 + std::fabs(out[i])))
        std::fprintf(stderr, "chains: element %zu is %g, not %g\n", i, double(copy[i]), double(out[i])), std::exit(1);
    // In turn, so that what else the machine does hits all three alike.
    auto [jt, hand, plain] = times_in_turn(runs, [&] { jt_tensor_release(run()); },
                                           [&] { by_hand<ops>(x.data(), out.data(), n, 0.5f, 0.25f); },
                                           [&] { std::memcpy(copy.data(), x.data(), n * 4); });
    jt_tensor_release(in);
    char what[64], ratio[64];
    std::snprintf(what, sizeof what, "chain of %d, 1e%d, %s", ops, int(std::log10(double(n)) + 0.5), tier);
    std::snprintf(ratio, sizeof ratio, "%.2f of g++, %.0f %% of copy", hand.median / jt.median,
                  100 * plain.median / jt.median);
    bool is_ok = n > 1000000 ? plain.median >= 0.95 * jt.median
                 : n > 10000 ? jt.median <= 1.1 * hand.median
                             : jt.median <= 1e-6 + hand.median;
    const char* goal = n > 1000000 ? ">= 95 % of copy" : n > 10000 ? "<= 1.1 g++" : "<= 1 us + g++";
    print_row(5, what, with_p10(jt), "g++ " + with_p10(hand) + ", copy " + with_p10(plain), ratio, goal, is_ok);
  }
}

int main() {
  for (size_t n : {size_t(1000), size_t(100000), size_t(10000000)}) measure<5>(n), measure<20>(n);
}
