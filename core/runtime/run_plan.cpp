#include "core/runtime/run_plan.h"

#include <cstring>

#include "core/rewrite/simplify.h"

namespace jt {

Arguments::Arguments(const Plan& plan, const Sizing& sizing) : words(sizing.words), maps(sizing.maps), scalars(plan.scalars) {
  for (const PlanStep& step : plan.steps)
    for (auto [word, map] : step.map_words)
      words[size_t(step.first_word + word)] = reinterpret_cast<int64_t>(&maps[size_t(step.first_map + map)]);
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
  Run(const Plan& plan, const Sizing& sizing, Arguments& arguments, const RunInputs& in, Workspace& w, BufferPool& pool, Trace& trace,
      std::vector<Buffer*>& outputs)
      : plan_(plan), sizing_(sizing), arguments_(arguments), in_(in), workspace_(w), pool_(pool), trace_(trace), outputs_(outputs) {}

  RunCounts go() {
    try {
      if (!prepared()) prepare();
      launch_all();
      name_overwritten();
      return counts_;
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

  void launch_all() {
    bool is_guarded = plan_.guard_outputs.empty();
    for (size_t i = 0; i < plan_.steps.size(); i++) {
      if (!is_guarded && i >= plan_.guarded_before) look_at_guards(), is_guarded = true;
      if (in_.watch && i && i <= plan_.can_end_before) in_.watch->look();
      bool timed = trace_.is_on() || in_.timing;
      int64_t begin = timed ? Trace::now_ns() : 0;
      bool is_joined = sizing_.steps[i].joined >= 0;
      is_joined ? run_joined(i) : run(i);
      if (timed) [[unlikely]] note_time(i, is_joined, begin, Trace::now_ns());
      i += is_joined;
    }
    if (!is_guarded) look_at_guards();
  }
  // Until here nothing was written over.
  void look_at_guards() const {
    for (size_t i = 0; i < sizing_.guards.size(); i++) {
      int64_t found;
      std::memcpy(&found, host_bytes(outputs_[size_t(plan_.guard_outputs[i])]), sizeof found);
      if (found) sizing_.guards[i].fail_with(found);
    }
  }
  void note_time(size_t i, bool is_joined, int64_t begin, int64_t end) {
    const PlanStep& step = plan_.steps[i];
    if (step.compiled) step.compiled->time_ns += end - begin;
    if (!trace_.is_on()) return;
    trace_.add(is_joined ? text(step.what, " + ", plan_.steps[i + 1].what) : step.what,
               step.kind == PlanStep::library ? "library" : "kernel", begin, end);
  }

  // Everything that can fail comes here: after it, only the device itself can.
  void prepare() {
    set_scalars();
    outputs_.reserve(sizing_.output_bytes.size());
    for (size_t i = 0; i < sizing_.output_bytes.size(); i++) {
      int32_t from = plan_.output_from[i];
      if (from >= 0) retain(in_.params[size_t(from)]);
      outputs_.push_back(from >= 0 ? in_.params[size_t(from)] : pool_.allocate(size_t(sizing_.output_bytes[i]), sizing_.output_uses[i]));
    }
    grow(workspace_.arena, sizing_.arena_bytes, pool_, "the temporaries of an evaluation");
    for (const PlanStep& step : plan_.steps)
      if (step.kind == PlanStep::kernel) patch(step);
    grow(workspace_.scratch, sizing_.scratch_bytes, pool_, "the workspace of kernels");
  }
  void set_scalars() {
    for (size_t i = 0; i < plan_.written.size(); i++) arguments_.scalars[size_t(plan_.written[i])].bits = in_.scalars[i];
    if (plan_.has_folds) refold(arguments_.scalars);
  }
  char* address(Location at) const {
    switch (at.where) {
      case Where::input: return static_cast<char*>(in_.params[size_t(at.index)]->address);
      case Where::output: return static_cast<char*>(outputs_[size_t(at.index)]->address);
      default: return static_cast<char*>(workspace_.arena->address) + sizing_.slots[size_t(at.index)].offset;
    }
  }
  int64_t place(int32_t number) const { return sizing_.places[size_t(number)].at(in_.wheres); }
  void patch(const PlanStep& step) {
    int64_t* words = arguments_.words.data() + step.first_word;
    IndexMap* maps = arguments_.maps.data() + step.first_map;
    for (const auto& p : step.pointers) words[p.word] = reinterpret_cast<int64_t>(address(p.at) + (p.offset ? place(p.offset) * p.item : 0));
    for (const auto& m : step.map_patches) {
      IndexMap& map = maps[m.map];
      if (m.axis < 0) map.offset = place(m.lo);
      else map.lo[m.axis] = place(m.lo), map.hi[m.axis] = place(m.hi);
    }
    for (const auto& s : step.scalars) {
      const Scalar& value = arguments_.scalars[size_t(s.scalar)];
      words[s.word] = argument_bits(s.type, value.dtype, value.bits);
    }
  }
  void* scratch() const { return workspace_.scratch ? workspace_.scratch->address : nullptr; }

  void run(size_t i) {
    const PlanStep& step = plan_.steps[i];
    const Sizing::Step& size = sizing_.steps[i];
    (step.kind == PlanStep::library ? counts_.library_calls : counts_.launches)++;
    switch (step.kind) {
      case PlanStep::kernel: {
        jt_be_launch launch = arguments_.launch(step, size);
        Device& d = step.compiled->device;
        d.check(d.api().launch(d.handle(), step.compiled->kernel, &launch, scratch()), "launch");
        return count_launch(step, size);
      }
      case PlanStep::library: {
        Operands at(*this, step);
        return size.op->device.run(size.op->op, at.all(), at.contents, scratch(), step.what);
      }
      case PlanStep::copy: std::memcpy(address(step.pointers[0].at), address(step.pointers[1].at), size_t(size.bytes)); return;
      case PlanStep::fill: {
        char* to = address(step.pointers[0].at);
        for (int64_t b = 0; b < size.bytes; b += step.item) std::memcpy(to + b, &step.pattern, size_t(step.item));
      }
    }
  }
  static void count_launch(const PlanStep& step, const Sizing::Step& size) {
    step.compiled->launches.fetch_add(1, std::memory_order_relaxed);
    step.compiled->bytes.fetch_add(size.bytes, std::memory_order_relaxed);
  }
  // A library op and the kernel behind it.
  void run_joined(size_t i) {
    const PlanStep &library = plan_.steps[i], &kernel = plan_.steps[i + 1];
    const Sizing::Step &size = sizing_.steps[i], &kernel_size = sizing_.steps[i + 1];
    Operands at(*this, library);
    size.op->device.run_joined(size.op->op, at.all(), at.contents, kernel.compiled->kernel, arguments_.launch(kernel, kernel_size), scratch(),
                               library.what);
    counts_.library_calls++, counts_.launches++;
    count_launch(kernel, kernel_size);
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

  const Plan& plan_;
  const Sizing& sizing_;
  Arguments& arguments_;
  const RunInputs& in_;
  Workspace& workspace_;
  BufferPool& pool_;
  Trace& trace_;
  std::vector<Buffer*>& outputs_;
  RunCounts counts_;
};

}  // namespace

RunCounts run_plan(const Plan& plan, const Sizing& sizing, Arguments& arguments, const RunInputs& inputs, Workspace& workspace,
                   BufferPool& pool, Trace& trace, std::vector<Buffer*>& outputs) {
  return Run(plan, sizing, arguments, inputs, workspace, pool, trace, outputs).go();
}

}  // namespace jt
