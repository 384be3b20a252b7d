// block_plan: a Program decoded for one layout: what each block is, which operand lies under it, broadcasts made
// explicit.
//
// It names no functions and no machine: the block VM looks up primitives for it, the renderers print loops or calls
// from it, so what a program means is said once. Registers are slots; a broadcast of one to another level is a slot
// behind them.
#pragma once
#include <string>
#include <vector>

#include "core/base/program.h"

namespace jt::loops {

// How blocks lie: Mode, with row and column mode split in two.
//   row   one outer element at a time, inner blocks of up to kBlock
//   rows  R whole rows at a time, R * I <= kBlock: outer blocks of R, inner blocks of R * I elements
//   bands the whole outer space, O <= kNarrow, at up to R consecutive inner indices: inner blocks of R * O elements,
//         all columns of one inner index before those of the next. Maps of inner operands are swapped for that.
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

// Which axes of a map the n elements of a block run along, and what `outer` and `inner` mean then:
//   outer  elements outer..outer+n-1 of the outer space, all at inner index `inner`
//   inner  elements inner..inner+n-1 of the inner space of outer element `outer`
//   both   elements outer..outer+n-1 of the flattened space of all axes
enum Along : int { kAlongOuter, kAlongInner, kAlongBoth };

// vs: the second operand is one element; sv: the first is. Rows of one or three operands take blocks only.
enum class Variant : uint8_t { vv, vs, sv };

enum class OpKind : uint8_t {
  scalar,         // slot points into the arguments
  load_here,      // direct, stored as computed: slot points into the buffer
  load_block,     // direct, converted
  load_mapped,
  element,        // function of up to three slots (also random)
  element_out,    // the same, straight into a direct output
  block,          // of slot a: narrow, convert, splat
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
  Variant variant = Variant::vv;
  bool copy = false;     // load: a later instruction may overwrite the buffer while the value is still needed
  uint8_t size = 0;      // bytes of a stored element (load_here, load_block, store_block, element_out)
  uint8_t dst_size = 0;  // bytes of a computed element, where copies are made
  int16_t dst = -1, a = -1, b = -1, c = -1;
  int16_t operand = -1;
  int16_t map = -1;      // number of the synthetic map in its place; -1: the operand's own
  int32_t word = 0;      // first argument word of the operand or scalar
  int64_t home = 0;      // of dst, in scratch
  int reduction = -1;    // number of the reduction, for its state
  int instr = -1;        // of the program; -1: a broadcast
  int stream = -1;       // element_out, store_block: number of the output in BlockPlan::streams
  int number = -1;       // of the op in the plan
  Op(OpKind k, Level s) : kind(k), space(s), operand_level(s) {}
};

struct PlanStage {
  Level level;
  std::vector<Op> before;    // once per walk of the level: broadcasts of outer values
  std::vector<Op> ops;       // per block
  std::vector<int> reduces;  // reductions that begin before and end after the walk
};

struct PlanReduction {
  Reduction kind;
  CType type;  // compared or summed
  int16_t dst;
  int64_t home;
  int op;  // number of the op
};

// A direct output that is written past the caches when it is large and nothing that was read lies there: its lines
// would be fetched for nothing, and push out what is still needed.
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

struct BlockPlan {
  Layout layout;
  std::vector<PlanStage> stages;
  std::vector<Op> broadcasts;  // of uniform values, after the uniform stages
  std::vector<PlanReduction> reductions;
  std::vector<int> output_words;     // argument words of direct outputs
  std::vector<StreamedOutput> streams;
  std::vector<int> input_words;      // argument words of operands that are read
  std::vector<SyntheticMap> synthetic_maps;
  int slots = 0, ops = 0;
  int64_t register_bytes = 0;  // including slots for broadcasts

  bool has_columns() const { return layout == Layout::column || layout == Layout::bands; }
  // Values of this level are one element at a time.
  bool is_one_element(Level level) const {
    return level == Level::uniform || (level == Level::outer && layout == Layout::row);
  }

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
      for (size_t i = 0; is_large && i < input_words.size(); i++)
        is_large = args[input_words[i]] != args[streams[k].word];
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

// Throws JT_E_INTERNAL for a program that no parser would give.
BlockPlan make_plan(const Program& program, Layout layout);

}  // namespace jt::loops
