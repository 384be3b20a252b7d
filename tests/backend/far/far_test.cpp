// A far device serves a program as a near one does.
#include "tests/backend/far/far_check.h"

#include <gtest/gtest.h>

namespace jt::test {

TEST(Far, IsRight) {
  for (const FarCheck& check : far_checks()) {
    SCOPED_TRACE(check.name);
    EXPECT_EQ(check.run(), "");
  }
}

}  // namespace jt::test
