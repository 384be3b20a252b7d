#include "core/runtime/make_sizing.h"

#include <algorithm>

namespace jt {

namespace {

// Neighbouring axes that the operand walks as one become one.
void collapse(IndexMap& m) {
  auto merge = [&](int first, int& rank) {
    for (int k = first + rank - 1; k > first; k--) {
      bool joins = m.stride[k - 1] == m.stride[k] * m.extent[k] && !(m.masked >> (k - 1) & 3);
      bool trivial = m.extent[k] == 1 && !(m.masked >> k & 1);
      bool trivial_before = m.extent[k - 1] == 1 && !(m.masked >> (k - 1) & 1);
      if (!joins && !trivial && !trivial_before) continue;
      int keep = trivial && !joins ? k - 1 : k;  // the axis whose stride, limits stay
      int64_t extent = m.extent[k - 1] * m.extent[k];
      m.stride[k - 1] = m.stride[keep], m.lo[k - 1] = m.lo[keep], m.hi[k - 1] = m.hi[keep];
      uint32_t mask = m.masked >> keep & 1, above = m.masked >> (k + 1), below = m.masked & ((1u << (k - 1)) - 1);
      m.extent[k - 1] = extent;
      m.masked = below | mask << (k - 1) | above << k;
      for (int j = k; j + 1 < kMapRank; j++)
        m.extent[j] = m.extent[j + 1], m.stride[j] = m.stride[j + 1], m.lo[j] = m.lo[j + 1], m.hi[j] = m.hi[j + 1];
      rank--;
    }
  };
  merge(m.outer_rank, m.inner_rank);
  merge(0, m.outer_rank);
}

class SizingMaker {
 public:
  // symbols: what they are worth; those of the plan around a body's are the body's.
  SizingMaker(const Plan& plan, const PlanNumbers& numbers, std::span<const int64_t> worth,
              std::span<const int64_t> symbols, KernelCache& kernels, int64_t limit)
      : plan_(plan), numbers_(numbers), worth_(worth), symbols_(symbols), kernels_(kernels), limit_(limit) {}

  std::shared_ptr<const Sizing> run() {
    sizing_.maps.reserve(numbers_.maps.size()), sizing_.places.reserve(numbers_.places.size());
    sizing_.steps.reserve(numbers_.steps.size()), sizing_.slots.reserve(numbers_.slot_bytes.size());
    add_words();
    for (const auto& [map, moves] : numbers_.maps) add_map(map, moves);
    for (const Place& place : numbers_.places) add_place(place);
    for (size_t i = 0; i < numbers_.steps.size(); i++) add_step(i);
    add_memory();
    ask_workspace();
    return made_;
  }

 private:
  int64_t at(Dim d) const { return DimFormulas::at(d, worth_); }

  void add_words() {
    sizing_.words = numbers_.words;
    for (const auto& [word, type, number] : numbers_.counted)
      sizing_.words[size_t(word)] = argument_bits(type, JT_I64, at(number));
  }
  void add_map(const DimMap& from, bool moves) {
    IndexMap& map = sizing_.maps.emplace_back();
    map.outer_rank = from.outer_rank, map.inner_rank = from.inner_rank, map.masked = from.masked,
    map.offset = at(from.offset);
    for (int k = 0; k < from.outer_rank + from.inner_rank; k++)
      map.extent[k] = at(from.extent[k]), map.stride[k] = at(from.stride[k]), map.lo[k] = at(from.lo[k]),
      map.hi[k] = at(from.hi[k]);
    if (!moves) collapse(map);
  }
  void add_place(const Place& from) {
    Place& place = sizing_.places.emplace_back(from);
    place.base = at(from.base);
    for (Place::Term& t : place.terms) t.factor = at(t.factor);
  }
  void add_memory() {
    for (Dim bytes : numbers_.slot_bytes) sizing_.slots.push_back({0, at(bytes)});
    for (size_t i = 0; i < plan_.steps.size(); i++)
      if (plan_.steps[i].region_plan)
        sizing_.slots[size_t(plan_.steps[i].pointers.back().at.index)].bytes = sizing_.steps[i].workspace_bytes;
    sizing_.arena_bytes = place_slots(numbers_.events, sizing_.slots);
    for (Dim bytes : numbers_.output_bytes) sizing_.output_bytes.push_back(at(bytes));
    sizing_.output_uses = numbers_.output_uses;
    for (BufferUse& use : sizing_.output_uses)
      for (int a = 0; a < use.shape.rank; a++) use.shape.dims[a] = at(use.shape.dims[a]);
    sizing_.guards = numbers_.guards;
    for (Guard& g : sizing_.guards) g.size = at(g.size);
  }
  void add_step(size_t i) {
    const PlanNumbers::Step& from = numbers_.steps[i];
    Sizing::Step& step = sizing_.steps.emplace_back();
    step.outer = at(from.outer), step.bytes = at(from.bytes);
    if (plan_.steps[i].kind == PlanStep::region) add_region(i);
    if (plan_.steps[i].kind != PlanStep::library) return;
    check_room(plan_.steps[i].what, at(from.largest));
    params_.clear();
    for (Dim p : from.params) params_.push_back(at(p));
    step.op = kernels_.library(plan_.steps[i].what.c_str(), params_);
  }
  // Its workspace: the arena of its bodies, of which one runs at a time, and behind it what goes from round to round.
  void add_region(size_t i) {
    const RegionPlan& region = *plan_.steps[i].region_plan;
    const PlanNumbers::Step& from = numbers_.steps[i];
    Sizing::Step& step = sizing_.steps[i];
    check_room(plan_.steps[i].what, at(from.largest));
    for (const auto& body : region.bodies) {
      const PlanNumbers& numbers = *body.plan->numbers;
      std::vector<int64_t> worth;
      JT_CHECK(numbers.formulas.evaluate(symbols_, worth));
      step.bodies.push_back(SizingMaker(*body.plan, numbers, worth, symbols_, kernels_, limit_).run());
      step.workspace_bytes = std::max(step.workspace_bytes, step.bodies.back()->arena_bytes);
      sizing_.scratch_bytes = std::max(sizing_.scratch_bytes, step.bodies.back()->scratch_bytes);
    }
    for (int32_t k = 0; k < region.n_results; k++) step.result_bytes.push_back(at(from.params[size_t(k)]));
    if (!region.loops) return;
    step.most = at(from.params.back());
    auto take = [&](int64_t bytes) {
      return std::exchange(step.workspace_bytes, step.workspace_bytes + (bytes + 63) / 64 * 64);
    };
    step.workspace_bytes = (step.workspace_bytes + 63) / 64 * 64;
    step.round_at = take(8), step.condition_at = take(8);
    for (int32_t k = 0; k < region.n_carried; k++)
      step.second_at.push_back(region.stays[size_t(k)] ? 0 : take(step.result_bytes[size_t(k)]));
  }
  // Kernels of the library are made for extents, which takes longer the larger they are: not for what there cannot be
  // room for.
  void check_room(const std::string& what, int64_t bytes) const {
    constexpr int64_t kAddressable = int64_t(1) << 47;
    int64_t most = limit_ ? std::min(limit_, kAddressable) : kAddressable;
    if (bytes > most)
      fail(JT_E_NOMEM, "out of memory: ", what, " needs ", bytes, " bytes, more than the limit of ", most);
  }

  // ---- workspace ----
  void ask_workspace() {
    const Arguments arguments(plan_, sizing_);
    int64_t& most = sizing_.scratch_bytes;
    for (size_t i = 0; i < plan_.steps.size(); i++) {
      const PlanStep& step = plan_.steps[i];
      Sizing::Step& size = sizing_.steps[i];
      if (size.op) most = std::max(most, int64_t(size.op->workspace));
      if (step.may_join) {
        const PlanStep& behind = plan_.steps[i + 1];
        if (!writes_what_is_read(behind, step))
          size.joined = size.op->device.join_workspace(size.op->op, behind.compiled->kernel,
                                                       arguments.launch(behind, sizing_.steps[i + 1]));
        most = std::max(most, size.joined);
      }
      if (!step.compiled) continue;
      jt_be_launch launch = arguments.launch(step, size);
      size_t bytes = 0;
      Device& device = step.compiled->device;
      device.check(device.api().scratch_bytes(device.handle(), step.compiled->kernel, &launch, &bytes),
                   "scratch_bytes");
      most = std::max(most, int64_t(bytes));
    }
  }
  // Whether a byte that the kernel writes is one that the op reads.
  bool writes_what_is_read(const PlanStep& kernel, const PlanStep& op) const {
    for (const auto& written : kernel.pointers)
      for (const auto& read : op.pointers)
        if (written.writes && !read.writes && overlap(written.at, read.at)) return true;
    return false;
  }
  bool overlap(Location a, Location b) const {
    bool in_arena = a.where == Where::arena;
    if (in_arena != (b.where == Where::arena)) return false;
    if (!in_arena) return buffer_of(a) == buffer_of(b);
    const Slot &x = sizing_.slots[size_t(a.index)], &y = sizing_.slots[size_t(b.index)];
    return x.offset < y.offset + y.bytes && y.offset < x.offset + x.bytes;
  }
  // Params by number, outputs of their own below; an output that takes over a param's buffer is that param's.
  int32_t buffer_of(Location at) const {
    if (at.where == Where::input) return at.index;
    int32_t from = plan_.output_from[size_t(at.index)];
    return from >= 0 ? from : -1 - at.index;
  }

  const Plan& plan_;
  const PlanNumbers& numbers_;
  std::span<const int64_t> worth_, symbols_;
  KernelCache& kernels_;
  const int64_t limit_;
  std::vector<int64_t> params_;  // of one op
  std::shared_ptr<Sizing> made_ = std::make_shared<Sizing>();
  Sizing& sizing_ = *made_;
};

}  // namespace

bool fits(const PlanNumbers& numbers, std::span<const uint64_t> binding, std::vector<int64_t>& worth) {
  if (binding.size() != numbers.binding.size()) return false;
  for (size_t i = 0; i < binding.size(); i++)
    if (Dim d = numbers.binding[i]; !d.is_symbolic() && uint64_t(d.word()) != binding[i]) return false;
  std::vector<int64_t> symbols;
  for (uint32_t word : numbers.of_symbol) symbols.push_back(int64_t(binding[word]));
  if (!numbers.formulas.evaluate(symbols, worth)) return false;
  for (size_t i = 0; i < binding.size(); i++)
    if (DimFormulas::at(numbers.binding[i], worth) != int64_t(binding[i])) return false;
  return true;
}

std::shared_ptr<const Sizing> make_sizing(const Plan& plan, const PlanNumbers& numbers, std::span<const int64_t> worth,
                                          KernelCache& kernels, int64_t limit) {
  std::vector<int64_t> symbols;
  for (uint32_t word : numbers.of_symbol) symbols.push_back(DimFormulas::at(numbers.binding[word], worth));
  return SizingMaker(plan, numbers, worth, symbols, kernels, limit).run();
}

}  // namespace jt
