// Random graphs: what the pipeline makes of them, fused and unfused, equals the reference evaluator to the bit.
//
// random_graph_test [--seed S] [--count N] [--tier vm|tcc] [--threads N] [--nodes N] [--only N]; prints its seed and the mix. Each graph is
// recorded in one context: fused; again with other scalars, starts and data; one in three with other extents, one in three with
// other values held; with every value held. --only N runs the graph that a failure names.
#include <chrono>
#include <cstdio>

#include "core/planner.h"
#include "tests/fuzz/program_check.h"

using namespace jt;
using namespace jt::test;

namespace {

struct Options {
  uint64_t seed = 1;
  int count = 2000, nodes = 14, only = -1;
  Setting setting;
};

void explain(const Options& o, Draw draw, int number) {
  for (draw.max_nodes = 1; draw.max_nodes <= o.nodes; draw.max_nodes++) {  // the shortest program that fails
    Bench fresh(o.setting);
    if (outcome(fresh, draw, nullptr).empty()) continue;
    Bench again(o.setting);
    Case failed;
    std::string what = outcome(again, draw, nullptr, &failed);
    std::printf("fails with --nodes %d: %s\n", draw.max_nodes, what.c_str());
    if (fails(failed, o.setting)) failed = shrunk(std::move(failed), o.setting);
    else std::printf("(the block alone does not fail: what ran before it matters)\n");
    std::printf("%s\n", print(failed.block).c_str());
    Bench shown(o.setting);
    try {
      for (char stage : {'s', 'f', 'm', 'l'}) {
        Dump one{std::string(1, stage), [](char, std::string_view text) { std::printf("%.*s", int(text.size()), text.data()); }};
        compile(copy(failed).block, *shown.runtime, std::vector<bool>(failed.params.size(), true), &one);
      }
    } catch (const Error& e) {
      std::printf("compile: %s\n", e.what());
    }
    return;
  }
  std::printf("graph %d does not fail alone: what ran before it matters\n", number);
}

}  // namespace

int main(int argc, char** argv) {
  Options o;
  for (int i = 1; i + 1 < argc; i += 2) {
    std::string name = argv[i];
    if (name == "--seed") o.seed = std::strtoull(argv[i + 1], nullptr, 10);
    if (name == "--count") o.count = std::atoi(argv[i + 1]);
    if (name == "--nodes") o.nodes = std::atoi(argv[i + 1]);
    if (name == "--only") o.only = std::atoi(argv[i + 1]);
    if (name == "--tier") o.setting.tier = argv[i + 1];
    if (name == "--threads") o.setting.threads = std::atoi(argv[i + 1]);
  }
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  std::printf("seed %llu, %d graphs, tier %s, threads %d\n", (unsigned long long)o.seed, o.count, o.setting.tier.c_str(),
              o.setting.threads);
  int64_t with[kTraits] = {};
  int wrong = 0, ran = 0;
  CheckStats times;
  std::unique_ptr<Bench> bench;
  auto begin = std::chrono::steady_clock::now();
  for (int i = o.only < 0 ? 0 : o.only; i < o.count && wrong < 5; i++) {
    if (!bench || i % 50 == 0) bench = std::make_unique<Bench>(o.setting);
    Draw draw{o.seed * 1000003 + uint64_t(i), o.seed * 1000003 + uint64_t(i), 0, o.nodes};
    bool traits[kTraits] = {};
    std::string what = outcome(*bench, draw, traits, nullptr, &times);
    ran++;
    for (int t = 0; t < kTraits; t++) with[t] += traits[t];
    if (!what.empty()) {
      wrong++;
      std::printf("---- graph %d of --seed %llu: %s\n", i, (unsigned long long)o.seed, what.c_str());
      explain(o, draw, i);
      bench = nullptr;
    }
    if (o.only >= 0) break;
  }
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  for (int t = 0; t < kTraits; t++) std::printf("%5.1f %% %s\n", 100.0 * double(with[t]) / ran, name(Trait(t)));
  std::printf("%5.1f %% ran again on the plans of the first time\n", 100.0 * double(times.reused) / ran);
  std::printf("%d passed, %d failed, %.1f s\n", ran - wrong, wrong, seconds);
  return wrong != 0;
}
