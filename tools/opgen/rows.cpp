// rows: the op table as it looks from outside.
#include "tools/opgen/rows.h"

#include <stdexcept>

namespace opgen {

using jt::AttrType;
using jt::Kind;
using jt::Operands;
using jt::ResultRule;

// Columns that OpDef does not keep.
struct Texts {
  std::string_view type_rule, dx, dy, dw;
};
static constexpr Texts kTexts[] = {
    {},  // data
    {},  // constant
    {},  // custom
    {},  // branch
    {},  // loop
#define JT_UNARY(name, types, result, f, i, dx, ...) {"", #dx, "", ""},
#define JT_BINARY(name, types, result, f, i, dx, dy, ...) {"", #dx, #dy, ""},
#define JT_TERNARY(name, types, result, f, i, dx, dy, dw, ...) {"", #dx, #dy, #dw},
#define JT_REDUCE(name, types, result, reduction, dx, ...) {"", #dx, "", ""},
#define JT_OP(name, kind, signature, type, gradient, ...) {#type, #gradient, "", ""},
#include "core/ir/ops.def"
};
static_assert(sizeof kTexts / sizeof *kTexts == size_t(jt::kOps));

// What the type rules of core/ir/type_rules.cpp accept and give, where kind and signature do not say it.
struct DtypeFact {
  std::string_view type_rule, dtypes, result;
};
static constexpr DtypeFact kDtypeFacts[] = {
    {"concat_type", "every dtype; operands are converted to their promoted dtype", "the promoted dtype"},
    {"conv3d_type", "float dtypes, the same for all", "x's dtype"},
    {"conv3d_grad_x_type", "float dtypes, the same for all", "dz's dtype"},
    {"pool3d_type", "float dtypes", "x's dtype"},
    {"matmul_type", "every dtype but bool; operands are converted to their promoted dtype", "the promoted dtype"},
    {"random_bits_type", "", "i64"},
    {"uniform_type", "", "the attribute dtype, a float dtype"},
    {"mean_type", "every dtype; integers and bool become f32", "x's dtype, f32 for integers and bool"},
    {"float_type", "every dtype; integers and bool become f32", "x's dtype, f32 for integers and bool"},
    {"norm_type", "every dtype; integers and bool become f32", "x's dtype, f32 for integers and bool"},
    {"cross_entropy_type", "x and weight of float dtypes, label of an integer dtype or of a float dtype", "x's dtype"},
    {"pair_loss_type", "float dtypes, the same for both", "x's dtype"},
    {"bce_type", "float dtypes, the same for x and y", "x's dtype"},
    {"gelu_type", "every dtype; integers and bool become f32", "x's dtype, f32 for integers and bool"},
    {"pointwise_type", "every dtype; integers and bool become f32", "x's dtype, f32 for integers and bool"},
    {"prelu_type", "float dtypes, the same for both", "x's dtype"},
    {"dropout_type", "float dtypes", "x's dtype"},
    {"embedding_type", "index of an integer dtype, weight of every dtype", "weight's dtype"},
    {"one_hot_type", "index of an integer dtype", "the attribute dtype"},
    {"check_index_type", "index of an integer dtype", "index's dtype"},
    {"layer_norm_type", "float dtypes, the same for all", "x's dtype"},
    {"group_norm_type", "float dtypes, the same for all", "x's dtype"},
    {"batch_norm_type", "float dtypes, the same for all", "x's dtype"},
    {"nll_type", "x and weight of float dtypes, label of an integer dtype", "x's dtype"},
    {"ordering_type", "every dtype", "x's dtype, index i64"},
    {"pair_type", "every dtype; operands are converted to their promoted dtype, integers and bool to f32",
     "the promoted dtype, f32 for integers and bool"},
    {"isclose_type", "every dtype", "bool"},
    {"number_pair_type", "every dtype but bool; operands are converted to their promoted dtype", "the promoted dtype"},
    {"nan_to_num_type", "every dtype", "x's dtype"},
    {"masked_fill_type", "x of every dtype, mask bool", "x's dtype"},
    {"triangle_type", "every dtype", "x's dtype"},
    {"diagonal_type", "every dtype", "x's dtype"},
    {"roll_type", "every dtype", "x's dtype"},
    {"tile_type", "every dtype", "x's dtype"},
    {"slice_at_type", "every dtype, start of an integer dtype", "x's dtype"},
    {"update_at_type", "every dtype, the same for x and v, start of an integer dtype", "x's dtype"},
    {"stack_type", "every dtype; operands are converted to their promoted dtype", "the promoted dtype"},
    {"aminmax_type", "every dtype", "x's dtype"},
    {"var_mean_type", "every dtype; integers and bool become f32", "x's dtype, f32 for integers and bool"},
    {"accumulation_type", "every dtype", "x's dtype; signed integers and bool become i64, unsigned ones u64"},
    {"argsort_type", "every dtype", "i64"},
    {"topk_type", "every dtype", "x's dtype, index i64"},
    {"split_type", "every dtype", "x's dtype"},
};

// Shapes by type rule; rows of the kinds element and reduce need none.
struct ShapeFact {
  std::string_view type_rule, shapes;
};
static constexpr ShapeFact kShapeFacts[] = {
    {"cast_type", "x of any shape; the result has it too"},
    {"reshape_type", "x of any shape -> shape, of as many elements"},
    {"transpose_type", "x [d0,d1,..] -> [d(axes[0]),d(axes[1]),..]"},
    {"expand_type", "x [..] with extent 1 where it is repeated -> shape"},
    {"slice_type", "x [d0,..] -> [ceil((stop0 - start0) / step0),..]"},
    {"pad_type", "x [d0,..] -> [before0 + d0 + after0,..]"},
    {"flip_type", "x of any shape; the result has it too"},
    {"windows_type", "x [..,d,..] -> [..,out,..,size..], out = (d - dilation * (size - 1) - 1) / stride + 1"},
    {"concat_type", "inputs equal but for axis -> the same with the sum of their extents there"},
    {"update_type", "x [d0,..], v [n0,..] of x's rank within x -> [d0,..]"},
    {"take_type", "x [d0,..], index [i..] -> x's shape with the extent of axis replaced by index's shape"},
    {"scatter_add_type", "x [d0,..], index [n], v = x's shape with n at axis -> x's shape"},
    {"gather_type", "x [d0,..], index of x's rank -> index's shape"},
    {"scatter_type", "x [d0,..], index of x's rank, v of index's shape -> x's shape"},
    {"reindex_type", "x of any shape -> shape"},
    {"reindex_reduce_type", "x of any shape -> shape"},
    {"iota_type", "-> shape"},
    {"full_type", "-> shape"},
    {"random_bits_type", "-> shape"},
    {"uniform_type", "-> shape"},
    {"matmul_type",
     "x [..,M,K], y [..,K,N] -> [..,M,N], leading axes broadcast; [K] is a row on the left, a column on the right"},
    {"conv2d_type",
     "x [N,C,H,W], w [O,C/groups,KH,KW] -> [N,O,OH,OW], OH = (H + top + bottom - dilation * (KH - 1) - 1) / stride + "
     "1"},
    {"conv2d_grad_x_type", "dz [N,O,OH,OW], w [O,C/groups,KH,KW] -> shape [N,C,H,W]"},
    {"conv2d_grad_w_type", "dz [N,O,OH,OW], x [N,C,H,W] -> shape [O,C/groups,KH,KW]"},
    {"conv3d_type", "x [N,C,D,H,W], w [O,C/groups,KD,KH,KW] -> [N,O,OD,OH,OW]; extents as of conv2d"},
    {"conv3d_grad_x_type", "dz [N,O,OD,OH,OW], w [O,C/groups,KD,KH,KW] -> shape [N,C,D,H,W]"},
    {"pool3d_type", "x [N,C,D,H,W] -> [N,C,OD,OH,OW]; extents as of max_pool2d"},
    {"max_pool2d_type", "x [N,C,H,W] -> z and index [N,C,OH,OW], OH = (H + top + bottom - size) / stride + 1"},
    {"max_pool2d_grad_type", "dz and index [N,C,OH,OW] -> shape [N,C,H,W]"},
    {"avg_pool2d_type", "x [N,C,H,W] -> [N,C,OH,OW], OH = (H + top + bottom - size) / stride + 1"},
    {"avg_pool2d_grad_type", "dz [N,C,OH,OW] -> shape [N,C,H,W]"},
    {"mean_type",
     "x of any shape; the result lacks the axes that are folded (all when axes is empty), or has extent 1 there with "
     "keepdims"},
    {"float_type", "x of any shape; the result has it too"},
    {"norm_type",
     "x of any shape; the result lacks the axes that are folded (all when axes is empty), or has extent 1 there with "
     "keepdims"},
    {"cross_entropy_type",
     "x [N,C,..] or [C], label [N,..] or [] (probabilities: x's shape), weight [C] -> [], or label's shape with "
     "reduction none"},
    {"pair_loss_type", "x and y of one shape -> [], or that shape with reduction none"},
    {"bce_type",
     "x and y of one shape, weight and pos_weight of one that broadcasts to it -> [], or x's shape with reduction "
     "none"},
    {"gelu_type", "x of any shape; the result has it too"},
    {"pointwise_type", "x of any shape; the result has it too"},
    {"prelu_type", "x [N,C,..], weight [C] or [1] -> x's shape"},
    {"dropout_type", "x of any shape; the result has it too"},
    {"embedding_type", "index [i..], weight [V,d..] -> [i..,d..]"},
    {"check_index_type", "index of any shape; the result has it too"},
    {"one_hot_type", "index [i..] -> [i..,classes]"},
    {"layer_norm_type", "x [..,d..], weight and bias of its last `axes` extents -> x's shape"},
    {"group_norm_type", "x [N,C,..], weight and bias [C] -> x's shape"},
    {"batch_norm_type", "x [N,C,..], mean, var, weight and bias [C] -> x's shape"},
    {"ordering_type", "x of any shape; both results have it too"},
    {"pair_type", "operands broadcast as in NumPy; the result has the shape they broadcast to"},
    {"number_pair_type", "operands broadcast as in NumPy; the result has the shape they broadcast to"},
    {"isclose_type", "operands broadcast as in NumPy; the result has the shape they broadcast to"},
    {"nan_to_num_type", "x of any shape; the result has it too"},
    {"masked_fill_type", "x of any shape, mask of one that broadcasts to it; the result has x's"},
    {"triangle_type", "x [..,N,M] -> the same"},
    {"diagonal_type", "x [..,N,M] (axes 0 and 1 or those given) -> [..,K]"},
    {"roll_type", "x of any shape; the result has it too"},
    {"tile_type", "x [d0,..] -> [times[0] * d0,..]"},
    {"slice_at_type", "x [..,d,..], start [] -> [..,length,..]"},
    {"update_at_type", "x [..,d,..], v [..,n,..] with n <= d at axis, start [] -> x's shape"},
    {"stack_type", "inputs of one shape -> that with a new axis of extent inputs_len"},
    {"aminmax_type",
     "x of any shape; results lack the axes that are folded (all when axes is empty), or have extent 1 there with "
     "keepdims"},
    {"var_mean_type",
     "x of any shape; results lack the axes that are folded (all when axes is empty), or have extent 1 there with "
     "keepdims"},
    {"accumulation_type", "x of any shape; the result has it too"},
    {"argsort_type", "x of any shape; the result has it too"},
    {"topk_type", "x [..,d,..] -> z and index [..,k,..]"},
    {"split_type", "x [..,d,..] -> [..,sizes[i],..] for each i; the sum of sizes is d"},
    {"nll_type", "x [N,C,..] or [C], label [N,..] or [], weight [C] -> [], or label's shape with reduction none"},
};

static std::string element_dtypes(const jt::OpDef& op) {
  switch (op.operands) {
    case Operands::FLOAT: return "every dtype; integers and bool become f32";
    case Operands::NUMBER: return jt::takes_bools(jt::op_of(op)) ? "every dtype" : "every dtype but bool";
    case Operands::ANY: return "every dtype";
    case Operands::INTEGER: return "integers and bool";
    case Operands::LOGICAL: return "every dtype; other than bool means operand != 0";
    case Operands::CHOICE: return "x becomes bool (x != 0), y and w of every dtype";
  }
  return "";
}

static std::string same_result(const jt::OpDef& op) {
  bool takes_one = op.kind == Kind::reduce || jt::kSignatureTexts[int(jt::op_of(op))] == "x";
  std::string out = takes_one                         ? "x's dtype"
                    : op.operands == Operands::CHOICE ? "the promoted dtype of y and w"
                                                      : "the promoted dtype";
  return op.operands == Operands::FLOAT ? out + ", f32 for integers and bool" : out;
}

static std::string table_result(const jt::OpDef& op) {
  switch (op.result) {
    case ResultRule::SAME: return same_result(op);
    case ResultRule::BOOL: return "bool";
    case ResultRule::WIDE: return "x's dtype; signed integers and bool become i64, unsigned ones u64";
    case ResultRule::INDEX: return "i64";
  }
  return "";
}

static bool has_operand(const jt::Signature& signature, std::string_view name) {
  for (std::string_view operand : signature.operands)
    if (operand == name) return true;
  return false;
}
static bool has_dtype_attr(const jt::Signature& signature) {
  for (const jt::AttrDef& attr : signature.attrs)
    if (attr.type == AttrType::dtype) return true;
  return false;
}

static void say_dtypes(Row& row, std::string_view type_rule) {
  const jt::Signature& s = row.signature;
  if (row.def->kind == Kind::element || row.def->kind == Kind::reduce) {
    row.dtypes = element_dtypes(*row.def);
    row.result = table_result(*row.def);
    return;
  }
  for (const DtypeFact& fact : kDtypeFacts)
    if (fact.type_rule == type_rule) {
      row.dtypes = fact.dtypes, row.result = fact.result;
      return;
    }
  if (row.def->kind == Kind::composite && !has_dtype_attr(s))
    throw std::runtime_error(std::string(row.def->name) + ": tools/opgen/rows.cpp has no dtypes for the type rule " +
                             std::string(type_rule));
  if (!s.operands.empty()) row.dtypes = row.def->kind == Kind::library ? "float dtypes" : "every dtype";
  if (has_operand(s, "index"))
    row.dtypes += row.def->kind == Kind::library ? ", index i32" : ", index of an integer dtype";
  if (has_operand(s, "v")) row.dtypes += ", v of x's dtype";
  if (s.operands.size() > 1 && row.def->kind == Kind::library && !has_operand(s, "index"))
    row.dtypes += ", the same for all";
  row.result =
      has_dtype_attr(s) ? "the attribute dtype" : std::string(s.operands.empty() ? "x" : s.operands[0]) + "'s dtype";
  for (std::string_view result : s.results)
    if (result == "index") row.result += ", index i32";
}

static void say_gradient(Row& row, const Texts& texts) {
  row.has_gradient = false;
  for (std::string_view text : {texts.dx, texts.dy, texts.dw})
    if (!text.empty() && text != "zero") row.has_gradient = true;
  // A composite row whose column says `none` is differentiated through its body, if it has an operand to reach.
  if (texts.dx == "none" && row.signature.operands.empty()) row.has_gradient = false;
  if (row.def->kind != Kind::element || !row.has_gradient) return;
  const char* names[] = {"dx", "dy", "dw"};
  std::string_view all[] = {texts.dx, texts.dy, texts.dw};
  for (int i = 0; i < 3; i++)
    if (!all[i].empty())
      row.gradient += (i ? ", " : "") + std::string(names[i]) + " = " + std::string(all[i] == "zero" ? "0" : all[i]);
}

static constexpr std::string_view kReserved[] = {
    "auto",   "break",    "case",     "char",     "const",   "continue",  "default", "do",       "double",
    "else",   "enum",     "extern",   "float",    "for",     "goto",      "if",      "inline",   "int",
    "long",   "register", "restrict", "return",   "short",   "signed",    "sizeof",  "static",   "struct",
    "switch", "typedef",  "union",    "unsigned", "void",    "volatile",  "while",   "and",      "bool",
    "catch",  "class",    "delete",   "explicit", "export",  "false",     "friend",  "mutable",  "namespace",
    "new",    "not",      "operator", "or",       "private", "protected", "public",  "template", "this",
    "throw",  "true",     "try",      "typename", "using",   "virtual",   "xor",     "ctx"};

static void check_name(const Row& row, std::string_view name) {
  for (std::string_view reserved : kReserved)
    if (name == reserved)
      throw std::runtime_error(std::string(row.def->name) + ": '" + std::string(name) +
                               "' cannot be a parameter in C and C++");
}

std::vector<Row> rows() {
  std::vector<Row> out;
  for (int i = 0; i < jt::kOps; i++) {
    const jt::OpDef& def = jt::def(jt::Op(i));
    if (def.kind == Kind::leaf || def.kind == Kind::constant || def.kind == Kind::custom || def.kind == Kind::region)
      continue;
    Row row{jt::Op(i), &def, jt::signature(jt::Op(i)), "", "", "", false, ""};
    for (std::string_view name : row.signature.operands) check_name(row, name);
    for (const jt::AttrDef& attr : row.signature.attrs) check_name(row, attr.name);
    say_dtypes(row, kTexts[i].type_rule);
    for (const ShapeFact& fact : kShapeFacts)
      if (fact.type_rule == kTexts[i].type_rule) row.shapes = fact.shapes;
    say_gradient(row, kTexts[i]);
    out.push_back(std::move(row));
  }
  return out;
}

std::string out_name(const Row& row, size_t result) {
  if (row.has_result_list()) return std::string(row.signature.results[0]);
  return row.has_one_result() ? "out" : "out_" + std::string(row.signature.results[result]);
}

std::string attr_text(const jt::AttrDef& attr) {
  static constexpr const char* names[] = {"int", "ints", "bool", "float", "dtype", "str"};
  std::string out = names[int(attr.type)];
  if (!attr.fallback.empty()) return out + " = " + std::string(attr.fallback);
  return attr.type == AttrType::ints ? out + " = []" : out;
}

std::vector<Parameter> parameters(const Row& row) {
  std::vector<Parameter> out;
  const jt::Signature& s = row.signature;
  for (size_t i = 0; i < s.operands.size(); i++) {
    if (s.variadic && i + 1 == s.operands.size()) {
      out.push_back({"jt_tensor* const*", "inputs"});
      out.push_back({"size_t", "inputs_len"});
    } else {
      out.push_back({"jt_tensor*", std::string(s.operands[i])});
    }
  }
  for (const jt::AttrDef& attr : s.attrs) {
    std::string name(attr.name);
    switch (attr.type) {
      case AttrType::integer: out.push_back({"int64_t", name}); break;
      case AttrType::boolean: out.push_back({"jt_bool", name}); break;
      case AttrType::real: out.push_back({"double", name}); break;
      case AttrType::dtype: out.push_back({"jt_dtype", name}); break;
      case AttrType::ints: out.push_back({"const int64_t*", name}), out.push_back({"size_t", name + "_len"}); break;
      case AttrType::string: out.push_back({"const char*", name}), out.push_back({"size_t", name + "_len"}); break;
    }
  }
  return out;
}

std::string prototype(const Row& row, size_t width) {
  std::vector<std::string> words{"jt_context* ctx"};
  for (const Parameter& p : parameters(row)) words.push_back(p.type + " " + p.name);
  for (size_t i = 0; i < row.signature.results.size(); i++) words.push_back("jt_tensor** " + out_name(row, i));
  if (row.has_result_list()) words.push_back("size_t " + out_name(row, 0) + "_len");
  std::string out = "jt_status " + row.c_name() + "(";
  size_t column = out.size();
  const std::string indent(4, ' ');
  for (size_t i = 0; i < words.size(); i++) {
    bool is_last = i + 1 == words.size();
    if (column + words[i].size() + 2 > width) {
      out.resize(out.find_last_not_of(' ') + 1);
      out += "\n" + indent;
      column = indent.size();
    }
    out += words[i] + (is_last ? ")" : ", ");
    column += words[i].size() + 2;
  }
  return out;
}

std::string wrapped(std::string_view text, std::string_view prefix, size_t width) {
  std::string out, line(prefix);
  bool is_empty = true;
  while (!text.empty()) {
    std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(text.size(), word.size() + 1));
    if (!is_empty && line.size() + 1 + word.size() > width) {
      out += line + "\n";
      line = prefix, is_empty = true;
    }
    if (!is_empty) line += ' ';
    line += word, is_empty = false;
  }
  return out + line + "\n";
}

}  // namespace opgen
