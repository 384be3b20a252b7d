// memory: a schedule and its kernels -> where every value lies, and which steps write over what they read.
//
// A value that the program asked for gets a buffer of its own; everything else lives in one arena, where lifetimes that
// do not meet share bytes. In place: a group's output takes the bytes of an operand that dies there, if both are walked
// element by element in the same order and the program reads each element no later than it writes it. The block's
// params are written over behind its guards only. Who takes whose bytes, and when what is free, follows from the
// structure; offsets are found for each set of extents, by going through the takings in order.
#pragma once
#include <vector>

#include "core/ir/numbering.h"
#include "core/kernel/lower.h"
#include "core/schedule/fuse.h"

namespace jt {

enum class Where : uint8_t { input, output, arena };

struct Location {  // of a value's first byte
  Where where = Where::arena;
  int32_t index = 0;      // of the block's param, of the output buffer, of the slot
  bool operator==(const Location&) const = default;
};
struct Slot { int64_t offset, bytes; };  // of the arena; values that do not live at once may share bytes

// What happens to the arena, step by step. The offsets of slots of these sizes, and the bytes of it all.
struct ArenaEvent { int32_t slot; bool takes; };  // else gives back
int64_t place_slots(std::span<const ArenaEvent> events, std::span<Slot> slots);

struct MemoryPlan {
  std::vector<Location> values;        // by number
  std::vector<Dim> slot_bytes;
  std::vector<ArenaEvent> events;
  std::vector<Dim> output_bytes;       // buffers to allocate for a run
  std::vector<int32_t> output_from;    // param whose buffer the output takes over (it dies in this plan), or -1
  std::vector<int32_t> result_output;  // of each result of the block: output index, or -1: it is an input's buffer
  std::vector<int32_t> result_input;   // the input then
  std::vector<bool> copies_base;       // by step: the base must be copied to the output first
  // by step: of a region the slot of what it needs besides, as large as its plans will say; -1
  std::vector<int32_t> workspace;
};

// What may be written over of a plan's params.
struct MemoryRules {
  std::vector<bool> dies;
  // Of a loop's body: the result that is param i after a round, the only one that may take its bytes. Empty: any may.
  std::vector<Ref> next;
};

// rules.dies[i]: param i is not needed after this plan and its buffer is exclusively ours.
MemoryPlan plan_memory(const Block& block, const Numbering& numbering, const Schedule& schedule,
                       std::span<const LoweredGroup> groups, const MemoryRules& rules);
std::string to_text(const MemoryPlan& plan, const Block& block, const Numbering& numbering, const Schedule& schedule);

}  // namespace jt
