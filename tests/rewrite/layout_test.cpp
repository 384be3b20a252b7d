// layout: graph in, graph out; and the same bits from both.
#include "core/rewrite/layout.h"

#include <gtest/gtest.h>

#include <random>

#include "core/ir/eval.h"
#include "core/rewrite/simplify.h"

namespace jt {
namespace {

struct Case {
  const char* title;
  const char* before;
  const char* after;  // nullptr: nothing changes
};

const Case kCases[] = {
#include "layout_cases.inc"
};

Block laid_out(Block block) {
  block = simplify(std::move(block));
  if (has_images(block)) block = simplify(lay_out(std::move(block)));
  verify(block);
  return block;
}

HostValue random_value(const Type& type, std::mt19937& random) {
  HostValue value{type, std::vector<uint8_t>(size_t(type.count()) * size_of(type.dtype))};
  for (int64_t k = 0; k < type.count(); k++) {
    float number = float(int32_t(random() % 2001) - 1000) / 256;
    uint8_t* at = value.bytes.data() + size_t(k) * size_of(type.dtype);
    if (type.dtype == JT_F32) std::memcpy(at, &number, 4);
    else if (int32_t place = int32_t(random() % 12); type.dtype == JT_I32) std::memcpy(at, &place, 4);
  }
  return value;
}

TEST(Layout, Cases) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.title);
    try {
      Block before = parse(c.before), after = laid_out(parse(c.before));
      EXPECT_EQ(print(after), print(parse(c.after ? c.after : c.before)));
      EXPECT_EQ(print(laid_out(parse(print(after).c_str()))), print(after)) << "a second pass changes nothing";
      std::mt19937 random(7);
      std::vector<HostValue> in;
      for (const Value& p : before.params) in.push_back(random_value(p.type(), random));
      std::vector<HostValue> want = evaluate(before, in), got = evaluate(after, in);
      ASSERT_EQ(want.size(), got.size());
      for (size_t i = 0; i < want.size(); i++) {
        EXPECT_TRUE(want[i].type == got[i].type) << "result " << i;
        EXPECT_TRUE(want[i].bytes == got[i].bytes) << "result " << i << " has other bits";
      }
    } catch (const Error& e) {
      ADD_FAILURE() << e.message();
    }
  }
}

}  // namespace
}  // namespace jt
