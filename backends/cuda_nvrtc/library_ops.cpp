#include "backends/cuda_nvrtc/library_ops.h"

#include "core/base/status.h"

namespace jt::cuda {

namespace {

bool is_real(DType t) { return t == JT_F32 || t == JT_F64; }
bool is_number(DType t) { return t != JT_BOOL; }
bool is_whole_or_real(DType t) { return !is_float(t) || is_real(t); }
bool is_summed(DType t) { return is_real(t) || t == JT_I64 || t == JT_U64; }

struct Row {
  std::string_view name;
  size_t params;
  std::unique_ptr<LibraryOp> (*make)(Device&, std::string_view, std::span<const int64_t>);
  bool (*takes)(DType);
};
constexpr Row kRows[] = {
    {"matmul", 13, make_product, is_number},
    {"conv2d", 17, make_product, is_real},
    {"conv2d_grad_x", 17, make_product, is_real},
    {"conv2d_grad_w", 17, make_product, is_real},
    {"max_pool2d", 13, make_pool, is_real},
    {"max_pool2d_grad", 13, make_pool, is_real},
    {"avg_pool2d", 13, make_pool, is_real},
    {"avg_pool2d_grad", 13, make_pool, is_real},
    {"sort", 5, make_of_lines, is_whole_or_real},
    {"cummax", 4, make_of_lines, is_whole_or_real},
    {"cummin", 4, make_of_lines, is_whole_or_real},
    {"cumsum", 4, make_of_lines, is_summed},
    {"cumprod", 4, make_of_lines, is_summed},
};
const Row* row_called(std::string_view name) {
  for (const Row& row : kRows)
    if (row.name == name) return &row;
  return nullptr;
}
}  // namespace

bool offers(std::string_view name, DType dtype) {
  const Row* row = row_called(name);
  return row && row->takes(dtype);
}

std::unique_ptr<LibraryOp> make_library_op(Device& device, std::string_view name, std::span<const int64_t> params) {
  const Row* row = row_called(name);
  if (!row) fail(JT_E_UNSUPPORTED, "cuda: ", name, " is not offered");
  bool tells_operands = name == "matmul" && params.size() == row->params + 1;  // their dtype
  if (params.size() != row->params && !tells_operands)
    fail(JT_E_INVALID, "cuda: ", name, ": ", params.size(), " parameters, expected ", row->params);
  if (!is_dtype(int(params[0]))) fail(JT_E_INVALID, "cuda: ", name, ": ", params[0], " is no dtype");
  if (!row->takes(DType(params[0])))
    fail(JT_E_UNSUPPORTED, "cuda: ", name, " of ", jt::name(DType(params[0])), " is not offered");
  bool reads_halves = tells_operands && (params.back() == JT_F16 || params.back() == JT_BF16) && params[0] == JT_F32;
  if (tells_operands && !reads_halves)
    fail(JT_E_UNSUPPORTED, "cuda: ", name, " of dtype ", params.back(), " to ", jt::name(DType(params[0])));
  for (int64_t p : params)
    if (p < 0) fail(JT_E_INVALID, "cuda: ", name, ": the parameter ", p, " is negative");
  return row->make(device, name, params);
}

}  // namespace jt::cuda
