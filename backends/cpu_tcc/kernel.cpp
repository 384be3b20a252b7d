#include "backends/cpu_tcc/kernel.h"

#include <algorithm>
#include <chrono>

#include "backends/cpu_tcc/tier/render_c.h"
#include "backends/cpu_tcc/tier/render_gxx.h"
#include "backends/cpu_tcc/vm/vm_plan.h"

namespace jt::cpu {

static int64_t since_ns(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - start).count();
}

TieredKernel::TieredKernel(std::string_view text, const vm::Primitives& primitives, const void* const* numbered,
                           TccTier* tcc, GxxTier* gxx)
    : program_(parse_program(text)), vm_(program_, primitives), cost_(cost_of(program_)), isa_(primitives.isa),
      numbered_(numbered), gxx_(gxx) {
  auto start = std::chrono::steady_clock::now();
  if (gxx) better_ = gxx->enroll(program_, text);
  bool has_best = better_ && better_->code();
  if (tcc && !has_best) machine_ = tcc->compile(program_, text);
  compile_ns_ = since_ns(start);
}

int64_t TieredKernel::scratch_bytes(const int64_t* args, const Lanes& lanes) const {
  return cpu::scratch_bytes(split_of(cost_, vm_, lanes, args, 0, args[kArgOuter]), vm_, args);
}

void TieredKernel::run(const int64_t* args, int64_t begin, int64_t end, char* scratch,
                       const Lanes& lanes) const noexcept {
  if (better_) gxx_->tell();
  KernelSplit split = split_of(cost_, vm_, lanes, args, begin, end);
  if (split.axis == KernelSplit::none) return run_range(args, begin, end, scratch);
  if (split.axis == KernelSplit::inner)
    return vm_.run_split(args, begin, end, scratch, lanes, split.lanes, split.work.ns);
  int64_t lane_bytes = vm_.scratch_bytes(args);
  lanes.each(split.work, split.lanes, [&](int64_t from, int64_t to, int64_t lane) {
    run_range(args, begin + from * split.step, std::min(end, begin + to * split.step), scratch + lane * lane_bytes);
  });
}

void TieredKernel::prepare() const noexcept {
  if (!better_) return;
  gxx_->prepare(*better_);
  gxx_->tell();
}

std::string TieredKernel::source() const {
  const Program* programs[] = {&program_};
  if (better_ && better_->code()) return render_gxx(programs, isa_);
  return machine_.entry ? render_c(program_) : std::string();
}

void TieredKernel::run_range(const int64_t* args, int64_t begin, int64_t end, char* scratch) const noexcept {
  if (!better_) return run_lower(args, begin, end, scratch);
  MachineCode code = better_->code();
  if (!code) {
    bool is_timed = gxx_->before_lower_run(*better_);
    code = better_->code();
    if (!code && !is_timed) return run_lower(args, begin, end, scratch);
    if (!code) {
      auto start = std::chrono::steady_clock::now();
      run_lower(args, begin, end, scratch);
      return gxx_->after_lower_run(*better_, since_ns(start));
    }
  }
  run_code(code, args, begin, end, scratch);
}

void TieredKernel::run_code(MachineCode code, const int64_t* args, int64_t begin, int64_t end,
                            char* scratch) const noexcept {
  code(args, begin, end, scratch, numbered_);
  bool may_have_streamed = args[kArgOuter] * args[kArgInner] > loops::kStreamBytes / int64_t(sizeof(double));
  if (may_have_streamed) vm::store_fence();
}

void TieredKernel::run_lower(const int64_t* args, int64_t begin, int64_t end, char* scratch) const noexcept {
  if (machine_.entry) run_code(reinterpret_cast<MachineCode>(machine_.entry), args, begin, end, scratch);
  else vm_.run(args, begin, end, scratch);
}

const char* TieredKernel::tier() const {
  if (better_ && better_->code()) return "gxx";
  return machine_.entry ? "tcc" : "vm";
}

}  // namespace jt::cpu
