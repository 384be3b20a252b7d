#include "core/ir/eval_library.h"

#include <limits>

#include "core/ir/scalar_math.h"

namespace jt {

namespace {

// One result under construction: a double or, for integers, a wrapping sum for every element.
struct Sums {
  bool real;
  std::vector<double> f;
  std::vector<uint64_t> i;
  explicit Sums(const Type& type) : real(is_float(type.dtype)) {
    real ? f.resize(size_t(type.count())) : i.resize(size_t(type.count()));
  }
  void add_product(int64_t at, const HostValue& a, int64_t at_a, const HostValue& b, int64_t at_b) {
    CType from = ctype_of(a.type.dtype), to = real ? CType::f64 : CType::u64;
    Word x = convert(load(a.type.dtype, &a.bytes[size_t(at_a) * size_of(a.type.dtype)]), from, to);
    Word y = convert(load(b.type.dtype, &b.bytes[size_t(at_b) * size_of(b.type.dtype)]), from, to);
    real ? void(f[size_t(at)] += x.f64 * y.f64) : void(i[size_t(at)] += x.u64 * y.u64);
  }
  void write_to(HostValue& out) const {
    DType t = out.type.dtype;
    for (size_t k = 0; k < size_t(out.type.count()); k++) {
      Word value =
          real ? convert({.f64 = f[k]}, CType::f64, ctype_of(t)) : convert({.u64 = i[k]}, CType::u64, ctype_of(t));
      store(t, &out.bytes[k * size_of(t)], value);
    }
  }
};

double real_at(const HostValue& x, int64_t at) {
  DType t = x.type.dtype;
  return convert(load(t, &x.bytes[size_t(at) * size_of(t)]), ctype_of(t), CType::f64).f64;
}

void matmul(const HostValue& x, const HostValue& y, HostValue& z) {
  const Shape& s = x.type.shape;
  int64_t rows = s[s.rank - 2], inner = s[s.rank - 1], columns = y.type.shape[s.rank - 1];
  int64_t batches = 1;
  for (int i = 0; i < s.rank - 2; i++) batches *= s[i];
  Sums sums(z.type);
  for (int64_t b = 0; b < batches; b++)
    for (int64_t i = 0; i < rows; i++)
      for (int64_t j = 0; j < columns; j++)
        for (int64_t k = 0; k < inner; k++)
          sums.add_product((b * rows + i) * columns + j, x, (b * rows + i) * inner + k, y,
                           (b * inner + k) * columns + j);
  sums.write_to(z);
}

std::span<const Dim> ints(const Node* node, std::string_view attr) { return node->ints(attr_at(node, attr)); }

// The extents of images [N,C,H,W], or channels last [N,H,W,C], and the way to their elements.
struct Images {
  int64_t n, c, h, w;
  bool last;
  Images(const Shape& x, bool channels_last)
      : n(x[0]), c(x[channels_last ? 3 : 1]), h(x[channels_last ? 1 : 2]), w(x[channels_last ? 2 : 3]),
        last(channels_last) {}
  int64_t at(int64_t image, int64_t channel, int64_t row, int64_t column) const {
    return last ? ((image * h + row) * w + column) * c + channel : ((image * c + channel) * h + row) * w + column;
  }
};

// Calls visit(offset in x, in w, in z) for every product of a conv2d.
template <class Visit>
void for_each_product(const Node* node, const Shape& xs, const Shape& w, const Shape& zs, Visit visit) {
  auto stride = ints(node, "stride"), padding = ints(node, "padding"), dilation = ints(node, "dilation");
  int64_t groups = ints(node, "groups")[0], out_per_group = w[0] / groups;
  Images x(xs, ints(node, "channels_last")[0]), z(zs, x.last);
  for (int64_t n = 0; n < z.n; n++)
    for (int64_t o = 0; o < z.c; o++)
      for (int64_t i = 0; i < z.h; i++)
        for (int64_t j = 0; j < z.w; j++)
          for (int64_t c = 0; c < w[1]; c++)
            for (int64_t k = 0; k < w[2]; k++)
              for (int64_t l = 0; l < w[3]; l++) {
                int64_t row = i * stride[0] - padding[0] + k * dilation[0];
                int64_t column = j * stride[1] - padding[1] + l * dilation[1];
                if (row < 0 || row >= x.h || column < 0 || column >= x.w) continue;
                visit(x.at(n, o / out_per_group * w[1] + c, row, column), ((o * w[1] + c) * w[2] + k) * w[3] + l,
                      z.at(n, o, i, j));
              }
}

void conv2d(const Node* node, const HostValue& a, const HostValue& b, HostValue& out) {
  Sums sums(out.type);
  const Shape &sa = a.type.shape, &sb = b.type.shape, &so = out.type.shape;
  if (node->op == Op::conv2d)
    for_each_product(node, sa, sb, so, [&](int64_t x, int64_t w, int64_t z) { sums.add_product(z, a, x, b, w); });
  else if (node->op == Op::conv2d_grad_x)
    for_each_product(node, so, sb, sa, [&](int64_t x, int64_t w, int64_t z) { sums.add_product(x, a, z, b, w); });
  else
    for_each_product(node, sb, so, sa, [&](int64_t x, int64_t w, int64_t z) { sums.add_product(w, a, z, b, x); });
  sums.write_to(out);
}

// Calls visit(offset in z, in x, place in x's plane) for every element of every window that is not padding.
template <class Visit>
void for_each_in_window(const Node* node, const Shape& xs, const Shape& zs, Visit visit) {
  auto size = ints(node, "size"), stride = ints(node, "stride"), padding = ints(node, "padding");
  Images x(xs, ints(node, "channels_last")[0]), z(zs, x.last);
  for (int64_t n = 0; n < z.n; n++)
    for (int64_t c = 0; c < z.c; c++)
      for (int64_t i = 0; i < z.h; i++)
        for (int64_t j = 0; j < z.w; j++)
          for (int64_t k = 0; k < size[0]; k++)
            for (int64_t l = 0; l < size[1]; l++) {
              int64_t row = i * stride[0] - padding[0] + k, column = j * stride[1] - padding[1] + l;
              if (row < 0 || row >= x.h || column < 0 || column >= x.w) continue;
              visit(z.at(n, c, i, j), x.at(n, c, row, column), row * x.w + column);
            }
}

// The first of equal maxima wins, and the first NaN. A window of padding only gives -inf at position 0.
void max_pool2d(const Node* node, const HostValue& x, std::span<HostValue> results) {
  const Shape &in = x.type.shape, &out = results[0].type.shape;
  DType t = x.type.dtype;
  size_t count = size_t(out.count());
  std::vector<double> best(count, -std::numeric_limits<double>::infinity());
  std::vector<int64_t> winner(count, -1);
  for_each_in_window(node, in, out, [&](int64_t to, int64_t from, int64_t place) {
    double value = real_at(x, from), &old = best[size_t(to)];
    if (winner[size_t(to)] < 0 || value > old || (value != value && old == old))
      old = value, winner[size_t(to)] = place;
  });
  for (size_t k = 0; k < count; k++) {
    store(t, &results[0].bytes[k * size_of(t)], word_of(t, best[k]));
    store(JT_I32, &results[1].bytes[k * 4], {.i32 = int32_t(winner[k])});
  }
}

void max_pool2d_grad(const Node* node, const HostValue& dz, const HostValue& index, HostValue& dx) {
  Images in(dz.type.shape, ints(node, "channels_last")[0]), out(dx.type.shape, in.last);
  std::vector<double> sums(size_t(dx.type.count()));
  for (int64_t n = 0; n < in.n; n++)
    for (int64_t c = 0; c < in.c; c++)
      for (int64_t i = 0; i < in.h; i++)
        for (int64_t j = 0; j < in.w; j++) {
          int64_t k = in.at(n, c, i, j), at = load(JT_I32, &index.bytes[size_t(k) * 4]).i32;
          if (at >= 0 && at < out.h * out.w) sums[size_t(out.at(n, c, at / out.w, at % out.w))] += real_at(dz, k);
        }
  for (size_t k = 0; k < sums.size(); k++)
    store(dx.type.dtype, &dx.bytes[k * size_of(dx.type.dtype)], word_of(dx.type.dtype, sums[k]));
}

void avg_pool2d(const Node* node, const HostValue& a, HostValue& out) {
  bool backward = node->op == Op::avg_pool2d_grad;
  const Shape& x = backward ? out.type.shape : a.type.shape;
  const Shape& z = backward ? a.type.shape : out.type.shape;
  auto size = ints(node, "size");
  std::vector<double> sums(size_t(out.type.count()));
  for_each_in_window(node, x, z, [&](int64_t in_z, int64_t in_x, int64_t) {
    if (backward) sums[size_t(in_x)] += real_at(a, in_z);
    else sums[size_t(in_z)] += real_at(a, in_x);
  });
  DType t = out.type.dtype;
  for (size_t k = 0; k < sums.size(); k++)
    store(t, &out.bytes[k * size_of(t)], word_of(t, sums[k] / double(size[0] * size[1])));
}

}  // namespace

void evaluate_library(const Node* node, std::span<const HostValue* const> in, std::span<HostValue> results) {
  switch (node->op) {
    case Op::matmul: return matmul(*in[0], *in[1], results[0]);
    case Op::conv2d:
    case Op::conv2d_grad_x:
    case Op::conv2d_grad_w: return conv2d(node, *in[0], *in[1], results[0]);
    case Op::max_pool2d: return max_pool2d(node, *in[0], results);
    case Op::max_pool2d_grad: return max_pool2d_grad(node, *in[0], *in[1], results[0]);
    case Op::avg_pool2d:
    case Op::avg_pool2d_grad: return avg_pool2d(node, *in[0], results[0]);
    case Op::sort:
    case Op::cumsum:
    case Op::cumprod:
    case Op::cummax:
    case Op::cummin: return evaluate_along(node, *in[0], results);
    default: fail(JT_E_UNSUPPORTED, name(node->op), ": has no reference evaluation");
  }
}

}  // namespace jt
