#include "backends/cpu_tcc/kernel.h"

#include <chrono>

#include "backends/cpu_tcc/vm/vm_plan.h"

namespace jt::cpu {

static int64_t since_ns(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - start).count();
}

Kernel::Kernel(std::string_view text, const vm::Primitives& primitives, const void* const* numbered, TccTier* tcc, GxxTier* gxx)
    : program_(parse_program(text)), vm_(program_, primitives), numbered_(numbered), gxx_(gxx) {
  auto start = std::chrono::steady_clock::now();
  if (gxx) better_ = gxx->enroll(program_, text);
  bool has_best = better_ && better_->code();
  if (tcc && !has_best) machine_ = tcc->compile(program_, text);
  compile_ns_ = since_ns(start);
}

void Kernel::run(const int64_t* args, int64_t begin, int64_t end, char* scratch) const noexcept {
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

void Kernel::run_code(MachineCode code, const int64_t* args, int64_t begin, int64_t end, char* scratch) const noexcept {
  code(args, begin, end, scratch, numbered_);
  bool may_have_streamed = args[kArgOuter] * args[kArgInner] > vm::kStreamBytes / int64_t(sizeof(double));
  if (may_have_streamed) vm::store_fence();
}

void Kernel::run_lower(const int64_t* args, int64_t begin, int64_t end, char* scratch) const noexcept {
  if (machine_.entry) run_code(reinterpret_cast<MachineCode>(machine_.entry), args, begin, end, scratch);
  else vm_.run(args, begin, end, scratch);
}

const char* Kernel::tier() const {
  if (better_ && better_->code()) return "gxx";
  return machine_.entry ? "tcc" : "vm";
}

}  // namespace jt::cpu
