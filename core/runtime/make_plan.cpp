#include "core/runtime/make_plan.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "core/ir/region.h"
#include "core/ir/type_rules.h"
#include "core/runtime/library_params.h"
#include "core/runtime/make_sizing.h"

namespace jt {

namespace {

// The ops inside a group, for people.
std::string describe(const Group& group) {
  std::string out;
  for (size_t i = group.instances.size(); i-- > 0;) {
    const Instance& instance = group.instances[i];
    if (instance.loads || kind(instance.ref.node) == Kind::constant) continue;
    if (!out.empty()) out += ' ';
    out += name(instance.ref.node->op);
    if (out.size() > 120) return out + " ..";
  }
  return out.empty() ? "copy" : out;
}

class PlanMaker {
 public:
  PlanMaker(const LoweredGraph& graph, KernelCache& cache, const Dump* dump, const Watch& watch)
      : graph_(graph), block_(graph.block), memory_(graph.memory), cache_(cache), dump_(dump), watch_(watch) {}

  SizedPlan run() {
    plan_->budget = graph_.budget;
    add_steps();
    add_scalars();
    add_outputs();
    plan_->can_end_before = first_overwrite();
    add_guards();
    return sized();
  }

 private:
  Location at(Ref r) const { return memory_.values[size_t(graph_.numbering[r])]; }

  // ---- steps ----
  void add_steps() {
    // Where compiling goes on in prepare(), several kernels may come of one compiler run: then all are known before.
    bool prepares = cache_.device().prepares();
    std::vector<bool> is_new = watch_.function ? new_kernels() : std::vector<bool>(graph_.groups.size());
    int64_t to_compile = std::count(is_new.begin(), is_new.end(), true), compiled = 0;
    std::vector<jt_be_kernel*> to_prepare;
    for (size_t s = 0; s < graph_.schedule.steps.size(); s++) {
      if (is_new[s] && !prepares) watch_.look(compiled++, to_compile);
      add_step(s);
      if (is_new[s] && prepares) to_prepare.push_back(plan_->steps.back().compiled->kernel);
    }
    for (jt_be_kernel* kernel : to_prepare) {
      watch_.look(compiled++, to_compile);
      cache_.device().prepare(kernel);
    }
    if (to_compile) watch_.look(compiled, to_compile);
    show_kernels();
  }
  std::vector<bool> new_kernels() {
    std::vector<bool> out(graph_.groups.size());
    std::set<std::string> seen;
    for (size_t s = 0; s < graph_.groups.size(); s++) {
      if (graph_.schedule.steps[s].node || graph_.groups[s].outer == 0) continue;
      std::string key = to_text(graph_.groups[s].program);
      out[s] = !cache_.has(key) && seen.insert(std::move(key)).second;
    }
    return out;
  }
  // Once all are compiled: a tier may make the text of a kernel only then.
  void show_kernels() const {
    for (size_t i = 0; i < found_.size(); i++) {
      auto& [s, where] = found_[i];
      const PlanStep& step = plan_->steps[s];
      if (dump_->wants('k')) dump_->show('k', "# k\n" + where);
      if (!dump_->wants('c')) continue;
      std::string code = step.compiled->device.text_of(step.compiled->kernel);
      dump_->show('c', code.empty() ? text("# c ", step.what, ": interpreted, see l\n")
                                    : text("/* c ", step.what, " */\n", code));
    }
  }

  void add(PlanStep step, PlanNumbers::Step size) {
    plan_->steps.push_back(std::move(step));
    numbers_.steps.push_back(std::move(size));
  }
  // The first place is 0, which most are.
  int32_t add_place(const Place& place) {
    if (place.is_fixed() && same(place.base, 0)) return 0;
    numbers_.places.push_back(place);
    return int32_t(numbers_.places.size()) - 1;
  }
  void add_step(size_t s) {
    const Step& step = graph_.schedule.steps[s];
    if (step.node) return owns_blocks(step.node) ? add_region(s) : add_library(step);
    if (memory_.copies_base[s]) add_copy(step);
    if (step.fills) add_fill(step);
    const LoweredGroup& group = graph_.groups[s];
    if (group.outer == 0) return;
    bool is_right_behind = s && !step.fills && !memory_.copies_base[s];
    if (is_right_behind && may_join(graph_.schedule.steps[s - 1], group)) plan_->steps.back().may_join = true;
    add_kernel(step, group);
  }
  void add_kernel(const Step& step, const LoweredGroup& group) {
    PlanStep out;
    PlanNumbers::Step size;
    out.what = describe(step.group);
    bool is_shown = dump_ && (dump_->wants('c') || dump_->wants('k'));
    std::string where;
    out.compiled = cache_.get(group.program, out.what, is_shown ? &where : nullptr);
    if (is_shown) found_.push_back({plan_->steps.size(), std::move(where)});
    size.outer = group.outer;
    add_words(out, size, group);
    add(std::move(out), std::move(size));
  }
  void add_words(PlanStep& out, PlanNumbers::Step& size, const LoweredGroup& group) {
    const Program& p = group.program;
    out.first_word = int32_t(numbers_.words.size()), out.first_map = int32_t(numbers_.maps.size());
    out.n_words = arg_of_scalar(p, p.scalars);
    numbers_.words.resize(numbers_.words.size() + size_t(out.n_words));
    int64_t* words = &numbers_.words[size_t(out.first_word)];
    auto put = [&](int32_t word, CType type, Dim number) {
      if (number.is_symbolic()) numbers_.counted.push_back({out.first_word + word, type, number});
      else words[word] = argument_bits(type, JT_I64, number.word());
    };
    put(kArgOuter, CType::i64, group.outer), put(kArgInner, CType::i64, group.inner);
    for (int i = 0; i < int(group.operands.size()); i++) {
      const OperandRecipe& r = group.operands[size_t(i)];
      int32_t word = arg_of_operand(i);
      if (r.value) {
        out.pointers.push_back({word, at(r.value), int64_t(size_of(p.operands[size_t(i)].dtype)),
                                p.operands[size_t(i)].is_output, add_place(r.offset)});
        size.bytes += r.value.type().bytes();
      }
      put(word + 1, CType::i64, r.second);
      if (r.has_map) add_map(out, r, word + 1);
    }
    for (int i = 0; i < int(group.scalars.size()); i++) {
      int32_t word = arg_of_scalar(p, i);
      const ScalarRecipe& r = group.scalars[size_t(i)];
      if (r.number.is_symbolic()) put(word, r.type, r.number);
      else if (r.scalar < 0) words[word] = r.literal;
      else out.scalars.push_back({word, r.scalar, r.type});
    }
  }
  void add_map(PlanStep& out, const OperandRecipe& r, int32_t word) {
    int32_t map = int32_t(numbers_.maps.size()) - out.first_map;
    numbers_.maps.push_back({r.map, !r.moving.empty()});
    out.map_words.push_back({word, map});
    if (!r.value) {
      numbers_.maps.back().map.offset = r.offset.base;
      if (!r.offset.is_fixed()) out.map_patches.push_back({map, -1, add_place(r.offset), 0});
    }
    for (const auto& m : r.moving) out.map_patches.push_back({map, m.axis, add_place(m.lo), add_place(m.hi)});
  }

  void add_copy(const Step& step) {
    PlanStep copy;
    copy.kind = PlanStep::copy;
    copy.what = "copy";
    copy.pointers = {{0, at(step.group.outputs[0].value), 1, true, 0}, {0, at(step.base), 1, false, 0}};
    add(std::move(copy), {.bytes = step.base.type().bytes(), .params = {}});
  }
  void add_fill(const Step& step) {
    const Output& output = step.group.outputs[0];
    PlanStep fill;
    fill.kind = PlanStep::fill;
    fill.what = "fill";
    fill.item = int64_t(size_of(output.value.dtype()));
    fill.pattern = bits_of(identity(output.combine), output.value.dtype());
    fill.pointers = {{0, at(output.value), 1, true, 0}};
    add(std::move(fill), {.bytes = output.value.type().bytes(), .params = {}});
  }
  void add_library(const Step& step) {
    bool has_elements = false;
    PlanNumbers::Step size;
    for (int i = 0; i < step.node->n_results; i++) {
      const Type& type = step.node->results()[i].type;
      has_elements |= type.count() != 0;
      size.largest = most(size.largest, type.bytes());
    }
    if (!has_elements) return;
    PlanStep out;
    out.kind = PlanStep::library;
    out.what = name(step.node->op);
    for (Ref r : step.operands) out.pointers.push_back({0, at(r), 1, false, 0});
    for (int i = 0; i < step.node->n_results; i++)
      out.pointers.push_back({0, at({step.node, uint32_t(i)}), 1, true, 0});
    size.params = library_params(step.node, step.transposed, step.operands[0].dtype());
    add(std::move(out), std::move(size));
  }

  void add_region(size_t s) {
    const Step& step = graph_.schedule.steps[s];
    const Node* node = step.node;
    PlanStep out;
    out.kind = PlanStep::region;
    out.what = name(node->op);
    for (Ref r : step.operands) out.pointers.push_back({0, at(r), 1, false, 0});
    for (int i = 0; i < node->n_results; i++) out.pointers.push_back({0, at({step.node, uint32_t(i)}), 1, true, 0});
    out.pointers.push_back({0, {Where::arena, memory_.workspace[s]}, 1, true, 0});
    out.region_plan = std::make_shared<const RegionPlan>(plan_of_region(node, (*graph_.bodies)[s]));
    out.region_number = n_regions_++;
    PlanNumbers::Step size;
    for (int i = 0; i < node->n_results; i++) {
      const Type& type = node->results()[i].type;
      size.largest = most(size.largest, type.bytes());
      bool is_stacked = out.region_plan->loops && i >= out.region_plan->n_carried;
      const Block& block = node->region->blocks()[0];
      size.params.push_back(is_stacked ? block.results[size_t(i) + 1].type().bytes() : type.bytes());
    }
    size.params.push_back(out.region_plan->loops ? LoopLayout(node).most : Dim(0));
    add(std::move(out), std::move(size));
  }
  // Where the results of a block end up. A loop's block has had its condition taken away where that is always true.
  static RegionPlan plan_of_region(const Node* node, std::span<const std::shared_ptr<const Plan>> plans) {
    RegionPlan out;
    out.loops = node->op == Op::loop;
    out.n_results = node->n_results;
    out.n_inputs = int32_t(node->region->blocks()[0].params.size());
    if (out.loops) {
      LoopLayout l(node);
      out.n_carried = l.carried, out.n_stacked = l.stacked;
      out.has_condition = plans[0]->result_output.size() > size_t(node->n_results);
      for (const Value& n : node->region->blocks()[0].nodes)
        for (Ref in : n.ref().node->ins()) out.uses_round |= in == node->region->blocks()[0].params[0].ref();
      for (const Value& r : node->region->blocks()[0].results)
        out.uses_round |= r.ref() == node->region->blocks()[0].params[0].ref();
    }
    out.stays.assign(size_t(out.n_carried), false);
    for (const auto& plan : plans) out.bodies.push_back(body_plan(out, plan));
    if (out.has_condition) out.condition = location_of(*plans[0], 0);
    return out;
  }
  static Location location_of(const Plan& plan, size_t result) {
    int32_t o = plan.result_output[result];
    return o >= 0 ? Location{Where::output, o} : Location{Where::input, plan.result_input[result]};
  }
  static RegionPlan::Body body_plan(RegionPlan& region, const std::shared_ptr<const Plan>& plan) {
    RegionPlan::Body out{plan, {}, {}, {}};
    out.home.assign(plan->output_from.size(), -1);
    // What begins as a carried value's bytes must be where these are, also if another result is the same.
    for (int32_t k = 0; k < region.n_carried; k++) {
      Location from = location_of(*plan, size_t(k + region.has_condition));
      bool takes_over = from.where == Where::output && plan->output_from[size_t(from.index)] == k + 1;
      if (takes_over) out.home[size_t(from.index)] = k, region.stays[size_t(k)] = true;
    }
    for (int32_t k = 0; k < region.n_results; k++) {
      Location from = location_of(*plan, size_t(k + region.has_condition));
      if (from.where == Where::output && out.home[size_t(from.index)] == k) continue;
      bool is_carried = k < region.n_carried, is_free = from.where == Where::output && out.home[size_t(from.index)] < 0;
      if (is_free) {
        out.home[size_t(from.index)] = k;
      } else if (is_carried && from == Location{Where::input, k + 1}) {
        region.stays[size_t(k)] = true;  // never changes
      } else {
        out.moves.push_back({k, from});
      }
    }
    for (size_t s = 0; s < plan->steps.size(); s++)
      for (size_t p = 0; p < plan->steps[s].pointers.size(); p++) {
        Location at = plan->steps[s].pointers[p].at;
        bool moves = region.loops && at.where == Where::output && out.home[size_t(at.index)] >= region.n_carried;
        if (moves && plan->steps[s].kind == PlanStep::kernel) out.stacked.push_back({int32_t(s), int32_t(p), at.index});
      }
    return out;
  }

  // Whether the kernel behind a library op reads its result element by element and in order, and nothing else of it.
  // The backend is asked whether it gains by that, once it is known where things lie (ask_workspace).
  bool may_join(const Step& before, const LoweredGroup& k) const {
    if (!before.node || kind(before.node) != Kind::library) return false;
    Ref result{before.node, 0};
    if (k.program.mode != Mode::flat || k.is_sequential || !same(k.outer, result.shape().count())) return false;
    bool reads = false;
    for (size_t i = 0; i < k.operands.size(); i++) {
      const Operand& operand = k.program.operands[i];
      const OperandRecipe& r = k.operands[i];
      if (!r.value || !(at(r.value) == at(result))) continue;
      bool is_in_order = r.offset.is_fixed() && same(r.offset.base, 0);
      if (!is_in_order || operand.access != Access::direct || operand.level != Level::outer) return false;
      reads |= !operand.is_output;
    }
    return reads;
  }

  // ---- what a run is given and leaves behind ----
  void add_scalars() {
    plan_->scalars = block_.scalars;
    for (size_t i = 0; i < block_.scalars.size(); i++) {
      Op fold = block_.scalars[i].fold;
      if (fold == Op::data) plan_->written.push_back(int32_t(i));
      else plan_->has_folds |= fold != Op::constant;
    }
  }
  void add_outputs() {
    numbers_.output_bytes = memory_.output_bytes;
    numbers_.slot_bytes = memory_.slot_bytes;
    numbers_.events = memory_.events;
    plan_->output_from = memory_.output_from;
    plan_->result_output = memory_.result_output;
    plan_->result_input = memory_.result_input;
    numbers_.output_uses.resize(memory_.output_bytes.size());
    for (size_t i = 0; i < block_.results.size(); i++) {
      Ref result = block_.results[i];
      if (int32_t output = memory_.result_output[i]; output >= 0)
        numbers_.output_uses[size_t(output)] = {name(result.node->op), result.dtype(), result.shape()};
    }
  }
  size_t first_overwrite() const {
    auto overwrites = [&](const PlanStep::Pointer& p) {
      return p.at.where == Where::output && plan_->output_from[size_t(p.at.index)] >= 0;
    };
    auto is_first = [&](const PlanStep& step) { return std::ranges::any_of(step.pointers, overwrites); };
    return size_t(std::ranges::find_if(plan_->steps, is_first) - plan_->steps.begin());
  }

  void add_guards() {
    numbers_.guards = block_.guards;
    auto outputs = std::span(memory_.result_output).last(block_.guards.size());
    plan_->guard_outputs.assign(outputs.begin(), outputs.end());
    auto is_guard = [&](const PlanStep::Pointer& p) {
      return p.writes && p.at.where == Where::output && std::ranges::count(outputs, p.at.index);
    };
    for (size_t i = 0; i < plan_->steps.size(); i++)
      if (std::ranges::any_of(plan_->steps[i].pointers, is_guard)) plan_->guarded_before = i + 1;
    JT_CHECK(plan_->guarded_before <= plan_->can_end_before);
  }

  // ---- for one set of extents, or many ----
  SizedPlan sized() {
    std::vector<int64_t> worth;
    if (const PlanExtents* extents = graph_.extents) {
      numbers_.binding.assign(extents->binding.begin(), extents->binding.end());
      numbers_.of_symbol.assign(extents->of_symbol.begin(), extents->of_symbol.end());
      keep_formulas(extents->table);
      std::vector<int64_t> symbols = extents->table.now();
      JT_CHECK(numbers_.formulas.evaluate(symbols, worth));
    }
    if (graph_.is_body) {
      plan_->numbers = std::make_shared<const PlanNumbers>(std::move(numbers_));
      return {plan_, nullptr};
    }
    auto sizing = make_sizing(*plan_, numbers_, worth, cache_, graph_.limit);
    if (graph_.extents) plan_->numbers = std::make_shared<const PlanNumbers>(std::move(numbers_));
    return {plan_, sizing};
  }
  void keep_formulas(const DimTable& table) {
    DimFormulas& formulas = numbers_.formulas = DimFormulas(table);
    auto keep = [&](Dim& d) { d = formulas.keep(table, d); };
    for (Dim& word : numbers_.binding) keep(word);
    for (auto& step : numbers_.steps) {
      keep(step.outer), keep(step.bytes), keep(step.largest);
      for (Dim& p : step.params) keep(p);
    }
    for (auto& word : numbers_.counted) keep(word.number);
    for (auto& [map, moves] : numbers_.maps) {
      keep(map.offset);
      for (Dim* list : {map.extent, map.stride, map.lo, map.hi})
        for (int k = 0; k < map.outer_rank + map.inner_rank; k++) keep(list[k]);
    }
    for (Place& place : numbers_.places) {
      keep(place.base);
      for (Place::Term& t : place.terms) keep(t.factor);
    }
    for (Dim& d : numbers_.slot_bytes) keep(d);
    for (Dim& d : numbers_.output_bytes) keep(d);
    for (BufferUse& use : numbers_.output_uses)
      for (int a = 0; a < use.shape.rank; a++) keep(use.shape.dims[a]);
    for (Guard& g : numbers_.guards) keep(g.size);
  }

  const LoweredGraph& graph_;
  const Block& block_;
  const MemoryPlan& memory_;
  KernelCache& cache_;
  const Dump* dump_;
  const Watch& watch_;
  std::shared_ptr<Plan> plan_ = std::make_shared<Plan>();
  PlanNumbers numbers_{.places = {Place()}};
  int32_t n_regions_ = 0;
  std::vector<std::pair<size_t, std::string>> found_;  // step, where its kernel came from; for dumps
};

}  // namespace

SizedPlan make_plan(const LoweredGraph& graph, KernelCache& kernels, const Dump* dump, const Watch& watch) {
  return PlanMaker(graph, kernels, dump, watch).run();
}

}  // namespace jt
