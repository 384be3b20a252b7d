// A program's text reads back as the same program, and no other text is taken for one.
#include <gtest/gtest.h>

#include <random>

#include "core/base/status.h"
#include "core/kernel/lower.h"
#include "core/rewrite/simplify.h"
#include "tests/vm/programs.h"

namespace jt::vm {
namespace {

std::string error_of(std::string_view text) {
  try {
    parse_program(text);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), JT_E_INVALID) << e.what();
    return e.message();
  }
  return "";
}

void expect_round_trip(const Program& p) {
  std::string text = to_text(p);
  ASSERT_EQ(error_of(text), "") << text;
  Program back = parse_program(text);
  ASSERT_EQ(to_text(back), text);
  ASSERT_EQ(back.stages.size(), p.stages.size());
  ASSERT_EQ(back.instrs.size(), p.instrs.size());
  for (size_t k = 0; k < p.instrs.size(); k++) {
    const Instr &i = p.instrs[k], &j = back.instrs[k];
    auto fields = [](const Instr& x) {
      return std::tuple(x.code, x.type, x.sub, x.prim, x.dst, x.a, x.b, x.c, x.operand);
    };
    ASSERT_EQ(fields(i), fields(j)) << "instruction " << k << " of\n" << text;
  }
}

// Grows a program of one mode out of what its registers allow.
class ProgramGrower {
 public:
  explicit ProgramGrower(uint32_t seed) : random_(seed), maker_(Mode(seed % 3)) {}

  Program grow() {
    maker_.stage(Level::uniform);
    for (int t = 0; t < kCTypes; t++) scalars_[t] = maker_.scalar(CType(t));
    if (maker_.p.mode != Mode::flat) {
      fill_stage(Level::inner);
      maker_.reduce(Reduction::sum, any_of(CType::f32, Level::inner));
      maker_.reduce(Reduction::argmax, any_of(CType::i32, Level::inner));
      maker_.reduce(Reduction::all, any_of(CType::b8, Level::inner));
    }
    fill_stage(Level::outer);
    return std::move(maker_.p);
  }

 private:
  int pick(int n) { return int(random_() % uint32_t(n)); }
  CType any_type() { return CType(pick(kCTypes)); }
  int16_t any_of(CType t, Level deepest) {
    std::vector<int16_t> fit;
    for (size_t r = 0; r < maker_.p.registers.size(); r++)
      if (maker_.p.registers[r].type == t && maker_.p.registers[r].level <= deepest) fit.push_back(int16_t(r));
    return fit[size_t(pick(int(fit.size())))];
  }
  int16_t operand(Access access, bool is_output = false) {
    return maker_.operand(DType(1 + pick(kDTypes)), access, maker_.level(), is_output);
  }
  CType stored(int16_t operand) const { return ctype_of(maker_.p.operands[size_t(operand)].dtype); }

  void fill_stage(Level level) {
    maker_.stage(level);
    for (int k = 0; k < 12; k++) add(level);
  }
  void add(Level level) {
    switch (pick(8)) {
      case 0: {
        int16_t from = operand(pick(2) ? Access::direct : Access::mapped);
        maker_.load(from, pick(2) ? scalars_[int(stored(from))] : int16_t(-1));
        break;
      }
      case 1: {
        int16_t to = operand(pick(2) ? Access::direct : Access::mapped, true);
        maker_.store(to, any_of(stored(to), level));
        break;
      }
      case 2: {
        DType d = DType(1 + pick(kDTypes));
        CType t = ctype_of(d);
        int16_t a = any_of(t, level);
        maker_.add({.code = Code::narrow, .type = t, .sub = uint8_t(d), .dst = maker_.reg(t, level), .a = a});
        break;
      }
      case 3: {
        CType to = any_type(), from = any_type();
        int16_t a = any_of(from, level);
        maker_.add({.code = Code::convert, .type = to, .sub = uint8_t(from), .dst = maker_.reg(to, level), .a = a});
        break;
      }
      case 4: {
        int16_t of = maker_.operand(JT_I64, Access::mapped, level);
        maker_.add({.code = Code::index, .type = CType::i64, .dst = maker_.reg(CType::i64, level), .operand = of});
        break;
      }
      case 5: {
        int16_t from = operand(Access::whole);
        CType t = stored(from);
        int16_t at = any_of(CType::i64, level), fill = pick(2) ? scalars_[int(t)] : int16_t(-1);
        maker_.add({.code = Code::gather, .type = t, .dst = maker_.reg(t, level), .a = at, .b = fill, .operand = from});
        break;
      }
      case 6: {
        int16_t to = operand(Access::whole, true);
        CType t = stored(to);
        maker_.add({.code = Code::scatter, .type = t, .sub = uint8_t(pick(kCombines)), .a = any_of(CType::i64, level),
                    .b = any_of(t, level), .operand = to});
        break;
      }
      default: add_element(level);
    }
  }
  void add_element(Level level) {
    Element e = Element(pick(kElements));
    const ElementFacts& facts = kElementFacts[int(e)];
    CType t = any_type();
    while (!computes_in(facts.types, t)) t = any_type();
    int16_t in[3] = {-1, -1, -1};
    for (int k = 0; k < facts.arity; k++) in[k] = any_of(t, level);
    if (facts.types == ElementTypes::CHOICE) in[0] = any_of(CType::b8, level);
    maker_.element(e, t, in[0], in[1], in[2]);
  }

  std::mt19937 random_;
  ProgramMaker maker_;
  int16_t scalars_[kCTypes];
};

TEST(ProgramText, RandomProgramsReadBack) {
  for (uint32_t seed = 0; seed < 600; seed++) expect_round_trip(ProgramGrower(seed).grow());
}

// What lower makes is what travels.
TEST(ProgramText, LoweredProgramsReadBack) {
  const char* const blocks[] = {
      "block(%0: f32[4,8], %1: bf16[8]) {\n %2 = cast %1 {dtype=f32}\n %3 = expand %2 {shape=[4,8]}\n %4 = add %0 %3\n"
      " %5 = exp %4\n return %5\n}",
      "block(%0: f32[4,800]) {\n %1 = softmax %0 {axis=1}\n return %1\n}",
      "block(%0: f32[4,800]) {\n %1 = softmax %0 {axis=0}\n %2 = argmax %0 {axes=[0]}\n return %1, %2\n}",
      "block(%0: f16[4,5]) {\n %1 = pad %0 {before=[1,1], after=[0,2], value=2.5}\n %2 = flip %1 {axes=[1]}\n"
      " %3 = transpose %2\n return %3\n}",
      "block(%0: f32[6,3], %1: i32[4]) {\n %2 = take %0 %1\n %3 = square %2\n return %3\n}",
      "block(%0: f32[6,3], %1: i64[4], %2: f32[4,3]) {\n %3 = scatter_add %0 %1 %2\n return %3\n}",
      "block(%0: f32[6,3]) {\n %1 = reindex %0 {shape=[3,9], index=\"i1-1,i0\", value=1}\n return %1\n}",
      "block() {\n %0 = random_bits {shape=[40], seed=1, stream=2, counter=3}\n return %0\n}",
      "block() {\n %0 = uniform {shape=[40], seed=1, stream=2, counter=3}\n %1 = iota {shape=[40], dtype=u8}\n"
      " return %0, %1\n}",
      "block(%0: f32[4,7], %1: i64[4]) {\n %2 = cross_entropy %0 %1\n return %2\n}",
      "block(%0: u8[3,4], %1: u8[3,2]) {\n %2 = concat %0 %1 {axis=1}\n %4 = cast %2 {dtype=bool}\n %3 = all %4\n "
      "return %2, %3\n}",
      "block(%0: f32[3,4], %1: f32[1,2]) {\n %2 = update %0 %1 {starts=[1,1], steps=[1,1]}\n return %2\n}",
  };
  int programs = 0;
  for (const char* text : blocks) {
    Block block = simplify(parse(text));
    for (const Step& step : fuse(block, Numbering(block)).steps) {
      if (step.node) continue;
      programs++;
      expect_round_trip(lower(step.group).program);
    }
  }
  EXPECT_GT(programs, 10);
}

const char kSample[] =
    "program row scalars 1 scratch 8384\n"
    "@0 f32 direct inner\n"
    "@1 f32 direct outer output\n"
    "r0 f32 uniform at 0\n"
    "r1 f32 inner at 64\n"
    "r2 f32 outer at 2112\n"
    "r3 f32 outer at 4160\n"
    "uniform:\n"
    "  r0 = scalar s0 f32\n"
    "inner:\n"
    "  r1 = load @0 f32 r0\n"
    "  r2 = reduce.sum f32 r1\n"
    "outer:\n"
    "  r3 = mul f32 r2 r0 -> @1\n"
    "  store @1 f32 r3\n";

TEST(ProgramText, SampleReadsBack) {
  Program p = parse_program(kSample);
  EXPECT_EQ(to_text(p), kSample);
  EXPECT_EQ(p.instrs[1].b, 0);
  EXPECT_EQ(p.instrs[1].a, -1);
  EXPECT_EQ(p.instrs[3].operand, 1);
}

std::string with(const std::string& from, const std::string& to) {
  std::string text = kSample;
  size_t at = text.find(from);
  EXPECT_NE(at, text.npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(ProgramText, ErrorsNameTheLine) {
  const struct { const char *from, *to, *error; } kCases[] = {
      {"program row", "program diagonal", "line 1: unknown word `diagonal`"},
      {"scratch 8384", "scratch 99999999999", "line 1: no number, or one out of range: `99999999999`"},
      {"@1 f32", "@2 f32", "line 3: no number, or one out of range: `@2`"},
      {"@0 f32", "@0 f33", "line 2: unknown dtype `f33`"},
      {"at 64", "at 65", "line 5: a register's offset is not a multiple of 64"},
      {"inner:", "middle:", "line 10: unknown word `middle:`"},
      {"= mul", "= multiply", "line 14: unknown instruction `multiply`"},
      {"f32 r2 r0 ->", "f32 r2 ->", "line 14: too few registers"},
      {"f32 r2 r0 ->", "f32 r2 r0 r0 ->", "line 14: too many registers"},
      {"f32 r2 r0 ->", "f32 r2 r9 ->", "line 14: no number, or one out of range: `r9`"},
      {"f32 r2 r0 ->", "f32 r2 r3 ->", "line 14: reads a register that is not written yet: `r3`"},
      {"f32 r2 r0 ->", "f32 r2 r1 ->", "line 14: reads a register of a deeper level"},
      {"mul f32", "mul f64", "line 14: types of registers and instruction differ"},
      {"mul f32 r2 r0 -> @1", "mul f32 r2 r0 -> @0", "line 14: writes an operand that is no output"},
      {"reduce.sum", "reduce.mean", "line 12: unknown word `reduce.mean`"},
      {"scalar s0", "scalar s1", "line 9: no number, or one out of range: `s1`"},
      {"scratch 8384", "scratch 4160", "line 14: a register outside the scratch memory"},
      {"  store", "   store", "line 15: is not spelled as a program prints"},
      {"at 64", "at 064", "line 5: is not spelled as a program prints"},
      {"direct inner", "whole inner", "line 11: an operand of another access"},
  };
  for (const auto& c : kCases) EXPECT_EQ(error_of(with(c.from, c.to)), std::string("program: ") + c.error) << c.to;
  EXPECT_EQ(error_of(""), "program: line 0: is empty");
  EXPECT_EQ(error_of("program flat"), "program: line 1: does not end with a line feed");
}

// Cut, bent or doubled text is refused, or is another program that can be decoded; it never does harm.
TEST(ProgramText, DamagedTextDoesNoHarm) {
  std::mt19937 random(7);
  for (int round = 0; round < 6000; round++) {
    std::string text = round % 2 ? std::string(kSample) : to_text(ProgramGrower(uint32_t(round % 60)).grow());
    for (uint32_t cuts = 1 + random() % 3; cuts--;) {
      size_t at = random() % text.size(), many = 1 + random() % 12;
      switch (random() % 4) {
        case 0: text.resize(at); break;
        case 1: text.erase(at, many); break;
        case 2: text[at] = "rs@0129 \n.:->x\0"[random() % 15]; break;
        default: text.insert(at, text.substr(random() % text.size(), many));
      }
      if (text.empty()) text = "x";
    }
    if (!error_of(text).empty()) continue;
    Program p = parse_program(text);
    ASSERT_EQ(to_text(p), text);
    try {
      VmCode code(p, *primitives(Isa::base));
    } catch (const Error& e) {
      ASSERT_EQ(e.code(), JT_E_INTERNAL);
    }
  }
}

}  // namespace
}  // namespace jt::vm
