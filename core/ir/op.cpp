// op: expands ops.def into the table of OpDefs, and takes signatures apart.
//
// Host tools want the facts without the functions behind them: they define JT_OPS_FACTS_ONLY and link this file alone.
#include "core/ir/op.h"

#include "core/ir/rules.h"

namespace jt {

#ifdef JT_OPS_FACTS_ONLY
#define JT_RULE(function) nullptr
#else
#define JT_RULE(function) function
#endif

#define JT_UNARY(name, types, result, f, i, dx, flags, lo, hi, since, doc) \
  {#name, Kind::element, Operands::types, ResultRule::result, {}, JT_##flags, "x", JT_RULE(element_type), nullptr, lo, hi, #f, #i, since, doc},
#define JT_BINARY(name, types, result, f, i, dx, dy, flags, lo, hi, since, doc) \
  {#name, Kind::element, Operands::types, ResultRule::result, {}, JT_##flags, "x y", JT_RULE(element_type), nullptr, lo, hi, #f, #i, since, doc},
#define JT_TERNARY(name, types, result, f, i, dx, dy, dw, flags, lo, hi, since, doc) \
  {#name, Kind::element, Operands::types, ResultRule::result, {}, JT_##flags, "x y w", JT_RULE(element_type), nullptr, lo, hi, #f, #i, since, doc},
#define JT_REDUCE(name, types, result, reduction, dx, lo, hi, since, doc) \
  {#name, Kind::reduce, Operands::types, ResultRule::result, Reduction::reduction, false, \
   "x; axes:ints keepdims:bool=0", JT_RULE(reduce_type), nullptr, lo, hi, "", "", since, doc},
#define JT_OP(name, kind, signature, type, gradient, since, doc) \
  {#name, Kind::JT_KIND_##kind, Operands::ANY, ResultRule::SAME, {}, false, signature, JT_RULE(type), JT_BODY_##kind(name), -4, 4, "", "", since, doc},
#define JT_COMM true
#define JT_PLAIN false
#define JT_KIND_CAST cast
#define JT_KIND_MOVEMENT movement
#define JT_KIND_INDEX index
#define JT_KIND_LIBRARY library
#define JT_KIND_SOURCE source
#define JT_KIND_COMPOSITE composite

#define JT_BODY_CAST(name) nullptr
#define JT_BODY_MOVEMENT(name) nullptr
#define JT_BODY_INDEX(name) nullptr
#define JT_BODY_LIBRARY(name) nullptr
#define JT_BODY_SOURCE(name) nullptr
#define JT_BODY_COMPOSITE(name) JT_RULE(name##_body)

constexpr OpDef kOpTable[] = {
    {"data", Kind::leaf, Operands::ANY, ResultRule::SAME, {}, false, "", nullptr, nullptr, 0, 0, "", "", "0.1", "A value that exists."},
    {"constant", Kind::constant, Operands::ANY, ResultRule::SAME, {}, false, "", nullptr, nullptr, 0, 0, "", "", "0.1", "A scalar of the program."},
    {"custom", Kind::custom, Operands::ANY, ResultRule::SAME, {}, false, "", nullptr, nullptr, 0, 0, "", "", "0.1", "An op that the program brought along."},
#include "core/ir/ops.def"
};
static_assert(sizeof kOpTable / sizeof *kOpTable == size_t(kOps));

Op op_named(std::string_view wanted) {
  for (int i = 0; i < kOps; i++)
    if (wanted == kOpTable[i].name) return Op(i);
  return Op::count;
}

static std::string_view next_word(std::string_view& text) {
  size_t from = text.find_first_not_of(' ');
  if (from == text.npos) return text = {}, text;
  text.remove_prefix(from);
  std::string_view word = text.substr(0, text.find(' '));
  text.remove_prefix(word.size());
  return word;
}

static AttrType attr_type_named(std::string_view name) {
  if (name == "int") return AttrType::integer;
  if (name == "ints") return AttrType::ints;
  if (name == "bool") return AttrType::boolean;
  if (name == "float") return AttrType::real;
  if (name == "dtype") return AttrType::dtype;
  return AttrType::string;
}

static std::string_view take_part(std::string_view& text) {
  std::string_view part = text.substr(0, text.find(';'));
  text.remove_prefix(std::min(text.size(), part.size() + 1));
  return part;
}

Signature signature(const OpDef& op) {
  Signature out;
  std::string_view rest = op.signature, operands = take_part(rest), attrs = take_part(rest), results = rest;
  while (!operands.empty()) {
    std::string_view word = next_word(operands);
    if (word.empty()) break;
    bool optional = word.ends_with("?");
    if (optional) word.remove_suffix(1);
    if (word.ends_with("...")) out.variadic = true, word.remove_suffix(3);
    out.operands.push_back(word);
    out.optional.push_back(optional);
  }
  for (std::string_view word; !(word = next_word(attrs)).empty();) {
    size_t colon = word.find(':'), equals = word.find('=');
    std::string_view fallback = equals == word.npos ? std::string_view() : word.substr(equals + 1);
    out.attrs.push_back({word.substr(0, colon), attr_type_named(word.substr(colon + 1, equals - colon - 1)), fallback});
  }
  for (std::string_view word; !(word = next_word(results)).empty();) out.results.push_back(word);
  if (out.results.empty()) out.results.push_back("out");
  return out;
}

}  // namespace jt
