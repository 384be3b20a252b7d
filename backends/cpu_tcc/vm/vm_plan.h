// vm_plan: a Program decoded for one layout: registers resolved to slots, primitives to addresses, broadcasts made explicit.
#pragma once
#include <vector>

#include "backends/cpu_tcc/vm/primitives.h"

namespace jt::vm {

// How blocks lie: Mode, with row and column mode split in two.
//   row   one outer element at a time, inner blocks of up to kBlock
//   rows  R whole rows at a time, R * I <= kBlock: outer blocks of R, inner blocks of R * I elements
//   bands the whole outer space, O <= kNarrow, at up to R consecutive inner indices: inner blocks of R * O elements, all columns
//         of one inner index before those of the next. Maps of inner operands are swapped for that.
enum class Layout : uint8_t { flat, row, rows, column, bands };
constexpr int64_t kShortRow = kBlock / 2;  // rows up to this length go several at a time
constexpr int64_t kNarrow = kBlock / 2;    // so many columns at several inner indices at a time
inline bool is_narrow(int64_t outer) { return outer > 0 && outer <= kNarrow; }
// Inner indices in a band: a power of two up to kLanes, so that their lanes of a reduction follow one another.
inline int64_t band_indices(int64_t outer) {
  int64_t indices = kLanes;
  while (indices * outer > kBlock) indices /= 2;
  return indices;
}

enum class OpKind : uint8_t {
  scalar,         // slot points into the arguments
  load_here,      // direct, stored as computed: slot points into the buffer
  load_block,     // direct, converted
  load_mapped,
  element,        // function of up to three slots (also random)
  element_out,    // the same, straight into a direct output
  block,          // BlockFn from slot a: narrow, convert, splat
  repeat,
  tile,
  store_block,    // direct
  store_mapped,
  index,
  gather,
  scatter,
  reduce_row,
  reduce_rows,
  reduce_column,
  reduce_bands,
};

struct Op {
  OpKind kind;
  Level space;           // how many elements: of which level
  Level operand_level;   // how the operand is addressed
  bool copy = false;     // load: a later instruction may overwrite the buffer while the value is still needed
  uint8_t size = 0;      // bytes of a stored element (load_here, load_block, store_block, element_out)
  uint8_t dst_size = 0;  // bytes of a computed element, where copies are made
  int16_t dst = -1, a = -1, b = -1, c = -1;
  int16_t operand = -1;
  int16_t map = -1;      // number of the synthetic map in its place; -1: the operand's own
  int32_t word = 0;      // first argument word of the operand or scalar
  int64_t home = 0;      // of dst, in scratch
  union {
    ElementFn element;
    BlockFn block;
    RepeatFn repeat;
    MapLoadFn map_load;
    MapStoreFn map_store;
    MapIndexFn map_index;
    GatherFn gather;
    ScatterFn scatter;
    const ReduceFns* reduce;
  };
  int reduction = -1;  // number of the reduction, for its state
  int primitive = -1;  // number of the function above, or of the first of a reduction's
  int instr = -1;      // of the program; -1: a broadcast
  int stream = -1;     // element_out, store_block: number of the output in VmPlan::streams
  Op(OpKind k, Level s) : kind(k), space(s), operand_level(s), element(nullptr) {}
};

struct PlanStage {
  Level level;
  std::vector<Op> before;    // once per walk of the level: broadcasts of outer values
  std::vector<Op> ops;       // per block
  std::vector<int> reduces;  // reductions that begin before and end after the walk
};

struct PlanReduction {
  const ReduceFns* fns;
  int primitive;  // number of the first of them
  CType type;  // compared or summed
  int16_t dst;
  int64_t home;
};

// A direct output that is written past the caches when it is large and nothing that was read lies there: its lines would be
// fetched for nothing, and push out what is still needed.
struct StreamedOutput {
  int word;  // of its address
  Level level;
  int size;  // bytes of an element
};
constexpr int64_t kStreamBytes = 16 << 20;  // outputs larger than this
constexpr size_t kMostStreams = 32;

// A map made for a run: of a direct operand of that level; or, swapped, of an inner operand.
struct SyntheticMap {
  Level level;
  bool is_swapped;
  int32_t word;  // of the address of the operand's own map; -1: it is direct
};

struct VmPlan {
  Layout layout;
  std::vector<PlanStage> stages;
  std::vector<Op> broadcasts;  // of uniform values, after the uniform stages
  std::vector<PlanReduction> reductions;
  std::vector<int> output_words;     // argument words of direct outputs
  std::vector<StreamedOutput> streams;
  BlockFn stream = nullptr;          // writes them
  std::vector<int> input_words;      // argument words of operands that are read
  std::vector<SyntheticMap> synthetic_maps;
  int slots = 0;
  int64_t register_bytes = 0;  // including slots for broadcasts

  // Scratch memory: registers and broadcasts, slots, synthetic maps, reduction states.
  static int64_t aligned(int64_t bytes) { return (bytes + 63) / 64 * 64; }
  int64_t slots_at() const { return aligned(register_bytes); }
  int64_t maps_at() const { return slots_at() + aligned(slots * int64_t(sizeof(char*))); }
  int64_t states_at() const { return maps_at() + aligned(int64_t(synthetic_maps.size() * sizeof(IndexMap))); }
  // Bit k: output k is streamed in a run with these arguments.
  uint32_t streaming(const int64_t* args) const {
    uint32_t bits = 0;
    for (size_t k = 0; k < streams.size(); k++) {
      int64_t elements = args[kArgOuter] * (streams[k].level == Level::inner ? args[kArgInner] : 1);
      bool is_large = elements > kStreamBytes / streams[k].size;
      for (size_t i = 0; is_large && i < input_words.size(); i++) is_large = args[input_words[i]] != args[streams[k].word];
      bits |= uint32_t(is_large) << k;
    }
    return bits;
  }
  int64_t lane_bytes() const {
    int64_t bytes = 0;
    for (const PlanReduction& r : reductions) bytes += size_of(r.type);
    return bytes;
  }
};

// After streamed stores, before another thread is told of them.
inline void store_fence() { __builtin_ia32_sfence(); }

VmPlan make_plan(const Program& program, const Primitives& primitives, Layout layout);

}  // namespace jt::vm
