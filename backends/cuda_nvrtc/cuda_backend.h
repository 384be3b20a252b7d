// cuda_backend: the table of the backend `cuda`: NVIDIA GPUs by the driver, NVRTC and nothing else (toolkit).
#pragma once
#include <jt/jt_backend.h>

namespace jt {

const jt_backend_api* jt_cuda_backend();

}  // namespace jt
