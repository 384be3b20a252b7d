// Every float through every unary f32 function of prelude.def, beside the C library's double ones: the worst error in
// units of the last place, and where. Not part of the tests: `prelude_sweep [stride [function ...]]`; stride 1 is all
// 2^32.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "core/base/prelude.h"

#define JT_EACH(X)                                                                                               \
  X(exp)                                                                                                         \
  X(exp2) X(expm1) X(log) X(log2) X(log10) X(log1p) X(cbrt) X(sin) X(cos) X(tan) X(asin) X(acos) X(atan) X(sinh) \
      X(cosh) X(tanh) X(asinh) X(acosh) X(atanh) X(erf)

#define JT_REFERENCE(name) void reference_##name(const float* x, double* z, int n);
JT_EACH(JT_REFERENCE)

namespace {

constexpr int kBlock = 4096;
constexpr uint64_t kAll = uint64_t(1) << 32;

struct Function {
  const char* name;
  void (*ours)(const float*, float*, int);
  void (*reference)(const float*, double*, int);  // vectors: good where the result is an ordinary number
  double (*exact)(double);
};
#define JT_OURS(name)                                                                   \
  void ours_##name(const float* x, float* z, int n) {                                   \
    for (int i = 0; i < n; i++) z[i] = jt::prelude::f32::name(x[i]);                    \
  }                                                                                     \
  double exact_##name(double x) { return std::name(x); }
JT_EACH(JT_OURS)
#define JT_ROW(name) {#name, ours_##name, reference_##name, exact_##name},
const Function kFunctions[] = {JT_EACH(JT_ROW)};

// Distance over the last place of the exact value; 1e9 where one is a number and the other is not, or a zero's sign is
// wrong.
double error_of(float got, double exact) {
  if (std::isnan(exact)) return std::isnan(got) ? 0 : 1e9;
  if (std::isnan(got)) return 1e9;
  if (std::bit_cast<uint32_t>(got) == std::bit_cast<uint32_t>(float(exact))) return 0;
  if (std::isinf(exact) || exact == 0 || std::signbit(got) != std::signbit(exact)) return 1e9;
  double over = std::isinf(got) ? std::copysign(0x1p128, double(got)) : double(got);
  return std::fabs(over - exact) / std::ldexp(1.0, std::clamp(std::ilogb(exact), -126, 127) - 23);
}

// The same for many, wrong (and then above 1) where the result is no ordinary number.
void errors(const float* z, const double* exact, float* error, int n) {
  for (int i = 0; i < n; i++) {
    uint64_t exponent = std::bit_cast<uint64_t>(exact[i]) >> 52 & 2047;
    double scale = std::bit_cast<double>((2046 + 23 - exponent) << 52);
    double distance = std::fabs(double(z[i]) - exact[i]) * scale;
    distance = exponent >= 1023 - 126 && exponent < 1023 + 127 && distance <= 8 ? distance : 16;
    bool is_same = std::bit_cast<uint32_t>(z[i]) == std::bit_cast<uint32_t>(float(exact[i]));
    bool is_nan = (z[i] != z[i]) & (exact[i] != exact[i]);
    error[i] = float(is_same | is_nan ? 0 : distance);
  }
}

struct Worst {
  double error = 0;
  float at = 0;
  uint64_t above = 0;  // errors above 1
};

Worst sweep(const Function& f, uint64_t stride) {
  static float x[kBlock], z[kBlock], error[kBlock];
  static double exact[kBlock];
  Worst worst;
  for (uint64_t u = 0; u < kAll; u += stride * kBlock) {
    for (int i = 0; i < kBlock; i++) x[i] = std::bit_cast<float>(uint32_t(u + uint64_t(i) * stride));
    f.ours(x, z, kBlock);
    f.reference(x, exact, kBlock);
    errors(z, exact, error, kBlock);
    for (int i = 0; i < kBlock; i++) {
      if (error[i] <= worst.error && error[i] <= 1) continue;
      double e = error[i] <= 1 ? double(error[i]) : error_of(z[i], f.exact(x[i]));
      worst.above += e > 1;
      if (e > worst.error) worst.error = e, worst.at = x[i];
    }
  }
  return worst;
}

bool is_asked(const char* name, int count, char** names) {
  for (int i = 2; i < count; i++)
    if (!std::strcmp(names[i], name)) return true;
  return count < 3;
}

}  // namespace

int main(int count, char** arguments) {
  uint64_t stride = count > 1 ? std::strtoull(arguments[1], nullptr, 10) : 1;
  uint64_t above = 0;
  for (const Function& f : kFunctions) {
    if (!is_asked(f.name, count, arguments)) continue;
    Worst worst = sweep(f, stride ? stride : 1);
    std::printf("%-6s %.4f at %a, %llu above 1\n", f.name, worst.error, double(worst.at),
                (unsigned long long)worst.above);
    std::fflush(stdout);
    above += worst.above;
  }
  return above != 0;
}
