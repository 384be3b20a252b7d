// fuse: cuts a simplified block into steps, each one launch: a group (a kernel made for it) or a library call.
//
// Nodes are visited from the last to the first. A node joins the group that uses it if it can be computed there,
// element by element, at the index where it is used; otherwise it begins a group of its own, and its users load it. A
// reduction joins a group whose axes are its kept axes (and, if the group has more, its reduced axes: then the group
// becomes a row program). A value that others need too is stored by the group that computes it. Movement ops never
// compute: uses pass through them as index maps. Nothing here looks at op names, only at kinds, except where a kind has
// a special place.
//
// A step is never joined if that would make two steps wait for each other.
#pragma once
#include <vector>

#include "core/ir/numbering.h"
#include "core/schedule/coords.h"

namespace jt {

struct GroupAxis {
  Dim extent;
  bool inner = false;  // reduced
};

// A value needed inside a group, at coordinates of the group's axes; `instance` computes or loads it.
struct Use {
  Ref ref;
  Coords coords;
  int instance = -1;
};

struct Instance {
  Ref ref;
  Coords coords;
  bool loads = false;      // reads the buffer of ref; else computes ref's node from `uses`
  std::vector<int> uses;   // of the group, in the order of the node's computed operands
};

// What a group leaves behind: `value`, or a part of it.
struct Output {
  Ref value;
  int use;                  // what is stored
  Coords coords;            // of the group: where in value; for scatters: of the use's element
  // the address is computed: from this use, along an axis, or, kByText, by the row's index strings
  int index_use = kNone;
  Combine combine = Combine::set;
  static constexpr int kNone = -1, kByText = -2;
  bool scatters() const { return index_use != kNone; }
};

struct Group {
  std::vector<GroupAxis> axes;     // outer axes first once fused
  std::vector<Use> uses;
  std::vector<Instance> instances; // users before what they use
  std::vector<Output> outputs;
  bool is_flat_only = false;       // stores parts or scatters
};

struct Step {
  Node* node = nullptr;            // library call; else null
  std::vector<Ref> operands;       // values read whole: of a library call; of a group, by its index ops and as its base
  uint32_t transposed = 0;         // library: of these operands the last two axes are swapped first
  Group group;
  int position = 0;                // in program order
  Ref base;                        // value that the (only) output begins as: copied unless it dies here
  bool fills = false;              // the output begins as the identity of its combine
};

struct Schedule {
  std::vector<Step> steps;         // in run order
  std::vector<std::pair<Ref, Ref>> aliases;  // first has the bytes of second; in an order that resolves chains
};

// reads_halves: products read f16 and bf16 that are cast to f32 before they are cast (JT_BE_HALF_PRODUCTS).
Schedule fuse(const Block& block, const Numbering& numbering, bool reads_halves = false);
// The text of JT_DUMP=f.
std::string to_text(const Schedule& schedule, const Numbering& numbering);

}  // namespace jt
