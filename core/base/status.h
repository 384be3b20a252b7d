// status: how a failure travels inside the library: an exception that carries the public code and the text.
//
// Text begins with who (the op or function), then the fact, then both values: `concat: axis 1 differs: [4,3] and [4,5]`.
// The C API's guard turns it into a jt_status and the calling thread's error slot; nothing else catches it for good.
#pragma once
#include <jt/jt_base.h>

#include <exception>
#include <string>
#include <utility>

#include "core/base/text.h"

namespace jt {

class Error : public std::exception {
 public:
  Error(jt_status code, std::string message, int64_t native = 0)
      : code_(code), native_(native), message_(std::move(message)) {}
  const char* what() const noexcept override { return message_.c_str(); }
  jt_status code() const { return code_; }
  int64_t native() const { return native_; }  // errno or a driver's own code
  const std::string& message() const { return message_; }

 private:
  jt_status code_;
  int64_t native_;
  std::string message_;
};

// fail(JT_E_SHAPE, "matmul: inner extents differ: ", a, " and ", b)
template <class... Parts>
[[noreturn]] void fail(jt_status code, const Parts&... parts) {
  throw Error(code, text(parts...));
}

// A defect of jt itself, found by the library: reported, never fatal.
#define JT_CHECK(claim) \
  ((claim) ? (void)0 : ::jt::fail(JT_E_INTERNAL, "internal: ", #claim, " does not hold at ", __FILE__, ":", __LINE__))

}  // namespace jt
