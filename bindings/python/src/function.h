/* function: gradients written in Python. The values pass through an op of the C API (jt_custom) that copies them and
 * calls Python for the gradients of its inputs. */
#ifndef JT_PYTHON_FUNCTION_H
#define JT_PYTHON_FUNCTION_H
#include "module.h"

/* Inputs are the function's inputs, then its results as they were computed; the outputs are those results. */
static jt_status jp_pass_on(void* user, const jt_custom_call* call) {
  size_t i, first = call->inputs_len - call->outputs_len;
  (void)user;
  for (i = 0; i < call->outputs_len; i++)
    memcpy(call->outputs[i].data, call->inputs[first + i].data, call->outputs[i].data_len);
  return JT_OK;
}
static PyObject* jp_borrowed(jt_tensor* handle) { /* a new object for a handle of another; None for NULL */
  if (!handle) Py_RETURN_NONE;
  jt_tensor_retain(handle);
  return jp_wrap(handle);
}
/* Calls user(grads) for a list of gradients (None: not wanted); an exception stays set for the caller of the
 * gradient. */
static jt_status jp_call_gradient(void* user, const jt_custom_grad* call) {
  PyGILState_STATE gil = PyGILState_Ensure();
  signed char no_grad = jp_thread_no_grad, context_no_grad = jp_context_no_grad;
  jt_bool recorded;
  PyObject *grads = PyList_New((Py_ssize_t)call->outputs_len), *out = NULL;
  size_t i, n = call->inputs_len - call->outputs_len;
  jt_status status = JT_E_USER;
  /* Whether what is recorded here lets gradients through is up to who asked for the gradient. */
  jt_context_set_grad_mode(jp_ctx, 1, &recorded);
  jt_context_set_grad_mode(jp_ctx, recorded, NULL);
  jp_thread_no_grad = jp_context_no_grad = !recorded;
  for (i = 0; grads && i < call->outputs_len; i++) PyList_SET_ITEM(grads, (Py_ssize_t)i, jp_borrowed(call->grads[i]));
  if (grads && !PyErr_Occurred()) out = PyObject_CallFunctionObjArgs((PyObject*)user, grads, NULL);
  if (out && (!PyList_Check(out) || PyList_GET_SIZE(out) != (Py_ssize_t)n))
    PyErr_Format(PyExc_TypeError, "a gradient gives a list of %zu tensors", n);
  else if (out) {
    status = JT_OK;
    for (i = 0; i < n; i++) {
      PyObject* item = PyList_GET_ITEM(out, (Py_ssize_t)i);
      if (item == Py_None || !call->needs[i]) continue;
      if (!jp_get(item)) { status = JT_E_USER; break; }
      jt_tensor_retain(call->input_grads[i] = jp_handle(item));
    }
  }
  if (status != JT_OK) PyOS_snprintf(call->message, call->message_len, "an exception was raised in a gradient");
  Py_XDECREF(out);
  Py_XDECREF(grads);
  jt_context_set_grad_mode(jp_ctx, recorded, NULL);
  jp_thread_no_grad = no_grad, jp_context_no_grad = context_no_grad;
  PyGILState_Release(gil);
  return status;
}
static void jp_forget_gradient(void* user) {
  PyGILState_STATE gil;
  if (!Py_IsInitialized()) return; /* the interpreter is gone, and with it the object */
  gil = PyGILState_Ensure();
  Py_DECREF((PyObject*)user);
  PyGILState_Release(gil);
}

/* `results` as new tensors whose gradients with respect to `inputs` come from gradient([grads]) -> [grads]. */
static PyObject* custom_gradient(PyObject* name, PyObject* gradient, PyObject* inputs, PyObject* results) {
  jp_handles all = {NULL, 0, NULL};
  PyObject *joined = PySequence_List(inputs), *list = NULL;
  Py_ssize_t m = PySequence_Size(results), i, k;
  jt_custom_type* types = PyMem_Calloc((size_t)(m > 0 ? m : 1), sizeof *types);
  int64_t (*dims)[JT_MAX_RANK] = PyMem_Calloc((size_t)(m > 0 ? m : 1), sizeof *dims);
  jt_tensor** outs = PyMem_Calloc((size_t)(m > 0 ? m : 1), sizeof *outs);
  jt_status status;
  if (joined && m > 0 && types && dims && outs &&
      PyList_SetSlice(joined, PyList_GET_SIZE(joined), PyList_GET_SIZE(joined), results) == 0 &&
      jp_as_handles("Function", joined, 0, &all)) {
    jt_custom_desc desc;
    memset(&desc, 0, sizeof desc);
    for (i = 0; i < m; i++) {
      jt_tensor* x = all.list[all.count - (size_t)m + (size_t)i];
      types[i].dtype = jt_tensor_dtype(x), types[i].dims = dims[i], types[i].dims_len = (size_t)jt_tensor_ndim(x);
      for (k = 0; k < jt_tensor_ndim(x); k++) dims[i][k] = jt_tensor_dim(x, (int32_t)k);
    }
    desc.struct_size = sizeof desc, desc.name = PyUnicode_AsUTF8(name), desc.name_len = JT_NUL;
    desc.forward = jp_pass_on, desc.backward = jp_call_gradient, desc.release = jp_forget_gradient;
    desc.user = gradient, desc.outputs = types, desc.outputs_len = (size_t)m;
    Py_INCREF(gradient);
    status = jt_custom(jp_ctx, &desc, all.list, all.count, outs, (size_t)m);
    if (status != JT_OK) Py_DECREF(gradient), jp_raise(status);
    else if ((list = PyList_New(m)))
      for (i = 0; i < m; i++) PyList_SET_ITEM(list, i, jp_wrap(outs[i]));
  } else if (!PyErr_Occurred())
    PyErr_SetString(PyExc_ValueError, "Function: no results");
  Py_XDECREF(joined);
  PyMem_Free(types), PyMem_Free(dims), PyMem_Free(outs);
  jp_drop_handles(&all);
  return list;
}
#endif
