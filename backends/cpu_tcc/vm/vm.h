// vm: a block program -> its effect on memory, by interpretation: no compile time, no executable memory.
//
// A VmCode is made once per program and run any number of times, on any thread, each run with scratch memory of its
// own. Runs over disjoint ranges of the outer space may go on at once; begin is a multiple of kBlock in flat mode. One
// instruction handles a block, so its dispatch costs little; rows shorter than a block are handled several at a time.
#pragma once
#include <memory>

#include "backends/cpu_tcc/lanes.h"
#include "backends/cpu_tcc/vm/primitives.h"

namespace jt::vm {

struct VmPlan;
struct Machine;
struct InnerSplit;

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

  // Ranges of the outer space for several threads begin at multiples of this.
  int64_t outer_step(const int64_t* args) const;
  // Where the outer space is too small for them: parts that the inner space has, 1: none; and a run that splits it over
  // the lanes, `count` of them, which take about `ns` for all of the inner space of one outer block. The same bits.
  int64_t inner_chunks(const int64_t* args) const;
  int64_t split_scratch_bytes(const int64_t* args, int64_t lanes) const;
  void run_split(const int64_t* args, int64_t begin, int64_t end, char* scratch, const cpu::Lanes& lanes, int64_t count,
                 double ns) const noexcept;

 private:
  void run(const int64_t* args, int64_t begin, int64_t end, char* scratch, const InnerSplit* split) const noexcept;
  static Machine machine(const VmPlan& plan, const int64_t* args, char* scratch);

  std::unique_ptr<VmPlan> plan_;  // flat, column, or one row at a time
  // row mode: as many short rows at a time as fit a block; column mode: a few columns at several indices
  std::unique_ptr<VmPlan> few_;
  bool finds_places_ = false;     // argmax, argmin
  const VmPlan& plan_for(const int64_t* args) const;  // for a run over all of the outer space
  const VmPlan& plan_for(const int64_t* args, int64_t begin, int64_t end) const;
  static int64_t scratch_bytes(const VmPlan& plan, const int64_t* args);
};

// For tests and one-off runs: decodes, allocates, runs all of the outer space.
void run_program(const Program& program, const Primitives& primitives, const int64_t* args);

}  // namespace jt::vm
