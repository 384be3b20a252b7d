#include "tests/fuzz/program_check.h"

#include <cstdio>

namespace jt::test {

namespace {

enum class Way { fused, others, unfused };  // others: as many values held as before, but other ones

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
    const void* got = host_bytes(bench_.context->read(s.value));
    int64_t at = first_difference(s.want, got);
    if (at < 0) return;
    same_ = false;
    if (!shows_) return;
    std::printf("%s %s%s differs at element %lld: ", jt::name(s.value.ref().node->op), text(s.want.type).c_str(), when,
                (long long)at);
    for (auto* bytes : {s.want.bytes.data(), static_cast<const unsigned char*>(got)}) {
      for (size_t k = size_of(s.want.type.dtype); k-- > 0;)
        std::printf("%02x", bytes[size_t(at) * size_of(s.want.type.dtype) + k]);
      std::printf(bytes == got ? "\n" : " became ");
    }
  }

  Bench& bench_;
  std::mt19937_64 random_;
  bool shows_, same_ = true;
  std::vector<Seen> seen_;
  Case failed_;
};

// The last value, and for every other one held the one recorded before it.
std::vector<Value> neighbours(const RandomGraph& g) {
  std::vector<Value> out;
  for (Ref held : g.held)
    for (size_t i = 1; i < g.values.size(); i++)
      if (g.values[i].ref() == held) out.push_back(g.values[i + 1 == g.values.size() ? i : i - 1]);
  return out;
}

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
      if (way == Way::others) held = neighbours(g);
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

bool check(Bench& bench, Draw draw, bool* traits, bool shows, Case* failed, CheckStats* stats) {
  if (!run_once(bench, draw, Way::fused, traits, shows, failed)) return false;
  Draw other = draw;
  other.values += 77777;
  int64_t before = bench.runtime->stats.sums().plans_made;
  if (!run_once(bench, other, Way::fused, nullptr, shows, failed)) return false;
  if (stats) stats->reused += bench.runtime->stats.sums().plans_made == before;
  if (draw.structure % 3 != 1) {
    other.names = draw.structure % 3 == 2;
    auto sizings = [&] { return bench.runtime->stats.sums().sizings_made; };
    for (other.sizes = !other.names; other.sizes < kSizes; other.sizes++) {
      int64_t sized_before = sizings();
      if (!run_once(bench, other, Way::fused, nullptr, shows, failed)) return false;
      if (stats) stats->sizes++, stats->sized_again += sizings() > sized_before;
    }
  }
  if (draw.structure % 3 == 1 && !run_once(bench, draw, Way::others, nullptr, shows, failed)) return false;
  return run_once(bench, draw, Way::unfused, nullptr, shows, failed);
}

}  // namespace

std::string outcome(Bench& bench, const Draw& draw, bool* traits, Case* failed, CheckStats* stats) {
  try {
    return check(bench, draw, traits, failed != nullptr, failed, stats) ? "" : "differs";
  } catch (const Error& e) {
    return std::string(e.message());
  }
}

}  // namespace jt::test
