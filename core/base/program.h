// program: the loop IR in executable form: what a fused group does, without extents, addresses or scalar values.
//
// A program walks an *outer* space of O elements (the kept axes, flattened row-major) and, if it reduces, for each of
// them an *inner* space of I elements (the reduced axes, flattened). The block VM interprets it; the C renderers print
// it; both call the same primitives in the same order, so they agree to the bit.
//
// Values live in registers. A value has a level: uniform (one element for the whole run), outer (one per outer
// element) or inner (one per pair). A program is a list of stages; each belongs to one level and its instructions
// run block by block over that level's space. How the blocks lie is the mode:
//   flat    no inner space; a block is up to kBlock consecutive outer elements
//   row     outer elements one by one; an inner block is up to kBlock consecutive inner elements of one outer element
//   column  an outer block is up to kBlock consecutive outer elements; the inner space is walked one index at a time,
//           so an inner block has the width of the outer block, all at the same inner index
// Modes differ in speed only: a reduction's order is over logical indices (see Reduction).
#pragma once
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "core/base/dtype.h"

namespace jt {

constexpr int kBlock = 512;         // elements in a block register
constexpr int kLanes = 64;          // lanes of a float reduction: inner index i adds into lane i mod 64
constexpr int kReduceBlock = 4096;  // lanes are folded by a halving tree each so many inner indices
constexpr int kMapRank = 16;        // most axes of an operand's index map: outer plus inner

enum class Mode : uint8_t { flat, row, column };
enum class Level : uint8_t { uniform, outer, inner };
const char* name(Mode m);
const char* name(Level l);

// What registers hold. A bool is a byte of 0 or 1.
enum class CType : uint8_t { f32, f64, i32, i64, u64, b8 };
constexpr int kCTypes = 6;
CType ctype_of(DType stored);  // the compute type of a stored dtype
int size_of(CType t);
const char* name(CType t);

// Reductions of inner values to one outer value. sum, prod, max, min of floats: 64 lanes, element i into lane i mod 64,
// in order of i; each kReduceBlock indices the lanes are folded by a halving tree (lane l with lane l + 32, then 16,
// ...), and the results of blocks are combined pairwise as a binary counter does (block 0 with 1, 2 with 3, then those
// two, ...; what is left at the end is combined from the latest to the earliest, earlier operand on the left).
// The identity of a float sum is -0, so that absent lanes change nothing; a sum of no elements is +0.
// max and min pass NaN on. argmax and argmin give the first index, i64; the first NaN wins.
enum class Reduction : uint8_t { sum, prod, max, min, any, all, argmax, argmin };
const char* name(Reduction r);

// How a scatter combines what is stored with what comes; in order of the source elements.
enum class Combine : uint8_t { set, add, mul, max, min };
const char* name(Combine c);

// Numbers that change nothing: what lanes begin with, what a reduction of no elements gives, what a combining store
// begins from.
enum class Neutral : uint8_t {
  zero,
  minus_zero,  // of integers 0
  one,
  least, most  // of the type; of floats the infinities
};
constexpr Neutral identity(Reduction r) {
  switch (r) {
    case Reduction::sum: return Neutral::minus_zero;
    case Reduction::prod: return Neutral::one;
    case Reduction::max:
    case Reduction::any: return Neutral::least;
    case Reduction::min:
    case Reduction::all: return Neutral::most;
    default: return Neutral::zero;  // argmax, argmin: an index
  }
}
constexpr Neutral of_nothing(Reduction r) { return r == Reduction::sum ? Neutral::zero : identity(r); }
constexpr Neutral identity(Combine c) {
  switch (c) {
    case Combine::mul: return Neutral::one;
    case Combine::max: return Neutral::least;
    case Combine::min: return Neutral::most;
    default: return Neutral::zero;
  }
}
// As a value of a compute type; uint8_t: a bool.
template <class T>
constexpr T value_of(Neutral n) {
  constexpr bool is_bool = std::is_same_v<T, uint8_t>, is_float = std::is_floating_point_v<T>;
  using Limits = std::numeric_limits<T>;
  switch (n) {
    case Neutral::zero: return T(0);
    case Neutral::minus_zero: return T(-0.0f);
    case Neutral::one: return T(1);
    case Neutral::least: return is_bool ? T(0) : is_float ? -Limits::infinity() : Limits::lowest();
    case Neutral::most: return is_bool ? T(1) : is_float ? Limits::infinity() : Limits::max();
  }
  return T(0);
}
int64_t bits_of(Neutral n, DType t);  // as it lies in memory, in the low bytes

enum class Code : uint8_t {
  scalar,   // dst <- scalar argument `operand`                              uniform
  load,     // dst <- operand at this block; where the map masks, register b (uniform), or 0 if b < 0
  store,    // operand at this block <- a, converted to the operand's dtype
  element,  // dst <- primitive `sub` (ordinal of the element row in ops.def) of a, b, c, computed in `type`
  narrow,   // dst <- a rounded or wrapped to dtype `sub`, still in compute type `type`
  convert,  // dst (of `type`) <- a of compute type `sub`
  index,    // dst (i64) <- offsets that operand's map gives at this block; nothing is read
  gather,   // dst <- operand[a], a: i64 offsets; outside 0..count-1: register b (uniform), or 0 if b < 0
  scatter,  // operand[a] <- combine `sub` with b; a: i64 offsets, those outside 0..count-1 are dropped
  // dst (i64, 32 random bits) <- Philox4x32-10, word 0, of counter (a: element index, c: i64 counter) and key b: u64
  random,
  reduce,   // dst (outer) <- reduction `sub` over the inner space of a, in `type`
};

struct Instr {
  Code code;
  CType type;         // of dst (of a, for store and scatter)
  uint8_t sub = 0;    // Reduction, Combine, DType or CType; low byte unused by element
  uint16_t prim = 0;  // element: ordinal of the row among the element rows of ops.def
  int16_t dst = -1;   // registers
  int16_t a = -1, b = -1, c = -1;
  int16_t operand = -1;  // load, store, index, gather, scatter: operand; scalar: number of the scalar.
                         // element: if >= 0, dst is computed straight into this direct output operand
};

// How the elements of a buffer lie under a space.
enum class Access : uint8_t {
  direct,  // element e of the flattened space is element e of the buffer
  mapped,  // through an IndexMap in the arguments
  whole,   // the whole buffer, addressed by computed offsets (gather, scatter): the argument is its element count
};
const char* name(Access a);

struct Operand {
  DType dtype;
  Access access;
  // space under which it is loaded or stored: uniform (its first element), outer, or inner (outer x inner)
  Level level;
  bool is_output = false;
};

struct Stage {
  Level level;
  int first, last;  // instructions [first, last)
};

struct Register {
  CType type;
  Level level;
  uint32_t offset;  // in the scratch memory, bytes, a multiple of 64; uniform registers hold one element
};

struct Program {
  Mode mode = Mode::flat;
  std::vector<Operand> operands;
  int scalars = 0;
  std::vector<Register> registers;
  std::vector<Instr> instrs;
  std::vector<Stage> stages;   // the first may be uniform: run once
  uint32_t scratch_bytes = 0;  // registers; the interpreter adds what its reductions need
};

// Arguments of one run, as 64-bit words: O, I (1 without inner space), then per operand its address and a second word
// (direct: 0; mapped: address of an IndexMap; whole: element count), then the scalars, each in the low bytes of its
// word in its compute type.
constexpr int kArgOuter = 0, kArgInner = 1, kArgOperands = 2;
inline int arg_of_operand(int operand) { return kArgOperands + 2 * operand; }
inline int arg_of_scalar(const Program& p, int scalar) { return kArgOperands + 2 * int(p.operands.size()) + scalar; }

// Where element (o, i) lies: offset + sum of coordinate * stride over the outer axes, then the inner axes.
// A coordinate of a masked axis outside lo..hi-1 has no element: a load gives the fill value, a store writes nothing.
struct IndexMap {
  int32_t outer_rank, inner_rank;  // outer axes come first in the arrays
  uint32_t masked;                 // bit k: axis k has limits
  int64_t offset;                  // in elements, as are the strides; the address argument is that of element 0
  int64_t extent[kMapRank], stride[kMapRank], lo[kMapRank], hi[kMapRank];
};

// The text of JT_DUMP=l; two programs with equal text are equal.
std::string to_text(const Program& program);
std::string to_text(const Instr& instr);  // one of its lines: `r3 = sub f32 r2 r1`
// The inverse: to_text(parse_program(t)) == t. What comes back is safe to decode: operands and registers exist, are
// written before they are read, have the types their instructions say and lie inside the scratch memory.
// JT_E_INVALID, with the line, for any other text.
Program parse_program(std::string_view text);

}  // namespace jt
