// step_graph: what the fuser works on: steps, who uses which value, and the order between steps. It decides nothing.
#pragma once
#include <map>
#include <utility>
#include <vector>

#include "core/schedule/fuse.h"
#include "core/schedule/step_order.h"

namespace jt {

struct ValueInfo {
  std::vector<std::pair<int, int>> uses;  // (step, use) not yet resolved
  std::vector<int> readers;               // steps that read its buffer whole (library calls, gathers)
  bool must = false;                      // its buffer is needed
  int step = -1;                          // that makes its buffer
};

class StepGraph {
 public:
  StepGraph(const Block& block, const Numbering& numbering)
      : block(block), numbering_(numbering), infos_(size_t(numbering.size())) {}

  const Block& block;
  ValueInfo& info(Ref r) { return infos_[size_t(numbering_[r])]; }
  Step& step(int s) { return steps_[size_t(s)]; }
  Group& group(int s) { return steps_[size_t(s)].group; }
  bool is_needed(Ref ref) { return info(ref).must || !info(ref).uses.empty(); }

  // ---- steps ----
  int new_step(int position);
  // A new flat group whose axes are those of `shape`.
  int new_group(const Shape& shape, int position);
  bool reaches(int from, int to) const { return order_.reaches(from, to); }
  void precedes(int from, int to) { order_.precedes(from, to); }
  // `gone` is part of `into` from now on.
  void takes_place(int into, int gone);
  // A step that nothing is done in, behind all of these.
  int new_step_behind(const std::vector<int>& parts, int position);

  // ---- uses ----
  // Registers that step `s` needs `ref` at `coords`; constants are resolved at once.
  int add_use(int s, Ref ref, Coords coords);
  void add_output(int s, Ref value, int use, Coords coords);
  void read_whole(int s, Ref ref);
  // All users load it; whoever makes it runs before them.
  void load_all(Ref ref);
  // `ref` has the bytes of `of`.
  void add_alias(Ref ref, Ref of) { aliases_.push_back({ref, of}); }

  // Program order, except where a step waits for another.
  Schedule ordered();

 private:
  Ref resolved(Ref r);
  struct RefOrder {
    bool operator()(Ref a, Ref b) const { return a.node != b.node ? a.node < b.node : a.result < b.result; }
  };
  const Numbering& numbering_;
  std::vector<ValueInfo> infos_;
  std::vector<Step> steps_;
  std::vector<bool> is_merged_;              // into another step
  std::vector<bool> is_empty_;               // stands for several others
  StepOrder order_;
  std::vector<std::pair<Ref, Ref>> aliases_;
  std::map<Ref, Ref, RefOrder> alias_;
  std::vector<std::pair<int, int>> parts_;   // (step, empty step behind it)
};

int add_instance(Group& g, Ref ref, const Coords& coords, bool loads);
// Unit axes are not walked: their coordinate is always 0.
Coords identity(const Shape& shape);

// ---- joining.cpp: which groups become one, and which group a value is computed in ----
constexpr int kMaxInstances = 128, kMaxOpenUses = 28;
size_t open_operands(const Group& g);
// Groups that walk the same axes and use the same value become one, so that it is computed once and read by both: the
// two sums of a cross entropy, a mean and a variance.
void merge_users(StepGraph& graph, Ref ref);
// The one set of coordinates at which a group uses the value, or null.
const Coords* common_coords(StepGraph& graph, Ref ref, int s);
bool has_other_users(StepGraph& graph, Ref ref, int s);
// -1: none.
int group_to_join(StepGraph& graph, Node* node);

// ---- index_rows.cpp: addresses that are computed ----
// take, gather, reindex: the operand is read whole, at addresses computed from the index, which is inlined.
std::vector<int> use_index_operands(StepGraph& graph, Node* node, int s, const Coords& coords);
// One group per operand; each stores its part. Whoever reads the whole waits for one empty step behind all of them.
void make_concat(StepGraph& graph, Node* node, int position);
// update, scatter, scatter_add, reindex_reduce: a group over the values that come, storing into what was there.
void make_scatter(StepGraph& graph, Node* node, int position);

}  // namespace jt
