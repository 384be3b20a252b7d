#include "core/io/header_reader.h"

#include "core/base/utf8.h"

namespace jt {

int64_t HeaderReader::integer() {
  skip_space();
  size_t start = at_;
  int64_t value = 0;
  while (at_ < json_.size() && json_[at_] >= '0' && json_[at_] <= '9') {
    int digit = json_[at_] - '0';
    bool is_too_large = __builtin_mul_overflow(value, int64_t(10), &value) ||
                        __builtin_add_overflow(value, int64_t(digit), &value);
    if (is_too_large) fail_here("a number does not fit 63 bits");
    at_++;
  }
  if (at_ == start) fail_here("expected a non-negative integer, found ", found());
  if (json_[start] == '0' && at_ - start > 1) fail_here("a number begins with 0");
  return value;
}

std::string HeaderReader::string() {
  expect('"');
  std::string out;
  for (;;) {
    if (at_ == json_.size()) fail_here("a string does not end");
    char c = json_[at_];
    if (c == '"') break;
    if ((unsigned char)c < 0x20) fail_here("a control character in a string");
    if (c == '\\') {
      at_++;
      escape(out);
      continue;
    }
    size_t length = utf8_length(json_.substr(at_));
    if (length == 0) fail_here("a string is not UTF-8");
    out += json_.substr(at_, length);
    at_ += length;
  }
  at_++;
  return out;
}

void HeaderReader::end() {
  skip_space();
  if (at_ != json_.size()) fail_here("expected the end, found ", found());
}

void HeaderReader::skip_space() {
  while (at_ < json_.size() &&
         (json_[at_] == ' ' || json_[at_] == '\n' || json_[at_] == '\r' || json_[at_] == '\t'))
    at_++;
}

bool HeaderReader::accept(char c) {
  skip_space();
  if (at_ == json_.size() || json_[at_] != c) return false;
  at_++;
  return true;
}

void HeaderReader::expect(char c) {
  if (!accept(c)) fail_here("expected '", c, "', found ", found());
}

std::string HeaderReader::found() const {
  if (at_ == json_.size()) return "the end";
  unsigned char c = (unsigned char)json_[at_];
  return c >= 0x20 && c < 0x7f ? text("'", char(c), "'") : text("byte ", unsigned(c));
}

uint32_t HeaderReader::hex4() {
  uint32_t value = 0;
  for (int i = 0; i < 4; i++, at_++) {
    char c = at_ < json_.size() ? json_[at_] : '?';
    if (c >= '0' && c <= '9')
      value = value * 16 + uint32_t(c - '0');
    else if (c >= 'a' && c <= 'f')
      value = value * 16 + uint32_t(c - 'a' + 10);
    else if (c >= 'A' && c <= 'F')
      value = value * 16 + uint32_t(c - 'A' + 10);
    else
      fail_here("\\u wants four hex digits");
  }
  return value;
}

void HeaderReader::escape(std::string& out) {
  constexpr std::string_view kLetters = "\"\\/bfnrt", kMeaning = "\"\\/\b\f\n\r\t";
  char letter = at_ < json_.size() ? json_[at_] : '?';
  if (size_t i = kLetters.find(letter); i != kLetters.npos) {
    out += kMeaning[i];
    at_++;
    return;
  }
  if (letter != 'u') fail_here("unknown escape in a string");
  at_++;
  uint32_t code = hex4();
  if (code >= 0xd800 && code < 0xdc00) {
    bool has_low = json_.substr(at_, 2) == "\\u";
    if (has_low) at_ += 2;
    uint32_t low = has_low ? hex4() : 0;
    if (low < 0xdc00 || low > 0xdfff) fail_here("half of a surrogate pair in a string");
    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
  } else if (code >= 0xdc00 && code < 0xe000) {
    fail_here("half of a surrogate pair in a string");
  }
  append_utf8(out, code);
}

}  // namespace jt
