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

/* Nested sequences of numbers, being read: their dtype may follow from the last of them, so objects are kept until
 * then. */
typedef struct {
  int64_t dims[JT_MAX_RANK];
  int rank;
  jp_number_kind kind;
  size_t count, room;
  PyObject** values;
  int has_wide; /* an integer that only u64 holds */
} jp_list;

static int jp_put_number(jp_list* list, PyObject* o) {
  jp_number_kind kind = jp_kind_of_number(o);
  PyObject* item = NULL;
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
  if (kind == JT_NUMBER_INT && PyLong_Check(o)) {
    int overflow;
    PyLong_AsLongLongAndOverflow(o, &overflow);
    list->has_wide |= overflow > 0;
  }
  if (kind > list->kind) list->kind = kind;
  if (!item) Py_INCREF(o);
  list->values[list->count++] = o;
  return 1;
}
/* Elements of `t`, no half, from the objects, to be rounded to `wanted`. 0 with an exception. */
static int jp_store_numbers(const jp_list* list, jt_dtype t, jt_dtype wanted, char* to) {
  size_t i, bytes = jt_dtype_size(t);
  for (i = 0; i < list->count; i++, to += bytes) {
    PyObject* o = list->values[i];
    jp_number_kind kind = jp_kind_of_number(o);
    if (jp_is_float(t)) {
      double wide = jp_double(o, kind, wanted);
      float narrow = (float)wide;
      if (wide == -1 && PyErr_Occurred()) return 0;
      memcpy(to, t == JT_F32 ? (void*)&narrow : (void*)&wide, bytes);
    } else {
      long long value;
      if (!jp_whole(o, kind, t, &value)) return 0;
      memcpy(to, &value, bytes); /* the low bytes come first */
    }
  }
  return 1;
}
/* A double as a float that f16 and bf16 round as they would the double: inexact and odd. */
static void jp_narrow_to_round(double* from, float* to, size_t count) {
  size_t i;
  for (i = 0; i < count; i++) {
    double wide = from[i];
    float narrow = (float)wide;
    uint32_t bits;
    memcpy(&bits, &narrow, sizeof bits);
    if (narrow != wide && wide == wide && !isinf(narrow) && !(bits & 1))
      narrow = nextafterf(narrow, narrow < wide ? INFINITY : -INFINITY);
    to[i] = narrow;
  }
}
static int jp_is_nested(PyObject* o) { return PyList_Check(o) || PyTuple_Check(o) || PyRange_Check(o); }
static int jp_put(jp_list* list, PyObject* o, int axis) {
  PyObject* fast;
  Py_ssize_t i, n;
  int ok = 1;
  if (!jp_is_nested(o)) {
    if (axis != list->rank)
      return PyErr_Format(PyExc_ValueError, "lists of different depth: a number at depth %d and a list", axis), 0;
    return jp_put_number(list, o);
  }
  if (!(fast = PySequence_Fast(o, ""))) return 0;
  n = PySequence_Fast_GET_SIZE(fast);
  if (axis >= list->rank || list->dims[axis] != n) {
    if (axis >= list->rank)
      PyErr_Format(PyExc_ValueError, "lists of different depth: a list and a number at depth %d", axis);
    else
      PyErr_Format(PyExc_ValueError, "lists of different length at depth %d: %lld and %zd", axis,
                   (long long)list->dims[axis], n);
    ok = 0;
  }
  for (i = 0; ok && i < n && i < PySequence_Fast_GET_SIZE(fast); i++)
    ok = jp_put(list, PySequence_Fast_GET_ITEM(fast, i), axis + 1);
  Py_DECREF(fast);
  return ok;
}
/* The numbers as a tensor of `t`, one count; NULL with an exception. */
static jt_tensor* jp_numbers(const jp_list* list, jt_dtype t) {
  int is_half = t == JT_F16 || t == JT_BF16;
  jt_dtype stored = is_half ? JT_F64 : t, given = is_half ? JT_F32 : t;
  char* data = PyMem_Malloc(list->count * jt_dtype_size(stored) + 1);
  jt_tensor *out = NULL, *wide;
  jt_status status;
  if (!data) return PyErr_NoMemory(), NULL;
  if (jp_store_numbers(list, stored, t, data) && jp_enter() == 0) {
    if (is_half) jp_narrow_to_round((double*)data, (float*)data, list->count); /* in place: a float is smaller */
    status = jt_tensor_from_bytes(jp_ctx, data, list->count * jt_dtype_size(given), given, list->dims,
                                  (size_t)list->rank, &out);
    if (status == JT_OK && is_half) {
      wide = out;
      status = jt_cast(jp_ctx, wide, t, &out);
      jt_tensor_release(wide);
    }
    if (status != JT_OK) jp_raise(status);
  }
  PyMem_Free(data);
  return out;
}
/* A tensor from nested lists, of dtype `t` or, if that is 0, of the one that their numbers ask for; one count; NULL
 * with an exception. */
static jt_tensor* jp_from_list(PyObject* o, jt_dtype t) {
  jp_list list;
  PyObject *at = o, *next;
  jt_tensor* out = NULL;
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
    if (!t && list.kind == JT_NUMBER_INT && list.has_wide) t = JT_U64;
    out = jp_numbers(&list, t ? t : list.count ? jp_weak_dtype(list.kind, 0) : JT_F32);
  }
  for (i = 0; i < list.count; i++) Py_DECREF(list.values[i]);
  PyMem_Free(list.values);
  return out;
}
#endif
