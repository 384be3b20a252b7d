// regions: loops and branches in, less of them out; values stay as they were.
#include "core/rewrite/regions.h"

#include <gtest/gtest.h>

#include "core/ir/eval.h"

namespace jt {
namespace {

struct Case {
  const char *title, *before, *after;
};
const Case kCases[] = {
    {"a constant condition picks its block", R"(block(%0: f32[2], %1: f32[2]) {
  %2 = constant bool false
  %3 = branch %2 %0 %1 with
    block(%0: f32[2], %1: f32[2]) {
      return %0
    }
    block(%0: f32[2], %1: f32[2]) {
      %2 = exp %1
      return %2
    }
  return %3
})",
     R"(block(%0: f32[2], %1: f32[2]) {
  %2 = exp %1 : f32[2]
  return %2
}
)"},
    {"results and inputs that nobody reads go", R"(block(%0: bool[], %1: f32[2], %2: f32[2]) {
  %3, %4 = branch %0 %1 %2 with
    block(%0: f32[2], %1: f32[2]) {
      %2 = exp %0
      %3 = sin %1
      return %2, %3
    }
    block(%0: f32[2], %1: f32[2]) {
      return %0, %1
    }
  return %3
})",
     R"(block(%0: bool[], %1: f32[2], %2: f32[2]) {
  %3 = branch %0 %1 : f32[2] with
    block(%0: f32[2]) {
      %1 = exp %0 : f32[2]
      return %1
    }
    block(%0: f32[2]) {
      return %0
    }
  return %3
}
)"},
    {"what serves itself only is not carried, what never changes is captured",
     R"(block(%0: i64[], %1: f32[2], %2: f32[2], %3: f32[2]) {
  %4 = constant bool true
  %5, %6, %7 = loop %0 %4 %1 %2 %3 {carried=3} with
    block(%0: i64[], %1: f32[2], %2: f32[2], %3: f32[2]) {
      %4 = constant bool true
      %5 = mul %1 %3
      %6 = exp %2
      return %4, %5, %6, %3
    }
  return %5
})",
     R"(block(%0: i64[], %1: f32[2], %2: f32[2], %3: f32[2]) {
  %4 = constant bool true
  %5 = loop %0 %4 %1 %3 {carried=1} : f32[2] with
    block(%0: i64[], %1: f32[2], %2: f32[2]) {
      %3 = constant bool true
      %4 = mul %1 %2 : f32[2]
      return %3, %4
    }
  return %5
}
)"},
    {"what depends on captured values alone is computed once", R"(block(%0: i64[], %1: f32[2,2], %2: f32[2,2]) {
  %3 = constant bool true
  %4 = loop %0 %3 %1 %2 {carried=1} with
    block(%0: i64[], %1: f32[2,2], %2: f32[2,2]) {
      %3 = constant bool true
      %4 = exp %2
      %5 = transpose %4 {axes=[1,0]}
      %6 = add %1 %5
      return %3, %6
    }
  return %4
})",
     R"(block(%0: i64[], %1: f32[2,2], %2: f32[2,2]) {
  %3 = constant bool true
  %4 = exp %2 : f32[2,2]
  %5 = loop %0 %3 %1 %2 %4 {carried=1} : f32[2,2] with
    block(%0: i64[], %1: f32[2,2], %2: f32[2,2], %3: f32[2,2]) {
      %4 = constant bool true
      %5 = transpose %3 {axes=[1,0]} : f32[2,2]
      %6 = add %1 %5 : f32[2,2]
      return %4, %6
    }
  return %5
}
)"},
    {"a movement that is read inside and outside is done in both",
     R"(block(%0: i64[], %1: f32[3,2], %2: f32[2], %3: i64[2]) {
  %4 = constant bool true
  %5 = loop %0 %4 %1 %2 %3 {carried=1} with
    block(%0: i64[], %1: f32[3,2], %2: f32[2], %3: i64[2]) {
      %4 = exp %2
      %5 = expand %4 {shape=[3,2]}
      %6 = take %5 %3 {axis=0}
      %7 = sum %6
      %8 = add %1 %5
      %9 = mul %8 %7
      %10 = constant bool true
      return %10, %9
    }
  return %5
})",
     R"(block(%0: i64[], %1: f32[3,2], %2: f32[2], %3: i64[2]) {
  %4 = constant bool true
  %5 = exp %2 : f32[2]
  %6 = expand %5 {shape=[3,2]} : f32[3,2]
  %7 = take %6 %3 : f32[2,2]
  %8 = sum %7 {axes=[0,1]} : f32[]
  %9 = loop %0 %4 %1 %2 %3 %5 %8 {carried=1} : f32[3,2] with
    block(%0: i64[], %1: f32[3,2], %2: f32[2], %3: i64[2], %4: f32[2], %5: f32[]) {
      %6 = expand %4 {shape=[3,2]} : f32[3,2]
      %7 = add %1 %6 : f32[3,2]
      %8 = mul %5 %7 : f32[3,2]
      %9 = constant bool true
      return %9, %8
    }
  return %9
}
)"},
    {"a loop without rounds is what it begins with", R"(block(%0: f32[2], %1: i64[]) {
  %2 = constant bool false
  %3 = loop %1 %2 %0 {carried=1} with
    block(%0: i64[], %1: f32[2]) {
      %2 = constant bool true
      %3 = exp %1
      return %2, %3
    }
  return %3
})",
     R"(block(%0: f32[2], %1: i64[]) {
  return %0
}
)"},
};

TEST(Regions, Cases) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.title);
    try {
      Block b = simplify_with_regions(parse(c.before));
      verify(b);
      EXPECT_EQ(print(b), c.after);
    } catch (const Error& e) {
      ADD_FAILURE() << e.message();
    }
  }
}

}  // namespace
}  // namespace jt
