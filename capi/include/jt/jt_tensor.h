/* jt_tensor.h: tensors: making them, asking them, running them, reading them.
 *
 * A jt_tensor is a counted handle on a lazy value. Dtype and shape are known at once and may be asked from any thread;
 * elements exist after an evaluation. Elements lie row-major, the last axis innermost, in the host's byte order.
 * A tensor of rank 0 holds one element. A tensor belongs to its context; once evaluated it may be an operand in any
 * context of the same runtime. */
#ifndef JT_TENSOR_H
#define JT_TENSOR_H

#include <jt/jt_runtime.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct jt_tensor jt_tensor;

/* Adds a count. NULL is ignored. Any thread; cannot fail. */
JT_API void jt_tensor_retain(jt_tensor* tensor);
/* Gives back one count. NULL is ignored. Any thread, finalisers included; never waits; cannot fail. */
JT_API void jt_tensor_release(jt_tensor* tensor);
/* Number of axes; -1 for NULL. Any thread; cannot fail. */
JT_API int32_t jt_tensor_ndim(const jt_tensor* tensor);
/* Extent of an axis, a negative one counted from the end; -1 if there is no such axis or tensor is NULL. Any thread;
 * cannot fail. */
JT_API int64_t jt_tensor_dim(const jt_tensor* tensor, int32_t axis);
/* Number of elements; -1 for NULL. Any thread; cannot fail. */
JT_API int64_t jt_tensor_count(const jt_tensor* tensor);
/* The dtype; JT_DTYPE_FORCE32 for NULL. Any thread; cannot fail. */
JT_API jt_dtype jt_tensor_dtype(const jt_tensor* tensor);
/* Stores the extents in dims, which has room for dims_len of them, and their number in *out_len (either may be NULL:
 * not wanted). Errors: JT_E_INVALID (tensor NULL, or dims too short; *out_len is set all the same). Threads: any. */
JT_API jt_status jt_tensor_get_dims(const jt_tensor* tensor, int64_t* dims, size_t dims_len, size_t* out_len);
/* True once the elements exist: reading them runs nothing. False for NULL. Threads: the context's; cannot fail. */
JT_API jt_bool jt_tensor_is_ready(const jt_tensor* tensor);

/* The number of the device on which the value runs, or ran, or for which it was made (jt_context_set_device); -1 for
 * NULL. Threads: the context's; cannot fail. */
JT_API int32_t jt_tensor_device(const jt_tensor* tensor);
/* The same value on another device of the runtime, copied when it is needed. Gradients go back the other way. If it
 * is on that device: the same value. Assigning one to a tensor (jt_tensor_assign) brings the tensor there. Owns:
 * *out has one count; NULL after a failure. Errors: JT_E_INVALID (a NULL, no such device), JT_E_BUSY, JT_E_NOMEM.
 * Threads: the context's. */
JT_API jt_status jt_tensor_to(jt_context* ctx, jt_tensor* tensor, int32_t device, jt_tensor** out);

/* A tensor of the given dtype and extents with a copy of data, data_len bytes, exactly as many as the elements take.
 * Extents are >= 0, at most JT_MAX_RANK of them; dims_len 0 makes rank 0. data may be NULL when data_len is 0.
 * Owns: *out has one count; NULL after a failure.
 * Errors: JT_E_INVALID (a NULL, data_len of another size), JT_E_SHAPE, JT_E_DTYPE, JT_E_BUSY, JT_E_NOMEM.
 * Threads: the context's. */
JT_API jt_status jt_tensor_from_bytes(jt_context* ctx, const void* data, size_t data_len, jt_dtype dtype,
    const int64_t* dims, size_t dims_len, jt_tensor** out);

/* Memory of the caller as a tensor, without a copy. */
typedef struct jt_borrow_desc {
  uint32_t struct_size; /* sizeof(jt_borrow_desc) */
  jt_dtype dtype;
  void* data;           /* aligned for its dtype; must not change while borrowed */
  size_t data_len;      /* bytes, exactly as many as the elements take */
  const int64_t* dims;
  size_t dims_len;
  /* Called once, on any thread, when jt needs the memory no more; must neither throw nor call jt. Not called when the
   * borrow failed. May be NULL: the memory outlives the runtime. */
  void (*release)(void* user, void* data);
  void* release_user;
} jt_borrow_desc;

/* A tensor over memory of the caller. jt reads it and never writes it.
 * Owns: *out has one count; NULL after a failure. The memory stays borrowed until desc->release is called.
 * Errors: JT_E_INVALID (a NULL, data_len of another size), JT_E_ABI, JT_E_SHAPE, JT_E_DTYPE, JT_E_BUSY, JT_E_NOMEM.
 * Threads: the context's. */
JT_API jt_status jt_tensor_borrow(jt_context* ctx, const jt_borrow_desc* desc, jt_tensor** out);

/* A tensor of rank 0; value is rounded once, to the dtype (integers: truncated, then wrapped). As an operand it is an
 * argument of the kernel: another value compiles nothing. Owns: *out has one count; NULL after a failure. Errors:
 * JT_E_INVALID (a NULL), JT_E_DTYPE (no dtype, or no int64 holds an integer's value), JT_E_BUSY, JT_E_NOMEM. Threads:
 * the context's. */
JT_API jt_status jt_scalar(jt_context* ctx, double value, jt_dtype dtype, jt_tensor** out);
/* As jt_scalar, for integers that a double cannot hold. */
JT_API jt_status jt_scalar_i64(jt_context* ctx, int64_t value, jt_dtype dtype, jt_tensor** out);
/* A tensor of zeros. Extents as in jt_tensor_from_bytes; (dims, dims_len) is borrowed for the call.
 * Owns: *out has one count; NULL after a failure.
 * Errors: JT_E_INVALID (a NULL), JT_E_SHAPE, JT_E_DTYPE, JT_E_BUSY, JT_E_NOMEM. Threads: the context's. */
JT_API jt_status jt_zeros(jt_context* ctx, const int64_t* dims, size_t dims_len, jt_dtype dtype, jt_tensor** out);
/* A tensor of ones; else as jt_zeros. */
JT_API jt_status jt_ones(jt_context* ctx, const int64_t* dims, size_t dims_len, jt_dtype dtype, jt_tensor** out);
/* A tensor of value with the shape and dtype of `like`; else as jt_zeros. */
JT_API jt_status jt_full_like(jt_context* ctx, jt_tensor* like, double value, jt_tensor** out);
/* Uniform in [low, high), from the context's random state; dtype is a float dtype; else as jt_zeros. */
JT_API jt_status jt_random_uniform(jt_context* ctx, const int64_t* dims, size_t dims_len, double low, double high,
    jt_dtype dtype, jt_tensor** out);
/* Integers from low to below high, each equally often, from the context's random state; dtype is any that holds
 * them, and 64 random bits are used for each. Errors: JT_E_INVALID also where low is not below high, JT_E_DTYPE
 * where the dtype lacks one of them; else as jt_zeros. */
JT_API jt_status jt_random_integers(jt_context* ctx, const int64_t* dims, size_t dims_len, int64_t low, int64_t high,
    jt_dtype dtype, jt_tensor** out);
/* Normal with the given mean and deviation, from the context's random state; dtype is a float dtype; else as
 * jt_zeros. */
JT_API jt_status jt_random_normal(jt_context* ctx, const int64_t* dims, size_t dims_len, double mean, double deviation,
    jt_dtype dtype, jt_tensor** out);

/* Makes the handle dst stand for the value of src, which is converted to dst's dtype; shapes are equal. What was
 * recorded from dst before keeps the old value. No gradient flows through an assignment; dst keeps requiring one.
 * Errors: JT_E_INVALID (a NULL), JT_E_SHAPE, JT_E_WRONG_CONTEXT, JT_E_BUSY, JT_E_NOMEM. Threads: the context's. */
JT_API jt_status jt_tensor_assign(jt_context* ctx, jt_tensor* dst, jt_tensor* src);

/* Makes the handle dst stand for the value of src from now on, converted to dst's dtype; shapes are equal. What was
 * recorded from dst before keeps the old value. Unlike jt_tensor_assign, gradients flow through dst as through src:
 * this is what `x += y` and `x[i] = v` mean for a tensor that is no parameter.
 * Errors: JT_E_INVALID (a NULL, or dst requires a gradient), JT_E_SHAPE, JT_E_WRONG_CONTEXT, JT_E_BUSY, JT_E_NOMEM.
 * Threads: the context's. */
JT_API jt_status jt_tensor_rebind(jt_context* ctx, jt_tensor* dst, jt_tensor* src);

/* Says that this dimension of the tensor's value differs from evaluation to evaluation: plans are made for any
 * extent of it from the first on, instead of from the second extent that they meet. axis counts from the end where
 * negative. It changes no result. The mark is the value's: an assignment brings one without it, and an extent of 0
 * is not shared with others. Errors: JT_E_INVALID (a NULL), JT_E_SHAPE (no such axis), JT_E_WRONG_CONTEXT,
 * JT_E_BUSY. Threads: the context's. */
JT_API jt_status jt_tensor_mark_dynamic(jt_context* ctx, jt_tensor* tensor, int32_t axis);
/* As jt_tensor_mark_dynamic, with a name for people and the extents that it may have, lo to hi. Dimensions of one
 * name and one extent are taken to be the same in whatever is evaluated together. (name, name_len) is borrowed for
 * the call. Errors: JT_E_INVALID (a NULL, no name, not 0 <= lo <= hi), JT_E_SHAPE (no such axis; the extent is not
 * in lo..hi, which names the dimension), JT_E_WRONG_CONTEXT, JT_E_BUSY. Threads: the context's. */
JT_API jt_status jt_tensor_name_dim(jt_context* ctx, jt_tensor* tensor, int32_t axis, const char* name, size_t name_len,
    int64_t lo, int64_t hi);

/* Runs what is pending so that the inputs have elements; inputs_len 0 runs everything that is held.
 * Errors: JT_E_INVALID (a NULL), JT_E_COMPILE, JT_E_DEVICE, JT_E_DEVICE_LOST, JT_E_NOMEM, JT_E_BUSY,
 * JT_E_WRONG_CONTEXT, JT_E_INDEX (an index or a label behind a value is out of range). Fails only if one of the inputs
 * does (with inputs_len 0: any value). After a failure earlier values are still readable, the context is usable, and
 * reading a value that failed, or one made from it, repeats its error. A value that only lacked memory (JT_E_NOMEM)
 * stays pending and may come another time.
 * Threads: the context's. */
JT_API jt_status jt_eval(jt_context* ctx, jt_tensor* const* inputs, size_t inputs_len);
/* Evaluates tensor and copies its elements to dst: dst_len bytes, exactly as many as they take.
 * Errors: JT_E_INVALID (a NULL, dst_len of another size), and those of jt_eval. Threads: the context's. */
JT_API jt_status jt_tensor_read(jt_context* ctx, jt_tensor* tensor, void* dst, size_t dst_len);
/* Evaluates a tensor of one element of any dtype and stores it as a double in *out.
 * Errors: JT_E_INVALID (a NULL), JT_E_SHAPE (not one element), and those of jt_eval. Threads: the context's. */
JT_API jt_status jt_tensor_item_f64(jt_context* ctx, jt_tensor* tensor, double* out);
/* As jt_tensor_item_f64, as an integer; a float is truncated, what does not fit saturates, NaN gives 0. */
JT_API jt_status jt_tensor_item_i64(jt_context* ctx, jt_tensor* tensor, int64_t* out);

/* A look at a tensor's elements where they lie. */
typedef struct jt_mapping {
  uint32_t struct_size; /* set by the caller: sizeof(jt_mapping) */
  uint32_t reserved;
  const void* data;     /* row-major; to be written only after jt_tensor_map_write */
  size_t data_len;      /* bytes */
  void* state;          /* jt's */
} jt_mapping;

/* Evaluates tensor and fills `inout`; the elements stay where they are, unchanged, until jt_tensor_unmap, also if the
 * tensor is released or assigned meanwhile.
 * Errors: JT_E_INVALID (a NULL), JT_E_ABI, and those of jt_eval. Threads: the context's; the memory may be read from
 * any. */
JT_API jt_status jt_tensor_map(jt_context* ctx, jt_tensor* tensor, jt_mapping* inout);
/* As jt_tensor_map, for memory that the caller may write; a write counts as an assignment to the tensor: what was
 * recorded from the tensor before it keeps the old elements, what is recorded, read or mapped later has the new
 * ones, whenever the mapping was made. Elements are copied where anything else could see a change: when the mapping
 * is made, and when the tensor is used while there is one. Mappings of one tensor that may be written share their
 * memory until the tensor is assigned. Errors and threads: as jt_tensor_map; the tensor is of this context. */
JT_API jt_status jt_tensor_map_write(jt_context* ctx, jt_tensor* tensor, jt_mapping* inout);
/* As jt_tensor_map_write, for memory that is handed on to be read, to others who cannot be kept from writing
 * (DLPack): it is not copied for the sake of mappings made by jt_tensor_map, which show what is written. Errors and
 * threads: as jt_tensor_map_write. */
JT_API jt_status jt_tensor_map_export(jt_context* ctx, jt_tensor* tensor, jt_mapping* inout);
/* Ends a mapping and clears it; a cleared one or NULL is ignored. Any thread; cannot fail. */
JT_API void jt_tensor_unmap(jt_mapping* inout);

#ifdef __cplusplus
}
#endif
#endif
