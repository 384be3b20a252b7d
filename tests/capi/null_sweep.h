// null_sweep: what every fallible function owes to a caller who passes NULL or nonsense.
#pragma once
#include "tests/capi/capi.h"

namespace jt::test {

// A negative code, a message that names the function, and no result.
inline void may_fail(const char* function, jt_status status, jt_tensor** out) {
  EXPECT_LE(status, 0) << function;
  if (status < 0) {
    jt_error_info e{sizeof e};
    jt_last_error(&e);
    std::string message = e.message, op = std::string(function + 3) + ":";
    EXPECT_EQ(e.code, status) << function;
    EXPECT_STREQ(e.function, function);
    EXPECT_TRUE(message.find(function) == 0 || message.find(op) == 0) << function << ": " << message;
    EXPECT_NE(status, JT_E_INTERNAL) << message;
    EXPECT_NE(status, JT_E_UNKNOWN) << message;
    EXPECT_EQ(*out, nullptr) << function;
  }
  jt_tensor_release(std::exchange(*out, nullptr));
}
inline void must_fail(const char* function, jt_status status, jt_tensor** out) {
  EXPECT_LT(status, 0) << function;
  may_fail(function, status, out);
}

}  // namespace jt::test
using namespace jt::test;
