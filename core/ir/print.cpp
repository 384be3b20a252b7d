// print: a block as text, one node a line (docs/IR.md). Linear in the block; reads nothing but the block.
#include <bit>
#include <unordered_map>

#include "core/ir/block.h"
#include "core/ir/custom.h"
#include "core/ir/region.h"

namespace jt {

void append_exact(std::string& out, const Type& type) {
  append(out, type.dtype);
  out += '[';
  for (int i = 0; i < type.shape.rank; i++) {
    if (i) out += ',';
    append(out, type.shape[i]);
    if (type.shape.is_unit(i)) out += 'u';
  }
  out += ']';
}

namespace {

constexpr uint64_t kPlainNan = 0x7ff8000000000000u;
constexpr char kHex[] = "0123456789abcdef";

// A NaN with a sign or payload is written by its bits.
void append_real(std::string& out, int64_t bits) {
  double value = std::bit_cast<double>(bits);
  if (value == value || uint64_t(bits) == kPlainNan) return append(out, value);
  out += "0x";
  for (int shift = 60; shift >= 0; shift -= 4) out += kHex[uint64_t(bits) >> shift & 15];
}

void append_flag(std::string& out, int64_t value) {
  value == 0 || value == 1 ? append(out, value == 1) : append(out, value);
}

void append_scalar(std::string& out, DType dtype, int64_t bits) {
  if (is_float(dtype)) return append_real(out, bits);
  if (dtype == JT_BOOL) return append_flag(out, bits);
  if (dtype == JT_U64) return append(out, uint64_t(bits));
  append(out, bits);
}

void append_quoted(std::string& out, std::string_view value) {
  out += '"';
  for (unsigned char c : value) {
    if (c == '"' || c == '\\') out += '\\', out += char(c);
    else if (c == '\n') out += "\\n";
    else if (c == '\t') out += "\\t";
    else if (c < 0x20 || c >= 0x7f) out += "\\x", out += kHex[c >> 4], out += kHex[c & 15];
    else out += char(c);
  }
  out += '"';
}

void append_attr(std::string& out, AttrType type, const Attrs& attrs, int i) {
  switch (type) {
    case AttrType::integer: return append(out, attrs.dim(i));
    case AttrType::ints: return append(out, attrs.ints(i));
    case AttrType::boolean: return append_flag(out, attrs.integer(i));
    case AttrType::real: return append_real(out, attrs.integer(i));
    case AttrType::dtype: return append(out, name(DType(attrs.integer(i))));
    case AttrType::string: return append_quoted(out, attrs.string(i));
  }
}

bool same_words(std::span<const Dim> a, std::span<const Dim> b) {
  return std::ranges::equal(a, b, {}, &Dim::word, &Dim::word);
}

class Printer {
 public:
  Printer(const Block& block, std::string_view indent) : block_(block), indent_(indent) {
    numbers_.reserve(block.params.size() + block.nodes.size());
  }

  std::string all() {
    print_header();
    for (size_t i = 0; i < block_.scalars.size(); i++) print_scalar(i);
    if (!block_.wheres.empty()) put(indent_, "  wheres ", std::span<const int64_t>(block_.wheres), '\n');
    for (const Value& node : block_.nodes) print_node(node.ref().node);
    put(indent_, "  return");
    for (size_t i = 0; i < block_.results.size(); i++) put(i ? ", " : " "), put_ref(block_.results[i]);
    put('\n', indent_, "}\n");
    return std::move(out_);
  }

 private:
  template <class... Parts>
  void put(const Parts&... parts) { (append(out_, parts), ...); }
  void put_ref(Ref ref) {
    auto found = numbers_.find(ref.node);
    if (found == numbers_.end()) return put("%?");
    put('%', found->second + ref.result);
  }
  void number(const Node* node) {
    numbers_.emplace(node, next_);
    next_ += node->n_results;
  }

  void print_header() {
    put(indent_, "block(");
    for (size_t i = 0; i < block_.params.size(); i++) {
      number(block_.params[i].ref().node);
      if (i) put(", ");
      put_ref(block_.params[i]);
      put(": ");
      append_exact(out_, block_.params[i].type());
    }
    put(") {\n");
  }

  void print_scalar(size_t i) {
    const Scalar& s = block_.scalars[i];
    put(indent_, "  #", i, " = ", s.dtype, ' ');
    append_scalar(out_, s.dtype, s.bits);
    if (s.fold != Op::data) {
      put(" = ", name(s.fold), '(');
      for (int k = 0; k < 3 && s.from[k] >= 0; k++) put(k ? ", #" : "#", s.from[k]);
      put(')');
    }
    put('\n');
  }

  void print_node(const Node* node) {
    number(node);
    put(indent_, "  ");
    for (int i = 0; i < node->n_results; i++) put(i ? ", " : ""), put_ref({const_cast<Node*>(node), uint32_t(i)});
    put(" = ", name(node->op));
    if (node->op == Op::custom) put(' '), append_quoted(out_, node->custom->name());
    if (node->op == Op::constant) {
      put(' ', node->results()[0].type.dtype, ' ');
      append_scalar(out_, node->results()[0].type.dtype, node->constant_bits);
      if (node->origin >= 0) put(" from #", node->origin);
      if (node->origin == kCount) put(" count");
    } else {
      for (int i = 0; i < node->n_inputs; i++) put(' '), put_ref(node->inputs()[i]);
      print_attrs(node);
      if (node->origin >= 0) put(node->op == Op::random_bits ? " from #" : " from where ", node->origin);
    }
    if (node->has(kStops)) put(" stops");
    if (node->line) put(" line ", node->line);
    if (node->op != Op::constant) print_types(node);
    if (owns_blocks(node)) print_blocks(node);
    else put('\n');
  }
  // Each names its values anew, as it uses none from outside. As deep as regions may be.
  void print_blocks(const Node* node) {
    put(" with\n");
    for (const Block& block : node->region->blocks()) out_ += Printer(block, indent_ + "    ").all();
  }

  void print_attrs(const Node* node) {
    if (!node->n_attrs) return;
    const Signature& row = signature(node->op);
    Attrs attrs = node->attrs(), defaults = make_attrs(node->op, {});
    const char* before = " {";
    for (int i = 0; i < attrs.count(); i++) {
      if (same_words(std::as_const(attrs).ints(i), std::as_const(defaults).ints(i))) continue;
      put(before, row.attrs[size_t(i)].name, '=');
      append_attr(out_, row.attrs[size_t(i)].type, attrs, i);
      before = ", ";
    }
    if (before[0] == ',') put('}');
  }

  void print_types(const Node* node) {
    for (int i = 0; i < node->n_results; i++) {
      put(i ? ", " : " : ");
      append_exact(out_, node->results()[i].type);
    }
  }

  const Block& block_;
  const std::string indent_;
  std::string out_;
  std::unordered_map<const Node*, int64_t> numbers_;  // of the first result
  int64_t next_ = 0;
};

}  // namespace

std::string print(const Block& block) { return Printer(block, "").all(); }

}  // namespace jt
