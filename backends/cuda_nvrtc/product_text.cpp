#include "backends/cuda_nvrtc/product_text.h"

#include "backends/cuda_nvrtc/tile_text.h"
#include "core/base/text.h"
#include "core/render/file_text.h"

namespace jt::cuda {

namespace {

constexpr const char* kHead =
    R"(FN unsigned jt_quotient(unsigned n, u64 magic) { return (__umulhi(n, (unsigned)magic) + n) >> (unsigned)(magic >> 32); }
struct jt_arguments {
  const S *a, *b;
  R *c;
  T *partial;
  i64 M, N, K, tiles_m, tiles_n, batches, splits, depth;
)";

constexpr const char* kMatmulArguments = R"(  i64 am, ak, a_batch, bk, bn, b_batch, cm, c_batch;
};
struct RowA { const S *p; bool in; };
struct RowB { const S *p; bool in; };
struct AtK { i64 a, b; bool in; };
FN RowA row_a(const jt_arguments &A, int batch, unsigned m) {
  RowA r;
  r.in = m < A.M, r.p = A.a + batch * A.a_batch + m * A.am;
  return r;
}
FN RowB row_b(const jt_arguments &A, int batch, unsigned n) {
  RowB r;
  r.in = n < A.N, r.p = A.b + batch * A.b_batch + n * A.bn;
  return r;
}
FN AtK at_k(const jt_arguments &A, unsigned k, unsigned stop) {
  AtK r;
  r.in = k < stop, r.a = k * A.ak, r.b = k * A.bk;
  return r;
}
FN T load_a(const jt_arguments &A, const RowA &r, const AtK &k) { return r.in && k.in ? LOAD(r.p[k.a]) : 0; }
FN T load_b(const jt_arguments &A, const RowB &r, const AtK &k) { return r.in && k.in ? LOAD(r.p[k.b]) : 0; }
FN i64 place_c(const jt_arguments &A, int batch, unsigned m, unsigned n) { return batch * A.c_batch + m * A.cm + n; }
)";

// Images [n,h,w,c], weights [o,c/groups,kh,kw]; a batch is a group.
constexpr const char* kConvArguments =
    R"(  i64 h, w, channels, oh, ow, o, kh, kw, stride_h, stride_w, top, left, dilation_h, dilation_w, group_channels, group_o;
  u64 div_plane, div_row, div_inner, div_kw, div_stride_h, div_stride_w;
};
)";

// m: (image, oy, ox); k: (ky, kx, channel); n: o.
constexpr const char* kConv = R"(struct RowA { const S *p; int y, x; bool in; };
struct RowB { const S *p; bool in; };
struct AtK { int y, x, channel, b; bool in; };
FN RowA row_a(const jt_arguments &A, int group, unsigned m) {
  RowA r;
  const unsigned image = jt_quotient(m, A.div_plane), rest = m - image * (unsigned)(A.oh * A.ow), y = jt_quotient(rest, A.div_row);
  r.in = m < A.M, r.y = (int)y * (int)A.stride_h - (int)A.top, r.x = (int)(rest - y * (unsigned)A.ow) * (int)A.stride_w - (int)A.left;
  r.p = A.a + image * A.h * A.w * A.channels + group * A.group_channels;
  return r;
}
FN RowB row_b(const jt_arguments &A, int group, unsigned n) {
  RowB r;
  r.in = n < A.N, r.p = A.b + (group * A.group_o + n) * A.group_channels * A.kh * A.kw;
  return r;
}
FN AtK at_k(const jt_arguments &A, unsigned k, unsigned stop) {
  AtK r;
  const unsigned tap = jt_quotient(k, A.div_inner), y = jt_quotient(tap, A.div_kw), x = tap - y * (unsigned)A.kw;
  r.in = k < stop, r.channel = (int)(k - tap * (unsigned)A.group_channels);
  r.y = (int)y * (int)A.dilation_h, r.x = (int)x * (int)A.dilation_w, r.b = (r.channel * (int)A.kh + (int)y) * (int)A.kw + (int)x;
  return r;
}
FN T load_a(const jt_arguments &A, const RowA &r, const AtK &k) {
  const int y = r.y + k.y, x = r.x + k.x;
  const bool in = r.in && k.in && (unsigned)y < (unsigned)A.h && (unsigned)x < (unsigned)A.w;
  return in ? LOAD(r.p[((i64)y * A.w + x) * A.channels + k.channel]) : 0;
}
FN T load_b(const jt_arguments &A, const RowB &r, const AtK &k) { return r.in && k.in ? LOAD(r.p[k.b]) : 0; }
FN i64 place_c(const jt_arguments &A, int group, unsigned m, unsigned n) { return m * A.o + group * A.group_o + n; }
)";

// m: (image, y, x) of dx; k: (ky, kx, o); n: channel.
constexpr const char* kConvGradX = R"(struct RowA { const S *p; int y, x; bool in; };
struct RowB { const S *p; bool in; };
struct AtK { int y, x, o, tap; bool in; };
FN RowA row_a(const jt_arguments &A, int group, unsigned m) {
  RowA r;
  const unsigned image = jt_quotient(m, A.div_plane), rest = m - image * (unsigned)(A.h * A.w), y = jt_quotient(rest, A.div_row);
  r.in = m < A.M, r.y = (int)y + (int)A.top, r.x = (int)(rest - y * (unsigned)A.w) + (int)A.left;
  r.p = A.a + image * A.oh * A.ow * A.o + group * A.group_o;
  return r;
}
FN RowB row_b(const jt_arguments &A, int group, unsigned n) {
  RowB r;
  r.in = n < A.N, r.p = A.b + (group * A.group_o * A.group_channels + n) * A.kh * A.kw;
  return r;
}
FN AtK at_k(const jt_arguments &A, unsigned k, unsigned stop) {
  AtK r;
  const unsigned tap = jt_quotient(k, A.div_inner), y = jt_quotient(tap, A.div_kw), x = tap - y * (unsigned)A.kw;
  r.in = k < stop, r.o = (int)(k - tap * (unsigned)A.group_o), r.tap = (int)tap;
  r.y = (int)y * (int)A.dilation_h, r.x = (int)x * (int)A.dilation_w;
  return r;
}
FN T load_a(const jt_arguments &A, const RowA &r, const AtK &k) {
  const int y = r.y - k.y, x = r.x - k.x;
  if (!r.in || !k.in || y < 0 || x < 0) return 0;
  const unsigned oy = jt_quotient((unsigned)y, A.div_stride_h), ox = jt_quotient((unsigned)x, A.div_stride_w);
  const bool in = oy * (unsigned)A.stride_h == (unsigned)y && ox * (unsigned)A.stride_w == (unsigned)x
      && oy < (unsigned)A.oh && ox < (unsigned)A.ow;
  return in ? LOAD(r.p[((i64)oy * A.ow + ox) * A.o + k.o]) : 0;
}
FN T load_b(const jt_arguments &A, const RowB &r, const AtK &k) { return r.in && k.in
    ? LOAD(r.p[k.o * A.group_channels * A.kh * A.kw + k.tap]) : 0; }
FN i64 place_c(const jt_arguments &A, int group, unsigned m, unsigned n) { return m * A.channels + group * A.group_channels + n; }
)";

// m: o; k: (image, oy, ox); n: (ky, kx, channel).
constexpr const char* kConvGradW = R"(struct RowA { int o; bool in; };
struct RowB { int y, x, channel; bool in; };
struct AtK { i64 a; int y, x, image; bool in; };
FN RowA row_a(const jt_arguments &A, int group, unsigned m) {
  RowA r;
  r.in = m < A.M, r.o = (int)(group * A.group_o + m);
  return r;
}
FN RowB row_b(const jt_arguments &A, int group, unsigned n) {
  RowB r;
  const unsigned tap = jt_quotient(n, A.div_inner), y = jt_quotient(tap, A.div_kw), x = tap - y * (unsigned)A.kw;
  r.in = n < A.N, r.channel = (int)(group * A.group_channels + n - tap * (unsigned)A.group_channels);
  r.y = (int)y * (int)A.dilation_h - (int)A.top, r.x = (int)x * (int)A.dilation_w - (int)A.left;
  return r;
}
FN AtK at_k(const jt_arguments &A, unsigned k, unsigned stop) {
  AtK r;
  const unsigned image = jt_quotient(k, A.div_plane), rest = k - image * (unsigned)(A.oh * A.ow), y = jt_quotient(rest, A.div_row);
  r.in = k < stop, r.a = k * A.o, r.image = (int)image;
  r.y = (int)y * (int)A.stride_h, r.x = (int)(rest - y * (unsigned)A.ow) * (int)A.stride_w;
  return r;
}
FN T load_a(const jt_arguments &A, const RowA &r, const AtK &k) { return r.in && k.in ? LOAD(A.a[k.a + r.o]) : 0; }
FN T load_b(const jt_arguments &A, const RowB &r, const AtK &k) {
  const int y = r.y + k.y, x = r.x + k.x;
  const bool in = r.in && k.in && (unsigned)y < (unsigned)A.h && (unsigned)x < (unsigned)A.w;
  return in ? LOAD(A.b[((k.image * A.h + y) * A.w + x) * A.channels + r.channel]) : 0;
}
FN i64 place_c(const jt_arguments &A, int group, unsigned m, unsigned n) {
  const unsigned tap = jt_quotient(n, A.div_inner);
  return ((group * A.group_o + m) * A.group_channels + n - tap * (unsigned)A.group_channels) * A.kh * A.kw + tap;
}
)";

}  // namespace

std::string render_product(const ProductText& t) {
  loops::FileText file(cuda_dialect(), nullptr);
  CType c = ctype_of(t.dtype);
  // Sums of integers wrap, so those of the least width are those of any.
  const char* sum = c == CType::f32 ? "float" : c == CType::f64 ? "double" : size_of(t.dtype) == 8 ? "u64" : "unsigned";
  std::string load = file.loaded(t.dtype, "x"), store = file.stored(t.result, "x");
  std::string out = file.head();
  out += text("typedef ", file.memory_type(t.dtype), " S;\ntypedef ", file.memory_type(t.result), " R;\ntypedef ", sum,
              " T;\n#define LOAD(x) (T)(", load, ")\n#define STORE(x) ", store, "\n");
  out += text("#define ADD_PRODUCT(s, x, y) ",
              c == CType::f32   ? "fmaf(x, y, s)"
              : c == CType::f64 ? "fma(x, y, s)"
                                : "s + x * y",
              "\n");
  out += text("#define BM ", t.tile.m, "\n#define BN ", t.tile.n, "\n#define TM ", t.tile.rows, "\n#define TN ",
      t.tile.columns, "\n#define THREADS ",
              t.tile.threads(), "\n#define A_ALONG_M ", int(t.a_along_m), "\n#define B_ALONG_N ", int(t.b_along_n),
              "\n#define C_ALONG_N ", int(t.kind != ProductKind::conv2d_grad_w), "\n");
  out += kHead;
  switch (t.kind) {
    case ProductKind::matmul: out += kMatmulArguments; break;
    case ProductKind::conv2d: out += std::string(kConvArguments) + kConv; break;
    case ProductKind::conv2d_grad_x: out += std::string(kConvArguments) + kConvGradX; break;
    case ProductKind::conv2d_grad_w: out += std::string(kConvArguments) + kConvGradW; break;
  }
  if (t.tile.by_warp) out += text("#define HALF \"", t.dtype == JT_F16 ? "f16" : "bf16", "\"\n");
  return out + tile_text(t.tile.by_warp);
}

}  // namespace jt::cuda
