/* jt_autograd.h: gradients. They are recorded like any other op, and run when they are needed.
 *
 * A gradient has the shape and dtype of what it is the gradient of. It flows through what was recorded while grad mode
 * was on (jt_context_set_grad_mode) from tensors that require one. */
#ifndef JT_AUTOGRAD_H
#define JT_AUTOGRAD_H

#include <jt/jt_tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Flags of jt_grad and jt_backward. */
typedef enum jt_grad_flags {
  JT_GRAD_RETAIN_GRAPH = 1, /* keep what a second walk over the same graph needs */
  JT_GRAD_CREATE_GRAPH = 2, /* let gradients be differentiated again; implies JT_GRAD_RETAIN_GRAPH */
  JT_GRAD_ALLOW_UNUSED = 4, /* an input that y does not depend on gets zeros instead of an error */
  JT_GRAD_FLAGS_FORCE32 = 0x7fffffff
} jt_grad_flags;

/* Makes tensor one that gradients are wanted for, or not. It has a float dtype.
 * Errors: JT_E_INVALID (a NULL), JT_E_DTYPE, JT_E_WRONG_CONTEXT, JT_E_BUSY. Threads: the context's. */
JT_API jt_status jt_tensor_set_requires_grad(jt_context* ctx, jt_tensor* tensor, jt_bool requires_grad);
/* Whether jt_tensor_set_requires_grad said so; false for NULL. Threads: the context's; cannot fail. */
JT_API jt_bool jt_tensor_requires_grad(const jt_tensor* tensor);

/* The gradients of y with respect to inputs, which require one, stored in outputs (outputs_len == inputs_len).
 * dy, of y's shape, is the gradient of what comes after y; NULL means ones, and then y has one element.
 * Owns: each output has one count; all are NULL after a failure.
 * Errors: JT_E_INVALID (a NULL, lengths that differ, unknown flags, an input that does not require a gradient or that y
 * does not depend on, a graph already walked without JT_GRAD_RETAIN_GRAPH), JT_E_SHAPE (dy, or y of more than one
 * element without dy), JT_E_DTYPE, JT_E_UNSUPPORTED (an op without gradient, named), JT_E_WRONG_CONTEXT, JT_E_BUSY,
 * JT_E_NOMEM. Threads: the context's. */
JT_API jt_status jt_grad(jt_context* ctx, jt_tensor* y, jt_tensor* const* inputs, size_t inputs_len, jt_tensor* dy,
    uint32_t flags, jt_tensor** outputs, size_t outputs_len);
/* Adds the gradient of loss, which has one element, to the gradient of every tensor that requires one and that loss
 * depends on. Errors: as jt_grad; JT_E_INVALID where it depends on none. Threads: the context's. */
JT_API jt_status jt_backward(jt_context* ctx, jt_tensor* loss, uint32_t flags);
/* The gradient that jt_backward has gathered for tensor; *out is NULL, with JT_OK, when there is none.
 * Owns: *out has one count. Errors: JT_E_INVALID (a NULL), JT_E_WRONG_CONTEXT, JT_E_BUSY. Threads: the context's. */
JT_API jt_status jt_tensor_grad(jt_context* ctx, jt_tensor* tensor, jt_tensor** out);
/* Forgets the gradients gathered for inputs. Errors: JT_E_INVALID (a NULL), JT_E_WRONG_CONTEXT, JT_E_BUSY.
 * Threads: the context's. */
JT_API jt_status jt_zero_grad(jt_context* ctx, jt_tensor* const* inputs, size_t inputs_len);

#ifdef __cplusplus
}
#endif
#endif
