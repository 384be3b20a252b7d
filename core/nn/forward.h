// forward: what the functions of forward_*.cpp share. Each computes one row of layers.def: c.outputs, c.update(buffer).
#pragma once
#include <cmath>

#include "core/ir/build.h"
#include "core/nn/layer.h"

namespace jt {

#define JT_LAYER(name, ...) void name##_forward(LayerCall&);
#include "core/nn/layers.def"

inline void give(LayerCall& c, const Value& y) { c.outputs.assign(1, y); }

// What halves are computed in where a layer is several rows: its result is rounded once, by give_rounded.
inline Value unrounded(const Value& x) {
  return x.dtype() == JT_F16 || x.dtype() == JT_BF16 ? ops::cast(x, JT_F32) : x;
}
inline void give_rounded(LayerCall& c, const Value& y) { give(c, ops::cast(y, c.x().dtype())); }

inline void check_rank(const LayerCall& c, int least, int most) {
  const Shape& x = c.x().shape();
  if (x.rank >= least && x.rank <= most) return;
  fail(JT_E_SHAPE, c.layer.row().name, ": x needs ", least, least == most ? "" : text(" to ", most),
       " axes, its shape is ", x);
}

// Runs `body` on a batch, x of `rank` axes; one sample, without the first of them, is a batch of one that the results
// show no axis of.
template <class Body>
void for_batch(LayerCall& c, int rank, const Body& body) {
  check_rank(c, rank - 1, rank);
  if (c.x().shape().rank == rank) return body();
  List<Value> inputs(c.inputs.begin(), c.inputs.end());
  Shape batch{1};
  for (int i = 0; i < rank - 1; i++) batch.push(c.x().shape()[i], c.x().shape().is_unit(i));
  inputs[0] = ops::reshape(c.x(), batch);
  std::span<const Value> given = c.inputs;
  c.inputs = inputs;
  body();
  c.inputs = given;
  for (Value& y : c.outputs) y = ops::reshape(y, Shape(y.shape().extents().subspan(1)));
}

// As checked_product.
inline int64_t checked_sum(std::string_view who, int64_t a, int64_t b) {
  int64_t sum;
  if (__builtin_add_overflow(a, b, &sum)) fail(JT_E_SHAPE, who, ": too large an extent: ", a, " + ", b);
  return sum;
}

// [C] beside x [N,C,..]: as [C,1,..].
inline Value along_channels(const Value& factor, int rank) {
  Shape shape{factor.shape()[0]};
  for (int i = 2; i < rank; i++) shape.push(1);
  return ops::reshape(factor, shape);
}

}  // namespace jt
