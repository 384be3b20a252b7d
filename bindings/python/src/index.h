/* index: x[key] and x[key] = value for integers, slices of any step, None and Ellipsis.
 *
 * A key becomes one box per axis (start, stop, positive step), the set of axes to flip, and the shape of the result;
 * that is a slice, a flip and a reshape, or the update that undoes them. Tensors, lists and masks as keys go to the
 * package's
 * hooks. A slice is a new value; only `G[1][2] = v`, where nobody else can see the slice G[1], writes through to G. */
#ifndef JT_PYTHON_INDEX_H
#define JT_PYTHON_INDEX_H
#include "slots.h"

typedef struct {
  int rank, flips, n_flips, is_whole;
  int64_t start[JT_MAX_RANK], stop[JT_MAX_RANK], step[JT_MAX_RANK], extent[JT_MAX_RANK], flip[JT_MAX_RANK];
  int out_rank;
  int64_t out[JT_MAX_RANK];  /* the result's shape: without integer axes, with new ones */
} jp_box;

static int jp_box_axis(jp_box* box, int axis, int64_t size, PyObject* item) {
  if (PySlice_Check(item)) {
    Py_ssize_t start, stop, step, n;
    if (PySlice_Unpack(item, &start, &stop, &step) < 0) return -1;
    n = PySlice_AdjustIndices((Py_ssize_t)size, &start, &stop, step);
    if (n == 0) start = 0, stop = 0, step = 1;
    else if (n == 1) stop = start + 1, step = 1;
    else if (step < 0) {
      box->flip[box->n_flips++] = axis;
      start += (n - 1) * step, step = -step, stop = start + (n - 1) * step + 1;
    } else stop = start + (n - 1) * step + 1;
    box->start[axis] = start, box->stop[axis] = stop, box->step[axis] = step, box->extent[axis] = n;
    box->is_whole &= n == size && step == 1;
    if (box->out_rank == JT_MAX_RANK) return 1;
    box->out[box->out_rank++] = n;
    return 0;
  } else {
    int64_t at = PyNumber_AsSsize_t(item, PyExc_IndexError);
    if (at == -1 && PyErr_Occurred()) return -1;
    if (at < -size || at >= size) {
      PyErr_Format(PyExc_IndexError, "index %lld is outside axis %d of extent %lld", (long long)at, axis,
                   (long long)size);
      return -1;
    }
    if (at < 0) at += size;
    box->start[axis] = at, box->stop[axis] = at + 1, box->step[axis] = 1, box->extent[axis] = 1;
    box->is_whole &= size == 1;
    return 0;
  }
}

static int jp_is_plain_index(PyObject* item) {
  return item == Py_None || item == Py_Ellipsis || PySlice_Check(item) ||
         (PyIndex_Check(item) && !PyBool_Check(item) && !jp_is_tensor(item) && !PyObject_CheckBuffer(item));
}
/* 1: a box; 0: a key for the hooks; -1: an exception. */
static int jp_box_of(jt_tensor* x, PyObject* key, jp_box* box) {
  PyObject* one[1];
  PyObject** items = one;
  Py_ssize_t n = 1, i, used = 0, ellipses = 0;
  int axis = 0, too_many = 0, step;
  memset(box, 0, sizeof *box);
  box->rank = jt_tensor_ndim(x), box->is_whole = 1;
  one[0] = key;
  if (PyTuple_Check(key)) items = ((PyTupleObject*)key)->ob_item, n = PyTuple_GET_SIZE(key);
  for (i = 0; i < n; i++) {
    if (!jp_is_plain_index(items[i])) return 0;
    used += items[i] != Py_None && items[i] != Py_Ellipsis, ellipses += items[i] == Py_Ellipsis;
  }
  if (used > box->rank || ellipses > 1) {
    if (ellipses > 1) PyErr_SetString(PyExc_IndexError, "an index has at most one ellipsis");
    else PyErr_Format(PyExc_IndexError, "%zd indices for a tensor of %d axes", used, box->rank);
    return -1;
  }
  PyObject* all = PySlice_New(NULL, NULL, NULL);
  if (!all) return -1;
  for (i = 0, step = 0; i <= n && step >= 0 && !too_many; i++) {
    int fill = i == n ? box->rank - axis : items[i] == Py_Ellipsis ? (int)(box->rank - used) : 0;
    while (fill-- > 0 && step >= 0 && !too_many) {
      step = jp_box_axis(box, axis, jt_tensor_dim(x, axis), all), axis++;
      too_many |= step == 1;
    }
    if (i == n || items[i] == Py_Ellipsis || step < 0) continue;
    if (items[i] == Py_None) {
      too_many |= box->out_rank == JT_MAX_RANK;
      if (!too_many) box->out[box->out_rank++] = 1;
    } else {
      step = jp_box_axis(box, axis, jt_tensor_dim(x, axis), items[i]), axis++;
      too_many |= step == 1;
    }
  }
  Py_DECREF(all);
  if (too_many) PyErr_Format(PyExc_IndexError, "the result would have more than %d axes", JT_MAX_RANK);
  return step < 0 || too_many ? -1 : 1;
}

/* Replaces *x by the result of a call on it. */
#define JT_STEP(x, call)                       \
  do {                                         \
    jt_tensor* before = x;                     \
    x = NULL;                                  \
    jt_status jp_step = call;                  \
    jt_tensor_release(before);                 \
    if (jp_step != JT_OK) {                    \
      jp_raise(jp_step);                       \
      return NULL;                             \
    }                                          \
  } while (0)

static int jp_has_shape(jt_tensor* x, const int64_t* dims, int rank) {
  int i;
  if (jt_tensor_ndim(x) != rank) return 0;
  for (i = 0; i < rank; i++)
    if (jt_tensor_dim(x, i) != dims[i]) return 0;
  return 1;
}
/* The elements in the box; takes over one count of x. */
static jt_tensor* jp_read_box(jt_tensor* x, const jp_box* box) {
  size_t rank = (size_t)box->rank;
  if (!box->is_whole) JT_STEP(x, jt_slice(jp_ctx, before, box->start, rank, box->stop, rank, box->step, rank, &x));
  if (box->n_flips) JT_STEP(x, jt_flip(jp_ctx, before, box->flip, (size_t)box->n_flips, &x));
  JT_STEP(x,
          jt_reshape(jp_ctx, before, box->out, (size_t)box->out_rank, &x)); /* a value of its own, whatever the shape */
  return x;
}
/* A value as the box's elements: broadcast to the result's shape, then reshaped and flipped back. Takes over v. */
static jt_tensor* jp_as_box(jt_tensor* v, const jp_box* box) {
  int extra = jt_tensor_ndim(v) - box->out_rank, i;
  for (i = 0; i < extra; i++)
    if (jt_tensor_dim(v, i) != 1) extra = 0;
  if (extra > 0) { /* NumPy lets leading ones go */
    int64_t dims[JT_MAX_RANK];
    for (i = 0; i < box->out_rank; i++) dims[i] = jt_tensor_dim(v, i + extra);
    JT_STEP(v, jt_reshape(jp_ctx, before, dims, (size_t)box->out_rank, &v));
  }
  if (!jp_has_shape(v, box->out, box->out_rank))
    JT_STEP(v, jt_expand(jp_ctx, before, box->out, (size_t)box->out_rank, &v));
  if (!jp_has_shape(v, box->extent, box->rank))
    JT_STEP(v, jt_reshape(jp_ctx, before, box->extent, (size_t)box->rank, &v));
  if (box->n_flips) JT_STEP(v, jt_flip(jp_ctx, before, box->flip, (size_t)box->n_flips, &v));
  return v;
}
/* x with the box replaced by v; takes over v. */
static jt_tensor* jp_write_box(jt_tensor* x, const jp_box* box, jt_tensor* v) {
  size_t rank = (size_t)box->rank;
  if (jt_tensor_dtype(v) != jt_tensor_dtype(x)) JT_STEP(v, jt_cast(jp_ctx, before, jt_tensor_dtype(x), &v));
  v = jp_as_box(v, box);
  if (v && !box->is_whole) JT_STEP(v, jt_update(jp_ctx, x, before, box->start, rank, box->step, rank, &v));
  return v;
}

/* ---- slices that nobody else sees -------------------------------------------------------------------------------- */

static Py_ssize_t jp_origin_offset; /* of the slot `_origin` in a jt.Tensor: (weak reference to G, key, key, ...) */

static PyObject** jp_origin(PyObject* tensor) {
  return Py_TYPE(tensor) == jp_tensor_class && jp_origin_offset ? (PyObject**)((char*)tensor + jp_origin_offset) : NULL;
}
static int jp_is_temporary(PyObject* o) {
#if PY_VERSION_HEX >= 0x030E0000
  return PyUnstable_Object_IsUniqueReferencedTemporary(o);
#else
  return Py_REFCNT(o) == 1;
#endif
}
static int jp_note_origin(PyObject* self, PyObject* key, PyObject* result) {
  PyObject **mine = jp_origin(self), **to = jp_origin(result), *chain;
  Py_ssize_t i, n = 1;
  if (!mine || !to) return 0;
  if (*mine && jp_is_temporary(self)) n = PyTuple_GET_SIZE(*mine);
  else mine = NULL;
  if (!(chain = PyTuple_New(n + 1))) return -1;
  if (mine) {
    for (i = 0; i < n; i++) {
      PyObject* item = PyTuple_GET_ITEM(*mine, i);
      Py_INCREF(item);
      PyTuple_SET_ITEM(chain, i, item);
    }
  } else {
    PyObject* weak = PyWeakref_NewRef(self, NULL);
    if (!weak) return Py_DECREF(chain), -1;
    PyTuple_SET_ITEM(chain, 0, weak);
  }
  Py_INCREF(key);
  PyTuple_SET_ITEM(chain, n, key);
  *to = chain;
  return 0;
}
/* ---- the slots --------------------------------------------------------------------------------------------------- */

static PyObject* jp_subscript(PyObject* self, PyObject* key) {
  jp_box box;
  jt_tensor *x = jp_get(self), *out;
  PyObject *hook, *result;
  int found;
  if (!x || jp_enter() || (found = jp_box_of(x, key, &box)) < 0) return NULL;
  if (!found) return (hook = jp_hook("index_get")) ? PyObject_CallFunctionObjArgs(hook, self, key, NULL) : NULL;
  jt_tensor_retain(x);
  if (!(out = jp_read_box(x, &box)) || !(result = jp_wrap(out))) return NULL;
  if (jp_note_origin(self, key, result) < 0) Py_CLEAR(result);
  return result;
}
static int jp_set_item(PyObject* self, PyObject* key, PyObject* value) {
  jp_box box;
  jt_tensor *x = jp_get(self), *v;
  int found, owned;
  if (!value) return PyErr_SetString(PyExc_TypeError, "elements of a tensor cannot be deleted"), -1;
  if (!x || jp_enter() || (found = jp_box_of(x, key, &box)) < 0) return -1;
  if (!found) {
    PyObject *hook = jp_hook("index_set"),
             *done = hook ? PyObject_CallFunctionObjArgs(hook, self, key, value, NULL) : NULL;
    if (!done) return -1;
    Py_DECREF(done);
    return 0;
  }
  if (jp_kind_of_number(value)) {
    if (!(v = jp_number(value, jp_kind_of_number(value), jt_tensor_dtype(x)))) return -1;
    found = owned = 1;
  } else found = jp_as_operand(value, jt_tensor_dtype(x), &v, &owned);
  if (found == 0) { /* a list */
    PyObject *hook = jp_hook("as_array"), *dtype = hook ? jp_dtype_object(jt_tensor_dtype(x)) : NULL;
    PyObject* made = dtype ? PyObject_CallFunctionObjArgs(hook, value, dtype, NULL) : NULL;
    Py_XDECREF(dtype);
    if (made && (v = jp_get(made))) jt_tensor_retain(v), found = 1;
    Py_XDECREF(made);
    if (found != 1) return -1;
  } else if (found < 0) return -1;
  else if (!owned) jt_tensor_retain(v);
  if (!(v = jp_write_box(x, &box, v)) || jp_set_value(x, v)) return -1;
  return 0;
}
/* self[key] = v is done; where self is a slice that nobody else sees, so are its owners, up to G. */
static int jp_write_through(PyObject* self) {
  PyObject **origin = jp_origin(self), *root, *owners[16];
  Py_ssize_t n, i, made = 0;
  int failed = 0;
  if (!origin || !*origin || !jp_is_temporary(self)) return 0;
  n = PyTuple_GET_SIZE(*origin) - 1;
  root = PyWeakref_GetObject(PyTuple_GET_ITEM(*origin, 0));
  if (!root || root == Py_None || n > 16) return 0;
  Py_INCREF(root);
  owners[made++] = root;
  for (i = 1; i < n && !failed; i++) {
    owners[made] = PyObject_GetItem(owners[made - 1], PyTuple_GET_ITEM(*origin, i));
    failed = !owners[made];
    made += !failed;
  }
  for (i = n; i >= 1 && !failed; i--)
    failed = jp_set_item(owners[i - 1], PyTuple_GET_ITEM(*origin, i), i == n ? self : owners[i]) < 0;
  while (made > 0) Py_DECREF(owners[--made]);
  return failed ? -1 : 0;
}
static int jp_ass_subscript(PyObject* self, PyObject* key, PyObject* value) {
  return jp_set_item(self, key, value) < 0 ? -1 : jp_write_through(self);
}
static Py_ssize_t jp_length(PyObject* self) {
  jt_tensor* x = jp_get(self);
  if (!x) return -1;
  if (jt_tensor_ndim(x) == 0) return PyErr_SetString(PyExc_TypeError, "a tensor of rank 0 has no length"), -1;
  return (Py_ssize_t)jt_tensor_dim(x, 0);
}
#endif
