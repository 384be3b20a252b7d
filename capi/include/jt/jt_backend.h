/* jt_backend.h: how a device joins jt: one table of C functions, filled by a backend, called by the host.
 *
 * The host hands over kernels as text; which dialects a backend reads is a bit set in its table. Library ops (matrix
 * product, convolution, ...) are described, not enumerated as slots: a backend that does not offer one says so.
 * Every function returns a jt_status, may be called from any thread unless it says otherwise, and never throws.
 * This header has an ABI number of its own: the major is in the entry symbol's name, the table grows at its end. */
#ifndef JT_BACKEND_H
#define JT_BACKEND_H

#include <jt/jt_base.h>

#ifdef __cplusplus
extern "C" {
#endif

#define JT_BACKEND_ABI_MAJOR 1
#define JT_BACKEND_ABI_MINOR 5

typedef struct jt_be_device jt_be_device; /* defined by the backend */
typedef struct jt_be_kernel jt_be_kernel;
typedef struct jt_be_op jt_be_op;
typedef struct jt_be_stream jt_be_stream; /* a queue: what it is given runs later, one after the other */
typedef struct jt_be_event jt_be_event;   /* stands for all that a stream was given up to a point */

/* Dialects of kernel text, as bits. */
typedef enum jt_be_dialect {
  JT_BE_PROGRAM = 1, /* the text of a block program; docs/ADD-A-BACKEND.md has the grammar */
  /* Since minor 3. The same as C99 that needs no header: void jt_kernel(const jt_i64 *A, jt_i64 begin, jt_i64 end),
   * where A is `args` of the launch. It has the host's own bits if the compiler contracts nothing
   * (-ffp-contract=off) and lets integers wrap (-fwrapv). It needs no scratch memory, and of the C library functions
   * of <math.h> at most. */
  JT_BE_C = 2,
  JT_BE_DIALECT_FORCE32 = 0x7fffffff
} jt_be_dialect;

/* What a backend may use of the host. Valid until the device is closed. */
typedef struct jt_host_api {
  uint32_t struct_size;
  uint32_t abi_minor;
  void* host;
  /* Text of the failure that the current call is about to return. */
  void (*set_error)(void* host, jt_status status, int64_t native, const char* message, size_t message_len);
  /* level: 0 error, 1 warning, 2 info, 3 debug */
  void (*log)(void* host, int32_t level, const char* domain, const char* message, size_t message_len);
  /* The host's memory, for what the backend needs beside launches; a host sets both. */
  void* (*alloc)(void* host, size_t bytes, size_t align);
  void (*free)(void* host, void* p, size_t bytes, size_t align);
  /* The value of a setting ("cpu.tier"), or NULL; valid during the call it is asked in. Since minor 4: where the
   * host may read the environment, settings of a backend's own are variables there: "cuda.driver" is JT_CUDA_DRIVER,
   * and a name in capitals itself. */
  const char* (*setting)(void* host, const char* name);
  /* Since minor 1. Threads that one call may use, its own included: at least 1. */
  int32_t threads;
  int32_t reserved;
  /* Since minor 1. Calls body(user, 0), and body(user, i) for those i in [1, lanes) for which a thread is free, each at
   * most once and all at once; lanes <= threads. Returns when all that began have returned. So the pieces of the work
   * are to be
   * claimed by the lanes, and lane 0 alone must finish them all. Never fails; `body` must not call it again. */
  void (*parallel_for)(void* host, void (*body)(void* user, int64_t lane), void* user, int64_t lanes);
  /* Since minor 1. Runs work(argument) once, later, on a thread that the host chooses; never inside this call. The
   * device is waited for by `close` only while the work runs; what has not begun by then does nothing. NULL: the
   * host lends no thread. */
  void (*submit)(void* host, void (*work)(void* argument), void* argument);
  /* Since minor 3. Which of the backend's devices to open, from 0. */
  int32_t device_index;
  int32_t reserved2;
} jt_host_api;

/* A kernel to compile: `render` writes its text in one of the dialects the backend reads. The text is the backend's
 * to copy; it lives until `render` is called again or the compile returns. `key` is the program's text: equal keys
 * are equal kernels. */
typedef struct jt_be_source {
  uint32_t struct_size;
  const char* key;
  size_t key_len;
  void* user;
  jt_status (*render)(void* user, jt_be_dialect dialect, const char** text, size_t* text_len);
} jt_be_source;

/* One launch: argument words as the kernel's dialect defines them, over outer elements [begin, end). */
typedef struct jt_be_launch {
  const int64_t* args;
  size_t args_len;
  int64_t begin, end;
} jt_be_launch;

typedef struct jt_be_kernel_info {
  uint32_t struct_size;
  const char* tier;      /* "vm", "tcc", "gxx"; static */
  int64_t compile_ns;    /* spent so far */
  jt_bool from_cache;    /* its code was kept from an earlier process: nothing was compiled */
} jt_be_kernel_info;

/* jt_backend_api.flags. */
typedef enum jt_be_flags {
  /* A launch or an op_run that is given what it was promised fails only with the device. Without this bit any may
   * fail, and the host lets no plan write over a value that existed before it: a failed plan then changes nothing. */
  JT_BE_SURE_LAUNCHES = 1,
  /* Since minor 3. The host cannot follow an address that mem_alloc gives. The table has mem_alloc, mem_free, copy
   * and fill; kernels and ops are given memory of mem_alloc only (index maps in the arguments stay the host's). */
  JT_BE_OWN_MEMORY = 2,
  /* Since minor 3. What streams are given runs later. The table has stream_*, event_create, _release, _record, _wait
   * and _sync, launch_on, op_run_on, copy and fill; launch and op_run may be NULL. */
  JT_BE_ASYNC = 4,
  /* Since minor 5. The library op matmul takes f16 and bf16, sums in f32 and rounds once, or gives f32: the host gives
   * it such operands as they are, where it casts them to f32 for others. */
  JT_BE_HALF_PRODUCTS = 8,
  JT_BE_FLAGS_FORCE32 = 0x7fffffff
} jt_be_flags;

/* Where the bytes of a copy come from and go to. */
typedef enum jt_be_copy_kind {
  JT_BE_HOST_TO_DEVICE = 1,
  JT_BE_DEVICE_TO_HOST = 2,
  JT_BE_DEVICE_TO_DEVICE = 3, /* the same device */
  JT_BE_COPY_FORCE32 = 0x7fffffff
} jt_be_copy_kind;

/* An op on its operands as it was recorded, before anything of it is simplified or fused. Valid during the call. */
typedef struct jt_be_value {
  jt_dtype dtype;
  int32_t rank;
  const int64_t* dims;
} jt_be_value;
typedef struct jt_be_attr {
  const char* name;      /* as in the row's signature: "axis" */
  size_t name_len;
  const int64_t* values; /* a real number as the bits of a double; a text as its length, then its bytes */
  size_t values_len;
} jt_be_attr;
typedef struct jt_be_node {
  uint32_t struct_size;
  const char* op;        /* the name of its row in the op table: "conv2d" */
  const char* kind; /* the row's: "element", "cast", "reduce", "index", "library" or "source" (random bits, counting) */
  const jt_be_value* operands;
  size_t operands_len;
  const jt_be_value* results;
  size_t results_len;
  const jt_be_attr* attrs;
  size_t attrs_len;
} jt_be_node;

typedef struct jt_backend_api {
  uint32_t struct_size;
  uint32_t abi_minor;
  const char* name;      /* "cpu" */
  uint32_t dialects;     /* jt_be_dialect bits */
  uint32_t flags;        /* jt_be_flags bits */

  /* The device: opened once per runtime. */
  jt_status (*open)(const jt_host_api* host, jt_be_device** out);
  void (*close)(jt_be_device* device);

  /* With JT_BE_OWN_MEMORY: memory that kernels reach, aligned to 64 bytes, from any thread. JT_E_NOMEM: none is
   * left; the host then gives back what it keeps for speed and asks again. Memory is given back once nothing uses it
   * that a stream was given. Without that flag not called, as kernels reach the host's memory; leave both NULL. */
  jt_status (*mem_alloc)(jt_be_device* device, size_t bytes, void** out);
  void (*mem_free)(jt_be_device* device, void* p, size_t bytes);

  /* Kernels. */
  jt_status (*compile)(jt_be_device* device, const jt_be_source* source, jt_be_kernel** out);
  void (*kernel_release)(jt_be_device* device, jt_be_kernel* kernel);
  /* Scratch memory one launch with these arguments needs; the host passes it to `launch`, aligned to 64 bytes. It may
   * depend on extents, not on pointers, offsets or scalars: the host asks once for launches that differ in these
   * only. */
  jt_status (*scratch_bytes)(jt_be_device* device, jt_be_kernel* kernel, const jt_be_launch* launch, size_t* out);
  jt_status (*launch)(jt_be_device* device, jt_be_kernel* kernel, const jt_be_launch* launch, void* scratch);
  void (*kernel_info)(jt_be_device* device, jt_be_kernel* kernel, jt_be_kernel_info* inout);

  /* Library ops, by the name of their row in the op table. `params` are integers whose meaning docs/ADD-A-BACKEND.md
   * lists by op; pointers are operands, then results. JT_E_UNSUPPORTED: not offered with these parameters. */
  jt_status (*op_create)(jt_be_device* device, const char* name, const int64_t* params, size_t params_len,
                         size_t* workspace_bytes, jt_be_op** out);
  void (*op_release)(jt_be_device* device, jt_be_op* op);
  jt_status (*op_run)(jt_be_device* device, jt_be_op* op, void* const* pointers, size_t pointers_len, void* workspace);

  /* Since minor 1. An op made of C99 text, which defines `void jt_code(void *const *p)`: op_run passes its pointers on.
   * The text includes no header. JT_E_COMPILE: with the compiler's message. NULL, or JT_E_UNSUPPORTED: no C
   * compiler. */
  jt_status (*op_compile)(jt_be_device* device, const char* text, size_t text_len, jt_be_op** out);
  /* Since minor 1. The text that a compiler made the kernel of: hands it to `take`, once, or not at all if the
   * kernel is interpreted. May be NULL. */
  jt_status (*kernel_text)(jt_be_device* device, jt_be_kernel* kernel, void* user,
      void (*take)(void* user, const char* text, size_t text_len));
  /* Since minor 2. Does now what the first launch would have to wait for: the host calls it where it can tell how
   * long that takes and be called off. May be NULL. */
  void (*kernel_prepare)(jt_be_device* device, jt_be_kernel* kernel);
  /* Since minor 2. As op_run; contents[i], for each pointer, is a number that stands for the bytes there: the same
   * number, the same bytes, at any time. 0: unknown. What a backend makes of operands that stay the same, such as
   * weights in another order, it may keep. May be NULL: op_run is called. */
  jt_status (*op_run_known)(jt_be_device* device, jt_be_op* op, void* const* pointers, const uint64_t* contents,
      size_t pointers_len, void* workspace);
  /* Since minor 2. An op and, behind it, a launch of a kernel whose outer element e reads element e of the op's last
   * pointer and no other of it, and which writes nothing that the op reads: as one call, so that the kernel runs
   * over what the op has finished while that is near. join_workspace: the bytes that takes in all; JT_E_UNSUPPORTED
   * where nothing is gained. It may depend on extents, as scratch_bytes. Both may be NULL. */
  jt_status (*join_workspace)(jt_be_device* device, jt_be_op* op, jt_be_kernel* kernel, const jt_be_launch* launch,
                              size_t* out);
  jt_status (*op_run_joined)(jt_be_device* device, jt_be_op* op, void* const* pointers, const uint64_t* contents,
      size_t pointers_len, jt_be_kernel* kernel, const jt_be_launch* launch, void* workspace);
  /* Since minor 2. Gives back memory that is only kept for speed until at most so many bytes are left; returns how
   * many are. May be NULL. */
  int64_t (*trim)(jt_be_device* device, int64_t most_bytes);

  /* All from here on since minor 3. What the flags do not ask for is NULL.
   *
   * A device with JT_BE_ASYNC does what a stream is given later, in order; streams run side by side, except where one
   * waits for an event of the other. The host uses a stream on one thread at a time; the device and its events from
   * any. Whatever else is passed (arguments, index maps, lists of pointers) is the backend's to read before the call
   * returns; kernels and ops are released once an event behind their last launch has happened.
   * Failures: a call that can tell at once returns a status, and has given the stream nothing. What fails when it runs
   * is told by
   * event_sync, and does not keep what comes after it in the stream from running. */

  /* The device's memory, in bytes. May be NULL. */
  jt_status (*mem_info)(jt_be_device* device, size_t* out_free, size_t* out_total);
  /* Memory of the host's from which copies go fast (page-locked). Both may be NULL. */
  jt_status (*stage_alloc)(jt_be_device* device, size_t bytes, void** out);
  void (*stage_free)(jt_be_device* device, void* p, size_t bytes);
  jt_status (*stream_create)(jt_be_device* device, jt_be_stream** out);
  /* It still runs what it was given. */
  void (*stream_release)(jt_be_device* device, jt_be_stream* stream);
  /* stream NULL, as in all calls that take one: without JT_BE_ASYNC; done when the call returns. Memory of
   * stage_alloc is read when the copy runs, any other of the host's before `copy` returns; the host's memory is
   * written when it runs. */
  jt_status (*copy)(jt_be_device* device, jt_be_stream* stream, void* to, const void* from, size_t bytes,
                    jt_be_copy_kind kind);
  /* `count` times the lowest `item` bytes of pattern: 1, 2, 4 or 8. */
  jt_status (*fill)(jt_be_device* device, jt_be_stream* stream, void* to, uint64_t pattern, size_t item, size_t count);
  /* As launch and op_run_known (contents may be NULL). */
  jt_status (*launch_on)(jt_be_device* device, jt_be_stream* stream, jt_be_kernel* kernel, const jt_be_launch* launch,
                         void* scratch);
  jt_status (*op_run_on)(jt_be_device* device, jt_be_stream* stream, jt_be_op* op, void* const* pointers,
                         const uint64_t* contents, size_t pointers_len, void* workspace);
  jt_status (*event_create)(jt_be_device* device, jt_be_event** out);
  void (*event_release)(jt_be_device* device, jt_be_event* event);
  /* Once for each event: from now on it stands for what the stream was given so far. Fails only with the device. */
  jt_status (*event_record)(jt_be_device* device, jt_be_stream* stream, jt_be_event* event);
  /* What the stream is given from now on runs once the event, of any stream of the device, has happened. */
  jt_status (*event_wait)(jt_be_device* device, jt_be_stream* stream, jt_be_event* event);
  /* Returns once the event has happened: with the first failure of what its stream was given since the event that
   * was recorded there before it, each time that it is called. */
  jt_status (*event_sync)(jt_be_device* device, jt_be_event* event);
  /* The time from one event to the other, both of which have happened. May be NULL. */
  jt_status (*event_ns)(jt_be_device* device, jt_be_event* from, jt_be_event* to, int64_t* out_ns);

  /* Since minor 4. Whether the device can run the op, alone or in a kernel with others: JT_OK, or JT_E_UNSUPPORTED,
   * and then the host runs it on another device, the CPU, and copies what has to move. Asked for each op that is
   * recorded, so it is to be quick, and says the same each time; set_error is not needed. Constants and ops that
   * only move elements (reshape, slice, concat) are not asked for. NULL: it can all. */
  jt_status (*supports)(jt_be_device* device, const jt_be_node* node);
  /* Since minor 4. What the backend finds on this machine, as lines for people, indented by two: devices, libraries
   * with their versions, every path that was tried and why it does not serve. No device is opened. May be NULL. */
  jt_status (*describe)(const jt_host_api* host, void* user,
                        void (*take)(void* user, const char* text, size_t text_len));
} jt_backend_api;

/* The one symbol of a backend library. host_minor: the host's JT_BACKEND_ABI_MINOR. */
typedef const jt_backend_api* (*jt_backend_entry_fn)(uint32_t host_minor);
#define JT_BACKEND_ENTRY_NAME "jt_backend_entry_v1"

#ifdef __cplusplus
}
#endif
#endif
