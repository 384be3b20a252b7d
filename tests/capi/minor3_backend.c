/* The toy backend as it was before a host could ask what it supports: its table ends there. */
#define jt_backend_entry_v1 toy_entry
#include "examples/backend/toy_backend.c"
#undef jt_backend_entry_v1

#include <stddef.h>

JT_API const jt_backend_api* jt_backend_entry_v1(uint32_t host_minor);
const jt_backend_api* jt_backend_entry_v1(uint32_t host_minor) {
  static jt_backend_api table;
  table = *toy_entry(host_minor);
  table.struct_size = offsetof(jt_backend_api, supports);
  table.abi_minor = 3;
  return &table;
}
