#include "core/nn/layer.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

#include "core/ir/build.h"

namespace jt {

// ---- fields ---------------------------------------------------------------------------------------------------------

static const LayerRow& row_of(std::string_view kind) {
  const LayerRow* row = layer_named(kind);
  if (!row) fail(JT_E_NOT_FOUND, "no layer is called '", kind, "'");
  return *row;
}

static double number(std::string_view text) {
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

size_t Layer::field_named(const char* name) const {
  for (size_t i = 0; i < fields_.size(); i++)
    if (name && fields_[i].name == name) return i;
  fail(JT_E_INVALID, row_->name, ": no field is called '", name ? name : "(null)", "'");
}

Layer::Layer(std::string_view kind, std::span<const jt_attr> attrs)
    : row_(&row_of(kind)), fields_(layer_fields(*row_)), state_rows_(layer_states(*row_)),
      operands_(layer_operands(*row_)) {
  values_.resize(fields_.size());
  std::vector<bool> is_given(fields_.size());
  for (const jt_attr& attr : attrs) {
    size_t i = field_named(attr.name);
    if (is_given[i]) fail(JT_E_INVALID, row_->name, ": ", attr.name, " is given twice");
    give(fields_[i], attr);
    is_given[i] = true;
  }
  for (size_t i = 0; i < fields_.size(); i++) {
    if (!is_given[i] && fields_[i].is_required) fail(JT_E_INVALID, row_->name, ": ", fields_[i].name, " is missing");
    if (!is_given[i]) give_default(fields_[i]);
    check(fields_[i]);
  }
  find_states();
}

bool Layer::keeps(const LayerState& s) const { return s.condition.empty() || (*this)[s.condition].integer; }
Type Layer::type_of(const LayerState& s) const {
  return {s.dtype.empty() ? dtype() : dtype_named(s.dtype), s.initial == "absent" ? Shape() : shape(s.extents)};
}
void Layer::find_states() {
  states_.clear();
  for (const LayerState& s : state_rows_)
    if (keeps(s)) states_.push_back({std::string(s.name), type_of(s), s.initial, s.is_buffer});
}
bool Layer::are_states_as_found() const {
  size_t n = 0;
  for (const LayerState& s : state_rows_) {
    if (!keeps(s)) continue;
    if (n == states_.size() || states_[n].name != s.name || !(states_[n].type == type_of(s))) return false;
    n++;
  }
  return n == states_.size();
}

void Layer::set(const jt_attr& attr) {
  size_t i = field_named(attr.name);
  const LayerField& field = fields_[i];
  before_ = values_[i];
  try {
    give(field, attr);
    check(field);
    if (!are_states_as_found())
      fail(JT_E_INVALID, row_->name, ": ", field.name, " decides about tensors that are there, and cannot change");
  } catch (...) {
    std::swap(values_[i], before_);
    throw;
  }
}

const LayerValue& Layer::operator[](std::string_view field) const {
  for (size_t i = 0; i < fields_.size(); i++)
    if (fields_[i].name == field) return values_[i];
  fail(JT_E_INTERNAL, row_->name, " has no field ", field);
}

void Layer::give(const LayerField& field, const jt_attr& attr) {
  LayerValue& value = values_[size_t(&field - fields_.data())];
  auto wrong = [&](std::string_view wanted) { fail(JT_E_INVALID, row_->name, ": ", field.name, " is not ", wanted); };
  switch (field.kind) {
    case FieldKind::real:
      if (attr.kind != JT_ATTR_F64 && attr.kind != JT_ATTR_I64) wrong("a number");
      value.real = attr.kind == JT_ATTR_F64 ? attr.f64 : double(attr.i64);
      return;
    case FieldKind::ints:
      if (attr.kind == JT_ATTR_I64) value.ints = {attr.i64};
      else if (attr.kind != JT_ATTR_INTS || (attr.ints_len && !attr.ints)) wrong("a list of integers");
      else value.ints.assign(attr.ints, attr.ints + attr.ints_len);
      if (field.values && value.ints.size() == 1) value.ints.assign(size_t(field.values), value.ints[0]);
      return;
    case FieldKind::word:
      if (attr.kind != JT_ATTR_STR || !attr.str) wrong("a text");
      value.word.assign(attr.str, attr.str_len == JT_NUL ? std::strlen(attr.str) : attr.str_len);
      return;
    case FieldKind::tensor: wrong("a number or text; set the tensor once the layer is made");
      return;
    default:
      if (attr.kind != JT_ATTR_I64) wrong("an integer");
      value.integer = attr.i64;
  }
}

void Layer::give_default(const LayerField& field) {
  LayerValue& value = values_[size_t(&field - fields_.data())];
  bool is_none = field.may_be_none && field.fallback == "none";
  switch (field.kind) {
    case FieldKind::integer:
    case FieldKind::boolean: value.integer = is_none ? kNone : int64_t(number(field.fallback)); return;
    case FieldKind::real: value.real = is_none ? std::nan("") : number(field.fallback); return;
    case FieldKind::ints:
      if (!is_none) value.ints.assign(size_t(std::max(field.values, 1)), int64_t(number(field.fallback)));
      return;
    case FieldKind::word: value.word = field.fallback; return;
    case FieldKind::dtype: value.integer = dtype_named(field.fallback); return;
    case FieldKind::tensor: return;
  }
}

static void check_integer(const LayerRow& row, const LayerField& field, int64_t value) {
  int64_t least = field.type.starts_with("count") ? 1 : field.type.starts_with("size") ? 0 : INT64_MIN + 1;
  if (value < least) fail(JT_E_INVALID, row.name, ": ", field.name, " ", value, " is below ", least);
}

void Layer::check(const LayerField& field) const {
  const LayerValue& value = values_[size_t(&field - fields_.data())];
  switch (field.kind) {
    case FieldKind::integer:
      if (!(field.may_be_none && value.integer == kNone)) check_integer(*row_, field, value.integer);
      return;
    case FieldKind::boolean:
      if (value.integer != 0 && value.integer != 1)
        fail(JT_E_INVALID, row_->name, ": ", field.name, " ", value.integer, " is neither 0 nor 1");
      return;
    case FieldKind::real: {
      bool has_least = field.type != "float" && field.type != "any", has_most = field.type == "unit";
      bool is_none = value.real != value.real && field.may_be_none;
      bool is_any = field.type == "any";  // an infinity or NaN too
      bool fits = is_none || is_any ||
                  (std::isfinite(value.real) && (!has_least || value.real >= 0) && (!has_most || value.real <= 1));
      if (!fits)
        fail(JT_E_INVALID, row_->name, ": ", field.name, " ", value.real,
             has_most    ? " is not in 0..1"
             : has_least ? " is not a number >= 0"
                         : " is not finite");
      return;
    }
    case FieldKind::ints:
      if (field.may_be_none && value.ints.empty()) return;
      if (field.values ? value.ints.size() != size_t(field.values) : value.ints.empty())
        fail(JT_E_INVALID, row_->name, ": ", field.name, " has ", value.ints.size(), " values, not ",
             field.values ? text(field.values) : "1 or more");
      for (int64_t v : value.ints) check_integer(*row_, field, v);
      return;
    case FieldKind::word:
      for (std::string_view rest = field.type, word; next_word(rest, word, '|');)
        if (word == value.word) return;
      fail(JT_E_INVALID, row_->name, ": ", field.name, " '", value.word, "' is none of ", field.type);
    case FieldKind::dtype:
      if (value.integer != int(value.integer) || !is_dtype(int(value.integer)) || !is_float(DType(value.integer)))
        fail(JT_E_DTYPE, row_->name, ": dtype ", value.integer, " is not a floating-point dtype");
      return;
    case FieldKind::tensor: return;
  }
}

// ---- what it keeps --------------------------------------------------------------------------------------------------

// "in_channels/groups*kernel_size"
int64_t Layer::product(std::string_view term) const {
  int64_t out = 1;
  char op = '*';
  while (!term.empty()) {
    size_t end = term.find_first_of("*/");
    std::string_view atom = term.substr(0, end);
    int64_t factor = 1;
    if (atom[0] >= '0' && atom[0] <= '9') {
      factor = int64_t(number(atom));
    } else {
      const LayerValue& value = (*this)[atom];
      for (int64_t v : value.ints) factor = checked_product(row_->name, factor, v);
      if (value.ints.empty()) factor = value.integer;
    }
    if (op == '*') out = checked_product(row_->name, out, factor);
    else if (out % factor) fail(JT_E_INVALID, row_->name, ": ", atom, " ", factor, " does not divide ", out);
    else out /= factor;
    if (end == term.npos) return out;
    op = term[end];
    term.remove_prefix(end + 1);
  }
  return out;
}

Shape Layer::shape(std::string_view extents) const {
  Shape out;
  for (std::string_view term; next_word(extents, term, ',');) {
    bool is_field = term.find_first_of("*/") == term.npos && !(term[0] >= '0' && term[0] <= '9');
    if (is_field && !(*this)[term].ints.empty())
      for (int64_t v : (*this)[term].ints) out.push(v);
    else
      out.push(product(term));
  }
  int64_t count = 1;
  for (int64_t extent : out.extents()) count = checked_product(row_->name, count, extent);
  checked_product(row_->name, count, 8);
  return out;
}

Value Layer::initial(Recorder& recorder, size_t i, RandomPlace place) const {
  const State& state = states_[i];
  if (state.is_absent()) return {};
  std::string_view kind = state.initial.substr(0, state.initial.find('('));
  std::string_view of = kind.size() == state.initial.size() ? kind : state.initial.substr(kind.size() + 1);
  if (of.ends_with(')')) of.remove_suffix(1);
  auto filled = [&](double value) {
    return recorder.build(Op::full, {},
                          Attrs().add_ints(state.type.shape.extents()).add_real(value).add(state.type.dtype));
  };
  if (kind == "zeros") return filled(0);
  if (kind == "ones") return filled(1);
  if (kind == "value") return filled((*this)[of].real);
  if (kind == "fan") return jt::initial(recorder, "uniform", state.type, place, 1 / std::sqrt(double(product(of))));
  Value out = jt::initial(recorder, kind, state.type, place, 0);
  if (std::string_view(row_->name) != "Embedding" || (*this)["padding_idx"].integer == kNone) return out;
  int64_t rows = state.type.shape[0], padding = (*this)["padding_idx"].integer;
  if (padding < -rows || padding >= rows)
    fail(JT_E_INVALID, "Embedding: padding_idx ", padding, " is outside ", rows, " rows");
  Value number = ops::iota(recorder, state.type.shape, 0, JT_I64);
  return ops::where(ops::equal(number, double(padding < 0 ? padding + rows : padding)), 0, out);
}

// ---- forward --------------------------------------------------------------------------------------------------------

size_t LayerCall::place_of(std::string_view state) const {
  size_t i = 0;
  while (i < layer.states().size() && layer.states()[i].name != state) i++;
  return i;
}
Value LayerCall::state(std::string_view name) const {
  size_t i = place_of(name);
  return i < states.size() ? states[i] : Value();
}
void LayerCall::update(std::string_view name, const Value& value) { next[place_of(name)] = value; }

// Autocast: in halves, from the operands to the result.
static void forward_low(LayerCall& call) {
  DType low = call.recorder().low_precision;
  auto lowered = [low](std::span<const Value> values) {
    List<Value> out;
    for (const Value& v : values) out.push_back(v && is_cast_to(v.dtype(), low) ? ops::cast(v, low) : v);
    return out;
  };
  List<Value> inputs = lowered(call.inputs), states = lowered(call.states);
  std::span<const Value> given = call.inputs, kept = call.states;
  call.inputs = inputs, call.states = states;
  WithoutAutocast as_they_are(call.recorder());
  call.layer.row().forward(call);
  call.inputs = given, call.states = kept;
}

void forward(LayerCall& call) {
  const LayerRow& row = call.layer.row();
  const LayerOperands& operands = call.layer.operands();
  if (operands.inputs.empty()) fail(JT_E_UNSUPPORTED, row.name, ": has no forward of its own");
  if (call.inputs.size() < operands.required || call.inputs.size() > operands.inputs.size())
    fail(JT_E_INVALID, row.name, ": takes ", operands.inputs.size(), " operands, not ", call.inputs.size());
  for (size_t i = 0; i < operands.required; i++)
    if (!call.inputs[i]) fail(JT_E_INVALID, row.name, ": operand ", operands.inputs[i], " is NULL");
  call.next.assign(call.layer.states().size(), Value());
  row.is_low && call.recorder().low_precision != JT_F32 ? forward_low(call) : row.forward(call);
}

}  // namespace jt
