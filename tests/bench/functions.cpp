// Bench row 6: tanh, exp, gelu and erf over 1e5 and 1e7 elements, on each tier, beside libmvec's vector functions in
// the same loop as g++ -O3 -march=native makes it (this file is compiled so). Values are checked against the C
// library's in double.
#include <cstring>

#include "tests/bench/array.h"
#include "tests/bench/row.h"
#include "tests/bench/session.h"

using namespace jt::bench;

// The C library offers these as vectors; its headers say so under -ffast-math only.
#define VECTOR_FUNCTION extern "C" __attribute__((simd("notinbranch"), const, nothrow))
VECTOR_FUNCTION float tanhf(float) noexcept;
VECTOR_FUNCTION float expf(float) noexcept;
VECTOR_FUNCTION float erff(float) noexcept;

namespace {

struct Case {
  const char* name;
  jt_status (*op)(jt_context*, jt_tensor*, jt_tensor**);
  void (*peer)(const float*, float*, size_t);
  double (*exact)(double);
};

template <float (*function)(float)>
[[gnu::noinline]] void all(const float* __restrict x, float* __restrict z, size_t n) {
  for (size_t i = 0; i < n; i++) z[i] = function(x[i]);
}
inline float tanh_of(float x) { return ::tanhf(x); }
inline float exp_of(float x) { return ::expf(x); }
inline float erf_of(float x) { return ::erff(x); }
inline float gelu_of(float x) { return x * (1 + ::erff(x * 0.70710678f)) * 0.5f; }

jt_status gelu(jt_context* ctx, jt_tensor* x, jt_tensor** out) { return jt_gelu(ctx, x, "none", JT_NUL, out); }

const Case kCases[] = {
    {"tanh", jt_tanh, all<tanh_of>, [](double x) { return std::tanh(x); }},
    {"exp", jt_exp, all<exp_of>, [](double x) { return std::exp(x); }},
    {"gelu", gelu, all<gelu_of>, [](double x) { return x * (1 + std::erf(x / std::sqrt(2.0))) / 2; }},
    {"erf", jt_erf, all<erf_of>, [](double x) { return std::erf(x); }},
};

void measure(const Case& c, const char* tier, size_t n) {
  Array<float> x(n), z(n);
  for (size_t i = 0; i < n; i++) x[i] = float(i * 7919 % 10007) / 1250 - 4;
  Session s(tier);
  jt_tensor* in = s.floats({int64_t(n)}, x);
  auto run = [&] {
    jt_tensor* y;
    must(c.op(s.ctx, in, &y)), must(jt_eval(s.ctx, &y, 1));
    return y;
  };
  jt_tensor* y = run();
  must(jt_tensor_read(s.ctx, y, z.data(), n * 4)), jt_tensor_release(y);
  for (size_t i = 0; i < n; i += 97) {
    double exact = c.exact(x[i]);
    if (std::fabs(z[i] - exact) > 2e-6 * (0.05 + std::fabs(exact)))
      std::fprintf(stderr, "functions: %s(%g) is %g, not %g\n", c.name, double(x[i]), double(z[i]), exact),
          std::exit(1);
  }
  auto [jt, peer] =
      times_in_turn(n > 1000000 ? 15 : 300, [&] { jt_tensor_release(run()); }, [&] { c.peer(x.data(), z.data(), n); });
  jt_tensor_release(in);
  char what[64], ratio[64];
  std::snprintf(what, sizeof what, "%s, 1e%d, %s", c.name, int(std::log10(double(n)) + 0.5), tier);
  std::snprintf(ratio, sizeof ratio, "%.2f of libmvec", peer.median / jt.median);
  print_row(6, what, with_p10(jt), "libmvec " + with_p10(peer), ratio, "<= 1.1 libmvec",
            jt.median <= 1.1 * peer.median);
}

}  // namespace

int main() {
  for (const Case& c : kCases)
    for (size_t n : {size_t(100000), size_t(10000000)})
      for (const char* tier : {"vm", "tcc", "gxx"}) measure(c, tier, n);
}
