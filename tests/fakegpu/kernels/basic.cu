// arch: 75 80 90 100 120
// Ordinary kernels: element-wise with vectors and a tail, a row in shuffles and shared memory, tiles, local memory, atomics, calls.
typedef unsigned u32;
extern "C" __global__ void axpy(float* o, const float* a, const float* b, int n) {
  int i = (blockIdx.x * blockDim.x + threadIdx.x) * 4;
  if (i + 3 < n) {
    float4 x = *(const float4*)(a + i), y = *(const float4*)(b + i), z;
    z.x = 2 * x.x + y.x, z.y = 2 * x.y + y.y, z.z = 2 * x.z + y.z, z.w = 2 * x.w + y.w;
    *(float4*)(o + i) = z;
  } else {
    for (; i < n; ++i) o[i] = 2 * a[i] + b[i];
  }
}
__device__ __forceinline__ float warp_sum(float v) {
#pragma unroll
  for (int d = 16; d; d >>= 1) v += __shfl_xor_sync(0xffffffffu, v, d);
  return v;
}
extern "C" __global__ void __launch_bounds__(256) row_sum(float* o, const float* a, int n) {
  __shared__ float parts[8];
  float s = 0;
  for (int i = threadIdx.x; i < n; i += 256) s += a[(long long)blockIdx.x * n + i];
  s = warp_sum(s);
  if ((threadIdx.x & 31) == 0) parts[threadIdx.x >> 5] = s;
  __syncthreads();
  if (threadIdx.x == 0) {
    s = 0;
    for (int i = 0; i < 8; ++i) s += parts[i];
    o[blockIdx.x] = s;
  }
}
extern "C" __global__ void transpose(float* o, const float* a, int rows, int columns) {
  __shared__ float tile[32][33];
  int x = blockIdx.x * 32 + threadIdx.x, y = blockIdx.y * 32 + threadIdx.y;
  for (int k = 0; k < 32; k += 8)
    if (x < columns && y + k < rows) tile[threadIdx.y + k][threadIdx.x] = a[(y + k) * columns + x];
  __syncthreads();
  x = blockIdx.y * 32 + threadIdx.x, y = blockIdx.x * 32 + threadIdx.y;
  for (int k = 0; k < 32; k += 8)
    if (x < rows && y + k < columns) o[(y + k) * rows + x] = tile[threadIdx.x][threadIdx.y + k];
}
extern "C" __global__ void __launch_bounds__(256) matmul(float* c, const float* a, const float* b, int n) {
  __shared__ float as[16][16], bs[16][16];
  int r = blockIdx.y * 16 + threadIdx.y, q = blockIdx.x * 16 + threadIdx.x;
  float s = 0;
  for (int t = 0; t < n; t += 16) {
    as[threadIdx.y][threadIdx.x] = a[r * n + t + threadIdx.x];
    bs[threadIdx.y][threadIdx.x] = b[(t + threadIdx.y) * n + q];
    __syncthreads();
    for (int k = 0; k < 16; ++k) s += as[threadIdx.y][k] * bs[k][threadIdx.x];
    __syncthreads();
  }
  c[r * n + q] = s;
}
extern "C" __global__ void histogram(u32* o, const unsigned char* a, int n) {
  extern __shared__ u32 bins[];
  for (int i = threadIdx.x; i < 256; i += blockDim.x) bins[i] = 0;
  __syncthreads();
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) atomicAdd(&bins[a[i]], 1u);
  __syncthreads();
  for (int i = threadIdx.x; i < 256; i += blockDim.x) atomicAdd(&o[i], bins[i]);
}
extern "C" __global__ void sorted8(int* o, const int* a, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x, v[8];
  if (i >= n) return;
  for (int k = 0; k < 8; ++k) v[k] = a[i * 8 + k];
#pragma unroll 1
  for (int k = 1; k < 8; ++k)
#pragma unroll 1
    for (int j = k; j > 0 && v[j - 1] > v[j]; --j) { int t = v[j]; v[j] = v[j - 1]; v[j - 1] = t; }
  for (int k = 0; k < 8; ++k) o[i * 8 + k] = v[k];
}
__constant__ double table[4] = {0.5, -1.25, 3, 1e-3};
__device__ int counter;
__device__ __noinline__ double horner(double x, int n) {
  double r = 0;
#pragma unroll 1
  for (int k = n - 1; k >= 0; --k) r = r * x + table[k];
  return r;
}
extern "C" __global__ void polynomial(double* o, const double* a, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  o[i] = a[i] < 0 ? horner(a[i], 3) : horner(a[i], 4);
  atomicAdd(&counter, 1);
}
extern "C" __global__ void count(int* o) { *o = counter; }
extern "C" __global__ void collatz(int* o, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x, steps = 0;
  if (i >= n) return;
#pragma unroll 1
  for (unsigned v = i + 1; v != 1; ++steps) v = v & 1 ? 3 * v + 1 : v / 2;
  o[i] = steps;
}
struct Packed { int n; long long shift[3]; float scale; unsigned char flags[3]; };
extern "C" __global__ void packed(long long* o, Packed p) {
  int i = threadIdx.x;
  o[i] = p.shift[i % p.n] + (long long)(p.scale * i) + p.flags[i % 3];
}
