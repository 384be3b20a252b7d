// tile_text: what all products have in common: a tile of C by a block of threads, and the sum of what several blocks
// have for it.
//
// The text names S and T, what lies in memory and what is summed; BM, BN, TM, TN, THREADS of a Tile; A_ALONG_M,
// B_ALONG_N, C_ALONG_N; LOAD, STORE and ADD_PRODUCT; and of the kind row_a, row_b, at_k, load_a, load_b and place_c. By
// warps: HALF, "f16" or "bf16", and only place_c.
#pragma once
#include <string>

namespace jt::cuda {

std::string tile_text(bool by_warp);

}  // namespace jt::cuda
