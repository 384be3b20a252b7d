#include "core/grad/grad.h"

#include <algorithm>

#include "core/grad/gradients.h"
#include "core/ir/build.h"
#include "core/ir/type_rules.h"

namespace jt {

namespace {

// A walk inside a walk meets the outer one's nodes only as inputs of a body; this puts their marks back.
class SavedMarks {
 public:
  explicit SavedMarks(std::span<const Ref> refs) {
    for (Ref r : refs) saved_.push_back({r.node, r.node->mark, r.node->results()[0].number});
  }
  ~SavedMarks() {
    for (const Saved& s : saved_) s.node->mark = s.mark, s.node->results()[0].number = s.number;
  }

 private:
  struct Saved { Node* node; uint32_t mark; int32_t number; };
  List<Saved> saved_;
};

bool carries_gradient(Ref r) { return is_float(r.dtype()) && r.node->flags & (kGrad | kGradLeaf); }

// The same value with the unit flags of `shape`: an expand clears a flag, a sum over one element sets it.
Value with_units(const Value& v, const Shape& shape) {
  uint8_t lost = v.shape().units & ~shape.units, missing = shape.units & ~v.shape().units;
  Dim list[kMaxRank];
  size_t n = 0;
  Value out = v;
  if (lost) {
    for (int i = 0; i < shape.rank; i++) list[i] = lost >> i & 1 ? 1 : -1;
    out = ops::call(Op::expand, {out}, Attrs().add_ints({list, size_t(shape.rank)}));
  }
  if (!missing) return out;
  for (int i = 0; i < shape.rank; i++)
    if (missing >> i & 1) list[n++] = i;
  return ops::sum(out, {list, n}, true);
}

Value fitted(const Value& v, const Type& type) {
  Value out = v;
  if (type.shape.rank == 0 && v.shape().rank) out = ops::sum(out);  // a 0-d operand beside larger ones
  JT_CHECK(out.dtype() == type.dtype && same_extents(out.shape(), type.shape));
  return out.shape() == type.shape ? out : with_units(out, type.shape);
}

// One reverse walk. Every result met has a slot, numbered by its node's results()[0].number and its place in it.
class ReverseWalk {
 public:
  ReverseWalk(Recorder& recorder, const GradOptions& options)
      : recorder_(recorder), options_(options), mark_(recorder.next_mark()) {}

  using Seed = GradSeed;

  // Nodes up to `floor` in program order are not walked through.
  List<Value> run(std::span<const Seed> seeds, std::span<const Ref> wrt, uint64_t floor) {
    collect(seeds, floor);
    for (Ref r : wrt)
      if (has_slot(r)) slot(r).wanted = slot(r).needed = true;
    find_needed();
    for (const Seed& seed : seeds)
      if (seed.dy && slot(seed.y).needed) accumulate(seed.y, seed.dy);
    for (size_t i = walked_.size(); i-- > 0;) step(walked_[i]);
    List<Value> out;
    for (Ref r : wrt) out.push_back(has_slot(r) ? slot(r).cotangent : Value());
    return out;
  }

  // Whether y depends on it, but only through what is flat everywhere.
  bool is_flat(Ref r) { return has_slot(r) && slot(r).is_flat && !slot(r).cotangent; }

  void set_flag(NodeFlag flag) { for (Node* n : walked_) n->flags |= flag; }
  void clear_flag(NodeFlag flag) { for (Node* n : walked_) n->flags &= uint16_t(~flag); }

 private:
  struct Slot {
    Value cotangent;
    bool wanted = false;  // asked for by the caller
    bool needed = false;  // leads to one that is
    bool is_flat = false;  // y was reached from it through a row whose gradient is 0 everywhere
  };

  bool has_slot(Ref r) const { return r.node->mark == mark_; }
  Slot& slot(Ref r) { return slots_[size_t(r.node->results()[0].number) + r.result]; }

  void add(Node* node) {
    node->mark = mark_;
    node->results()[0].number = int32_t(slots_.size());
    slots_.resize(slots_.size() + node->n_results);
    met_.push_back(node);
  }

  bool is_walked(const Node* node, uint64_t floor) const {
    if (!node->has(kGrad) || node->sequence <= floor) return false;
    if (!node->has(kConsumed)) return true;
    if (options_.consumed_is_constant) return false;
    fail(JT_E_INVALID, "grad: the values that the gradient of ", name(node->op),
         " needs were freed by an earlier backward; pass JT_GRAD_RETAIN_GRAPH");
  }

  // The nodes between what is differentiated and the floor, in program order, which puts every node behind its inputs.
  void collect(std::span<const Seed> seeds, uint64_t floor) {
    for (const Seed& seed : seeds)
      if (seed.dy && !has_slot(seed.y)) add(seed.y.node);
    for (size_t next = 0; next < met_.size(); next++) {
      Node* node = met_[next];
      if (!is_walked(node, floor)) continue;
      walked_.push_back(node);
      for (Ref in : node->ins())
        if (carries_gradient(in) && !has_slot(in)) add(in.node);
    }
    auto before = [](const Node* a, const Node* b) { return a->sequence < b->sequence; };
    std::reverse(walked_.begin(), walked_.end());
    if (!std::is_sorted(walked_.begin(), walked_.end(), before)) std::sort(walked_.begin(), walked_.end(), before);
  }

  // Whether something asked for is reached through this operand.
  bool is_needed(Ref in) { return carries_gradient(in) && slot(in).needed; }

  // Keeps the nodes that lead to something asked for.
  void find_needed() {
    std::erase_if(walked_, [&](Node* node) {
      if (!std::any_of(node->ins().begin(), node->ins().end(), [&](Ref in) { return is_needed(in); })) return true;
      for (uint32_t i = 0; i < node->n_results; i++) slot({node, i}).needed = true;
      return false;
    });
  }

  void step(Node* node) {
    dz_.assign(node->n_results, Value());
    bool any = false, is_flat = false;
    for (uint32_t i = 0; i < node->n_results; i++) {
      Slot& s = slot({node, i});
      dz_[i] = s.wanted ? s.cotangent : std::move(s.cotangent);
      any |= bool(dz_[i]);
      is_flat |= s.is_flat;
    }
    if (!any && !is_flat) return;
    if (!any) return mark_flat(node);
    AtDevice there(recorder_, node->device);  // where its operands are
    needs_.clear();
    for (Ref in : node->ins()) needs_.push_back(is_needed(in));
    dx_.assign(node->n_inputs, Value());
    GradStep rule{node, dz_, needs_, dx_, options_.create_graph};
    apply(rule);
    for (size_t i = 0; i < dx_.size(); i++)
      if (needs_[i] && dx_[i]) accumulate(node->inputs()[i], dx_[i]);
    if (node->op != Op::custom) mark_flat(node);  // a function of the caller's says itself what has no gradient
  }

  void mark_flat(Node* node) {
    for (Ref in : node->ins())
      if (is_needed(in)) slot(in).is_flat = true;
  }

  void apply(GradStep& s) {
    if (s.node->op == Op::custom) return custom(s);
    GradRule rule = gradient_rule(s.node->op);
    if (rule) rule(s);
    if (rule && !s.is_left_to_body) return;
    if (def(s.node->op).body) open(s);
    else fail(JT_E_UNSUPPORTED, "grad: ", name(s.node->op), " has no gradient");
  }

  // The caller's function may evaluate or differentiate in turn, and such walks leave marks of their own.
  void custom(GradStep& s) {
    gradient_rule(Op::custom)(s);
    if (recorder_.last_mark() == last_mark_) return;
    last_mark_ = recorder_.last_mark();
    int32_t number = 0;
    for (Node* node : met_) {
      node->mark = mark_, node->results()[0].number = number;
      number += node->n_results;
    }
  }

  void accumulate(Ref operand, const Value& contribution) {
    AtDevice there(recorder_, operand.node->device);
    Value fit = recorder_.on_device(fitted(contribution, operand.type()), operand.node->device);
    Value& sum = slot(operand).cotangent;
    sum = sum ? ops::add(sum, fit) : fit;
  }

  // A composite row by its body, with respect to the operands themselves and not to what they are made of. The depth of
  // this recursion is that of bodies in bodies, a property of the table.
  void open(GradStep& s) {
    List<Ref> asked;
    for (size_t i = 0; i < s.needs.size(); i++)
      if (s.needs[i]) asked.push_back(s.node->inputs()[i]);
    List<Value> body(s.node->n_results);
    {
      GradMode on(recorder_, true);
      open_body(recorder_, s.node->ins(), *s.node, body);
    }
    List<Seed> seeds;
    for (size_t i = 0; i < body.size(); i++) seeds.push_back({body[i], s.dz[i]});
    List<Value> found =
        gradients_since(recorder_, seeds, asked, s.node->ins(), s.node->sequence, options_.create_graph);
    for (size_t i = 0, k = 0; i < s.needs.size(); i++) {
      if (!s.needs[i]) continue;
      bool counted = std::find(asked.begin(), asked.begin() + long(k), asked[k]) != asked.begin() + long(k);
      if (!counted) s.dx[i] = found[k];  // an operand named twice has its whole gradient at the first place
      k++;
    }
  }

  Recorder& recorder_;
  const GradOptions& options_;
  uint32_t mark_, last_mark_ = mark_;
  List<Slot> slots_;
  List<Node*> met_, walked_;
  List<Value> dz_, dx_;
  List<char> needs_;
};

Value seed(Ref y, Ref dy) {
  if (!is_float(y.dtype())) fail(JT_E_DTYPE, "grad: y is ", y.type(), "; only floating-point values have gradients");
  if (!dy) {
    if (y.type().count() != 1) fail(JT_E_SHAPE, "grad: y has shape ", y.shape(), "; pass dy, or a y of one element");
    return ops::fill(y, 1);
  }
  if (dy.dtype() != y.dtype() || !same_extents(dy.shape(), y.shape()))
    fail(JT_E_SHAPE, "grad: dy is ", dy.type(), ", y is ", y.type());
  return dy;
}

}  // namespace

List<Value> gradients_since(Recorder& recorder, std::span<const GradSeed> seeds, std::span<const Ref> wrt,
                            std::span<const Ref> operands, uint64_t floor, bool create_graph) {
  SavedMarks saved(operands);
  GradOptions options;
  options.create_graph = create_graph;
  ReverseWalk walk(recorder, options);
  List<Value> out = walk.run(seeds, wrt, floor);
  if (!create_graph) walk.clear_flag(kGrad);
  return out;
}

List<Value> gradients(Recorder& recorder, Ref y, Ref dy, std::span<const Ref> wrt, const GradOptions& options) {
  uint64_t oldest = UINT64_MAX;
  List<Value> held{y};  // a custom op's function may let go of handles
  held.insert(held.end(), wrt.begin(), wrt.end());
  for (Ref r : wrt) {
    if (!is_float(r.dtype())) fail(JT_E_DTYPE, "grad: cannot differentiate with respect to ", r.type());
    if (carries_gradient(r)) oldest = std::min(oldest, r.node->sequence);
  }
  GradMode mode(recorder, options.create_graph);
  WithoutAutocast as_they_are(recorder);  // what was cast is differentiated as such
  AtDevice there(recorder, y.node->device);
  ReverseWalk::Seed start{y, seed(y, dy)};
  ReverseWalk walk(recorder, options);
  List<Value> out = walk.run({&start, 1}, wrt, oldest);
  for (size_t i = 0; i < wrt.size(); i++)
    if (!out[i] && walk.is_flat(wrt[i])) out[i] = ops::zeros_like(wrt[i]);
  if (options.consume) walk.set_flag(kConsumed);
  return out;
}

void unconsume(Recorder& recorder, Ref y) {
  uint32_t mark = recorder.next_mark();
  List<Node*> next{y.node};
  while (!next.empty()) {
    Node* node = next.back();
    next.pop_back();
    if (node->mark == mark || node->has_run()) continue;
    node->mark = mark;
    node->flags &= uint16_t(~kConsumed);
    for (Ref in : node->ins()) next.push_back(in.node);
  }
}

}  // namespace jt
