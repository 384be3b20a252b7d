#include "core/runtime/run_plan.h"

#include <cstring>

#include "core/rewrite/simplify.h"
#include "core/runtime/run_steps.h"

namespace jt {

bool Workspace::clear() {
  bool had_any = arena || scratch;
  if (arena) release(std::exchange(arena, nullptr));
  if (scratch) release(std::exchange(scratch, nullptr));
  return had_any;
}

// What is there goes back first: both together may not fit.
static void grow(Buffer*& buffer, int64_t bytes, BufferPool& pool, const char* what, Stream* stream) {
  if (bytes == 0 || (buffer && int64_t(buffer->bytes) >= bytes)) return;
  if (buffer) release(std::exchange(buffer, nullptr));
  buffer = pool.allocate(size_t(bytes), {what}, stream);
}

namespace {

class Run {
 public:
  Run(const SizedPlan& made, Arguments& arguments, const RunInputs& in, Workspace& w, BufferPool& pool,
      DeviceStream& stream, Trace& trace, std::vector<Buffer*>& outputs)
      : made_(made), plan_(*made.plan), sizing_(*made.sizing), arguments_(arguments), in_(in), workspace_(w),
        pool_(pool), stream_(stream), trace_(trace), is_timed_(trace.is_on() || in.timing), outputs_(outputs),
        addresses_(w.addresses), contents_(w.contents), steps_(stream, counts_, is_timed_) {}

  RunCounts go() {
    try {
      if (!prepared()) prepare();
      if (!stream_.is_immediate()) open_fence();
      launch_all();
    } catch (const Error& e) {
      give_up(e);
      throw;
    } catch (...) {
      give_up(Error(JT_E_NOMEM, ShortText()));
      throw;
    }
    name_overwritten();
    if (async_) close_fence();
    return counts_;
  }

 private:
  struct Async {
    std::shared_ptr<DeviceFence> fence;
    struct Time {
      int64_t launched_ns = 0;
      std::shared_ptr<DeviceFence> begin, end;
    };
    std::vector<Time> times;  // by step, where the device tells them
  };
  void give_up(const Error& e) noexcept {
    name_overwritten();
    if (async_) {
      // what is overwritten in part must not be taken for a value
      if (at_ >= plan_.can_end_before) async_->fence->set_error(e);
      close_fence();
    }
    for (Buffer* b : outputs_) release(b);
    outputs_.clear();
  }
  // Buffers that were taken over hold other bytes now.
  void name_overwritten() noexcept {
    for (size_t i = 0; i < outputs_.size(); i++) {
      if (plan_.output_from[i] < 0) continue;
      outputs_[i]->content = next_content();
      drop_copies(outputs_[i]);
    }
  }

  // ---- on a device that runs late: whoever reads what the run writes waits for its fence, and nobody reuses before it
  // what it reads

  FenceNotes notes(std::function<std::string()> what) const {
    FenceNotes out{std::move(what), {}};
    for (Buffer* b : in_.params)
      if (FenceRef f = fence_of(b); f && (!f->is_done() || f->has_failed())) out.before.push_back(std::move(f));
    return out;
  }
  void open_fence() {
    auto async = std::make_unique<Async>();
    FenceNotes all = notes([made = made_] { return ops_of(*made.plan); });
    if (is_timed_ && stream_.device().tells_times()) mark_times(all, async->times);
    FenceRef fence = async->fence = stream_.open_fence(std::move(all));
    for (Buffer* b : in_.params) note_use(b, fence);
    for (Buffer* b : {workspace_.arena, workspace_.scratch})
      if (b) note_use(b, fence);
    for (size_t i = 0; i < outputs_.size(); i++)
      if (plan_.output_from[i] < 0) note_write(outputs_[i], fence);
    async_ = std::move(async);
  }
  void close_fence() noexcept {
    for (size_t i = 0; i < outputs_.size(); i++)
      if (plan_.output_from[i] >= 0 && at_ >= plan_.can_end_before) set_written(outputs_[i], async_->fence);
    stream_.record(async_->fence);
    add_times();
  }
  static std::string ops_of(const Plan& plan) {
    constexpr size_t kMost = 160;
    std::string out;
    for (const PlanStep& step : plan.steps) {
      if (out.size() > kMost) return out + "; ..";
      out += (out.empty() ? "" : "; ") + step.what;
    }
    return out;
  }

  // Memory may be short only because a larger plan's temporaries are kept: then once more without them.
  bool prepared() {
    try {
      prepare();
      return true;
    } catch (const Error& e) {
      if (e.code() != JT_E_NOMEM) throw;
      for (Buffer* b : outputs_) release(b);
      outputs_.clear();
      stream_.device().trim();
      workspace_.clear();
      return false;
    }
  }

  void launch_all() {
    bool is_guarded = plan_.guard_outputs.empty();
    const Frame here = frame();
    steps_.scratch = workspace_.scratch ? workspace_.scratch->address : nullptr;
    for (size_t i = 0; i < plan_.steps.size(); i++) {
      if (!is_guarded && i >= plan_.guarded_before) look_at_guards(), is_guarded = true;
      if (in_.watch && i && i <= plan_.can_end_before) in_.watch->look();
      at_ = i;
      bool is_joined = sizing_.steps[i].joined >= 0;
      if (is_timed_) [[unlikely]] begin_time(i);
      steps_.watch = in_.watch && i < plan_.can_end_before ? in_.watch : nullptr;
      is_joined ? steps_.run_joined(here, i) : steps_.run(here, i);
      if (is_timed_) [[unlikely]] end_time(i, is_joined);
      i += is_joined;
    }
    if (!is_guarded) look_at_guards();
    at_ = plan_.steps.size();
  }
  // Until here nothing was written over.
  void look_at_guards() {
    if (!stream_.is_immediate()) {
      auto fence = stream_.open_fence(notes([] { return std::string("checks of indices"); }));
      for (int32_t o : plan_.guard_outputs) note_write(outputs_[size_t(o)], fence);
      stream_.record(fence);
    }
    for (size_t i = 0; i < sizing_.guards.size(); i++) {
      int64_t found;
      std::memcpy(&found, host_bytes(outputs_[size_t(plan_.guard_outputs[i])]), sizeof found);
      if (found) sizing_.guards[i].fail_with(found);
    }
  }

  // ---- times

  void begin_time(size_t i) {
    begin_ns_ = Trace::now_ns();
    if (async_ && !async_->times.empty())
      async_->times[i].launched_ns = begin_ns_, stream_.record(async_->times[i].begin);
  }
  void end_time(size_t i, bool is_joined) {
    if (async_ && !async_->times.empty()) stream_.record(async_->times[i].end);
    else note_time(i, is_joined, begin_ns_, Trace::now_ns());
  }
  void note_time(size_t i, bool is_joined, int64_t begin, int64_t end) {
    const PlanStep& step = plan_.steps[i];
    if (step.compiled) step.compiled->time_ns += end - begin;
    if (!trace_.is_on()) return;
    trace_.add(is_joined ? text(step.what, " + ", plan_.steps[i + 1].what) : step.what,
               step.kind == PlanStep::library ? "library" : "kernel", begin, end);
  }
  void mark_times(FenceNotes& of_run, std::vector<Async::Time>& times) {
    auto what = [made = made_] { return ops_of(*made.plan); };
    times.resize(plan_.steps.size());
    for (Async::Time& t : times) {
      t.begin = stream_.mark(what), t.end = stream_.mark(what);
      of_run.before.insert(of_run.before.end(), {t.begin, t.end});
    }
  }
  // What the device's own clock says, once all has run: then the run is waited for.
  void add_times() noexcept {
    auto& times = async_->times;
    for (size_t i = 0; i < times.size() && times[i].end->is_recorded(); i++) {
      int64_t begin = times[0].launched_ns + DeviceStream::ns_between(*times[0].begin, *times[i].begin);
      try {
        note_time(i, false, begin, begin + DeviceStream::ns_between(*times[i].begin, *times[i].end));
      } catch (...) {  // a row of the trace is missing
      }
    }
  }

  // Everything that can fail comes here: after it, only the device itself can.
  void prepare() {
    set_scalars();
    outputs_.reserve(sizing_.output_bytes.size());
    for (size_t i = 0; i < sizing_.output_bytes.size(); i++) {
      int32_t from = plan_.output_from[i];
      if (from >= 0) retain(in_.params[size_t(from)]);
      outputs_.push_back(from >= 0 ? in_.params[size_t(from)]
                                   : pool_.allocate(size_t(sizing_.output_bytes[i]), sizing_.output_uses[i], &stream_));
    }
    grow(workspace_.arena, sizing_.arena_bytes, pool_, "the temporaries of an evaluation", &stream_);
    addresses_.clear(), contents_.clear();
    for (Buffer* b : in_.params)
      addresses_.push_back(static_cast<char*>(b->address)), contents_.push_back(content_of(b));
    for (Buffer* b : outputs_) addresses_.push_back(static_cast<char*>(b->address));
    patch_scalars();
    steps_.patch(frame(), in_.wheres);
    grow(workspace_.scratch, sizing_.scratch_bytes, pool_, "the workspace of kernels", &stream_);
  }
  void set_scalars() {
    for (size_t i = 0; i < plan_.written.size(); i++)
      arguments_.scalars[size_t(plan_.written[i])].bits = in_.scalars[i];
    if (plan_.has_folds) refold(arguments_.scalars);
  }
  Frame frame() const {
    auto* arena = workspace_.arena ? static_cast<char*>(workspace_.arena->address) : nullptr;
    return {plan_, sizing_,         arguments_, addresses_.data(), addresses_.data() + in_.params.size(),
            arena, contents_.data()};
  }
  void patch_scalars() {
    for (const PlanStep& step : plan_.steps) {
      int64_t* words = arguments_.words.data() + step.first_word;
      for (const auto& s : step.scalars) {
        const Scalar& value = arguments_.scalars[size_t(s.scalar)];
        words[s.word] = argument_bits(s.type, value.dtype, value.bits);
      }
    }
  }

  const SizedPlan& made_;
  const Plan& plan_;
  const Sizing& sizing_;
  Arguments& arguments_;
  const RunInputs& in_;
  Workspace& workspace_;
  BufferPool& pool_;
  DeviceStream& stream_;
  Trace& trace_;
  const bool is_timed_;
  std::vector<Buffer*>& outputs_;
  size_t at_ = 0;  // the step that is being launched
  int64_t begin_ns_ = 0;  // of it
  std::unique_ptr<Async> async_;  // of a device that runs late, once it is prepared
  RunCounts counts_;
  std::vector<char*>& addresses_;      // of params, then of outputs
  std::vector<uint64_t>& contents_;    // of params
  StepRunner steps_;
};

}  // namespace

RunCounts run_plan(const SizedPlan& made, Arguments& arguments, const RunInputs& inputs, Workspace& workspace,
                   BufferPool& pool, DeviceStream& stream, Trace& trace, std::vector<Buffer*>& outputs) {
  return Run(made, arguments, inputs, workspace, pool, stream, trace, outputs).go();
}

}  // namespace jt
