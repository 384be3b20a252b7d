/* jt_runtime.h: runtimes and contexts.
 *
 * A jt_runtime owns devices, memory and compiled kernels. It is shared and locks inside; several may coexist.
 * A jt_context is the graph being recorded, with its random state. One thread at a time: a second one gets JT_E_BUSY.
 * Both are counted. Tensors keep their context, contexts their runtime: the order of releases does not matter.
 *
 * Sized structs. The caller zeroes the struct and sets struct_size to its sizeof. Fields that the caller's header does
 * not know count as 0, which is always the default; fields that this library does not know must be 0, or JT_E_ABI. */
#ifndef JT_RUNTIME_H
#define JT_RUNTIME_H

#include <jt/jt_base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct jt_runtime jt_runtime;
typedef struct jt_context jt_context;

/* jt_runtime_desc.flags. */
typedef enum jt_runtime_flags {
  JT_RT_ALLOW_ENV = 1,       /* read JT_* environment variables (docs/FLAGS.md); without it none is read */
  JT_RT_BACKGROUND_JIT = 2,  /* compile hot kernels again, better, on a thread of jt's own */
  JT_RT_NO_DISK_CACHE = 4,   /* neither read nor write compiled kernels on disk */
  JT_RT_NO_COMPILE = 8,      /* never compile: kernels are interpreted or come from the cache */
  JT_RT_POISON_FREED = 16,   /* fill freed memory with NaN bytes, to find those who read it */
  JT_RUNTIME_FLAGS_FORCE32 = 0x7fffffff
} jt_runtime_flags;

/* Importance of a log line. */
typedef enum jt_log_level {
  JT_LOG_ERROR = 1,
  JT_LOG_WARNING = 2,
  JT_LOG_INFO = 3,
  JT_LOG_DEBUG = 4,
  JT_LOG_TRACE = 5,
  JT_LOG_LEVEL_FORCE32 = 0x7fffffff
} jt_log_level;

/* How a runtime is made; all zeros is a good default. Texts are copied; functions and their user pointers must stay
 * valid until the last of the runtime's contexts and tensors is gone, may be called from any thread, and must neither
 * throw nor call jt. */
typedef struct jt_runtime_desc {
  uint32_t struct_size; /* sizeof(jt_runtime_desc) */
  uint32_t flags;       /* jt_runtime_flags */
  /* Memory for values: `bytes` aligned to `align`, a power of two; NULL when there is none. Both or neither. */
  void* (*alloc)(void* user, size_t bytes, size_t align);
  void (*free)(void* user, void* memory, size_t bytes, size_t align);
  void* alloc_user;
  /* Log lines up to log_level (0: warnings and errors); without a function none is written. Not NUL-terminated. */
  void (*log)(void* user, jt_log_level level, const char* domain, const char* message, size_t message_len);
  void* log_user;
  int32_t log_level;
  /* Threads that compute, the caller's included. n: that many; jt makes n - 1 threads of its own when work first wants
   * them, and they sleep between evaluations. 0: the caller's alone; -1: one per core; or, for either, what JT_THREADS
   * says
   * where JT_RT_ALLOW_ENV is set. Values have the same bits whatever the number. */
  int32_t threads;
  const char* cache_dir; /* folder of compiled kernels, private to the user. NULL: with JT_RT_ALLOW_ENV the
                          * user's cache folder (docs/EMBEDDING.md), else none is kept */
  size_t cache_dir_len;
  int64_t memory_limit;  /* bytes of values held at once; 0: none; -1: nearly what the machine has; or, for either, what
                          * JT_MEMORY_LIMIT says where JT_RT_ALLOW_ENV is set. What does not fit is computed again
                          * instead of kept, as far as that helps, else: JT_E_NOMEM. Weights kept in another order for
                          * speed take at most an eighth
                          * of it beside them */
  /* The host's threads instead of jt's own: calls body(body_user, i) once for each i of [0, count), count <=
   * threads, as many at once as it likes and in any order, and returns when all have returned. It may be called by
   * several threads at once, one per context that evaluates. NULL: threads of jt's own. With it jt makes no thread,
   * and threads = 0 means -1. */
  void (*parallel_for)(void* user, void (*body)(void* body_user, int64_t i), void* body_user, int64_t count);
  void* parallel_user;
  /* Runs work(argument) exactly once, later, on a thread of the host's choice, never inside this call: how kernels
   * that run long are compiled again, better, in place of JT_RT_BACKGROUND_JIT's thread. It waits for a compiler, up
   * to a minute. */
  void (*submit)(void* user, void (*work)(void* argument), void* argument);
  void* submit_user;
  /* What computes: the name of a built-in backend ("cpu"), or the path, with a slash in it, of a library that
   * exports the entry of jt_backend.h; it is code of this process. NULL: the first built-in one. */
  const char* backend;
  size_t backend_len;
  /* Several devices, instead of one of `backend`: names or paths as there, each ended by a NUL, with ":1" and so on
   * behind it for another than the first device of a backend. They are numbered from 0, and contexts begin with 0.
   * None: what JT_DEVICES says where JT_RT_ALLOW_ENV is set, else the one. Where some may refuse an op
   * (jt_backend.h, supports) and none is the CPU, it is the last. */
  const char* const* devices;
  size_t devices_len;
} jt_runtime_desc;

/* Memory of a runtime, in bytes. */
typedef struct jt_memory_info {
  uint32_t struct_size;    /* set by the caller: sizeof(jt_memory_info) */
  uint32_t reserved;
  int64_t live_bytes;      /* in values that someone holds */
  int64_t peak_bytes;      /* the most live_bytes has been since jt_runtime_reset_peak */
  int64_t cached_bytes;    /* kept for reuse or for speed; jt_runtime_trim gives them back */
  int64_t allocator_calls; /* requests that reached the allocator */
  int64_t limit_bytes;     /* most that live_bytes may be; 0: any */
} jt_memory_info;

/* Makes a runtime. `desc` is read during the call; NULL means defaults.
 * Owns: *out has one count, released with jt_runtime_release; NULL after a failure.
 * Errors: JT_E_INVALID (out NULL, one of alloc and free alone, unknown flags), JT_E_ABI (desc, or the backend, of
 * another version), JT_E_NOT_FOUND (no such built-in backend), JT_E_IO (its library cannot be loaded), JT_E_NOMEM, and
 * what the backend says when it is opened. Threads: any. */
JT_API jt_status jt_runtime_create(const jt_runtime_desc* desc, jt_runtime** out);
/* Adds a count. NULL is ignored. Any thread; cannot fail. */
JT_API void jt_runtime_retain(jt_runtime* rt);
/* Gives back one count; with the last one, and no context left, all memory goes. NULL is ignored. Any thread; cannot
 * fail. */
JT_API void jt_runtime_release(jt_runtime* rt);
/* Fills `inout` up to its struct_size. Errors: JT_E_INVALID (a NULL), JT_E_ABI (struct_size 0). Threads: any. */
JT_API jt_status jt_runtime_memory_info(jt_runtime* rt, jt_memory_info* inout);
/* peak_bytes starts anew from live_bytes. Errors: JT_E_INVALID (NULL). Threads: any. */
JT_API jt_status jt_runtime_reset_peak(jt_runtime* rt);
/* Gives memory kept for reuse back to the system. Errors: JT_E_INVALID (NULL). Threads: any. */
JT_API jt_status jt_runtime_trim(jt_runtime* rt);

/* How many devices the runtime has, at least 1; 0 for NULL. Any thread; cannot fail. */
JT_API int32_t jt_runtime_device_count(jt_runtime* rt);
/* The name of a device: that of its backend and its number there, as `cuda:0`; the first device of a backend that
 * computes in the host's memory has no number: `cpu`. At most dst_len bytes with the NUL; *out_len (may be NULL) is
 * the room that all of it needs. Errors: JT_E_INVALID (rt NULL, no such device, dst NULL with a length). Threads:
 * any. */
JT_API jt_status jt_runtime_device_name(jt_runtime* rt, int32_t device, char* dst, size_t dst_len, size_t* out_len);
/* The device of that name; ":0" may be left out. Errors: JT_E_INVALID (a NULL), JT_E_NOT_FOUND. Threads: any. */
JT_API jt_status jt_runtime_find_device(jt_runtime* rt, const char* name, size_t name_len, int32_t* out);

/* What this library finds on the machine, as text for people: its version, the backends that are built in, their
 * devices, every path that was tried for a library they need and why it does not serve. `rt` may be NULL: what a
 * runtime that may read the environment would find; else it begins with its devices. At most dst_len bytes with the
 * NUL; *out_len (may be NULL) is the room that all of it needs. Errors: JT_E_INVALID (dst NULL with a length, or dst
 * and out_len NULL), JT_E_NOMEM. Threads: any. */
JT_API jt_status jt_runtime_describe(jt_runtime* rt, char* dst, size_t dst_len, size_t* out_len);

/* Makes a context of `rt`, with grad mode on and a seed that no other has (with JT_RT_ALLOW_ENV: JT_SEED).
 * Owns: *out has one count, released with jt_context_release; NULL after a failure. It keeps `rt`.
 * Errors: JT_E_INVALID (a NULL), JT_E_NOMEM. Threads: any. */
JT_API jt_status jt_context_create(jt_runtime* rt, jt_context** out);
/* Adds a count. NULL is ignored. Any thread; cannot fail. */
JT_API void jt_context_retain(jt_context* ctx);
/* Gives back one count. Tensors keep the context's memory until they are released too. NULL is ignored. Any thread;
 * never waits; cannot fail. */
JT_API void jt_context_release(jt_context* ctx);
/* Seeds jt_random_* and jt_init of this context: the same seed and the same calls give the same values, on every
 * device and thread count. Errors: JT_E_INVALID (NULL), JT_E_BUSY. Threads: the context's. */
JT_API jt_status jt_context_set_seed(jt_context* ctx, int64_t seed);
/* Where a context stands in its random numbers: what is drawn next, here or in another context, is the same from the
 * same place. */
typedef struct jt_random_place {
  uint32_t struct_size; /* set by the caller: sizeof(jt_random_place) */
  uint32_t reserved;    /* 0 */
  int64_t seed;
  int64_t stream;
  int64_t counter;
} jt_random_place;
/* Fills `inout`. Errors: JT_E_INVALID (a NULL), JT_E_ABI, JT_E_BUSY. Threads: the context's. */
JT_API jt_status jt_context_get_random(jt_context* ctx, jt_random_place* inout);
/* Goes on from that place. Errors and threads: as jt_context_get_random. */
JT_API jt_status jt_context_set_random(jt_context* ctx, const jt_random_place* place);
/* Turns the recording of gradients on or off for what is recorded from now on; *out_previous (may be NULL) tells what
 * it was. Errors: JT_E_INVALID (NULL), JT_E_BUSY. Threads: the context's. */
JT_API jt_status jt_context_set_grad_mode(jt_context* ctx, jt_bool grad_mode, jt_bool* out_previous);
/* Autocast, for what is recorded from now on: products of matrices, convolutions and layers made of them take their f32
 * operands in `dtype`, JT_F16 or JT_BF16; sums, exponentials, norms and losses take halves in f32; all other ops take
 * what they are given. JT_F32 switches it off; *out_previous (may be NULL) tells what it was. Gradients and steps of
 * optimisers are not cast. Errors: JT_E_INVALID (NULL), JT_E_DTYPE, JT_E_BUSY. Threads: the context's. */
JT_API jt_status jt_context_set_autocast(jt_context* ctx, jt_dtype dtype, jt_dtype* out_previous);
/* Says on which device of the runtime runs what is recorded from now on, and where new tensors belong; *out_previous
 * (may be NULL) tells which it was; at first it is 0. Operands that lie elsewhere are copied there when they are
 * needed, once: a copy is kept as long as the value lives. A gradient lies where what it is of lies, and an
 * optimiser's step runs where the parameter is. An evaluation whose values are of several devices is a plan for
 * each, and a step then writes over no parameter. An op that the device does not support runs on the CPU, and its
 * value lies there. Errors: JT_E_INVALID (ctx NULL, no such device), JT_E_BUSY. Threads: the context's. */
JT_API jt_status jt_context_set_device(jt_context* ctx, int32_t device, int32_t* out_previous);
/* Says which line of the program records ops from now on: any number that tells lines apart, 0 for unknown, as at
 * first. Graphs and errors show it; and when a long pending graph is evaluated by itself, it is cut where the
 * program came back to a line, so that each round of a loop is evaluated alike. Errors: JT_E_INVALID (NULL),
 * JT_E_BUSY. Threads: the context's. */
JT_API jt_status jt_context_set_line(jt_context* ctx, uint32_t line);
/* Sets the function that looks on while a call evaluates, on the calling thread; NULL: none, as at first. It is
 * called before each kernel that is compiled, with how many of those that the plan at hand needs are compiled, and
 * once more when all are; and with 0, 0 between kernels that run, as long as no value that a tensor holds has been
 * overwritten. It must be quick and must not use the context (JT_E_BUSY). JT_OK: go on. Any other status ends the
 * evaluation, and the call returns it: what did not run stays pending, so that a later evaluation goes on, and an
 * optimiser took no step. `user` is passed to it. Errors: JT_E_INVALID (ctx NULL), JT_E_BUSY. Threads: the
 * context's. */
JT_API jt_status jt_context_set_watch(jt_context* ctx,
                                      jt_status (*watch)(void* user, int64_t compiled, int64_t to_compile), void* user);
/* Evaluates everything that is pending in the context and waits for it: on a device that runs late, too, then with
 * the error of what failed there since the last wait. Elsewhere such an error is told when a value that it spoilt is
 * read, each time. Errors: JT_E_INVALID (NULL), JT_E_BUSY, and those of jt_eval. Threads: the context's. */
JT_API jt_status jt_sync(jt_context* ctx);

#ifdef __cplusplus
}
#endif
#endif
