// library_bench: speed of the CPU library's kernels on one core, as % of the FMA peak that this core shows right now.
//
// Usage: library_bench [generic|avx2|avx512]. Each figure is the median of many runs, then the best of them, which is
// the one to compare on a busy machine, against the best peak. The peak is measured again before each group, with the
// same register width, because clocks drift.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <vector>

#include "backends/cpu_tcc/library/library.h"

using namespace jt;
using namespace jt::library;

#if defined(__x86_64__)
// Twelve independent chains of multiply-adds; n rounds of them.
#define PEAK_LOOP(function, target, reg, lanes)                                                                     \
  target static double function(i64 n) {                                                                            \
    for (i64 i = 0; i < n; i++)                                                                                     \
      asm volatile(                                                                                                 \
          "vfmadd231ps %%" reg "14,%%" reg "15,%%" reg "0\n vfmadd231ps %%" reg "14,%%" reg "15,%%" reg "1\n"       \
          "vfmadd231ps %%" reg "14,%%" reg "15,%%" reg "2\n vfmadd231ps %%" reg "14,%%" reg "15,%%" reg "3\n"       \
          "vfmadd231ps %%" reg "14,%%" reg "15,%%" reg "4\n vfmadd231ps %%" reg "14,%%" reg "15,%%" reg "5\n"       \
          "vfmadd231ps %%" reg "14,%%" reg "15,%%" reg "6\n vfmadd231ps %%" reg "14,%%" reg "15,%%" reg "7\n"       \
          "vfmadd231ps %%" reg "14,%%" reg "15,%%" reg "8\n vfmadd231ps %%" reg "14,%%" reg "15,%%" reg "9\n"       \
          "vfmadd231ps %%" reg "14,%%" reg "15,%%" reg "10\n vfmadd231ps %%" reg "14,%%" reg "15,%%" reg "11\n" ::: \
              "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11");    \
    return double(n) * 12 * lanes * 2;                                                                              \
  }
PEAK_LOOP(peak_avx512, __attribute__((target("avx512f"))), "zmm", 16)
PEAK_LOOP(peak_avx2, __attribute__((target("avx2,fma"))), "ymm", 8)
#endif

// Without fma a multiply and an add each take an instruction; the peak is what both ports do together.
static double peak_generic(i64 n) {
  typedef float V __attribute__((vector_size(16)));
  V sums[12] = {}, one = {1, 1, 1, 1};
  for (int i = 0; i < 12; i++) sums[i] = one * float(i);
  for (i64 r = 0; r < n; r++)
#pragma GCC unroll 12
    for (int i = 0; i < 12; i++) {
      sums[i] = sums[i] * one + one;
      asm volatile("" : "+x"(sums[i]));
    }
  return double(n) * 12 * 4 * 2;
}

static double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

struct Seconds {
  double median, best;
};

static Seconds measure(double flops, auto&& run) {
  const int inner = std::max(1, int(2e6 / std::max(1.0, flops)));
  std::vector<double> times;
  run();
  run();
  for (const double start = now(); times.size() < 15 || (now() - start < 0.15 && times.size() < 2000);) {
    const double t0 = now();
    for (int i = 0; i < inner; i++) run();
    times.push_back((now() - t0) / inner);
  }
  std::sort(times.begin(), times.end());
  return {times[times.size() / 2], times[0]};
}

static const LibraryKernels* kernels;
static double peak, best_peak;  // flop/s of f32

static void measure_peak() {
  auto loop = peak_generic;
#if defined(__x86_64__)
  if (kernels->isa == Isa::avx512) loop = peak_avx512;
  if (kernels->isa == Isa::avx2) loop = peak_avx2;
#endif
  std::vector<double> rates;
  for (int i = 0; i < 25; i++) {
    const double t0 = now(), flops = loop(200000);
    rates.push_back(flops / (now() - t0));
  }
  std::sort(rates.begin(), rates.end());
  peak = rates[rates.size() / 2];
  best_peak = rates.back();
  std::printf("-- %s, peak %.1f GF/s f32 (median of 25), best %.1f\n", kernels->name, peak / 1e9, best_peak / 1e9);
}

static void report(const char* what, double flops, DType dtype, auto&& run) {
  const Seconds seconds = measure(flops, run);
  const double lanes = dtype == JT_F64 ? 0.5 : 1;
  std::printf("%-42s %9.1f us %7.1f GF/s %5.1f %% of peak | best %6.1f GF/s %5.1f %%\n", what, seconds.median * 1e6,
              flops / seconds.median / 1e9, 100 * flops / seconds.median / (peak * lanes), flops / seconds.best / 1e9,
              100 * flops / seconds.best / (best_peak * lanes));
  std::fflush(stdout);
}

// Floats that are neither zero nor denormal, enough for either dtype.
static std::vector<char> numbers(i64 count, DType dtype) {
  std::vector<char> memory(count * size_of(dtype) + 64);
  for (i64 i = 0; i < count; i++) {
    const double value = double(i % 17) * 0.1 - 0.75;
    if (dtype == JT_F64) memcpy(&memory[i * 8], &value, 8);
    const float narrow = float(value);
    if (dtype == JT_F32) memcpy(&memory[i * 4], &narrow, 4);
  }
  return memory;
}

static void gemm(i64 m, i64 n, i64 k, bool ta, bool tb, DType dtype = JT_F32) {
  GemmShape s;
  s.dtype = dtype, s.m = m, s.n = n, s.k = k;
  s.transpose_a = ta, s.transpose_b = tb;
  s.lda = ta ? m : k, s.ldb = tb ? k : n, s.ldc = n;
  auto a = numbers(m * k, dtype), b = numbers(k * n, dtype), c = numbers(m * n, dtype);
  std::vector<char> memory(kernels->gemm_workspace(s));
  char what[96];
  std::snprintf(what, sizeof what, "gemm %s %c%c %lldx%lldx%lld", name(dtype), ta ? 'T' : 'N', tb ? 'T' : 'N', (long long)m,
                (long long)n, (long long)k);
  report(what, 2.0 * m * n * k, dtype,
         [&] { kernels->gemm(s, a.data(), b.data(), c.data(), memory.data(), 0, kernels->gemm_units(s)); });
}

static void conv(const char* label, i64 n, i64 c, i64 side, i64 o, i64 window, i64 stride, i64 pad, i64 groups = 1) {
  Conv2dShape s;
  s.n = n, s.c = c, s.h = s.w = side, s.o = o, s.kh = s.kw = window;
  s.stride_h = s.stride_w = stride;
  s.top = s.left = s.bottom = s.right = pad;
  s.groups = groups;
  const i64 out = output_height(s);
  auto x = numbers(n * c * side * side, JT_F32), w = numbers(o * c / groups * window * window, JT_F32);
  auto y = numbers(n * o * out * out, JT_F32);
  std::vector<char> memory(std::max({kernels->conv2d_workspace(s), kernels->conv2d_grad_x_workspace(s),
                                     kernels->conv2d_grad_w_workspace(s)}));
  const double flops = 2.0 * n * o * out * out * (c / groups) * window * window;
  const std::string title = std::string("conv ") + label;
  report((title + " forward").c_str(), flops, JT_F32,
         [&] { kernels->conv2d(s, x.data(), w.data(), y.data(), memory.data(), 0, kernels->conv2d_units(s)); });
  report((title + " grad x").c_str(), flops, JT_F32, [&] {
    kernels->conv2d_grad_x(s, y.data(), w.data(), x.data(), memory.data(), 0, kernels->conv2d_grad_x_units(s));
  });
  auto x2 = numbers(n * c * side * side, JT_F32), y2 = numbers(n * o * out * out, JT_F32);
  report((title + " grad w").c_str(), flops, JT_F32, [&] {
    kernels->conv2d_grad_w(s, x2.data(), y2.data(), w.data(), memory.data(), 0, kernels->conv2d_grad_w_units(s));
  });
}

static void pool(i64 n, i64 c, i64 side) {
  Pool2dShape s;
  s.n = n, s.c = c, s.h = s.w = side, s.kh = s.kw = s.stride_h = s.stride_w = 2;
  const i64 x_count = n * c * side * side, y_count = x_count / 4;
  auto x = numbers(x_count, JT_F32), y = numbers(y_count, JT_F32), dx = numbers(x_count, JT_F32);
  std::vector<int32_t> index(y_count);
  auto line = [&](const char* what, auto&& run) {
    std::printf("pool 2x2 %s %lldx%lldx%lldx%lld: %.1f us\n", what, (long long)n, (long long)c, (long long)side,
                (long long)side, 1e6 * measure(double(x_count), run).median);
  };
  line("max", [&] { kernels->max_pool2d(s, x.data(), y.data(), index.data(), 0, n * c); });
  line("max grad", [&] { kernels->max_pool2d_grad(s, y.data(), index.data(), dx.data(), 0, n * c); });
  line("average", [&] { kernels->avg_pool2d(s, x.data(), y.data(), 0, n * c); });
  line("average grad", [&] { kernels->avg_pool2d_grad(s, y.data(), dx.data(), 0, n * c); });
}

int main(int argc, char** argv) {
  Isa wanted = Isa::best;
  for (Isa isa : {Isa::generic, Isa::avx2, Isa::avx512})
    if (const LibraryKernels* some = library_kernels(isa); argc > 1 && some && !std::strcmp(some->name, argv[1])) wanted = isa;
  kernels = library_kernels(wanted);
  measure_peak();
  for (i64 size : {64, 128, 256, 512, 1024}) gemm(size, size, size, false, false);
  measure_peak();
  for (i64 size : {64, 128, 256, 512, 1024}) gemm(size, size, size, false, true);
  for (i64 size : {64, 128, 256, 512, 1024}) gemm(size, size, size, true, false);
  gemm(512, 512, 512, true, true);
  gemm(512, 512, 512, false, false, JT_F64);
  measure_peak();
  for (i64 m : {1, 4, 16})
    for (bool tb : {false, true}) gemm(m, 1024, 1024, false, tb);
  gemm(1024, 1, 1024, false, false);
  gemm(1024, 1, 1024, true, false);
  gemm(64, 256, 784, false, true);
  gemm(64, 256, 784, false, false);
  gemm(256, 784, 64, true, false);
  gemm(64, 512, 512, false, false);
  gemm(64, 10, 500, false, true);
  gemm(100, 100, 100, false, false);
  measure_peak();
  conv("b64 1x28x28->20 5x5", 64, 1, 28, 20, 5, 1, 0);
  conv("b64 20x12x12->50 5x5", 64, 20, 12, 50, 5, 1, 0);
  measure_peak();
  conv("b8 64x56x56->64 3x3", 8, 64, 56, 64, 3, 1, 1);
  conv("b8 256x14x14->256 3x3", 8, 256, 14, 256, 3, 1, 1);
  conv("b8 64x56x56->256 1x1", 8, 64, 56, 256, 1, 1, 0);
  conv("b8 512x7x7->512 3x3", 8, 512, 7, 512, 3, 1, 1);
  conv("b8 3x224x224->64 7x7/2", 8, 3, 224, 64, 7, 2, 3);
  conv("b8 144x56x56 depthwise 3x3", 8, 144, 56, 144, 3, 1, 1, 144);
  pool(64, 20, 24);
}
