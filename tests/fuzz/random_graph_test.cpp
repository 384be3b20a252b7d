// Random graphs: what the pipeline makes of them, fused and unfused, equals the reference evaluator to the bit.
//
// random_graph_test [--seed S] [--count N] [--tier vm|tcc] [--nodes N] [--only N]; prints its seed and the mix. Each graph is
// recorded four times in one context: fused; with other scalars, starts and data; with other extents; with every value
// held. --only N runs the graph that a failure names.
#include <chrono>
#include <cstdio>

#include "core/planner.h"
#include "tests/fuzz/random_graph.h"
#include "tests/fuzz/shrink.h"

using namespace jt;
using namespace jt::test;

namespace {

struct Options {
  uint64_t seed = 1;
  int count = 2000, nodes = 14, only = -1;
  std::string tier = "vm";
};

enum class Way { fused, unfused };

// Looks at values of a program as it runs, and remembers what it saw.
class Watcher {
 public:
  Watcher(Bench& bench, uint64_t seed, bool shows) : bench_(bench), random_(seed), shows_(shows) {}
  ~Watcher() {
    for (Seen& s : seen_) release(s.cell);
  }
  bool all_same() const { return same_; }
  const Case& failed() const { return failed_; }

  // These values run (and everything else held); each must be what the evaluator says.
  void look(std::span<const Value> values) {
    if (!same_) return;
    std::vector<Ref> refs(values.begin(), values.end());
    std::vector<HostValue> want = evaluate(refs);
    if (shows_) failed_ = capture(refs);
    // Without handles values are read one after the other, each by a plan of its own.
    bool one_by_one = random_() % 4 == 0;
    size_t first = seen_.size();
    for (size_t i = 0; i < refs.size(); i++)
      seen_.push_back({Value(refs[i]), one_by_one ? nullptr : bench_.context->cell(values[i]), std::move(want[i])});
    if (!one_by_one) bench_.context->eval_all();
    for (size_t i = first; i < seen_.size(); i++) compare(seen_[i], "");
  }
  void snapshot(const Value& v) { seen_.push_back({v, nullptr, evaluate(std::vector<Ref>{v})[0]}); }
  // Half of what was seen is let go.
  void forget() {
    for (size_t i = seen_.size(); i-- > 0;)
      if (random_() % 2) release(seen_[i].cell), seen_.erase(seen_.begin() + int64_t(i));
  }
  void look_again() {
    for (Seen& s : seen_) compare(s, " (seen before)");
  }

  // x = f(x), some times: a training loop.
  void assign_in_a_loop() {
    if (!same_ || seen_.empty()) return;
    Seen& s = seen_[size_t(random_() % seen_.size())];
    Value start = s.value;
    if (start.dtype() == JT_BOOL) return;
    if (!s.cell) s.cell = bench_.context->cell(start);
    Cell* cell = s.cell;
    bool by_box = random_() % 2 && start.shape().rank;
    s.value = Value();
    start = Value();
    for (int k = 1; k < 4 && same_; k++) {
      Value x = cell->value, next;
      if (by_box && x.shape().count()) {
        Attrs at;
        Shape box;
        std::vector<int64_t> starts, steps;
        for (int i = 0; i < x.shape().rank; i++) {
          starts.push_back(std::min<int64_t>(k, x.shape()[i] - 1)), steps.push_back(1), box.push(1);
        }
        Value v = ops::cast(ops::reshape(ops::add(ops::slice(x, starts, box_end(starts)), k), box), x.dtype());
        next = ops::call(Op::update, {x, v}, Attrs().add_ints(starts).add_ints(steps));
      } else {
        next = ops::cast(ops::add(ops::mul(x, k + 0.5), ops::abs(x)), x.dtype());
      }
      std::vector<Ref> refs{next};
      if (shows_) failed_ = capture(refs);
      HostValue want = evaluate(refs)[0];
      bench_.context->assign(*cell, next);
      x = Value();
      bench_.context->eval_all();
      Seen now{next, nullptr, std::move(want)};
      compare(now, " (assigned)");
      if (k == 3) s.value = next, s.want = now.want;
    }
  }

 private:
  struct Seen {
    Value value;
    Cell* cell;
    HostValue want;
  };
  static std::vector<int64_t> box_end(std::vector<int64_t> starts) {
    for (int64_t& s : starts) s++;
    return starts;
  }
  void compare(const Seen& s, const char* when) {
    if (!same_) return;
    const void* got = bench_.context->read(s.value)->data;
    int64_t at = first_difference(s.want, got);
    if (at < 0) return;
    same_ = false;
    if (!shows_) return;
    std::printf("%s %s%s differs at element %lld: ", jt::name(s.value.ref().node->op), text(s.want.type).c_str(), when, (long long)at);
    for (auto* bytes : {s.want.bytes.data(), static_cast<const unsigned char*>(got)}) {
      for (size_t k = size_of(s.want.type.dtype); k-- > 0;) std::printf("%02x", bytes[size_t(at) * size_of(s.want.type.dtype) + k]);
      std::printf(bytes == got ? "\n" : " became ");
    }
  }

  Bench& bench_;
  std::mt19937_64 random_;
  bool shows_, same_ = true;
  std::vector<Seen> seen_;
  Case failed_;
};

// One run of a program; false if something differs.
bool run_once(Bench& bench, const Draw& draw, Way way, bool* traits, bool shows, Case* failed) {
  bool same;
  {
    Watcher watcher(bench, draw.structure, shows);
    try {
      auto between = [&](std::span<const Value> values) { watcher.look(values); };
      RandomGraph g = record_random(*bench.context, draw, between);
      if (traits) std::copy(g.traits, g.traits + kTraits, traits);
      for (size_t i = 0; i < g.leaves.size(); i += 2) watcher.snapshot(g.leaves[i]);
      std::vector<Value> held(g.held.begin(), g.held.end());
      if (way == Way::unfused) held = std::vector<Value>(g.values.begin(), g.values.end());
      std::erase_if(held, [](const Value& v) { return v.ref().node->has_run(); });
      g = RandomGraph();  // only what is held stays: operands may die
      watcher.look(held);
      held.clear();
      watcher.forget();
      watcher.assign_in_a_loop();
      watcher.look_again();
    } catch (const Error&) {
      if (failed) *failed = copy(watcher.failed());
      throw;
    }
    same = watcher.all_same();
    if (!same && failed) *failed = copy(watcher.failed());
  }
  bench.context->eval_all();
  return same;
}

struct Times {
  int64_t reused = 0;
};

bool check(Bench& bench, Draw draw, bool* traits, bool shows, Case* failed, Times* times = nullptr) {
  if (!run_once(bench, draw, Way::fused, traits, shows, failed)) return false;
  Draw other = draw;
  other.values += 77777;
  int64_t before = bench.runtime->stats.plans_made;
  if (!run_once(bench, other, Way::fused, nullptr, shows, failed)) return false;
  if (times) times->reused += bench.runtime->stats.plans_made == before;
  if (draw.structure % 3 == 0) {
    other.sizes = 1;
    if (!run_once(bench, other, Way::fused, nullptr, shows, failed)) return false;
  }
  return run_once(bench, draw, Way::unfused, nullptr, shows, failed);
}

std::string outcome(Bench& bench, const Draw& draw, bool* traits, bool shows, Case* failed, Times* times = nullptr) {
  try {
    return check(bench, draw, traits, shows, failed, times) ? "" : "differs";
  } catch (const Error& e) {
    return std::string(e.message());
  }
}

void explain(const Options& o, Draw draw, int number) {
  for (draw.max_nodes = 1; draw.max_nodes <= o.nodes; draw.max_nodes++) {  // the shortest program that fails
    Bench fresh(o.tier);
    if (outcome(fresh, draw, nullptr, false, nullptr).empty()) continue;
    Bench again(o.tier);
    Case failed;
    std::string what = outcome(again, draw, nullptr, true, &failed);
    std::printf("fails with --nodes %d: %s\n", draw.max_nodes, what.c_str());
    if (fails(failed, o.tier)) failed = shrunk(std::move(failed), o.tier);
    else std::printf("(the block alone does not fail: what ran before it matters)\n");
    std::printf("%s\n", print(failed.block).c_str());
    Bench shown(o.tier);
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
    if (name == "--tier") o.tier = argv[i + 1];
  }
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  std::printf("seed %llu, %d graphs, tier %s\n", (unsigned long long)o.seed, o.count, o.tier.c_str());
  int64_t with[kTraits] = {};
  int wrong = 0, ran = 0;
  Times times;
  std::unique_ptr<Bench> bench;
  auto begin = std::chrono::steady_clock::now();
  for (int i = o.only < 0 ? 0 : o.only; i < o.count && wrong < 5; i++) {
    if (!bench || i % 50 == 0) bench = std::make_unique<Bench>(o.tier);
    Draw draw{o.seed * 1000003 + uint64_t(i), o.seed * 1000003 + uint64_t(i), 0, o.nodes};
    bool traits[kTraits] = {};
    std::string what = outcome(*bench, draw, traits, false, nullptr, &times);
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
