// utf8: what is text and what only claims to be.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace jt {

// Bytes of the character at the front; 0 if there is none (overlong, surrogate, beyond U+10FFFF, cut off,
// empty).
size_t utf8_length(std::string_view text);
bool is_utf8(std::string_view text);
void append_utf8(std::string& out, uint32_t code_point);
// A foreign name as it may appear in a message: short, valid, on one line.
std::string shown(std::string_view name);

}  // namespace jt
