// region_grad: a branch becomes a branch of the gradients of its sides; a loop becomes one that goes through its rounds
// backwards, with what each of them began with at hand as rows. Its carried values are the gradients of the loop's own,
// and sums over the rounds for what is captured.
#include <algorithm>
#include <utility>

#include "core/grad/grad.h"
#include "core/grad/gradients.h"
#include "core/ir/build.h"
#include "core/ir/region_scope.h"

namespace jt {

using namespace ops;

namespace {

// The gradients of `wrt`, of which some are among `args`, through a block on these args; empty where nothing comes.
List<Value> through(GradStep& s, const Block& block, std::span<const Ref> args, std::span<const Value> dz,
                    std::span<const Ref> wrt) {
  Recorder& recorder = *s.node->owner;
  uint64_t floor = recorder.recorded();
  std::vector<Value> results;
  {
    GradMode on(recorder, true);
    results = replayed(recorder, block, args);
  }
  List<GradSeed> seeds;
  for (size_t i = 0; i < results.size(); i++)
    if (is_float(results[i].dtype())) seeds.push_back({results[i], dz[i]});
  return gradients_since(recorder, seeds, wrt, args, floor, s.create_graph);
}

// Indices that are right by construction are not looked at.
class Unchecked {
 public:
  explicit Unchecked(Recorder& recorder)
      : recorder_(recorder), before_(std::exchange(recorder.checks_indices, false)) {}
  ~Unchecked() { recorder_.checks_indices = before_; }
  Unchecked(const Unchecked&) = delete;

 private:
  Recorder& recorder_;
  bool before_;
};

Value row_of(Ref rows, Ref i, const Shape& shape) {
  Unchecked unchecked(*rows.node->owner);
  return reshape(call(Op::slice_at, {rows, i}, Attrs().add(1).add(0)), shape);
}

// All elements are 0, as zeros_like makes them.
bool is_zeros(Ref v) {
  while (v.node->op == Op::expand || v.node->op == Op::reshape) v = v.node->inputs()[0];
  return v.node->op == Op::constant && v.node->constant_bits == 0;
}

// sum + more; where that is 0 but for a part, only the part is touched.
Value added(const Value& sum, Ref more) {
  bool is_part = more.node->op == Op::update_at && is_zeros(more.node->inputs()[0]);
  if (!is_part) return add(sum, more);
  Ref v = more.node->inputs()[1], start = more.node->inputs()[2];
  int64_t axis = more.node->integer(attr(Op::update_at, "axis"));
  Unchecked unchecked(*more.node->owner);
  Value part = call(Op::slice_at, {sum, start}, Attrs().add(v.shape()[int(axis)]).add(axis));
  return call(Op::update_at, {sum, add(part, v), start}, Attrs().add(axis));
}

class LoopGradient {
 public:
  explicit LoopGradient(GradStep& s)
      : s_(s), loop_(s.node), l_(loop_), block_(loop_->region->blocks()[0]), recorder_(*loop_->owner) {}

  void run() {
    if (l_.most < 0)
      fail(JT_E_UNSUPPORTED,
           "grad: loop: its rounds have no bound, so what they begin with was not kept: give it a bound");
    for (int k = 0; k < l_.carried; k++)
      if (is_float(in(k).dtype())) carried_.push_back(k);
    for (int c = l_.carried; c < l_.carried + l_.captured; c++)
      if (s_.needs[size_t(LoopLayout::kFirst + c)]) captured_.push_back(c);
    std::vector<Value> initial;
    for (int k : carried_) initial.push_back(s_.dz[size_t(k)] ? s_.dz[size_t(k)] : zeros_like(in(k)));
    for (int c : captured_) initial.push_back(zeros_like(in(c)));
    if (same(l_.most, 0)) return give(initial);
    rounds_ = rounds();
    std::vector<Ref> refs(initial.begin(), initial.end());
    LoopRecipe recipe;
    recipe.trips = rounds_, recipe.most = l_.most, recipe.initial = refs;
    recipe.body = [this](const Value& i, std::span<const Value> gradients) { return round(i, gradients); };
    give(record_loop(recorder_, "grad: loop", recipe));
  }

 private:
  void give(std::span<const Value> found) {
    size_t next = 0;
    for (const auto* list : {&carried_, &captured_})
      for (int operand : *list) s_.dx[size_t(LoopLayout::kFirst + operand)] = found[next++];
  }
  // Operand k behind trips and condition: carried, then captured; param k + 1 of the block.
  Ref in(int k) const { return loop_->inputs()[LoopLayout::kFirst + k]; }

  Value rounds() const {
    if (l_.counts) return Ref{loop_, uint32_t(l_.carried) - 1};
    Ref trips = loop_->inputs()[0];
    Value most = count(recorder_, JT_I64, l_.most);
    bool is_without_end = trips.node->op == Op::constant && trips.node->constant_bits == INT64_MAX;
    return is_without_end ? most : minimum(maximum(trips, 0), most);
  }
  // The rows of what rounds began with; empty: no gradient reads it.
  Ref rows_of(int k) const {
    for (int j = 0; j < l_.stacked; j++)
      if (block_.results[size_t(1 + l_.carried + j)].ref() == block_.params[size_t(1 + k)].ref())
        return {loop_, uint32_t(l_.carried + j)};
    return {};
  }

  LoopBody round(const Value& turned, std::span<const Value> gradients) {
    Value i = rounds_ - 1 - turned;
    std::vector<Value> held{i};
    for (int k = 0; k < l_.carried; k++) {
      Ref rows = rows_of(k);
      held.push_back(rows ? row_of(rows, i, in(k).shape()) : zeros_like(in(k)));
      if (is_float(in(k).dtype())) held.back().ref().node->flags |= kGradLeaf;
    }
    std::vector<Ref> args(held.begin(), held.end()), wrt;
    for (int c = 0; c < l_.captured; c++) args.push_back(in(l_.carried + c));
    for (int k : carried_) wrt.push_back(args[size_t(1 + k)]);
    for (int c : captured_) wrt.push_back(args[size_t(1 + c)]);
    std::vector<Value> dz(block_.results.size());
    for (size_t k = 0; k < carried_.size(); k++) dz[size_t(1 + carried_[k])] = gradients[k];
    for (int j = 0; j < l_.stacked; j++)
      if (const Value& rows = s_.dz[size_t(l_.carried + j)])
        dz[size_t(1 + l_.carried + j)] = row_of(rows, i, block_.results[size_t(1 + l_.carried + j)].shape());
    List<Value> found = through(s_, block_, args, dz, wrt);
    LoopBody out;
    for (size_t k = 0; k < wrt.size(); k++) {
      bool is_sum = k >= carried_.size();
      if (is_sum) out.next.push_back(found[k] ? added(gradients[k], found[k]) : gradients[k]);
      else out.next.push_back(found[k] ? found[k] : zeros_like(wrt[k]));
    }
    return out;
  }

  GradStep& s_;
  Node* loop_;
  const LoopLayout l_;
  const Block& block_;
  Recorder& recorder_;
  std::vector<int> carried_, captured_;  // operands that have gradients
  Value rounds_;
};

}  // namespace

void loop_grad(GradStep& s) { LoopGradient(s).run(); }

void branch_grad(GradStep& s) {
  std::span<const Ref> args = s.node->ins().subspan(kBranchInputs);
  std::vector<Ref> wrt;
  for (size_t i = 0; i < args.size(); i++)
    if (s.needs[i + kBranchInputs]) wrt.push_back(args[i]);
  auto side = [&](size_t b) {
    return [&, b](std::span<const Value>) {
      List<Value> found = through(s, s.node->region->blocks()[b], args, s.dz, wrt);
      std::vector<Value> out;
      for (size_t i = 0; i < wrt.size(); i++) out.push_back(found[i] ? found[i] : zeros_like(wrt[i]));
      return out;
    };
  };
  std::vector<Value> found = record_branch(*s.node->owner, "grad: branch", s.node->inputs()[0], side(0), side(1));
  for (size_t i = 0, k = 0; i < args.size(); i++)
    if (s.needs[i + kBranchInputs]) s.dx[i + kBranchInputs] = found[k++];
}

}  // namespace jt
