/* state: one runtime and one context per process, who may enter the context, statuses as exceptions, handles as
 * objects.
 *
 * Whoever records holds the interpreter lock, so the context needs a lock of its own only while an evaluation runs
 * without
 * it: `busy`. It is waited for only with the interpreter lock released. */
#ifndef JT_PYTHON_STATE_H
#define JT_PYTHON_STATE_H
#include <jt/jt.h>
#include <errno.h>
#include <structmember.h>
#include <pthread.h>
#include <time.h>

#include "lines.h"

static jt_runtime* jp_rt;
static jt_context* jp_ctx;
static PyTypeObject* jp_tensor_class;  /* jt.Tensor, once the package has made it */
static PyObject* jp_hooks; /* what the package offers to C: errors, dtypes, index_get, index_set, as_array */

static PyObject* jp_hook(const char* name) { /* borrowed */
  PyObject* hook = jp_hooks ? PyDict_GetItemString(jp_hooks, name) : NULL;
  if (!hook) PyErr_Format(PyExc_SystemError, "jt: the package has not set the hook '%s'", name);
  return hook;
}

/* ---- exceptions that a caller drops ------------------------------------------------------------------------------ */

/* NumPy drops whatever asking for a buffer raised and goes on to __array__. That raises it again: an interrupt is
 * not lost, and nothing is computed a second time. Kept per thread, until the thread's next call. */
static __thread PyObject* jp_dropped;
static volatile int jp_dropped_count; /* of all threads */

static void jp_forget_dropped(void) {
  if (!jp_dropped) return;
  jp_dropped_count--;
  Py_CLEAR(jp_dropped);
}
/* Keeps the exception that is set, and leaves it set. */
static void jp_keep_dropped(void) {
  PyObject *type, *value, *traceback;
  jp_forget_dropped();
  PyErr_Fetch(&type, &value, &traceback);
  PyErr_NormalizeException(&type, &value, &traceback);
  if (value && traceback) PyException_SetTraceback(value, traceback);
  if (value) Py_INCREF(jp_dropped = value), jp_dropped_count++;
  PyErr_Restore(type, value, traceback);
}
/* -1 with the exception that was kept; 0 without one. */
static int jp_raise_dropped(void) {
  PyObject* error = jp_dropped;
  if (!error) return 0;
  jp_dropped = NULL, jp_dropped_count--;
  PyErr_SetObject((PyObject*)Py_TYPE(error), error);
  Py_DECREF(error);
  return -1;
}

/* ---- who is inside ----------------------------------------------------------------------------------------------- */

static struct {
  pthread_mutex_t mutex;
  pthread_cond_t left;
  volatile int busy;    /* changed under the mutex and the interpreter lock */
  volatile int depth;   /* an evaluation may call Python, which may evaluate */
  pthread_t owner;
  int is_broken;        /* forked while another thread was evaluating */
} jp_gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, 0, 0};

static PyObject* jp_raise(jt_status status);
/* A moment at the gate, without the interpreter lock. */
static void jp_rest_at_gate(void) {
  Py_BEGIN_ALLOW_THREADS
  pthread_mutex_lock(&jp_gate.mutex);
  if (jp_gate.busy) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 50000000;
    if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
    pthread_cond_timedwait(&jp_gate.left, &jp_gate.mutex, &until);
  }
  pthread_mutex_unlock(&jp_gate.mutex);
  Py_END_ALLOW_THREADS
}
static int jp_is_another_inside(void) { return jp_gate.busy && !pthread_equal(jp_gate.owner, pthread_self()); }
static int jp_wait_at_gate(void) {
  jp_forget_dropped();
  if (jp_gate.is_broken) {
    PyErr_SetString(PyExc_RuntimeError,
                    "jt: this process was forked while another thread was evaluating; start it anew");
    return -1;
  }
  while (jp_is_another_inside()) {
    jp_rest_at_gate();
    if (PyErr_CheckSignals()) return -1;
  }
  return 0;
}
/* Gradients are on or off for a thread, the context has one switch: who enters sets it. Both: 1 for off. */
static __thread signed char jp_thread_no_grad;
static signed char jp_context_no_grad;

/* So does the device on which it is to run. */
static __thread int32_t jp_thread_device;
static int32_t jp_context_device;

/* And what autocast casts to. */
static __thread jt_dtype jp_thread_autocast = JT_F32;
static jt_dtype jp_context_autocast = JT_F32;

static int jp_set_context_autocast(void) {
  if (jt_context_set_autocast(jp_ctx, jp_thread_autocast, NULL) != JT_OK) return jp_raise(JT_E_BUSY), -1;
  jp_context_autocast = jp_thread_autocast;
  return 0;
}
static int jp_set_context_device(void) {
  if (jt_context_set_device(jp_ctx, jp_thread_device, NULL) != JT_OK) return jp_raise(JT_E_BUSY), -1;
  jp_context_device = jp_thread_device;
  return 0;
}
static int jp_set_context_mode(void) {
  if (jt_context_set_grad_mode(jp_ctx, !jp_thread_no_grad, NULL) != JT_OK) return jp_raise(JT_E_BUSY), -1;
  jp_context_no_grad = jp_thread_no_grad;
  return 0;
}
/* Before a call that takes the context: waits for who is inside, and says where the program is. -1 with an
 * exception: do not call. */
static inline int jp_enter(void) {
  static uint32_t told;
  uint32_t line;
  if (__builtin_expect(jp_gate.busy || jp_gate.is_broken || jp_dropped_count, 0) && jp_wait_at_gate()) return -1;
  if (__builtin_expect(jp_thread_no_grad != jp_context_no_grad, 0) && jp_set_context_mode()) return -1;
  if (__builtin_expect(jp_thread_device != jp_context_device, 0) && jp_set_context_device()) return -1;
  if (__builtin_expect(jp_thread_autocast != jp_context_autocast, 0) && jp_set_context_autocast()) return -1;
  if ((line = jp_current_line()) != told) jt_context_set_line(jp_ctx, told = line);
  return 0;
}
static void jp_take_gate(void) {
  pthread_mutex_lock(&jp_gate.mutex);
  jp_gate.busy = 1, jp_gate.depth++, jp_gate.owner = pthread_self();
  pthread_mutex_unlock(&jp_gate.mutex);
}
static void jp_leave_gate(void) {
  pthread_mutex_lock(&jp_gate.mutex);
  if (--jp_gate.depth == 0) jp_gate.busy = 0, pthread_cond_broadcast(&jp_gate.left);
  pthread_mutex_unlock(&jp_gate.mutex);
}
/* Around a call that may take long: others may run Python, and wait at the gate. The interpreter lock is held. */
static PyThreadState* jp_begin_long(void) {
  jp_take_gate();
  return PyEval_SaveThread();
}
static void jp_end_long(PyThreadState* thread) {
  jp_leave_gate();
  PyEval_RestoreThread(thread);
}
#define JT_LONG(call)                         \
  do {                                        \
    PyThreadState* jp_thread = jp_begin_long(); \
    call;                                     \
    jp_end_long(jp_thread);                   \
  } while (0)

/* Whoever forks from Python waits for an evaluation of another thread's, and holds the gate until the child is
 * there: it goes on with everything that its parent had. Signals wait too: an exception would be lost here. */
static PyObject* jp_before_fork(PyObject* self, PyObject* none) {
  (void)self, (void)none;
  while (jp_is_another_inside() && !jp_gate.is_broken) jp_rest_at_gate();
  jp_take_gate();
  Py_RETURN_NONE;
}
static PyObject* jp_after_python_fork(PyObject* self, PyObject* none) {
  (void)self, (void)none;
  jp_leave_gate();
  Py_RETURN_NONE;
}
static int jp_watch_forks(void) {
  static PyMethodDef before = {"before_fork", jp_before_fork, METH_NOARGS, NULL},
                     after = {"after_fork", jp_after_python_fork, METH_NOARGS, NULL};
  PyObject *os = PyImport_ImportModule("os"), *hook = os ? PyObject_GetAttrString(os, "register_at_fork") : NULL;
  PyObject *hold = PyCFunction_New(&before, NULL), *leave = PyCFunction_New(&after, NULL), *none = PyTuple_New(0),
           *done = NULL;
  PyObject* hooks = hold && leave
                        ? Py_BuildValue("{sOsOsO}", "before", hold, "after_in_parent", leave, "after_in_child", leave)
                        : NULL;
  if (hook && hooks && none) done = PyObject_Call(hook, none, hooks);
  Py_XDECREF(os), Py_XDECREF(hook), Py_XDECREF(hold), Py_XDECREF(leave), Py_XDECREF(none), Py_XDECREF(hooks);
  Py_XDECREF(done);
  return done ? 0 : -1;
}
/* A fork by others' C code, which no Python waits for. */
static void jp_after_fork(void) {
  pthread_mutex_init(&jp_gate.mutex, NULL);
  pthread_cond_init(&jp_gate.left, NULL);
  if (jp_gate.busy && !pthread_equal(jp_gate.owner, pthread_self())) jp_gate.is_broken = 1;
}

/* ---- errors ------------------------------------------------------------------------------------------------------ */

/* Sets the exception for a failed call; one that a callback has raised already stays. Returns NULL. */
static PyObject* jp_raise(jt_status status) {
  jt_error_info info;
  PyObject *hook, *raised;
  if (PyErr_Occurred()) return NULL;
  memset(&info, 0, sizeof info);
  info.struct_size = sizeof info;
  jt_last_error(&info);
  if (!(hook = jp_hook("error"))) return NULL;
  raised = PyObject_CallFunction(hook, "iLs#", (int)status, (long long)info.native_code, info.message,
                                 (Py_ssize_t)info.message_len);
  if (raised) PyErr_SetObject((PyObject*)Py_TYPE(raised), raised), Py_DECREF(raised);
  return NULL;
}

/* ---- while an evaluation runs ------------------------------------------------------------------------------------ */

static int64_t jp_milliseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Runs handlers of signals that came, and tells how compiling gets on once it takes long. An exception that either
 * raises, like Ctrl-C's, ends the evaluation and stays set. Only one evaluation runs at a time. */
static jt_status jp_watch(void* user, int64_t compiled, int64_t to_compile) {
  enum { BETWEEN_SIGNALS = 10, BETWEEN_LINES = 100, LONG = 2000 }; /* milliseconds */
  static int64_t looked, began, told;
  int64_t now = jp_milliseconds();
  PyGILState_STATE gil;
  int tells, raised;
  (void)user;
  if (to_compile && !compiled) began = now, told = 0;
  tells = to_compile && (now - began >= LONG || told) && (now - told >= BETWEEN_LINES || compiled == to_compile);
  if (!tells && now - looked < BETWEEN_SIGNALS) return JT_OK;
  looked = now;
  gil = PyGILState_Ensure();
  raised = PyErr_CheckSignals();
  if (tells && !raised) {
    PyObject* hook = jp_hook("compiling");
    PyObject* out = hook ? PyObject_CallFunction(hook, "LLd", (long long)compiled, (long long)to_compile,
                                                 (double)(now - began) / 1e3)
                         : NULL;
    raised = !out;
    told = now;
    Py_XDECREF(out);
  }
  PyGILState_Release(gil);
  return raised ? JT_E_CANCELLED : JT_OK;
}

/* ---- handles as objects ------------------------------------------------------------------------------------------ */

static PyTypeObject* jp_base_class; /* what SWIG made of jt_tensor; jp_tensor_class derives from it */

static inline int jp_is_tensor(PyObject* o) {
  return Py_TYPE(o) == jp_tensor_class || PyType_IsSubtype(Py_TYPE(o), jp_base_class);
}
static inline jt_tensor* jp_handle(PyObject* tensor) { return (jt_tensor*)((SwigPyObject*)tensor)->ptr; }
/* The handle behind an object; NULL with an exception for None, other types, and objects that were never filled. */
static jt_tensor* jp_get(PyObject* o) {
  if (!jp_is_tensor(o)) {
    PyErr_Format(PyExc_TypeError, "expected a jt.Tensor, not %.200s", Py_TYPE(o)->tp_name);
    return NULL;
  }
  if (!jp_handle(o)) PyErr_SetString(PyExc_ValueError, "this jt.Tensor was never given a value");
  return jp_handle(o);
}
/* A new jt.Tensor (or `type`, a class derived from it) that takes over one count of the handle. */
static PyObject* jp_wrap_as(PyTypeObject* type, jt_tensor* handle) {
  SwigPyObject* self = (SwigPyObject*)type->tp_alloc(type, 0);
  if (!self) {
    jt_tensor_release(handle);
    return NULL;
  }
  self->ptr = handle, self->ty = SWIGTYPE_p_jt_tensor, self->own = SWIG_POINTER_OWN, self->next = NULL;
  return (PyObject*)self;
}
static inline PyObject* jp_wrap(jt_tensor* handle) { return jp_wrap_as(jp_tensor_class, handle); }
static inline PyObject* jp_result(jt_status status, jt_tensor* handle) {
  return status == JT_OK ? jp_wrap(handle) : jp_raise(status);
}
static void jp_dealloc(PyObject* o) {
  SwigPyObject* self = (SwigPyObject*)o;
  Py_XDECREF(self->dict);
  if (self->own && self->ptr) jt_tensor_release((jt_tensor*)self->ptr);
  if (PyType_IS_GC(Py_TYPE(o))) PyObject_GC_Del(o);
  else PyObject_Free(o);
}
#endif
