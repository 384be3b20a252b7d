#include "core/capture.h"

#include <bit>
#include <cmath>

#include "core/ir/eval.h"
#include "core/ir/numbering.h"
#include "core/ir/region.h"
#include "core/ir/type_rules.h"

namespace jt {

int64_t key_of(const Node* random) {
  return int64_t(
      random_key(random->integer(attr(Op::random_bits, "seed")), random->integer(attr(Op::random_bits, "stream"))));
}
int64_t counter_of(const Node* random) { return random->integer(attr(Op::random_bits, "counter")); }

namespace {

// ---- nodes, again ---------------------------------------------------------------------------------------------------

class Capture {
 public:
  Capture(const WalkedGraph& graph, Block& block) : graph_(graph), block_(block), recorder_(*block.recorder) {}
  virtual ~Capture() = default;

  void run() {
    for (size_t i = 0; i < graph_.leaves.size(); i++) block_.params.push_back(recorder_.leaf(leaf_type(i), nullptr));
    for (size_t i = 0; i < graph_.nodes.size(); i++) add(i);
    for (Ref result : graph_.results) block_.results.push_back(Value(value_of(result)));
  }

 protected:
  virtual Type leaf_type(size_t i) { return graph_.leaves[i].type(); }
  virtual void fit(size_t, Node*) {}  // a copy whose attributes and types are those recorded

  const WalkedGraph& graph_;
  Block& block_;
  Recorder& recorder_;

 private:
  Ref value_of(Ref in) const {
    int32_t number = in.node->results()[in.result].number;
    return number >= kLeaf ? block_.params[size_t(number - kLeaf)].ref() : values_[size_t(number)].ref();
  }
  void add(size_t i) {
    Node* n = graph_.nodes[i];
    inputs_.clear();
    for (Ref in : n->ins()) inputs_.push_back(value_of(in));
    Value copy = recorder_.again(n, inputs_);
    Node* made = copy.ref().node;
    made->origin = origin_of(n);
    fit(i, made);
    for (int k = 0; k < n->n_results; k++) values_.push_back(Value(Ref{made, uint32_t(k)}));
    block_.nodes.push_back(std::move(copy));
  }
  int32_t origin_of(const Node* n) {
    if (is_count(n)) return kCount;
    if (n->op == Op::constant) return add_scalar({n->results()[0].type.dtype, n->constant_bits});
    if (n->op == Op::random_bits) {
      int32_t key = add_scalar({JT_U64, key_of(n)});
      add_scalar({JT_I64, counter_of(n)});
      return key;
    }
    int a = starts_attr(n->op);
    if (a < 0) return kStructure;
    int32_t first = int32_t(block_.wheres.size());
    for (Dim start : n->ints(a)) block_.wheres.push_back(start.word());
    return first;
  }
  int32_t add_scalar(Scalar scalar) {
    block_.scalars.push_back(scalar);
    return int32_t(block_.scalars.size()) - 1;
  }

  std::vector<Value> values_;  // by Result::number
  std::vector<Ref> inputs_;
};

// ---- the same with symbols ------------------------------------------------------------------------------------------

class SymbolicCapture : public Capture {
 public:
  SymbolicCapture(const WalkedGraph& graph, std::span<const std::vector<uint64_t>> others, SymbolicGraph& out)
      : Capture(graph, out.block), others_(others), out_(out) {}

  void make_named(const Recorder& names) {
    for (const NamedWord& n : graph_.named) {
      if (out_.binding[n.word].is_symbolic()) continue;
      take_worth(n.word);
      if (std::ranges::any_of(worth_, [](int64_t w) { return w < 1; })) continue;
      auto same = std::ranges::find_if(made_, [&](const auto& m) { return m.name == n.name && m.worth == worth_; });
      if (same == made_.end()) {
        out_.of_symbol.push_back(n.word);
        made_.push_back(
            {n.name, worth_, out_.table.symbol(worth_, {names.dim_name(n.name), std::max<int64_t>(n.lo, 1), n.hi})});
        same = std::prev(made_.end());
      }
      out_.binding[n.word] = same->symbol;
    }
  }

 private:
  void take_worth(size_t i) {
    worth_.assign(1, int64_t(graph_.binding[i]));
    for (const auto& other : others_) worth_.push_back(int64_t(other[i]));
  }
  // The expression of binding word i.
  Dim word(size_t i, bool is_attribute) {
    if (out_.binding[i].is_symbolic()) return out_.binding[i];
    take_worth(i);
    bool differs = std::ranges::any_of(worth_, [&](int64_t w) { return w != worth_[0]; });
    // always the same, as is a dimension that has a name
    bool may_be_named = !differs && is_attribute && worth_[0] > 1;
    if (may_be_named) return out_.binding[i] = out_.table.offered(worth_);
    Dim d = out_.table.find(worth_);
    if (differs && !d.is_symbolic()) d = new_symbol(i);
    if (worth_[0] >= 1) out_.table.assume_positive(d);  // a word that is 0 or less is another structure
    return out_.binding[i] = d;
  }
  Dim new_symbol(size_t i) {
    if (std::ranges::any_of(worth_, [](int64_t w) { return w < 1; })) return worth_[0];
    out_.of_symbol.push_back(uint32_t(i));
    return out_.table.symbol(worth_);
  }
  Type leaf_type(size_t i) override {
    Type type = graph_.leaves[i].type();
    take_extents(type.shape, graph_.of_leaf[i]);
    return type;
  }
  void take_extents(Shape& shape, size_t first) {
    for (int k = 0; k < shape.rank; k++) shape.dims[k] = word(first + size_t(k), false);
  }

  void fit(size_t i, Node* made) override {
    size_t at = graph_.of_node[i];
    fit(made, at);
  }
  // Its binding words begin at `at`, which moves behind them.
  void fit(Node* made, size_t& at) {
    const size_t first = at;
    if (is_count(made)) {
      if (!counted(made)) return;
      if (Dim n = word(at, true); n.is_symbolic()) made->constant_bits = n.word();
      return;
    }
    uint32_t far = far_attrs(made->op);
    for (int a = 0; a < made->n_attrs; a++) {
      if (!(far >> a & 1)) continue;
      Dim* words = made->words() + made->attr_begins()[a];
      for (size_t k = 0; k < made->ints(a).size(); k++) words[k] = word(at++, true);
    }
    if (owns_blocks(made)) {
      fit_region(made, at);
    } else if (has_own_extents(made->op)) {
      for (int k = 0; k < made->n_results; k++) {
        take_extents(made->results()[k].type.shape, at);
        at += size_t(made->results()[k].type.shape.rank);
      }
      if (made->op == Op::slice) fit_stops(made);
    } else if (made->op == Op::update) {
      made->results()[0].type.shape = with_extents(made->results()[0].type.shape, made->inputs()[0].shape());
    } else if (made->n_inputs || made->n_attrs) {
      if (made->op == Op::reshape) fit_reshape(made, first);
      infer_again(made);
    }
    for (int k = 0; k < made->n_results; k++)
      for (Dim d : made->results()[k].type.shape.extents()) out_.table.offer(d);
  }
  // The blocks again, on params of the operands' extents.
  void fit_region(Node* made, size_t& at) {
    const std::vector<Block>& blocks = made->region->blocks();
    // a loop's first param is its round, in the place of the condition
    size_t first = made->op == Op::branch ? size_t(kBranchInputs) : 1;
    std::vector<Block> fitted;
    for (const Block& block : blocks) {
      std::vector<Type> types;
      for (size_t i = 0; i < block.params.size(); i++) {
        types.push_back(block.params[i].type());
        bool is_round = made->op == Op::loop && i == 0;
        if (!is_round) types.back().shape = with_extents(types.back().shape, made->inputs()[first + i].shape());
      }
      fitted.push_back(fit_block(block, types, at));
    }
    RegionRef region(std::move(fitted));
    std::vector<Type> types = region_types(made->op, *region, made->ins(), made->attrs());
    for (int k = 0; k < made->n_results; k++) {
      Shape& shape = made->results()[k].type.shape;
      shape = with_extents(shape, types[size_t(k)].shape);
    }
    made->region->release();
    made->region = region.give();
  }
  Block fit_block(const Block& block, std::span<const Type> params, size_t& at) {
    Block out;
    Numbering numbering(block);
    std::vector<Value> values;
    for (const Type& type : params) values.push_back(out.params.emplace_back(out.recorder->leaf(type, nullptr)));
    std::vector<Ref> inputs;
    for (const Value& value : block.nodes) {
      inputs.clear();
      for (Ref in : value.ref().node->ins()) inputs.push_back(values[size_t(numbering[in])]);
      Value made = out.recorder->again(value.ref().node, inputs);
      fit(made.ref().node, at);
      for (uint32_t k = 0; k < made.ref().node->n_results; k++) values.push_back(Ref{made.ref().node, k});
      out.nodes.push_back(std::move(made));
    }
    for (const Value& result : block.results) out.results.push_back(values[size_t(numbering[result])]);
    return out;
  }
  static Shape with_extents(Shape shape, const Shape& extents) {
    JT_CHECK(shape.rank == extents.rank);
    for (int k = 0; k < shape.rank; k++) JT_CHECK(worth(extents[k]) == worth(shape[k])), shape.dims[k] = extents[k];
    return shape;
  }
  // They repeat what starts, steps and the result's extents say.
  static void fit_stops(Node* slice) {
    auto starts = slice->ints(attr(Op::slice, "starts")), steps = slice->ints(attr(Op::slice, "steps"));
    Dim* stops = slice->words() + slice->attr_begins()[attr(Op::slice, "stops")];
    const Shape& z = slice->results()[0].type.shape;
    for (int k = 0; k < z.rank; k++)
      if (z[k].is_symbolic()) stops[k] = starts[size_t(k)] + (z[k] - 1) * steps[size_t(k)] + 1;
  }
  // Where the words found do not make the operand's count, one of them is what makes it.
  void fit_reshape(Node* reshape, size_t at) {
    Dim count = reshape->inputs()[0].type().count();
    auto words = std::span(reshape->words(), reshape->n_words);
    Dim product = 1;
    for (Dim w : words) {
      if (same(w, -1)) return;
      product *= w;
    }
    if (same(product, count)) return;
    for (size_t k = 0; k < words.size(); k++) {
      Dim rest = 1;
      for (size_t j = 0; j < words.size(); j++)
        if (j != k) rest *= words[j];
      if (same(rest, 0) || !same(count % rest, 0) || worth(count / rest) != int64_t(graph_.binding[at + k])) continue;
      words[k] = out_.binding[at + k] = count / rest;
      return;
    }
  }
  // Unit flags are part of the structure: they are what was recorded, in this binding and in all others.
  void infer_again(Node* made) {
    Attrs attrs = made->attrs();
    Type types[8];
    JT_CHECK(made->n_results <= 8);
    infer(made->op, made->ins(), attrs, types);
    for (int k = 0; k < made->n_results; k++) {
      Shape& shape = made->results()[k].type.shape;
      shape = with_extents(shape, types[k].shape);
    }
  }

  struct Made {
    int32_t name;
    std::vector<int64_t> worth;
    Dim symbol;
  };
  std::span<const std::vector<uint64_t>> others_;
  SymbolicGraph& out_;
  std::vector<int64_t> worth_;
  std::vector<Made> made_;
};

bool looks_symbolic(const WalkedGraph& graph) {
  auto is_odd = [](Dim d) { return d.is_symbolic(); };
  for (Node* n : graph.nodes)
    if (std::any_of(n->words(), n->words() + n->n_words, is_odd) || Dim(n->constant_bits).is_symbolic()) return true;
  return std::ranges::any_of(graph.binding, [&](uint64_t word) { return is_odd(int64_t(word)); });
}

}  // namespace

Block captured(const WalkedGraph& graph) {
  Block block;
  Capture(graph, block).run();
  return block;
}

SymbolicGraph::SymbolicGraph(const WalkedGraph& graph, std::span<const std::vector<uint64_t>> others,
                             const Recorder& names)
    : table(1 + others.size()) {
  if (looks_symbolic(graph)) return;
  DimTable::InUse in_use(&table);
  for (uint64_t word : graph.binding) binding.push_back(int64_t(word));
  SymbolicCapture capture(graph, others, *this);
  capture.make_named(names);
  capture.run();
}

}  // namespace jt
