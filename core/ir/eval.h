// eval: a block's results by the obvious way: node after node, loops over logical indices, one vector per result; no
// fusion, no views, no vectors. What every faster way is compared with, to the bit except for library ops.
//
// Element rows and reductions are computed in the compute type of their operands and rounded or wrapped once to the
// node's dtype; reductions keep the order that program.h defines. Library ops accumulate floats in f64 and round once.
#pragma once
#include <span>
#include <vector>

#include "core/ir/block.h"

namespace jt {

struct HostValue {
  Type type;
  std::vector<unsigned char> bytes;  // dense, row-major
};

std::vector<HostValue> evaluate(const Block& block, std::span<const HostValue> params);
// The same for values of a recorder: leaves, and nodes that ran, are read from their buffers.
std::vector<HostValue> evaluate(std::span<const Ref> asked);

// An element row of scalars of one dtype (the condition of where: bool), or a cast, to the bits of a Scalar of dtype
// `to`: the folding that agrees with computing.
int64_t fold(Op op, std::span<const Scalar> from, DType to);

// The key of random_bits: what Philox is keyed with.
inline uint64_t random_key(int64_t seed, int64_t stream) {
  return uint64_t(seed) ^ uint64_t(stream) * 0x9E3779B97F4A7C15u;
}

}  // namespace jt
