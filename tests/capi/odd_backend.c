/* Backends that a host must refuse; ODD says which. */
#include <jt/jt_backend.h>
#include <string.h>

#if ODD != 0
static jt_backend_api table;

#if ODD == 4
static jt_status refuse(const jt_host_api* host, jt_be_device** out) {
  static const char message[] = "odd: there is no such device";
  *out = NULL;
  host->set_error(host->host, JT_E_DEVICE, 7, message, sizeof message - 1);
  return JT_E_DEVICE;
}
static void nothing(void) {}
#endif

JT_API const jt_backend_api* jt_backend_entry_v1(uint32_t host_minor);
const jt_backend_api* jt_backend_entry_v1(uint32_t host_minor) {
  (void)host_minor;
#if ODD == 1
  return NULL;
#endif
  table.struct_size = ODD == 2 ? 16 : sizeof table;
#if ODD == 4
  {
    /* Every function the same one: none but open is called. */
    void (*function)(void) = nothing;
    char* at = (char*)&table.open;
    for (; at < (char*)(&table + 1); at += sizeof function) memcpy(at, &function, sizeof function);
  }
  table.name = "odd";
  table.dialects = JT_BE_PROGRAM;
  table.open = refuse;
#endif
  return &table;
}
#endif
