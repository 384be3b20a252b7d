#include "tests/fakegpu/memory.h"

#include <cstring>

namespace fakegpu {

constexpr uint64_t kAlignment = 512;

void Allocation::set_written(uint64_t at, uint64_t count, bool value) {
  if (written.empty()) return;
  uint64_t i = at - address, end = i + count;
  for (; i < end && i % 16; ++i) written[i / 16] = (written[i / 16] & ~(1u << i % 16)) | value << i % 16;
  for (; i + 16 <= end; i += 16) written[i / 16] = value ? 0xffff : 0;
  for (; i < end; ++i) written[i / 16] = (written[i / 16] & ~(1u << i % 16)) | value << i % 16;
}

uint64_t Allocation::first_unwritten(uint64_t at, uint64_t count) const {
  if (written.empty()) return count;
  uint64_t begin = at - address;
  for (uint64_t i = begin; i < begin + count; ++i) {
    if (i % 16 == 0 && i + 16 <= begin + count && written[i / 16] == 0xffff) { i += 15; continue; }
    if (!(written[i / 16] >> i % 16 & 1)) return i - begin;
  }
  return count;
}

uint64_t DeviceMemory::allocate(uint64_t size, const std::string& what) {
  if (size > total_ || used_ > total_ - size) return 0;
  Allocation& a = allocations_[next_];
  a.address = next_;
  a.size = size;
  a.owned = std::make_unique_for_overwrite<uint8_t[]>(size);
  a.bytes = a.owned.get();
  memset(a.bytes, 0xff, size);
  a.written.assign(size / 16 + 1, 0);
  a.writers.assign(size / kTouchUnit + 1, 0);
  a.readers = a.readers_apart = a.writers;
  a.what = what;
  used_ += size;
  next_ += (size / kAlignment + 2) * kAlignment;
  return a.address;
}

void DeviceMemory::add_pinned(uint8_t* bytes, uint64_t size) {
  Allocation& a = allocations_[reinterpret_cast<uint64_t>(bytes)];
  a = {};
  a.address = reinterpret_cast<uint64_t>(bytes);
  a.size = size;
  a.bytes = bytes;
  a.what = "pinned memory";
}

void DeviceMemory::remove_pinned(uint8_t* bytes) {
  allocations_.erase(reinterpret_cast<uint64_t>(bytes));  // the host may give its addresses again
  last_ = before_ = nullptr;
}

bool DeviceMemory::free(uint64_t address) {
  auto found = allocations_.find(address);
  if (found == allocations_.end() || found->second.is_freed || !found->second.owned) return false;
  found->second.is_freed = true;
  found->second.owned.reset();
  found->second.bytes = nullptr;
  found->second.written = {};
  found->second.writers = found->second.readers = found->second.readers_apart = {};
  used_ -= found->second.size;
  return true;
}

const Allocation* DeviceMemory::holder(uint64_t at) const {
  auto after = allocations_.upper_bound(at);
  if (after == allocations_.begin()) return nullptr;
  const Allocation& a = std::prev(after)->second;
  return at - a.address < a.size ? &a : nullptr;
}

Allocation* DeviceMemory::look_up(uint64_t at, uint64_t count) {
  if (before_ && !before_->is_freed && before_->contains(at, count)) {
    std::swap(last_, before_);
    return last_;
  }
  auto* found = const_cast<Allocation*>(holder(at));
  if (!found || found->is_freed || !found->contains(at, count)) return nullptr;
  before_ = last_;
  return last_ = found;
}

std::string DeviceMemory::describe(uint64_t at) const {
  auto after = allocations_.upper_bound(at);
  if (after == allocations_.begin()) return "no allocation is below it";
  const Allocation& a = std::prev(after)->second;
  std::string name = a.what + " of " + std::to_string(a.size) + " bytes";
  if (at - a.address < a.size) return a.is_freed ? "in a freed " + name : "across the end of the " + name;
  return std::to_string(at - a.address - a.size) + " bytes behind the end of the " + name;
}

std::vector<const Allocation*> DeviceMemory::living() const {
  std::vector<const Allocation*> list;
  for (const auto& [address, allocation] : allocations_)
    if (!allocation.is_freed && allocation.owned) list.push_back(&allocation);
  return list;
}

}  // namespace fakegpu
