#include "capi/src/op_call.h"

namespace jt::capi {

static void check_operands(Op op, std::span<jt_tensor* const> inputs) {
  bool has_null = false;
  for (jt_tensor* input : inputs) has_null |= !input;
  const Signature& s = signature(op);
  if (!has_null && s.is_fixed && s.operands.size() == inputs.size()) [[likely]] return;
  size_t most = s.operands.size(), least = most - s.variadic;
  while (!s.variadic && least && s.optional[least - 1]) least--;  // optional ones at the end may be left out
  bool fits = inputs.size() >= least && (s.variadic || inputs.size() <= most);
  if (!fits)
    fail(JT_E_INVALID, name(op), ": takes ", s.operands.size(), s.variadic ? " or more" : "", " operands, not ",
         inputs.size());
  for (size_t i = 0; i < inputs.size(); i++) {
    size_t at = std::min(i, s.operands.size() - 1);
    if (!inputs[i] && !s.optional[at]) fail(JT_E_INVALID, name(op), ": operand ", s.operands[at], " is NULL");
  }
}

static void give_results(Context& c, Ref first, const Outs& outs) {
  try {
    for (uint32_t i = 0; i < outs.size(); i++) {
      if (!outs[i]) continue;
      Ref result = Recorder::result(first, i);
      JT_CHECK(result.result < result.node->n_results);
      *outs[i] = wrap(c.cell(result));
    }
  } catch (...) {
    for (size_t i = 0; i < outs.size(); i++)
      if (jt_tensor** out = outs[i]) release(unwrap(*out)), *out = nullptr;
    throw;
  }
}

static void call_on(Context& c, Op op, std::span<jt_tensor* const> inputs, Attrs&& attrs, const Outs& outs, Ref* refs) {
  c.flush_if_large();
  Value one;  // an optional factor that is absent before one that is there
  for (size_t i = 0; i < inputs.size(); i++) {
    if (!inputs[i] && !one) one = c.recorder().constant(refs[0].dtype(), 1);
    refs[i] = inputs[i] ? c.operand(name(op), unwrap(inputs[i])) : one.ref();
  }
  Value first = c.recorder().build(op, {refs, inputs.size()}, std::move(attrs));
  give_results(c, first, outs);
}

void call_op(Context& c, Op op, std::span<jt_tensor* const> inputs, Attrs&& attrs, const Outs& outs) {
  bool is_wanted = false;
  for (size_t i = 0; i < outs.size(); i++) is_wanted |= outs[i] != nullptr;
  if (!is_wanted) fail(JT_E_INVALID, name(op), outs.is_list() ? ": outputs is NULL or empty" : ": out is NULL");
  size_t results = result_count(op, attrs);
  if (outs.size() > results) fail(JT_E_INVALID, name(op), ": gives ", results, " results, not ", outs.size());
  check_operands(op, inputs);
  while (!inputs.empty() && !inputs.back()) inputs = inputs.first(inputs.size() - 1);  // absent optional ones
  Ref few[5];
  if (inputs.size() <= std::size(few)) [[likely]] return call_on(c, op, inputs, std::move(attrs), outs, few);
  List<Ref> many(inputs.size(), Recycled<Ref>(c.lists()));
  call_on(c, op, inputs, std::move(attrs), outs, many.data());
}

}  // namespace jt::capi
