// flush: where to cut a long pending graph, so that a loop that looks at nothing runs in plans that fit again.
#include "core/planner.h"

namespace jt {

// The first node that was recorded when the program was last back at the line of the first pending node; null if it
// never came back, or no line is known.
static Node* last_return(const Recorder& recorder) {
  Node* first = recorder.first_pending();
  while (first && first->op == Op::constant) first = first->next;  // these never run unless asked for
  if (!first || !first->line) return nullptr;
  for (Node* node = recorder.last_pending(); node != first; node = node->previous)
    if (node->line == first->line && node->previous->line != first->line) return node;
  return nullptr;
}

// What was recorded before `cut` and is held, or read by what was recorded since.
static std::vector<Ref> values_at(Recorder& recorder, Node* cut) {
  std::vector<Ref> out;
  uint32_t taken = recorder.next_mark();
  auto take = [&](Node* node) {
    bool is_value = node->has(kPending) && node->sequence < cut->sequence && node->op != Op::constant;
    if (!is_value || node->mark == taken) return;
    node->mark = taken;
    out.push_back({node, 0});
  };
  for (Node* node = recorder.first_pending(); node != cut; node = node->next)
    if (node->has_handles()) take(node);
  for (Node* node = cut; node; node = node->next)
    for (Ref in : node->ins()) take(in.node);
  return out;
}

void Planner::flush() {
  constexpr size_t kMostValues = 256;
  Node* cut = last_return(recorder_);
  int64_t before = 0;
  for (Node* node = recorder_.first_pending(); cut && node != cut; node = node->next) before++;
  if (before < recorder_.pending_count() / 2) return eval({});
  std::vector<Ref> values = values_at(recorder_, cut);
  if (values.empty() || values.size() > kMostValues) return eval({});
  try {
    run(values, false);
  } catch (const Interrupted&) {
    throw;
  } catch (...) {
    salvage(values);
  }
}

}  // namespace jt
