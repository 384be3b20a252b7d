// forward_loss: a loss of each element or row, then their mean, their sum, or neither.
#include "core/nn/forward.h"

namespace jt {

using namespace ops;

namespace {

Value mean_of(const Value& x) { return call(Op::mean, {x}, Attrs().add_ints({}).add(0)); }

void give_reduced(LayerCall& c, const Value& loss) {
  const std::string& how = c["reduction"].word;
  give(c, how == "none" ? loss : how == "sum" ? sum(loss) : mean_of(loss));
}

// What the caller set as `name`, along the axis of the classes of x.
Value class_weights(const LayerCall& c, int64_t classes) {
  Value weight = c.state("weight");
  if (weight && (weight.shape().rank != 1 || weight.shape()[0] != classes))
    fail(JT_E_SHAPE, c.layer.row().name, ": weight has shape ", weight.shape(), ", x ", classes, " classes");
  return weight;
}

// Rows [N,..] of log-probabilities [N,C,..] with labels [N,..]; a single row [C] with a label [] as one of N = 1.
struct Rows {
  Value x, label, weight, counts;  // counts: by row, how much it weighs
  bool is_single;

  Rows(LayerCall& c, const Value& given) : x(given), label(c.x(1)), is_single(given.shape().rank == 1) {
    if (is_single) x = reshape(x, Shape{1, x.shape()[0]}), label = reshape(label, Shape{1});
    if (x.shape().rank < 2) fail(JT_E_SHAPE, c.layer.row().name, ": x needs 1 axis or more, its shape is ", x.shape());
    if (!is_int(label.dtype())) fail(JT_E_DTYPE, c.layer.row().name, ": label is ", label.dtype(), ", not an integer dtype");
    weight = class_weights(c, x.shape()[1]);
    Value ignored = equal(cast(label, JT_I64), c.recorder().constant_int(JT_I64, c["ignore_index"].integer));
    // Labels that are ignored may be anything; the others are checked.
    label = call(Op::check_index, {where(ignored, 0, label)}, Attrs().add(x.shape()[1]).add(0).add_string(c.layer.row().name));
    Value each = weight ? call(Op::take, {weight, label}, Attrs().add(0)) : Value(fill(call(Op::nll, {x, label}), 1));
    counts = where(ignored, 0, each);
  }
  Value nll() const { return call(Op::nll, {x, label}) * counts; }
  // With loss s / C spread over the classes.
  Value smoothed(double s) const {
    int64_t classes[] = {1};
    Value all = weight ? x * along_channels(weight, x.shape().rank) : x;
    Value even = where(counts == zeros_like(counts), 0, -sum(all, classes));
    return nll() * (1 - s) + even * (s / double(x.shape()[1]));
  }
  void give_reduced(LayerCall& c, const Value& loss) const {
    const std::string& how = c["reduction"].word;
    Value whole = how == "none" ? (is_single ? reshape(loss, {}) : loss) : sum(loss);
    give(c, how == "mean" ? whole / sum(counts) : whole);
  }
};

// Labels that are probabilities.
void cross_entropy_of_probabilities(LayerCall& c) {
  const Value &x = c.x(), &given = c.x(1);
  if (!same_extents(x.shape(), given.shape()))
    fail(JT_E_SHAPE, "CrossEntropyLoss: probabilities have shape ", given.shape(), ", x ", x.shape());
  int axis = x.shape().rank == 1 ? 0 : 1;
  int64_t classes = x.shape()[axis], axes[] = {axis};
  double s = c["label_smoothing"].real;
  Value y = cast(given, x.dtype());
  if (s) y = y * (1 - s) + s / double(classes);
  Value each = call(Op::log_softmax, {x}, Attrs().add(axis)) * y;
  if (Value weight = class_weights(c, classes)) each = each * (axis ? along_channels(weight, x.shape().rank) : weight);
  Value loss = -sum(each, axes);
  if (c["reduction"].word == "none") return give(c, loss);
  Value total = sum(loss);
  give(c, c["reduction"].word == "sum" ? total : total / double(loss.type().count()));
}

Value weighted(LayerCall& c, const Value& loss) {
  Value weight = c.state("weight");
  return weight ? loss * weight : loss;
}

}  // namespace

void NLLLoss_forward(LayerCall& c) {
  Rows rows(c, c.x());
  rows.give_reduced(c, rows.nll());
}

void CrossEntropyLoss_forward(LayerCall& c) {
  if (is_float(c.x(1).dtype())) return cross_entropy_of_probabilities(c);
  int rank = c.x().shape().rank;
  if (!rank) fail(JT_E_SHAPE, "CrossEntropyLoss: x needs 1 axis or more, its shape is []");
  Rows rows(c, call(Op::log_softmax, {c.x()}, Attrs().add(rank == 1 ? 0 : 1)));
  double s = c["label_smoothing"].real;
  rows.give_reduced(c, s ? rows.smoothed(s) : rows.nll());
}

void MSELoss_forward(LayerCall& c) {
  if (c["reduction"].word == "mean") return give(c, call(Op::mse_loss, {c.x(0), c.x(1)}));
  give_reduced(c, square(c.x(0) - c.x(1)));
}
void L1Loss_forward(LayerCall& c) { give_reduced(c, abs(c.x(0) - c.x(1))); }
void SmoothL1Loss_forward(LayerCall& c) {
  give_reduced(c, call(Op::smooth_l1, {c.x(0), c.x(1)}, Attrs().add_real(c["beta"].real)));
}
void HuberLoss_forward(LayerCall& c) {
  give_reduced(c, call(Op::huber, {c.x(0), c.x(1)}, Attrs().add_real(c["delta"].real)));
}
void BCELoss_forward(LayerCall& c) { give_reduced(c, weighted(c, call(Op::bce, {c.x(0), c.x(1)}))); }

// With pos_weight p: (1 - y) * x + (1 + (p - 1) * y) * softplus(-x).
void BCEWithLogitsLoss_forward(LayerCall& c) {
  const Value &x = c.x(0), &y = c.x(1);
  Value p = c.state("pos_weight");
  if (!p) return give_reduced(c, weighted(c, call(Op::bce_with_logits, {x, y})));
  if (!same_extents(x.shape(), y.shape())) fail(JT_E_SHAPE, "BCEWithLogitsLoss: shapes ", x.shape(), " and ", y.shape(), " differ");
  Value loss = (1 - y) * x + ((p - 1) * y + 1) * call(Op::softplus, {-x});
  give_reduced(c, weighted(c, loss));
}

void KLDivLoss_forward(LayerCall& c) {
  Value loss = call(Op::kl_div, {c.x(0), c.x(1)}, Attrs().add(c["log_target"].integer));
  if (c["reduction"].word != "batchmean") return give_reduced(c, loss);
  check_rank(c, 1, kMaxRank);
  give(c, sum(loss) / double(c.x().shape()[0]));
}

}  // namespace jt
