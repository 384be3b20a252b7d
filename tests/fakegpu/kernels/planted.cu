// arch: 80 120
// Kernels with one fault each. What reports it, and on a line with which opcode, stands in planted_kernels_test.cpp.
typedef unsigned u32;
#define KERNEL extern "C" __global__ void
#define T threadIdx.x
KERNEL read_behind(float* o, const float* a, int n) { o[T] = a[T + n - 31]; }
KERNEL read_before(float* o, const float* a, int n) { o[T] = a[(int)T - 1]; }
KERNEL write_behind(float* o, const float* a, int n) { o[T * 2] = a[T]; }
KERNEL far_pointer(float* o, const float* a, int n) { o[T] = *(const float*)(long long)n + a[T]; }
KERNEL misaligned_vector(float* o, const float* a, int n) { *(float4*)(o + T * 4) = *(const float4*)(a + T * 4 + 1); }
KERNEL misaligned_atomic(float* o, const float* a, int n) { atomicAdd((float*)((char*)o + 2), a[T]); }
KERNEL no_first_barrier(float* o, const float* a, int n) {
  __shared__ float s[64];
  s[T] = 0;
  __syncthreads();
  s[T] = a[T];
  o[T] = s[63 - T];
}
KERNEL no_second_barrier(float* o, const float* a, int n) {
  __shared__ float s[64];
  float sum = 0;
  for (int k = 0; k < 2; ++k) {
    s[T] = a[T + 64 * k];
    __syncthreads();
    sum += s[63 - T];
  }
  o[T] = sum;
}
KERNEL two_writers(float* o, const float* a, int n) {
  __shared__ float s[32];
  s[T & 31] = a[T];
  __syncthreads();
  o[T] = s[T & 31];
}
KERNEL no_warp_barrier(float* o, const float* a, int n) {
  __shared__ float s[32];
  s[T] = a[T];
  o[T] = s[31 - T];
}
KERNEL plain_and_atomic(int* o, const int* a, int n) {
  __shared__ int s;
  if (T == 0) s = 0;
  __syncthreads();
  atomicAdd(&s, a[T]);
  o[T] = s;
}
KERNEL half_a_warp_waits(float* o, const float* a, int n) {
  if (T < 16) {
    o[T] = a[T];
    __syncthreads();
  }
  o[T] = a[T] + 1;
}
KERNEL two_barriers(float* o, const float* a, int n) {
  __shared__ float s[64];
  s[T] = a[T];
  if (T < 32) {
    __syncthreads();
    o[T] = s[T + 32];
  } else {
    o[T] = 0;
    __syncthreads();
    o[T] = s[T - 32] * 2;
  }
}
KERNEL a_warp_never_comes(float* o, const float* a, int n) {
  asm volatile("bar.sync 1, 128;");
  o[T] = a[T];
}
KERNEL shuffle_apart(float* o, const float* a, int n) {
  float v = a[T];
  if (T & 1) v = __shfl_xor_sync(0xffffffffu, v, 2);
  o[T] = v;
}
KERNEL shuffle_after_return(float* o, const float* a, int n) {
  if (T >= n) return;
  o[T] = __shfl_down_sync(0xffffffffu, a[T], 1);
}
KERNEL shuffle_from_the_dead(float* o, const float* a, int n) {
  if (T >= n) asm volatile("exit;");
  o[T] = __shfl_down_sync(0xffffffffu, a[T], 1);
}
KERNEL vote_of_others(u32* o, const u32* a, int n) { o[T] = __ballot_sync(0xffffu, a[T] > 3); }
KERNEL shared_unwritten(float* o, const float* a, int n) {
  __shared__ float s[64];
  if (T != 5) s[T] = a[T];
  __syncthreads();
  o[T] = s[T];
}
KERNEL global_unwritten(float* o, float* a, int n) { o[T] = a[T] + o[T]; }
KERNEL shared_too_small(float* o, const float* a, int n) {
  extern __shared__ float d[];
  d[T] = a[T];
  o[T] = d[T];
}
KERNEL local_behind(float* o, const float* a, int n) {
  float v[8];
  for (int k = 0; k < 8; ++k) v[k] = a[k];
  o[T] = v[T];
}
KERNEL endless(float* o, const float* a, int n) {
  while (*(volatile float*)o != a[0]) {}
}
KERNEL trapped(float* o, const float* a, int n) {
  if (a[T] > 3) __trap();
  o[T] = a[T];
}
__constant__ float table[32] = {1, 2, 3};
KERNEL constant_written(float* o, const float* a, int n) {
  o[T] = table[T];
  asm volatile("{ .reg .u64 p; mov.u64 p, table; st.global.f32 [p], %0; }" ::"f"(a[T]));
}
#if __CUDA_ARCH__ >= 800
__device__ __forceinline__ void copy16(float* to, const float* from) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"((u32)__cvta_generic_to_shared(to)), "l"(from));
}
KERNEL copy_not_awaited(float* o, const float* a, int n) {
  __shared__ __align__(16) float s[128];
  copy16(s + T * 4, a + T * 4);
  asm volatile("cp.async.commit_group;");
  o[T] = s[T * 4];
  asm volatile("cp.async.wait_group 0;");
}
KERNEL copy_awaited_late(float* o, const float* a, int n) {
  __shared__ __align__(16) float s[256];
  copy16(s + T * 4, a + T * 4);
  asm volatile("cp.async.commit_group;");
  copy16(s + 128 + T * 4, a + T * 4);
  asm volatile("cp.async.commit_group;");
  asm volatile("cp.async.wait_group 1;");
  o[T] = s[128 + T * 4];
}
KERNEL copy_without_barrier(float* o, const float* a, int n) {
  __shared__ __align__(16) float s[256];
  for (int k = 0; k < 4; ++k) s[T * 4 + k] = 0;
  __syncthreads();
  copy16(s + T * 4, a + T * 4);
  asm volatile("cp.async.commit_group; cp.async.wait_group 0;");
  o[T] = s[255 - T * 4];
}
KERNEL copy_not_closed(float* o, const float* a, int n) {
  __shared__ __align__(16) float s[128];
  copy16(s + T * 4, a + T * 4);
  o[T] = a[T];
}
#endif
// Right in one order alone: what compares both orders sees these.
KERNEL order_of_atomics(float* o, const float* a, int n) { atomicAdd(o, a[T]); }
KERNEL order_of_blocks(float* o, const float* a, int n) {
  if (T) return;
  o[blockIdx.x] = blockIdx.x ? o[blockIdx.x - 1] + a[blockIdx.x] : a[0];
}
KERNEL last_of_all(int* o, const int* a, int n) {
  if (T == n) *o = blockIdx.x;
}
