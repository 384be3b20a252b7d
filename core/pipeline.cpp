// pipeline: the whole way from a captured graph to a plan, in order. Each stage is a function from a value to a value and
// has a letter in JT_DUMP: g recorded graph, s simplified graph, f groups, l block programs, m memory,
// k where each kernel came from, c the text it was compiled from.
#include "core/planner.h"
#include "core/rewrite/layout.h"
#include "core/rewrite/simplify.h"

namespace jt {

static void show(const Dump* dump, char stage, const Block& block) {
  if (dump && dump->wants(stage)) dump->show(stage, stage == 'v' ? dot(block) : print(block));
}

std::shared_ptr<Plan> compile(Block block, Runtime& runtime, const std::vector<bool>& dies, const Dump* dump, const Watch& watch,
                              int64_t budget) {
  int64_t begin = Trace::now_ns();
  show(dump, 'g', block);
  show(dump, 'v', block);
  block = simplify(std::move(block));
  if (has_images(block)) block = simplify(lay_out(std::move(block)));
  show(dump, 's', block);
  // Where a launch may fail, what was there before the run must outlive it.
  bool may_overwrite = runtime.device.api().flags & JT_BE_SURE_LAUNCHES;
  auto plan = make_plan(block, runtime.kernels, may_overwrite ? dies : std::vector<bool>(dies.size(), false), dump, watch, budget);
  if (!plan) return nullptr;
  if (runtime.trace.is_on()) runtime.trace.add("compile", "plan", begin, Trace::now_ns());
  runtime.log(LogLevel::debug, "plan", block.nodes.size(), " nodes become ", plan->steps.size(), " steps, arena ", plan->arena_bytes,
              " bytes");
  return plan;
}

}  // namespace jt
