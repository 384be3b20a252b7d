// python_layers: the layers of the model -> a Python class per row (bindings/python/jt/_layers.py).
#include "tools/opgen/files.h"

#include <stdexcept>

namespace opgen {

static std::string type_of(const Param& f) {
  std::string type;
  switch (f.role) {
    case Role::integer: type = "int"; break;
    case Role::boolean: type = "bool"; break;
    case Role::real: type = "float"; break;
    case Role::ints: type = "Ints"; break;
    case Role::text: type = "str"; break;
    case Role::optional_operand: return "Optional[Tensor]";
    case Role::dtype: return "DTypeLike";
    default: throw std::runtime_error(f.name + ": no field in Python has the role " + std::string(row_of(f.role).word));
  }
  return f.may_be_none ? "Optional[" + type + "]" : type;
}

static std::string default_of(const Param& f) {
  if (f.role == Role::optional_operand || (f.may_be_none && f.fallback == "none")) return "None";
  if (f.role == Role::boolean) return f.fallback == "0" ? "False" : "True";
  if (f.role == Role::text) return "\"" + f.fallback + "\"";
  if (f.role == Role::dtype) return "\"float32\"";
  return f.fallback;
}

static std::string meaning_of(const Param& f) {
  if (f.role == Role::text) {
    std::string out;
    for (const std::string& word : f.words) out += (out.empty() ? "\"" : ", \"") + word + "\"";
    return "one of " + out;
  }
  if (f.range == "count") return "at least 1";
  if (f.range == "size" || f.range == "real") return "at least 0";
  if (f.range == "unit") return "in 0..1";
  std::string range = f.range == "counts" ? "at least 1" : f.range == "sizes" ? "at least 0" : "any";
  if (f.role == Role::ints && f.values > 1) return std::to_string(f.values) + " integers or one for all, " + range;
  if (f.role == Role::ints) return (f.values ? "an integer, " : "integers, ") + range;
  return "";
}

// PyTorch's programs say so of these; here the planner of memory decides, and no value is written over.
static bool takes_inplace(const Class& row) {
  static constexpr const char* kTitles[] = {
      "ReLU",     "ReLU6",     "LeakyReLU",   "ELU",       "CELU",    "SELU",      "SiLU",      "Mish",
      "Hardtanh", "Hardswish", "Hardsigmoid", "Threshold", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d"};
  for (const char* title : kTitles)
    if (row.title == title) return true;
  return false;
}

static std::string docstring(const Class& row) {
  std::string out = "    \"\"\"" + row.doc.text + "\n", lines, tensors;
  for (const Param& f : row.fields)
    if (std::string meaning = meaning_of(f); !meaning.empty()) lines += "    " + f.name + ": " + meaning + ".\n";
  for (const State& s : row.states)
    if (s.initial != "absent")
      tensors += "    " + s.name + " [" + s.extents + "]: a " + (s.is_buffer ? "buffer" : "parameter") +
                 (s.condition.empty() ? "" : ", with " + s.condition) + ".\n";
  if (takes_inplace(row))
    lines += "    inplace: PyTorch's; the planner of memory decides, and the operand stays as it is.\n";
  return out + "\n" + lines + tensors +
         "    Errors: ArgumentError (a field out of range), ShapeError, DTypeError.\n    \"\"\"\n\n";
}

static std::string list_of(const std::vector<State>& states) {
  std::string out;
  for (const State& s : states) out += "\"" + s.name + "\", ";
  return "(" + out.substr(0, out.size() - (states.size() > 1 ? 2 : 1)) + ")";
}

static std::string class_text(const Class& row) {
  size_t results = row.forward.results.size();
  std::string out = "\n\nclass " + row.title + "(Layer):\n" + docstring(row), parameters, given;
  if (!row.states.empty()) out += "    _tensors = " + list_of(row.states) + "\n";
  if (results > 1) out += "    _results = " + std::to_string(results) + "\n";
  for (const Param& f : row.fields) {
    if (f.role == Role::dtype && takes_inplace(row)) parameters += ", inplace: bool = False";
    if (f.role == Role::dtype) parameters += ", *";
    parameters += ", " + f.name + ": " + type_of(f) + (f.is_required ? "" : " = " + default_of(f));
    given += (given.empty() ? "" : ", ") + f.name + "=" + f.name;
  }
  for (const State& s : row.states)
    out += "    " + s.name + ": " + (s.may_be_absent() ? "Optional[Tensor]" : "Tensor") + "\n";
  out += std::string(row.states.empty() && results < 2 ? "" : "\n") + "    def __init__(self" + parameters +
         ") -> None:\n        super().__init__(" + given + ")\n\n";
  std::string arguments, passed, result = "Tensor";
  for (const Param& p : row.forward.params) {
    arguments += ", " + p.name + (p.is_required ? ": Tensor" : ": State = None");
    passed += (passed.empty() ? "" : ", ") + p.name;
  }
  for (size_t i = 1; i < results; i++) result += ", Tensor";
  if (results > 1) result = "Tuple[" + result + "]";
  return out + "    def execute(self" + arguments + ") -> " + result +
         ":  # type: ignore[override]\n        return self._run(" + passed +
         ")  # type: ignore[no-any-return]\n\n    if TYPE_CHECKING:  # what a call gives is known to who reads types "
         "only\n        def __call__(self" +
         arguments + ") -> " + result + ": ...\n";
}

File python_layers(const Api& api) {
  std::string out =
      "# Generated by `cmake --build build --target generate` from core/nn/layers.def; do not edit.\n"
      "\"\"\"_layers: a class per row of the table of layers; names, fields and defaults are PyTorch's.\"\"\"\n"
      "from typing import TYPE_CHECKING, Optional, Tuple\n\nfrom ._layer import DTypeLike, Ints, Layer, State\nfrom "
      ".tensor import Tensor\n\n";
  std::string classes, aliases, names;
  for (const Class& row : api.layers) {
    if (row.is_container) continue;  // Python's own hold functions too
    classes += class_text(row);
    names += "    \"" + row.title + "\",\n";
    for (const std::string& alias : row.aliases) {
      aliases += alias + " = " + row.title + "\n";
      names += "    \"" + alias + "\",\n";
    }
  }
  return {"bindings/python/jt/_layers.py", out + "__all__ = [\n" + names + "]\n" + classes + "\n\n" + aliases};
}

}  // namespace opgen
