// Bench row 2 and what libtcc's code saves over the block VM: compile time per kernel, ns per element of both.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "backends/cpu_tcc/tier/render_c.h"
#include "backends/cpu_tcc/tier/tcc_tier.h"
#include "tests/vm/programs.h"

namespace jt::vm {
namespace {

using Clock = std::chrono::steady_clock;

template <class Body>
double median_ns(int times, Body body) {
  std::vector<double> all(static_cast<size_t>(times));
  for (double& t : all) {
    Clock::time_point begin = Clock::now();
    body();
    t = std::chrono::duration<double, std::nano>(Clock::now() - begin).count();
  }
  std::nth_element(all.begin(), all.begin() + times / 2, all.end());
  return all[size_t(times / 2)];
}

Program chain(int length) {
  ProgramMaker m(Mode::flat);
  int16_t x = m.operand(JT_F32, Access::direct, Level::outer),
          z = m.operand(JT_F32, Access::direct, Level::outer, true);
  m.stage(Level::outer);
  int16_t a = m.load(x), v = a;
  for (int k = 0; k < length; k++)
    v = m.element(k % 2 ? Element::mul_ : Element::add_, CType::f32, v, a, -1, k + 1 == length ? z : int16_t(-1));
  return m.p;
}

Program softmax() {
  ProgramMaker m(Mode::row);
  int16_t x = m.operand(JT_F32, Access::direct, Level::inner),
          z = m.operand(JT_F32, Access::direct, Level::inner, true);
  m.stage(Level::inner);
  int16_t most = m.reduce(Reduction::max, m.load(x));
  m.stage(Level::inner);
  int16_t sum = m.reduce(Reduction::sum,
                         m.element(Element::exp_, CType::f32, m.element(Element::sub_, CType::f32, m.load(x), most)));
  m.stage(Level::inner);
  int16_t e = m.element(Element::exp_, CType::f32, m.element(Element::sub_, CType::f32, m.load(x), most));
  m.element(Element::div_, CType::f32, e, sum, -1, z);
  return m.p;
}

Program bias_relu() {
  ProgramMaker m(Mode::flat);
  int16_t x = m.operand(JT_F32, Access::direct, Level::outer), b = m.operand(JT_F32, Access::mapped, Level::outer);
  int16_t z = m.operand(JT_F32, Access::direct, Level::outer, true);
  m.stage(Level::uniform);
  int16_t zero = m.scalar(CType::f32);
  m.stage(Level::outer);
  int16_t sum = m.element(Element::add_, CType::f32, m.load(x), m.load(b));
  m.element(Element::maximum_, CType::f32, sum, zero, -1, z);
  return m.p;
}

Program column_sum() {
  ProgramMaker m(Mode::column);
  int16_t x = m.operand(JT_F32, Access::mapped, Level::inner),
          z = m.operand(JT_F32, Access::direct, Level::outer, true);
  m.stage(Level::inner);
  int16_t sum = m.reduce(Reduction::sum, m.load(x));
  m.stage(Level::outer);
  m.store(z, sum);
  return m.p;
}

struct Bench {
  std::string why_not;
  std::unique_ptr<cpu::TccCompiler> compiler = cpu::TccCompiler::open(JT_TCC_LIBRARY, &why_not);
  std::unique_ptr<cpu::CodeArena> arena = cpu::CodeArena::open(&why_not);
  std::vector<const void*> numbered = by_number(best_primitives());

  void compile(const char* name, const Program& p) {
    std::string source = cpu::render_c(p);
    double decode = median_ns(300, [&] { VmCode vm(p, best_primitives()); });
    double render = median_ns(300, [&] { (void)cpu::render_c(p); });
    double tcc = median_ns(300, [&] { (void)compiler->compile(source, "k", {}, *arena); });
    const char* verdict = render + tcc <= 0.5e6 ? "ok" : "missed";
    std::printf("2 | %s | 1 | %.3f ms (vm %.3f, render %.3f, tcc %.3f) | - | - | <= 0.5 ms | %s\n", name,
                (render + tcc) * 1e-6, decode * 1e-6, render * 1e-6, tcc * 1e-6, verdict);
  }

  void run(const char* name, const Program& p, const std::vector<int64_t>& args) {
    cpu::TccKernel kernel = compiler->compile(cpu::render_c(p), "k", {}, *arena);
    auto code = reinterpret_cast<cpu::MachineCode>(kernel.entry);
    VmCode vm(p, best_primitives());
    char* scratch = static_cast<char*>(std::aligned_alloc(64, size_t(vm.scratch_bytes(args.data()) + 127) / 64 * 64));
    int64_t elements = args[0] * args[1];
    int times = int(std::clamp<int64_t>(20'000'000 / elements, 5, 20'000));
    double by_vm = median_ns(times, [&] { vm.run(args.data(), 0, args[0], scratch); });
    double by_tcc = median_ns(times, [&] { code(args.data(), 0, args[0], scratch, numbered.data()); });
    std::printf("- | %s %lldx%lld | 1 | tcc %.3f ns/element | vm %.3f | vm/tcc %.2f | - | -\n", name,
                (long long)args[0], (long long)args[1], by_tcc / double(elements), by_vm / double(elements),
                by_vm / by_tcc);
    std::free(scratch);
  }
};

IndexMap map_of(int64_t outer, int64_t outer_stride, int64_t inner, int64_t inner_stride, bool has_inner) {
  IndexMap map = {};
  map.outer_rank = has_inner ? 1 : 2;
  map.inner_rank = has_inner;
  map.extent[0] = outer, map.stride[0] = outer_stride;
  map.extent[1] = inner, map.stride[1] = inner_stride;
  return map;
}

int run_all() {
  Bench bench;
  if (!bench.compiler || !bench.arena) return std::printf("tier: %s\n", bench.why_not.c_str()), 0;
  bench.compile("chain 5", chain(5));
  bench.compile("chain 20", chain(20));
  bench.compile("softmax", softmax());
  bench.compile("bias+relu", bias_relu());
  bench.compile("column sum", column_sum());
  constexpr int64_t kMost = 10'000'000;
  std::vector<float> x(kMost, 0.5f), z(kMost), b(1000, 0.25f);
  for (int64_t n = 1000; n <= kMost; n *= 10) {
    bench.run("chain 5", chain(5), Args(n, 1).operand(x.data()).operand(z.data()).words);
    bench.run("chain 20", chain(20), Args(n, 1).operand(x.data()).operand(z.data()).words);
    IndexMap bias = map_of(n / 100, 0, 100, 1, false), across = map_of(100, 1, n / 100, 100, true);
    bench.run("bias+relu", bias_relu(),
              Args(n, 1).operand(x.data()).map(b.data(), bias).operand(z.data()).scalar(0.0f).words);
    bench.run("column sum", column_sum(), Args(100, n / 100).map(x.data(), across).operand(z.data()).words);
  }
  bench.run("softmax", softmax(), Args(512, 768).operand(x.data()).operand(z.data()).words);
  bench.run("softmax", softmax(), Args(1000, 10).operand(x.data()).operand(z.data()).words);
  return 0;
}

}  // namespace
}  // namespace jt::vm

int main() { return jt::vm::run_all(); }
