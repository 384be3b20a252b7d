/* graph: static graphs, as capsules. */
#ifndef JT_PYTHON_GRAPH_H
#define JT_PYTHON_GRAPH_H
#include "calls.h"

static void jp_graph_gone(PyObject* capsule) { jt_graph_release(PyCapsule_GetPointer(capsule, "jt_graph")); }
static jt_graph* jp_get_graph(PyObject* capsule) { return PyCapsule_GetPointer(capsule, "jt_graph"); }
static PyObject* jp_wrap_graph(jt_status status, jt_graph* made) {
  return status == JT_OK ? PyCapsule_New(made, "jt_graph", jp_graph_gone) : jp_raise(status);
}

/* A list of n strings, which stay theirs; NULL with an exception. */
static const char** jp_names(PyObject* names, size_t n) {
  const char** out;
  size_t i;
  if (!PyList_Check(names) || (size_t)PyList_GET_SIZE(names) != n)
    return PyErr_Format(PyExc_TypeError, "names is a list of %zu strings", n), NULL;
  if (!(out = PyMem_Calloc(n + 1, sizeof *out))) return PyErr_NoMemory(), NULL;
  for (i = 0; i < n; i++)
    if (!(out[i] = PyUnicode_AsUTF8(PyList_GET_ITEM(names, (Py_ssize_t)i)))) return PyMem_Free(out), NULL;
  return out;
}
/* Handles as a list of tensors, which takes them over; frees outs. */
static PyObject* jp_list_of(jt_status status, jt_tensor** outs, size_t n) {
  PyObject* list = status == JT_OK ? PyList_New((Py_ssize_t)n) : jp_raise(status);
  size_t i;
  for (i = 0; i < n; i++) {
    if (list) PyList_SET_ITEM(list, (Py_ssize_t)i, jp_wrap(outs[i]));
    else jt_tensor_release(outs[i]);
  }
  PyMem_Free(outs);
  return list;
}

static PyObject* graph_begin(PyObject* names, jt_tensor* const* TENSORS, size_t TENSORS_LEN) {
  const char** list = jp_names(names, TENSORS_LEN);
  jt_tensor** outs = list ? PyMem_Calloc(TENSORS_LEN + 1, sizeof *outs) : NULL;
  jt_status status;
  if (!outs) return PyMem_Free((void*)list), PyErr_Occurred() ? NULL : PyErr_NoMemory();
  status = jt_graph_begin(jp_ctx, list, TENSORS, TENSORS_LEN, outs, TENSORS_LEN);
  PyMem_Free((void*)list);
  return jp_list_of(status, outs, TENSORS_LEN);
}
static PyObject* graph_name(jt_tensor* SELF, const char* TEXT, size_t TEXT_LEN) {
  jt_status status = jt_graph_name(jp_ctx, SELF, TEXT, TEXT_LEN);
  if (status != JT_OK) return jp_raise(status);
  Py_RETURN_NONE;
}
static PyObject* graph_cancel(void) {
  jt_status status = jt_graph_cancel(jp_ctx);
  if (status != JT_OK) return jp_raise(status);
  Py_RETURN_NONE;
}
static PyObject* graph_end(PyObject* names, jt_tensor* const* TENSORS, size_t TENSORS_LEN) {
  const char** list = jp_names(names, TENSORS_LEN);
  jt_graph* made = NULL;
  jt_status status;
  if (!list) return jt_graph_cancel(jp_ctx), NULL;
  status = jt_graph_end(jp_ctx, list, TENSORS, TENSORS_LEN, &made);
  PyMem_Free((void*)list);
  return jp_wrap_graph(status, made);
}
static PyObject* graph_run(jt_graph* graph, jt_tensor* const* TENSORS, size_t TENSORS_LEN) {
  size_t n = jt_graph_count(graph, JT_GRAPH_OUTPUT);
  jt_tensor** outs = PyMem_Calloc(n + 1, sizeof *outs);
  jt_status status;
  if (!outs) return PyErr_NoMemory();
  JT_LONG(status = jt_graph_run(jp_ctx, graph, TENSORS, TENSORS_LEN, outs, n));
  return jp_list_of(status, outs, n);
}
/* Of a kind: [(name, dtype, dims, is_parameter, changes)]. */
static PyObject* graph_parts(jt_graph* graph, int kind) {
  size_t i, n = jt_graph_count(graph, (jt_graph_part)kind);
  PyObject* out = PyList_New((Py_ssize_t)n);
  for (i = 0; out && i < n; i++) {
    jt_graph_part_info part;
    PyObject *dims, *one = NULL;
    int k;
    memset(&part, 0, sizeof part);
    part.struct_size = sizeof part;
    if (jt_graph_part_get(graph, (jt_graph_part)kind, i, &part) != JT_OK)
      return Py_DECREF(out), jp_raise(JT_E_INVALID);
    dims = PyTuple_New(part.ndim);
    for (k = 0; dims && k < part.ndim; k++) PyTuple_SET_ITEM(dims, k, PyLong_FromLongLong(part.dims[k]));
    if (dims)
      one = Py_BuildValue("(sNNOO)", part.name, jp_dtype_object(part.dtype), dims,
                          part.is_parameter ? Py_True : Py_False, part.changes ? Py_True : Py_False);
    if (!one) return Py_DECREF(out), NULL;
    PyList_SET_ITEM(out, (Py_ssize_t)i, one);
  }
  return out;
}
static PyObject* graph_state(jt_graph* graph, const char* TEXT, size_t TEXT_LEN) {
  jt_tensor* out = NULL;
  jt_status status = jt_graph_state(jp_ctx, graph, TEXT, TEXT_LEN, &out);
  return jp_result(status, out);
}
static PyObject* graph_memory(jt_graph* graph) {
  jt_graph_memory m;
  jt_status status;
  memset(&m, 0, sizeof m);
  m.struct_size = sizeof m;
  JT_LONG(status = jt_graph_memory_get(jp_ctx, graph, &m));
  if (status != JT_OK) return jp_raise(status);
  return Py_BuildValue("{sIsLsLsLsLsLsL}", "steps", m.steps, "inputs", (long long)m.inputs, "states",
                       (long long)m.states, "constants", (long long)m.constants, "outputs", (long long)m.outputs,
                       "temporaries", (long long)m.temporaries, "arena", (long long)m.arena);
}
static PyObject* graph_source(jt_graph* graph) {
  size_t room = 0;
  jt_status status = jt_graph_text(graph, NULL, 0, &room);
  char* text = status == JT_OK ? PyMem_Malloc(room + 1) : NULL;
  if (status == JT_OK && !text) return PyErr_NoMemory();
  if (text) status = jt_graph_text(graph, text, room, &room);
  return jp_text_of(status, text, room);
}
static PyObject* graph_parse(const char* TEXT, size_t TEXT_LEN) {
  jt_graph* made = NULL;
  jt_status status = jt_graph_parse(jp_ctx, TEXT, TEXT_LEN, &made);
  return jp_wrap_graph(status, made);
}
static PyObject* graph_load(const char* TEXT, size_t TEXT_LEN) {
  jt_graph* made = NULL;
  jt_status status;
  JT_LONG(status = jt_graph_load(jp_ctx, TEXT, TEXT_LEN, &made));
  return jp_wrap_graph(status, made);
}
static PyObject* graph_export_c(jt_graph* graph, const char* TEXT, size_t TEXT_LEN, PyObject* name) {
  Py_ssize_t length;
  const char* called = PyUnicode_AsUTF8AndSize(name, &length);
  jt_status status;
  if (!called) return NULL;
  JT_LONG(status = jt_graph_export_c(jp_ctx, graph, TEXT, TEXT_LEN, called, (size_t)length));
  if (status != JT_OK) return jp_raise(status);
  Py_RETURN_NONE;
}
static PyObject* graph_save(jt_graph* graph, const char* TEXT, size_t TEXT_LEN) {
  jt_status status;
  JT_LONG(status = jt_graph_save(jp_ctx, graph, TEXT, TEXT_LEN));
  if (status != JT_OK) return jp_raise(status);
  Py_RETURN_NONE;
}
#endif
