/* jt: the library asked from a shell: what it finds on this machine, and what is in the file of a static graph. */
#define _POSIX_C_SOURCE 200809L
#include <jt/jt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char kUsage[] =
    "usage: jt info                        what jt finds on this machine\n"
    "       jt show GRAPH                  inputs, states, constants and outputs; what a run takes\n"
    "       jt print GRAPH                 the graph's text (docs/IR.md)\n"
    "       jt diff GRAPH GRAPH            the first line in which the texts differ, and the states that do\n"
    "       jt run GRAPH [IN [OUT]]        one run: inputs by name from the safetensors file IN, or `-`: normal\n"
    "                                      random numbers, integers 0; prints the outputs, or writes them to OUT\n"
    "       jt time GRAPH [RUNS]           the time of a run, of so many (100) on such inputs\n"
    "GRAPH is a file that jt_graph_save or jt.jit.save wrote.\n";

static jt_runtime* rt;
static jt_context* ctx;

/* Ends the program where a call failed. */
static void must(jt_status status) {
  jt_error_info e;
  if (status == JT_OK) return;
  memset(&e, 0, sizeof e);
  e.struct_size = sizeof e;
  jt_last_error(&e);
  fprintf(stderr, "jt: %s\n", e.message);
  exit(1);
}
static void* room_for(size_t n, size_t size) {
  void* p = calloc(n + 1, size);
  if (!p) fputs("jt: out of memory\n", stderr), exit(1);
  return p;
}

static jt_graph* loaded(const char* path) {
  jt_graph* graph = NULL;
  if (!rt) {
    jt_runtime_desc desc;
    memset(&desc, 0, sizeof desc);
    desc.struct_size = sizeof desc;
    desc.flags = JT_RT_ALLOW_ENV;
    must(jt_runtime_create(&desc, &rt));
    must(jt_context_create(rt, &ctx));
    must(jt_context_set_grad_mode(ctx, 0, NULL));
    must(jt_context_set_seed(ctx, 0));
  }
  must(jt_graph_load(ctx, path, JT_NUL, &graph));
  return graph;
}
static jt_graph_part_info part_of(const jt_graph* graph, jt_graph_part part, size_t i) {
  jt_graph_part_info info;
  memset(&info, 0, sizeof info);
  info.struct_size = sizeof info;
  must(jt_graph_part_get(graph, part, i, &info));
  return info;
}
static char* text_of(const jt_graph* graph) {
  size_t room = 0;
  char* text;
  must(jt_graph_text(graph, NULL, 0, &room));
  text = room_for(room, 1);
  must(jt_graph_text(graph, text, room, NULL));
  return text;
}

static int info(void) {
  size_t room = 0;
  char* text;
  must(jt_runtime_describe(NULL, NULL, 0, &room));
  text = room_for(room, 1);
  must(jt_runtime_describe(NULL, text, room, NULL));
  fputs(text, stdout);
  free(text);
  return 0;
}

static void print_type(jt_dtype dtype, const int64_t* dims, int32_t ndim) {
  int32_t k;
  printf("%s[", jt_dtype_name(dtype));
  for (k = 0; k < ndim; k++) printf("%s%lld", k ? "," : "", (long long)dims[k]);
  putchar(']');
}

static int show(const char* path) {
  static const char* kNames[] = {"input", "state", "constant", "output"};
  jt_graph* graph = loaded(path);
  jt_graph_memory m;
  int part;
  size_t i;
  for (part = JT_GRAPH_INPUT; part <= JT_GRAPH_OUTPUT; part++)
    for (i = 0; i < jt_graph_count(graph, (jt_graph_part)part); i++) {
      jt_graph_part_info p = part_of(graph, (jt_graph_part)part, i);
      printf("%-9s  %s: ", p.is_parameter ? "parameter" : kNames[part], p.name);
      print_type(p.dtype, p.dims, p.ndim);
      puts(p.changes ? ", changes" : "");
    }
  memset(&m, 0, sizeof m);
  m.struct_size = sizeof m;
  must(jt_graph_memory_get(ctx, graph, &m));
  printf("bytes      inputs %lld, states %lld, constants %lld, outputs %lld, temporaries %lld in an arena of %lld\n",
         (long long)m.inputs, (long long)m.states, (long long)m.constants, (long long)m.outputs,
         (long long)m.temporaries, (long long)m.arena);
  printf("steps      %u\n", m.steps);
  jt_graph_release(graph);
  return 0;
}

static int print(const char* path) {
  jt_graph* graph = loaded(path);
  char* text = text_of(graph);
  fputs(text, stdout);
  free(text);
  jt_graph_release(graph);
  return 0;
}

/* Whether the states of this name have the same bytes. */
static int same_state(jt_graph* a, jt_graph* b, const char* name) {
  jt_tensor *x = NULL, *y = NULL;
  jt_mapping one, other;
  int same;
  if (jt_graph_state(ctx, b, name, JT_NUL, &y) != JT_OK) return 0;
  must(jt_graph_state(ctx, a, name, JT_NUL, &x));
  memset(&one, 0, sizeof one), memset(&other, 0, sizeof other);
  one.struct_size = other.struct_size = sizeof one;
  must(jt_tensor_map(ctx, x, &one)), must(jt_tensor_map(ctx, y, &other));
  same = one.data_len == other.data_len && memcmp(one.data, other.data, one.data_len) == 0;
  jt_tensor_unmap(&one), jt_tensor_unmap(&other);
  jt_tensor_release(x), jt_tensor_release(y);
  return same;
}
static int diff(const char* first, const char* second) {
  jt_graph *a = loaded(first), *b = loaded(second);
  char *one = text_of(a), *other = text_of(b), *x = one, *y = other;
  size_t i, line = 1;
  int differs = 0;
  for (;; line++) {
    size_t n = strcspn(x, "\n"), m = strcspn(y, "\n");
    if (n != m || memcmp(x, y, n) != 0) {
      printf("line %zu\n< %.*s\n> %.*s\n", line, (int)n, x, (int)m, y);
      differs = 1;
      break;
    }
    if (!x[n] || !y[m]) break;
    x += n + 1, y += m + 1;
  }
  for (i = 0; i < jt_graph_count(a, JT_GRAPH_STATE); i++) {
    const char* name = part_of(a, JT_GRAPH_STATE, i).name;
    if (same_state(a, b, name)) continue;
    printf("state %s\n", name);
    differs = 1;
  }
  free(one), free(other);
  jt_graph_release(a), jt_graph_release(b);
  return differs;
}

/* ---- runs ---- */

static jt_tensor** inputs_of(const jt_graph* graph, const char* path) {
  size_t i, n = jt_graph_count(graph, JT_GRAPH_INPUT);
  jt_tensor** in = room_for(n, sizeof *in);
  jt_checkpoint* file = NULL;
  if (path && strcmp(path, "-") != 0) must(jt_checkpoint_open(path, JT_NUL, &file));
  for (i = 0; i < n; i++) {
    jt_graph_part_info p = part_of(graph, JT_GRAPH_INPUT, i);
    int is_float = p.dtype == JT_F16 || p.dtype == JT_BF16 || p.dtype == JT_F32 || p.dtype == JT_F64;
    if (file) must(jt_checkpoint_load(ctx, file, p.name, JT_NUL, &in[i]));
    else if (is_float) must(jt_random_normal(ctx, p.dims, (size_t)p.ndim, 0, 1, p.dtype, &in[i]));
    else must(jt_zeros(ctx, p.dims, (size_t)p.ndim, p.dtype, &in[i]));
  }
  jt_checkpoint_release(file);
  must(jt_eval(ctx, in, n));
  return in;
}
static void release_all(jt_tensor** list, size_t n) {
  size_t i;
  for (i = 0; i < n; i++) jt_tensor_release(list[i]);
  free(list);
}

static void print_values(const char* name, jt_tensor* tensor) {
  enum { MOST = 8 };
  int64_t i, n = jt_tensor_count(tensor), dims[JT_MAX_RANK];
  double values[MOST];
  jt_tensor *flat = NULL, *head = NULL, *wide = NULL;
  const int64_t all = -1, from = 0, to = n < MOST ? n : MOST;
  int32_t k;
  for (k = 0; k < jt_tensor_ndim(tensor); k++) dims[k] = jt_tensor_dim(tensor, k);
  printf("%s: ", name);
  print_type(jt_tensor_dtype(tensor), dims, k);
  must(jt_reshape(ctx, tensor, n ? &all : &n, 1, &flat));
  must(jt_slice(ctx, flat, &from, 1, &to, 1, NULL, 0, &head));
  must(jt_cast(ctx, head, JT_F64, &wide));
  must(jt_tensor_read(ctx, wide, values, (size_t)to * sizeof *values));
  for (i = 0; i < to; i++) printf(" %.9g", values[i]);
  puts(n > to ? " .." : "");
  jt_tensor_release(flat), jt_tensor_release(head), jt_tensor_release(wide);
}

static int run(const char* path, const char* in_path, const char* out_path) {
  jt_graph* graph = loaded(path);
  jt_tensor** in = inputs_of(graph, in_path);
  size_t i, n = jt_graph_count(graph, JT_GRAPH_INPUT), m = jt_graph_count(graph, JT_GRAPH_OUTPUT);
  jt_tensor** out = room_for(m, sizeof *out);
  const char** names = room_for(m, sizeof *names);
  must(jt_graph_run(ctx, graph, in, n, out, m));
  for (i = 0; i < m; i++) names[i] = part_of(graph, JT_GRAPH_OUTPUT, i).name;
  if (out_path) must(jt_checkpoint_save(ctx, out_path, JT_NUL, names, out, m));
  else
    for (i = 0; i < m; i++) print_values(names[i], out[i]);
  free((void*)names);
  release_all(in, n), release_all(out, m);
  jt_graph_release(graph);
  return 0;
}

static double now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}
static int by_size(const void* a, const void* b) {
  double x = *(const double*)a, y = *(const double*)b;
  return (x > y) - (x < y);
}
static int time_runs(const char* path, long runs) {
  jt_graph* graph = loaded(path);
  jt_tensor** in = inputs_of(graph, NULL);
  size_t i, n = jt_graph_count(graph, JT_GRAPH_INPUT), m = jt_graph_count(graph, JT_GRAPH_OUTPUT);
  jt_tensor** out = room_for(m, sizeof *out);
  double *us = room_for((size_t)runs, sizeof *us), first = 0;
  long r;
  for (r = -1; r < runs; r++) { /* the first run makes the plan */
    double begin = now_us();
    must(jt_graph_run(ctx, graph, in, n, out, m));
    must(jt_sync(ctx));
    if (r < 0) first = now_us() - begin;
    else us[r] = now_us() - begin;
    for (i = 0; i < m; i++) jt_tensor_release(out[i]), out[i] = NULL;
  }
  qsort(us, (size_t)runs, sizeof *us, by_size);
  printf("first %.1f us, then %ld runs: least %.1f, median %.1f, most %.1f us\n", first, runs, us[0], us[runs / 2],
         us[runs - 1]);
  free(us), free(out);
  release_all(in, n);
  jt_graph_release(graph);
  return 0;
}

static int command(int argc, char** argv) {
  const char* name = argc > 1 ? argv[1] : "";
  if (argc == 2 && !strcmp(name, "info")) return info();
  if (argc == 3 && !strcmp(name, "show")) return show(argv[2]);
  if (argc == 3 && !strcmp(name, "print")) return print(argv[2]);
  if (argc == 4 && !strcmp(name, "diff")) return diff(argv[2], argv[3]);
  if (argc >= 3 && argc <= 5 && !strcmp(name, "run"))
    return run(argv[2], argc > 3 ? argv[3] : NULL, argc > 4 ? argv[4] : NULL);
  if ((argc == 3 || argc == 4) && !strcmp(name, "time")) {
    long runs = argc == 4 ? strtol(argv[3], NULL, 10) : 100;
    if (runs > 0 && runs <= 10000000) return time_runs(argv[2], runs);
  }
  fputs(kUsage, stderr);
  return 2;
}

int main(int argc, char** argv) {
  int status = command(argc, argv);
  jt_context_release(ctx), jt_runtime_release(rt);
  return status;
}
