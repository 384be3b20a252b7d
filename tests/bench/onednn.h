// onednn: oneDNN as the peer of rows 8 and 9, on one thread; every function gives an empty one where it is not
// installed.
#pragma once
#include <functional>

#include "backends/cpu_tcc/library/library.h"
#include "tests/bench/array.h"

namespace jt::bench {

// Holds oneDNN to the instructions that the kernels under test use, and to one thread.
void onednn_uses(library::Isa isa);

// c = a * b for f32, as dnnl_sgemm.
std::function<void()> onednn_product(const library::GemmShape& shape, const float* a, const float* b, float* c);

enum class Pass { forward, grad_x, grad_w };

// One pass of a convolution in a layout of oneDNN's choice or in nhwc; images are given as nhwc, and `result`
// reads them back so.
struct OnednnConv {
  std::function<void()> run;
  std::function<Array<float>()> result;
};
OnednnConv onednn_conv(const library::Conv2dShape& shape, Pass pass, bool nhwc, const Array<float>& x,
                       const Array<float>& w, const Array<float>& y);

}  // namespace jt::bench
