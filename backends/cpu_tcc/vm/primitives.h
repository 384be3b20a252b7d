// primitives: the block functions that kernels are made of, compiled into the library once per ISA level.
//
// The block VM calls them by pointer; kernels of the libtcc tier call the same ones by number (see kPrimitives). They
// see plain arrays: `dst` may be the same array as an operand of the same element size, else nothing overlaps. A block
// has up to kBlock elements where temporary storage is needed (map_load, map_store), any number elsewhere.
#pragma once
#include <cstddef>
#include <vector>

#include "backends/cpu_tcc/vm/block_table.h"
#include "core/base/element.h"

namespace jt::vm {

using ElementTable = ElementFn[kElements][3];  // by Variant; null where the row has none

struct Primitives {
  Isa isa;
  const ElementTable* element[kCTypes];
  const BlockPrimitives* block;
};

const Primitives* primitives(Isa isa);  // null if this CPU cannot run it
const Primitives& best_primitives();

// A primitive's number is its place in the element tables (by type, row, variant), then in BlockPrimitives, then here:
// the same on every ISA level. Compiled kernels know primitives by nothing else.
constexpr int kElementNumbers = kCTypes * kElements * 3;
constexpr int kBlockNumbers = int(sizeof(BlockPrimitives) / sizeof(void*));
constexpr int kReduceBegin = kElementNumbers + kBlockNumbers;
constexpr int kReduceStateBytes = kReduceBegin + 1, kColumnWidth = kReduceBegin + 2, kDirectMap = kReduceBegin + 3;
constexpr int kCopy = kReduceBegin + 4;  // memcpy
constexpr int kSwappedMap = kReduceBegin + 5;
constexpr int kStream = kElementNumbers + int(offsetof(BlockPrimitives, stream) / sizeof(void*));
constexpr int kPrimitives = kReduceBegin + 6;

int number_of(const Primitives& p, const void* entry);    // entry: its address in one of the tables
std::vector<const void*> by_number(const Primitives& p);  // null where there is none

}  // namespace jt::vm
