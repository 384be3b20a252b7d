/* control [--policy FILE] [--ticks N] [--hz HZ]: a control loop that asks a policy for its action in every tick.
 *
 * The policy is a static graph in a file: observation [1,8] -> action [1,2]. Without a file one is recorded here, saved
 * and read back, as a trainer in Python would have done it (jt.jit.trace, Graph.save). In the loop nothing is recorded,
 * planned or compiled and nothing is asked of the heap: a tick writes the observation where it lies, runs the graph and
 * looks at the action where it lies. jt has no threads here. Prints a histogram of the ticks' latencies.
 *
 * The plant is a cart on a line that the action pushes; the policy pushes it back to where it began. */
#define _POSIX_C_SOURCE 200809L
#include <jt/jt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { OBSERVED = 8, HIDDEN = 32, ACTIONS = 2, BUCKETS = 16 };

static void must(jt_status status) {
  if (status == JT_OK) return;
  fprintf(stderr, "control: %s\n", jt_last_error_message());
  exit(1);
}
static jt_tensor* then(jt_tensor* old, jt_tensor* made) { return jt_tensor_release(old), made; }

/* tanh(x w1) w2, with weights that push against position and speed. */
static void save_policy(jt_context* ctx, const char* path) {
  static const int64_t in[2] = {1, OBSERVED}, first[2] = {OBSERVED, HIDDEN}, second[2] = {HIDDEN, ACTIONS};
  static const char *const input = "observation", *const output = "action";
  float w1[OBSERVED * HIDDEN] = {0}, w2[HIDDEN * ACTIONS] = {0};
  jt_tensor *example, *x, *y, *weights[2];
  jt_graph* policy;
  w1[0 * HIDDEN] = 2, w1[1 * HIDDEN] = 2, w2[0] = -3; /* position and speed -> a push the other way */
  must(jt_tensor_from_bytes(ctx, w1, sizeof w1, JT_F32, first, 2, &weights[0]));
  must(jt_tensor_from_bytes(ctx, w2, sizeof w2, JT_F32, second, 2, &weights[1]));
  must(jt_zeros(ctx, in, 2, JT_F32, &example));
  must(jt_graph_begin(ctx, &input, &example, 1, &x, 1));
  must(jt_graph_name(ctx, weights[0], "first.weight", JT_NUL));
  must(jt_graph_name(ctx, weights[1], "second.weight", JT_NUL));
  must(jt_matmul(ctx, x, weights[0], &y)), x = then(x, y);
  must(jt_tanh(ctx, x, &y)), x = then(x, y);
  must(jt_matmul(ctx, x, weights[1], &y)), x = then(x, y);
  must(jt_graph_end(ctx, &output, &x, 1, &policy));
  must(jt_graph_save(ctx, policy, path, JT_NUL));
  jt_graph_release(policy);
  jt_tensor_release(x), jt_tensor_release(example), jt_tensor_release(weights[0]), jt_tensor_release(weights[1]);
}

/* The graph's action for an observation. */
static void decide(jt_context* ctx, jt_graph* policy, jt_tensor* observation, const float* seen, float* action) {
  jt_mapping map = {sizeof map};
  jt_tensor* out;
  must(jt_tensor_map_write(ctx, observation, &map));
  memcpy((void*)map.data, seen, OBSERVED * sizeof *seen);
  jt_tensor_unmap(&map);
  must(jt_graph_run(ctx, policy, &observation, 1, &out, 1));
  must(jt_tensor_read(ctx, out, action, ACTIONS * sizeof *action));
  jt_tensor_release(out);
}

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}
static void sleep_until(double when) {
  struct timespec t = {(time_t)when, (long)((when - (double)(time_t)when) * 1e9)};
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

int main(int argc, char** argv) {
  static const int64_t shape[2] = {1, OBSERVED};
  const char* path = NULL;
  long ticks = 2000, counts[BUCKETS] = {0}, i;
  double hz = 1000, worst = 0, next;
  float seen[OBSERVED] = {1, 0}, action[ACTIONS];
  jt_runtime_desc desc = {sizeof desc};
  jt_runtime* rt;
  jt_context* ctx;
  jt_graph* policy;
  jt_tensor* observation;
  for (i = 1; i + 1 < argc; i += 2) {
    if (!strcmp(argv[i], "--policy")) path = argv[i + 1];
    else if (!strcmp(argv[i], "--ticks")) ticks = atol(argv[i + 1]);
    else if (!strcmp(argv[i], "--hz")) hz = atof(argv[i + 1]);
    else break;
  }
  if (i < argc || ticks < 1 || hz <= 0)
    return fputs("usage: control [--policy FILE] [--ticks N] [--hz HZ]\n", stderr), 2;
  desc.threads = 1;
  must(jt_runtime_create(&desc, &rt));
  must(jt_context_create(rt, &ctx));
  must(jt_context_set_grad_mode(ctx, 0, NULL));
  if (!path) save_policy(ctx, path = "policy.jt");
  must(jt_graph_load(ctx, path, JT_NUL, &policy));
  must(jt_zeros(ctx, shape, 2, JT_F32, &observation));
  for (i = 0; i < 20; i++) decide(ctx, policy, observation, seen, action); /* plans, compiles, finds its memory */

  next = seconds();
  for (i = 0; i < ticks; i++) {
    double began, took;
    int bucket = 0;
    sleep_until(next += 1 / hz);
    began = seconds();
    decide(ctx, policy, observation, seen, action);
    took = (seconds() - began) * 1e6;
    while (bucket < BUCKETS - 1 && took >= (double)(1 << bucket)) bucket++;
    counts[bucket]++;
    if (took > worst) worst = took;
    seen[1] += action[0] * 0.01f, seen[0] += seen[1] * 0.01f; /* a hundredth of a second of the cart's */
  }
  for (i = 0; i < BUCKETS; i++)
    if (counts[i])
      printf("%s %6d us: %ld\n", i < BUCKETS - 1 ? "below" : "from ", 1 << (i < BUCKETS - 1 ? i : i - 1), counts[i]);
  printf("worst %.1f us; the cart is at %.3f\n", worst, seen[0]);
  jt_tensor_release(observation);
  jt_graph_release(policy);
  jt_context_release(ctx), jt_runtime_release(rt);
  return 0;
}
