// isa: the library for one instruction set. CMake compiles this file once per row of its table, with
//   JT_LIBRARY_ISA      generic, avx2 or avx512: names the table that comes out
//   JT_VECTOR_BYTES     a register
//   JT_TILE_ROWS, JT_TILE_VECTORS   the tile of C that is held in registers; with its operands it must fit them
//   JT_TAP_ROWS         the same for convolutions, whose tiles are two registers wide
// Everything included here lives in an unnamed namespace, so no copy of one ISA is ever taken for another's.
#include "backends/cpu_tcc/library/conv.h"
#include "backends/cpu_tcc/library/gemm.h"
#include "backends/cpu_tcc/library/pool.h"

#define JT_TEXT_OF(x) #x
#define JT_TEXT(x) JT_TEXT_OF(x)
#define JT_JOIN_OF(a, b) a##b
#define JT_JOIN(a, b) JT_JOIN_OF(a, b)

namespace jt::library {

extern const LibraryKernels JT_JOIN(kKernels_, JT_LIBRARY_ISA);
const LibraryKernels JT_JOIN(kKernels_, JT_LIBRARY_ISA) = {
    Isa::JT_LIBRARY_ISA,
    JT_TEXT(JT_LIBRARY_ISA),
    gemm_offers,
    gemm_workspace,
    gemm_units,
    gemm,
    gemm_packed_bytes,
    gemm_pack,
    gemm_unit_begin,
    conv2d_workspace,
    conv2d_units,
    conv2d,
    conv2d_packed_bytes,
    conv2d_pack,
    conv2d_unit_begin,
    conv2d_grad_x_workspace,
    conv2d_grad_x_units,
    conv2d_grad_x,
    conv2d_grad_w_workspace,
    conv2d_grad_w_units,
    conv2d_grad_w,
    pool2d_units,
    max_pool2d,
    max_pool2d_grad,
    avg_pool2d,
    avg_pool2d_grad,
};

}  // namespace jt::library
