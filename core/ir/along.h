// along: a tensor as [outer, n, inner]: what an op that works along one axis sees of its shape.
#pragma once
#include "core/base/shape.h"

namespace jt {

struct Along {
  Dim outer = 1, n = 1, inner = 1;
  // A 0-d tensor is one element along its only axis.
  Along(const Shape& shape, int axis) {
    for (int i = 0; i < shape.rank; i++) (i < axis ? outer : i == axis ? n : inner) *= shape[i];
  }
};

}  // namespace jt
