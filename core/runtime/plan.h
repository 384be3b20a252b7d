// plan: a value that runs a piece of graph again and again without it: steps in order, each a kernel, a library call,
// a copy or a fill with its arguments; where every value lies; what changes from run to run.
//
// A run prepares (outputs and arena allocated: may fail, changes nothing), then goes.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/runtime/device.h"
#include "core/kernel/memory.h"

namespace jt {

struct PlanStep {
  enum Kind : uint8_t { kernel, library, copy, fill } kind = kernel;
  std::shared_ptr<CompiledKernel> compiled;
  std::shared_ptr<LibraryOp> op;
  std::string what;                    // for traces: the ops inside

  // kernel: argument words, and what is written into them before each run
  std::vector<int64_t> words;
  std::vector<IndexMap> maps;
  struct Pointer { int32_t word; Location at; int64_t item; Place offset; };  // offset in elements of `item` bytes
  struct MapPatch { int32_t map; int32_t axis; Place lo, hi; };   // axis -1: the map's offset is lo
  struct ScalarPatch { int32_t word; int32_t scalar; CType type; };
  std::vector<Pointer> pointers;       // library: operands, then results; copy: to, from; fill: to
  std::vector<MapPatch> map_patches;
  std::vector<ScalarPatch> scalars;
  std::vector<std::pair<int32_t, int32_t>> map_words;  // word <- address of map
  int64_t outer = 0;
  int64_t bytes = 0;                   // kernel: of its operands and results; copy, fill: to write
  int64_t item = 0, pattern = 0;       // fill: element size and bits
  int64_t scratch = -1;                // kernel: bytes, -1 until it was asked for
};

struct Plan {
  std::vector<PlanStep> steps;
  std::vector<Scalar> scalars;         // as last set; the written ones come first, in program order
  std::vector<int32_t> written;        // ids of the scalars that a run sets, in program order
  bool has_folds = false;
  std::vector<int64_t> output_bytes;
  std::vector<BufferUse> output_uses;  // for errors
  std::vector<int32_t> output_from, result_output, result_input;
  int64_t arena_bytes = 0, scratch_bytes = 0;
  std::string text;                    // JT_DUMP=m
};

// Who wants to see which stages (letters of JT_DUMP) of what is compiled.
struct Dump {
  std::string stages;
  std::function<void(char stage, std::string_view text)> sink;
  void show(char stage, const std::string& text) const {
    if (sink) sink(stage, text);
  }
  bool wants(char stage) const { return stages.find(stage) != stages.npos; }
};

// Makes a plan of a simplified block; `dies` as in memory.h; dump may be null.
std::shared_ptr<Plan> make_plan(const Block& block, KernelCache& kernels, const std::vector<bool>& dies, const Dump* dump);

// Memory that runs of a context share, grown to the largest plan's need.
struct Workspace {
  Buffer* arena = nullptr;
  Buffer* scratch = nullptr;
  ~Workspace() { clear(); }
  bool clear();  // whether there was anything
};

// What a run is given: addresses of the params, the written scalars' bits, the wheres. Outputs are allocated unless they
// take over a param's buffer (counted up then); they are added to `outputs`, none if the run fails.
struct RunInputs {
  std::span<Buffer* const> params;
  std::span<const int64_t> scalars;
  std::span<const int64_t> wheres;
  bool timing = false;  // adds the time of every launch to its kernel
};
class Trace;
void run_plan(Plan& plan, const RunInputs& inputs, Workspace& workspace, BufferPool& pool, Trace& trace,
              std::vector<Buffer*>& outputs, int64_t* launches, int64_t* library_calls);

}  // namespace jt
