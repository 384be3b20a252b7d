// functions: what the package needs beside ops: the C API call by call, and the helpers of src/module.h.
%apply jt_tensor* SELF { jt_tensor* tensor, jt_tensor* src, jt_tensor* dst, jt_tensor* like, jt_tensor* loss, const jt_tensor* tensor };
%typemap(in) jt_module* module %{ if (!($1 = jp_get_module($input))) SWIG_fail; %}
%typemap(in) jt_graph* graph %{ if (!($1 = jp_get_graph($input))) SWIG_fail; %}
%typemap(in) jt_optimizer* optimizer %{ if (!($1 = jp_get_optimizer($input))) SWIG_fail; %}

// These only look at a handle.
%define JT_LOOKS(function) %exception function { $action } %enddef
JT_LOOKS(shape) JT_LOOKS(jt_tensor_dtype) JT_LOOKS(jt_tensor_ndim) JT_LOOKS(jt_tensor_count) JT_LOOKS(place_of) JT_LOOKS(current_place)
JT_LOOKS(raise_dropped) JT_LOOKS(has_buffer)
JT_LOOKS(set_grad_mode) JT_LOOKS(is_grad_enabled) JT_LOOKS(set_autocast) JT_LOOKS(autocast_dtype)
JT_LOOKS(device_names) JT_LOOKS(device_of) JT_LOOKS(set_device) JT_LOOKS(current_device)
PyObject* set_up(PyObject* hooks, PyObject* dtypes, PyObject* cls);
PyObject* place_of(unsigned number);
PyObject* current_place(void);
PyObject* custom_gradient(PyObject* name, PyObject* gradient, PyObject* inputs, PyObject* results);
PyObject* control(int kind, PyObject* first, PyObject* second, PyObject* by, long long most, PyObject* inputs);
PyObject* wrap_as(PyObject* cls, jt_tensor* SELF);
PyObject* shape(jt_tensor* SELF);
PyObject* item(jt_tensor* SELF);
PyObject* tolist(jt_tensor* SELF);
PyObject* to_bytes(jt_tensor* SELF);
PyObject* writable(jt_tensor* SELF);
PyObject* raise_dropped(void);
PyObject* has_buffer(PyObject* data);
PyObject* set_grad_mode(int on);
int set_autocast(jt_dtype dtype);
int autocast_dtype(void);
PyObject* is_grad_enabled(void);
PyObject* device_names(void);
PyObject* device_of(jt_tensor* SELF);
PyObject* to_device(jt_tensor* SELF, const char* TEXT, size_t TEXT_LEN);
PyObject* set_device(const char* TEXT, size_t TEXT_LEN);
PyObject* current_device(void);
PyObject* to_dlpack(jt_tensor* SELF, int versioned, int writes);
PyObject* sync_one(jt_tensor* SELF);
PyObject* from_data(PyObject* data, PyObject* dtype);
PyObject* from_bytes(PyObject* data, jt_dtype dtype, const int64_t* INTS, size_t INTS_LEN);
PyObject* from_capsule(PyObject* capsule, int copies);
PyObject* gradients(jt_tensor* SELF, PyObject* inputs, PyObject* dy, unsigned flags);
PyObject* optimizer_create(const char* TEXT, size_t TEXT_LEN, PyObject* fields, PyObject* params);
PyObject* optimizer_add_group(jt_optimizer* optimizer, PyObject* fields, PyObject* params);
%rename(optimizer_states) optimizer_state;
PyObject* optimizer_state(jt_optimizer* optimizer);
PyObject* module_create(const char* TEXT, size_t TEXT_LEN, PyObject* fields);
PyObject* module_tensors(jt_module* module);
PyObject* module_set_tensor(jt_module* module, const char* TEXT, size_t TEXT_LEN, PyObject* tensor);
PyObject* module_set_field(jt_module* module, PyObject* name, PyObject* value);
PyObject* module_run(jt_module* module, jt_tensor* const* TENSORS_OR_NULL, size_t TENSORS_LEN, int training, int results);
PyObject* checkpoint_save(const char* TEXT, size_t TEXT_LEN, PyObject* names, jt_tensor* const* TENSORS, size_t TENSORS_LEN);
PyObject* checkpoint_load(const char* TEXT, size_t TEXT_LEN);
PyObject* memory_info(void);
PyObject* stats(void);
PyObject* kernel_stats(void);
PyObject* stats_text(void);
PyObject* graph_text(jt_tensor* const* TENSORS, size_t TENSORS_LEN, int stage);
PyObject* random_place(void);
PyObject* set_random_place(long long seed, long long stream, long long counter);
PyObject* graph_begin(PyObject* names, jt_tensor* const* TENSORS, size_t TENSORS_LEN);
PyObject* graph_end(PyObject* names, jt_tensor* const* TENSORS, size_t TENSORS_LEN);
PyObject* graph_run(jt_graph* graph, jt_tensor* const* TENSORS, size_t TENSORS_LEN);
PyObject* graph_parts(jt_graph* graph, int kind);
PyObject* graph_state(jt_graph* graph, const char* TEXT, size_t TEXT_LEN);
PyObject* graph_memory(jt_graph* graph);
PyObject* graph_source(jt_graph* graph);
PyObject* graph_name(jt_tensor* SELF, const char* TEXT, size_t TEXT_LEN);
PyObject* graph_cancel(void);
PyObject* graph_parse(const char* TEXT, size_t TEXT_LEN);
PyObject* graph_load(const char* TEXT, size_t TEXT_LEN);
PyObject* graph_export_c(jt_graph* graph, const char* TEXT, size_t TEXT_LEN, PyObject* name);
PyObject* graph_save(jt_graph* graph, const char* TEXT, size_t TEXT_LEN);

%feature("docstring") jt_schedule_cosine "schedule_cosine(lr, lr_end, step, steps) -> float\n\nLearning rate of `step` of `steps` on half a cosine from lr to lr_end; lr_end from `steps` on.";
%feature("docstring") jt_schedule_step "schedule_step(lr, factor, step, every) -> float\n\nlr times factor for every `every` steps done.";
%feature("docstring") jt_schedule_warmup "schedule_warmup(lr, step, warmup) -> float\n\nRises linearly from lr / warmup at step 0 to lr at step warmup - 1, and stays.";

// The functions above stand in for these.
%ignore jt_context_set_grad_mode;
%ignore jt_context_set_autocast;
%ignore jt_context_set_device;
%ignore jt_runtime_device_count;
%ignore jt_runtime_device_name;
%ignore jt_runtime_describe;
%ignore jt_runtime_find_device;
%ignore jt_tensor_device;
%ignore jt_tensor_to;
%ignore jt_runtime_memory_info;
%ignore jt_runtime_stats;
%ignore jt_kernel_stats_get;
%ignore jt_kernel_count;
%ignore jt_stats_print;
%ignore jt_graph_print;
%ignore jt_grad;
%ignore jt_cond;
%ignore jt_while_loop;
%ignore jt_for_loop;
%ignore jt_body_call;
%ignore jt_optimizer_create;
%ignore jt_optimizer_add_group;
%ignore jt_optimizer_state;
%ignore jt_optimizer_state_count;
%ignore jt_tensor_item_f64;
%ignore jt_tensor_item_i64;
%ignore jt_checkpoint;
%rename(tensor_gradient) jt_tensor_grad;
%rename(sync_all) jt_sync;
%include "jt/jt_base.h"
%include "jt/jt_runtime.h"
%include "jt/jt_tensor.h"
%include "jt/jt_autograd.h"
%include "jt/jt_optim.h"
%include "jt/jt_data.h"
%include "jt/jt_profile.h"
