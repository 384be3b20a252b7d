#include "core/runtime/plan.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "core/base/buffer.h"
#include "core/base/status.h"
#include "core/ir/rules.h"
#include "core/rewrite/simplify.h"
#include "core/runtime/library_params.h"
#include "core/runtime/trace.h"
#include "core/schedule/recompute.h"

namespace jt {

namespace {

class PlanMaker {
 public:
  PlanMaker(Block& block, KernelCache& cache, const Watch& watch) : block_(block), cache_(cache), watch_(watch) {}

  std::shared_ptr<Plan> run(const std::vector<bool>& dies, const Dump* dump, int64_t budget) {
    schedule_ = fuse(block_);
    if (plan_->budget = budget; budget != kAnyMemory) {
      auto smaller = recompute(block_, schedule_, budget);
      if (!smaller) return nullptr;
      schedule_ = std::move(*smaller);
    }
    if (dump && dump->wants('f')) dump->show('f', to_text(schedule_, block_));
    for (const Step& s : schedule_.steps) kernels_.push_back(s.node ? Kernel{} : lower(s.group, block_));
    if (dump && dump->wants('l'))
      for (const Kernel& k : kernels_)
        if (!k.program.instrs.empty()) dump->show('l', to_text(k.program));
    memory_ = plan_memory(block_, schedule_, kernels_, dies);
    if (dump && dump->wants('m')) dump->show('m', to_text(memory_, block_, schedule_));
    if (dump && (dump->wants('c') || dump->wants('k'))) kernel_dump_ = dump;
    add_steps();
    plan_->scalars = block_.scalars;
    for (size_t i = 0; i < block_.scalars.size(); i++) {
      Op fold = block_.scalars[i].fold;
      if (fold == Op::data) plan_->written.push_back(int32_t(i));
      else plan_->has_folds |= fold != Op::constant;
    }
    plan_->output_bytes = memory_.output_bytes;
    name_outputs();
    plan_->output_from = memory_.output_from;
    plan_->result_output = memory_.result_output;
    plan_->result_input = memory_.result_input;
    plan_->arena_bytes = memory_.arena_bytes;
    plan_->can_end_before = first_overwrite();
    return plan_;
  }

 private:
  Location at(Ref r) const { return memory_.values[size_t(r.node->results()[r.result].number)]; }

  void name_outputs() {
    plan_->output_uses.resize(plan_->output_bytes.size());
    for (size_t i = 0; i < block_.results.size(); i++) {
      int32_t output = memory_.result_output[i];
      Ref result = block_.results[i];
      if (output >= 0) plan_->output_uses[size_t(output)] = {name(result.node->op), result.dtype(), result.shape()};
    }
  }

  void add_steps() {
    // Where compiling goes on in prepare(), several kernels may come of one compiler run: then all are known before.
    bool prepares = cache_.device().prepares();
    std::vector<bool> is_new = watch_.function ? new_kernels() : std::vector<bool>(kernels_.size());
    int64_t to_compile = std::count(is_new.begin(), is_new.end(), true), compiled = 0;
    std::vector<jt_be_kernel*> to_prepare;
    for (size_t s = 0; s < schedule_.steps.size(); s++) {
      if (is_new[s] && !prepares) watch_.look(compiled++, to_compile);
      add_step(s);
      if (is_new[s] && prepares) to_prepare.push_back(plan_->steps.back().compiled->kernel);
    }
    for (jt_be_kernel* kernel : to_prepare) {
      watch_.look(compiled++, to_compile);
      cache_.device().prepare(kernel);
    }
    if (to_compile) watch_.look(compiled, to_compile);
  }
  std::vector<bool> new_kernels() {
    std::vector<bool> out(kernels_.size());
    std::set<std::string> seen;
    for (size_t s = 0; s < kernels_.size(); s++) {
      if (schedule_.steps[s].node || kernels_[s].outer == 0) continue;
      std::string key = to_text(kernels_[s].program);
      out[s] = !cache_.has(key) && seen.insert(std::move(key)).second;
    }
    return out;
  }
  size_t first_overwrite() const {
    auto overwrites = [&](const PlanStep::Pointer& p) {
      return p.at.where == Where::output && plan_->output_from[size_t(p.at.index)] >= 0;
    };
    auto is_first = [&](const PlanStep& step) { return std::ranges::any_of(step.pointers, overwrites); };
    return size_t(std::ranges::find_if(plan_->steps, is_first) - plan_->steps.begin());
  }

  void add_step(size_t s) {
    const Step& step = schedule_.steps[s];
    if (step.node) return add_library(step);
    const Kernel& k = kernels_[s];
    if (memory_.copies_base[s]) {
      PlanStep copy;
      copy.kind = PlanStep::copy;
      copy.what = "copy";
      copy.bytes = int64_t(step.base.type().bytes());
      copy.pointers = {{0, at(step.group.outputs[0].value), 1, {}}, {0, at(step.base), 1, {}}};
      plan_->steps.push_back(std::move(copy));
    }
    if (step.fills) add_fill(step);
    if (k.outer == 0) return;
    bool joins = s && !step.fills && !memory_.copies_base[s] && may_join(schedule_.steps[s - 1], k);
    if (joins) plan_->steps.back().may_join = true;
    PlanStep out;
    out.what = describe(step);
    out.compiled = kernel_dump_ ? shown(k.program, out.what) : cache_.get(k.program, out.what);
    out.outer = k.outer;
    fill_words(out, k);
    plan_->steps.push_back(std::move(out));
  }

  // Whether the kernel behind a library op reads its result element by element, and leaves alone what the op reads. The
  // backend is asked whether it gains by that.
  bool may_join(const Step& before, const Kernel& k) const {
    if (!before.node) return false;
    Ref result{before.node, 0};
    if (k.program.mode != Mode::flat || k.is_sequential || k.outer != result.shape().count()) return false;
    bool reads = false;
    for (size_t i = 0; i < k.operands.size(); i++) {
      const Operand& operand = k.program.operands[i];
      const OperandRecipe& r = k.operands[i];
      if (!r.value) continue;
      Piece piece = piece_of(r.value);
      if (overlap(piece, piece_of(result))) {
        bool is_same = same_place(at(r.value), at(result)) && r.offset.is_fixed() && r.offset.base == 0;
        if (!is_same || operand.access != Access::direct || operand.level != Level::outer) return false;
        reads |= !operand.is_output;
      }
      if (!operand.is_output) continue;
      for (Ref in : before.operands)
        if (overlap(piece, piece_of(in))) return false;
    }
    return reads;
  }
  struct Piece { Location at; int64_t bytes; };
  Piece piece_of(Ref r) const { return {at(r), int64_t(r.type().bytes())}; }
  static bool same_place(Location a, Location b) { return a.where == b.where && a.index == b.index && a.offset == b.offset; }
  bool overlap(const Piece& a, const Piece& b) const {
    if (a.at.where == Where::arena && b.at.where == Where::arena)
      return a.at.offset < b.at.offset + b.bytes && b.at.offset < a.at.offset + a.bytes;
    auto buffer = [&](Location l) -> int64_t {  // an output that takes over a param's is that param's
      if (l.where == Where::arena) return -1;
      int32_t from = l.where == Where::output ? memory_.output_from[size_t(l.index)] : l.index;
      return from >= 0 ? from : (int64_t(1) << 32) + l.index;
    };
    return buffer(a.at) == buffer(b.at) && buffer(a.at) >= 0;
  }

  std::shared_ptr<CompiledKernel> shown(const Program& program, std::string_view what) {
    std::string where;
    auto kernel = cache_.get(program, what, &where);
    if (kernel_dump_->wants('k')) kernel_dump_->show('k', "# k\n" + where);
    if (kernel_dump_->wants('c')) {
      std::string code = kernel->device.text_of(kernel->kernel);
      kernel_dump_->show('c', code.empty() ? text("# c ", what, ": interpreted, see l\n") : text("/* c ", what, " */\n", code));
    }
    return kernel;
  }

  void fill_words(PlanStep& out, const Kernel& k) {
    const Program& p = k.program;
    out.words.assign(size_t(arg_of_scalar(p, p.scalars)), 0);
    out.words[kArgOuter] = k.outer, out.words[kArgInner] = k.inner;
    for (int i = 0; i < int(k.operands.size()); i++) {
      const OperandRecipe& r = k.operands[size_t(i)];
      int32_t word = arg_of_operand(i);
      if (r.value) {
        out.pointers.push_back({word, at(r.value), int64_t(size_of(p.operands[size_t(i)].dtype)), r.offset});
        out.bytes += int64_t(r.value.type().bytes());
      }
      out.words[size_t(word) + 1] = r.second;
      if (!r.has_map) continue;
      int32_t map = int32_t(out.maps.size());
      out.maps.push_back(r.map);
      collapse_if_fixed(out.maps.back(), r);
      out.map_words.push_back({word + 1, map});
      if (!r.value) {
        out.maps.back().offset = r.offset.base;
        if (!r.offset.is_fixed()) out.map_patches.push_back({map, -1, r.offset, {}});
      }
      for (const auto& m : r.moving) out.map_patches.push_back({map, m.axis, m.lo, m.hi});
    }
    for (int i = 0; i < int(k.scalars.size()); i++) {
      int32_t word = arg_of_scalar(p, i);
      const ScalarRecipe& r = k.scalars[size_t(i)];
      if (r.scalar < 0) out.words[size_t(word)] = r.literal;
      else out.scalars.push_back({word, r.scalar, r.type});
    }
  }
  // Neighbouring axes that the operand walks as one become one.
  static void collapse_if_fixed(IndexMap& m, const OperandRecipe& r) {
    if (!r.moving.empty()) return;
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

  void add_fill(const Step& step) {
    Ref value = step.group.outputs[0].value;
    PlanStep fill;
    fill.kind = PlanStep::fill;
    fill.what = "fill";
    fill.item = int64_t(size_of(value.dtype()));
    fill.bytes = int64_t(value.type().bytes());
    fill.pattern = combine_identity(step.group.outputs[0].combine, value.dtype());
    fill.pointers = {{0, at(value), 1, {}}};
    plan_->steps.push_back(std::move(fill));
  }
  static int64_t combine_identity(Combine c, DType t) {
    auto real = [&](double v) -> int64_t {
      if (t == JT_F64) { int64_t b; std::memcpy(&b, &v, 8); return b; }
      float f = float(v);
      uint32_t b;
      std::memcpy(&b, &f, 4);
      if (t == JT_F32) return b;
      if (t == JT_BF16) return b >> 16;
      return v == 0 ? 0 : v == 1 ? 0x3c00 : v < 0 ? 0xfc00 : 0x7c00;  // f16: 0, 1, infinities
    };
    int64_t bits = int64_t(size_of(t)) * 8;
    switch (c) {
      case Combine::mul: return is_float(t) ? real(1) : 1;
      case Combine::max:
        if (is_float(t)) return real(-__builtin_inf());
        return is_signed_int(t) ? int64_t(uint64_t(1) << (bits - 1)) : 0;
      case Combine::min:
        if (is_float(t)) return real(__builtin_inf());
        return t == JT_BOOL ? 1 : is_signed_int(t) ? int64_t((uint64_t(1) << (bits - 1)) - 1) : -1;
      default: return 0;
    }
  }

  void add_library(const Step& step) {
    PlanStep out;
    out.kind = PlanStep::library;
    out.what = name(step.node->op);
    out.op = cache_.library(name(step.node->op), library_params(step.node, step.transposed));
    plan_->scratch_bytes = std::max(plan_->scratch_bytes, int64_t(out.op->workspace));
    for (Ref r : step.operands) out.pointers.push_back({0, at(r), 1, {}});
    for (int i = 0; i < step.node->n_results; i++) out.pointers.push_back({0, at({step.node, uint32_t(i)}), 1, {}});
    plan_->steps.push_back(std::move(out));
  }

  static std::string describe(const Step& step) {
    std::string out;
    for (size_t i = step.group.instances.size(); i-- > 0;) {
      const Instance& instance = step.group.instances[i];
      if (instance.loads || kind(instance.ref.node) == Kind::constant) continue;
      if (!out.empty()) out += ' ';
      out += name(instance.ref.node->op);
      if (out.size() > 120) return out + " ..";
    }
    return out.empty() ? "copy" : out;
  }

  Block& block_;
  KernelCache& cache_;
  const Watch& watch_;
  Schedule schedule_;
  std::vector<Kernel> kernels_;
  MemoryPlan memory_;
  std::shared_ptr<Plan> plan_ = std::make_shared<Plan>();
  const Dump* kernel_dump_ = nullptr;  // wants c or k
};

}  // namespace

std::shared_ptr<Plan> make_plan(Block& block, KernelCache& kernels, const std::vector<bool>& dies, const Dump* dump,
                                const Watch& watch, int64_t budget) {
  return PlanMaker(block, kernels, watch).run(dies, dump, budget);
}

// ---- running ---------------------------------------------------------------------------------------------------------

void Watch::call(int64_t compiled, int64_t to_compile) const {
  jt_status status;
  {
    InCallback inside(*in_callback);
    status = function(user, compiled, to_compile);
  }
  if (status != JT_OK) throw Interrupted(status, "the program ended the evaluation");
}

bool Workspace::clear() {
  bool had_any = arena || scratch;
  if (arena) release(std::exchange(arena, nullptr));
  if (scratch) release(std::exchange(scratch, nullptr));
  return had_any;
}

// What is there goes back first: both together may not fit.
static void grow(Buffer*& buffer, int64_t bytes, BufferPool& pool, const char* what) {
  if (bytes == 0 || (buffer && int64_t(buffer->bytes) >= bytes)) return;
  if (buffer) release(std::exchange(buffer, nullptr));
  buffer = pool.allocate(size_t(bytes), {what});
}

namespace {

class Run {
 public:
  Run(Plan& plan, const RunInputs& in, Workspace& w, BufferPool& pool, Trace& trace, std::vector<Buffer*>& outputs)
      : plan_(plan), in_(in), workspace_(w), pool_(pool), trace_(trace), timing_(in.timing), outputs_(outputs) {}

  void go(int64_t* launches, int64_t* library_calls) {
    try {
      if (!prepared()) prepare();
      launch_all(launches, library_calls);
      name_overwritten();
    } catch (...) {
      name_overwritten();
      release_outputs();
      throw;
    }
  }

 private:
  // Buffers that were taken over hold other bytes now.
  void name_overwritten() {
    for (size_t i = 0; i < outputs_.size(); i++)
      if (plan_.output_from[i] >= 0) outputs_[i]->content = next_content();
  }
  void release_outputs() {
    for (Buffer* b : outputs_) release(b);
    outputs_.clear();
  }
  // Memory may be short only because a larger plan's temporaries are kept: then once more without them.
  bool prepared() {
    try {
      prepare();
      return true;
    } catch (const Error& e) {
      if (e.code() != JT_E_NOMEM) throw;
      release_outputs();
      if (in_.device) in_.device->trim();
      if (!workspace_.clear() && !in_.device) throw;
      return false;
    }
  }

  void launch_all(int64_t* launches, int64_t* library_calls) {
    for (size_t i = 0; i < plan_.steps.size(); i++) {
      PlanStep& step = plan_.steps[i];
      if (in_.watch && i && i <= plan_.can_end_before) in_.watch->look();
      bool timed = trace_.is_on() || timing_;
      int64_t begin = timed ? Trace::now_ns() : 0;
      (step.kind == PlanStep::library ? *library_calls : *launches)++;
      bool is_joined = step.may_join && step.joined >= 0;
      if (is_joined) {
        run_joined(step, plan_.steps[++i]);
        (*launches)++;
      } else {
        run(step);
      }
      if (!timed) continue;
      int64_t end = Trace::now_ns();
      if (step.compiled) step.compiled->time_ns += end - begin;
      if (!trace_.is_on()) continue;
      trace_.add(is_joined ? text(step.what, " + ", plan_.steps[i].what) : step.what, step.kind == PlanStep::library ? "library" : "kernel", begin, end);
    }
  }

  // Everything that can fail comes here: after it, only the device itself can.
  void prepare() {
    set_scalars();
    outputs_.reserve(plan_.output_bytes.size());
    for (size_t i = 0; i < plan_.output_bytes.size(); i++) {
      int32_t from = plan_.output_from[i];
      if (from >= 0) retain(in_.params[size_t(from)]);
      outputs_.push_back(from >= 0 ? in_.params[size_t(from)] : pool_.allocate(size_t(plan_.output_bytes[i]), plan_.output_uses[i]));
    }
    grow(workspace_.arena, plan_.arena_bytes, pool_, "the temporaries of an evaluation");
    int64_t scratch = plan_.scratch_bytes;
    PlanStep* before = nullptr;
    for (PlanStep& step : plan_.steps) {
      PlanStep* library = std::exchange(before, &step);
      if (step.kind != PlanStep::kernel) continue;
      patch(step);
      if (step.scratch < 0) ask_scratch(step);
      scratch = std::max(scratch, step.scratch);
      if (!library || !library->may_join) continue;
      if (library->joined == PlanStep::kUnasked) ask_join(*library, step);
      scratch = std::max(scratch, library->joined);
    }
    grow(workspace_.scratch, scratch, pool_, "the workspace of kernels");
  }
  static void ask_scratch(PlanStep& step) {
    jt_be_launch launch = whole(step);
    size_t bytes = 0;
    Device& d = step.compiled->device;
    d.check(d.api().scratch_bytes(d.handle(), step.compiled->kernel, &launch, &bytes), "scratch_bytes");
    step.scratch = int64_t(bytes);
  }
  static jt_be_launch whole(const PlanStep& step) { return {step.words.data(), step.words.size(), 0, step.outer}; }
  static void ask_join(PlanStep& library, const PlanStep& kernel) {
    library.joined = library.op->device.join_workspace(library.op->op, kernel.compiled->kernel, whole(kernel));
  }
  void set_scalars() {
    for (size_t i = 0; i < plan_.written.size(); i++) plan_.scalars[size_t(plan_.written[i])].bits = in_.scalars[i];
    if (plan_.has_folds) refold(plan_.scalars);
  }
  char* address(Location at) const {
    switch (at.where) {
      case Where::input: return static_cast<char*>(in_.params[size_t(at.index)]->data);
      case Where::output: return static_cast<char*>(outputs_[size_t(at.index)]->data);
      default: return static_cast<char*>(workspace_.arena->data) + at.offset;
    }
  }
  void patch(PlanStep& step) {
    for (const auto& p : step.pointers)
      step.words[size_t(p.word)] = reinterpret_cast<int64_t>(address(p.at) + p.offset.at(in_.wheres) * p.item);
    for (const auto& m : step.map_patches) {
      IndexMap& map = step.maps[size_t(m.map)];
      if (m.axis < 0) map.offset = m.lo.at(in_.wheres);
      else map.lo[m.axis] = m.lo.at(in_.wheres), map.hi[m.axis] = m.hi.at(in_.wheres);
    }
    for (auto [word, map] : step.map_words) step.words[size_t(word)] = reinterpret_cast<int64_t>(&step.maps[size_t(map)]);
    for (const auto& s : step.scalars) {
      const Scalar& value = plan_.scalars[size_t(s.scalar)];
      step.words[size_t(s.word)] = argument_bits(s.type, value.dtype, value.bits);
    }
  }
  void run(PlanStep& step) {
    void* scratch = workspace_.scratch ? workspace_.scratch->data : nullptr;
    switch (step.kind) {
      case PlanStep::kernel: {
        jt_be_launch launch = whole(step);
        Device& d = step.compiled->device;
        d.check(d.api().launch(d.handle(), step.compiled->kernel, &launch, scratch), "launch");
        count_launch(step);
        return;
      }
      case PlanStep::library: {
        Operands at(*this, step);
        return step.op->device.run(step.op->op, at.all(), at.contents, scratch, step.what);
      }
      case PlanStep::copy: std::memcpy(address(step.pointers[0].at), address(step.pointers[1].at), size_t(step.bytes)); return;
      case PlanStep::fill: {
        char* to = address(step.pointers[0].at);
        for (int64_t i = 0; i < step.bytes; i += step.item) std::memcpy(to + i, &step.pattern, size_t(step.item));
      }
    }
  }

  static void count_launch(PlanStep& step) {
    step.compiled->launches.fetch_add(1, std::memory_order_relaxed);
    step.compiled->bytes.fetch_add(step.bytes, std::memory_order_relaxed);
  }
  void run_joined(PlanStep& library, PlanStep& kernel) {
    Operands at(*this, library);
    library.op->device.run_joined(library.op->op, at.all(), at.contents, kernel.compiled->kernel, whole(kernel), workspace_.scratch->data,
                                  library.what);
    count_launch(kernel);
  }
  // The arrays of a library op, and the numbers of their bytes.
  struct Operands {
    void* pointers[8];
    uint64_t contents[8];
    size_t count;
    Operands(const Run& run, const PlanStep& step) : count(step.pointers.size()) {
      for (size_t i = 0; i < count; i++) {
        Location at = step.pointers[i].at;
        pointers[i] = run.address(at);
        contents[i] = at.where == Where::input ? content_of(run.in_.params[size_t(at.index)]) : 0;
      }
    }
    std::span<void* const> all() const { return {pointers, count}; }
  };

  Plan& plan_;
  const RunInputs& in_;
  Workspace& workspace_;
  BufferPool& pool_;
  Trace& trace_;
  bool timing_;
  std::vector<Buffer*>& outputs_;
};

}  // namespace

void run_plan(Plan& plan, const RunInputs& inputs, Workspace& workspace, BufferPool& pool, Trace& trace,
              std::vector<Buffer*>& outputs, int64_t* launches, int64_t* library_calls) {
  Run(plan, inputs, workspace, pool, trace, outputs).go(launches, library_calls);
}

}  // namespace jt
