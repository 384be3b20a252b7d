// A value has up to two forms: as recorded ("first"; for images [N,C,H,W]) and channels last. Nodes are visited in program
// order; each is recorded in the form that suits it, and the other form is a transpose, made when somebody asks for it.
//
// Bits stay as they are: element rows do not care, and a reduction's order is over logical indices, so one is only moved
// where its axes keep their order.
#include "core/rewrite/layout.h"

#include <algorithm>

#include "core/ir/rules.h"

namespace jt {

namespace {

constexpr int64_t kToLast[4] = {0, 2, 3, 1}, kToFirst[4] = {0, 3, 1, 2};  // axes of a transpose
constexpr int kLastAxis[4] = {0, 3, 1, 2};                                // where axis i of [N,C,H,W] is, channels last

// Of a row over images: which attribute says channels_last, which one is a shape of images, which operands are images.
struct ImageRow {
  int flag, shape = -1;
  uint32_t images = 1;
  bool gives_images = true;
};
bool image_row(Op op, ImageRow* out) {
  switch (op) {
    case Op::conv2d: *out = {4}; return true;
    case Op::conv2d_grad_x: *out = {5, 0}; return true;
    case Op::conv2d_grad_w: *out = {5, -1, 3, false}; return true;
    case Op::max_pool2d:
    case Op::avg_pool2d: *out = {3}; return true;
    case Op::max_pool2d_grad: *out = {4, 0, 3}; return true;
    case Op::avg_pool2d_grad: *out = {4, 0}; return true;
    default: return false;
  }
}
bool wants_last(const Node* node, ImageRow* row) { return image_row(node->op, row) && !node->integer(row->flag); }

struct Forms {
  Value first, last;
  bool prefers_last = false;  // it comes from images: what is computed from it had better be channels last
};

class Layout {
 public:
  explicit Layout(Block& block) : block_(block), recorder_(*block.recorder) {}

  void run() {
    for (const Value& param : block_.params) number(param.ref().node), keep(param.ref().node, param);
    for (const Value& value : block_.nodes) {
      number(value.ref().node);
      recorder_.line = value.ref().node->line;
      visit(value);
    }
    for (Value& result : block_.results) result = first(result);
    block_.nodes = std::move(nodes_);
  }

 private:
  void number(Node* node) {
    for (int i = 0; i < node->n_results; i++) node->results()[i].number = int32_t(forms_.size()), forms_.emplace_back();
  }
  Forms& forms(Ref x) { return forms_[size_t(x.node->results()[x.result].number)]; }
  bool prefers_last(Ref x) { return x.shape().rank == 4 && forms(x).prefers_last; }

  Value add(Value made) {
    nodes_.push_back(Ref{made.ref().node, 0});
    return made;
  }
  Value record(Op op, std::span<const Ref> inputs, Attrs attrs) { return add(recorder_.record(op, inputs, attrs)); }

  // ---- forms ----
  Value transposed(Ref x, const int64_t (&axes)[4]) {
    return record(Op::transpose, {&x, 1}, Attrs().add_ints(axes));
  }
  Value first(Ref x) {
    Forms& f = forms(x);
    if (!f.first) f.first = transposed(f.last, kToFirst);
    return f.first;
  }
  Value last(Ref x) {
    Forms& f = forms(x);
    if (!f.last) f.last = transposed(f.first, kToLast);
    return f.last;
  }
  void keep(Node* node, const Value& made) {
    for (int i = 0; i < node->n_results; i++) forms(Ref{node, uint32_t(i)}).first = Ref{made.ref().node, uint32_t(i)};
  }
  void keep_last(Node* node, const Value& made) {
    for (int i = 0; i < node->n_results; i++) {
      Forms& f = forms(Ref{node, uint32_t(i)});
      f.last = Ref{made.ref().node, uint32_t(i)}, f.prefers_last = true;
    }
  }

  // ---- rows ----
  void visit(const Value& value) {
    Node* node = value.ref().node;
    ImageRow row;
    if (wants_last(node, &row)) return visit_image_row(node, row);
    bool is_one_by_one = kind(node) == Kind::element || kind(node) == Kind::cast || node->op == Op::concat;
    if (is_one_by_one && std::any_of(node->ins().begin(), node->ins().end(), [this](Ref x) { return prefers_last(x); }))
      return visit_one_by_one(node);
    if (kind(node) == Kind::reduce && prefers_last(node->inputs()[0]) && keeps_order(node)) return visit_reduce(node);
    visit_other(value);
  }

  void visit_image_row(Node* node, const ImageRow& row) {
    std::vector<Value> inputs;
    for (int i = 0; i < node->n_inputs; i++)
      inputs.push_back(row.images >> i & 1 ? last(node->inputs()[i]) : first(node->inputs()[i]));
    Attrs attrs = node->attrs();
    attrs.ints(row.flag)[0] = 1;
    if (row.shape >= 0) {
      auto shape = attrs.ints(row.shape);
      std::rotate(shape.begin() + 1, shape.begin() + 2, shape.end());
    }
    Value made = record(node->op, refs(inputs), attrs);
    row.gives_images ? keep_last(node, made) : keep(node, made);
  }

  // Element rows, casts, concat.
  void visit_one_by_one(Node* node) {
    std::vector<Value> inputs;
    for (Ref in : node->ins()) inputs.push_back(in.shape().rank == 4 ? last(in) : first(in));
    Attrs attrs = node->attrs();
    if (node->op == Op::concat) attrs.ints(0)[0] = kLastAxis[attrs.integer(0)];
    keep_last(node, record(node->op, refs(inputs), attrs));
  }

  // Channels come after height and width now: a reduction over both, or over them and kept channels, would change order.
  static bool keeps_order(const Node* node) {
    uint32_t axes = axis_set(node->ints(0)), planes = axes & 0b1100;
    return !(axes & 0b0010) || !planes;
  }
  void visit_reduce(Node* node) {
    Value x = last(node->inputs()[0]);
    Ref in = x;
    Attrs attrs = node->attrs();
    for (int64_t& axis : attrs.ints(0)) axis = kLastAxis[axis];
    Value made = record(node->op, {&in, 1}, attrs);
    if (node->integer(1)) return keep_last(node, made);
    keep(node, in_order(made, axis_set(node->ints(0))));
  }
  // What a reduction of [N,H,W,C] without keepdims gives, with its axes in the order of [N,C,H,W].
  Value in_order(const Value& made, uint32_t reduced) {
    int64_t axes[4];
    int n = 0, place[4], places = 0;
    for (int64_t axis : kToLast)
      if (!(reduced >> axis & 1)) place[axis] = places++;
    for (int axis = 0; axis < 4; axis++)
      if (!(reduced >> axis & 1)) axes[n++] = place[axis];
    if (std::is_sorted(axes, axes + n)) return made;
    Ref in = made;
    return record(Op::transpose, {&in, 1}, Attrs().add_ints({axes, size_t(n)}));
  }

  void visit_other(const Value& value) {
    Node* node = value.ref().node;
    std::vector<Value> inputs;
    bool same = true;
    for (Ref in : node->ins()) inputs.push_back(first(in)), same &= inputs.back().ref() == in;
    keep(node, add(same ? value : recorder_.again(node, refs(inputs))));
    bool moves_elements = kind(node) == Kind::movement && node->op != Op::reshape && node->op != Op::expand && node->op != Op::transpose;
    if (moves_elements && prefers_last(node->inputs()[0])) forms(Ref{node, 0}).prefers_last = true;
  }

  static std::vector<Ref> refs(const std::vector<Value>& values) { return {values.begin(), values.end()}; }

  Block& block_;
  Recorder& recorder_;
  std::vector<Forms> forms_;  // by results()[i].number of the old nodes
  std::vector<Value> nodes_;
};

}  // namespace

bool has_images(const Block& block) {
  ImageRow row;
  return std::any_of(block.nodes.begin(), block.nodes.end(), [&](const Value& v) { return wants_last(v.ref().node, &row); });
}

Block lay_out(Block block) {
  uint32_t line = block.recorder->line;
  Layout(block).run();
  block.recorder->line = line;
  return block;
}

}  // namespace jt
