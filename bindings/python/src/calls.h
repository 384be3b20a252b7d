/* calls: optimisers, files and reports of the C API as functions of Python's values. */
#ifndef JT_PYTHON_CALLS_H
#define JT_PYTHON_CALLS_H
#include "module.h"

/* ---- optimisers -------------------------------------------------------------------------------------------------- */

static void jp_optimizer_gone(PyObject* capsule) {
  jt_optimizer_release(PyCapsule_GetPointer(capsule, "jt_optimizer"));
}
static jt_optimizer* jp_get_optimizer(PyObject* capsule) { return PyCapsule_GetPointer(capsule, "jt_optimizer"); }

/* Fields as attributes; `room` is how many fit. -1 with an exception. */
static int jp_as_fields(PyObject* fields, jt_attr* attrs, int room) {
  PyObject *key, *value;
  Py_ssize_t place = 0;
  int n = 0;
  if (!PyDict_Check(fields)) return PyErr_SetString(PyExc_TypeError, "fields is a dict"), -1;
  memset(attrs, 0, (size_t)room * sizeof *attrs);
  while (PyDict_Next(fields, &place, &key, &value) && n < room) {
    attrs[n].name = PyUnicode_AsUTF8(key), attrs[n].kind = JT_ATTR_F64, attrs[n].f64 = PyFloat_AsDouble(value), n++;
    if (PyErr_Occurred()) return -1;
  }
  return n;
}
static PyObject* optimizer_create(const char* TEXT, size_t TEXT_LEN, PyObject* fields, PyObject* params) {
  jt_attr attrs[16];
  jp_handles wrt = {NULL, 0, NULL};
  jt_optimizer* made = NULL;
  int n = jp_as_fields(fields, attrs, 16);
  jt_status status;
  if (n < 0) return NULL;
  if (!jp_as_handles("optimizer", params, 0, &wrt)) return jp_drop_handles(&wrt), NULL;
  status = jt_optimizer_create(jp_ctx, TEXT, TEXT_LEN, attrs, (size_t)n, wrt.list, wrt.count, &made);
  jp_drop_handles(&wrt);
  return status == JT_OK ? PyCapsule_New(made, "jt_optimizer", jp_optimizer_gone) : jp_raise(status);
}
static PyObject* optimizer_add_group(jt_optimizer* optimizer, PyObject* fields, PyObject* params) {
  jt_attr attrs[16];
  jp_handles wrt = {NULL, 0, NULL};
  int n = jp_as_fields(fields, attrs, 16);
  jt_status status;
  if (n < 0) return NULL;
  if (!jp_as_handles("optimizer", params, 0, &wrt)) return jp_drop_handles(&wrt), NULL;
  status = jt_optimizer_add_group(jp_ctx, optimizer, attrs, (size_t)n, wrt.list, wrt.count);
  jp_drop_handles(&wrt);
  if (status != JT_OK) return jp_raise(status);
  Py_RETURN_NONE;
}
/* {name: tensor} of an optimiser's state; assigning to the tensors restores it. */
static PyObject* optimizer_state(jt_optimizer* optimizer) {
  PyObject* out = PyDict_New();
  size_t i, n = jt_optimizer_state_count(optimizer);
  for (i = 0; out && i < n; i++) {
    const char* name;
    jt_tensor* state = NULL;
    jt_status status = jt_optimizer_state(jp_ctx, optimizer, i, &name, &state);
    PyObject* wrapped = jp_result(status, state);
    if (!wrapped || PyDict_SetItemString(out, name, wrapped)) Py_CLEAR(out);
    Py_XDECREF(wrapped);
  }
  return out;
}

/* ---- layers ------------------------------------------------------------------------------------------------------ */

static void jp_module_gone(PyObject* capsule) { jt_module_release(PyCapsule_GetPointer(capsule, "jt_module")); }
static jt_module* jp_get_module(PyObject* capsule) { return PyCapsule_GetPointer(capsule, "jt_module"); }

/* A field's value as an attribute; `list` has room for JT_MAX_RANK numbers. 0 with an exception. */
static int jp_as_attr(PyObject* name, PyObject* value, jt_attr* out, int64_t* list) {
  memset(out, 0, sizeof *out);
  if (!(out->name = PyUnicode_AsUTF8(name))) return 0;
  if (!strcmp(out->name, "dtype")) {
    jt_dtype t;
    if (!jp_as_dtype(value, &t)) return 0;
    out->kind = JT_ATTR_I64, out->i64 = t;
  } else if (PyUnicode_Check(value)) {
    Py_ssize_t length;
    out->kind = JT_ATTR_STR, out->str = PyUnicode_AsUTF8AndSize(value, &length), out->str_len = (size_t)length;
  } else if (PyFloat_Check(value)) {
    out->kind = JT_ATTR_F64, out->f64 = PyFloat_AS_DOUBLE(value);
  } else if (jp_is_one_integer(value)) {
    out->kind = JT_ATTR_I64, out->i64 = PyNumber_AsSsize_t(value, PyExc_OverflowError);
  } else if (PyNumber_Check(value) && !PySequence_Check(value)) { /* a float or a bool of NumPy */
    out->kind = JT_ATTR_F64, out->f64 = PyFloat_AsDouble(value);
  } else {
    out->kind = JT_ATTR_INTS, out->ints = list;
    return jp_as_ints(value, out->name, list, JT_MAX_RANK, &out->ints_len);
  }
  return !PyErr_Occurred();
}
static PyObject* module_create(const char* TEXT, size_t TEXT_LEN, PyObject* fields) {
  enum { MOST = 16 };
  jt_attr attrs[MOST];
  int64_t lists[MOST][JT_MAX_RANK];
  jt_module* made = NULL;
  size_t n = 0;
  PyObject *key, *value;
  Py_ssize_t place = 0;
  jt_status status;
  if (!PyDict_Check(fields)) return PyErr_SetString(PyExc_TypeError, "fields is a dict"), NULL;
  while (PyDict_Next(fields, &place, &key, &value) && n < MOST) {
    if (!jp_as_attr(key, value, &attrs[n], lists[n])) return NULL;
    n++;
  }
  status = jt_module_create(jp_ctx, TEXT, TEXT_LEN, attrs, n, &made);
  return status == JT_OK ? PyCapsule_New(made, "jt_module", jp_module_gone) : jp_raise(status);
}
/* {name: (tensor, whether it is a buffer)}. */
static PyObject* module_tensors(jt_module* module) {
  PyObject* out = PyDict_New();
  uint32_t part;
  for (part = JT_MODULE_PARAMETERS; out && part <= JT_MODULE_BUFFERS; part++) {
    size_t i, n = 0;
    jt_status status = jt_module_list(jp_ctx, module, part, &n);
    if (status != JT_OK) return Py_DECREF(out), jp_raise(status);
    for (i = 0; out && i < n; i++) {
      const char* name = jt_module_listed_name(module, i);
      jt_tensor* tensor = NULL;
      PyObject *wrapped, *entry;
      status = jt_module_get(jp_ctx, module, name, JT_NUL, &tensor);
      wrapped = jp_result(status, tensor);
      entry = wrapped ? Py_BuildValue("(NO)", wrapped, part == JT_MODULE_BUFFERS ? Py_True : Py_False) : NULL;
      if (!entry || PyDict_SetItemString(out, name, entry)) Py_CLEAR(out);
      Py_XDECREF(entry);
    }
  }
  return out;
}
static PyObject* module_set_tensor(jt_module* module, const char* TEXT, size_t TEXT_LEN, PyObject* tensor) {
  jt_tensor* handle = tensor == Py_None ? NULL : jp_get(tensor);
  jt_status status;
  if (!handle && tensor != Py_None) return NULL;
  status = jt_module_set(jp_ctx, module, TEXT, TEXT_LEN, handle);
  if (status != JT_OK) return jp_raise(status);
  Py_RETURN_NONE;
}
static PyObject* module_set_field(jt_module* module, PyObject* name, PyObject* value) {
  jt_attr attr;
  int64_t list[JT_MAX_RANK];
  jt_status status;
  if (!jp_as_attr(name, value, &attr, list)) return NULL;
  if ((status = jt_module_set_field(jp_ctx, module, &attr)) != JT_OK) return jp_raise(status);
  Py_RETURN_NONE;
}
/* One result is itself, several are a tuple. */
static PyObject* module_run(jt_module* module, jt_tensor* const* TENSORS_OR_NULL, size_t TENSORS_LEN, int training,
                            int results) {
  jt_tensor* outs[4] = {NULL};
  PyObject* out = NULL;
  int i;
  jt_status status = JT_OK;
  if (results < 1 || results > 4) return PyErr_SetString(PyExc_ValueError, "results is 1..4"), NULL;
  if (training != jt_module_is_training(module)) status = jt_module_set_training(jp_ctx, module, training);
  if (status == JT_OK) status = jt_module_forward(jp_ctx, module, TENSORS_OR_NULL, TENSORS_LEN, outs, (size_t)results);
  if (status != JT_OK) return jp_raise(status);
  if (results == 1) return jp_wrap(outs[0]);
  out = PyTuple_New(results);
  for (i = 0; out && i < results; i++) PyTuple_SET_ITEM(out, i, jp_wrap(outs[i]));
  return PyErr_Occurred() ? (Py_XDECREF(out), NULL) : out;
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

static PyObject* checkpoint_save(const char* TEXT, size_t TEXT_LEN, PyObject* names, jt_tensor* const* TENSORS,
                                 size_t TENSORS_LEN) {
  Py_ssize_t i, n;
  const char** texts;
  jt_status status = JT_OK;
  PyObject* fast = PySequence_Fast(names, "names is a sequence of str");
  if (!fast) return NULL;
  n = PySequence_Fast_GET_SIZE(fast);
  texts = PyMem_Calloc((size_t)n + 1, sizeof *texts);
  if (!texts) PyErr_NoMemory();
  else if ((size_t)n != TENSORS_LEN) PyErr_SetString(PyExc_ValueError, "as many names as tensors are needed");
  for (i = 0; i < n && !PyErr_Occurred(); i++) texts[i] = PyUnicode_AsUTF8(PySequence_Fast_GET_ITEM(fast, i));
  if (!PyErr_Occurred()) JT_LONG(status = jt_checkpoint_save(jp_ctx, TEXT, TEXT_LEN, texts, TENSORS, TENSORS_LEN));
  PyMem_Free(texts);
  Py_DECREF(fast);
  if (PyErr_Occurred()) return NULL;
  if (status != JT_OK) return jp_raise(status);
  Py_RETURN_NONE;
}
/* {name: tensor} of the file. */
static PyObject* checkpoint_load(const char* TEXT, size_t TEXT_LEN) {
  jt_checkpoint* file = NULL;
  jt_status status = jt_checkpoint_open(TEXT, TEXT_LEN, &file);
  PyObject* out;
  size_t i;
  if (status != JT_OK) return jp_raise(status);
  out = PyDict_New();
  for (i = 0; out && i < jt_checkpoint_count(file); i++) {
    const char* name = jt_checkpoint_name(file, i);
    jt_tensor* tensor = NULL;
    PyObject* wrapped;
    status = jt_checkpoint_load(jp_ctx, file, name, JT_NUL, &tensor);
    wrapped = jp_result(status, tensor);
    if (!wrapped || PyDict_SetItemString(out, name, wrapped)) Py_CLEAR(out);
    Py_XDECREF(wrapped);
  }
  jt_checkpoint_release(file);
  return out;
}

/* ---- random numbers ---------------------------------------------------------------------------------------------- */

/* (seed, stream, counter) */
static PyObject* random_place(void) {
  jt_random_place place = {sizeof place};
  jt_status status = jt_context_get_random(jp_ctx, &place);
  if (status != JT_OK) return jp_raise(status);
  return Py_BuildValue("(LLL)", (long long)place.seed, (long long)place.stream, (long long)place.counter);
}
static PyObject* set_random_place(long long seed, long long stream, long long counter) {
  jt_random_place place = {sizeof place, 0, seed, stream, counter};
  jt_status status = jt_context_set_random(jp_ctx, &place);
  if (status != JT_OK) return jp_raise(status);
  Py_RETURN_NONE;
}

/* ---- what happened ----------------------------------------------------------------------------------------------- */

static PyObject* memory_info(void) {
  jt_memory_info m;
  jt_status status;
  memset(&m, 0, sizeof m);
  m.struct_size = sizeof m;
  if ((status = jt_runtime_memory_info(jp_rt, &m)) != JT_OK) return jp_raise(status);
  return Py_BuildValue("{sLsLsLsLsL}", "live_bytes", (long long)m.live_bytes, "peak_bytes", (long long)m.peak_bytes,
                       "cached_bytes", (long long)m.cached_bytes, "allocator_calls", (long long)m.allocator_calls,
                       "limit_bytes", (long long)m.limit_bytes);
}
static PyObject* stats(void) {
  jt_stats s;
  jt_status status;
  memset(&s, 0, sizeof s);
  s.struct_size = sizeof s;
  if ((status = jt_runtime_stats(jp_rt, &s)) != JT_OK) return jp_raise(status);
  return Py_BuildValue("{sLsLsLsLsLsLsL}", "evals", (long long)s.evals, "plans_made", (long long)s.plans_made,
                       "kernels_compiled", (long long)s.kernels_compiled, "kernels_from_disk",
                       (long long)s.kernels_from_disk, "launches", (long long)s.launches, "compile_ns",
                       (long long)s.compile_ns, "run_ns", (long long)s.run_ns);
}
static PyObject* kernel_stats(void) {
  size_t i, n = jt_kernel_count(jp_rt);
  PyObject* list = PyList_New(0);
  for (i = 0; list && i < n; i++) {
    jt_kernel_stats k;
    PyObject* one;
    memset(&k, 0, sizeof k);
    k.struct_size = sizeof k;
    if (jt_kernel_stats_get(jp_rt, i, &k) != JT_OK) break;
    one = Py_BuildValue("{sssssLsLsLsLsL}", "name", k.name, "tier", k.tier, "launches", (long long)k.launches, "run_ns",
                        (long long)k.run_ns, "compile_ns", (long long)k.compile_ns, "bytes", (long long)k.bytes,
                        "flops", (long long)k.flops);
    if (!one || PyList_Append(list, one)) Py_CLEAR(list);
    Py_XDECREF(one);
  }
  return list;
}
static PyObject* jp_text_of(jt_status status, char* text, size_t room) {
  PyObject* out =
      status == JT_OK ? PyUnicode_DecodeUTF8(text, room ? (Py_ssize_t)room - 1 : 0, "replace") : jp_raise(status);
  PyMem_Free(text);
  return out;
}
static PyObject* stats_text(void) {
  size_t room = 0;
  jt_status status = jt_stats_print(jp_rt, NULL, 0, &room);
  char* text = status == JT_OK ? PyMem_Malloc(room + 1) : NULL;
  if (status == JT_OK && !text) return PyErr_NoMemory();
  if (text) status = jt_stats_print(jp_rt, text, room, &room);
  return jp_text_of(status, text, room);
}
/* What `stage`, a letter of JT_DUMP, makes of the pending ops behind the tensors. */
static PyObject* graph_text(jt_tensor* const* TENSORS, size_t TENSORS_LEN, int stage) {
  size_t room = 0;
  jt_status status = jt_graph_print(jp_ctx, TENSORS, TENSORS_LEN, (jt_stage)stage, NULL, 0, &room);
  char* text = status == JT_OK ? PyMem_Malloc(room + 1) : NULL;
  if (status == JT_OK && !text) return PyErr_NoMemory();
  if (text) status = jt_graph_print(jp_ctx, TENSORS, TENSORS_LEN, (jt_stage)stage, text, room, &room);
  return jp_text_of(status, text, room);
}
#endif
