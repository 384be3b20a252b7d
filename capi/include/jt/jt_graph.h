/* jt_graph.h: what the compiler makes of recorded ops, as text. */
#ifndef JT_GRAPH_H
#define JT_GRAPH_H

#include <jt/jt_tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Stages that can be shown; each is a letter of JT_DUMP. */
typedef enum jt_stage {
  JT_STAGE_GRAPH = 'g',    /* as recorded */
  JT_STAGE_SIMPLIFY = 's', /* after rewriting */
  JT_STAGE_FUSE = 'f',     /* groups, in run order */
  JT_STAGE_MEMORY = 'm',   /* offsets and lifetimes */
  JT_STAGE_LOWER = 'l',    /* loop IR */
  JT_STAGE_CODE = 'c',     /* the text of the kernels */
  JT_STAGE_KERNEL = 'k',   /* keys, and where each kernel came from */
  JT_STAGE_DOT = 'v',      /* as recorded, for Graphviz */
  JT_STAGE_PLAN = 'p',     /* the plan: steps, their arguments, programs and places */
  JT_STAGE_FORCE32 = 0x7fffffff
} jt_stage;

/* Writes what stage makes of the pending ops behind inputs to dst, which has room for dst_len bytes, as text that ends
 * with a NUL, and the room it needs, NUL included, to *out_len. Call with dst NULL and dst_len 0 to ask for the room;
 * with too little room the text is cut. Runs nothing.
 * Errors: JT_E_INVALID (a NULL, no such stage), JT_E_WRONG_CONTEXT, JT_E_BUSY, JT_E_NOMEM. Threads: the context's. */
JT_API jt_status jt_graph_print(jt_context* ctx, jt_tensor* const* inputs, size_t inputs_len, jt_stage stage, char* dst,
    size_t dst_len, size_t* out_len);
/* From now on every evaluation of the context hands the text of the stages in (stages, stages_len), letters of
 * jt_stage, to fn; an empty list or a NULL fn ends it. The text is valid during the call and does not end with a NUL;
 * fn runs on the context's thread and must neither throw nor call jt.
 * Errors: JT_E_INVALID (NULL, an unknown letter), JT_E_BUSY. Threads: the context's. */
JT_API jt_status jt_context_set_dump(jt_context* ctx, const char* stages, size_t stages_len,
    void (*fn)(void* user, jt_stage stage, const char* text, size_t text_len), void* user);

#ifdef __cplusplus
}
#endif
#endif
