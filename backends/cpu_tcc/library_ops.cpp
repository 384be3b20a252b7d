#include "backends/cpu_tcc/library_ops.h"

#include "core/base/status.h"

namespace jt::library {

namespace {

// Reads the parameters of one op in order, by name.
class Params {
 public:
  Params(std::string_view op, std::span<const int64_t> values) : op_(op), values_(values) {}

  int64_t at_least(int64_t least, const char* name) {
    int64_t value = values_[at_++];
    if (value < least) fail(JT_E_INVALID, op_, ": ", name, " is ", value, ", less than ", least);
    return value;
  }
  int64_t extent(const char* name) { return at_least(0, name); }
  bool boolean(const char* name) {
    int64_t value = values_[at_++];
    if (value != 0 && value != 1) fail(JT_E_INVALID, op_, ": ", name, " is ", value, ", not 0 or 1");
    return value == 1;
  }
  DType dtype() {
    int64_t value = values_[at_++];
    if (value < JT_BOOL || value > JT_F64) fail(JT_E_INVALID, op_, ": ", value, " is no dtype");
    return DType(value);
  }

  // The product of extents; refused where its bytes would not fit 63 bits.
  int64_t count(std::initializer_list<int64_t> extents) const {
    bool is_empty = false;
    for (int64_t extent : extents) is_empty |= extent == 0;
    if (is_empty) return 0;
    int64_t product = 1;
    for (int64_t extent : extents)
      if (__builtin_mul_overflow(product, extent, &product) || product > kMostElements) too_large();
    return product;
  }
  int64_t sum(int64_t a, int64_t b) const {
    int64_t total;
    if (__builtin_add_overflow(a, b, &total) || total > kMostElements) too_large();
    return total;
  }
  [[noreturn]] void too_large() const { fail(JT_E_INVALID, op_, ": the extents are too large"); }
  [[noreturn]] void not_offered(DType dtype) const { fail(JT_E_UNSUPPORTED, op_, ": ", dtype, " is not offered"); }
  std::string_view op() const { return op_; }

 private:
  static constexpr int64_t kMostElements = int64_t(1) << 48;
  std::string_view op_;
  std::span<const int64_t> values_;
  size_t at_ = 0;
};

// From the first element to behind the last of a batch of row-major matrices.
int64_t matrices(const Params& p, int64_t rows, int64_t columns, int64_t stride, int64_t batch, int64_t batch_stride) {
  if (rows == 0 || columns == 0 || batch == 0) return 0;
  int64_t one = p.sum(p.count({rows - 1, stride}), columns);
  return p.sum(p.count({batch - 1, batch_stride}), one);
}

// About the time of so many multiply-adds.
double ns_of_products(double products) { return products / 50; }
double conv_ns(const Conv2dShape& s) {
  return ns_of_products(double(s.n * s.o * output_height(s)) * double(output_width(s) * (s.c / s.groups) * s.kh) *
                        double(s.kw));
}

void read_matmul(LibraryOp& op, Params& p) {
  GemmShape& s = op.gemm;
  s.dtype = p.dtype();
  s.m = p.extent("m"), s.n = p.extent("n"), s.k = p.extent("k");
  s.transpose_a = p.boolean("transpose_a"), s.transpose_b = p.boolean("transpose_b");
  s.lda = p.extent("lda"), s.ldb = p.extent("ldb"), s.ldc = p.extent("ldc");
  s.batch = p.extent("batch");
  s.batch_stride_a = p.extent("batch_stride_a"), s.batch_stride_b = p.extent("batch_stride_b");
  s.batch_stride_c = p.extent("batch_stride_c");
  if (!op.kernels->gemm_offers(s.dtype)) p.not_offered(s.dtype);
  if (s.m > 1 && s.ldc < s.n)
    fail(JT_E_INVALID, p.op(), ": rows of the result overlap: ldc is ", s.ldc, ", n is ", s.n);
  op.elements[0] = matrices(p, s.transpose_a ? s.k : s.m, s.transpose_a ? s.m : s.k, s.lda, s.batch, s.batch_stride_a);
  op.elements[1] = matrices(p, s.transpose_b ? s.n : s.k, s.transpose_b ? s.k : s.n, s.ldb, s.batch, s.batch_stride_b);
  op.elements[2] = matrices(p, s.m, s.n, s.ldc, s.batch, s.batch_stride_c);
  op.workspace_bytes = op.kernels->gemm_workspace(s);
  op.units = op.kernels->gemm_units(s);
  op.ns = ns_of_products(double(s.batch) * double(s.m) * double(s.n) * double(s.k));
  op.packed_bytes = op.kernels->gemm_packed_bytes(s);
  op.element_bytes = int64_t(size_of(s.dtype));
  op.packed_form = {1, s.dtype, s.k, s.n, s.ldb};
  op.keeps_packed = op.packed_bytes != 0;
  op.is_in_order = op.units && op.kernels->gemm_unit_begin(s, 0) == 0 && (!s.transpose_b || op.packed_bytes);
}

// Padding, checked so that output_extent cannot overflow.
template <class Shape>
void read_padding(Shape& s, Params& p) {
  s.top = p.extent("top"), s.left = p.extent("left"), s.bottom = p.extent("bottom"), s.right = p.extent("right");
  p.sum(p.sum(s.h, s.top), s.bottom);
  p.sum(p.sum(s.w, s.left), s.right);
}
// Likewise.
template <class Shape>
void check_windows(const Shape& s, Params& p) {
  p.count({s.kh, s.dilation_h});
  p.count({s.kw, s.dilation_w});
}

struct ConvSizes {
  int64_t x, w, y;
};
ConvSizes read_conv(LibraryOp& op, Params& p) {
  Conv2dShape& s = op.conv;
  s.dtype = p.dtype();
  s.n = p.extent("n"), s.c = p.extent("c"), s.h = p.extent("h"), s.w = p.extent("w");
  s.o = p.extent("o"), s.kh = p.extent("kh"), s.kw = p.extent("kw");
  s.stride_h = p.at_least(1, "stride_h"), s.stride_w = p.at_least(1, "stride_w");
  read_padding(s, p);
  s.dilation_h = p.at_least(1, "dilation_h"), s.dilation_w = p.at_least(1, "dilation_w");
  s.groups = p.at_least(1, "groups");
  check_windows(s, p);
  if (s.dtype != JT_F32 && s.dtype != JT_F64) p.not_offered(s.dtype);
  if (s.c % s.groups || s.o % s.groups)
    fail(JT_E_INVALID, p.op(), ": ", s.groups, " groups do not divide the channels ", s.c, " and ", s.o);
  return {p.count({s.n, s.c, s.h, s.w}), p.count({s.o, s.c / s.groups, s.kh, s.kw}),
          p.count({s.n, s.o, output_height(s), output_width(s)})};
}
void set_elements(LibraryOp& op, int64_t first, int64_t second, int64_t third) {
  op.elements[0] = first, op.elements[1] = second, op.elements[2] = third;
}
void read_conv2d(LibraryOp& op, Params& p) {
  ConvSizes size = read_conv(op, p);
  set_elements(op, size.x, size.w, size.y);
  op.workspace_bytes = op.kernels->conv2d_workspace(op.conv);
  op.units = op.kernels->conv2d_units(op.conv);
  op.ns = conv_ns(op.conv);
  const Conv2dShape& s = op.conv;
  op.packed_bytes = op.kernels->conv2d_packed_bytes(s);
  op.element_bytes = int64_t(size_of(s.dtype));
  op.packed_form = {2, s.dtype, s.o, s.c, s.kh, s.kw, s.groups};
  constexpr int64_t kManyPixels = 8192;
  op.keeps_packed = op.packed_bytes && s.n * output_height(s) * output_width(s) <= kManyPixels;
  op.is_in_order = op.units && op.kernels->conv2d_unit_begin(s, 0) == 0;
}
void read_conv2d_grad_x(LibraryOp& op, Params& p) {
  ConvSizes size = read_conv(op, p);
  set_elements(op, size.y, size.w, size.x);
  op.workspace_bytes = op.kernels->conv2d_grad_x_workspace(op.conv);
  op.units = op.kernels->conv2d_grad_x_units(op.conv);
  op.ns = conv_ns(op.conv);
}
void read_conv2d_grad_w(LibraryOp& op, Params& p) {
  ConvSizes size = read_conv(op, p);
  set_elements(op, size.y, size.x, size.w);
  op.workspace_bytes = op.kernels->conv2d_grad_w_workspace(op.conv);
  op.units = op.kernels->conv2d_grad_w_units(op.conv);
  op.ns = conv_ns(op.conv);
}

struct PoolSizes {
  int64_t x, y;
};
PoolSizes read_pool(LibraryOp& op, Params& p) {
  Pool2dShape& s = op.pool;
  s.dtype = p.dtype();
  s.n = p.extent("n"), s.c = p.extent("c"), s.h = p.extent("h"), s.w = p.extent("w");
  s.kh = p.at_least(1, "kh"), s.kw = p.at_least(1, "kw");
  s.stride_h = p.at_least(1, "stride_h"), s.stride_w = p.at_least(1, "stride_w");
  read_padding(s, p);
  check_windows(s, p);
  if (s.dtype != JT_F32 && s.dtype != JT_F64) p.not_offered(s.dtype);
  bool fits_i32 = p.count({s.kh, s.kw}) <= INT32_MAX && p.count({s.h, s.w}) <= INT32_MAX;
  if (!fits_i32) fail(JT_E_INVALID, p.op(), ": places in a plane or window do not fit 32 bits");
  PoolSizes size = {p.count({s.n, s.c, s.h, s.w}), p.count({s.n, s.c, output_height(s), output_width(s)})};
  op.units = op.kernels->pool2d_units(s);
  op.ns = double(size.x) * 0.5 + double(size.y) * double(s.kh * s.kw) * 0.5;
  return size;
}
void read_max_pool2d(LibraryOp& op, Params& p) {
  PoolSizes size = read_pool(op, p);
  set_elements(op, size.x, size.y, size.y);
}
void read_max_pool2d_grad(LibraryOp& op, Params& p) {
  PoolSizes size = read_pool(op, p);
  set_elements(op, size.y, size.y, size.x);
}
void read_avg_pool2d(LibraryOp& op, Params& p) {
  PoolSizes size = read_pool(op, p);
  set_elements(op, size.x, size.y, 0);
}
void read_avg_pool2d_grad(LibraryOp& op, Params& p) {
  PoolSizes size = read_pool(op, p);
  set_elements(op, size.y, size.x, 0);
}

void read_along(LibraryOp& op, Params& p) {
  AlongShape& s = op.along;
  s.dtype = p.dtype();
  s.outer = p.extent("outer"), s.n = p.extent("n"), s.inner = p.extent("inner");
  if (s.dtype == JT_F16 || s.dtype == JT_BF16) p.not_offered(s.dtype);
  int64_t elements = p.count({s.outer, s.n, s.inner});
  set_elements(op, elements, elements, elements);
}
void read_scan(LibraryOp& op, Params& p) {
  read_along(op, p);
  op.units = op.along.n ? scan_units(op.along) : 0;
  op.ns = double(op.elements[0]);
}
void read_sum(LibraryOp& op, Params& p) {
  read_scan(op, p);
  op.elements[2] = 0;
  if (size_of(op.along.dtype) < 8 && op.along.dtype != JT_F32) p.not_offered(op.along.dtype);
}
void read_sort(LibraryOp& op, Params& p) {
  read_along(op, p);
  op.along.descending = p.boolean("descending");
  if (op.along.n > int64_t(UINT32_MAX))
    fail(JT_E_UNSUPPORTED, p.op(), ": n is ", op.along.n, ", more than ", UINT32_MAX);
  op.units = op.along.n ? sort_units(op.along) : 0;
  op.workspace_bytes = sort_workspace(op.along);
  op.ns = double(op.elements[0]) * 10;
}

using Pointers = std::span<void* const>;

void run_matmul(const LibraryOp& op, Pointers at, void* workspace, const void* packed, int64_t begin, int64_t end) {
  op.kernels->gemm(op.gemm, at[0], at[1], at[2], workspace, packed, begin, end);
}
void run_conv2d(const LibraryOp& op, Pointers at, void* workspace, const void* packed, int64_t begin, int64_t end) {
  op.kernels->conv2d(op.conv, at[0], at[1], at[2], workspace, packed, begin, end);
}
void run_conv2d_grad_x(const LibraryOp& op, Pointers at, void* workspace, const void*, int64_t begin, int64_t end) {
  op.kernels->conv2d_grad_x(op.conv, at[0], at[1], at[2], workspace, begin, end);
}
// The table has dz first, as every gradient; the kernel x.
void run_conv2d_grad_w(const LibraryOp& op, Pointers at, void* workspace, const void*, int64_t begin, int64_t end) {
  op.kernels->conv2d_grad_w(op.conv, at[1], at[0], at[2], workspace, begin, end);
}

void run_max_pool2d(const LibraryOp& op, Pointers at, void*, const void*, int64_t begin, int64_t end) {
  op.kernels->max_pool2d(op.pool, at[0], at[1], static_cast<int32_t*>(at[2]), begin, end);
}
void run_max_pool2d_grad(const LibraryOp& op, Pointers at, void*, const void*, int64_t begin, int64_t end) {
  op.kernels->max_pool2d_grad(op.pool, at[0], static_cast<const int32_t*>(at[1]), at[2], begin, end);
}
void run_avg_pool2d(const LibraryOp& op, Pointers at, void*, const void*, int64_t begin, int64_t end) {
  op.kernels->avg_pool2d(op.pool, at[0], at[1], begin, end);
}
void run_avg_pool2d_grad(const LibraryOp& op, Pointers at, void*, const void*, int64_t begin, int64_t end) {
  op.kernels->avg_pool2d_grad(op.pool, at[0], at[1], begin, end);
}

void run_sort(const LibraryOp& op, Pointers at, void* workspace, const void*, int64_t begin, int64_t end) {
  sort(op.along, at[0], at[1], static_cast<int64_t*>(at[2]), workspace, begin, end);
}
void run_cummax(const LibraryOp& op, Pointers at, void*, const void*, int64_t begin, int64_t end) {
  cummax(op.along, at[0], at[1], static_cast<int64_t*>(at[2]), begin, end);
}
void run_cummin(const LibraryOp& op, Pointers at, void*, const void*, int64_t begin, int64_t end) {
  cummin(op.along, at[0], at[1], static_cast<int64_t*>(at[2]), begin, end);
}
void run_cumsum(const LibraryOp& op, Pointers at, void*, const void*, int64_t begin, int64_t end) {
  cumsum(op.along, at[0], at[1], begin, end);
}
void run_cumprod(const LibraryOp& op, Pointers at, void*, const void*, int64_t begin, int64_t end) {
  cumprod(op.along, at[0], at[1], begin, end);
}

}  // namespace

struct OpRow {
  std::string_view name;
  size_t params, pointers;
  void (*read)(LibraryOp& op, Params& params);
  void (*run)(const LibraryOp& op, Pointers pointers, void* workspace, const void* packed, int64_t begin, int64_t end);
};

static constexpr OpRow kOps[] = {
    {"matmul", 13, 3, read_matmul, run_matmul},
    {"conv2d", 17, 3, read_conv2d, run_conv2d},
    {"conv2d_grad_x", 17, 3, read_conv2d_grad_x, run_conv2d_grad_x},
    {"conv2d_grad_w", 17, 3, read_conv2d_grad_w, run_conv2d_grad_w},
    {"max_pool2d", 13, 3, read_max_pool2d, run_max_pool2d},
    {"max_pool2d_grad", 13, 3, read_max_pool2d_grad, run_max_pool2d_grad},
    {"avg_pool2d", 13, 2, read_avg_pool2d, run_avg_pool2d},
    {"avg_pool2d_grad", 13, 2, read_avg_pool2d_grad, run_avg_pool2d_grad},
    {"sort", 5, 3, read_sort, run_sort},
    {"cummax", 4, 3, read_scan, run_cummax},
    {"cummin", 4, 3, read_scan, run_cummin},
    {"cumsum", 4, 2, read_sum, run_cumsum},
    {"cumprod", 4, 2, read_sum, run_cumprod},
};

static const OpRow& row_named(std::string_view name) {
  for (const OpRow& row : kOps)
    if (row.name == name) return row;
  fail(JT_E_UNSUPPORTED, "cpu: no library op `", name, "`");
}

LibraryOp make_library_op(const LibraryKernels& kernels, std::string_view name, std::span<const int64_t> values,
                          int64_t cache_bytes) {
  const OpRow& row = row_named(name);
  if (values.size() != row.params)
    fail(JT_E_INVALID, name, ": ", values.size(), " parameters, expected ", row.params);
  LibraryOp op{&row, &kernels};
  op.gemm.cache_bytes = op.conv.cache_bytes = cache_bytes;
  Params params(row.name, values);
  row.read(op, params);
  return op;
}

// Every range packs what its units share, so long ones are worth it.
cpu::Work work_of(const LibraryOp& op) {
  constexpr double kLongNs = 2e6;
  return {op.units, op.ns, op.ns > kLongNs ? 2 : 1};
}

void check_run(const LibraryOp& op, std::span<void* const> pointers, const void* workspace) {
  const OpRow& row = *op.row;
  if (pointers.size() != row.pointers)
    fail(JT_E_INVALID, row.name, ": ", pointers.size(), " pointers, expected ", row.pointers);
  for (size_t k = 0; k < row.pointers; k++)
    if (!pointers[k] && op.elements[k]) fail(JT_E_INVALID, row.name, ": pointer ", k, " is null");
  if (!workspace && op.workspace_bytes) fail(JT_E_INVALID, row.name, ": no workspace");
}
void run_units(const LibraryOp& op, std::span<void* const> pointers, void* workspace, const void* packed, int64_t begin,
               int64_t end) noexcept {
  op.row->run(op, pointers, workspace, packed, begin, end);
}
int64_t unit_begin(const LibraryOp& op, int64_t unit) {
  if (unit >= op.units) return op.elements[2];
  return op.row->run == run_matmul ? op.kernels->gemm_unit_begin(op.gemm, unit)
                                   : op.kernels->conv2d_unit_begin(op.conv, unit);
}
void pack(const LibraryOp& op, const void* operand, void* packed) noexcept {
  if (op.row->run == run_matmul) op.kernels->gemm_pack(op.gemm, operand, packed);
  else op.kernels->conv2d_pack(op.conv, operand, packed);
}

}  // namespace jt::library
