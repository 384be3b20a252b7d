// library: picks the kernels that this CPU can run, by its features, never by its model.
#include "backends/cpu_tcc/library/library.h"

#include <unistd.h>

namespace jt::library {

// What a machine may plausibly say.
constexpr i64 kLeastCache = i64(1) << 18, kMostCache = i64(1) << 22;

extern const LibraryKernels kKernels_generic;
#if defined(JT_LIBRARY_X86)
extern const LibraryKernels kKernels_avx2;
extern const LibraryKernels kKernels_avx512;

static bool cpu_has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
static bool cpu_has_avx512() {
  return cpu_has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
}
#endif

i64 cache_of_a_core() {
#if defined(_SC_LEVEL2_CACHE_SIZE)
  const i64 bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
  if (bytes > 0) return bytes < kLeastCache ? kLeastCache : bytes > kMostCache ? kMostCache : bytes;
#endif
  return kUnknownCache;
}

const LibraryKernels* library_kernels(Isa isa) {
  const bool any = isa == Isa::best;
#if defined(JT_LIBRARY_X86)
  if ((any || isa == Isa::avx512) && cpu_has_avx512()) return &kKernels_avx512;
  if ((any || isa == Isa::avx2) && cpu_has_avx2()) return &kKernels_avx2;
#endif
  return any || isa == Isa::generic ? &kKernels_generic : nullptr;
}

}  // namespace jt::library
