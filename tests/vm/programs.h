// programs: makes block Programs by hand, register by register, for the tests of the block VM.
#pragma once
#include <cstring>

#include "backends/cpu_tcc/vm/vm.h"

namespace jt::vm {

struct ProgramMaker {
  Program p;
  explicit ProgramMaker(Mode mode) { p.mode = mode; }

  int16_t reg(CType t, Level level) {
    p.registers.push_back({t, level, p.scratch_bytes});
    p.scratch_bytes += kBlock * 8;
    return int16_t(p.registers.size() - 1);
  }
  int16_t operand(DType d, Access access, Level level, bool is_output = false) {
    p.operands.push_back({d, access, level, is_output});
    return int16_t(p.operands.size() - 1);
  }
  void stage(Level level) {
    int at = int(p.instrs.size());
    p.stages.push_back({level, at, at});
  }
  int16_t add(Instr i) {
    p.instrs.push_back(i);
    p.stages.back().last = int(p.instrs.size());
    return i.dst;
  }
  Level level() const { return p.stages.back().level; }

  int16_t scalar(CType t) {
    return add({.code = Code::scalar, .type = t, .dst = reg(t, Level::uniform), .operand = int16_t(p.scalars++)});
  }
  int16_t load(int16_t from, int16_t fill = -1) {
    const Operand& o = p.operands[from];
    CType t = ctype_of(o.dtype);
    return add({.code = Code::load, .type = t, .dst = reg(t, o.level), .b = fill, .operand = from});
  }
  void store(int16_t to, int16_t value) {
    add({.code = Code::store, .type = p.registers[value].type, .a = value, .operand = to});
  }
  int16_t element(Element e, CType t, int16_t a, int16_t b = -1, int16_t c = -1, int16_t out = -1) {
    CType result = kElementFacts[int(e)].gives_bool ? CType::b8 : t;
    return add({.code = Code::element, .type = t, .prim = uint16_t(e), .dst = reg(result, level()), .a = a, .b = b,
                .c = c, .operand = out});
  }
  int16_t reduce(Reduction r, int16_t a) {
    CType from = p.registers[a].type;
    CType t = r == Reduction::argmax || r == Reduction::argmin ? CType::i64 : from;
    return add({.code = Code::reduce, .type = t, .sub = uint8_t(r), .dst = reg(t, Level::outer), .a = a});
  }
};

// Arguments of one run; operands in order, then scalars.
struct Args {
  std::vector<int64_t> words;
  Args(int64_t outer, int64_t inner) : words{outer, inner} {}
  Args& operand(const void* buffer, int64_t second = 0) {
    words.push_back(reinterpret_cast<int64_t>(buffer));
    words.push_back(second);
    return *this;
  }
  Args& map(const void* buffer, const IndexMap& map) { return operand(buffer, reinterpret_cast<int64_t>(&map)); }
  template <class T>
  Args& scalar(T value) {
    int64_t word = 0;
    std::memcpy(&word, &value, sizeof value);
    words.push_back(word);
    return *this;
  }
};

}  // namespace jt::vm
