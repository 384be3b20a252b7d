// Each stage is a function from a value to a value and has a letter in JT_DUMP: g recorded graph (v as Graphviz), s
// simplified graph, f groups, l block programs, m memory, k where each kernel came from, c the text it was compiled from,
// p the plan.
#include "core/pipeline.h"

#include <algorithm>

#include "core/rewrite/guards.h"
#include "core/rewrite/layout.h"
#include "core/rewrite/simplify.h"
#include "core/runtime/plan_text.h"
#include "core/schedule/recompute.h"

namespace jt {

// Before anything is made for what there cannot be room for.
static void check_room(const Block& block, int64_t limit) {
  constexpr int64_t kAddressable = int64_t(1) << 47;
  int64_t most = limit ? std::min(limit, kAddressable) : kAddressable;
  for (const Value& value : block.nodes) {
    const Node* node = value.ref().node;
    if (kind(node) != Kind::library) continue;
    for (int i = 0; i < node->n_results; i++) {
      const Type& type = node->results()[i].type;
      int64_t bytes = worth(type.bytes());
      if (bytes <= most) continue;
      fail(JT_E_NOMEM, "out of memory: ", name(node->op), " ", type, " needs ", bytes, " bytes, more than the limit of ", most);
    }
  }
}

SizedPlan compile(Block block, Runtime& runtime, const std::vector<bool>& dies, const Dump* dump, const Watch& watch, int64_t budget,
                  const PlanExtents* extents, int device) {
  DimTable::InUse in_use(extents ? &extents->table : nullptr);
  DeviceState& state = runtime.device(device);
  int64_t begin = Trace::now_ns();
  auto show = [dump](char stage, auto&& text) {
    if (dump && dump->wants(stage)) dump->show(stage, text());
  };
  show('g', [&] { return print(block); });
  show('v', [&] { return dot(block); });
  if (runtime.flags.check != "0") add_guards(block);
  block = simplify(std::move(block));
  if (has_images(block)) block = simplify(lay_out(std::move(block)));
  show('s', [&] { return print(block); });
  check_room(block, state.pool->limit());

  Numbering numbering(block);
  Schedule schedule = fuse(block, numbering);
  if (budget != kAnyMemory) {
    auto smaller = recompute(block, numbering, schedule, budget);
    if (!smaller) return {};
    schedule = std::move(*smaller);
  }
  show('f', [&] { return to_text(schedule, numbering); });
  std::vector<LoweredGroup> groups;
  for (const Step& step : schedule.steps) groups.push_back(step.node ? LoweredGroup{} : lower(step.group));
  for (const LoweredGroup& group : groups)
    if (!group.program.instrs.empty()) show('l', [&] { return to_text(group.program); });
  // Where a launch may fail, what was there before the run must outlive it.
  bool may_overwrite = state.device.api().flags & JT_BE_SURE_LAUNCHES;
  MemoryPlan memory = plan_memory(block, numbering, schedule, groups, may_overwrite ? dies : std::vector<bool>(dies.size(), false));
  show('m', [&] { return to_text(memory, block, numbering, schedule); });

  SizedPlan made = make_plan({block, numbering, schedule, groups, memory, budget, extents, state.pool->limit()}, state.kernels, dump, watch);
  show('p', [&] { return to_text(*made.plan, *made.sizing); });
  if (runtime.trace.is_on()) runtime.trace.add("compile", "plan", begin, Trace::now_ns());
  runtime.log(LogLevel::debug, "plan", block.nodes.size(), " nodes become ", made.plan->steps.size(), " steps, arena ",
              made.sizing->arena_bytes, " bytes");
  return made;
}

}  // namespace jt
