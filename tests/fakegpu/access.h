// access: where an address of a lane leads, checked: bounds, alignment, whether it was written, and, in shared memory,
// races.
#pragma once

#include "tests/fakegpu/machine.h"

namespace fakegpu {

// kStrong: volatile, relaxed or acquiring, so that it may meet writes of its kind.
enum class Access : uint8_t { kRead, kStrongRead, kWrite, kAtomic };
inline bool is_read(Access access) { return access == Access::kRead || access == Access::kStrongRead; }

// Global memory: `count` bytes at `at`, aligned to that. The bytes.
uint8_t* global_access(Warp& w, int lane, uint64_t at, uint32_t count, Access access);
// `value`: what a write will put there, by which two lanes may agree; nullptr: whatever it is, it is a race.
uint8_t* shared_access(Warp& w, int lane, uint64_t at, uint32_t count, Access access, const void* value);
void set_pending(Block& block, uint64_t at, uint32_t count, bool pending);
uint8_t* local_access(Warp& w, int lane, uint64_t at, uint32_t count, Access access);
const uint8_t* parameter_access(Warp& w, int lane, uint64_t at, uint32_t count);

// What a request of a warp costs: 32-byte sectors, and passes over the 32 banks of shared memory beyond the least.
void count_sectors(Warp& w, const uint64_t* at, uint32_t lanes, uint32_t count, bool is_store);
void count_conflicts(Warp& w, const uint64_t* at, uint32_t lanes, uint32_t count);

}  // namespace fakegpu
