// lanes: work in equal pieces -> ranges of pieces, claimed one after the other by as many lanes as the host lends.
//
// Ranges get smaller towards the end, so that lanes end together and one that lost its core holds up little. What is
// computed for a piece must not depend on the range it came in: then the number of lanes changes no bit.
#pragma once
#include <jt/jt_backend.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace jt::cpu {

struct Work {
  int64_t pieces;      // that cannot be split
  double ns;           // about what one thread takes for all of them
  int64_t ranges = 8;  // most for each lane; fewer where every range has to prepare something
};

class Lanes {
 public:
  // grain_ns: work below it is not split.
  Lanes(const jt_host_api& host, double grain_ns) : host_(host), grain_ns_(grain_ns), most_(threads_of(host)) {}

  bool are_many() const { return most_ > 1; }
  int64_t most() const { return most_; }
  int64_t count(const Work& work) const {
    if (most_ == 1 || work.pieces < 2 || work.ns < grain_ns_) return 1;
    return std::min(most_, work.pieces);
  }

  // run(begin, end, lane) for ranges that together are [0, pieces); `lanes` as count gave, or less.
  template <class Run>
  void each(const Work& work, int64_t lanes, const Run& run) const {
    if (lanes == 1) return run(int64_t(0), work.pieces, int64_t(0));
    Ranges<Run> ranges{work.pieces, lanes, least(work, lanes), run};
    auto lane = [](void* ranges, int64_t lane) { static_cast<Ranges<Run>*>(ranges)->work(lane); };
    host_.parallel_for(host_.host, lane, &ranges, lanes);
    ranges.work(0);  // a host that called too few
  }

 private:
  static int64_t threads_of(const jt_host_api& host) {
    bool is_told =
        host.struct_size >= offsetof(jt_host_api, parallel_for) + sizeof host.parallel_for && host.parallel_for;
    return is_told ? std::max(1, host.threads) : 1;
  }
  // Pieces of a range: it costs something to begin one, so that at least half a grain follows.
  int64_t least(const Work& work, int64_t lanes) const {
    double grains = work.ns > 0 ? grain_ns_ / 2 / work.ns * double(work.pieces) : 1;
    int64_t parts = work.ranges * lanes, part = (work.pieces + parts - 1) / parts;
    return std::max<int64_t>(part, std::min<int64_t>(work.pieces, int64_t(grains)));
  }

  template <class Run>
  struct Ranges {
    const int64_t pieces, lanes, least;
    const Run& run;
    std::atomic<int64_t> next{0};

    void work(int64_t lane) {
      int64_t begin = next.load(std::memory_order_relaxed);
      while (begin < pieces) {
        int64_t left = pieces - begin, take = std::min(left, std::max(least, left / (2 * lanes)));
        if (!next.compare_exchange_weak(begin, begin + take, std::memory_order_relaxed)) continue;
        run(begin, begin + take, lane);
        begin = next.load(std::memory_order_relaxed);
      }
    }
  };

  const jt_host_api& host_;
  const double grain_ns_;
  const int64_t most_;
};

}  // namespace jt::cpu
