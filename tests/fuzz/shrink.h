// shrink: what failed, as a block of its own -> the smallest block that still fails.
#pragma once
#include "tests/pipeline/support.h"

namespace jt::test {

struct Case {
  Block block;
  std::vector<HostValue> params;
};

// The pending graph behind these values, and what it reads.
Case capture(std::span<const Ref> values);
// Index of the first element that differs (NaNs are alike), or -1.
int64_t first_difference(const HostValue& want, const void* got);
// Records the block in a fresh context, twice: the second time with other scalars and starts, so that the plan of the
// first runs again. Whether some result differs from the evaluator's, or anything throws.
bool fails(const Case& c, const Setting& setting);
// Results fewer, nodes fewer, as long as it fails.
Case shrunk(Case c, const Setting& setting);
Case copy(const Case& c);

}  // namespace jt::test
