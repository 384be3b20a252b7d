// lower: a fused group -> a block program, and the recipe for its arguments.
//
// The program knows no extents, addresses or values; equal programs are one kernel. What differs between two uses of a
// kernel is in the recipe: which value each operand is, how its elements lie under the group's axes, and the scalars.
#pragma once
#include "core/base/program.h"
#include "core/schedule/fuse.h"

namespace jt {

// An IndexMap of Dims.
struct DimMap {
  int32_t outer_rank = 0, inner_rank = 0;
  uint32_t masked = 0;
  Dim offset = 0;
  Dim extent[kMapRank] = {}, stride[kMapRank] = {}, lo[kMapRank] = {}, hi[kMapRank] = {};
};

struct OperandRecipe {
  Ref value;                // null: nothing is read, the map gives coordinates or addresses
  Place offset;             // of element 0, in elements; without a value: the map's offset
  bool has_map = false;     // second word is the map below
  DimMap map;               // offset 0; limits filled from the places when they move
  struct MovingLimit { int axis; Place lo, hi; };
  std::vector<MovingLimit> moving;
  Dim second = 0;           // otherwise: the second word (element count of a whole operand)
};

struct ScalarRecipe {
  CType type;
  int scalar = -1;          // of the block; else the literal
  int64_t literal = 0;      // bits in the compute type
  Dim number = 0;           // where it is an expression, this is the value instead
};

struct LoweredGroup {
  Program program;
  Dim outer = 1, inner = 1;
  std::vector<OperandRecipe> operands;
  std::vector<ScalarRecipe> scalars;
  bool is_sequential = false;  // scatters: one range, in order
};

LoweredGroup lower(const Group& group);

// Bits of a scalar of the block (double or integer bits) as an argument word of a compute type.
int64_t argument_bits(CType type, DType dtype, int64_t bits);

}  // namespace jt
