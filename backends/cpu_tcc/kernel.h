// kernel: one program and the ways there are to run it; picks the best one there is, at each run.
//
// All ways run with the scratch memory that scratch_bytes() gives, and give the same bits, so the way may change
// between two runs, and between two ranges of one.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "backends/cpu_tcc/kernel_split.h"
#include "backends/cpu_tcc/tier/gxx_tier.h"
#include "backends/cpu_tcc/tier/tcc_tier.h"
#include "backends/cpu_tcc/vm/vm.h"

namespace jt::cpu {

class TieredKernel {
 public:
  // text: the program. numbered: the primitives by number. tcc and gxx may be null. All outlive the kernel. Throws what
  // parse_program and VmCode throw.
  TieredKernel(std::string_view text, const vm::Primitives& primitives, const void* const* numbered, TccTier* tcc,
               GxxTier* gxx);

  const Program& program() const { return program_; }
  int64_t scratch_bytes(const int64_t* args, const Lanes& lanes) const;
  // Outer elements [begin, end), over whatever lanes there are; see VmCode::run. Any number of threads.
  void run(const int64_t* args, int64_t begin, int64_t end, char* scratch, const Lanes& lanes) const noexcept;

  // The same on this thread alone, with run_here_bytes() of scratch memory.
  void run_here(const int64_t* args, int64_t begin, int64_t end, char* scratch) const noexcept {
    run_range(args, begin, end, scratch);
  }
  int64_t run_here_bytes(const int64_t* args) const { return vm_.scratch_bytes(args); }

  // Waits for what the first run would wait for.
  void prepare() const noexcept;

  const char* tier() const;    // static text
  std::string source() const;  // what it was compiled from; empty: interpreted
  int64_t compile_ns() const { return compile_ns_ + (better_ ? better_->compile_ns() : 0); }
  bool from_disk() const { return machine_.from_disk || (better_ && better_->from_disk()); }

 private:
  void run_range(const int64_t* args, int64_t begin, int64_t end, char* scratch) const noexcept;
  void run_code(MachineCode code, const int64_t* args, int64_t begin, int64_t end, char* scratch) const noexcept;
  void run_lower(const int64_t* args, int64_t begin, int64_t end, char* scratch) const noexcept;

  const Program program_;
  const vm::VmCode vm_;
  const KernelCost cost_;
  const vm::Isa isa_;
  const void* const* const numbered_;
  GxxTier* const gxx_;
  TccKernel machine_;                  // no entry: the VM runs it
  std::shared_ptr<GxxKernel> better_;  // null: never
  int64_t compile_ns_ = 0;
};

}  // namespace jt::cpu
