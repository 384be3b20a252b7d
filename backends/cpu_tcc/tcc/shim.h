/* shim.h: what libjt_tcc.so offers beside the tcc_* functions. Only tcc_driver.c uses it.
 *
 * Order: jt_tcc_start once; then for each compile jt_tcc_enter, tcc_*, jt_tcc_reset if anything went wrong,
 * jt_tcc_leave. Between enter and leave the caller owns libtcc: it has one set of statics per process. */
#ifndef JT_TCC_SHIM_H
#define JT_TCC_SHIM_H

#define JT_TCC_SHIM_VERSION 1
#define JT_TCC_API __attribute__((visibility("default")))

typedef struct jt_tcc_hooks {
  /* realloc for libtcc. Size 0 frees. It never returns NULL for another size: libtcc's own clean-up
   * dereferences such a NULL. Without memory it jumps out of libtcc, and jt_tcc_reset has to follow. */
  void* (*resize)(void* block, unsigned long size);
  /* In place of exit, abort and a failed assert: jumps out of libtcc, and jt_tcc_reset has to follow. */
  void (*quit)(void);
} jt_tcc_hooks;

/* 0, or -1: the library has another version of this interface or its statics cannot be restored. */
JT_TCC_API int jt_tcc_start(int version);
/* Waits until no other caller is inside, then uses these hooks until jt_tcc_leave. */
JT_TCC_API void jt_tcc_enter(const jt_tcc_hooks* hooks);
/* Puts libtcc's statics back to what they were when it was loaded; whatever they pointed at is forgotten. */
JT_TCC_API void jt_tcc_reset(void);
JT_TCC_API void jt_tcc_leave(void);

#endif
