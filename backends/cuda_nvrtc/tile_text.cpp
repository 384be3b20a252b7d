#include "backends/cuda_nvrtc/tile_text.h"

namespace jt::cuda {

namespace {

// Which tile of which product a block of threads has, and which part of the sums.
constexpr const char* kWhichTile = R"(#define WHICH_TILE \
  unsigned tile = blockIdx.x; \
  const unsigned tile_n = tile % (unsigned)A.tiles_n; \
  tile /= (unsigned)A.tiles_n; \
  const unsigned tile_m = tile % (unsigned)A.tiles_m; \
  tile /= (unsigned)A.tiles_m; \
  const unsigned split = tile % (unsigned)A.splits; \
  const int batch = (int)(tile / (unsigned)A.splits); \
  const unsigned begin = split * (unsigned)A.depth; \
  const unsigned end = begin + (unsigned)A.depth < (unsigned)A.K ? begin + (unsigned)A.depth : (unsigned)A.K;
)";

// Thread t loads its share of both tiles: along k, k = t % 8 of rows t / 8, ..; along m, m = t % BM of depths t / BM,
// ... What is loaded for the next step is on its way while this one is computed. Rows of a tile are padded so that what
// is stored across them meets no bank twice.
constexpr const char* kTile = R"(#define BK 8
#define LOADS_A (BM * BK / THREADS)
#define LOADS_B (BN * BK / THREADS)
#define THREADS_N (BN / TN)
FN int a_m(int e) { return A_ALONG_M ? (int)((threadIdx.x + e * THREADS) % BM) : (int)((threadIdx.x + e * THREADS) / BK); }
FN int a_k(int e) { return A_ALONG_M ? (int)((threadIdx.x + e * THREADS) / BM) : (int)(threadIdx.x % BK); }
FN int b_n(int e) { return B_ALONG_N ? (int)((threadIdx.x + e * THREADS) % BN) : (int)((threadIdx.x + e * THREADS) / BK); }
FN int b_k(int e) { return B_ALONG_N ? (int)((threadIdx.x + e * THREADS) / BN) : (int)(threadIdx.x % BK); }
// A thread has groups of four columns, or fewer, that lie a half of the tile apart; rows likewise.
FN int row_of(int i) { return TM == 8 ? (int)(threadIdx.x / THREADS_N) * 4 + i % 4 + i / 4 * (BM / 2)
    : (int)(threadIdx.x / THREADS_N) * TM + i; }
FN int column_of(int j) { return TN == 8 ? (int)(threadIdx.x % THREADS_N) * 4 + j % 4 + j / 4 * (BN / 2)
    : (int)(threadIdx.x % THREADS_N) * TN + j; }

// Columns that lie side by side in a thread; they are stored as one where they may be.
#define SIDE (TN < 4 ? TN : sizeof(T) == 8 ? 2 : 4)
struct __align__(sizeof(T) * SIDE) Sums { T e[SIDE]; };
struct __align__(sizeof(R) * SIDE) Stored { R e[SIDE]; };

extern "C" __global__ void __launch_bounds__(THREADS) jt_product(const struct jt_arguments A) {
  __shared__ __align__(16) T as[2][BK][BM + 4];
  __shared__ __align__(16) T bs[2][BK][BN + 4];
  WHICH_TILE
  RowA rows_a[LOADS_A];
  RowB rows_b[LOADS_B];
  T next_a[LOADS_A], next_b[LOADS_B], sums[TM][TN];
#pragma unroll
  for (int e = 0; e < LOADS_A; e++) rows_a[e] = row_a(A, batch, tile_m * BM + a_m(e));
#pragma unroll
  for (int e = 0; e < LOADS_B; e++) rows_b[e] = row_b(A, batch, tile_n * BN + b_n(e));
#pragma unroll
  for (int i = 0; i < TM; i++)
#pragma unroll
    for (int j = 0; j < TN; j++) sums[i][j] = 0;
#pragma unroll
  for (int e = 0; e < LOADS_A; e++) next_a[e] = load_a(A, rows_a[e], at_k(A, begin + a_k(e), end));
#pragma unroll
  for (int e = 0; e < LOADS_B; e++) next_b[e] = load_b(A, rows_b[e], at_k(A, begin + b_k(e), end));
  int now = 0;
#pragma unroll 1
  for (unsigned k = begin; k < end; k += BK, now ^= 1) {
#pragma unroll
    for (int e = 0; e < LOADS_A; e++) as[now][a_k(e)][a_m(e)] = next_a[e];
#pragma unroll
    for (int e = 0; e < LOADS_B; e++) bs[now][b_k(e)][b_n(e)] = next_b[e];
    __syncthreads();
    if (k + BK < end) {
#pragma unroll
      for (int e = 0; e < LOADS_A; e++) next_a[e] = load_a(A, rows_a[e], at_k(A, k + BK + a_k(e), end));
#pragma unroll
      for (int e = 0; e < LOADS_B; e++) next_b[e] = load_b(A, rows_b[e], at_k(A, k + BK + b_k(e), end));
    }
#pragma unroll
    for (int d = 0; d < BK; d++) {
      T a[TM], b[TN];
#pragma unroll
      for (int i = 0; i < TM; i++) a[i] = as[now][d][row_of(i)];
#pragma unroll
      for (int j = 0; j < TN; j++) b[j] = bs[now][d][column_of(j)];
#pragma unroll
      for (int i = 0; i < TM; i++)
#pragma unroll
        for (int j = 0; j < TN; j++) sums[i][j] = ADD_PRODUCT(sums[i][j], a[i], b[j]);
    }
  }
#pragma unroll
  for (int i = 0; i < TM; i++)
#pragma unroll
    for (int j = 0; j < TN; j += SIDE) {
      const unsigned m = tile_m * BM + row_of(i), n = tile_n * BN + column_of(j);
      if (m >= A.M) continue;
      if (A.splits > 1) {
        T *p = A.partial + ((i64)(batch * A.splits + split) * A.M + m) * A.N + n;
        Sums v;
#pragma unroll
        for (int e = 0; e < SIDE; e++) v.e[e] = sums[i][j + e];
        if (n + SIDE <= A.N && (u64)p % sizeof v == 0) *(Sums *)p = v;
        else
#pragma unroll
          for (int e = 0; e < SIDE; e++) if (n + e < A.N) p[e] = v.e[e];
        continue;
      }
      Stored v;
#pragma unroll
      for (int e = 0; e < SIDE; e++) v.e[e] = STORE(sums[i][j + e]);
      if (C_ALONG_N && n + SIDE <= A.N && (u64)(A.c + place_c(A, batch, m,
          n)) % sizeof v == 0) *(Stored *)(A.c + place_c(A, batch, m, n)) = v;
      else
#pragma unroll
        for (int e = 0; e < SIDE; e++) if (n + e < A.N) A.c[place_c(A, batch, m, n + e)] = v.e[e];
    }
}

)";

// Halves, by warps. Tiles lie in chunks of 8 elements, along k or across it as they came, in an order in which neither
// storing a row of them nor loading eight below each other meets a bank twice.
constexpr const char* kWarpTile = R"(#define BK 32
#define CHUNKS_A (BM * BK / 8 / THREADS)
#define CHUNKS_B (BN * BK / 8 / THREADS)
#define WARPS_N (BN / TN)
FN int along(int row, int chunk) { return row * BK + (chunk ^ (row >> 1 & 3)) * 8; }
FN int across(int k, int chunk, int width) { return k * width + (chunk ^ (k & 7)) * 8; }
FN uint4 chunk_of(const S *p, int n) {
  if (n >= 8 && ((u64)p & 15) == 0) return *(const uint4 *)p;
  union { S s[8]; uint4 v; } c;
#pragma unroll
  for (int e = 0; e < 8; e++) c.s[e] = e < n ? p[e] : 0;
  return c.v;
}
FN unsigned shared_at(const S *p) { return (unsigned)__cvta_generic_to_shared(p); }
// As one: the compiler would take it apart, and then the parts meet banks.
FN void store16(S *p, uint4 v) {
  asm volatile("st.shared.v4.b32 [%0], {%1,%2,%3,%4};" ::"r"(shared_at(p)), "r"(v.x), "r"(v.y), "r"(v.z), "r"(v.w) : "memory");
}
FN void load_four(unsigned *x, const S *p) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];" : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]),
      "=r"(x[3]) : "r"(shared_at(p)) : "memory");
}
FN void load_four_turned(unsigned *x, const S *p) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];" : "=r"(x[0]), "=r"(x[1]),
      "=r"(x[2]), "=r"(x[3]) : "r"(shared_at(p)) : "memory");
}
FN void load_two(unsigned *x, const S *p) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];" : "=r"(x[0]), "=r"(x[1]) : "r"(shared_at(p)) : "memory");
}
FN void load_two_turned(unsigned *x, const S *p) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];" : "=r"(x[0]), "=r"(x[1]) : "r"(shared_at(p)) : "memory");
}
FN void multiply(float *c, const unsigned *a, const unsigned *b) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32." HALF "." HALF ".f32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
// Chunk e of this thread: where it lies in the arrays, and in the tile.
FN uint4 chunk_a(const jt_arguments &A, int batch, unsigned tile_m, unsigned k0, unsigned end, int e) {
  const unsigned c = threadIdx.x + e * THREADS;
  const unsigned m = tile_m * BM + (A_ALONG_M ? c % (BM / 8) * 8 : c / 4), k = k0 + (A_ALONG_M ? c / (BM / 8) : c % 4 * 8);
  const int left = A_ALONG_M ? (k < end ? (int)A.M - (int)m : 0) : (m < A.M ? (int)end - (int)k : 0);
  return chunk_of(A.a + batch * A.a_batch + m * A.am + k * A.ak, left);
}
FN uint4 chunk_b(const jt_arguments &A, int batch, unsigned tile_n, unsigned k0, unsigned end, int e) {
  const unsigned c = threadIdx.x + e * THREADS;
  const unsigned n = tile_n * BN + (B_ALONG_N ? c % (BN / 8) * 8 : c / 4), k = k0 + (B_ALONG_N ? c / (BN / 8) : c % 4 * 8);
  const int left = B_ALONG_N ? (k < end ? (int)A.N - (int)n : 0) : (n < A.N ? (int)end - (int)k : 0);
  return chunk_of(A.b + batch * A.b_batch + n * A.bn + k * A.bk, left);
}
FN int place_a(int e) {
  const int c = (int)threadIdx.x + e * THREADS;
  return A_ALONG_M ? across(c / (BM / 8), c % (BM / 8), BM) : along(c / 4, c % 4);
}
FN int place_b(int e) {
  const int c = (int)threadIdx.x + e * THREADS;
  return B_ALONG_N ? across(c / (BN / 8), c % (BN / 8), BN) : along(c / 4, c % 4);
}

struct __align__(sizeof(R) * 2) Pair { R x, y; };

extern "C" __global__ void __launch_bounds__(THREADS, 1) jt_product(const struct jt_arguments A) {
  __shared__ __align__(16) S as[2][BM * BK];
  __shared__ __align__(16) S bs[2][BN * BK];
  WHICH_TILE
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, of_m = warp / WARPS_N * TM, of_n = warp % WARPS_N * TN;
  uint4 next_a[CHUNKS_A], next_b[CHUNKS_B];
  float sums[TM / 16][TN / 8][4];
#pragma unroll
  for (int i = 0; i < TM / 16; i++)
#pragma unroll
    for (int j = 0; j < TN / 8; j++)
#pragma unroll
      for (int e = 0; e < 4; e++) sums[i][j][e] = 0;
#pragma unroll
  for (int e = 0; e < CHUNKS_A; e++) next_a[e] = chunk_a(A, batch, tile_m, begin, end, e);
#pragma unroll
  for (int e = 0; e < CHUNKS_B; e++) next_b[e] = chunk_b(A, batch, tile_n, begin, end, e);
  int now = 0;
#pragma unroll 1
  for (unsigned k = begin; k < end; k += BK, now ^= 1) {
#pragma unroll
    for (int e = 0; e < CHUNKS_A; e++) store16(&as[now][place_a(e)], next_a[e]);
#pragma unroll
    for (int e = 0; e < CHUNKS_B; e++) store16(&bs[now][place_b(e)], next_b[e]);
    __syncthreads();
    if (k + BK < end) {
#pragma unroll
      for (int e = 0; e < CHUNKS_A; e++) next_a[e] = chunk_a(A, batch, tile_m, k + BK, end, e);
#pragma unroll
      for (int e = 0; e < CHUNKS_B; e++) next_b[e] = chunk_b(A, batch, tile_n, k + BK, end, e);
    }
#pragma unroll
    for (int d = 0; d < BK; d += 16) {
      unsigned a[TM / 16][4], b[TN / 8][2];
#pragma unroll
      for (int i = 0; i < TM / 16; i++) {
        if (A_ALONG_M) load_four_turned(a[i], &as[now][across(d + (lane >> 4) * 8 + (lane & 7),
            (of_m + i * 16) / 8 + (lane >> 3 & 1), BM)]);
        else load_four(a[i], &as[now][along(of_m + i * 16 + (lane & 15), d / 8 + (lane >> 4))]);
      }
#pragma unroll
      for (int j = 0; j < TN / 8; j++) {
        if (B_ALONG_N) load_two_turned(b[j], &bs[now][across(d + (lane & 15), (of_n + j * 8) / 8, BN)]);
        else load_two(b[j], &bs[now][along(of_n + j * 8 + (lane & 7), d / 8 + (lane >> 3 & 1))]);
      }
#pragma unroll
      for (int i = 0; i < TM / 16; i++)
#pragma unroll
        for (int j = 0; j < TN / 8; j++) multiply(sums[i][j], a[i], b[j]);
    }
  }
#pragma unroll
  for (int i = 0; i < TM / 16; i++)
#pragma unroll
    for (int j = 0; j < TN / 8; j++)
#pragma unroll
      for (int half = 0; half < 2; half++) {
        const unsigned m = tile_m * BM + of_m + i * 16 + half * 8 + (lane >> 2), n = tile_n * BN + of_n + j * 8 + (lane & 3) * 2;
        const float x = sums[i][j][half * 2], y = sums[i][j][half * 2 + 1];
        if (m >= A.M || n >= A.N) continue;
        if (A.splits > 1) {
          float *p = A.partial + ((i64)(batch * A.splits + split) * A.M + m) * A.N + n;
          p[0] = x;
          if (n + 1 < A.N) p[1] = y;
          continue;
        }
        R *p = A.c + place_c(A, batch, m, n);
        const bool is_pair = n + 1 < A.N;
        const Pair both = {STORE(x), STORE(y)};
        if (is_pair && (u64)p % sizeof both == 0) *(Pair *)p = both;
        else {
          p[0] = STORE(x);
          if (is_pair) p[1] = STORE(y);
        }
      }
}
)";

constexpr const char* kAddSplits =
    R"(extern "C" __global__ void __launch_bounds__(256) jt_add_splits(const struct jt_arguments A) {
  const i64 at = (i64)blockIdx.x * 256 + threadIdx.x, size = A.M * A.N;
  const i64 batch = at / size, place = at - batch * size;
  const T *p = A.partial + batch * A.splits * size + place;
  if (batch >= A.batches) return;
  T sum = p[0];
  for (i64 s = 1; s < A.splits; s++) sum = sum + p[s * size];
  A.c[place_c(A, (int)batch, (unsigned)(place / A.N), (unsigned)(place % A.N))] = STORE(sum);
}
)";

}  // namespace

std::string tile_text(bool by_warp) { return std::string(kWhichTile) + (by_warp ? kWarpTile : kTile) + kAddSplits; }

}  // namespace jt::cuda
