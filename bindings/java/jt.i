// jt: the flat natives of org.jt, from the C headers: class org.jt.Native, of static methods over `long` handles.
//
// The classes on top (Tensor and the generated ones) see to it that a handle is alive for the length of a call, so no proxy
// classes are made here. A status other than JT_OK becomes an exception; results leave as the returned long, 0 for none.
%module Native
%pragma(java) moduleclassmodifiers="final class"
%pragma(java) jniclassclassmodifiers="final class"
%pragma(java) jniclasscode=%{
  static {
    Library.load();
  }
%}
%{
#include <jt/jt.h>
#include "src/state.h"
#include "src/lists.h"
#include "src/values.h"
#include "src/fields.h"
#include "src/custom.h"
#include "src/module.h"
%}
%include <stdint.i>
// With SWIGWORDSIZE64 SWIG takes int64_t for C's long, which it makes Java's int: half of the bits would be lost.
%apply long long { int64_t, size_t, const int64_t&, ptrdiff_t };
%apply long long { uint64_t };

// Enumerations travel as int; org.jt has its own words for them.
%rename("$ignore", %$isenum) "";
%rename("$ignore", %$isenumitem) "";
%rename("$ignore", %$isconstant) "";

// ---- handles: every pointer to a type of jt is a long ----------------------------------------------------------------
%typemap(jni) SWIGTYPE* "jlong"
%typemap(jtype) SWIGTYPE* "long"
%typemap(jstype) SWIGTYPE* "long"
%typemap(javain) SWIGTYPE* "$javainput"
%typemap(javaout) SWIGTYPE* "{ return $jnicall; }"
%typemap(in) SWIGTYPE* %{ $1 = ($1_ltype)(intptr_t)$input; %}
%typemap(out) SWIGTYPE* %{ $result = (jlong)(intptr_t)$1; %}

// ---- results and errors ----------------------------------------------------------------------------------------------
%typemap(jni) jt_status "jlong"
%typemap(jtype) jt_status "long"
%typemap(jstype) jt_status "long"
%typemap(javaout) jt_status "{ return $jnicall; }"
%typemap(out) jt_status %{
  $result = 0;
  if ($1 != JT_OK) jj_throw(jenv, $1);
%}
%typemap(in, numinputs=0) jt_tensor** OUT (jt_tensor* made = NULL) %{ $1 = &made; %}
%typemap(argout) jt_tensor** OUT %{ $result = (jlong)(intptr_t)made$argnum; %}
%typemap(in, numinputs=0) jt_module** out (jt_module* made = NULL) %{ $1 = &made; %}
%typemap(argout) jt_module** out %{ $result = (jlong)(intptr_t)made$argnum; %}
%typemap(in, numinputs=0) jt_checkpoint** out (jt_checkpoint* made = NULL) %{ $1 = &made; %}
%typemap(argout) jt_checkpoint** out %{ $result = (jlong)(intptr_t)made$argnum; %}
%typemap(in, numinputs=0) int64_t* out (int64_t number = 0) %{ $1 = &number; %}
%typemap(argout) int64_t* out %{ $result = number$argnum; %}
// A double travels as its bits.
%typemap(in, numinputs=0) int32_t* out (int32_t number = 0) %{ $1 = &number; %}
%typemap(argout) int32_t* out %{ $result = (jlong)number$argnum; %}
%typemap(in, numinputs=0) int32_t* out_previous (int32_t number = 0) %{ $1 = &number; %}
%typemap(argout) int32_t* out_previous %{ $result = (jlong)number$argnum; %}
%typemap(in, numinputs=0) double* out (double number = 0) %{ $1 = &number; %}
%typemap(argout) double* out %{ memcpy(&$result, &number$argnum, sizeof number$argnum); %}
%typemap(in, numinputs=0) size_t* out_len (size_t number = 0) %{ $1 = &number; %}
%typemap(argout) size_t* out_len %{ $result = (jlong)number$argnum; %}
%typemap(in, numinputs=0) jt_bool* out_previous (jt_bool flag = 0) %{ $1 = &flag; %}
%typemap(argout) jt_bool* out_previous %{ $result = flag$argnum; %}
%typemap(in, numinputs=0) jt_dtype* out_previous (jt_dtype dtype = JT_F32) %{ $1 = &dtype; %}
%typemap(argout) jt_dtype* out_previous %{ $result = (jlong)dtype$argnum; %}

// The results of an op that has several leave as an array.
%define JJ_SEVERAL(function)
%typemap(jni) jt_status function "jlongArray"
%typemap(jtype) jt_status function "long[]"
%typemap(jstype) jt_status function "long[]"
%typemap(out) jt_status function %{
  $result = NULL;
  if ($1 != JT_OK) jj_throw(jenv, $1);
%}
%enddef
%typemap(in, numinputs=0) (jt_tensor** OUTS, size_t OUTS_LEN) %{ $1 = NULL, $2 = 0; %}
%typemap(argout) (jt_tensor** OUTS, size_t OUTS_LEN) %{ $result = jj_list(jenv, $1, $2); %}
%typemap(freearg) (jt_tensor** OUTS, size_t OUTS_LEN) %{ free($1); %}
// The results of an op that gives a list: one for each value of the list whose length is that argument.
%define JJ_LIST(list, argument)
%apply (jt_tensor** OUTS, size_t OUTS_LEN) { (jt_tensor** list, size_t list##_len) };
%typemap(check) (jt_tensor** list, size_t list##_len) %{ if (!jj_make_list(jenv, "$symname", arg##argument, &$1, &$2)) return $null; %}
%enddef
%typemap(in, numinputs=0) jt_tensor** ONE_OF (jt_tensor* made = NULL) %{ $1 = &made; %}
%typemap(argout) jt_tensor** ONE_OF %{ $result = jj_append(jenv, $result, made$argnum); %}
// Text leaves as UTF-8: Java's own functions for it know another form only.
%typemap(jni) const char* "jbyteArray"
%typemap(jtype) const char* "byte[]"
%typemap(jstype) const char* "byte[]"
%typemap(javaout) const char* "{ return $jnicall; }"
%typemap(out) const char* %{ $result = $1 ? jj_bytes(jenv, $1, strlen($1)) : NULL; %}

// ---- arguments -------------------------------------------------------------------------------------------------------
%typemap(jni) jt_bool "jboolean"
%typemap(jtype) jt_bool "boolean"
%typemap(jstype) jt_bool "boolean"
%typemap(javain) jt_bool "$javainput"
%typemap(javaout) jt_bool "{ return $jnicall; }"
%typemap(in) jt_bool %{ $1 = $input ? 1 : 0; %}
%typemap(out) jt_bool %{ $result = $1 ? JNI_TRUE : JNI_FALSE; %}
%define JJ_INT(type)
%typemap(jni) type "jint"
%typemap(jtype) type "int"
%typemap(jstype) type "int"
%typemap(javain) type "$javainput"
%typemap(javaout) type "{ return $jnicall; }"
%typemap(in) type %{ $1 = (type)$input; %}
%typemap(out) type %{ $result = (jint)$1; %}
%enddef
JJ_INT(jt_dtype)
JJ_INT(jt_stage)
JJ_INT(uint32_t)
%define JJ_STATUS_NAME
%typemap(jni) jt_status status "jint"
%typemap(jtype) jt_status status "int"
%typemap(jstype) jt_status status "int"
%typemap(javain) jt_status status "$javainput"
%typemap(in) jt_status status %{ $1 = (jt_status)$input; %}
%enddef
JJ_STATUS_NAME

%define JJ_ARRAY(first, second, jtype_, java_)
%typemap(jni) (first, second) #jtype_
%typemap(jtype) (first, second) #java_
%typemap(jstype) (first, second) #java_
%typemap(javain) (first, second) "$javainput"
%enddef
JJ_ARRAY(const int64_t* INTS, size_t INTS_LEN, jlongArray, long[])
%typemap(in) (const int64_t* INTS, size_t INTS_LEN) (int64_t list[JJ_MAX_LIST]) %{
  if (!jj_ints(jenv, "$symname", $input, list, &$2)) return $null;
  $1 = list;
%}
JJ_ARRAY(const char* TEXT, size_t TEXT_LEN, jbyteArray, byte[])
%typemap(in) (const char* TEXT, size_t TEXT_LEN) %{
  if (!($1 = jj_text(jenv, "$symname", $input, &$2))) return $null;
%}
%typemap(freearg) (const char* TEXT, size_t TEXT_LEN) %{ free((void*)$1); %}
JJ_ARRAY(jt_tensor* const* TENSORS, size_t TENSORS_LEN, jlongArray, long[])
%typemap(in) (jt_tensor* const* TENSORS, size_t TENSORS_LEN) %{
  if (!jj_handles(jenv, "$symname", $input, &$1, &$2)) return $null;
%}
%typemap(freearg) (jt_tensor* const* TENSORS, size_t TENSORS_LEN) %{ free((void*)$1); %}
%apply (jt_tensor* const* TENSORS, size_t TENSORS_LEN) { (jt_tensor* const* TENSORS_OR_NULL, size_t TENSORS_LEN) };
// Room for handles that the call makes.
JJ_ARRAY(jt_tensor** outputs, size_t outputs_len, jlongArray, long[])
%typemap(in) (jt_tensor** outputs, size_t outputs_len) %{
  if (!jj_room(jenv, "$symname", $input, &$1, &$2)) return $null;
%}
%typemap(argout) (jt_tensor** outputs, size_t outputs_len) %{ jj_give(jenv, $input, $1, $2); %}
%typemap(freearg) (jt_tensor** outputs, size_t outputs_len) %{ free($1); %}
// An absent operand is 0, as an absent handle is anyway; texts that jt writes are asked for in src/module.h.
%typemap(in) jt_tensor* OPTIONAL %{ $1 = (jt_tensor*)(intptr_t)$input; %}
%typemap(in, numinputs=0) (char* ROOM, size_t ROOM_LEN, size_t* OUT_LEN) %{ $1 = NULL, $2 = 0, $3 = NULL; %}
%typemap(in, numinputs=0) JNIEnv* env %{ $1 = jenv; %}
%define JJ_SAME(type, java_)
%typemap(jni) type #type
%typemap(jtype) type #java_
%typemap(jstype) type #java_
%typemap(javain) type "$javainput"
%typemap(javaout) type "{ return $jnicall; }"
%typemap(in) type %{ $1 = $input; %}
%typemap(out) type %{ $result = $1; %}
%enddef
JJ_SAME(jobject, Object)
JJ_SAME(jbyteArray, byte[])
JJ_SAME(jlongArray, long[])
JJ_SAME(jlong, long)
JJ_SAME(jint, int)
JJ_SAME(jboolean, boolean)
JJ_SAME(jdouble, double)
// Nothing of Java's has to be let go of while a call waits.
%define JT_WAITS(function) %enddef
%include "../common.i"

// ---- functions of src/ -----------------------------------------------------------------------------------------------
%include "functions.i"

// ---- the C API -------------------------------------------------------------------------------------------------------
%include "several.i"
%ignore jt_trace_start; // takes a path and no context; a trace is asked for by JT_TRACE
%ignore jt_trace_stop;
%ignore jt_runtime_memory_info;
%ignore jt_runtime_device_name;
%ignore jt_runtime_describe;
%ignore jt_runtime_stats;
%ignore jt_kernel_stats_get;
%ignore jt_kernel_count;
%ignore jt_stats_print;
%ignore jt_graph_print;
%ignore jt_module_create;
%ignore jt_module_set_field;
%ignore jt_optimizer_create;
%ignore jt_optimizer_add_group;
%ignore jt_optimizer_state;
%ignore jt_checkpoint_save;
%ignore jt_context_set_watch;
%ignore jt_checkpoint_release;
%ignore jt_module_retain;
%ignore jt_module_release;
%rename(tensor_gradient) jt_tensor_grad;
%rename(optimizer_lr) jt_optimizer_get_lr;
%include "jt/jt_base.h"
%include "jt/jt_runtime.h"
%include "jt/jt_tensor.h"
%include "jt/jt_autograd.h"
%include "jt/jt_optim.h"
%include "jt/jt_data.h"
%include "jt/jt_io.h"
%include "jt/jt_nn.h"
%include "jt/jt_profile.h"
%include "jt/jt_ops.h"
