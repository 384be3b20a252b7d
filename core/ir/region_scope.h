// region_scope: branches and loops recorded by functions that record their blocks.
//
// A function is called at once. It gets *placeholders* for the params of its block and records on them as on any value,
// on the same recorder. Then the nodes between placeholders and what it returned are copied into a block. They are
// never pending: a placeholder is poisoned, so that whatever is made from it has no value, and says so. What a loop's
// nodes use that depends on no placeholder stays where it was recorded and is captured: computed once, outside. In a
// branch only what was there before is captured, and constants are in both, unless they are 0, 1 or -1 or count
// elements: then they are part of the block.
#pragma once
#include <functional>

#include "core/ir/region.h"

namespace jt {

using BodyFunction = std::function<std::vector<Value>(std::span<const Value> params)>;

// One of two functions of no params, by a 0-d bool; both give as many values of the same types, except that unit flags
// go.
std::vector<Value> record_branch(Recorder& recorder, std::string_view who, Ref condition, const BodyFunction& then,
                                 const BodyFunction& otherwise);

struct LoopBody {
  std::vector<Value> next;     // of the carried values, of their types
  std::vector<Value> stacked;  // a row each
  Value goes_on;               // 0-d bool; empty: always
};
struct LoopRecipe {
  Ref trips;                     // i64 []; empty: `most`, or without end
  int64_t most = -1;             // rounds at most; -1: any number, then there are no rows and no gradients
  std::span<const Ref> initial;  // of the carried values
  // Whether to begin a round with these values, asked before each; null: always.
  std::function<Value(std::span<const Value> carried)> condition;
  std::function<LoopBody(const Value& i, std::span<const Value> carried)> body;
};
// What is carried at the end, then what is stacked.
std::vector<Value> record_loop(Recorder& recorder, std::string_view who, const LoopRecipe& recipe);

}  // namespace jt
