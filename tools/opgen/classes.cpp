// classes: the tables of layers and optimisers as classes of the model.
#include "core/nn/table.h"
#include "tools/opgen/api.h"

namespace opgen {

using jt::FieldKind;
using jt::LayerField;

static Role role_of(FieldKind kind) {
  switch (kind) {
    case FieldKind::integer: return Role::integer;
    case FieldKind::boolean: return Role::boolean;
    case FieldKind::real: return Role::real;
    case FieldKind::ints: return Role::ints;
    case FieldKind::word: return Role::text;
    case FieldKind::tensor: return Role::optional_operand;
    case FieldKind::dtype: return Role::dtype;
  }
  return Role::integer;
}

static Param field_of(const LayerField& f) {
  Role role = role_of(f.kind);
  Param out{std::string(f.name), role, std::string(row_of(role).type), f.is_required, std::string(f.fallback)};
  bool has_range = f.type == "count" || f.type == "size" || f.type == "unit" || f.type == "real" ||
                   f.type == "counts" || f.type == "sizes";
  if (has_range) out.range = f.type;
  out.values = f.values;
  out.may_be_none = f.may_be_none;
  if (f.kind == FieldKind::word)
    for (std::string_view word : jt::words(f.type, '|')) out.words.push_back(std::string(word));
  return out;
}

static Class layer_class(const jt::LayerRow& row) {
  Class out{.kind = row.name, .title = row.name, .doc = {row.doc}};
  for (std::string_view alias : jt::words(row.aliases)) out.aliases.push_back(std::string(alias));
  for (const LayerField& f : jt::layer_fields(row)) out.fields.push_back(field_of(f));
  for (const jt::LayerState& s : jt::layer_states(row))
    out.states.push_back({std::string(s.name), std::string(s.extents), std::string(s.dtype), std::string(s.initial),
                          std::string(s.condition), s.is_buffer});
  jt::LayerOperands operands = jt::layer_operands(row);
  out.forward = {.name = "forward", .returns = "status"};
  for (size_t i = 0; i < operands.inputs.size(); i++) {
    bool is_required = i < operands.required;
    out.forward.params.push_back(
        {std::string(operands.inputs[i]), is_required ? Role::operand : Role::optional_operand, "", is_required});
  }
  for (std::string_view result : operands.results) {
    out.forward.results.push_back({"out_" + std::string(result), Role::out_tensor, ""});
    out.forward.result_names.push_back(std::string(result));
  }
  out.is_container = out.kind == "Module" || out.kind == "Sequential";
  return out;
}

std::vector<Class> layer_classes() {
  std::vector<Class> out;
  for (const jt::LayerRow& row : jt::layer_rows()) out.push_back(layer_class(row));
  return out;
}

struct OptimizerRow {
  const char *name, *title, *fields, *doc;
};
static constexpr OptimizerRow kOptimizers[] = {
#define JT_OPTIMIZER(name, title, fields, states, doc) {#name, #title, fields, doc},
#include "core/optim/optimizers.def"
};

std::vector<Class> optimizer_classes() {
  std::vector<Class> out;
  for (const OptimizerRow& row : kOptimizers) {
    Class made{.kind = row.name, .title = row.title, .doc = {row.doc}};
    for (std::string_view word : jt::words(row.fields)) {
      size_t equals = word.find('=');
      std::string name(word.substr(0, equals)), fallback(word.substr(equals + 1));
      bool is_flag = name.back() == '?';
      if (is_flag) name.pop_back();
      Param field{name, is_flag ? Role::boolean : Role::real, is_flag ? "" : "double", false, fallback};
      if (!is_flag) field.range = "real";
      made.fields.push_back(field);
    }
    out.push_back(made);
  }
  return out;
}

}  // namespace opgen
