// base: names of codes and dtypes, and the version.
#include <jt/jt_base.h>

#include "core/base/dtype.h"

#define JT_TEXT_OF(number) #number
#define JT_VERSION_TEXT(major, minor, patch) JT_TEXT_OF(major) "." JT_TEXT_OF(minor) "." JT_TEXT_OF(patch)

extern "C" const char* jt_status_name(jt_status status) {
  switch (status) {
#define JT_NAME(code) \
  case code: return #code;
    JT_NAME(JT_OK) JT_NAME(JT_E_UNKNOWN) JT_NAME(JT_E_INVALID) JT_NAME(JT_E_SHAPE) JT_NAME(JT_E_DTYPE)
    JT_NAME(JT_E_NOMEM) JT_NAME(JT_E_DEVICE) JT_NAME(JT_E_DEVICE_LOST) JT_NAME(JT_E_COMPILE)
    JT_NAME(JT_E_UNSUPPORTED) JT_NAME(JT_E_CANCELLED) JT_NAME(JT_E_TIMEOUT) JT_NAME(JT_E_IO) JT_NAME(JT_E_ABI)
    JT_NAME(JT_E_BUSY) JT_NAME(JT_E_WOULD_COMPILE) JT_NAME(JT_E_NOT_FOUND) JT_NAME(JT_E_WRONG_CONTEXT)
    JT_NAME(JT_E_FORKED) JT_NAME(JT_E_INTERNAL) JT_NAME(JT_E_INDEX) JT_NAME(JT_E_USER)
#undef JT_NAME
    case JT_STATUS_FORCE32: break;
  }
  return "JT_E_?";
}

extern "C" const char* jt_dtype_name(jt_dtype dtype) { return jt::is_dtype(int(dtype)) ? jt::name(dtype) : "?"; }
extern "C" size_t jt_dtype_size(jt_dtype dtype) { return jt::is_dtype(int(dtype)) ? jt::size_of(dtype) : 0; }
extern "C" const char* jt_version(void) {
  return JT_VERSION_TEXT(JT_VERSION_MAJOR, JT_VERSION_MINOR, JT_VERSION_PATCH);
}
