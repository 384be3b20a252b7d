/* jt_backend.h: what a backend offers to jt: one table of functions.
 *
 * Backends see this header and nothing else of the API. Every function returns a status, takes explicit handles and
 * may be called from any thread; one stream is driven by one thread at a time. None throws. A failing function tells
 * why through jt_be_host.set_error before it returns. Tables grow at their end only; struct_size tells how far. */
#ifndef JT_BACKEND_H
#define JT_BACKEND_H

#include <jt/jt_base.h>

#ifdef __cplusplus
extern "C" {
#endif

#define JT_BACKEND_ABI_MAJOR 1
#define JT_BACKEND_ABI_MINOR 0

typedef struct jt_host jt_host;             /* jt's side of an opened backend */
typedef struct jt_be jt_be;                 /* an opened backend */
typedef struct jt_be_device jt_be_device;
typedef struct jt_be_stream jt_be_stream;   /* work in order */
typedef struct jt_be_module jt_be_module;   /* compiled code */
typedef struct jt_be_kernel jt_be_kernel;   /* an entry of a module, owned by it */

/* What compile accepts; bits of jt_be_device_info.accepts. */
typedef enum jt_be_source_kind {
  JT_BE_PROGRAM = 1, /* the loop IR itself, core/base/program.h: for backends built with jt */
  JT_BE_C = 2,       /* C99 */
  JT_BE_CUDA_C = 4,
  JT_BE_PTX = 8,
  JT_BE_SPIRV = 16,
  JT_BE_SOURCE_KIND_FORCE32 = 0x7fffffff
} jt_be_source_kind;

/* Bytes that their producer frees: release(user, data), NULL when they are static. */
typedef struct jt_be_blob {
  const void* data;
  size_t data_len;
  void (*release)(void* user, const void* data);
  void* release_user;
} jt_be_blob;

/* What jt offers to a backend; valid while it is open. */
typedef struct jt_be_host {
  uint32_t struct_size, abi_minor;
  jt_host* host;
  void (*set_error)(jt_host* host, jt_status status, int64_t native, const char* message, size_t message_len);
  void (*log)(jt_host* host, int32_t level, const char* message, size_t message_len);
  void* (*alloc)(jt_host* host, size_t bytes, size_t align);
  void (*free)(jt_host* host, void* memory, size_t bytes, size_t align);
  /* Compiled code on disk, by key; NULL where there is no cache. */
  jt_status (*cache_get)(jt_host* host, const uint8_t key[32], jt_be_blob* out);
  jt_status (*cache_put)(jt_host* host, const uint8_t key[32], const void* data, size_t data_len);
  /* A flag of jt (docs/FLAGS.md) as text, NULL where it is not set. */
  const char* (*flag)(jt_host* host, const char* name);
} jt_be_host;

/* A device; the host sets struct_size. */
typedef struct jt_be_device_info {
  uint32_t struct_size;
  uint32_t accepts;        /* jt_be_source_kind bits, best first is jt's business */
  char name[64];           /* "AMD EPYC 9555, AVX-512" */
  char target[64];         /* part of every cache key: same text, same code */
  int64_t memory_bytes;
  int32_t compute_units;   /* cores, or multiprocessors */
  int32_t max_operands;    /* of a kernel; 0: no limit */
  jt_bool is_host_memory;  /* its memory is ordinary memory of the process */
  uint32_t reserved;
} jt_be_device_info;

/* One kernel to compile. */
typedef struct jt_be_source {
  uint32_t struct_size;
  jt_be_source_kind kind;
  const void* text;        /* JT_BE_PROGRAM: a const jt::Program*, text_len 0 */
  size_t text_len;
  const char* entry;       /* void entry(const int64_t *args, int64_t begin, int64_t end) */
  size_t entry_len;
  uint8_t key[32];         /* of the source, without the target */
} jt_be_source;

/* One launch: the range begin..end of the outermost parallel axis, in whole blocks. args are those of the loop IR. */
typedef struct jt_be_launch {
  uint32_t struct_size;
  uint32_t reserved;
  const int64_t* args;
  size_t args_len;
  int64_t begin, end;
} jt_be_launch;

/* A tensor given to a library op. Strides count elements. */
typedef struct jt_be_tensor {
  jt_dtype dtype;
  int32_t ndim;
  int64_t dims[JT_MAX_RANK];
  int64_t strides[JT_MAX_RANK];
  void* data;              /* NULL in a query */
} jt_be_tensor;

/* A library op: described, not a slot of the table, so that new ones change nothing here. */
typedef struct jt_be_op {
  uint32_t struct_size;
  uint32_t reserved;
  const char* name;        /* "matmul", "conv2d", ... as in the op table */
  const jt_be_tensor* inputs;
  size_t inputs_len;
  const jt_be_tensor* outputs;
  size_t outputs_len;
  const jt_attr* attrs;
  size_t attrs_len;
} jt_be_op;

/* What a backend says about an op; the host sets struct_size. */
typedef struct jt_be_op_caps {
  uint32_t struct_size;
  jt_bool is_supported;
  jt_bool is_deterministic;
  uint32_t reserved;
  int64_t workspace_bytes;
  int64_t estimated_ns;    /* 0: unknown */
} jt_be_op_caps;

/* The table. Those marked optional may be NULL: jt then does without. */
typedef struct jt_backend_api {
  uint32_t struct_size, abi_minor;
  const char* name;        /* "cpu_tcc" */
  const char* version;
  jt_status (*open)(const jt_be_host* host, jt_be** out);
  void (*close)(jt_be* be);
  int32_t (*device_count)(jt_be* be);
  jt_status (*device_info)(jt_be* be, int32_t i, jt_be_device_info* inout);
  jt_status (*device_open)(jt_be* be, int32_t i, jt_be_device** out);
  void (*device_close)(jt_be_device* device);
  /* Memory: NULL where is_host_memory, and then jt brings its own. */
  jt_status (*mem_alloc)(jt_be_device* device, size_t bytes, size_t align, void** out);
  void (*mem_free)(jt_be_device* device, void* memory, size_t bytes);
  jt_status (*copy)(jt_be_device* device, jt_be_stream* stream, void* to, const void* from, size_t bytes);
  /* Streams: NULL stream is the device's own. Optional where launch returns only when all is done. */
  jt_status (*stream_create)(jt_be_device* device, jt_be_stream** out);
  void (*stream_destroy)(jt_be_stream* stream);
  jt_status (*stream_sync)(jt_be_device* device, jt_be_stream* stream);
  /* Kernels. */
  jt_status (*compile)(jt_be_device* device, const jt_be_source* source, jt_be_module** out);
  jt_status (*module_load)(jt_be_device* device, const void* data, size_t data_len, jt_be_module** out); /* optional */
  jt_status (*module_save)(jt_be_module* module, jt_be_blob* out);                                       /* optional */
  void (*module_destroy)(jt_be_module* module);
  jt_status (*kernel_get)(jt_be_module* module, const char* entry, size_t entry_len, jt_be_kernel** out);
  jt_status (*launch)(jt_be_device* device, jt_be_stream* stream, jt_be_kernel* kernel, const jt_be_launch* launch);
  /* Library ops: optional, both or neither. */
  jt_status (*op_query)(jt_be_device* device, const jt_be_op* op, jt_be_op_caps* inout);
  jt_status (*op_run)(jt_be_device* device, jt_be_stream* stream, const jt_be_op* op, void* workspace,
      size_t workspace_len);
} jt_backend_api;

/* The one symbol that a backend in a library of its own exports. Its table is static; NULL when the host is too old. */
typedef const jt_backend_api* (*jt_backend_entry_v1_fn)(uint32_t host_abi_minor);

#ifdef __cplusplus
}
#endif
#endif
