#include "core/ir/region_scope.h"

#include <algorithm>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "core/ir/build.h"
#include "core/ir/custom.h"

namespace jt {

namespace {

// Unit flags go: values that meet in a branch or from round to round then agree.
Value without_units(const Value& v) {
  const Shape& shape = v.shape();
  if (!shape.units) return v;
  Dim wanted[kMaxRank];
  for (int i = 0; i < shape.rank; i++) wanted[i] = shape.is_unit(i) ? 1 : -1;
  return ops::call(Op::expand, {v}, Attrs().add_ints({wanted, size_t(shape.rank)}));
}

struct RefOrder {
  bool operator()(Ref a, Ref b) const { return a.node != b.node ? a.node < b.node : a.result < b.result; }
};

// What blocks use from outside, each once.
class Captures {
 public:
  void add(Ref value) {
    if (numbers_.emplace(value, all_.size()).second) all_.push_back(value);
  }
  size_t number_of(Ref value) const { return numbers_.at(value); }
  std::span<const Value> all() const { return all_; }

 private:
  std::map<Ref, size_t, RefOrder> numbers_;
  std::vector<Value> all_;
};

bool carries_gradient(Ref r) { return is_float(r.dtype()) && r.node->flags & (kGrad | kGradLeaf); }

// Those that no other run of the same structure changes.
bool is_structure(const Node* constant) {
  if (constant->origin == kCount) return true;
  ScalarClass c = scalar_class(constant->results()[0].type.dtype, constant->constant_bits);
  return c == ScalarClass::zero || c == ScalarClass::one || c == ScalarClass::minus_one;
}

// A block while it is recorded.
class Scope {
 public:
  // takes_all: what is recorded from now on belongs to it, also if it depends on no placeholder.
  Scope(Recorder& recorder, std::string_view who, std::span<const Type> params, bool takes_all)
      : recorder_(recorder), who_(who), takes_all_(takes_all), floor_(recorder.recorded()) {
    for (const Type& type : params) add_param(type);
  }
  Value add_param(const Type& type) {
    Error error(JT_E_INVALID, text(who_, ": a value of its body has none while that is recorded, nor afterwards"));
    params_.push_back(recorder_.placeholders({&type, 1}, error)[0]);
    places_.emplace(params_.back().ref().node, params_.size() - 1);
    return params_.back();
  }
  std::span<const Value> params() const { return params_; }
  bool is_param(Ref value) const { return places_.count(value.node); }

  // The nodes of the block, in order, that `results` need; what they use from outside is captured.
  std::vector<Value> find(std::span<const Value> results, Captures& captures) const {
    std::vector<Value> nodes = candidates(results);
    std::ranges::sort(nodes, {}, [](const Value& v) { return v.ref().node->sequence; });
    std::unordered_set<const Node*> inside;
    std::erase_if(nodes, [&](const Value& v) {
      auto depends = [&](Ref in) { return is_param(in) || inside.count(in.node); };
      bool is_inside = takes_all_ || std::ranges::any_of(v.ref().node->ins(), depends);
      if (is_inside) inside.insert(v.ref().node);
      return !is_inside;
    });
    auto see = [&](Ref r) {
      bool is_outside = !is_param(r) && !inside.count(r.node) && !(r.node->op == Op::constant && is_structure(r.node));
      if (is_outside) captures.add(r);
    };
    for (const Value& v : nodes) {
      if (v.ref().node->op == Op::custom)
        fail(JT_E_UNSUPPORTED, who_, ": ", v.ref().node->custom->name(),
             " cannot stand in a body: a custom op runs between plans");
      for (Ref in : v.ref().node->ins()) see(in);
    }
    for (const Value& r : results) see(r);
    return nodes;
  }

  // The params are the placeholders and what is captured.
  Block block(std::span<const Value> nodes, std::span<const Value> results, const Captures& captures) const {
    Block out;
    std::unordered_map<const Node*, Value> made;
    auto add = [&](const Type& type) {
      return out.params.push_back(out.recorder->leaf(type, nullptr)), out.params.back();
    };
    for (const Value& p : params_) made.emplace(p.ref().node, add(p.type()));
    for (const Value& c : captures.all()) add(c.type());
    auto inner = [&](Ref r) -> Ref {
      if (auto known = made.find(r.node); known != made.end()) return {known->second.ref().node, r.result};
      if (!(r.node->op == Op::constant && is_structure(r.node)))
        return out.params[params_.size() + captures.number_of(r)];
      out.nodes.push_back(out.recorder->again(r.node, {}));
      return made.emplace(r.node, out.nodes.back()).first->second;
    };
    std::vector<Ref> inputs;
    for (const Value& v : nodes) {
      const Node* node = v.ref().node;
      inputs.clear();
      for (Ref in : v.ref().node->ins()) inputs.push_back(inner(in));
      out.nodes.push_back(out.recorder->again(node, inputs));
      Node* copy = out.nodes.back().ref().node;
      bool stops = !node->has(kGrad) && std::ranges::any_of(v.ref().node->ins(), carries_gradient);
      copy->flags &= uint16_t(~kGrad);
      if (stops) copy->flags |= kStops;
      made.emplace(node, out.nodes.back());
    }
    for (const Value& r : results) out.results.push_back(Value(inner(r)));
    return out;
  }

 private:
  // Recorded since the scope began, and without a value.
  bool may_be_inside(const Node* node) const {
    bool is_computed = node->op != Op::data && node->op != Op::constant && node->op != Op::random_bits;
    return is_computed && node->sequence > floor_ && !node->has_run();
  }
  std::vector<Value> candidates(std::span<const Value> results) const {
    std::unordered_set<const Node*> seen;
    std::vector<Value> out;
    auto see = [&](Ref r) {
      if (may_be_inside(r.node) && seen.insert(r.node).second) out.push_back(Ref{r.node, 0});
    };
    for (const Value& r : results) see(r);
    for (size_t next = 0; next < out.size(); next++)
      for (Ref in : out[next].ref().node->ins()) see(in);
    return out;
  }

  Recorder& recorder_;
  const std::string who_;
  const bool takes_all_;
  const uint64_t floor_;
  std::vector<Value> params_;
  std::unordered_map<const Node*, size_t> places_;
};

void check_flag(std::string_view who, std::string_view what, Ref value) {
  if (value.dtype() != JT_BOOL || value.shape().rank)
    fail(value.dtype() != JT_BOOL ? JT_E_DTYPE : JT_E_SHAPE, who, ": ", what, " is ", value.type(), ", not bool[]");
}

std::vector<Value> made_by(Recorder& recorder, Op op, RegionRef region, std::span<const Ref> inputs,
                           const Attrs& attrs) {
  std::vector<Type> types = region_types(op, *region, inputs, attrs);
  Value made = recorder.region(op, region.give(), inputs, attrs, types);
  std::vector<Value> out;
  for (uint32_t i = 0; i < types.size(); i++) out.push_back(Ref{made.ref().node, i});
  return out;
}

// Nodes once more, with other values in place of some.
Value with_others(Recorder& recorder, std::span<const Value> nodes, Ref result, std::span<const Value> from,
                  std::span<const Value> to) {
  std::unordered_map<const Node*, Value> made;
  for (size_t i = 0; i < from.size(); i++) made.emplace(from[i].ref().node, to[i]);
  auto now = [&](Ref r) -> Ref {
    auto known = made.find(r.node);
    if (known == made.end()) return r;
    Ref first = known->second;
    return {first.node, first.result + r.result};
  };
  std::vector<Ref> inputs;
  for (const Value& v : nodes) {
    inputs.clear();
    for (Ref in : v.ref().node->ins()) inputs.push_back(now(in));
    made.emplace(v.ref().node, recorder.again(v.ref().node, inputs));
  }
  return now(result);
}

}  // namespace

std::vector<Value> record_branch(Recorder& recorder, std::string_view who, Ref condition, const BodyFunction& then,
                                 const BodyFunction& otherwise) {
  check_flag(who, "the condition", condition);
  Captures captures;
  std::vector<Value> results[2], nodes[2];
  std::vector<Scope> scopes;
  for (int side : {0, 1}) {
    Scope& scope = scopes.emplace_back(recorder, who, std::span<const Type>(), true);
    results[side] = (side ? otherwise : then)({});
    for (Value& v : results[side]) v = without_units(v);
    nodes[side] = scope.find(results[side], captures);
  }
  if (results[0].size() != results[1].size())
    fail(JT_E_INVALID, who, ": one body gives ", results[0].size(), " values, the other ", results[1].size());
  if (results[0].empty()) fail(JT_E_INVALID, who, ": the bodies give no value");
  for (size_t i = 0; i < results[0].size(); i++) {
    const Type &a = results[0][i].type(), &b = results[1][i].type();
    if (a.dtype != b.dtype || !same_extents(a.shape, b.shape))
      fail(a.dtype != b.dtype ? JT_E_DTYPE : JT_E_SHAPE, who, ": value ", i, " is ", a, " of one body, ", b,
           " of the other");
  }
  std::vector<Block> blocks;
  for (int side : {0, 1}) blocks.push_back(scopes[size_t(side)].block(nodes[side], results[side], captures));
  std::vector<Ref> inputs{condition};
  inputs.insert(inputs.end(), captures.all().begin(), captures.all().end());
  return made_by(recorder, Op::branch, RegionRef(std::move(blocks)), inputs, {});
}

namespace {

// A loop while it is recorded.
class LoopRecording {
 public:
  LoopRecording(Recorder& recorder, std::string_view who, const LoopRecipe& recipe)
      : recorder_(recorder), who_(who), recipe_(recipe) {}

  std::vector<Value> run() {
    if (recipe_.most < -1) fail(JT_E_INVALID, who_, ": at most ", recipe_.most, " rounds");
    for (Ref r : recipe_.initial) initial_.push_back(without_units(r));
    std::vector<Type> types{{JT_I64, {}}};
    for (const Value& v : initial_) types.push_back(v.type());
    Scope scope(recorder_, who_, types, false);
    record(scope);
    size_t carried = initial_.size(), stacked = results_.size() - 1 - carried;
    keep_for_gradient(scope);
    std::vector<Value> all = finish(scope);
    all.erase(all.begin() + long(carried), all.begin() + long(initial_.size()));  // the count of rounds
    all.resize(carried + stacked);
    return all;
  }

 private:
  struct Open {
    int& loops;
    explicit Open(int& n) : loops(++n) {}
    ~Open() { loops--; }
  };

  void record(Scope& scope) {
    Open open(recorder_.loops_open);
    auto carried = [&] { return scope.params().subspan(1); };
    Value now;
    std::vector<Value> of_condition;
    if (recipe_.condition) {
      now = recipe_.condition(carried());
      check_flag(who_, "the condition", now);
      Captures ignored;
      of_condition = scope.find({&now, 1}, ignored);
    }
    LoopBody body = recipe_.body(scope.params()[0], carried());
    check(body);
    Value goes_on = body.goes_on, begins = recorder_.constant_int(JT_BOOL, 1);
    if (goes_on) check_flag(who_, "what says whether to go on", goes_on);
    if (now) {
      Value next = with_others(recorder_, of_condition, now, carried(), body.next);
      goes_on = goes_on ? ops::logical_and(goes_on, next) : next;
      begins = with_others(recorder_, of_condition, now, carried(), initial_);
    }
    begins_ = begins;
    results_.push_back(goes_on ? goes_on : recorder_.constant_int(JT_BOOL, 1));
    results_.insert(results_.end(), body.next.begin(), body.next.end());
    results_.insert(results_.end(), body.stacked.begin(), body.stacked.end());
  }
  void check(LoopBody& body) const {
    if (body.next.size() != initial_.size())
      fail(JT_E_INVALID, who_, ": ", initial_.size(), " values are carried, after a round there are ",
           body.next.size());
    for (size_t k = 0; k < initial_.size(); k++) {
      Value& next = body.next[k];
      const Type& type = initial_[k].type();
      if (next.dtype() != type.dtype || !same_extents(next.shape(), type.shape))
        fail(next.dtype() != type.dtype ? JT_E_DTYPE : JT_E_SHAPE, who_, ": carried value ", k, " is ", type,
             ", after a round ", next.type());
      next = without_units(next);
    }
    if (!body.stacked.empty() && recipe_.most < 0)
      fail(JT_E_INVALID, who_, ": rows are stacked, but there is no bound on the rounds");
    for (Value& row : body.stacked) row = without_units(row);
  }

  // What each round begins with, as rows; and how many there were, where that is not known before.
  void keep_for_gradient(Scope& scope) {
    if (!recorder_.grad_mode || recipe_.most < 0) return;
    Captures captures;
    std::vector<Value> nodes = scope.find(results_, captures);
    bool has_gradient =
        std::ranges::any_of(captures.all(), carries_gradient) || std::ranges::any_of(initial_, carries_gradient);
    auto gives_floats = [](const Value& v) { return is_float(v.dtype()); };
    if (!has_gradient || std::ranges::none_of(results_, gives_floats)) return;
    std::vector<Value> kept = read_by_gradient(scope, nodes);
    results_.insert(results_.end(), kept.begin(), kept.end());
    if (is_always(results_[0]) && is_always(begins_)) return;
    Value one = recorder_.constant_int(JT_I64, 1), next = ops::add(scope.params()[0], one);
    results_.insert(results_.begin() + 1 + long(initial_.size()), next);
    initial_.push_back(recorder_.constant_int(JT_I64, 0));
    scope.add_param(initial_.back().type());
    counts_ = true;
  }
  // The carried values that a gradient computes with: not those that are only added to, or decide only whether to go
  // on.
  std::vector<Value> read_by_gradient(const Scope& scope, std::span<const Value> nodes) const {
    struct Use { bool leads_on = false, is_read = false; };
    std::map<const Node*, Use> uses;
    for (const Value& r : std::span(results_).subspan(1)) uses[r.ref().node].leads_on = true;
    for (size_t i = nodes.size(); i-- > 0;) {
      const Node* node = nodes[i].ref().node;
      Use of_node = uses[node];
      bool is_linear = kind(node) == Kind::movement || node->op == Op::add || node->op == Op::sub ||
                       node->op == Op::neg || node->op == Op::cast;
      if (!of_node.leads_on) continue;
      for (int k = 0; k < node->n_inputs; k++) {
        Use& in = uses[node->inputs()[k].node];
        in.leads_on = true, in.is_read |= !is_linear || of_node.is_read;
      }
    }
    std::vector<Value> out;
    for (const Value& param : scope.params().subspan(1))
      if (uses[param.ref().node].is_read) out.push_back(param);
    return out;
  }
  static bool is_always(Ref r) { return r.node->op == Op::constant && r.node->constant_bits; }

  std::vector<Value> finish(Scope& scope) {
    Captures captures;
    std::vector<Value> nodes = scope.find(results_, captures);
    std::vector<Block> blocks;
    blocks.push_back(scope.block(nodes, results_, captures));
    Value trips = recipe_.trips ? Value(recipe_.trips) : recorder_.constant_int(JT_I64, INT64_MAX);
    std::vector<Ref> inputs{trips, begins_};
    inputs.insert(inputs.end(), initial_.begin(), initial_.end());
    inputs.insert(inputs.end(), captures.all().begin(), captures.all().end());
    Attrs attrs;
    attrs.add(initial_.size()).add(recipe_.most).add(counts_);
    return made_by(recorder_, Op::loop, RegionRef(std::move(blocks)), inputs, attrs);
  }

  Recorder& recorder_;
  const std::string_view who_;
  const LoopRecipe& recipe_;
  std::vector<Value> initial_, results_;  // results of the block
  Value begins_;
  bool counts_ = false;
};

}  // namespace

std::vector<Value> record_loop(Recorder& recorder, std::string_view who, const LoopRecipe& recipe) {
  return LoopRecording(recorder, who, recipe).run();
}

}  // namespace jt
