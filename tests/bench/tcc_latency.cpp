// Bench row 2: how long libtcc takes for a kernel of 20 lines, from text to callable code; median of 1000.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <vector>

#include "backends/cpu_tcc/tcc/tcc_library.h"
#include "core/base/status.h"

namespace {

const char* const kKernel =
    "typedef struct { const float *restrict a, *restrict b; float *restrict out; long long n; } args;\n"
    "extern float sinf(float);\n"
    "extern float sqrtf(float);\n"
    "static inline float mad(float a, float b, float c) { return a * b + c; }\n"
    "static inline float clamp(float x, float lo, float hi) { return x < lo ? lo : (x > hi ? hi : x); }\n"
    "void kernel(args *restrict p) {\n"
    "  const float *restrict a = p->a;\n"
    "  const float *restrict b = p->b;\n"
    "  float *restrict o = p->out;\n"
    "  for (long long i = 0; i < p->n; i++) {\n"
    "    float x = a[i], y = b[i];\n"
    "    float t0 = mad(x, y, 0.5f);\n"
    "    float t1 = sqrtf(x * x + y * y);\n"
    "    float t2 = sinf(t0);\n"
    "    float t3 = t1 < 0.25f ? -t2 : t2;\n"
    "    float t4 = clamp(t3, -0.9f, 0.9f);\n"
    "    float t5 = t4 / (t1 + 1.0f);\n"
    "    o[i] = (float)(int)(t5 * 100.0f) + t5;\n"
    "  }\n"
    "}\n";

const void* address(float (*function)(float)) { return reinterpret_cast<const void*>(function); }

double median_ms(jt::cpu::TccCompiler& compiler, jt::cpu::CodeArena& arena) {
  using Clock = std::chrono::steady_clock;
  const jt::cpu::TccSymbol symbols[] = {{"sinf", address(std::sin)}, {"sqrtf", address(std::sqrt)}};
  std::vector<double> times(1000);
  for (double& time : times) {
    Clock::time_point begin = Clock::now();
    jt::cpu::TccKernel kernel = compiler.compile(kKernel, "kernel", symbols, arena);
    time = std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
  }
  std::nth_element(times.begin(), times.begin() + 500, times.end());
  return times[500];
}

}  // namespace

int main() {
  constexpr double kGoal = 0.5;
  std::string why_not;
  auto compiler = jt::cpu::TccCompiler::open(JT_TCC_LIBRARY, &why_not);
  auto arena = compiler ? jt::cpu::CodeArena::open(&why_not) : nullptr;
  if (!arena) {
    std::printf("2 | tcc kernel | 1 | - | - | - | <= 0.5 ms | not available: %s\n", why_not.c_str());
    return 0;
  }
  double ms = median_ms(*compiler, *arena);
  const char* verdict = ms <= kGoal ? "ok" : "short";
  std::printf("2 | tcc kernel | 1 | %.3f ms | - | - | <= 0.5 ms | %s\n", ms, verdict);
  return 0;
}
