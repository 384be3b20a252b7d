// forward_loss: layers of losses: rows of the op table, whose attributes are the layers' fields.
#include "core/nn/forward.h"

namespace jt {

using namespace ops;

namespace {

// The row of the loss on x, labels or targets, and those of the caller's tensors `names` that are there. In place of
// one that is absent before another there is a 1.
void give_loss(LayerCall& c, Op row, std::initializer_list<std::string_view> names, const Attrs& attrs) {
  Value held[4] = {c.x(0), c.x(1)};
  Ref refs[4] = {held[0], held[1]};
  JT_CHECK(2 + names.size() <= std::size(held));
  size_t n = 2, used = n;
  for (std::string_view name : names) {
    Value tensor = c.state(name);
    refs[n] = held[n] = tensor ? tensor : c.recorder().constant(c.x().dtype(), 1);
    n++;
    if (tensor) used = n;
  }
  give(c, c.recorder().build(row, {refs, used}, attrs));
}

}  // namespace

void CrossEntropyLoss_forward(LayerCall& c) {
  Attrs attrs =
      Attrs().add(c["ignore_index"].integer).add_string(c["reduction"].word).add_real(c["label_smoothing"].real);
  give_loss(c, Op::cross_entropy, {"weight"}, attrs);
}
void NLLLoss_forward(LayerCall& c) {
  give_loss(c, Op::nll, {"weight"}, Attrs().add(c["ignore_index"].integer).add_string(c["reduction"].word));
}
void MSELoss_forward(LayerCall& c) { give_loss(c, Op::mse_loss, {}, Attrs().add_string(c["reduction"].word)); }
// As smooth_l1 without a curve.
void L1Loss_forward(LayerCall& c) {
  give_loss(c, Op::smooth_l1, {}, Attrs().add_real(0).add_string(c["reduction"].word));
}
void SmoothL1Loss_forward(LayerCall& c) {
  give_loss(c, Op::smooth_l1, {}, Attrs().add_real(c["beta"].real).add_string(c["reduction"].word));
}
void HuberLoss_forward(LayerCall& c) {
  give_loss(c, Op::huber, {}, Attrs().add_real(c["delta"].real).add_string(c["reduction"].word));
}
void BCELoss_forward(LayerCall& c) { give_loss(c, Op::bce, {"weight"}, Attrs().add_string(c["reduction"].word)); }
void BCEWithLogitsLoss_forward(LayerCall& c) {
  give_loss(c, Op::bce_with_logits, {"weight", "pos_weight"}, Attrs().add_string(c["reduction"].word));
}
void KLDivLoss_forward(LayerCall& c) {
  give_loss(c, Op::kl_div, {}, Attrs().add(c["log_target"].integer).add_string(c["reduction"].word));
}

}  // namespace jt
