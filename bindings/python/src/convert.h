/* convert: Python's dtypes, numbers, lists and arrays -> jt's.
 *
 * Numbers are weak, as in NumPy 2: beside a tensor they take its dtype unless their kind is higher (bool < integer <
 * float). Alone, integers are i64 and floats f32. Either way they are rounded once, to the dtype they get. */
#ifndef JT_PYTHON_CONVERT_H
#define JT_PYTHON_CONVERT_H
#include <math.h>

#include "state.h"

/* ---- dtypes ------------------------------------------------------------------------------------------------------ */

static PyObject* jp_dtype_objects[JT_F64 + 1]; /* jt.bool, jt.int8, ... by code; set by the package */

static int jp_is_float(jt_dtype t) { return t >= JT_F16; }
static int jp_is_integer(jt_dtype t) { return t >= JT_I8 && t <= JT_U64; }

static PyObject* jp_dtype_object(jt_dtype t) { /* a new count */
  if (t < JT_BOOL || t > JT_F64 || !jp_dtype_objects[t])
    return PyErr_Format(PyExc_SystemError, "jt: %d is not a dtype", t);
  Py_INCREF(jp_dtype_objects[t]);
  return jp_dtype_objects[t];
}
/* 1, or 0 with an exception. Takes jt.float32, "float32", float, numpy.float32, numpy dtypes. */
static int jp_as_dtype(PyObject* o, jt_dtype* out) {
  int t;
  PyObject *hook, *code;
  for (t = JT_BOOL; t <= JT_F64; t++)
    if (o == jp_dtype_objects[t]) return *out = (jt_dtype)t, 1;
  if (!(hook = jp_hook("dtype_code")) || !(code = PyObject_CallFunctionObjArgs(hook, o, NULL))) return 0;
  *out = (jt_dtype)PyLong_AsLong(code);
  Py_DECREF(code);
  return !PyErr_Occurred();
}

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

/* Lowest and highest value of an integer dtype, as far as a long long reaches. */
static void jp_integer_range(jt_dtype t, long long* lo, long long* hi) {
  int bits = (int)jt_dtype_size(t) * 8;
  if (t >= JT_U8) *lo = 0, *hi = bits == 64 ? INT64_MAX : (1LL << bits) - 1;
  else *lo = bits == 64 ? INT64_MIN : -(1LL << (bits - 1)), *hi = bits == 64 ? INT64_MAX : (1LL << (bits - 1)) - 1;
}
/* An integer object as the bits of an integer dtype. 1; or 0 with OverflowError. */
static int jp_integer_bits(PyObject* o, jt_dtype t, long long* out) {
  int overflow;
  long long lo, hi, value = PyLong_AsLongLongAndOverflow(o, &overflow);
  if (value == -1 && PyErr_Occurred()) return 0;
  if (t == JT_U64 && overflow > 0) {
    unsigned long long wide = PyLong_AsUnsignedLongLong(o);
    if (!PyErr_Occurred()) return *out = (long long)wide, 1;
    if (!PyErr_ExceptionMatches(PyExc_OverflowError)) return 0;
    PyErr_Clear(); /* told below, with the dtype */
  }
  jp_integer_range(t, &lo, &hi);
  if (overflow || value < lo || value > hi) {
    PyErr_Format(PyExc_OverflowError, "%R does not fit %s", o, jt_dtype_name(t));
    return 0;
  }
  return *out = value, 1;
}

typedef enum { JT_NO_NUMBER = 0, JT_NUMBER_BOOL = 1, JT_NUMBER_INT = 2, JT_NUMBER_FLOAT = 3 } jp_number_kind;

static jp_number_kind jp_kind_of_number(PyObject* o) {
  if (PyFloat_Check(o)) return JT_NUMBER_FLOAT;
  if (PyBool_Check(o)) return JT_NUMBER_BOOL;
  if (PyLong_Check(o)) return JT_NUMBER_INT;
  if (PyObject_CheckBuffer(o) || jp_is_tensor(o)) return JT_NO_NUMBER;
  if (PyObject_HasAttrString((PyObject*)Py_TYPE(o), "__dlpack__"))
    return JT_NO_NUMBER; /* an array that can be an index */
  if (PyIndex_Check(o)) return JT_NUMBER_INT;
  if (Py_TYPE(o)->tp_as_number && Py_TYPE(o)->tp_as_number->nb_float && !PyUnicode_Check(o)) return JT_NUMBER_FLOAT;
  return JT_NO_NUMBER;
}
static jt_dtype jp_weak_dtype(jp_number_kind kind, jt_dtype beside /* 0: alone */) {
  if (kind == JT_NUMBER_BOOL) return beside ? beside : JT_BOOL;
  if (kind == JT_NUMBER_INT) return beside && beside != JT_BOOL ? beside : JT_I64;
  return beside && jp_is_float(beside) ? beside : JT_F32;
}
/* A number for a float dtype, to be rounded to it. Integers that a double lacks become one that every narrower dtype
 * rounds as it would the integer: inexact and odd. -1 with an exception, as PyFloat_AsDouble. */
static double jp_double(PyObject* o, jp_number_kind kind, jt_dtype t) {
  PyObject *integer, *back;
  double value;
  int order;
  if (kind != JT_NUMBER_INT) return kind == JT_NUMBER_BOOL ? o == Py_True : PyFloat_AsDouble(o);
  if (!(integer = PyNumber_Index(o))) return -1;
  value = PyLong_AsDouble(integer);
  if (t != JT_F64 && (value >= 9007199254740992.0 || value <= -9007199254740992.0) &&
      (back = PyLong_FromDouble(value))) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    order = PyObject_RichCompareBool(integer, back, Py_EQ)   ? 0
            : PyObject_RichCompareBool(integer, back, Py_GT) ? 1
                                                             : -1;
    if (order && !(bits & 1)) value = nextafter(value, order * HUGE_VAL);
    Py_DECREF(back);
  }
  Py_DECREF(integer);
  return value;
}
/* A number as the bits of an integer dtype or bool. 1; or 0 with an exception. */
static int jp_whole(PyObject* o, jp_number_kind kind, jt_dtype t, long long* out) {
  PyObject* integer;
  int truth, fits;
  if (t == JT_BOOL) return (truth = PyObject_IsTrue(o)) >= 0 ? (*out = truth, 1) : 0;
  if (!(integer = kind == JT_NUMBER_FLOAT ? PyNumber_Long(o) : PyNumber_Index(o))) return 0;
  fits = jp_integer_bits(integer, t, out);
  Py_DECREF(integer);
  return fits;
}
/* A 0-d tensor of a number, one count; NULL with an exception. */
static jt_tensor* jp_number(PyObject* o, jp_number_kind kind, jt_dtype t) {
  jt_tensor* out = NULL;
  jt_status status;
  if (jp_is_float(t)) {
    double value = jp_double(o, kind, t);
    if (value == -1 && PyErr_Occurred()) return NULL;
    status = jt_scalar(jp_ctx, value, t, &out);
  } else {
    long long value;
    if (!jp_whole(o, kind, t, &value)) return NULL;
    status = jt_scalar_i64(jp_ctx, value, t, &out);
  }
  if (status != JT_OK) jp_raise(status);
  return out;
}

/* ---- one number as an argument ----------------------------------------------------------------------------------- */

/* An integer, of Python, of NumPy or a tensor that holds one. 1, or 0 with an exception that names the argument. */
static int jp_as_int64(PyObject* o, const char* who, const char* what, int64_t* out) {
  PyObject* integer;
  int overflow;
  if (!PyIndex_Check(o))
    return PyErr_Format(PyExc_TypeError, "%s: %s is an integer, not %.200s", who, what, Py_TYPE(o)->tp_name), 0;
  if (!(integer = PyNumber_Index(o))) return 0;
  *out = PyLong_AsLongLongAndOverflow(integer, &overflow);
  if (overflow) PyErr_Format(PyExc_OverflowError, "%s: %s is %R, which has more than 64 bits", who, what, integer);
  Py_DECREF(integer);
  return !PyErr_Occurred();
}
static int jp_as_double(PyObject* o, const char* who, const char* what, double* out) {
  PyNumberMethods* m = Py_TYPE(o)->tp_as_number;
  if (!m || !(m->nb_float || m->nb_index))
    return PyErr_Format(PyExc_TypeError, "%s: %s is a number, not %.200s", who, what, Py_TYPE(o)->tp_name), 0;
  *out = PyFloat_AsDouble(o);
  return !(*out == -1 && PyErr_Occurred());
}
/* The dtype of an argument if it is a tensor, else 0. */
static jt_dtype jp_dtype_beside(jt_tensor** x) { return jt_tensor_dtype(*x); }
static jt_dtype jp_no_dtype(const void* other) { return (void)other, (jt_dtype)0; }
#define JP_BESIDE(argument) _Generic(&(argument), jt_tensor**: jp_dtype_beside, default: jp_no_dtype)(&(argument))
/* A number that becomes an element beside others of a dtype, but is passed as a double: one of integers that no
 * double holds is an exception instead. */
static int jp_as_value(PyObject* o, const char* who, jt_dtype beside, double* out) {
  PyObject *integer, *back;
  int same;
  if (!jp_as_double(o, who, "value", out)) return 0;
  if (!beside || jp_is_float(beside) || PyFloat_Check(o) || !PyIndex_Check(o)) return 1;
  if (!(integer = PyNumber_Index(o))) return PyErr_Clear(), 1; /* a tensor of floats */
  same = (back = PyLong_FromDouble(*out)) ? PyObject_RichCompareBool(integer, back, Py_EQ) : -1;
  if (!same)
    PyErr_Format(PyExc_OverflowError, "%s: value is %R, which no double holds; jt.where takes it", who, integer);
  Py_DECREF(integer), Py_XDECREF(back);
  return same == 1;
}

/* ---- lists of integers ------------------------------------------------------------------------------------------- */

/* Whether it is one integer: of Python, of NumPy, or a tensor or an array that has no axes. Arrays count as
 * sequences. */
static int jp_is_one_integer(PyObject* o) {
  int is_one;
  if (!PyIndex_Check(o)) return 0;
  if (jp_is_tensor(o)) return jp_handle(o) && jt_tensor_ndim(jp_handle(o)) == 0;
  if (!PySequence_Check(o)) return 1;
  if (PySequence_Size(o) >= 0) return 0;
  is_one = PyErr_ExceptionMatches(PyExc_TypeError); /* len() of an array without axes */
  if (is_one) PyErr_Clear();
  return is_one;
}
/* More than any op takes. */
enum { JP_MAX_INTS = 128 };
/* An integer or a sequence of at most `room` integers. 1, or 0 with an exception that names `what`. */
static int jp_as_ints(PyObject* o, const char* what, int64_t* out, size_t room, size_t* out_len) {
  Py_ssize_t i, n;
  PyObject* fast;
  *out_len = 0;
  if (o == Py_None) return 1;
  if (jp_is_one_integer(o)) {
    Py_ssize_t value = PyNumber_AsSsize_t(o, PyExc_OverflowError);
    if (value == -1 && PyErr_Occurred()) return 0;
    return out[0] = value, *out_len = 1, 1;
  }
  if (PyUnicode_Check(o) || PyBytes_Check(o) || !(fast = PySequence_Fast(o, ""))) {
    PyErr_Format(PyExc_TypeError, "%s: expected an integer or a sequence of integers, not %.200s", what,
                 Py_TYPE(o)->tp_name);
    return 0;
  }
  n = PySequence_Fast_GET_SIZE(fast);
  if ((size_t)n > room) {
    PyErr_Format(PyExc_ValueError, "%s: %zd integers, at most %zu", what, n, room);
    return Py_DECREF(fast), 0;
  }
  for (i = 0; i < n; i++) {
    PyObject* item = PySequence_Fast_GET_ITEM(fast, i);
    if (!PyIndex_Check(item)) {
      PyErr_Format(PyExc_TypeError, "%s: expected integers, not %.200s", what, Py_TYPE(item)->tp_name);
      return Py_DECREF(fast), 0;
    }
    out[i] = PyNumber_AsSsize_t(item, PyExc_OverflowError);
    if (out[i] == -1 && PyErr_Occurred()) return Py_DECREF(fast), 0;
  }
  *out_len = (size_t)n;
  Py_DECREF(fast);
  return 1;
}

/* ---- arrays of others -------------------------------------------------------------------------------------------- */

/* The dtype of a buffer's format; 0 with an exception. */
static jt_dtype jp_format_dtype(const char* format, Py_ssize_t itemsize) {
  static const jt_dtype by_size[3][4] = {
      {JT_I8, JT_I16, JT_I32, JT_I64}, {JT_U8, JT_U16, JT_U32, JT_U64}, {0, JT_F16, JT_F32, JT_F64}};
  const char* f = format ? format : "B";
  int log = itemsize == 1 ? 0 : itemsize == 2 ? 1 : itemsize == 4 ? 2 : itemsize == 8 ? 3 : -1, row;
  if (*f == '@' || *f == '=' || *f == (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? '<' : '>') || *f == '|') f++;
  if (*f == '?' && !f[1]) return JT_BOOL;
  row = strchr("bhilqn", *f) && *f ? 0 : strchr("BHILQN", *f) && *f ? 1 : strchr("efd", *f) && *f ? 2 : -1;
  if (row < 0 || f[1] || log < 0 || !by_size[row][log]) {
    PyObject* hook = jp_hook("dtype_error");
    if (hook) PyErr_Format(hook, "elements of format '%s' (%zd bytes) have no counterpart in jt", format, itemsize);
    return 0;
  }
  return by_size[row][log];
}
/* A copy of an object with a buffer, one count; NULL with an exception. */
static jt_tensor* jp_from_buffer(PyObject* o) {
  Py_buffer view;
  jt_tensor* out = NULL;
  jt_dtype dtype;
  int64_t dims[JT_MAX_RANK];
  int i;
  if (PyObject_GetBuffer(o, &view, PyBUF_RECORDS_RO)) return NULL;
  dtype = jp_format_dtype(view.format, view.itemsize);
  if (dtype && view.ndim > JT_MAX_RANK)
    PyErr_Format(PyExc_ValueError, "%d axes, at most %d", view.ndim, JT_MAX_RANK), dtype = 0;
  if (dtype) {
    int contiguous = PyBuffer_IsContiguous(&view, 'C');
    void* copy = contiguous ? view.buf : PyMem_Malloc((size_t)view.len + 1);
    jt_status status = JT_OK;
    for (i = 0; i < view.ndim; i++) dims[i] = view.shape[i];
    if (!copy) PyErr_NoMemory();
    else if (!contiguous && PyBuffer_ToContiguous(copy, &view, view.len, 'C')) status = JT_OK;
    else if (jp_enter() == 0) {
      status = jt_tensor_from_bytes(jp_ctx, copy, (size_t)view.len, dtype, dims, (size_t)view.ndim, &out);
      if (status != JT_OK) jp_raise(status);
    }
    if (!contiguous) PyMem_Free(copy);
  }
  PyBuffer_Release(&view);
  return out;
}

/* ---- operands ---------------------------------------------------------------------------------------------------- */

/* What an op does with an integer that lies outside the dtype of the tensor beside it. */
enum { JP_REFUSES, JP_COMPARES, JP_DIVIDES };
/* After an OverflowError: what compares takes the integer as infinity, what gives floats of integers as a float: u8
 * == 300 is false, and u8 / 300 a number. 1; 0: still an error. */
static int jp_outside(PyObject* o, int use, jt_tensor** out) {
  double number;
  if (use == JP_REFUSES || !PyLong_Check(o) || !PyErr_ExceptionMatches(PyExc_OverflowError)) return 0;
  PyErr_Clear();
  if (use == JP_COMPARES) {
    int overflow;
    long long value = PyLong_AsLongLongAndOverflow(o, &overflow);
    number = overflow > 0 || (!overflow && value > 0) ? INFINITY : -INFINITY;
  } else if ((number = PyLong_AsDouble(o)) == -1 && PyErr_Occurred()) return 0;
  if (jt_scalar(jp_ctx, number, JT_F32, out) == JT_OK) return 1;
  return jp_raise(JT_E_NOMEM), 0;
}
/* An op's operand: a tensor (borrowed), a number beside `beside`, or an array (a copy; *owned is set with those two).
 * 1; 0 without an exception: not an operand; -1 with one. */
static int jp_as_operand(PyObject* o, jt_dtype beside, jt_tensor** out, int* owned) {
  jp_number_kind kind;
  *owned = 0;
  if (jp_is_tensor(o)) return (*out = jp_get(o)) ? 1 : -1;
  if ((kind = jp_kind_of_number(o))) *out = jp_number(o, kind, jp_weak_dtype(kind, beside));
  else if (PyObject_CheckBuffer(o) && !PyBytes_Check(o) && !PyByteArray_Check(o)) *out = jp_from_buffer(o);
  else if (PyObject_HasAttrString(o, "__dlpack__")) {
    PyObject *hook = jp_hook("as_array"), *made = hook ? PyObject_CallFunctionObjArgs(hook, o, NULL) : NULL;
    *out = made ? jp_get(made) : NULL;
    if (*out) jt_tensor_retain(*out);
    Py_XDECREF(made);
  } else return 0;
  return *owned = *out != NULL, *out ? 1 : -1;
}
#endif
