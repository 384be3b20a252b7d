/* jt_data.h: data sets. */
#ifndef JT_DATA_H
#define JT_DATA_H

#include <jt/jt_tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Reads an IDX file (the MNIST family), plain or gzip, into a tensor of the dtype and shape that it states.
 * Owns: *out has one count; NULL after a failure.
 * Errors: JT_E_INVALID (a NULL), JT_E_IO (no such file, damaged, or more than JT_MAX_RANK axes; text names file and
 * reason,
 * native code is errno), JT_E_BUSY, JT_E_NOMEM. Threads: the context's. */
JT_API jt_status jt_idx_load(jt_context* ctx, const char* path, size_t path_len, jt_tensor** out);

#ifdef __cplusplus
}
#endif
#endif
