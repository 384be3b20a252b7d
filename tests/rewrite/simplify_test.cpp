// simplify: graph in, graph out.
#include "core/rewrite/simplify.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <algorithm>

#include "core/ir/build.h"

namespace jt {
namespace {

struct Case {
  const char* title;
  const char* before;
  const char* after;  // nullptr: nothing changes
};

const Case kCases[] = {
#include "simplify_cases.inc"
};

std::string simplified(const char* text) {
  Block b = simplify(parse(text));
  verify(b);
  return print(b);
}

TEST(Simplify, Cases) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.title);
    try {
      std::string once = simplified(c.before);
      EXPECT_EQ(once, print(parse(c.after ? c.after : c.before)));
      EXPECT_EQ(simplified(once.c_str()), once) << "a second pass changes nothing";
    } catch (const Error& e) {
      ADD_FAILURE() << e.message();
    }
  }
}

// What f16 @ f16 is recorded as, the second operand transposed on its way.
constexpr const char* kHalves = R"(block(%0: f16[3,4], %1: f16[5,4]) {
  %2 = cast %0 {dtype=f32}
  %3 = cast %1 {dtype=f32}
  %4 = transpose %3 {axes=[1,0]}
  %5 = matmul %2 %4
  %6 = cast %5 {dtype=f16}
  return %6
}
)";
std::string with_half_products(const std::string& text) {
  SimplifyOptions options;
  options.half_products = true;
  Block b = simplify(parse(text), options);
  verify(b);
  return print(b);
}

TEST(Simplify, HalvesAreMultipliedAsTheyAreWhereTheDeviceCan) {
  const char* wanted = R"(block(%0: f16[3,4], %1: f16[5,4]) {
  %2 = transpose %1 {axes=[1,0]}
  %3 = matmul %0 %2
  return %3
}
)";
  EXPECT_EQ(with_half_products(kHalves), print(parse(wanted)));
  EXPECT_EQ(with_half_products(wanted), print(parse(wanted)));
  EXPECT_EQ(simplified(kHalves), print(parse(kHalves)));  // others
}
// Sums that stay f32, operands that never were halves, or other ones, and products of other dtypes stay.
TEST(Simplify, OnlyProductsOfOneKindOfHalvesAreOfHalves) {
  auto with = [](std::string from, std::string to) {
    std::string text = kHalves;
    for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
      text.replace(at, from.size(), to);
    return text;
  };
  for (const std::string& text :
       {with("return %6", "return %5"), with("%1: f16", "%1: bf16"), with("%0: f16", "%0: i16"),
        with("cast %5 {dtype=f16}", "cast %5 {dtype=bf16}"), with("dtype=f32", "dtype=f64")})
    EXPECT_EQ(with_half_products(text), simplified(text.c_str())) << text;
}

TEST(Simplify, TracesEachRewrite) {
  std::vector<std::string> rules;
  SimplifyOptions options;
  options.trace = [&](std::string_view rule, Ref, Ref) { rules.push_back(std::string(rule)); };
  simplify(parse("block(%0: f32[4]) {\n %1 = neg %0\n %2 = neg %1\n %3 = neg %0\n %4 = add %2 %3\n return %4\n}\n"),
           options);
  EXPECT_EQ(rules, (std::vector<std::string>{"-(-x) -> x", "equal", "x + -y -> x - y"}));
}

TEST(Simplify, FoldsAreComputedAgainForOtherScalars) {
  Block b = simplify(parse(R"(block(%0: f32[4]) {
    #0 = f32 2
    #1 = f32 3
    %1 = constant f32 2 from #0
    %2 = constant f32 3 from #1
    %3 = mul %0 %1
    %4 = mul %3 %2
    return %4
  })"));
  ASSERT_EQ(b.scalars.size(), 3u);
  auto set = [&](int id, double v) { std::memcpy(&b.scalars[size_t(id)].bits, &v, 8); };
  set(0, 8), set(1, -5);
  refold(b.scalars);
  double folded;
  std::memcpy(&folded, &b.scalars[2].bits, 8);
  EXPECT_EQ(folded, -40);
}

// A chain of 1e6 nodes: linear time, and no recursion anywhere from simplify to release.
void* simplify_long_chain(void*) {
  Block b;
  Value x = b.recorder->leaf({JT_F32, Shape{4}}, nullptr);
  b.params.push_back(x);
  for (int i = 0; i < 1000000; i++) {
    x = i % 3 == 0 ? ops::neg(x) : i % 3 == 1 ? ops::exp(x) : ops::square(x);
    b.nodes.push_back(x);
  }
  b.results.push_back(x);
  x = {};
  b = simplify(std::move(b));
  static size_t left;
  left = b.nodes.size();
  return &left;
}

TEST(Simplify, LongChainOnASmallStack) {
  pthread_attr_t attr;
  pthread_attr_init(&attr);
  pthread_attr_setstacksize(&attr, 256 << 10);
  pthread_t thread;
  ASSERT_EQ(pthread_create(&thread, &attr, simplify_long_chain, nullptr), 0);
  void* left = nullptr;
  pthread_join(thread, &left);
  pthread_attr_destroy(&attr);
  EXPECT_EQ(*static_cast<size_t*>(left), 1000000u);
}

}  // namespace
}  // namespace jt
