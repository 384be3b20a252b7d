// dialect: a language as data: what the renderer of loops (render_loops) says in it, and which of its ways the language
// has.
//
// In loops, N stands for how many. In `reduction`, NAME, TYPE, OF, NONE and EMPTY stand for a reduction in a type: its
// name, the type, `x` with `y`, the identity that lanes begin with, and what comes of no elements. It defines
//   NAME_of(x, y)                 NAME_begin(t): lanes                        NAME_end_block(t, p, k): the lanes of block k are full
//   NAME_fold_few(t, n)           a row of 1 <= n < 64 elements
//   NAME_empty()                  NAME_end_row(t, p, k): the result; k full blocks came before the lanes
// where t is `TYPE t[64]` and p, partial results, `TYPE p[52]`. `place_reduction` defines, for argmax and argmin,
// struct NAME and
//   NAME_add(&t, x, i)            where `t.index` is the result
// For threads (render_threads) both define
//   NAME_t                        what a lane keeps         NAME_none(), NAME_of(x, y), NAME_put(t, x, i), NAME_value(t, I)
//   NAME_warp(t, u)               of all lanes of a warp    NAME_fold(p, blocks, step, I), NAME_fold_by_warp(p, blocks, I): of partial results
#pragma once
#include <cstdint>
#include <string_view>

#include "core/base/dtype.h"

namespace jt {

enum class Libm : uint8_t {
  declared,  // each is declared where it is used
  builtin,   // `__builtin_fmaf`
  known      // without a declaration
};

struct Dialect {
  std::string_view head;  // what a file begins with: i64, u64, JT_INF, JT_NAN and the words below that are macros

  // Functions.
  std::string_view function;               // before a small one
  std::string_view part, kernel;           // before one that a kernel calls, before a kernel: `void`
  std::string_view parameters, arguments;  // of both, and as one hands them on
  std::string_view extents;                // the first lines of both: O and I
  bool has_name_spaces;     // `in_f32::exp`; else `jt_exp_f32`, and a bool is a byte
  Libm libm;                // how fma, sqrt and their like are called

  // Loops.
  std::string_view over_outer;     // outer elements, o
  std::string_view over_elements;  // N elements of a block in any order, j
  std::string_view in_order;       // the same, one after another
  std::string_view over_lanes;     // N lanes of a reduction, l
  std::string_view blocks;         // the array b of N bytes on the stack, aligned to 64
  // a loop that only reduces always has 64 lanes: the last ones of a row work on a copy
  bool pads_lanes;
  std::string_view reduction, place_reduction;
  std::string_view folds;          // behind either

  // What a loop cannot do as a whole block: far arguments, maps, gathers, halves. Either the host offers functions of
  // blocks (HostCalls), and outputs may be streamed past caches and short rows and columns taken several at a time; or
  // it is a loop of its own over expressions, and rows are taken one at a time.
  bool calls_host;
  bool rounds_in_an_instruction;  // fma, floor, ceil, trunc, rint vectorise
  int64_t most_stack;             // bytes of blocks in one function: threads of a host may have little
  int64_t row_cache;              // elements of a row, on the stack, that keep what two walks over it need; 0: none
  const char* stored[kDTypes + 1];  // types of what lies in memory; null: only functions of blocks know how
};

// C++ for g++ and clang++ with the host's functions of blocks. Functions are named in the text's order.
Dialect cpp_dialect(bool rounds_in_an_instruction);
// C99 that needs nothing else.
const Dialect& c99_dialect();
// CUDA C without a header, for render_threads: of loops it has none.
const Dialect& cuda_dialect();

}  // namespace jt
