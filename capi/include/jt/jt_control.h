/* jt_control.h: branches and loops that are part of the graph.
 *
 * A body is a function that records: it is called once, during the call that it is given to, gets tensors and leaves
 * tensors. The tensors that a loop's body gets stand for values of any round: they have a dtype and a shape, and no
 * elements; nor has what is made of them, while the body is recorded or afterwards: reading it is JT_E_INVALID.
 * Whatever else a body uses, weights or results recorded before, it just uses. What a loop's body computes from that
 * alone is computed once, before the loop; and in a loop's body random numbers cannot be drawn, as each round would
 * have the same ones. Bodies nest, up to 32 deep. Custom ops cannot stand in a body.
 *
 * Gradients go through branches and loops, again and again; through a loop only if its rounds have a bound. */
#ifndef JT_CONTROL_H
#define JT_CONTROL_H

#include <jt/jt_base.h>
#include <jt/jt_runtime.h>
#include <jt/jt_tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a body gets and leaves. Handles are borrowed, except those that the body puts into outputs and go_on: of
 * these jt takes one count each, also if the body fails. A body must not throw. A status other than JT_OK is an
 * error with the text in `message`, or, if that is empty, the text of the call that failed last; then nothing is
 * recorded. */
typedef struct jt_body_call {
  uint32_t struct_size; /* as the library knows it; fields are only ever added */
  jt_context* ctx;
  jt_tensor* index;     /* of a loop's body: which round it is, from 0 on: i64 []; else NULL */
  jt_tensor* const* inputs;
  size_t inputs_len;
  jt_tensor** outputs;  /* to be filled */
  size_t outputs_len;   /* room; a body that leaves fewer says here how many */
  jt_tensor*
      go_on; /* a loop's body may leave a bool [] here: whether there is another round; NULL, as before the call: yes */
  char* message;        /* room for a NUL-terminated text that says why it failed; empty before */
  size_t message_len;
} jt_body_call;

/* Records a branch: when it runs, either the values of then_body are computed or those of else_body. Both get the
 * inputs, and give as many values of the same dtypes and shapes. Owns: outputs[i] has one count each, NULL where the
 * bodies left fewer; all NULL after a failure. Errors: JT_E_INVALID (a NULL, no outputs), JT_E_DTYPE and JT_E_SHAPE
 * (condition is no bool []; the bodies' values differ, which names both), JT_E_UNSUPPORTED (a custom op in a body),
 * JT_E_WRONG_CONTEXT, JT_E_BUSY, JT_E_NOMEM; what a body returns. Threads: the context's. */
JT_API jt_status jt_cond(jt_context* ctx, jt_tensor* condition, jt_status (*then_body)(void* user, jt_body_call* call),
    jt_status (*else_body)(void* user, jt_body_call* call), void* user,
    jt_tensor* const* inputs, size_t inputs_len, jt_tensor** outputs, size_t outputs_len);

/* Records a loop: while the bool [] that `condition` makes of the carried values is true, `body` makes the next ones
 * of them. The inputs are those of the first round; they keep their dtypes and shapes. most_rounds bounds the
 * rounds, whatever the condition says; negative: nothing does, and there are no gradients. outputs: the carried
 * values at the end, then, if outputs_len > inputs_len, what a round leaves beside the carried values, as rows
 * [most_rounds, ..], zeros behind the last round. Owns, errors, threads: as jt_cond. */
JT_API jt_status jt_while_loop(jt_context* ctx, jt_status (*condition)(void* user, jt_body_call* call),
    jt_status (*body)(void* user, jt_body_call* call), void* user, int64_t most_rounds,
    jt_tensor* const* inputs, size_t inputs_len, jt_tensor** outputs, size_t outputs_len);

/* Records a loop of `rounds` rounds, an integer []; NULL: of most_rounds. It ends earlier where a round leaves a
 * go_on that is false. A negative most_rounds is no bound, and needs `rounds`. outputs, owns, errors, threads: as
 * jt_while_loop. */
JT_API jt_status jt_for_loop(jt_context* ctx, jt_tensor* rounds, int64_t most_rounds,
    jt_status (*body)(void* user, jt_body_call* call), void* user,
    jt_tensor* const* inputs, size_t inputs_len, jt_tensor** outputs, size_t outputs_len);

#ifdef __cplusplus
}
#endif
#endif
