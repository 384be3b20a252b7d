// partition: what is pending for several devices -> a plan for each in turn.
//
// A node runs on the device that it was recorded for. Each round takes the device of the first node that is needed, and
// of its nodes those that no pending node of another device stands before: one plan for what is held of them and what
// others read. What other devices read is copied to them when their plan runs, once: a copy is kept beside the buffer
// (core/base/fence.h).
#include <algorithm>

#include "core/planner.h"

namespace jt {

namespace {

bool is_at(const Node* node, int device) { return node->device == device || node->op == Op::constant; }

// An operand repeated to the shape of others for the one node that reads it: its reader's plan repeats it.
bool is_repeat(const Node* node) { return node->has(kImplicit) && node->has(kPending) && !node->has_handles(); }
Node* source_of(Node* node) {
  while (is_repeat(node)) node = node->inputs()[0].node;
  return node;
}
void repeat_where_it_is_read(std::span<Node* const> nodes) {
  for (size_t i = nodes.size(); i-- > 0;)
    for (Ref in : nodes[i]->ins())
      if (is_repeat(in.node)) in.node->device = nodes[i]->device;
}
// The first that has to run; what is repeated runs with its reader, unless it alone is asked for.
Node* first_to_run(std::span<Node* const> nodes) {
  auto runs = [](const Node* n) { return n->op != Op::constant; };
  auto first = std::ranges::find_if(nodes, [&](const Node* n) { return runs(n) && !is_repeat(n); });
  if (first == nodes.end()) first = std::ranges::find_if(nodes, runs);
  return first == nodes.end() ? nullptr : *first;
}

// Of a device's nodes, the values that the first plan there leaves behind.
std::vector<Ref> first_values(Recorder& recorder, std::span<Node* const> nodes, std::span<const Ref> asked,
                              bool also_held, int device) {
  uint32_t behind = recorder.next_mark(), taken = recorder.next_mark();
  std::vector<Ref> out;
  auto take = [&](Node* node) {
    if (!node->has(kPending) || node->op == Op::constant || node->mark == behind || node->mark == taken) return;
    node->mark = taken;
    out.push_back({node, 0});
  };
  for (Node* node : nodes) {
    bool waits = !is_at(node, device);
    for (Ref in : node->ins()) waits |= in.node->mark == behind;
    if (waits) node->mark = behind;
  }
  for (Node* node : nodes) {
    if (node->mark == behind)
      for (Ref in : node->ins()) take(source_of(in.node));
    else if (also_held && node->has_handles()) take(node);
  }
  for (Ref r : asked) take(r.node);
  return out;
}

}  // namespace

void Planner::run_by_device(std::span<const Ref> asked, bool also_held) {
  for (;;) {
    List<Node*> nodes = needed_nodes(recorder_, asked, also_held);
    repeat_where_it_is_read(nodes);
    const Node* first = first_to_run(nodes);
    int device = first ? first->device : recorder_.device;
    if (std::ranges::all_of(nodes, [device](const Node* n) { return is_at(n, device); }))
      return run_plan_of(asked, also_held, device);
    run_plan_of(first_values(recorder_, nodes, asked, also_held, device), false, device);
  }
}

}  // namespace jt
