// run_steps: the steps of a plan whose values have addresses. A loop or branch is a step that runs the steps of plans
// of its own.
//
// Nothing is taken from the heap here: what regions need is made with the Arguments. A loop patches the arguments of
// its body for the even and the odd rounds before the first one, and then only launches; what its rounds stack moves by
// a row each.
#pragma once
#include "core/runtime/plan.h"
#include "core/runtime/run_plan.h"

namespace jt {

// A plan that is being run: where its values are.
struct Frame {
  const Plan& plan;
  const Sizing& sizing;
  Arguments& arguments;
  char* const* inputs;        // by param
  char* const* outputs;
  char* arena;
  const uint64_t* contents;   // by param: the number of its bytes (base/buffer.h), 0: none; null: of none

  char* address(Location at) const {
    switch (at.where) {
      case Where::input: return inputs[at.index];
      case Where::output: return outputs[at.index];
      default: return arena + sizing.slots[size_t(at.index)].offset;
    }
  }
};

class StepRunner {
 public:
  StepRunner(DeviceStream& stream, RunCounts& counts, bool is_timed)
      : stream_(stream), counts_(counts), is_timed_(is_timed) {}
  void* scratch = nullptr;
  const Watch* watch = nullptr;  // looks on between rounds, where they may still be ended

  // Writes addresses and places into the arguments of kernels.
  void patch(const Frame& frame, std::span<const int64_t> wheres = {}) const;
  void run(const Frame& frame, size_t step);
  void run_joined(const Frame& frame, size_t step);  // a library op and the kernel behind it

 private:
  struct Operands;
  void run_all(const Frame& frame);
  void run_branch(const Frame& frame, size_t step);
  void run_loop(const Frame& frame, size_t step);
  void copy(void* to, const void* from, int64_t bytes) {
    if (to != from) stream_.copy(to, from, size_t(bytes), JT_BE_DEVICE_TO_DEVICE);
  }
  int64_t read_int(const void* at);
  bool read_bool(const void* at);
  void read(void* to, const void* from, size_t bytes);
  void write_int(void* at, int64_t value);
  DeviceStream& stream_;
  RunCounts& counts_;
  const bool is_timed_;
};

}  // namespace jt
