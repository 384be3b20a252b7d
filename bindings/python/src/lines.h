/* lines: where in the user's program an op is recorded: a number per place, cheap enough to be kept for every op.
 *
 * A place is a code object and an offset in its byte code; file and line follow from them only when an error asks.
 * Frames of
 * the package itself are passed over, so that the place is the user's own. */
#ifndef JT_PYTHON_LINES_H
#define JT_PYTHON_LINES_H
#include <frameobject.h>

#define JP_MAX_PLACES (1 << 20)

typedef struct {
  PyCodeObject* code; /* one count */
  int offset;
} jp_place;

static struct {
  jp_place* places; /* place i has number i + 1 */
  uint32_t count, room;
  uint32_t* slots; /* a hash table of numbers; 0: free */
  uint32_t mask;
  jp_place latest;
  uint32_t latest_number;
  PyObject* package; /* folder of the package, with a slash */
  struct { PyCodeObject* code; int is_ours; } known[256];
} jp_lines;

static uint32_t jp_place_hash(PyCodeObject* code, int offset) {
  return (uint32_t)(((uintptr_t)code >> 4) * 2654435761u) ^ (uint32_t)offset * 40503u;
}
static int jp_grow_places(void) {
  uint32_t room = jp_lines.room ? jp_lines.room * 2 : 256, i;
  jp_place* places = PyMem_Realloc(jp_lines.places, room * sizeof *places);
  uint32_t* slots;
  if (!places) return 0;
  jp_lines.places = places;
  if (!(slots = PyMem_Calloc(room * 2, sizeof *slots))) return 0;
  PyMem_Free(jp_lines.slots);
  jp_lines.slots = slots, jp_lines.room = room, jp_lines.mask = room * 2 - 1;
  for (i = 0; i < jp_lines.count; i++) {
    uint32_t at = jp_place_hash(places[i].code, places[i].offset) & jp_lines.mask;
    while (slots[at]) at = (at + 1) & jp_lines.mask;
    slots[at] = i + 1;
  }
  return 1;
}
/* The number of a place; 0 when there is no room for more. */
static uint32_t jp_place_number(PyCodeObject* code, int offset) {
  uint32_t at;
  if (jp_lines.count == jp_lines.room && (jp_lines.count >= JP_MAX_PLACES || !jp_grow_places())) return 0;
  for (at = jp_place_hash(code, offset) & jp_lines.mask; jp_lines.slots[at]; at = (at + 1) & jp_lines.mask) {
    jp_place* place = &jp_lines.places[jp_lines.slots[at] - 1];
    if (place->code == code && place->offset == offset) return jp_lines.slots[at];
  }
  Py_INCREF(code);
  jp_lines.places[jp_lines.count].code = code, jp_lines.places[jp_lines.count].offset = offset;
  return jp_lines.slots[at] = ++jp_lines.count;
}
static int jp_is_ours(PyCodeObject* code) {
  size_t at = ((uintptr_t)code >> 5) & 255;
  if (jp_lines.known[at].code != code) {
    int is_ours =
        jp_lines.package && PyUnicode_Tailmatch(code->co_filename, jp_lines.package, 0, PY_SSIZE_T_MAX, -1) == 1;
    if (PyErr_Occurred()) PyErr_Clear();
    jp_lines.known[at].code = code, jp_lines.known[at].is_ours = is_ours;
  }
  return jp_lines.known[at].is_ours;
}
static int jp_offset(PyFrameObject* frame) {
#if PY_VERSION_HEX >= 0x030B0000
  return PyFrame_GetLasti(frame);
#else
  return frame->f_lasti;
#endif
}
/* The innermost place outside the package; the code stays owned by its frame. 0: none. */
static int jp_current_place(jp_place* out) {
  PyFrameObject *frame = PyEval_GetFrame(), *back;
  Py_XINCREF(frame);
  while (frame) {
    PyCodeObject* code = PyFrame_GetCode(frame);
    Py_DECREF(code); /* the frame keeps it */
    if (!jp_is_ours(code)) {
      out->code = code, out->offset = jp_offset(frame);
      Py_DECREF(frame);
      return 1;
    }
    back = PyFrame_GetBack(frame);
    Py_DECREF(frame);
    frame = back;
  }
  return 0;
}
/* The number of the current place. */
static inline uint32_t jp_current_line(void) {
  jp_place here;
  if (!jp_current_place(&here)) return 0;
  if (here.code != jp_lines.latest.code || here.offset != jp_lines.latest.offset) {
    jp_lines.latest_number = jp_place_number(here.code, here.offset);
    jp_lines.latest = here;
  }
  return jp_lines.latest_number;
}
static PyObject* jp_place_text(jp_place place) {
  return Py_BuildValue("(Oi)", place.code->co_filename, PyCode_Addr2Line(place.code, place.offset));
}
#endif
