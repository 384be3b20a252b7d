// conv: the three passes of a convolution over images [n,h,w,c], for both dtypes: depthwise ones and those of small
// groups by lanes, the others as products of taps (conv_forward, conv_grad_x, conv_grad_w).
#pragma once
#include "backends/cpu_tcc/library/conv_grad_w.h"
#include "backends/cpu_tcc/library/conv_grad_x.h"
#include "backends/cpu_tcc/library/conv_lanes.h"

namespace jt::library {
namespace {

template <class T>
struct Convolution {
  static size_t workspace(const Conv2dShape& s) {
    return fits_lanes<T>(s) ? lanes_workspace<T>(s) : Forward<T>(s).workspace();
  }
  static i64 units(const Conv2dShape& s) {
    return fits_lanes<T>(s) ? lane_forward<T>(s).units() : Forward<T>(s).units();
  }
  static void run(const Conv2dShape& s, const void* x, const void* w, void* y, void* memory, const void* packed,
                  i64 begin, i64 end) {
    if (fits_lanes<T>(s)) return lanes_forward(s, (const T*)x, (const T*)w, (T*)y, memory, begin, end);
    Forward<T>(s).run(s, (const T*)x, (const T*)w, (T*)y, memory, (const T*)packed, begin, end);
  }
  static size_t packed_bytes(const Conv2dShape& s) { return fits_lanes<T>(s) ? 0 : Forward<T>(s).packed_bytes(); }
  static i64 unit_begin(const Conv2dShape& s, i64 unit) {
    return fits_lanes<T>(s) ? -1 : Forward<T>(s).unit_begin(unit);
  }
  static void pack(const Conv2dShape& s, const void* w, void* packed) {
    Forward<T>(s).pack(s, (const T*)w, (T*)packed);
  }

  static size_t grad_x_workspace(const Conv2dShape& s) {
    return fits_lanes<T>(s) ? lanes_workspace<T>(s) : library::grad_x_workspace<T>(s);
  }
  static i64 grad_x_units(const Conv2dShape& s) {
    return fits_lanes<T>(s) ? lanes_grad_x_units<T>(s) : library::grad_x_units<T>(s);
  }
  static void grad_x(const Conv2dShape& s, const void* dy, const void* w, void* dx, void* memory, i64 begin, i64 end) {
    if (fits_lanes<T>(s)) return lanes_grad_x(s, (const T*)dy, (const T*)w, (T*)dx, memory, begin, end);
    library::grad_x(s, (const T*)dy, (const T*)w, (T*)dx, memory, begin, end);
  }

  static size_t grad_w_workspace(const Conv2dShape& s) {
    return fits_lanes<T>(s) ? lanes_workspace<T>(s) : GradW<T>(s).workspace();
  }
  static i64 grad_w_units(const Conv2dShape& s) {
    return fits_lanes<T>(s) ? LaneChannels<T>{s.c}.count() : GradW<T>(s).units();
  }
  static void grad_w(const Conv2dShape& s, const void* x, const void* dy, void* dw, void* memory, i64 begin, i64 end) {
    if (fits_lanes<T>(s)) return lanes_grad_w(s, (const T*)x, (const T*)dy, (T*)dw, memory, begin, end);
    GradW<T>(s).run((const T*)x, (const T*)dy, (T*)dw, memory, begin, end);
  }
};

// f(Convolution<the dtype's type>)
template <class F>
inline auto by_dtype(const Conv2dShape& s, const F& f) {
  return s.dtype == JT_F64 ? f(Convolution<double>()) : f(Convolution<float>());
}

inline size_t conv2d_workspace(const Conv2dShape& s) {
  return by_dtype(s, [&](auto c) { return c.workspace(s); });
}
inline i64 conv2d_units(const Conv2dShape& s) {
  return by_dtype(s, [&](auto c) { return c.units(s); });
}
inline void conv2d(const Conv2dShape& s, const void* x, const void* w, void* y, void* memory, const void* packed,
                   i64 begin, i64 end) {
  by_dtype(s, [&](auto c) { c.run(s, x, w, y, memory, packed, begin, end); });
}
inline size_t conv2d_packed_bytes(const Conv2dShape& s) {
  return by_dtype(s, [&](auto c) { return c.packed_bytes(s); });
}
inline i64 conv2d_unit_begin(const Conv2dShape& s, i64 unit) {
  return by_dtype(s, [&](auto c) { return c.unit_begin(s, unit); });
}
inline void conv2d_pack(const Conv2dShape& s, const void* w, void* packed) {
  by_dtype(s, [&](auto c) { c.pack(s, w, packed); });
}
inline size_t conv2d_grad_x_workspace(const Conv2dShape& s) {
  return by_dtype(s, [&](auto c) { return c.grad_x_workspace(s); });
}
inline i64 conv2d_grad_x_units(const Conv2dShape& s) {
  return by_dtype(s, [&](auto c) { return c.grad_x_units(s); });
}
inline void conv2d_grad_x(const Conv2dShape& s, const void* dy, const void* w, void* dx, void* memory, i64 begin,
                          i64 end) {
  by_dtype(s, [&](auto c) { c.grad_x(s, dy, w, dx, memory, begin, end); });
}
inline size_t conv2d_grad_w_workspace(const Conv2dShape& s) {
  return by_dtype(s, [&](auto c) { return c.grad_w_workspace(s); });
}
inline i64 conv2d_grad_w_units(const Conv2dShape& s) {
  return by_dtype(s, [&](auto c) { return c.grad_w_units(s); });
}
inline void conv2d_grad_w(const Conv2dShape& s, const void* x, const void* dy, void* dw, void* memory, i64 begin,
                          i64 end) {
  by_dtype(s, [&](auto c) { c.grad_w(s, x, dy, dw, memory, begin, end); });
}

}  // namespace
}  // namespace jt::library
