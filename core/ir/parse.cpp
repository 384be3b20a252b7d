// parse: the text of print() as a block. Names are any %words; print() numbers them. See docs/IR.md.
//
// One pass, one line per statement, no recursion: blocks that a node owns are read on a stack of our own. Memory stays
// within a constant factor of the text, whatever it says. An error names line and column, and every node is typed by
// its row, so what comes back passes verify().
#include <bit>
#include <charconv>
#include <unordered_map>

#include "core/ir/region.h"
#include "core/ir/verify.h"

namespace jt {

namespace {

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}
bool is_number(char c) { return is_word(c) || c == '.' || c == '+' || c == '-'; }
int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {
    for (int i = 0; i < kOps; i++) ops_.emplace(name(Op(i)), Op(i));
  }

  Block all() {
    end_line(false);
    begin_block();
    for (;;) {
      while (!takes_keyword("return")) statement();
      results();
      end_line(true);
      expect('}');
      end_line(!outer_.empty());
      if (outer_.empty()) break;
      end_inner_block();
    }
    if (at_ < text_.size()) wrong("text after the block");
    return std::move(block_);
  }

 private:
  using Names = std::unordered_map<std::string_view, Ref>;
  struct Name {
    std::string_view text;
    size_t place;
  };
  // A node whose blocks are being read, and what was read of the block that it stands in.
  struct Open {
    Op op;
    size_t place, type_place;
    std::vector<Name> names;
    std::vector<Ref> operands;
    Attrs attrs;
    uint32_t line;
    bool stops;
    std::vector<Type> given;
    std::vector<Block> blocks;
    Block block;
    Names values;
  };

  // ---- characters ----
  template <class... Parts>
  [[noreturn]] void wrong(const Parts&... parts) { wrong_at(at_, JT_E_INVALID, text(parts...)); }
  [[noreturn]] void wrong_at(size_t place, jt_status code, std::string_view what) {
    size_t line = 1, begin = 0;
    for (size_t i = 0; i < place; i++)
      if (text_[i] == '\n') line++, begin = i + 1;
    fail(code, "parse: line ", line, ", column ", place - begin + 1, ": ", what);
  }
  // Runs a check of another file; its error gets a place.
  template <class Check>
  auto placed(size_t place, Check check) {
    try {
      return check();
    } catch (const Error& e) {
      wrong_at(place, e.code(), e.message());
    }
  }
  char peek() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\r')) at_++;
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool take(char c) {
    if (at_ == text_.size() || peek() != c || at_ == text_.size()) return false;
    at_++;
    return true;
  }
  void expect(char c) {
    if (!take(c)) wrong("'", c, "' is missing");
  }
  // The rest of the line holds nothing; skips lines that hold nothing or a comment.
  void end_line(bool needed) {
    bool ended = !needed;
    for (;;) {
      peek();
      if (text_.substr(at_).starts_with("//")) at_ = std::min(text_.size(), text_.find('\n', at_));
      if (!take('\n')) break;
      ended = true;
    }
    if (!ended && at_ < text_.size()) wrong("unexpected text");
    if (!ended) wrong("the text ends too early");
  }
  template <class Belongs>
  std::string_view take_while(Belongs belongs) {
    peek();
    size_t from = at_;
    while (at_ < text_.size() && belongs(text_[at_])) at_++;
    return text_.substr(from, at_ - from);
  }
  std::string_view take_word() { return take_while(is_word); }
  bool takes_keyword(std::string_view word) {
    peek();
    if (!text_.substr(at_).starts_with(word)) return false;
    if (at_ + word.size() < text_.size() && is_word(text_[at_ + word.size()])) return false;
    at_ += word.size();
    return true;
  }

  // ---- values ----
  template <class N>
  N number(std::string_view what) {
    size_t place = (peek(), at_);
    std::string_view word = take_while(is_number);
    N value = 0;
    auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (word.empty() || error != std::errc() || end != word.data() + word.size())
      wrong_at(place, JT_E_INVALID, text("'", word, "' is not ", what));
    return value;
  }
  int64_t integer() { return number<int64_t>("an integer"); }
  int64_t real_bits() {
    peek();
    if (!text_.substr(at_).starts_with("0x")) return std::bit_cast<int64_t>(number<double>("a number"));
    at_ += 2;
    std::string_view digits = take_word();
    uint64_t bits = 0;
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits, 16);
    if (digits.size() != 16 || error != std::errc() || end != digits.data() + digits.size())
      wrong("bits of a number need 16 hexadecimal digits");
    return int64_t(bits);
  }
  int64_t flag() {
    if (takes_keyword("true")) return 1;
    return takes_keyword("false") ? 0 : integer();
  }
  int64_t scalar(DType dtype) {
    if (is_float(dtype)) return real_bits();
    if (dtype == JT_BOOL) return flag();
    return dtype == JT_U64 ? int64_t(number<uint64_t>("an unsigned integer")) : integer();
  }
  DType dtype() {
    size_t place = (peek(), at_);
    std::string_view word = take_word();
    DType t = dtype_named(word);
    if (!is_dtype(t)) wrong_at(place, JT_E_INVALID, text("'", word, "' is not a dtype"));
    return t;
  }
  Type type() {
    size_t place = (peek(), at_);
    Type t;
    t.dtype = dtype();
    expect('[');
    if (!take(']')) {
      do {
        if (t.shape.rank == kMaxRank) wrong("a tensor has at most ", kMaxRank, " axes");
        extent(t.shape);
      } while (take(','));
      expect(']');
    }
    placed(place, [&] { check_shape("type", t.shape); });
    return t;
  }
  void extent(Shape& shape) {
    size_t place = (peek(), at_);
    std::string_view word = take_while(is_number);
    bool unit = word.ends_with('u');
    if (unit) word.remove_suffix(1);
    int64_t value = 0;
    auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (word.empty() || error != std::errc() || end != word.data() + word.size())
      wrong_at(place, JT_E_INVALID, text("'", word, "' is not an extent"));
    shape.push(value, unit);
  }
  std::string quoted() {
    std::string out;
    expect('"');
    for (;;) {
      if (at_ == text_.size() || text_[at_] == '\n') wrong("'\"' is missing");
      char c = text_[at_++];
      if (c == '"') return out;
      out += c == '\\' ? escaped() : c;
      if (out.size() > size_t(8 * Attrs::kMaxWords)) wrong("the string is too long");
    }
  }
  char escaped() {
    char c = at_ < text_.size() ? text_[at_++] : '\0';
    if (c == '"' || c == '\\') return c;
    if (c == 'n') return '\n';
    if (c == 't') return '\t';
    int high = c == 'x' && at_ < text_.size() ? hex_digit(text_[at_++]) : -1;
    int low = high >= 0 && at_ < text_.size() ? hex_digit(text_[at_++]) : -1;
    if (low < 0) wrong("an escape is one of \\\" \\\\ \\n \\t \\xNN");
    return char(high * 16 + low);
  }

  // ---- blocks ----
  void begin_block() {
    if (take_word() != "block") wrong("'block' is missing");
    params();
    expect('{');
    end_line(true);
  }
  void begin_inner_block() {
    block_ = Block();
    values_.clear();
    begin_block();
  }
  // The block belongs to the innermost open node; with the last of its blocks that is made.
  void end_inner_block() {
    Open& open = outer_.back();
    open.blocks.push_back(std::move(block_));
    if (open.blocks.size() < (open.op == Op::branch ? 2u : 1u)) return begin_inner_block();
    Open done = std::move(open);
    outer_.pop_back();
    block_ = std::move(done.block), values_ = std::move(done.values);
    Value node = placed(done.place, [&] { return region_node(done); });
    if (!done.given.empty()) check_given(node, done.given, done.type_place);
    define_all(done.names, node, done.place);
    block_.nodes.push_back(std::move(node));
  }
  Value region_node(Open& open) {
    RegionRef region(std::move(open.blocks));
    std::vector<Type> types = region_types(open.op, *region, open.operands, open.attrs);
    block_.recorder->line = open.line;
    Value made = block_.recorder->region(open.op, region.give(), open.operands, open.attrs, types);
    if (open.stops) made.ref().node->flags |= kStops;
    return made;
  }

  // ---- names ----
  std::string_view value_name() {
    expect('%');
    std::string_view word = take_word();
    if (word.empty()) wrong("a name is missing after '%'");
    return word;
  }
  void define(std::string_view name, size_t place, Ref value) {
    if (!values_.emplace(name, value).second) wrong_at(place, JT_E_INVALID, text("%", name, " is defined before"));
  }
  Ref value() {
    size_t place = (peek(), at_);
    std::string_view word = value_name();
    auto found = values_.find(word);
    if (found == values_.end()) wrong_at(place, JT_E_INVALID, text("%", word, " is not defined"));
    return found->second;
  }
  int64_t scalar_id() {
    expect('#');
    return integer();
  }

  // ---- statements ----
  void params() {
    expect('(');
    if (take(')')) return;
    do {
      size_t place = (peek(), at_);
      std::string_view name = value_name();
      expect(':');
      block_.params.push_back(block_.recorder->leaf(type(), nullptr));
      define(name, place, block_.params.back());
    } while (take(','));
    expect(')');
  }

  void statement() {
    if (peek() == '#') outer_.empty() ? scalar_statement() : wrong("a block that a node owns has no scalars");
    else if (takes_keyword("wheres"))
      outer_.empty() ? wheres_statement() : wrong("a block that a node owns has no wheres");
    else if (peek() == '%') return node_statement();
    else wrong("'%', '#', 'wheres' or 'return' is missing");
    end_line(true);
  }

  void scalar_statement() {
    size_t place = at_;
    if (scalar_id() != int64_t(block_.scalars.size()))
      wrong_at(place, JT_E_INVALID, text("the next scalar is #", block_.scalars.size()));
    expect('=');
    Scalar s{};
    s.dtype = dtype();
    s.bits = scalar(s.dtype);
    if (take('=')) fold(s);
    block_.scalars.push_back(s);
    placed(place, [&] { check_scalar(block_, block_.scalars.size() - 1); });
  }
  void fold(Scalar& s) {
    s.fold = op();
    expect('(');
    if (take(')')) return;
    int n = 0;
    do {
      if (n == 3) wrong("a fold has at most 3 operands");
      int64_t id = scalar_id();
      if (id < 0 || id >= int64_t(block_.scalars.size())) wrong("there is no scalar #", id);
      s.from[n++] = int32_t(id);
    } while (take(','));
    expect(')');
  }

  void wheres_statement() {
    expect('[');
    if (take(']')) return;
    do block_.wheres.push_back(integer());
    while (take(','));
    expect(']');
  }

  Op op() {
    size_t place = (peek(), at_);
    std::string_view word = take_word();
    auto found = ops_.find(word);
    if (found == ops_.end() || found->second == Op::data)
      wrong_at(place, JT_E_INVALID, text("there is no op called '", word, "'"));
    if (found->second == Op::custom)
      wrong_at(place, JT_E_UNSUPPORTED, "a custom op is functions of a running program; it cannot be read from text");
    return found->second;
  }

  void node_statement() {
    std::vector<Name> names;
    do {
      size_t place = (peek(), at_);
      names.push_back({value_name(), place});
    } while (take(','));
    expect('=');
    size_t place = (peek(), at_);
    Op which = op();
    if (which == Op::branch || which == Op::loop) return open_region(which, place, std::move(names));
    Value node = which == Op::constant ? constant_node() : op_node(which, place);
    check_number_of(names, node, place);
    result_types(node);
    placed(place, [&] { check_origin(block_, node.ref().node); });
    define_all(names, node, place);
    block_.nodes.push_back(std::move(node));
    end_line(true);
  }
  void check_number_of(std::span<const Name> names, const Value& made, size_t place) {
    const Node* node = made.ref().node;
    if (names.size() != node->n_results)
      wrong_at(place, JT_E_INVALID,
               text(name(node->op), " has ", int(node->n_results), " results, not ", names.size()));
  }
  void define_all(std::span<const Name> names, const Value& node, size_t place) {
    check_number_of(names, node, place);
    for (size_t i = 0; i < names.size(); i++) define(names[i].text, names[i].place, {node.ref().node, uint32_t(i)});
  }
  void open_region(Op op, size_t place, std::vector<Name> names) {
    if (outer_.size() == Region::kMaxDepth)
      wrong("loops and branches are nested more than ", int(Region::kMaxDepth), " deep");
    Open open{op, place, 0, std::move(names), {}, {}, 0, false, {}, {}, {}, {}};
    operands();
    open.operands = operands_;
    placed(place, [&] { check_operand_count(op, operands_.size()); });
    open.attrs = make_attrs(op, {});
    if (take('{')) attributes(op, open.attrs);
    Tail end = tail(op);
    if (end.origin >= 0) wrong("a loop or branch has no starts");
    open.line = end.line, open.stops = end.stops;
    open.type_place = (peek(), at_);
    if (take(':')) do open.given.push_back(type()); while (take(','));
    if (!takes_keyword("with")) wrong("'with' is missing");
    end_line(true);
    open.block = std::move(block_), open.values = std::move(values_);
    outer_.push_back(std::move(open));
    begin_inner_block();
  }

  struct Tail {
    int32_t origin = -1;
    uint32_t line = 0;
    bool stops = false;
  };
  Tail tail(Op op) {
    bool constant = op == Op::constant, of_scalar = constant || op == Op::random_bits;
    Tail out;
    if (takes_keyword("from")) {
      if (!of_scalar && !takes_keyword("where")) wrong("'where' is missing");
      int64_t origin = of_scalar ? scalar_id() : integer();
      if (origin < 0 || origin > INT32_MAX) wrong("there is no origin ", origin);
      out.origin = int32_t(origin);
    }
    if (constant && out.origin < 0 && takes_keyword("count")) out.origin = kCount;
    if (takes_keyword("stops")) out.stops = true;
    if (takes_keyword("line")) out.line = number<uint32_t>("a line");
    return out;
  }

  Value constant_node() {
    DType t = dtype();
    int64_t bits = scalar(t);
    Tail end = tail(Op::constant);
    block_.recorder->line = end.line;
    Value node = block_.recorder->constant_bits(t, bits);
    node.ref().node->origin = end.origin;
    if (end.stops) node.ref().node->flags |= kStops;
    return node;
  }

  void operands() {
    operands_.clear();
    while (peek() == '%') {
      if (operands_.size() == UINT16_MAX) wrong("too many operands");
      operands_.push_back(value());
    }
  }
  Value op_node(Op op, size_t place) {
    operands();
    placed(place, [&] { check_operand_count(op, operands_.size()); });
    Attrs attrs = make_attrs(op, {});
    if (take('{')) attributes(op, attrs);
    Tail end = tail(op);
    block_.recorder->line = end.line;
    Value node = placed(place, [&] { return block_.recorder->record(op, operands_, attrs); });
    node.ref().node->origin = end.origin;
    if (end.stops) node.ref().node->flags |= kStops;
    return node;
  }

  void attributes(Op op, Attrs& attrs) {
    const Signature& row = signature(op);
    uint32_t seen = 0;
    if (take('}')) return;
    do {
      size_t place = (peek(), at_);
      std::string_view word = take_word();
      int i = row.attr_at(word);
      if (i < 0)
        wrong_at(place, JT_E_INVALID, text(name(op), ": no attribute is called '", word, "'"));
      if (seen >> i & 1) wrong_at(place, JT_E_INVALID, text("attribute ", word, " is given twice"));
      seen |= 1u << i;
      expect('=');
      Attrs given = attribute(row.attrs[size_t(i)].type);
      placed(place, [&] { attrs.set_ints(i, std::as_const(given).ints(0)); });
    } while (take(','));
    expect('}');
  }

  Attrs attribute(AttrType type) {
    switch (type) {
      case AttrType::integer: return Attrs().add(integer());
      case AttrType::boolean: return Attrs().add(flag());
      case AttrType::real: return Attrs().add(real_bits());
      case AttrType::dtype: return Attrs().add(dtype());
      case AttrType::string: {
        size_t place = (peek(), at_);
        std::string value = quoted();
        return placed(place, [&] { return Attrs().add_string(value); });
      }
      case AttrType::ints: break;
    }
    int64_t values[Attrs::kMaxWords];
    size_t n = 0;
    expect('[');
    if (take(']')) return Attrs().add_ints({});
    do {
      if (n == size_t(Attrs::kMaxWords)) wrong("the list is too long");
      values[n++] = integer();
    } while (take(','));
    expect(']');
    return Attrs().add_ints({values, n});
  }

  // Types may be left out; those that are given must be what the row gives.
  void result_types(const Value& node) {
    if (!take(':')) return;
    for (uint32_t i = 0; i < node.ref().node->n_results; i++) {
      if (i) expect(',');
      size_t place = (peek(), at_);
      check_given({node.ref().node, i}, type(), place);
    }
  }
  void check_given(Ref result, const Type& given, size_t place) {
    if (given == result.type()) return;
    std::string is;
    append_exact(is, result.type());
    wrong_at(place, JT_E_INVALID, text("the result is ", is));
  }
  void check_given(const Value& node, std::span<const Type> given, size_t place) {
    if (given.size() != node.ref().node->n_results)
      wrong_at(place, JT_E_INVALID, text(given.size(), " types for ", int(node.ref().node->n_results), " results"));
    for (uint32_t i = 0; i < given.size(); i++) check_given({node.ref().node, i}, given[i], place);
  }

  void results() {
    if (peek() != '%') return;
    do block_.results.push_back(value());
    while (take(','));
  }

  std::string_view text_;
  size_t at_ = 0;
  Block block_;  // the innermost
  Names values_;  // of it
  std::vector<Open> outer_;
  std::unordered_map<std::string_view, Op> ops_;
  std::vector<Ref> operands_;
};

}  // namespace

Block parse(std::string_view text) {
  Parser parser(text);
  return parser.all();
}

}  // namespace jt
