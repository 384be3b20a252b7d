#include "tests/bench/onednn.h"

#if defined(JT_HAS_ONEDNN)
#include <list>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>

extern "C" void omp_set_num_threads(int) __attribute__((weak));

namespace jt::bench {

using namespace dnnl;
using Dims = memory::dims;
using Tag = memory::format_tag;
using library::Conv2dShape;

void onednn_uses(library::Isa isa) {
  if (omp_set_num_threads) omp_set_num_threads(1);
  if (isa == library::Isa::avx2) set_max_cpu_isa(cpu_isa::avx2);
  if (isa == library::Isa::generic) set_max_cpu_isa(cpu_isa::sse41);
}

std::function<void()> onednn_product(const library::GemmShape& s, const float* a, const float* b, float* c) {
  return [=] {
    dnnl_sgemm(s.transpose_a ? 'T' : 'N', s.transpose_b ? 'T' : 'N', s.m, s.n, s.k, 1.0f, a, s.lda, b, s.ldb, 0.0f, c,
               s.ldc);
  };
}

namespace {

struct Conv {
  engine cpu{engine::kind::cpu, 0};
  stream order{cpu};
  primitive pass;
  memory result_memory;
  Dims result_dims;
  bool gives_images = true;
  std::unordered_map<int, memory> arguments;
  std::list<Array<char>> arrays;  // what the memories hold

  memory array(const memory::desc& desc) {
    arrays.emplace_back(desc.get_size());
    return memory(desc, cpu, arrays.back().data());
  }

  // Images are given as nhwc, weights as oihw or goihw.
  static Tag plain_tag(const Dims& dims, bool is_images) {
    return dims.size() == 5 ? Tag::abcde : is_images ? Tag::nhwc : Tag::oihw;
  }
  // An array in the layout that the primitive asks for.
  memory converted(const Array<float>& from, const Dims& dims, const memory::desc& to, bool is_images = true) {
    memory plain({dims, memory::data_type::f32, plain_tag(dims, is_images)}, cpu, const_cast<float*>(from.data()));
    memory out = array(to);
    reorder(plain, out).execute(order, plain, out);
    order.wait();
    return out;
  }
  Array<float> result() {
    int64_t count = 1;
    for (auto extent : result_dims) count *= extent;
    Array<float> out(static_cast<size_t>(count));
    memory plain({result_dims, memory::data_type::f32, plain_tag(result_dims, gives_images)}, cpu, out.data());
    reorder(result_memory, plain).execute(order, result_memory, plain);
    order.wait();
    return out;
  }
};

}  // namespace

OnednnConv onednn_conv(const Conv2dShape& s, Pass pass, bool nhwc, const Array<float>& x, const Array<float>& w,
                       const Array<float>& y) {
  auto conv = std::make_shared<Conv>();
  const auto f32 = memory::data_type::f32;
  const Dims xd{s.n, s.c, s.h, s.w}, yd{s.n, s.o, output_height(s), output_width(s)};
  const Dims wd =
      s.groups > 1 ? Dims{s.groups, s.o / s.groups, s.c / s.groups, s.kh, s.kw} : Dims{s.o, s.c, s.kh, s.kw};
  const Dims stride{s.stride_h, s.stride_w}, dilation{s.dilation_h - 1, s.dilation_w - 1}, before{s.top, s.left},
      after{s.bottom, s.right};
  const memory::desc xm(xd, f32, nhwc ? Tag::nhwc : Tag::any), wm(wd, f32, Tag::any),
      ym(yd, f32, nhwc ? Tag::nhwc : Tag::any);
  const auto direct = algorithm::convolution_direct;
#if DNNL_VERSION_MAJOR >= 3
  convolution_forward::primitive_desc fd(conv->cpu, prop_kind::forward_training, direct, xm, wm, ym, stride, dilation,
                                         before, after);
#else
  convolution_forward::primitive_desc fd(
      {prop_kind::forward_training, direct, xm, wm, ym, stride, dilation, before, after}, conv->cpu);
#endif
  auto set = [&](int result, const Dims& dims, const memory::desc& desc) {
    conv->result_memory = conv->array(desc), conv->result_dims = dims;
    conv->arguments[result] = conv->result_memory;
  };
  if (pass == Pass::forward) {
    conv->pass = convolution_forward(fd);
    conv->arguments = {{DNNL_ARG_SRC, conv->converted(x, xd, fd.src_desc())},
                       {DNNL_ARG_WEIGHTS, conv->converted(w, wd, fd.weights_desc(), false)}};
    set(DNNL_ARG_DST, yd, fd.dst_desc());
  } else if (pass == Pass::grad_x) {
#if DNNL_VERSION_MAJOR >= 3
    convolution_backward_data::primitive_desc bd(conv->cpu, direct, xm, wm, ym, stride, dilation, before, after, fd);
#else
    convolution_backward_data::primitive_desc bd({direct, xm, wm, ym, stride, dilation, before, after}, conv->cpu, fd);
#endif
    conv->pass = convolution_backward_data(bd);
    conv->arguments = {{DNNL_ARG_DIFF_DST, conv->converted(y, yd, bd.diff_dst_desc())},
                       {DNNL_ARG_WEIGHTS, conv->converted(w, wd, bd.weights_desc(), false)}};
    set(DNNL_ARG_DIFF_SRC, xd, bd.diff_src_desc());
  } else {
#if DNNL_VERSION_MAJOR >= 3
    convolution_backward_weights::primitive_desc bd(conv->cpu, direct, xm, wm, ym, stride, dilation, before, after, fd);
#else
    convolution_backward_weights::primitive_desc bd({direct, xm, wm, ym, stride, dilation, before, after}, conv->cpu,
                                                    fd);
#endif
    conv->pass = convolution_backward_weights(bd);
    conv->arguments = {{DNNL_ARG_SRC, conv->converted(x, xd, bd.src_desc())},
                       {DNNL_ARG_DIFF_DST, conv->converted(y, yd, bd.diff_dst_desc())}};
    set(DNNL_ARG_DIFF_WEIGHTS, wd, bd.diff_weights_desc());
    conv->gives_images = false;
  }
  return {[conv] { conv->pass.execute(conv->order, conv->arguments), conv->order.wait(); },
          [conv] { return conv->result(); }};
}

}  // namespace jt::bench

#else

namespace jt::bench {
void onednn_uses(library::Isa) {}
std::function<void()> onednn_product(const library::GemmShape&, const float*, const float*, float*) { return {}; }
OnednnConv onednn_conv(const library::Conv2dShape&, Pass, bool, const Array<float>&, const Array<float>&,
                       const Array<float>&) {
  return {};
}
}  // namespace jt::bench

#endif
