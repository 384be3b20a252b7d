// vm_bench: prints nanoseconds per element of the block VM: chains, tanh, row reductions; and of memcpy beside them.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tests/vm/programs.h"

using namespace jt;
using namespace jt::vm;

static double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Least time of one call of `work`, in ns per element.
template <class Work>
static double measure(int64_t n, Work work) {
  int64_t inner = std::max<int64_t>(1, 200000 / n);
  double best = 1e9, until = now() + 0.3;
  work();
  for (int k = 0; k < 3 || now() < until; k++) {
    double t = now();
    for (int64_t k = 0; k < inner; k++) work();
    best = std::min(best, (now() - t) / inner / n * 1e9);
  }
  return best;
}

static Program chain(int length) {
  ProgramMaker m(Mode::flat);
  int16_t in[4];
  for (int16_t& x : in) x = m.operand(JT_F32, Access::direct, Level::outer);
  int16_t out = m.operand(JT_F32, Access::direct, Level::outer, true);
  m.stage(Level::uniform);
  int16_t half = m.scalar(CType::f32);
  m.stage(Level::outer);
  int16_t r[4];
  for (int k = 0; k < 4; k++) r[k] = m.load(in[k]);
  int16_t v = m.element(Element::mul_, CType::f32, r[0], r[1]);
  for (int k = 1; k < length - 1; k++) {
    Element e = k % 3 == 0 ? Element::add_ : k % 3 == 1 ? Element::mul_ : Element::sub_;
    v = m.element(e, CType::f32, v, k % 6 < 4 ? r[k % 4] : half);
    m.p.registers[v].offset = m.p.registers[4].offset;  // as a register allocator would
  }
  m.element(Element::relu_, CType::f32, v, -1, -1, out);
  return m.p;
}

static Program one(Element e) {
  ProgramMaker m(Mode::flat);
  int16_t x = m.operand(JT_F32, Access::direct, Level::outer),
          z = m.operand(JT_F32, Access::direct, Level::outer, true);
  m.stage(Level::outer);
  m.element(e, CType::f32, m.load(x), -1, -1, z);
  return m.p;
}

static Program sum(Mode mode) {
  ProgramMaker m(mode);
  int16_t x = m.operand(JT_F32, mode == Mode::row ? Access::direct : Access::mapped, Level::inner);
  int16_t z = m.operand(JT_F32, Access::direct, Level::outer, true);
  m.stage(Level::inner);
  int16_t s = m.reduce(Reduction::sum, m.load(x));
  m.stage(Level::outer);
  m.store(z, s);
  return m.p;
}

static Program softmax() {
  ProgramMaker m(Mode::row);
  int16_t x = m.operand(JT_F32, Access::direct, Level::inner),
          z = m.operand(JT_F32, Access::direct, Level::inner, true);
  m.stage(Level::inner);
  int16_t most = m.reduce(Reduction::max, m.load(x));
  m.stage(Level::inner);
  int16_t e = m.element(Element::exp_, CType::f32, m.element(Element::sub_, CType::f32, m.load(x), most));
  int16_t total = m.reduce(Reduction::sum, e);
  m.stage(Level::inner);
  e = m.element(Element::exp_, CType::f32, m.element(Element::sub_, CType::f32, m.load(x), most));
  m.element(Element::div_, CType::f32, e, total, -1, z);
  return m.p;
}

static void row(const Primitives& p, const char* what, const Program& program, const Args& args, int64_t n) {
  VmCode code(program, p);
  std::vector<char> memory(code.scratch_bytes(args.words.data()) + 64);
  char* scratch = memory.data() + (64 - reinterpret_cast<uintptr_t>(memory.data()) % 64) % 64;
  double ns = measure(n, [&] { code.run(args.words.data(), 0, args.words[0], scratch); });
  std::printf("%-7s %-22s %9ld %8.4f ns/element\n", name(p.isa), what, long(n), ns);
}

int main() {
  const int64_t most = 10000000;
  float* b[5];
  for (float*& v : b) {
    v = static_cast<float*>(std::aligned_alloc(64, most * 4));
    for (int64_t i = 0; i < most; i++) v[i] = float(i * 2654435761u % 4001) / 1000.0f - 2.0f;
  }
  for (int isa = kIsas - 1; isa >= 0; isa--) {
    const Primitives* p = primitives(Isa(isa));
    if (!p) continue;
    for (int64_t n : {int64_t(1000), int64_t(100000), most}) {
      std::printf("%-7s %-22s %9ld %8.4f ns/element\n", "", "memcpy", long(n),
                  measure(n, [&] { std::memcpy(b[4], b[0], n * 4); }));
      Args five(n, 1), two(n, 1);
      for (float* v : b) five.operand(v);
      five.scalar(0.5f);
      two.operand(b[0]).operand(b[4]);
      row(*p, "chain of 5", chain(5), five, n);
      row(*p, "chain of 20", chain(20), five, n);
      for (Element e : {Element::exp_, Element::log_, Element::tanh_, Element::erf_, Element::sin_})
        row(*p, kElementFacts[int(e)].name, one(e), two, n);
    }
    for (int64_t inner : {int64_t(10), int64_t(100), int64_t(1000)}) {
      int64_t outer = 1000000 / inner;
      Args args(outer, inner);
      args.operand(b[0]).operand(b[4]);
      row(*p, ("softmax of " + std::to_string(inner)).c_str(), softmax(), args, 1000000);
      row(*p, ("row sum of " + std::to_string(inner)).c_str(), sum(Mode::row), args, 1000000);
      IndexMap map{1, 1, 0, 0, {outer, inner}, {1, outer}, {}, {}};
      Args columns(outer, inner);
      columns.map(b[0], map).operand(b[4]);
      row(*p, ("column sum of " + std::to_string(inner)).c_str(), sum(Mode::column), columns, 1000000);
    }
  }
}
