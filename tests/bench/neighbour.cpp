// Bench row 16: how even the steps of a training are beside a process that keeps a core busy: LeNet, batch 64, on two
// threads and on one. The ratio is that of the p99 to the median; the steps of the undisturbed machine stand beside it.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "tests/bench/row.h"
#include "tests/bench/session.h"

using namespace jt::bench;

namespace {

struct LeNet {
  Session s;
  std::vector<jt_tensor*> params;
  jt_optimizer* adam;
  jt_tensor *x, *y;

  explicit LeNet(int threads) : s("auto", nullptr, threads) {
    static const std::vector<int64_t> kDims[] = {{20, 1, 5, 5}, {20, 1, 1}, {50, 20, 5, 5}, {50, 1, 1},
                                                 {800, 500},    {500},      {500, 10},      {10}};
    for (const auto& dims : kDims) {
      jt_tensor* p;
      must(jt_init(s.ctx, dims.size() % 2 ? "zeros" : "he_normal", JT_NUL, dims.data(), dims.size(), JT_F32, &p));
      must(jt_tensor_set_requires_grad(s.ctx, p, 1));
      params.push_back(p);
    }
    must(jt_optimizer_create(s.ctx, "adam", JT_NUL, nullptr, 0, params.data(), params.size(), &adam));
    std::vector<float> pixels(64 * 28 * 28);
    for (size_t i = 0; i < pixels.size(); i++) pixels[i] = std::sin(float(i * i % 9973));
    x = s.floats({64, 1, 28, 28}, pixels);
    std::vector<int64_t> labels(64);
    for (size_t i = 0; i < labels.size(); i++) labels[i] = int64_t(i * 7 % 10);
    const int64_t n = 64;
    must(jt_tensor_from_bytes(s.ctx, labels.data(), labels.size() * 8, JT_I64, &n, 1, &y));
  }
  ~LeNet() {
    jt_optimizer_release(adam), jt_tensor_release(x), jt_tensor_release(y);
    for (jt_tensor* p : params) jt_tensor_release(p);
  }
  jt_tensor* then(jt_tensor* old, jt_tensor* made) { return jt_tensor_release(old), made; }
  jt_tensor* convolved(jt_tensor* in, int w) {
    const int64_t two[2] = {2, 2};
    jt_tensor *a, *b;
    must(jt_conv2d(s.ctx, in, params[size_t(w)], nullptr, 0, nullptr, 0, nullptr, 0, 1, 0, &a));
    must(jt_add(s.ctx, a, params[size_t(w) + 1], &b)), a = then(a, b);
    must(jt_max_pool2d(s.ctx, a, two, 2, two, 2, nullptr, 0, 0, &b, nullptr));
    return then(a, b);
  }
  jt_tensor* dense(jt_tensor* in, int w) {
    jt_tensor *a, *b;
    must(jt_matmul(s.ctx, in, params[size_t(w)], &a));
    must(jt_add(s.ctx, a, params[size_t(w) + 1], &b));
    return then(a, b);
  }
  double step() {
    const int64_t flat[2] = {64, 800};
    double value;
    jt_tensor *a = convolved(x, 0), *b = convolved(a, 2);
    a = then(a, b);
    must(jt_reshape(s.ctx, a, flat, 2, &b)), a = then(a, b);
    a = then(a, dense(a, 4));
    must(jt_relu(s.ctx, a, &b)), a = then(a, b);
    a = then(a, dense(a, 6));
    must(jt_cross_entropy(s.ctx, a, y, nullptr, -100, "mean", JT_NUL, 0, &b)), a = then(a, b);
    must(jt_optimizer_step(s.ctx, adam, a)), must(jt_tensor_item_f64(s.ctx, a, &value));
    jt_tensor_release(a);
    return value;
  }
};

struct Steps {
  double median, p99;
};
Steps steps_of(LeNet& net, int count) {
  for (int i = 0; i < 30; i++) net.step();
  std::vector<double> all;
  for (int i = 0; i < count; i++) {
    double begin = seconds(), loss = net.step();
    all.push_back(seconds() - begin);
    if (!std::isfinite(loss)) std::fprintf(stderr, "neighbour: the loss is %g\n", loss), std::exit(1);
  }
  std::sort(all.begin(), all.end());
  return {all[all.size() / 2], all[all.size() * 99 / 100]};
}

pid_t start_neighbour() {
  pid_t child = fork();
  if (child) return child;
  for (;;) {
    if (getppid() == 1) _exit(0);
    for (int i = 0; i < 10'000'000; i++) asm volatile("" : : "r"(i));
  }
}

void measure(int threads) {
  LeNet net(threads);
  constexpr int kSteps = 600;
  Steps quiet = steps_of(net, kSteps);
  pid_t neighbour = start_neighbour();
  Steps busy = steps_of(net, kSteps);
  kill(neighbour, SIGKILL), waitpid(neighbour, nullptr, 0);
  char ratio[32];
  std::snprintf(ratio, sizeof ratio, "%.2fx", busy.p99 / busy.median);
  auto both = [](const Steps& s) { return "median " + in_unit(s.median) + ", p99 " + in_unit(s.p99); };
  print_row(16, "LeNet b64 step beside one busy process", both(busy), "without it: " + both(quiet), ratio,
            "p99 <= 1.5x median", busy.p99 <= 1.5 * busy.median, threads);
}

}  // namespace

int main() {
  measure(2);
  measure(1);
}
