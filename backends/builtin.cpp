#include "backends/builtin.h"

#include "backends/cpu_tcc/cpu_backend.h"

namespace jt {

std::array<const jt_backend_api*, 1> builtin_backends() { return {jt_cpu_backend()}; }

}  // namespace jt
