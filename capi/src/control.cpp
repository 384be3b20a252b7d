// control: branches and loops whose bodies are functions of the host.
#include <jt/jt_control.h>
#include <jt/jt_error.h>

#include "capi/src/guard.h"
#include "core/ir/build.h"
#include "core/ir/region_scope.h"

using namespace jt;
using namespace jt::capi;

namespace {

constexpr size_t kMessageRoom = 512;
using BodyFunctionOfHost = jt_status (*)(void* user, jt_body_call* call);

// Handles for the length of a call.
struct Handles {
  std::vector<jt_tensor*> all;
  Handles() = default;
  explicit Handles(size_t n) : all(n) {}
  ~Handles() {
    for (jt_tensor* t : all) release(unwrap(t));
  }
  Handles(const Handles&) = delete;
};

class HostBody {
 public:
  HostBody(Context& context, const char* who, BodyFunctionOfHost function, void* user)
      : context_(context), who_(who), function_(function), user_(user) {}

  // The values that it leaves; `go_on`, unless null, is what it says of another round.
  std::vector<Value> operator()(const Value* index, std::span<const Value> inputs, size_t outputs, Value* go_on) const {
    Handles in, out(outputs + 1);
    in.all.reserve(inputs.size() + 1);
    for (const Value& v : inputs) in.all.push_back(wrap(context_.cell(v)));
    if (index) in.all.push_back(wrap(context_.cell(*index)));
    char message[kMessageRoom] = "";
    jt_body_call call = {sizeof call,
                         reinterpret_cast<jt_context*>(&context_),
                         index ? in.all.back() : nullptr,
                         in.all.data(),
                         inputs.size(),
                         out.all.data(),
                         outputs,
                         nullptr,
                         message,
                         sizeof message};
    jt_status status = function_(user_, &call);
    message[sizeof message - 1] = 0;
    out.all[outputs] = call.go_on;
    const size_t left = call.outputs_len;
    if (status != JT_OK) fail_with(status, message);
    if (left > outputs) fail(JT_E_INVALID, who_, ": a body left ", left, " outputs, there is room for ", outputs);
    std::vector<Value> values;
    for (size_t i = 0; i < left; i++) {
      if (!out.all[i]) fail(JT_E_INVALID, who_, ": a body left no output ", i);
      values.push_back(context_.operand(who_, unwrap(out.all[i])));
    }
    if (call.go_on && !go_on) fail(JT_E_INVALID, who_, ": only a loop's body says whether to go on");
    if (call.go_on) *go_on = context_.operand(who_, unwrap(call.go_on));
    return values;
  }

 private:
  [[noreturn]] void fail_with(jt_status status, const char* message) const {
    jt_error_info last{};
    last.struct_size = sizeof last;
    jt_last_error(&last);
    if (*message) fail(status, who_, ": ", message);
    if (last.code == status && last.message_len) fail(status, who_, ": ", last.message);
    fail(status, who_, ": a body failed with ", jt_status_name(status));
  }
  Context& context_;
  const char* who_;
  BodyFunctionOfHost function_;
  void* user_;
};

template <class Body>
jt_status making(const char* function, jt_context* ctx, jt_tensor** outputs, size_t outputs_len, Body&& body) noexcept {
  for (size_t i = 0; outputs && i < outputs_len; i++) outputs[i] = nullptr;
  return guarded(function, ctx, [&](Context& c) {
    require(outputs, "outputs");
    if (!outputs_len) fail(JT_E_INVALID, "outputs_len is 0");
    c.flush_if_large();
    std::vector<Value> made = body(c);
    JT_CHECK(made.size() <= outputs_len);
    try {
      for (size_t i = 0; i < made.size(); i++) outputs[i] = wrap(c.cell(made[i]));
    } catch (...) {
      for (size_t i = 0; i < outputs_len; i++) release(unwrap(outputs[i])), outputs[i] = nullptr;
      throw;
    }
  });
}

std::vector<Value> values_of(Context& c, jt_tensor* const* inputs, size_t inputs_len) {
  if (inputs_len) require(inputs, "inputs");
  std::vector<Value> out;
  for (size_t i = 0; i < inputs_len; i++) out.push_back(operand(c, "inputs", inputs[i]));
  return out;
}

// What both kinds of loops share.
std::vector<Value> loop(Context& c, const char* who, LoopRecipe recipe, const HostBody& body,
                        std::span<const Value> inputs, size_t outputs_len) {
  if (outputs_len < inputs.size())
    fail(JT_E_INVALID, who, ": ", inputs.size(), " inputs are carried, but outputs_len is ", outputs_len);
  if (recipe.most < 0) recipe.most = -1;
  std::vector<Ref> initial(inputs.begin(), inputs.end());
  recipe.initial = initial;
  recipe.body = [&](const Value& i, std::span<const Value> carried) {
    LoopBody out;
    std::vector<Value> all = body(&i, carried, outputs_len, &out.goes_on);
    if (all.size() < carried.size())
      fail(JT_E_INVALID, who, ": ", carried.size(), " values are carried, a round left ", all.size());
    out.next.assign(all.begin(), all.begin() + long(carried.size()));
    out.stacked.assign(all.begin() + long(carried.size()), all.end());
    return out;
  };
  return record_loop(c.recorder(), who, recipe);
}

}  // namespace

extern "C" jt_status jt_cond(jt_context* ctx, jt_tensor* condition, BodyFunctionOfHost then_body,
                             BodyFunctionOfHost else_body, void* user, jt_tensor* const* inputs, size_t inputs_len,
                             jt_tensor** outputs, size_t outputs_len) {
  return making("jt_cond", ctx, outputs, outputs_len, [&](Context& c) {
    if (!then_body || !else_body) fail(JT_E_INVALID, then_body ? "else_body" : "then_body", " is NULL");
    Value by = operand(c, "condition", condition);
    std::vector<Value> in = values_of(c, inputs, inputs_len);
    auto side = [&](BodyFunctionOfHost function) {
      HostBody body(c, "cond", function, user);
      return [body, &in, outputs_len](std::span<const Value>) { return body(nullptr, in, outputs_len, nullptr); };
    };
    return record_branch(c.recorder(), "cond", by, side(then_body), side(else_body));
  });
}

extern "C" jt_status jt_while_loop(jt_context* ctx, BodyFunctionOfHost condition, BodyFunctionOfHost body, void* user,
                                   int64_t most_rounds, jt_tensor* const* inputs, size_t inputs_len,
                                   jt_tensor** outputs, size_t outputs_len) {
  return making("jt_while_loop", ctx, outputs, outputs_len, [&](Context& c) {
    if (!condition || !body) fail(JT_E_INVALID, condition ? "body" : "condition", " is NULL");
    std::vector<Value> in = values_of(c, inputs, inputs_len);
    HostBody asks(c, "while_loop", condition, user);
    LoopRecipe recipe;
    recipe.most = most_rounds;
    recipe.condition = [&](std::span<const Value> carried) {
      std::vector<Value> said = asks(nullptr, carried, 1, nullptr);
      if (said.empty()) fail(JT_E_INVALID, "while_loop: the condition left no output");
      return said[0];
    };
    return loop(c, "while_loop", recipe, HostBody(c, "while_loop", body, user), in, outputs_len);
  });
}

extern "C" jt_status jt_for_loop(jt_context* ctx, jt_tensor* rounds, int64_t most_rounds, BodyFunctionOfHost body,
                                 void* user, jt_tensor* const* inputs, size_t inputs_len, jt_tensor** outputs,
                                 size_t outputs_len) {
  return making("jt_for_loop", ctx, outputs, outputs_len, [&](Context& c) {
    if (!body) fail(JT_E_INVALID, "body is NULL");
    if (!rounds && most_rounds < 0) fail(JT_E_INVALID, "rounds is NULL, but most_rounds is ", most_rounds);
    std::vector<Value> in = values_of(c, inputs, inputs_len);
    LoopRecipe recipe;
    Value trips;
    if (rounds) {
      trips = operand(c, "rounds", rounds);
      if (!is_int(trips.dtype())) fail(JT_E_DTYPE, "for_loop: rounds is ", trips.type(), ", not an integer");
      if (trips.shape().rank) fail(JT_E_SHAPE, "for_loop: rounds is ", trips.type(), ", not 0-d");
      trips = ops::cast(trips, JT_I64);
      recipe.trips = trips;
    }
    recipe.most = most_rounds;
    return loop(c, "for_loop", recipe, HostBody(c, "for_loop", body, user), in, outputs_len);
  });
}
