// run_plan: runs a plan. It prepares (outputs and arena allocated: may fail, changes nothing), then goes. Until it first
// overwrites a param's buffer the program may end it, and nothing has changed.
#pragma once
#include "core/base/buffer.h"
#include "core/runtime/plan.h"
#include "core/runtime/trace.h"
#include "core/runtime/watch.h"

namespace jt {

// Memory that runs of a context share, grown to the largest plan's need.
struct Workspace {
  Buffer* arena = nullptr;
  Buffer* scratch = nullptr;
  ~Workspace() { clear(); }
  bool clear();  // whether there was anything
};

// What a run is given: addresses of the params, the written scalars' bits, the wheres.
struct RunInputs {
  std::span<Buffer* const> params;
  std::span<const int64_t> scalars;
  std::span<const int64_t> wheres;
  bool timing = false;  // adds the time of every launch to its kernel
  const Watch* watch = nullptr;
  const Device* device = nullptr;  // gives back what it keeps for speed where memory is short
};

struct RunCounts {
  int64_t launches = 0, library_calls = 0;
};

// Outputs are allocated unless they take over a param's buffer (counted up then); they are added to `outputs`, none if the
// run fails.
RunCounts run_plan(const Plan& plan, const Sizing& sizing, Arguments& arguments, const RunInputs& inputs, Workspace& workspace,
                   BufferPool& pool, Trace& trace, std::vector<Buffer*>& outputs);

}  // namespace jt
