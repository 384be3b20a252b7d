// python: the model -> what Python sees of ops and optimisers: declarations with defaults and docstrings for SWIG
// (bindings/python/ops.i), their types for checkers and editors (jt/_C.pyi), their names (jt/ops.py), classes of
// optimisers.
#include "tools/opgen/files.h"

#include <stdexcept>

namespace opgen {

// A parameter as Python writes it; no fallback: required.
struct Argument {
  std::string name, type, fallback;
};

static std::string python_type(const Param& p) {
  switch (p.role) {
    case Role::operand: return "Operand";
    case Role::optional_operand: return "Optional[Operand]";
    case Role::operand_list: return "Sequence[Operand]";
    case Role::integer: return "int";
    case Role::ints: return "Ints";
    case Role::boolean: return "bool";
    case Role::real: return "float";
    case Role::dtype: return "DTypeLike";
    case Role::text: return "str";
    default: throw std::runtime_error(p.name + ": no type in Python for the role " + std::string(row_of(p.role).word));
  }
}

static std::string python_fallback(const Param& p) {
  if (p.is_required) return "";
  if (p.role == Role::optional_operand) return "None";
  if (p.role == Role::ints) return "()";
  if (p.role == Role::boolean) return p.fallback == "0" ? "False" : "True";
  if (p.role == Role::text || p.role == Role::dtype) return "'" + p.fallback + "'";
  if (p.fallback.ends_with("inf")) return p.fallback[0] == '-' ? "-1e999" : "1e999";  // what a signature may say
  return p.fallback;
}

static std::vector<Argument> arguments(const Function& f) {
  std::vector<Argument> out;
  for (const Param& p : f.params)
    if (p.role != Role::handle) out.push_back({p.name, python_type(p), python_fallback(p)});
  return out;
}

static std::string result_type(const Function& f) {
  if (f.has_result_list()) return "Tuple[Tensor, ...]";
  if (f.results.size() == 1) return "Tensor";
  std::string out = "Tuple[Tensor";
  for (size_t i = 1; i < f.results.size(); i++) out += ", Tensor";
  return out + "]";
}

// "sum(x, axes=(), keepdims=False)" and what there is to know.
static std::string docstring(const Function& f) {
  std::string head = f.name + "(", results;
  for (const Argument& a : arguments(f))
    head += (head.back() == '(' ? "" : ", ") + a.name + (a.fallback.empty() ? "" : "=" + a.fallback);
  for (const std::string& result : f.result_names) results += (results.empty() ? "" : ", ") + result;
  std::string out = head + ") -> " +
                    (f.has_result_list()     ? "(" + results + ", ...)"
                     : f.results.size() == 1 ? "Tensor"
                                             : "(" + results + ")") +
                    "\n\n" + wrapped(f.doc.text, "", 88) + "\n";
  if (!f.doc.shapes.empty()) out += wrapped("Shapes: " + f.doc.shapes + ".", "", 88);
  if (!f.doc.dtypes.empty()) out += wrapped("Dtypes: " + f.doc.dtypes + ".", "", 88);
  out += wrapped("Result: " + f.doc.result + ".", "", 88);
  out += std::string("Gradient: ") + (*f.doc.has_gradient ? "yes" : "no") + ".\n";
  bool has_operands = f.params.size() > 1 && python_type(f.params[1]).find("Operand") != std::string::npos;
  if (!has_operands) return out + "Errors: ShapeError, DTypeError, ArgumentError (an argument out of range).\n";
  return out + wrapped(
                   "Errors: ShapeError (shapes do not fit), DTypeError (dtypes do not fit), ArgumentError (an argument "
                   "out of "
                   "range), TypeError (no tensor, number or array).",
                   "", 88);
}

static std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text)
    out += c == '\n' ? std::string("\\n") : c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
  return out + "\"";
}

// The default of a parameter of one value, as C writes it.
static std::string c_fallback(const Param& p) {
  if (p.role == Role::text) return quoted(p.fallback);
  if (p.fallback == "inf") return "HUGE_VAL";
  if (p.fallback == "-inf") return "-HUGE_VAL";
  if (p.role != Role::dtype) return p.fallback;
  std::string out = "JT_";
  for (char c : p.fallback) out += char(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  return out;
}

static std::string declared(const Param& p) {
  if (p.role == Role::operand_list) return "jt_tensor* const* TENSORS, size_t TENSORS_LEN";
  if (p.is_required) return p.c_text();
  if (p.role == Role::optional_operand) return p.c_text() + " = NULL";
  if (p.role == Role::ints) return "const int64_t* " + p.name + " = NULL, size_t " + p.name + "_len = 0";
  if (p.role == Role::text)
    return "const char* " + p.name + " = " + c_fallback(p) + ", size_t " + p.name + "_len = JT_NUL";
  return p.c_text() + " = " + c_fallback(p);
}

// The prototype as SWIG reads it: attributes have their defaults.
static std::string declaration(const Function& f) {
  std::string list;
  for (const std::vector<Param>* params : {&f.params, &f.results})
    for (const Param& p : *params) list += (list.empty() ? "" : ", ") + declared(p);
  return "jt_status " + f.c_name() + "(" + list + ");\n";
}

// A list of results is made once it is known how long it is.
static std::string list_typemaps(const Function& f) {
  if (!f.has_result_list()) return "";
  std::string pattern = "(" + f.results[0].c_text() + ")",
              out = "%apply (jt_tensor** OUTS, size_t OUTS_LEN) { " + pattern + " };\n";
  return out + "%typemap(check) " + pattern + " %{ if (!jp_make_list(arg" + std::to_string(f.length_argument()) +
         ", &$1, &$2)) SWIG_fail; %}\n";
}

File python_ops(const Api& api) {
  std::string out = std::string("// ") + kGenerated + "\n";
  out += "%feature(\"kwargs\");\n\n";
  std::string methods, compare, divide;
  for (const Function& f : api.functions) {
    if (!f.is_op) continue;
    if (f.compares) compare += "\"" + f.name + "\", ";
    if (f.divides) divide += "\"" + f.name + "\", ";
    out += list_typemaps(f);
    out += "%feature(\"docstring\") " + f.c_name() + " " + quoted(docstring(f)) + "\n" + declaration(f);
    if (f.is_method) methods += "  \"" + f.name + "\",\n";
  }
  out += "\n%{\nstatic const char* const jp_method_names[] = {\n" + methods + "  NULL};\n";
  out +=
      "static int jp_is_among(const char* who, const char* const* names) {\n"
      "  while (*names && strcmp(*names, who)) names++;\n  return *names != NULL;\n}\n"
      "static int jp_use_of_outside(const char* who) {\n"
      "  static const char* const compare[] = {" +
      compare + "NULL};\n  static const char* const divide[] = {" + divide +
      "NULL};\n"
      "  return jp_is_among(who, compare) ? JP_COMPARES : jp_is_among(who, divide) ? JP_DIVIDES : JP_REFUSES;\n}\n%}\n";
  return {"bindings/python/ops.i", out};
}

static std::string stub(const Function& f, bool method) {
  std::string out = std::string(method ? "    def " : "def ") + f.name + "(", aliases;
  std::vector<Argument> all = arguments(f);
  for (size_t i = 0; i < all.size(); i++) {
    const Argument& a = all[i];
    std::string word = a.name + ": " + a.type + (a.fallback.empty() ? "" : " = ...");
    if (method && i == 0) word = "self";
    if (method && a.type == "Ints" && all.size() == 2) word = "*" + a.name + ": Ints";
    else if (a.name == "axes" || a.name == "axis") aliases += ", dim: " + a.type + " = ...";
    if (a.name == "keepdims") aliases += ", keepdim: bool = ...";
    out += (i ? ", " : "") + word;
  }
  if (!aliases.empty()) out += ", *" + aliases;
  return out + ") -> " + result_type(f) + ": ...\n";
}

File python_stub(const Api& api, const std::string& head) {
  std::string out = std::string("# ") + kGenerated + "\n" + head, methods, functions;
  for (const Function& f : api.functions) {
    if (!f.is_op) continue;
    functions += stub(f, false);
    if (f.is_method) methods += stub(f, true);
  }
  size_t at = out.find("    # methods of ops\n");
  if (at != out.npos) out.insert(at + std::string_view("    # methods of ops\n").size(), methods);
  return {"bindings/python/jt/_C.pyi", out + "\n" + functions};
}

// jt.ops: every row as a function.
File python_names(const Api& api) {
  std::string imports, names;
  for (const Function& f : api.functions) {
    if (!f.is_op) continue;
    imports += "    " + f.name + " as " + f.name + ",\n";
    names += "    \"" + f.name + "\",\n";
  }
  return {"bindings/python/jt/ops.py",
          std::string("# ") + kGenerated +
              "\n\"\"\"ops: every op of the table as a function.\"\"\"\nfrom ._C import (\n" + imports +
              ")\n\n__all__ = [\n" + names + "]\n"};
}

// ---- optimisers -----------------------------------------------------------------------------------------------------

// By position go lr, a momentum right behind it, and betas: where PyTorch's order and Jittor's agree. The rest go by
// name.
static std::string optimizer_class(const Class& row) {
  std::string parameters, named, fields, list;
  bool has_betas = false;
  for (const Param& p : row.fields) {
    bool by_position = named.empty() && (p.name == "lr" || p.name == "momentum");
    (by_position ? parameters : named) += ", " + p.name + ": " + python_type(p) + " = " + python_fallback(p);
    fields += (fields.empty() ? "\"" : ", \"") + p.name + "\": " + p.name;
    list += (list.empty() ? "" : ", ") + p.name;
    has_betas |= p.name == "beta1";
  }
  std::string out = "\n\nclass " + row.title + "(Optimizer):\n    \"\"\"" + row.doc.text +
                    "\n\n    params: tensors, or dicts {\"params\": [...], "
                    "\"lr\": ...} of groups; those that require no gradient stay as they are.\n    Fields: " +
                    list + ".\n" + (has_betas ? "    betas: beta1, beta2, ... as one tuple.\n" : "") + "    \"\"\"\n\n";
  if (has_betas) parameters += ", betas: Betas = None";
  if (!named.empty()) parameters += ", *" + named;
  out += "    def __init__(self, params: Params" + parameters + ") -> None:\n";
  out +=
      "        super().__init__(\"" + row.kind + "\", params, {" + fields + "}" + (has_betas ? ", betas" : "") + ")\n";
  return out;
}

File python_optimizers(const Api& api) {
  std::string
      out =
          "# Generated by `cmake --build build --target generate` from core/optim/optimizers.def; do not edit.\n"
          "\"\"\"_optimizers: a class per row of the table of optimisers.\"\"\"\n"
          "from ._optimizer import Betas, Optimizer, Params\n\n__all__ = [",
      classes;
  for (const Class& row : api.optimizers) {
    out += (classes.empty() ? "\"" : ", \"") + row.title + "\"";
    classes += optimizer_class(row);
  }
  return {"bindings/python/jt/_optimizers.py", out + "]\n" + classes};
}

}  // namespace opgen
