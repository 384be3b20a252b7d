// rows: one Row per op that the C API offers: its OpDef and signature, and what the table says only as text.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "core/ir/op.h"

namespace opgen {

struct Row {
  jt::Op op;
  const jt::OpDef* def;
  jt::Signature signature;
  std::string dtypes;          // what operands may be
  std::string result;          // what the results are
  std::string shapes;          // of operands and results, where the kind of row does not say it
  bool has_gradient = false;
  std::string gradient;        // element rows: the expressions, one per operand; else empty

  std::string c_name() const { return std::string("jt_") + def->name; }
  bool has_one_result() const { return signature.results.size() == 1 && !has_result_list(); }
  bool has_result_list() const { return signature.results_by >= 0; }
};

// Every row in the order of the table, `data` and `constant` aside. Throws std::runtime_error where a row cannot be
// offered: a name that C or C++ reserves, or a type rule that says nothing about dtypes.
std::vector<Row> rows();

// The name of a result's out parameter: "out", or "out_index"; of a list that of the result.
std::string out_name(const Row& row, size_t result);
// "ints", "int = -1", ... as documentation gives an attribute.
std::string attr_text(const jt::AttrDef& attr);
// The C parameters between the context and the outs, as types and names: {"jt_tensor*", "x"}.
struct Parameter { std::string type, name; };
std::vector<Parameter> parameters(const Row& row);
// "jt_status jt_sum(jt_context* ctx, ..., jt_tensor** out)", broken into lines of at most `width`.
std::string prototype(const Row& row, size_t width);

// `text` in lines of at most `width`, each after `prefix`.
std::string wrapped(std::string_view text, std::string_view prefix, size_t width);

}  // namespace opgen
