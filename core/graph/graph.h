// graph: a static graph as a value: a block whose params and results have names and parts to play.
//
//   params   the inputs, then the states, then the constants
//   results  the outputs, then what those states become that change, in their order
//
// A state outlives a run: a weight, a running mean, an optimiser's moment. Values of states and constants lie outside,
// in tensors or in a file. Numbers of the block that count draws of random numbers are told before each run.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "core/ir/block.h"

namespace jt {

struct GraphState {
  std::string name;
  bool is_parameter;  // trained; else a buffer
  int32_t next;       // the result that it becomes; -1: a run leaves it as it is
};

// Scalars `key` and `key + 1` are the Philox key and counter of draw `number` of a run; the key is of the seed at that
// time and the stream that the node says.
struct GraphDraw {
  int32_t key;
  int64_t number;
};

struct Graph {
  Block block;
  std::vector<std::string> inputs, constants, outputs;
  std::vector<GraphState> states;
  std::vector<GraphDraw> draws;
  int64_t n_draws = 0;  // of a run

  size_t first_state() const { return inputs.size(); }
  size_t first_constant() const { return inputs.size() + states.size(); }
  const Type& input_type(size_t i) const { return block.params[i].type(); }
  const Type& state_type(size_t i) const { return block.params[first_state() + i].type(); }
  const Type& constant_type(size_t i) const { return block.params[first_constant() + i].type(); }
  const Type& output_type(size_t i) const { return block.results[i].type(); }
};

// The text of a graph, and back, without loss. See docs/IR.md.
std::string to_text(const Graph& graph);
Graph parse_graph(std::string_view text);
// Throws JT_E_INVALID naming the part and the fact where parts and block do not fit.
void verify(const Graph& graph);

}  // namespace jt
