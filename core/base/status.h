// status: how a failure travels inside the library: an exception that carries the public code and the text.
//
// Text begins with who (the op or function), then the fact, then both values: `concat: axis 1 differs: [4,3] and
// [4,5]`. The C API's guard turns it into a jt_status and the calling thread's error slot; nothing else catches it for
// good.
#pragma once
#include <jt/jt_base.h>

#include <exception>
#include <string>
#include <string_view>

#include "core/base/text.h"

namespace jt {

class Error : public std::exception {
 public:
  Error(jt_status code, std::string_view message, int64_t native = 0) : code_(code), native_(native) {
    short_ += message;
    if (short_.is_cut()) long_ = message;
  }
  Error(jt_status code, const ShortText& message) : code_(code), native_(0), short_(message) {}
  const char* what() const noexcept override { return short_.is_cut() ? long_.c_str() : short_.c_str(); }
  jt_status code() const { return code_; }
  int64_t native() const { return native_; }  // errno or a driver's own code
  std::string message() const { return what(); }

 private:
  jt_status code_;
  int64_t native_;
  ShortText short_;
  std::string long_;  // where short_ is cut
};

// fail(JT_E_SHAPE, "matmul: inner extents differ: ", a, " and ", b)
template <class... Parts>
[[noreturn, gnu::cold]] void fail(jt_status code, const Parts&... parts) {
  ShortText message;
  (append_any(message, parts), ...);
  if (message.is_cut()) throw Error(code, text(parts...));
  throw Error(code, message);
}

// A defect of jt itself, found by the library: reported, never fatal.
#define JT_CHECK(claim) \
  ((claim) ? (void)0 : ::jt::fail(JT_E_INTERNAL, "internal: ", #claim, " does not hold at ", __FILE__, ":", __LINE__))

}  // namespace jt
