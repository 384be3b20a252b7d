// schedule: learning rates by step: plain functions, for Optimizer::set_lr. Steps count from 0.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>

namespace jt {

// From lr down to lowest in half a cosine over `period` steps, and stays there (Loshchilov and Hutter 2017).
inline double cosine_lr(double lr, double lowest, int64_t step, int64_t period) {
  double part = period > 0 ? double(std::min(step, period)) / double(period) : 1;
  return lowest + (lr - lowest) * (1 + std::cos(3.141592653589793 * part)) / 2;
}
// Multiplied by gamma every `every` steps.
inline double step_lr(double lr, double gamma, int64_t step, int64_t every) {
  return lr * std::pow(gamma, double(every > 0 ? step / every : 0));
}
inline double exponential_lr(double lr, double gamma, int64_t step) { return lr * std::pow(gamma, double(step)); }
// lr/steps, 2 lr/steps, .., lr over the first `steps` steps, then lr.
inline double warmup_lr(double lr, int64_t step, int64_t steps) {
  return step >= steps || step + 1 == steps ? lr : lr * double(step + 1) / double(steps);
}

}  // namespace jt
