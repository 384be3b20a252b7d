// dot: a block as a Graphviz graph: ellipses are parameters, boxes nodes, double circles results.
#include <unordered_map>

#include "core/ir/region.h"

namespace jt {

static std::string label_of(const Node* node) {
  std::string out = name(node->op);
  if (node->op == Op::constant) {
    double real;
    std::memcpy(&real, &node->constant_bits, 8);
    out += ' ';
    is_float(node->results()[0].type.dtype) ? append(out, real) : append(out, node->constant_bits);
  }
  for (int i = 0; i < node->n_results; i++) {
    out += "\\n";
    append_exact(out, node->results()[i].type);
  }
  return out;
}

namespace {

// A block that a node owns is a cluster behind it.
class Drawing {
 public:
  std::string all(const Block& block) {
    put("digraph block {\n  node [shape=box, fontname=\"monospace\"];\n");
    draw(block);
    return std::move(out_ += "}\n");
  }

 private:
  void put(const auto&... parts) { (append(out_, parts), ...); }
  void declare(const Node* node, std::string_view style) {
    numbers_.emplace(node, next_);
    put("  n", next_++, " [label=\"", label_of(node), '"', style, "];\n");
  }
  void edge(Ref from, std::string_view to, int64_t number) {
    auto found = numbers_.find(from.node);
    if (found == numbers_.end()) return;
    put("  n", found->second, " -> ", to, number);
    if (from.result) put(" [label=\"", from.result, "\"]");
    put(";\n");
  }
  void draw(const Block& block) {
    for (const Value& param : block.params) declare(param.ref().node, ", shape=ellipse");
    for (const Value& node : block.nodes) {
      declare(node.ref().node, "");
      int64_t number = next_ - 1;
      for (Ref in : node.ref().node->ins()) edge(in, "n", number);
      if (owns_blocks(node.ref().node)) draw_blocks(node.ref().node, number);
    }
    for (size_t i = 0; i < block.results.size(); i++) {
      put("  r", results_, " [label=\"result ", i, "\", shape=doublecircle];\n");
      edge(block.results[i], "r", results_++);
    }
  }
  void draw_blocks(const Node* node, int64_t number) {
    const auto& blocks = node->region->blocks();
    for (size_t b = 0; b < blocks.size(); b++) {
      put("  subgraph cluster_", number, "_", b, " {\n  label=\"", name(node->op),
          blocks.size() > 1 ? (b ? " else" : " then") : "", "\";\n");
      draw(blocks[b]);
      put("  }\n");
    }
  }

  std::string out_;
  std::unordered_map<const Node*, int64_t> numbers_;
  int64_t next_ = 0, results_ = 0;
};

}  // namespace

std::string dot(const Block& block) { return Drawing().all(block); }

}  // namespace jt
