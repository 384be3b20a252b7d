// run_block: a block and values of its parameters -> its results, computed by a backend.
#pragma once
#include <memory>
#include <vector>

#include "core/ir/eval.h"
#include "core/runtime/runtime.h"

namespace jt {

// A runtime of one backend, with one thread and no disk cache. `tier`: of the CPU's own.
std::shared_ptr<Runtime> runtime_of(const jt_backend_api* backend, const char* tier = "");
// Compiles and runs; numbers that vary between runs are those that stand in the block. Throws what the backend says.
std::vector<HostValue> run_block(Runtime& runtime, Block block, std::span<const HostValue> params);

}  // namespace jt
