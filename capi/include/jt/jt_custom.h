/* jt_custom.h: ops of the program's own: functions of the host, and C source that jt compiles.
 *
 * Both are ops like others: recorded now, run when a value is needed, differentiable if they say how. They run as soon
 * as their inputs can be had, before anything else of the same evaluation, and exactly once: never merged with an equal
 * op, never run again. Results that nobody holds any more are not computed at all. If one fails, its results and
 * whatever
 * depends on them repeat the error when they are read; everything else comes. */
#ifndef JT_CUSTOM_H
#define JT_CUSTOM_H

#include <jt/jt_base.h>
#include <jt/jt_runtime.h>
#include <jt/jt_tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Dtype and extents of a result. dims may be NULL when dims_len is 0. */
typedef struct jt_custom_type {
  jt_dtype dtype;
  const int64_t* dims;
  size_t dims_len;
} jt_custom_type;

/* Elements of one tensor in host memory: dense, row-major, aligned to 64 bytes. Valid during the call. */
typedef struct jt_custom_buffer {
  void* data;      /* of an input: must not be written; never NULL, also without elements */
  size_t data_len; /* bytes */
  jt_dtype dtype;
  const int64_t* dims;
  size_t dims_len;
} jt_custom_buffer;

/* What a forward function gets. */
typedef struct jt_custom_call {
  uint32_t struct_size; /* as the library knows it; fields are only ever added */
  const jt_custom_buffer* inputs;
  size_t inputs_len;
  const jt_custom_buffer* outputs; /* to be filled; what they hold before is undefined */
  size_t outputs_len;
  char* message; /* room for a NUL-terminated text that says why it failed; empty before */
  size_t message_len;
} jt_custom_call;

/* What a backward function gets: lazy tensors, with which it may record ops of ctx; these can be differentiated in turn
 * if the gradient was asked for with JT_GRAD_CREATE_GRAPH. Handles are borrowed, except those that the function puts
 * into
 * input_grads: of these jt takes one count each. */
typedef struct jt_custom_grad {
  uint32_t struct_size;
  jt_context* ctx;
  jt_tensor* const* inputs;
  const jt_bool* needs; /* by input: whether its gradient is asked for */
  size_t inputs_len;
  jt_tensor* const* outputs;
  jt_tensor* const* grads; /* by output: the gradient that comes; NULL: zero */
  size_t outputs_len;
  jt_tensor** input_grads; /* by input: the gradient, of the input's dtype and shape; NULL, as before the call: zero */
  char* message;
  size_t message_len;
} jt_custom_grad;

/* An op made of functions of the host. They get `user`, run on the thread that evaluates or differentiates, and must
 * not throw. A status other than JT_OK is an error with the text in `message`; it is passed on as it is.
 * JT_E_CANCELLED from
 * `forward` ends the evaluation, and what it computes stays pending; any other error stays with the outputs. */
typedef struct jt_custom_desc {
  uint32_t struct_size; /* sizeof(jt_custom_desc) */
  uint32_t flags;       /* 0 */
  const char* name;     /* for errors, graphs and traces; NULL: "custom" */
  size_t name_len;
  /* Computes the outputs. It must not use the context that evaluates it (JT_E_BUSY); another context is fine. */
  jt_status (*forward)(void* user, const jt_custom_call* call);
  /* Records gradients; called by jt_grad, jt_backward and jt_optimizer_step. It may evaluate. NULL: there is none, and
   * asking for one is an error. It may be called several times, or never. */
  jt_status (*backward)(void* user, const jt_custom_grad* call);
  /* Called once, on any thread, when the op is gone; not when jt_custom failed. Must not use the context. May be
   * NULL. */
  void (*release)(void* user);
  void* user;
  const jt_custom_type* outputs;
  size_t outputs_len;   /* 1 to 255 */
} jt_custom_desc;

/* Records an op of the host's on the inputs; desc is read during the call. Gradients flow if an input of a float dtype
 * takes part in them.
 * Owns: outputs[i], outputs_len == desc->outputs_len, has one count each; all NULL after a failure.
 * Errors: JT_E_INVALID (a NULL, no forward, another number of outputs), JT_E_ABI, JT_E_SHAPE, JT_E_DTYPE,
 * JT_E_WRONG_CONTEXT, JT_E_BUSY, JT_E_NOMEM. Threads: the context's. */
JT_API jt_status jt_custom(jt_context* ctx, const jt_custom_desc* desc, jt_tensor* const* inputs, size_t inputs_len,
    jt_tensor** outputs, size_t outputs_len);

/* An op made of C source: C99 statements, run as the body of a function. What they may use, k counting from 0:
 *   in<k>, out<k>                   pointers to the elements (an input's to const); with one output also `out`
 *   in<k>_type, out<k>_type         their C types: bool is uint8_t, f16 and bf16 are uint16_t
 *   in<k>_shape<i>, in<k>_stride<i> extents and strides in elements, as int64_t; in<k>_num: elements; likewise out<k>
 *   @in<k>(i, j), @out<k>(i, j)     an element by its indices, one per axis; with one output also @out(i, j)
 *   data_<name>                     the numbers of data_names, as double
 * int8_t to uint64_t, int64_t, size_t, memcpy, memset and the functions of <math.h> for float and double are declared;
 * nothing can be included. In a gradient's source, besides in<k>: pout<k> and dout<k>, the op's outputs and their
 * gradients (also `pout`, `dout`), and out<0> is the gradient of the input. Shapes and data are arguments: another size
 * or number compiles nothing. */
typedef struct jt_code_desc {
  uint32_t struct_size; /* sizeof(jt_code_desc) */
  uint32_t flags;       /* 0 */
  const char* name;     /* NULL: "code" */
  size_t name_len;
  const char* source;
  size_t source_len;
  const char* header;   /* C text before the function: types, helper functions; may be NULL */
  size_t header_len;
  const char* const* grad_sources; /* by input, each ends with a NUL; NULL: that input has no gradient */
  size_t grad_sources_len;         /* 0, or the number of inputs */
  const char* const* data_names;   /* C identifiers, each ends with a NUL */
  const double* data_values;
  size_t data_len;
  const jt_custom_type* outputs;
  size_t outputs_len;
} jt_code_desc;

/* Records an op of C source on the inputs; desc is read during the call. The source is compiled when the op runs: where
 * there is no compiler that is JT_E_UNSUPPORTED, and a mistake in it JT_E_COMPILE with the compiler's message, both
 * told when a result is read.
 * Owns: outputs[i] has one count each; all NULL after a failure.
 * Errors: as of jt_custom; JT_E_INVALID also for an @name that does not exist or has another number of indices, and for
 * data_names that are no identifiers. Threads: the context's. */
JT_API jt_status jt_code(jt_context* ctx, const jt_code_desc* desc, jt_tensor* const* inputs, size_t inputs_len,
    jt_tensor** outputs, size_t outputs_len);

#ifdef __cplusplus
}
#endif
#endif
