/* module: what the wrappers and the package call that is no plain function of the C API. */
#ifndef JT_PYTHON_MODULE_H
#define JT_PYTHON_MODULE_H
#include "index.h"
#include "lists.h"

/* ---- what typemaps use ------------------------------------------------------------------------------------------- */

/* The tensors among arguments decide what a number beside them becomes: their highest kind of dtype, the widest of
 * it. */
static void jp_widen(PyObject* o, jt_dtype* beside) {
  jt_dtype t;
  if (!jp_is_tensor(o) || !jp_handle(o)) return;
  t = jt_tensor_dtype(jp_handle(o));
  if (!*beside || jp_is_float(t) > jp_is_float(*beside) || (jp_is_float(t) == jp_is_float(*beside) && t > *beside))
    *beside = t;
}
static int jp_use_of_outside(const char* who); /* one of JP_REFUSES.., from the table of ops */
/* An operand of an op; see jp_as_operand. -1 with an exception. */
static int jp_argument(const char* who, PyObject* self, PyObject* args, PyObject* kwargs, PyObject* o, jt_tensor** out,
                       int* owned) {
  jt_dtype beside = 0;
  int found;
  Py_ssize_t i;
  *owned = 0;
  if (jp_is_tensor(o)) return (*out = jp_get(o)) ? 1 : -1;
  if (o == Py_None) {
    PyErr_Format(PyExc_TypeError, "%s: expected a jt.Tensor, not None", who);
    return -1;
  }
  if (self) jp_widen(self, &beside);
  for (i = 0; args && i < PyTuple_GET_SIZE(args); i++) jp_widen(PyTuple_GET_ITEM(args, i), &beside);
  if (kwargs) {
    PyObject *key, *value;
    Py_ssize_t place = 0;
    while (PyDict_Next(kwargs, &place, &key, &value)) jp_widen(value, &beside);
  }
  if (jp_enter()) return -1;
  found = jp_as_operand(o, beside, out, owned);
  if (found < 0 && jp_outside(o, jp_use_of_outside(who), out)) found = *owned = 1;
  if (!found) PyErr_Format(PyExc_TypeError, "%s: expected a jt.Tensor, not %.200s", who, Py_TYPE(o)->tp_name);
  return found ? found : -1;
}

typedef struct {
  jt_tensor** list;
  size_t count;
  PyObject* kept; /* objects that own the handles for the length of the call */
} jp_handles;
static void jp_drop_handles(jp_handles* h) {
  PyMem_Free(h->list);
  Py_XDECREF(h->kept);
}
/* A sequence of tensors, or one tensor's parts; numbers and arrays among them become tensors. */
static int jp_as_handles(const char* who, PyObject* o, int allows_none, jp_handles* out) {
  Py_ssize_t i, n;
  if (jp_is_tensor(o) || PyUnicode_Check(o)) {
    PyErr_Format(PyExc_TypeError, "%s: expected a sequence of tensors, not %.200s", who, Py_TYPE(o)->tp_name);
    return 0;
  }
  if (!(out->kept = PySequence_List(o))) return 0;
  n = PyList_GET_SIZE(out->kept);
  if (!(out->list = PyMem_Calloc((size_t)n + 1, sizeof *out->list))) return PyErr_NoMemory(), 0;
  out->count = (size_t)n;
  for (i = 0; i < n; i++) {
    PyObject* item = PyList_GET_ITEM(out->kept, i);
    int owned;
    if (item == Py_None && allows_none) continue;
    if (jp_argument(who, NULL, NULL, NULL, item, &out->list[i], &owned) < 0) return 0;
    if (owned) {
      PyObject* made = jp_wrap(out->list[i]);
      if (!made || PyList_SetItem(out->kept, i, made)) return 0;
    }
  }
  return 1;
}
/* A str or path as UTF-8; *kept owns it. */
static const char* jp_as_text(PyObject* o, Py_ssize_t* length, PyObject** kept) {
  if (PyUnicode_Check(o)) return PyUnicode_AsUTF8AndSize(o, length);
  if (!(*kept = PyOS_FSPath(o))) return NULL;
  if (PyUnicode_Check(*kept)) return PyUnicode_AsUTF8AndSize(*kept, length);
  *length = PyBytes_GET_SIZE(*kept);
  return PyBytes_AS_STRING(*kept);
}
/* Room for as many results as a list has values. */
static int jp_make_list(size_t count, jt_tensor*** list, size_t* length) {
  if (!(*list = PyMem_Calloc(count + 1, sizeof **list))) return PyErr_NoMemory(), 0;
  return *length = count, 1;
}
/* Takes over the handles, also when it fails. */
static PyObject* jp_results(jt_tensor** handles, size_t count) {
  PyObject* out = PyTuple_New((Py_ssize_t)count);
  size_t i;
  for (i = 0; i < count; i++) {
    PyObject* one = out ? jp_wrap(handles[i]) : NULL;
    if (one) {
      PyTuple_SET_ITEM(out, (Py_ssize_t)i, one);
    } else {
      if (!out) jt_tensor_release(handles[i]);
      Py_CLEAR(out);
    }
  }
  return out;
}
/* One result is itself, several are a tuple. Takes over both. */
static PyObject* jp_append_result(PyObject* so_far, PyObject* result) {
  PyObject* out;
  Py_ssize_t i, n;
  if (!result) return Py_XDECREF(so_far), NULL;
  if (!so_far || so_far == Py_None) return Py_XDECREF(so_far), result;
  n = PyTuple_Check(so_far) ? PyTuple_GET_SIZE(so_far) : 1;
  if ((out = PyTuple_New(n + 1))) {
    for (i = 0; i < n; i++) {
      PyObject* item = PyTuple_Check(so_far) ? PyTuple_GET_ITEM(so_far, i) : so_far;
      Py_INCREF(item);
      PyTuple_SET_ITEM(out, i, item);
    }
    PyTuple_SET_ITEM(out, n, result);
  } else Py_DECREF(result);
  Py_DECREF(so_far);
  return out;
}

/* ---- setting up -------------------------------------------------------------------------------------------------- */

/* hooks: {name: what the package offers to C}; dtypes: {code: dtype}; cls: jt.Tensor. */
static PyObject* set_up(PyObject* hooks, PyObject* dtypes, PyObject* cls) {
  PyObject *key, *value, *descriptor;
  Py_ssize_t place = 0;
  if (!PyDict_Check(hooks) || !PyDict_Check(dtypes) || !PyType_Check(cls) ||
      !PyType_IsSubtype((PyTypeObject*)cls, jp_base_class))
    return PyErr_SetString(PyExc_TypeError, "set_up(hooks: dict, dtypes: dict, cls: a class derived from TensorBase)"),
           NULL;
  while (PyDict_Next(dtypes, &place, &key, &value)) {
    long code = PyLong_AsLong(key);
    if (code < JT_BOOL || code > JT_F64) return PyErr_Format(PyExc_ValueError, "%R is not a code of a dtype", key);
    Py_INCREF(value);
    Py_XSETREF(jp_dtype_objects[code], value);
  }
  Py_INCREF(hooks);
  Py_XSETREF(jp_hooks, hooks);
  Py_XINCREF(jp_lines.package = PyDict_GetItemString(hooks, "folder"));
  descriptor = PyDict_GetItemString(((PyTypeObject*)cls)->tp_dict, "_origin");
  jp_origin_offset = descriptor && Py_TYPE(descriptor) == &PyMemberDescr_Type
                         ? ((PyMemberDescrObject*)descriptor)->d_member->offset
                         : 0;
  Py_INCREF(cls);
  Py_XSETREF(jp_tensor_class, (PyTypeObject*)cls);
  Py_RETURN_NONE;
}
/* `tensor`'s handle as an object of `cls`. */
static PyObject* wrap_as(PyObject* cls, jt_tensor* SELF) {
  if (!PyType_Check(cls) || !PyType_IsSubtype((PyTypeObject*)cls, jp_base_class))
    return PyErr_SetString(PyExc_TypeError, "wrap_as: expected a class derived from jt.Tensor"), NULL;
  jt_tensor_retain(SELF);
  return jp_wrap_as((PyTypeObject*)cls, SELF);
}

/* (file, line) of a number that jt_context_set_line was given; None if it is unknown. */
static PyObject* place_of(unsigned number) {
  if (!number || number > jp_lines.count) Py_RETURN_NONE;
  return jp_place_text(jp_lines.places[number - 1]);
}
/* (file, line) of the innermost frame outside the package; None if there is none. */
static PyObject* current_place(void) {
  jp_place here;
  if (!jp_current_place(&here)) Py_RETURN_NONE;
  return jp_place_text(here);
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

static PyObject* shape(jt_tensor* SELF) {
  int i, rank = jt_tensor_ndim(SELF);
  PyObject* out = PyTuple_New(rank);
  for (i = 0; out && i < rank; i++) PyTuple_SET_ITEM(out, i, PyLong_FromLongLong(jt_tensor_dim(SELF, i)));
  return out;
}
static PyObject* item(jt_tensor* SELF) { return jp_item(SELF); }
static PyObject* tolist(jt_tensor* SELF) { return jp_tolist(SELF); }
static PyObject* to_bytes(jt_tensor* SELF) {
  jp_view* view = jp_make_view(SELF, 0);
  PyObject* out = view ? PyBytes_FromStringAndSize(view->mapping.data, (Py_ssize_t)view->mapping.data_len) : NULL;
  if (view) jp_drop_view(view);
  return out;
}
/* Raises what the same thread's last call, an export of a buffer, has raised; None if it raised nothing. */
static PyObject* raise_dropped(void) {
  if (jp_raise_dropped()) return NULL;
  Py_RETURN_NONE;
}
/* Whether an object offers a buffer; asks for none. */
static PyObject* has_buffer(PyObject* data) { return PyBool_FromLong(PyObject_CheckBuffer(data)); }
static PyObject* writable(jt_tensor* SELF) {
  jp_writable* out = PyObject_New(jp_writable, &jp_writable_type);
  if (out) jt_tensor_retain(out->handle = SELF);
  return (PyObject*)out;
}
static PyObject* to_dlpack(jt_tensor* SELF, int versioned, int writes) { return jp_to_dlpack(SELF, versioned, writes); }
static PyObject* sync_one(jt_tensor* SELF) {
  jt_status status;
  if (jt_tensor_is_ready(SELF)) Py_RETURN_NONE;
  JT_LONG(status = jt_eval(jp_ctx, &SELF, 1));
  if (status != JT_OK) return jp_raise(status);
  Py_RETURN_NONE;
}

/* ---- making ------------------------------------------------------------------------------------------------------ */

/* An integer as i64, or as u64 where only that holds it. */
static jt_tensor* jp_alone(PyObject* integer) {
  jt_tensor* out = jp_number(integer, JT_NUMBER_INT, JT_I64);
  if (out || !PyErr_ExceptionMatches(PyExc_OverflowError)) return out;
  PyErr_Clear();
  return jp_number(integer, JT_NUMBER_INT, JT_U64);
}
/* A tensor from a number, nested lists, or an object with a buffer. Numbers are rounded once, to `dtype` or, if it
 * is None, to what they ask for; a buffer keeps its dtype. */
static PyObject* from_data(PyObject* data, PyObject* dtype) {
  jp_number_kind kind = jp_kind_of_number(data);
  jt_tensor* out;
  jt_dtype t = 0;
  if (dtype != Py_None && !jp_as_dtype(dtype, &t)) return NULL;
  if (kind == JT_NUMBER_INT && !t) out = jp_alone(data);
  else if (kind) out = jp_number(data, kind, t ? t : jp_weak_dtype(kind, 0));
  else if (jp_is_nested(data)) out = jp_from_list(data, t);
  else if (PyObject_CheckBuffer(data)) out = jp_from_buffer(data);
  else return PyErr_Format(PyExc_TypeError, "cannot make a tensor from %.200s", Py_TYPE(data)->tp_name);
  return out ? jp_wrap(out) : NULL;
}
/* A tensor over the memory of a bytes-like object, copied. */
static PyObject* from_bytes(PyObject* data, jt_dtype dtype, const int64_t* INTS, size_t INTS_LEN) {
  Py_buffer view;
  jt_tensor* out = NULL;
  jt_status status;
  if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)) return NULL;
  status = jt_tensor_from_bytes(jp_ctx, view.buf, (size_t)view.len, dtype, INTS, INTS_LEN, &out);
  PyBuffer_Release(&view);
  return jp_result(status, out);
}
static PyObject* from_capsule(PyObject* capsule, int copies) {
  if (!PyCapsule_CheckExact(capsule)) return PyErr_SetString(PyExc_TypeError, "expected a capsule of DLPack"), NULL;
  return jp_from_capsule(capsule, copies);
}

/* Switches gradients for the calling thread; gives what was before. */
static PyObject* set_grad_mode(int on) {
  int before = !jp_thread_no_grad;
  jp_thread_no_grad = !on;
  return PyBool_FromLong(before);
}
/* What autocast casts to in the calling thread, float32 for off; gives what was before. */
static int set_autocast(jt_dtype dtype) {
  int before = (int)jp_thread_autocast;
  jp_thread_autocast = dtype;
  return before;
}
static int autocast_dtype(void) { return (int)jp_thread_autocast; }
static PyObject* is_grad_enabled(void) { return PyBool_FromLong(!jp_thread_no_grad); }

/* ---- devices ----------------------------------------------------------------------------------------------------- */

static PyObject* jp_device_name(int32_t device) {
  char name[256];
  size_t length;
  jt_status status = jt_runtime_device_name(jp_rt, device, name, sizeof name, &length);
  return status == JT_OK ? PyUnicode_FromString(name) : jp_raise(status);
}
static PyObject* device_names(void) {
  int32_t i, n = jt_runtime_device_count(jp_rt);
  PyObject* out = PyList_New(n);
  for (i = 0; out && i < n; i++) {
    PyObject* name = jp_device_name(i);
    if (!name) Py_CLEAR(out);
    else PyList_SET_ITEM(out, i, name);
  }
  return out;
}
static PyObject* device_of(jt_tensor* SELF) { return jp_device_name(jt_tensor_device(SELF)); }
static PyObject* to_device(jt_tensor* SELF, const char* TEXT, size_t TEXT_LEN) {
  int32_t device;
  jt_tensor* out = NULL;
  jt_status status = jt_runtime_find_device(jp_rt, TEXT, TEXT_LEN, &device);
  if (status == JT_OK) status = jt_tensor_to(jp_ctx, SELF, device, &out);
  return jp_result(status, out);
}
/* The device of what the calling thread records from now on; gives what was before. */
static PyObject* set_device(const char* TEXT, size_t TEXT_LEN) {
  int32_t device, before = jp_thread_device;
  jt_status status = jt_runtime_find_device(jp_rt, TEXT, TEXT_LEN, &device);
  if (status != JT_OK) return jp_raise(status);
  jp_thread_device = device;
  return jp_device_name(before);
}
static PyObject* current_device(void) { return jp_device_name(jp_thread_device); }

/* ---- gradients --------------------------------------------------------------------------------------------------- */

static PyObject* gradients(jt_tensor* SELF, PyObject* inputs, PyObject* dy, unsigned flags) {
  jp_handles wrt = {NULL, 0, NULL};
  jt_tensor *seed = NULL, **outs = NULL;
  PyObject* list = NULL;
  size_t i;
  jt_status status;
  if (jp_as_handles("grad", inputs, 0, &wrt) && (dy == Py_None || (seed = jp_get(dy))) &&
      !(outs = PyMem_Calloc(wrt.count + 1, sizeof *outs)))
    PyErr_NoMemory();
  if (outs) {
    JT_LONG(status = jt_grad(jp_ctx, SELF, wrt.list, wrt.count, seed, flags, outs, wrt.count)); /* may call Python */
    if (status != JT_OK) jp_raise(status);
    else if ((list = PyList_New((Py_ssize_t)wrt.count)))
      for (i = 0; i < wrt.count; i++) PyList_SET_ITEM(list, (Py_ssize_t)i, jp_wrap(outs[i]));
  }
  PyMem_Free(outs);
  jp_drop_handles(&wrt);
  return PyErr_Occurred() ? (Py_XDECREF(list), NULL) : list;
}

/* Methods that are called so often that no Python code stands before them. */
static PyObject* jp_method_sync(PyObject* self, PyObject* unused) {
  jt_tensor* x = jp_get(self);
  PyObject* done = x && !jp_enter() ? sync_one(x) : NULL;
  (void)unused;
  if (!done) return NULL;
  Py_DECREF(done);
  Py_INCREF(self);
  return self;
}
static PyObject* jp_method_item(PyObject* self, PyObject* unused) {
  jt_tensor* x = jp_get(self);
  (void)unused;
  return x ? jp_item(x) : NULL;
}
static PyMethodDef jp_methods[] = {{"sync", jp_method_sync, METH_NOARGS,
                                    "sync($self)\n--\n\nsync() -> Tensor\n\nComputes the elements now. Returns self."},
                                   {"item", jp_method_item, METH_NOARGS,
                                    "item($self)\n--\n\nitem() -> bool, int or float\n\nThe only element as a Python "
                                    "number. ShapeError when there is not exactly one."}};

/* ---- the module -------------------------------------------------------------------------------------------------- */

/* "sum(x, axes=()) -> Tensor.." as CPython keeps it for inspect.signature: the head by itself, a mark, then the text. A
 * method's first parameter is $self. Kept for good, as the definition is; NULL with an exception. */
static const char* jp_with_signature(const char* doc, int is_method) {
  const char *open, *arrow, *rest;
  size_t room;
  char* out;
  while (*doc == '\n') doc++; /* SWIG begins with one */
  open = strchr(doc, '('), arrow = strstr(doc, ") -> ");
  if (!open || !arrow || open > arrow || strstr(doc, "\n--\n")) return doc;
  rest = is_method ? open + 1 + strcspn(open + 1, ",)") : open + 1; /* what follows the first parameter */
  room = strlen(doc) * 2 + 32;
  if (!(out = PyMem_RawMalloc(room))) return (const char*)PyErr_NoMemory();
  PyOS_snprintf(out, room, "%.*s%s%.*s)\n--\n\n%s", (int)(open + 1 - doc), doc, is_method ? "$self" : "",
                (int)(arrow - rest), rest, doc);
  return out;
}
static int jp_give_signatures(PyMethodDef* methods) {
  for (; methods->ml_name; methods++)
    if (methods->ml_doc && !(methods->ml_doc = jp_with_signature(methods->ml_doc, 0))) return -1;
  return 0;
}
/* Names of SWIG's own that its types bring along. */
static int jp_hide_names(PyTypeObject* type, const char* const* names) {
  for (; *names; names++)
    if (PyDict_GetItemString(type->tp_dict, *names) && PyDict_DelItemString(type->tp_dict, *names)) return -1;
  PyType_Modified(type);
  return 0;
}
/* Functions whose first parameter is `x` are methods too; one wrapper serves both (see jp_parse). */
static int jp_add_methods(PyMethodDef* methods, const char* const* names) {
  size_t i;
  for (; *names; names++) {
    PyMethodDef *def = methods, *method;
    PyObject* descriptor;
    while (def->ml_name && strcmp(def->ml_name, *names)) def++;
    if (!def->ml_name || !(method = PyMem_RawMalloc(sizeof *method))) return -1;
    *method = *def;
    if (!(method->ml_doc = jp_with_signature(def->ml_doc, 1)) ||
        !(descriptor = PyDescr_NewMethod(jp_base_class, method)))
      return -1;
    if (PyDict_SetItemString(jp_base_class->tp_dict, *names, descriptor)) return -1;
    Py_DECREF(descriptor);
  }
  for (i = 0; i < sizeof jp_methods / sizeof *jp_methods; i++) {
    PyObject* descriptor = PyDescr_NewMethod(jp_base_class, &jp_methods[i]);
    if (!descriptor || PyDict_SetItemString(jp_base_class->tp_dict, jp_methods[i].ml_name, descriptor)) return -1;
    Py_DECREF(descriptor);
  }
  PyType_Modified(jp_base_class);
  return 0;
}
/* When the interpreter is gone: what JT_TRACE and JT_STATS ask for. Tensors may outlive it; they keep what they
 * need. */
static void jp_at_exit(void) {
  jt_trace_stop(jp_rt); /* fails where there is none */
  jt_runtime_release(jp_rt);
}

static int jp_start(PyTypeObject* base, PyMethodDef* methods, const char* const* method_names) {
  static const char* const swig_names[] = {"acquire", "append", "disown", "next", "own", "this", "thisown", NULL};
  jt_runtime_desc desc;
  jt_status status;
  memset(&desc, 0, sizeof desc);
  desc.struct_size = sizeof desc, desc.flags = JT_RT_ALLOW_ENV | JT_RT_BACKGROUND_JIT;
  desc.threads = -1; /* one per core, unless JT_THREADS says otherwise */
  desc.memory_limit = -1; /* nearly what there is, unless JT_MEMORY_LIMIT says otherwise */
  base->tp_dictoffset = 0; /* attributes are the class's slots: SWIG's dict is unknown to the collector */
  jp_base_class = jp_tensor_class = base;
  base->tp_name = "jt._C.TensorBase";
  if (PyType_Ready(&jp_writable_type) < 0 || jp_add_methods(methods, method_names) || jp_give_signatures(methods))
    return -1;
  if (jp_hide_names(base, swig_names) ||
      (base->tp_base && base->tp_base != &PyBaseObject_Type && jp_hide_names(base->tp_base, swig_names)))
    return -1;
  status = jt_runtime_create(&desc, &jp_rt);
  if (status == JT_OK) status = jt_context_create(jp_rt, &jp_ctx);
  if (status == JT_OK) status = jt_context_set_watch(jp_ctx, jp_watch, NULL);
  if (status != JT_OK) return PyErr_Format(PyExc_ImportError, "jt: %s", jt_last_error_message()), -1;
  if (jp_watch_forks()) return -1;
  pthread_atfork(NULL, NULL, jp_after_fork);
  Py_AtExit(jp_at_exit); /* no room for it: no trace */
  return 0;
}
#endif
