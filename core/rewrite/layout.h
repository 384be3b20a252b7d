// layout: convolutions and poolings made channels last, and with them what lies between.
//
// In:  a simplified block.   Out: an equal block whose rows over images (those with the attribute channels_last) have
// it set, as library kernels want it. Values that come from such rows, and what is computed from them element by
// element, by concatenation or reduction, are [N,H,W,C] too: a network is converted where it begins and where it ends,
// by transposes, which are index maps in whatever group reads or writes there.
#pragma once
#include "core/ir/block.h"

namespace jt {

// True if a row of the block wants images.
bool has_images(const Block& block);
Block lay_out(Block block);

}  // namespace jt
