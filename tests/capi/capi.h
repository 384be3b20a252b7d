// capi: the C API as the tests write it: handles that release themselves, calls that must succeed, LeNet.
#pragma once
#include <gtest/gtest.h>
#include <jt/jt.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace jt::test {

using Dims = std::vector<int64_t>;

// A call that has to succeed; a test that relies on it cannot go on.
inline void must(jt_status status) {
  if (status == JT_OK) return;
  jt_error_info e{sizeof e};
  jt_last_error(&e);
  std::string text = std::string(e.function) + ": " + e.message;
  ADD_FAILURE() << text;
  throw std::runtime_error(text);
}
inline std::string last_message() { return jt_last_error_message(); }

struct Tensor {
  jt_tensor* handle = nullptr;
  Tensor() = default;
  explicit Tensor(jt_tensor* taken) : handle(taken) {}
  Tensor(const Tensor& o) : handle(o.handle) { jt_tensor_retain(handle); }
  Tensor(Tensor&& o) noexcept : handle(std::exchange(o.handle, nullptr)) {}
  Tensor& operator=(Tensor o) noexcept { return std::swap(handle, o.handle), *this; }
  ~Tensor() { jt_tensor_release(handle); }
  operator jt_tensor*() const { return handle; }
  int64_t count() const { return jt_tensor_count(handle); }
};

struct Session {
  jt_runtime* rt = nullptr;
  jt_context* ctx = nullptr;

  explicit Session(uint32_t flags = JT_RT_NO_DISK_CACHE, const char* cache_dir = nullptr, int64_t memory_limit = 0) {
    jt_runtime_desc desc{};
    desc.struct_size = sizeof desc;
    desc.flags = flags;
    desc.cache_dir = cache_dir, desc.cache_dir_len = cache_dir ? JT_NUL : 0;
    desc.memory_limit = memory_limit;
    open(desc);
  }
  explicit Session(const jt_runtime_desc& desc) { open(desc); }
  explicit Session(jt_runtime* shared) : rt(shared) {
    jt_runtime_retain(rt);
    open_context();
  }
  void open(const jt_runtime_desc& desc) {
    must(jt_runtime_create(&desc, &rt));
    open_context();
  }
  // Every test sees the same random numbers each time.
  void open_context() {
    must(jt_context_create(rt, &ctx));
    must(jt_context_set_seed(ctx, 0));
  }
  ~Session() { jt_context_release(ctx), jt_runtime_release(rt); }
  Session(const Session&) = delete;

  // A function that gives one tensor: make(jt_add, x, y).
  template <class Function, class... Args>
  Tensor make(Function function, Args... args) const {
    jt_tensor* out = nullptr;
    must(function(ctx, args..., &out));
    return Tensor(out);
  }
  template <class Number>
  Tensor of(jt_dtype dtype, const Dims& dims, const std::vector<Number>& data) const {
    return make(jt_tensor_from_bytes, data.data(), data.size() * sizeof(Number), dtype, dims.data(), dims.size());
  }
  Tensor floats(const Dims& dims, const std::vector<float>& data) const { return of(JT_F32, dims, data); }
  Tensor scalar(double value, jt_dtype dtype = JT_F32) const { return make(jt_scalar, value, dtype); }
  Tensor zeros(const Dims& dims) const { return make(jt_zeros, dims.data(), dims.size(), JT_F32); }
  Tensor normal(const Dims& dims) const { return make(jt_random_normal, dims.data(), dims.size(), 0.0, 1.0, JT_F32); }
  Tensor reshape(jt_tensor* x, const Dims& dims) const { return make(jt_reshape, x, dims.data(), dims.size()); }
  Tensor sum(jt_tensor* x) const { return make(jt_sum, x, nullptr, 0, 0); }
  Tensor slice(jt_tensor* x, const Dims& from, const Dims& to) const {
    return make(jt_slice, x, from.data(), from.size(), to.data(), to.size(), nullptr, 0);
  }

  template <class Number = float>
  std::vector<Number> read(jt_tensor* x) const {
    std::vector<Number> out(size_t(jt_tensor_count(x)));
    must(jt_tensor_read(ctx, x, out.data(), out.size() * sizeof(Number)));
    return out;
  }
  double item(jt_tensor* x) const {
    double out = NAN;
    must(jt_tensor_item_f64(ctx, x, &out));
    return out;
  }
  jt_stats stats() const {
    jt_stats s{sizeof s};
    must(jt_runtime_stats(rt, &s));
    return s;
  }
  jt_memory_info memory() const {
    jt_memory_info m{sizeof m};
    must(jt_runtime_memory_info(rt, &m));
    return m;
  }
};

inline Tensor parameter(const Session& s, const Dims& dims) {
  Tensor p = s.make(jt_init, "he_normal", JT_NUL, dims.data(), dims.size(), JT_F32);
  must(jt_tensor_set_requires_grad(s.ctx, p, 1));
  return p;
}

// LeNet: conv 5x5, pool, conv 5x5, pool, two dense layers; channels as given so that tests can be quick.
struct LeNet {
  const Session& s;
  int64_t hidden;
  std::vector<Tensor> params;

  LeNet(const Session& session, int64_t c1 = 20, int64_t c2 = 50, int64_t dense = 500) : s(session), hidden(c2 * 16) {
    for (const Dims& dims :
         {Dims{c1, 1, 5, 5}, {c1, 1, 1}, {c2, c1, 5, 5}, {c2, 1, 1}, {hidden, dense}, {dense}, {dense, 10}, {10}}) {
      bool is_bias = dims.size() % 2;
      params.push_back(is_bias ? s.zeros(dims) : parameter(s, dims));
      must(jt_tensor_set_requires_grad(s.ctx, params.back(), 1));
    }
  }
  Tensor convolved(const Tensor& x, int w) const {
    const int64_t two[2] = {2, 2};
    Tensor y = s.make(jt_conv2d, x, params[size_t(w)], nullptr, 0, nullptr, 0, nullptr, 0, 1, 0);
    y = s.make(jt_add, y, params[size_t(w) + 1]);
    jt_tensor* z = nullptr;
    must(jt_max_pool2d(s.ctx, y, two, 2, two, 2, nullptr, 0, 0, &z, nullptr));
    return Tensor(z);
  }
  Tensor dense(const Tensor& x, int w) const {
    return s.make(jt_add, s.make(jt_matmul, x, params[size_t(w)]), params[size_t(w) + 1]);
  }
  Tensor forward(const Tensor& pictures) const {
    Tensor x = convolved(convolved(pictures, 0), 2);
    const int64_t flat[2] = {jt_tensor_dim(x, 0), -1};
    x = s.make(jt_reshape, x, flat, 2);
    return dense(s.make(jt_relu, dense(x, 4)), 6);
  }
  Tensor loss(const Tensor& out, const Tensor& labels) const {
    return s.make(jt_cross_entropy, out, labels, nullptr, int64_t(-100), "mean", JT_NUL, 0.0);
  }
  jt_optimizer* optimizer(const char* kind = "adam") const {
    std::vector<jt_tensor*> handles(params.begin(), params.end());
    jt_optimizer* out = nullptr;
    must(jt_optimizer_create(s.ctx, kind, JT_NUL, nullptr, 0, handles.data(), handles.size(), &out));
    return out;
  }
};

inline Tensor pictures(const Session& s, int64_t batch) {
  std::vector<float> pixels(size_t(batch) * 28 * 28);
  for (size_t i = 0; i < pixels.size(); i++) pixels[i] = std::sin(float(i * i % 9973));
  return s.floats({batch, 1, 28, 28}, pixels);
}
inline Tensor labels(const Session& s, int64_t batch) {
  std::vector<int64_t> numbers(static_cast<size_t>(batch));
  for (size_t i = 0; i < numbers.size(); i++) numbers[i] = int64_t(i * 7 % 10);
  return s.of(JT_I64, {batch}, numbers);
}

// Losses of a few steps of a small LeNet.
inline std::vector<float> lenet_losses(const Session& s, int steps = 3) {
  LeNet net(s, 2, 3, 8);
  Tensor x = pictures(s, 4), y = labels(s, 4);
  jt_optimizer* adam = net.optimizer();
  std::vector<float> losses;
  for (int i = 0; i < steps; i++) {
    Tensor loss = net.loss(net.forward(x), y);
    must(jt_optimizer_step(s.ctx, adam, loss));
    losses.push_back(float(s.item(loss)));
  }
  jt_optimizer_release(adam);
  return losses;
}

}  // namespace jt::test
