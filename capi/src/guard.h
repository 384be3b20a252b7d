// guard: every exported function is one call of guarded(): it checks the handles, runs the body, and turns whatever is
// thrown into a status and the calling thread's error slot. Nothing is thrown past it.
#pragma once
#include <jt/jt.h>

#include <new>

#include "core/context.h"

namespace jt::capi {

void set_error(const char* function, jt_status code, int64_t native, const char* message) noexcept;

inline Context* unwrap(jt_context* c) { return reinterpret_cast<Context*>(c); }
inline Cell* unwrap(jt_tensor* t) { return reinterpret_cast<Cell*>(t); }
inline const Cell* unwrap(const jt_tensor* t) { return reinterpret_cast<const Cell*>(t); }
inline jt_tensor* wrap(Cell* c) { return reinterpret_cast<jt_tensor*>(c); }

template <class Body>
jt_status guarded(const char* function, Body&& body) noexcept {
  try {
    body();
    return JT_OK;
  } catch (const Error& e) {
    set_error(function, e.code(), e.native(), e.what());
    return e.code();
  } catch (const std::bad_alloc&) {
    set_error(function, JT_E_NOMEM, 0, "out of memory");
    return JT_E_NOMEM;
  } catch (const std::exception& e) {
    set_error(function, JT_E_INTERNAL, 0, e.what());
    return JT_E_INTERNAL;
  } catch (...) {
    set_error(function, JT_E_UNKNOWN, 0, "an unknown exception");
    return JT_E_UNKNOWN;
  }
}

// The same, inside a context: NULL is an error, and so is a second thread.
template <class Body>
jt_status guarded(const char* function, jt_context* ctx, Body&& body) noexcept {
  return guarded(function, [&] {
    if (!ctx) fail(JT_E_INVALID, "the context is NULL");
    Context::Entry entry(*unwrap(ctx));
    body(*unwrap(ctx));
  });
}

template <class T>
void require(const T* pointer, const char* what) {
  if (!pointer) fail(JT_E_INVALID, what, " is NULL");
}
std::span<const int64_t> ints(const char* what, const int64_t* data, size_t len);  // NULL with a length is an error
std::string_view str(const char* what, const char* data, size_t len);              // JT_NUL: ends with a NUL

// One call of an op: checks handles, records, and hands out as many results as the caller asked for (NULL: not wanted).
// On failure every out is NULL.
void call_op(Context& c, Op op, std::span<jt_tensor* const> inputs, const Attrs& attrs, std::span<jt_tensor** const> outs);

}  // namespace jt::capi
