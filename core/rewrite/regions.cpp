// In two walks. From the end, which results of each region are read decides what it keeps: results, what is carried,
// params. From the beginning, each node is recorded once more on what its operands became.
#include "core/rewrite/regions.h"

#include <algorithm>
#include <unordered_set>

#include "core/ir/build.h"
#include "core/ir/numbering.h"
#include "core/ir/region.h"
#include "core/rewrite/layout.h"

namespace jt {

namespace {

bool has_regions(const Block& block) {
  return std::ranges::any_of(block.nodes, [](const Value& v) { return owns_blocks(v.ref().node); });
}

Block simplified_flat(Block block, const SimplifyOptions& options) {
  block = simplify(std::move(block), options);
  return has_images(block) ? simplify(lay_out(std::move(block)), options) : std::move(block);
}

// Which results of a region are read, and what it keeps for them; by place.
struct Kept {
  std::vector<char> read, carried, captured;
};

// The params that results need.
std::unordered_set<const Node*> params_behind(const Block& block, std::span<const Value> results) {
  std::unordered_set<const Node*> needed;
  for (const Value& r : results) needed.insert(r.ref().node);
  for (size_t i = block.nodes.size(); i-- > 0;) {
    Node* node = block.nodes[i].ref().node;
    if (!needed.count(node)) continue;
    for (Ref in : node->ins()) needed.insert(in.node);
  }
  return needed;
}

// ---- what a loop's block computes from captured values alone --------------------------------------------------------

// Those worth a value of their own outside: movements that only the rest reads stay where they are read.
struct Invariant {
  std::unordered_set<const Node*> outside, both;
};
Invariant invariant_nodes(const Block& block, const LoopLayout& l) {
  std::unordered_set<const Node*> fixed, out;
  for (size_t p = size_t(1 + l.carried); p < block.params.size(); p++) fixed.insert(block.params[p].ref().node);
  for (const Value& v : block.nodes) {
    Node* n = v.ref().node;
    bool is_fixed = std::ranges::all_of(n->ins(), [&](Ref in) { return fixed.count(in.node); });
    if (is_fixed) fixed.insert(n);
    bool is_worth_it = is_fixed && n->op != Op::constant && kind(n) != Kind::source;
    if (is_worth_it) out.insert(n);
  }
  // From the end: a movement goes outside only with somebody who reads it there, and is repeated inside for who reads
  // it there.
  std::unordered_set<const Node*> read_inside, read_outside, both;
  for (const Value& r : block.results) read_inside.insert(r.ref().node);
  for (size_t i = block.nodes.size(); i-- > 0;) {
    Node* n = block.nodes[i].ref().node;
    bool is_movement = kind(n) == Kind::movement;
    bool goes = out.count(n) && (!is_movement || read_outside.count(n)),
         stays = !goes || (is_movement && read_inside.count(n));
    if (stays) out.erase(n);
    if (stays && goes) both.insert(n);
    for (Ref in : n->ins()) {
      if (stays) read_inside.insert(in.node);
      if (goes) read_outside.insert(in.node);
    }
  }
  return {out, both};
}

class Pass {
 public:
  explicit Pass(Block& block)
      : block_(block), recorder_(*block.recorder), numbering_(block), is_read_(size_t(numbering_.size())) {}

  void run() {
    decide();
    for (const Value& p : block_.params) values_.push_back(p);
    for (const Value& value : block_.nodes) {
      Node* node = value.ref().node;
      if (!is_needed(node)) {
        give(std::vector<Value>(node->n_results));
        continue;
      }
      inputs_.clear();
      for (Ref in : node->ins()) inputs_.push_back(values_[size_t(numbering_[in])]);
      recorder_.line = node->line;
      if (owns_blocks(node)) {
        rebuild(node);
        continue;
      }
      Value made = std::ranges::equal(inputs_, node->ins()) ? value : recorder_.again(node, inputs_);
      for (uint32_t i = 0; i < node->n_results; i++) values_.push_back(Ref{made.ref().node, i});
      nodes_.push_back(std::move(made));
    }
    for (Value& r : block_.results) r = values_[size_t(numbering_[r])];
    block_.nodes = std::move(nodes_);
  }

 private:
  // ---- from the end ----
  void decide() {
    kept_.resize(block_.nodes.size());
    for (const Value& r : block_.results) is_read_[size_t(numbering_[r])] = true;
    for (size_t i = block_.nodes.size(); i-- > 0;) {
      Node* node = block_.nodes[i].ref().node;
      if (!is_needed(node)) continue;
      if (owns_blocks(node)) {
        node->op == Op::loop ? decide_loop(node, kept_[i]) : decide_branch(node, kept_[i]);
      } else {
        for (Ref in : node->ins()) is_read_[size_t(numbering_[in])] = true;
      }
    }
  }
  bool is_needed(Node* node) const {
    for (uint32_t k = 0; k < node->n_results; k++)
      if (is_read_[size_t(numbering_[{node, k}])]) return true;
    return false;
  }
  void read(Ref r) { is_read_[size_t(numbering_[r])] = true; }
  void take_read(Node* node, Kept& kept) {
    for (uint32_t k = 0; k < node->n_results; k++) kept.read.push_back(is_read_[size_t(numbering_[{node, k}])]);
  }
  void decide_branch(Node* node, Kept& kept) {
    take_read(node, kept);
    read(node->inputs()[0]);
    kept.captured.assign(size_t(node->n_inputs - kBranchInputs), false);
    for (const Block& block : node->region->blocks()) {
      std::vector<Value> results;
      for (size_t k = 0; k < kept.read.size(); k++)
        if (kept.read[k]) results.push_back(block.results[k]);
      auto needed = params_behind(block, results);
      for (size_t p = 0; p < block.params.size(); p++)
        kept.captured[p] |= bool(needed.count(block.params[p].ref().node));
    }
    for (size_t p = 0; p < kept.captured.size(); p++)
      if (kept.captured[p]) read(node->inputs()[p + kBranchInputs]);
  }
  // Carried values that are read, here or for the next round of one that is kept.
  void decide_loop(Node* node, Kept& kept) {
    take_read(node, kept);
    LoopLayout l(node);
    const Block& block = node->region->blocks()[0];
    kept.carried.assign(kept.read.begin(), kept.read.begin() + l.carried);
    std::unordered_set<const Node*> needed;
    for (bool changes = true; changes;) {
      changes = false;
      std::vector<Value> results{block.results[0]};
      for (int k = 0; k < l.carried + l.stacked; k++)
        if (k < l.carried ? kept.carried[size_t(k)] : kept.read[size_t(k)])
          results.push_back(block.results[size_t(1 + k)]);
      needed = params_behind(block, results);
      for (int k = 0; k < l.carried; k++)
        if (!kept.carried[size_t(k)] && needed.count(block.params[size_t(1 + k)].ref().node))
          kept.carried[size_t(k)] = changes = true;
    }
    for (int i : {0, 1}) read(node->inputs()[i]);
    for (int k = 0; k < l.carried; k++)
      if (kept.carried[size_t(k)]) read(node->inputs()[LoopLayout::kFirst + k]);
    for (int c = 0; c < l.captured; c++) {
      kept.captured.push_back(bool(needed.count(block.params[size_t(1 + l.carried + c)].ref().node)));
      if (kept.captured.back()) read(node->inputs()[LoopLayout::kFirst + l.carried + c]);
    }
  }

  // ---- from the beginning ----
  // Results that nobody reads have no value: what stands for them is never looked at.
  void give(std::span<const Value> results) { values_.insert(values_.end(), results.begin(), results.end()); }
  void rebuild(Node* node) {
    const Kept& kept = kept_[index_of(node)];
    node->op == Op::loop ? rebuild_loop(node, kept) : rebuild_branch(node, kept);
  }
  size_t index_of(const Node* node) {
    while (block_.nodes[at_].ref().node != node) at_++;
    return at_;
  }
  void make(Op op, std::vector<Block> blocks, std::span<const Ref> inputs, const Attrs& attrs,
            std::vector<Value>& results) {
    RegionRef region(std::move(blocks));
    std::vector<Type> types = region_types(op, *region, inputs, attrs);
    nodes_.push_back(recorder_.region(op, region.give(), inputs, attrs, types));
    uint32_t next = 0;
    for (Value& r : results)
      if (!r) r = Ref{nodes_.back().ref().node, next++};
    JT_CHECK(next == types.size());
  }

  void rebuild_branch(Node* node, const Kept& kept) {
    Ref condition = inputs_[0];
    if (is_true(condition) || is_false(condition)) {
      Block taken = with_read_results(node->region->blocks()[is_true(condition) ? 0 : 1], kept);
      std::vector<Value> found = replayed(recorder_, taken, std::span(inputs_).subspan(kBranchInputs), &nodes_),
                         results(node->n_results);
      for (size_t k = 0, next = 0; k < results.size(); k++)
        if (kept.read[k]) results[k] = found[next++];
      return give(results);
    }
    std::vector<Ref> inputs{condition};
    for (size_t p = 0; p < kept.captured.size(); p++)
      if (kept.captured[p]) inputs.push_back(inputs_[p + kBranchInputs]);
    std::vector<Block> blocks;
    for (const Block& from : node->region->blocks()) {
      Block b = with_read_results(from, kept);
      drop_params(b, 0, kept.captured);
      blocks.push_back(std::move(b));
    }
    std::vector<Value> results(node->n_results);
    make_kept(Op::branch, std::move(blocks), inputs, {}, kept.read, results);
  }
  static Block with_read_results(const Block& from, const Kept& kept) {
    Block b = copied(from);
    std::vector<Value> results;
    for (size_t k = 0; k < kept.read.size(); k++)
      if (kept.read[k]) results.push_back(b.results[k]);
    set_results(b, std::move(results));
    return b;
  }
  static void drop_params(Block& b, size_t first, std::span<const char> kept) {
    std::vector<Value> params(b.params.begin(), b.params.begin() + long(first));
    for (size_t p = 0; p < kept.size(); p++)
      if (kept[p]) params.push_back(b.params[first + p]);
    b.params = std::move(params);
  }
  // The results that are kept come from the new node, in order; others stay empty.
  void make_kept(Op op, std::vector<Block> blocks, std::span<const Ref> inputs, const Attrs& attrs,
                 std::span<const char> kept, std::vector<Value>& results) {
    std::vector<Value> made(size_t(std::ranges::count_if(kept, [](char k) { return k != 0; })));
    make(op, std::move(blocks), inputs, attrs, made);
    for (size_t k = 0, next = 0; k < kept.size(); k++)
      if (kept[k]) results[k] = made[next++];
    give(results);
  }

  void rebuild_loop(Node* node, const Kept& kept) {
    LoopLayout l(node);
    bool runs_never = is_false(inputs_[1]) || same(l.most, 0) ||
                      (inputs_[0].node->op == Op::constant && inputs_[0].node->origin == kStructure &&
                       inputs_[0].node->constant_bits <= 0);
    bool is_replaced = runs_never && std::ranges::none_of(kept.read.begin() + l.carried, kept.read.end(),
                                                          [](char r) { return r != 0; });
    if (is_replaced) {
      std::vector<Value> results(node->n_results);
      for (int k = 0; k < l.carried; k++) results[size_t(k)] = inputs_[size_t(LoopLayout::kFirst + k)];
      return give(results);
    }
    Block b = copied(node->region->blocks()[0]);
    // What is carried and never changes is captured: its param goes to the end of those.
    std::vector<Ref> inputs{inputs_[0], inputs_[1]}, unchanging;
    std::vector<Value> params{b.params[0]}, captured, results{b.results[0]}, given(node->n_results);
    std::vector<char> from_node(node->n_results, false);
    int64_t carried = 0;
    for (int k = 0; k < l.carried; k++) {
      size_t place = size_t(k);
      Ref initial = inputs_[place + LoopLayout::kFirst];
      if (!kept.carried[place]) continue;
      if (b.results[place + 1].ref() == b.params[place + 1].ref()) {
        given[place] = initial, unchanging.push_back(initial), captured.push_back(b.params[place + 1]);
        continue;
      }
      carried++, inputs.push_back(initial), params.push_back(b.params[place + 1]),
          results.push_back(b.results[place + 1]);
      from_node[place] = true;
    }
    for (int j = 0; j < l.stacked; j++) {
      size_t place = size_t(l.carried + j);
      if (kept.read[place]) results.push_back(b.results[place + 1]), from_node[place] = true;
    }
    for (int c = 0; c < l.captured; c++)
      if (kept.captured[size_t(c)])
        inputs.push_back(inputs_[size_t(LoopLayout::kFirst + l.carried + c)]),
            params.push_back(b.params[size_t(1 + l.carried + c)]);
    inputs.insert(inputs.end(), unchanging.begin(), unchanging.end());
    params.insert(params.end(), captured.begin(), captured.end());
    if (results.size() == 1) return give(given);  // nothing is left to be computed
    b.params = std::move(params);
    set_results(b, std::move(results));
    captured.clear();  // hoist makes the block anew, and these would outlive the one that they belong to
    Attrs attrs;
    bool counts = l.counts && kept.carried[size_t(l.carried) - 1];
    attrs.add(carried).add(l.most).add(counts);
    hoist(b, inputs, int(carried));
    std::vector<Block> blocks;
    blocks.push_back(std::move(b));
    std::vector<char> all(from_node.begin(), from_node.end());
    make_kept(Op::loop, std::move(blocks), inputs, attrs, all, given);
  }

  // Records outside what the block computes from captured values alone; the values become captured ones.
  void hoist(Block& b, std::vector<Ref>& inputs, int carried) {
    LoopLayout l(Attrs().add(carried).add(-1).add(0), inputs.size(), b.results.size());
    auto [outside, both] = invariant_nodes(b, l);
    if (outside.empty()) return;
    Numbering numbering(b);
    std::vector<Ref> out(size_t(numbering.size()));    // what a value is outside
    Block rest;
    std::vector<Value> in(size_t(numbering.size()));   // and in the block that is left, which outlives them
    for (size_t p = 0; p < b.params.size(); p++) {
      rest.params.push_back(rest.recorder->leaf(b.params[p].type(), nullptr));
      in[p] = rest.params.back();
      if (p > size_t(carried)) out[p] = inputs[p + 1];
    }
    auto inner = [&](Ref r) -> Ref {
      Value& value = in[size_t(numbering[r])];
      if (!value) {
        rest.params.push_back(rest.recorder->leaf(r.type(), nullptr));
        value = rest.params.back(), inputs.push_back(out[size_t(numbering[r])]);
      }
      return value;
    };
    for (const Value& v : b.nodes) {
      Node* n = v.ref().node;
      bool is_outside = outside.count(n), is_both = both.count(n) || n->op == Op::constant || kind(n) == Kind::source;
      if (is_outside || is_both) {
        std::vector<Ref> operands;
        bool has_all = true;
        for (Ref x : n->ins()) operands.push_back(out[size_t(numbering[x])]), has_all &= bool(operands.back());
        JT_CHECK(has_all);
        nodes_.push_back(recorder_.again(n, operands));
        for (uint32_t i = 0; i < n->n_results; i++) out[size_t(numbering[{n, i}])] = {nodes_.back().ref().node, i};
        if (is_outside) continue;
      }
      std::vector<Ref> operands;
      for (Ref x : n->ins()) operands.push_back(inner(x));
      rest.nodes.push_back(rest.recorder->again(n, operands));
      for (uint32_t i = 0; i < n->n_results; i++) in[size_t(numbering[{n, i}])] = Ref{rest.nodes.back().ref().node, i};
    }
    for (const Value& r : b.results) rest.results.push_back(inner(r));
    b = std::move(rest);
  }

  Block& block_;
  Recorder& recorder_;
  const Numbering numbering_;
  std::vector<char> is_read_;  // by value
  std::vector<Kept> kept_;     // by node
  std::vector<Value> values_, nodes_;
  std::vector<Ref> inputs_;
  size_t at_ = 0;  // the node that is being rebuilt
};

// The same nodes; those that own blocks with these simplified.
Block with_simple_blocks(Block block, const SimplifyOptions& options) {
  Recorder& recorder = *block.recorder;
  std::vector<Value> nodes;
  Numbering numbering(block);
  std::vector<Value> values(block.params);
  std::vector<Ref> inputs;
  for (const Value& value : block.nodes) {
    Node* node = value.ref().node;
    inputs.clear();
    for (Ref in : node->ins()) inputs.push_back(values[size_t(numbering[in])]);
    Value made = value;
    if (owns_blocks(node)) {
      std::vector<Block> blocks;
      for (const Block& inner : node->region->blocks()) blocks.push_back(simplify_with_regions(copied(inner), options));
      std::vector<Type> types;
      for (int i = 0; i < node->n_results; i++) types.push_back(node->results()[i].type);
      recorder.line = node->line;
      made = recorder.region(node->op, RegionRef(std::move(blocks)).give(), inputs, node->attrs(), types);
    } else if (!std::ranges::equal(inputs, node->ins())) {
      made = recorder.again(node, inputs);
    }
    for (uint32_t i = 0; i < node->n_results; i++) values.push_back(Ref{made.ref().node, i});
    nodes.push_back(std::move(made));
  }
  std::vector<Value> results;
  for (const Value& r : block.results) results.push_back(values[size_t(numbering[r])]);
  block.nodes = std::move(nodes), block.results = std::move(results);
  return block;
}

}  // namespace

Block simplify_with_regions(Block block, const SimplifyOptions& options) {
  block = simplified_flat(std::move(block), options);
  if (!has_regions(block)) return block;
  block = with_simple_blocks(std::move(block), options);
  Pass(block).run();
  return simplified_flat(std::move(block), options);
}

}  // namespace jt
