// vm: a block program -> its effect on memory, by interpretation: no compile time, no executable memory.
//
// A VmCode is made once per program and run any number of times, on any thread, each run with scratch memory of its own.
// Runs over disjoint ranges of the outer space may go on at once; begin is a multiple of kBlock in flat mode.
// One instruction handles a block, so its dispatch costs little; rows shorter than a block are handled several at a time.
#pragma once
#include <memory>

#include "backends/cpu_tcc/vm/primitives.h"

namespace jt::vm {

struct VmPlan;

class VmCode {
 public:
  // Fails (JT_E_INTERNAL) if the program names a primitive that does not exist.
  VmCode(const Program& program, const Primitives& primitives);
  ~VmCode();
  VmCode(VmCode&&) noexcept;
  VmCode& operator=(VmCode&&) noexcept;

  int64_t scratch_bytes(const int64_t* args) const;  // depends on the extents in args only
  // scratch is aligned to 64 bytes. Allocates nothing; uses little stack.
  void run(const int64_t* args, int64_t begin, int64_t end, char* scratch) const noexcept;

 private:
  std::unique_ptr<VmPlan> plan_;        // flat, column, or one row at a time
  std::unique_ptr<VmPlan> short_rows_;  // row mode only: as many whole rows at a time as fit a block
  const VmPlan& plan_for(const int64_t* args) const;
};

// For tests and one-off runs: decodes, allocates, runs all of the outer space.
void run_program(const Program& program, const Primitives& primitives, const int64_t* args);

}  // namespace jt::vm
