// block_table: what the block functions of one ISA level look like, element rows aside: types, and the table of their
// addresses. A new element row changes nothing here.
#pragma once
#include "core/base/program.h"
#include "core/render/block_plan.h"

namespace jt::vm {

enum class Isa : uint8_t { base, avx2, avx512 };  // base: x86-64 with SSE2
constexpr int kIsas = 3;
const char* name(Isa isa);

using loops::Variant;
using loops::kAlongOuter, loops::kAlongInner, loops::kAlongBoth;  // of maps

using ElementFn = void (*)(void* dst, const void* a, const void* b, const void* c, int64_t n);
using BlockFn = void (*)(void* dst, const void* src, int64_t n);
// Returns where the block is: dst, or inside the buffer if it lies there as a run that needs no conversion.
using MapLoadFn = const void* (*)(void* dst, const void* base, const IndexMap* map, int64_t outer, int64_t inner,
                                  int64_t n, int along, const void* fill);
using MapStoreFn = void (*)(void* base, const void* src, const IndexMap* map, int64_t outer, int64_t inner, int64_t n,
                            int along);
using MapIndexFn = void (*)(int64_t* dst, const IndexMap* map, int64_t outer, int64_t inner, int64_t n, int along);
using GatherFn = void (*)(void* dst, const void* base, const int64_t* at, int64_t count, int64_t n, const void* fill);
using ScatterFn = void (*)(void* base, const int64_t* at, const void* src, int64_t count, int64_t n);
using RepeatFn = void (*)(void* dst, const void* src, int64_t count, int64_t times);

// A reduction of one row: begin(state, 1), add blocks in order (each but the last a multiple of kLanes), end.
// Of w columns at once: begin(state, w), column_add once per inner index, column_end. Of short rows that lie one after
// another: rows, without a state. Of w columns at `indices` inner indices, one band of w after another: bands; all but
// the last have the same number of indices, which divides kLanes.
struct ReduceFns {
  void (*add)(void* state, const void* a, int64_t n);
  void (*end)(void* state, void* dst);
  void (*column_add)(void* state, const void* a, int64_t n);
  void (*column_end)(void* state, void* dst, int64_t n);
  void (*rows)(void* dst, const void* a, int64_t rows, int64_t length);  // length 1..kBlock
  void (*bands)(void* state, const void* a, int64_t n, int64_t indices);
};
constexpr int kReductions = 8, kCombines = 5;

// Bytes of the state of one reduction over `inner` indices in type t, `width` columns at once (1: a row).
int64_t reduce_state_bytes(CType t, int64_t width, int64_t inner);
void reduce_begin(void* state, int64_t width);
// How many columns are reduced at once; lane_bytes: one element of each reduction's type.
int64_t column_width(int64_t lane_bytes, int64_t inner);
// The map of a direct operand of level outer, or inner.
void direct_map(IndexMap* map, bool has_inner, int64_t outer, int64_t inner);
// The map of an operand of level inner with its inner axes first; from: its own, null if it is direct.
void swapped_map(IndexMap* map, const IndexMap* from, int64_t outer, int64_t inner);

struct BlockPrimitives {
  BlockFn load[kDTypes + 1];              // stored dtype -> its compute type
  BlockFn store[kDTypes + 1];             // compute type -> dtype: to nearest even, integers wrap
  BlockFn narrow[kDTypes + 1];            // load(store(x))
  BlockFn convert[kCTypes][kCTypes];      // [to][from]; float to integer saturates, NaN gives 0; to bool: != 0
  BlockFn splat[kCTypes];                 // one element -> a block
  // a copy of n bytes past the caches, visible to other threads after a store fence
  BlockFn stream;
  RepeatFn repeat[kCTypes];               // each of count elements, `times` times
  RepeatFn tile[kCTypes];                 // count elements, all of them `times` times
  MapLoadFn map_load[kDTypes + 1];
  MapStoreFn map_store[kDTypes + 1];
  MapIndexFn map_index;                   // -1 where the map masks
  GatherFn gather[kDTypes + 1];
  ScatterFn scatter[kCombines][kDTypes + 1];
  ElementFn random;                       // i64 <- i64 index, u64 key, i64 counter
  ReduceFns reduce[kReductions][kCTypes]; // any, all: b8; argmax, argmin: the type compared; null where there is none
};

}  // namespace jt::vm
