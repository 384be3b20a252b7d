#include "core/planner.h"

#include "core/base/hash.h"
#include "core/ir/rules.h"

namespace jt {

constexpr size_t kMaxPlans = 1024;

// Everything one walk over the pending nodes finds.
struct Planner::Walk {
  std::vector<Node*> nodes;         // needed, in program order
  std::vector<Ref> leaves;          // operands that have run
  std::vector<bool> dies;           // by leaf
  std::vector<Buffer*> params;      // by leaf
  std::vector<int64_t> scalars;     // of constants, in order
  std::vector<int64_t> wheres;      // starts of slices and updates, in order
  std::vector<Ref> results;         // what must have buffers afterwards
  std::vector<uint64_t> key;
  struct Uses {                     // see find_uses_that_end
    std::vector<uint32_t> ends, inside;
    std::vector<char> is_result, survives;
  } uses;
  std::vector<Buffer*> outputs, of_results;  // of the run
  void clear() {
    outputs.clear(), of_results.clear(), nodes.clear(), leaves.clear(), dies.clear(), params.clear(), scalars.clear(), wheres.clear(), results.clear(), key.clear();
  }
};

Planner::Planner(Recorder& recorder, Runtime& runtime) : recorder_(recorder), runtime_(runtime) {}
Planner::~Planner() = default;

namespace {

bool keeps_for_gradient(const Node* node) {
  return node->has(kGrad) && !node->has(kConsumed);
}
// Never computed twice: a gradient that asks for it later finds it stored.
bool is_stored_for_gradient(const Node* node) {
  Kind k = kind(node);
  return keeps_for_gradient(node) && (k == Kind::library || k == Kind::reduce || k == Kind::index);
}
// What an eval runs: what was asked for and, unless that failed before, every value that has a handle.
struct Roots {
  std::span<const Ref> asked;
  bool also_held = true;
};

bool is_asked(const Node* node, std::span<const Ref> asked) {
  for (Ref r : asked)
    if (r.node == node) return true;
  return false;
}

// A pending node is a root if someone may look at it. Constants are written in the program: they run only when asked for,
// so that a graph looks the same whether they were looked at or not.
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

void add_type(std::vector<uint64_t>& key, const Type& t) {
  key.push_back(uint64_t(t.dtype) | uint64_t(t.shape.units) << 8 | uint64_t(t.shape.rank) << 16);
  for (int64_t extent : t.shape.extents()) key.push_back(uint64_t(extent));
}

// seed and stream as one Philox key; it and the counter are arguments of a plan.
int64_t random_key(const Node* n) {
  return int64_t(uint64_t(n->integer(1)) ^ uint64_t(n->integer(2)) * 0x9E3779B97F4A7C15u);
}

// Attributes that say where, not what: arguments of a plan.
int starts_attr(Op op) { return op == Op::slice || op == Op::update ? 0 : -1; }

}  // namespace

constexpr int32_t kLeaf = 1 << 30;  // numbers from here on are of operands that have run

static bool is_leaf(Ref in) { return in.node->has_run() && in.node->op != Op::constant; }

static int32_t operand_number(Ref in, std::vector<Ref>& leaves, uint32_t mark, std::vector<uint64_t>& key) {
  Result& r = in.node->results()[in.result];
  if (!is_leaf(in)) return r.number;
  bool seen = in.node->mark == mark && r.number >= 0;
  if (!seen) {
    if (in.node->mark != mark) {
      in.node->mark = mark;
      for (int i = 0; i < in.node->n_results; i++) in.node->results()[i].number = -1;
    }
    r.number = kLeaf + int32_t(leaves.size());
    leaves.push_back(in);
    key.push_back(0xfeed);
    add_type(key, r.type);
  }
  return r.number;
}

// Only pending nodes of this walk refer to it, and its buffer is ours alone.
static bool leaf_dies(Ref leaf, uint32_t inner_uses) {
  const Result& r = leaf.node->results()[leaf.result];
  return leaf.node->n_results == 1 && leaf.node->refs == inner_uses && !r.handles && is_exclusive(r.buffer);
}

// The pending nodes of a walk as a block of their own.
static Block captured(std::span<Node* const> nodes, std::span<const Ref> leaves, std::span<const Ref> results) {
  Block b;
  Recorder& r = *b.recorder;
  for (Ref leaf : leaves) b.params.push_back(r.leaf(leaf.type(), nullptr));
  std::vector<Value> values;  // by Result::number
  auto value_of = [&](Ref in) -> Ref {
    int32_t number = in.node->results()[in.result].number;
    return number >= kLeaf ? b.params[size_t(number - kLeaf)].ref() : values[size_t(number)].ref();
  };
  for (Node* n : nodes) {
    std::vector<Ref> ins;
    for (Ref in : n->ins()) ins.push_back(value_of(in));
    Value copy = r.again(n, ins);
    Node* made = copy.ref().node;
    made->origin = -1;
    if (n->op == Op::constant) {
      made->origin = int32_t(b.scalars.size());
      b.scalars.push_back({n->results()[0].type.dtype, n->constant_bits});
    } else if (n->op == Op::random_bits) {
      made->origin = int32_t(b.scalars.size());
      b.scalars.push_back({JT_U64, random_key(n)});
      b.scalars.push_back({JT_I64, n->integer(3)});
    }
    if (int a = starts_attr(n->op); a >= 0) {
      made->origin = int32_t(b.wheres.size());
      for (int64_t start : n->ints(a)) b.wheres.push_back(start);
    }
    for (int i = 0; i < n->n_results; i++) values.push_back(Value(Ref{made, uint32_t(i)}));
    b.nodes.push_back(std::move(copy));
  }
  for (Ref result : results) b.results.push_back(Value(value_of(result)));
  return b;
}

// How many operand slots of each leaf are given up by this eval: those of nodes that run and let go, or that nobody
// outside this walk can reach any more.
void Planner::find_uses_that_end(Walk& w, int32_t n_values) {
  auto& [ends, inside, is_result, survives] = w.uses;
  ends.assign(w.leaves.size(), 0), inside.assign(size_t(n_values), 0);
  is_result.assign(size_t(n_values), false), survives.assign(size_t(n_values), false);
  std::span<Node* const> nodes = w.nodes;
  auto id = [](const Node* n) { return size_t(n->results()[0].number); };
  for (Ref r : w.results) is_result[id(r.node)] = true;
  for (Node* n : nodes)
    for (Ref in : n->ins())
      if (!is_leaf(in)) inside[id(in.node)]++;
  for (size_t i = nodes.size(); i-- > 0;) {
    Node* n = nodes[i];
    bool lets_go = is_result[id(n)] ? n->op != Op::constant && !keeps_for_gradient(n)
                                    : !survives[id(n)] && n->refs == inside[id(n)] && !keeps_for_gradient(n);
    for (Ref in : n->ins()) {
      if (is_leaf(in)) ends[size_t(in.node->results()[in.result].number - kLeaf)] += lets_go;
      else if (!lets_go) survives[id(in.node)] = true;
    }
  }
}

void Planner::walk(std::span<const Ref> asked, bool also_held, Walk& w) {
  w.clear();
  Roots roots{asked, also_held};
  uint32_t mark = recorder_.next_mark();
  mark_needed(recorder_, roots, mark, w.nodes);

  int32_t number = 0;
  for (Node* n : w.nodes) {
    uint64_t shared = uint64_t(n->op) | uint64_t(n->n_inputs) << 16;
    bool wanted = is_root(n, roots) || is_stored_for_gradient(n);
    std::vector<uint64_t>& key = w.key;
    size_t head = key.size();
    key.push_back(0);
    for (Ref in : n->ins()) key.push_back(uint64_t(operand_number(in, w.leaves, mark, key)) | 1ull << 40);
    if (n->op == Op::constant) {
      key.push_back(uint64_t(scalar_class(n->results()[0].type.dtype, n->constant_bits)));
      w.scalars.push_back(n->constant_bits);
    }
    if (n->op == Op::random_bits) {
      w.scalars.push_back(random_key(n));
      w.scalars.push_back(n->integer(3));
    }
    int starts = starts_attr(n->op);
    for (int a = 0; a < n->n_attrs; a++) {
      if (n->op == Op::random_bits && a > 0) break;
      auto words = n->ints(a);
      key.push_back(words.size());
      bool moves = a == starts;
      if (moves) w.wheres.insert(w.wheres.end(), words.begin(), words.end());
      // stops only repeat what the starts and the result's extents say
      if (n->op == Op::slice && a == 1) continue;
      for (int64_t word : words) key.push_back(moves ? uint64_t(word != 0) : uint64_t(word));
    }
    for (int i = 0; i < n->n_results; i++) {
      Result& r = n->results()[i];
      r.number = number++;
      add_type(key, r.type);
      if (wanted) w.results.push_back({n, uint32_t(i)});
      key.push_back(wanted);
    }
    key[head] = shared | uint64_t(key.size() - head) << 32;
  }
  find_uses_that_end(w, number);
  for (size_t i = 0; i < w.leaves.size(); i++) {
    w.dies.push_back(leaf_dies(w.leaves[i], w.uses.ends[i]));
    w.params.push_back(w.leaves[i].node->results()[w.leaves[i].result].buffer);
    w.key.push_back(w.dies.back());
  }
}

std::string Planner::show(std::span<const Ref> asked, char stage) {
  Walk w;
  walk(asked, true, w);
  std::string out;
  Dump one{std::string(1, stage), [&](char, std::string_view text) { out += text; }};
  try {
    compile(captured(w.nodes, w.leaves, w.results), runtime_, w.dies, &one);
  } catch (const Error&) {
    if (out.empty()) throw;  // a later stage may fail on what an earlier one shows
  }
  return out;
}

void Planner::eval(std::span<const Ref> asked) {
  of_custom_.reset();
  try {
    run(asked, true);
  } catch (...) {
    salvage(asked);
  }
  if (of_custom_ && asked.empty()) throw *of_custom_;
}

void Planner::run(std::span<const Ref> asked, bool also_held) {
  if (recorder_.may_hold_customs) [[unlikely]] run_customs(asked, also_held);
  run_plan_of(asked, also_held);
}

void Planner::run_plan_of(std::span<const Ref> asked, bool also_held) {
  if (!scratch_) scratch_ = std::make_unique<Walk>();
  Walk& w = *scratch_;
  walk(asked, also_held, w);
  bool anything = false;
  for (Node* n : w.nodes) anything |= n->op != Op::constant || is_asked(n, asked);
  if (!anything) return;
  runtime_.stats.evals++;
  Plan& plan = find_or_make(w);
  w.of_results.reserve(w.results.size());  // nothing can fail between a run and what it leaves behind
  int64_t launches = 0, calls = 0;
  run_plan(plan, {w.params, w.scalars, w.wheres, runtime_.timing}, workspace_, *runtime_.pool, runtime_.trace, w.outputs, &launches, &calls);
  runtime_.stats.launches += launches;
  runtime_.stats.library_calls += calls;
  // Buffers of results, in order; an alias of an operand shares its buffer.
  for (size_t i = 0; i < w.results.size(); i++) {
    int32_t o = plan.result_output[i];
    Buffer* b = o >= 0 ? w.outputs[size_t(o)] : w.params[size_t(plan.result_input[i])];
    retain(b);
    w.of_results.push_back(b);
  }
  for (Buffer* b : w.outputs) release(b);
  settle(w);
}

Plan& Planner::find_or_make(Walk& w) {
  if (!plans_.empty() && plans_.front().key == w.key) {
    runtime_.stats.plans_reused++;
    return *plans_.front().plan;
  }
  uint64_t hash = hash_bytes(w.key.data(), w.key.size() * 8);
  for (auto it : by_hash_[hash]) {
    if (it->key != w.key) continue;
    plans_.splice(plans_.begin(), plans_, it);
    runtime_.stats.plans_reused++;
    return *it->plan;
  }
  Dump* seen = dump.stages.empty() ? nullptr : &dump;
  auto plan = compile(captured(w.nodes, w.leaves, w.results), runtime_, w.dies, seen);
  runtime_.stats.plans_made++;
  plans_.push_front({w.key, plan});
  by_hash_[hash].push_back(plans_.begin());
  if (plans_.size() > kMaxPlans) {
    auto last = std::prev(plans_.end());
    auto& same = by_hash_[hash_bytes(last->key.data(), last->key.size() * 8)];
    std::erase(same, last);
    plans_.pop_back();
  }
  return *plan;
}

// What ran becomes a value: it leaves the pending list and, unless gradients need them, lets go of its operands.
void Planner::settle(Walk& w) {
  for (size_t i = 0; i < w.results.size(); i++) {
    Result& r = w.results[i].node->results()[w.results[i].result];
    if (r.buffer) release(r.buffer);
    r.buffer = w.of_results[i];
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
