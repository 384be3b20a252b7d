// conv_parts: what the passes of a convolution share: arrays of planes as factors and as results of a blocked product, and
// the units of a pass.
#pragma once
#include "backends/cpu_tcc/library/blocked.h"
#include "backends/cpu_tcc/library/frame.h"

namespace jt::library {
namespace {

// y, dy or dx as a matrix [channel, (image, place)].
template <class T>
struct Planes {
  T* at0;
  i64 image, plane;

  bool direct(i64 j, i64 width) const { return j % plane + width <= plane; }
  T* at(i64 i, i64 j) const { return at0 + j / plane * image + i * plane + j % plane; }
  i64 row() const { return plane; }

  // Calls part(at, j, count) for the stretches of [j0, j0 + width) that lie in one image.
  template <class Part>
  void for_each_part(i64 j0, i64 width, const Part& part) const {
    for (i64 at = 0; at < width;) {
      const i64 count = min(width - at, plane - (j0 + at) % plane);
      part(at, j0 + at, count);
      at += count;
    }
  }

  void store(i64 i, i64 rows, i64 j0, i64 width, const T* tile, bool accumulate) const {
    for_each_part(j0, width, [&](i64 from, i64 j, i64 count) {
      for (i64 r = 0; r < rows; r++) {
        const T* values = tile + r * kTileColumns<T> + from;
        if (accumulate)
          add(at(i + r, j), values, count);
        else
          copy(at(i + r, j), values, count);
      }
    });
  }
};

// dY, or x where X is x itself, as the right factor: in place while a panel stays in one image.
template <class T>
struct PlaneColumns {
  Planes<const T> from;
  bool in_place(i64 j, i64 width) const { return from.direct(j, width); }
  const T* at(i64 k0, i64 j) const { return from.at(k0, j); }
  i64 step() const { return from.plane; }
  void pack(i64 k0, i64 kc, i64 j0, i64 width, i64 padded, T* out) const {
    from.for_each_part(j0, width, [&](i64 to, i64 j, i64 count) {
      for (i64 k = 0; k < kc; k++) copy(out + k * padded + to, from.at(k0 + k, j), count);
    });
  }
};

// dY as the left factor, its columns counted from j_first: in place while the block stays in one image, else its rows
// are joined.
template <class T>
struct PlaneRows {
  Planes<const T> dy;
  i64 j_first;
  View<T> rows(i64 i0, i64 count, i64 j0, i64 width, T* scratch) const {
    if (width == 0) return {scratch, 0, 0};
    if (dy.direct(j_first + j0, width)) return {dy.at(i0, j_first + j0), dy.plane, 1};
    dy.for_each_part(j_first + j0, width, [&](i64 to, i64 j, i64 part) {
      for (i64 i = 0; i < count; i++) copy(scratch + i * width + to, dy.at(i0 + i, j), part);
    });
    return {scratch, width, 1};
  }
};

template <class T>
struct ConvScratch {
  Blocks most;
  T *a, *b;
  // whole_k: k is cut by the caller.
  ConvScratch(const Conv2dShape& s, i64 m, i64 n, i64 k, bool whole_k, bool packs_a, Workspace& from)
      : most(blocks<T>(m, n, k, whole_k, packs_a, s.cache_bytes)),
        a(packs_a ? from.take<T>(packed_a_elements<T>(most)) : nullptr),
        b(from.take<T>(packed_b_elements<T>(most))) {}
};

// Units of a pass: groups times slices of the axis that has `extent` columns.
struct GroupSlices {
  i64 step, extent, per_group;
  GroupSlices(i64 extent, i64 step) : step(step), extent(extent), per_group(ceil_div(extent, step)) {}

  template <class Work>  // work(group, first column, last column)
  void for_each(i64 begin, i64 end, const Work& work) const {
    while (begin < end) {
      const i64 group = begin / per_group, first = begin % per_group;
      const i64 last = min(per_group, first + end - begin);
      work(group, first * step, min(extent, last * step));
      begin += last - first;
    }
  }
};

}  // namespace
}  // namespace jt::library
