// blocked: C[m,n] (+)= A[m,k] * B[k,n] in cache-sized blocks, where A, B and C say themselves how they are read and
// written. The matrix product and all three passes of a convolution are this one loop nest.
//
// B becomes panels: kTileColumns columns, k running slowest, the last panel as narrow as whole registers allow. A is
// read where it lies if it can be.
//   A: View rows(i0, count, k0, kc, scratch)           rows i0.. of A, packed into scratch if that is better
//   B: in_place(width), at(k0, j0), step()             a panel that can be read where it lies
//      pack(k0, kc, j0, width, padded, out)            out[kc][padded] with zeros after width; may scribble kLanes past it
//   C: direct(j0, width), at(i, j), row()              columns that a tile may be written to
//      store(i, rows, j0, width, tile, accumulate)     the rest, from tile[rows][kTileColumns]
//
// Bits: each element sums k in blocks of kBlockK whatever tile or range it falls in.
#pragma once
#include "backends/cpu_tcc/library/micro.h"

namespace jt::library {
namespace {

// Sizes that suit a 32 KB L1 and a 256 KB to 2 MB L2: a panel of B stays in L2 while the tiles of A pass by, a block of
// A while the panels do; a block of B belongs to L3. They are constants so that bits do not depend on the machine.
template <class T>
constexpr i64 kBlockK = 384;
template <class T>
constexpr i64 kBlockRows = kTileRows * 28;
template <class T>
constexpr i64 kBlockColumns = round_up(8192 / i64(sizeof(T)), kTileColumns<T>);

// Rows of A: tile t begins at `at + t * tile` when packed, else at its first row.
template <class T>
struct View {
  const T* at;
  i64 row, step;
  i64 tile = 0;
};

struct Blocks {
  i64 rows, columns, k;
};

// whole_k: one block, for a B that is read in place and once.
template <class T>
Blocks blocks(i64 m, i64 n, i64 k, bool whole_k) {
  return {min(m, kBlockRows<T>), min(n, kBlockColumns<T>), whole_k ? k : min(k, kBlockK<T>)};
}

template <class T>
i64 packed_a_elements(Blocks b) {
  return round_up(b.rows, kTileRows) * b.k;
}
template <class T>
i64 packed_b_elements(Blocks b) {
  return round_up(b.columns, kTileColumns<T>) * b.k + kLanes<T>;
}

// The remainder is split evenly over the last two blocks.
inline i64 next_block(i64 left, i64 most) {
  if (left <= most) return left;
  return left < 2 * most ? (left + 1) / 2 : most;
}

// m rows as equal tiles, 20 as 5+5+5+5: a tile of two rows would leave the multipliers idle.
struct Tiles {
  i64 rows, count;
  explicit Tiles(i64 m) : rows(m), count(ceil_div(m, kTileRows)) {}
  i64 begin(i64 tile) const { return tile * rows / count; }
};

// Packs A[count, kc] tile by tile, k slowest in each.
template <class T>
View<T> pack_rows(const T* a, i64 row, i64 step, i64 count, i64 kc, T* out) {
  Tiles tiles(count);
  for (i64 t = 0; t < tiles.count; t++) {
    T* to = out + t * kc * kTileRows;
    const i64 first = tiles.begin(t), height = tiles.begin(t + 1) - first;
    for (i64 k = 0; k < kc; k++)
      for (i64 i = 0; i < height; i++) to[k * kTileRows + i] = a[(first + i) * row + k * step];
  }
  return {out, 1, kTileRows, kc * kTileRows};
}

template <class T, class A, class B, class C>
struct BlockedProduct {
  const A& a;
  const B& b;
  const C& c;
  T* a_scratch;
  T* b_scratch;

  static i64 vectors(i64 width) { return ceil_div(width, kLanes<T>); }
  static i64 padded(i64 width) { return vectors(width) * kLanes<T>; }

  void pack_panels(i64 j0, i64 j1, i64 k0, i64 kc) {
    for (i64 j = j0; j < j1; j += kTileColumns<T>) {
      i64 width = min(kTileColumns<T>, j1 - j);
      if (!b.in_place(width)) b.pack(k0, kc, j, width, padded(width), b_scratch + (j - j0) * kc);
    }
  }

  void tile(MicroKernel<T> kernel, i64 kc, const TileOperands<T>& from, i64 i, i64 rows, i64 j, i64 width,
            bool accumulate) {
    if (width == padded(width) && c.direct(j, width)) {
      kernel(kc, from, c.at(i, j), c.row(), accumulate);
      return;
    }
    alignas(64) T out[kTileRows * kTileColumns<T>];
    kernel(kc, from, out, kTileColumns<T>, false);
    c.store(i, rows, j, width, out, accumulate);
  }

  void panels(const View<T>& view, i64 i0, i64 count, i64 j0, i64 j1, i64 k0, i64 kc, bool accumulate) {
    Tiles tiles(count);
    for (i64 j = j0; j < j1; j += kTileColumns<T>) {
      const i64 width = min(kTileColumns<T>, j1 - j);
      const bool in_place = b.in_place(width);
      TileOperands<T> from{nullptr, view.row, view.step, in_place ? b.at(k0, j) : b_scratch + (j - j0) * kc,
                           in_place ? b.step() : padded(width)};
      for (i64 t = 0; t < tiles.count; t++) {
        const i64 first = tiles.begin(t), rows = tiles.begin(t + 1) - first;
        from.a = view.at + (view.tile ? t * view.tile : first * view.row);
        tile(micro_kernel<T>(rows, vectors(width)), kc, from, i0 + first, rows, j, width, accumulate);
      }
    }
  }

  void run(i64 m, i64 j_begin, i64 j_end, i64 k, Blocks most, bool accumulate) {
    for (i64 j0 = j_begin; j0 < j_end; j0 += most.columns) {
      const i64 j1 = min(j_end, j0 + most.columns);
      i64 k0 = 0;
      do {  // once even for k = 0, which writes the zeros
        const i64 kc = next_block(k - k0, most.k);
        pack_panels(j0, j1, k0, kc);
        for (i64 i0 = 0; i0 < m; i0 += most.rows) {
          const i64 count = min(most.rows, m - i0);
          panels(a.rows(i0, count, k0, kc, a_scratch), i0, count, j0, j1, k0, kc, accumulate || k0 > 0);
        }
        k0 += kc;
      } while (k0 < k);
    }
  }
};

// A given by two strides; packed if `packed`, which pays when k is not its contiguous axis and it is read often.
template <class T>
struct StridedRows {
  const T* a;
  i64 row, step;
  bool packed;
  View<T> rows(i64 i0, i64 count, i64 k0, i64 kc, T* scratch) const {
    const T* from = a + i0 * row + k0 * step;
    if (packed) return pack_rows(from, row, step, count, kc, scratch);
    return {from, row, step};
  }
};

// C as a plain matrix.
template <class T>
struct PlainResult {
  T* c;
  i64 c_row;
  bool direct(i64, i64) const { return true; }
  T* at(i64 i, i64 j) const { return c + i * c_row + j; }
  i64 row() const { return c_row; }
  void store(i64 i, i64 rows, i64 j, i64 width, const T* tile, bool accumulate) const {
    for (i64 r = 0; r < rows; r++, tile += kTileColumns<T>) {
      if (accumulate)
        add(at(i + r, j), tile, width);
      else
        copy(at(i + r, j), tile, width);
    }
  }
};

// Workspace handed out front to back, each part on a cache line. Measuring runs the same takes on no memory.
struct Workspace {
  char* next;
  explicit Workspace(void* memory)
      : next(reinterpret_cast<char*>(round_up(reinterpret_cast<intptr_t>(memory), 64))) {}
  template <class T>
  T* take(i64 elements) {
    T* part = reinterpret_cast<T*>(next);
    next = reinterpret_cast<char*>(reinterpret_cast<intptr_t>(next) + round_up(elements * i64(sizeof(T)), 64));
    return part;
  }
  // Bytes to ask for, when it began at nullptr: 64 more for the alignment.
  size_t measured() const { return size_t(reinterpret_cast<intptr_t>(next)) + 64; }
};

}  // namespace
}  // namespace jt::library
