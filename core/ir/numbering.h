// numbering: the values of a block numbered from 0: parameters first, then the results of each node, in order.
//
// One is made when a block is final, and handed on to every stage that keeps things by value. The numbers stand in
// Result::number, so a block has one numbering at a time.
#pragma once
#include "core/ir/block.h"

namespace jt {

class Numbering {
 public:
  explicit Numbering(const Block& block) {
    for (const Value& param : block.params) add(param.ref().node);
    for (const Value& node : block.nodes) add(node.ref().node);
  }
  Numbering(const Numbering&) = delete;
  // A node that the block has got since.
  void add(Node* node) {
    for (int i = 0; i < node->n_results; i++) node->results()[i].number = size_++;
  }
  int operator[](Ref value) const { return value.node->results()[value.result].number; }
  int size() const { return size_; }

 private:
  int size_ = 0;
};

}  // namespace jt
