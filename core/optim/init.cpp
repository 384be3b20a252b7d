#include "core/optim/init.h"

#include <cmath>

#include "core/ir/build.h"

namespace jt {

using namespace ops;

Fans fans(const Shape& weights) {
  if (weights.rank < 2) fail(JT_E_SHAPE, "init: weights of shape ", weights, " have no fans; two axes are needed");
  int64_t window = 1;
  for (int i = 2; i < weights.rank; i++) window *= weights[i];
  return {weights[1] * window, weights[0] * window};
}

static Value random(Recorder& recorder, Op op, const Type& type, RandomPlace place) {
  Attrs attrs;
  attrs.add_ints(type.shape.extents()).add(place.seed).add(place.stream).add(place.counter).add(type.dtype);
  return recorder.build(op, {}, attrs);
}

static double he_deviation(const Shape& shape, double gain) {
  return (gain ? gain : std::sqrt(2.0)) / std::sqrt(double(fans(shape).in));
}
static double xavier_deviation(const Shape& shape, double gain) {
  Fans f = fans(shape);
  return (gain ? gain : 1) * std::sqrt(2.0 / double(f.in + f.out));
}

static Value filled(Recorder& recorder, const Type& type, double value) {
  Attrs attrs;
  attrs.add_ints(type.shape.extents()).add_real(value).add(type.dtype);
  return recorder.build(Op::full, {}, attrs);
}

static Value normal(Recorder& recorder, const Type& type, RandomPlace place, double deviation) {
  return random(recorder, Op::normal, type, place) * deviation;
}

static Value uniform(Recorder& recorder, const Type& type, RandomPlace place, double deviation) {
  double bound = std::sqrt(3.0) * deviation;
  return random(recorder, Op::uniform, type, place) * (2 * bound) - bound;
}

Value initial(Recorder& recorder, std::string_view kind, const Type& type, RandomPlace place, double gain) {
  if (!is_float(type.dtype)) fail(JT_E_DTYPE, "init: ", kind, " of ", type, "; only floating-point dtypes");
  if (kind == "zeros") return filled(recorder, type, 0);
  if (kind == "ones") return filled(recorder, type, 1);
  if (kind == "normal") return normal(recorder, type, place, gain ? gain : 1);
  if (kind == "uniform") return uniform(recorder, type, place, (gain ? gain : 1) / std::sqrt(3.0));
  if (kind == "lecun_normal") return normal(recorder, type, place, he_deviation(type.shape, gain ? gain : 1));
  if (kind == "he_normal") return normal(recorder, type, place, he_deviation(type.shape, gain));
  if (kind == "he_uniform") return uniform(recorder, type, place, he_deviation(type.shape, gain));
  if (kind == "xavier_normal") return normal(recorder, type, place, xavier_deviation(type.shape, gain));
  if (kind == "xavier_uniform") return uniform(recorder, type, place, xavier_deviation(type.shape, gain));
  fail(JT_E_NOT_FOUND, "init: no kind is called '", kind,
       "'; there are zeros, ones, uniform, normal, lecun_normal, he_normal, he_uniform, xavier_normal, xavier_uniform");
}

}  // namespace jt
