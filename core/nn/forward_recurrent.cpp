// forward_recurrent: one step of a recurrence. x is [N,I] or [I], states are [N,H] or [H]; an absent state is zeros.
#include "core/nn/forward.h"

namespace jt {

using namespace ops;

namespace {

Value product(const LayerCall& c, const Value& x, std::string_view weight, std::string_view bias) {
  Value y = matmul(x, transpose(c.state(weight))), b = c.state(bias);
  return b ? y + b : y;
}

Value state_or_zeros(LayerCall& c, size_t i) {
  Shape shape = c.x().shape();
  int64_t hidden = c["hidden_size"].integer;
  if (shape.rank < 1 || shape.rank > 2 || shape[shape.rank - 1] != c["input_size"].integer)
    fail(JT_E_SHAPE, c.layer.row().name, ": x has shape ", shape, ", its last extent is not input_size ",
         c["input_size"].integer);
  shape.dims[shape.rank - 1] = hidden;
  if (i >= c.inputs.size() || !c.inputs[i])
    return c.recorder().build(Op::full, {}, Attrs().add_ints(shape.extents()).add_real(0).add(c.x().dtype()));
  if (!same_extents(c.inputs[i].shape(), shape))
    fail(JT_E_SHAPE, c.layer.row().name, ": a state has shape ", c.inputs[i].shape(), ", not ", shape);
  return c.inputs[i];
}

// Part i of the last axis, in parts of `size`.
Value part(const Value& x, int64_t i, int64_t size) {
  int last = x.shape().rank - 1;
  Dim from[kMaxRank] = {}, to[kMaxRank];
  for (int k = 0; k < last; k++) to[k] = x.shape()[k];
  from[last] = i * size, to[last] = (i + 1) * size;
  return slice(x, {from, size_t(last + 1)}, {to, size_t(last + 1)});
}

}  // namespace

void RNNCell_forward(LayerCall& c) {
  Value h = state_or_zeros(c, 1);
  Value sum = product(c, c.x(), "weight_ih", "bias_ih") + product(c, h, "weight_hh", "bias_hh");
  give(c, c["nonlinearity"].word == "relu" ? relu(sum) : tanh(sum));
}

void LSTMCell_forward(LayerCall& c) {
  Value h = state_or_zeros(c, 1), cell = state_or_zeros(c, 2);
  int64_t size = c["hidden_size"].integer;
  Value gates = product(c, c.x(), "weight_ih", "bias_ih") + product(c, h, "weight_hh", "bias_hh");
  Value next = sigmoid(part(gates, 1, size)) * cell + sigmoid(part(gates, 0, size)) * tanh(part(gates, 2, size));
  c.outputs = {sigmoid(part(gates, 3, size)) * tanh(next), next};
}

void GRUCell_forward(LayerCall& c) {
  Value h = state_or_zeros(c, 1);
  int64_t size = c["hidden_size"].integer;
  Value from_x = product(c, c.x(), "weight_ih", "bias_ih"), from_h = product(c, h, "weight_hh", "bias_hh");
  auto gate = [&](int i) { return sigmoid(part(from_x, i, size) + part(from_h, i, size)); };
  Value fresh = tanh(part(from_x, 2, size) + gate(0) * part(from_h, 2, size)), keep = gate(1);
  give(c, fresh + keep * (h - fresh));
}

}  // namespace jt
