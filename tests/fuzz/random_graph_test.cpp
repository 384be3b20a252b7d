// Random graphs: what the pipeline makes of them, fused and unfused, equals the reference evaluator to the bit.
//
// random_graph_test [--seed S] [--count N] [--tier vm|tcc|gxx] [--isa best|base|avx2|avx512] [--threads N] [--nodes N]
// [--recompute 0|1] [--backend LIBRARY|cuda] [--only N];
// prints its seed and the mix. Each graph is
// recorded in one context: fused; again with other scalars, starts and data; two in three with five sets of other
// extents, half of these with names for some dimensions; one in three with other values held; with every value held.
// --only N runs the graph that a failure names.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "backends/cuda_nvrtc/cuda_backend.h"
#include "core/pipeline.h"
#include "core/planner.h"
#include "core/runtime/backend_library.h"
#include "tests/fuzz/program_check.h"

using namespace jt;
using namespace jt::test;

namespace {

struct Options {
  uint64_t seed = 1;
  int count = 2000, nodes = 14, only = -1;
  Setting setting;
  std::string isa = "best", recompute = "0";
  BackendLibrary backend;  // none: jt's own
  std::unique_ptr<Bench> bench() const {
    return std::make_unique<Bench>(setting, true, isa, [this](RuntimeOptions& r) {
      r.flags.recompute = recompute;
      r.flags.may_read_environment = true;  // for settings of a backend's own
      if (const char* folder = std::getenv("JT_CACHE_DIR")) r.flags.cache_dir = folder;
      if (backend.api) r.devices = {{backend.api, backend.library, 0}};
    });
  }
};

// Tier gxx: the kernels of all graphs up to the next fresh context are compiled together, by graphs that run once
// before on libtcc; then they are on the disk.
class KernelsAhead {
 public:
  KernelsAhead() { folder_ = mkdtemp(name_); }
  ~KernelsAhead() { std::filesystem::remove_all(folder_); }
  std::unique_ptr<Bench> bench(const std::string& isa) const {
    return std::make_unique<Bench>("gxx", true, isa, [this](RuntimeOptions& o) { o.flags.cache_dir = folder_; });
  }
  template <class Run>
  void make(const std::string& isa, Run run) {
    using Work = std::vector<std::pair<void (*)(void*), void*>>;
    Work work;
    Bench ahead("auto", true, isa, [&](RuntimeOptions& o) {
      o.flags.cache_dir = folder_;
      o.flags.cpu_hot_us = "0";
      o.submit = {[](void* user, void (*function)(void*), void* argument) {
                    static_cast<Work*>(user)->emplace_back(function, argument);
                  },
                  &work};
    });
    run(ahead);
    for (auto [function, argument] : work) function(argument);
  }

 private:
  char name_[32] = "/tmp/jt graphs XXXXXX";
  std::string folder_;
};

constexpr int kGraphsPerContext = 50;

void explain(const Options& o, Draw draw, int number) {
  for (draw.max_nodes = 1; draw.max_nodes <= o.nodes; draw.max_nodes++) {  // the shortest program that fails
    if (outcome(*o.bench(), draw, nullptr).empty()) continue;
    Case failed;
    std::string what = outcome(*o.bench(), draw, nullptr, &failed);
    std::printf("fails with --nodes %d: %s\n", draw.max_nodes, what.c_str());
    if (fails(failed, o.setting)) failed = shrunk(std::move(failed), o.setting);
    else std::printf("(the block alone does not fail: what ran before it matters)\n");
    std::printf("%s\n", print(failed.block).c_str());
    Bench shown(o.setting);
    try {
      for (char stage : {'s', 'f', 'm', 'l'}) {
        Dump one{std::string(1, stage),
                 [](char, std::string_view text) { std::printf("%.*s", int(text.size()), text.data()); }};
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
    bool is_cuda = argv[i + 1] == std::string_view("cuda");
    if (name == "--backend" && is_cuda) o.backend.api = jt_cuda_backend();
    if (name == "--backend" && !is_cuda) o.backend = load_backend(argv[i + 1]);
    if (name == "--isa") o.isa = argv[i + 1];
    if (name == "--recompute") o.recompute = argv[i + 1];
  }
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  std::printf("seed %llu, %d graphs, tier %s, threads %d\n", (unsigned long long)o.seed, o.count,
              o.setting.tier.c_str(), o.setting.threads);
  int64_t with[kTraits] = {};
  int wrong = 0, ran = 0;
  CheckStats times;
  std::unique_ptr<Bench> bench;
  std::unique_ptr<KernelsAhead> ahead;
  auto draw_of = [&o](int i) {
    return Draw{o.seed * 1000003 + uint64_t(i), o.seed * 1000003 + uint64_t(i), 0, o.nodes};
  };
  auto begin = std::chrono::steady_clock::now();
  for (int i = o.only < 0 ? 0 : o.only; i < o.count && wrong < 5; i++) {
    bool is_fresh = !bench || i % kGraphsPerContext == 0;
    if (is_fresh && o.setting.tier == "gxx") {
      bench = nullptr, ahead = std::make_unique<KernelsAhead>();
      int last = o.only >= 0 ? i + 1 : std::min(o.count, i / kGraphsPerContext * kGraphsPerContext + kGraphsPerContext);
      ahead->make(o.isa, [&](Bench& first) {
        for (int k = i; k < last; k++) outcome(first, draw_of(k), nullptr);
      });
      bench = ahead->bench(o.isa);
    } else if (is_fresh) {
      bench = o.bench();
    }
    Draw draw = draw_of(i);
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
  if (times.sizes)
    std::printf("%5.1f %% of %lld runs with other extents had a plan that held\n",
                100.0 * double(times.sized_again) / double(times.sizes), (long long)times.sizes);
  std::printf("%d passed, %d failed, %.1f s\n", ran - wrong, wrong, seconds);
  return wrong != 0;
}
