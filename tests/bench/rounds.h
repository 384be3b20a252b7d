// rounds: times of several things taken in turns, so that a drifting clock meets all of them alike, by the clock of
// this thread, which stands still while another process has the core; and the ceilings they are held against: this
// core's multiply-adds and its reading of memory.
#pragma once
#include <time.h>

#include <cmath>
#include <cstring>
#include <functional>

#include "backends/cpu_tcc/library/library.h"
#include "tests/bench/array.h"
#include "tests/bench/row.h"

namespace jt::bench {

#if defined(__x86_64__)
// Twelve independent chains of multiply-adds; n rounds of them. Returns the floating-point operations.
#define JT_PEAK_REGISTERS                                                                                             \
  "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", \
      "xmm14", "xmm15"
#define JT_PEAK_LOOP(function, target, reg, lanes)                                                                  \
  target inline double function(int64_t n) {                                                                        \
    asm volatile("vzeroall" ::: JT_PEAK_REGISTERS); /* what was left in them may be denormal, which is slow */      \
    for (int64_t i = 0; i < n; i++)                                                                                 \
      asm volatile(                                                                                                 \
          "vfmadd231ps %%" reg "14,%%" reg "15,%%" reg "0\n vfmadd231ps %%" reg "14,%%" reg "15,%%" reg "1\n"       \
          "vfmadd231ps %%" reg "14,%%" reg "15,%%" reg "2\n vfmadd231ps %%" reg "14,%%" reg "15,%%" reg "3\n"       \
          "vfmadd231ps %%" reg "14,%%" reg "15,%%" reg "4\n vfmadd231ps %%" reg "14,%%" reg "15,%%" reg "5\n"       \
          "vfmadd231ps %%" reg "14,%%" reg "15,%%" reg "6\n vfmadd231ps %%" reg "14,%%" reg "15,%%" reg "7\n"       \
          "vfmadd231ps %%" reg "14,%%" reg "15,%%" reg "8\n vfmadd231ps %%" reg "14,%%" reg "15,%%" reg "9\n"       \
          "vfmadd231ps %%" reg "14,%%" reg "15,%%" reg "10\n vfmadd231ps %%" reg "14,%%" reg "15,%%" reg "11\n" ::: \
              JT_PEAK_REGISTERS);                                                                                   \
    return double(n) * 12 * lanes * 2;                                                                              \
  }
JT_PEAK_LOOP(peak_avx512, __attribute__((target("avx512f"))), "zmm", 16)
JT_PEAK_LOOP(peak_avx2, __attribute__((target("avx2,fma"))), "ymm", 8)
#undef JT_PEAK_LOOP
#undef JT_PEAK_REGISTERS
#endif

// Without fma a multiply and an add each take an instruction; the peak is what both ports do together.
inline double peak_generic(int64_t n) {
  typedef float V __attribute__((vector_size(16)));
  V sums[12] = {}, one = {1, 1, 1, 1};
  for (int i = 0; i < 12; i++) sums[i] = one * float(i);
  for (int64_t r = 0; r < n; r++)
#pragma GCC unroll 12
    for (int i = 0; i < 12; i++) {
      sums[i] = sums[i] * one + one;
#if defined(__x86_64__)
      asm volatile("" : "+x"(sums[i]));
#endif
    }
  return double(n) * 12 * 4 * 2;
}

inline double peak_operations(library::Isa isa) {
#if defined(__x86_64__)
  if (isa == library::Isa::avx512) return peak_avx512(20000);
  if (isa == library::Isa::avx2) return peak_avx2(20000);
#endif
  return peak_generic(20000);
}

// Reads every byte once.
inline float read_through(const Array<float>& memory) {
  typedef float V __attribute__((vector_size(64), aligned(4), may_alias));
  V sums[8] = {};
  for (size_t i = 0; i + 128 <= memory.size(); i += 128)
#pragma GCC unroll 8
    for (int j = 0; j < 8; j++) sums[j] += *reinterpret_cast<const V*>(&memory[i + size_t(j) * 16]);
  V total = {};
  for (const V& sum : sums) total += sum;
  asm volatile("" : : "m"(total));
  return total[0];
}

inline double thread_seconds() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return double(t.tv_sec) + 1e-9 * double(t.tv_nsec);
}

struct Contender {
  std::function<void()> run;  // empty: not there
  double seconds = 0;         // of one call: the second best of the rounds
};

// In each round every contender runs for a few milliseconds, in turn.
inline void take_turns(std::vector<Contender*> all, int rounds = 15, double each = 4e-3) {
  std::erase_if(all, [](Contender* c) { return !c->run; });
  std::vector<int> calls;
  std::vector<std::vector<double>> times(all.size());
  for (Contender* c : all) {
    c->run();
    const double start = thread_seconds();
    c->run();
    calls.push_back(std::max(1, int(each / std::max(1e-9, thread_seconds() - start))));
  }
  for (int round = 0; round < rounds; round++)
    for (size_t i = 0; i < all.size(); i++) {
      const double start = thread_seconds();
      for (int call = 0; call < calls[i]; call++) all[i]->run();
      times[i].push_back((thread_seconds() - start) / calls[i]);
    }
  for (size_t i = 0; i < all.size(); i++) {
    std::sort(times[i].begin(), times[i].end());
    all[i]->seconds = times[i][times[i].size() / 8];
  }
}

inline std::string in_gflops(double operations, const Contender& c) {
  if (!c.run) return "not installed";
  char out[48];
  std::snprintf(out, sizeof out, "%.1f GF/s", operations / c.seconds / 1e9);
  return out;
}
inline std::string percent(double ratio) {
  char out[32];
  std::snprintf(out, sizeof out, "%.0f %%", 100 * ratio);
  return out;
}
inline std::string two_digits(double ratio) {
  char out[32];
  std::snprintf(out, sizeof out, "%.2f", ratio);
  return out;
}

// The kernels named on the command line, or the widest.
inline const library::LibraryKernels* kernels_named(int argc, char** argv) {
  using library::Isa;
  for (Isa isa : {Isa::generic, Isa::avx2, Isa::avx512})
    if (const auto* some = library::library_kernels(isa); argc > 1 && some && !std::strcmp(some->name, argv[1]))
      return some;
  return library::library_kernels();
}

// Is a case wanted: does its text hold what the command line asks for?
inline bool is_wanted(const std::string& what, int argc, char** argv) {
  return argc < 3 || what.find(argv[2]) != std::string::npos;
}

// Numbers between -0.8 and 0.8, none of them zero or denormal.
template <class T = float>
Array<T> numbers(int64_t count, unsigned seed) {
  Array<T> out(static_cast<size_t>(count));
  uint32_t state = seed * 2654435761u + 1;
  for (T& value : out) {
    state = state * 1664525u + 1013904223u;
    value = T(int(state >> 24) - 128 + 0.5) / T(160);
  }
  return out;
}

// Ends the program if got is not want, up to the rounding of a sum of `terms` products of such numbers.
inline void check(const std::string& what, double got, double want, double terms, double epsilon) {
  if (std::fabs(got - want) <= epsilon * (8 + terms / 4)) return;
  std::fprintf(stderr, "%s: %.9g, expected %.9g\n", what.c_str(), got, want);
  std::exit(1);
}

}  // namespace jt::bench
