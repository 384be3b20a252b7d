// c_files: rows -> the prototypes of jt_ops.h and the bodies behind them.
#include "tools/opgen/files.h"

#include <stdexcept>

namespace opgen {

constexpr size_t kWidth = 110;

static void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = 0; (at = text.find(from, at)) != text.npos; at += to.size()) text.replace(at, from.size(), to);
}

static std::string for_comment(std::string text) {
  replace_all(text, "*/", "* /");
  replace_all(text, "/*", "/ *");
  return text;
}

static const char kHeaderTop[] =
    R"(/* jt_ops.h: one function per op of the table, and jt_op_call for ops known by name only.
 *
 * What holds for all of them. Calls record and check; nothing is computed until a value is needed.
 * Shapes: operands of element-wise ops broadcast as in NumPy: aligned at the last axis, extents are equal or 1.
 * Axes count from 0; negative ones from the end.
 * Dtypes: where operands may differ they are converted to their promoted dtype, as in NumPy. "float dtypes" are f16,
 * bf16, f32 and f64.
 * Ownership: operands are borrowed for the call; each result is a new handle that the caller releases with
 * jt_tensor_release. Every out is NULL after a failure. Of several outs, those that are NULL are not wanted.
 * Lists: (axes, axes_len) is a list of axes_len numbers, borrowed for the call; NULL with length 0 is the empty list. A
 * list of outs has room for parts_len results, at most as many as there are.
 * Threads: the one that has the context; another at the same time gets JT_E_BUSY.
 * Errors: JT_E_SHAPE and JT_E_DTYPE (text names op, fact and both values), JT_E_INVALID (a NULL operand, an attribute
 * out of range), JT_E_WRONG_CONTEXT, JT_E_BUSY, JT_E_NOMEM. A failed call changes nothing. */
#ifndef JT_OPS_H
#define JT_OPS_H

#include <jt/jt_tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Records the op called (op, op_len), as its own function does, on inputs_len operands in the order of the op's row.
 * Attributes go by name; those left out take the defaults of docs/OPS.md. An absent optional operand is NULL; one
 * before another that is given counts as ones. outputs_len results, at most as many as the op has, are stored in
 * outputs; all are NULL after a failure. Errors beside those above: JT_E_NOT_FOUND (no op of that name), JT_E_INVALID
 * (an unknown attribute, a wrong number of
 * operands or results). Threads: the context's. Since 0.1. */
JT_API jt_status jt_op_call(jt_context* ctx, const char* op, size_t op_len, jt_tensor* const* inputs, size_t inputs_len,
    const jt_attr* attrs, size_t attrs_len, jt_tensor** outputs, size_t outputs_len);
/* How many ops jt_op_call knows. Any thread; cannot fail. Since 0.1. */
JT_API size_t jt_op_count(void);
/* Static text: the name of op `i`, 0 <= i < jt_op_count(); NULL for others. Any thread; cannot fail. Since 0.1. */
JT_API const char* jt_op_name(size_t i);
/* Static text: the signature of op `i`: "operands; attributes; results" as in docs/OPS.md; NULL for others. Any thread;
 * cannot fail. Since 0.1. */
JT_API const char* jt_op_signature(size_t i);
/* Static text: what op `i` does, in one line; NULL for others. Any thread; cannot fail. Since 0.1. */
JT_API const char* jt_op_doc(size_t i);

)";

static std::string comment(const Row& row) {
  const jt::Signature& s = row.signature;
  std::string facts;
  if (!row.dtypes.empty()) facts += "Dtypes: " + row.dtypes + ". ";
  facts += "Result: " + row.result + ". ";
  std::string attrs, optional;
  for (size_t i = 0; i < s.operands.size(); i++)
    if (s.optional[i]) optional += (optional.empty() ? "" : ", ") + std::string(s.operands[i]);
  if (!optional.empty()) facts += "May be NULL: " + optional + ". ";
  for (const jt::AttrDef& attr : s.attrs)
    if (!attr.fallback.empty())
      attrs += (attrs.empty() ? "" : ", ") + std::string(attr.name) + " " + std::string(attr.fallback);
  if (!attrs.empty()) facts += "Defaults elsewhere: " + attrs + ". ";
  facts += std::string("Gradient: ") + (row.has_gradient ? "yes" : "no") + ". Since " + row.def->since + ".";
  std::string out = wrapped(for_comment(row.def->doc), " * ", kWidth) + wrapped(for_comment(facts), " * ", kWidth - 3);
  out.replace(0, 3, "/* ");
  out.pop_back();
  return out + " */\n";
}

File header(const std::vector<Row>& rows) {
  std::string out = std::string("/* ") + kGenerated + " */\n" + kHeaderTop;
  for (const Row& row : rows) out += comment(row) + "JT_API " + prototype(row, kWidth - 7) + ";\n\n";
  out += "#ifdef __cplusplus\n}\n#endif\n#endif\n";
  return {"capi/include/jt/jt_ops.h", out};
}

static std::string attr_adds(const jt::Signature& s) {
  std::string out;
  for (const jt::AttrDef& attr : s.attrs) {
    std::string name(attr.name);
    if (!out.empty()) out += "\n        ";
    switch (attr.type) {
      case jt::AttrType::ints: out += ".add_ints(ints(\"" + name + "\", " + name + ", " + name + "_len))"; break;
      case jt::AttrType::string: out += ".add_string(str(\"" + name + "\", " + name + ", " + name + "_len))"; break;
      case jt::AttrType::real: out += ".add_real(" + name + ")"; break;
      case jt::AttrType::boolean: out += ".add(" + name + " != 0)"; break;
      case jt::AttrType::dtype: out += ".add(int64_t(" + name + "))"; break;
      case jt::AttrType::integer: out += ".add(" + name + ")"; break;
    }
  }
  return out;
}

static std::string operand_list(const Row& row) {
  const jt::Signature& s = row.signature;
  if (s.variadic && s.operands.size() == 1) return "tensors(inputs, inputs_len)";
  if (s.variadic) 
    throw std::runtime_error(std::string(row.def->name) + ": operands before a variadic one are not supported yet");
  std::string out;
  for (std::string_view operand : s.operands) out += (out.empty() ? "" : ", ") + std::string(operand);
  return "{" + out + "}";
}

static std::string body(const Row& row) {
  std::string outs;
  for (size_t i = 0; i < row.signature.results.size(); i++) outs += (i ? ", " : "") + out_name(row, i);
  std::string name = row.def->name, attrs = attr_adds(row.signature);
  outs = row.has_result_list() ? "Outs(" + outs + ", " + outs + "_len)" : "{" + outs + "}";
  std::string out = prototype(row, kWidth) + " {\n";
  out += "  return op_function(\"jt_" + name + "\", ctx, Op::" + name + ", " + operand_list(row) + ", " + outs + ", ";
  if (attrs.empty()) return out + "no_attrs);\n}\n";
  out.pop_back();
  return out + "\n    [&](Attrs& attrs) {\n      attrs" + attrs + ";\n    });\n}\n";
}

File bodies(const std::vector<Row>& rows) {
  std::string out = std::string("// ") + kGenerated +
                    "\n#include \"capi/src/op_call.h\"\n\nusing namespace jt;\nusing namespace jt::capi;\n\n";
  for (const Row& row : rows) out += body(row);
  return {"capi/src/ops.cpp", out};
}

}  // namespace opgen
