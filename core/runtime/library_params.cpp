#include "core/runtime/library_params.h"

#include "core/ir/along.h"

namespace jt {

static std::vector<Dim> matmul_params(const Node* node, uint32_t transposed, DType read) {
  const Shape& z = node->results()[0].type.shape;
  const Shape& x = node->inputs()[0].shape();
  int rank = z.rank;
  Dim m = z[rank - 2], n = z[rank - 1], k = x[rank - 1], batch = 1;
  for (int i = 0; i < rank - 2; i++) batch *= z[i];
  bool ta = transposed & 1, tb = transposed & 2;
  DType dtype = node->results()[0].type.dtype;
  std::vector<Dim> out{dtype, m, n, k, ta, tb, ta ? m : k, tb ? k : n, n, batch, m * k, k * n, m * n};
  if (read != dtype) out.push_back(read);
  return out;
}

static std::span<const Dim> ints(const Node* node, std::string_view attr) { return node->ints(attr_at(node, attr)); }

static void add_stride_and_padding(std::vector<Dim>& p, const Node* node) {
  auto s = ints(node, "stride"), pad = ints(node, "padding");
  p.insert(p.end(), {s[0], s[1], pad[0], pad[1], pad[2], pad[3]});
}

// Kernels take and give images [N,H,W,C]; the layout pass sees to it.
static std::vector<Dim> image_params(const Node* node, const Shape& x) {
  if (!ints(node, "channels_last")[0]) fail(JT_E_INTERNAL, name(node->op), ": images are not channels last");
  return {node->results()[0].type.dtype, x[0], x[3], x[1], x[2]};
}

static std::vector<Dim> conv_params(const Node* node, const Shape& x, const Shape& w) {
  std::vector<Dim> p = image_params(node, x);
  p.insert(p.end(), {w[0], w[2], w[3]});
  add_stride_and_padding(p, node);
  auto dilation = ints(node, "dilation");
  p.insert(p.end(), {dilation[0], dilation[1], ints(node, "groups")[0]});
  return p;
}

static std::vector<Dim> pool_params(const Node* node, const Shape& x) {
  auto size = ints(node, "size");
  std::vector<Dim> p = image_params(node, x);
  p.insert(p.end(), {size[0], size[1]});
  add_stride_and_padding(p, node);
  return p;
}

static std::vector<Dim> along_params(const Node* node) {
  Along s(node->inputs()[0].shape(), int(ints(node, "axis")[0]));
  std::vector<Dim> p{int64_t(node->results()[0].type.dtype), s.outer, s.n, s.inner};
  if (node->op == Op::sort) p.push_back(ints(node, "descending")[0]);
  return p;
}

std::vector<Dim> library_params(const Node* node, uint32_t transposed, DType read) {
  const Shape &a = node->inputs()[0].shape(), &result = node->results()[0].type.shape;
  switch (node->op) {
    case Op::matmul: return matmul_params(node, transposed, read);
    case Op::conv2d: return conv_params(node, a, node->inputs()[1].shape());
    case Op::conv2d_grad_x: return conv_params(node, result, node->inputs()[1].shape());
    case Op::conv2d_grad_w: return conv_params(node, node->inputs()[1].shape(), result);
    case Op::max_pool2d:
    case Op::avg_pool2d: return pool_params(node, a);
    case Op::max_pool2d_grad:
    case Op::avg_pool2d_grad: return pool_params(node, result);
    case Op::sort:
    case Op::cummax:
    case Op::cummin:
    case Op::cumsum:
    case Op::cumprod: return along_params(node);
    default: fail(JT_E_UNSUPPORTED, name(node->op), ": no library kernel");
  }
}

}  // namespace jt
