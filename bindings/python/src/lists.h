/* lists: tensors as nested lists of Python numbers, and back. */
#ifndef JT_PYTHON_LISTS_H
#define JT_PYTHON_LISTS_H
#include "exchange.h"

static PyObject* jp_element(jt_dtype t, const char* at) {
  switch (t) {
    case JT_BOOL: return PyBool_FromLong(*(const uint8_t*)at);
    case JT_I8: return PyLong_FromLong(*(const int8_t*)at);
    case JT_I16: return PyLong_FromLong(*(const int16_t*)at);
    case JT_I32: return PyLong_FromLong(*(const int32_t*)at);
    case JT_I64: return PyLong_FromLongLong(*(const int64_t*)at);
    case JT_U8: return PyLong_FromLong(*(const uint8_t*)at);
    case JT_U16: return PyLong_FromLong(*(const uint16_t*)at);
    case JT_U32: return PyLong_FromUnsignedLong(*(const uint32_t*)at);
    case JT_U64: return PyLong_FromUnsignedLongLong(*(const uint64_t*)at);
    case JT_F32: return PyFloat_FromDouble(*(const float*)at);
    default: return PyFloat_FromDouble(*(const double*)at);
  }
}
static PyObject* jp_nested(const jp_view* view, jt_dtype t, int axis, const char* at) {
  Py_ssize_t i;
  PyObject* list;
  if (axis == view->rank) return jp_element(t, at);
  if (!(list = PyList_New(view->dims[axis]))) return NULL;
  for (i = 0; i < view->dims[axis]; i++) {
    PyObject* item = jp_nested(view, t, axis + 1, at + i * view->strides[axis]);
    if (!item) return Py_DECREF(list), NULL;
    PyList_SET_ITEM(list, i, item);
  }
  return list;
}
static PyObject* jp_tolist(jt_tensor* x) {
  jt_dtype t = jt_tensor_dtype(x);
  jt_tensor* wide = NULL;
  jp_view* view;
  PyObject* out;
  jt_status status;
  if (t == JT_F16 || t == JT_BF16) {
    if (jp_enter()) return NULL;
    if ((status = jt_cast(jp_ctx, x, JT_F32, &wide)) != JT_OK) return jp_raise(status);
    x = wide, t = JT_F32;
  }
  view = jp_make_view(x, 0);
  out = view ? jp_nested(view, t, 0, (const char*)view->mapping.data) : NULL;
  if (view) jp_drop_view(view);
  jt_tensor_release(wide);
  return out;
}

/* Nested sequences of numbers, being read: integers until the first float comes. */
typedef struct {
  int64_t dims[JT_MAX_RANK];
  int rank;
  jp_number_kind kind;
  size_t count, room;
  union { int64_t i; double f; }* values;
  int has_wide; /* an integer that only u64 holds */
} jp_list;

static int jp_put_number(jp_list* list, PyObject* o) {
  jp_number_kind kind = jp_kind_of_number(o);
  PyObject* item = NULL;
  size_t i;
  if (!kind && (jp_is_tensor(o) || PyObject_CheckBuffer(o)) && !PyBytes_Check(o) && !PyByteArray_Check(o)) {
    item = PyObject_CallMethod(o, "item", NULL);
    if (!item) return 0;
    kind = jp_kind_of_number(o = item);
  }
  if (!kind) {
    PyErr_Format(PyExc_TypeError, "cannot make a tensor from %.200s", Py_TYPE(o)->tp_name);
    return Py_XDECREF(item), 0;
  }
  if (list->count == list->room) {
    size_t room = list->room ? list->room * 2 : 64;
    void* more = PyMem_Realloc(list->values, room * sizeof *list->values);
    if (!more) return Py_XDECREF(item), PyErr_NoMemory(), 0;
    list->values = more, list->room = room;
  }
  if (kind == JT_NUMBER_FLOAT && list->kind != JT_NUMBER_FLOAT)
    for (i = 0; i < list->count; i++) list->values[i].f = (double)list->values[i].i;
  if (kind > list->kind) list->kind = kind;
  if (list->kind == JT_NUMBER_FLOAT) list->values[list->count].f = PyFloat_AsDouble(o);
  else {
    long long bits = 0;
    PyObject* integer = PyNumber_Index(o);
    if (integer && !jp_integer_bits(integer, JT_I64, &bits) && PyErr_ExceptionMatches(PyExc_OverflowError)) {
      PyErr_Clear();
      list->has_wide |= jp_integer_bits(integer, JT_U64, &bits);
    }
    Py_XDECREF(integer);
    list->values[list->count].i = bits;
  }
  Py_XDECREF(item);
  list->count++;
  return !PyErr_Occurred();
}
static int jp_is_nested(PyObject* o) { return PyList_Check(o) || PyTuple_Check(o) || PyRange_Check(o); }
static int jp_put(jp_list* list, PyObject* o, int axis) {
  PyObject* fast;
  Py_ssize_t i, n;
  int ok = 1;
  if (!jp_is_nested(o)) {
    if (axis != list->rank) return PyErr_Format(PyExc_ValueError, "lists of different depth: a number at depth %d and a list", axis), 0;
    return jp_put_number(list, o);
  }
  if (!(fast = PySequence_Fast(o, ""))) return 0;
  n = PySequence_Fast_GET_SIZE(fast);
  if (axis >= list->rank || list->dims[axis] != n) {
    if (axis >= list->rank) PyErr_Format(PyExc_ValueError, "lists of different depth: a list and a number at depth %d", axis);
    else PyErr_Format(PyExc_ValueError, "lists of different length at depth %d: %lld and %zd", axis, (long long)list->dims[axis], n);
    ok = 0;
  }
  for (i = 0; ok && i < n && i < PySequence_Fast_GET_SIZE(fast); i++) ok = jp_put(list, PySequence_Fast_GET_ITEM(fast, i), axis + 1);
  Py_DECREF(fast);
  return ok;
}
/* A tensor from nested lists, one count; NULL with an exception. */
static jt_tensor* jp_from_list(PyObject* o) {
  jp_list list;
  PyObject *at = o, *next;
  jt_tensor* out = NULL;
  jt_dtype dtype;
  size_t i;
  memset(&list, 0, sizeof list);
  Py_INCREF(at);
  while (at && jp_is_nested(at)) {
    Py_ssize_t n = PySequence_Size(at);
    if (list.rank == JT_MAX_RANK) PyErr_Format(PyExc_ValueError, "lists nested more than %d deep", JT_MAX_RANK), n = -1;
    if (n >= 0) list.dims[list.rank++] = n;
    next = n > 0 ? PySequence_GetItem(at, 0) : NULL;
    Py_DECREF(at);
    at = next;
  }
  Py_XDECREF(at);
  if (PyErr_Occurred()) return NULL;
  if (jp_put(&list, o, 0)) {
    void* data = list.values;
    dtype = list.kind == JT_NUMBER_BOOL ? JT_BOOL : list.kind == JT_NUMBER_INT ? (list.has_wide ? JT_U64 : JT_I64) : JT_F32;
    if (dtype == JT_BOOL) for (i = 0; i < list.count; i++) ((uint8_t*)data)[i] = (uint8_t)list.values[i].i;
    if (dtype == JT_F32) for (i = 0; i < list.count; i++) ((float*)data)[i] = (float)list.values[i].f;
    if (jp_enter() == 0) {
      jt_status status = jt_tensor_from_bytes(jp_ctx, data, list.count * jt_dtype_size(dtype), dtype, list.dims, (size_t)list.rank, &out);
      if (status != JT_OK) jp_raise(status);
    }
  }
  PyMem_Free(list.values);
  return out;
}
#endif
