/* lenet_losses [STEPS]: 50 steps of a small LeNet, or so many, from one seed; prints each loss as the bits of a
 * double, in hex.
 *
 * The programs of other languages do the same calls and print the same lines:
 *   seed 7; a Sequential of Conv2d(1, 6, 5), MaxPool2d(2), Conv2d(6, 16, 5), MaxPool2d(2), Flatten, Linear(256, 120),
 *   ReLU, Linear(120, 10); pictures: random_uniform [32,1,28,28] in 0..1, f32; label i is i * 7 % 10, as i32;
 *   Adam with lr 0.002; a step: cross_entropy of what the net makes of the pictures, then the optimiser's step. */
#include <jt/jt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static jt_context* ctx;
static void must(jt_status status) {
  if (status == JT_OK) return;
  fprintf(stderr, "lenet_losses: %s\n", jt_last_error_message());
  exit(1);
}
static void add(jt_module* net, const char* name, const char* kind, const jt_attr* fields, size_t count) {
  jt_module* layer;
  must(jt_module_create(ctx, kind, JT_NUL, fields, count, &layer));
  must(jt_module_add_child(ctx, net, name, JT_NUL, layer));
  jt_module_release(layer);
}
#define WHOLE(name, value) {name, JT_ATTR_I64, value, 0, NULL, 0, NULL, 0}

int main(int argc, char** argv) {
  const jt_attr conv1[] = {WHOLE("in_channels", 1), WHOLE("out_channels", 6), WHOLE("kernel_size", 5)};
  const jt_attr conv2[] = {WHOLE("in_channels", 6), WHOLE("out_channels", 16), WHOLE("kernel_size", 5)};
  const jt_attr pool[] = {WHOLE("kernel_size", 2)};
  const jt_attr fc1[] = {WHOLE("in_features", 256), WHOLE("out_features", 120)};
  const jt_attr fc2[] = {WHOLE("in_features", 120), WHOLE("out_features", 10)};
  const jt_attr lr = {"lr", JT_ATTR_F64, 0, 0.002, NULL, 0, NULL, 0};
  const int64_t dims[] = {32, 1, 28, 28};
  jt_runtime* rt;
  jt_runtime_desc desc;
  jt_module* net;
  jt_tensor *x, *y, *params[8];
  jt_optimizer* adam;
  int32_t labels[32];
  int i, steps = argc > 1 ? atoi(argv[1]) : 50;
  memset(&desc, 0, sizeof desc);
  desc.struct_size = sizeof desc, desc.flags = JT_RT_ALLOW_ENV, desc.threads = -1;
  must(jt_runtime_create(&desc, &rt)), must(jt_context_create(rt, &ctx)), must(jt_context_set_seed(ctx, 7));
  must(jt_module_create(ctx, "Sequential", JT_NUL, NULL, 0, &net));
  add(net, "0", "Conv2d", conv1, 3), add(net, "1", "MaxPool2d", pool, 1), add(net, "2", "Conv2d", conv2, 3);
  add(net, "3", "MaxPool2d", pool, 1), add(net, "4", "Flatten", NULL, 0), add(net, "5", "Linear", fc1, 2);
  add(net, "6", "ReLU", NULL, 0), add(net, "7", "Linear", fc2, 2);
  must(jt_random_uniform(ctx, dims, 4, 0, 1, JT_F32, &x));
  for (i = 0; i < 32; i++) labels[i] = i * 7 % 10;
  must(jt_tensor_from_bytes(ctx, labels, sizeof labels, JT_I32, dims, 1, &y));
  must(jt_module_parameters(ctx, net, params, 8, NULL));
  must(jt_optimizer_create(ctx, "adam", JT_NUL, &lr, 1, params, 8, &adam));
  for (i = 0; i < steps; i++) {
    jt_tensor *logits, *loss;
    double value;
    uint64_t bits;
    must(jt_module_forward(ctx, net, &x, 1, &logits, 1)),
        must(jt_cross_entropy(ctx, logits, y, NULL, -100, "mean", JT_NUL, 0, &loss));
    must(jt_optimizer_step(ctx, adam, loss)), must(jt_tensor_item_f64(ctx, loss, &value));
    memcpy(&bits, &value, sizeof bits);
    printf("%016llx\n", (unsigned long long)bits);
    jt_tensor_release(logits), jt_tensor_release(loss);
  }
  for (i = 0; i < 8; i++) jt_tensor_release(params[i]);
  jt_tensor_release(x), jt_tensor_release(y), jt_optimizer_release(adam), jt_module_release(net);
  jt_context_release(ctx), jt_runtime_release(rt);
  return 0;
}
