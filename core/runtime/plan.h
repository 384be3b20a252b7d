// plan: a value that runs a piece of graph again and again without it: steps in order, each a kernel, a library call,
// a copy or a fill with its arguments; where every value lies; what changes from run to run.
//
// A run prepares (outputs and arena allocated: may fail, changes nothing), then goes. Until it first overwrites a param's
// buffer the program may end it, and nothing has changed.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/status.h"
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
  bool may_join = false;               // library: the next step, a kernel, may run over what this one has finished
  int64_t joined = kUnasked;           // and the workspace of both then; -1: nothing is gained
  static constexpr int64_t kUnasked = -2;
  int64_t outer = 0;
  int64_t bytes = 0;                   // kernel: of its operands and results; copy, fill: to write
  int64_t item = 0, pattern = 0;       // fill: element size and bits
  int64_t scratch = -1;                // kernel: bytes, -1 until it was asked for
};

constexpr int64_t kAnyMemory = -1;

struct Plan {
  std::vector<PlanStep> steps;
  std::vector<Scalar> scalars;         // as last set; the written ones come first, in program order
  std::vector<int32_t> written;        // ids of the scalars that a run sets, in program order
  bool has_folds = false;
  std::vector<int64_t> output_bytes;
  std::vector<BufferUse> output_uses;  // for errors
  std::vector<int32_t> output_from, result_output, result_input;
  int64_t arena_bytes = 0, scratch_bytes = 0;
  int64_t budget = kAnyMemory;         // of bytes in the arena, that it was made for
  size_t can_end_before = 0;           // steps before this one write into no buffer of a param
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

// While it lives, a function of the host runs inside an evaluation.
class InCallback {
 public:
  explicit InCallback(bool& flag) : flag_(flag) { flag_ = true; }
  ~InCallback() { flag_ = false; }
  InCallback(const InCallback&) = delete;

 private:
  bool& flag_;
};

// An evaluation that the program itself ended: nothing failed, and what did not run is still pending.
class Interrupted : public Error {
 public:
  using Error::Error;
  explicit Interrupted(const Error& e) : Error(e) {}
};

// The program's function that looks on while a context evaluates, and may end that; see jt_context_set_watch.
struct Watch {
  jt_status (*function)(void* user, int64_t compiled, int64_t to_compile) = nullptr;
  void* user = nullptr;
  bool* in_callback = nullptr;
  void look(int64_t compiled = 0, int64_t to_compile = 0) const {
    if (function) [[unlikely]] call(compiled, to_compile);
  }

 private:
  void call(int64_t compiled, int64_t to_compile) const;
};

// Makes a plan of a simplified block; `dies` as in memory.h; dump may be null. Under a budget, in bytes, it computes values
// again instead of keeping them (schedule/recompute.h): null where that does not help; it adds nodes to the block.
std::shared_ptr<Plan> make_plan(Block& block, KernelCache& kernels, const std::vector<bool>& dies, const Dump* dump,
                                const Watch& watch, int64_t budget);

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
  const Watch* watch = nullptr;
  const Device* device = nullptr;  // gives back what it keeps for speed where memory is short
};
class Trace;
void run_plan(Plan& plan, const RunInputs& inputs, Workspace& workspace, BufferPool& pool, Trace& trace,
              std::vector<Buffer*>& outputs, int64_t* launches, int64_t* library_calls);

}  // namespace jt
