#include "core/optim/init.h"

#include <algorithm>
#include <cfloat>
#include <cmath>

#include "core/ir/build.h"
#include "core/ir/type_rules.h"

namespace jt {

using namespace ops;

Fans fans(const Shape& weights) {
  if (weights.rank < 2) fail(JT_E_SHAPE, "init: weights of shape ", weights, " have no fans; two axes are needed");
  int64_t window = 1;
  for (int i = 2; i < weights.rank; i++) window *= weights[i];
  return {weights[1] * window, weights[0] * window};
}

// The body itself, not the row: then the place is an argument of the plan, which layers with the same extents share.
static Value random(Recorder& recorder, Op op, const Type& type, RandomPlace place) {
  Attrs attrs;
  attrs.add_ints(type.shape.extents()).add(place.seed).add(place.stream).add(place.counter).add(type.dtype);
  Type result = type;
  infer(op, {}, attrs, {&result, 1});
  return (op == Op::uniform ? uniform_body : normal_body)(recorder, {}, attrs, result);
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

// The largest value below x, and the least that is not below it, in a float dtype.
static double below(DType dtype, double x) {
  int digits = dtype == JT_F64    ? 53
               : dtype == JT_F32  ? 24
               : dtype == JT_BF16 ? 8
                                  : 11,
      least = dtype == JT_F64   ? -1022
              : dtype == JT_F16 ? -14
                                : -126;
  double under = std::nextafter(x, -INFINITY);
  if (under == 0 || !std::isfinite(under)) return under;
  double step = std::ldexp(1.0, std::max(std::ilogb(under), least) - (digits - 1));
  return std::floor(under / step) * step;
}
static double not_below(DType dtype, double x) { return -below(dtype, -std::nextafter(x, -INFINITY)); }

Value between(const Value& unit, double low, double high) {
  DType t = unit.dtype();
  if (low == 0 && high == 1) return unit;
  double largest = t == JT_F64 ? DBL_MAX : t == JT_F16 ? 65504 : FLT_MAX;
  bool fits = std::fabs(high - low) <= largest;
  Value z = fits ? unit * (high - low) + low : unit * high + (1 - unit) * low;
  bool is_reversed = high < low;
  double least = is_reversed ? -below(t, -high) : not_below(t, low),
         most = is_reversed ? -not_below(t, -low) : below(t, high);
  return least <= most ? minimum(maximum(z, least), most) : z;
}

static Value uniform(Recorder& recorder, const Type& type, RandomPlace place, double deviation) {
  double bound = std::sqrt(3.0) * deviation;
  return between(random(recorder, Op::uniform, type, place), -bound, bound);
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
