// pipeline: the whole way from a captured graph to a plan, in order. Each stage is a function from a value to a value and
// has a letter in JT_DUMP: g recorded graph, s simplified graph, f groups, l block programs, m memory.
#include "core/planner.h"
#include "core/rewrite/simplify.h"

namespace jt {

static void show(std::string* dump, std::string_view stages, char stage, const Block& block) {
  if (!dump || stages.find(stage) == stages.npos) return;
  *dump += text("# ", stage, "\n", print(block));
}

std::shared_ptr<Plan> compile(Block block, Runtime& runtime, const std::vector<bool>& dies, std::string* dump) {
  std::string_view stages = runtime.flags.dump;
  int64_t begin = Trace::now_ns();
  show(dump, stages, 'g', block);
  block = simplify(std::move(block));
  show(dump, stages, 's', block);
  auto plan = make_plan(block, runtime.kernels, dies, stages, dump);
  if (runtime.trace.is_on()) runtime.trace.add("compile", "plan", begin, Trace::now_ns());
  runtime.log(LogLevel::debug, "plan", block.nodes.size(), " nodes become ", plan->steps.size(), " steps, arena ", plan->arena_bytes,
              " bytes");
  return plan;
}

}  // namespace jt
