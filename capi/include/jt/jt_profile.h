/* jt_profile.h: counts and times: what was compiled, what ran, how long it took. */
#ifndef JT_PROFILE_H
#define JT_PROFILE_H

#include <jt/jt_runtime.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Counts since the runtime was made, or since jt_stats_reset. */
typedef struct jt_stats {
  uint32_t struct_size;       /* set by the caller: sizeof(jt_stats) */
  uint32_t reserved;
  int64_t evals;              /* evaluations that ran something */
  int64_t plans_made;         /* graphs taken through the compiler; the rest came from the plan cache */
  int64_t kernels_compiled;   /* by any compiler, this process */
  int64_t kernels_from_disk;
  int64_t launches;
  int64_t compile_ns;
  int64_t run_ns;             /* 0 unless timing is on */
} jt_stats;

/* One kernel. Texts are valid until the runtime goes. */
typedef struct jt_kernel_stats {
  uint32_t struct_size; /* set by the caller: sizeof(jt_kernel_stats) */
  uint32_t reserved;
  const char* name;     /* "sum_exp_3f2a": its ops and the start of its key */
  const char* tier;     /* "vm", "tcc", "library", ... */
  int64_t launches;
  int64_t run_ns;       /* all launches; 0 unless timing is on */
  int64_t compile_ns;   /* 0 when it was found in a cache */
  int64_t bytes;        /* read and written by all launches */
  int64_t flops;        /* of all launches, 0 where unknown */
} jt_kernel_stats;

/* Fills `inout` up to its struct_size. Errors: JT_E_INVALID (a NULL), JT_E_ABI (struct_size 0). Threads: any. */
JT_API jt_status jt_runtime_stats(jt_runtime* rt, jt_stats* inout);
/* Sets all counts and times to 0. Errors: JT_E_INVALID (NULL). Threads: any. */
JT_API jt_status jt_stats_reset(jt_runtime* rt);
/* Times every launch from now on, or no longer. Errors: JT_E_INVALID (NULL). Threads: any. */
JT_API jt_status jt_stats_set_timing(jt_runtime* rt, jt_bool timing);
/* How many kernels have run; 0 for NULL. Any thread; cannot fail. */
JT_API size_t jt_kernel_count(jt_runtime* rt);
/* Fills `inout` with kernel i, 0 <= i < jt_kernel_count(rt), in the order of their first launch.
 * Errors: JT_E_INVALID (a NULL, no such i), JT_E_ABI. Threads: any. */
JT_API jt_status jt_kernel_stats_get(jt_runtime* rt, size_t i, jt_kernel_stats* inout);
/* The table that JT_STATS prints, slowest kernels first, as text; sizes as in jt_graph_print.
 * Errors: JT_E_INVALID (a NULL), JT_E_NOMEM. Threads: any. */
JT_API jt_status jt_stats_print(jt_runtime* rt, char* dst, size_t dst_len, size_t* out_len);

/* Collects what happens from now on for a file in Chrome's trace format, written by jt_trace_stop at path (UTF-8).
 * Errors: JT_E_INVALID (a NULL, a trace is being collected), JT_E_NOMEM. Threads: any. */
JT_API jt_status jt_trace_start(jt_runtime* rt, const char* path, size_t path_len);
/* Writes the trace. Errors: JT_E_INVALID (NULL, no trace is being collected), JT_E_IO (text names file and reason).
 * Threads: any. */
JT_API jt_status jt_trace_stop(jt_runtime* rt);

#ifdef __cplusplus
}
#endif
#endif
