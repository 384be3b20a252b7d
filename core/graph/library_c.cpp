#include "core/graph/library_c.h"

#include "core/base/status.h"
#include "core/base/text.h"

namespace jt {

namespace {

// T is the dtype's type. Sums of floats are kept in T, in the order of the loops; integers are unsigned, which wrap.
constexpr const char* kMatmul = R"(
static void NAME(const T *x, const T *y, T *z, jt_i64 m, jt_i64 n, jt_i64 k, jt_i64 turns_x, jt_i64 turns_y, jt_i64 row_x,
                 jt_i64 row_y, jt_i64 row_z, jt_i64 batch, jt_i64 next_x, jt_i64 next_y, jt_i64 next_z) {
  jt_i64 b, i, j, p;
  for (b = 0; b < batch; b++, x += next_x, y += next_y, z += next_z)
    for (i = 0; i < m; i++) {
      T *to = z + i * row_z;
      for (j = 0; j < n; j++) to[j] = 0;
      for (p = 0; p < k; p++) {
        const T by = turns_x ? x[p * row_x + i] : x[i * row_x + p];
        if (turns_y)
          for (j = 0; j < n; j++) to[j] += by * y[j * row_y + p];
        else
          for (j = 0; j < n; j++) to[j] += by * y[p * row_y + j];
      }
    }
}
)";

// BODY: for each product of an element of x, one of w and one of the result.
constexpr const char* kConv = R"(
static void NAME(OPERANDS, jt_i64 n, jt_i64 c, jt_i64 h, jt_i64 w_, jt_i64 o, jt_i64 kh, jt_i64 kw, jt_i64 step_h, jt_i64 step_w,
                 jt_i64 top, jt_i64 left, jt_i64 bottom, jt_i64 right, jt_i64 wide_h, jt_i64 wide_w, jt_i64 groups) {
  const jt_i64 oh = (h + top + bottom - wide_h * (kh - 1) - 1) / step_h + 1;
  const jt_i64 ow = (w_ + left + right - wide_w * (kw - 1) - 1) / step_w + 1;
  const jt_i64 of_group = c / groups, per_group = o / groups;
  jt_i64 b, i, j, f, q, u, v;
  for (q = 0; q < SIZE; q++) OUT[q] = 0;
  for (b = 0; b < n; b++)
    for (i = 0; i < oh; i++)
      for (j = 0; j < ow; j++)
        for (f = 0; f < o; f++)
          for (u = 0; u < kh; u++)
            for (v = 0; v < kw; v++) {
              const jt_i64 row = i * step_h - top + u * wide_h, column = j * step_w - left + v * wide_w;
              const jt_i64 at_x = ((b * h + row) * w_ + column) * c + f / per_group * of_group;
              const jt_i64 at_w = (f * of_group * kh + u) * kw + v, at_z = ((b * oh + i) * ow + j) * o + f;
              if (row < 0 || row >= h || column < 0 || column >= w_) continue;
              for (q = 0; q < of_group; q++) BODY;
            }
}
)";

constexpr const char* kPool = R"(
static void NAME(OPERANDS, jt_i64 n, jt_i64 c, jt_i64 h, jt_i64 w, jt_i64 kh, jt_i64 kw, jt_i64 step_h, jt_i64 step_w,
                 jt_i64 top, jt_i64 left, jt_i64 bottom, jt_i64 right) {
  const jt_i64 oh = (h + top + bottom - kh) / step_h + 1, ow = (w + left + right - kw) / step_w + 1;
  jt_i64 b, i, j, q, u, v;
  CLEAR
  for (b = 0; b < n; b++)
    for (i = 0; i < oh; i++)
      for (j = 0; j < ow; j++)
        for (q = 0; q < c; q++) {
          const jt_i64 at_z = ((b * oh + i) * ow + j) * c + q;
          BEGIN
          for (u = 0; u < kh; u++)
            for (v = 0; v < kw; v++) {
              const jt_i64 row = i * step_h - top + u, column = j * step_w - left + v;
              const jt_i64 at_x = ((b * h + row) * w + column) * c + q;
              if (row < 0 || row >= h || column < 0 || column >= w) continue;
              BODY
            }
          END
        }
}
)";

// Products of the gradient of a max_pool2d: each goes to the place that won.
constexpr const char* kMaxPoolGrad = R"(
static void NAME(const T *dz, const int *index, T *dx, jt_i64 n, jt_i64 c, jt_i64 h, jt_i64 w, jt_i64 kh, jt_i64 kw,
                 jt_i64 step_h, jt_i64 step_w, jt_i64 top, jt_i64 left, jt_i64 bottom, jt_i64 right) {
  const jt_i64 plane = ((h + top + bottom - kh) / step_h + 1) * ((w + left + right - kw) / step_w + 1);
  jt_i64 b, i, q;
  for (i = 0; i < n * h * w * c; i++) dx[i] = 0;
  for (b = 0; b < n; b++)
    for (i = 0; i < plane; i++)
      for (q = 0; q < c; q++) {
        const jt_i64 at = (b * plane + i) * c + q;
        if (index[at] >= 0 && index[at] < h * w) dx[(b * h * w + index[at]) * c + q] += dz[at];
      }
}
)";

// SUM: what is carried along the axis; floats in f64, rounded where they are stored.
constexpr const char* kAlong = R"(
static void NAME(const T *x, T *z, jt_i64 outer, jt_i64 n, jt_i64 inner) {
  jt_i64 o, i, k;
  for (o = 0; o < outer; o++)
    for (i = 0; i < inner; i++) {
      SUM sum = FIRST;
      for (k = 0; k < n; k++) {
        const jt_i64 at = (o * n + k) * inner + i;
        sum = sum WITH (SUM)x[at];
        z[at] = (T)sum;
      }
    }
}
)";

std::string replaced(std::string text, std::initializer_list<std::pair<std::string_view, std::string_view>> by) {
  auto is_word = [](char c) {
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
  };
  for (auto [from, to] : by)
    for (size_t at = 0; (at = text.find(from, at)) != std::string::npos;) {
      bool is_whole = (!at || !is_word(text[at - 1])) && !is_word(text[at + from.size()]);
      if (is_whole) text.replace(at, from.size(), to);
      at += is_whole ? to.size() : 1;
    }
  return text;
}

const char* type_of(DType dtype) {
  switch (dtype) {
    case JT_F32: return "float";
    case JT_F64: return "double";
    case JT_I8:
    case JT_U8: return "unsigned char";
    case JT_I16:
    case JT_U16: return "unsigned short";
    case JT_I32:
    case JT_U32: return "unsigned int";
    case JT_I64:
    case JT_U64: return "unsigned long long";
    default: return nullptr;
  }
}

// With its placeholders; empty: there is none.
std::string text_of(std::string_view row, bool is_float) {
  if (row == "matmul") return kMatmul;
  if (row == "cumsum" || row == "cumprod")
    return replaced(kAlong, {{"SUM", is_float ? "double" : "T"},
                             {"FIRST", row == "cumsum" ? "0" : "1"},
                             {"WITH", row == "cumsum" ? "+" : "*"}});
  if (!is_float) return {};
  if (row == "conv2d")
    return replaced(kConv, {{"OPERANDS", "const T *x, const T *w, T *z"},
                            {"SIZE", "n * oh * ow * o"},
                            {"OUT", "z"},
                            {"BODY", "z[at_z] += x[at_x + q] * w[at_w + q * kh * kw]"}});
  if (row == "conv2d_grad_x")
    return replaced(kConv, {{"OPERANDS", "const T *dz, const T *w, T *dx"},
                            {"SIZE", "n * h * w_ * c"},
                            {"OUT", "dx"},
                            {"BODY", "dx[at_x + q] += dz[at_z] * w[at_w + q * kh * kw]"}});
  if (row == "conv2d_grad_w")
    return replaced(kConv, {{"OPERANDS", "const T *dz, const T *x, T *dw"},
                            {"SIZE", "o * of_group * kh * kw"},
                            {"OUT", "dw"},
                            {"BODY", "dw[at_w + q * kh * kw] += dz[at_z] * x[at_x + q]"}});
  if (row == "max_pool2d")
    return replaced(kPool, {{"OPERANDS", "const T *x, T *z, int *index"},
                            {"CLEAR", ""},
                            {"BEGIN", "T most = 0; jt_i64 where = -1;"},
                            {"BODY", "if (where < 0 || x[at_x] > most || (x[at_x] != x[at_x] && most == most))\n"
                                     "                most = x[at_x], where = row * w + column;"},
                            {"END", "z[at_z] = where < 0 ? -(T)JT_INF : most, index[at_z] = (int)where;"}});
  if (row == "avg_pool2d")
    return replaced(kPool, {{"OPERANDS", "const T *x, T *z"},
                            {"CLEAR", ""},
                            {"BEGIN", "T sum = 0;"},
                            {"BODY", "sum += x[at_x];"},
                            {"END", "z[at_z] = sum / (T)(kh * kw);"}});
  if (row == "avg_pool2d_grad")
    return replaced(kPool, {{"OPERANDS", "const T *dz, T *dx"},
                            {"CLEAR", "for (i = 0; i < n * h * w * c; i++) dx[i] = 0;"},
                            {"BEGIN", "const T part = dz[at_z] / (T)(kh * kw);"},
                            {"BODY", "dx[at_x] += part;"},
                            {"END", ""}});
  return row == "max_pool2d_grad" ? kMaxPoolGrad : std::string();
}

}  // namespace

std::string library_c(std::string_view row, DType dtype, std::string_view function) {
  const char* type = type_of(dtype);
  bool is_float = dtype == JT_F32 || dtype == JT_F64;
  std::string text = type ? text_of(row, is_float) : std::string();
  if (text.empty()) fail(JT_E_UNSUPPORTED, "export: ", row, " of ", dtype, " has no C text");
  return replaced(std::move(text), {{"NAME", function}, {"T", type}});
}

}  // namespace jt
