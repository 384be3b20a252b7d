// small_training: C source, a convolution, a pooling, a function of the host, a dense layer, a loss, two steps of Adam,
// a checkpoint written and read again: a little of everything that allocates, touches files or asks the system. Bits of
// the result are the same everywhere.
#pragma once
#include <jt/jt.h>

#include <cstring>
#include <string>

namespace jt::test {

// A call that did not succeed; the library's last error says why.
struct Failure {};
void try_call(jt_status status);  // throws Failure; defined by the program, which may look at the error first

struct Handle {
  jt_tensor* t = nullptr;
  ~Handle() { jt_tensor_release(t); }
  Handle() = default;
  Handle(const Handle&) = delete;
  jt_tensor** out() { return jt_tensor_release(t), t = nullptr, &t; }
  operator jt_tensor*() const { return t; }
};

constexpr int kSteps = 2, kBatch = 3;
struct Result {
  float losses[kSteps] = {};
  float weight[4] = {};
  bool operator==(const Result& o) const { return !std::memcmp(this, &o, sizeof o); }
};

struct Network {
  jt_context* ctx;
  Handle w, b, v, x, label;
  jt_optimizer* adam = nullptr;
  bool compiles_code;
  Network(jt_context* context, bool compiles) : ctx(context), compiles_code(compiles) {}
  ~Network() { jt_optimizer_release(adam); }

  void make() {
    const int64_t w_dims[] = {4, 1, 3, 3}, b_dims[] = {4, 1, 1}, v_dims[] = {36, 5}, x_dims[] = {kBatch, 1, 8, 8},
                  n = kBatch;
    try_call(jt_context_set_seed(ctx, 7));
    try_call(jt_init(ctx, "he_normal", JT_NUL, w_dims, 4, JT_F32, w.out()));
    try_call(jt_zeros(ctx, b_dims, 3, JT_F32, b.out()));
    try_call(jt_init(ctx, "he_normal", JT_NUL, v_dims, 2, JT_F32, v.out()));
    try_call(jt_random_normal(ctx, x_dims, 4, 0, 1, JT_F32, x.out()));
    const int64_t labels[kBatch] = {1, 0, 4};
    try_call(jt_tensor_from_bytes(ctx, labels, sizeof labels, JT_I64, &n, 1, label.out()));
    jt_tensor* params[] = {w, b, v};
    for (jt_tensor* param : params) try_call(jt_tensor_set_requires_grad(ctx, param, 1));
    try_call(jt_optimizer_create(ctx, "adam", JT_NUL, nullptr, 0, params, 3, &adam));
  }
  // Twice its input: by a function of the host, whose gradient is recorded in ops.
  static jt_status twice(void*, const jt_custom_call* call) {
    const float* from = static_cast<const float*>(call->inputs[0].data);
    float* to = static_cast<float*>(call->outputs[0].data);
    for (size_t i = 0; i < call->outputs[0].data_len / sizeof(float); i++) to[i] = from[i] * 2;
    return JT_OK;
  }
  static jt_status twice_grad(void*, const jt_custom_grad* call) {
    return jt_add(call->ctx, call->grads[0], call->grads[0], &call->input_grads[0]);
  }
  // Its input and an eighth, by C source.
  void shift(jt_tensor* in, jt_tensor** out) {
    if (!compiles_code) {
      Handle eighth;
      try_call(jt_scalar(ctx, 0.125, JT_F32, eighth.out()));
      return try_call(jt_add(ctx, in, eighth, out));
    }
    const int64_t dims[] = {kBatch, 1, 8, 8};
    jt_custom_type type = {JT_F32, dims, 4};
    jt_code_desc code{};
    code.struct_size = sizeof code;
    code.source = "for (int64_t i = 0; i < out_num; i++) out[i] = in0[i] + 0.125f;", code.source_len = JT_NUL;
    code.outputs = &type, code.outputs_len = 1;
    try_call(jt_code(ctx, &code, &in, 1, out, 1));
  }
  void make_twice(jt_tensor* in, jt_tensor** out) {
    const int64_t dims[] = {kBatch, 36};
    jt_custom_type type = {JT_F32, dims, 2};
    jt_custom_desc own{};
    own.struct_size = sizeof own;
    own.forward = twice, own.backward = twice_grad;
    own.outputs = &type, own.outputs_len = 1;
    try_call(jt_custom(ctx, &own, &in, 1, out, 1));
  }
  float step() {
    const int64_t two[] = {2, 2}, flat[] = {kBatch, -1};
    Handle shifted, convolved, biased, positive, pooled, features, doubled, out, loss;
    shift(x, shifted.out());
    try_call(jt_conv2d(ctx, shifted, w, nullptr, 0, nullptr, 0, nullptr, 0, 1, 0, convolved.out()));
    try_call(jt_add(ctx, convolved, b, biased.out()));
    try_call(jt_relu(ctx, biased, positive.out()));
    try_call(jt_max_pool2d(ctx, positive, two, 2, two, 2, nullptr, 0, 0, pooled.out(), nullptr));
    try_call(jt_reshape(ctx, pooled, flat, 2, features.out()));
    make_twice(features, doubled.out());
    try_call(jt_matmul(ctx, doubled, v, out.out()));
    try_call(jt_cross_entropy(ctx, out, label, nullptr, -100, "mean", JT_NUL, 0, loss.out()));
    try_call(jt_optimizer_step(ctx, adam, loss));
    double value = 0;
    try_call(jt_tensor_item_f64(ctx, loss, &value));
    return float(value);
  }
  void through_checkpoint(const std::string& path, float* weight) {
    const char* name = "w";
    jt_tensor* value = w;
    try_call(jt_checkpoint_save(ctx, path.c_str(), JT_NUL, &name, &value, 1));
    jt_checkpoint* file = nullptr;
    try_call(jt_checkpoint_open(path.c_str(), JT_NUL, &file));
    Handle back;
    jt_status status = jt_checkpoint_load(ctx, file, name, JT_NUL, back.out());
    jt_checkpoint_release(file);
    try_call(status);
    float all[36];
    try_call(jt_tensor_read(ctx, back, all, sizeof all));
    std::memcpy(weight, all, 4 * sizeof(float));
  }
};

inline Result train(jt_context* ctx, const std::string& checkpoint, bool compiles_code = true) {
  Result result;
  Network network(ctx, compiles_code);
  network.make();
  for (float& loss : result.losses) loss = network.step();
  network.through_checkpoint(checkpoint, result.weight);
  return result;
}

struct Session {
  jt_runtime* rt = nullptr;
  jt_context* ctx = nullptr;
  ~Session() { jt_context_release(ctx), jt_runtime_release(rt); }
  void open(const jt_runtime_desc& desc) {
    try_call(jt_runtime_create(&desc, &rt));
    try_call(jt_context_create(rt, &ctx));
  }
};

}  // namespace jt::test
