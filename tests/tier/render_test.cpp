// The text of three programs; numbers of primitives, which move with the op table, are left out.
#include <gtest/gtest.h>

#include <regex>

#include "backends/cpu_tcc/tier/render_c.h"
#include "tests/vm/programs.h"

namespace jt::cpu {
namespace {

using vm::ProgramMaker;

std::string rendered(const Program& program) {
  std::string source = render_c(program);
  EXPECT_EQ(source, render_c(program));
  return std::regex_replace(source, std::regex("P\\[[0-9]+\\]"), "P[.]");
}

TEST(RenderC, Flat) {
  ProgramMaker m(Mode::flat);
  int16_t x = m.operand(JT_F32, Access::direct, Level::outer), y = m.operand(JT_BF16, Access::mapped, Level::outer);
  int16_t z = m.operand(JT_F32, Access::direct, Level::outer, true);
  m.stage(Level::uniform);
  int16_t half = m.scalar(CType::f32);
  m.stage(Level::outer);
  int16_t product = m.element(Element::mul_, CType::f32, m.load(x), half);
  m.element(Element::add_, CType::f32, product, m.load(y, half), -1, z);
  EXPECT_EQ(rendered(m.p), R"()");
}

TEST(RenderC, Rows) {
  ProgramMaker m(Mode::row);
  int16_t x = m.operand(JT_F32, Access::direct, Level::inner), z = m.operand(JT_F32, Access::direct, Level::inner, true);
  m.stage(Level::inner);
  int16_t most = m.reduce(Reduction::max, m.load(x));
  m.stage(Level::inner);
  m.element(Element::sub_, CType::f32, m.load(x), most, -1, z);
  EXPECT_EQ(rendered(m.p), R"()");
}

TEST(RenderC, Columns) {
  ProgramMaker m(Mode::column);
  int16_t x = m.operand(JT_F32, Access::direct, Level::inner), z = m.operand(JT_F16, Access::direct, Level::outer, true);
  m.stage(Level::inner);
  int16_t a = m.load(x);
  int16_t sum = m.reduce(Reduction::sum, a), most = m.reduce(Reduction::max, a);
  m.stage(Level::outer);
  m.store(z, m.element(Element::sub_, CType::f32, most, sum));
  EXPECT_EQ(rendered(m.p), R"()");
}

}  // namespace
}  // namespace jt::cpu
