// common: what the bindings of every language agree on: which C functions are wrapped, under which names, and which
// patterns of parameters mean the same thing.
//
// A language's module defines typemaps for the canonical patterns named here in capitals and then includes this file, so
// that it never repeats the headers' own parameter names. Results leave by `jt_tensor** out`; status becomes an exception.

%rename("%(strip:[jt_])s", %$isfunction) "";

// Counts and lifetimes are the wrapper's business; text of errors goes into exceptions.
%ignore jt_tensor_retain;
%ignore jt_tensor_release;
%ignore jt_optimizer_retain;
%ignore jt_optimizer_release;
%ignore jt_checkpoint_release;
%ignore jt_runtime_create;
%ignore jt_runtime_retain;
%ignore jt_runtime_release;
%ignore jt_context_create;
%ignore jt_context_retain;
%ignore jt_context_release;
%ignore jt_last_error;
%ignore jt_last_error_message;
// Reached through each language's own arrays, numbers and callbacks.
%ignore jt_tensor_from_bytes;
%ignore jt_tensor_borrow;
%ignore jt_tensor_read;
%ignore jt_tensor_map;
%ignore jt_tensor_map_write;
%ignore jt_tensor_unmap;
%ignore jt_tensor_get_dims;
%ignore jt_context_set_dump;
%ignore jt_op_call;
// Sized structs are filled by the wrapper and given as a language's own record.
%ignore jt_runtime_desc;
%ignore jt_borrow_desc;
%ignore jt_mapping;
%ignore jt_error_info;
%ignore jt_attr;
%ignore jt_memory_info;
%ignore jt_stats;
%ignore jt_kernel_stats;

// A text with its length, read by jt.
%apply (const char* TEXT, size_t TEXT_LEN) {
  (const char* kind, size_t kind_len), (const char* path, size_t path_len), (const char* name, size_t name_len),
  (const char* index, size_t index_len), (const char* combine, size_t combine_len)
};
// Room for a text that jt writes.
%apply (char* ROOM, size_t ROOM_LEN, size_t* OUT_LEN) { (char* dst, size_t dst_len, size_t* out_len) };
// Several tensors.
%apply (jt_tensor* const* TENSORS, size_t TENSORS_LEN) {
  (jt_tensor* const* inputs, size_t inputs_len), (jt_tensor* const* params, size_t params_len)
};
%apply (jt_tensor* const* TENSORS_OR_NULL, size_t TENSORS_LEN) { (jt_tensor* const* grads, size_t grads_len) };
