// Bench row 8: matrix products on one core, beside the FMA peak that this core shows in the same seconds, and oneDNN.
//
// usage: bench_gemm [generic|avx2|avx512]
#include "tests/bench/onednn.h"
#include "tests/bench/rounds.h"

using namespace jt;
using namespace jt::bench;
using library::GemmShape;

static const library::LibraryKernels* kernels;

template <class T>
static void check_product(const char* who, const std::string& what, const GemmShape& s, const Array<T>& a,
                          const Array<T>& b, const Array<T>& c) {
  for (int64_t q = 0; q < 64; q++) {
    const int64_t i = q * 7919 % s.m, j = (s.n - 1 - q * 104729 % s.n);
    double want = 0;
    for (int64_t k = 0; k < s.k; k++)
      want += double(a[size_t(s.transpose_a ? k * s.lda + i : i * s.lda + k)]) *
              double(b[size_t(s.transpose_b ? j * s.ldb + k : k * s.ldb + j)]);
    check(std::string(who) + ": " + what, double(c[size_t(i * s.ldc + j)]), want, double(s.k),
          sizeof(T) == 8 ? 1e-15 : 2e-7);
  }
}

template <class T>
static void measure(DType dtype, const char* letters, int64_t m, int64_t n, int64_t k) {
  GemmShape s;
  s.dtype = dtype, s.m = m, s.n = n, s.k = k;
  s.transpose_a = letters[0] == 'T', s.transpose_b = letters[1] == 'T';
  s.lda = s.transpose_a ? m : k, s.ldb = s.transpose_b ? k : n, s.ldc = n;
  const Array<T> a = numbers<T>(m * k, 1), b = numbers<T>(k * n, 2);
  Array<T> c(size_t(m * n)), peer_c(size_t(m * n));
  Array<char> memory(kernels->gemm_workspace(s));
  const std::string what = std::string(name(dtype)) + " " + letters + " " + std::to_string(m) + "x" +
                           std::to_string(n) + "x" + std::to_string(k);

  Contender jt{
      [&] { kernels->gemm(s, a.data(), b.data(), c.data(), memory.data(), nullptr, 0, kernels->gemm_units(s)); }};
  Contender peak{[&] { peak_operations(kernels->isa); }};
  Contender reading, peer;
  const bool is_memory_bound = m == 1 || n == 1;
  const Array<float> bytes(is_memory_bound ? size_t(m * n * k) * sizeof(T) / 4 : 0, 1.0f);
  if (is_memory_bound) reading.run = [&] { read_through(bytes); };
  if constexpr (sizeof(T) == 4) peer.run = onednn_product(s, a.data(), b.data(), peer_c.data());

  jt.run();
  check_product("jt", what, s, a, b, c);
  if (peer.run) peer.run(), check_product("oneDNN", what, s, a, b, peer_c);
  take_turns({&peak, &jt, &reading, &peer});

  const double operations = 2.0 * double(m) * double(n) * double(k);
  const double of_peak = operations / jt.seconds / (peak_operations(kernels->isa) / peak.seconds / (sizeof(T) / 4));
  const double of_peer = peer.run ? peer.seconds / jt.seconds : 0;
  std::string ours = in_gflops(operations, jt) + " (" + percent(of_peak) + " of peak)";
  if (is_memory_bound) ours = in_unit(jt.seconds) + " (reading alone " + in_unit(reading.seconds) + ")";
  const bool is_ok = is_memory_bound ? reading.seconds >= 0.9 * jt.seconds : of_peak >= 0.92 || of_peer >= 0.98;
  print_row(8, what, ours, "oneDNN " + in_gflops(operations, peer), peer.run ? two_digits(of_peer) : "-",
            is_memory_bound ? ">= 0.9 of reading's speed" : ">= 92 % of peak or >= 0.98", is_ok);
}

int main(int argc, char** argv) {
  kernels = kernels_named(argc, argv);
  onednn_uses(kernels->isa);
  for (const char* letters : {"NN", "NT", "TN", "TT"})
    for (int64_t size : {64, 128, 256, 512, 1024}) measure<float>(JT_F32, letters, size, size, size);
  measure<float>(JT_F32, "NN", 2048, 2048, 2048);
  for (int64_t rows : {1, 4, 16, 64})
    for (const char* letters : {"NN", "NT"}) measure<float>(JT_F32, letters, rows, 1024, 1024);
  measure<float>(JT_F32, "NN", 1024, 1, 1024);
  measure<float>(JT_F32, "TN", 1024, 1, 1024);
  struct {
    const char* letters;
    int64_t m, n, k;
  } layers[] = {{"NN", 64, 512, 512},  {"NN", 128, 3072, 768}, {"NT", 128, 768, 3072}, {"NN", 512, 512, 64},
                {"NN", 3136, 64, 576}, {"NN", 64, 256, 784},   {"NT", 64, 784, 256},   {"TN", 784, 256, 64},
                {"NT", 64, 10, 500},   {"NN", 100, 100, 100}};
  for (auto& l : layers) measure<float>(JT_F32, l.letters, l.m, l.n, l.k);
  for (const char* letters : {"NN", "NT", "TN"})
    for (int64_t size : {128, 512}) measure<double>(JT_F64, letters, size, size, size);
}
