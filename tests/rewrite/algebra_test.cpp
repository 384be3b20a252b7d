// algebra.def: every row fires where it may and not where it must not, and both of its sides have the same bits.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "core/ir/build.h"
#include "core/ir/eval.h"
#include "core/rewrite/simplify.h"

namespace jt {
namespace {

enum Types { ANY, INT, SIGNED, FLOAT, WIDE, BOOL, BITS };
enum Exactness { EXACT, FAST_MATH };

struct Letters { Value x, y, w, c, d, p, r, c0, c1, cm1; };
using Side = Value (*)(const Letters&);
struct Row {
  const char* text;
  Types types;
  Exactness exactness;
  Side left, right;
};

namespace sides {
using namespace ops;
#define LETTERS                                                                                                   \
  [[maybe_unused]] const Value &x = l.x, &y = l.y, &w = l.w, &c = l.c, &d = l.d, &p = l.p, &r = l.r, &c0 = l.c0, \
                               &c1 = l.c1, &cm1 = l.cm1;
#define JT_RULE(types, exactness, pattern, result)                                                     \
  {#pattern " -> " #result, types, exactness, [](const Letters& l) -> Value { LETTERS return pattern; }, \
   [](const Letters& l) -> Value { LETTERS return result; }},
const Row kRows[] = {
#include "core/rewrite/algebra.def"
};
}  // namespace sides
using sides::kRows;

const DType kAll[] = {JT_BOOL, JT_I8, JT_I32, JT_I64, JT_U8, JT_U64, JT_F16, JT_BF16, JT_F32, JT_F64};

bool allows(Types types, DType t) {
  switch (types) {
    case ANY: return true;
    case INT: return is_int(t);
    case SIGNED: return is_signed_int(t);
    case FLOAT: return is_float(t);
    case WIDE: return t == JT_F32 || t == JT_F64;
    case BOOL: return t == JT_BOOL;
    case BITS: return is_int(t) || t == JT_BOOL;
  }
  return false;
}

bool uses(const Row& row, char letter) {
  std::string_view left = std::string_view(row.text).substr(0, std::string_view(row.text).find("->"));
  for (size_t i = 0; i < left.size(); i++) {
    auto is_word = [&](size_t k) {
      return k < left.size() && (std::isalnum((unsigned char)left[k]) || left[k] == '_');
    };
    if (left[i] == letter && !is_word(i + 1) && !(i && is_word(i - 1))) return true;
  }
  return false;
}
bool names_a_class(const Row& row) {
  std::string_view left = std::string_view(row.text).substr(0, std::string_view(row.text).find("->"));
  return left.find("c0") != left.npos || left.find("c1") != left.npos || left.find("cm1") != left.npos;
}

// Values that a pattern's constants take, one set after another.
struct Numbers { double c, d, p, r; };
const Numbers kNumbers[] = {{3, 5, 4, 3}, {-2.5, 0.1, 1024, -7.25}, {7, -3, 2, 1e9}};
const Numbers kExtreme[] = {{INFINITY, 3, 0x1p60, -0x1.8p59}, {NAN, -0.0, 0x1p60, 0x1p60}, {-0.0, 1e-40, 8, 1.1}};

const double kReals[] = {0.0, -0.0, 1, -1, 0.5, -2.5, 3, 0.1, -7.3, 1e-45, -1e-40, 1.17549435e-38, 3e38, -3e38, 1e-310,
                         1e300, INFINITY, -INFINITY, NAN, 65504, 6e-8, 1.0000001, 0x1p24, -0x1.fffffep127};
const int64_t kInts[] = {0,    1,   -1,    2,      -2,    3,         7,         -8,        100,      127,
                         -128, 255, 32767, -32768, 65535, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN};

// How a side is put into a block: a param for each letter that stands for anything, constants for the rest.
struct Scene {
  Block block;
  Letters letters;
};

Value constant_of(Recorder& r, DType t, double v) {
  if (is_float(t)) return r.constant(t, v);
  if (t == JT_BOOL) return r.constant_int(t, v != 0);
  return r.constant_int(t, std::isfinite(v) ? int64_t(v) : 9);
}

// The dtype of the letters is t; `w` is the condition where the pattern says where(), and x too where it is one.
Scene set_up(const Row& row, DType t, const Numbers& n, const Shape& shape) {
  Scene s;
  Recorder& r = *s.block.recorder;
  bool x_is_condition = std::string_view(row.text).starts_with("where(x");
  auto param = [&](DType dtype) {
    Value v = r.leaf({dtype, shape}, nullptr);
    s.block.params.push_back(v);
    return v;
  };
  s.letters.x = param(x_is_condition ? JT_BOOL : t);
  s.letters.y = param(t);
  s.letters.w = param(JT_BOOL);
  bool constant_condition = std::string_view(row.text).starts_with("where(c");
  DType k = constant_condition ? JT_BOOL : t;
  s.letters.c = constant_of(r, t, n.c), s.letters.d = constant_of(r, t, n.d);
  s.letters.p = constant_of(r, t, n.p), s.letters.r = constant_of(r, t, n.r);
  s.letters.c0 = r.constant_int(k, 0), s.letters.c1 = r.constant_int(k, 1);
  s.letters.cm1 = k == JT_BOOL ? r.constant_int(k, 1) : r.constant_int(k, -1);
  return s;
}

void finish(Block& block, const Value& root) {
  std::vector<Ref> order, work{root};
  uint32_t mark = block.recorder->next_mark();
  for (const Value& p : block.params) p.ref().node->mark = mark;
  while (!work.empty()) {
    Ref top = work.back();
    if (top.node->mark == mark) { work.pop_back(); continue; }
    Ref waits_for;
    for (Ref in : top.node->ins())
      if (in.node->mark != mark) waits_for = in;
    if (waits_for) { work.push_back(waits_for); continue; }
    top.node->mark = mark;
    block.nodes.push_back(Ref{top.node});
  }
  block.results.push_back(root);
}

bool has_casts(const Block& block) {
  return std::ranges::any_of(block.nodes, [](const Value& node) { return node.ref().node->op == Op::cast; });
}

// Rules that fire on the left side, or an empty set where the ops do not take the dtype as it is.
std::set<std::string> fired(const Row& row, DType t, const Numbers& n, bool fast_math, Side side) {
  std::set<std::string> rules;
  Scene s = set_up(row, t, n, Shape{4});
  Value root;
  try {
    root = side(s.letters);
  } catch (const Error&) {
    return {};
  }
  finish(s.block, root);
  root = {};
  s.letters = {};
  if (has_casts(s.block)) return {};
  SimplifyOptions options;
  options.fast_math = fast_math;
  options.trace = [&](std::string_view rule, Ref, Ref) { rules.insert(std::string(rule)); };
  Block done = simplify(std::move(s.block), options);
  verify(done);
  return rules;
}

TEST(Rules, EachFiresForADtypeItAllows) {
  for (const Row& row : kRows) {
    bool any = false;
    for (DType t : kAll)
      any |= allows(row.types, t) && fired(row, t, kNumbers[0], row.exactness == FAST_MATH, row.left).count(row.text);
    EXPECT_TRUE(any) << row.text;
  }
}

TEST(Rules, NoneFiresForADtypeItDoesNotAllow) {
  for (const Row& row : kRows)
    for (DType t : kAll) {
      bool elsewhere = false;  // a row of the same text allows it
      for (const Row& other : kRows)
        elsewhere |=
            std::string_view(other.text) == row.text && allows(other.types, t) && other.exactness <= row.exactness;
      if (elsewhere) continue;
      bool fires = fired(row, t, kNumbers[0], row.exactness == FAST_MATH, row.left).count(row.text);
      EXPECT_FALSE(fires) << row.text << " for " << name(t);
    }
}

TEST(Rules, FastMathIsAskedFor) {
  for (const Row& row : kRows) {
    if (row.exactness != FAST_MATH) continue;
    for (DType t : {JT_F16, JT_F32, JT_F64})
      EXPECT_FALSE(fired(row, t, {1.5, 2.5, 3, 3}, false, row.left).count(row.text)) << row.text << " for " << name(t);
  }
}

// A constant of another class, or another value where a letter stands twice, is no match.
TEST(Rules, NoneFiresForOtherConstants) {
  for (const Row& row : kRows) {
    if (!names_a_class(row) && !uses(row, 'p')) continue;
    for (DType t : kAll) {
      if (!allows(row.types, t) || t == JT_BOOL) continue;
      Scene s = set_up(row, t, {3, 5, 3, 0}, Shape{4});
      Letters& l = s.letters;
      if (std::string_view(row.text).starts_with("where(")) continue;
      l.c0 = l.c1 = l.cm1 = constant_of(*s.block.recorder, t, 3);
      if (is_float(t)) l.r = s.block.recorder->constant(t, 0.25);
      Value root;
      try { root = row.left(l); } catch (const Error&) { continue; }
      finish(s.block, root);
      root = {}, l = {};
      std::set<std::string> rules;
      SimplifyOptions options;
      options.fast_math = row.exactness == FAST_MATH;
      options.trace = [&](std::string_view rule, Ref, Ref) { rules.insert(std::string(rule)); };
      simplify(std::move(s.block), options);
      EXPECT_FALSE(rules.count(row.text)) << row.text << " for " << name(t);
    }
  }
}

TEST(Rules, NoneFiresForTwoValuesWhereALetterStandsTwice) {
  for (const Row& row : kRows) {
    std::string_view left = std::string_view(row.text).substr(0, std::string_view(row.text).find("->"));
    bool twice = false;
    for (const char* pair : {"x - x ", "x * x ", "(x, x)", "(x, y, y)", "(x, y), y)"})
      twice |= left.find(pair) != left.npos;
    if (!twice) continue;
    Op op = op_named(left.substr(0, left.find('(')));
    if (op == Op::count) op = left.find('*') != left.npos ? Op::mul : Op::sub;
    for (DType t : {JT_BOOL, JT_I32, JT_F32}) {
      Scene s = set_up(row, t, kNumbers[0], Shape{4});
      std::vector<Ref> args{s.letters.x, s.letters.y};
      Value two = constant_of(*s.block.recorder, t, 2);
      if (op == Op::where) args = {s.letters.w, s.letters.y, t == JT_BOOL ? s.letters.w : two};
      Value root;
      try { root = s.block.recorder->build(op, args); } catch (const Error&) { continue; }
      finish(s.block, root);
      root = two = {}, s.letters = {};
      size_t before = s.block.nodes.size();
      Block done = simplify(std::move(s.block), {true, {}});
      EXPECT_EQ(done.nodes.size(), before) << row.text;
    }
  }
}

// ---- both sides on special values -----------------------------------------------------------------------------------

// Every pair of test values of dtype t, made from f64 or i64 by the evaluator's own cast.
std::vector<HostValue> pairs(DType t) {
  std::vector<int64_t> first, second;
  auto cross = [&](auto& values) {
    for (auto a : values)
      for (auto b : values) {
        int64_t bits[2];
        std::memcpy(&bits[0], &a, 8), std::memcpy(&bits[1], &b, 8);
        first.push_back(bits[0]), second.push_back(bits[1]);
      }
  };
  is_float(t) ? cross(kReals) : cross(kInts);
  Block b;
  Type type{is_float(t) ? JT_F64 : JT_I64, Shape{int64_t(first.size())}};
  std::vector<HostValue> in;
  for (auto* list : {&first, &second}) {
    b.params.push_back(b.recorder->leaf(type, nullptr));
    HostValue v{type, std::vector<unsigned char>(list->size() * 8)};
    std::memcpy(v.bytes.data(), list->data(), v.bytes.size());
    in.push_back(std::move(v));
    Value made = ops::cast(b.params.back(), t);
    if (made.ref().node != b.params.back().ref().node) b.nodes.push_back(made);
    b.results.push_back(made);
  }
  return evaluate(b, in);
}

double as_double(DType t, const unsigned char* p) {
  if (t == JT_F64) { double v; std::memcpy(&v, p, 8); return v; }
  if (t == JT_F32) { float v; std::memcpy(&v, p, 4); return v; }
  uint16_t h;
  std::memcpy(&h, p, 2);
  if (t == JT_BF16) { uint32_t w = uint32_t(h) << 16; float v; std::memcpy(&v, &w, 4); return v; }
  return (h & 0x7c00) == 0x7c00 && (h & 0x3ff) ? NAN : 0;  // f16: only NaN matters here
}

void expect_same_bits(const HostValue& a, const HostValue& b, const std::string& what,
                      const std::vector<HostValue>& in) {
  ASSERT_TRUE(a.type == b.type) << what;
  size_t size = size_of(a.type.dtype);
  for (size_t i = 0; i * size < a.bytes.size(); i++) {
    const unsigned char *p = &a.bytes[i * size], *q = &b.bytes[i * size];
    if (!std::memcmp(p, q, size)) continue;
    if (is_float(a.type.dtype) && std::isnan(as_double(a.type.dtype, p)) && std::isnan(as_double(a.type.dtype, q)))
      continue;
    std::string values;
    if (in[0].type.dtype == JT_F64 || in[0].type.dtype == JT_F32)
      for (int k = 0; k < 2; k++)
        values +=
            text(" ", as_double(in[size_t(k)].type.dtype, &in[size_t(k)].bytes[i * size_of(in[size_t(k)].type.dtype)]));
    ADD_FAILURE() << what << ": element " << i << values << ": " << as_double(a.type.dtype, p) << " and "
                  << as_double(a.type.dtype, q);
    return;
  }
}

TEST(Rules, BothSidesOfExactRowsHaveTheSameBits) {
  for (DType t : kAll) {
    std::vector<HostValue> in = pairs(t);
    for (const Row& row : kRows) {
      if (row.exactness != EXACT || !allows(row.types, t)) continue;
      std::vector<Numbers> numbers(std::begin(kNumbers), std::end(kNumbers));
      if (is_float(t)) numbers.insert(numbers.end(), std::begin(kExtreme), std::end(kExtreme));
      for (const Numbers& n : numbers) {
        Scene s = set_up(row, t, n, in[0].type.shape);
        Value left, right;
        try {
          left = row.left(s.letters), right = row.right(s.letters);
        } catch (const Error&) {
          continue;
        }
        if (!(left.type() == right.type())) {  // a constant alone
          if (right.shape().rank == 0) right = ops::cast(right, left.dtype());
          right = ops::expand(right, left.shape());
        }
        std::vector<HostValue> values;
        for (size_t i = 0; i < 3; i++) {
          HostValue v{s.block.params[i].type(), {}};
          if (v.type.dtype == t) v = in[i == 1];
          else {
            v.bytes.resize(v.type.bytes());
            for (size_t k = 0; k < v.bytes.size(); k++) v.bytes[k] = (k * 7 + k / 5 + i) & 1;
          }
          values.push_back(v);
        }
        Block& b = s.block;
        finish(b, left);
        std::vector<HostValue> a = evaluate(b, values);
        b.nodes.clear(), b.results.clear();
        finish(b, right);
        std::vector<HostValue> z = evaluate(b, values);
        expect_same_bits(a[0], z[0],
                         text(row.text, " for ", name(t), " with c ", n.c, " d ", n.d, " p ", n.p, " r ", n.r), in);
      }
    }
  }
}

}  // namespace
}  // namespace jt
