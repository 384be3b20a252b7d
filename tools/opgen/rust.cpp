#include "tools/opgen/rust.h"

namespace opgen {

static constexpr std::string_view kWords[] = {
    "as",     "async", "await", "break",    "const", "continue", "crate",  "dyn",      "else",    "enum",
    "extern", "false", "fn",    "for",      "if",    "impl",     "in",     "let",      "loop",    "match",
    "mod",    "move",  "mut",   "pub",      "ref",   "return",   "self",   "static",   "struct",  "super",
    "trait",  "true",  "type",  "unsafe",   "use",   "where",    "while",  "abstract", "become",  "box",
    "do",     "final", "macro", "override", "priv",  "try",      "typeof", "unsized",  "virtual", "yield"};

std::string rust_name(std::string_view name) {
  for (std::string_view word : kWords)
    if (word == name) return std::string(name) + "_";
  return std::string(name);
}

std::string rust_title(std::string_view name) {
  std::string out;
  bool is_first = true;
  for (char c : name) {
    bool is_upper = c >= 'A' && c <= 'Z', is_lower = c >= 'a' && c <= 'z';
    if (c == '_') {
      is_first = true;
      continue;
    }
    out += is_lower && is_first ? char(c - 32) : is_upper && !is_first ? char(c + 32) : c;
    is_first = false;
  }
  return out;
}

std::string rust_doc(std::string_view text, std::string_view prefix) {
  std::string out;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    out += prefix;
    if (!line.empty()) out += ' ';
    bool is_code = false;
    for (char c : line) {
      if (c == '`') is_code = !is_code;
      bool is_mark = !is_code && (c == '[' || c == ']' || c == '<' || c == '>' || c == '*' || c == '|' || c == '#');
      if (is_mark) out += '\\';
      out += c;
    }
    out += '\n';
  }
  return out;
}

std::string rust_real(std::string_view text) {
  if (text.ends_with("inf")) return text[0] == '-' ? "f64::NEG_INFINITY" : "f64::INFINITY";
  std::string out(text);
  if (out.find_first_of(".e") == out.npos) out += ".0";
  return out;
}

}  // namespace opgen
