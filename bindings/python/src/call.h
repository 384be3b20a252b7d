/* call: how the wrappers of ops take their arguments: fast, as functions and as methods, under the names people know.
 *
 * SWIG's wrappers ask PyArg_ParseTupleAndKeywords for objects only ("O|OO:sum"); jp_parse takes its place.
 *   - the tensor that a method is called on is the first argument: one wrapper serves jt.sum(x) and x.sum()
 *   - axis, axes, dim and dims mean the same, and so do keepdims and keepdim
 *   - x.reshape(2, 3) is x.reshape((2, 3)): several integers for a method's only parameter are one list */
#ifndef JT_PYTHON_CALL_H
#define JT_PYTHON_CALL_H
#include <stdarg.h>

#include "convert.h"

#define JT_MAX_PARAMS 12

static int jp_find_name(char** names, const char* wanted) {
  int i;
  for (i = 0; names[i]; i++)
    if (!strcmp(names[i], wanted)) return i;
  return -1;
}
static int jp_find_param(char** names, const char* given) {
  static const char* const groups[][5] = {{"axes", "axis", "dim", "dims", NULL}, {"keepdims", "keepdim", NULL}};
  int at = jp_find_name(names, given);
  size_t g, i, j;
  for (g = 0; at < 0 && g < sizeof groups / sizeof *groups; g++)
    for (i = 0; groups[g][i]; i++)
      if (!strcmp(groups[g][i], given))
        for (j = 0; at < 0 && groups[g][j]; j++) at = jp_find_name(names, groups[g][j]);
  return at;
}
static int jp_are_integers(PyObject* args) {
  Py_ssize_t i, n = PyTuple_GET_SIZE(args);
  for (i = 0; i < n; i++)
    if (!jp_is_one_integer(PyTuple_GET_ITEM(args, i))) return 0;
  return 1;
}

static int jp_parse(PyObject* self, PyObject* args, PyObject* kwargs, const char* format, char** names, ...) {
  PyObject** to[JT_MAX_PARAMS];
  const char *name = strchr(format, ':'), *bar = strchr(format, '|');
  int n = 0, i, first = 0, required = (int)((bar ? bar : name) - format);
  Py_ssize_t given = PyTuple_GET_SIZE(args), at = 0;
  va_list list;
  va_start(list, names);
  while (names[n] && n < JT_MAX_PARAMS) to[n++] = va_arg(list, PyObject**);
  va_end(list);
  name = name ? name + 1 : "function";
  if (self && n && jp_is_tensor(self)) *to[0] = self, first = 1;
  if (first && n == 2 && given > 1 && jp_are_integers(args)) {
    *to[1] = args;
    at = given;
  } else if (first + given > n) {
    PyErr_Format(PyExc_TypeError, "%s() takes at most %d arguments, %zd were given", name, n - first, given);
    return 0;
  }
  for (; at < given; at++) *to[first + at] = PyTuple_GET_ITEM(args, at);
  if (kwargs) {
    PyObject *key, *value;
    Py_ssize_t place = 0;
    while (PyDict_Next(kwargs, &place, &key, &value)) {
      const char* text = PyUnicode_AsUTF8(key);
      if (!text) return 0;
      if ((i = jp_find_param(names, text)) < 0) {
        PyErr_Format(PyExc_TypeError, "%s() has no argument '%s'", name, text);
        return 0;
      }
      if (*to[i]) {
        PyErr_Format(PyExc_TypeError, "%s() got the argument '%s' twice", name, names[i]);
        return 0;
      }
      *to[i] = value;
    }
  }
  for (i = 0; i < required; i++)
    if (!*to[i]) {
      PyErr_Format(PyExc_TypeError, "%s() is missing the argument '%s'", name, names[i]);
      return 0;
    }
  return 1;
}
#endif
