#include "core/render/element_text.h"

#include <cstring>
#include <string_view>

#include "core/base/status.h"
#include "core/base/text.h"

namespace jt {

namespace {

struct Row {
  const char *name, *float_expression, *int_expression;
};
constexpr Row kRows[] = {
#define JT_UNARY(name, types, result, float_expr, int_expr, ...) {#name, #float_expr, #int_expr},
#define JT_BINARY(name, types, result, float_expr, int_expr, ...) {#name, #float_expr, #int_expr},
#define JT_TERNARY(name, types, result, float_expr, int_expr, ...) {#name, #float_expr, #int_expr},
#include "core/ir/ops.def"
};
static_assert(std::size(kRows) == kElements);

enum class FunctionKind { body, builtin, far };  // far: a body whose rare path no loop vectorises
struct Function {
  FunctionKind kind;
  std::string_view types;
  const char *result, *name, *parameters, *body;  // builtin: the compiler's function of that name
};
constexpr Function kFunctions[] = {
#define JT_FN(types, result, name, parameters, ...) \
  {FunctionKind::body, #types, #result, #name, #parameters, #__VA_ARGS__},
#define JT_BUILTIN1(types, name) {FunctionKind::builtin, #types, "T", #name, "(T x)", #name},
#define JT_BUILTIN2(types, name) {FunctionKind::builtin, #types, "T", #name, "(T x, T y)", #name},
#define JT_BUILTIN3(types, name) {FunctionKind::builtin, #types, "T", #name, "(T x, T y, T w)", #name},
#define JT_FAR(types, name, near_by, far_off, is_far) \
  {FunctionKind::far, #types, "T", #name, "(T x)", "{ return " #is_far "(x) ? " #far_off "(x) : " #near_by "(x); }"},
#include "core/ir/prelude.def"
};
constexpr int kFunctionCount = int(std::size(kFunctions));

struct TypeNames {
  const char *value, *same_signed, *same_unsigned;
};
constexpr TypeNames kTypeNames[kCTypes] = {
    {"float", "int", "unsigned"}, {"double", "i64", "u64"}, {"int", "int", "unsigned"},
    {"i64", "i64", "u64"},        {"u64", "i64", "u64"},    {"bool", "signed char", "unsigned char"},
};

bool is_float(CType t) { return t == CType::f32 || t == CType::f64; }

// Whether a row of prelude.def with this word in its column `types` is a function of `t`.
bool is_for(std::string_view types, CType t) {
  bool is_signed = t == CType::i32 || t == CType::i64, is_unsigned = t == CType::u64;
  if (types == "F32") return t == CType::f32;
  if (types == "F64") return t == CType::f64;
  if (types == "FLOAT") return is_float(t);
  if (types == "SIGNED") return is_signed;
  if (types == "UNSIGNED") return is_unsigned;
  if (types == "INT") return is_signed || is_unsigned;
  return types == "BOOL" && t == CType::b8;
}

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Calls visit(word) for each identifier.
template <class Visit>
void each_word(std::string_view text, Visit visit) {
  for (size_t at = 0; at < text.size();) {
    size_t begin = at;
    while (at < text.size() && (is_letter(text[at]) || is_digit(text[at]))) at++;
    if (at == begin) at++;
    else if (is_letter(text[begin])) visit(text.substr(begin, at - begin));
  }
}

bool has_word(std::string_view text, std::string_view wanted) {
  bool found = false;
  each_word(text, [&](std::string_view word) { found |= word == wanted; });
  return found;
}

int function_named(std::string_view name, CType type) {
  for (int k = 0; k < kFunctionCount; k++)
    if (name == kFunctions[k].name && is_for(kFunctions[k].types, type)) return k;
  return -1;
}

const char* expression_of(int row, CType type) {
  return is_float(type) ? kRows[row].float_expression : kRows[row].int_expression;
}

// Functions of the compiler that are an instruction, so that a loop over them vectorises.
bool is_instruction(std::string_view name, const Dialect& dialect) {
  if (name == "fabs" || name == "sqrt" || name == "copysign") return true;
  bool rounds = name == "fma" || name == "floor" || name == "ceil" || name == "trunc" || name == "rint";
  return rounds && dialect.rounds_in_an_instruction;
}

bool vectorises(std::string_view text, CType type, const Dialect& dialect) {
  bool divides = !is_float(type) && (text.find('/') != text.npos || text.find('%') != text.npos);
  if (divides) return false;
  bool all = true;
  each_word(text, [&](std::string_view word) {
    if (word == "if" || word == "for") all = false;
    int k = all ? function_named(word, type) : -1;
    if (k < 0) return;
    const Function& f = kFunctions[k];
    if (f.kind == FunctionKind::body) all = vectorises(f.body, type, dialect);
    else all = f.kind == FunctionKind::builtin && is_instruction(f.body, dialect);
  });
  return all;
}

bool names_long_function(std::string_view text, CType type) {
  constexpr size_t kLong = 200;  // characters of a polynomial
  bool is_long = false;
  each_word(text, [&](std::string_view word) {
    int k = is_long ? -1 : function_named(word, type);
    if (k < 0 || kFunctions[k].kind == FunctionKind::builtin) return;
    const Function& f = kFunctions[k];
    is_long = f.kind == FunctionKind::far || std::strlen(f.body) > kLong || names_long_function(f.body, type);
  });
  return is_long;
}

}  // namespace

const char* ElementText::type_name(CType type) const {
  return type == CType::b8 && !dialect_.has_name_spaces ? "unsigned char" : kTypeNames[int(type)].value;
}

std::string ElementText::name_of(std::string_view function, CType type) const {
  return dialect_.has_name_spaces ? text("in_", jt::name(type), "::", function)
                                  : text("jt_", function, "_", jt::name(type));
}

// A text of the tables in the dialect.
std::string ElementText::spelled(std::string_view body, CType type) const {
  if (dialect_.has_name_spaces) return std::string(body);
  std::string out;
  size_t at = 0;
  each_word(body, [&](std::string_view word) {
    size_t begin = size_t(word.data() - body.data());
    out += body.substr(at, begin - at);
    at = begin + word.size();
    if (word == "T") out += type_name(type);
    else if (word == "I") out += kTypeNames[int(type)].same_signed;
    else if (word == "U") out += kTypeNames[int(type)].same_unsigned;
    else if (function_named(word, type) >= 0) out += name_of(word, type);
    else out += word;
  });
  return out += body.substr(at);
}

std::string ElementText::definition_of_function(int function, CType type) const {
  const Function& f = kFunctions[function];
  std::string name = dialect_.has_name_spaces ? std::string(f.name) : name_of(f.name, type);
  std::string head = text(dialect_.function, " ", spelled(f.result, type), " ", name, spelled(f.parameters, type), " ");
  if (f.kind != FunctionKind::builtin) return text(head, spelled(f.body, type), "\n");
  std::string_view parameters = f.parameters;
  std::string_view arguments = parameters == "(T x)" ? "(x)" : parameters == "(T x, T y)" ? "(x, y)" : "(x, y, w)";
  std::string callee = text(f.body, type == CType::f32 ? "f" : "");
  std::string declaration;
  if (dialect_.libm == Libm::declared)
    declaration = text("extern ", spelled(f.result, type), " ", callee, spelled(f.parameters, type), ";\n");
  if (dialect_.libm == Libm::builtin) callee = "__builtin_" + callee;
  return text(declaration, head, "{ return ", callee, arguments, "; }\n");
}

std::string ElementText::definition_of_row(int row, CType type) const {
  const ElementFacts& facts = kElementFacts[row];
  const char* yes_or_no = type_name(CType::b8);
  const char* value = dialect_.has_name_spaces ? "T" : type_name(type);
  std::string name =
      dialect_.has_name_spaces ? text(kRows[row].name, "_") : name_of(text("op_", kRows[row].name), type);
  std::string out = text(dialect_.function, " ", facts.gives_bool ? yes_or_no : value, " ", name, "(",
                         facts.types == ElementTypes::CHOICE ? yes_or_no : value, " x");
  if (facts.arity > 1) out += text(", ", value, " y");
  if (facts.arity > 2) out += text(", ", value, " w");
  std::string expression = spelled(expression_of(row, type), type);
  if (facts.gives_bool && !dialect_.has_name_spaces && !has_word(expression, "x"))
    return text(out, ") { (void)x; return ", expression, "; }\n");
  if (facts.gives_bool) return text(out, ") { return (", expression, ") != 0; }\n");
  bool is_bool = type == CType::b8;
  return text(out, ") { return (", value, ")(", is_bool ? "(" : "", expression, is_bool ? ") & 1" : "", "); }\n");
}

bool ElementText::is_printable(int row, CType type) { return std::strcmp(expression_of(row, type), "none") != 0; }

bool ElementText::vectorises(int row, CType type) const {
  return is_printable(row, type) && jt::vectorises(expression_of(row, type), type, dialect_);
}

bool ElementText::is_costly(int row, CType type) { return names_long_function(expression_of(row, type), type); }

void ElementText::use_functions_in(const std::string& text, CType type) {
  each_word(text, [&](std::string_view word) {
    int k = function_named(word, type);
    if (k < 0) return;
    std::vector<bool>& used = functions_[int(type)];
    used.resize(kFunctionCount);
    if (used[size_t(k)]) return;
    used[size_t(k)] = true;
    if (kFunctions[k].kind != FunctionKind::builtin) use_functions_in(kFunctions[k].body, type);
  });
}

std::string ElementText::use(int row, CType type) {
  std::vector<bool>& used = rows_[int(type)];
  used.resize(kElements);
  used[size_t(row)] = true;
  use_functions_in(expression_of(row, type), type);
  return dialect_.has_name_spaces ? name_of(text(kRows[row].name, "_"), type)
                                  : name_of(text("op_", kRows[row].name), type);
}

std::string ElementText::use(const char* function, CType type) {
  JT_CHECK(function_named(function, type) >= 0);
  use_functions_in(function, type);
  return name_of(function, type);
}

std::string ElementText::definitions() const {
  std::string out;
  for (int t = 0; t < kCTypes; t++) {
    const TypeNames& names = kTypeNames[t];
    if (functions_[t].empty() && rows_[t].empty()) continue;
    if (dialect_.has_name_spaces)
      out += text("namespace in_", name(CType(t)), " {\ntypedef ", names.value, " T;\ntypedef ", names.same_signed,
                  " I;\ntypedef ", names.same_unsigned, " U;\n");
    for (size_t k = 0; k < functions_[t].size(); k++)
      if (functions_[t][k]) out += definition_of_function(int(k), CType(t));
    for (size_t k = 0; k < rows_[t].size(); k++)
      if (rows_[t][k]) out += definition_of_row(int(k), CType(t));
    if (dialect_.has_name_spaces) out += "}\n";
  }
  return out;
}

}  // namespace jt
