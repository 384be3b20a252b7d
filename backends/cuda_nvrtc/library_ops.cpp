#include "backends/cuda_nvrtc/library_ops.h"

#include "core/base/status.h"

namespace jt::cuda {

namespace {

struct Row {
  std::string_view name;
  size_t params;
  std::unique_ptr<LibraryOp> (*make)(Device&, std::string_view, std::span<const int64_t>);
  bool only_floats;  // f32, f64; else all but bool
};
constexpr Row kRows[] = {
    {"matmul", 13, make_product, false},
    {"conv2d", 17, make_product, true},
    {"conv2d_grad_x", 17, make_product, true},
    {"conv2d_grad_w", 17, make_product, true},
    {"max_pool2d", 13, make_pool, true},
    {"max_pool2d_grad", 13, make_pool, true},
    {"avg_pool2d", 13, make_pool, true},
    {"avg_pool2d_grad", 13, make_pool, true},
};
const Row* row_called(std::string_view name) {
  for (const Row& row : kRows)
    if (row.name == name) return &row;
  return nullptr;
}
bool takes(const Row& row, DType t) { return row.only_floats ? t == JT_F32 || t == JT_F64 : t != JT_BOOL; }

}  // namespace

bool offers(std::string_view name, DType dtype) {
  const Row* row = row_called(name);
  return row && takes(*row, dtype);
}

std::unique_ptr<LibraryOp> make_library_op(Device& device, std::string_view name, std::span<const int64_t> params) {
  const Row* row = row_called(name);
  if (!row) fail(JT_E_UNSUPPORTED, "cuda: ", name, " is not offered");
  if (params.size() != row->params) fail(JT_E_INVALID, "cuda: ", name, ": ", params.size(), " parameters, expected ", row->params);
  if (!is_dtype(int(params[0]))) fail(JT_E_INVALID, "cuda: ", name, ": ", params[0], " is no dtype");
  if (!takes(*row, DType(params[0]))) fail(JT_E_UNSUPPORTED, "cuda: ", name, " of ", jt::name(DType(params[0])), " is not offered");
  for (int64_t p : params)
    if (p < 0) fail(JT_E_INVALID, "cuda: ", name, ": the parameter ", p, " is negative");
  return row->make(device, name, params);
}

}  // namespace jt::cuda
