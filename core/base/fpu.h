// fpu: the rounding mode that results are defined in, for the time of a call; the host's is put back.
//
// A host may have set another mode (round down, flush denormals to zero); threads of a host may differ from each other. What
// jt computes is the same everywhere: nearest even, denormals kept, no traps.
#pragma once
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace jt {

#if defined(__x86_64__)
class DefaultFpuMode {
 public:
  DefaultFpuMode() : found_(_mm_getcsr()) {
    if (is_other()) _mm_setcsr(kDefault);
  }
  ~DefaultFpuMode() {
    if (is_other()) _mm_setcsr(found_);
  }
  DefaultFpuMode(const DefaultFpuMode&) = delete;

 private:
  static constexpr unsigned kDefault = 0x1f80, kSticky = 0x3f;  // sticky: which exceptions have happened
  bool is_other() const { return (found_ & ~kSticky) != kDefault; }
  const unsigned found_;
};
#else
class DefaultFpuMode {
 public:
  DefaultFpuMode() {}
  ~DefaultFpuMode() {}
};
#endif

}  // namespace jt
