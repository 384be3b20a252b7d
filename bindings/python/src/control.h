/* control: branches and loops whose bodies are Python functions. */
#ifndef JT_PYTHON_CONTROL_H
#define JT_PYTHON_CONTROL_H
#include "function.h"

enum { JP_COND, JP_WHILE, JP_FOR, JP_MOST_OUTPUTS = 1024 };
typedef struct jp_bodies { PyObject *first, *second; } jp_bodies;

/* Calls body(index, [inputs]) -> [outputs], or -> ([outputs], go_on); an exception stays set for the caller. */
static jt_status jp_call_body(PyObject* body, jt_body_call* call) {
  PyGILState_STATE gil = PyGILState_Ensure();
  PyObject *inputs = PyList_New((Py_ssize_t)call->inputs_len), *index = jp_borrowed(call->index), *out = NULL, *list,
           *go_on = Py_None;
  jt_status status = JT_E_USER;
  Py_ssize_t i, n;
  for (i = 0; inputs && i < (Py_ssize_t)call->inputs_len; i++) PyList_SET_ITEM(inputs, i, jp_borrowed(call->inputs[i]));
  if (inputs && index && !PyErr_Occurred()) out = PyObject_CallFunctionObjArgs(body, index, inputs, NULL);
  list = out;
  if (out && PyTuple_Check(out) && PyTuple_GET_SIZE(out) == 2)
    list = PyTuple_GET_ITEM(out, 0), go_on = PyTuple_GET_ITEM(out, 1);
  if (out && (!PyList_Check(list) || (n = PyList_GET_SIZE(list)) > (Py_ssize_t)call->outputs_len))
    PyErr_Format(PyExc_TypeError, "a body leaves a list of at most %zu tensors", call->outputs_len);
  else if (out) {
    status = JT_OK;
    for (i = 0; i < n; i++) {
      PyObject* item = PyList_GET_ITEM(list, i);
      if (!jp_get(item)) { status = JT_E_USER; break; }
      jt_tensor_retain(call->outputs[i] = jp_handle(item));
    }
    if (status == JT_OK && go_on != Py_None) {
      if (jp_get(go_on)) jt_tensor_retain(call->go_on = jp_handle(go_on));
      else status = JT_E_USER;
    }
    call->outputs_len = (size_t)n;
  }
  if (status != JT_OK) PyOS_snprintf(call->message, call->message_len, "an exception was raised in a body");
  Py_XDECREF(out), Py_XDECREF(index), Py_XDECREF(inputs);
  PyGILState_Release(gil);
  return status;
}
static jt_status jp_call_first(void* user, jt_body_call* call) { return jp_call_body(((jp_bodies*)user)->first, call); }
static jt_status jp_call_second(void* user, jt_body_call* call) {
  return jp_call_body(((jp_bodies*)user)->second, call);
}

/* kind cond: by a condition, first or second; while: while first, second; for: first, as many times as `by` says, or
 * `most`. */
static PyObject* control(int kind, PyObject* first, PyObject* second, PyObject* by, long long most, PyObject* inputs) {
  jp_handles all = {NULL, 0, NULL};
  jp_bodies bodies;
  jt_tensor** outs = PyMem_Calloc(JP_MOST_OUTPUTS, sizeof *outs);
  jt_tensor* by_handle = NULL;
  PyObject* list = NULL;
  jt_status status = JT_OK;
  Py_ssize_t i, n = 0;
  bodies.first = first, bodies.second = second;
  if (outs && (by == Py_None || jp_get(by)) &&
      jp_as_handles(kind == JP_COND    ? "cond"
                    : kind == JP_WHILE ? "while_loop"
                                       : "fori_loop",
                    inputs, 0, &all)) {
    if (by != Py_None) by_handle = jp_handle(by);
    if (kind == JP_COND)
      JT_LONG(status = jt_cond(jp_ctx, by_handle, jp_call_first, jp_call_second, &bodies, all.list, all.count, outs,
                               JP_MOST_OUTPUTS));
    else if (kind == JP_WHILE)
      JT_LONG(status = jt_while_loop(jp_ctx, jp_call_first, jp_call_second, &bodies, most, all.list, all.count, outs,
                                     JP_MOST_OUTPUTS));
    else
      JT_LONG(status = jt_for_loop(jp_ctx, by_handle, most, jp_call_first, &bodies, all.list, all.count, outs,
                                   JP_MOST_OUTPUTS));
    if (status != JT_OK) jp_raise(status);
    while (n < JP_MOST_OUTPUTS && outs[n]) n++;
    if (status == JT_OK && (list = PyList_New(n)))
      for (i = 0; i < n; i++) PyList_SET_ITEM(list, i, jp_wrap(outs[i]));
  } else if (!outs)
    PyErr_NoMemory();
  PyMem_Free(outs);
  jp_drop_handles(&all);
  return list;
}
#endif
