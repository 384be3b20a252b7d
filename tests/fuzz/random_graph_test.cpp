// Random graphs: what the pipeline makes of them, fused and unfused, equals the reference evaluator to the bit.
//
// random_graph_test [--seed S] [--count N] [--tier vm|tcc] [--nodes N]; prints its seed and the mix.
#include <chrono>
#include <cstdio>

#include "core/grad/grad.h"
#include "tests/fuzz/random_graph.h"

using namespace jt;
using namespace jt::test;

namespace {

bool is_nan(DType t, const unsigned char* p) {
  auto half = [&](uint16_t exponent) {
    uint16_t bits;
    std::memcpy(&bits, p, 2);
    return (bits & 0x7fff) > exponent;
  };
  if (t == JT_F16) return half(0x7c00);
  if (t == JT_BF16) return half(0x7f80);
  float f;
  double d;
  if (t == JT_F32) return std::memcpy(&f, p, 4), f != f;
  if (t == JT_F64) return std::memcpy(&d, p, 8), d != d;
  return false;
}

// Index of the first element that differs (NaNs are alike), or -1.
int64_t first_difference(const HostValue& want, const void* got) {
  size_t size = size_of(want.type.dtype);
  auto* g = static_cast<const unsigned char*>(got);
  for (int64_t i = 0; i < want.type.count(); i++) {
    const unsigned char *a = want.bytes.data() + size_t(i) * size, *b = g + size_t(i) * size;
    if (std::memcmp(a, b, size) && !(is_nan(want.type.dtype, a) && is_nan(want.type.dtype, b))) return i;
  }
  return -1;
}

struct Options {
  uint64_t seed = 1;
  int count = 2000, nodes = 14;
  std::string tier = "vm";
};

// One run of a graph; holds everything if `unfused`. Returns false and says why if something differs.
bool run_once(Bench& bench, uint64_t structure, uint64_t values, int nodes, bool unfused, bool* traits, bool quiet) {
  RandomGraph g = record_random(*bench.context, structure, values, nodes);
  if (traits) std::copy(g.traits, g.traits + kTraits, traits);
  std::vector<HostValue> want = evaluate(g.held);
  std::vector<Cell*> cells;
  std::vector<Value> held(g.held.begin(), g.held.end());
  for (const Value& v : held) cells.push_back(bench.context->cell(v));
  if (unfused)
    for (const Value& v : g.values) cells.push_back(bench.context->cell(v));
  std::string shown;
  for (char stage : std::string_view(quiet ? "" : "gsfml")) {
    try {
      shown += bench.context->show(g.held, stage);
    } catch (const Error& e) {
      std::printf("%s\n", shown.c_str());
      throw;
    }
  }
  g.values.clear(), g.leaves.clear();  // only what is held stays: operands may die
  bool same = true;
  bench.context->eval_all();
  for (size_t i = 0; i < held.size() && same; i++) {
    int64_t at = first_difference(want[i], bench.context->read(held[i])->data);
    if (at < 0) continue;
    same = false;
    if (!quiet) std::printf("%s\nresult %zu (%s %s) differs at element %lld\n", shown.c_str(), i, jt::name(held[i].ref().node->op),
                text(held[i].type()).c_str(), (long long)at);
  }
  held.clear();
  for (Cell* c : cells) release(c);
  bench.context->eval_all();
  return same;
}

bool check(Bench& bench, uint64_t seed, int nodes, bool* traits, bool quiet) {
  return run_once(bench, seed, seed, nodes, false, traits, quiet) && run_once(bench, seed, seed + 77777, nodes, false, nullptr, quiet) &&
         run_once(bench, seed, seed, nodes, true, nullptr, quiet);
}

}  // namespace

int main(int argc, char** argv) {
  Options o;
  for (int i = 1; i + 1 < argc; i += 2) {
    std::string name = argv[i];
    if (name == "--seed") o.seed = std::strtoull(argv[i + 1], nullptr, 10);
    if (name == "--count") o.count = std::atoi(argv[i + 1]);
    if (name == "--nodes") o.nodes = std::atoi(argv[i + 1]);
    if (name == "--tier") o.tier = argv[i + 1];
  }
  std::printf("seed %llu, %d graphs, tier %s\n", (unsigned long long)o.seed, o.count, o.tier.c_str());
  int64_t with[kTraits] = {}, wrong = 0;
  auto bench = std::make_unique<Bench>(o.tier);
  int64_t reused = 0;
  for (int i = 0; i < o.count && wrong < 5; i++) {
    if (i % 50 == 49) reused += bench->runtime->stats.plans_reused, bench = std::make_unique<Bench>(o.tier);
    uint64_t seed = o.seed * 1000003 + uint64_t(i);
    bool traits[kTraits] = {};
    std::string thrown;
    bool same = false;
    try {
      same = check(*bench, seed, o.nodes, traits, true);
    } catch (const Error& e) {
      thrown = e.message();
    }
    for (int t = 0; t < kTraits; t++) with[t] += traits[t];
    if (same) continue;
    bench = std::make_unique<Bench>(o.tier);  // what did not run would be tried again
    wrong++;
    for (int nodes = 1; nodes <= o.nodes; nodes++) {  // the smallest that still fails
      Bench fresh(o.tier);
      bool fails;
      try {
        fails = !check(fresh, seed, nodes, nullptr, true);
      } catch (const Error&) {
        fails = true;
      }
      if (!fails && nodes < o.nodes) continue;
      std::printf("---- seed %llu fails with --nodes %d %s\n", (unsigned long long)seed, nodes, thrown.c_str());
      Bench again(o.tier);
      try {
        check(again, seed, nodes, nullptr, false);
      } catch (const Error& e) {
        std::printf("throws: %s\n", e.what());
      }
      break;
    }
  }
  for (int t = 0; t < kTraits; t++) std::printf("%5.1f %% %s\n", 100.0 * double(with[t]) / o.count, name(Trait(t)));
  std::printf("plans reused: %lld\n%d passed, %lld failed\n", (long long)reused, int(o.count - wrong), (long long)wrong);
  return wrong != 0;
}
