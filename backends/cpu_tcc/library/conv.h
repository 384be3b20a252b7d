// conv: the three passes of a convolution as blocked products with X, the im2col matrix of `windows`, group by group; for
// both dtypes. X is never built: its panels are copied from the `frame` of some hundred pixels at a time.
#pragma once
#include "backends/cpu_tcc/library/conv_forward.h"
#include "backends/cpu_tcc/library/conv_grad_w.h"
#include "backends/cpu_tcc/library/conv_grad_x.h"
#include "backends/cpu_tcc/library/depthwise.h"

namespace jt::library {
namespace {

inline bool is_depthwise_scatter(const Conv2dShape& s) { return is_depthwise(s) && !is_flipped_forward(s); }

template <class T>
size_t forward_workspace(const Conv2dShape& s) {
  Workspace memory(nullptr);
  const Forward<T> plan(s);
  if (plan.direct)
    Direct<T>(plan.windows, plan.outputs, memory);
  else
    plan.product(s, memory);
  return memory.measured();
}
template <class T>
size_t grad_x_workspace(const Conv2dShape& s) {
  if (is_depthwise_scatter(s)) return 0;
  Workspace memory(nullptr);
  const GradX<T> plan(s);
  if (plan.direct)
    FlippedScratch<T, Direct<T>>(s, plan, memory);
  else if (plan.flipped)
    FlippedScratch<T, WindowProduct<T>>(s, plan, memory);
  else
    ScatterScratch<T>(s, plan, memory);
  return memory.measured();
}
template <class T>
size_t grad_w_workspace(const Conv2dShape& s) {
  Workspace memory(nullptr);
  const GradW<T> plan(s);
  if (plan.dots)
    DotScratch<T>(plan.windows, plan.outputs, memory);
  else
    GradWScratch<T>(s, plan, memory);
  return memory.measured();
}

inline size_t conv2d_workspace(const Conv2dShape& s) {
  return s.dtype == JT_F64 ? forward_workspace<double>(s) : forward_workspace<float>(s);
}
inline size_t conv2d_grad_x_workspace(const Conv2dShape& s) {
  return s.dtype == JT_F64 ? grad_x_workspace<double>(s) : grad_x_workspace<float>(s);
}
inline size_t conv2d_grad_w_workspace(const Conv2dShape& s) {
  return s.dtype == JT_F64 ? grad_w_workspace<double>(s) : grad_w_workspace<float>(s);
}
inline i64 conv2d_units(const Conv2dShape& s) {
  return s.dtype == JT_F64 ? Forward<double>(s).units(s) : Forward<float>(s).units(s);
}
inline i64 conv2d_grad_x_units(const Conv2dShape& s) {
  if (is_depthwise_scatter(s)) return s.n * s.c;
  return s.dtype == JT_F64 ? GradX<double>(s).units(s) : GradX<float>(s).units(s);
}
inline i64 conv2d_grad_w_units(const Conv2dShape& s) {
  return s.dtype == JT_F64 ? GradW<double>(s).units(s) : GradW<float>(s).units(s);
}

template <class T>
void conv2d_of(const Conv2dShape& s, const void* x, const void* w, void* y, void* memory, i64 begin, i64 end) {
  forward(s, (const T*)x, (const T*)w, (T*)y, memory, begin, end);
}
template <class T>
void grad_x_of(const Conv2dShape& s, const void* dy, const void* w, void* dx, void* memory, i64 begin, i64 end) {
  if (is_depthwise_scatter(s)) return depthwise_grad_x(s, (const T*)dy, (const T*)w, (T*)dx, begin, end);
  grad_x(s, (const T*)dy, (const T*)w, (T*)dx, memory, begin, end);
}
template <class T>
void grad_w_of(const Conv2dShape& s, const void* x, const void* dy, void* dw, void* memory, i64 begin, i64 end) {
  grad_w(s, (const T*)x, (const T*)dy, (T*)dw, memory, begin, end);
}

inline void conv2d(const Conv2dShape& s, const void* x, const void* w, void* y, void* memory, i64 begin, i64 end) {
  (s.dtype == JT_F64 ? conv2d_of<double> : conv2d_of<float>)(s, x, w, y, memory, begin, end);
}
inline void conv2d_grad_x(const Conv2dShape& s, const void* dy, const void* w, void* dx, void* memory, i64 begin,
                          i64 end) {
  (s.dtype == JT_F64 ? grad_x_of<double> : grad_x_of<float>)(s, dy, w, dx, memory, begin, end);
}
inline void conv2d_grad_w(const Conv2dShape& s, const void* x, const void* dy, void* dw, void* memory, i64 begin,
                          i64 end) {
  (s.dtype == JT_F64 ? grad_w_of<double> : grad_w_of<float>)(s, x, dy, dw, memory, begin, end);
}

}  // namespace
}  // namespace jt::library
