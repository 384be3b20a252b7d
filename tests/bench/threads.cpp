// Bench row 13: two threads over one, for matrix products (row 8) and the three passes of convolutions (row 9).
//
// The first case is what the machine itself gives: multiply-adds in registers, on two threads of the C++ library. Each
// case evaluates enough independent ops at once to take about a quarter of a millisecond, on one thread and on two by
// turns; the ratio is that of the shortest runs, since a neighbour may hold the second core for most of the time. The
// processor time of two threads over that of one says what splitting costs. One and two threads must give the same
// bits. Usage: bench_threads [PART OF A NAME].
#include <time.h>

#include <cstring>
#include <functional>
#include <string>
#include <thread>

#include "tests/bench/row.h"
#include "tests/bench/session.h"

using namespace jt::bench;

namespace {

constexpr double kGoal = 1.85;

std::vector<float> numbers(int64_t count, unsigned seed) {
  std::vector<float> out(static_cast<size_t>(count));
  for (float& x : out) seed = seed * 1664525u + 1013904223u, x = float(seed >> 8) / float(1 << 24) - 0.5f;
  return out;
}

double processor_seconds() {
  timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return double(t.tv_sec) + double(t.tv_nsec) * 1e-9;
}

struct Case {
  std::string name;
  double flops;  // of one op
  std::vector<std::vector<int64_t>> dims;  // of the operands
  std::function<void(jt_context*, jt_tensor* const* operands, jt_tensor** out)> record;
};

// The same ops on a number of threads; each has a first operand of its own, so that none is left out as equal.
struct Side {
  Session s;
  const Case& c;
  std::vector<std::vector<jt_tensor*>> operands;
  std::vector<jt_tensor*> out;
  std::vector<double> seconds, processor;

  Side(const Case& measured, int threads, int64_t count) : s("auto", nullptr, threads), c(measured) {
    for (int64_t i = 0; i < count; i++) {
      operands.push_back({});
      for (size_t k = 0; k < c.dims.size(); k++) {
        if (i && k) operands.back().push_back(operands[0][k]);
        else operands.back().push_back(s.floats(c.dims[k], numbers(size_of(c.dims[k]), unsigned(i * 7 + int64_t(k)))));
      }
    }
    out.resize(size_t(count));
  }
  static int64_t size_of(const std::vector<int64_t>& dims) {
    int64_t n = 1;
    for (int64_t d : dims) n *= d;
    return n;
  }
  void run() {
    for (jt_tensor*& t : out) jt_tensor_release(t), t = nullptr;
    double begin = jt::bench::seconds(), begin_processor = processor_seconds();
    for (size_t i = 0; i < out.size(); i++) c.record(s.ctx, operands[i].data(), &out[i]);
    must(jt_eval(s.ctx, out.data(), out.size()));
    seconds.push_back(jt::bench::seconds() - begin);
    processor.push_back(processor_seconds() - begin_processor);
  }
  std::vector<float> result() {
    run();
    std::vector<float> data(static_cast<size_t>(jt_tensor_count(out.back())));
    must(jt_tensor_read(s.ctx, out.back(), data.data(), data.size() * 4));
    seconds.clear(), processor.clear();
    return data;
  }
};

double least(const std::vector<double>& of) { return *std::min_element(of.begin(), of.end()); }
double median(std::vector<double> of) {
  std::sort(of.begin(), of.end());
  return of[of.size() / 2];
}

void print(const std::string& name, double one, double two, double processor) {
  char ratio[32], cost[48];
  std::snprintf(ratio, sizeof ratio, "%.2fx", one / two);
  std::snprintf(cost, sizeof cost, " (processor time %.2fx)", processor);
  print_row(13, name, in_unit(two) + cost, "1 thread: " + in_unit(one), ratio, ">= 1.85x", one / two >= kGoal, 2);
}

const char* wanted = "";

void measure(const Case& c) {
  if (c.name.find(wanted) == c.name.npos) return;
  int64_t count = std::max<int64_t>(1, int64_t(4e7 / c.flops));
  Side one(c, 1, count), two(c, 2, count);
  std::vector<float> a = one.result(), b = two.result();
  if (a.size() != b.size() || std::memcmp(a.data(), b.data(), a.size() * 4))
    std::fprintf(stderr, "threads: %s: two threads give other bits than one\n", c.name.c_str()), std::exit(1);
  double begin = seconds();
  while (one.seconds.size() < 20 || (seconds() - begin < 2 && one.seconds.size() < 4000)) one.run(), two.run();
  print(c.name, least(one.seconds), least(two.seconds), median(two.processor) / median(one.processor));
}

// Independent chains of multiply-adds.
[[gnu::noinline]] void multiply_add(int64_t rounds) {
  typedef float V __attribute__((vector_size(64)));
  V sums[10] = {}, factor = {};
  for (int64_t r = 0; r < rounds; r++)
    for (V& sum : sums) {
      sum = sum * factor + factor;
      asm volatile("" : "+m"(sum));
    }
}
void measure_machine() {
  constexpr int64_t kRounds = 10'000;
  std::vector<double> one, two;
  for (int i = 0; i < 1000; i++) {
    double begin = seconds();
    multiply_add(2 * kRounds);
    one.push_back(seconds() - begin), begin = seconds();
    std::thread other(multiply_add, kRounds);
    multiply_add(kRounds), other.join();
    two.push_back(seconds() - begin);
  }
  print("the machine: multiply-adds, no memory", least(one), least(two), 1);
}

Case matmul(const char* form, int64_t m, int64_t n, int64_t k) {
  bool ta = form[0] == 'T', tb = form[1] == 'T';
  auto record = [=](jt_context* ctx, jt_tensor* const* x, jt_tensor** out) {
    jt_tensor *a = x[0], *b = x[1];
    jt_tensor_retain(a), jt_tensor_retain(b);
    if (ta) jt_tensor_release(a), must(jt_transpose(ctx, x[0], nullptr, 0, &a));
    if (tb) jt_tensor_release(b), must(jt_transpose(ctx, x[1], nullptr, 0, &b));
    must(jt_matmul(ctx, a, b, out));
    jt_tensor_release(a), jt_tensor_release(b);
  };
  std::string name =
      std::string("matmul ") + form + " " + std::to_string(m) + "x" + std::to_string(n) + "x" + std::to_string(k);
  using Dims = std::vector<int64_t>;
  return {name,
          2.0 * double(m) * double(n) * double(k),
          {ta ? Dims{k, m} : Dims{m, k}, tb ? Dims{n, k} : Dims{k, n}},
          record};
}

struct Conv {
  const char* name;
  int64_t n, c, side, o, window, stride, pad, groups;
};
enum Pass { kForward, kGradX, kGradW };
Case conv(const Conv& v, Pass pass) {
  int64_t out_side = (v.side + 2 * v.pad - v.window) / v.stride + 1;
  std::vector<int64_t> x = {v.n, v.c, v.side, v.side}, w = {v.o, v.c / v.groups, v.window, v.window},
                       y = {v.n, v.o, out_side, out_side};
  auto record = [=](jt_context* ctx, jt_tensor* const* t, jt_tensor** out) {
    const int64_t stride[2] = {v.stride, v.stride}, pad[4] = {v.pad, v.pad, v.pad, v.pad}, one[2] = {1, 1};
    if (pass == kForward) must(jt_conv2d(ctx, t[0], t[1], stride, 2, pad, 4, one, 2, v.groups, 0, out));
    if (pass == kGradX)
      must(jt_conv2d_grad_x(ctx, t[0], t[1], x.data(), 4, stride, 2, pad, 4, one, 2, v.groups, 0, out));
    if (pass == kGradW)
      must(jt_conv2d_grad_w(ctx, t[0], t[1], w.data(), 4, stride, 2, pad, 4, one, 2, v.groups, 0, out));
  };
  static const char* const kNames[] = {"conv ", "conv grad x ", "conv grad w "};
  double flops = 2.0 * double(v.n * v.o * out_side) * double(out_side * v.c / v.groups * v.window) * double(v.window);
  return {kNames[pass] + std::string(v.name), flops, {pass == kForward ? x : y, pass == kGradW ? x : w}, record};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) wanted = argv[1];
  measure_machine();
  for (int64_t size : {64, 128, 256, 512, 1024, 2048}) measure(matmul("NN", size, size, size));
  for (const char* form : {"NT", "TN", "TT"}) measure(matmul(form, 512, 512, 512));
  for (int64_t m : {1, 4, 16, 64}) measure(matmul("NN", m, 1024, 1024));
  measure(matmul("NT", 64, 256, 784)), measure(matmul("NN", 3136, 64, 576));
  static constexpr Conv kConvs[] = {{"b8 3x224 -> 64 7x7/2", 8, 3, 224, 64, 7, 2, 3, 1},
                                    {"b8 64x56 -> 64 3x3", 8, 64, 56, 64, 3, 1, 1, 1},
                                    {"b8 256x14 -> 256 3x3", 8, 256, 14, 256, 3, 1, 1, 1},
                                    {"b8 512x7 -> 512 3x3", 8, 512, 7, 512, 3, 1, 1, 1},
                                    {"b8 64x56 -> 256 1x1", 8, 64, 56, 256, 1, 1, 0, 1},
                                    {"b8 256x56 -> 512 1x1/2", 8, 256, 56, 512, 1, 2, 0, 1},
                                    {"b8 144x56 depthwise 3x3", 8, 144, 56, 144, 3, 1, 1, 144},
                                    {"b64 1x28 -> 20 5x5", 64, 1, 28, 20, 5, 1, 0, 1}};
  for (const Conv& v : kConvs)
    for (Pass pass : {kForward, kGradX, kGradW}) measure(conv(v, pass));
}
