// body: what bodies of composite rows are written with.
#pragma once
#include "core/ir/build.h"
#include "core/ir/type_rules.h"

#define JT_BODY(name) Value name##_body(Recorder& r, std::span<const Ref> in, const Attrs& attrs, const Type& result)
#define JT_UNUSED (void)r, (void)in, (void)attrs, (void)result
#define JT_BODIES(name) void name##_body(Recorder& r, std::span<const Ref> in, const Node& node, std::span<Value> out)

namespace jt {

// Half floats are summed and exponentiated as f32 and rounded once, at the end: 65,504 is no bound on a mean's count.
inline DType wide(DType t) { return t == JT_F16 || t == JT_BF16 ? JT_F32 : t; }

// Elements from..to of one axis.
Value part_of(Ref x, int axis, int64_t from, int64_t to);

}  // namespace jt
