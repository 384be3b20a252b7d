#include "backends/cpu_tcc/pack_cache.h"

#include <algorithm>

#include "core/base/hash.h"

namespace jt::cpu {

std::shared_ptr<void> PackCache::memory(size_t bytes) const {
  constexpr size_t kAlign = 64;
  void* at = host_.alloc(host_.host, bytes, kAlign);
  if (!at) return nullptr;
  const jt_host_api* host = &host_;
  return {at, [host, bytes](void* memory) { host->free(host->host, memory, bytes, kAlign); }};
}

std::shared_ptr<void> PackCache::find(uint64_t content, const PackForm& form, bool& is_known) {
  std::lock_guard lock(mutex_);
  uses_++;
  for (Entry& e : entries_) {
    if (e.content != content || e.form != form) continue;
    e.used = uses_;
    return e.memory;
  }
  uint64_t hash = hash_bytes(form.data(), sizeof form) + content * 0x9E3779B97F4A7C15u;
  uint64_t& place = seen_[(hash >> 32) % seen_.size()];
  is_known = place == hash;
  place = hash;
  return nullptr;
}

void PackCache::keep(uint64_t content, const PackForm& form, std::shared_ptr<void> made, int64_t bytes) {
  std::lock_guard lock(mutex_);
  for (const Entry& e : entries_)
    if (e.content == content && e.form == form) return;  // another thread was first
  entries_.push_back({content, form, std::move(made), bytes, uses_});
  bytes_ += bytes;
}

bool PackCache::make_room(int64_t bytes) {
  constexpr uint64_t kLong = 4096;  // uses of others
  std::lock_guard lock(mutex_);
  auto is_old = [&](const Entry& e) { return e.used + kLong < uses_; };
  for (size_t i = 0; i < entries_.size() && bytes_ + bytes > most_bytes_;) {
    if (!is_old(entries_[i])) {
      i++;
      continue;
    }
    bytes_ -= entries_[i].bytes;
    entries_[i] = std::move(entries_.back());
    entries_.pop_back();
  }
  return bytes_ + bytes <= most_bytes_;
}

void PackCache::shrink(int64_t most) {
  while (bytes_ > most) {
    auto oldest = std::min_element(entries_.begin(), entries_.end(),
                                   [](const Entry& a, const Entry& b) { return a.used < b.used; });
    bytes_ -= oldest->bytes;
    *oldest = std::move(entries_.back());
    entries_.pop_back();
  }
}

int64_t PackCache::trim(int64_t most) {
  std::lock_guard lock(mutex_);
  shrink(std::max<int64_t>(most, 0));
  return bytes_;
}

}  // namespace jt::cpu
