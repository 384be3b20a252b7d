/* jt_graph.h: static graphs: recorded once, run as one plan, kept in files; and what the compiler makes of recorded
 * ops, as text. */
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

/* ---- static graphs ----
 *
 * A graph is what a program records between jt_graph_begin and jt_graph_end. Nothing runs meanwhile: the tensors that
 * begin gives stand for the graph's inputs, and have dtypes and shapes but no elements. The recording is the graph:
 *   - what the program assigns to tensors that were there before (weights by an optimiser's step, running statistics)
 *     is what these *states* become in each run; jt_graph_end lets them stand again for what they stood for;
 *   - what it uses from outside is a state if it is a tensor that requires a gradient or has a name, else a constant;
 *   - an optimiser's fields (lr, ..) are states that follow the optimiser, its count of steps is one that each run
 *     counts up; random numbers are drawn anew in each run, as the same calls would;
 *   - to read a value is an error, as it would be baked into the graph: JT_E_INVALID, which names it. Elements that the
 *     program itself makes in between (jt_tensor_from_bytes) are constants and may be read;
 *   - custom ops, and ops on several devices, cannot stand in a graph yet.
 *
 * A graph keeps the states that it shares with the program, so whoever changes weights changes the graph's. */
typedef struct jt_graph jt_graph;

/* Begins to record. inputs: examples of the graph's inputs, for their dtypes and shapes; names: as many, NUL-terminated
 * and not all alike, or NULL: "input.0", .. Owns: outputs[i] has one count each; all NULL after a failure; outputs_len
 * is inputs_len. Errors: JT_E_INVALID (a NULL, two inputs of one name, a recording has begun already), JT_E_BUSY,
 * JT_E_WRONG_CONTEXT, JT_E_NOMEM. Threads: the context's. */
JT_API jt_status jt_graph_begin(jt_context* ctx, const char* const* names, jt_tensor* const* inputs, size_t inputs_len,
    jt_tensor** outputs, size_t outputs_len);
/* What a tensor is called in the graph that is being recorded; to be said before the tensor is used, the first name
 * counts. A name that another tensor has gets a number behind it. Modules name their tensors when they run, optimisers
 * theirs when they step.
 * Errors: JT_E_INVALID (a NULL, an empty name, nothing is being recorded), JT_E_BUSY, JT_E_WRONG_CONTEXT.
 * Threads: the context's. */
JT_API jt_status jt_graph_name(jt_context* ctx, jt_tensor* tensor, const char* name, size_t name_len);
/* Ends the recording: inputs are the graph's outputs, names as many names or NULL: "output.0", .. Owns: *out has one
 * count. After a failure nothing is being recorded any more.
 * Errors: JT_E_INVALID (a NULL, neither outputs nor states that change, nothing is being recorded), JT_E_UNSUPPORTED (a
 * custom op, several devices), JT_E_BUSY, JT_E_WRONG_CONTEXT, JT_E_NOMEM. Threads: the context's. */
JT_API jt_status jt_graph_end(jt_context* ctx, const char* const* names, jt_tensor* const* inputs, size_t inputs_len,
    jt_graph** out);
/* Ends the recording, if there is one, without a graph. Errors: JT_E_INVALID (NULL), JT_E_BUSY. Threads: the
 * context's. */
JT_API jt_status jt_graph_cancel(jt_context* ctx);
/* Adds a count. NULL is ignored. Any thread; cannot fail. */
JT_API void jt_graph_retain(jt_graph* graph);
/* Gives back one count. NULL is ignored. Any thread; cannot fail. */
JT_API void jt_graph_release(jt_graph* graph);

/* Runs a graph on as many inputs as it has, of their dtypes and shapes; its outputs are new tensors that have been
 * computed, and its states have their next values. Owns: outputs[i] has one count each, at most as many as there are;
 * all NULL after a failure, which changes nothing. A graph without states that change is recorded instead, like any
 * ops, where a gradient may be asked through it (grad mode is on, and an input or a state requires one), and in a
 * recording.
 * Errors: JT_E_INVALID (a NULL, another number of inputs or outputs), JT_E_DTYPE and JT_E_SHAPE (which name the input),
 * JT_E_INDEX, JT_E_DEVICE, JT_E_COMPILE, JT_E_BUSY, JT_E_WRONG_CONTEXT, JT_E_NOMEM. Threads: the context's. */
JT_API jt_status jt_graph_run(jt_context* ctx, jt_graph* graph, jt_tensor* const* inputs, size_t inputs_len,
    jt_tensor** outputs, size_t outputs_len);

/* Parts of a graph. */
typedef enum jt_graph_part {
  JT_GRAPH_INPUT = 0,
  JT_GRAPH_STATE = 1,    /* parameters, buffers, states of optimisers */
  JT_GRAPH_CONSTANT = 2,
  JT_GRAPH_OUTPUT = 3,
  JT_GRAPH_PART_FORCE32 = 0x7fffffff
} jt_graph_part;
typedef struct jt_graph_part_info {
  uint32_t struct_size; /* set by the caller: sizeof(jt_graph_part_info) */
  jt_dtype dtype;
  const char* name;     /* ends with a NUL; valid as long as the graph */
  const int64_t* dims;  /* ndim of them; the same */
  int32_t ndim;
  jt_bool is_parameter; /* a state that is trained */
  jt_bool changes;      /* a state that a run gives another value */
} jt_graph_part_info;
/* How many parts of this kind there are; 0 for NULL and for no kind. Any thread. */
JT_API size_t jt_graph_count(const jt_graph* graph, jt_graph_part part);
/* Fills `inout`. Errors: JT_E_INVALID (a NULL, no such part), JT_E_ABI. Any thread. */
JT_API jt_status jt_graph_part_get(const jt_graph* graph, jt_graph_part part, size_t i, jt_graph_part_info* inout);
/* The tensor of a state, which the graph goes on using: reading it tells the state, assigning to it sets it. Owns:
 * *out has one count. Errors: JT_E_INVALID (a NULL), JT_E_NOT_FOUND, JT_E_BUSY, JT_E_WRONG_CONTEXT. Threads: the
 * context's. */
JT_API jt_status jt_graph_state(jt_context* ctx, jt_graph* graph, const char* name, size_t name_len, jt_tensor** out);

/* What a run of a graph takes, in bytes of elements. */
typedef struct jt_graph_memory {
  uint32_t struct_size; /* set by the caller: sizeof(jt_graph_memory) */
  uint32_t steps;       /* kernels, library calls, copies, fills, loops and branches of a run */
  int64_t inputs;
  int64_t states;
  int64_t constants;
  int64_t outputs;      /* and next states that do not lie where the states were */
  int64_t temporaries;  /* if each had a place of its own */
  int64_t arena;        /* what they take in the plan: the one block that a run needs beside the above */
} jt_graph_memory;
/* Plans the graph, if that was not done, and fills `inout`. Errors: JT_E_INVALID (a NULL), JT_E_ABI, JT_E_COMPILE,
 * JT_E_BUSY, JT_E_WRONG_CONTEXT, JT_E_NOMEM. Threads: the context's. */
JT_API jt_status jt_graph_memory_get(jt_context* ctx, jt_graph* graph, jt_graph_memory* inout);

/* The graph's text (docs/IR.md): its parts, then its nodes. As jt_graph_print. Any thread. */
JT_API jt_status jt_graph_text(const jt_graph* graph, char* dst, size_t dst_len, size_t* out_len);
/* A graph from its text; states and constants are zeros. Owns: *out has one count.
 * Errors: JT_E_INVALID (a NULL; line, column and reason), JT_E_SHAPE, JT_E_DTYPE, JT_E_BUSY, JT_E_NOMEM. Threads: the
 * context's. */
JT_API jt_status jt_graph_parse(jt_context* ctx, const char* source, size_t source_len, jt_graph** out);
/* Writes the graph with the values of its states to one file, whole or not at all; two graphs that are equal make equal
 * bytes. The file is a safetensors file: other readers find the states in it by name.
 * Errors: JT_E_INVALID (a NULL), JT_E_IO, JT_E_BUSY, JT_E_WRONG_CONTEXT, JT_E_NOMEM. Threads: the context's. */
JT_API jt_status jt_graph_save(jt_context* ctx, jt_graph* graph, const char* path, size_t path_len);
/* A graph from such a file, with states of its own. No code runs from a file: nothing in it is more than text and
 * numbers, and all of it is checked. Owns: *out has one count.
 * Errors: JT_E_INVALID (a NULL), JT_E_IO (cannot be read; damaged, which names path and reason), JT_E_BUSY, JT_E_NOMEM.
 * Threads: the context's. */
JT_API jt_status jt_graph_load(jt_context* ctx, const char* path, size_t path_len, jt_graph** out);
/* Writes the graph as C99 to name.c and name.h in a folder: what a run does, in functions that need nothing but the C
 * library and keep nothing: states and the arena are handed to them. Weights that no run changes are in the file. The
 * bits of elements and reductions are jt's, library ops add up in an order of their own. name is a C identifier, and
 * what all symbols begin with.
 * Errors: JT_E_INVALID (a NULL, no identifier), JT_E_UNSUPPORTED (which names the op; random numbers), JT_E_IO,
 * JT_E_BUSY, JT_E_WRONG_CONTEXT, JT_E_NOMEM. Threads: the context's. */
JT_API jt_status jt_graph_export_c(jt_context* ctx, jt_graph* graph, const char* folder, size_t folder_len,
    const char* name, size_t name_len);

#ifdef __cplusplus
}
#endif
#endif
