/* allocator_environment: uses jt's allocator in two threads, as a host would; prints what came out, then how much
 * address space it took. */
#include <jt/jt.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static void* compute(void* result) {
  static const int64_t dims[] = {1500, 1500};
  jt_runtime_desc desc;
  jt_runtime* rt = NULL;
  jt_context* ctx = NULL;
  jt_tensor *x = NULL, *y = NULL, *sum = NULL;
  memset(&desc, 0, sizeof desc);
  desc.struct_size = sizeof desc;
  desc.flags = JT_RT_NO_DISK_CACHE;
  if (jt_runtime_create(&desc, &rt) || jt_context_create(rt, &ctx) || jt_ones(ctx, dims, 2, JT_F32, &x)) return NULL;
  if (jt_matmul(ctx, x, x, &y) || jt_sum(ctx, y, NULL, 0, 0, &sum) || jt_tensor_item_f64(ctx, sum, result)) return NULL;
  jt_tensor_release(x), jt_tensor_release(y), jt_tensor_release(sum);
  jt_context_release(ctx), jt_runtime_release(rt);
  return result;
}

int main(void) {
  char line[256];
  double first = 0, second = 0;
  pthread_t other;
  FILE* status;
  if (pthread_create(&other, NULL, compute, &second) || !compute(&first) || pthread_join(other, NULL)) return 1;
  printf("%.0f %.0f\n", first, second);
  if (!(status = fopen("/proc/self/status", "r"))) return 1;
  while (fgets(line, sizeof line, status))
    if (!strncmp(line, "VmPeak:", 7)) fputs(line, stdout);
  return fclose(status) != 0;
}
