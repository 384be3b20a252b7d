/* slots: Python's operators -> ops, without a detour through Python code. */
#ifndef JT_PYTHON_SLOTS_H
#define JT_PYTHON_SLOTS_H
#include "convert.h"

typedef jt_status (*jp_unary_op)(jt_context*, jt_tensor*, jt_tensor**);
typedef jt_status (*jp_binary_op)(jt_context*, jt_tensor*, jt_tensor*, jt_tensor**);

/* One of the two is no tensor. */
static PyObject* jp_binary_mixed(PyObject* a, PyObject* b, jp_binary_op op, int compares) {
  int a_is_tensor = jp_is_tensor(a), owned = 0, found;
  PyObject *tensor = a_is_tensor ? a : b, *other = a_is_tensor ? b : a;
  jt_tensor *x = jp_get(tensor), *y = NULL, *out = NULL;
  jt_status status;
  if (!x || jp_enter()) return NULL;
  found = jp_as_operand(other, jt_tensor_dtype(x), &y, &owned);
  if (found < 0 && jp_outside(other, compares ? JP_COMPARES : op == jt_div ? JP_DIVIDES : JP_REFUSES, &y))
    found = owned = 1;
  if (found < 0) return NULL;
  if (!found) Py_RETURN_NOTIMPLEMENTED;
  status = a_is_tensor ? op(jp_ctx, x, y, &out) : op(jp_ctx, y, x, &out);
  if (owned) jt_tensor_release(y);
  return jp_result(status, out);
}
static inline PyObject* jp_binary(PyObject* a, PyObject* b, jp_binary_op op, int compares) {
  jt_tensor *x, *y, *out;
  jt_status status;
  if (!jp_is_tensor(a) || !jp_is_tensor(b)) return jp_binary_mixed(a, b, op, compares);
  x = jp_handle(a), y = jp_handle(b);
  if (!x || !y) return jp_get(x ? b : a), NULL;
  if (jp_enter()) return NULL;
  status = op(jp_ctx, x, y, &out);
  return jp_result(status, out);
}
static PyObject* jp_unary(PyObject* a, jp_unary_op op) {
  jt_tensor *x = jp_get(a), *out;
  jt_status status;
  if (!x || jp_enter()) return NULL;
  status = op(jp_ctx, x, &out);
  return jp_result(status, out);
}
/* What a handle stands for from now on: with gradients, unless it is a parameter. Takes over `value`. 0, or -1. */
static int jp_set_value(jt_tensor* handle, jt_tensor* value) {
  jt_status status = jt_tensor_requires_grad(handle) ? jt_tensor_assign(jp_ctx, handle, value)
                                                     : jt_tensor_rebind(jp_ctx, handle, value);
  jt_tensor_release(value);
  if (status != JT_OK) return jp_raise(status), -1;
  return 0;
}
static PyObject* jp_inplace(PyObject* a, PyObject* b, jp_binary_op op) {
  jt_tensor *x, *value;
  PyObject* result = jp_binary(a, b, op, 0);
  if (!result || result == Py_NotImplemented) return result;
  x = jp_handle(a), value = jp_handle(result);
  jt_tensor_retain(value);
  Py_DECREF(result);
  if (jp_set_value(x, value)) return NULL;
  Py_INCREF(a);
  return a;
}

#define JT_BINARY_SLOT(slot, op) \
  static PyObject* jp_##slot(PyObject* a, PyObject* b) { return jp_binary(a, b, op, 0); } \
  static PyObject* jp_inplace_##slot(PyObject* a, PyObject* b) { return jp_inplace(a, b, op); }
JT_BINARY_SLOT(nb_add, jt_add)
JT_BINARY_SLOT(nb_subtract, jt_sub)
JT_BINARY_SLOT(nb_multiply, jt_mul)
JT_BINARY_SLOT(nb_true_divide, jt_div)
JT_BINARY_SLOT(nb_floor_divide, jt_floor_div)
JT_BINARY_SLOT(nb_remainder, jt_mod)
JT_BINARY_SLOT(nb_and, jt_bitwise_and)
JT_BINARY_SLOT(nb_or, jt_bitwise_or)
JT_BINARY_SLOT(nb_xor, jt_bitwise_xor)
JT_BINARY_SLOT(nb_lshift, jt_shift_left)
JT_BINARY_SLOT(nb_rshift, jt_shift_right)
JT_BINARY_SLOT(nb_matrix_multiply, jt_matmul)

static PyObject* jp_nb_power(PyObject* a, PyObject* b, PyObject* modulus) {
  if (modulus != Py_None) return PyErr_SetString(PyExc_TypeError, "pow: a modulus is not supported for tensors"), NULL;
  return jp_binary(a, b, jt_pow, 0);
}
static PyObject* jp_inplace_nb_power(PyObject* a, PyObject* b, PyObject* modulus) {
  if (modulus != Py_None) return PyErr_SetString(PyExc_TypeError, "pow: a modulus is not supported for tensors"), NULL;
  return jp_inplace(a, b, jt_pow);
}
static PyObject* jp_nb_divmod(PyObject* a, PyObject* b) {
  PyObject *quotient = jp_binary(a, b, jt_floor_div, 0), *rest;
  if (!quotient || quotient == Py_NotImplemented) return quotient;
  rest = jp_binary(a, b, jt_mod, 0);
  return rest ? Py_BuildValue("(NN)", quotient, rest) : (Py_DECREF(quotient), NULL);
}
static PyObject* jp_nb_negative(PyObject* a) { return jp_unary(a, jt_neg); }
static PyObject* jp_nb_absolute(PyObject* a) { return jp_unary(a, jt_abs); }
static PyObject* jp_nb_invert(PyObject* a) { return jp_unary(a, jt_bitwise_not); }
static PyObject* jp_nb_positive(PyObject* a) {
  Py_INCREF(a);
  return a;
}

static PyObject* jp_richcompare(PyObject* a, PyObject* b, int op) {
  static const jp_binary_op ops[] = {jt_less, jt_less_equal, jt_equal, jt_not_equal, jt_greater, jt_greater_equal};
  return jp_binary(a, b, ops[op], 1);
}
static Py_hash_t jp_hash(PyObject* a) { return (Py_hash_t)((uintptr_t)a >> 4); }

/* ---- one element --------------------------------------------------------------------------------------------------*/

/* The element of a tensor that has one, as a Python number. */
static PyObject* jp_item(jt_tensor* x) {
  jt_status status;
  jt_dtype t = jt_tensor_dtype(x);
  if (jp_enter()) return NULL;
  if (jp_is_float(t)) {
    double value;
    JT_LONG(status = jt_tensor_item_f64(jp_ctx, x, &value));
    return status == JT_OK ? PyFloat_FromDouble(value) : jp_raise(status);
  } else if (t == JT_U64 && jt_tensor_count(x) == 1) { /* the C API's integers are signed */
    uint64_t value;
    JT_LONG(status = jt_tensor_read(jp_ctx, x, &value, sizeof value));
    return status == JT_OK ? PyLong_FromUnsignedLongLong(value) : jp_raise(status);
  } else {
    int64_t value;
    JT_LONG(status = jt_tensor_item_i64(jp_ctx, x, &value));
    if (status != JT_OK) return jp_raise(status);
    return t == JT_BOOL ? PyBool_FromLong(value != 0) : PyLong_FromLongLong(value);
  }
}
static int jp_nb_bool(PyObject* a) {
  jt_tensor* x = jp_get(a);
  PyObject* item = x ? jp_item(x) : NULL;
  int result = item ? PyObject_IsTrue(item) : -1;
  Py_XDECREF(item);
  return result;
}
static PyObject* jp_nb_float(PyObject* a) {
  jt_tensor* x = jp_get(a);
  PyObject *item = x ? jp_item(x) : NULL, *out = item ? PyNumber_Float(item) : NULL;
  Py_XDECREF(item);
  return out;
}
static PyObject* jp_nb_int(PyObject* a) {
  jt_tensor* x = jp_get(a);
  PyObject *item = x ? jp_item(x) : NULL, *out = item ? PyNumber_Long(item) : NULL;
  Py_XDECREF(item);
  return out;
}
static PyObject* jp_nb_index(PyObject* a) {
  jt_tensor* x = jp_get(a);
  if (x && !jp_is_integer(jt_tensor_dtype(x)))
    return PyErr_Format(PyExc_TypeError, "a tensor of dtype %s cannot be an index", jt_dtype_name(jt_tensor_dtype(x)));
  if (x && jt_tensor_count(x) != 1)
    return PyErr_Format(PyExc_TypeError, "a tensor of %lld elements cannot be an index", (long long)jt_tensor_count(x));
  return x ? jp_item(x) : NULL;
}
#endif
