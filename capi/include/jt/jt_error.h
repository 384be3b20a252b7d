/* jt_error.h: what went wrong last in this thread. */
#ifndef JT_ERROR_H
#define JT_ERROR_H

#include <jt/jt_base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct jt_error_info {
  uint32_t struct_size; /* set by the caller: sizeof(jt_error_info) */
  jt_status code;       /* JT_OK if no call failed in this thread yet */
  int64_t native_code;  /* errno or a driver's code, 0 if none */
  const char* function; /* the function that failed: "jt_add" */
  const char* message;  /* ends with a NUL; valid until the next failing call of this thread */
  size_t message_len;
} jt_error_info;

/* Fills `inout` up to its struct_size with the last failure of the calling thread. Never fails; NULL is ignored. */
JT_API void jt_last_error(jt_error_info* inout);
/* The text of the last failure of the calling thread; "" if there was none. */
JT_API const char* jt_last_error_message(void);

#ifdef __cplusplus
}
#endif
#endif
