// algebra: the rows of algebra.def as values, and the matcher.
//
// A row's two expressions are built at compile time into terms, arguments before their op, the outermost last. Rows are
// found by their outermost op.
#include <algorithm>
#include <array>

#include "core/rewrite/rule.h"

namespace jt {
namespace {

enum class Leaf : uint8_t { none, any, foldable, zero, one, minus_one, power_of_two, in_range };

struct Term {
  Leaf leaf = Leaf::none;
  uint8_t letter = 0;  // of a leaf that is bound
  Op op = Op::data;
  int8_t args[3] = {-1, -1, -1};
};

constexpr int kMaxTerms = 12, kLetters = 7;
struct Expr {
  Term terms[kMaxTerms];
  int8_t size = 0;
  constexpr int root() const { return size - 1; }
};

constexpr Expr leaf(Leaf kind, int letter = 0) {
  Expr e;
  e.terms[0].leaf = kind, e.terms[0].letter = uint8_t(letter), e.size = 1;
  return e;
}

constexpr Expr join(Op op, std::initializer_list<Expr> args) {
  Expr e;
  Term root;
  root.op = op;
  int k = 0;
  for (const Expr& arg : args) {
    for (int i = 0; i < arg.size; i++) {
      Term t = arg.terms[i];
      for (int8_t& a : t.args)
        if (a >= 0) a = int8_t(a + e.size);
      e.terms[e.size + i] = t;
    }
    e.size = int8_t(e.size + arg.size);
    root.args[k++] = int8_t(e.size - 1);
  }
  e.terms[e.size++] = root;
  return e;
}

namespace expr {
#define JT_UNARY(name, ...) constexpr Expr name(Expr a) { return join(Op::name, {a}); }
#define JT_BINARY(name, ...) constexpr Expr name(Expr a, Expr b) { return join(Op::name, {a, b}); }
#define JT_TERNARY(name, ...) constexpr Expr name(Expr a, Expr b, Expr c) { return join(Op::name, {a, b, c}); }
#include "core/ir/ops.def"
constexpr Expr x = leaf(Leaf::any, 0), y = leaf(Leaf::any, 1), w = leaf(Leaf::any, 2);
constexpr Expr c = leaf(Leaf::foldable, 3), d = leaf(Leaf::foldable, 4);
constexpr Expr p = leaf(Leaf::power_of_two, 5), r = leaf(Leaf::in_range, 6);
constexpr Expr c0 = leaf(Leaf::zero), c1 = leaf(Leaf::one), cm1 = leaf(Leaf::minus_one);
constexpr Expr operator+(Expr a, Expr b) { return add(a, b); }
constexpr Expr operator-(Expr a, Expr b) { return sub(a, b); }
constexpr Expr operator*(Expr a, Expr b) { return mul(a, b); }
constexpr Expr operator/(Expr a, Expr b) { return div(a, b); }
constexpr Expr operator-(Expr a) { return neg(a); }
}  // namespace expr
}  // namespace

enum class Types : uint8_t { ANY, INT, SIGNED, FLOAT, WIDE, BOOL, BITS };
enum class Exactness : uint8_t { EXACT, FAST_MATH };

namespace {
struct Rule {
  std::string_view text;
  Types types;
  Exactness exactness;
  Expr pattern, result;
};

namespace expr {
constexpr Rule kRules[] = {
#define JT_RULE(types, exactness, pattern, result) \
  {#pattern " -> " #result, Types::types, Exactness::exactness, pattern, result},
#include "core/rewrite/algebra.def"
};
}  // namespace expr
using expr::kRules;
constexpr int kCountOfRules = int(std::size(kRules));

// Rows by outermost op, in the order of the table: first[op], then next[row].
struct Index {
  std::array<int16_t, size_t(kOps)> first;
  std::array<int16_t, size_t(kCountOfRules)> next;
};

constexpr Index index_rules() {
  Index index{};
  index.first.fill(-1);
  for (int i = kCountOfRules; i-- > 0;) {
    int16_t& first = index.first[size_t(kRules[i].pattern.terms[kRules[i].pattern.root()].op)];
    index.next[size_t(i)] = first;
    first = int16_t(i);
  }
  return index;
}
constexpr Index kIndex = index_rules();
}  // namespace

using Bindings = std::array<Ref, kLetters>;

static bool fits_types(Types types, DType t) {
  switch (types) {
    case Types::ANY: return true;
    case Types::INT: return is_int(t);
    case Types::SIGNED: return is_signed_int(t);
    case Types::FLOAT: return is_float(t);
    case Types::WIDE: return t == JT_F32 || t == JT_F64;
    case Types::BOOL: return t == JT_BOOL;
    case Types::BITS: return is_int(t) || t == JT_BOOL;
  }
  return false;
}

static bool fits_leaf(Leaf leaf, Ref x, const ScalarTable& scalars) {
  if (leaf == Leaf::any) return true;
  if (!can_fold(x)) return false;
  ScalarClass c = scalars.class_of(x.node);
  switch (leaf) {
    case Leaf::zero: return c == ScalarClass::zero;
    case Leaf::one: return c == ScalarClass::one;
    case Leaf::minus_one: return c == ScalarClass::minus_one;
    case Leaf::power_of_two: return c == ScalarClass::power_of_two;
    case Leaf::in_range: return c == ScalarClass::power_of_two || c == ScalarClass::moderate;
    default: return true;
  }
}

// Binds letters as it goes; what it bound when it says no is undone by the caller. As deep as a pattern.
static bool match(const Expr& e, int at, Ref x, const ScalarTable& scalars, Bindings& bound) {
  const Term& t = e.terms[at];
  if (t.leaf != Leaf::none) {
    if (!fits_leaf(t.leaf, x, scalars)) return false;
    bool is_letter = t.leaf != Leaf::zero && t.leaf != Leaf::one && t.leaf != Leaf::minus_one;
    if (!is_letter) return true;
    if (bound[t.letter]) return bound[t.letter] == x;
    bound[t.letter] = x;
    return true;
  }
  if (x.node->op != t.op) return false;
  const Ref* in = x.node->inputs();
  Bindings before = bound;
  bool in_order = true;
  for (int i = 0; i < x.node->n_inputs && in_order; i++) in_order = match(e, t.args[i], in[i], scalars, bound);
  if (in_order) return true;
  bound = before;
  if (!def(t.op).commutes) return false;
  return match(e, t.args[0], in[1], scalars, bound) && match(e, t.args[1], in[0], scalars, bound);
}

static Value build(Rewriting& with, const Expr& e, const Bindings& bound, const Type& type) {
  Value made[kMaxTerms];
  for (int i = 0; i < e.size; i++) {
    const Term& t = e.terms[i];
    switch (t.leaf) {
      case Leaf::zero: made[i] = with.recorder.constant_int(type.dtype, 0); continue;
      case Leaf::one: made[i] = with.recorder.constant_int(type.dtype, 1); continue;
      case Leaf::minus_one: made[i] = with.recorder.constant_int(type.dtype, -1); continue;
      case Leaf::none: break;
      default: made[i] = bound[t.letter]; continue;
    }
    Ref args[3];
    size_t n = 0;
    while (n < 3 && t.args[n] >= 0) args[n] = made[t.args[n]], n++;
    Attrs none;
    made[i] = with.recorder.record(t.op, {args, n}, none);
  }
  Value root = made[e.root()];
  return is_constant(root) && type.shape.rank ? spread(with.recorder, root, type) : root;
}

Rewrite algebra(Rewriting& with, Ref z) {
  for (int i = kIndex.first[size_t(z.node->op)]; i >= 0; i = kIndex.next[size_t(i)]) {
    const Rule& rule = kRules[i];
    if (rule.exactness == Exactness::FAST_MATH && !with.fast_math) continue;
    if (!fits_types(rule.types, z.node->inputs()[z.node->n_inputs - 1].dtype())) continue;
    Bindings bound{};
    if (!match(rule.pattern, rule.pattern.root(), z, with.scalars, bound)) continue;
    Value to = build(with, rule.result, bound, z.type());
    if (to && to.type() == z.type()) return {rule.text, to};
  }
  return {};
}

}  // namespace jt
