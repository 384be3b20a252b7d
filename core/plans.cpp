// plans: what a walk has found -> a plan and a sizing for it: those made before, a known plan sized again, or a new
// plan.
#include "core/base/hash.h"
#include "core/pipeline.h"
#include "core/planner_walk.h"
#include "core/runtime/make_sizing.h"

namespace jt {

constexpr size_t kMaxVersions = 6, kMaxPlanned = 4;

void Planner::CachedPlan::replace(SizedPlan by) {
  arguments = std::make_unique<Arguments>(*by.plan, *by.sizing);
  made = std::move(by);
}

Planner::CachedPlan& Planner::find_or_make(Walk& w) {
  std::span<const uint64_t> key = w.key.all(), binding = w.binding.all();
  auto is_it = [&](const CachedPlan& p) {
    return std::ranges::equal(p.binding, binding) && std::ranges::equal(p.key, key);
  };
  if (!plans_.empty() && is_it(plans_.front())) {
    stats_.plans_reused.add(1);
    return plans_.front();
  }
  uint64_t of_key = hash_bytes(key.data(), key.size_bytes()),
           hash = hash_bytes(binding.data(), binding.size_bytes(), of_key);
  if (CachedPlan* known = plans_.find(hash, is_it)) {
    stats_.plans_reused.add(1);
    return *known;
  }
  Family* family = families_.find(of_key, [&](const Family& f) { return std::ranges::equal(f.key, key); });
  if (!family) family = &families_.add({{key.begin(), key.end()}, of_key, {}, {}});
  SizedPlan made = sized_again(w, *family);
  if (!made) made = planned(w, *family);
  CachedPlan cached{{key.begin(), key.end()}, {binding.begin(), binding.end()}, hash, {}, nullptr};
  cached.replace(std::move(made));
  return plans_.add(std::move(cached));
}

// A known plan for this binding.
SizedPlan Planner::sized_again(const Walk& w, const Family& family) {
  int64_t begin = Trace::now_ns();
  for (const auto& plan : family.versions) {
    if (!fits(*plan->numbers, w.binding.all(), worth_)) continue;
    DeviceState& state = on(w.device).state;
    auto sizing = make_sizing(*plan, *plan->numbers, worth_, state.kernels, state.pool->limit());
    stats_.sizings_made.add(1);
    int64_t end = Trace::now_ns();
    if (runtime_.trace.is_on()) runtime_.trace.add("compile", "sizing", begin, end);
    runtime_.log(LogLevel::debug, "plan", "sized again in ", end - begin, " ns");
    return {plan, sizing};
  }
  return {};
}

SizedPlan Planner::planned(const Walk& w, Family& family) {
  SizedPlan made = planned_with_symbols(w, family);
  if (made) family.versions.insert(family.versions.begin(), made.plan);
  else made = compiled(w, dump.stages.empty() ? nullptr : &dump, kAnyMemory);
  if (runtime_.flags.recompute == "1")
    while (SizedPlan less = with_less_memory(w, made)) made = less;
  stats_.plans_made.add(1);
  std::span<const uint64_t> binding = w.binding.all();
  family.planned.insert(family.planned.begin(), {binding.begin(), binding.end()});
  if (family.planned.size() > kMaxPlanned) family.planned.pop_back();
  return made;
}

// A plan in which what differs from the bindings known is a symbol; empty if none can be made that way.
SizedPlan Planner::planned_with_symbols(const Walk& w, const Family& family) {
  bool may_be =
      runtime_.flags.symbols != "0" && runtime_.flags.recompute != "1" && family.versions.size() < kMaxVersions;
  if (!may_be || (family.planned.empty() && w.named.empty())) return {};
  try {
    SymbolicGraph graph(w.graph(), family.planned, recorder_);
    if (graph.is_plain()) return {};
    PlanExtents extents{graph.table, graph.binding, graph.of_symbol};
    SizedPlan made = compile(std::move(graph.block), runtime_, w.dying(), dump.stages.empty() ? nullptr : &dump, watch,
                             kAnyMemory, &extents, w.device);
    runtime_.log(LogLevel::debug, "plan", "of ", graph.table.symbols(), " symbols, for ", graph.table.guards_text());
    return made;
  } catch (const Interrupted&) {
    throw;
  } catch (const Error& e) {  // what is wrong with the graph itself, its plan for numbers says better
    runtime_.log(LogLevel::debug, "plan", "not with symbols: ", e.what());
    return {};
  }
}

SizedPlan Planner::compiled(const Walk& w, const Dump* seen_by, int64_t budget) {
  return compile(captured(w.graph()), runtime_, w.dying(), seen_by, watch, budget, nullptr, w.device);
}

// A plan of the same graph whose temporaries take less, as it computes some of them again. Empty if there is none.
// Smaller budgets are tried until one pays.
SizedPlan Planner::with_less_memory(const Walk& w, const SizedPlan& large) {
  int64_t budget = large.plan->budget == kAnyMemory ? large.sizing->arena_bytes : large.plan->budget;
  for (budget -= budget / 8; budget > 0; budget -= budget / 8 + 1) {
    SizedPlan made = compiled(w, nullptr, budget);
    if (!made) return {};
    if (made.sizing->arena_bytes >= large.sizing->arena_bytes) continue;
    runtime_.log(LogLevel::info, "plan", "computes again: ", made.plan->steps.size(), " steps instead of ",
                 large.plan->steps.size(), ", temporaries of ", made.sizing->arena_bytes, " bytes instead of ",
                 large.sizing->arena_bytes);
    return made;
  }
  return {};
}

}  // namespace jt
