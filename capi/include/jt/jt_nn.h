/* jt_nn.h: layers, and trees of them.
 *
 * A jt_module is a layer (a kind of docs/LAYERS.md with its fields) with the tensors it keeps, or a container:
 * "Sequential", which computes its children in turn, or "Module", whose forward is the caller's business. Names of
 * tensors are dotted paths, "0.weight", as PyTorch's; a tensor under two names is one parameter.
 * Counted, of one context; the context's thread uses it. A forward only records; nothing runs until a value is
 * needed. */
#ifndef JT_NN_H
#define JT_NN_H

#include <jt/jt_tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct jt_module jt_module;

/* What jt_module_list lists. */
typedef enum jt_module_part {
  JT_MODULE_PARAMETERS = 1,        /* tensors that optimisers update */
  JT_MODULE_BUFFERS = 2,           /* tensors that forward updates: running statistics */
  JT_MODULE_STATE = 3,             /* both: what a checkpoint holds */
  JT_MODULE_PART_FORCE32 = 0x7fffffff
} jt_module_part;

/* Flags of jt_module_load. */
typedef enum jt_module_load_flags {
  JT_LOAD_PARTIAL = 1,             /* names that only the module or only the file has are passed over */
  JT_MODULE_LOAD_FLAGS_FORCE32 = 0x7fffffff
} jt_module_load_flags;

/* Makes the layer (kind, kind_len), a name or alias of docs/LAYERS.md; attrs give its fields by name, lists also as one
 * integer. Parameters begin with random values from the context's random state, in float dtype `dtype` (default f32),
 * and require a gradient. A module begins in training mode.
 * Owns: *out has one count, released with jt_module_release; NULL after a failure.
 * Errors: JT_E_INVALID (a NULL, an unknown or missing field, a value out of range), JT_E_NOT_FOUND (kind), JT_E_DTYPE,
 * JT_E_SHAPE (too many elements), JT_E_BUSY, JT_E_NOMEM. Threads: the context's. */
JT_API jt_status jt_module_create(jt_context* ctx, const char* kind, size_t kind_len, const jt_attr* attrs,
    size_t attrs_len, jt_module** out);
/* Adds a count. NULL is ignored. Any thread; cannot fail. */
JT_API void jt_module_retain(jt_module* module);
/* Gives back one count; with the last one its tensors and children lose theirs. NULL is ignored. Any thread; cannot
 * fail. */
JT_API void jt_module_release(jt_module* module);
/* Static text: the name of its row ("Linear"); NULL for NULL. Any thread; cannot fail. */
JT_API const char* jt_module_kind(const jt_module* module);

/* Gives a field of the layer another value (dropout's p, a momentum), for the forwards to come.
 * Errors: as for jt_module_create; JT_E_INVALID also for a field that decides which tensors there are, or their shapes
 * or
 * dtypes. Threads: the context's. */
JT_API jt_status jt_module_set_field(jt_context* ctx, jt_module* module, const jt_attr* attr);

/* Records what the module computes from inputs, in the order of its row; an absent optional one is NULL or left out
 * at the end. outputs_len results, at most as many as the row has, are stored in outputs; those of a Sequential are
 * one. In training mode running statistics get new values, without gradients, when the whole call has succeeded.
 * Owns: each output has one count; all are NULL after a failure. Errors: JT_E_INVALID (a NULL, a wrong number of
 * inputs or outputs), JT_E_UNSUPPORTED (a Module), JT_E_SHAPE, JT_E_DTYPE, JT_E_WRONG_CONTEXT, JT_E_BUSY,
 * JT_E_NOMEM. Threads: the context's. */
JT_API jt_status jt_module_forward(jt_context* ctx, jt_module* module, jt_tensor* const* inputs, size_t inputs_len,
    jt_tensor** outputs, size_t outputs_len);
/* Puts the module and all below it in training mode, or out of it: then dropout passes on, running statistics are used
 * and stay. Errors: JT_E_INVALID (a NULL), JT_E_WRONG_CONTEXT, JT_E_BUSY. Threads: the context's. */
JT_API jt_status jt_module_set_training(jt_context* ctx, jt_module* module, jt_bool training);
/* Whether the module itself is in training mode; false for NULL. Threads: the context's; cannot fail. */
JT_API jt_bool jt_module_is_training(const jt_module* module);

/* Makes child the child called (name, name_len) of a container: behind the others, or in place of the one of that name.
 * A name is not empty and has no dot. The module keeps child; a module may be the child of several.
 * Errors: JT_E_INVALID (a NULL, a name, a module that is no container or below child, a tree deeper than 64),
 * JT_E_WRONG_CONTEXT, JT_E_BUSY, JT_E_NOMEM. Threads: the context's. */
JT_API jt_status jt_module_add_child(jt_context* ctx, jt_module* module, const char* name, size_t name_len,
    jt_module* child);
/* How many children it has; 0 for NULL. Threads: the context's; cannot fail. */
JT_API size_t jt_module_child_count(const jt_module* module);
/* The name of child i, valid until a child is added or the module is gone; NULL if there is none. Threads: the
 * context's; cannot fail. */
JT_API const char* jt_module_child_name(const jt_module* module, size_t i);
/* The module at the path (name, name_len): "0", "encoder.layers.3".
 * Owns: *out has one count. Errors: JT_E_INVALID (a NULL), JT_E_NOT_FOUND, JT_E_WRONG_CONTEXT, JT_E_BUSY.
 * Threads: the context's. */
JT_API jt_status jt_module_child(jt_context* ctx, jt_module* module, const char* name, size_t name_len,
                                 jt_module** out);

/* Lists the tensors of the module and of all below it: `parts` is a sum of jt_module_part. *out_len tells how many;
 * jt_module_listed_name gives their names until the next list of this module. A layer's tensors come before those of
 * its children. Errors: JT_E_INVALID (a NULL, unknown parts), JT_E_WRONG_CONTEXT, JT_E_BUSY, JT_E_NOMEM.
 * Threads: the context's. */
JT_API jt_status jt_module_list(jt_context* ctx, jt_module* module, uint32_t parts, size_t* out_len);
/* Name i of the latest list, valid until the next one or until the module is gone; NULL if there is none. Threads: the
 * context's; cannot fail. */
JT_API const char* jt_module_listed_name(const jt_module* module, size_t i);
/* Handles on the parameters of the module and of all below it, each once, in the order of their first names: what an
 * optimiser takes. *out_len tells how many there are; outputs NULL asks only that.
 * Owns: each output has one count. Errors: JT_E_INVALID (a NULL, outputs_len too small), JT_E_WRONG_CONTEXT, JT_E_BUSY,
 * JT_E_NOMEM. Threads: the context's. */
JT_API jt_status jt_module_parameters(jt_context* ctx, jt_module* module, jt_tensor** outputs, size_t outputs_len,
    size_t* out_len);
/* A handle on the tensor at the path (name, name_len): on the module's own cell, so that an assignment to it is seen
 * by the module. Owns: *out has one count. Errors: JT_E_INVALID (a NULL), JT_E_NOT_FOUND, JT_E_WRONG_CONTEXT,
 * JT_E_BUSY. Threads: the context's. */
JT_API jt_status jt_module_get(jt_context* ctx, jt_module* module, const char* name, size_t name_len, jt_tensor** out);
/* Makes tensor the one at the path (name, name_len): the module keeps that handle, so that two names may share one
 * cell. It has the shape and dtype of what it replaces. A container gains it under a name it does not have: as a
 * parameter if it requires a gradient, as a buffer otherwise. NULL makes an optional tensor (the weight of a loss)
 * absent again. Errors: JT_E_INVALID (a NULL, a name), JT_E_NOT_FOUND, JT_E_SHAPE, JT_E_DTYPE, JT_E_WRONG_CONTEXT,
 * JT_E_BUSY, JT_E_NOMEM. Threads: the context's. */
JT_API jt_status jt_module_set(jt_context* ctx, jt_module* module, const char* name, size_t name_len,
                               jt_tensor* tensor);

/* Writes all parameters and buffers under their names to a safetensors file, as jt_checkpoint_save.
 * Errors: as jt_checkpoint_save. Threads: the context's. */
JT_API jt_status jt_module_save(jt_context* ctx, jt_module* module, const char* path, size_t path_len);
/* Assigns to all parameters and buffers what the file at path has under their names, converted to their dtypes; all of
 * them or, after an error, none. `flags` is a sum of jt_module_load_flags.
 * Errors: JT_E_INVALID (a NULL, unknown flags), JT_E_IO, JT_E_NOT_FOUND (a name that only one of both has), JT_E_SHAPE,
 * JT_E_WRONG_CONTEXT, JT_E_BUSY, JT_E_NOMEM. Threads: the context's. */
JT_API jt_status jt_module_load(jt_context* ctx, jt_module* module, const char* path, size_t path_len, uint32_t flags);

/* How many kinds of layers there are. Any thread; cannot fail. */
JT_API size_t jt_layer_count(void);
/* Static text: the name of kind `i`, 0 <= i < jt_layer_count(); NULL for others. Any thread; cannot fail. */
JT_API const char* jt_layer_name(size_t i);
/* Static text: the fields of kind `i`, "name:type=default ..." as in docs/LAYERS.md; NULL for others. Any thread;
 * cannot fail. */
JT_API const char* jt_layer_fields(size_t i);
/* Static text: what kind `i` computes; NULL for others. Any thread; cannot fail. */
JT_API const char* jt_layer_doc(size_t i);

#ifdef __cplusplus
}
#endif
#endif
