// A value has up to two forms: as recorded ("first"; for images [N,C,H,W]) and channels last. Nodes are visited in
// program order; each is recorded in the form that suits it, and the other form is a transpose, made when somebody asks
// for it.
//
// Bits stay as they are: element rows do not care, and a reduction's order is over logical indices, so one is only
// moved where its axes keep their order.
#include "core/rewrite/layout.h"

#include <algorithm>

#include "core/ir/type_rules.h"

namespace jt {

namespace {

// Images are [N,C,H,W]; one-dimensional ones come as [N,C,L] between reshapes that add and take away an axis of one
// row.
bool may_be_images(const Shape& s) { return s.rank == 3 || s.rank == 4; }

// Where an axis is, channels last; and the axes of the transposes there and back.
int64_t last_axis(int64_t axis, int rank) { return axis == 0 ? 0 : axis == 1 ? rank - 1 : axis - 1; }
std::vector<Dim> to_last(int rank) {
  std::vector<Dim> axes{0};
  for (int axis = 2; axis < rank; axis++) axes.push_back(axis);
  axes.push_back(1);
  return axes;
}
std::vector<Dim> to_first(int rank) {
  std::vector<Dim> axes{0, rank - 1};
  for (int axis = 1; axis + 1 < rank; axis++) axes.push_back(axis);
  return axes;
}

// [N,C,L] and [N,C,1,L], in this order or the other.
bool adds_or_takes_a_row(const Node* node) {
  if (node->op != Op::reshape) return false;
  const Shape &x = node->inputs()[0].shape(), &z = node->results()[0].type.shape;
  const Shape &flat = x.rank < z.rank ? x : z, &image = x.rank < z.rank ? z : x;
  return flat.rank == 3 && image.rank == 4 && image[0] == flat[0] && image[1] == flat[1] && image[2] == 1 &&
         image[3] == flat[2];
}

// Of a row over images, which has the attribute channels_last: which operands are images. Its results are too, and its
// attribute `shape`, if it has one, is theirs; a gradient of weights aside.
struct ImageRow {
  int flag;
  uint32_t images = 1;
  bool gives_images = true;
};
bool image_row(Op op, ImageRow* out) {
  *out = {attr_at(op, "channels_last")};
  if (op == Op::conv2d_grad_w) out->images = 0b11, out->gives_images = false;
  if (op == Op::max_pool2d_grad) out->images = 0b11;
  return out->flag >= 0;
}
bool wants_last(const Node* node, ImageRow* row) {
  return kind(node) == Kind::library && image_row(node->op, row) && !node->integer(row->flag);
}

struct Forms {
  Value first, last;
  bool prefers_last = false;  // it comes from images: what is computed from it had better be channels last
};

class ImageLayout {
 public:
  explicit ImageLayout(Block& block) : block_(block), recorder_(*block.recorder) {}

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
  bool prefers_last(Ref x) { return may_be_images(x.shape()) && forms(x).prefers_last; }

  Value add(Value made) {
    nodes_.push_back(Ref{made.ref().node, 0});
    return made;
  }
  Value record(Op op, std::span<const Ref> inputs, Attrs attrs) { return add(recorder_.record(op, inputs, attrs)); }

  // ---- forms ----
  Value transposed(Ref x, const std::vector<Dim>& axes) {
    return record(Op::transpose, {&x, 1}, Attrs().add_ints(axes));
  }
  Value first(Ref x) {
    Forms& f = forms(x);
    if (!f.first) f.first = transposed(f.last, to_first(x.shape().rank));
    return f.first;
  }
  Value last(Ref x) {
    Forms& f = forms(x);
    if (!f.last) f.last = transposed(f.first, to_last(x.shape().rank));
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
    if (adds_or_takes_a_row(node) && prefers_last(node->inputs()[0])) return visit_row(node);
    visit_other(value);
  }

  void visit_image_row(Node* node, const ImageRow& row) {
    std::vector<Value> inputs;
    for (int i = 0; i < node->n_inputs; i++)
      inputs.push_back(row.images >> i & 1 ? last(node->inputs()[i]) : first(node->inputs()[i]));
    Attrs attrs = node->attrs();
    attrs.ints(row.flag)[0] = 1;
    if (int at = attr_at(node, "shape"); at >= 0 && row.gives_images) {
      auto shape = attrs.ints(at);
      std::rotate(shape.begin() + 1, shape.begin() + 2, shape.end());
    }
    Value made = record(node->op, refs(inputs), attrs);
    row.gives_images ? keep_last(node, made) : keep(node, made);
  }

  // Element rows, casts, concat.
  void visit_one_by_one(Node* node) {
    std::vector<Value> inputs;
    int rank = node->results()[0].type.shape.rank;
    for (Ref in : node->ins()) inputs.push_back(in.shape().rank == rank ? last(in) : first(in));
    Attrs attrs = node->attrs();
    if (node->op == Op::concat) {
      Dim& axis = attrs.ints(attr(Op::concat, "axis"))[0];
      axis = last_axis(axis, rank);
    };
    keep_last(node, record(node->op, refs(inputs), attrs));
  }

  void visit_row(Node* node) {
    Ref in = last(node->inputs()[0]);
    const Shape& to = node->results()[0].type.shape;
    Shape out;
    for (Dim axis : to_last(to.rank)) out.push(to[int(axis)]);
    keep_last(node, record(Op::reshape, {&in, 1}, Attrs().add_ints(out.extents())));
  }

  // Channels come after height and width now: a reduction over both, or over them and kept channels, would change
  // order.
  static bool keeps_order(const Node* node) {
    uint32_t axes = axis_set(node->ints(0)), planes = axes & ~0b0011u;
    return !(axes & 0b0010) || !planes;
  }
  void visit_reduce(Node* node) {
    Value x = last(node->inputs()[0]);
    Ref in = x;
    Attrs attrs = node->attrs();
    for (Dim& axis : attrs.ints(0)) axis = last_axis(axis, in.shape().rank);
    Value made = record(node->op, {&in, 1}, attrs);
    if (node->integer(1)) return keep_last(node, made);
    keep(node, in_order(made, axis_set(node->ints(0)), in.shape().rank));
  }
  // What a reduction of [N,H,W,C] without keepdims gives, with its axes in the order of [N,C,H,W].
  Value in_order(const Value& made, uint32_t reduced, int rank) {
    Dim axes[4];
    int n = 0, place[4], places = 0;
    for (Dim axis : to_last(rank))
      if (!(reduced >> axis & 1)) place[axis] = places++;
    for (int axis = 0; axis < rank; axis++)
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
    bool moves_elements =
        kind(node) == Kind::movement && node->op != Op::reshape && node->op != Op::expand && node->op != Op::transpose;
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
  return std::any_of(block.nodes.begin(), block.nodes.end(),
                     [&](const Value& v) { return wants_last(v.ref().node, &row); });
}

Block lay_out(Block block) {
  uint32_t line = block.recorder->line;
  ImageLayout(block).run();
  block.recorder->line = line;
  return block;
}

}  // namespace jt
