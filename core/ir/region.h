// region: the blocks that a branch or a loop owns; immutable, counted by nodes.
//
//   branch(condition, inputs...)                          two blocks of (inputs...), one for each side, with results of the same types
//   loop(trips, condition, carried..., captured...)       a block (i, carried..., captured...) -> (condition, carried..., stacked...)
//
// A loop runs its block while the condition is true and i, which counts from 0, is below `trips` and, unless that is
// -1, below `most`. It gives what is carried at the end, and what is stacked: [most, ..], a row for each round, zeros
// behind the last. With `counts` the last carried value is the number of rounds. A block uses nothing from outside but
// its params, and has no scalars, starts or guards of its own: constants in it are part of its structure, or count
// elements.
#pragma once
#include <vector>

#include "core/ir/block.h"

namespace jt {

class Region {
 public:
  static constexpr int kMaxDepth = 32;  // of regions in regions

  // Throws where they are nested too deep.
  explicit Region(std::vector<Block> blocks);
  Region(const Region&) = delete;
  const std::vector<Block>& blocks() const { return blocks_; }
  int depth() const { return depth_; }
  // What a plan's key holds of it, and its words that say how far (ir/far.h), in the order of the nodes.
  std::span<const uint64_t> key() const { return key_; }
  std::span<const uint64_t> binding() const { return binding_; }
  void retain() { refs_++; }
  void release() {
    if (--refs_ == 0) delete this;
  }

 private:
  ~Region() = default;
  std::vector<Block> blocks_;
  std::vector<uint64_t> key_, binding_;
  int depth_ = 1;
  int refs_ = 1;  // of nodes; belongs to the context's thread
};

// A count of a region that is handed on, or given back.
class RegionRef {
 public:
  explicit RegionRef(std::vector<Block> blocks) : region_(new Region(std::move(blocks))) {}
  RegionRef(RegionRef&& o) noexcept : region_(std::exchange(o.region_, nullptr)) {}
  ~RegionRef() {
    if (region_) region_->release();
  }
  Region* operator->() const { return region_; }
  const Region& operator*() const { return *region_; }
  Region* give() { return std::exchange(region_, nullptr); }

 private:
  Region* region_;
};

// How the operands and results of a loop follow one another.
struct LoopLayout {
  static constexpr int kFirst = 2;   // operand: the first carried one
  int carried, captured, stacked;
  Dim most;
  bool counts;
  explicit LoopLayout(const Node* loop);
  LoopLayout(const Attrs& attrs, size_t inputs, size_t block_results);
};
inline constexpr int kBranchInputs = 1;  // operand: the first input of a branch

// The types of the results, or an error that names the op, the fact and both values where blocks and operands do not
// fit.
std::vector<Type> region_types(Op op, const Region& region, std::span<const Ref> inputs, const Attrs& attrs);

// The nodes of a block once more, on other values of its params' types; the block's results there.
std::vector<Value> replayed(Recorder& recorder, const Block& block, std::span<const Ref> args,
                            std::vector<Value>* nodes = nullptr);
Block copied(const Block& block);
// The block has other results, and only the nodes that these need.
void set_results(Block& block, std::vector<Value> results);
// Whether a value of a block is a constant of its structure that is true.
bool is_true(Ref value);
bool is_false(Ref value);

}  // namespace jt
