// Random blocks: simplified, they have the same results to the bit, and nothing is left to simplify.
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <set>

#include "core/ir/build.h"
#include "core/ir/eval.h"
#include "core/rewrite/simplify.h"

namespace jt {
namespace {

// Grows a block op by op from values it has; what an op refuses is not there.
class Grower {
 public:
  explicit Grower(uint32_t seed) : random_(seed) {}

  Block grow() {
    for (DType t : {JT_F32, JT_F32, JT_I32, JT_U8, JT_BOOL, JT_F16}) param({t, Shape{3, 4}});
    Type column{JT_F32, Shape{3}};
    column.shape.push(1, true);
    param(column);
    param({JT_I64, Shape{4}});
    for (int i = 0; i < 60; i++) {
      try {
        add(next());
      } catch (const Error&) {
      }
    }
    for (int i = 0; i < 4; i++) block_.results.push_back(values_[values_.size() - 1 - size_t(pick(8))]);
    return std::move(block_);
  }

 private:
  int pick(int n) { return int(random_() % uint32_t(n)); }
  Ref any() {  // mostly a recent value
    int count = int(values_.size()), recent = count - 1 - pick(std::min(10, count));
    return values_[size_t(pick(3) ? recent : pick(count))];
  }
  void param(const Type& type) {
    block_.params.push_back(block_.recorder->leaf(type, nullptr));
    values_.push_back(block_.params.back());
    seen_ = block_.recorder->next_mark();
    for (const Value& v : block_.params) v.ref().node->mark = seen_;
  }

  Value constant() {
    const double values[] = {0, 1, -1, 2, 3, 4, -2.5, 0.1, -0.0, 1e20};
    DType t = std::array{JT_F32, JT_I32, JT_U8, JT_F16}[size_t(pick(4))];
    double v = values[pick(is_float(t) ? 10 : t == JT_U8 ? 2 : 6)];
    Value made = block_.recorder->constant(t, v);
    if (pick(2)) {
      block_.scalars.push_back({t, made.ref().node->constant_bits});
      made.ref().node->origin = int32_t(block_.scalars.size()) - 1;
    }
    return made;
  }

  Value next() {
    Recorder& r = *block_.recorder;
    Ref x = any();
    const Shape& s = x.shape();
    int axis = s.rank ? pick(s.rank) : 0;
    switch (pick(14)) {
      case 0: return constant();
      case 1: return ops::cast(x, std::array{JT_F32, JT_I32, JT_U8, JT_F16, JT_F64, JT_BOOL}[size_t(pick(6))]);
      case 2: return r.build(Op::transpose, {x}, Attrs().add_ints({}));
      case 3: return r.build(Op::flip, {x}, Attrs().add(axis));
      case 4: return r.build(Op::reshape, {x}, Attrs().add(s.count()));
      case 5: return r.build(Op::reshape, {x}, Attrs().add_ints(std::array<int64_t, 2>{3, s.count() / 3}));
      case 6: return r.build(Op(int(Op::sum) + pick(6)), {x}, Attrs().add(axis).add(pick(2)));
      case 7: return ops::expand(x, Shape{3, 4});
      case 8: return r.build(Op::softmax, {x}, Attrs().add(axis));
      case 9: return r.build(Op::mean, {x}, Attrs().add(axis).add(pick(2)));
      default: break;
    }
    Op op = Op(kFirstElement + pick(kLastElement - kFirstElement + 1));
    if (pick(2))
      op = std::array{Op::add, Op::sub, Op::mul, Op::neg, Op::div, Op::abs, Op::where, Op::maximum}[size_t(pick(8))];
    if (op == Op::pow) op = Op::mul;
    size_t n = signature(op).operands.size();
    Ref in[3] = {x, any(), any()};
    return r.build(op, {in, n});
  }

  // Enters a value and what was recorded to make it.
  void add(const Value& root) {
    std::vector<Ref> work{root};
    while (!work.empty()) {
      Ref top = work.back();
      Ref waits_for;
      for (Ref in : top.node->ins())
        if (in.node->mark != seen_) waits_for = in;
      if (waits_for) { work.push_back(waits_for); continue; }
      work.pop_back();
      if (top.node->mark == seen_) continue;
      top.node->mark = seen_;
      block_.nodes.push_back(Ref{top.node});
    }
    values_.push_back(root);
  }

  std::mt19937 random_;
  Block block_;
  std::vector<Ref> values_;
  uint32_t seen_ = 0;
};

HostValue random_value(const Type& type, std::mt19937& random) {
  HostValue v{type, std::vector<unsigned char>(type.bytes())};
  for (size_t i = 0; i < v.bytes.size(); i++) v.bytes[i] = (unsigned char)random();
  if (type.dtype == JT_BOOL)
    for (unsigned char& b : v.bytes) b &= 1;
  if (type.dtype == JT_F32 && random() % 2)  // bits of any kind, or numbers of a common size
    for (size_t i = 0; i < v.bytes.size(); i += 4) {
      float f = float(int(random() % 2001) - 1000) / 64;
      std::memcpy(&v.bytes[i], &f, 4);
    }
  return v;
}

uint64_t element(const HostValue& v, size_t i) {
  uint64_t bits = 0;
  size_t size = size_of(v.type.dtype);
  std::memcpy(&bits, &v.bytes[i * size], size);
  auto quiet = [&](uint64_t magnitude, uint64_t infinity) {
    return (bits & magnitude) > infinity ? ~uint64_t(0) : bits;
  };
  switch (v.type.dtype) {
    case JT_F16: return quiet(0x7fff, 0x7c00);
    case JT_BF16: return quiet(0x7fff, 0x7f80);
    case JT_F32: return quiet(0x7fffffff, 0x7f800000);
    case JT_F64: return quiet(INT64_MAX, 0x7ffull << 52);
    default: return bits;
  }
}

// Another run of the same structure: other scalars of the same classes.
void change_scalars(Block& block, uint32_t seed) {
  std::mt19937 random(seed);
  for (Scalar& s : block.scalars) {
    if (s.fold != Op::data) continue;
    const double finite[] = {0.3, -1e-30, -0.0, 1e25}, moderate[] = {3, 1e6, -2.5, -1.5}, powers[] = {2, 64, 0x1p60};
    double v = 0;
    switch (scalar_class(s.dtype, s.bits)) {
      case ScalarClass::power_of_two: v = is_float(s.dtype) ? powers[random() % 3] : 8; break;
      case ScalarClass::moderate: v = is_float(s.dtype) ? moderate[random() % 4] : 5; break;
      case ScalarClass::finite: v = finite[random() % 4]; break;
      default: continue;
    }
    if (s.dtype == JT_F16 && std::fabs(v) > 60000) continue;
    s.bits = Recorder().constant(s.dtype, v).ref().node->constant_bits;
  }
  refold(block.scalars);
  for (const Value& node : block.nodes)
    if (Node* n = node.ref().node; n->op == Op::constant && n->origin >= 0)
      n->constant_bits = block.scalars[size_t(n->origin)].bits;
}

void expect_same(const std::vector<HostValue>& want, const std::vector<HostValue>& got, const std::string& what) {
  for (size_t i = 0; i < want.size(); i++) {
    ASSERT_TRUE(want[i].type == got[i].type) << what << "result " << i;
    for (size_t k = 0; k < size_t(want[i].type.count()); k++)
      ASSERT_EQ(element(want[i], k), element(got[i], k)) << what << "result " << i << ", element " << k;
  }
}

TEST(Random, SameBitsAndNothingLeftToSimplify) {
  std::set<std::string_view> fired;
  SimplifyOptions options;
  options.trace = [&](std::string_view rule, Ref, Ref) { fired.insert(rule); };
  for (uint32_t seed = 0; seed < 1500; seed++) {
    Block block = Grower(seed).grow();
    std::string before = print(block);
    ASSERT_NO_THROW(verify(block)) << before;
    std::mt19937 random(seed);
    std::vector<HostValue> in;
    for (const Value& p : block.params) in.push_back(random_value(p.type(), random));
    std::vector<HostValue> want = evaluate(block, in);
    std::string after;
    try {
      block = simplify(std::move(block), options);
      after = print(block);
      verify(block);
    } catch (const Error& e) {
      FAIL() << e.message() << "\n" << before << after;
    }
    expect_same(want, evaluate(block, in), text("seed ", seed, "\n", before, after));
    block = simplify(std::move(block));
    ASSERT_EQ(print(block), after) << "seed " << seed;
    Block other = Grower(seed).grow();
    change_scalars(other, seed), change_scalars(block, seed);
    expect_same(evaluate(other, in), evaluate(block, in),
                text("other scalars, seed ", seed, "\n", before, print(block)));
    if (HasFatalFailure()) return;
  }
  EXPECT_GE(fired.size(), 60u) << "the blocks have little to simplify";
}

}  // namespace
}  // namespace jt
