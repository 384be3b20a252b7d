// schedule: learning rates as functions of the step.
#include <jt/jt_optim.h>

#include <algorithm>
#include <cmath>

#include "core/base/fpu.h"

extern "C" double jt_schedule_cosine(double lr, double lr_end, int64_t step, int64_t steps) {
  DefaultFpuMode mode;
  if (step >= steps) return lr_end;
  double done = double(std::max<int64_t>(step, 0)) / double(steps);
  return lr_end + (lr - lr_end) * 0.5 * (1 + std::cos(3.141592653589793 * done));
}

extern "C" double jt_schedule_step(double lr, double factor, int64_t step, int64_t every) {
  DefaultFpuMode mode;
  int64_t times = std::max<int64_t>(step, 0) / std::max<int64_t>(every, 1);
  return lr * std::pow(factor, double(times));
}

extern "C" double jt_schedule_warmup(double lr, int64_t step, int64_t warmup) {
  DefaultFpuMode mode;
  if (step >= warmup || step + 1 == warmup) return lr;
  return lr * double(std::max<int64_t>(step, 0) + 1) / double(warmup);
}
