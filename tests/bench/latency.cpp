// Bench row 2: from a program's text to code that can be run: decoded for the VM, compiled by libtcc, read from the
// disk; and by g++ alone and sixteen together, which happens in the background. Each time another program, so nothing
// is reused.
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include "backends/cpu_tcc/kernel.h"
#include "tests/bench/row.h"
#include "tests/vm/programs.h"

using namespace jt;
using namespace jt::bench;

namespace {

// A row softmax with a prologue of `number` steps.
std::string softmax(int number) {
  vm::ProgramMaker m(Mode::row);
  int16_t x = m.operand(JT_F32, Access::direct, Level::inner),
          z = m.operand(JT_F32, Access::direct, Level::inner, true);
  auto input = [&] {
    int16_t first = m.load(x), v = first;
    for (int k = 1; k <= number % 8; k++) v = m.element(k % 2 ? Element::mul_ : Element::add_, CType::f32, v, first);
    return v;
  };
  m.stage(Level::inner);
  int16_t most = m.reduce(Reduction::max, input());
  m.stage(Level::inner);
  int16_t sum = m.reduce(Reduction::sum,
                         m.element(Element::exp_, CType::f32, m.element(Element::sub_, CType::f32, input(), most)));
  m.stage(Level::inner);
  int16_t e = m.element(Element::exp_, CType::f32, m.element(Element::sub_, CType::f32, input(), most));
  m.element(Element::div_, CType::f32, e, sum, -1, z);
  return to_text(m.p);
}

// A chain of five, of which the number chooses the ops.
std::string chain(int number) {
  constexpr Element kOps[] = {Element::add_, Element::mul_, Element::sub_, Element::maximum_};
  vm::ProgramMaker m(Mode::flat);
  int16_t x = m.operand(JT_F32, Access::direct, Level::outer),
          z = m.operand(JT_F32, Access::direct, Level::outer, true);
  m.stage(Level::outer);
  int16_t first = m.load(x), v = first;
  for (int k = 0; k < 5; k++, number /= 4)
    v = m.element(kOps[number % 4], CType::f32, v, first, -1, k == 4 ? z : int16_t(-1));
  return to_text(m.p);
}

struct Setting {
  const vm::Primitives& primitives = vm::best_primitives();
  std::vector<const void*> numbered = vm::by_number(primitives);
  std::unique_ptr<cpu::TccTier> tcc;
  std::unique_ptr<cpu::GxxTier> gxx;
  std::unique_ptr<cpu::TieredKernel> make(const std::string& program) const {
    return std::make_unique<cpu::TieredKernel>(program, primitives, numbered.data(), tcc.get(), gxx.get());
  }
};
void log(int, std::string_view line) { std::fprintf(stderr, "latency: %.*s\n", int(line.size()), line.data()); }

void print(const char* what, const Times& t, double goal) {
  print_row(2, what, with_p10(t), "-", "-", goal > 0 ? "<= 0.5 ms" : "in the background",
            goal <= 0 || t.median <= goal);
}

void measure(const char* shape, std::string (*program)(int), int kinds) {
  int next = 0;
  auto name = [shape](const char* how) { return std::string(shape) + ", " + how; };
  Setting vm, tcc, disk;
  print(name("decoded for the VM").c_str(), times(500, [&] { vm.make(program(next++ % kinds)); }), 0.5e-3);
  tcc.tcc = std::make_unique<cpu::TccTier>(tcc.primitives, cpu::TccSettings{"tcc", JT_TCC_LIBRARY, ""}, log);
  print(name("libtcc").c_str(), times(500, [&] { tcc.make(program(next++ % kinds)); }), 0.5e-3);
  std::string folder = std::filesystem::temp_directory_path() / ("jt latency " + std::to_string(getpid()));
  disk.tcc = std::make_unique<cpu::TccTier>(disk.primitives, cpu::TccSettings{"tcc", JT_TCC_LIBRARY, folder}, log);
  for (int k = 0; k < kinds; k++) disk.make(program(k));
  print(name("libtcc, from the disk").c_str(), times(500, [&] { disk.make(program(next++ % kinds)); }), 0.5e-3);
  std::filesystem::remove_all(folder);
}

// One run of the compiler for `count` kernels; the time of one.
void measure_gxx(const char* what, std::string (*program)(int), int count) {
  std::string why;
  auto compiler = cpu::CxxCompiler::find("", "/usr/local/bin:/usr/bin:/bin", vm::best_primitives().isa, &why);
  if (!compiler) return print_row(2, what, "-", "-", "-", "in the background", true);
  std::vector<Program> programs;
  std::vector<const Program*> pointers;
  for (int k = 0; k < count; k++) programs.push_back(parse_program(program(k)));
  for (const Program& p : programs) pointers.push_back(&p);
  Stop stop;
  Times t = times(7, [&] { compiler->compile(pointers, false, stop, &why); });
  print(what, {t.median / count, t.p10 / count}, 0);
}

}  // namespace

int main() {
  measure("chain of 5", chain, 1024);
  measure("softmax", softmax, 8);
  measure_gxx("chain of 5, g++ alone", chain, 1);
  measure_gxx("chain of 5, g++ of 16, each", chain, 16);
  measure_gxx("softmax, g++ alone", softmax, 1);
  measure_gxx("softmax, g++ of 8, each", softmax, 8);
}
