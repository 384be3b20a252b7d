// tensor: asking handles, making tensors from values, assigning.
#include "capi/src/guard.h"
#include "core/grad/grad.h"
#include "core/ir/build.h"
#include "core/ir/type_rules.h"
#include "core/optim/init.h"

using namespace jt;
using namespace jt::capi;

// A function that makes one tensor: *out is NULL unless body gives a value.
template <class Body>
static jt_status making(const char* function, jt_context* ctx, jt_tensor** out, Body&& body) noexcept {
  if (out) *out = nullptr;
  return guarded(function, ctx, [&](Context& c) {
    require(out, "out");
    *out = wrap(c.cell(body(c)));
  });
}

extern "C" void jt_tensor_retain(jt_tensor* tensor) {
  if (tensor) retain(unwrap(tensor));
}
extern "C" void jt_tensor_release(jt_tensor* tensor) {
  if (tensor) release(unwrap(tensor));
}
extern "C" int32_t jt_tensor_ndim(const jt_tensor* tensor) { return tensor ? unwrap(tensor)->type.shape.rank : -1; }
extern "C" int64_t jt_tensor_dim(const jt_tensor* tensor, int32_t axis) {
  if (!tensor) return -1;
  const Shape& shape = unwrap(tensor)->type.shape;
  if (axis < 0) axis += shape.rank;
  return axis >= 0 && axis < shape.rank ? shape[axis].word() : -1;
}
extern "C" int64_t jt_tensor_count(const jt_tensor* tensor) {
  return tensor ? unwrap(tensor)->type.count().word() : -1;
}
extern "C" jt_dtype jt_tensor_dtype(const jt_tensor* tensor) {
  return tensor ? unwrap(tensor)->type.dtype : JT_DTYPE_FORCE32;
}
static void name_dim(Context& c, jt_tensor* tensor, int32_t axis, std::string_view name, int64_t lo, int64_t hi) {
  Ref value = c.value_of(own_cell(c, "tensor", tensor));
  const Shape& shape = value.shape();
  int at = normal_axis("tensor", axis, shape.rank);
  if (shape[at] < lo || shape[at] > hi)
    fail(JT_E_SHAPE, "tensor: axis ", at, " has extent ", shape[at], "; dimension ", name, " is ", lo, "..", hi);
  c.recorder().name_dim(value, at, name, lo, hi);
}
constexpr int64_t kLargestDim = int64_t(1) << 40;
extern "C" jt_status jt_tensor_mark_dynamic(jt_context* ctx, jt_tensor* tensor, int32_t axis) {
  return guarded("jt_tensor_mark_dynamic", ctx, [&](Context& c) { name_dim(c, tensor, axis, "", 0, kLargestDim); });
}
extern "C" jt_status jt_tensor_name_dim(jt_context* ctx, jt_tensor* tensor, int32_t axis, const char* name,
                                        size_t name_len, int64_t lo, int64_t hi) {
  return guarded("jt_tensor_name_dim", ctx, [&](Context& c) {
    require(name, "name");
    std::string_view known = str("name", name, name_len);
    if (known.empty()) fail(JT_E_INVALID, "name is empty");
    if (lo < 0 || hi < lo) fail(JT_E_INVALID, "dimension ", known, ": the range ", lo, "..", hi, " holds no extent");
    name_dim(c, tensor, axis, known, lo, std::min(hi, kLargestDim));
  });
}
extern "C" jt_status jt_tensor_get_dims(const jt_tensor* tensor, int64_t* dims, size_t dims_len, size_t* out_len) {
  return guarded("jt_tensor_get_dims", [&] {
    require(tensor, "tensor");
    auto extents = unwrap(tensor)->type.shape.extents();
    if (out_len) *out_len = extents.size();
    if (!dims) return;
    if (dims_len < extents.size())
      fail(JT_E_INVALID, "dims has room for ", dims_len, " extents, there are ", extents.size());
    std::copy(extents.begin(), extents.end(), dims);
  });
}
extern "C" jt_bool jt_tensor_is_ready(const jt_tensor* tensor) {
  if (!tensor) return 0;
  Ref ref = unwrap(tensor)->value;
  return ref.node->op == Op::constant || ref.node->results()[ref.result].buffer;
}

extern "C" int32_t jt_tensor_device(const jt_tensor* tensor) {
  return tensor ? unwrap(tensor)->value.ref().node->device : -1;
}
extern "C" jt_status jt_tensor_to(jt_context* ctx, jt_tensor* tensor, int32_t device, jt_tensor** out) {
  return making("jt_tensor_to", ctx, out, [&](Context& c) { return c.to(operand(c, "tensor", tensor), device); });
}

static void check_bytes(const Type& type, const void* data, size_t data_len) {
  if (data_len != type.bytes())
    fail(JT_E_INVALID, "data has ", data_len, " bytes, ", type.dtype, type.shape, " takes ", type.bytes());
  if (data_len) require(data, "data");
}

extern "C" jt_status jt_tensor_from_bytes(jt_context* ctx, const void* data, size_t data_len, jt_dtype dtype,
                                          const int64_t* dims, size_t dims_len, jt_tensor** out) {
  return making("jt_tensor_from_bytes", ctx, out, [&](Context& c) {
    Type type = checked_type(dtype, dims, dims_len);
    check_bytes(type, data, data_len);
    return c.data(type, data);
  });
}

extern "C" jt_status jt_tensor_borrow(jt_context* ctx, const jt_borrow_desc* desc, jt_tensor** out) {
  if (out) *out = nullptr;
  return guarded("jt_tensor_borrow", ctx, [&](Context& c) {
    require(out, "out");
    require(desc, "desc");
    jt_borrow_desc d = sized("desc", desc);
    Type type = checked_type(d.dtype, d.dims, d.dims_len);
    check_bytes(type, d.data, d.data_len);
    if (reinterpret_cast<uintptr_t>(d.data) % size_of(type.dtype))
      fail(JT_E_INVALID, "data is not aligned for ", type.dtype);
    *out = wrap(c.borrow(type, d.data, d.release, d.release_user));
  });
}

extern "C" jt_status jt_scalar(jt_context* ctx, double value, jt_dtype dtype, jt_tensor** out) {
  return making("jt_scalar", ctx, out, [&](Context& c) {
    return c.recorder().constant(checked_type(dtype, nullptr, 0).dtype, value);
  });
}
extern "C" jt_status jt_scalar_i64(jt_context* ctx, int64_t value, jt_dtype dtype, jt_tensor** out) {
  return making("jt_scalar_i64", ctx, out, [&](Context& c) {
    return c.recorder().constant_int(checked_type(dtype, nullptr, 0).dtype, value);
  });
}

static Value filled(Context& c, jt_dtype dtype, const int64_t* dims, size_t dims_len, double value) {
  Type type = checked_type(dtype, dims, dims_len);
  return c.recorder().build(Op::full, {}, Attrs().add_ints(type.shape.extents()).add_real(value).add(type.dtype));
}
extern "C" jt_status jt_zeros(jt_context* ctx, const int64_t* dims, size_t dims_len, jt_dtype dtype, jt_tensor** out) {
  return making("jt_zeros", ctx, out, [&](Context& c) { return filled(c, dtype, dims, dims_len, 0); });
}
extern "C" jt_status jt_ones(jt_context* ctx, const int64_t* dims, size_t dims_len, jt_dtype dtype, jt_tensor** out) {
  return making("jt_ones", ctx, out, [&](Context& c) { return filled(c, dtype, dims, dims_len, 1); });
}
extern "C" jt_status jt_full_like(jt_context* ctx, jt_tensor* like, double value, jt_tensor** out) {
  return making("jt_full_like", ctx, out, [&](Context& c) {
    const Type& type = operand(c, "like", like).type();
    return filled(c, type.dtype, type.shape.numbers(), size_t(type.shape.rank), value);
  });
}

static Value random(Context& c, Op op, jt_dtype dtype, const int64_t* dims, size_t dims_len) {
  Type type = checked_type(dtype, dims, dims_len);
  c.check_may_draw();
  Context::RandomState state = c.random();
  // The body itself, not the row: then the counter is an argument of the plan, and the next call needs no new one.
  Attrs attrs =
      Attrs().add_ints(type.shape.extents()).add(state.seed).add(state.stream).add(state.counter).add(type.dtype);
  Type result = type;
  infer(op, {}, attrs, {&result, 1});
  Value made = (op == Op::uniform ? uniform_body : normal_body)(c.recorder(), {}, attrs, result);
  c.count_random();
  return made;
}
extern "C" jt_status jt_random_uniform(jt_context* ctx, const int64_t* dims, size_t dims_len, double low, double high,
                                       jt_dtype dtype, jt_tensor** out) {
  return making("jt_random_uniform", ctx, out, [&](Context& c) {
    return between(random(c, Op::uniform, dtype, dims, dims_len), low, high);
  });
}

// The upper half of the product of 64 random bits and how many integers there are: each comes as often as 64 bits can
// tell.
static Value random_below(const Value& upper, const Value& lower, uint64_t n) {
  using namespace ops;
  Recorder& r = *upper.ref().node->owner;
  auto constant = [&](uint64_t bits) { return r.constant_int(JT_U64, int64_t(bits)); };
  Value half = constant(32), n0 = constant(n & UINT32_MAX), n1 = constant(n >> 32);
  Value a = upper * n0 + shift_right(lower * n0, half);
  if (!(n >> 32)) return shift_right(a, half);
  Value b = lower * n1 + (a & constant(UINT32_MAX));
  return upper * n1 + shift_right(a, half) + shift_right(b, half);
}
static Value random_word(Context& c, const Type& type, int64_t more) {
  c.check_may_draw();
  Context::RandomState state = c.random();
  Attrs attrs = Attrs().add_ints(type.shape.extents()).add(state.seed).add(state.stream ^ more).add(state.counter);
  return ops::cast(c.recorder().build(Op::random_bits, {}, attrs), JT_U64);
}
// What would be wrapped, or infinite, in the dtype comes more often than it should, or is no integer from low to below
// high.
static void check_range(DType t, int64_t low, int64_t high) {
  auto fits = [t](int64_t v) {
    if (t == JT_BOOL) return v == 0 || v == 1;
    if (is_float(t)) return t != JT_F16 || (v > -65520 && v < 65520);
    if (size_of(t) == 8) return is_signed_int(t) || v >= 0;
    int bits = int(8 * size_of(t)) - is_signed_int(t);
    return v >= (is_signed_int(t) ? -(int64_t(1) << bits) : 0) && v < int64_t(1) << bits;
  };
  if (!fits(low)) fail(JT_E_DTYPE, "low ", low, " is not a value of ", t);
  if (!fits(high - 1)) fail(JT_E_DTYPE, "high - 1, ", high - 1, ", is not a value of ", t);
}
extern "C" jt_status jt_random_integers(jt_context* ctx, const int64_t* dims, size_t dims_len, int64_t low,
                                        int64_t high, jt_dtype dtype, jt_tensor** out) {
  return making("jt_random_integers", ctx, out, [&](Context& c) {
    Type type = checked_type(dtype, dims, dims_len);
    if (low >= high) fail(JT_E_INVALID, "there are no integers from ", low, " to below ", high);
    check_range(type.dtype, low, high);
    Value upper = random_word(c, type, 0), lower = random_word(c, type, ops::kMoreBits);
    Value first = c.recorder().constant_int(JT_U64, low);
    Value made = ops::add(random_below(upper, lower, uint64_t(high) - uint64_t(low)), first);
    Value out = ops::cast(ops::cast(made, JT_I64), type.dtype);
    c.count_random();
    return out;
  });
}
extern "C" jt_status jt_random_normal(jt_context* ctx, const int64_t* dims, size_t dims_len, double mean,
                                      double deviation, jt_dtype dtype, jt_tensor** out) {
  return making("jt_random_normal", ctx, out, [&](Context& c) {
    Value standard = random(c, Op::normal, dtype, dims, dims_len);
    return mean == 0 && deviation == 1 ? standard : ops::add(ops::mul(standard, deviation), mean);
  });
}

// The value in the cell's dtype, as a node of its own where gradients could pass through it.
static Value detached(Context& c, Ref value, const Cell& cell) {
  AtDevice there(c.recorder(), value.node->device);
  bool carries_gradient = cell.requires_grad || value.node->flags & (kGrad | kGradLeaf);
  if (!carries_gradient) return ops::cast(value, cell.type.dtype);
  GradMode off(c.recorder(), false);
  return ops::call(Op::cast, {value}, Attrs().add(cell.type.dtype));
}

extern "C" jt_status jt_tensor_assign(jt_context* ctx, jt_tensor* dst, jt_tensor* src) {
  return guarded("jt_tensor_assign", ctx, [&](Context& c) {
    Cell& cell = own_cell(c, "dst", dst);
    Ref value = operand(c, "src", src);
    if (!same_extents(cell.type.shape, value.shape()))
      fail(JT_E_SHAPE, "assign: dst has shape ", cell.type.shape, ", src has ", value.shape());
    c.assign(cell, detached(c, value, cell));
  });
}

extern "C" jt_status jt_tensor_rebind(jt_context* ctx, jt_tensor* dst, jt_tensor* src) {
  return guarded("jt_tensor_rebind", ctx, [&](Context& c) {
    Cell& cell = own_cell(c, "dst", dst);
    Ref value = operand(c, "src", src);
    if (cell.requires_grad) fail(JT_E_INVALID, "dst requires a gradient; assign to it instead");
    if (!same_extents(cell.type.shape, value.shape()))
      fail(JT_E_SHAPE, "dst has shape ", cell.type.shape, ", src has ", value.shape());
    AtDevice there(c.recorder(), value.node->device);
    c.assign(cell, ops::cast(value, cell.type.dtype));
  });
}
