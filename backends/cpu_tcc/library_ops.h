// library_ops: a library op's name and integer parameters -> a checked shape and what runs it.
//
// The rows of library_ops.cpp are the ops; docs/ADD-A-BACKEND.md lists the same parameters for readers.
#pragma once
#include <array>
#include <span>
#include <string_view>

#include "backends/cpu_tcc/lanes.h"
#include "backends/cpu_tcc/library/along.h"

namespace jt::library {

constexpr size_t kOpPointers = 3;  // most operands and results of an op

struct OpRow;

struct LibraryOp {
  const OpRow* row;
  const LibraryKernels* kernels;
  GemmShape gemm;      // matmul
  Conv2dShape conv;    // conv2d*
  Pool2dShape pool;    // *_pool2d*
  AlongShape along;    // sort, cum*
  int64_t elements[kOpPointers] = {};  // of each array; a pointer may be null where there are none
  size_t workspace_bytes = 0;          // of one call of run_units
  int64_t element_bytes = 0;           // of the result: matmul, conv2d
  int64_t units = 0;                   // independent pieces; their number changes no bit
  size_t packed_bytes = 0;             // of pointer 1 packed; 0: it is not
  bool keeps_packed = false;           // worth keeping for later calls: few rows do not make up for the packing
  bool is_in_order = false;            // units are stretches of the result, one behind another
  std::array<int64_t, 8> packed_form{};  // equal ones: the same bytes are packed the same
  double ns = 0;                       // about what one thread takes for all of them
};

// JT_E_UNSUPPORTED: no op of this name, or not with this dtype. JT_E_INVALID: parameters that mean nothing.
LibraryOp make_library_op(const LibraryKernels& kernels, std::string_view name, std::span<const int64_t> params,
                          int64_t cache_bytes = kUnknownCache);
cpu::Work work_of(const LibraryOp& op);
void check_run(const LibraryOp& op, std::span<void* const> pointers, const void* workspace);  // JT_E_INVALID
// packed: pointer 1 packed, or null.
void run_units(const LibraryOp& op, std::span<void* const> pointers, void* workspace, const void* packed, int64_t begin,
               int64_t end) noexcept;
// where is_in_order: its first element, of all units: their count
int64_t unit_begin(const LibraryOp& op, int64_t unit);
void pack(const LibraryOp& op, const void* operand, void* packed) noexcept;

}  // namespace jt::library
