#include "core/planner.h"

#include <algorithm>

#include "core/base/hash.h"
#include "core/ir/eval.h"
#include "core/ir/region.h"
#include "core/ir/type_rules.h"
#include "core/pipeline.h"
#include "core/planner_walk.h"

namespace jt {

constexpr size_t kMaxPlans = 1024, kMaxFamilies = 1024;
constexpr int kOpBits = 10;  // in a word of a key; above them the number of a device
static_assert(kOps <= 1 << kOpBits && kMaxDevices <= 1 << (16 - kOpBits));

Planner::Planner(Recorder& recorder, Runtime& runtime)
    : recorder_(recorder), runtime_(runtime), on_device_(runtime.devices.size()), plans_(kMaxPlans),
      families_(kMaxFamilies) {
  runtime_.stats.join(stats_);
}
Planner::~Planner() { runtime_.stats.leave(stats_); }

namespace {

bool keeps_for_gradient(const Node* node) {
  return node->has(kGrad) && !node->has(kConsumed);
}
// Never computed twice: a gradient that asks for it later finds it stored. What comes of nothing is a number, however
// often it is wanted.
bool is_stored_for_gradient(Node* node) {
  if (!keeps_for_gradient(node)) return false;
  Kind k = kind(node);
  if (k == Kind::index || k == Kind::region) return true;
  auto is_empty = [](Ref in) { return in.type().count() == 0; };
  return (k == Kind::library || k == Kind::reduce) && std::ranges::none_of(node->ins(), is_empty);
}
// What an eval runs: what was asked for, in order of address, and, unless that failed before, every value that has a
// handle.
struct Roots {
  std::span<const Node* const> asked;
  bool also_held = true;
};

bool is_asked(const Node* node, std::span<const Node* const> asked) { return std::ranges::binary_search(asked, node); }

// A pending node is a root if someone may look at it. Constants are written in the program: they run only when asked
// for, so that a graph looks the same whether they were looked at or not.
bool is_root(const Node* node, const Roots& roots) {
  if (node->has_run()) return false;
  if (is_asked(node, roots.asked)) return true;
  return roots.also_held && node->op != Op::constant && node->has_handles();
}

void mark_needed(Recorder& recorder, const Roots& roots, uint32_t mark, std::vector<Node*>& out) {
  for (Node* node = recorder.last_pending(); node; node = node->previous) {
    bool needed = node->mark == mark || is_root(node, roots);
    if (!needed) continue;
    node->mark = mark;
    out.push_back(node);
    for (Ref in : node->ins())
      if (!in.node->has_run() || in.node->op == Op::constant) in.node->mark = mark;
  }
  std::reverse(out.begin(), out.end());
}

void add_type(Words& key, const Type& t) {
  key.put(uint64_t(t.dtype) | uint64_t(t.shape.units) << 8 | uint64_t(t.shape.rank) << 16);
}
void add_type(Words& key, Words& binding, const Type& t) {
  uint64_t signs = 0;
  for (Dim extent : t.shape.extents())
    signs = signs << 2 | sign_of(extent.word()), binding.put(uint64_t(extent.word()));
  key.put(uint64_t(t.dtype) | uint64_t(t.shape.units) << 8 | uint64_t(t.shape.rank) << 16 | signs << 32);
}

}  // namespace

static bool is_leaf(Ref in) { return in.node->has_run() && in.node->op != Op::constant; }

template <class Walk>
static void add_names(Ref leaf, Walk& w) {
  if (leaf.node->owner != w.recorder) return;  // another context's names are its own
  auto names = w.recorder->names_of(leaf.node);
  w.key.make_room(4 * names.size());
  for (const NamedDim& d : names) {
    if (d.result != leaf.result) continue;
    w.key.put(0xd1a0), w.key.put(uint64_t(d.axis) << 32 | uint32_t(d.name)), w.key.put(uint64_t(d.lo)),
        w.key.put(uint64_t(d.hi));
    w.named.push_back({w.of_leaf.back() + uint32_t(d.axis), d.name, d.lo, d.hi});
  }
  w.key.make_room(w.room);
}

template <class Walk>
static int32_t operand_number(Ref in, uint32_t mark, Walk& w) {
  Result& r = in.node->results()[in.result];
  if (!is_leaf(in)) return r.number;
  bool seen = in.node->mark == mark && r.number >= 0;
  if (!seen) {
    if (in.node->mark != mark) {
      in.node->mark = mark;
      for (int i = 0; i < in.node->n_results; i++) in.node->results()[i].number = -1;
    }
    r.number = kLeaf + int32_t(w.leaves.size());
    w.leaves.push_back(in);
    w.of_leaf.push_back(uint32_t(w.binding.size()));
    w.key.put(0xfeed);
    add_type(w.key, w.binding, r.type);
    if (in.node->has(kNamesDims)) [[unlikely]] add_names(in, w);
  }
  return r.number;
}

template <class Walk>
static void add_region(const Region& region, Walk& w) {
  w.key.make_room(region.key().size() + w.room);
  w.binding.make_room(region.binding().size() + w.room * kMaxRank);
  for (uint64_t word : region.key()) w.key.put(word);
  for (uint64_t word : region.binding()) w.binding.put(word);
}

// Only pending nodes of this walk refer to it, and its buffer is ours alone.
static bool leaf_dies(Ref leaf, uint32_t inner_uses, const Memory* here) {
  const Result& r = leaf.node->results()[leaf.result];
  bool is_ours = leaf.node->n_results == 1 && leaf.node->refs == inner_uses && !r.handles && is_exclusive(r.buffer);
  return is_ours && r.buffer->memory == here;  // a copy may serve others
}

// How many operand slots of each leaf are given up by this eval: those of nodes that run and let go, or that nobody
// outside this walk can reach any more.
void Planner::find_uses_that_end(Walk& w, int32_t n_values) {
  w.ends.assign(w.leaves.size(), 0), w.uses.assign(size_t(n_values), {});
  std::span<Node* const> nodes = w.nodes;
  auto use_of = [&](const Node* n) -> Walk::Use& { return w.uses[size_t(n->results()[0].number)]; };
  for (Ref r : w.results) use_of(r.node).is_result = true;
  for (Node* n : nodes)
    for (Ref in : n->ins())
      if (!is_leaf(in)) use_of(in.node).inside++;
  for (size_t i = nodes.size(); i-- > 0;) {
    Node* n = nodes[i];
    const Walk::Use& use = use_of(n);
    bool lets_go = !keeps_for_gradient(n) &&
                   (use.is_result ? n->op != Op::constant : !use.survives && n->refs == use.inside);
    for (Ref in : n->ins()) {
      if (is_leaf(in)) w.ends[size_t(in.node->results()[in.result].number - kLeaf)] += lets_go;
      else if (!lets_go) use_of(in.node).survives = true;
    }
  }
}

void Planner::walk(std::span<const Ref> asked, bool also_held, Walk& w, bool stores_for_gradient, int device) {
  w.clear();
  w.device = device;
  w.recorder = &recorder_;
  for (Ref r : asked) w.asked.push_back(r.node);
  std::ranges::sort(w.asked);
  Roots roots{w.asked, also_held};
  uint32_t mark = recorder_.next_mark();
  mark_needed(recorder_, roots, mark, w.nodes);

  int32_t number = 0;
  for (Node* n : w.nodes) {
    uint64_t shared = uint64_t(n->op) | uint64_t(device) << kOpBits | uint64_t(n->n_inputs) << 16;
    bool wanted = is_root(n, roots), is_stored = !wanted && stores_for_gradient && is_stored_for_gradient(n);
    w.stores_for_gradient |= is_stored, wanted |= is_stored;
    Words &key = w.key, &binding = w.binding;
    key.make_room(w.room = 4 + n->n_inputs * 3 + n->n_attrs + n->n_words + n->n_results * 2);
    binding.make_room(1 + n->n_inputs * kMaxRank + n->n_words + n->n_results * kMaxRank);
    size_t head = key.size();
    key.put(0);
    for (Ref in : n->ins()) key.put(uint64_t(operand_number(in, mark, w)) | 1ull << 40);
    w.of_node.push_back(uint32_t(binding.size()));
    if (is_count(n)) {
      std::optional<int64_t> number = counted(n);
      key.put(~uint64_t(number.has_value())),
          number ? binding.put(uint64_t(*number)) : key.put(uint64_t(n->constant_bits));
    } else if (n->op == Op::constant) {
      key.put(uint64_t(scalar_class(n->results()[0].type.dtype, n->constant_bits)));
      w.scalars.push_back(n->constant_bits);
    }
    if (n->op == Op::random_bits) {
      w.scalars.push_back(key_of(n));
      w.scalars.push_back(counter_of(n));
    }
    int starts = starts_attr(n->op);
    uint32_t far = far_attrs(n->op);
    for (int a = 0; a < n->n_attrs; a++) {
      if (n->op == Op::random_bits && a > attr(Op::random_bits, "shape")) break;
      auto words = n->ints(a);
      if (far >> a & 1) {
        uint64_t signs = 0;
        for (Dim word : words) signs = signs << 2 | sign_of(word.word()), binding.put(uint64_t(word.word()));
        key.put(words.size() | signs << 8);
        continue;
      }
      key.put(words.size());
      bool moves = a == starts;
      if (moves)
        for (Dim word : words) w.wheres.push_back(word.word());
      // stops only repeat what the starts and the result's extents say
      if (n->op == Op::slice && a == attr(Op::slice, "stops")) continue;
      for (Dim word : words) key.put(moves ? uint64_t(word.word() != 0) : uint64_t(word.word()));
    }
    if (owns_blocks(n)) [[unlikely]] add_region(*n->region, w);
    for (int i = 0; i < n->n_results; i++) {
      Result& r = n->results()[i];
      r.number = number++;
      has_own_extents(n->op) ? add_type(key, binding, r.type) : add_type(key, r.type);
      if (wanted) w.results.push_back({n, uint32_t(i)});
      key.put(wanted);
    }
    key.set(head, shared | uint64_t(key.size() - head) << 32);
  }
  find_uses_that_end(w, number);
  const Memory* here = on(device).state.pool->memory();
  w.key.make_room(w.leaves.size());
  for (size_t i = 0; i < w.leaves.size(); i++) {
    w.dies.push_back(leaf_dies(w.leaves[i], w.ends[i], here));
    w.params.push_back(w.leaves[i].node->results()[w.leaves[i].result].buffer);
    w.key.put(uint64_t(w.dies.back()));
  }
}

std::string Planner::show(std::span<const Ref> asked, char stage) {
  Walk w;
  walk(asked, true, w, true, recorder_.device);
  std::string out;
  Dump one{std::string(1, stage), [&](char, std::string_view text) { out += text; }};
  try {
    compile(captured(w.graph()), runtime_, w.dying(), &one, {}, kAnyMemory, nullptr, w.device);
  } catch (const Error&) {
    if (out.empty()) throw;  // a later stage may fail on what an earlier one shows
  }
  return out;
}

void Planner::eval(std::span<const Ref> asked) {
  of_custom_.reset();
  try {
    run(asked, true);
  } catch (const Interrupted&) {
    throw;
  } catch (...) {
    salvage(asked);
  }
  if (of_custom_ && asked.empty()) throw *of_custom_;
}

void Planner::run(std::span<const Ref> asked, bool also_held) {
  if (recorder_.may_hold_customs) [[unlikely]] run_customs(asked, also_held);
  run_parts(asked, also_held);
}

void Planner::run_parts(std::span<const Ref> asked, bool also_held) {
  if (recorder_.mixes_devices) [[unlikely]] return run_by_device(asked, also_held);
  run_plan_of(asked, also_held, recorder_.device);
}

void Planner::wait() {
  for (auto& there : on_device_)
    if (there && !there->stream.is_immediate()) there->stream.wait();
}

void Planner::run_plan_of(std::span<const Ref> asked, bool also_held, int device) {
  if (!scratch_) scratch_ = std::make_unique<Walk>();
  Walk& w = *scratch_;
  walk(asked, also_held, w, true, device);
  bool anything = false;
  for (Node* n : w.nodes) anything |= n->op != Op::constant || is_asked(n, w.asked);
  if (!anything) return;
  if (moves_to_fallback(w, nullptr)) return run_parts(asked, also_held);
  stats_.evals.add(1);
  try {
    return run_walked(w);
  } catch (const Error& e) {
    if (e.code() == JT_E_UNSUPPORTED && moves_to_fallback(w, &e)) return run_parts(asked, also_held);
    if (e.code() != JT_E_NOMEM || !w.stores_for_gradient) throw;
  }
  // What only waits for a gradient can be computed again then.
  walk(asked, also_held, w, false, device);
  run_walked(w);
}

// A device may say only of a whole kernel that it does not take it: then everything of the plan runs on the CPU, next
// time at once.
bool Planner::moves_to_fallback(const Walk& w, const Error* refusal) {
  constexpr size_t kMaxRefused = 1024;
  if (!refusal && refused_.empty()) [[likely]] return false;
  int to = runtime_.fallback();
  if (to < 0 || runtime_.device(w.device).device.is_like_host()) return false;
  uint64_t hash = hash_bytes(w.key.all().data(), w.key.all().size_bytes());
  if (!refusal && !refused_.contains(hash)) return false;
  if (refused_.size() == kMaxRefused) refused_.clear();
  if (refused_.insert(hash).second)
    runtime_.log(LogLevel::warning, "plan", w.nodes.size(), " ops run on ", runtime_.device(to).device.name(),
                 " instead of ", runtime_.device(w.device).device.name(), ": ", refusal->message());
  for (Node* node : w.nodes)
    if (node->op != Op::constant) node->device = uint8_t(to);
  recorder_.mixes_devices = true;
  return true;
}

SizedPlan Planner::plan_of(Block block, const std::vector<bool>& dies, int device) {
  SizedPlan made = compile(std::move(block), runtime_, dies, dump.stages.empty() ? nullptr : &dump, watch, kAnyMemory,
                           nullptr, device);
  stats_.plans_made.add(1);
  return made;
}

namespace {

// While it lives, the params of a run lie where its device reaches them.
class ReachableParams {
 public:
  ReachableParams(std::span<Buffer* const> params, bool is_like_host, BufferPool& pool, DeviceStream& stream)
      : params_(params) {
    if (is_like_host && std::ranges::all_of(params, is_plain)) [[likely]] return;
    held_ = reachable_buffers(params, pool, stream);
    params_ = held_;
  }
  ~ReachableParams() {
    for (Buffer* b : held_) release(b);
  }
  ReachableParams(const ReachableParams&) = delete;
  std::span<Buffer* const> params() const { return params_; }

 private:
  std::span<Buffer* const> params_;
  std::vector<Buffer*> held_;
};

}  // namespace

void Planner::execute(const Execution& run, std::vector<Buffer*>& of_results) {
  OnDevice& there = on(run.device);
  ReachableParams reachable(run.params, there.is_like_host, *there.state.pool, there.stream);
  ThreadPool::Rest rest(runtime_.threads);
  const Plan& plan = *run.made.plan;
  // Nothing can fail between a run and what it leaves behind.
  const size_t n_results = plan.result_output.size() - plan.guard_outputs.size();
  of_results.reserve(n_results);
  is_given_.assign(run.made.sizing->output_bytes.size(), false);
  outputs_.clear();
  RunCounts counts =
      run_plan(run.made, run.arguments, {reachable.params(), run.scalars, run.wheres, runtime_.timing, &watch},
               there.workspace, *there.state.pool, there.stream, runtime_.trace, outputs_);
  stats_.launches.add(counts.launches), stats_.library_calls.add(counts.library_calls);
  // An alias of an operand shares its buffer.
  for (size_t i = 0; i < n_results; i++) {
    int32_t o = plan.result_output[i];
    Buffer* b = o >= 0 ? outputs_[size_t(o)] : reachable.params()[size_t(plan.result_input[i])];
    bool takes_count = o >= 0 && !std::exchange(is_given_[size_t(o)], true);
    if (!takes_count) retain(b);
    of_results.push_back(b);
  }
  for (size_t o = 0; o < outputs_.size(); o++)
    if (!is_given_[o]) release(outputs_[o]);
}

void Planner::run_walked(Walk& w) {
  CachedPlan& cached = find_or_make(w);
  for (;;) {
    try {
      execute({cached.made, *cached.arguments, w.params, w.scalars, w.wheres, w.device}, w.of_results);
      break;
    } catch (const Error& e) {
      if (e.code() != JT_E_NOMEM) throw;
      SizedPlan smaller = with_less_memory(w, cached.made);
      if (!smaller) throw;
      cached.replace(std::move(smaller));
    }
  }
  settle(w);
}

// What ran becomes a value: it leaves the pending list and, unless gradients need them, lets go of its operands.
void Planner::settle(Walk& w) {
  for (size_t i = 0; i < w.results.size(); i++) {
    Result& r = w.results[i].node->results()[w.results[i].result];
    if (r.buffer) release(w.of_results[i]);
    else show_buffer(r, w.of_results[i]);
  }
  // Held while operands go, so that no node of the walk vanishes under it.
  for (Ref r : w.results) retain(r.node);
  for (Ref r : w.results) {
    if (r.node->op == Op::constant || !r.node->has_run()) continue;
    recorder_.settle(r.node);
    if (keeps_for_gradient(r.node)) continue;
    uint16_t n = std::exchange(r.node->n_inputs, uint16_t(0));
    for (uint16_t k = 0; k < n; k++) release(r.node->inputs()[k].node);
  }
  for (Ref r : w.results) release(r.node);
}

}  // namespace jt
