#include "core/base/utf8.h"

namespace jt {

size_t utf8_length(std::string_view s) {
  auto byte = [&](size_t i) { return i < s.size() ? (unsigned char)s[i] : 0u; };
  auto is_tail = [&](size_t i) { return (byte(i) & 0xc0) == 0x80; };
  if (s.empty()) return 0;
  unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return is_tail(1) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    bool is_overlong = lead == 0xe0 && byte(1) < 0xa0, is_surrogate = lead == 0xed && byte(1) > 0x9f;
    return is_tail(1) && is_tail(2) && !is_overlong && !is_surrogate ? 3 : 0;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    bool is_overlong = lead == 0xf0 && byte(1) < 0x90, is_too_large = lead == 0xf4 && byte(1) > 0x8f;
    return is_tail(1) && is_tail(2) && is_tail(3) && !is_overlong && !is_too_large ? 4 : 0;
  }
  return 0;
}

bool is_utf8(std::string_view s) {
  while (!s.empty()) {
    size_t length = utf8_length(s);
    if (length == 0) return false;
    s.remove_prefix(length);
  }
  return true;
}

void append_utf8(std::string& out, uint32_t code) {
  if (code < 0x80) {
    out += char(code);
  } else if (code < 0x800) {
    out += {char(0xc0 | code >> 6), char(0x80 | (code & 63))};
  } else if (code < 0x10000) {
    out += {char(0xe0 | code >> 12), char(0x80 | (code >> 6 & 63)), char(0x80 | (code & 63))};
  } else {
    out += {char(0xf0 | code >> 18), char(0x80 | (code >> 12 & 63)), char(0x80 | (code >> 6 & 63)),
            char(0x80 | (code & 63))};
  }
}

std::string shown(std::string_view name) {
  constexpr size_t kShown = 60;
  std::string out;
  while (!name.empty() && out.size() < kShown) {
    size_t length = utf8_length(name);
    bool is_printable = length > 1 || (length == 1 && (unsigned char)name[0] >= 0x20 && name[0] != 0x7f);
    if (is_printable)
      out += name.substr(0, length);
    else
      out += '?';
    name.remove_prefix(length ? length : 1);
  }
  return name.empty() ? out : out + "...";
}

}  // namespace jt
