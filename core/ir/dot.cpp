// dot: a block as a Graphviz graph: ellipses are parameters, boxes nodes, double circles results.
#include <unordered_map>

#include "core/ir/block.h"

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

std::string dot(const Block& block) {
  std::string out = "digraph block {\n  node [shape=box, fontname=\"monospace\"];\n";
  std::unordered_map<const Node*, int64_t> numbers;
  auto put = [&](const auto&... parts) { (append(out, parts), ...); };
  auto declare = [&](const Node* node, std::string_view style) {
    int64_t number = int64_t(numbers.size());
    numbers.emplace(node, number);
    put("  n", number, " [label=\"", label_of(node), '"', style, "];\n");
  };
  auto edge = [&](Ref from, std::string_view to, int64_t number) {
    auto found = numbers.find(from.node);
    if (found == numbers.end()) return;
    put("  n", found->second, " -> ", to, number);
    if (from.result) put(" [label=\"", from.result, "\"]");
    put(";\n");
  };
  for (const Value& param : block.params) declare(param.ref().node, ", shape=ellipse");
  for (const Value& node : block.nodes) {
    declare(node.ref().node, "");
    for (Ref in : node.ref().node->ins()) edge(in, "n", int64_t(numbers.size()) - 1);
  }
  for (size_t i = 0; i < block.results.size(); i++) {
    put("  r", i, " [label=\"result ", i, "\", shape=doublecircle];\n");
    edge(block.results[i], "r", int64_t(i));
  }
  return out + "}\n";
}

}  // namespace jt
