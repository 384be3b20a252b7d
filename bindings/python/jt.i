// jt: the Python extension module jt._C, from the C headers. (SWIG also writes a jt_c.py, which nobody needs.)
//
// Handles become types (`-builtin`), ops become functions that also serve as methods, a status other than JT_OK becomes an
// exception. Operators, indexing and the exchange of memory are the C of src/. The package on top is bindings/python/jt.
%module jt_c
%begin %{
#define PY_SSIZE_T_CLEAN
#define SWIG_PYTHON_STRICT_BYTE_CHAR
%}
%{
#include "src/state.h"
#include "src/convert.h"
#include "src/call.h"
#include "src/slots.h"
#include "src/index.h"
#include "src/exchange.h"
#include "src/module.h"
#include "src/calls.h"
#include "src/function.h"
#include "src/control.h"
#include "src/graph.h"
#define PyArg_ParseTupleAndKeywords(args, kwargs, format, ...) jp_parse(self, args, kwargs, format, __VA_ARGS__)
%}
%include <stdint.i>

// ---- results, errors, who is inside ----------------------------------------------------------------------------------
%typemap(out) jt_status %{
  if ($1 != JT_OK) {
    jp_raise($1);
    SWIG_fail;
  }
  $result = SWIG_Py_Void();
%}
%typemap(in, numinputs=0) jt_context* ctx %{ $1 = jp_ctx; %}
%typemap(in, numinputs=0) jt_runtime* rt %{ $1 = jp_rt; %}
%typemap(in, numinputs=0) jt_tensor** OUT (jt_tensor* made = NULL) %{ $1 = &made; %}
%typemap(argout) jt_tensor** OUT %{ $result = jp_append_result($result, made$argnum ? jp_wrap(made$argnum) : (Py_INCREF(Py_None), Py_None)); if (!$result) SWIG_fail; %}
%typemap(in, numinputs=0) (jt_tensor** OUTS, size_t OUTS_LEN) %{ $1 = NULL, $2 = 0; %}
%typemap(argout) (jt_tensor** OUTS, size_t OUTS_LEN) %{ Py_XDECREF($result); if (!($result = jp_results($1, $2))) SWIG_fail; %}
%typemap(freearg) (jt_tensor** OUTS, size_t OUTS_LEN) %{ PyMem_Free($1); %}
%typemap(out) jt_bool %{ $result = PyBool_FromLong($1); %}
%typemap(in) jt_bool %{ {
  int truth = PyObject_IsTrue($input);
  if (truth < 0) SWIG_fail;
  $1 = truth;
} %}
%typemap(in) int64_t %{ if (!jp_as_int64($input, "$symname", "$1_name", &$1)) SWIG_fail; %}
%typemap(in) double value %{ if (!jp_as_value($input, "$symname", JP_BESIDE(arg2), &$1)) SWIG_fail; %}
%typemap(in) double %{ if (!jp_as_double($input, "$symname", "$1_name", &$1)) SWIG_fail; %}
%typemap(out) const char* %{ $result = $1 ? PyUnicode_FromString($1) : (Py_INCREF(Py_None), Py_None); %}
%typemap(in) jt_dtype %{ if (!jp_as_dtype($input, &$1)) SWIG_fail; %}
%typemap(out) jt_dtype %{ $result = jp_dtype_object($1); %}
%typemap(in, numinputs=0) double* out (double number) %{ $1 = &number; %}
%typemap(argout) double* out %{ Py_XDECREF($result); $result = PyFloat_FromDouble(number$argnum); %}
%typemap(in, numinputs=0) jt_bool* out_previous (jt_bool flag) %{ $1 = &flag; %}
%typemap(argout) jt_bool* out_previous %{ Py_XDECREF($result); $result = PyBool_FromLong(flag$argnum); %}

// ---- arguments -------------------------------------------------------------------------------------------------------
%typemap(in) jt_tensor* (int owned = 0, int found) %{
  found = jp_argument("$symname", self, args, kwargs, $input, &$1, &owned);
  if (found <= 0) SWIG_fail;
%}
%typemap(in) jt_tensor* OPTIONAL (int owned = 0, int found) %{
  found = $input == Py_None ? 1 : jp_argument("$symname", self, args, kwargs, $input, &$1, &owned);
  if (found <= 0) SWIG_fail;
%}
%typemap(freearg) jt_tensor* OPTIONAL %{ if (owned$argnum) jt_tensor_release($1); %}
%typemap(freearg) jt_tensor* %{ if (owned$argnum) jt_tensor_release($1); %}
%typemap(in) jt_tensor* OPTIONAL (int owned = 0, int found) %{
  found = $input == Py_None ? 1 : jp_argument("$symname", self, args, kwargs, $input, &$1, &owned);
  if (found <= 0) SWIG_fail;
%}
%typemap(freearg) jt_tensor* OPTIONAL %{ if (owned$argnum) jt_tensor_release($1); %}
%typemap(in) (const int64_t* INTS, size_t INTS_LEN) (int64_t list[JP_MAX_INTS]) %{
  if (!jp_as_ints($input, "$symname", list, JP_MAX_INTS, &$2)) SWIG_fail;
  $1 = list;
%}
%typemap(in) (const char* TEXT, size_t TEXT_LEN) (Py_ssize_t length, PyObject* kept = NULL) %{
  if (!($1 = (char*)jp_as_text($input, &length, &kept))) SWIG_fail;
  $2 = (size_t)length;
%}
%typemap(freearg) (const char* TEXT, size_t TEXT_LEN) %{ Py_XDECREF(kept$argnum); %}
%typemap(in) (jt_tensor* const* TENSORS, size_t TENSORS_LEN) (jp_handles handles = {NULL, 0, 0}) %{
  if (!jp_as_handles("$symname", $input, 0, &handles)) SWIG_fail;
  $1 = handles.list, $2 = handles.count;
%}
%typemap(in) (jt_tensor* const* TENSORS_OR_NULL, size_t TENSORS_LEN) (jp_handles handles = {NULL, 0, 0}) %{
  if (!jp_as_handles("$symname", $input, 1, &handles)) SWIG_fail;
  $1 = handles.list, $2 = handles.count;
%}
%typemap(freearg) (jt_tensor* const* TENSORS, size_t TENSORS_LEN), (jt_tensor* const* TENSORS_OR_NULL, size_t TENSORS_LEN)
  %{ jp_drop_handles(&handles$argnum); %}
%typemap(in, numinputs=0) (char* ROOM, size_t ROOM_LEN, size_t* OUT_LEN) (char* text = NULL, size_t room = 0)
  %{ $1 = NULL, $2 = 0, $3 = &room; %}
// Calls that may wait run outside the interpreter lock.
%define JT_WAITS(function)
%exception function {
  if (jp_enter()) SWIG_fail;
  PyThreadState* thread = jp_begin_long();
  $action
  jp_end_long(thread);
}
%enddef
// Constants of C stay there.
%rename("$ignore", %$isenumitem) "";
%rename("$ignore", %$isconstant) "";
%include "../common.i"

// ---- the handle as a type --------------------------------------------------------------------------------------------
%rename(TensorBase) jt_tensor;
%nodefaultctor jt_tensor;
%feature("docstring") jt_tensor "What SWIG makes of a jt_tensor; use jt.Tensor.";
%feature("python:tp_dealloc") jt_tensor "jp_dealloc";
%feature("python:bf_getbuffer", functype="getbufferproc") jt_tensor "jp_getbuffer";
%feature("python:bf_releasebuffer", functype="releasebufferproc") jt_tensor "jp_releasebuffer";
%feature("python:tp_richcompare") jt_tensor "jp_richcompare";
%feature("python:tp_hash") jt_tensor "jp_hash";
%feature("python:mp_length") jt_tensor "jp_length";
%feature("python:mp_subscript") jt_tensor "jp_subscript";
%feature("python:mp_ass_subscript") jt_tensor "jp_ass_subscript";
%define JT_SLOT(slot) %feature("python:" #slot) jt_tensor "jp_" #slot; %enddef
%define JT_SLOTS(name)
%feature("python:nb_" #name) jt_tensor "jp_nb_" #name;
%feature("python:nb_inplace_" #name) jt_tensor "jp_inplace_nb_" #name;
%enddef
JT_SLOTS(add) JT_SLOTS(subtract) JT_SLOTS(multiply) JT_SLOTS(true_divide) JT_SLOTS(floor_divide) JT_SLOTS(remainder)
JT_SLOTS(and) JT_SLOTS(or) JT_SLOTS(xor) JT_SLOTS(lshift) JT_SLOTS(rshift) JT_SLOTS(matrix_multiply) JT_SLOTS(power)
JT_SLOT(nb_divmod) JT_SLOT(nb_negative) JT_SLOT(nb_absolute) JT_SLOT(nb_invert) JT_SLOT(nb_positive)
JT_SLOT(nb_float) JT_SLOT(nb_int) JT_SLOT(nb_index)
// SWIG calls these by the names of Python 2.
%feature("python:nb_divide") jt_tensor "jp_nb_true_divide";
%feature("python:nb_inplace_divide") jt_tensor "jp_inplace_nb_true_divide";
%feature("python:nb_nonzero") jt_tensor "jp_nb_bool";
typedef struct jt_tensor {} jt_tensor;
%extend jt_tensor { ~jt_tensor() { jt_tensor_release($self); } }

// ---- functions of src/module.h ---------------------------------------------------------------------------------------
%typemap(in) jt_tensor* SELF %{ if (!($1 = jp_get($input))) SWIG_fail; %}
%typemap(freearg) jt_tensor* SELF "";
%exception { if (jp_enter()) SWIG_fail; $action }
%include "functions.i"

// ---- the C API -------------------------------------------------------------------------------------------------------
%include "ops.i"
%init %{
  if (jp_start(((SwigPyClientData*)SWIGTYPE_p_jt_tensor->clientdata)->pytype, SwigMethods, jp_method_names) < 0) return NULL;
%}
