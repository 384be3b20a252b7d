// simplify: a block to an equal block with less to do: composite rows opened, equal nodes one, constants folded, rules
// of algebra and movement applied, what no result needs gone.
//
// In:  any block that verifies.   Out: a block with the same parameters and results, each of the same type and, on any
// values of the parameters and of the scalars (within their classes), the same bits; NaN payloads aside. Without
// composite rows. simplify(simplify(b)) == simplify(b). With fast_math, bits of floats may change; with half_products
// those of products, as much as the order of a sum changes them.
#pragma once
#include <functional>
#include <string_view>

#include "core/ir/block.h"

namespace jt {

struct SimplifyOptions {
  bool fast_math = false;
  bool half_products = false;  // the device multiplies f16 and bf16 with sums in f32: products need no casts
  // Called for each rewrite: the rule as text, the node before, and what takes its place (before it is looked at
  // itself). This is what JT_DUMP=s prints.
  std::function<void(std::string_view rule, Ref before, Ref after)> trace;
};

Block simplify(Block block, const SimplifyOptions& options = {});

// Computes every folded scalar again, in order, after the written ones have changed.
void refold(std::vector<Scalar>& scalars);

}  // namespace jt
