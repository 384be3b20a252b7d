#include "tests/fakegpu/access.h"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstring>

namespace fakegpu {

static std::string hex(uint64_t value) {
  char text[24];
  snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(value));
  return text;
}
static std::string verb(Access access) {
  return is_read(access) ? "read" : access == Access::kWrite ? "write" : "atomic";
}
static std::string sized(uint32_t count) { return " of " + std::to_string(count) + " bytes"; }

uint8_t* global_access(Warp& w, int lane, uint64_t at, uint32_t count, Access access) {
  if (at & (count - 1))
    fault(w, lane, kMisalignedAddress, "misaligned global " + verb(access) + sized(count) + " at " + hex(at));
  DeviceMemory& memory = *w.block->launch->memory;
  Allocation* a = memory.find(at, count);
  if (!a) {
    const Allocation* holder = memory.holder(at);
    std::string what = holder && holder->is_freed ? "use after free: global " : "out of bounds: global ";
    fault(w, lane, kIllegalAddress, what + verb(access) + sized(count) + " at " + hex(at) + ", " + memory.describe(at));
  }
  if (!is_read(access) && a->is_readonly)
    fault(w, lane, kIllegalAddress,
          "global " + verb(access) + sized(count) + " at " + hex(at) + ", in read-only " + a->what);
  if (access != Access::kWrite && !a->is_written(at, count))
    fault(w, lane, kLaunchFailed,
          "uninitialised: global " + verb(access) + sized(count) + " at " + hex(at) + ", byte " +
              std::to_string(at - a->address) + " of " + a->what + " of " + std::to_string(a->size) + " bytes");
  if (uint32_t other = memory.touch(*a, at, !is_read(access)))
    fault(w, lane, kLaunchFailed,
          "race between streams: global " + verb(access) + sized(count) + " at " + hex(at) + ", no order with the " +
              memory.order->name(other) + ", which touched that place");
  if (!is_read(access)) a->mark_written(at, count);
  return a->bytes + (at - a->address);
}

// ---- shared memory

namespace {

constexpr uint16_t kSeveralWarps = 0xffff, kSeveralLanes = 0x8000;  // of readers; the rest is the warp's first thread

struct Race { Warp& w; int lane; uint64_t at; uint32_t count; };

[[noreturn]] void race(const Race& r, const char* now, const char* before, uint16_t other) {
  std::string by = other == kSeveralWarps  ? "other warps"
                   : other & kSeveralLanes ? "other lanes"
                                           : "thread " + std::to_string(other);
  fault(r.w, r.lane, kLaunchFailed,
        std::string("race on shared memory: ") + now + sized(r.count) + " at " + hex(r.at) + " after a " + before +
            " by " + by + " with no barrier between");
}

// Whether what `other` did counts as before what this thread does: it is itself, or its warp has synchronised since.
bool is_ordered(const Race& r, uint16_t other, uint32_t step) {
  if (other == kSeveralWarps) return false;
  uint32_t thread = other & ~kSeveralLanes;
  if (thread / 32 != r.w.number) return false;
  if (step < r.w.step) return true;
  return !(other & kSeveralLanes) && thread == r.w.thread(r.lane);
}

void check_read(const Race& r, SharedShadow& s, bool atomic) {
  uint32_t epoch = r.w.block->epoch;
  if (!s.write_epoch)
    fault(r.w, r.lane, kLaunchFailed, "uninitialised: shared read" + sized(r.count) + " at " + hex(r.at));
  bool both_atomic = atomic && s.atomic;
  if (s.write_epoch == epoch && !both_atomic && !is_ordered(r, s.writer, s.write_step))
    race(r, "read", "write", s.writer);
}

void note_read(const Race& r, SharedShadow& s) {
  uint32_t epoch = r.w.block->epoch;
  uint16_t me = r.w.thread(r.lane);
  if (s.read_epoch != epoch) {
    s.reader = me;
  } else if (s.reader != me) {
    bool same_warp = s.reader != kSeveralWarps && (s.reader & ~kSeveralLanes) / 32 == r.w.number;
    s.reader = !same_warp ? kSeveralWarps : s.read_step < r.w.step ? me : me | kSeveralLanes;
  }
  s.read_epoch = epoch;
  s.read_step = r.w.step;
}

void check_write(const Race& r, SharedShadow& s, bool atomic, bool same_value) {
  uint32_t epoch = r.w.block->epoch;
  bool harmless = (atomic && s.atomic) || same_value;
  if (s.write_epoch == epoch && !harmless && !is_ordered(r, s.writer, s.write_step))
    race(r, "write", "write", s.writer);
  if (s.read_epoch == epoch && !is_ordered(r, s.reader, s.read_step)) race(r, "write", "read", s.reader);
  s.write_epoch = epoch;
  s.write_step = r.w.step;
  s.writer = r.w.thread(r.lane);
  s.atomic = atomic;
}

}  // namespace

uint8_t* shared_access(Warp& w, int lane, uint64_t at, uint32_t count, Access access, const void* value) {
  if (at & (count - 1)) [[unlikely]]
    fault(w, lane, kMisalignedAddress, "misaligned shared " + verb(access) + sized(count) + " at " + hex(at));
  Block& block = *w.block;
  if (at + count > block.shared.size())
    fault(w, lane, kIllegalAddress,
          "out of bounds: shared " + verb(access) + sized(count) + " at " + hex(at) + ", of " +
              std::to_string(block.shared.size()) + " bytes");
  uint8_t* bytes = block.shared.data() + at;
  Race r{w, lane, at, count};
  const uint32_t shift = std::countr_zero(w.kernel->shared_granule);
  bool same_value = access == Access::kWrite && value && memcmp(bytes, value, count) == 0;
  for (uint64_t unit = at >> shift; unit <= (at + count - 1) >> shift; ++unit) {
    SharedShadow& s = block.shadow[unit];
    // The commonest by far: what was written before the last barrier is read.
    if (access == Access::kRead && s.write_epoch && s.write_epoch != block.epoch && !s.pending) {
      if (s.read_epoch != block.epoch || s.reader != kSeveralWarps) note_read(r, s);
      continue;
    }
    if (s.pending)
      fault(w, lane, kLaunchFailed,
            "shared " + verb(access) + sized(count) + " at " + hex(at) +
                ", which a cp.async fills that nobody waited for");
    if (access != Access::kWrite) check_read(r, s, access != Access::kRead);
    if (access == Access::kRead) note_read(r, s);
    if (!is_read(access)) check_write(r, s, access == Access::kAtomic, same_value);
  }
  return bytes;
}

void set_pending(Block& block, uint64_t at, uint32_t count, bool pending) {
  const uint32_t granule = block.launch->kernel->shared_granule;
  for (uint64_t unit = at / granule; unit <= (at + count - 1) / granule; ++unit) block.shadow[unit].pending = pending;
}

uint8_t* local_access(Warp& w, int lane, uint64_t at, uint32_t count, Access access) {
  if (at & (count - 1))
    fault(w, lane, kMisalignedAddress, "misaligned local " + verb(access) + sized(count) + " at " + hex(at));
  if (at + count > w.kernel->local_bytes)
    fault(w, lane, kIllegalAddress, "out of bounds: local " + verb(access) + sized(count) + " at " + hex(at) + ", of " +
                                        std::to_string(w.kernel->local_bytes) + " bytes");
  return w.local_of(lane) + at;
}

const uint8_t* parameter_access(Warp& w, int lane, uint64_t at, uint32_t count) {
  const std::vector<uint8_t>& bytes = w.block->launch->parameters;
  if (at & (count - 1)) fault(w, lane, kMisalignedAddress, "misaligned parameter" + sized(count) + " at " + hex(at));
  if (at + count > bytes.size())
    fault(w, lane, kIllegalAddress, "out of bounds: parameter" + sized(count) + " at " + hex(at));
  return bytes.data() + at;
}

// ---- costs

void count_sectors(Warp& w, const uint64_t* at, uint32_t lanes, uint32_t count, bool is_store) {
  Counters& c = w.block->launch->counters;
  ++(is_store ? c.global_stores : c.global_loads);
  c.bytes += static_cast<uint64_t>(count) * std::popcount(lanes);
  // Aligned accesses of up to 32 bytes lie within one sector.
  uint64_t sectors[32];
  int n = 0;
  bool rising = true;
  for (uint32_t rest = lanes; rest; rest &= rest - 1) {
    uint64_t sector = at[std::countr_zero(rest)] >> 5;
    if (n && sector == sectors[n - 1]) continue;
    rising &= n == 0 || sector > sectors[n - 1];
    sectors[n++] = sector;
  }
  if (!rising) {
    std::sort(sectors, sectors + n);
    n = std::unique(sectors, sectors + n) - sectors;
  }
  c.sectors += n;
}

namespace {

// The passes that lanes of one phase take: the words of one bank that differ take one each. A phase has 32 words at the
// most.
uint32_t passes(const uint64_t* at, uint32_t lanes, uint32_t words) {
  uint64_t seen[32];
  // lists of the words seen in each bank; 0: no more, else one more than the index
  uint8_t next[32], head[32] = {}, depth[32] = {};
  uint32_t most = 0, n = 0;
  uint64_t last = ~uint64_t{0};
  for (; lanes; lanes &= lanes - 1) {
    const uint64_t begin = at[std::countr_zero(lanes)] / 4;
    if (begin == last) continue;
    last = begin;
    for (uint64_t word = begin; word < begin + words; ++word) {
      uint32_t bank = word % 32, i = head[bank];
      while (i && seen[i - 1] != word) i = next[i - 1];
      if (i) continue;
      seen[n] = word;
      next[n] = head[bank];
      head[bank] = ++n;
      most = std::max<uint32_t>(most, ++depth[bank]);
    }
  }
  return most;
}

}  // namespace

// Accesses of 8 bytes go half a warp at a time, of 16 a quarter.
void count_conflicts(Warp& w, const uint64_t* at, uint32_t lanes, uint32_t count) {
  Counters& c = w.block->launch->counters;
  ++c.shared_accesses;
  bool same = true, in_a_row = true;
  for (int l = 1; l < 32; ++l) {
    same &= at[l] == at[0];
    in_a_row &= at[l] == at[0] + l * static_cast<uint64_t>(count);
  }
  if (lanes == ~0u && (same || (in_a_row && count >= 4))) return;
  const uint32_t words = std::max(count / 4, 1u), lanes_a_phase = 32 / words;
  const uint32_t phase = lanes_a_phase == 32 ? ~0u : (1u << lanes_a_phase) - 1;
  for (uint32_t begin = 0; begin < 32; begin += lanes_a_phase) {
    uint32_t most = passes(at, lanes & phase << begin, words);
    c.bank_conflicts += most ? most - 1 : 0;
  }
}

}  // namespace fakegpu
