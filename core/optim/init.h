// init: first values of parameters, as random nodes.
//
// Weights are [out, in, window..] as in PyTorch: fan_in is in times the window's elements, fan_out is out times them.
#pragma once
#include <string_view>

#include "core/ir/recorder.h"

namespace jt {

// Where a random op's numbers come from.
struct RandomPlace { int64_t seed, stream, counter; };

struct Fans { int64_t in, out; };
// Throws for fewer than two axes.
Fans fans(const Shape& weights);

// kind:
//   zeros, ones
//   normal, uniform                deviation gain; in +-gain
//   lecun_normal                   deviation gain / sqrt(fan_in) (LeCun et al. 1998)
//   he_normal, he_uniform          deviation gain / sqrt(fan_in) (He et al. 2015); gain sqrt(2) is for relu
//   xavier_normal, xavier_uniform  deviation gain * sqrt(2 / (fan_in + fan_out)) (Glorot and Bengio 2010)
// Uniform ones lie in +-sqrt(3) deviations. A gain of 0 means the usual one: sqrt(2) for he, else 1.
Value initial(Recorder& recorder, std::string_view kind, const Type& type, RandomPlace place = {}, double gain = 0);

// Values of [0, 1) as values of [low, high), or (high, low] where high is less: rounding reaches no end that is left
// out.
Value between(const Value& unit, double low, double high);

}  // namespace jt
