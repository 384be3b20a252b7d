// order: which operation of a stream comes after which, by streams, events and what the host waited for; not by when
// they happened to run.
//
// A clock says how far into each stream something is sure to have come. Two operations are ordered if the later one's
// clock has the earlier one's place; two that touch the same bytes, one of them writing, have to be.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace fakegpu {

struct Clock {
  std::vector<uint64_t> reached;  // a position for each stream, by its number
  void merge(const Clock& other) {
    if (reached.size() < other.reached.size()) reached.resize(other.reached.size());
    for (size_t i = 0; i < other.reached.size(); ++i) reached[i] = std::max(reached[i], other.reached[i]);
  }
  void set(uint32_t stream, uint64_t position) {
    if (reached.size() <= stream) reached.resize(stream + 1);
    reached[stream] = position;
  }
  bool has(uint32_t stream, uint64_t position) const { return stream < reached.size() && reached[stream] >= position; }
};

class OperationOrder {
 public:
  // An operation begins to run: what is touched from now on, it touches.
  void begin(const std::string& what, uint32_t stream, uint64_t position, const Clock& clock) {
    records_.push_back({what, stream, position});
    now_ = records_.size();
    clock_ = &clock;
  }
  uint32_t now() const { return now_; }
  bool is_before(uint32_t earlier) const {
    return clock_->has(records_[earlier - 1].stream, records_[earlier - 1].position);
  }
  std::string name(uint32_t operation) const {
    const Record& r = records_[operation - 1];
    return r.what + ", operation " + std::to_string(r.position) + " of stream " + std::to_string(r.stream);
  }

 private:
  struct Record { std::string what; uint32_t stream; uint64_t position; };
  std::vector<Record> records_;
  uint32_t now_ = 0;  // 0: none runs
  const Clock* clock_ = nullptr;
};

}  // namespace fakegpu
