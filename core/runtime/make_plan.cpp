#include "core/runtime/make_plan.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "core/ir/rules.h"
#include "core/runtime/library_params.h"

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
    ask_workspace();
    return {plan_, sizing_};
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
      dump_->show('c', code.empty() ? text("# c ", step.what, ": interpreted, see l\n") : text("/* c ", step.what, " */\n", code));
    }
  }

  void add(PlanStep step, Sizing::Step size) {
    plan_->steps.push_back(std::move(step));
    sizing_->steps.push_back(std::move(size));
  }
  void add_step(size_t s) {
    const Step& step = graph_.schedule.steps[s];
    if (step.node) return add_library(step);
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
    Sizing::Step size;
    out.what = describe(step.group);
    bool is_shown = dump_ && (dump_->wants('c') || dump_->wants('k'));
    std::string where;
    out.compiled = cache_.get(group.program, out.what, is_shown ? &where : nullptr);
    if (is_shown) found_.push_back({plan_->steps.size(), std::move(where)});
    size.outer = group.outer;
    add_words(out, size, group);
    add(std::move(out), std::move(size));
  }
  void add_words(PlanStep& out, Sizing::Step& size, const LoweredGroup& group) {
    const Program& p = group.program;
    out.first_word = int32_t(sizing_->words.size()), out.first_map = int32_t(sizing_->maps.size());
    out.n_words = arg_of_scalar(p, p.scalars);
    sizing_->words.resize(sizing_->words.size() + size_t(out.n_words));
    int64_t* words = &sizing_->words[size_t(out.first_word)];
    words[kArgOuter] = group.outer, words[kArgInner] = group.inner;
    for (int i = 0; i < int(group.operands.size()); i++) {
      const OperandRecipe& r = group.operands[size_t(i)];
      int32_t word = arg_of_operand(i);
      if (r.value) {
        out.pointers.push_back({word, at(r.value), int64_t(size_of(p.operands[size_t(i)].dtype)), p.operands[size_t(i)].is_output, r.offset});
        size.bytes += int64_t(r.value.type().bytes());
      }
      words[word + 1] = r.second;
      if (r.has_map) add_map(out, r, word + 1);
    }
    for (int i = 0; i < int(group.scalars.size()); i++) {
      int32_t word = arg_of_scalar(p, i);
      const ScalarRecipe& r = group.scalars[size_t(i)];
      if (r.scalar < 0) words[word] = r.literal;
      else out.scalars.push_back({word, r.scalar, r.type});
    }
  }
  void add_map(PlanStep& out, const OperandRecipe& r, int32_t word) {
    int32_t map = int32_t(sizing_->maps.size()) - out.first_map;
    sizing_->maps.push_back(r.map);
    if (r.moving.empty()) collapse(sizing_->maps.back());
    out.map_words.push_back({word, map});
    if (!r.value) {
      sizing_->maps.back().offset = r.offset.base;
      if (!r.offset.is_fixed()) out.map_patches.push_back({map, -1, r.offset, {}});
    }
    for (const auto& m : r.moving) out.map_patches.push_back({map, m.axis, m.lo, m.hi});
  }

  void add_copy(const Step& step) {
    PlanStep copy;
    copy.kind = PlanStep::copy;
    copy.what = "copy";
    copy.pointers = {{0, at(step.group.outputs[0].value), 1, true, {}}, {0, at(step.base), 1, false, {}}};
    add(std::move(copy), {.bytes = int64_t(step.base.type().bytes())});
  }
  void add_fill(const Step& step) {
    const Output& output = step.group.outputs[0];
    PlanStep fill;
    fill.kind = PlanStep::fill;
    fill.what = "fill";
    fill.item = int64_t(size_of(output.value.dtype()));
    fill.pattern = bits_of(identity(output.combine), output.value.dtype());
    fill.pointers = {{0, at(output.value), 1, true, {}}};
    add(std::move(fill), {.bytes = int64_t(output.value.type().bytes())});
  }
  void add_library(const Step& step) {
    int64_t elements = 0;
    for (int i = 0; i < step.node->n_results; i++) elements |= step.node->results()[i].type.count();
    if (!elements) return;
    PlanStep out;
    out.kind = PlanStep::library;
    out.what = name(step.node->op);
    for (Ref r : step.operands) out.pointers.push_back({0, at(r), 1, false, {}});
    for (int i = 0; i < step.node->n_results; i++) out.pointers.push_back({0, at({step.node, uint32_t(i)}), 1, true, {}});
    add(std::move(out), {.op = cache_.library(name(step.node->op), library_params(step.node, step.transposed))});
  }

  // Whether the kernel behind a library op reads its result element by element and in order, and nothing else of it. The
  // backend is asked whether it gains by that, once it is known where things lie (ask_workspace).
  bool may_join(const Step& before, const LoweredGroup& k) const {
    if (!before.node) return false;
    Ref result{before.node, 0};
    if (k.program.mode != Mode::flat || k.is_sequential || k.outer != result.shape().count()) return false;
    bool reads = false;
    for (size_t i = 0; i < k.operands.size(); i++) {
      const Operand& operand = k.program.operands[i];
      const OperandRecipe& r = k.operands[i];
      if (!r.value || !(at(r.value) == at(result))) continue;
      bool is_in_order = r.offset.is_fixed() && r.offset.base == 0;
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
    sizing_->output_bytes = memory_.output_bytes;
    sizing_->slots = memory_.slots;
    sizing_->arena_bytes = memory_.arena_bytes;
    plan_->output_from = memory_.output_from;
    plan_->result_output = memory_.result_output;
    plan_->result_input = memory_.result_input;
    sizing_->output_uses.resize(memory_.output_bytes.size());
    for (size_t i = 0; i < block_.results.size(); i++) {
      Ref result = block_.results[i];
      if (int32_t output = memory_.result_output[i]; output >= 0)
        sizing_->output_uses[size_t(output)] = {name(result.node->op), result.dtype(), result.shape()};
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
    sizing_->guards = block_.guards;
    auto outputs = std::span(memory_.result_output).last(block_.guards.size());
    plan_->guard_outputs.assign(outputs.begin(), outputs.end());
    auto is_guard = [&](const PlanStep::Pointer& p) {
      return p.writes && p.at.where == Where::output && std::ranges::count(outputs, p.at.index);
    };
    for (size_t i = 0; i < plan_->steps.size(); i++)
      if (std::ranges::any_of(plan_->steps[i].pointers, is_guard)) plan_->guarded_before = i + 1;
    JT_CHECK(plan_->guarded_before <= plan_->can_end_before);
  }

  // ---- workspace ----
  void ask_workspace() {
    const Arguments arguments(*plan_, *sizing_);
    int64_t& most = sizing_->scratch_bytes;
    for (size_t i = 0; i < plan_->steps.size(); i++) {
      const PlanStep& step = plan_->steps[i];
      Sizing::Step& size = sizing_->steps[i];
      if (size.op) most = std::max(most, int64_t(size.op->workspace));
      if (step.may_join) {
        const PlanStep& behind = plan_->steps[i + 1];
        if (!writes_what_is_read(behind, step))
          size.joined = size.op->device.join_workspace(size.op->op, behind.compiled->kernel, arguments.launch(behind, sizing_->steps[i + 1]));
        most = std::max(most, size.joined);
      }
      if (!step.compiled) continue;
      jt_be_launch launch = arguments.launch(step, size);
      size_t bytes = 0;
      Device& device = step.compiled->device;
      device.check(device.api().scratch_bytes(device.handle(), step.compiled->kernel, &launch, &bytes), "scratch_bytes");
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
    const Slot &x = sizing_->slots[size_t(a.index)], &y = sizing_->slots[size_t(b.index)];
    return x.offset < y.offset + y.bytes && y.offset < x.offset + x.bytes;
  }
  // Params by number, outputs of their own below; an output that takes over a param's buffer is that param's.
  int32_t buffer_of(Location at) const {
    if (at.where == Where::input) return at.index;
    int32_t from = plan_->output_from[size_t(at.index)];
    return from >= 0 ? from : -1 - at.index;
  }

  const LoweredGraph& graph_;
  const Block& block_;
  const MemoryPlan& memory_;
  KernelCache& cache_;
  const Dump* dump_;
  const Watch& watch_;
  std::shared_ptr<Plan> plan_ = std::make_shared<Plan>();
  std::shared_ptr<Sizing> sizing_ = std::make_shared<Sizing>();
  std::vector<std::pair<size_t, std::string>> found_;  // step, where its kernel came from; for dumps
};

}  // namespace

SizedPlan make_plan(const LoweredGraph& graph, KernelCache& kernels, const Dump* dump, const Watch& watch) {
  return PlanMaker(graph, kernels, dump, watch).run();
}

}  // namespace jt
