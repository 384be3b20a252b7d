#include "backends/builtin.h"

#include "backends/cpu_tcc/cpu_backend.h"
#include "backends/cuda_nvrtc/cuda_backend.h"

namespace jt {

std::array<const jt_backend_api*, 2> builtin_backends() { return {jt_cpu_backend(), jt_cuda_backend()}; }

}  // namespace jt
