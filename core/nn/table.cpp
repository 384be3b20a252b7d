#include "core/nn/table.h"

#include <algorithm>

namespace jt {

#ifdef JT_OPS_FACTS_ONLY
#define JT_FORWARD(function) nullptr
#else
#define JT_FORWARD(function) function
#define JT_LAYER(name, ...) void name##_forward(LayerCall&);
#include "core/nn/layers.def"
#endif

static consteval bool is_low(std::string_view word) {
  if (!word.empty() && word != "LOW") throw "not LOW";
  return !word.empty();
}
static constexpr LayerRow kRows[] = {
#define JT_LAYER(name, fields, parameters, buffers, operands, aliases, doc, ...) \
  {#name, fields, parameters, buffers, operands, aliases, doc, JT_FORWARD(name##_forward), is_low(#__VA_ARGS__)},
#include "core/nn/layers.def"
};

std::span<const LayerRow> layer_rows() { return kRows; }

bool next_word(std::string_view& rest, std::string_view& word, char separator) {
  for (word = {}; word.empty() && !rest.empty();) {
    word = rest.substr(0, rest.find(separator));
    rest.remove_prefix(std::min(rest.size(), word.size() + 1));
  }
  return !word.empty();
}

std::vector<std::string_view> words(std::string_view text, char separator) {
  std::vector<std::string_view> out;
  for (std::string_view word; next_word(text, word, separator);) out.push_back(word);
  return out;
}

const LayerRow* layer_named(std::string_view name) {
  for (const LayerRow& row : kRows) {
    if (row.name == name) return &row;
    for (std::string_view alias : words(row.aliases))
      if (alias == name) return &row;
  }
  return nullptr;
}

// Cuts `text` at the first `mark`; gives what was behind it.
static std::string_view cut(std::string_view& text, char mark) {
  size_t at = text.find(mark);
  if (at == text.npos) return {};
  std::string_view rest = text.substr(at + 1);
  text = text.substr(0, at);
  return rest;
}

static FieldKind kind_of(std::string_view type) {
  if (type == "int" || type == "count" || type == "size") return FieldKind::integer;
  if (type == "float" || type == "unit" || type == "real" || type == "any") return FieldKind::real;
  if (type == "ints" || type == "counts" || type == "sizes") return FieldKind::ints;
  if (type == "bool") return FieldKind::boolean;
  if (type == "tensor") return FieldKind::tensor;
  return type == "dtype" ? FieldKind::dtype : FieldKind::word;
}

static LayerField parse_field(std::string_view word) {
  LayerField out;
  bool has_default = word.find('=') != word.npos;
  out.fallback = cut(word, '=');
  out.type = cut(word, ':');
  out.name = word;
  out.may_be_none = out.type.ends_with('?') || out.fallback == "none";
  if (out.type.ends_with('?')) out.type.remove_suffix(1);
  char last = out.type.back();
  if (last >= '1' && last <= '9') out.values = last - '0', out.type.remove_suffix(1);
  out.kind = kind_of(out.type);
  if (out.kind == FieldKind::word) out.may_be_none = false;
  out.is_required = !has_default && out.kind != FieldKind::tensor;
  return out;
}

std::vector<LayerField> layer_fields(const LayerRow& row) {
  std::vector<LayerField> out;
  for (std::string_view word : words(row.fields)) out.push_back(parse_field(word));
  out.push_back(parse_field("dtype:dtype=f32"));
  return out;
}

static LayerState parse_state(std::string_view word, bool is_buffer) {
  LayerState out{};
  out.condition = cut(word, '?');
  out.initial = cut(word, '=');
  out.dtype = cut(word, ':');
  out.extents = cut(word, '[');
  out.extents.remove_suffix(1);
  out.name = word;
  out.is_buffer = is_buffer;
  return out;
}

std::vector<LayerState> layer_states(const LayerRow& row) {
  std::vector<LayerState> out;
  for (std::string_view word : words(row.parameters)) out.push_back(parse_state(word, false));
  for (std::string_view word : words(row.buffers)) out.push_back(parse_state(word, true));
  for (const LayerField& field : layer_fields(row))
    if (field.kind == FieldKind::tensor) out.push_back({field.name, "", "", "absent", "", true});
  return out;
}

LayerOperands layer_operands(const LayerRow& row) {
  LayerOperands out;
  std::string_view inputs = row.operands, results = cut(inputs, ';');
  for (std::string_view word : words(inputs)) {
    bool is_optional = word.ends_with('?');
    if (is_optional) word.remove_suffix(1);
    else out.required++;
    out.inputs.push_back(word);
  }
  out.results = words(results);
  if (out.results.empty() && !out.inputs.empty()) out.results.push_back("y");
  return out;
}

}  // namespace jt
