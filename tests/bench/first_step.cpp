// Bench row 1: from the start of a process to the end of LeNet's first training step, with an empty cache folder.
//
// Called with a folder it is that process; without one it starts it, many times, each with a fresh folder.
// Bench row 12: with "reuse", what is compiled and planned when batch size, length, learning rate or places change, and
// how long it takes to size a plan again.
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "tests/bench/row.h"
#include "tests/bench/session.h"

extern char** environ;
using namespace jt::bench;

namespace {

// Takes x over.
jt_tensor* convolved(jt_context* ctx, jt_tensor* x, jt_tensor* const* p) {
  const int64_t two[2] = {2, 2};
  jt_tensor *y, *z, *pooled;
  must(jt_conv2d(ctx, x, p[0], nullptr, 0, nullptr, 0, nullptr, 0, 1, 0, &y)), must(jt_add(ctx, y, p[1], &z));
  must(jt_max_pool2d(ctx, z, two, 2, two, 2, nullptr, 0, 0, &pooled, nullptr));
  jt_tensor_release(x), jt_tensor_release(y), jt_tensor_release(z);
  return pooled;
}
jt_tensor* dense(jt_context* ctx, jt_tensor* x, jt_tensor* const* p) {
  jt_tensor *y, *z;
  must(jt_matmul(ctx, x, p[0], &y)), must(jt_add(ctx, y, p[1], &z));
  jt_tensor_release(x), jt_tensor_release(y);
  return z;
}

struct LeNet {
  Session s;
  jt_tensor* params[8];
  jt_optimizer* adam;

  explicit LeNet(const char* cache_dir) : s("auto", cache_dir) {
    const int64_t dims[8][4] = {{20, 1, 5, 5}, {20, 1, 1}, {50, 20, 5, 5}, {50, 1, 1},
                                {800, 500},    {500},      {500, 10},      {10}};
    const size_t ranks[8] = {4, 3, 4, 3, 2, 1, 2, 1};
    for (int i = 0; i < 8; i++)
      must(jt_init(s.ctx, i % 2 ? "zeros" : "he_normal", JT_NUL, dims[i], ranks[i], JT_F32, &params[i])),
          must(jt_tensor_set_requires_grad(s.ctx, params[i], 1));
    must(jt_optimizer_create(s.ctx, "adam", JT_NUL, nullptr, 0, params, 8, &adam));
  }
  ~LeNet() {
    jt_optimizer_release(adam);
    for (jt_tensor* p : params) jt_tensor_release(p);
  }
  double step(int64_t batch) {
    std::vector<float> pixels(size_t(batch) * 784);
    std::vector<int64_t> digits(static_cast<size_t>(batch));
    for (size_t i = 0; i < pixels.size(); i++) pixels[i] = float(i * 7919 % 256) / 255;
    for (size_t i = 0; i < digits.size(); i++) digits[i] = int64_t(i % 10);
    const int64_t flat[2] = {batch, -1};
    jt_tensor *x = s.floats({batch, 1, 28, 28}, pixels), *labels, *y, *loss;
    must(jt_tensor_from_bytes(s.ctx, digits.data(), digits.size() * 8, JT_I64, &batch, 1, &labels));
    x = convolved(s.ctx, convolved(s.ctx, x, params), params + 2);
    must(jt_reshape(s.ctx, x, flat, 2, &y)), jt_tensor_release(x);
    y = dense(s.ctx, y, params + 4);
    must(jt_relu(s.ctx, y, &x)), jt_tensor_release(y);
    y = dense(s.ctx, x, params + 6);
    must(jt_cross_entropy(s.ctx, y, labels, nullptr, -100, "mean", JT_NUL, 0, &loss)), jt_tensor_release(y),
        jt_tensor_release(labels);
    must(jt_optimizer_step(s.ctx, adam, loss));
    double value;
    must(jt_tensor_item_f64(s.ctx, loss, &value));
    jt_tensor_release(loss);
    return value;
  }
};

bool run_child(char* self, char* folder) {
  char* args[] = {self, folder, nullptr};
  pid_t child;
  int status = 1;
  return posix_spawn(&child, self, nullptr, nullptr, args, environ) == 0 && waitpid(child, &status, 0) == child &&
         status == 0;
}

void first_step(char* self) {
  constexpr int kRuns = 15;
  std::vector<double> all;
  for (int i = 0; i < kRuns; i++) {
    char folder[] = "/tmp/jt_bench_XXXXXX";
    if (!mkdtemp(folder)) std::exit(1);
    double begin = seconds();
    if (!run_child(self, folder)) std::fprintf(stderr, "first_step: the process failed\n"), std::exit(1);
    all.push_back(seconds() - begin);
    (void)!std::system((std::string("rm -rf ") + folder).c_str());
  }
  std::sort(all.begin(), all.end());
  Times t{all[kRuns / 2], all[kRuns / 10]};
  print_row(1, "start to first LeNet step, b64", with_p10(t), "-", "-", "<= 150 ms", t.median <= 0.15);
}

// Attention over words of a sequence, with the gradient of its weights.
struct Attention {
  const Session& s;
  jt_tensor* w;
  explicit Attention(const Session& session)
      : s(session), w(session.floats({32, 32}, std::vector<float>(1024, 0.01f))) {
    must(jt_tensor_set_requires_grad(s.ctx, w, 1));
  }
  ~Attention() { jt_tensor_release(w); }
  void step(int64_t length) {
    const int64_t swapped[3] = {0, 2, 1};
    jt_tensor *x = s.floats({4, length, 32}, std::vector<float>(size_t(length) * 128, 0.5f)), *q, *k, *scores, *weights,
              *y, *loss, *grad;
    must(jt_matmul(s.ctx, x, w, &q)), must(jt_transpose(s.ctx, x, swapped, 3, &k)),
        must(jt_matmul(s.ctx, q, k, &scores));
    must(jt_softmax(s.ctx, scores, -1, &weights)), must(jt_matmul(s.ctx, weights, x, &y)),
        must(jt_mean(s.ctx, y, nullptr, 0, 0, &loss));
    must(jt_grad(s.ctx, loss, &w, 1, nullptr, 0, &grad, 1));
    must(jt_eval(s.ctx, nullptr, 0));
    for (jt_tensor* t : {x, q, k, scores, weights, y, loss, grad}) jt_tensor_release(t);
  }
};

// The median of the sizings in a trace, in seconds.
double median_sizing(const char* path) {
  std::FILE* file = std::fopen(path, "r");
  std::string text;
  for (int c; file && (c = std::fgetc(file)) != EOF;) text += char(c);
  if (file) std::fclose(file);
  std::vector<double> all;
  for (size_t at = 0; (at = text.find("\"sizing\"", at)) != text.npos; at++)
    if (size_t duration = text.find("\"dur\":", at); duration != text.npos)
      all.push_back(std::atof(text.c_str() + duration + 6) * 1e-6);
  std::sort(all.begin(), all.end());
  return all.empty() ? NAN : all[all.size() / 2];
}

void reuse() {
  LeNet net(nullptr);
  net.step(8), net.step(8);
  auto report = [&](const char* what, auto&& work, int64_t plans_allowed) {
    jt_stats before = net.s.stats();
    double begin = seconds();
    work();
    double time = seconds() - begin;
    int64_t kernels = net.s.stats().kernels_compiled - before.kernels_compiled,
            plans = net.s.stats().plans_made - before.plans_made;
    print_row(12, what, std::to_string(kernels) + " compiled, " + std::to_string(plans) + " planned, " + in_unit(time),
              "-", "-", "0 compiled, " + std::to_string(plans_allowed) + " planned",
              kernels == 0 && plans <= plans_allowed);
  };
  report("LeNet: same batch again", [&] { net.step(8); }, 0);
  report("LeNet: new learning rate", [&] { must(jt_optimizer_set_lr(net.s.ctx, net.adam, 0.01)), net.step(8); }, 0);
  report("LeNet: batch 4 after 8", [&] { net.step(4); }, 1);
  report("LeNet: batch 1 after those", [&] { net.step(1); }, 0);
  report("LeNet: batch 1 again", [&] { net.step(1); }, 0);
  auto sizes = [](auto&& step) {
    for (int64_t i = 0; i < 32; i++) step(2 + i * 11 % 32);
  };
  must(jt_trace_start(net.s.rt, "/tmp/jt_bench_trace.json", JT_NUL));
  report("LeNet: 32 batch sizes", [&] { sizes([&](int64_t n) { net.step(n); }); }, 0);
  must(jt_trace_stop(net.s.rt));
  double sizing = median_sizing("/tmp/jt_bench_trace.json");
  std::remove("/tmp/jt_bench_trace.json");
  print_row(12, "LeNet: its plan sized again", in_unit(sizing), "-", "-", "<= 20 us", sizing <= 20e-6);
  Attention attention(net.s);
  attention.step(40), attention.step(50);
  report("attention: 32 lengths", [&] { sizes([&](int64_t n) { attention.step(n); }); }, 0);
  jt_tensor* data = net.s.floats({64, 32}, std::vector<float>(2048, 1));
  auto slice = [&](int64_t at) {
    const int64_t from[2] = {at, 0}, to[2] = {at + 8, 32};
    jt_tensor *part, *out;
    must(jt_slice(net.s.ctx, data, from, 2, to, 2, nullptr, 0, &part)), must(jt_exp(net.s.ctx, part, &out));
    must(jt_eval(net.s.ctx, &out, 1));
    jt_tensor_release(part), jt_tensor_release(out);
  };
  slice(1);
  report("data[i:i+8] at other i", [&] { for (int64_t i = 2; i < 40; i++) slice(i); }, 0);
  jt_tensor_release(data);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return first_step(argv[0]), 0;
  if (std::strcmp(argv[1], "reuse") == 0) return reuse(), 0;
  return std::isfinite(LeNet(argv[1]).step(64)) ? 0 : 1;
}
