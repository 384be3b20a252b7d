// run_plan: runs a plan. It prepares (outputs and arena allocated: may fail, changes nothing), then goes. Until it
// first overwrites a param's buffer the program may end it, and nothing has changed.
#pragma once
#include "core/runtime/plan.h"
#include "core/runtime/stream.h"
#include "core/runtime/trace.h"
#include "core/runtime/watch.h"

namespace jt {

// Memory that runs of a context share, grown to the largest plan's need.
struct Workspace {
  Buffer* arena = nullptr;
  Buffer* scratch = nullptr;
  std::vector<char*> addresses;    // of one run
  std::vector<uint64_t> contents;
  ~Workspace() { clear(); }
  bool clear();  // whether there was anything
};

// What a run is given: the params, in memory that the stream's device reaches (reachable_buffers), the written scalars'
// bits, the wheres.
struct RunInputs {
  std::span<Buffer* const> params;
  std::span<const int64_t> scalars;
  std::span<const int64_t> wheres;
  bool timing = false;  // adds the time of every launch to its kernel
  const Watch* watch = nullptr;
};

struct RunCounts {
  int64_t launches = 0, library_calls = 0;
};

// On a device that runs late it returns once all is launched; what the steps then meet hangs on the fence of what they
// write. Outputs are allocated unless they take over a param's buffer (counted up then); they are added to `outputs`,
// none if the run fails.
RunCounts run_plan(const SizedPlan& made, Arguments& arguments, const RunInputs& inputs, Workspace& workspace,
                   BufferPool& pool, DeviceStream& stream, Trace& trace, std::vector<Buffer*>& outputs);

}  // namespace jt
