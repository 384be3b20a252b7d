// python: rows -> what Python sees of them: declarations with defaults and docstrings for SWIG (bindings/python/ops.i), and
// their types for checkers and editors (bindings/python/jt/_C.pyi).
#include "tools/opgen/files.h"

#include <sstream>

namespace opgen {

using jt::AttrType;
using jt::Kind;

// Operands come first, then attributes; one without a default may not follow one that has one.
struct Argument {
  std::string name, type, fallback;  // as Python writes them; no fallback: required
};

static std::string python_type(AttrType type) {
  switch (type) {
    case AttrType::integer: return "int";
    case AttrType::ints: return "Ints";
    case AttrType::boolean: return "bool";
    case AttrType::real: return "float";
    case AttrType::dtype: return "DTypeLike";
    case AttrType::string: return "str";
  }
  return "";
}

static std::string python_fallback(const jt::AttrDef& attr) {
  std::string text(attr.fallback);
  if (attr.type == AttrType::ints) return "()";
  if (attr.type == AttrType::boolean && !text.empty()) return text == "0" ? "False" : "True";
  if (attr.type == AttrType::string || attr.type == AttrType::dtype) return text.empty() ? "" : "'" + text + "'";
  return text;
}

static bool is_required(const Row& row, size_t attr) {
  const auto& attrs = row.signature.attrs;
  bool is_shape = attrs[attr].type == AttrType::ints && attrs[attr].name == "shape";
  if (is_shape || (attrs[attr].fallback.empty() && attrs[attr].type != AttrType::ints)) return true;
  for (size_t i = attr + 1; i < attrs.size(); i++)
    if (attrs[i].fallback.empty() && attrs[i].type != AttrType::ints) return true;
  return false;
}

static std::vector<Argument> arguments(const Row& row) {
  const jt::Signature& s = row.signature;
  std::vector<Argument> out;
  for (size_t i = 0; i < s.operands.size(); i++) {
    bool is_list = s.variadic && i + 1 == s.operands.size();
    out.push_back({is_list ? "inputs" : std::string(s.operands[i]), is_list ? "Sequence[Operand]" : s.optional[i] ? "Optional[Operand]" : "Operand",
                   s.optional[i] ? "None" : ""});
  }
  for (size_t i = 0; i < s.attrs.size(); i++)
    out.push_back({std::string(s.attrs[i].name), python_type(s.attrs[i].type), is_required(row, i) ? "" : python_fallback(s.attrs[i])});
  return out;
}

static std::string result_type(const Row& row) {
  size_t n = row.signature.results.size();
  if (n == 1) return "Tensor";
  std::string out = "Tuple[Tensor";
  for (size_t i = 1; i < n; i++) out += ", Tensor";
  return out + "]";
}

static bool is_method(const Row& row) {
  return !row.signature.operands.empty() && !row.signature.variadic && row.signature.operands[0] == "x";
}

static std::string shapes_text(const Row& row) {
  if (!row.shapes.empty()) return row.shapes;
  if (row.def->kind == Kind::element)
    return row.signature.operands.size() == 1 ? "x of any shape; the result has it too"
                                              : "operands broadcast as in NumPy; the result has the shape they broadcast to";
  if (row.def->kind == Kind::reduce)
    return "x of any shape; the result lacks the axes that are folded (all when axes is empty), or has extent 1 there with keepdims";
  return "";
}

// "sum(x, axes=(), keepdims=False)" and what there is to know.
static std::string docstring(const Row& row) {
  std::string head = std::string(row.def->name) + "(", results;
  for (const Argument& a : arguments(row))
    head += (head.back() == '(' ? "" : ", ") + a.name + (a.fallback.empty() ? "" : "=" + a.fallback);
  for (std::string_view result : row.signature.results) results += (results.empty() ? "" : ", ") + std::string(result);
  std::string out = head + ") -> " + (row.has_one_result() ? "Tensor" : "(" + results + ")") + "\n\n" + wrapped(row.def->doc, "", 88) + "\n";
  if (std::string shapes = shapes_text(row); !shapes.empty()) out += wrapped("Shapes: " + shapes + ".", "", 88);
  if (!row.dtypes.empty()) out += wrapped("Dtypes: " + row.dtypes + ".", "", 88);
  out += wrapped("Result: " + row.result + ".", "", 88);
  out += std::string("Gradient: ") + (row.has_gradient ? "yes" : "no") + ".\n";
  if (row.signature.operands.empty()) return out + "Errors: ShapeError, DTypeError, ArgumentError (an argument out of range).\n";
  return out + wrapped("Errors: ShapeError (shapes do not fit), DTypeError (dtypes do not fit), ArgumentError (an argument out of "
                       "range), TypeError (no tensor, number or array).", "", 88);
}

static std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text) out += c == '\n' ? std::string("\\n") : c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
  return out + "\"";
}

static std::string c_fallback(const jt::AttrDef& attr) {
  if (attr.type == AttrType::dtype) {
    std::string out = "JT_";
    for (char c : attr.fallback) out += char(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    return out;
  }
  if (attr.type == AttrType::string) return quoted(attr.fallback);
  return std::string(attr.fallback);
}

// The prototype as SWIG reads it: attributes have their defaults.
static std::string declaration(const Row& row) {
  const jt::Signature& s = row.signature;
  std::string out = "jt_status " + row.c_name() + "(jt_context* ctx";
  for (size_t i = 0; i < s.operands.size(); i++)
    out += s.variadic && i + 1 == s.operands.size() ? ", jt_tensor* const* TENSORS, size_t TENSORS_LEN"
           : s.optional[i]                          ? ", jt_tensor* " + std::string(s.operands[i]) + " = NULL"
                                                    : ", jt_tensor* " + std::string(s.operands[i]);
  for (size_t i = 0; i < s.attrs.size(); i++) {
    const jt::AttrDef& attr = s.attrs[i];
    std::string name(attr.name), value = is_required(row, i) ? "" : " = " + c_fallback(attr);
    switch (attr.type) {
      case AttrType::integer: out += ", int64_t " + name + value; break;
      case AttrType::boolean: out += ", jt_bool " + name + value; break;
      case AttrType::real: out += ", double " + name + value; break;
      case AttrType::dtype: out += ", jt_dtype " + name + value; break;
      case AttrType::ints:
        value = value.empty() ? "" : " = NULL";
        out += ", const int64_t* " + name + value + ", size_t " + name + "_len" + (value.empty() ? "" : " = 0");
        break;
      case AttrType::string:
        out += ", const char* " + name + value + ", size_t " + name + "_len" + (value.empty() ? "" : " = JT_NUL");
        break;
    }
  }
  for (size_t i = 0; i < s.results.size(); i++) out += ", jt_tensor** " + out_name(row, i);
  return out + ");\n";
}

File python_ops(const std::vector<Row>& rows) {
  std::string out = std::string("// ") + kGenerated + "\n";
  out += "%define JT_INTS(name) %apply (const int64_t* INTS, size_t INTS_LEN) { (const int64_t* name, size_t name ## _len) }; %enddef\n";
  std::string seen = " ";
  for (const Row& row : rows) {
    for (size_t i = 0; i < row.signature.operands.size(); i++) {
      std::string name(row.signature.operands[i]);
      if (!row.signature.optional[i] || seen.find(" " + name + " ") != seen.npos) continue;
      out += "%apply jt_tensor* OPTIONAL { jt_tensor* " + name + " };\n";
      seen += name + " ";
    }
    for (const jt::AttrDef& attr : row.signature.attrs) {
      std::string name(attr.name);
      if (attr.type != AttrType::ints || seen.find(" " + name + " ") != seen.npos) continue;
      out += "JT_INTS(" + name + ")\n";
      seen += name + " ";
    }
    for (size_t i = 0; i < row.signature.operands.size(); i++) {
      std::string name(row.signature.operands[i]);
      if (!row.signature.optional[i] || seen.find(" " + name + " ") != seen.npos) continue;
      out += "%apply jt_tensor* OPTIONAL { jt_tensor* " + name + " };\n";
      seen += name + " ";
    }
    for (size_t i = 0; i < row.signature.results.size() && !row.has_one_result(); i++)
      out += "%apply jt_tensor** OUT { jt_tensor** " + out_name(row, i) + " };\n";
  }
  out += "\n%feature(\"kwargs\");\n\n";
  for (const Row& row : rows) out += "%feature(\"docstring\") " + row.c_name() + " " + quoted(docstring(row)) + "\n" + declaration(row);
  out += "\n%{\nstatic const char* const jp_method_names[] = {\n";
  for (const Row& row : rows)
    if (is_method(row)) out += "  \"" + std::string(row.def->name) + "\",\n";
  return {"bindings/python/ops.i", out + "  NULL};\n%}\n"};
}

static std::string stub(const Row& row, bool method) {
  std::string out = std::string(method ? "    def " : "def ") + row.def->name + "(";
  std::string aliases;
  size_t i = 0;
  for (const Argument& a : arguments(row)) {
    std::string word = a.name + ": " + a.type + (a.fallback.empty() ? "" : " = ...");
    if (method && i == 0) word = "self";
    if (method && a.type == "Ints" && arguments(row).size() == 2) word = "*" + a.name + ": Ints";
    else if (a.name == "axes" || a.name == "axis") aliases += ", dim: " + a.type + " = ...";
    if (a.name == "keepdims") aliases += ", keepdim: bool = ...";
    out += (i++ ? ", " : "") + word;
  }
  if (!aliases.empty()) out += ", *" + aliases;
  return out + ") -> " + result_type(row) + ": ...\n";
}

File python_stub(const std::vector<Row>& rows, const std::string& head) {
  std::string out = std::string("# ") + kGenerated + "\n" + head, methods, functions, names;
  for (const Row& row : rows) {
    functions += stub(row, false);
    if (is_method(row)) methods += stub(row, true);
  }
  size_t at = out.find("    # methods of ops\n");
  if (at != out.npos) out.insert(at + std::string_view("    # methods of ops\n").size(), methods);
  return {"bindings/python/jt/_C.pyi", out + "\n" + functions};
}

// jt.ops: every row as a function.
File python_names(const std::vector<Row>& rows) {
  std::string out = std::string("# ") + kGenerated + "\n\"\"\"ops: every op of the table as a function.\"\"\"\nfrom ._C import (\n";
  for (const Row& row : rows) out += std::string("    ") + row.def->name + " as " + row.def->name + ",\n";
  out += ")\n\n__all__ = [\n";
  for (const Row& row : rows) out += std::string("    \"") + row.def->name + "\",\n";
  return {"bindings/python/jt/ops.py", out + "]\n"};
}

// ---- optimisers ------------------------------------------------------------------------------------------------------

struct OptimizerRow {
  std::string name, title, fields, doc;
};
static const OptimizerRow kOptimizers[] = {
#define JT_OPTIMIZER(name, title, fields, states, doc) {#name, #title, fields, doc},
#include "core/optim/rules.def"
};

static std::string optimizer_class(const OptimizerRow& row) {
  std::string parameters, fields, list;
  bool has_betas = false;
  std::istringstream words(row.fields);
  for (std::string word; words >> word;) {
    size_t equals = word.find('=');
    std::string name = word.substr(0, equals), value = word.substr(equals + 1);
    bool is_flag = name.ends_with('?');
    if (is_flag) name.pop_back(), value = value == "0" ? "False" : "True";
    parameters += ", " + name + ": " + (is_flag ? "bool" : "float") + " = " + value;
    fields += (fields.empty() ? "\"" : ", \"") + name + "\": " + name;
    list += (list.empty() ? "" : ", ") + name;
    has_betas |= name == "beta1";
  }
  std::string out = "\n\nclass " + row.title + "(Optimizer):\n    \"\"\"" + row.doc + "\n\n    params: tensors that require a gradient, or "
                    "dicts {\"params\": [...], \"lr\": ...} of groups.\n    Fields: " + list + ".\n" +
                    (has_betas ? "    betas: beta1, beta2, ... as one tuple.\n" : "") + "    \"\"\"\n\n";
  out += "    def __init__(self, params: Params" + parameters + (has_betas ? ", *, betas: Betas = None" : "") + ") -> None:\n";
  out += "        super().__init__(\"" + row.name + "\", params, {" + fields + "}" + (has_betas ? ", betas" : "") + ")\n";
  return out;
}

File python_optimizers() {
  std::string out = "# Generated by `cmake --build build --target generate` from core/optim/rules.def; do not edit.\n"
                    "\"\"\"_optimizers: a class per row of the table of optimisers.\"\"\"\n"
                    "from ._optimizer import Betas, Optimizer, Params\n\n__all__ = [";
  for (const OptimizerRow& row : kOptimizers) out += (&row == kOptimizers ? "\"" : ", \"") + row.title + "\"";
  out += "]\n";
  for (const OptimizerRow& row : kOptimizers) out += optimizer_class(row);
  return {"bindings/python/jt/_optimizers.py", out};
}

}  // namespace opgen
