// group: what can be done to a group without looking at the others.
#pragma once
#include "core/schedule/fuse.h"

namespace jt {

constexpr int kMaxGroupAxes = 12;

// Replaces an axis by several, in every map. All or nothing: false where a map cannot follow.
bool split_axis(Group& g, const AxisSplit& split);
// Reduced axes go last, in every map.
void outer_axes_first(Group& g);

}  // namespace jt
