// op_by_name: ops that the caller knows by their name only, and what there is to call.
#include "capi/src/op_call.h"

using namespace jt;
using namespace jt::capi;

// The rows that can be called: all but those that come first, which have no row in ops.def.
static constexpr int kFirstCallable = kFirstElement;
static bool is_callable(size_t i) { return i < size_t(kOps - kFirstCallable); }
static const OpDef& callable(size_t i) { return def(Op(kFirstCallable + int(i))); }

extern "C" jt_status jt_op_call(jt_context* ctx, const char* op, size_t op_len, jt_tensor* const* inputs,
                                size_t inputs_len, const jt_attr* attrs, size_t attrs_len, jt_tensor** outputs,
                                size_t outputs_len) {
  for (size_t i = 0; outputs && i < outputs_len; i++) outputs[i] = nullptr;
  return guarded("jt_op_call", ctx, [&](Context& c) {
    std::string_view wanted = str("op", op, op_len);
    Op found = op_named(wanted);
    if (found == Op::count || int(found) < kFirstCallable) fail(JT_E_NOT_FOUND, "no op is called '", wanted, "'");
    if (!inputs && inputs_len) fail(JT_E_INVALID, wanted, ": inputs is NULL, but inputs_len is ", inputs_len);
    if (!attrs && attrs_len) fail(JT_E_INVALID, wanted, ": attrs is NULL, but attrs_len is ", attrs_len);
    call_op(c, found, {inputs, inputs_len}, make_attrs(found, {attrs, attrs_len}), Outs(outputs, outputs_len));
  });
}

extern "C" size_t jt_op_count(void) { return size_t(kOps - kFirstCallable); }
extern "C" const char* jt_op_name(size_t i) { return is_callable(i) ? callable(i).name : nullptr; }
extern "C" const char* jt_op_signature(size_t i) {
  return is_callable(i) ? kSignatureTexts[kFirstCallable + int(i)].data() : nullptr;
}
extern "C" const char* jt_op_doc(size_t i) { return is_callable(i) ? callable(i).doc : nullptr; }
