/* exchange: tensors as buffers and DLPack capsules, and back, without a copy where the memory allows it. */
#ifndef JT_PYTHON_EXCHANGE_H
#define JT_PYTHON_EXCHANGE_H
#include "convert.h"

/* ---- buffer protocol --------------------------------------------------------------------------------------------- */

static const char* jp_format(jt_dtype t) {
  /* NumPy knows two integers of 64 bits; int64 is long where that has 64. */
  static const char* const formats[] = {
      "",  "?",  "b", "h", "i", sizeof(long) == 8 ? "l" : "q", "B", "H", "I", sizeof(long) == 8 ? "L" : "Q",
      "e", NULL, "f", "d"};
  return formats[t];
}

/* What a view keeps: the mapping, and room for extents and strides. */
typedef struct {
  jt_mapping mapping;
  Py_ssize_t dims[JT_MAX_RANK], strides[JT_MAX_RANK];
  int rank;
} jp_view;

static void jp_drop_view(jp_view* view) {
  jt_tensor_unmap(&view->mapping);
  PyMem_Free(view);
}
typedef enum { JP_READS = 0, JP_WRITES = 1, JP_EXPORTS = 2 } jp_view_kind;
/* NULL with an exception. */
static jp_view* jp_make_view(jt_tensor* x, jp_view_kind kind) {
  jp_view* view = PyMem_Calloc(1, sizeof *view);
  jt_status status;
  Py_ssize_t stride;
  int i;
  if (!view) return (jp_view*)PyErr_NoMemory();
  view->mapping.struct_size = sizeof view->mapping;
  if (jp_enter()) return PyMem_Free(view), NULL;
  if (kind == JP_WRITES) JT_LONG(status = jt_tensor_map_write(jp_ctx, x, &view->mapping));
  else if (kind == JP_EXPORTS) JT_LONG(status = jt_tensor_map_export(jp_ctx, x, &view->mapping));
  else JT_LONG(status = jt_tensor_map(jp_ctx, x, &view->mapping));
  if (status != JT_OK) return PyMem_Free(view), jp_raise(status), NULL;
  view->rank = jt_tensor_ndim(x);
  stride = (Py_ssize_t)jt_dtype_size(jt_tensor_dtype(x));
  for (i = view->rank - 1; i >= 0; i--) {
    view->dims[i] = (Py_ssize_t)jt_tensor_dim(x, i), view->strides[i] = stride;
    stride *= view->dims[i] ? view->dims[i] : 1;
  }
  return view;
}
static int jp_fill_buffer(PyObject* self, jt_tensor* x, Py_buffer* buffer, int flags, int writes) {
  const char* format = jp_format(jt_tensor_dtype(x));
  jp_view* view;
  buffer->obj = NULL;
  jp_forget_dropped();
  if (!format) return PyErr_SetString(PyExc_BufferError, "bfloat16 has no buffer format; cast to float32"), -1;
  if ((flags & PyBUF_WRITABLE) && !writes)
    return PyErr_SetString(PyExc_BufferError, "a tensor's buffer is read-only; x.data is writable"), -1;
  if (!(view = jp_make_view(x, writes ? JP_WRITES : JP_READS))) return jp_keep_dropped(), -1;
  buffer->buf = (void*)view->mapping.data, buffer->len = (Py_ssize_t)view->mapping.data_len;
  buffer->itemsize = (Py_ssize_t)jt_dtype_size(jt_tensor_dtype(x)), buffer->readonly = !writes;
  buffer->ndim = flags & PyBUF_ND ? view->rank : 1, buffer->format = flags & PyBUF_FORMAT ? (char*)format : NULL;
  buffer->shape = flags & PyBUF_ND ? view->dims : NULL;
  buffer->strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES ? view->strides : NULL;
  buffer->suboffsets = NULL, buffer->internal = view;
  Py_INCREF(self);
  buffer->obj = self;
  return 0;
}
static int jp_getbuffer(PyObject* self, Py_buffer* buffer, int flags) {
  jt_tensor* x = jp_get(self);
  buffer->obj = NULL;
  return x ? jp_fill_buffer(self, x, buffer, flags, 0) : -1;
}
static void jp_releasebuffer(PyObject* self, Py_buffer* buffer) {
  (void)self;
  jp_drop_view((jp_view*)buffer->internal);
}

/* What x.data looks at: a tensor whose buffer may be written. */
typedef struct {
  PyObject_HEAD
  jt_tensor* handle;
} jp_writable;
static int jp_writable_getbuffer(PyObject* self, Py_buffer* buffer, int flags) {
  return jp_fill_buffer(self, ((jp_writable*)self)->handle, buffer, flags, 1);
}
static void jp_writable_dealloc(PyObject* self) {
  jt_tensor_release(((jp_writable*)self)->handle);
  Py_TYPE(self)->tp_free(self);
}
static PyBufferProcs jp_writable_buffer = {jp_writable_getbuffer, jp_releasebuffer};
static PyTypeObject jp_writable_type = {PyVarObject_HEAD_INIT(NULL, 0).tp_name = "jt._Writable",
  .tp_basicsize = sizeof(jp_writable), .tp_dealloc = jp_writable_dealloc, .tp_flags = Py_TPFLAGS_DEFAULT,
  .tp_as_buffer = &jp_writable_buffer, .tp_doc = "A tensor's elements as a writable buffer."};

/* ---- DLPack ------------------------------------------------------------------------------------------------------ */

/* The structures of DLPack 1.0, as its specification lays them out. */
typedef struct { int32_t device_type, device_id; } jp_dl_device;
typedef struct { uint8_t code, bits; uint16_t lanes; } jp_dl_type;
typedef struct {
  void* data;
  jp_dl_device device;
  int32_t ndim;
  jp_dl_type dtype;
  int64_t *shape, *strides;
  uint64_t byte_offset;
} jp_dl_tensor;
typedef struct jp_dl_managed {
  jp_dl_tensor tensor;
  void* context;
  void (*deleter)(struct jp_dl_managed*);
} jp_dl_managed;
typedef struct jp_dl_versioned {
  struct { uint32_t major, minor; } version;
  void* context;
  void (*deleter)(struct jp_dl_versioned*);
  uint64_t flags; /* 1: read-only */
  jp_dl_tensor tensor;
} jp_dl_versioned;
enum { JT_DL_INT = 0, JT_DL_UINT = 1, JT_DL_FLOAT = 2, JT_DL_BFLOAT = 4, JT_DL_BOOL = 6, JT_DL_CPU = 1 };

static jp_dl_type jp_dl_dtype(jt_dtype t) {
  jp_dl_type out = {0, 0, 1};
  out.bits = (uint8_t)(jt_dtype_size(t) * 8);
  out.code = t == JT_BOOL   ? JT_DL_BOOL
             : t <= JT_I64  ? JT_DL_INT
             : t <= JT_U64  ? JT_DL_UINT
             : t == JT_BF16 ? JT_DL_BFLOAT
                            : JT_DL_FLOAT;
  return out;
}
static jt_dtype jp_dtype_of_dl(jp_dl_type given) {
  int t;
  for (t = JT_BOOL; t <= JT_F64; t++) {
    jp_dl_type one = jp_dl_dtype((jt_dtype)t);
    if (one.code == given.code && one.bits == given.bits && given.lanes == 1) return (jt_dtype)t;
  }
  return 0;
}

/* One export: both forms of the structure, and the view they look at. */
typedef struct {
  jp_dl_managed managed;
  jp_dl_versioned versioned;
  jp_view* view;
  int64_t dims[JT_MAX_RANK], strides[JT_MAX_RANK];
} jp_export;

static void jp_free_export(jp_export* e) { /* any thread, with or without the interpreter lock */
  jt_tensor_unmap(&e->view->mapping);
  free(e->view), free(e);
}
static void jp_managed_deleter(jp_dl_managed* m) { jp_free_export((jp_export*)m->context); }
static void jp_versioned_deleter(jp_dl_versioned* m) { jp_free_export((jp_export*)m->context); }
static void jp_capsule_gone(PyObject* capsule) {
  const char* name = PyCapsule_GetName(capsule);
  if (name && !strncmp(name, "dltensor", 8)) jp_free_export((jp_export*)PyCapsule_GetContext(capsule));
}

static PyObject* jp_to_dlpack(jt_tensor* x, int versioned, int writes) {
  jp_export* e = calloc(1, sizeof *e);
  jp_view* view = e ? jp_make_view(x, writes ? JP_WRITES : JP_EXPORTS) : NULL;
  jp_dl_tensor* to;
  PyObject* capsule;
  int i;
  if (!e) return PyErr_NoMemory();
  if (!view) return free(e), NULL;
  if (!(e->view = malloc(sizeof *view))) return jp_drop_view(view), free(e), PyErr_NoMemory();
  *e->view = *view, PyMem_Free(view), view = e->view; /* the deleter may run without the interpreter lock */
  e->managed.context = e->versioned.context = e;
  e->managed.deleter = jp_managed_deleter, e->versioned.deleter = jp_versioned_deleter;
  e->versioned.version.major = 1, e->versioned.flags = writes ? 0 : 1;
  to = &e->managed.tensor;
  to->data = (void*)view->mapping.data, to->device.device_type = JT_DL_CPU;
  to->ndim = view->rank, to->dtype = jp_dl_dtype(jt_tensor_dtype(x));
  to->shape = e->dims, to->strides = e->strides;
  for (i = 0; i < view->rank; i++) e->dims[i] = view->dims[i], e->strides[i] = view->strides[i] / (to->dtype.bits / 8);
  e->versioned.tensor = *to;
  capsule = versioned ? PyCapsule_New(&e->versioned, "dltensor_versioned", jp_capsule_gone)
                      : PyCapsule_New(&e->managed, "dltensor", jp_capsule_gone);
  if (!capsule || PyCapsule_SetContext(capsule, e)) return Py_XDECREF(capsule), jp_free_export(e), NULL;
  return capsule;
}

/* ---- memory of others -------------------------------------------------------------------------------------------- */

static void jp_release_managed(void* user, void* data) {
  jp_dl_managed* m = user;
  (void)data;
  if (m->deleter) m->deleter(m);
}
static void jp_release_versioned(void* user, void* data) {
  jp_dl_versioned* m = user;
  (void)data;
  if (m->deleter) m->deleter(m);
}
/* Axes in the order of their strides, largest first; 1 if the elements then lie densely. */
static int jp_dense_order(const jp_dl_tensor* t, int* order) {
  int64_t expected = 1;
  int i, j;
  for (i = 0; i < t->ndim; i++) order[i] = i;
  if (!t->strides) return 1;
  for (i = 1; i < t->ndim; i++)
    for (j = i; j > 0 && (t->shape[order[j - 1]] == 1 ? 0 : t->strides[order[j - 1]]) <
                             (t->shape[order[j]] == 1 ? 0 : t->strides[order[j]]);
         j--) {
      int swap = order[j];
      order[j] = order[j - 1], order[j - 1] = swap;
    }
  for (i = t->ndim - 1; i >= 0; i--) {
    if (t->shape[order[i]] != 1 && t->strides[order[i]] != expected) return 0;
    expected *= t->shape[order[i]];
  }
  return 1;
}
static int jp_is_row_major(const jp_dl_tensor* t) {
  int64_t expected = 1;
  int axis;
  for (axis = t->ndim - 1; axis >= 0 && t->strides; axis--) {
    if (t->shape[axis] != 1 && t->strides[axis] != expected) return 0;
    expected *= t->shape[axis];
  }
  return 1;
}
/* A dense copy of strided elements; NULL without an exception: no memory. */
static char* jp_gather(const jp_dl_tensor* t, const char* from, size_t bytes, size_t element) {
  char *copy = PyMem_Malloc(bytes + 1), *to = copy;
  int64_t at[JT_MAX_RANK] = {0};
  int axis;
  if (!copy || !bytes) return copy;
  for (;;) {
    int64_t offset = 0;
    for (axis = 0; axis < t->ndim; axis++) offset += at[axis] * t->strides[axis];
    memcpy(to, from + offset * (int64_t)element, element), to += element;
    for (axis = t->ndim - 1; axis >= 0 && ++at[axis] == t->shape[axis]; axis--) at[axis] = 0;
    if (axis < 0) return copy;
  }
}
/* 1: *out borrows the memory and calls `release(user)` when it needs it no more. 2: *out is a copy. 0: an exception. */
static int jp_borrow_dl(const jp_dl_tensor* t, int copies, void (*release)(void*, void*), void* user, jt_tensor** out) {
  jt_dtype dtype = jp_dtype_of_dl(t->dtype);
  int order[JT_MAX_RANK], i, in_order = 1;
  int64_t dims[JT_MAX_RANK], back[JT_MAX_RANK], count = 1;
  size_t bytes;
  char* data = (char*)t->data + t->byte_offset;
  jt_status status;
  *out = NULL;
  if (!dtype || t->ndim > JT_MAX_RANK || t->device.device_type != JT_DL_CPU) {
    PyObject* hook = jp_hook("dtype_error");
    if (hook)
      PyErr_Format(
          hook, "from_dlpack: a tensor of %d axes, type code %d, %d bits, on device type %d has no counterpart in jt",
          t->ndim, t->dtype.code, t->dtype.bits, t->device.device_type);
    return 0;
  }
  for (i = 0; i < t->ndim; i++) count *= t->shape[i];
  bytes = (size_t)count * jt_dtype_size(dtype);
  if (jp_enter()) return 0;
  if (copies || !count || !jp_dense_order(t, order) || (uintptr_t)data % jt_dtype_size(dtype)) {
    char* row_major = jp_is_row_major(t) ? data : jp_gather(t, data, bytes, jt_dtype_size(dtype));
    if (!row_major && bytes) return PyErr_NoMemory(), 0;
    status = jt_tensor_from_bytes(jp_ctx, row_major, bytes, dtype, t->shape, (size_t)t->ndim, out);
    if (row_major != data) PyMem_Free(row_major);
    return status == JT_OK ? 2 : (jp_raise(status), 0);
  }
  for (i = 0; i < t->ndim; i++) dims[i] = t->shape[order[i]], back[order[i]] = i, in_order &= order[i] == i;
  jt_borrow_desc desc;
  memset(&desc, 0, sizeof desc);
  desc.struct_size = sizeof desc, desc.dtype = dtype, desc.data = data, desc.data_len = bytes;
  desc.dims = dims, desc.dims_len = (size_t)t->ndim, desc.release = release, desc.release_user = user;
  if ((status = jt_tensor_borrow(jp_ctx, &desc, out)) != JT_OK) return jp_raise(status), 0;
  if (!in_order) {
    jt_tensor* dense = *out;
    status = jt_transpose(jp_ctx, dense, back, (size_t)t->ndim, out);
    jt_tensor_release(dense);
    if (status != JT_OK) return jp_raise(status), -1; /* the memory is given back already */
  }
  return 1;
}
static PyObject* jp_from_capsule(PyObject* capsule, int copies) {
  jt_tensor* out;
  int taken;
  if (PyCapsule_IsValid(capsule, "dltensor_versioned")) {
    jp_dl_versioned* m = PyCapsule_GetPointer(capsule, "dltensor_versioned");
    if (m->version.major != 1)
      return PyErr_Format(PyExc_BufferError, "from_dlpack: version %u of DLPack", m->version.major);
    if (!(taken = jp_borrow_dl(&m->tensor, copies, jp_release_versioned, m, &out))) return NULL;
    PyCapsule_SetName(capsule, "used_dltensor_versioned");
    if (taken == 2) jp_release_versioned(m, NULL);
  } else {
    jp_dl_managed* m = PyCapsule_GetPointer(capsule, "dltensor");
    if (!m || !(taken = jp_borrow_dl(&m->tensor, copies, jp_release_managed, m, &out))) return NULL;
    PyCapsule_SetName(capsule, "used_dltensor");
    if (taken == 2) jp_release_managed(m, NULL);
  }
  return taken > 0 ? jp_wrap(out) : NULL;
}
#endif
