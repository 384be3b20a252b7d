// blocked: C[m,n] (+)= A[m,k] * B[k,n] in cache-sized blocks, where A, B and C say themselves how they are read and
// written. The matrix product and all three passes of a convolution are this one loop nest.
//
// B becomes panels: kTileColumns columns, k running slowest, the last panel as narrow as whole registers allow. A is
// read where it lies if it can be.
//   A: View rows(i0, count, k0, kc, kept, is_kept)     rows i0.. of A: packed into kept if that is better, unless they are already
//   B: in_place(j0, width), at(k0, j0), step()         a panel whose rows can be read where they lie
//      pack(k0, kc, j0, width, padded, out)            out[kc][padded]; after width, and kLanes past its end, anything
//      ready(k0, kc, j0)                               a panel that was packed before; null: none was
//   C: direct(j0, width), at(i, j), row()              columns that a tile may be written to
//      store(i, rows, j0, width, tile, accumulate)     the rest, from tile[rows][kTileColumns]
//
// Bits: each element sums k in blocks of kBlockK whatever tile or range it falls in.
#pragma once
#include "backends/cpu_tcc/library/micro.h"

namespace jt::library {
namespace {

// k is split by a constant so that bits do not depend on the machine: a tile's rows of A then fill a third of a 32 KB
// L1. Rows and columns are split by the size of the cache that a core has for itself (L2): half of it holds a block of
// B.
template <class T>
constexpr i64 kBlockK = 512;
template <class T>
constexpr i64 kBlockRows = kTileRows * 8;
template <class T>
constexpr i64 kKeptRows = kBlockRows<T> * 32;  // of A, packed: 3 MB of a block of k
constexpr i64 kMostTiles = 32;
template <class T>
constexpr i64 kFewRows = kTileRows * kMostTiles;

// Rows of A: tile t begins at `at + t * tile` when packed, else at its first row.
template <class T>
struct View {
  const T* at;
  i64 row, step;
  i64 tile = 0;
};

struct Blocks {
  i64 rows, columns, k;
  i64 kept;  // rows of A that are packed for all columns: a multiple of `rows`, or all
};

// whole_k: one block, for a B that is read in place and once. Few rows that lie where they are: each panel is read by
// one block of them, so only one is kept at a time.
template <class T>
Blocks blocks(i64 m, i64 n, i64 k, bool whole_k, bool packs_a, i64 cache_bytes) {
  Blocks most{min(m, kBlockRows<T>), n, whole_k ? k : min(k, kBlockK<T>), packs_a ? min(m, kKeptRows<T>) : m};
  const i64 panels = cache_bytes / 2 / i64(sizeof(T)) / max(1, most.k) / kTileColumns<T>;
  most.columns = min(n, max(2, panels) * kTileColumns<T>);
  if (m <= kFewRows<T>) {
    most.rows = m;
    if (!packs_a) most.columns = min(n, kTileColumns<T>);
  }
  return most;
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

// A[count, kc] with its rows across k, tile by tile, k slowest in each. Whole registers are copied, each over the
// excess of the one before; `readable` elements lie side by side from the first row on. Tiles lie apart from one
// another: a power of two between them would have them meet in one set of the cache, as the rows that are read often
// do: those are fetched ahead.
template <class T>
using Copied = std::conditional_t<kTileRows <= kLanes<T> / 2, HalfVec<T>, Vec<T>>;
template <class T>
constexpr i64 kCopied = round_up(kTileRows, sizeof(Copied<T>) / sizeof(T));
template <class T>
constexpr i64 tile_elements(i64 kc) {
  return kc * kTileRows + kCopied<T>;
}

template <class T>
void pack_rows(const T* a, i64 row, i64 step, i64 count, i64 kc, i64 readable, T* out) {
  constexpr i64 kAhead = 16, kLine = 64 / sizeof(T);
  const Tiles tiles(count);
  const i64 size = tile_elements<T>(kc);
  i64 begins[kMostTiles + 1], copies = 0;
  for (i64 t = 0; t <= tiles.count; t++) begins[t] = tiles.begin(t);
  while (row == 1 && copies < tiles.count && begins[copies] + kCopied<T> <= readable) copies++;
  for (i64 k = 0; k < kc; k++) {
    const T* from = a + k * step;
    T* to = out + k * kTileRows;
    for (i64 i = 0; i < count; i += kLine) __builtin_prefetch(from + kAhead * step + i * row);
    i64 t = 0;
    for (; t < copies; t++)
#pragma GCC unroll 4
      for (i64 i = 0; i < kCopied<T>; i += sizeof(Copied<T>) / sizeof(T))
        store(to + t * size + i, load<Copied<T>>(from + begins[t] + i));
    for (; t < tiles.count; t++)
      for (i64 i = begins[t]; i < begins[t + 1]; i++) to[t * size + i - begins[t]] = from[i * row];
  }
}

template <class T>
i64 packed_a_elements(Blocks b) {  // of one block of rows
  return ceil_div(b.rows, kTileRows) * tile_elements<T>(b.k);
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

  void tile(MicroKernel<T> kernel, i64 kc, const TileOperands<T>& from, i64 i, i64 rows, i64 j, i64 width,
            bool accumulate) const {
    if (width == padded(width) && c.direct(j, width)) {
      kernel(kc, from, c.at(i, j), c.row(), accumulate);
      return;
    }
    alignas(64) T out[kTileRows * kTileColumns<T>];
    kernel(kc, from, out, kTileColumns<T>, false);
    c.store(i, rows, j, width, out, accumulate);
  }

  // The tiles of one panel. Its first use packs it; a single tile needs no panel if B can be read where it lies.
  void panel(const View<T>& view, i64 i0, i64 count, i64 j, i64 width, i64 k0, i64 kc, T* panel, bool is_first,
             bool is_last, bool accumulate) const {
    const Tiles tiles(count);
    const T* const ready = b.ready(k0, kc, j);
    const bool in_place = !ready && is_first && width == padded(width) && b.in_place(j, width);
    if (ready) panel = const_cast<T*>(ready);  // only a panel that is kept is written
    else if (is_first && !in_place) b.pack(k0, kc, j, width, padded(width), panel);
    for (i64 t = 0; t < tiles.count; t++) {
      const i64 first = tiles.begin(t), rows = tiles.begin(t + 1) - first;
      TileOperands<T> from{
          view.at + (view.tile ? t * view.tile : first * view.row), view.row, view.step, panel, 0, panel};
      Reading reading = Reading::packed;
      if (in_place && t == 0) {
        reading = is_last && tiles.count == 1 ? Reading::in_place : Reading::kept;
        from.b = b.at(k0, j);
        from.b_step = b.step();
      }
      tile(micro_kernel<T>(rows, vectors(width), reading), kc, from, i0 + first, rows, j, width, accumulate);
    }
  }

  // Of most.kept rows at a time: blocks of k outside those of columns, so that what is packed of A serves all of them.
  void run(i64 m, i64 j_begin, i64 j_end, i64 k, Blocks most, bool accumulate) const {
    for (i64 begin = 0; begin < m; begin += most.kept) {
      const i64 end = min(m, begin + most.kept);
      i64 k0 = 0;
      do {  // once even for k = 0, which writes the zeros
        const i64 kc = next_block(k - k0, most.k);
        for (i64 j0 = j_begin; j0 < j_end; j0 += most.columns) {
          T* kept = a_scratch;
          for (i64 i0 = begin; i0 < end; i0 += most.rows, kept += packed_a_elements<T>(most)) {
            const i64 count = min(most.rows, end - i0), j1 = min(j_end, j0 + most.columns);
            const View<T> view = a.rows(i0, count, k0, kc, kept, j0 > j_begin);
            for (i64 j = j0; j < j1; j += kTileColumns<T>)
              panel(view, i0, count, j, min(kTileColumns<T>, j1 - j), k0, kc, b_scratch + (j - j0) * kc, i0 == begin,
                    i0 + count == end, accumulate || k0 > 0);
          }
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
  i64 rows_left;  // that can be read, from the first on; used when packed
  View<T> rows(i64 i0, i64 count, i64 k0, i64 kc, T* kept, bool is_kept) const {
    const T* from = a + i0 * row + k0 * step;
    if (!packed) return {from, row, step};
    if (!is_kept) pack_rows(from, row, step, count, kc, rows_left - i0, kept);
    return {kept, 1, kTileRows, tile_elements<T>(kc)};
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
