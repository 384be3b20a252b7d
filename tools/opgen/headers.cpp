// headers: reads declarations one by one: a comment, then what ends with a semicolon outside braces.
#include "tools/opgen/headers.h"

#include <stdexcept>

namespace opgen {

static bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t'; }
static bool is_word(char c) {
  return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

// One space between words.
static std::string squeezed(std::string_view text) {
  std::string out;
  for (char c : trimmed(text))
    if (!is_space(c)) out += c;
    else if (out.back() != ' ') out += ' ';
  return out;
}

// The words of a comment: its lines without the stars before them.
static std::string comment_text(std::string_view comment) {
  comment = comment.substr(2, comment.size() - 4);
  std::string out;
  while (!comment.empty()) {
    std::string_view line = comment.substr(0, comment.find('\n'));
    comment.remove_prefix(std::min(comment.size(), line.size() + 1));
    std::string_view bare = trimmed(line);
    if (!out.empty() && bare.starts_with("*")) {
      bare = line.substr(line.find('*') + 1);
      if (bare.starts_with(" ")) bare.remove_prefix(1);
    }
    while (!bare.empty() && is_space(bare.back())) bare.remove_suffix(1);
    out += (out.empty() ? "" : "\n") + std::string(bare);
  }
  while (!out.empty() && is_space(out.back())) out.pop_back();
  return out;
}

// The position behind what begins at `at` and ends with `end` outside parentheses, braces and comments.
static size_t end_of(std::string_view text, size_t at, char end) {
  for (int depth = 0; at < text.size(); at++) {
    if (text.substr(at).starts_with("/*")) at = text.find("*/", at) + 1;
    else if (text[at] == '(' || text[at] == '{') depth++;
    else if (text[at] == ')' || text[at] == '}') depth--;
    else if (text[at] == end && depth == 0) return at;
  }
  return text.size();
}

static std::string without_comments(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size(); at++)
    if (text.substr(at).starts_with("/*")) at = text.find("*/", at) + 1, out += ' ';
    else out += text[at];
  return out;
}

static Declaration parse(std::string_view text);

static std::vector<Declaration> parse_params(std::string_view list) {
  std::vector<Declaration> out;
  if (trimmed(list) == "void") return out;
  for (size_t at = 0; at < list.size();) {
    size_t end = end_of(list, at, ',');
    out.push_back(parse(list.substr(at, end - at)));
    at = end + 1;
  }
  return out;
}

// "int64_t x", "void f(int x)", "void (*f)(int x)".
static Declaration parse(std::string_view text) {
  Declaration out;
  std::string words = squeezed(text);
  size_t open = words.find('(');
  if (open == words.npos) {
    size_t from = words.size();
    while (from > 0 && is_word(words[from - 1])) from--;
    out.name = words.substr(from), out.type = trimmed(std::string_view(words).substr(0, from));
    return out;
  }
  out.is_function = true;
  bool is_pointer = words.substr(open).starts_with("(*");
  size_t close = is_pointer ? words.find(')', open) : open;
  size_t list = is_pointer ? words.find('(', close) : open;
  if (is_pointer) out.name = words.substr(open + 2, close - open - 2), out.type = trimmed(words.substr(0, open));
  else out = parse(words.substr(0, open)), out.is_function = true;
  out.params = parse_params(std::string_view(words).substr(list + 1, words.rfind(')') - list - 1));
  return out;
}

static std::string written(const Declaration& d, bool is_pointer) {
  if (!d.is_function) return d.type + " " + d.name;
  std::string list;
  for (const Declaration& p : d.params) list += (list.empty() ? "" : ", ") + written(p, true);
  return d.type + " " + (is_pointer ? "(*" + d.name + ")" : d.name) + "(" + (list.empty() ? "void" : list) + ")";
}

std::string Declaration::text() const { return written(*this, false); }

// Items of a body, parted by `separator`, each with the comments before it and the one behind it on the same line.
template <class Add>
static void each_item(std::string_view body, char separator, const Add& add) {
  std::string doc;
  for (size_t at = 0; at < body.size();) {
    if (is_space(body[at])) {
      at++;
      continue;
    }
    if (body.substr(at).starts_with("/*")) {
      size_t end = body.find("*/", at) + 2;
      doc = comment_text(body.substr(at, end - at));
      at = end;
      continue;
    }
    size_t end = end_of(body, at, separator), line = body.find('\n', at);
    std::string item = without_comments(body.substr(at, end - at));
    size_t behind = body.find("/*", at);
    if (behind != body.npos && behind < line) {
      size_t close = body.find("*/", behind) + 2;
      doc = comment_text(body.substr(behind, close - behind));
      end = std::max(end, close - 1);
    }
    add(trimmed(item), doc);
    doc.clear();
    at = end + 1;
  }
}

static void read_typedef(std::string_view text, const std::string& doc, Headers& into) {
  size_t open = text.find('{'), close = text.rfind('}');
  if (open == text.npos) {
    Declaration d = parse(text);
    if (d.type.starts_with("struct ")) into.structs.push_back({d.name, doc, {}});
    else d.doc = doc, into.aliases.push_back(d);
    return;
  }
  std::string name(trimmed(text.substr(close + 1)));
  std::string_view body = text.substr(open + 1, close - open - 1);
  if (text.starts_with("struct")) {
    Struct out{name, doc, {}};
    each_item(body, ';', [&](std::string_view item, const std::string& about) {
      out.fields.push_back(parse(item));
      out.fields.back().doc = about;
    });
    into.structs.push_back(out);
    return;
  }
  Enum out{name, doc, {}};
  each_item(body, ',', [&](std::string_view item, const std::string& about) {
    size_t equals = item.find('=');
    if (equals == item.npos) throw std::runtime_error(name + ": a value that is not written: " + std::string(item));
    out.values.push_back(
        {std::string(trimmed(item.substr(0, equals))), std::string(trimmed(item.substr(equals + 1))), about});
  });
  into.enums.push_back(out);
}

static void read_macro(std::string_view line, const std::string& doc, Headers& into) {
  line = trimmed(line.substr(8));
  size_t end = 0;
  while (end < line.size() && is_word(line[end])) end++;
  std::string_view value = trimmed(line.substr(end));
  bool is_value = !value.empty() && value[0] != '(' && !value.starts_with("__") && line.substr(0, end) != "JT_API";
  if (is_value) into.constants.push_back({std::string(line.substr(0, end)), std::string(value), doc});
}

void read_header(std::string_view text, Headers& into) {
  std::string doc;
  for (size_t at = 0; at < text.size();) {
    std::string_view rest = text.substr(at);
    if (is_space(rest[0]) || rest[0] == '}') {
      at++;
    } else if (rest.starts_with("/*")) {
      size_t end = rest.find("*/") + 2;
      doc = comment_text(rest.substr(0, end));
      at += end;
    } else if (rest[0] == '#') {
      std::string_view line = rest.substr(0, rest.find('\n'));
      if (line.starts_with("#define ")) read_macro(line, doc, into);
      doc.clear();
      at += line.size();
    } else if (rest.starts_with("extern \"C\" {")) {
      at += 12;
    } else {
      size_t end = end_of(rest, 0, ';');
      std::string_view item = rest.substr(0, end);
      if (item.starts_with("typedef ")) read_typedef(trimmed(item.substr(8)), doc, into);
      if (item.starts_with("JT_API ")) into.functions.push_back(parse(item.substr(7))), into.functions.back().doc = doc;
      doc.clear();
      at += end + 1;
    }
  }
}

}  // namespace opgen
