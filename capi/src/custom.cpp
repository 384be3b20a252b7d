// custom: ops of the host's functions and of C source: descriptions in, nodes out; calls of the functions.
#include <jt/jt_custom.h>

#include "capi/src/guard.h"
#include "core/code.h"
#include "core/ir/custom.h"

using namespace jt;
using namespace jt::capi;

namespace {

constexpr size_t kMessageRoom = 512;

void check_status(std::string_view what, std::string_view who, jt_status status, const char* message) {
  if (status == JT_OK) return;
  if (*message) fail(status, what, who, ": ", message);
  fail(status, what, who, ": failed with ", jt_status_name(status));
}

// A handle for the length of a call.
struct Handle {
  Cell* cell = nullptr;
  Handle() = default;
  Handle(Handle&& o) noexcept : cell(std::exchange(o.cell, nullptr)) {}
  ~Handle() { release(cell); }
};

class HostOp : public CustomOp {
 public:
  HostOp(Recycler& home, std::string_view name, const jt_custom_desc& desc, Context& context)
      : CustomOp(home, name), forward_(desc.forward), backward_(desc.backward), user_(desc.user), context_(context) {}
  ~HostOp() override {
    if (release_) release_(user_);
  }
  // From now on `release` is owed to the host.
  void owe(void (*release)(void*)) { release_ = release; }

  void forward(std::span<const HostView> inputs, std::span<const HostView> outputs) override {
    List<jt_custom_buffer> in, out;
    for (const HostView& v : inputs) in.push_back(buffer(v));
    for (const HostView& v : outputs) out.push_back(buffer(v));
    char message[kMessageRoom] = "";
    jt_custom_call call = {sizeof call, in.data(), in.size(), out.data(), out.size(), message, sizeof message};
    jt_status status = forward_(user_, &call);
    message[sizeof message - 1] = 0;
    check_status("", name(), status, message);
  }

  void backward(Node* node, std::span<const Value> dz, std::span<const char> needs, std::span<Value> dx) override {
    if (!backward_) fail(JT_E_UNSUPPORTED, "grad: ", name(), " has no gradient");
    List<Handle> held;
    auto handle = [&](Ref ref) {
      held.emplace_back();
      held.back().cell = context_.cell(ref);
      return wrap(held.back().cell);
    };
    List<jt_tensor*> inputs, outputs, grads;
    for (Ref in : node->ins()) inputs.push_back(handle(in));
    for (uint32_t i = 0; i < node->n_results; i++) outputs.push_back(handle({node, i}));
    for (const Value& d : dz) grads.push_back(d ? handle(d) : nullptr);
    List<jt_bool> asked(needs.begin(), needs.end());
    List<jt_tensor*> found(inputs.size(), nullptr);
    List<Handle> taken(inputs.size());  // now: nothing may fail between the call and taking what it gives
    char message[kMessageRoom] = "";
    jt_custom_grad call = {sizeof call,   reinterpret_cast<jt_context*>(&context_),
                           inputs.data(), asked.data(),
                           inputs.size(), outputs.data(),
                           grads.data(),  outputs.size(),
                           found.data(),  message,
                           sizeof message};
    jt_status status = backward_(user_, &call);
    message[sizeof message - 1] = 0;
    for (size_t i = 0; i < found.size(); i++) taken[i].cell = unwrap(found[i]);
    check_status("grad: ", name(), status, message);
    for (size_t i = 0; i < found.size(); i++)
      if (found[i] && needs[i]) dx[i] = checked(i, unwrap(found[i]), node->inputs()[i].type());
  }

 private:
  static jt_custom_buffer buffer(const HostView& v) {
    return {v.data, size_t(v.type->bytes()), v.type->dtype, v.type->shape.numbers(), size_t(v.type->shape.rank)};
  }
  Value checked(size_t i, const Cell* cell, const Type& type) {
    Ref value = context_.operand("grad", cell);
    if (value.dtype() != type.dtype || !same_extents(value.shape(), type.shape))
      fail(value.dtype() != type.dtype ? JT_E_DTYPE : JT_E_SHAPE, "grad: ", name(), ": the gradient of input ", i,
           " is ", value.type(), ", the input ", type);
    return value;
  }

  jt_status (*forward_)(void*, const jt_custom_call*);
  jt_status (*backward_)(void*, const jt_custom_grad*);
  void (*release_)(void*) = nullptr;
  void* user_;
  Context& context_;  // outlives its nodes
};

std::string_view name_of(const char* name, size_t len, const char* fallback) {
  return name ? str("name", name, len) : std::string_view(fallback);
}

List<Type> types_of(std::string_view who, const jt_custom_type* outputs, size_t len) {
  require(outputs, "desc->outputs");
  List<Type> out;
  for (size_t i = 0; i < len; i++) out.push_back(checked_type(outputs[i].dtype, outputs[i].dims, outputs[i].dims_len));
  if (out.empty()) fail(JT_E_INVALID, who, ": desc->outputs_len is 0");
  return out;
}

struct Call {
  List<Ref> inputs;
  Call(Context& c, std::string_view who, jt_tensor* const* in, size_t in_len, jt_tensor** outputs, size_t outputs_len,
       size_t declared) {
    if (in_len) require(in, "inputs");
    require(outputs, "outputs");
    if (outputs_len != declared)
      fail(JT_E_INVALID, who, ": has ", declared, " outputs, but outputs_len is ", outputs_len);
    for (size_t i = 0; i < in_len; i++) inputs.push_back(operand(c, "inputs", in[i]));
  }
};

void give(Context& c, const Value& made, jt_tensor** outputs, size_t len) {
  try {
    for (size_t i = 0; i < len; i++) outputs[i] = wrap(c.cell(Ref{made.ref().node, uint32_t(i)}));
  } catch (...) {
    for (size_t i = 0; i < len; i++) release(unwrap(outputs[i])), outputs[i] = nullptr;
    throw;
  }
}

template <class Body>
jt_status making(const char* function, jt_context* ctx, jt_tensor** outputs, size_t len, Body&& body) noexcept {
  for (size_t i = 0; outputs && i < len; i++) outputs[i] = nullptr;
  return guarded(function, ctx, body);
}

}  // namespace

extern "C" jt_status jt_custom(jt_context* ctx, const jt_custom_desc* desc, jt_tensor* const* inputs, size_t inputs_len,
                               jt_tensor** outputs, size_t outputs_len) {
  return making("jt_custom", ctx, outputs, outputs_len, [&](Context& c) {
    require(desc, "desc");
    jt_custom_desc d = sized("desc", desc);
    if (d.flags) fail(JT_E_INVALID, "flags has unknown bits: ", d.flags);
    if (!d.forward) fail(JT_E_INVALID, "desc->forward is NULL");
    Recycling recycling(c.lists());
    std::string_view name = name_of(d.name, d.name_len, "custom");
    List<Type> types = types_of(name, d.outputs, d.outputs_len);
    c.flush_if_large();
    Call call(c, name, inputs, inputs_len, outputs, outputs_len, types.size());
    auto* op = CustomOp::make<HostOp>(c.lists(), name, d, c);
    Value made = c.recorder().custom(op, call.inputs, types);
    give(c, made, outputs, outputs_len);
    op->owe(d.release);
  });
}

extern "C" jt_status jt_code(jt_context* ctx, const jt_code_desc* desc, jt_tensor* const* inputs, size_t inputs_len,
                             jt_tensor** outputs, size_t outputs_len) {
  return making("jt_code", ctx, outputs, outputs_len, [&](Context& c) {
    require(desc, "desc");
    jt_code_desc d = sized("desc", desc);
    if (d.flags) fail(JT_E_INVALID, "flags has unknown bits: ", d.flags);
    Recycling recycling(c.lists());
    CodeSource t;
    std::string_view name = t.name = name_of(d.name, d.name_len, "code");
    require(d.source, "desc->source");
    t.source = str("source", d.source, d.source_len);
    if (d.header) t.header = str("header", d.header, d.header_len);
    if (d.grad_sources_len && d.grad_sources_len != inputs_len)
      fail(JT_E_INVALID, name, ": there are ", inputs_len, " inputs, but ", d.grad_sources_len, " gradients");
    if (d.grad_sources_len) require(d.grad_sources, "desc->grad_sources");
    List<std::string_view> grad_sources, data_names;
    for (size_t i = 0; i < d.grad_sources_len; i++)
      grad_sources.emplace_back(d.grad_sources[i] ? d.grad_sources[i] : "");
    if (d.data_len) require(d.data_names, "desc->data_names"), require(d.data_values, "desc->data_values");
    for (size_t i = 0; i < d.data_len; i++) {
      require(d.data_names[i], "desc->data_names[i]");
      data_names.emplace_back(d.data_names[i]);
    }
    t.grad_sources = grad_sources, t.data_names = data_names, t.data_values = {d.data_values, d.data_len};
    List<Type> types = types_of(name, d.outputs, d.outputs_len);
    c.flush_if_large();
    Call call(c, name, inputs, inputs_len, outputs, outputs_len, types.size());
    give(c, record_code(c.recorder(), c.runtime(), c.codes(), t, call.inputs, types), outputs, outputs_len);
  });
}
