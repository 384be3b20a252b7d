/* jt_base.h: the words every other header uses: status codes, dtypes, attributes, version.
 *
 * All headers are C89 plus <stdint.h> and <stddef.h>. Strings are UTF-8, passed as (text, text_len);
 * JT_NUL as a length means that the text ends with a NUL. Sizes named *_len count elements, never bytes,
 * unless the element is a byte. */
#ifndef JT_BASE_H
#define JT_BASE_H

#include <stddef.h>
#include <stdint.h>

#if defined(SWIG)
#define JT_API
#elif defined(__GNUC__)
#define JT_API __attribute__((visibility("default")))
#else
#define JT_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define JT_VERSION_MAJOR 0
#define JT_VERSION_MINOR 1
#define JT_VERSION_PATCH 0
/* A length: "this text ends with a NUL". */
#define JT_NUL SIZE_MAX
/* Most axes a tensor may have. */
#define JT_MAX_RANK 8

typedef int32_t jt_bool;

/* What a fallible call returns: JT_OK, or a negative code; jt_last_error has the text. */
typedef enum jt_status {
  JT_OK = 0,
  JT_E_UNKNOWN = -1,
  JT_E_INVALID = -2,       /* an argument is NULL, out of range or of the wrong kind */
  JT_E_SHAPE = -3,         /* shapes do not fit the op */
  JT_E_DTYPE = -4,         /* dtypes do not fit the op */
  JT_E_NOMEM = -5,         /* memory could not be had */
  JT_E_DEVICE = -6,        /* the device reported an error */
  JT_E_DEVICE_LOST = -7,   /* the device is gone, and the values on it */
  JT_E_COMPILE = -8,       /* a kernel did not compile */
  JT_E_UNSUPPORTED = -9,   /* not offered by this build, backend or op */
  JT_E_CANCELLED = -10,
  JT_E_TIMEOUT = -11,
  JT_E_IO = -12,           /* a file could not be read or written, or its content is damaged */
  JT_E_ABI = -13,          /* header and library do not fit each other */
  JT_E_BUSY = -14,         /* the context is in use by another thread */
  JT_E_WOULD_COMPILE = -15,
  JT_E_NOT_FOUND = -16,
  JT_E_WRONG_CONTEXT = -17, /* an unevaluated tensor of another context */
  JT_E_FORKED = -18,
  JT_E_INTERNAL = -19,     /* a defect of jt itself */
  JT_E_INDEX = -20,        /* an index or a label is outside what it counts along */
  JT_E_USER = -1000,       /* -1000..-1999 pass through callbacks untouched */
  JT_STATUS_FORCE32 = 0x7fffffff
} jt_status;

/* Element types. All are stored; element-wise ops compute in f32, f64, i32, i64 or u64 and round or wrap
 * each result to its own dtype. */
typedef enum jt_dtype {
  JT_BOOL = 1,
  JT_I8 = 2,
  JT_I16 = 3,
  JT_I32 = 4,
  JT_I64 = 5,
  JT_U8 = 6,
  JT_U16 = 7,
  JT_U32 = 8,
  JT_U64 = 9,
  JT_F16 = 10,  /* IEEE 754 binary16 */
  JT_BF16 = 11, /* bfloat16 */
  JT_F32 = 12,
  JT_F64 = 13,
  JT_DTYPE_FORCE32 = 0x7fffffff
} jt_dtype;

/* Kind of a jt_attr: which of its fields holds the value. */
typedef enum jt_attr_kind {
  JT_ATTR_I64 = 1,
  JT_ATTR_F64 = 2,
  JT_ATTR_INTS = 3,
  JT_ATTR_STR = 4,
  JT_ATTR_KIND_FORCE32 = 0x7fffffff
} jt_attr_kind;

/* One named attribute of an op, layer or optimiser. Borrowed for the length of the call. */
typedef struct jt_attr {
  const char* name; /* ends with a NUL */
  jt_attr_kind kind;
  int64_t i64; /* also bool (0 or 1) and dtype (a jt_dtype) */
  double f64;
  const int64_t* ints;
  size_t ints_len;
  const char* str;
  size_t str_len;
} jt_attr;

/* Static text naming a status code; "JT_E_?" for values this library does not know. Any thread. */
JT_API const char* jt_status_name(jt_status status);
/* Static text naming a dtype ("f32"); "?" for values this library does not know. Any thread. */
JT_API const char* jt_dtype_name(jt_dtype dtype);
/* Bytes of one element; 0 for values this library does not know. Any thread. */
JT_API size_t jt_dtype_size(jt_dtype dtype);
/* "0.1.0"; static. Any thread. */
JT_API const char* jt_version(void);

#ifdef __cplusplus
}
#endif
#endif
