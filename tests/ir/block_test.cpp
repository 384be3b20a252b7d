// block_test: the text form of blocks, and verify: what is printed reads back, and nothing else is taken for a block.
#include <gtest/gtest.h>

#include <pthread.h>

#include <cmath>
#include <random>


#include "core/ir/block.h"
#include "core/ir/build.h"

namespace jt {
namespace {

const char kSample[] = R"(block(%0: f32[64,1u,4], %1: f32[4], %2: i64[], %3: bool[0,3], %4: f32[1,1,4,4]) {
  #0 = f32 2
  #1 = f32 3
  #2 = f32 6 = mul(#0, #1)
  #3 = f64 6 = cast(#2)
  #4 = f32 7 = constant()
  wheres [3,0,0]
  %5 = constant f32 6 from #2 line 12
  %6 = constant f64 0x7ff8000000000001
  %7 = constant f32 nan
  %8 = constant f32 -inf
  %9 = constant f64 -0
  %10 = constant f64 0.1
  %11 = constant u64 18446744073709551615
  %12 = constant bool true
  %13 = constant f32 5 count
  %14 = mul %0 %5 line 12 : f32[64,1u,4]
  %15 = slice %14 {starts=[3,0,0], stops=[64,1,4], steps=[1,1,1]} from where 0 : f32[61,1u,4]
  %16 = sum %15 {axes=[0,2], keepdims=true} : f32[1u,1u,1u]
  %17 = expand %1 {shape=[64,1,-1]} : f32[64,1,4]
  %18 = reindex %1 {shape=[2], index="i0*2+1", value=-1.5} : f32[2]
  %19, %20 = max_pool2d %4 {size=[2,2], stride=[2,2], padding=[0,0,0,0]} : f32[1,1,2,2], i32[1,1,2,2]
  %21 = any %3 {axes=[0]} : bool[3]
  %22 = iota {shape=[2,3], axis=1, dtype=i32} : i32[2,3]
  %23 = concat %1 %18 %1 : f32[10]
  %24 = reshape %1 {shape=[-1,2,1]} : f32[2,2,1u]
  %25, %26 = loop %2 %12 %1 %5 {carried=1, most=3} line 4 : f32[4], f32[3,4] with
    block(%0: i64[], %1: f32[4], %2: f32[]) {
      %3 = constant bool true
      %4 = mul %1 %2 stops : f32[4]
      %5 = branch %3 %4 %2 : f32[4] with
        block(%0: f32[4], %1: f32[]) {
          %2 = add %0 %1 line 7 : f32[4]
          return %2
        }
        block(%0: f32[4], %1: f32[]) {
          return %0
        }
      return %3, %5, %1
    }
  return %16, %20, %20, %0, %21, %22, %17, %24, %25, %26
}
)";

std::string error_of(std::string_view text) {
  try {
    Block block = parse(text);
    verify(block);
  } catch (const Error& e) {
    return e.message();
  }
  return "";
}

TEST(Print, SampleReadsBackAsItself) {
  Block block = parse(kSample);
  verify(block);
  EXPECT_EQ(print(block), kSample);
  EXPECT_EQ(block.nodes.size(), 20u);
  EXPECT_EQ(print(parse("block() {\nreturn\n}")), "block() {\n  return\n}\n");
}

TEST(Parse, NamesTypesAndSpacesAreFree) {
  Block block = parse(
      "// a comment\nblock(%x:f32[2]) {  // one\n\n %half=constant f32 .5\n%y = mul %x %half // two\n return %y\n}\n// "
      "end");
  EXPECT_EQ(print(block), "block(%0: f32[2]) {\n  %1 = constant f32 0.5\n  %2 = mul %0 %1 : f32[2]\n  return %2\n}\n");
}

TEST(Block, MoveAssignmentKeepsTheNewValues) {
  Block block = parse(kSample);
  block = parse("block(%0: f32[2]) {\n  return %0\n}\n");
  block = parse(kSample);
  EXPECT_EQ(print(block), kSample);
}

TEST(Dot, NamesEveryNode) {
  std::string text = dot(parse("block(%0: f32[2,1u]) {\n  %1 = constant f32 0.5\n  %2 = mul %0 %1\n  return %2\n}\n"));
  EXPECT_EQ(text,
            "digraph block {\n  node [shape=box, fontname=\"monospace\"];\n"
            "  n0 [label=\"data\\nf32[2,1u]\", shape=ellipse];\n  n1 [label=\"constant 0.5\\nf32[]\"];\n"
            "  n2 [label=\"mul\\nf32[2,1u]\"];\n  n0 -> n2;\n  n1 -> n2;\n"
            "  r0 [label=\"result 0\", shape=doublecircle];\n  n2 -> r0;\n}\n");
}

TEST(Parse, ErrorsNameThePlaceAndTheFact) {
  struct Case {
    const char *text, *error;
  };
  const Case cases[] = {
      {"", "parse: line 1, column 1: 'block' is missing"},
      {"block(", "parse: line 1, column 7: '%' is missing"},
      {"block(%0: f33[2]) {\n return\n}", "parse: line 1, column 11: 'f33' is not a dtype"},
      {"block(%0: f32[2,-1]) {\n return\n}", "parse: line 1, column 11: type: extent -1 is negative"},
      {"block(%0: f32[2u]) {\n return\n}", "parse: line 1, column 11: type: unit axis 0 has extent 2"},
      {"block(%0: f32[1,1,1,1,1,1,1,1,1]) {\n return\n}", "parse: line 1, column 31: a tensor has at most 8 axes"},
      {"block(%0: f32[4294967296,4294967296]) {\n return\n}",
       "parse: line 1, column 11: type: shape [4294967296,4294967296] has too many elements"},
      {"block(%0: f32[], %0: f32[]) {\n return\n}", "parse: line 1, column 18: %0 is defined before"},
      {"block() {\n  %1 = neg %0\n  return\n}", "parse: line 2, column 12: %0 is not defined"},
      {"block(%0: f32[2]) {\n  %1 = nag %0\n  return\n}", "parse: line 2, column 8: there is no op called 'nag'"},
      {"block(%0: f32[2]) {\n  %1 = neg %0 : f32[3]\n  return\n}", "parse: line 2, column 17: the result is f32[2]"},
      {"block(%0: f32[2]) {\n  %1 = neg\n  return\n}", "parse: line 2, column 8: neg: 0 operands, not 1"},
      {"block(%0: f32[2]) {\n  %1, %2 = neg %0\n  return\n}", "parse: line 2, column 12: neg has 1 results, not 2"},
      {"block(%0: f32[2], %1: f32[3]) {\n  %2 = add %0 %1\n  return\n}",
       "parse: line 2, column 8: add: shapes [2] and [3] differ"},
      {"block(%0: f32[2]) {\n  %1 = sum %0 {axis=[0]}\n  return\n}",
       "parse: line 2, column 16: sum: no attribute is called 'axis'"},
      {"block(%0: f32[2]) {\n  %1 = sum %0 {axes=[0], axes=[0]}\n  return\n}",
       "parse: line 2, column 26: attribute axes is given twice"},
      {"block(%0: f32[2]) {\n  %1 = sum %0 {axes=[0}\n  return\n}", "parse: line 2, column 23: ']' is missing"},
      {"block(%0: f32[2]) {\n  %1 = reindex %0 {index=\"i0\n  return\n}", "parse: line 2, column 29: '\"' is missing"},
      {"block() {\n  %1 = constant f32 1e999\n  return\n}", "parse: line 2, column 21: '1e999' is not a number"},
      {"block() {\n  %1 = constant f32 1 from #0\n  return\n}",
       "parse: line 2, column 8: constant: there is no scalar #0"},
      {"block() {\n  #1 = f32 1\n  return\n}", "parse: line 2, column 3: the next scalar is #0"},
      {"block() {\n  #0 = f32 1\n  #1 = f32 1 = sum(#0)\n  return\n}",
       "parse: line 3, column 3: scalar #1: sum does not fold"},
      {"block() {\n  #0 = f32 1\n  %0 = constant f32 2 from #0\n  return\n}",
       "parse: line 3, column 8: constant: scalar #0 is another value or dtype"},
      {"block() {\n  return\n", "parse: line 3, column 1: '}' is missing"},
      {"block() {\n  return\n} x", "parse: line 3, column 3: text after the block"},
      {"block(%0: f32[]) {\n  return %0 %0\n}", "parse: line 2, column 13: unexpected text"},
      {"block() {\n", "parse: line 2, column 1: '%', '#', 'wheres' or 'return' is missing"},
  };
  for (const Case& c : cases) EXPECT_EQ(error_of(c.text), c.error) << c.text;
}

TEST(Parse, EveryTruncationIsAnError) {
  std::string text = kSample;
  for (size_t n = 0; n + 2 < text.size(); n++) EXPECT_NE(error_of(text.substr(0, n)), "") << n;
}

TEST(Parse, EveryByteMutationIsAnErrorOrABlock) {
  std::string text = kSample;
  std::mt19937 random(7);
  const std::string bytes = std::string("\0\n %#{}[]()=,:\"\\-019uexf", 25) + "\xff";
  int valid = 0;
  for (size_t at = 0; at < text.size(); at++) {
    for (int k = 0; k < 6; k++) {
      std::string mutated = text;
      mutated[at] = k < 5 ? bytes[random() % bytes.size()] : char(random());
      try {
        Block block = parse(mutated);
        verify(block);
        std::string once = print(block);
        ASSERT_EQ(print(parse(once)), once);
        valid++;
      } catch (const Error& e) {
        ASSERT_TRUE(e.message().starts_with("parse: line ")) << e.message() << "\n" << mutated;
      }
    }
  }
  EXPECT_GT(valid, 100);
}

// ---- random blocks ----

Value random_constant(Recorder& r, std::mt19937_64& random) {
  DType t = DType(1 + random() % kDTypes);
  const double special[] = {0, -0.0, 1, 0.1, 1e300, 5e-324, HUGE_VAL, -HUGE_VAL, std::nan(""), -std::nan("7")};
  int64_t bits = int64_t(random());
  if (is_float(t) && random() % 2) std::memcpy(&bits, &special[random() % 10], 8);
  if (!is_float(t) && random() % 2) bits &= 1;
  return r.constant_bits(t, bits);
}

std::string random_index(std::mt19937_64& random, int axes) {
  std::string out;
  for (int i = 0; i < axes; i++) out += (i ? ", i0*" : "i0+") + std::to_string(random() % 5);
  return out;
}

void add_random_node(Block& block, std::vector<Ref>& values, std::mt19937_64& random) {
  Recorder& r = *block.recorder;
  auto any = [&] { return values[random() % values.size()]; };
  Ref x = any();
  int rank = x.shape().rank;
  int64_t axis = rank ? int64_t(random() % uint64_t(rank)) : 0;
  Value made;
  r.line = uint32_t(random() % 3 * 100);
  try {
    switch (random() % 14) {
      case 0: made = random_constant(r, random); break;
      case 1: made = r.build(Op::cast, {x}, Attrs().add(int64_t(1 + random() % kDTypes))); break;
      case 2:
        made = r.build(Op(int(Op::sum) + int(random() % 8)), {x},
                       Attrs().add_ints({&axis, size_t(rank > 0)}).add(int64_t(random() % 2)));
        break;
      case 3: made = r.build(Op::transpose, {x}, Attrs().add_ints({})); break;
      case 4: {
        int64_t shape[] = {1, -1, 1};
        made = r.build(Op::reshape, {x}, Attrs().add_ints({shape, 1 + random() % 3}));
        break;
      }
      case 5: made = ops::expand(x, Shape{int64_t(random() % 3), 2, 3}); break;
      case 6: {
        int64_t from[3] = {int64_t(random() % 3), -1, 0}, to[3] = {int64_t(random() % 4), 2, 1};
        made = ops::slice(x, {from, size_t(std::min(rank, 3))}, {to, size_t(std::min(rank, 2))});
        if (random() % 2) {
          made.ref().node->origin = int32_t(block.wheres.size());
          for (int64_t start : made.ref().node->ints(0)) block.wheres.push_back(start);
        }
        break;
      }
      case 7:
        made = r.build(Op::pad, {x},
                       Attrs().add_ints({&axis, 1}).add_ints({&axis, 1}).add_real(0.25 * double(random() % 3)));
        break;
      case 8: made = r.build(Op::concat, {x, x, any()}, Attrs().add(axis)); break;
      case 9: {
        int64_t shape = 4;
        made = r.build(Op::reindex, {x},
                       Attrs().add_ints({&shape, 1}).add_string(random_index(random, rank)).add_real(-HUGE_VAL));
        break;
      }
      case 10: {
        int64_t two[2] = {2, 2};
        Value image = ops::cast(ops::expand(x, Shape{2, 3, 4, 4}), JT_F32);
        made = r.build(Op::max_pool2d, {image}, Attrs().add_ints(two).add_ints({}).add_ints({}));
        break;
      }
      case 11: made = r.build(Op::softmax, {x}, Attrs().add(-1)); break;
      default: {
        Op op = Op(kFirstElement + int(random() % uint64_t(kLastElement - kFirstElement + 1)));
        Ref operands[3] = {x, any(), any()};
        made = r.build(op, {operands, signature(op).operands.size()});
      }
    }
  } catch (const Error&) {
    return;  // the row does not take these
  }
  // What build() recorded on the way belongs to the block too.
  std::vector<Ref> fresh;
  std::vector<Ref> walk{made};
  while (!walk.empty()) {
    Ref now = walk.back();
    walk.pop_back();
    bool known = false;
    for (Ref v : values) known |= v.node == now.node;
    for (Ref v : fresh) known |= v.node == now.node;
    if (known) continue;
    fresh.push_back({now.node, 0});
    for (Ref in : now.node->ins()) walk.push_back(in);
  }
  std::sort(fresh.begin(), fresh.end(), [](Ref a, Ref b) { return a.node->sequence < b.node->sequence; });
  for (Ref f : fresh) {
    block.nodes.push_back(f);
    for (int i = 0; i < f.node->n_results; i++) values.push_back({f.node, uint32_t(i)});
  }
}

Block random_block(uint64_t seed) {
  std::mt19937_64 random(seed);
  Block block;
  std::vector<Ref> values;
  for (size_t i = 0; i < 1 + random() % 4; i++) {
    Type type;
    type.dtype = DType(1 + random() % kDTypes);
    for (uint64_t k = random() % 4; k--;) {
      int64_t extent = int64_t(random() % 4);
      type.shape.push(extent, extent == 1 && random() % 2);
    }
    block.params.push_back(block.recorder->leaf(type, nullptr));
    values.push_back(block.params.back());
  }
  for (uint64_t k = random() % 20; k--;) add_random_node(block, values, random);
  for (uint64_t k = random() % 4; k--;) block.results.push_back(values[random() % values.size()]);
  return block;
}

TEST(Print, RandomBlocksReadBack) {
  for (uint64_t seed = 1; seed <= 4000; seed++) {
    SCOPED_TRACE(text("seed ", seed));
    Block block = random_block(seed);
    std::string once = print(block);
    ASSERT_NO_THROW(verify(block)) << once;
    Block again;
    try {
      again = parse(once);
      verify(again);
    } catch (const Error& e) {
      FAIL() << e.message() << "\n" << once;
    }
    ASSERT_EQ(print(again), once);
    ASSERT_FALSE(dot(again).empty());
  }
}

// ---- verify ----

struct Planted {
  Block block = parse(kSample);
  Node* node(size_t i) { return block.nodes[i].ref().node; }
  std::string error() {
    try {
      verify(block);
    } catch (const Error& e) {
      return e.message();
    }
    return "";
  }
};

TEST(Verify, FindsPlantedDefects) {
  { Planted p; std::swap(p.block.nodes[9], p.block.nodes[10]);
    EXPECT_EQ(p.error(), "verify: %14 slice: operand 0 is no parameter and no result of an earlier node"); }
  { Planted p, other; p.block.nodes.push_back(other.block.nodes[0]);
    EXPECT_EQ(p.error(), "verify: %27 constant: belongs to another block"); p.block.nodes.pop_back(); }
  { Planted p; p.block.nodes.push_back(p.block.nodes[0]);
    EXPECT_EQ(p.error(), "verify: %27 constant: is listed before, as %5"); }
  { Planted p; p.node(9)->results()[0].type.dtype = JT_F16;
    EXPECT_EQ(p.error(), "verify: %14 mul: result 0 is f16[64,1u,4], its row gives f32[64,1u,4]"); }
  { Planted p; p.node(9)->results()[0].type.shape.units = 0;
    EXPECT_EQ(p.error(), "verify: %14 mul: result 0 is f32[64,1,4], its row gives f32[64,1u,4]"); }
  { Planted p; p.node(11)->words()[0] = -3;
    EXPECT_EQ(p.error(), "verify: %16 sum: attribute axes is not in normal form"); }
  { Planted p; p.node(11)->words()[0] = 7;
    EXPECT_EQ(p.error(), "verify: %16 sum: sum: axis 7 is outside the 3 axes of the operand"); }
  { Planted p; p.node(11)->n_attrs = 1;
    EXPECT_EQ(p.error(), "verify: %16 sum: 1 attributes, not 2"); p.node(11)->n_attrs = 2; }
  { Planted p; p.block.wheres[0] = 4;
    EXPECT_EQ(p.error(), "verify: %15 slice: slice: starts [3,0,0] differ from the wheres at 0"); }
  { Planted p; p.node(0)->constant_bits++;
    EXPECT_EQ(p.error(), "verify: %5 constant: constant: scalar #2 is another value or dtype"); }
  { Planted p; p.block.scalars[1].from[0] = 0;
    EXPECT_EQ(p.error(), "scalar #1: operand 0 is #0, data has 0"); }
  { Planted p; p.block.scalars[2].from[0] = 2;
    EXPECT_EQ(p.error(), "scalar #2: operand #2 is no earlier scalar"); }
  { Planted p; p.block.results.push_back(Ref{p.node(14), 2});
    EXPECT_EQ(p.error(), "verify: result 10 is no value of the block"); }
  { Planted p; p.node(19)->results()[1].type.shape.dims[0] = 2;
    EXPECT_EQ(p.error(), "verify: %25 loop: result 1 is f32[2,4], its row gives f32[3,4]"); }
  { Planted p; p.node(19)->words()[0] = 2;
    EXPECT_EQ(p.error(), "verify: %25 loop: loop: carried value 1 is f32[], after a round f32[4]"); }
  { Planted p; std::swap(p.node(19)->inputs()[2], p.node(19)->inputs()[3]);
    EXPECT_EQ(p.error(), "verify: %25 loop: loop: param 1 is f32[4], the input f32[]"); }
  { Planted p; p.block.params.pop_back();
    EXPECT_EQ(p.error(), "verify: %18 max_pool2d: operand 0 is no parameter and no result of an earlier node"); }
}

// ---- a long chain on a small stack ----

void run_with_stack(size_t bytes, void (*body)()) {
  pthread_attr_t attr;
  pthread_attr_init(&attr);
  ASSERT_EQ(pthread_attr_setstacksize(&attr, bytes), 0);
  pthread_t thread;
  auto start = [](void* f) -> void* { return reinterpret_cast<void (*)()>(f)(), nullptr; };
  ASSERT_EQ(pthread_create(&thread, &attr, start, reinterpret_cast<void*>(body)), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attr);
}

TEST(Block, AChainOfAMillionNodesNeedsLittleStack) {
  run_with_stack(256 << 10, [] {
    Block block;
    block.params.push_back(block.recorder->leaf(Type{JT_F32, Shape{3}}, nullptr));
    Value x = block.params[0];
    for (int i = 0; i < 1'000'000; i++) {
      x = i % 2 ? ops::neg(x) : ops::sin(x);
      block.nodes.push_back(x);
    }
    block.results.push_back(x);
    verify(block);
    std::string once = print(block);
    Block again = parse(once);
    EXPECT_EQ(again.nodes.size(), 1'000'000u);
    EXPECT_EQ(print(again), once);
    EXPECT_GT(dot(again).size(), once.size());
    again.nodes.clear();
    again.results.clear();  // the chain now hangs on nothing
    x = Value();
    block = Block();
  });
}

}  // namespace
}  // namespace jt
