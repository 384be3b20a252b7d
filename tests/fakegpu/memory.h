// memory: the allocations of one device, at addresses that the host cannot reach.
//
// No address is given twice, so what is freed stays known; between two allocations lies room that belongs to none.
// Fresh bytes are 0xFF and count as not written; each allocation keeps a bit a byte for that.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/fakegpu/order.h"

namespace fakegpu {

struct Allocation {
  uint64_t address = 0, size = 0;
  bool is_freed = false, is_readonly = false;
  uint8_t* bytes = nullptr;                 // `owned`, or the host's pages of pinned memory
  std::unique_ptr<uint8_t[]> owned;
  std::vector<uint16_t> written;            // a bit a byte; empty: all of it counts as written
  // For each 64 bytes the last operation that wrote them, that read them, and one that read them in no order with that;
  // pinned: none kept.
  std::vector<uint32_t> writers, readers, readers_apart;
  std::string what;                         // "allocation", "variable tab", "pinned memory"

  bool contains(uint64_t at, uint64_t count) const { return at - address < size && count <= size - (at - address); }
  // An access of 16 bytes or less that is aligned to its size lies within one word of bits.
  bool is_written(uint64_t at, uint32_t count) const {
    if (written.empty()) return true;
    uint64_t i = at - address;
    uint32_t bits = (count >= 16 ? 0xffffu : (1u << count) - 1) << (i % 16);
    return (written[i / 16] & bits) == bits;
  }
  void mark_written(uint64_t at, uint32_t count) {
    if (written.empty()) return;
    uint64_t i = at - address;
    written[i / 16] |= (count >= 16 ? 0xffffu : (1u << count) - 1) << (i % 16);
  }
  void set_written(uint64_t at, uint64_t count, bool value);
  uint64_t first_unwritten(uint64_t at, uint64_t count) const;  // offset from `at`, count: none
};

constexpr uint64_t kTouchUnit = 64;

class DeviceMemory {
 public:
  DeviceMemory(uint64_t base, uint64_t total) : next_(base), total_(total) {}

  // 0 if it is beyond what the device has.
  uint64_t allocate(uint64_t size, const std::string& what);
  void add_pinned(uint8_t* bytes, uint64_t size);
  // False: no allocation begins there, or it is freed already.
  bool free(uint64_t address);
  void remove_pinned(uint8_t* bytes);

  // The allocation with all of [at, at + count), nullptr: there is none.
  Allocation* find(uint64_t at, uint64_t count) {
    if (last_ && !last_->is_freed && last_->contains(at, count)) return last_;
    return look_up(at, count);
  }
  // Notes that the operation which runs touches an aligned unit of at most 64 bytes: the operation that it is in no
  // order with, or 0.
  uint32_t touch(Allocation& a, uint64_t at, bool writes) {
    if (!order || a.writers.empty()) return 0;
    const uint64_t unit = (at - a.address) / kTouchUnit;
    const uint32_t now = order->now();
    uint32_t &writer = a.writers[unit], &reader = a.readers[unit], &apart = a.readers_apart[unit];
    auto is_conflict = [&](uint32_t other) { return other && other != now && !order->is_before(other); };
    if (!writes) {
      if (reader == now) return 0;
      if (is_conflict(writer)) return writer;
      if (is_conflict(reader)) apart = reader;  // no fault, but a write has to come after both
      reader = now;
      return 0;
    }
    if (writer == now) return 0;
    for (uint32_t other : {writer, reader, apart})
      if (is_conflict(other)) return other;
    writer = now;
    return 0;
  }
  uint32_t touch_range(Allocation& a, uint64_t at, uint64_t count, bool writes) {
    for (uint64_t end = at + count, i = at; i < end; i = (i / kTouchUnit + 1) * kTouchUnit)
      if (uint32_t other = touch(a, i, writes)) return other;
    return 0;
  }
  OperationOrder* order = nullptr;
  // What is at a place where an access went wrong.
  std::string describe(uint64_t at) const;
  // The allocation that has `at`, freed ones too.
  const Allocation* holder(uint64_t at) const;

  uint64_t total() const { return total_; }
  uint64_t used() const { return used_; }
  void set_total(uint64_t total) { total_ = total; }
  std::vector<const Allocation*> living() const;

 private:
  Allocation* look_up(uint64_t at, uint64_t count);
  std::map<uint64_t, Allocation> allocations_;
  Allocation* last_ = nullptr;
  Allocation* before_ = nullptr;
  uint64_t next_, total_, used_ = 0;
};

}  // namespace fakegpu
