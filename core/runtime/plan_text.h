// plan_text: a plan and its sizing as text, and back: to_text(parse_plan(t)) == t. What JT_DUMP=p shows.
//
// The text is complete: kernels stand in it as programs, library ops as a name and params, so that another process runs
// the same steps without the graph. It holds no address and no compiled code. Plans with loops or branches are printed,
// but not read.
#pragma once
#include <string>
#include <string_view>

#include "core/runtime/plan.h"

namespace jt {

std::string to_text(const Plan& plan, const Sizing& sizing);
// Kernels and ops are made by the cache. JT_E_INVALID, with the line, for any other text; what comes back is safe to
// run on params of the sizes that it was made for: everything that it names exists.
SizedPlan parse_plan(std::string_view text, KernelCache& kernels);

}  // namespace jt
