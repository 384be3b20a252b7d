// gemm: GemmShape + pointers -> the blocked product, or one of the two paths for few rows.
//
//   dot       few rows, A and B both along k: no packing, B is read once
//   streamed  few rows, B along its columns: no packing, B is read once, k is not split
//   blocked   the rest
// The path follows from the whole shape, never from the range, so bits do not depend on how the units were split.
#pragma once
#include "backends/cpu_tcc/library/blocked.h"
#include "backends/cpu_tcc/library/half.h"
#include "backends/cpu_tcc/library/library.h"

namespace jt::library {
namespace {

// The same product with fewer cases: a broadcast B under dense rows is one taller A; one column becomes one row.
inline GemmShape without_broadcast_b(GemmShape s) {
  const bool rows_continue = !s.transpose_a && s.batch_stride_a == s.m * s.lda && s.batch_stride_c == s.m * s.ldc;
  if (s.batch <= 1 || s.batch_stride_b != 0 || !rows_continue) return s;
  s.m *= s.batch;
  s.batch = 1;
  return s;
}

inline bool is_one_dense_column(const GemmShape& s) { return s.n == 1 && s.ldc == 1 && s.m > 1; }

inline GemmShape swapped(const GemmShape& s) {
  GemmShape t = s;
  t.m = s.n;
  t.n = s.m;
  t.transpose_a = !s.transpose_b;
  t.transpose_b = !s.transpose_a;
  t.lda = s.ldb;
  t.ldb = s.lda;
  t.ldc = s.m;
  t.batch_stride_a = s.batch_stride_b;
  t.batch_stride_b = s.batch_stride_a;
  return t;
}

// Units: slices of the longer side of C, batch by batch.
struct Slices {
  bool of_rows;
  i64 step, per_batch;
  i64 m, n;

  Slices(const GemmShape& s, i64 tile_columns) : of_rows(s.m > s.n), m(s.m), n(s.n) {
    step = of_rows ? kTileRows * 4 : tile_columns;
    per_batch = m == 0 || n == 0 ? 0 : ceil_div(of_rows ? m : n, step);
  }
};
struct Area {
  i64 batch, i0, i1, j0, j1;
};

// Calls work(area) for each batch that [begin, end) touches.
template <class Work>
void for_each_area(const Slices& slices, i64 begin, i64 end, const Work& work) {
  while (begin < end) {
    const i64 batch = begin / slices.per_batch, first = begin % slices.per_batch;
    const i64 last = min(slices.per_batch, first + end - begin);
    const i64 from = first * slices.step, to = last * slices.step;
    if (slices.of_rows)
      work(Area{batch, from, min(slices.m, to), 0, slices.n});
    else
      work(Area{batch, 0, slices.m, from, min(slices.n, to)});
    begin += last - first;
  }
}

template <class T>
struct Matrices {
  const T* a;
  i64 a_row, a_step;
  const T* b;
  i64 b_step, b_column;
  T* c;
  i64 c_row;

  Matrices(const GemmShape& s, const T* a0, const T* b0, T* c0, i64 batch)
      : a(a0 + batch * s.batch_stride_a),
        a_row(s.transpose_a ? 1 : s.lda),
        a_step(s.transpose_a ? s.lda : 1),
        b(b0 + batch * s.batch_stride_b),
        b_step(s.transpose_b ? 1 : s.ldb),
        b_column(s.transpose_b ? s.ldb : 1),
        c(c0 + batch * s.batch_stride_c),
        c_row(s.ldc) {}
};

// ---- f32 and f64

enum class Path { dot, streamed, blocked };

template <class T>
Path path_of(const GemmShape& s) {
  const bool a_along_k = !s.transpose_a || s.lda == 1;
  const bool b_along_k = s.transpose_b || (s.ldb == 1 && s.n == 1);
  if (s.m <= 16 && a_along_k && b_along_k) return Path::dot;
  if (s.m <= kTileRows && !s.transpose_b) return Path::streamed;
  return Path::blocked;
}

// Rows of A that lie across k are packed where so many columns read them that it pays.
template <class T>
bool packs_a(const GemmShape& s) {
  return s.transpose_a && s.lda != 1 && s.n > 256;
}

template <class T>
struct StridedColumns {
  const T* b;
  i64 b_step, b_column;
  const T* packed = nullptr;  // by pack_all
  i64 n = 0;
  bool in_place(i64, i64) const { return b_column == 1; }
  const T* at(i64 k0, i64 j) const { return b + k0 * b_step + j; }
  i64 step() const { return b_step; }

  // All panels: block of k after block, each panel after panel.
  static i64 packed_row(i64 n) {
    return n / kTileColumns<T> * kTileColumns<T> + round_up(n % kTileColumns<T>, kLanes<T>);
  }
  const T* ready(i64 k0, i64 kc, i64 j) const { return packed ? packed + k0 * packed_row(n) + j * kc : nullptr; }
  void pack_all(i64 k, T* out) const {
    for (i64 k0 = 0; k0 < k;) {
      const i64 kc = next_block(k - k0, min(k, kBlockK<T>));
      for (i64 j = 0; j < n; j += kTileColumns<T>) {
        const i64 width = min(kTileColumns<T>, n - j);
        pack(k0, kc, j, width, round_up(width, kLanes<T>), out + k0 * packed_row(n) + j * kc);
      }
      k0 += kc;
    }
  }

  void pack(i64 k0, i64 kc, i64 j0, i64 width, i64 padded, T* out) const {
    const T* from = b + k0 * b_step + j0 * b_column;
    if (b_column == 1)
      for (i64 k = 0; k < kc; k++) copy(out + k * padded, from + k * b_step, width);
    else
      transpose(from, b_column, width, kc, out, padded);
  }
};

template <class T, int rows>
void dot_rows(const Matrices<T>& x, i64 i, i64 j0, i64 j1, i64 k, bool accumulate) {
  const T* a = x.a + i * x.a_row;
  T* c = x.c + i * x.c_row;
  i64 j = j0;
  for (; j + 4 <= j1; j += 4)
    dot_tile<T, rows, 4>(k, a, x.a_row, x.b + j * x.b_column, x.b_column, c + j, x.c_row, accumulate);
  for (; j < j1; j++)
    dot_tile<T, rows, 1>(k, a, x.a_row, x.b + j * x.b_column, x.b_column, c + j, x.c_row, accumulate);
}

// Columns in blocks that stay in L1 while all the rows pass.
template <class T>
void dot_product(const Matrices<T>& x, const Area& area, i64 k, bool accumulate) {
  const i64 step = max(4, min(256, 4096 / max(1, k)) / 4 * 4);
  for (i64 j = area.j0; j < area.j1; j += step) {
    const i64 j1 = min(area.j1, j + step);
    i64 i = area.i0;
    for (; i + 4 <= area.i1; i += 4) dot_rows<T, 4>(x, i, j, j1, k, accumulate);
    if (i + 2 <= area.i1) {
      dot_rows<T, 2>(x, i, j, j1, k, accumulate);
      i += 2;
    }
    if (i < area.i1) dot_rows<T, 1>(x, i, j, j1, k, accumulate);
  }
}

// So few rows that reading B is all there is to do: several of its rows at a time pass along rows of C, each from end
// to end.
constexpr i64 kFewestRows = 4;

// c[i, j..] (+)= sum over q < together of a[i, p + q] * b[p + q, j..] for whole registers of columns.
template <class T, int rows, int together>
void pass_rows(const Matrices<T>& x, i64 j, i64 j1, i64 p) {
  T factors[rows][together];
  for (int i = 0; i < rows; i++)
    for (int q = 0; q < together; q++) factors[i][q] = x.a[i * x.a_row + (p + q) * x.a_step];
  const T* b = x.b + p * x.b_step;
  for (; j + kLanes<T> <= j1; j += kLanes<T>) {
    Vec<T> sums[rows];
    for (int i = 0; i < rows; i++) sums[i] = p ? load<Vec<T>>(x.c + i * x.c_row + j) : Vec<T>{};
#pragma GCC unroll 8
    for (int q = 0; q < together; q++) {
      const Vec<T> row = load<Vec<T>>(b + q * x.b_step + j);
      for (int i = 0; i < rows; i++) sums[i] += factors[i][q] * row;
    }
    for (int i = 0; i < rows; i++) store(x.c + i * x.c_row + j, sums[i]);
  }
}
// One register of columns, or the first few of one, through all rows of B: as above, multiply-adds of registers, so
// that bits are equal. What lies behind a few columns may be read, up to the last one of B.
template <class T, int rows>
void pass_through(const Matrices<T>& x, i64 j, i64 width, i64 k) {
  Vec<T> sums[rows] = {};
  const T* const end = x.b + (k - 1) * x.b_step + j + width;
  for (i64 p = 0; p < k; p++) {
    const T* b = x.b + p * x.b_step + j;
    Vec<T> row = {};
    if (end - b >= kLanes<T>) row = load<Vec<T>>(b);
    else for (i64 q = 0; q < width; q++) row[q] = b[q];
    for (int i = 0; i < rows; i++) sums[i] += x.a[i * x.a_row + p * x.a_step] * row;
  }
  for (int i = 0; i < rows; i++)
    for (i64 q = 0; q < width; q++) x.c[i * x.c_row + j + q] = sums[i][q];
}
template <class T, int rows>
void pass_along(const Matrices<T>& x, i64 j0, i64 j1, i64 k) {
  constexpr int kTogether = rows <= 2 ? 8 : 4, L = kLanes<T>;
  if (k == 0) {
    for (i64 i = 0; i < rows; i++) clear(x.c + i * x.c_row + j0, j1 - j0);
    return;
  }
  i64 p = 0;
  for (; p + kTogether <= k; p += kTogether) pass_rows<T, rows, kTogether>(x, j0, j1, p);
  for (; p < k; p++) pass_rows<T, rows, 1>(x, j0, j1, p);
  if (const i64 width = (j1 - j0) % L; width && j1 - j0 < L) pass_through<T, rows>(x, j0, width, k);
  else if (width) pass_through<T, rows>(x, j1 - L, L, k);  // again for some columns, to the same bits
}
template <class T>
void pass_along(const Matrices<T>& x, const Area& area, i64 k) {
  const i64 columns = (area.i1 - area.i0 == 1 ? 16384 : 8192) / i64(sizeof(T));  // of C: they stay in L1
  for (i64 j = area.j0; j < area.j1; j += columns) {
    const i64 end = min(area.j1, j + columns);
    switch (area.i1 - area.i0) {
      case 1: pass_along<T, 1>(x, j, end, k); break;
      case 2: pass_along<T, 2>(x, j, end, k); break;
      case 3: pass_along<T, 3>(x, j, end, k); break;
      default: pass_along<T, 4>(x, j, end, k);
    }
  }
}

template <class T>
struct GemmScratch {
  T *a = nullptr, *b = nullptr;
  Blocks most;  // of the whole shape, whatever part of it is made
  GemmScratch(const GemmShape& s, Path path, Workspace& from)
      : most(blocks<T>(s.m, s.n, s.k, path == Path::streamed, packs_a<T>(s), s.cache_bytes)) {
    if (path == Path::dot) return;
    if (packs_a<T>(s)) a = from.take<T>(ceil_div(most.kept, max(1, most.rows)) * packed_a_elements<T>(most));
    b = from.take<T>(packed_b_elements<T>(most));
  }
};

template <class T>
void product(const GemmShape& s, Path path, const Matrices<T>& x, const Area& area, const GemmScratch<T>& scratch,
             const T* packed) {
  if (path == Path::dot) {
    dot_product(x, area, s.k, s.accumulate);
    return;
  }
  if (path == Path::streamed && s.m <= kFewestRows && !s.accumulate) return pass_along(x, area, s.k);
  const i64 rows = area.i1 - area.i0;
  StridedRows<T> a{x.a + area.i0 * x.a_row, x.a_row, x.a_step, path == Path::blocked && packs_a<T>(s), s.m - area.i0};
  StridedColumns<T> b{x.b, x.b_step, x.b_column, packed, s.n};
  PlainResult<T> c{x.c + area.i0 * x.c_row, x.c_row};
  BlockedProduct<T, decltype(a), decltype(b), decltype(c)>{a, b, c, scratch.a, scratch.b}.run(
      rows, area.j0, area.j1, s.k, scratch.most, s.accumulate);
}

template <class T>
void gemm_float(const GemmShape& s, const void* a, const void* b, void* c, void* workspace, const void* packed,
                i64 begin, i64 end) {
  const Path path = path_of<T>(s);
  Workspace memory(workspace);
  GemmScratch<T> scratch(s, path, memory);
  for_each_area(Slices(s, kTileColumns<T>), begin, end, [&](const Area& area) {
    product(s, path, Matrices<T>(s, (const T*)a, (const T*)b, (T*)c, area.batch), area, scratch, (const T*)packed);
  });
}

template <class T>
size_t gemm_float_workspace(const GemmShape& s) {
  if (path_of<T>(s) == Path::dot) return 0;
  Workspace memory(nullptr);
  GemmScratch<T>(s, path_of<T>(s), memory);
  return memory.measured();
}

// ---- f16 and bf16: the operands of an area become f32 matrices of the same form, the result is rounded once.

struct HalfScratch {
  float *a, *b, *c;
  GemmScratch<float> inner;
  HalfScratch(const GemmShape& s, Workspace& from)
      : a(from.take<float>(s.m * s.k)),
        b(from.take<float>(s.k * s.n)),
        c(from.take<float>(s.m * s.n)),
        inner(s, path_of<float>(s), from) {}
};

template <class Half>
void widen(const Half* from, i64 from_row, i64 rows, i64 columns, float* to) {
  for (i64 r = 0; r < rows; r++)
    for (i64 i = 0; i < columns; i++) to[r * columns + i] = to_f32(from[r * from_row + i]);
}

template <class Half>
void gemm_half(const GemmShape& s, const void* a, const void* b, void* c, void* workspace, i64 begin, i64 end) {
  const Path path = path_of<float>(s);
  Workspace memory(workspace);
  HalfScratch scratch(s, memory);
  for_each_area(Slices(s, kTileColumns<float>), begin, end, [&](const Area& area) {
    const i64 m = area.i1 - area.i0, n = area.j1 - area.j0;
    Matrices<Half> x(s, (const Half*)a, (const Half*)b, (Half*)c, area.batch);
    const Half* a0 = x.a + area.i0 * x.a_row;
    const Half* b0 = x.b + area.j0 * x.b_column;
    Half* c0 = x.c + area.i0 * x.c_row + area.j0;
    GemmShape part = s;  // the area as dense f32 matrices
    part.m = m;
    part.n = n;
    part.lda = s.transpose_a ? m : s.k;
    part.ldb = s.transpose_b ? s.k : n;
    part.ldc = n;
    widen(a0, s.lda, s.transpose_a ? s.k : m, part.lda, scratch.a);
    widen(b0, s.ldb, s.transpose_b ? n : s.k, part.ldb, scratch.b);
    if (s.accumulate) widen(c0, s.ldc, m, n, scratch.c);
    product(part, path, Matrices<float>(part, scratch.a, scratch.b, scratch.c, 0), {0, 0, m, 0, n}, scratch.inner,
            (const float*)nullptr);
    for (i64 i = 0; i < m; i++)
      for (i64 j = 0; j < n; j++) c0[i * s.ldc + j] = from_f32(scratch.c[i * n + j], c0);
  });
}

inline size_t gemm_half_workspace(const GemmShape& s) {
  Workspace memory(nullptr);
  HalfScratch(s, memory);
  return memory.measured();
}

// ---- integers: as unsigned numbers of their size, which wrap; Wide is at least int, where 16-bit factors would
// overflow.

template <class T, class Wide>
void gemm_integer(const GemmShape& s, const void* a, const void* b, void* c, i64 begin, i64 end) {
  for_each_area(Slices(s, kMostTileColumns), begin, end, [&](const Area& area) {
    Matrices<T> x(s, (const T*)a, (const T*)b, (T*)c, area.batch);
    for (i64 i = area.i0; i < area.i1; i++) {
      T* row = x.c + i * x.c_row;
      if (!s.accumulate) fill(row + area.j0, area.j1 - area.j0, T(0));
      for (i64 k = 0; k < s.k; k++) {
        const Wide factor = x.a[i * x.a_row + k * x.a_step];
        const T* b_row = x.b + k * x.b_step;
        for (i64 j = area.j0; j < area.j1; j++) row[j] = T(row[j] + factor * b_row[j * x.b_column]);
      }
    }
  });
}

// ---- all dtypes

// Only f32 and f64 gain from another form.
inline GemmShape simplified(const GemmShape& s) { return is_float(s.dtype) ? without_broadcast_b(s) : s; }

inline bool gemm_offers(DType dtype) { return is_dtype(dtype) && dtype != JT_BOOL; }

inline i64 gemm_units(const GemmShape& shape) {
  GemmShape s = simplified(shape);
  if (is_one_dense_column(s)) s = swapped(s);
  const Slices slices(s, s.dtype == JT_F64 ? kTileColumns<double> : kMostTileColumns);
  return slices.per_batch * s.batch;
}

inline size_t gemm_workspace(const GemmShape& shape) {
  GemmShape s = simplified(shape);
  if (is_one_dense_column(s)) s = swapped(s);
  switch (s.dtype) {
    case JT_F32: return gemm_float_workspace<float>(s);
    case JT_F64: return gemm_float_workspace<double>(s);
    case JT_F16:
    case JT_BF16: return gemm_half_workspace(s);
    default: return 0;
  }
}

// A transposed B costs its packing, which few rows do not make up for. One that lies along its rows is packed as it is
// read.
inline bool gemm_packs(const GemmShape& s) {
  constexpr i64 kManyRows = 1024;
  if (s.batch != 1 || s.m > kManyRows || !s.transpose_b || s.ldb == 1 || is_one_dense_column(s)) return false;
  if (s.dtype == JT_F32) return path_of<float>(s) == Path::blocked;
  return s.dtype == JT_F64 && path_of<double>(s) == Path::blocked;
}
template <class T>
size_t packed_bytes(const GemmShape& s) {
  return size_t(s.k * StridedColumns<T>::packed_row(s.n) + kLanes<T>) * sizeof(T);
}
inline size_t gemm_packed_bytes(const GemmShape& shape) {
  const GemmShape s = simplified(shape);
  if (!gemm_packs(s)) return 0;
  return s.dtype == JT_F64 ? packed_bytes<double>(s) : packed_bytes<float>(s);
}
template <class T>
void pack_b(const GemmShape& s, const void* b, void* packed) {
  StridedColumns<T>{(const T*)b, 1, s.ldb, nullptr, s.n}.pack_all(s.k, (T*)packed);
}
inline void gemm_pack(const GemmShape& shape, const void* b, void* packed) {
  const GemmShape s = simplified(shape);
  s.dtype == JT_F64 ? pack_b<double>(s, b, packed) : pack_b<float>(s, b, packed);
}

inline i64 gemm_unit_begin(const GemmShape& shape, i64 unit) {
  const GemmShape s = simplified(shape);
  const Slices slices(s, s.dtype == JT_F64 ? kTileColumns<double> : kMostTileColumns);
  const bool is_dense = s.ldc == s.n && (s.batch == 1 || s.batch_stride_c == s.m * s.n);
  if (!is_float(s.dtype) || !slices.of_rows || !is_dense || s.accumulate || is_one_dense_column(s) || s.k == 0)
    return -1;
  return unit / slices.per_batch * s.m * s.n + min(s.m, unit % slices.per_batch * slices.step) * s.n;
}

inline void gemm(const GemmShape& shape, const void* a, const void* b, void* c, void* workspace, const void* packed,
                 i64 begin, i64 end) {
  GemmShape s = simplified(shape);
  if (is_one_dense_column(s)) {
    s = swapped(s);
    const void* t = a;
    a = b;
    b = t;
  }
  switch (s.dtype) {
    case JT_F32: return gemm_float<float>(s, a, b, c, workspace, packed, begin, end);
    case JT_F64: return gemm_float<double>(s, a, b, c, workspace, packed, begin, end);
    case JT_F16: return gemm_half<F16>(s, a, b, c, workspace, begin, end);
    case JT_BF16: return gemm_half<BF16>(s, a, b, c, workspace, begin, end);
    case JT_I8:
    case JT_U8: return gemm_integer<uint8_t, uint32_t>(s, a, b, c, begin, end);
    case JT_I16:
    case JT_U16: return gemm_integer<uint16_t, uint32_t>(s, a, b, c, begin, end);
    case JT_I32:
    case JT_U32: return gemm_integer<uint32_t, uint32_t>(s, a, b, c, begin, end);
    case JT_I64:
    case JT_U64: return gemm_integer<uint64_t, uint64_t>(s, a, b, c, begin, end);
    default: return;
  }
}

}  // namespace
}  // namespace jt::library
