// tracing: what a program records between two calls -> a static graph.
//
// The program gets placeholders for the graph's inputs and records on them as always; nothing runs. What it assigns to
// tensors that were there before is what these states become; when the recording ends, they stand again for what they
// stood for. Reading a value would bake it into the graph and is an error, but for data that the program made since the
// recording began. What is used from outside is a state if it is a tensor that has a name or is trained, else a
// constant.
#pragma once
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/context.h"
#include "core/graph/graph.h"

namespace jt {

class Module;
class StaticGraph;

// A state f64[] whose value another place keeps, asked before each run.
struct GraphNumber {
  Cell* cell;  // counted
  std::function<double()> now;
};

class Tracing {
 public:
  // From here on the context records. The types' unit axes count as any others.
  Tracing(Context& context, std::span<const Type> inputs, std::vector<std::string> names);
  ~Tracing();
  Tracing(const Tracing&) = delete;

  std::span<const Value> inputs() const { return inputs_; }
  // What a tensor is called in the graph; the first name counts. One that another has gets a number behind it.
  void name(Cell& cell, const std::string& name, bool is_parameter);
  void name(const Module& module);
  // The number of this name and owner as a value: a state of the graph.
  Value number(const void* owner, const std::string& name, std::function<double()> now);
  // "optimizer", "optimizer.1", ...: by owner, in the order of their first use.
  std::string prefix_of(const void* owner, const std::string& kind);

  void before_assign(Cell& cell);
  void check_may_read(Ref value) const;
  // A count of the graph is the caller's. `names` of the outputs: as many as there are.
  StaticGraph* finish(std::span<const Ref> outputs, std::vector<std::string> names);

 private:
  struct Named {
    Cell* cell;  // counted
    std::string name;
    bool is_parameter;
  };
  struct Changed {
    Cell* cell;  // counted
    Value before;
  };
  struct Gradient {
    Cell *cell, *grad;  // counted
  };
  struct Parts;
  const Named* named(const Cell* cell) const;
  Value before(Cell& cell) const;
  std::string free_name(const std::string& name) const;
  void name_the_rest();
  std::vector<Node*> nodes_of(std::span<const Ref> results) const;
  std::vector<GraphDraw> draws_of(const Block& block) const;
  bool is_inside(const Node* node) const;

  Context& context_;
  const uint64_t floor_;  // Node::sequence of the last node before
  const Context::RandomState random_;
  std::vector<Value> inputs_;
  std::vector<std::string> input_names_;
  std::vector<Named> named_;
  std::unordered_map<const Cell*, size_t> by_cell_;
  std::vector<Changed> changed_;
  std::vector<Gradient> gradients_;
  std::vector<GraphNumber> numbers_;
  std::vector<std::pair<const void*, std::string>> prefixes_;
};

}  // namespace jt
