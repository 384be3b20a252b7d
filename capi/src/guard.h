// guard: every exported function is one call of guarded(): it checks the handles, runs the body, and turns whatever is
// thrown into a status and the calling thread's error slot. Nothing is thrown past it.
#pragma once
#include <jt/jt.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "core/base/fpu.h"
#include "core/context.h"

namespace jt::capi {

void set_error(const char* function, jt_status code, int64_t native, const char* message) noexcept;

inline Context* unwrap(jt_context* c) { return reinterpret_cast<Context*>(c); }
inline Cell* unwrap(jt_tensor* t) { return reinterpret_cast<Cell*>(t); }
inline const Cell* unwrap(const jt_tensor* t) { return reinterpret_cast<const Cell*>(t); }
inline jt_tensor* wrap(Cell* c) { return reinterpret_cast<jt_tensor*>(c); }

// Runs body and turns what it throws into a status and the calling thread's error slot.
template <class Body>
jt_status guarded(const char* function, Body&& body) noexcept {
  DefaultFpuMode mode;
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

// A sized struct as this library knows it: fields that the caller's header lacks are 0; those that only the caller's
// header knows must be 0. NULL gives all zeros.
template <class T>
T sized(const char* what, const T* given) {
  T known;
  std::memset(static_cast<void*>(&known), 0, sizeof known);
  if (!given) return known;
  if (given->struct_size < sizeof given->struct_size) fail(JT_E_ABI, what, "->struct_size is ", given->struct_size);
  const char* bytes = reinterpret_cast<const char*>(given);
  for (size_t i = sizeof(T); i < given->struct_size; i++)
    if (bytes[i]) fail(JT_E_ABI, what, " has fields that this library does not know; it is version ", jt_version());
  std::memcpy(static_cast<void*>(&known), given, std::min<size_t>(sizeof known, given->struct_size));
  return known;
}

// Fills a sized struct of the caller as far as its header knows it; struct_size stays.
template <class T>
void fill_sized(const char* what, T* inout, T value) {
  require(inout, what);
  if (inout->struct_size < sizeof inout->struct_size) fail(JT_E_ABI, what, "->struct_size is ", inout->struct_size);
  value.struct_size = inout->struct_size;
  std::memcpy(static_cast<void*>(inout), &value, std::min<size_t>(sizeof value, inout->struct_size));
}

// Text for a caller's buffer: cut to fit, NUL at its end, and the room it needs.
void give_text(std::string_view text, char* dst, size_t dst_len, size_t* out_len);

// A dtype and extents as the caller gave them, checked; the bytes they take fit an int64.
Type checked_type(jt_dtype dtype, const int64_t* dims, size_t dims_len);

// A handle's value as an operand of c.
inline Ref operand(Context& c, const char* what, const jt_tensor* tensor) {
  require(tensor, what);
  return c.operand(what, unwrap(tensor));
}

// New handles on the first outputs_len values; none after a failure.
void give_handles(Context& c, std::span<const Value> values, jt_tensor** outputs, size_t outputs_len);

// A handle of this very context, whose cell may be changed.
Cell& own_cell(Context& c, const char* what, jt_tensor* tensor);

}  // namespace jt::capi
