// conv_weights: w[o, c, kh, kw] of one group -> panels [k][columns], as tiles of taps read them: k runs over (kv, kh,
// source channel), columns over target channels, kPanel at a time, the last as narrow as half registers allow.
#pragma once
#include "backends/cpu_tcc/library/tap_micro.h"

namespace jt::library {
namespace {

// Which weights a field's taps multiply. by_outputs: columns are o and the sum runs over c (the forward pass); else the
// other way round.
template <class T>
struct TapWeights {
  const T* w;            // of the group
  i64 outputs, inputs;   // o and c of the group
  i64 kh, kw;
  bool by_outputs;
  const Field& f;

  i64 columns() const { return by_outputs ? outputs : inputs; }
  static i64 halves(i64 width) { return ceil_div(width, kHalf<T>); }
  static i64 padded(i64 width) { return halves(width) * kHalf<T>; }
  i64 panels() const { return ceil_div(columns(), kPanel<T>); }
  i64 width(i64 panel) const { return min(kPanel<T>, columns() - panel * kPanel<T>); }

  bool takes_all_in_order() const {
    const i64 step = f.h.weight_step;
    return f.v.taps == kh && f.h.taps == kw && f.v.weight_step == step && (step == 1 || step == -1);
  }

  void pack(i64 panel, T* out) const {
    const i64 j0 = panel * kPanel<T>, n = width(panel), row = padded(n);
    if (n < row) clear(out, f.k() * row);
    if (by_outputs)
      pack_by_outputs(j0, n, row, out);
    else if (takes_all_in_order() && f.h.weight_step == -1)
      pack_turned(j0, n, row, out);
    else
      pack_by_inputs(j0, n, row, out);
  }

 private:
  i64 taps() const { return kh * kw; }

  // Rows of w are (c, tap), rows of the panel (tap, c): squares are transposed, and each of their rows goes to its
  // place.
  void pack_by_outputs(i64 j0, i64 n, i64 row, T* out) const {
    constexpr i64 L = kLanes<T>;
    const i64 k = inputs * taps();
    i64 j = 0;
    for (; j + L <= n; j += L) {
      i64 q = 0;
      for (; q + L <= k; q += L) {
        alignas(64) T square[L * L];
        transpose_square<Vec<T>>(w + (j0 + j) * k + q, k, square, L, q + 5 * L <= k);
        i64 c = q / taps(), tap = q % taps();
        for (i64 r = 0; r < L; r++) {
          store(out + (tap * inputs + c) * row + j, load<Vec<T>>(square + r * L));
          if (++tap == taps()) tap = 0, c++;
        }
      }
      for (; q < k; q++)
        for (i64 r = 0; r < L; r++) out[(q % taps() * inputs + q / taps()) * row + j + r] = w[(j0 + j + r) * k + q];
    }
    for (; j < n; j++) {
      const T* from = w + (j0 + j) * k;
      for (i64 c = 0; c < inputs; c++)
        for (i64 tap = 0; tap < taps(); tap++) out[(tap * inputs + c) * row + j] = *from++;
    }
  }

  // Every tap, the last one first.
  void pack_turned(i64 j0, i64 n, i64 row, T* out) const {
    T* const last = out + (taps() - 1) * outputs * row;
    if (taps() == 1) {
      for (i64 o = 0; o < outputs; o++) copy(out + o * row, w + o * inputs + j0, n);
      return;
    }
    constexpr i64 kAhead = 4, kLine = 64 / sizeof(T);
    for (i64 o = 0; o < outputs; o++) {
      const T* const from = w + (o * inputs + j0) * taps();
      for (i64 i = 0; i < n * taps(); i += kLine) __builtin_prefetch(from + kAhead * inputs * taps() + i);
      transpose(from, taps(), n, taps(), last + o * row, -outputs * row);
    }
  }

  void pack_by_inputs(i64 j0, i64 n, i64 row, T* out) const {
    for (i64 kv = 0; kv < f.v.taps; kv++)
      for (i64 k = 0; k < f.h.taps; k++) {
        const i64 tap = (f.v.weight + kv * f.v.weight_step) * kw + f.h.weight + k * f.h.weight_step;
        for (i64 o = 0; o < outputs; o++) {
          const T* from = w + (o * inputs + j0) * taps() + tap;
          for (i64 j = 0; j < n; j++) out[j] = from[j * taps()];
          out += row;
        }
      }
  }
};

}  // namespace
}  // namespace jt::library
