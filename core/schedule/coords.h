// coords: index maps. Where an element of a value lies, as a function of the axes that a group walks.
//
// Coordinate j of the value is an affine function of the group's axes. Movement ops change the function, not the data:
// `through` takes the coordinates in a movement's result and gives those in its operand, if they can be written this
// way. Starts of slices may differ between runs of one plan, so constants are affine in the block's `wheres`.
#pragma once
#include <bit>
#include <cstdint>
#include <vector>

#include "core/ir/block.h"

namespace jt {

// base + sum of factor * wheres[id]: a number of the plan that may move with the starts of slices.
struct Place {
  Dim base = 0;
  struct Term { int32_t where; Dim factor; };
  std::vector<Term> terms;
  bool is_fixed() const { return terms.empty(); }
  int64_t at(std::span<const int64_t> wheres) const {  // of plain numbers
    int64_t value = base.word();
    for (Term t : terms) value += t.factor.word() * wheres[t.where];
    return value;
  }
  void add(const Place& other, Dim factor = 1);
  bool operator==(const Place& o) const;
};

// One coordinate of a value: place + sum of factor * index along group axis.
struct Coordinate {
  Place place;
  int n = 0;
  struct Term { int axis; Dim factor; } terms[3];
  bool add(int axis, Dim factor);  // false: more axes than a coordinate may have
  bool is_axis(int axis) const { return n == 1 && terms[0].axis == axis && same(terms[0].factor, 1) && is_plain(); }
  bool is_plain() const { return same(place.base, 0) && place.is_fixed(); }
  bool operator==(const Coordinate& o) const;
};

// Where along a group axis the value exists: lo <= index < hi; elsewhere it is the fill value of a pad.
struct Limit {
  int axis;
  Place lo, hi;
  bool operator==(const Limit&) const = default;
};

inline bool same_bits(double a, double b) { return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b); }

struct Coords {
  std::vector<Coordinate> of;  // one per axis of the value
  std::vector<Limit> limits;
  double fill = 0;  // may be NaN or -0, so fills are compared by their bits
  bool operator==(const Coords& o) const { return of == o.of && limits == o.limits && same_bits(fill, o.fill); }
};

// What a walk may have to do to its axes so that a movement can be passed.
struct AxisSplit { int axis = -1; std::vector<Dim> extents; };

enum class Passage { yes, needs_split, no };
// Coordinates in node's operand from those in its result. needs_split: split the group's axis first, then ask again.
Passage through(const Node* movement, const Coords& in_result, std::span<const Dim> axis_extents, const Block& block,
                Coords* in_operand, AxisSplit* split);

}  // namespace jt
