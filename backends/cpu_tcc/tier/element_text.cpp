#include "backends/cpu_tcc/tier/element_text.h"

#include <cstring>
#include <string_view>

#include "core/base/status.h"
#include "core/base/text.h"

namespace jt::cpu {

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

enum class FunctionKind { body, library, far };
struct Function {
  FunctionKind kind;
  std::string_view types;
  const char *result, *name, *parameters, *body;  // library: the body is the C library's name
};
constexpr Function kFunctions[] = {
#define JT_FN(types, result, name, parameters, ...) {FunctionKind::body, #types, #result, #name, #parameters, #__VA_ARGS__},
#define JT_LIBM1(types, name, libm) {FunctionKind::library, #types, "T", #name, "(T x)", #libm},
#define JT_LIBM2(types, name, libm) {FunctionKind::library, #types, "T", #name, "(T x, T y)", #libm},
#define JT_LIBM3(types, name, libm) {FunctionKind::library, #types, "T", #name, "(T x, T y, T w)", #libm},
#define JT_FAR(types, name, near, is_far) {FunctionKind::far, #types, "T", #name, "(T x)", ""},
#include "core/ir/prelude.def"
};
constexpr int kFunctionCount = int(std::size(kFunctions));

struct TypeNames {
  const char *space, *value, *same_signed, *same_unsigned;
};
constexpr TypeNames kTypeNames[kCTypes] = {
    {"in_f32", "float", "int", "unsigned"}, {"in_f64", "double", "i64", "u64"}, {"in_i32", "int", "int", "unsigned"},
    {"in_i64", "i64", "i64", "u64"},        {"in_u64", "u64", "i64", "u64"},    {"in_b8", "bool", "signed char", "unsigned char"},
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

int function_named(std::string_view name, CType type) {
  for (int k = 0; k < kFunctionCount; k++)
    if (name == kFunctions[k].name && is_for(kFunctions[k].types, type)) return k;
  return -1;
}

const char* expression_of(int row, CType type) {
  return is_float(type) ? kRows[row].float_expression : kRows[row].int_expression;
}

// Functions of the C library that are an instruction, so that a loop over them vectorises.
bool is_instruction(std::string_view libm, vm::Isa isa) {
  if (libm == "fabs" || libm == "sqrt" || libm == "copysign") return true;
  bool has_it = libm == "fma" || libm == "floor" || libm == "ceil" || libm == "trunc" || libm == "rint";
  return has_it && isa != vm::Isa::base;
}

bool vectorises(std::string_view text, CType type, vm::Isa isa) {
  bool divides = !is_float(type) && (text.find('/') != text.npos || text.find('%') != text.npos);
  if (divides) return false;
  bool all = true;
  each_word(text, [&](std::string_view word) {
    if (word == "if" || word == "for") all = false;
    int k = all ? function_named(word, type) : -1;
    if (k < 0) return;
    const Function& f = kFunctions[k];
    if (f.kind == FunctionKind::body) all = vectorises(f.body, type, isa);
    else all = f.kind == FunctionKind::library && is_instruction(f.body, isa);
  });
  return all;
}

std::string definition_of(const Function& f, CType type) {
  std::string head = text("FN ", f.result, " ", f.name, f.parameters, " ");
  if (f.kind == FunctionKind::body) return text(head, f.body, "\n");
  std::string_view arguments = std::string_view(f.parameters) == "(T x)" ? "(x)" : "(x, y)";
  if (std::string_view(f.parameters) == "(T x, T y, T w)") arguments = "(x, y, w)";
  return text(head, "{ return __builtin_", f.body, type == CType::f32 ? "f" : "", arguments, "; }\n");
}

std::string definition_of(int row, CType type) {
  const ElementFacts& facts = kElementFacts[row];
  const char* first = facts.types == ElementTypes::CHOICE ? "bool" : "T";
  constexpr std::string_view kOthers[] = {"", ", T y", ", T y, T w"};
  std::string head = text("FN ", facts.gives_bool ? "bool " : "T ", kRows[row].name, "_(", first, " x",
                          kOthers[facts.arity - 1], ") { return ");
  const char* expression = expression_of(row, type);
  if (facts.gives_bool) return text(head, "(", expression, ") != 0; }\n");
  return text(head, "(T)(", type == CType::b8 ? "(" : "", expression, type == CType::b8 ? ") & 1" : "", "); }\n");
}

}  // namespace

const char* ElementText::spelling(CType type) { return kTypeNames[int(type)].value; }

bool ElementText::is_printable(int row, CType type) const {
  const char* expression = expression_of(row, type);
  return std::strcmp(expression, "none") != 0 && vectorises(expression, type, isa_);
}

bool ElementText::is_costly(int row, CType type) {
  constexpr size_t kLong = 200;  // characters of a polynomial
  bool is_long = false;
  each_word(expression_of(row, type), [&](std::string_view word) {
    int k = function_named(word, type);
    is_long |= k >= 0 && kFunctions[k].kind == FunctionKind::body && std::strlen(kFunctions[k].body) > kLong;
  });
  return is_long;
}

void ElementText::use_functions_in(const std::string& text, CType type) {
  each_word(text, [&](std::string_view word) {
    int k = function_named(word, type);
    if (k < 0) return;
    std::vector<bool>& used = functions_[int(type)];
    used.resize(kFunctionCount);
    if (used[size_t(k)]) return;
    used[size_t(k)] = true;
    if (kFunctions[k].kind == FunctionKind::body) use_functions_in(kFunctions[k].body, type);
  });
}

std::string ElementText::use(int row, CType type) {
  std::vector<bool>& used = rows_[int(type)];
  used.resize(kElements);
  used[size_t(row)] = true;
  use_functions_in(expression_of(row, type), type);
  return text(kTypeNames[int(type)].space, "::", kRows[row].name, "_");
}

std::string ElementText::use(const char* function, CType type) {
  JT_CHECK(function_named(function, type) >= 0);
  use_functions_in(function, type);
  return text(kTypeNames[int(type)].space, "::", function);
}

std::string ElementText::definitions() const {
  std::string out;
  for (int t = 0; t < kCTypes; t++) {
    const TypeNames& names = kTypeNames[t];
    if (functions_[t].empty() && rows_[t].empty()) continue;
    out += text("namespace ", names.space, " {\ntypedef ", names.value, " T;\ntypedef ", names.same_signed, " I;\ntypedef ",
                names.same_unsigned, " U;\n");
    for (size_t k = 0; k < functions_[t].size(); k++)
      if (functions_[t][k]) out += definition_of(kFunctions[k], CType(t));
    for (size_t k = 0; k < rows_[t].size(); k++)
      if (rows_[t][k]) out += definition_of(int(k), CType(t));
    out += "}\n";
  }
  return out;
}

}  // namespace jt::cpu
