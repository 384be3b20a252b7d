// heap: operator new of the program that includes it, once, which is the library's too, counted.
#pragma once
#include <atomic>
#include <cstdlib>
#include <new>

#include "tests/capi/capi.h"

namespace jt::test {

inline std::atomic<int64_t> news{0};

// What `count` calls of a loop's body take, after as many to warm up.
template <class Body>
int64_t news_of(int count, Body body) {
  for (int i = 0; i < count; i++) body();
  int64_t before = news;
  for (int i = 0; i < count; i++) body();
  return news - before;
}

template <class Body>
void expect_none(const std::string& what, Body body) {
  for (int i = 0; i < 20; i++) body();
  EXPECT_EQ(news_of(20, body), 0) << what;
}

}  // namespace jt::test

[[gnu::noinline]] void* operator new(size_t bytes) {
  jt::test::news.fetch_add(1, std::memory_order_relaxed);
  if (void* p = std::malloc(bytes ? bytes : 1)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, size_t) noexcept { std::free(p); }
