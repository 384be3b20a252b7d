// Bench row 7: sums, means, softmax, layer norm, batch norm and cross entropy, forward and with the gradient, through
// libtcc and through g++; beside oneDNN with one thread where its headers were installed when this was built.
#include <functional>
#include <list>
#include <string>

#include "tests/bench/array.h"
#include "tests/bench/row.h"
#include "tests/bench/session.h"
#ifdef JT_HAS_DNNL
#include <dnnl.hpp>
extern "C" void omp_set_num_threads(int);
#endif

using namespace jt::bench;

namespace {

constexpr int64_t kRows = 512, kWidth = 768;

// A tensor that is released with the case.
struct Pool {
  Session& s;
  std::vector<jt_tensor*> all;
  explicit Pool(Session& session) : s(session) {}
  ~Pool() {
    for (jt_tensor* t : all) jt_tensor_release(t);
  }
  Pool(const Pool&) = delete;
  template <class Op, class... Arguments>
  jt_tensor* operator()(Op op, Arguments... arguments) {
    jt_tensor* out;
    must(op(s.ctx, arguments..., &out));
    all.push_back(out);
    return out;
  }
  jt_tensor* reduced(decltype(jt_sum)* op, jt_tensor* x, std::vector<int64_t> axes, bool keep = true) {
    jt_tensor* out;
    must(op(s.ctx, x, axes.data(), axes.size(), keep, &out));
    all.push_back(out);
    return out;
  }
  jt_tensor* grad(jt_tensor* y, jt_tensor* x, jt_tensor* dy) {
    jt_tensor* out;
    must(jt_grad(s.ctx, y, &x, 1, dy, 0, &out, 1));
    all.push_back(out);
    return out;
  }
  // What is still held would be computed too.
  void eval(std::vector<jt_tensor*> wanted) {
    for (jt_tensor* t : all)
      if (std::find(wanted.begin(), wanted.end(), t) == wanted.end()) jt_tensor_release(t);
    all = wanted;
    must(jt_eval(s.ctx, wanted.data(), wanted.size()));
  }
};

// (x - mean) / sqrt(variance + eps) over axes.
jt_tensor* normalised(Pool& p, jt_tensor* x, const std::vector<int64_t>& axes, jt_tensor* epsilon) {
  jt_tensor* d = p(jt_sub, x, p.reduced(jt_mean, x, axes));
  jt_tensor* variance = p.reduced(jt_mean, p(jt_mul, d, d), axes);
  return p(jt_mul, d, p(jt_rsqrt, p(jt_add, variance, epsilon)));
}

struct Inputs {
  jt_tensor *x, *dy, *image, *dimage, *label, *epsilon;
};
struct Case {
  const char* name;
  std::function<void(Pool&, const Inputs&)> run;
  std::function<void()> peer;  // empty: none
};

#ifdef JT_HAS_DNNL
struct Peer {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  using Desc = dnnl::memory::desc;
  static Desc matrix(int64_t rows, int64_t width) {
    return {{rows, width}, dnnl::memory::data_type::f32, dnnl::memory::format_tag::ab};
  }
  static Desc images() { return {{16, 64, 56, 56}, dnnl::memory::data_type::f32, dnnl::memory::format_tag::abcd}; }
  std::list<Array<char>> arrays;  // what the memories hold
  dnnl::memory filled(const Desc& desc) {
    arrays.emplace_back(desc.get_size());
    dnnl::memory m(desc, engine, arrays.back().data());
    float* at = static_cast<float*>(m.get_data_handle());
    for (size_t i = 0; i < desc.get_size() / 4; i++) at[i] = float(i * 7919 % 1009) / 500 - 1;
    return m;
  }
  std::function<void()> sum(int64_t rows, int64_t width) {
    Desc from = matrix(kRows, kWidth), to = matrix(rows, width);
    dnnl::reduction::primitive_desc desc({dnnl::algorithm::reduction_sum, from, to, 0, 0}, engine);
    return [this, run = dnnl::reduction(desc), x = filled(from), z = filled(to)]() mutable {
      run.execute(stream, {{DNNL_ARG_SRC, x}, {DNNL_ARG_DST, z}}), stream.wait();
    };
  }
  template <class Forward, class Backward>
  std::function<void()> rows(bool with_gradient) {
    Desc d = matrix(kRows, kWidth);
    typename Forward::primitive_desc forward({dnnl::prop_kind::forward_training, d, 1}, engine);
    typename Backward::primitive_desc backward({d, d, 1}, engine, forward);
    return [this, with_gradient, f = Forward(forward), b = Backward(backward), x = filled(d), z = filled(d),
            dz = filled(d), dx = filled(d)]() mutable {
      f.execute(stream, {{DNNL_ARG_SRC, x}, {DNNL_ARG_DST, z}});
      if (with_gradient) b.execute(stream, {{DNNL_ARG_DST, z}, {DNNL_ARG_DIFF_DST, dz}, {DNNL_ARG_DIFF_SRC, dx}});
      stream.wait();
    };
  }
  template <class Forward, class Backward>
  std::function<void()> norm(const Desc& d, bool with_gradient) {
    auto flags = dnnl::normalization_flags::none;
    typename Forward::primitive_desc forward({dnnl::prop_kind::forward_training, d, 1e-5f, flags}, engine);
    typename Backward::primitive_desc backward({dnnl::prop_kind::backward_data, d, d, 1e-5f, flags}, engine, forward);
    return [this, with_gradient, f = Forward(forward), b = Backward(backward), x = filled(d), z = filled(d),
            dz = filled(d), dx = filled(d), mean = dnnl::memory(forward.mean_desc(), engine),
            variance = dnnl::memory(forward.variance_desc(), engine)]() mutable {
      f.execute(stream, {{DNNL_ARG_SRC, x}, {DNNL_ARG_DST, z}, {DNNL_ARG_MEAN, mean}, {DNNL_ARG_VARIANCE, variance}});
      if (with_gradient)
        b.execute(stream, {{DNNL_ARG_SRC, x},
                           {DNNL_ARG_DIFF_DST, dz},
                           {DNNL_ARG_DIFF_SRC, dx},
                           {DNNL_ARG_MEAN, mean},
                           {DNNL_ARG_VARIANCE, variance}});
      stream.wait();
    };
  }
};
#endif

std::vector<Case> cases() {
  std::vector<Case> all = {
      {"sum 512x768, axis 1", [](Pool& p, const Inputs& in) { p.eval({p.reduced(jt_sum, in.x, {1})}); }, {}},
      {"sum 512x768, axis 0", [](Pool& p, const Inputs& in) { p.eval({p.reduced(jt_sum, in.x, {0})}); }, {}},
      {"mean 512x768", [](Pool& p, const Inputs& in) { p.eval({p.reduced(jt_mean, in.x, {})}); }, {}},
      {"softmax 512x768", [](Pool& p, const Inputs& in) { p.eval({p(jt_softmax, in.x, int64_t(-1))}); }, {}},
      {"softmax 512x768 and gradient",
       [](Pool& p, const Inputs& in) {
         jt_tensor* y = p(jt_softmax, in.x, int64_t(-1));
         p.eval({y, p.grad(y, in.x, in.dy)});
       },
       {}},
      {"layer norm 512x768", [](Pool& p, const Inputs& in) { p.eval({normalised(p, in.x, {1}, in.epsilon)}); }, {}},
      {"layer norm 512x768 and gradient",
       [](Pool& p, const Inputs& in) {
         jt_tensor* y = normalised(p, in.x, {1}, in.epsilon);
         p.eval({y, p.grad(y, in.x, in.dy)});
       },
       {}},
      {"batch norm 16x64x56x56",
       [](Pool& p, const Inputs& in) { p.eval({normalised(p, in.image, {0, 2, 3}, in.epsilon)}); },
       {}},
      {"batch norm 16x64x56x56 and gradient",
       [](Pool& p, const Inputs& in) {
         jt_tensor* y = normalised(p, in.image, {0, 2, 3}, in.epsilon);
         p.eval({y, p.grad(y, in.image, in.dimage)});
       },
       {}},
      {"cross entropy 512x768 and gradient",
       [](Pool& p, const Inputs& in) {
         jt_tensor* y = p(jt_cross_entropy, in.x, in.label, nullptr, int64_t(-100), "mean", JT_NUL, 0.0);
         p.eval({y, p.grad(y, in.x, nullptr)});
       },
       {}},
  };
#ifdef JT_HAS_DNNL
  omp_set_num_threads(1);
  static Peer peer;
  using namespace dnnl;
  all[0].peer = peer.sum(kRows, 1), all[1].peer = peer.sum(1, kWidth), all[2].peer = peer.sum(1, 1);
  for (bool gradient : {false, true}) {
    all[gradient ? 4 : 3].peer = peer.rows<softmax_forward, softmax_backward>(gradient);
    all[gradient ? 6 : 5].peer =
        peer.norm<layer_normalization_forward, layer_normalization_backward>(Peer::matrix(kRows, kWidth), gradient);
    all[gradient ? 8 : 7].peer =
        peer.norm<batch_normalization_forward, batch_normalization_backward>(Peer::images(), gradient);
  }
  all[9].peer = peer.rows<logsoftmax_forward, logsoftmax_backward>(true);
#endif
  return all;
}

void measure(const char* tier, std::vector<Case>& cases) {
  Session s(tier);
  auto floats = [&](std::vector<int64_t> dims) {
    int64_t n = 1;
    for (int64_t d : dims) n *= d;
    std::vector<float> data(size_t(n), 0);
    for (size_t i = 0; i < data.size(); i++) data[i] = float(i * 7919 % 1009) / 500 - 1;
    return s.floats(dims, data);
  };
  std::vector<int64_t> labels(kRows);
  for (size_t i = 0; i < labels.size(); i++) labels[i] = int64_t(i * 37 % kWidth);
  jt_tensor *label, *epsilon;
  must(jt_tensor_from_bytes(s.ctx, labels.data(), labels.size() * 8, JT_I64, &kRows, 1, &label));
  must(jt_scalar(s.ctx, 1e-5, JT_F32, &epsilon));
  Inputs in{floats({kRows, kWidth}),
            floats({kRows, kWidth}),
            floats({16, 64, 56, 56}),
            floats({16, 64, 56, 56}),
            label,
            epsilon};
  for (Case& c : cases) {
    // What requires a gradient keeps more than the result.
    bool has_gradient = std::string(c.name).find("gradient") != std::string::npos;
    for (jt_tensor* t : {in.x, in.image}) must(jt_tensor_set_requires_grad(s.ctx, t, has_gradient));
    auto run = [&] {
      Pool p(s);
      c.run(p, in);
    };
    auto nothing = [] {};
    auto [jt, peer] = times_in_turn(c.name[0] == 'b' ? 15 : 100, run, c.peer ? c.peer : nothing);
    char ratio[64];
    std::snprintf(ratio, sizeof ratio, "%.2f", peer.median / jt.median);
    print_row(7, std::string(c.name) + ", " + tier, with_p10(jt),
              c.peer ? "oneDNN " + with_p10(peer) : "oneDNN not installed", c.peer ? ratio : "-", ">= 1.0 oneDNN",
              c.peer && jt.median <= peer.median);
  }
  for (jt_tensor* t : {in.x, in.dy, in.image, in.dimage, in.label, in.epsilon}) jt_tensor_release(t);
}

}  // namespace

int main() {
  std::vector<Case> all = cases();
  for (const char* tier : {"tcc", "gxx"}) measure(tier, all);
}
