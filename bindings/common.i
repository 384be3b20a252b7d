// common: what the bindings of every language agree on: which C functions are wrapped, under which names, and which
// patterns of parameters mean the same thing.
//
// A language's module defines typemaps for the canonical patterns that api.i names in capitals, and the macro JT_WAITS, and
// then includes this file, so that it never repeats the headers' own parameter names. Status becomes an exception.

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
%ignore jt_tensor_map_export;
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
%ignore jt_random_place;
%ignore jt_context_get_random;
%ignore jt_context_set_random;

%include "api.i"
