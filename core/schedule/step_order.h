// step_order: which steps run before which, kept transitive, so that asking is one bit.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

namespace jt {

class StepOrder {
 public:
  void add() { after_.emplace_back(); }
  bool reaches(int from, int to) const {
    const auto& bits = after_[size_t(from)];
    return size_t(to) / 64 < bits.size() && bits[size_t(to) / 64] >> (to % 64) & 1;
  }
  // Step `from` must run before step `to`.
  void precedes(int from, int to) {
    if (from == to || reaches(from, to)) return;
    auto merge = [&](size_t into) {
      auto &a = after_[into], &b = after_[size_t(to)];
      a.resize(std::max({a.size(), b.size(), size_t(to) / 64 + 1}));
      for (size_t i = 0; i < b.size(); i++) a[i] |= b[i];
      a[size_t(to) / 64] |= uint64_t(1) << (to % 64);
    };
    merge(size_t(from));
    for (size_t s = 0; s < after_.size(); s++)
      if (reaches(int(s), from)) merge(s);
  }
  // What ran before or after `gone` runs before or after `stays`.
  void takes_place(int stays, int gone) {
    int n = int(after_.size());
    for (int t = 0; t < n; t++)
      if (reaches(gone, t)) precedes(stays, t);
    for (int s = 0; s < n; s++)
      if (reaches(s, gone)) precedes(s, stays);
  }

 private:
  std::vector<std::vector<uint64_t>> after_;  // bit t of after_[s]: step t runs after step s
};

}  // namespace jt
