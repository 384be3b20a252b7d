// eval_test: the evaluator agrees with NumPy (data/vectors.txt, made by data/make_vectors.py) and with numbers made by
// hand.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <fstream>
#include <set>
#include <sstream>

#include "core/ir/build.h"
#include "core/ir/eval.h"
#include "core/ir/scalar_math.h"

namespace jt {
namespace {

// "in f32[2,3] 1 2 3 4 5 6", "out f32[2] ~1e-6 1 2"
struct Line {
  HostValue value;
  double bound = 0;
};

void store_text(HostValue& v, size_t n, const std::string& word) {
  DType t = v.type.dtype;
  Word w;
  if (t == JT_F64) w.f64 = std::stod(word);
  else if (is_float(t)) w.f32 = std::stof(word);
  else if (t == JT_U64) w.u64 = std::stoull(word);
  else w = cast({.i64 = std::stoll(word)}, JT_I64, t);
  store(t, &v.bytes[n * size_of(t)], w);
}

Line read_line(std::istringstream& in) {
  Line out;
  std::string type;
  in >> type;
  size_t open = type.find('[');
  out.value.type.dtype = dtype_named(type.substr(0, open));
  std::istringstream extents(type.substr(open + 1, type.size() - open - 2));
  for (std::string extent; std::getline(extents, extent, ',');) out.value.type.shape.push(std::stoll(extent));
  out.value.bytes.resize(out.value.type.bytes());
  size_t n = 0;
  for (std::string word; in >> word;) {
    if (word[0] == '~') out.bound = std::stod(word.substr(1));
    else store_text(out.value, n++, word);
  }
  EXPECT_EQ(int64_t(n), out.value.type.count());
  return out;
}

double real_at(const HostValue& v, int64_t n) {
  DType t = v.type.dtype;
  return convert(load(t, &v.bytes[size_t(n) * size_of(t)]), ctype_of(t), CType::f64).f64;
}

void expect_agree(const HostValue& got, const Line& wanted) {
  ASSERT_EQ(got.type.dtype, wanted.value.type.dtype);
  ASSERT_TRUE(same_extents(got.type.shape, wanted.value.type.shape)) << text(got.type, " for ", wanted.value.type);
  size_t size = size_of(got.type.dtype);
  for (int64_t n = 0; n < got.type.count(); n++) {
    double a = real_at(got, n), b = real_at(wanted.value, n);
    if (a != a && b != b) continue;
    if (wanted.bound) ASSERT_LE(std::fabs(a - b), wanted.bound * (1 + std::fabs(b))) << "at " << n;
    else
      ASSERT_EQ(std::memcmp(&got.bytes[size_t(n) * size], &wanted.value.bytes[size_t(n) * size], size), 0)
          << "at " << n << ": " << a << " for " << b;
  }
}

struct Case {
  std::string name, block;
  std::vector<HostValue> in;
  std::vector<Line> out;
};

std::vector<Case> read_cases() {
  std::vector<Case> cases;
  std::ifstream file(JT_TEST_DATA "/vectors.txt");
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string first;
    words >> first;
    if (first == "case") cases.push_back({line.substr(5), "", {}, {}});
    else if (first == "in") cases.back().in.push_back(read_line(words).value);
    else if (first == "out") cases.back().out.push_back(read_line(words));
    else cases.back().block += line + '\n';
  }
  return cases;
}

TEST(Evaluate, AgreesWithNumPy) {
  std::set<Op> seen;
  for (const Case& c : read_cases()) {
    SCOPED_TRACE(c.name);
    Block block = parse(c.block);
    verify(block);
    for (const Value& node : block.nodes) seen.insert(node.ref().node->op);
    std::vector<HostValue> got = evaluate(block, c.in);
    ASSERT_EQ(got.size(), c.out.size());
    for (size_t i = 0; i < got.size(); i++) expect_agree(got[i], c.out[i]);
  }
  for (int i = int(kLastElement) + 1; i < kOps; i++) EXPECT_TRUE(seen.count(Op(i))) << name(Op(i)) << " has no vector";
}

// ---- element rows ----

HostValue value_of(DType t, std::initializer_list<double> values, bool scalar = false) {
  HostValue out;
  out.type.dtype = t;
  if (!scalar) out.type.shape.push(int64_t(values.size()));
  out.bytes.resize(values.size() * size_of(t));
  size_t n = 0;
  for (double v : values) store(t, &out.bytes[size_of(t) * n++], word_of(t, v));
  return out;
}

std::string shown(const HostValue& v) {
  std::string out;
  for (int64_t n = 0; n < v.type.count(); n++) {
    if (n) out += ' ';
    append(out, real_at(v, n));
  }
  return out;
}

std::string run(std::string_view body, std::vector<HostValue> in) {
  std::string params;
  for (size_t i = 0; i < in.size(); i++) {
    params += text(i ? ", %" : "%", i, ": ");
    append_exact(params, in[i].type);
  }
  Block block = parse(text("block(", params, ") {\n  %z = ", body, "\n  return %z\n}\n"));
  return shown(evaluate(block, in)[0]);
}

TEST(Evaluate, ElementRowsComputeInTheComputeTypeAndWrap) {
  EXPECT_EQ(run("add %0 %1", {value_of(JT_I8, {127, -128}), value_of(JT_I8, {1, -1})}), "-128 127");
  EXPECT_EQ(run("mul %0 %1", {value_of(JT_U32, {4294967295.0}), value_of(JT_U32, {3})}), "4294967293");
  EXPECT_EQ(run("floor_div %0 %1", {value_of(JT_I8, {-128, 7, 5}), value_of(JT_I8, {-1, -2, 0})}), "-128 -4 0");
  EXPECT_EQ(run("mod %0 %1", {value_of(JT_F32, {7, -7}), value_of(JT_F32, {-2, 2})}), "-1 1");
  EXPECT_EQ(run("bitwise_not %0", {value_of(JT_BOOL, {0, 1})}), "1 0");
  EXPECT_EQ(run("bitwise_not %0", {value_of(JT_U8, {0, 1})}), "255 254");
  EXPECT_EQ(run("maximum %0 %1", {value_of(JT_F32, {-0.0, NAN, 1}), value_of(JT_F32, {0, 1, NAN})}), "0 nan nan");
  EXPECT_EQ(run("where %0 %1 %2", {value_of(JT_BOOL, {0, 1}), value_of(JT_I64, {1, 2}), value_of(JT_I64, {3}, true)}),
            "3 2");
  EXPECT_EQ(run("less %0 %1", {value_of(JT_U64, {0}), value_of(JT_U64, {0x1p63})}), "1");
  EXPECT_EQ(run("add %0 %1", {value_of(JT_F16, {2048}), value_of(JT_F16, {1})}), "2048");
  EXPECT_EQ(run("mul %0 %1", {value_of(JT_BF16, {1.0078125}), value_of(JT_BF16, {1.0078125})}), "1.015625");
  EXPECT_EQ(run("fma %0 %1 %2", {value_of(JT_F64, {0.1}), value_of(JT_F64, {10}), value_of(JT_F64, {-1})}),
            "5.551115123125783e-17");
}

// ---- dtypes ----

TEST(Dtypes, EveryHalfReadsBackAndRoundsToNearestEven) {
  for (DType t : {JT_F16, JT_BF16}) {
    for (uint32_t bits = 0; bits < 65536; bits++) {
      uint16_t h = uint16_t(bits), back;
      Word value = load(t, reinterpret_cast<unsigned char*>(&h));
      store(t, reinterpret_cast<unsigned char*>(&back), value);
      bool is_nan = value.f32 != value.f32;
      ASSERT_EQ(back, is_nan ? h | (t == JT_F16 ? 0x200 : 0x40) : h);
      uint16_t next = uint16_t(h + 1);
      float above = load(t, reinterpret_cast<unsigned char*>(&next)).f32;
      if (is_nan || !std::isfinite(above) || (h & 0x7fff) == 0x7fff) continue;
      uint16_t middle, past;
      Word half_way{.f32 = float((double(value.f32) + above) / 2)};
      store(t, reinterpret_cast<unsigned char*>(&middle), half_way);
      ASSERT_EQ(middle, h & 1 ? next : h) << h;
      store(t, reinterpret_cast<unsigned char*>(&past), {.f32 = std::nextafter(half_way.f32, above)});
      ASSERT_EQ(past, next) << h;
    }
  }
}

// ---- folding ----

TEST(Fold, GivesTheBitsThatComputingGives) {
  std::vector<double> values{0, -0.0, 1, -1, 2, 0.1, 3.7, -2.5, 127, 200, 1e9, 1e300, HUGE_VAL, NAN};
  for (int i = kFirstElement; i <= kLastElement; i++) {
    Op op = Op(i);
    size_t arity = signature(op).operands.size();
    for (int d = 1; d <= kDTypes; d++) {
      DType t = DType(d);
      for (size_t k = 0; k < values.size(); k++) {
        Block block;
        std::vector<Ref> refs;
        std::vector<Scalar> scalars;
        for (size_t a = 0; a < arity; a++) {
          DType of = arity == 3 && a == 0 && def(op).operands == Operands::CHOICE ? JT_BOOL : t;
          double v = values[(k * (a + 1) + a) % values.size()];
          int64_t bits = std::bit_cast<int64_t>(v);
          if (!is_float(of)) bits = bits_of_word(of, word_of(of, v));
          block.nodes.push_back(block.recorder->constant_bits(of, bits));
          refs.push_back(block.nodes.back());
          scalars.push_back({of, bits});
        }
        Value made;
        Attrs none;
        try {
          made = block.recorder->record(op, refs, none);
        } catch (const Error&) {
          continue;
        }
        block.nodes.push_back(made);
        block.results.push_back(made);
        HostValue got = evaluate(block, {})[0];
        HostValue folded = got;
        store(made.dtype(), folded.bytes.data(), word_of_bits(made.dtype(), fold(op, scalars, made.dtype())));
        ASSERT_EQ(folded.bytes, got.bytes) << text(name(op), ' ', t, ' ', k);
      }
    }
  }
  Scalar third{JT_F64, std::bit_cast<int64_t>(1.0 / 3)}, big{JT_F32, std::bit_cast<int64_t>(300.0)};
  EXPECT_EQ(std::bit_cast<double>(fold(Op::cast, {&third, 1}, JT_F32)), double(float(1.0 / 3)));
  EXPECT_EQ(fold(Op::cast, {&big, 1}, JT_U8), 255);
}

TEST(Evaluate, ReadsLeavesFromBuffersAndOpensBodies) {
  BufferPool pool(std::make_unique<HostMemory>(default_allocator()));
  Recorder recorder;
  Buffer* buffer = pool.allocate(12);
  const float data[3] = {1, 2, 4};
  std::memcpy(host_room(buffer), data, 12);
  Value x = recorder.leaf(Type{JT_F32, Shape{3}}, buffer);
  Value y = ops::call(Op::mean, {ops::square(x)}, Attrs().add_ints({}).add(0));
  Ref asked[2] = {y, x};
  auto got = evaluate(asked);
  EXPECT_EQ(shown(got[0]), "7");
  EXPECT_EQ(shown(got[1]), "1 2 4");
}

TEST(Evaluate, ComputesNothingOnTheWayToNoElements) {
  BufferPool pool(std::make_unique<HostMemory>(default_allocator()));
  Recorder recorder;
  Value x = recorder.leaf(Type{JT_F32, Shape{0, int64_t(1) << 40}}, pool.allocate(0));
  Value y = ops::call(Op::log_softmax, {x}, Attrs().add(0));
  Ref asked[1] = {y};
  EXPECT_EQ(evaluate(asked)[0].bytes.size(), 0u);
}

}  // namespace
}  // namespace jt
