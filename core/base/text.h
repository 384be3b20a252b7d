// text: joins values into one string: text("shape ", shape, " has ", n, " axes").
//
// A type joins in by an overload of append(std::string&, const T&). Numbers are written without the host's locale.
#pragma once
#include <jt/jt_base.h>

#include <charconv>
#include <concepts>
#include <span>
#include <string>
#include <string_view>

namespace jt {

inline void append(std::string& out, std::string_view part) { out += part; }
// Without this overload a literal would become a bool: a pointer converts to bool before it makes a string_view.
inline void append(std::string& out, const char* part) { out += part; }
inline void append(std::string& out, char c) { out += c; }
// In dtype.cpp. Named here because jt_dtype is outside of namespace jt, so that text() would find no later declaration.
void append(std::string& out, jt_dtype dtype);
inline void append(std::string& out, bool b) { out += b ? "true" : "false"; }

// Declared before text(), which cannot find it otherwise: a C enum belongs to no namespace. Defined in dtype.cpp.
void append(std::string& out, jt_dtype t);

template <std::integral I>
void append(std::string& out, I value) {
  char digits[24];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
}

// The shortest text that reads back as the same value; "nan", "inf", "-inf".
template <std::floating_point F>
void append(std::string& out, F value) {
  char digits[40];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
}

template <std::integral I>
void append(std::string& out, std::span<const I> values) {
  out += '[';
  for (size_t i = 0; i < values.size(); i++) {
    if (i) out += ',';
    append(out, values[i]);
  }
  out += ']';
}

template <class... Parts>
std::string text(const Parts&... parts) {
  std::string out;
  (append(out, parts), ...);
  return out;
}

}  // namespace jt
