#include "core/rewrite/guards.h"

#include <algorithm>

#include "core/ir/build.h"

namespace jt {

using namespace ops;

void Guard::fail_with(int64_t found) const {
  int64_t least = wraps ? -int64_t(size) : 0;
  if (is_unsigned) fail(JT_E_INDEX, who, ": index ", uint64_t(found), " is outside an extent of ", size, ", 0..", size - 1);
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

}  // namespace

void add_guards(Block& block) {
  std::vector<Value> nodes;
  std::vector<Range> seen;
  for (Value& node : block.nodes) {
    Node* n = node.ref().node;
    nodes.push_back(std::move(node));
    if (n->op != Op::check_index || n->results()[0].type.count() == 0) continue;
    Range range{n->inputs()[0], n->dim(0), n->integer(1) != 0, n->integer(3)};
    if (std::ranges::find(seen, range) != seen.end()) continue;
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

}  // namespace jt
