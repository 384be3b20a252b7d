// arch: 80 90 120
// Products of tiles by mma.sync, fed by ldmatrix from tiles that cp.async fills; one fragment of each other shape.
typedef unsigned u32;
typedef unsigned short u16;
__device__ __forceinline__ u32 shared_at(const void* p) { return (u32)__cvta_generic_to_shared(p); }
__device__ __forceinline__ void copy16(u32 to, const void* from) { asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(from)); }
#define MMA16(name, types)                                                                                       \
  __device__ __forceinline__ void name(float* c, const u32* a, const u32* b) {                                   \
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32." types ".f32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};" \
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])                                                \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));                            \
  }
MMA16(mma_half, "f16.f16")
MMA16(mma_bfloat, "bf16.bf16")

// C [M, N] = A [M, K] B [K, N], tiles of 64 x 64 x 32 in two stages, four warps of 32 x 32. The rows of the tiles are padded by 16 bytes.
template <void product(float*, const u32*, const u32*)> __device__ __forceinline__ void tiles(float* c, const u16* a, const u16* b, int n, int k) {
  __shared__ __align__(16) u16 as[2][64][40], bs[2][32][72];
  int t = threadIdx.x, w = t >> 5, l = t & 31, wm = (w >> 1) * 32, wn = (w & 1) * 32, bm = blockIdx.y * 64, bn = blockIdx.x * 64;
  float sum[2][4][4] = {};
  auto load = [&](int stage, int k0) {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      int e = t + i * 128;
      copy16(shared_at(&as[stage][e >> 2][(e & 3) * 8]), a + (long long)(bm + (e >> 2)) * k + k0 + (e & 3) * 8);
      copy16(shared_at(&bs[stage][e >> 3][(e & 7) * 8]), b + (long long)(k0 + (e >> 3)) * n + bn + (e & 7) * 8);
    }
    asm volatile("cp.async.commit_group;");
  };
  load(0, 0);
  for (int it = 0; it < k / 32; ++it) {
    asm volatile("cp.async.wait_group 0;");
    __syncthreads();
    if (it + 1 < k / 32) load((it + 1) & 1, (it + 1) * 32);
    int s = it & 1;
#pragma unroll
    for (int kk = 0; kk < 32; kk += 16) {
      u32 x[2][4], y[4][2];
#pragma unroll
      for (int i = 0; i < 2; ++i)
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];" : "=r"(x[i][0]), "=r"(x[i][1]), "=r"(x[i][2]), "=r"(x[i][3])
                     : "r"(shared_at(&as[s][wm + i * 16 + (l & 15)][kk + (l >> 4) * 8])));
#pragma unroll
      for (int j = 0; j < 4; ++j)
        asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];" : "=r"(y[j][0]), "=r"(y[j][1])
                     : "r"(shared_at(&bs[s][kk + (l & 15)][wn + j * 8])));
#pragma unroll
      for (int i = 0; i < 2; ++i)
#pragma unroll
        for (int j = 0; j < 4; ++j) product(sum[i][j], x[i], y[j]);
    }
  }
#pragma unroll
  for (int i = 0; i < 2; ++i)
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      int r = bm + wm + i * 16 + (l >> 2), q = bn + wn + j * 8 + (l & 3) * 2;
      *(float2*)(c + (long long)r * n + q) = make_float2(sum[i][j][0], sum[i][j][1]);
      *(float2*)(c + (long long)(r + 8) * n + q) = make_float2(sum[i][j][2], sum[i][j][3]);
    }
}
extern "C" __global__ void __launch_bounds__(128) matmul_half(float* c, const u16* a, const u16* b, int n, int k) { tiles<mma_half>(c, a, b, n, k); }
extern "C" __global__ void __launch_bounds__(128) matmul_bfloat(float* c, const u16* a, const u16* b, int n, int k) { tiles<mma_bfloat>(c, a, b, n, k); }

// D = A B + C for one tile, elements gathered one by one: what the layout of each shape is, said a second time.
extern "C" __global__ void tile_tf32(float* d, const float* a, const float* b, const float* c) {  // 16 x 8 x 8
  int l = threadIdx.x, g = l >> 2, t = l & 3;
  u32 x[4], y[2];
  for (int i = 0; i < 4; ++i) x[i] = __float_as_uint(a[(g + (i & 1) * 8) * 8 + t + (i >> 1) * 4]);
  for (int i = 0; i < 2; ++i) y[i] = __float_as_uint(b[(t + i * 4) * 8 + g]);
  float s[4];
  for (int i = 0; i < 4; ++i) s[i] = c[(g + (i >> 1) * 8) * 8 + t * 2 + (i & 1)];
  asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
               : "+f"(s[0]), "+f"(s[1]), "+f"(s[2]), "+f"(s[3]) : "r"(x[0]), "r"(x[1]), "r"(x[2]), "r"(x[3]), "r"(y[0]), "r"(y[1]));
  for (int i = 0; i < 4; ++i) d[(g + (i >> 1) * 8) * 8 + t * 2 + (i & 1)] = s[i];
}
extern "C" __global__ void tile_half(u16* d, const u16* a, const u16* b, const u16* c) {  // 16 x 8 x 8, all of it f16
  int l = threadIdx.x, g = l >> 2, t = l & 3;
  u32 x[2], y = b[t * 16 + g] | (u32)b[t * 16 + 8 + g] << 16, s[2];
  for (int i = 0; i < 2; ++i) x[i] = *(const u32*)(a + (g + i * 8) * 8 + t * 2), s[i] = *(const u32*)(c + (g + i * 8) * 8 + t * 2);
  asm volatile("mma.sync.aligned.m16n8k8.row.col.f16.f16.f16.f16 {%0,%1},{%2,%3},{%4},{%0,%1};" : "+r"(s[0]), "+r"(s[1]) : "r"(x[0]), "r"(x[1]), "r"(y));
  for (int i = 0; i < 2; ++i) *(u32*)(d + (g + i * 8) * 8 + t * 2) = s[i];
}
extern "C" __global__ void tile_double(double* d, const double* a, const double* b, const double* c) {  // 8 x 8 x 4
  int l = threadIdx.x, g = l >> 2, t = l & 3;
  double s0 = c[g * 8 + t * 2], s1 = c[g * 8 + t * 2 + 1];
  asm volatile("mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 {%0,%1},{%2},{%3},{%0,%1};" : "+d"(s0), "+d"(s1) : "d"(a[g * 4 + t]), "d"(b[t * 8 + g]));
  d[g * 8 + t * 2] = s0, d[g * 8 + t * 2 + 1] = s1;
}
extern "C" __global__ void tile_bytes(int* d, const signed char* a, const signed char* b, const int* c) {  // 16 x 8 x 32
  int l = threadIdx.x, g = l >> 2, t = l & 3, s[4];
  u32 x[4], y[2] = {};
  for (int i = 0; i < 4; ++i) x[i] = *(const u32*)(a + (g + (i & 1) * 8) * 32 + t * 4 + (i >> 1) * 16);
  for (int i = 0; i < 2; ++i)
    for (int e = 0; e < 4; ++e) y[i] |= (u32)(unsigned char)b[(t * 4 + e + i * 16) * 8 + g] << e * 8;
  for (int i = 0; i < 4; ++i) s[i] = c[(g + (i >> 1) * 8) * 8 + t * 2 + (i & 1)];
  asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
               : "+r"(s[0]), "+r"(s[1]), "+r"(s[2]), "+r"(s[3]) : "r"(x[0]), "r"(x[1]), "r"(x[2]), "r"(x[3]), "r"(y[0]), "r"(y[1]));
  for (int i = 0; i < 4; ++i) d[(g + (i >> 1) * 8) * 8 + t * 2 + (i & 1)] = s[i];
}
