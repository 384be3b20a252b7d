// planner_walk: what one walk over the pending nodes finds: a key, a binding, and numbers beside them.
#pragma once
#include <algorithm>

#include "core/planner.h"

namespace jt {

// Words written one after another; room for them is made beforehand, many at a time.
class Words {
 public:
  void make_room(size_t more) {
    if (size_ + more <= words_.size()) return;
    words_.resize(std::max(2 * words_.size(), size_ + more));
  }
  void put(uint64_t word) { words_[size_++] = word; }
  void set(size_t at, uint64_t word) { words_[at] = word; }
  size_t size() const { return size_; }
  void clear() { size_ = 0; }
  std::span<const uint64_t> all() const { return {words_.data(), size_}; }

 private:
  std::vector<uint64_t> words_;
  size_t size_ = 0;
};

// Everything one walk over the pending nodes finds.
struct Planner::Walk {
  std::vector<const Node*> asked;   // in order of address
  std::vector<Node*> nodes;         // needed, in program order
  std::vector<Ref> leaves;          // operands that have run
  std::vector<char> dies;           // by leaf
  std::vector<Buffer*> params;      // by leaf
  std::vector<int64_t> scalars;     // of constants, in order
  std::vector<int64_t> wheres;      // starts of slices and updates, in order
  std::vector<Ref> results;         // what must have buffers afterwards
  Words key, binding;
  std::vector<uint32_t> of_leaf, of_node;  // where their words of the binding begin
  std::vector<NamedWord> named;
  const Recorder* recorder = nullptr;
  size_t room = 0;                  // of a node in the key, at most
  struct Use { uint32_t inside; bool is_result, survives; };
  std::vector<Use> uses;            // by node, that is by number of its first result; see find_uses_that_end
  std::vector<uint32_t> ends;       // by leaf: operand slots that this eval gives up
  std::vector<Buffer*> of_results;  // of the run
  bool stores_for_gradient = false; // some results are there for nothing else
  int device = 0;                  // where it runs
  void clear() {
    of_results.clear(), asked.clear(), nodes.clear(), leaves.clear(), dies.clear(), params.clear(),
        scalars.clear();
    wheres.clear(), results.clear(), key.clear(), binding.clear(), of_leaf.clear(), of_node.clear(), named.clear(),
        stores_for_gradient = false;
  }
  std::vector<bool> dying() const { return {dies.begin(), dies.end()}; }
  WalkedGraph graph() const { return {nodes, leaves, results, binding.all(), of_leaf, of_node, named}; }
};

}  // namespace jt
