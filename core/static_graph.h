// static_graph: a graph with its states, which runs as one plan: nothing is recorded, walked or looked up.
//
// Counted, of one context, used on its thread; counts go from any thread. States are tensors: those that the program
// traced, which it goes on sharing with the graph, or those of a file.
#pragma once
#include <atomic>
#include <string>
#include <string_view>
#include <vector>

#include "core/planner.h"
#include "core/tracing.h"

namespace jt {

class StaticGraph {
 public:
  // Counts of its own are taken of the states; those of the numbers are taken over.
  static StaticGraph* make(Context& context, Graph graph, std::span<Cell* const> states, std::vector<Value> constants,
                           std::vector<GraphNumber> numbers);
  void retain() { refs_.fetch_add(1, std::memory_order_relaxed); }
  static void release(StaticGraph* graph) noexcept;  // may be null

  Context* const context;  // counted
  const Graph graph;

  // Outputs for these inputs; states that change have their next values afterwards. Where a gradient may be asked
  // through it, or a graph is being recorded, it is recorded like any ops; else it has run, or failed and changed
  // nothing.
  List<Value> run(std::span<const Ref> inputs);
  // What of each state there is; null: no such name.
  Cell* state(std::string_view name) const;

  // States and constants are zeros.
  static StaticGraph* of_text(Context& context, std::string_view text);
  // A safetensors file: states and constants by name; the graph's text in the metadata.
  void save(const std::string& path);
  static StaticGraph* load(Context& context, const std::string& path);

  // name.c and name.h, see graph/export_c.h.
  void export_c(const std::string& folder, const std::string& name);

  // Of the plan that runs it, made if there is none.
  const SizedPlan& plan();

 private:
  struct Program {
    SizedPlan made;
    std::unique_ptr<Arguments> arguments;
  };
  StaticGraph(Context& context, Graph graph, std::vector<Value> constants, std::vector<GraphNumber> numbers);
  ~StaticGraph();
  void check_inputs(std::span<const Ref> inputs) const;
  void refresh_numbers();
  bool is_recorded(std::span<const Ref> inputs) const;
  List<Value> record(std::span<const Ref> inputs);
  bool states_are_ours() const;
  Program& program(bool overwrites);
  void count_draws();

  std::atomic<int32_t> refs_{1};
  const int device_;
  std::vector<Cell*> states_;  // counted
  std::vector<Value> constants_;
  std::vector<GraphNumber> numbers_;
  std::vector<double> told_;   // the numbers, as of the last run
  Program programs_[2];        // one that leaves all params as they are, one that overwrites states
  std::vector<int64_t> scalars_;
  std::vector<int64_t> streams_;  // by draw
  std::vector<Buffer*> params_, of_results_;  // of one run
};

}  // namespace jt
