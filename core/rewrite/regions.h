// regions: simplify, and lay out, also in the blocks that nodes own, and what can be said of loops and branches as a
// whole.
//
// A constant condition picks its block, and a loop without rounds is what it begins with. Results that nobody reads go,
// with what only they need; so do carried values that only serve themselves, captured values that no node reads, and
// what is carried but never changes is captured instead. What a loop's block computes from captured values alone is
// computed once, outside.
#pragma once
#include "core/rewrite/simplify.h"

namespace jt {

Block simplify_with_regions(Block block, const SimplifyOptions& options = {});

}  // namespace jt
