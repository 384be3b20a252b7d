// Graphs are walked and released by loops: a chain of a million ops lives on a thread with 256 KiB of stack.
//
// This one looks behind the C API: the flush limit can only be turned off there.
#include <pthread.h>

#include "core/grad/grad.h"
#include "core/ir/build.h"
#include "tests/pipeline/support.h"

using namespace jt;
using namespace jt::ops;
using jt::test::Bench;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kLength = 100'000;  // minutes otherwise; what recurses overflows the stack as well
#else
constexpr int kLength = 1'000'000;
#endif

static Value chain(Value x, int length) {
  for (int i = 0; i < length; i++) x = i % 2 ? x * 1.0009765625 : sin(x);
  return x;
}
static float expected(float x, int length) {
  for (int i = 0; i < length; i++) x = i % 2 ? x * 1.0009765625f : std::sin(x);
  return x;
}

static void live_and_die() {
  Bench b("vm", false);
  b.context->set_flush_limit(false);
  Cell* x = b.context->cell(b.floats({2}, {0.5f, 0.25f}));
  b.context->set_requires_grad(*x, true);
  {
    Block block;
    Value p = block.recorder->leaf({JT_F32, Shape(std::initializer_list<int64_t>{2})}, nullptr);
    block.params.push_back(p);
    for (int i = 0; i < kLength; i++) block.nodes.push_back(p = i % 2 ? cos(p) : sin(p));
    block.results.push_back(p);
    p = Value();
    std::string text = print(block);
    Block again = parse(text);
    EXPECT_EQ(print(again), text);
  }
  {
    Value y = chain(x->value, kLength);
    EXPECT_GE(b.recorder().pending_count(), kLength);
  }
  EXPECT_EQ(b.recorder().pending_count(), 0);

  Cell* y = b.context->cell(chain(x->value, kLength));
  std::vector<float> values = b.read(y->value);
  EXPECT_NEAR(values[0], expected(0.5f, kLength), 1e-4);
  Value dy = b.floats({2}, {1, 1});
  std::vector<Value> dx = b.context->grad(y->value, {&x, 1}, dy, 0);
  b.read(dx[0]);
  release(y);
  release(x);
}

TEST(Chain, OfAMillionOpsOnASmallStack) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, 256 << 10), 0);
  pthread_t thread;
  ASSERT_EQ(pthread_create(&thread, &attributes, [](void*) -> void* { return live_and_die(), nullptr; }, nullptr), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}
