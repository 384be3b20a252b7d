// array: the arrays that benches compute on lie as those of jt's pool do, for every contender: on cache lines, large
// ones in large pages. A vector of the C library's malloc lies 16 bytes beside a line, and each register read from it,
// across two.
#pragma once
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <cstdlib>
#include <new>
#include <vector>

namespace jt::bench {

template <class T>
struct InLargePages {
  using value_type = T;
  static constexpr size_t kPage = size_t(1) << 21;
  T* allocate(size_t count) {
    const size_t bytes = count * sizeof(T), align = bytes < 2 * kPage ? 64 : kPage;
    void* block = std::aligned_alloc(align, (bytes + align - 1) / align * align);
    if (!block) throw std::bad_alloc();
#if defined(MADV_HUGEPAGE)
    if (bytes >= 2 * kPage) madvise(block, bytes / kPage * kPage, MADV_HUGEPAGE);
#endif
    return static_cast<T*>(block);
  }
  void deallocate(T* block, size_t) { std::free(block); }
  template <class U>
  bool operator==(const InLargePages<U>&) const { return true; }
};
template <class T>
using Array = std::vector<T, InLargePages<T>>;

}  // namespace jt::bench
