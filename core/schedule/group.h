// group: what can be done to a group without looking at the others.
#pragma once
#include "core/schedule/fuse.h"

namespace jt {

constexpr int kMaxGroupAxes = 12;

// Replaces an axis by several, in every map. All or nothing: false where a map cannot follow.
bool split_axis(Group& g, const AxisSplit& split);
// Reduced axes go last, in every map.
void outer_axes_first(Group& g);

// Each coordinate is an axis of its own: the group visits every element of the value exactly once.
bool visits_once(const Group& g, const Coords& c, const Shape& shape);
// A reduction's result is visited once a row, whatever axes become inner when it joins.
bool visits_rows_once(const Group& g, const Coords& c, const Shape& shape);
// The reduced extents of a reduction, in order.
std::vector<Dim> reduced_extents(const Node* node);
// The group walks, or can be made to walk, what the reduction at `c` folds.
bool can_reduce_in(const Node* node, const Group& g, const Coords& c);
// Computed once a row as soon as the reduction behind it has joined too: log(sum(..)) in a log-softmax.
bool leads_to_reduction(const Node* node, const Group& g, const Coords& c);

}  // namespace jt
