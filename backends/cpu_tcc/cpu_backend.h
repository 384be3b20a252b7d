// cpu_backend: the CPU as a table of jt_backend.h: kernels run by libtcc's code or the block VM, library ops by
// hand-written kernels.
#pragma once
#include <jt/jt_backend.h>

#ifdef __cplusplus
extern "C"
#endif
const jt_backend_api* jt_cpu_backend(void);
