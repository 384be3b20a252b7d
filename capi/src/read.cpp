// read: from handles to elements: evaluation, copies, single numbers, views.
#include "capi/src/guard.h"
#include "core/ir/build.h"

#include <memory>

using namespace jt;
using namespace jt::capi;

extern "C" jt_status jt_eval(jt_context* ctx, jt_tensor* const* inputs, size_t inputs_len) {
  return guarded("jt_eval", ctx, [&](Context& c) {
    if (!inputs_len) return c.eval_all();
    require(inputs, "inputs");
    Ref few[8];
    std::vector<Ref> many(inputs_len > std::size(few) ? inputs_len : 0);
    Ref* asked = many.empty() ? few : many.data();
    for (size_t i = 0; i < inputs_len; i++) asked[i] = operand(c, "inputs", inputs[i]);
    c.eval({asked, inputs_len});
  });
}

extern "C" jt_status jt_tensor_read(jt_context* ctx, jt_tensor* tensor, void* dst, size_t dst_len) {
  return guarded("jt_tensor_read", ctx, [&](Context& c) {
    Ref value = operand(c, "tensor", tensor);
    size_t bytes = value.type().bytes();
    if (dst_len != bytes) fail(JT_E_INVALID, "dst has ", dst_len, " bytes, the tensor ", bytes);
    Buffer* buffer = c.read(value);
    if (!bytes) return;
    require(dst, "dst");
    std::memcpy(dst, host_bytes(buffer), bytes);
  });
}

// A float as an integer, as the op cast converts it: truncated, saturated, NaN gives 0.
static int64_t truncated(double value) {
  if (value != value) return 0;
  if (value >= 9223372036854775808.0) return INT64_MAX;
  return value < -9223372036854775808.0 ? INT64_MIN : int64_t(value);
}
static int64_t converted(double value, int64_t) { return truncated(value); }
static int64_t converted(int64_t value, int64_t) { return value; }
static int64_t converted(uint64_t value, int64_t) { return value > uint64_t(INT64_MAX) ? INT64_MAX : int64_t(value); }
template <class From>
static double converted(From value, double) { return double(value); }

template <class Stored, class Number>
static Number load(const void* data, Number kind) {
  Stored stored;
  std::memcpy(&stored, data, sizeof stored);
  if constexpr (std::is_floating_point_v<Stored>) return converted(double(stored), kind);
  else if constexpr (std::is_signed_v<Stored>) return converted(int64_t(stored), kind);
  else return converted(uint64_t(stored), kind);
}

template <class Number>
static Number item(Context& c, jt_tensor* tensor) {
  Value value = operand(c, "tensor", tensor);
  if (value.type().count() != 1)
    fail(JT_E_SHAPE, "shape ", value.shape(), " has ", value.type().count(), " elements, not one");
  if (value.dtype() == JT_F16 || value.dtype() == JT_BF16) value = ops::cast(value, JT_F32);
  const void* data = host_bytes(c.read(value));
  switch (value.dtype()) {
    case JT_BOOL: case JT_U8: return load<uint8_t>(data, Number());
    case JT_I8: return load<int8_t>(data, Number());
    case JT_I16: return load<int16_t>(data, Number());
    case JT_I32: return load<int32_t>(data, Number());
    case JT_I64: return load<int64_t>(data, Number());
    case JT_U16: return load<uint16_t>(data, Number());
    case JT_U32: return load<uint32_t>(data, Number());
    case JT_U64: return load<uint64_t>(data, Number());
    case JT_F64: return load<double>(data, Number());
    default: return load<float>(data, Number());
  }
}

extern "C" jt_status jt_tensor_item_f64(jt_context* ctx, jt_tensor* tensor, double* out) {
  return guarded("jt_tensor_item_f64", ctx, [&](Context& c) {
    require(out, "out");
    *out = item<double>(c, tensor);
  });
}
extern "C" jt_status jt_tensor_item_i64(jt_context* ctx, jt_tensor* tensor, int64_t* out) {
  return guarded("jt_tensor_item_i64", ctx, [&](Context& c) {
    require(out, "out");
    *out = item<int64_t>(c, tensor);
  });
}

// What a mapping keeps: it may outlive context and runtime.
struct Mapped {
  Buffer* buffer;
  std::shared_ptr<BufferPool> pool;
  bool writes;
  std::shared_ptr<Runtime> runtime;  // where a device has to do with the buffer; else null
};

static void map(Context& c, jt_mapping* inout, Buffer* at, const Type& type, bool writes) {
  Buffer* buffer = host_buffer(at);  // counted
  Mapped* mapped;
  try {
    mapped = new (c.runtime().pool->take_small(sizeof(Mapped))) Mapped{buffer, c.runtime().pool, writes, c.keeper()};
  } catch (...) {
    release(buffer);
    throw;
  }
  buffer->pins.fetch_add(1, std::memory_order_acq_rel);
  if (writes) buffer->writers.fetch_add(1, std::memory_order_acq_rel);
  inout->data = buffer->address;
  inout->data_len = type.bytes();
  inout->state = mapped;
}
static void check_mapping(const jt_mapping* inout) {
  require(inout, "inout");
  if (inout->struct_size < sizeof(jt_mapping)) fail(JT_E_ABI, "inout->struct_size is ", inout->struct_size);
}

extern "C" jt_status jt_tensor_map(jt_context* ctx, jt_tensor* tensor, jt_mapping* inout) {
  return guarded("jt_tensor_map", ctx, [&](Context& c) {
    check_mapping(inout);
    const Cell* cell = unwrap(tensor);
    if (cell && cell->context == &c && cell->written && cell->is_exported)
      return map(c, inout, cell->written, cell->type, false);
    Ref value = operand(c, "tensor", tensor);
    map(c, inout, c.read(value), value.type(), false);
  });
}

extern "C" jt_status jt_tensor_map_write(jt_context* ctx, jt_tensor* tensor, jt_mapping* inout) {
  return guarded("jt_tensor_map_write", ctx, [&](Context& c) {
    check_mapping(inout);
    Cell& cell = own_cell(c, "tensor", tensor);
    map(c, inout, c.writable(cell, false), cell.type, true);
  });
}
extern "C" jt_status jt_tensor_map_export(jt_context* ctx, jt_tensor* tensor, jt_mapping* inout) {
  return guarded("jt_tensor_map_export", ctx, [&](Context& c) {
    check_mapping(inout);
    Cell& cell = own_cell(c, "tensor", tensor);
    map(c, inout, c.writable(cell, true), cell.type, true);
  });
}
extern "C" void jt_tensor_unmap(jt_mapping* inout) {
  if (!inout || !inout->state) return;
  auto* state = static_cast<Mapped*>(inout->state);
  inout->state = nullptr, inout->data = nullptr, inout->data_len = 0;
  Mapped mapped = std::move(*state);
  state->~Mapped();
  mapped.pool->give_small(state, sizeof *state);
  if (mapped.writes) mapped.buffer->writers.fetch_sub(1, std::memory_order_acq_rel);
  mapped.buffer->pins.fetch_sub(1, std::memory_order_acq_rel);
  release(mapped.buffer);
}
