// text: joins values into one string: text("shape ", shape, " has ", n, " axes").
//
// A type joins in by an overload of append(Out&, const T&), Out being a std::string or a ShortText, which takes nothing
// from the heap; one that only knows std::string may do so. Numbers are written without the host's locale.
#pragma once
#include <jt/jt_base.h>

#include <algorithm>
#include <charconv>
#include <concepts>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace jt {

// A text that fits in it; of a longer one the beginning.
class ShortText {
 public:
  static constexpr size_t kRoom = 511;
  void operator+=(std::string_view part) {
    size_t n = std::min(part.size(), kRoom - size_);
    is_cut_ |= n < part.size();
    if (n) std::memcpy(at_ + size_, part.data(), n);  // of no text there is no address either
    at_[size_ += n] = 0;
  }
  void operator+=(char c) { *this += std::string_view(&c, 1); }
  bool is_cut() const { return is_cut_; }
  const char* c_str() const { return at_; }
  std::string_view view() const { return {at_, size_}; }

 private:
  size_t size_ = 0;
  bool is_cut_ = false;
  char at_[kRoom + 1] = {};
};

template <class Out>
concept TextOut = std::same_as<Out, std::string> || std::same_as<Out, ShortText>;

template <TextOut Out>
void append(Out& out, std::string_view part) { out += part; }
// Without this overload a literal would become a bool: a pointer converts to bool before it makes a string_view.
template <TextOut Out>
void append(Out& out, const char* part) { out += std::string_view(part); }
template <TextOut Out>
void append(Out& out, char c) { out += c; }
template <TextOut Out>
void append(Out& out, bool b) { out += std::string_view(b ? "true" : "false"); }

// A C enum belongs to no namespace: text() finds no later declaration. In dtype.cpp.
const char* name(jt_dtype t);
template <TextOut Out>
void append(Out& out, jt_dtype t) { out += std::string_view(name(t)); }

template <TextOut Out, std::integral I>
void append(Out& out, I value) {
  char digits[24];
  out += std::string_view(digits, size_t(std::to_chars(digits, digits + sizeof digits, value).ptr - digits));
}

// The shortest text that reads back as the same value; "nan", "inf", "-inf".
template <TextOut Out, std::floating_point F>
void append(Out& out, F value) {
  char digits[40];
  out += std::string_view(digits, size_t(std::to_chars(digits, digits + sizeof digits, value).ptr - digits));
}

template <TextOut Out, std::integral I>
void append(Out& out, std::span<const I> values) {
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

template <class Part>
void append_any(ShortText& out, const Part& part) {
  if constexpr (requires { append(out, part); }) append(out, part);
  else append(out, std::string_view(text(part)));
}

}  // namespace jt
