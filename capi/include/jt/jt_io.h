/* jt_io.h: checkpoints: named tensors in one safetensors file. */
#ifndef JT_IO_H
#define JT_IO_H

#include <jt/jt_tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct jt_checkpoint jt_checkpoint;

/* Evaluates the inputs and writes them under names (inputs_len texts that end with a NUL, all different) to the file at
 * path. The file is replaced as a whole or, after an error, left as it was.
 * Errors: JT_E_INVALID (a NULL, a name twice), JT_E_IO (text names file and reason, native code is errno), and those of
 * jt_eval. Threads: the context's. */
JT_API jt_status jt_checkpoint_save(jt_context* ctx, const char* path, size_t path_len, const char* const* names,
    jt_tensor* const* inputs, size_t inputs_len);
/* Opens the file at path and reads what tensors it holds; their values are read as they are asked for, and until it is
 * released the file stays open. Owns: *out has one count; NULL after a failure.
 * Errors: JT_E_INVALID (a NULL), JT_E_IO (no such file, or damaged; text names file and reason), JT_E_NOMEM.
 * Threads: any. */
JT_API jt_status jt_checkpoint_open(const char* path, size_t path_len, jt_checkpoint** out);
/* How many tensors it holds; 0 for NULL. Any thread; cannot fail. */
JT_API size_t jt_checkpoint_count(const jt_checkpoint* checkpoint);
/* The name of tensor i, valid as long as the checkpoint; NULL if there is none. Any thread; cannot fail. */
JT_API const char* jt_checkpoint_name(const jt_checkpoint* checkpoint, size_t i);
/* The tensor called (name, name_len), with the dtype and shape it was saved with.
 * Owns: *out has one count; NULL after a failure.
 * Errors: JT_E_INVALID (a NULL), JT_E_NOT_FOUND, JT_E_SHAPE (more than JT_MAX_RANK axes), JT_E_IO, JT_E_BUSY,
 * JT_E_NOMEM.
 * Threads: the context's. */
JT_API jt_status jt_checkpoint_load(jt_context* ctx, const jt_checkpoint* checkpoint, const char* name, size_t name_len,
    jt_tensor** out);
/* Gives it back. NULL is ignored. Any thread, no other at the same time; cannot fail. */
JT_API void jt_checkpoint_release(jt_checkpoint* checkpoint);

#ifdef __cplusplus
}
#endif
#endif
