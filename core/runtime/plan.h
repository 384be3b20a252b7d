// plan: how a piece of graph runs without it. Three values, each fixed for the next:
//
//   Plan       what follows from the structure: steps in order, each a kernel, a library call, a copy or a fill; which
//              operand is which value; what is written where before each run. Never changes once made.
//              Where extents are symbols, its numbers are formulas (PlanNumbers), and it holds for all that its
//              guards admit.
//   Sizing     the numbers of one set of extents: argument words, index maps, where values lie in the arena, bytes.
//   Arguments  the words and maps of one run, into which addresses, scalars and starts are written.
//
// So one plan may run on several threads at once, each with arguments of its own.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "core/base/dim_table.h"
#include "core/ir/block.h"
#include "core/kernel/memory.h"
#include "core/runtime/device.h"

namespace jt {

struct RegionPlan;

struct PlanStep {
  enum Kind : uint8_t { kernel, library, copy, fill, region } kind = kernel;
  std::shared_ptr<CompiledKernel> compiled;
  std::string what;                    // for traces: the ops inside

  // Where its argument words and maps begin among those of all steps.
  int32_t first_word = 0, n_words = 0, first_map = 0;
  // What is written before each run; words and maps count from the first of the step.
  // a place, in elements of `item` bytes
  struct Pointer { int32_t word; Location at; int64_t item; bool writes; int32_t offset; };
  struct MapPatch { int32_t map; int32_t axis; int32_t lo, hi; };   // places; axis -1: the map's offset is lo
  struct ScalarPatch { int32_t word; int32_t scalar; CType type; };
  // library: operands, then results; copy: to, from; fill: to; region: as library, then its workspace
  std::vector<Pointer> pointers;
  std::vector<MapPatch> map_patches;
  std::vector<ScalarPatch> scalars;
  std::vector<std::pair<int32_t, int32_t>> map_words;  // word <- address of map
  bool may_join = false;               // library: the next step, a kernel, may run over what this one has finished
  int64_t item = 0, pattern = 0;       // fill: element size and bits
  std::shared_ptr<const RegionPlan> region_plan;
  int32_t region_number = -1;          // among those of the plan
};

constexpr int64_t kAnyMemory = -1;

// What a Sizing is made from; see make_sizing.
struct PlanNumbers {
  struct Step {
    Dim outer = 0, bytes = 0;
    Dim largest = 0;                   // library: bytes of its largest result
    // library; region: bytes of its results (of rows, where they are stacked), then the rounds at most
    std::vector<Dim> params;
  };
  struct Map {
    DimMap map;
    bool moves = false;                // limits are written before each run
  };
  struct Word { int32_t word; CType type; Dim number; };
  DimFormulas formulas;
  std::vector<Dim> binding;            // the words that a set of extents is told by, see capture.h
  std::vector<uint32_t> of_symbol;     // of these, the one that each symbol is read off
  std::vector<Step> steps;
  std::vector<int64_t> words;          // as in a Sizing, but for those below
  std::vector<Word> counted;           // an integer as a value of the type
  std::vector<Map> maps;
  std::vector<Place> places;
  std::vector<Dim> slot_bytes;
  std::vector<ArenaEvent> events;
  std::vector<Dim> output_bytes;
  std::vector<BufferUse> output_uses;
  std::vector<Guard> guards;
};

struct Plan {
  std::vector<PlanStep> steps;
  std::vector<Scalar> scalars;         // the written ones come first, in program order
  std::vector<int32_t> written;        // ids of the scalars that a run sets, in program order
  bool has_folds = false;
  std::vector<int32_t> output_from;    // param whose buffer the output takes over, or -1
  std::vector<int32_t> result_output;  // of each result of the block: its output, or -1: it is a param's buffer
  std::vector<int32_t> result_input;   // the param then
  size_t can_end_before = 0;           // steps before this one write into no buffer of a param
  std::vector<int32_t> guard_outputs;  // of the block's guards: what tells of them
  size_t guarded_before = 0;           // steps before this one compute them, and end before the first that overwrites
  int64_t budget = kAnyMemory;         // of bytes in the arena, that it was made for
  std::shared_ptr<const PlanNumbers> numbers;  // none: it holds for one set of extents
};

// A loop or branch: plans of its blocks, whose params and outputs are where the step says.
struct RegionPlan {
  struct Body {
    std::shared_ptr<const Plan> plan;
    // A result that is not stored where it is wanted: a param, or an output that is another result too.
    struct Move { int32_t result; Location from; };
    std::vector<Move> moves;
    // by output: the result (of the region) that it is; -1: the condition, or nothing that is wanted
    std::vector<int32_t> home;
    // Pointers of kernels into outputs that move by a row each round.
    struct Stacked { int32_t step, pointer, output; };
    std::vector<Stacked> stacked;
  };
  bool loops = false;
  int32_t n_carried = 0, n_stacked = 0, n_results = 0, n_inputs = 0;
  bool has_condition = false;          // loop: its block gives one, at `condition`
  bool uses_round = false;             // loop: its block reads i
  Location condition;                  // in the body
  std::vector<char> stays;             // by carried value: a round writes over it, or leaves it as it is
  std::vector<Body> bodies;
};

struct Sizing {
  struct Step {
    int64_t outer = 0;                 // kernel: elements to walk
    int64_t bytes = 0;                 // kernel: of its operands and results; copy, fill: to write
    std::shared_ptr<LibraryOp> op;     // library
    std::vector<std::shared_ptr<const Sizing>> bodies;  // region
    // region: in its workspace, behind the arena of its bodies
    int64_t workspace_bytes = 0, round_at = 0, condition_at = 0;
    std::vector<int64_t> result_bytes, second_at;  // by result; of carried values: their second places
    int64_t most = -1;                 // loop: rounds
    // library: the workspace of it and the kernel behind it as one; -1: nothing is gained
    int64_t joined = -1;
  };
  std::vector<Step> steps;
  std::vector<int64_t> words;          // of all steps; what is written before a run is 0
  std::vector<IndexMap> maps;
  std::vector<Place> places;           // the first is 0
  std::vector<Slot> slots;             // of the arena
  std::vector<int64_t> output_bytes;
  std::vector<BufferUse> output_uses;  // for errors
  std::vector<Guard> guards;
  int64_t arena_bytes = 0, scratch_bytes = 0;
};

struct Arguments {
  std::vector<int64_t> words;
  std::vector<IndexMap> maps;          // never moved: words point at them
  std::vector<Scalar> scalars;         // as last set
  // Of a region's bodies: one set for each side of a branch, or for even and odd rounds.
  struct OfRegion {
    std::unique_ptr<Arguments> of[2];
    std::vector<char*> inputs[2], outputs[2];
    std::vector<uint64_t> contents;
    std::vector<int64_t> stacked;      // where pointers into rows are in the first round
  };
  // By PlanStep::region_number. One run at a time goes through them, and writes them as it enters a region: even and
  // odd rounds have the same ones, or loops in loops would have twice as many at each depth.
  std::shared_ptr<std::vector<OfRegion>> regions;
  Arguments(const Plan& plan, const Sizing& sizing, const Arguments* shared = nullptr);
  Arguments(const Arguments&) = delete;
  // One launch of a kernel over all its outer elements.
  jt_be_launch launch(const PlanStep& step, const Sizing::Step& size) const {
    return {words.data() + step.first_word, size_t(step.n_words), 0, size.outer};
  }
};

// A plan, and the numbers of the extents it was made for.
struct SizedPlan {
  std::shared_ptr<const Plan> plan;
  std::shared_ptr<const Sizing> sizing;
  explicit operator bool() const { return plan != nullptr; }
};

}  // namespace jt
