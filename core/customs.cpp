// customs: runs pending custom ops before the plan that needs them: plans for what they read, then the functions.
//
// Each round takes the custom ops that no other pending one stands before: one plan for all their operands, then their
// functions in program order. What that plan computes on the way and others will need is kept, so nothing is computed
// twice. A function that fails poisons its node and goes no further; one that says JT_E_CANCELLED ends the evaluation,
// and its node stays pending; a plan that fails throws and has changed nothing.
#include "core/ir/custom.h"
#include "core/planner.h"

namespace jt {

List<Node*> needed_nodes(Recorder& recorder, std::span<const Ref> asked, bool also_held) {
  uint32_t mark = recorder.next_mark();
  for (Ref r : asked) r.node->mark = mark;
  List<Node*> out;
  for (Node* node = recorder.last_pending(); node; node = node->previous) {
    bool is_held = also_held && node->op != Op::constant && node->has_handles();
    if (node->mark != mark && !is_held) continue;
    out.push_back(node);
    for (Ref in : node->ins()) in.node->mark = mark;
  }
  std::reverse(out.begin(), out.end());
  return out;
}

namespace {

// Those that depend on no other custom op among `nodes`.
List<Node*> first_customs(Recorder& recorder, std::span<Node* const> nodes) {
  uint32_t behind = recorder.next_mark();
  List<Node*> out;
  for (Node* node : nodes) {
    bool waits = false;
    for (Ref in : node->ins()) waits |= in.node->mark == behind;
    if (node->op == Op::custom && !waits) out.push_back(node);
    if (node->op == Op::custom || waits) node->mark = behind;
  }
  return out;
}

bool is_cheap(const Node* node) {
  Kind k = kind(node);
  return k == Kind::constant || k == Kind::source || k == Kind::movement;
}

// What the custom ops read, and what is computed for that and read by others too.
List<Ref> roots_of(Recorder& recorder, std::span<Node* const> customs, std::span<Node* const> nodes) {
  List<Ref> roots;
  uint32_t inside = recorder.next_mark(), taken = recorder.next_mark();
  auto take = [&](Ref r) {
    if (!r.node->has(kPending) || r.node->mark == taken) return;
    r.node->mark = taken;
    roots.push_back(r);
  };
  for (Node* custom : customs)
    for (Ref in : custom->ins()) in.node->mark = inside;
  for (size_t i = nodes.size(); i-- > 0;)
    if (nodes[i]->mark == inside && nodes[i]->op != Op::custom)
      for (Ref in : nodes[i]->ins()) in.node->mark = inside;
  // From here on: inside, or taken, which is inside too. A cheap value is left to be made again from what it reads.
  List<Ref> shared;
  for (Node* node : nodes) {
    bool is_inside = node->mark == inside;
    if (is_inside && node->has_handles() && node->op != Op::constant) shared.push_back({node, 0});
    if (is_inside) continue;
    for (Ref in : node->ins())
      if (in.node->mark == inside) shared.push_back(in);
  }
  for (Node* custom : customs)
    for (Ref in : custom->ins()) take(in);
  while (!shared.empty()) {
    Ref r = shared.back();
    shared.pop_back();
    bool is_left = is_cheap(r.node) && !r.node->has_handles() && r.node->mark == inside;
    if (!is_left) {
      take(r);
      continue;
    }
    r.node->mark = taken;
    for (Ref in : r.node->ins()) shared.push_back(in);
  }
  return roots;
}

}  // namespace

// The function, on buffers: its outputs belong to the node afterwards. Throws only before the function was called, or
// what it threw to end the evaluation.
void Planner::call(Node* node) {
  List<HostView> in, out;
  for (Ref r : node->ins())
    in.push_back({&r.type(), const_cast<void*>(host_bytes(r.node->results()[r.result].buffer))});
  struct Outputs : List<Buffer*> {
    ~Outputs() {
      for (Buffer* b : *this) release(b);
    }
  } buffers;
  buffers.reserve(node->n_results), out.reserve(node->n_results);
  for (int i = 0; i < node->n_results; i++) {
    const Type& type = node->results()[i].type;
    buffers.push_back(runtime_.pool->allocate(type.bytes()));
    out.push_back({&type, host_room(buffers.back())});
  }
  int64_t begin = runtime_.trace.is_on() ? Trace::now_ns() : 0;
  try {
    InCallback inside(recorder_.in_callback);
    node->custom->forward(in, out);
  } catch (...) {
    Error error = caught();
    if (error.code() == JT_E_CANCELLED) throw Interrupted(error);  // nothing is wrong with it: it stays pending
    recorder_.poison(node, error);
    if (!of_custom_) of_custom_ = std::move(error);
    return;
  }
  if (runtime_.trace.is_on()) runtime_.trace.add(std::string(node->custom->name()), "custom", begin, Trace::now_ns());
  stats_.library_calls.add(1);
  for (int i = 0; i < node->n_results; i++) show_buffer(node->results()[i], buffers[size_t(i)]);
  buffers.clear();
  recorder_.settle(node);
  if (node->has(kGrad) && !node->has(kConsumed)) return;
  uint16_t n = std::exchange(node->n_inputs, uint16_t(0));
  for (uint16_t k = 0; k < n; k++) release(node->inputs()[k].node);
}

// One round; false if there was nothing to do.
bool Planner::run_first_customs(std::span<const Ref> asked, bool also_held) {
  List<Node*> nodes = needed_nodes(recorder_, asked, also_held);
  List<Node*> customs = first_customs(recorder_, nodes);
  if (customs.empty()) return false;
  List<Ref> roots = roots_of(recorder_, customs, nodes);
  List<Value> held;  // functions may let go of handles
  for (Node* custom : customs) held.push_back(Ref{custom, 0});
  if (!roots.empty()) run_parts(roots, false);
  for (Node* custom : customs) {
    watch.look();
    if (custom->has(kPending)) call(custom);
  }
  return true;
}

void Planner::run_customs(std::span<const Ref> asked, bool also_held) {
  Recycling recycling(recorder_.lists);
  while (run_first_customs(asked, also_held)) {
  }
  bool any = false;
  for (Node* node = recorder_.first_pending(); node && !any; node = node->next) any = node->op == Op::custom;
  recorder_.may_hold_customs = any;
}

}  // namespace jt
