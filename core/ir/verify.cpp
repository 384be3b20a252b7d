// verify: whether a block keeps its rules: every node after what it reads, of this block, of the type its row gives.
#include "core/ir/verify.h"

#include <unordered_map>

#include "core/ir/eval.h"
#include "core/ir/region.h"
#include "core/ir/type_rules.h"

namespace jt {

void check_shape(std::string_view who, const Shape& shape) {
  for (int i = 0; i < shape.rank; i++) {
    if (shape[i] < 0) fail(JT_E_SHAPE, who, ": extent ", shape[i], " is negative");
    if (shape.is_unit(i) && shape[i] != 1) fail(JT_E_SHAPE, who, ": unit axis ", i, " has extent ", shape[i]);
  }
  check_count(who, shape);
}

void check_operand_count(Op op, size_t given) {
  const Signature& row = signature(op);
  size_t least = 0, most = row.variadic ? UINT16_MAX : row.operands.size();
  for (bool optional : row.optional) least += !optional;
  if (given < least || given > most)
    fail(JT_E_INVALID, name(op), ": ", given, " operands, not ", row.variadic ? "at least " : "", least);
}

static bool is_foldable(Op op) { return def(op).kind == Kind::element || op == Op::cast; }

// That a fold's operands have the dtypes its row takes, and that it gives the scalar's bits.
static void check_fold(const Block& block, size_t id, size_t count) {
  const Scalar& s = block.scalars[id];
  Scalar from[3];
  for (size_t k = 0; k < count; k++) from[k] = block.scalars[size_t(s.from[k])];
  if (s.fold != Op::cast) {
    bool choice = def(s.fold).operands == Operands::CHOICE;
    DType t = from[count - 1].dtype, gives = def(s.fold).result == ResultRule::BOOL ? JT_BOOL : t;
    bool fits = operand_dtype(def(s.fold), t) == t && s.dtype == gives && (!choice || from[0].dtype == JT_BOOL);
    for (size_t k = choice; k < count; k++) fits &= from[k].dtype == t;
    if (!fits) fail(JT_E_DTYPE, "scalar #", id, ": ", name(s.fold), " does not take its operands to ", s.dtype);
  }
  int64_t bits = fold(s.fold, {from, count}, s.dtype);
  if (bits != s.bits)
    fail(JT_E_INVALID, "scalar #", id, ": ", name(s.fold), " gives other bits: ", bits, ", not ", s.bits);
}

void check_scalar(const Block& block, size_t id) {
  const Scalar& s = block.scalars[id];
  if (!is_dtype(s.dtype)) fail(JT_E_INVALID, "scalar #", id, ": ", int(s.dtype), " is not a dtype");
  size_t count = 0;
  if (s.fold != Op::data && s.fold != Op::constant) {
    if (!is_foldable(s.fold)) fail(JT_E_INVALID, "scalar #", id, ": ", name(s.fold), " does not fold");
    count = signature(s.fold).operands.size();
  }
  for (size_t k = 0; k < 3; k++) {
    if (k >= count && s.from[k] != -1)
      fail(JT_E_INVALID, "scalar #", id, ": operand ", k, " is #", s.from[k], ", ", name(s.fold), " has ", count);
    if (k < count && (s.from[k] < 0 || size_t(s.from[k]) >= id))
      fail(JT_E_INVALID, "scalar #", id, ": operand #", s.from[k], " is no earlier scalar");
  }
  if (count) check_fold(block, id, count);
}

// Its Philox key and counter are scalars, one behind the other.
void check_draw(const Block& block, const Node* node) {
  auto value = [&](std::string_view name) { return node->integer(attr_at(node, name)); };
  int64_t origin = node->origin;
  if (origin < 0 || origin + 1 >= int64_t(block.scalars.size()))
    fail(JT_E_INVALID, "random_bits: there are no scalars #", origin, " and #", origin + 1);
  const Scalar &key = block.scalars[size_t(origin)], &counter = block.scalars[size_t(origin) + 1];
  bool fits = key.dtype == JT_U64 && key.bits == int64_t(random_key(value("seed"), value("stream"))) &&
              counter.dtype == JT_I64 && counter.bits == value("counter");
  if (!fits) fail(JT_E_INVALID, "random_bits: scalars #", origin, " and #", origin + 1, " are not its key and counter");
}

void check_origin(const Block& block, const Node* node) {
  int64_t origin = node->origin;
  if (origin == kStructure || (origin == kCount && node->op == Op::constant)) return;
  if (node->op == Op::constant) {
    if (origin < 0 || origin >= int64_t(block.scalars.size()))
      fail(JT_E_INVALID, "constant: there is no scalar #", origin);
    const Scalar& s = block.scalars[size_t(origin)];
    if (s.dtype != node->results()[0].type.dtype || s.bits != node->constant_bits)
      fail(JT_E_INVALID, "constant: scalar #", origin, " is another value or dtype");
    return;
  }
  if (node->op == Op::random_bits) return check_draw(block, node);
  if (node->op != Op::slice && node->op != Op::update)
    fail(JT_E_INVALID, name(node->op), ": has an origin; only constants, draws, slices and updates have");
  auto starts = node->ints(0);
  std::span<const int64_t> wheres = block.wheres;
  if (origin < 0 || origin > int64_t(wheres.size()) || wheres.size() - size_t(origin) < starts.size())
    fail(JT_E_INVALID, name(node->op), ": wheres has no ", starts.size(), " numbers from ", origin);
  for (size_t i = 0; i < starts.size(); i++)
    if (wheres[size_t(origin) + i] != starts[i])
      fail(JT_E_INVALID, name(node->op), ": starts ", starts, " differ from the wheres at ", origin);
}

namespace {

class Verifier {
 public:
  explicit Verifier(const Block& block) : block_(block) { numbers_.reserve(block.params.size() + block.nodes.size()); }

  void all() {
    for (size_t i = 0; i < block_.scalars.size(); i++) check_scalar(block_, i);
    for (const Value& param : block_.params) check_param(param);
    for (const Value& node : block_.nodes) check_node(node);
    for (size_t i = 0; i < block_.results.size(); i++)
      if (Ref r = block_.results[i]; !r || !numbers_.count(r.node) || r.result >= r.node->n_results)
        fail(JT_E_INVALID, "verify: result ", i, " is no value of the block");
  }

 private:
  // Reported by the number that print() gives it.
  template <class... Parts>
  [[noreturn]] void wrong(const Node* node, const Parts&... parts) {
    fail(JT_E_INVALID, "verify: %", next_, " ", name(node->op), ": ", parts...);
  }
  void enter(Ref r) {
    if (!r) fail(JT_E_INVALID, "verify: an empty value stands at %", next_);
    Node* node = r.node;
    if (node->owner != block_.recorder.get()) wrong(node, "belongs to another block");
    if (r.result) wrong(node, "is listed by its result ", r.result);
    if (numbers_.count(node)) wrong(node, "is listed before, as %", numbers_[node]);
  }
  void number(const Node* node) {
    numbers_.emplace(node, next_);
    next_ += node->n_results;
  }

  void check_param(Ref r) {
    enter(r);
    if (r.node->op != Op::data) wrong(r.node, "a parameter is a data node");
    try {
      check_type(r.node);
    } catch (const Error& e) {
      wrong(r.node, e.message());
    }
    number(r.node);
  }

  void check_node(Ref r) {
    enter(r);
    const Node* node = r.node;
    if (node->op == Op::data) wrong(node, "a data node is no parameter");
    for (int i = 0; i < node->n_inputs; i++) {
      Ref in = node->inputs()[i];
      if (!in || !numbers_.count(in.node) || in.result >= in.node->n_results)
        wrong(node, "operand ", i, " is no parameter and no result of an earlier node");
    }
    try {
      if (node->op == Op::constant) check_constant(node);
      else if (node->op == Op::custom) check_type(node);
      else if (owns_blocks(node)) check_region(node);
      else check_typed(node);
      check_origin(block_, node);
    } catch (const Error& e) {
      wrong(node, e.message());
    }
    number(node);
  }

  void check_type(const Node* node) {
    for (int i = 0; i < node->n_results; i++) {
      const Type& type = node->results()[i].type;
      if (!is_dtype(type.dtype)) fail(JT_E_INVALID, int(type.dtype), " is not a dtype");
      check_shape("type", type.shape);
    }
  }
  // Each block by itself; then that they fit the operands.
  void check_region(const Node* node) {
    check_attr_layout(node, signature(node->op));
    for (const Block& block : node->region->blocks()) {
      verify(block);
      if (!block.scalars.empty() || !block.wheres.empty()) fail(JT_E_INVALID, "a block has numbers of its own");
    }
    check_types(node, region_types(node->op, *node->region, const_cast<Node*>(node)->ins(), node->attrs()));
  }
  void check_types(const Node* node, std::span<const Type> types) {
    if (node->n_results != types.size()) fail(JT_E_INVALID, int(node->n_results), " results, not ", types.size());
    for (int i = 0; i < node->n_results; i++) {
      if (node->results()[i].type == types[size_t(i)]) continue;
      std::string is, should;
      append_exact(is, node->results()[i].type), append_exact(should, types[size_t(i)]);
      fail(JT_E_INVALID, "result ", i, " is ", is, ", its row gives ", should);
    }
  }
  void check_constant(const Node* node) {
    check_type(node);
    if (node->n_inputs || node->n_results != 1 || node->n_attrs || node->results()[0].type.shape.rank)
      fail(JT_E_INVALID, "is not a scalar without operands");
  }

  void check_typed(const Node* node) {
    const Signature& row = signature(node->op);
    check_operand_count(node->op, node->n_inputs);
    check_attr_layout(node, row);
    Attrs given = node->attrs(), normal = given;
    if (node->n_results != result_count(node->op, given)) fail(JT_E_INVALID, int(node->n_results), " results");
    std::vector<Type> types(node->n_results);
    infer(node->op, const_cast<Node*>(node)->ins(), normal, types);
    for (int i = 0; i < given.count(); i++) {
      auto a = std::as_const(given).ints(i), b = std::as_const(normal).ints(i);
      if (!std::equal(a.begin(), a.end(), b.begin(), b.end()))
        fail(JT_E_INVALID, "attribute ", row.attrs[size_t(i)].name, " is not in normal form");
    }
    check_types(node, types);
  }

  // That rules may read the words of every attribute.
  void check_attr_layout(const Node* node, const Signature& signature) {
    if (node->n_attrs != signature.attrs.size())
      fail(JT_E_INVALID, int(node->n_attrs), " attributes, not ", signature.attrs.size());
    for (int i = 0; i < node->n_attrs; i++) {
      auto words = node->ints(i);
      AttrType type = signature.attrs[size_t(i)].type;
      bool fits = type == AttrType::ints ||
                  (type == AttrType::string ? is_packed_string(words) : words.size() == 1);
      if (!fits) fail(JT_E_INVALID, "attribute ", signature.attrs[size_t(i)].name, " is malformed");
    }
  }
  static bool is_packed_string(std::span<const Dim> words) {
    return !words.empty() && words[0].word() >= 0 && (uint64_t(words[0].word()) + 7) / 8 == words.size() - 1;
  }

  const Block& block_;
  std::unordered_map<const Node*, int64_t> numbers_;
  int64_t next_ = 0;
};

}  // namespace

void verify(const Block& block) { Verifier(block).all(); }

}  // namespace jt
