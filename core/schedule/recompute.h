// recompute: a schedule that needs fewer bytes at once, because values are dropped and computed again where they are
// next read.
//
// Dynamic tensor rematerialization (Kirisame et al., ICLR 2021) with the future known. The steps are walked in order
// under a budget; where the values of a step do not fit beside those that are there, that one goes which is large,
// needed late and cheap to have again. A step that reads what has gone runs the step that made it once more, and before
// it what that reads.
#pragma once
#include <optional>

#include "core/schedule/fuse.h"

namespace jt {

// Values that only steps see take at most `budget` bytes at once; params and results are always there and not counted.
// None if no such order is found. A step that runs again has nodes of its own for what it makes: they are added to the
// block. The plan of memory has the last word on bytes: it knows what is done in place, and what is lost between
// values.
std::optional<Schedule> recompute(Block& block, Numbering& numbering, const Schedule& schedule, int64_t budget);

}  // namespace jt
