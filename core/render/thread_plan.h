// thread_plan: a program and the arguments of a launch -> which of its texts for threads serves (ThreadShape), the
// kernels of that text with the threads they want, and the arguments as those kernels take them.
//
// A text depends on ranks of index maps, on which axes have limits, on whether indices fit 31 bits, and on how a
// reduction is spread over threads; never on extents, strides or addresses: those are arguments. So a new shape needs
// no new text.
//
// Arguments are one struct of 8-byte fields, whose order `each_field` says for the text and for the bytes alike.
// Divisions by extents are multiplications with numbers that are arguments too.
#pragma once
#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/base/program.h"

namespace jt {

// How threads share the work.
enum class ThreadForm : uint8_t {
  elements,       // a thread has some consecutive outer elements
  // scatters: every thread walks over all elements in order, and scatters to the addresses that are its own
  in_order,
  // a scatter of many: a thread has an element and keeps where it goes, which is sorted; then the first of those that
  // meet combines them in order
  sorted,
  warp_rows,      // a warp has a row of up to kReduceBlock elements, through all stages
  block_rows,     // a block of threads has a row, each of its warps kReduceBlock elements at a time, through all stages
  block_columns,  // a block of threads has 32 columns, which are neighbours in memory, through all stages
  // a kernel for each stage. Inner ones: a warp has kReduceBlock elements of a row; partial results lie in scratch
  // memory
  split_rows,
  split_columns,  // the same where neighbours in memory are of the outer space: 32 columns a block of threads
};
constexpr int kWarp = 32;
// of kReduceBlock elements, of forms that go through all stages
constexpr int kMostRowBlocks = 64, kMostColumnBlocks = 8;
constexpr int kElementThreads = 256, kRowThreads = 128, kColumns = 32, kMostOwners = 1024;

struct ThreadShape {
  ThreadForm form = ThreadForm::elements;
  bool is_wide = false;         // indices of 64 bits
  bool folds_by_warp = false;   // split: a warp, not a thread, combines the partial results of an outer element
  struct Walk {                 // operands with the same extents are walked over once
    int outer_rank, inner_rank;
    auto operator<=>(const Walk&) const = default;
  };
  std::vector<Walk> walks;
  std::vector<int> walk_of;      // by operand; -1: it has no map
  std::vector<uint32_t> masked;  // by operand: axes with limits
  auto operator<=>(const ThreadShape&) const = default;
};
std::string to_text(const ThreadShape& shape);
// wide: 64 bits whatever the extents are. JT_E_UNSUPPORTED for a program that threads have no way for.
ThreadShape shape_for(const Program& program, const int64_t* args, bool wide = false);

// What the text of a shape consists of.
struct ThreadKernel {
  int first_stage, last_stage;  // stages that it does, [first, last), beside the uniform one
  bool folds = false;           // it begins by combining the partial results of the inner stage before it
  Level level = Level::outer;
  std::string name(size_t number) const { return "jt_kernel_" + std::to_string(number); }
};
std::vector<ThreadKernel> kernels_of(const Program& program, const ThreadShape& shape);

// Elements of a thread in form `elements`; rows of threads that share 32 columns in form `split_columns`.
int elements_per_thread(const Program& program);
int column_threads(const Program& program);

// Outer registers that one kernel writes and a later one reads; they lie in scratch memory.
std::vector<int> kept_registers(const Program& program, const std::vector<ThreadKernel>& kernels);
std::vector<int> reductions_of(const Program& program);  // instructions
int bytes_of_partial(const Program& program, const Instr& reduce);

// A field: its name in the text; what it is.
struct ThreadField {
  enum Kind : uint8_t { outer, inner, begin, end, blocks, owners, address, count, offset, stride, low, range, extent,
      magic, scalar, partial, kept, places, sorted, order, values } kind;
  int of = 0, axis = 0;  // operand, walk, scalar, reduction or register; axis
  std::string name() const;
  const char* type() const;
};
void each_field(const Program& program, const ThreadShape& shape, const std::function<void(const ThreadField&)>& visit);

// For n below 2^31, n / extent == (high 32 bits of n * (low half) + n) >> (high half); an extent of 0 counts as 1.
uint64_t magic_divisor(int64_t extent);

struct ThreadLaunch {
  unsigned grid, block_x, block_y;  // grid 0: nothing to do
};
int64_t scratch_of(const Program& program, const ThreadShape& shape, const int64_t* args);
// Form `sorted`: places lie in scratch memory as i32, or i64 where indices are wide, -1 for those that are dropped.
// Between its two kernels they are to be sorted, equal ones as they stand, into `sorted`, with where each stood as i64
// in `order`.
struct ScatterScratch {
  int64_t places, sorted, order, values, end;  // bytes into it
};
ScatterScratch scatter_scratch(const Program& program, const ThreadShape& shape, const int64_t* args);
// The bytes of the arguments.
std::vector<uint64_t> pack_threads(const Program& program, const ThreadShape& shape, const int64_t* args, int64_t begin,
                                   int64_t end, uint64_t scratch);
ThreadLaunch launch_of(const Program& program, const ThreadShape& shape, const ThreadKernel& kernel,
                       const int64_t* args, int64_t begin, int64_t end);

}  // namespace jt
