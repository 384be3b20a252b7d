// prelude: prelude.def as C++, one namespace per compute type, so that an expression of ops.def means there what it
// says.
//
// Everything is static and inlined: a file compiled for one ISA level never lends its code to another.
#pragma once
#include <cstdint>

#define JT_INF __builtin_inff()
#define JT_NAN __builtin_nanf("")
#define JT_FOR_F32(...)
#define JT_FOR_F64(...)
#define JT_FOR_FLOAT(...)
#define JT_FOR_SIGNED(...)
#define JT_FOR_UNSIGNED(...)
#define JT_FOR_INT(...)
#define JT_FOR_BOOL(...)

namespace jt::prelude {

namespace f32 {
using T = float;
using I = int32_t;
using U = uint32_t;
#undef JT_FOR_F32
#define JT_FOR_F32(...) __VA_ARGS__
#undef JT_FOR_FLOAT
#define JT_FOR_FLOAT(...) __VA_ARGS__
#define JT_BUILTIN(function) __builtin_##function##f
#include "core/base/prelude_type.inc"
#undef JT_BUILTIN
#undef JT_FOR_F32
#define JT_FOR_F32(...)
#undef JT_FOR_FLOAT
#define JT_FOR_FLOAT(...)
}  // namespace f32

namespace f64 {
using T = double;
using I = int64_t;
using U = uint64_t;
#undef JT_FOR_F64
#define JT_FOR_F64(...) __VA_ARGS__
#undef JT_FOR_FLOAT
#define JT_FOR_FLOAT(...) __VA_ARGS__
#define JT_BUILTIN(function) __builtin_##function
#include "core/base/prelude_type.inc"
#undef JT_BUILTIN
#undef JT_FOR_F64
#define JT_FOR_F64(...)
#undef JT_FOR_FLOAT
#define JT_FOR_FLOAT(...)
}  // namespace f64

namespace i32 {
using T = int32_t;
using I = int32_t;
using U = uint32_t;
#undef JT_FOR_SIGNED
#define JT_FOR_SIGNED(...) __VA_ARGS__
#undef JT_FOR_INT
#define JT_FOR_INT(...) __VA_ARGS__
#include "core/base/prelude_type.inc"
#undef JT_FOR_SIGNED
#define JT_FOR_SIGNED(...)
#undef JT_FOR_INT
#define JT_FOR_INT(...)
}  // namespace i32

namespace i64 {
using T = int64_t;
using I = int64_t;
using U = uint64_t;
#undef JT_FOR_SIGNED
#define JT_FOR_SIGNED(...) __VA_ARGS__
#undef JT_FOR_INT
#define JT_FOR_INT(...) __VA_ARGS__
#include "core/base/prelude_type.inc"
#undef JT_FOR_SIGNED
#define JT_FOR_SIGNED(...)
#undef JT_FOR_INT
#define JT_FOR_INT(...)
}  // namespace i64

namespace u64 {
using T = uint64_t;
using I = int64_t;
using U = uint64_t;
#undef JT_FOR_UNSIGNED
#define JT_FOR_UNSIGNED(...) __VA_ARGS__
#undef JT_FOR_INT
#define JT_FOR_INT(...) __VA_ARGS__
#include "core/base/prelude_type.inc"
#undef JT_FOR_UNSIGNED
#define JT_FOR_UNSIGNED(...)
#undef JT_FOR_INT
#define JT_FOR_INT(...)
}  // namespace u64

namespace b8 {
using T = uint8_t;
using I = int8_t;
using U = uint8_t;
#undef JT_FOR_BOOL
#define JT_FOR_BOOL(...) __VA_ARGS__
#include "core/base/prelude_type.inc"
#undef JT_FOR_BOOL
#define JT_FOR_BOOL(...)
}  // namespace b8

}  // namespace jt::prelude

#undef JT_FOR_F32
#undef JT_FOR_F64
#undef JT_FOR_FLOAT
#undef JT_FOR_SIGNED
#undef JT_FOR_UNSIGNED
#undef JT_FOR_INT
#undef JT_FOR_BOOL
