// type_rule_lines: data/type_rules.txt as values: operand types | op and attributes | the results' types or the error.
#pragma once
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "core/ir/block.h"

namespace jt {

struct RuleLine {
  std::string text, operands, op, outcome;
};

inline std::vector<RuleLine> rule_lines() {
  std::vector<RuleLine> out;
  std::ifstream file(JT_TEST_DATA "/type_rules.txt");
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line.starts_with("//")) continue;
    size_t first = line.find(" | "), second = line.find(" | ", first + 3);
    if (second == line.npos) throw std::runtime_error("no line of type_rules.txt: " + line);
    std::string operands = line.substr(0, first);
    out.push_back(
        {line, operands == "-" ? "" : operands, line.substr(first + 3, second - first - 3), line.substr(second + 3)});
  }
  return out;
}

// "f32[2], f32[3]" and "add" -> a block's text
inline std::string block_of(std::string_view operands, std::string_view op) {
  std::string params, names;
  int n = 0;
  while (!operands.empty()) {
    size_t end = std::min(operands.find(", "), operands.size());
    params += text(n ? ", %" : "%", n, ": ", operands.substr(0, end));
    names += text(" %", n++);
    operands.remove_prefix(std::min(end + 2, operands.size()));
  }
  size_t word = std::min(op.find(' '), op.size());
  std::string_view row = op.substr(0, word);
  Op known = op_named(row);
  std::string results = known != Op::count && signature(known).results.size() == 2 ? "%a, %b" : "%a";
  if (row == "split") results = op.find("0,") == op.npos ? "%a, %b" : "%a, %b, %c";
  return text("block(", params, ") {\n", results, " = ", row, names, op.substr(word), "\nreturn\n}");
}

// The one call of the line; nothing where it is refused.
inline std::optional<Block> accepted(const RuleLine& line) {
  try {
    Block block = parse(block_of(line.operands, line.op));
    verify(block);
    return block;
  } catch (const Error&) {
    return {};
  }
}

}  // namespace jt
