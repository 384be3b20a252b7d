// op_call: what a generated body of ops.cpp is made of.
#pragma once
#include "capi/src/guard.h"

namespace jt::capi {

// Operands as a body names them: {x, y}, or the caller's (inputs, inputs_len).
class Inputs {
 public:
  template <class... Tensors>
  Inputs(Tensors*... tensors) : few_{tensors...}, len_(sizeof...(tensors)) {}
  Inputs(jt_tensor* const* many, size_t len) : many_(many), len_(len), is_list_(true) {}
  std::span<jt_tensor* const> checked() const {
    if (is_list_ && !many_ && len_) fail(JT_E_INVALID, "inputs is NULL, but inputs_len is ", len_);
    return {is_list_ ? many_ : few_, len_};
  }

 private:
  jt_tensor* few_[5] = {};
  jt_tensor* const* many_ = nullptr;
  size_t len_;
  bool is_list_ = false;
};
inline Inputs tensors(jt_tensor* const* inputs, size_t inputs_len) { return Inputs(inputs, inputs_len); }

inline void no_attrs(Attrs&) {}

template <class AddAttrs>
jt_status op_function(const char* function, jt_context* ctx, Op op, Inputs inputs, const Outs& outs, AddAttrs&& add_attrs) noexcept {
  outs.clear();
  return guarded(function, ctx, [&](Context& c) {
    Attrs attrs;
    add_attrs(attrs);
    call_op(c, op, inputs.checked(), std::move(attrs), outs);
  });
}

}  // namespace jt::capi
