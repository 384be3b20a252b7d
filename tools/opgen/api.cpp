// api: rows of ops and of capi/api.def -> functions, held against the headers.
#include "tools/opgen/api.h"

#include <algorithm>
#include <map>
#include <stdexcept>

namespace opgen {

using jt::AttrType;
using jt::Kind;

int Function::length_argument() const {
  int word = 0;
  for (const Param& p : params) {
    std::string text = p.c_text();
    word += 1 + int(std::count(text.begin(), text.end(), ','));
    if (p.name == results_by) return word;
  }
  throw std::runtime_error(name + ": no parameter says how many results there are");
}

std::string Function::c_text() const {
  std::string list;
  for (const std::vector<Param>* params : {&this->params, &results})
    for (const Param& p : *params)
      list += (list.empty() ? "" : ", ") + (p.role == Role::callback ? p.name : p.c_text());
  return (returns == "status" ? "jt_status" : returns) + " " + c_name() + "(" + (list.empty() ? "void" : list) + ")";
}

// ---- ops ------------------------------------------------------------------------------------------------------------

static Role role_of(AttrType type) {
  switch (type) {
    case AttrType::integer: return Role::integer;
    case AttrType::ints: return Role::ints;
    case AttrType::boolean: return Role::boolean;
    case AttrType::real: return Role::real;
    case AttrType::dtype: return Role::dtype;
    case AttrType::string: return Role::text;
  }
  return Role::integer;
}

// An argument without a default may not follow one that has one.
static bool is_required(const decltype(jt::Signature::attrs)& attrs, size_t attr) {
  if (attrs[attr].type == AttrType::ints && attrs[attr].name == "shape") return true;
  for (size_t i = attr; i < attrs.size(); i++)
    if (attrs[i].fallback.empty() && attrs[i].type != AttrType::ints) return true;
  return false;
}

static std::string shapes_text(const Row& row) {
  if (!row.shapes.empty()) return row.shapes;
  if (row.def->kind == Kind::element)
    return row.signature.operands.size() == 1
               ? "x of any shape; the result has it too"
               : "operands broadcast as in NumPy; the result has the shape they broadcast to";
  if (row.def->kind == Kind::reduce)
    return "x of any shape; the result lacks the axes that are folded (all when axes is empty), or has extent 1 there "
           "with keepdims";
  return "";
}

static Function op_function(const Row& row) {
  const jt::Signature& s = row.signature;
  Function out{.name = row.def->name, .returns = "status", .is_op = true};
  bool is_pair = row.def->kind == jt::Kind::element && s.operands.size() == 2;
  out.compares = is_pair && row.def->result == jt::ResultRule::BOOL;
  out.divides = is_pair && row.def->operands == jt::Operands::FLOAT;
  out.params = params_of("ctx");
  for (size_t i = 0; i < s.operands.size(); i++) {
    bool is_list = s.variadic && i + 1 == s.operands.size();
    Param p{is_list ? "inputs" : std::string(s.operands[i]),
            is_list ? Role::operand_list : s.optional[i] ? Role::optional_operand : Role::operand, ""};
    p.is_required = !s.optional[i];
    out.params.push_back(p);
  }
  for (size_t i = 0; i < s.attrs.size(); i++) {
    Role role = role_of(s.attrs[i].type);
    Param p{std::string(s.attrs[i].name), role, std::string(row_of(role).type)};
    p.is_required = is_required(s.attrs, i);
    p.fallback = s.attrs[i].fallback;
    out.params.push_back(p);
  }
  for (size_t i = 0; i < s.results.size(); i++) {
    out.results.push_back({out_name(row, i), row.has_result_list() ? Role::out_tensors : Role::out_tensor, ""});
    out.result_names.push_back(std::string(s.results[i]));
  }
  if (s.results_by >= 0) out.results_by = std::string(s.attrs[size_t(s.results_by)].name);
  out.is_method = !s.operands.empty() && !s.variadic && s.operands[0] == "x";
  out.doc = {row.def->doc, shapes_text(row), row.dtypes, row.result, row.def->since, row.has_gradient};
  return out;
}

std::vector<Function> op_functions(const std::vector<Row>& rows) {
  std::vector<Function> out;
  for (const Row& row : rows) out.push_back(op_function(row));
  return out;
}

// ---- the hand-written rest ------------------------------------------------------------------------------------------

constexpr int CONTEXT = 0, ANY_THREAD = 1, WAITS = 2;
struct FunctionRow {
  const char *name, *returns, *params, *results;
  int calls;
};
static constexpr FunctionRow kFunctions[] = {
#define JT_FUNCTION(name, returns, params, results, calls) {#name, returns, params, results, calls},
#include "capi/api.def"
};

static Function function_of(const FunctionRow& row) {
  Function out{
      .name = row.name, .returns = row.returns, .params = params_of(row.params), .results = params_of(row.results)};
  out.waits = row.calls & WAITS;
  out.any_thread = row.calls & ANY_THREAD;
  return out;
}

// The header's prototype as a function of the model writes it: a callback as its name alone.
static std::string prototype_text(Declaration header) {
  std::string list;
  for (const Declaration& p : header.params) list += (list.empty() ? "" : ", ") + (p.is_function ? p.name : p.text());
  return header.type + " " + header.name + "(" + (list.empty() ? "void" : list) + ")";
}

static bool says(const std::string& doc, const char* words) { return doc.find(words) != doc.npos; }

// What the row says and the comment denies.
static std::string denied(const Function& f, const std::string& doc) {
  bool says_any = says(doc, "Any thread") || says(doc, "Threads: any") || says(doc, "Threads:\nany");
  bool says_context = says(doc, "the context's") || says(doc, "the\ncontext's");
  if (says_any && !says_context && !f.any_thread) return "its comment says any thread";
  if (says_context && !says_any && f.any_thread) return "its comment says the context's thread";
  if (says(doc, "those of jt_eval") && !f.waits) return "its comment says that it may fail as jt_eval, so it waits";
  if (says(doc, "never waits") && f.waits) return "its comment says that it never waits";
  return "";
}

Api make_api(const std::vector<Row>& rows, Headers headers, std::vector<std::string>& complaints) {
  Api out{{}, layer_classes(), optimizer_classes(), std::move(headers)};
  for (const FunctionRow& row : kFunctions) out.functions.push_back(function_of(row));
  for (Function& f : op_functions(rows)) out.functions.push_back(std::move(f));
  std::map<std::string, const Declaration*> declared;
  for (const Declaration& d : out.headers.functions) declared[d.name] = &d;
  for (Function& f : out.functions) {
    auto found = declared.find(f.c_name());
    if (found == declared.end()) {
      complaints.push_back("capi/api.def: no header declares " + f.c_name());
      continue;
    }
    const Declaration& header = *found->second;
    if (prototype_text(header) != f.c_text())
      complaints.push_back("capi/api.def: " + f.name + " says " + f.c_text() + ", the header " +
                           prototype_text(header));
    if (!f.is_op) f.doc.text = header.doc;
    if (std::string reason = f.is_op ? "" : denied(f, header.doc); !reason.empty())
      complaints.push_back("capi/api.def: " + f.name + ": " + reason);
    declared.erase(found);
  }
  for (const auto& [name, header] : declared) complaints.push_back("capi/api.def has no row for " + name);
  return out;
}

}  // namespace opgen
