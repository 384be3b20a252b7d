#include "backends/builtin.h"

#include "backends/cpu_tcc/cpu_backend.h"

namespace jt {

std::span<const jt_backend_api* const> builtin_backends() {
  static const jt_backend_api* const kBackends[] = {jt_cpu_backend()};
  return kBackends;
}

}  // namespace jt
