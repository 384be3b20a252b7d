#include "core/rewrite/guards.h"

#include <algorithm>

#include "core/ir/build.h"
#include "core/ir/numbering.h"
#include "core/ir/region.h"

namespace jt {

using namespace ops;

void Guard::fail_with(int64_t found) const {
  int64_t least = wraps ? -int64_t(size) : 0;
  if (is_unsigned)
    fail(JT_E_INDEX, who, ": index ", uint64_t(found), " is outside an extent of ", size, ", 0..", size - 1);
  fail(JT_E_INDEX, who, ": index ", found, " is outside an extent of ", size, ", ", least, "..", size - 1);
}

namespace {

struct Range {
  Ref index;
  Dim size;
  bool wraps;
  int64_t ignored;
  bool operator==(const Range& o) const {
    return index == o.index && same(size, o.size) && wraps == o.wraps && ignored == o.ignored;
  }
};

// The nodes of one guard, in order.
std::vector<Value> guard_nodes(Recorder& r, const Range& range) {
  std::vector<Value> out;
  auto listed = [&](Value made) { return out.push_back(made), made; };
  Ref x = range.index;
  bool is_u64 = x.dtype() == JT_U64;
  DType type = is_u64 ? JT_U64 : JT_I64;
  Value index = x.dtype() == type ? Value(x) : listed(cast(x, type));
  Value size = listed(count(r, type, range.size)), zero = listed(r.constant_int(type, 0));
  Value is_inside = listed(less(index, size));
  if (!is_u64) {
    Value least = range.wraps ? listed(count(r, type, -range.size)) : zero;
    is_inside = listed(logical_and(is_inside, listed(greater_equal(index, least))));
  }
  bool is_among = range.ignored >= (range.wraps ? -range.size : Dim(0)) && range.ignored < range.size;
  if (!is_among && range.ignored != 0)
    is_inside = listed(logical_or(is_inside, listed(equal(index, listed(r.constant_int(type, range.ignored))))));
  Value outside = listed(where(is_inside, zero, index));
  if (!is_u64) outside = listed(cast(outside, JT_U64));
  listed(max(outside));
  return out;
}

// What a round of a loop is known to be below: nothing has to look at it where that is not more than the extent.
struct Rounds {
  Ref i;
  Dim most = -1;
};

bool is_surely_inside(const Range& range, const Rounds& rounds) {
  return rounds.i && range.index == rounds.i && rounds.most >= 0 && rounds.most <= range.size;
}

void add_own_guards(Block& block, const Rounds& rounds) {
  std::vector<Value> nodes;
  std::vector<Range> seen;
  for (Value& node : block.nodes) {
    Node* n = node.ref().node;
    nodes.push_back(std::move(node));
    if (n->op != Op::check_index || n->results()[0].type.count() == 0) continue;
    Range range{n->inputs()[0], n->dim(0), n->integer(1) != 0, n->integer(3)};
    if (std::ranges::find(seen, range) != seen.end() || is_surely_inside(range, rounds)) continue;
    seen.push_back(range);
    block.recorder->line = n->line;
    for (Value& made : guard_nodes(*block.recorder, range)) nodes.push_back(std::move(made));
    block.results.push_back(nodes.back());
    std::string who(n->string(2).empty() ? name(n->op) : n->string(2));
    std::ranges::replace_if(who, [](char c) { return uint8_t(c) <= ' '; }, '_');  // a plan's text has it as one word
    block.guards.push_back({std::move(who), range.size, range.wraps, range.index.dtype() == JT_U64});
  }
  block.nodes = std::move(nodes);
}

bool has_checks(const Block& block) {
  return std::ranges::any_of(block.nodes, [](const Value& v) {
    const Node* n = v.ref().node;
    return n->op == Op::check_index || (owns_blocks(n) && std::ranges::any_of(n->region->blocks(), has_checks));
  });
}

void add_guards_to(Block& block, const Rounds& rounds);

// Regions with checks inside, once more, with a result more for each.
class RegionGuards {
 public:
  explicit RegionGuards(Block& block)
      : block_(block), recorder_(*block.recorder), numbering_(block), values_(block.params) {}

  void run() {
    for (const Value& value : block_.nodes) {
      Node* node = value.ref().node;
      inputs_.clear();
      for (Ref in : node->ins()) inputs_.push_back(values_[size_t(numbering_[in])]);
      bool is_guarded = owns_blocks(node) && std::ranges::any_of(node->region->blocks(), has_checks);
      if (is_guarded) {
        recorder_.line = node->line;
        node->op == Op::branch ? guard_branch(node) : guard_loop(node);
        continue;
      }
      Value made = std::ranges::equal(inputs_, node->ins()) ? value : recorder_.again(node, inputs_);
      list(made, 0, node->n_results);
    }
    for (Value& r : block_.results) r = values_[size_t(numbering_[r])];
    block_.nodes = std::move(nodes_);
    for (const Value& found : found_) block_.results.push_back(found);
  }

 private:
  void list(const Value& made, uint32_t first, int count) {
    for (int i = 0; i < count; i++) values_.push_back(Ref{made.ref().node, first + uint32_t(i)});
    nodes_.push_back(made);
  }
  void add(Op op, std::vector<Block> blocks, const Attrs& attrs, uint32_t first_own, int own, uint32_t first_guard,
           std::vector<Guard> guards) {
    RegionRef region(std::move(blocks));
    std::vector<Type> types = region_types(op, *region, inputs_, attrs);
    Value made = recorder_.region(op, region.give(), inputs_, attrs, types);
    list(made, first_own, own);
    for (size_t g = 0; g < guards.size(); g++) {
      found_.push_back(Ref{made.ref().node, first_guard + uint32_t(g)});
      block_.guards.push_back(std::move(guards[g]));
    }
  }
  static Value zero(Block& block) {
    block.nodes.push_back(block.recorder->constant_int(JT_U64, 0));
    return block.nodes.back();
  }

  // The side that is not taken has found nothing.
  void guard_branch(const Node* node) {
    std::vector<Block> blocks;
    std::vector<Guard> guards;
    size_t n[2];
    for (size_t side : {0, 1}) {
      Block& b = blocks.emplace_back(copied(node->region->blocks()[side]));
      add_guards_to(b, {});
      n[side] = b.guards.size();
      guards.insert(guards.end(), b.guards.begin(), b.guards.end());
      b.guards.clear();
    }
    for (size_t side : {0, 1}) {
      Block& b = blocks[side];
      std::vector<Value> zeros(n[1 - side], zero(b));
      b.results.insert(side ? b.results.end() - long(n[1]) : b.results.end(), zeros.begin(), zeros.end());
    }
    add(Op::branch, std::move(blocks), {}, 0, node->n_results, node->n_results, std::move(guards));
  }

  // What was found is carried: in front of the loop's own values, of which the last may count rounds.
  void guard_loop(const Node* node) {
    Block b = copied(node->region->blocks()[0]);
    LoopLayout l(node);
    add_guards_to(b, {b.params[0], l.most});
    std::vector<Guard> guards = std::exchange(b.guards, {});
    const long n = long(guards.size());
    std::vector<Value> found(b.results.end() - n, b.results.end());
    b.results.resize(b.results.size() - size_t(n));
    for (long g = 0; g < n; g++) {
      Value before = b.recorder->leaf({JT_U64, {}}, nullptr);
      b.params.insert(b.params.begin() + 1 + g, before);
      b.nodes.push_back(maximum(before, found[size_t(g)]));
      b.results.insert(b.results.begin() + 1 + g, b.nodes.back());
      nodes_.push_back(recorder_.constant_int(JT_U64, 0));
      inputs_.insert(inputs_.begin() + LoopLayout::kFirst + g, nodes_.back().ref());
    }
    std::vector<Block> blocks;
    blocks.push_back(std::move(b));
    Attrs attrs;
    attrs.add(l.carried + n).add(l.most).add(l.counts);
    add(Op::loop, std::move(blocks), attrs, uint32_t(n), node->n_results, 0, std::move(guards));
  }

  Block& block_;
  Recorder& recorder_;
  const Numbering numbering_;
  std::vector<Value> values_, nodes_, found_;
  std::vector<Ref> inputs_;
};

void add_guards_to(Block& block, const Rounds& rounds) {
  if (!has_checks(block)) return;
  RegionGuards(block).run();
  add_own_guards(block, rounds);
}

}  // namespace

void add_guards(Block& block) { add_guards_to(block, {}); }

}  // namespace jt
