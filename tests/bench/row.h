// row: one line of scripts/bench: row | case | threads | jt | peer | ratio | goal | ok/short; and medians to fill it
// with.
#pragma once
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

namespace jt::bench {

inline double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

struct Times {
  double median, p10;
};
// Of `runs` calls, in seconds, after one that is not counted.
template <class Function>
Times times(int runs, Function&& function) {
  function();
  std::vector<double> all(static_cast<size_t>(runs));
  for (double& t : all) {
    double begin = seconds();
    function();
    t = seconds() - begin;
  }
  std::sort(all.begin(), all.end());
  return {all[all.size() / 2], all[all.size() / 10]};
}

// Of each function, called one after the other `runs` times.
template <class... Functions>
std::array<Times, sizeof...(Functions)> times_in_turn(int runs, Functions&&... functions) {
  std::array<std::vector<double>, sizeof...(Functions)> all;
  (functions(), ...);
  for (int run = 0; run < runs; run++) {
    size_t k = 0;
    auto measure = [&](auto& function) {
      double begin = seconds();
      function();
      all[k++].push_back(seconds() - begin);
    };
    (measure(functions), ...);
  }
  std::array<Times, sizeof...(Functions)> out;
  for (size_t k = 0; k < out.size(); k++) {
    std::sort(all[k].begin(), all[k].end());
    out[k] = {all[k][all[k].size() / 2], all[k][all[k].size() / 10]};
  }
  return out;
}

inline std::string in_unit(double seconds) {
  char out[32];
  if (seconds >= 1e-3) std::snprintf(out, sizeof out, "%.3g ms", seconds * 1e3);
  else if (seconds >= 1e-6) std::snprintf(out, sizeof out, "%.3g us", seconds * 1e6);
  else std::snprintf(out, sizeof out, "%.0f ns", seconds * 1e9);
  return out;
}
inline std::string with_p10(const Times& t) { return in_unit(t.median) + " (p10 " + in_unit(t.p10) + ")"; }

// ratio: "-" where there is no peer. A case without a goal of its own passes.
inline void print_row(int row, const std::string& what, const std::string& jt, const std::string& peer,
                      const std::string& ratio, const std::string& goal, bool is_ok, int threads = 1) {
  std::printf("%d | %s | %d | %s | %s | %s | %s | %s\n", row, what.c_str(), threads, jt.c_str(), peer.c_str(),
              ratio.c_str(), goal.c_str(), is_ok ? "ok" : "short");
  std::fflush(stdout);
}

}  // namespace jt::bench
