// table: the rows of layers.def as values, and their texts taken apart. Host tools link table.cpp alone.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/dtype.h"

namespace jt {

struct LayerCall;

struct LayerRow {
  const char *name, *fields, *parameters, *buffers, *operands, *aliases, *doc;
  void (*forward)(LayerCall&);
  bool is_low = false;  // autocast gives it halves
};
std::span<const LayerRow> layer_rows();
// The row called `name`, by its name or an alias; null if there is none.
const LayerRow* layer_named(std::string_view name);

enum class FieldKind : uint8_t { integer, boolean, real, ints, word, tensor, dtype };

struct LayerField {
  std::string_view name, type, fallback;  // `type` as the table says it, a number of values behind it cut off
  FieldKind kind;
  int values = 0;                         // of a list: how many; 0: any number
  bool is_required = false;
  bool may_be_none = false;
};
std::vector<LayerField> layer_fields(const LayerRow& row);  // `dtype` last; tensors too

struct LayerState {
  std::string_view name, extents, dtype, initial, condition;  // dtype empty: the layer's; condition empty: always
  bool is_buffer;
};
std::vector<LayerState> layer_states(const LayerRow& row);  // parameters, buffers, tensors among the fields

struct LayerOperands {
  std::vector<std::string_view> inputs, results;
  size_t required = 0;  // of the inputs, the first ones
};
LayerOperands layer_operands(const LayerRow& row);

std::vector<std::string_view> words(std::string_view text, char separator = ' ');
bool next_word(std::string_view& rest, std::string_view& word, char separator);  // false where there is none

}  // namespace jt
