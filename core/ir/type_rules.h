// type_rules: from operands and attributes to the results' dtypes and shapes, or an error that names the op,
// the fact and both values. They also normalise attributes (negative axes, -1 in a shape, absent lists).
#pragma once
#include "core/ir/node.h"

namespace jt {

void element_type(TypeRule&);
void reduce_type(TypeRule&);
#define JT_OP(name, kind, signature, type, gradient, since, doc, ...) void type(TypeRule&);
#include "core/ir/ops.def"

// Bodies of composite rows (bodies.cpp): of one result, or of several.
#define JT_DECLARE_CAST(name)
#define JT_DECLARE_MOVEMENT(name)
#define JT_DECLARE_INDEX(name)
#define JT_DECLARE_LIBRARY(name)
#define JT_DECLARE_SUMMING(name)
#define JT_DECLARE_PRODUCT(name)
#define JT_DECLARE_SOURCE(name)
#define JT_DECLARE_COMPOSITE(name) \
  Value name##_body(Recorder&, std::span<const Ref> inputs, const Attrs& attrs, const Type& result);
#define JT_DECLARE_SEVERAL(name) \
  void name##_body(Recorder&, std::span<const Ref> inputs, const Node& node, std::span<Value> out);
#define JT_OP(name, kind, signature, type, gradient, since, doc, ...) JT_DECLARE_##kind(name)
#include "core/ir/ops.def"

// What the composite row `node` computes, in other ops on `inputs`, which are of its operands' types.
void open_body(Recorder& recorder, std::span<const Ref> inputs, const Node& node, std::span<Value> out);

// No tensor has more elements than this, counted over its axes that are not empty: no index or byte count overflows.
constexpr int64_t kMaxCount = int64_t(1) << 58;
void check_count(std::string_view who, const Shape& shape);
// Shape that a and b broadcast to (NumPy's rule); `who` names the op in the error.
Shape broadcast(std::string_view who, const Shape& a, const Shape& b);
// Whether x is 0-d and axis is the one that it would have as a vector of one element: 0 or -1, which PyTorch takes too.
bool is_only_axis(const Shape& x, int64_t axis);
// axis in -rank..rank-1 as 0..rank-1.
int normal_axis(std::string_view who, int64_t axis, int rank);
// The shape after a reduction over the axes set in `axes`.
Shape reduced_shape(const Shape& shape, uint32_t axes, bool keepdims);
uint32_t axis_set(std::span<const Dim> axes);
// What a row's operands are converted to, given their promoted dtype.
DType operand_dtype(const OpDef& op, DType promoted);
// What an element row gives for operands of that dtype.
inline DType element_dtype(const OpDef& op, DType operand) { return op.result == ResultRule::BOOL ? JT_BOOL : operand; }

// How the axes of a reshape correspond: runs of input axes that become runs of output axes, left to right.
struct ReshapeRun { int in_first, in_last, out_first, out_last; };  // half-open
struct ReshapeRuns { int count; ReshapeRun runs[kMaxRank + 1]; };
ReshapeRuns reshape_runs(const Shape& in, const Shape& out);

}  // namespace jt
