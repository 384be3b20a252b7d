// Bench row 3: an addition of four elements from C: recorded; recorded, run and released.
#include "tests/bench/row.h"
#include "tests/bench/session.h"

using namespace jt::bench;

int main() {
  constexpr int kCalls = 1000, kRuns = 300;
  Session s;
  jt_tensor *x = s.floats({4}, std::vector<float>{1, 2, 3, 4}), *y = s.floats({4}, std::vector<float>{5, 6, 7, 8});
  static jt_tensor* out[kCalls];
  std::vector<double> record, run;
  for (int r = 0; r < kRuns; r++) {
    double begin = seconds();
    for (jt_tensor*& o : out) jt_add(s.ctx, x, y, &o);
    record.push_back((seconds() - begin) / kCalls);
    for (jt_tensor* o : out) jt_tensor_release(o);
    begin = seconds();
    for (jt_tensor*& o : out) jt_add(s.ctx, x, y, &o), jt_eval(s.ctx, &o, 1), jt_tensor_release(o);
    run.push_back((seconds() - begin) / kCalls);
  }
  float sums[4];
  jt_tensor* o;
  must(jt_add(s.ctx, x, y, &o)), must(jt_tensor_read(s.ctx, o, sums, sizeof sums));
  if (sums[3] != 12) return std::fprintf(stderr, "tiny_op: 4 + 8 gave %g\n", double(sums[3])), 1;
  jt_tensor_release(o), jt_tensor_release(x), jt_tensor_release(y);
  auto print = [](const char* what, std::vector<double>& all, double goal) {
    std::sort(all.begin(), all.end());
    Times t{all[all.size() / 2], all[all.size() / 10]};
    print_row(3, what, with_p10(t), "-", "-", "<= " + in_unit(goal), t.median <= goal);
  };
  print("add of 4 from C: record", record, 100e-9);
  print("add of 4 from C: record + run", run, 400e-9);
}
