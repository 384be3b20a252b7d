// conv_grad_x: the gradient of x as one product of taps over dy for each phase of the strides: the elements of dx that
// lie stride apart are reached by the same taps. Units are those of one phase of one group after another. Where it is
// better, as a scatter of dy.
#pragma once
#include "backends/cpu_tcc/library/conv_scatter.h"

namespace jt::library {
namespace {

// Phases beyond the extents of x have no elements.
inline i64 phases_w(const Conv2dShape& s) { return min(s.stride_w, s.w); }
inline i64 phases(const Conv2dShape& s) { return min(s.stride_h, s.h) * phases_w(s); }

template <class T>
struct Phase {
  Field f;
  TapProduct<T> product;
  Phase(const Conv2dShape& s, const Group& group, i64 index)
      : f(by_columns(flattened(
            field(gradient_axis(s.h, s.kh, s.stride_h, s.dilation_h, s.top, output_height(s), index / phases_w(s)),
                  gradient_axis(s.w, s.kw, s.stride_w, s.dilation_w, s.left, output_width(s), index % phases_w(s)), s.n,
                  group.o, s.o),
            sizeof(T), 4096))),
        product(f, target_of(f, s.w, s.h, s.c), group.c) {}
};

template <class T>
i64 grad_x_units(const Conv2dShape& s) {
  if (Scatter<T>::is_better(s)) return Scatter<T>(s).units();
  const Group group(s);
  i64 units = 0;
  for (i64 phase = 0; phase < phases(s); phase++) units += Phase<T>(s, group, phase).product.units();
  return units * group.groups;
}
template <class T>
size_t grad_x_workspace(const Conv2dShape& s) {
  if (Scatter<T>::is_better(s)) {
    Workspace memory(nullptr);
    Scatter<T>(s).scratch(memory);
    return memory.measured();
  }
  const Group group(s);
  size_t most = 0;
  for (i64 phase = 0; phase < phases(s); phase++) {
    Workspace memory(nullptr);
    Phase<T>(s, group, phase).product.scratch(memory);
    if (memory.measured() > most) most = memory.measured();
  }
  return most;
}
template <class T>
void grad_x(const Conv2dShape& s, const T* dy, const T* w, T* dx, void* workspace, i64 begin, i64 end) {
  if (Scatter<T>::is_better(s)) {
    Workspace memory(workspace);
    const Scatter<T> scatter(s);
    return scatter.run(dy, w, dx, scatter.scratch(memory), begin, end);
  }
  const Group group(s);
  i64 first = 0;
  for (i64 g = 0; g < group.groups && first < end; g++)
    for (i64 index = 0; index < phases(s) && first < end; index++) {
      const Phase<T> phase(s, group, index);
      const i64 units = phase.product.units(), from = max(0, begin - first), to = min(units, end - first);
      first += units;
      if (from >= to) continue;
      Workspace memory(workspace);
      const TapWeights<T> weights{
          w + g * group.o * group.c * s.kh * s.kw, group.o, group.c, s.kh, s.kw, false, phase.f};
      phase.product.run(dy + g * group.o, weights, nullptr, dx + g * group.c, phase.product.scratch(memory), from, to);
    }
}

}  // namespace
}  // namespace jt::library
