// block: a graph as a value: parameters, nodes in order, results. What passes read and write.
//
// A block owns its nodes through a recorder of its own. Every node's inputs are parameters or earlier nodes. Nodes are
// immutable: a pass builds a new list.
//
// Numbers that vary between two runs of the same structure are not baked in. A constant node's `origin` is the id of a
// Scalar: one written in the program, or folded from other scalars by an op; a later run of the same plan computes the
// folds again. A constant that a body or pass made has origin -1: it is part of the structure; or kCount: it counts
// elements, so it varies with the extents and steers no rule. A slice's or update's `origin` is the id of the first of
// its starts in `wheres` (one per axis, -1: its starts are structure). A pass that makes a node from such a node with
// the same constant or the same starts passes the origin on; no pass may compute with these numbers in any other way
// than by a Fold or by ScalarClass.
#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/ir/recorder.h"

namespace jt {

constexpr int32_t kStructure = -1, kCount = -2;  // values of Node::origin beside ids

struct Scalar {
  DType dtype;
  int64_t bits;       // value in this run: double bits for floats, else the integer
  Op fold = Op::data; // data: written in the program; constant: part of the structure, the same in every run;
                      // else this op (element row, or cast to dtype) of `from`, all of them earlier scalars
  int32_t from[3] = {-1, -1, -1};
};

// A result that tells of an index: 0 where every element is inside 0..size-1 (or -size..size-1), else an element that
// is not.
struct Guard {
  std::string who;
  Dim size = 0;
  bool wraps = false, is_unsigned = false;
  [[noreturn]] void fail_with(int64_t found) const;
};

struct Block {
  std::unique_ptr<Recorder> recorder = std::make_unique<Recorder>();  // declared first: outlives the values
  std::vector<Value> params;   // data nodes
  std::vector<Value> nodes;    // everything else, inputs before users
  std::vector<Value> results;  // any results of params or nodes; may repeat
  std::vector<Guard> guards;   // what the last results, one each, are: while one is not 0, nothing is written over
  std::vector<Scalar> scalars;
  std::vector<int64_t> wheres;

  Block() { recorder->lists_pending = false, recorder->grad_mode = false; }
  Block(Block&&) = default;
  Block& operator=(Block&& o) noexcept {  // the old values go before their recorder
    std::swap(recorder, o.recorder), std::swap(params, o.params), std::swap(nodes, o.nodes);
    std::swap(results, o.results), std::swap(guards, o.guards), std::swap(scalars, o.scalars),
        std::swap(wheres, o.wheres);
    return *this;
  }
};

// The text form, and back. Lossless: parse(print(b)) prints the same text. See docs/IR.md.
std::string print(const Block& block);
Block parse(std::string_view text);
// Throws JT_E_INVALID naming the node and the fact if the block breaks a rule above or an op's type rule.
void verify(const Block& block);
// A type with its unit axes marked: f32[64,1u].
void append_exact(std::string& out, const Type& type);
// Graphviz.
std::string dot(const Block& block);

}  // namespace jt
