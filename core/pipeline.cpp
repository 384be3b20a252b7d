// Each stage is a function from a value to a value and has a letter in JT_DUMP: g recorded graph (v as Graphviz), s
// simplified graph, f groups, l block programs, m memory, k where each kernel came from, c the text it was compiled
// from, p the plan.
#include "core/pipeline.h"

#include <algorithm>

#include "core/ir/region.h"
#include "core/rewrite/guards.h"
#include "core/rewrite/regions.h"
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
      fail(JT_E_NOMEM, "out of memory: ", name(node->op), " ", type, " needs ", bytes,
           " bytes, more than the limit of ", most);
    }
  }
}

namespace {

// Who looks on, and whose memory and kernels.
struct Making {
  Runtime& runtime;
  DeviceState& state;
  const Dump* dump;
  const Watch& watch;
  const PlanExtents* extents;
  bool multiplies_halves() const { return state.device.api().flags & JT_BE_HALF_PRODUCTS; }
  template <class Text>
  void show(char stage, Text&& text) const {
    if (dump && dump->wants(stage)) dump->show(stage, text());
  }
};

std::vector<std::shared_ptr<const Plan>> plans_of_blocks(const Making& m, const Node* node);

// A plan of a final block, and with it of the blocks that its nodes own. Empty where it takes more than the budget.
SizedPlan planned(const Making& m, Block& block, const MemoryRules& rules, int64_t budget, bool is_body) {
  Numbering numbering(block);
  Schedule schedule = fuse(block, numbering, m.multiplies_halves());
  if (budget != kAnyMemory) {
    auto smaller = recompute(block, numbering, schedule, budget);
    if (!smaller) return {};
    schedule = std::move(*smaller);
  }
  m.show('f', [&] { return to_text(schedule, numbering); });
  std::vector<LoweredGroup> groups;
  for (const Step& step : schedule.steps) groups.push_back(step.node ? LoweredGroup{} : lower(step.group));
  for (const LoweredGroup& group : groups)
    if (!group.program.instrs.empty()) m.show('l', [&] { return to_text(group.program); });
  MemoryPlan memory = plan_memory(block, numbering, schedule, groups, rules);
  m.show('m', [&] { return to_text(memory, block, numbering, schedule); });
  std::vector<std::vector<std::shared_ptr<const Plan>>> bodies(schedule.steps.size());
  for (size_t s = 0; s < bodies.size(); s++)
    if (const Node* node = schedule.steps[s].node; node && owns_blocks(node)) bodies[s] = plans_of_blocks(m, node);
  return make_plan(
      {block, numbering, schedule, groups, memory, budget, m.extents, m.state.pool->limit(), &bodies, is_body},
      m.state.kernels, m.dump, m.watch);
}

// The blocks of a loop or branch, whose condition stays behind where it is always true. A carried value may be written
// over by what comes next.
std::vector<std::shared_ptr<const Plan>> plans_of_blocks(const Making& m, const Node* node) {
  std::vector<std::shared_ptr<const Plan>> out;
  bool loops = node->op == Op::loop;
  for (const Block& block : node->region->blocks()) {
    Block body = copied(block);
    MemoryRules rules{std::vector<bool>(body.params.size()), std::vector<Ref>(body.params.size())};
    int carried = loops ? LoopLayout(node).carried : 0;
    for (int k = 1; k <= carried; k++) rules.dies[size_t(k)] = true, rules.next[size_t(k)] = body.results[size_t(k)];
    if (loops && is_true(body.results[0])) body.results.erase(body.results.begin());
    out.push_back(planned(m, body, rules, kAnyMemory, true).plan);
  }
  return out;
}

}  // namespace

SizedPlan compile(Block block, Runtime& runtime, const std::vector<bool>& dies, const Dump* dump, const Watch& watch,
                  int64_t budget, const PlanExtents* extents, int device) {
  DimTable::InUse in_use(extents ? &extents->table : nullptr);
  Making m{runtime, runtime.device(device), dump, watch, extents};
  int64_t begin = Trace::now_ns();
  m.show('g', [&] { return print(block); });
  m.show('v', [&] { return dot(block); });
  if (runtime.flags.check != "0") add_guards(block);
  SimplifyOptions options;
  options.half_products = m.multiplies_halves();
  block = simplify_with_regions(std::move(block), options);
  m.show('s', [&] { return print(block); });
  check_room(block, m.state.pool->limit());
  // Where a launch may fail, what was there before the run must outlive it.
  bool may_overwrite = m.state.device.api().flags & JT_BE_SURE_LAUNCHES;
  SizedPlan made = planned(m, block, {may_overwrite ? dies : std::vector<bool>(dies.size(), false), {}}, budget, false);
  if (!made) return {};
  m.show('p', [&] { return to_text(*made.plan, *made.sizing); });
  if (runtime.trace.is_on()) runtime.trace.add("compile", "plan", begin, Trace::now_ns());
  runtime.log(LogLevel::debug, "plan", block.nodes.size(), " nodes become ", made.plan->steps.size(), " steps, arena ",
              made.sizing->arena_bytes, " bytes");
  return made;
}

}  // namespace jt
