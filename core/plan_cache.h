// plan_cache: a bounded table of entries found by the hash of what they are for; the one used last comes first, the
// oldest goes.
#pragma once
#include <list>
#include <unordered_map>
#include <vector>

namespace jt {

// An Entry has a member `hash`.
template <class Entry>
class LeastRecent {
 public:
  explicit LeastRecent(size_t most) : most_(most) {}
  bool empty() const { return entries_.empty(); }
  size_t size() const { return entries_.size(); }
  Entry& front() { return entries_.front(); }
  // The entry that `is_it` accepts among those of the hash, which becomes the first; null if there is none.
  template <class Accepts>
  Entry* find(uint64_t hash, Accepts&& is_it) {
    auto same = by_hash_.find(hash);
    if (same == by_hash_.end()) return nullptr;
    for (auto it : same->second) {
      if (!is_it(*it)) continue;
      entries_.splice(entries_.begin(), entries_, it);
      return &*it;
    }
    return nullptr;
  }
  Entry& add(Entry made) {
    auto& of_hash = by_hash_[made.hash];
    of_hash.reserve(of_hash.size() + 1);
    entries_.push_front(std::move(made));
    of_hash.push_back(entries_.begin());
    if (entries_.size() > most_) drop(std::prev(entries_.end()));
    return entries_.front();
  }

 private:
  using Place = typename std::list<Entry>::iterator;
  void drop(Place last) {
    auto same = by_hash_.find(last->hash);
    std::erase(same->second, last);
    if (same->second.empty()) by_hash_.erase(same);
    entries_.erase(last);
  }
  size_t most_;
  std::list<Entry> entries_;  // latest first
  std::unordered_map<uint64_t, std::vector<Place>> by_hash_;
};

}  // namespace jt
