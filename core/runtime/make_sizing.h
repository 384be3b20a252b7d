// make_sizing: a plan's numbers, and what each of their formulas is worth -> the numbers of one set of extents.
#pragma once
#include "core/runtime/plan.h"

namespace jt {

// `worth`: by entry of the formulas. Library ops come from the cache; `limit`: of bytes, 0 for none.
std::shared_ptr<const Sizing> make_sizing(const Plan& plan, const PlanNumbers& numbers, std::span<const int64_t> worth,
                                          KernelCache& kernels, int64_t limit);

// Reads symbols off a binding and fills `worth`; false where the plan does not hold for it.
bool fits(const PlanNumbers& numbers, std::span<const uint64_t> binding, std::vector<int64_t>& worth);

}  // namespace jt
