// fpu: the rounding mode that results are defined in, for the time of a call; the host's is put back, and so is what
// the host knows of exceptions that have happened.
//
// A host may have set another mode (round down, flush denormals to zero, trap divisions by zero); threads of a host may
// differ from each other. What jt computes is the same everywhere: nearest even, denormals kept, no traps; and no flag
// tells of it afterwards. On x86-64 that is two units: SSE, and the x87 that long double runs on (numbers are read and
// written with it).
#pragma once
#include <cstdint>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace jt {

#if defined(__x86_64__)
class DefaultFpuMode {
 public:
  DefaultFpuMode() : found_(_mm_getcsr()), x87_status_(status()) {
    if ((found_ & ~kSticky) != kDefault) _mm_setcsr(kDefault);
    if ((control() & kControlBits) != kX87Default) [[unlikely]] leave_x87();
  }
  ~DefaultFpuMode() {
    if (_mm_getcsr() != found_) _mm_setcsr(found_);
    if (has_left_) [[unlikely]] load(x87_);
    else if ((status() ^ x87_status_) & kSticky) [[unlikely]] put_flags_back();
  }
  DefaultFpuMode(const DefaultFpuMode&) = delete;

 private:
  static constexpr unsigned kDefault = 0x1f80, kSticky = 0x3f;  // sticky: which exceptions have happened
  static constexpr uint16_t kX87Default = 0x33f, kControlBits = 0xf3f;  // all masked, 64 bits, to nearest
  struct Environment {  // of fnstenv
    uint32_t control, status, tags, rest[4];
  };
  static uint16_t control() {
    uint16_t word;
    asm volatile("fnstcw %0" : "=m"(word));
    return word;
  }
  static uint16_t status() {
    uint16_t word;
    asm volatile("fnstsw %0" : "=a"(word));
    return word;
  }
  // None of these looks for a trap that is due: it would be the host's.
  void leave_x87() {
    asm volatile("fnstenv %0\n\tfninit" : "=m"(x87_));
    has_left_ = true;
  }
  void put_flags_back() const {
    Environment now;
    asm volatile("fnstenv %0" : "=m"(now));
    now.status = (now.status & ~kSticky) | (x87_status_ & kSticky);
    load(now);
  }
  static void load(const Environment& environment) { asm volatile("fldenv %0" : : "m"(environment)); }

  const unsigned found_;
  const uint16_t x87_status_;
  bool has_left_ = false;
  Environment x87_;
};
#else
class DefaultFpuMode {
 public:
  DefaultFpuMode() {}
  ~DefaultFpuMode() {}
};
#endif

}  // namespace jt
