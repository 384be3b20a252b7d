#include "core/ir/region.h"

#include <algorithm>

#include "core/ir/far.h"
#include "core/ir/numbering.h"
#include "core/ir/rule_checks.h"

namespace jt {

// ---- what a key holds of blocks -------------------------------------------------------------------------------------

namespace {

class KeyWriter {
 public:
  KeyWriter(std::vector<uint64_t>& key, std::vector<uint64_t>& binding) : key_(key), binding_(binding) {}

  void add(const Block& block) {
    Numbering numbering(block);
    key_.push_back(block.params.size()), key_.push_back(block.nodes.size()), key_.push_back(block.results.size());
    for (const Value& p : block.params) add_type(p.type());
    for (const Value& n : block.nodes) add_node(n.ref().node, numbering);
    for (const Value& r : block.results) key_.push_back(uint64_t(numbering[r]));
  }

 private:
  void add_type(const Type& t) {
    key_.push_back(uint64_t(t.dtype) | uint64_t(t.shape.units) << 8 | uint64_t(t.shape.rank) << 16);
  }
  void add_far(DimList words) {
    uint64_t signs = 0;
    std::span<const Dim> all = words;
    for (Dim w : all) signs = signs << 2 | sign_of(w.word()), binding_.push_back(uint64_t(w.word()));
    key_.push_back(all.size() | signs << 8);
  }
  void add_node(const Node* n, const Numbering& numbering) {
    key_.push_back(uint64_t(n->op) | uint64_t(n->n_inputs) << 16 | uint64_t(n->n_results) << 32);
    for (int i = 0; i < n->n_inputs; i++) key_.push_back(uint64_t(numbering[n->inputs()[i]]));
    if (n->op == Op::constant) add_constant(n);
    uint32_t far = far_attrs(n->op);
    for (int a = 0; a < n->n_attrs; a++) {
      auto words = n->ints(a);
      if (far >> a & 1) {
        add_far(words);
        continue;
      }
      key_.push_back(words.size());
      if (n->op == Op::slice && a == attr(Op::slice, "stops")) continue;  // starts and the result's extents say it
      for (Dim w : words) key_.push_back(uint64_t(w.word()));
    }
    for (int i = 0; i < n->n_results; i++) {
      add_type(n->results()[i].type);
      if (has_own_extents(n->op)) add_far(n->results()[i].type.shape.extents());
    }
    if (!owns_blocks(n)) return;
    key_.insert(key_.end(), n->region->key().begin(), n->region->key().end());
    binding_.insert(binding_.end(), n->region->binding().begin(), n->region->binding().end());
  }
  void add_constant(const Node* n) {
    std::optional<int64_t> number = is_count(n) ? counted(n) : std::nullopt;
    key_.push_back(is_count(n) + 2 * number.has_value());
    number ? binding_.push_back(uint64_t(*number)) : key_.push_back(uint64_t(n->constant_bits));
  }

  std::vector<uint64_t>&key_, &binding_;
};

}  // namespace

Region::Region(std::vector<Block> blocks) : blocks_(std::move(blocks)) {
  KeyWriter writer(key_, binding_);
  for (const Block& block : blocks_) {
    JT_CHECK(block.scalars.empty() && block.wheres.empty() && block.guards.empty());
    for (const Value& n : block.nodes)
      if (owns_blocks(n.ref().node)) depth_ = std::max(depth_, n.ref().node->region->depth() + 1);
    writer.add(block);
  }
  if (depth_ > kMaxDepth) fail(JT_E_INVALID, "loops and branches are nested more than ", int(kMaxDepth), " deep");
}

// ---- types ----------------------------------------------------------------------------------------------------------

LoopLayout::LoopLayout(const Attrs& attrs, size_t inputs, size_t block_results)
    : carried(int(attrs.integer(0))), captured(int(inputs) - kFirst - carried),
      stacked(int(block_results) - 1 - carried), most(attrs.dim(1)), counts(attrs.integer(2) != 0) {}
LoopLayout::LoopLayout(const Node* loop)
    : LoopLayout(loop->attrs(), loop->n_inputs, loop->region->blocks()[0].results.size()) {}

namespace {

// Compared by what extents are worth, which becomes a guard where they are symbols.
bool fits(const Type& a, const Type& b) {
  return a.dtype == b.dtype && a.shape.units == b.shape.units && same_extents(a.shape, b.shape);
}
std::string exact(const Type& type) {
  std::string out;
  append_exact(out, type);
  return out;
}
void check_is(std::string_view what, const Type& is, DType dtype) {
  if (is.dtype != dtype || is.shape.rank)
    fail(is.dtype != dtype ? JT_E_DTYPE : JT_E_SHAPE, what, " is ", is, ", not ", Type{dtype, {}});
}

std::vector<Type> branch_types(const Region& region, std::span<const Ref> inputs) {
  check_is("branch: condition", inputs[0].type(), JT_BOOL);
  const Block &a = region.blocks()[0], &b = region.blocks()[1];
  for (const Block* block : {&a, &b}) {
    if (block->params.size() != inputs.size() - kBranchInputs)
      fail(JT_E_INVALID, "branch: a block takes ", block->params.size(), " params, there are ",
           inputs.size() - kBranchInputs, " inputs");
    for (size_t i = 0; i < block->params.size(); i++)
      if (!fits(block->params[i].type(), inputs[i + kBranchInputs].type()))
        fail(JT_E_INVALID, "branch: param ", i, " is ", exact(block->params[i].type()), ", the input ",
             exact(inputs[i + kBranchInputs].type()));
  }
  if (a.results.size() != b.results.size() || a.results.empty())
    fail(JT_E_INVALID, "branch: ", a.results.size(), " results of one block, ", b.results.size(), " of the other");
  std::vector<Type> out;
  for (size_t i = 0; i < a.results.size(); i++) {
    const Type &x = a.results[i].type(), &y = b.results[i].type();
    if (!fits(x, y))
      fail(JT_E_INVALID, "branch: result ", i, " is ", exact(x), " of one block, ", exact(y), " of the other");
    out.push_back(x);
  }
  return out;
}

std::vector<Type> loop_types(const Region& region, std::span<const Ref> inputs, const Attrs& attrs) {
  check_is("loop: trips", inputs[0].type(), JT_I64), check_is("loop: condition", inputs[1].type(), JT_BOOL);
  LoopLayout l(attrs, inputs.size(), region.blocks()[0].results.size());
  const Block& block = region.blocks()[0];
  if (l.carried < 0 || l.captured < 0)
    fail(JT_E_INVALID, "loop: ", l.carried, " carried values, but ", inputs.size() - LoopLayout::kFirst, " inputs");
  if (block.params.size() != inputs.size() - 1)
    fail(JT_E_INVALID, "loop: the block takes ", block.params.size(), " params, not ", inputs.size() - 1);
  if (l.stacked < 0)
    fail(JT_E_INVALID, "loop: the block gives ", block.results.size(), " results, for ", l.carried, " carried values");
  if (l.most < -1 || (l.stacked && l.most < 0))
    fail(JT_E_INVALID, "loop: most is ", l.most, l.stacked ? ", but rows are stacked" : "");
  if (l.carried + l.stacked == 0) fail(JT_E_INVALID, "loop: nothing is carried or stacked");
  check_is("loop: param 0", block.params[0].type(), JT_I64),
      check_is("loop: result 0 of the block", block.results[0].type(), JT_BOOL);
  std::vector<Type> out;
  for (size_t i = 1; i < block.params.size(); i++)
    if (const Type &p = block.params[i].type(), &in = inputs[i + 1].type(); !fits(p, in))
      fail(JT_E_INVALID, "loop: param ", i, " is ", exact(p), ", the input ", exact(in));
  for (int k = 0; k < l.carried; k++) {
    const Type &p = block.params[size_t(k) + 1].type(), &next = block.results[size_t(k) + 1].type();
    if (!fits(p, next))
      fail(JT_E_INVALID, "loop: carried value ", k, " is ", exact(p), ", after a round ", exact(next));
    out.push_back(p);
  }
  for (int k = 0; k < l.stacked; k++) {
    const Type& row = block.results[size_t(1 + l.carried + k)].type();
    Type all{row.dtype, Shape{l.most}};
    for (int i = 0; i < row.shape.rank; i++) all.shape.push(row.shape[i], row.shape.is_unit(i));
    check_count("loop", all.shape);
    out.push_back(all);
  }
  if (l.counts && (!l.carried || out[size_t(l.carried) - 1].dtype != JT_I64 || out[size_t(l.carried) - 1].shape.rank))
    fail(JT_E_INVALID, "loop: it counts, but its last carried value is no ", Type{JT_I64, {}});
  return out;
}

}  // namespace

std::vector<Type> region_types(Op op, const Region& region, std::span<const Ref> inputs, const Attrs& attrs) {
  size_t wanted = op == Op::branch ? 2 : 1, least = op == Op::branch ? kBranchInputs : LoopLayout::kFirst;
  if (region.blocks().size() != wanted)
    fail(JT_E_INVALID, name(op), ": ", region.blocks().size(), " blocks, not ", wanted);
  if (inputs.size() < least) fail(JT_E_INVALID, name(op), ": ", inputs.size(), " operands, not at least ", least);
  return op == Op::branch ? branch_types(region, inputs) : loop_types(region, inputs, attrs);
}

// ---- blocks again ---------------------------------------------------------------------------------------------------

std::vector<Value> replayed(Recorder& recorder, const Block& block, std::span<const Ref> args,
                            std::vector<Value>* nodes) {
  JT_CHECK(args.size() == block.params.size());
  Numbering numbering(block);
  std::vector<Value> values;
  values.reserve(size_t(numbering.size()));
  for (Ref arg : args) values.push_back(arg);
  std::vector<Ref> inputs;
  for (const Value& value : block.nodes) {
    Node* node = value.ref().node;
    inputs.clear();
    for (Ref in : node->ins()) inputs.push_back(values[size_t(numbering[in])]);
    Value made = recorder.again(node, inputs);
    for (uint32_t i = 0; i < node->n_results; i++) values.push_back(Ref{made.ref().node, i});
    if (nodes) nodes->push_back(std::move(made));
  }
  std::vector<Value> out;
  for (const Value& result : block.results) out.push_back(values[size_t(numbering[result])]);
  return out;
}

Block copied(const Block& block) {
  Block out;
  std::vector<Ref> params;
  for (const Value& p : block.params) {
    out.params.push_back(out.recorder->leaf(p.type(), nullptr));
    params.push_back(out.params.back());
  }
  out.results = replayed(*out.recorder, block, params, &out.nodes);
  out.scalars = block.scalars, out.wheres = block.wheres;
  return out;
}

void set_results(Block& block, std::vector<Value> results) {
  block.results = std::move(results);
  uint32_t mark = block.recorder->next_mark();
  for (const Value& r : block.results) r.ref().node->mark = mark;
  for (size_t i = block.nodes.size(); i-- > 0;) {
    Node* node = block.nodes[i].ref().node;
    if (node->mark != mark) continue;
    for (Ref in : node->ins()) in.node->mark = mark;
  }
  std::erase_if(block.nodes, [mark](const Value& v) { return v.ref().node->mark != mark; });
}

static bool is_constant_bool(Ref value, bool wanted) {
  const Node* n = value.node;
  return n->op == Op::constant && n->origin == kStructure && n->results()[0].type.dtype == JT_BOOL &&
         (n->constant_bits != 0) == wanted;
}
bool is_true(Ref value) { return is_constant_bool(value, true); }
bool is_false(Ref value) { return is_constant_bool(value, false); }

}  // namespace jt
