// dtype: facts about element types, and NumPy's promotion between two of them.
#pragma once
#include <jt/jt_base.h>

#include <cstddef>
#include <string>
#include <string_view>

namespace jt {

using DType = jt_dtype;

constexpr int kDTypes = 13;
constexpr bool is_dtype(int value) { return value >= JT_BOOL && value <= JT_F64; }
constexpr bool is_float(DType t) { return t >= JT_F16 && t <= JT_F64; }
constexpr bool is_signed_int(DType t) { return t >= JT_I8 && t <= JT_I64; }
constexpr bool is_unsigned_int(DType t) { return t >= JT_U8 && t <= JT_U64; }
constexpr bool is_int(DType t) { return t >= JT_I8 && t <= JT_U64; }

const char* name(DType t);
// The dtype called `name`; JT_DTYPE_FORCE32 if there is none.
DType dtype_named(std::string_view name);
size_t size_of(DType t);

// What an element-wise op on values of this dtype computes in: f32, f64, i32, i64, u64, or bool as a mask.
DType compute_type(DType t);
// NumPy's result type of two array dtypes (array-API table; u64 with a signed type gives f64; f16 with bf16 gives f32).
DType promote(DType a, DType b);

}  // namespace jt
