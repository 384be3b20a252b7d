/* train_digits: LeNet learns handwritten digits, in C99 with nothing but jt.h.
 *
 * Its layers are a table; Adam with cosine decay. Data: the four IDX files of MNIST (plain or .gz) in --data or
 * $JT_DATA;
 * without them, digits that support/digits.c draws. Drawing, the command line and the curve are in support/. */
#include <jt/jt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/args.h"
#include "support/digits.h"
#include "support/progress.h"
#include "support/svg.h"

enum { PARAMS = 8, TRAIN = 0, TEST = 1 };
static jt_context* ctx;

/* Every call of jt goes through here: the message says what was wrong, the exit code that something was. */
static void must(jt_status status) {
  if (status == JT_OK) return;
  fprintf(stderr, "\ntrain_digits: %s\n", jt_last_error_message());
  exit(1);
}
/* Gives `old` back and passes `made` on, so that a chain of ops reads as one. */
static jt_tensor* then(jt_tensor* old, jt_tensor* made) { return jt_tensor_release(old), made; }

static jt_tensor* load(const char* dir, const char* name) {
  char path[4096];
  jt_tensor* out;
  snprintf(path, sizeof path, "%s/%s.gz", dir, name);
  FILE* packed = fopen(path, "rb");
  if (packed) fclose(packed);
  else snprintf(path, sizeof path, "%s/%s", dir, name);
  must(jt_idx_load(ctx, path, JT_NUL, &out));
  return out;
}
static void draw(size_t count, uint64_t seed, jt_tensor** images, jt_tensor** labels) {
  int64_t dims[3] = {(int64_t)count, DIGIT_SIDE, DIGIT_SIDE};
  uint8_t* pixels = malloc(count * (DIGIT_PIXELS + 1));
  if (!pixels) exit(1);
  draw_digits(pixels, pixels + count * DIGIT_PIXELS, count, seed);
  must(jt_tensor_from_bytes(ctx, pixels, count * DIGIT_PIXELS, JT_U8, dims, 3, images));
  must(jt_tensor_from_bytes(ctx, pixels + count * DIGIT_PIXELS, count, JT_U8, dims, 1, labels));
  free(pixels);
}

/* [n,28,28] u8 at the given rows -> [batch,1,28,28] f32 in 0..1 */
static jt_tensor* pictures(jt_tensor* images, jt_tensor* rows) {
  static const int64_t shape[4] = {-1, 1, DIGIT_SIDE, DIGIT_SIDE};
  jt_tensor *x, *y, *scale;
  must(jt_take(ctx, images, rows, 0, &x));
  must(jt_cast(ctx, x, JT_F32, &y)), x = then(x, y);
  must(jt_scalar(ctx, 1.0 / 255, JT_F32, &scale));
  must(jt_mul(ctx, x, scale, &y)), jt_tensor_release(scale), x = then(x, y);
  must(jt_reshape(ctx, x, shape, 4, &y));
  return then(x, y);
}

/* LeNet, layer by layer. */
#define WHOLE(name, value) {name, JT_ATTR_I64, value}
static const struct { const char *name, *kind; jt_attr fields[3]; } lenet[] = {
    {"conv1", "Conv2d", {WHOLE("in_channels", 1), WHOLE("out_channels", 20), WHOLE("kernel_size", 5)}},
    {"pool1", "MaxPool2d", {WHOLE("kernel_size", 2)}},
    {"conv2", "Conv2d", {WHOLE("in_channels", 20), WHOLE("out_channels", 50), WHOLE("kernel_size", 5)}},
    {"pool2", "MaxPool2d", {WHOLE("kernel_size", 2)}},
    {"flat", "Flatten"},
    {"fc1", "Linear", {WHOLE("in_features", 50 * 4 * 4), WHOLE("out_features", 500)}},
    {"relu", "ReLU"},
    {"fc2", "Linear", {WHOLE("in_features", 500), WHOLE("out_features", 10)}}};

static jt_module* build(void) {
  jt_module *net, *layer;
  must(jt_module_create(ctx, "Sequential", JT_NUL, NULL, 0, &net));
  for (size_t i = 0; i < sizeof lenet / sizeof *lenet; i++) {
    size_t fields = 0;
    while (fields < 3 && lenet[i].fields[fields].name) fields++;
    must(jt_module_create(ctx, lenet[i].kind, JT_NUL, lenet[i].fields, fields, &layer));
    must(jt_module_add_child(ctx, net, lenet[i].name, JT_NUL, layer));
    jt_module_release(layer);
  }
  return net;
}
/* Takes x over; gives logits [batch,10]. */
static jt_tensor* forward(jt_module* net, jt_tensor* x) {
  jt_tensor* y;
  must(jt_module_forward(ctx, net, &x, 1, &y, 1));
  return then(x, y);
}

static double accuracy(jt_module* net, jt_tensor* images, jt_tensor* labels) {
  int64_t n = jt_tensor_dim(images, 0), right = 0;
  for (int64_t at = 0; at < n; at += 500) {
    int64_t rows[500], count = n - at < 500 ? n - at : 500, hits, axis = 1;
    jt_tensor *r, *best, *want, *same, *sum, *out;
    for (int64_t i = 0; i < count; i++) rows[i] = at + i;
    must(jt_tensor_from_bytes(ctx, rows, (size_t)count * 8, JT_I64, &count, 1, &r));
    out = forward(net, pictures(images, r));
    must(jt_argmax(ctx, out, &axis, 1, 0, &best)), must(jt_take(ctx, labels, r, 0, &want));
    must(jt_equal(ctx, best, want, &same)), must(jt_sum(ctx, same, NULL, 0, 0, &sum));
    must(jt_tensor_item_i64(ctx, sum, &hits));
    right += hits;
    jt_tensor* done[] = {r, out, best, want, same, sum};
    for (int i = 0; i < 6; i++) jt_tensor_release(done[i]);
  }
  return 100.0 * (double)right / (double)n;
}

int main(int argc, char** argv) {
  const char *dir = getenv("JT_DATA"), *checkpoint = NULL, *curve = NULL;
  int epochs = 5, batch = 64, seed = 1, steps_wanted = 0;
  double lr = 2e-3;
  const Option options[] = {
      {"--data", OPTION_TEXT, &dir, "folder with the four IDX files of MNIST (default: $JT_DATA, else drawn digits)"},
      {"--epochs", OPTION_INT, &epochs, "times through the training pictures"},
      {"--batch", OPTION_INT, &batch, "pictures per step"},
      {"--steps", OPTION_INT, &steps_wanted, "stop each epoch after so many steps (0: all)"},
      {"--lr", OPTION_REAL, &lr, "learning rate of Adam at the start; it falls along a cosine to 0"},
      {"--seed", OPTION_INT, &seed, "seed of weights, order and drawn digits"},
      {"--checkpoint", OPTION_TEXT, &checkpoint, "write the weights there after each epoch (safetensors)"},
      {"--curve", OPTION_TEXT, &curve, "write the loss curve there (SVG)"}};
  ArgsResult parsed =
      parse_args(argc, argv, "Trains LeNet on handwritten digits.", options, sizeof options / sizeof *options);
  if (parsed != ARGS_RUN) return parsed == ARGS_WRONG ? 2 : 0;
  if (epochs < 1 || batch < 1) return fprintf(stderr, "train_digits: --epochs and --batch must be at least 1\n"), 2;
  if (steps_wanted < 0) return fprintf(stderr, "train_digits: --steps must be at least 0\n"), 2;

  jt_runtime* rt;
  jt_runtime_desc desc = {sizeof desc, JT_RT_ALLOW_ENV};
  desc.threads = -1; /* one per core, unless JT_THREADS says otherwise */
  must(jt_runtime_create(&desc, &rt)), must(jt_context_create(rt, &ctx)), must(jt_context_set_seed(ctx, seed));

  jt_tensor *images[2], *labels[2];
  if (dir && *dir) {
    images[TRAIN] = load(dir, "train-images-idx3-ubyte"), labels[TRAIN] = load(dir, "train-labels-idx1-ubyte");
    images[TEST] = load(dir, "t10k-images-idx3-ubyte"), labels[TEST] = load(dir, "t10k-labels-idx1-ubyte");
    printf("data: %s\n", dir);
  } else {
    draw(20000, (uint64_t)seed * 2, &images[TRAIN], &labels[TRAIN]);
    draw(2000, (uint64_t)seed * 2 + 1, &images[TEST], &labels[TEST]);
    printf("data: digits drawn by this program, not MNIST; give --data DIR or set JT_DATA for the real ones\n");
  }

  jt_module* net = build();
  jt_tensor* params[PARAMS];
  must(jt_module_parameters(ctx, net, params, PARAMS, NULL));
  jt_optimizer* adam;
  jt_attr rate = {"lr", JT_ATTR_F64, 0, lr};
  must(jt_optimizer_create(ctx, "adam", JT_NUL, &rate, 1, params, PARAMS, &adam));

  int64_t n = jt_tensor_dim(images[TRAIN], 0), per_epoch = n / batch, step = 0;
  if (steps_wanted > 0 && steps_wanted < per_epoch) per_epoch = steps_wanted;
  int64_t *order = malloc((size_t)n * sizeof *order), rows = batch;
  float* losses = malloc((size_t)(per_epoch * epochs) * sizeof *losses);
  double* accuracies = malloc((size_t)epochs * sizeof *accuracies);
  if (!order || !losses || !accuracies || per_epoch < 1)
    return fprintf(stderr, "train_digits: too little memory or data\n"), 1;
  for (int64_t i = 0; i < n; i++) order[i] = i;
  srand((unsigned)seed);

  Progress progress;
  progress_start(&progress, epochs, (long)per_epoch, batch);
  for (int epoch = 0; epoch < epochs; epoch++) {
    for (int64_t i = n - 1; i > 0; i--) { /* a new order: Fisher and Yates */
      int64_t k = (int64_t)(((uint64_t)rand() << 31 ^ (uint64_t)rand()) % (uint64_t)(i + 1)), t = order[i];
      order[i] = order[k], order[k] = t;
    }
    for (int64_t i = 0; i < per_epoch; i++, step++) {
      jt_tensor *r, *y, *logits, *loss;
      double value;
      must(jt_tensor_from_bytes(ctx, order + i * batch, (size_t)batch * 8, JT_I64, &rows, 1, &r));
      logits = forward(net, pictures(images[TRAIN], r));
      must(jt_take(ctx, labels[TRAIN], r, 0, &y)),
          must(jt_cross_entropy(ctx, logits, y, NULL, -100, "mean", JT_NUL, 0, &loss));
      must(jt_optimizer_set_lr(ctx, adam, jt_schedule_cosine(lr, 0, step, per_epoch * epochs)));
      must(jt_optimizer_step(ctx, adam, loss)), must(jt_tensor_item_f64(ctx, loss, &value));
      losses[step] = (float)value;
      progress_step(&progress, value);
      jt_tensor_release(r), jt_tensor_release(y), jt_tensor_release(logits), jt_tensor_release(loss);
    }
    progress_pause(&progress);
    printf("test accuracy %.2f %%\n", accuracies[epoch] = accuracy(net, images[TEST], labels[TEST]));
    fflush(stdout);
    if (checkpoint) must(jt_module_save(ctx, net, checkpoint, JT_NUL));
    Curve seen = {
        "LeNet on handwritten digits", losses, (size_t)step, (size_t)per_epoch, accuracies, (size_t)epoch + 1};
    int wrong = curve ? write_curve_svg(curve, &seen) : 0;
    if (wrong) return fprintf(stderr, "train_digits: cannot write '%s': %s\n", curve, strerror(wrong)), 1;
  }
  jt_optimizer_release(adam);
  for (int i = 0; i < PARAMS; i++) jt_tensor_release(params[i]);
  jt_module_release(net);
  for (int i = 0; i < 2; i++) jt_tensor_release(images[i]), jt_tensor_release(labels[i]);
  free(order), free(losses), free(accuracies);
  jt_context_release(ctx), jt_runtime_release(rt);
  return 0;
}
