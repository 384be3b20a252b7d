// guards: the indices of a block -> results behind those asked for that tell whether one is out of range.
//
// In:  a block with check_index nodes, which compute nothing.   Out: the same, and for each index and range one more
// result, u64 and 0-d: the largest of its elements as u64, those inside counting as 0 (which is inside). So a backend
// needs nothing for it, and whoever runs the block can name one that is outside. A guard is listed as soon as its index
// is there.
#pragma once
#include "core/ir/block.h"

namespace jt {

void add_guards(Block& block);

}  // namespace jt
