#include "core/runtime/run_steps.h"

#include <algorithm>
#include <cstring>

namespace jt {

Arguments::Arguments(const Plan& plan, const Sizing& sizing, const Arguments* shared)
    : words(sizing.words), maps(sizing.maps), scalars(plan.scalars) {
  regions = shared ? shared->regions : std::make_shared<std::vector<OfRegion>>();
  for (size_t i = 0; i < plan.steps.size(); i++) {
    const PlanStep& step = plan.steps[i];
    for (auto [word, map] : step.map_words)
      words[size_t(step.first_word + word)] = reinterpret_cast<int64_t>(&maps[size_t(step.first_map + map)]);
    if (!step.region_plan || shared) continue;
    const RegionPlan& r = *step.region_plan;
    OfRegion& of = regions->emplace_back();
    of.contents.resize(size_t(r.n_inputs));
    for (size_t k : {size_t(0), size_t(1)}) {
      size_t body = r.loops ? 0 : k;
      const Plan& inner = *r.bodies[body].plan;
      const Arguments* even = r.loops && k ? of.of[0].get() : nullptr;
      of.of[k] = std::make_unique<Arguments>(inner, *sizing.steps[i].bodies[body], even);
      of.inputs[k].resize(size_t(r.n_inputs)), of.outputs[k].resize(inner.output_from.size());
    }
    of.stacked.resize(2 * r.bodies[0].stacked.size());
  }
}

// ---- steps ----------------------------------------------------------------------------------------------------------

void StepRunner::patch(const Frame& f, std::span<const int64_t> wheres) const {
  auto place = [&](int32_t number) { return f.sizing.places[size_t(number)].at(wheres); };
  for (const PlanStep& step : f.plan.steps) {
    if (step.kind != PlanStep::kernel) continue;
    int64_t* words = f.arguments.words.data() + step.first_word;
    IndexMap* maps = f.arguments.maps.data() + step.first_map;
    for (const auto& p : step.pointers)
      words[p.word] = reinterpret_cast<int64_t>(f.address(p.at) + (p.offset ? place(p.offset) * p.item : 0));
    for (const auto& m : step.map_patches) {
      IndexMap& map = maps[m.map];
      if (m.axis < 0) map.offset = place(m.lo);
      else map.lo[m.axis] = place(m.lo), map.hi[m.axis] = place(m.hi);
    }
  }
}

// The arrays of a library op, and the numbers of their bytes.
struct StepRunner::Operands {
  void* pointers[8];
  uint64_t contents[8];
  size_t count;
  Operands(const Frame& f, const PlanStep& step) : count(step.pointers.size()) {
    for (size_t i = 0; i < count; i++) {
      Location at = step.pointers[i].at;
      pointers[i] = f.address(at);
      contents[i] = at.where == Where::input && f.contents ? f.contents[at.index] : 0;
    }
  }
  std::span<void* const> all() const { return {pointers, count}; }
};

static void count_launch(const PlanStep& step, const Sizing::Step& size) {
  step.compiled->launches.fetch_add(1, std::memory_order_relaxed);
  step.compiled->bytes.fetch_add(size.bytes, std::memory_order_relaxed);
}

void StepRunner::run(const Frame& f, size_t i) {
  const PlanStep& step = f.plan.steps[i];
  const Sizing::Step& size = f.sizing.steps[i];
  switch (step.kind) {
    case PlanStep::kernel: {
      counts_.launches++;
      jt_be_launch launch = f.arguments.launch(step, size);
      stream_.launch(step.compiled->kernel, launch, scratch);
      return count_launch(step, size);
    }
    case PlanStep::library: {
      counts_.library_calls++;
      Operands at(f, step);
      return stream_.run(size.op->op, at.all(), at.contents, scratch, step.what);
    }
    case PlanStep::copy:
      counts_.launches++;
      return stream_.copy(f.address(step.pointers[0].at), f.address(step.pointers[1].at), size_t(size.bytes),
                          JT_BE_DEVICE_TO_DEVICE);
    case PlanStep::fill:
      counts_.launches++;
      return stream_.fill(f.address(step.pointers[0].at), uint64_t(step.pattern), size_t(step.item),
                          size_t(size.bytes / step.item));
    case PlanStep::region: return step.region_plan->loops ? run_loop(f, i) : run_branch(f, i);
  }
}

void StepRunner::run_joined(const Frame& f, size_t i) {
  const PlanStep &library = f.plan.steps[i], &kernel = f.plan.steps[i + 1];
  const Sizing::Step &size = f.sizing.steps[i], &kernel_size = f.sizing.steps[i + 1];
  Operands at(f, library);
  size.op->device.run_joined(size.op->op, at.all(), at.contents, kernel.compiled->kernel,
                             f.arguments.launch(kernel, kernel_size), scratch, library.what);
  counts_.library_calls++, counts_.launches++;
  count_launch(kernel, kernel_size);
}

// Of a body: its launches are timed one by one where they have run when they return.
void StepRunner::run_all(const Frame& f) {
  for (size_t i = 0; i < f.plan.steps.size(); i++) {
    bool is_joined = f.sizing.steps[i].joined >= 0;
    int64_t begin = is_timed_ ? Trace::now_ns() : 0;
    is_joined ? run_joined(f, i) : run(f, i);
    const PlanStep& step = f.plan.steps[i];
    if (is_timed_ && step.compiled && stream_.is_immediate()) step.compiled->time_ns += Trace::now_ns() - begin;
    i += is_joined;
  }
}

// ---- numbers between host and device --------------------------------------------------------------------------------

void StepRunner::read(void* to, const void* from, size_t bytes) {
  if (stream_.is_immediate() && !stream_.device().has_own_memory()) return void(std::memcpy(to, from, bytes));
  auto fence = stream_.open_fence({[] { return std::string("a number that a loop or branch goes by"); }, {}});
  stream_.copy(to, from, bytes, JT_BE_DEVICE_TO_HOST);
  stream_.record(fence);
  if (fence) fence->wait();
}
int64_t StepRunner::read_int(const void* at) {
  int64_t out;
  read(&out, at, sizeof out);
  return out;
}
bool StepRunner::read_bool(const void* at) {
  uint8_t out;
  read(&out, at, sizeof out);
  return out != 0;
}
void StepRunner::write_int(void* at, int64_t value) { stream_.fill(at, uint64_t(value), sizeof value, 1); }

// ---- regions --------------------------------------------------------------------------------------------------------

void StepRunner::run_branch(const Frame& f, size_t i) {
  const PlanStep& step = f.plan.steps[i];
  const Sizing::Step& size = f.sizing.steps[i];
  const RegionPlan& r = *step.region_plan;
  Arguments::OfRegion& of = (*f.arguments.regions)[size_t(step.region_number)];
  auto at = [&](size_t pointer) { return f.address(step.pointers[pointer].at); };
  size_t side = read_bool(at(0)) ? 0 : 1, first_result = 1 + size_t(r.n_inputs);
  const RegionPlan::Body& body = r.bodies[side];
  for (size_t k = 0; k < size_t(r.n_inputs); k++) of.inputs[side][k] = at(1 + k);
  for (size_t o = 0; o < body.home.size(); o++) of.outputs[side][o] = at(first_result + size_t(body.home[o]));
  Frame inner{*body.plan,
              *size.bodies[side],
              *of.of[side],
              of.inputs[side].data(),
              of.outputs[side].data(),
              at(first_result + size_t(r.n_results)),
              nullptr};
  patch(inner);
  run_all(inner);
  for (const auto& move : body.moves)
    copy(at(first_result + size_t(move.result)), inner.address(move.from), size.result_bytes[size_t(move.result)]);
}

// Carried value k begins and, after an even number of rounds, ends in the place of the result; else in its second
// place, from where it is copied back.
void StepRunner::run_loop(const Frame& f, size_t i) {
  const PlanStep& step = f.plan.steps[i];
  const Sizing::Step& size = f.sizing.steps[i];
  const RegionPlan& r = *step.region_plan;
  const RegionPlan::Body& body = r.bodies[0];
  Arguments::OfRegion& of = (*f.arguments.regions)[size_t(step.region_number)];
  auto at = [&](size_t pointer) { return f.address(step.pointers[pointer].at); };
  // behind trips, condition, and all params but i
  const size_t n_carried = size_t(r.n_carried), first_result = size_t(r.n_inputs) + 1;
  char* const workspace = at(first_result + size_t(r.n_results));
  auto result_at = [&](size_t k) { return at(first_result + k); };
  auto place = [&](size_t k, size_t odd) { return odd && !r.stays[k] ? workspace + size.second_at[k] : result_at(k); };

  int64_t trips = read_int(at(0));
  if (size.most >= 0) trips = std::min(trips, size.most);
  bool goes_on = trips > 0 && read_bool(at(1));
  for (size_t k = 0; k < n_carried; k++) copy(result_at(k), at(2 + k), size.result_bytes[k]);
  for (size_t odd : {size_t(0), size_t(1)}) {
    of.inputs[odd][0] = workspace + size.round_at;
    for (size_t k = 0; k < n_carried; k++) of.inputs[odd][1 + k] = place(k, odd);
    for (size_t k = n_carried; k + 1 < size_t(r.n_inputs); k++) {
      of.inputs[odd][1 + k] = at(2 + k);
      Location from = step.pointers[2 + k].at;
      of.contents[1 + k] = from.where == Where::input && f.contents ? f.contents[from.index] : 0;
    }
    for (size_t o = 0; o < body.home.size(); o++) {
      size_t home = size_t(body.home[o]);
      of.outputs[odd][o] = body.home[o] < 0   ? workspace + size.condition_at
                           : home < n_carried ? place(home, 1 - odd)
                                              : result_at(home);
    }
  }
  const Frame frames[2] = {{*body.plan, *size.bodies[0], *of.of[0], of.inputs[0].data(), of.outputs[0].data(),
                            workspace, of.contents.data()},
                           {*body.plan, *size.bodies[0], *of.of[1], of.inputs[1].data(), of.outputs[1].data(),
                            workspace, of.contents.data()}};
  const size_t n_stacked = body.stacked.size();
  auto word_of = [&](size_t odd, size_t s) -> int64_t& {
    const PlanStep& inner = body.plan->steps[size_t(body.stacked[s].step)];
    return of.of[odd]->words[size_t(inner.first_word + inner.pointers[size_t(body.stacked[s].pointer)].word)];
  };
  for (size_t odd : {size_t(0), size_t(1)}) {
    patch(frames[odd]);
    for (size_t s = 0; s < n_stacked; s++) of.stacked[odd * n_stacked + s] = word_of(odd, s);
  }

  int64_t round = 0;
  while (goes_on) {
    const size_t odd = size_t(round & 1);
    const Frame& frame = frames[odd];
    if (watch) watch->look();
    if (r.uses_round) write_int(workspace + size.round_at, round);
    if (round) {
      for (size_t s = 0; s < n_stacked; s++)
        word_of(odd, s) = of.stacked[odd * n_stacked + s] +
                          round * size.result_bytes[size_t(body.home[size_t(body.stacked[s].output)])];
      for (size_t o = 0; o < body.home.size(); o++)
        if (int32_t home = body.home[o]; home >= r.n_carried)
          of.outputs[odd][o] = result_at(size_t(home)) + round * size.result_bytes[size_t(home)];
    }
    run_all(frame);
    for (const auto& move : body.moves) {
      size_t k = size_t(move.result);
      char* to = k < n_carried ? place(k, 1 - odd) : result_at(k) + round * size.result_bytes[k];
      copy(to, frame.address(move.from), size.result_bytes[k]);
    }
    goes_on = ++round < trips && (!r.has_condition || read_bool(frame.address(r.condition)));
  }
  if (round & 1)
    for (size_t k = 0; k < n_carried; k++) copy(result_at(k), place(k, 1), size.result_bytes[k]);
  for (size_t k = n_carried; k < size_t(r.n_results); k++)
    if (size.most > round)
      stream_.fill(result_at(k) + round * size.result_bytes[k], 0, 1,
                   size_t((size.most - round) * size.result_bytes[k]));
}

}  // namespace jt
