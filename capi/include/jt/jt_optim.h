/* jt_optim.h: optimisers, learning-rate schedules and initial values. */
#ifndef JT_OPTIM_H
#define JT_OPTIM_H

#include <jt/jt_tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct jt_optimizer jt_optimizer;

/* Makes an optimiser of params: tensors of float dtypes, each named once. One that does not require a gradient
 * (jt_tensor_set_requires_grad) is left as it is, until it does.
 * (kind, kind_len), and the defaults that attrs change by name:
 *   "sgd"      lr 0.01, momentum 0, dampening 0, weight_decay 0, nesterov 0
 *   "rmsprop"  lr 0.01, alpha 0.99, eps 1e-8, weight_decay 0, momentum 0, centered 0
 *   "adam"     lr 0.001, beta1 0.9, beta2 0.999, eps 1e-8, weight_decay 0, amsgrad 0
 *   "adamw"    the same with weight_decay 0.01, decoupled
 *   "adan"     lr 0.001, beta1 0.98, beta2 0.92, beta3 0.99, eps 1e-8, weight_decay 0
 * Owns: *out has one count; NULL after a failure. It keeps the params.
 * Errors: JT_E_INVALID (a NULL, an unknown attribute or one out of range, a param twice), JT_E_NOT_FOUND (kind),
 * JT_E_DTYPE, JT_E_WRONG_CONTEXT, JT_E_BUSY, JT_E_NOMEM. Threads: the context's. */
JT_API jt_status jt_optimizer_create(jt_context* ctx, const char* kind, size_t kind_len, const jt_attr* attrs,
    size_t attrs_len, jt_tensor* const* params, size_t params_len, jt_optimizer** out);
/* Adds a count. NULL is ignored. Any thread; cannot fail. */
JT_API void jt_optimizer_retain(jt_optimizer* optimizer);
/* Gives back one count. NULL is ignored. Any thread; cannot fail. */
JT_API void jt_optimizer_release(jt_optimizer* optimizer);
/* Adds a group of params that share other fields: attrs beside the kind's defaults. Groups are numbered from 0, that of
 * jt_optimizer_create; params are numbered through all groups. Errors: as jt_optimizer_create. Threads: the
 * context's. */
JT_API jt_status jt_optimizer_add_group(jt_context* ctx, jt_optimizer* optimizer, const jt_attr* attrs,
                                        size_t attrs_len, jt_tensor* const* params, size_t params_len);
/* Sets the attribute (name, name_len) of a group for the next steps. Another value compiles nothing, unless it
 * becomes 0 or no longer is: then another update is made, and states that it needs begin with zeros, those that it
 * does not need are gone. Errors: JT_E_INVALID (a NULL, no such group or attribute, a value out of range),
 * JT_E_NOMEM. Threads: the context's. */
JT_API jt_status jt_optimizer_set_field(jt_context* ctx, jt_optimizer* optimizer, size_t group, const char* name,
    size_t name_len, double value);
/* Records the gradients of loss, which has one element, and one update of every param that loss depends on and that
 * requires a gradient; then runs
 * what was recorded, so that the next step begins with values. loss keeps its value; gradients gathered by
 * jt_backward are not touched.
 * Errors: JT_E_INVALID (a NULL, loss depends on no param that requires a gradient), those of jt_grad and of jt_eval.
 * After a failure no step was taken: params, states and
 * the step count are as before, and if loss can be had at all the call may be repeated. Threads: the context's. */
JT_API jt_status jt_optimizer_step(jt_context* ctx, jt_optimizer* optimizer, jt_tensor* loss);
/* The same, but the graph of loss may be walked again, as with JT_GRAD_RETAIN_GRAPH. Errors and threads: as
 * jt_optimizer_step. */
JT_API jt_status jt_optimizer_step_retain_graph(jt_context* ctx, jt_optimizer* optimizer, jt_tensor* loss);
/* One step with gradients of the caller's: grads_len == number of params, in their order; NULL leaves one as it is.
 * Errors: JT_E_INVALID, JT_E_SHAPE, JT_E_DTYPE, JT_E_WRONG_CONTEXT, and those of jt_eval. Threads: the context's. */
JT_API jt_status jt_optimizer_step_grads(jt_context* ctx, jt_optimizer* optimizer, jt_tensor* const* grads,
    size_t grads_len);
/* Sets the learning rate of all groups for the next steps; compiles nothing. Errors: JT_E_INVALID (NULL, negative or
 * NaN). Threads: the context's. */
JT_API jt_status jt_optimizer_set_lr(jt_context* ctx, jt_optimizer* optimizer, double lr);
/* Stores the learning rate of the first group in *out. Errors: JT_E_INVALID (a NULL). Threads: the context's. */
JT_API jt_status jt_optimizer_get_lr(jt_context* ctx, jt_optimizer* optimizer, double* out);
/* The number of tensors that hold the optimiser's state (moments, step count); 0 for NULL. Threads: the context's;
 * cannot fail. */
JT_API size_t jt_optimizer_state_count(jt_optimizer* optimizer);
/* State tensor i, for a checkpoint: its name ("mean.0": mean of param 0; "step": how many steps each param took), valid
 * until a group is added or a field changes which states there are, and a handle on its value; assigning to the handle
 * restores it. Each out may be NULL: not wanted.
 * Owns: *out has one count. Errors: JT_E_INVALID (NULL, no such i). Threads: the context's. */
JT_API jt_status jt_optimizer_state(jt_context* ctx, jt_optimizer* optimizer, size_t i, const char** out_name,
    jt_tensor** out);

/* Learning rate of `step` of `steps` on half a cosine from lr to lr_end; lr_end from `steps` on. Any thread; cannot
 * fail. */
JT_API double jt_schedule_cosine(double lr, double lr_end, int64_t step, int64_t steps);
/* lr times factor for every `every` steps done; `every` below 1 counts as 1. Any thread; cannot fail. */
JT_API double jt_schedule_step(double lr, double factor, int64_t step, int64_t every);
/* Rises linearly from lr / warmup at step 0 to lr at step warmup - 1, and stays. Any thread; cannot fail. */
JT_API double jt_schedule_warmup(double lr, int64_t step, int64_t warmup);

/* A tensor of initial values, from the context's random state. (kind, kind_len) is "zeros", "ones", "uniform" (in
 * [-1, 1)), "normal", or of "he_normal", "he_uniform", "xavier_normal", "xavier_uniform", "lecun_normal". Fans follow
 * from dims: [out, in, window...]. dtype is a float dtype.
 * Owns: *out has one count; NULL after a failure.
 * Errors: JT_E_INVALID (a NULL), JT_E_NOT_FOUND (kind), JT_E_SHAPE (fewer than 2 axes where fans are needed),
 * JT_E_DTYPE, JT_E_BUSY, JT_E_NOMEM. Threads: the context's. */
JT_API jt_status jt_init(jt_context* ctx, const char* kind, size_t kind_len, const int64_t* dims, size_t dims_len,
    jt_dtype dtype, jt_tensor** out);

#ifdef __cplusplus
}
#endif
#endif
