/* add_call: ns of an addition of four elements that is built and given back, per call, in C: what bindings are held
 * against. */
#define _POSIX_C_SOURCE 199309L
#include <jt/jt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}
static void must(jt_status status) {
  if (status != JT_OK) fprintf(stderr, "add_call: %s\n", jt_last_error_message()), exit(1);
}

int main(void) {
  const int64_t dims[] = {4};
  jt_runtime* rt;
  jt_context* ctx;
  jt_tensor* x[2];
  double best = 1e9;
  must(jt_runtime_create(NULL, &rt)), must(jt_context_create(rt, &ctx));
  must(jt_ones(ctx, dims, 1, JT_F32, &x[0])), must(jt_ones(ctx, dims, 1, JT_F32, &x[1])), must(jt_eval(ctx, x, 2));
  for (int run = 0; run < 500; run++) {
    double begin = now(), took;
    for (int i = 0; i < 10000; i++) {
      jt_tensor* z;
      must(jt_add(ctx, x[0], x[1], &z));
      jt_tensor_release(z);
    }
    took = (now() - begin) / 10000;
    if (took < best) best = took;
  }
  printf("%.1f\n", best);
  jt_tensor_release(x[0]), jt_tensor_release(x[1]), jt_context_release(ctx), jt_runtime_release(rt);
  return 0;
}
