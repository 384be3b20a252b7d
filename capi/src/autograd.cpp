// autograd: gradients on request, and those gathered on handles.
#include "capi/src/guard.h"

using namespace jt;
using namespace jt::capi;

extern "C" jt_status jt_tensor_set_requires_grad(jt_context* ctx, jt_tensor* tensor, jt_bool requires_grad) {
  return guarded("jt_tensor_set_requires_grad", ctx, [&](Context& c) {
    Cell& cell = own_cell(c, "tensor", tensor);
    if (requires_grad && !is_float(cell.type.dtype))
      fail(JT_E_DTYPE, "a tensor of dtype ", cell.type.dtype, " has no gradient; float dtypes have");
    c.set_requires_grad(cell, requires_grad != 0);
  });
}
extern "C" jt_bool jt_tensor_requires_grad(const jt_tensor* tensor) { return tensor && unwrap(tensor)->requires_grad; }

static constexpr uint32_t kGradFlags = JT_GRAD_RETAIN_GRAPH | JT_GRAD_CREATE_GRAPH | JT_GRAD_ALLOW_UNUSED;

extern "C" jt_status jt_grad(jt_context* ctx, jt_tensor* y, jt_tensor* const* inputs, size_t inputs_len, jt_tensor* dy,
                             uint32_t flags, jt_tensor** outputs, size_t outputs_len) {
  for (size_t i = 0; outputs && i < outputs_len; i++) outputs[i] = nullptr;
  return guarded("jt_grad", ctx, [&](Context& c) {
    if (flags & ~kGradFlags) fail(JT_E_INVALID, "flags has unknown bits: ", flags);
    if (outputs_len != inputs_len)
      fail(JT_E_INVALID, "there are ", inputs_len, " inputs, but ", outputs_len, " outputs");
    if (inputs_len) require(inputs, "inputs"), require(outputs, "outputs");
    Recycling recycling(c.lists());
    List<Cell*> cells(inputs_len);
    for (size_t i = 0; i < inputs_len; i++) cells[i] = &own_cell(c, "inputs", inputs[i]);
    Ref from = operand(c, "y", y), seed = dy ? operand(c, "dy", dy) : Ref();
    List<Value> grads = c.grad(from, cells, seed, flags);
    try {
      for (size_t i = 0; i < inputs_len; i++) outputs[i] = wrap(c.cell(grads[i]));
    } catch (...) {
      for (size_t i = 0; i < inputs_len; i++) release(unwrap(outputs[i])), outputs[i] = nullptr;
      throw;
    }
  });
}

extern "C" jt_status jt_backward(jt_context* ctx, jt_tensor* loss, uint32_t flags) {
  return guarded("jt_backward", ctx, [&](Context& c) {
    if (flags & ~kGradFlags) fail(JT_E_INVALID, "flags has unknown bits: ", flags);
    c.backward(operand(c, "loss", loss), flags);
  });
}

extern "C" jt_status jt_tensor_grad(jt_context* ctx, jt_tensor* tensor, jt_tensor** out) {
  if (out) *out = nullptr;
  return guarded("jt_tensor_grad", ctx, [&](Context& c) {
    require(out, "out");
    Cell* grad = own_cell(c, "tensor", tensor).grad;
    if (!grad) return;
    retain(grad);
    *out = wrap(grad);
  });
}

extern "C" jt_status jt_zero_grad(jt_context* ctx, jt_tensor* const* inputs, size_t inputs_len) {
  return guarded("jt_zero_grad", ctx, [&](Context& c) {
    if (inputs_len) require(inputs, "inputs");
    for (size_t i = 0; i < inputs_len; i++) own_cell(c, "inputs", inputs[i]);
    for (size_t i = 0; i < inputs_len; i++) release(std::exchange(unwrap(inputs[i])->grad, nullptr));
  });
}
