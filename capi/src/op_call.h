// op_call: one call of an op from handles to handles, and what a generated body of ops.cpp is made of.
#pragma once
#include <concepts>

#include "capi/src/guard.h"

namespace jt::capi {

// Where the results of a call go: to one place each, of which any may be NULL (not wanted), or to a list.
class Outs {
 public:
  template <std::same_as<jt_tensor**>... Places>
  Outs(Places... places) : places_{places...}, size_(sizeof...(places)) {}
  Outs(jt_tensor** list, size_t size) : list_(list), size_(size), is_list_(true) {}
  size_t size() const { return size_; }
  jt_tensor** operator[](size_t i) const { return !is_list_ ? places_[i] : list_ ? list_ + i : nullptr; }
  bool is_list() const { return is_list_; }
  void clear() const {
    for (size_t i = 0; i < size_; i++)
      if (jt_tensor** out = (*this)[i]) *out = nullptr;
  }

 private:
  jt_tensor** places_[4] = {};
  jt_tensor** list_ = nullptr;
  size_t size_;
  bool is_list_ = false;
};

// One call of an op: checks handles, records, and hands out as many results as the caller asked for.
// On failure every out is NULL. attrs are normalised.
void call_op(Context& c, Op op, std::span<jt_tensor* const> inputs, Attrs&& attrs, const Outs& outs);

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
jt_status op_function(const char* function, jt_context* ctx, Op op, Inputs inputs, const Outs& outs,
                      AddAttrs&& add_attrs) noexcept {
  outs.clear();
  return guarded(function, ctx, [&](Context& c) {
    Attrs attrs;
    add_attrs(attrs);
    call_op(c, op, inputs.checked(), std::move(attrs), outs);
  });
}

}  // namespace jt::capi
