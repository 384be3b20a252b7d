#include "core/rewrite/regions.h"

#include <algorithm>

#include "core/ir/numbering.h"
#include "core/ir/region.h"
#include "core/rewrite/layout.h"
#include "core/rewrite/simplify.h"

namespace jt {

static bool has_regions(const Block& block) {
  return std::ranges::any_of(block.nodes, [](const Value& v) { return owns_blocks(v.ref().node); });
}

static Block simplified_flat(Block block) {
  block = simplify(std::move(block));
  return has_images(block) ? simplify(lay_out(std::move(block))) : std::move(block);
}

// The same nodes; those that own blocks with these simplified.
static Block with_simple_blocks(Block block) {
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
      for (const Block& inner : node->region->blocks()) blocks.push_back(simplify_with_regions(copied(inner)));
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

Block simplify_with_regions(Block block) {
  block = simplified_flat(std::move(block));
  return has_regions(block) ? with_simple_blocks(std::move(block)) : std::move(block);
}

}  // namespace jt
