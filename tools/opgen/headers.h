// headers: the C headers as values: what they declare, with the comment that stands before (or, in a struct, behind)
// each.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace opgen {

// A parameter, a field, a function, a pointer to a function.
struct Declaration {
  std::string name, type;  // of functions and of pointers to them: what they return
  bool is_function = false;
  std::vector<Declaration> params;
  std::string doc;

  std::string text() const;  // as C has it, on one line
};

struct Constant {
  std::string name, value, doc;  // value as C has it: "-1", "'g'", "SIZE_MAX"
};
struct Enum {
  std::string name, doc;
  std::vector<Constant> values;
};
struct Struct {
  std::string name, doc;
  std::vector<Declaration> fields;  // none: opaque
};

struct Headers {
  std::vector<Declaration> functions;
  std::vector<Struct> structs;
  std::vector<Enum> enums;
  std::vector<Constant> constants;  // macros with a value
  std::vector<Declaration> aliases; // typedef int32_t jt_bool
};

// Adds what the text of one header declares. Understands the C that jt's headers are written in.
void read_header(std::string_view text, Headers& into);

}  // namespace opgen
