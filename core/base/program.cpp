#include "core/base/program.h"

#include <cstring>

#include "core/base/element.h"
#include "core/base/text.h"

namespace jt {

CType ctype_of(DType stored) {
  switch (compute_type(stored)) {
    case JT_F64: return CType::f64;
    case JT_I32: return CType::i32;
    case JT_I64: return CType::i64;
    case JT_U64: return CType::u64;
    case JT_BOOL: return CType::b8;
    default: return CType::f32;
  }
}

int size_of(CType t) {
  static constexpr int kSizes[kCTypes] = {4, 8, 4, 8, 8, 1};
  return kSizes[int(t)];
}

const char* name(CType t) {
  static constexpr const char* kNames[kCTypes] = {"f32", "f64", "i32", "i64", "u64", "b8"};
  return kNames[int(t)];
}

const char* name(Reduction r) {
  static constexpr const char* kNames[] = {"sum", "prod", "max", "min", "any", "all", "argmax", "argmin"};
  return kNames[int(r)];
}

const char* name(Combine c) {
  static constexpr const char* kNames[] = {"set", "add", "mul", "max", "min"};
  return kNames[int(c)];
}

const char* name(Mode m) { return m == Mode::flat ? "flat" : m == Mode::row ? "row" : "column"; }
const char* name(Level l) { return l == Level::uniform ? "uniform" : l == Level::outer ? "outer" : "inner"; }
const char* name(Access a) {
  return a == Access::direct ? "direct" : a == Access::mapped ? "mapped" : "whole";
}

static std::string register_text(int r) { return r < 0 ? std::string() : text(" r", r); }

// What stands between `=` and the registers that are read.
static std::string verb(const Instr& i) {
  switch (i.code) {
    case Code::scalar: return text("scalar s", i.operand);
    case Code::load: return text("load @", i.operand);
    case Code::store: return text("store @", i.operand);
    case Code::element: return i.prim < kElements ? kElementFacts[i.prim].name : "?";
    case Code::narrow: return text("narrow.", name(DType(i.sub)));
    case Code::convert: return text("convert.", name(CType(i.sub)));
    case Code::index: return text("index @", i.operand);
    case Code::gather: return text("gather @", i.operand);
    case Code::scatter: return text("scatter.", name(Combine(i.sub)), " @", i.operand);
    case Code::random: return "random";
    case Code::reduce: return text("reduce.", name(Reduction(i.sub)));
  }
  return "?";
}

std::string to_text(const Instr& i) {
  std::string line;
  if (i.dst >= 0) line += text("r", i.dst, " = ");
  line += text(verb(i), " ", name(i.type), register_text(i.a), register_text(i.b), register_text(i.c));
  if (i.code == Code::element && i.operand >= 0) line += text(" -> @", i.operand);
  return line;
}

std::string to_text(const Program& program) {
  std::string out = text("program ", name(program.mode), " scalars ", program.scalars, " scratch ",
                         program.scratch_bytes, "\n");
  for (size_t k = 0; k < program.operands.size(); k++) {
    const Operand& o = program.operands[k];
    out +=
        text("@", k, " ", name(o.dtype), " ", name(o.access), " ", name(o.level), o.is_output ? " output" : "", "\n");
  }
  for (size_t k = 0; k < program.registers.size(); k++) {
    const Register& r = program.registers[k];
    out += text("r", k, " ", name(r.type), " ", name(r.level), " at ", r.offset, "\n");
  }
  for (const Stage& stage : program.stages) {
    out += text(name(stage.level), ":\n");
    for (int k = stage.first; k < stage.last; k++) out += text("  ", to_text(program.instrs[k]), "\n");
  }
  return out;
}

int64_t bits_of(Neutral n, DType t) {
  auto bits = [](auto value) {
    int64_t out = 0;
    std::memcpy(&out, &value, sizeof value);
    return out;
  };
  int64_t one = t == JT_F16 ? 0x3c00 : 0x3f80, infinity = t == JT_F16 ? 0x7c00 : 0x7f80;  // of halves
  switch (t) {
    case JT_BOOL: return value_of<uint8_t>(n);
    case JT_I8: return n == Neutral::least ? 0x80 : n == Neutral::most ? 0x7f : value_of<int32_t>(n);
    case JT_U8: return n == Neutral::most ? 0xff : int64_t(value_of<uint64_t>(n));
    case JT_I16: return bits(value_of<int16_t>(n));
    case JT_U16: return bits(value_of<uint16_t>(n));
    case JT_I32: return bits(value_of<int32_t>(n));
    case JT_U32: return bits(value_of<uint32_t>(n));
    case JT_I64: return value_of<int64_t>(n);
    case JT_U64: return bits(value_of<uint64_t>(n));
    case JT_F32: return bits(value_of<float>(n));
    case JT_F64: return bits(value_of<double>(n));
    case JT_F16:
    case JT_BF16:
      if (n == Neutral::zero) return 0;
      if (n == Neutral::one) return one;
      return n == Neutral::most ? infinity : n == Neutral::least ? infinity | 0x8000 : 0x8000;
    default: return 0;
  }
  return 0;
}

}  // namespace jt
