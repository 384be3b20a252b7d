// schedule: learning rates as functions of the step.
#include <jt/jt_optim.h>

#include <algorithm>
#include <cmath>

#include "core/base/fpu.h"

// The compiler knows nothing of FPU modes: what is computed in one must be out of its sight.
[[gnu::noipa]] static double cosine(double lr, double lr_end, int64_t step, int64_t steps) {
  if (step >= steps) return lr_end;
  double done = double(std::max<int64_t>(step, 0)) / double(steps);
  return lr_end + (lr - lr_end) * 0.5 * (1 + std::cos(3.141592653589793 * done));
}
[[gnu::noipa]] static double stairs(double lr, double factor, int64_t step, int64_t every) {
  int64_t times = std::max<int64_t>(step, 0) / std::max<int64_t>(every, 1);
  return lr * std::pow(factor, double(times));
}
[[gnu::noipa]] static double warmup_of(double lr, int64_t step, int64_t warmup) {
  if (step >= warmup || step + 1 == warmup) return lr;
  return lr * double(std::max<int64_t>(step, 0) + 1) / double(warmup);
}

extern "C" double jt_schedule_cosine(double lr, double lr_end, int64_t step, int64_t steps) {
  jt::DefaultFpuMode mode;
  return cosine(lr, lr_end, step, steps);
}
extern "C" double jt_schedule_step(double lr, double factor, int64_t step, int64_t every) {
  jt::DefaultFpuMode mode;
  return stairs(lr, factor, step, every);
}
extern "C" double jt_schedule_warmup(double lr, int64_t step, int64_t warmup) {
  jt::DefaultFpuMode mode;
  return warmup_of(lr, step, warmup);
}
