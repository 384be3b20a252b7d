// op: the op table as values: one OpDef per row of ops.def, in the order of the table.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/base/dtype.h"
#include "core/base/program.h"
#include "core/base/shape.h"

namespace jt {

enum class Op : uint16_t {
  data,       // a leaf: a value that exists, or a parameter of a block
  constant,   // a 0-d scalar written in the program
  custom,     // what the program brought along: core/ir/custom.h
  branch,     // one of two blocks, by a condition: core/ir/region.h
  loop,       // a block, as often as a condition and a number of rounds say
#define JT_UNARY(name, ...) name,
#define JT_BINARY(name, ...) name,
#define JT_TERNARY(name, ...) name,
#define JT_REDUCE(name, ...) name,
#define JT_OP(name, ...) name,
#include "core/ir/ops.def"
  count
};
constexpr int kOps = int(Op::count);
// Element rows come first in the table, one after another; tests go over all of them.
constexpr int kFirstElement = int(Op::neg), kLastElement = kFirstElement - 1
#define JT_UNARY(...) + 1
#define JT_BINARY(...) + 1
#define JT_TERNARY(...) + 1
#include "core/ir/ops.def"
    ;

enum class Kind : uint8_t {
  leaf,
  constant,
  element,
  cast,
  reduce,
  movement,
  index,
  library,
  source,
  composite,
  custom,
  region
};
enum class Operands : uint8_t { FLOAT, NUMBER, ANY, INTEGER, LOGICAL, CHOICE };  // `types` of a row
enum class ResultRule : uint8_t { SAME, BOOL, WIDE, INDEX };
enum class AttrType : uint8_t { integer, ints, boolean, real, dtype, string };

struct AttrDef {
  std::string_view name;
  AttrType type;
  std::string_view fallback;  // text of the default; empty: none (ints: an empty list)
};

// At most N things, in constant expressions too.
template <class T, size_t N>
class FewOf {
 public:
  constexpr void push_back(const T& item) {
    if (size_ == N) throw "the list is full";  // while the compiler makes it: an error of the row
    items_[size_++] = item;
  }
  constexpr size_t size() const { return size_; }
  constexpr bool empty() const { return size_ == 0; }
  constexpr const T& operator[](size_t i) const { return items_[i]; }
  constexpr const T& back() const { return items_[size_ - 1]; }
  constexpr const T* begin() const { return items_; }
  constexpr const T* end() const { return items_ + size_; }

 private:
  T items_[N] = {};
  size_t size_ = 0;
};

// What a row takes and gives, taken apart by the compiler: "x y?; axis:int=0 keepdims:bool; z index".
struct Signature {
  FewOf<std::string_view, 8> operands;  // names, without ? and ...
  FewOf<bool, 8> optional;              // by operand
  FewOf<AttrDef, 8> attrs;
  FewOf<std::string_view, 8> results;
  // the attribute that the (only) result repeats once for each value of; -1: it does not
  int results_by = -1;
  bool variadic = false;                // the last operand repeats
  bool is_fixed = true;                 // neither that nor optional operands

  constexpr explicit Signature(std::string_view text);
  // The place of an attribute; -1 if there is none of that name.
  constexpr int attr_at(std::string_view name) const {
    for (size_t i = 0; i < attrs.size(); i++)
      if (attrs[i].name == name) return int(i);
    return -1;
  }
};

struct Node;
struct Ref;
class Attrs;
struct Type;

// Which operand counts along an axis of `size`, or names one of so many classes.
struct IndexUse {
  int operand = -1;
  Dim size = 0;
  bool wraps = false;  // negative ones count from the end
  int64_t ignored = 0;  // one more that is right, whatever the size
};

// What a type rule sees and fills.
struct TypeRule {
  const struct OpDef& op;
  std::span<const Ref> inputs;
  Attrs& attrs;  // may be normalised: negative axes, -1 in shapes
  std::span<Type> results;
  IndexUse index = {};
  int at(std::string_view attr) const;  // the place of an attribute that the row has
};

class Recorder;
class Value;
// Records on `inputs` what the composite row `node` computes: a value for each of its results.
using Body = void (*)(Recorder&, std::span<const Ref> inputs, const Node& node, std::span<Value> out);

struct OpDef {
  const char* name;
  Kind kind;
  Operands operands = Operands::ANY;
  ResultRule result = ResultRule::SAME;
  Reduction reduction = Reduction::sum;
  bool commutes = false;
  void (*type)(TypeRule&) = nullptr;
  Body body = nullptr;  // composite rows: the op in other ops
  double lo = -4, hi = 4;
  const char* float_text = "";  // element rows: the expressions as text
  const char* int_text = "";
  const char* since;
  const char* doc;
  bool reads_transposed = false;  // library rows: operands may be stored with their last two axes swapped
};

extern const OpDef kOpTable[];  // by Op
inline const OpDef& def(Op op) { return kOpTable[int(op)]; }
inline const char* name(Op op) { return def(op).name; }
inline Op op_of(const OpDef& row) { return Op(&row - kOpTable); }
// The op called `name`; Op::count if there is none.
Op op_named(std::string_view name);

// What autocast casts the floating operands of a row to, f64 aside: halves, or f32.
enum class Precision : uint8_t { as_is, low, high };
extern const Precision kPrecisions[];  // by Op

extern const Signature kSignatures[];  // by Op
inline const Signature& signature(Op op) { return kSignatures[int(op)]; }
// Rows of numbers that say what they give of truth values: see build.
inline bool takes_bools(Op op) { return op == Op::add || op == Op::mul || op == Op::square; }

inline constexpr std::string_view kReduceSignature = "x; axes:ints keepdims:bool=0";
inline constexpr std::string_view kBranchSignature = "condition inputs...";
inline constexpr std::string_view kLoopSignature = "trips condition inputs...; carried:int most:int=-1 counts:bool=0";
inline constexpr std::string_view kSignatureTexts[] = {
    "", "", "",  // data, constant, custom
    kBranchSignature, kLoopSignature,
#define JT_UNARY(name, ...) "x",
#define JT_BINARY(name, ...) "x y",
#define JT_TERNARY(name, ...) "x y w",
#define JT_REDUCE(name, ...) kReduceSignature,
#define JT_OP(name, kind, signature, ...) signature,
#include "core/ir/ops.def"
};

// The place of an attribute of a row, found by the compiler: a name that the row lacks is an error of the program.
consteval int attr(Op op, std::string_view name) {
  int at = Signature(kSignatureTexts[int(op)]).attr_at(name);
  if (at < 0) throw "the row has no such attribute";
  return at;
}
// The same where the row is known only when it runs; -1 if it has none.
inline int attr_at(Op op, std::string_view name) { return signature(op).attr_at(name); }
inline int TypeRule::at(std::string_view attr) const { return attr_at(op_of(op), attr); }

// ---- taking a signature apart ---------------------------------------------------------------------------------------

namespace detail {

constexpr std::string_view next_word(std::string_view& text) {
  size_t from = text.find_first_not_of(' ');
  if (from == text.npos) return text = {}, text;
  text.remove_prefix(from);
  std::string_view word = text.substr(0, text.find(' '));
  text.remove_prefix(word.size());
  return word;
}

constexpr std::string_view take_part(std::string_view& text) {
  std::string_view part = text.substr(0, text.find(';'));
  text.remove_prefix(part.size() + (part.size() < text.size()));
  return part;
}

constexpr AttrType attr_type_named(std::string_view name) {
  if (name == "int") return AttrType::integer;
  if (name == "ints") return AttrType::ints;
  if (name == "bool") return AttrType::boolean;
  if (name == "float") return AttrType::real;
  if (name == "dtype") return AttrType::dtype;
  if (name == "str") return AttrType::string;
  throw "no such type of attributes";
}

}  // namespace detail

constexpr Signature::Signature(std::string_view text) {
  std::string_view in = detail::take_part(text), with = detail::take_part(text), out = text, word;
  while (!(word = detail::next_word(in)).empty()) {
    bool may_lack = word.ends_with("?"), repeats = word.ends_with("...");
    word.remove_suffix(may_lack ? 1 : repeats ? 3 : 0);
    operands.push_back(word), optional.push_back(may_lack);
    variadic |= repeats, is_fixed &= !may_lack && !repeats;
  }
  while (!(word = detail::next_word(with)).empty()) {
    size_t colon = word.find(':'), equals = word.find('=');
    std::string_view fallback = equals == word.npos ? std::string_view() : word.substr(equals + 1);
    attrs.push_back(
        {word.substr(0, colon), detail::attr_type_named(word.substr(colon + 1, equals - colon - 1)), fallback});
  }
  while (!(word = detail::next_word(out)).empty()) {
    size_t dots = word.find("...");
    if (dots != word.npos && (results_by = attr_at(word.substr(dots + 3))) < 0)
      throw "no such attribute to count results by";
    results.push_back(word.substr(0, dots));
  }
  if (results.empty()) results.push_back("out");
  if (results_by >= 0 && (results.size() > 1 || attrs[size_t(results_by)].type != AttrType::ints))
    throw "results repeat alone, by a list";
}

}  // namespace jt
