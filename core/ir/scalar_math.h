// scalar_math: one element at a time: dtypes read and written, conversions, and the element rows of ops.def as plain
// functions, made from the same prelude as every kernel. Folding and the reference evaluator go through here.
#pragma once
#include <cstdint>

#include "core/ir/op.h"

namespace jt {

// A value of a compute type; which one is known by whoever holds it.
union Word {
  float f32;
  double f64;
  int32_t i32;
  int64_t i64;
  uint64_t u64;
  uint8_t b8;
};

Word load(DType dtype, const unsigned char* at);
// Rounds or wraps to dtype: f16 and bf16 to nearest even.
void store(DType dtype, unsigned char* at, Word value);
// As a store and a load would leave it.
Word narrow(DType dtype, Word value);
// Floats to integers truncate and saturate, NaN gives 0; integers wrap; to bool is x != 0.
Word convert(Word value, CType from, CType to);
// What op cast does: as convert, but floats saturate at the limits of dtype `to`, not of its compute type.
Word cast(Word value, DType from, DType to);
// A value of the program (pad, reindex, a constant) as an element, rounded once.
Word word_of(DType dtype, double value);
// Bits as in Scalar and Op::constant, and back.
Word word_of_bits(DType dtype, int64_t bits);
int64_t bits_of_word(DType dtype, Word value);
// A double that is rounded to any narrower dtype as the integer itself would be.
double double_to_round(int64_t value);

// An element row computed in `type` (operands: all of this type, also the condition of where). The result is of `type`,
// or b8 where the row gives BOOL.
Word element(Op op, CType type, Word x, Word y, Word w);

}  // namespace jt
