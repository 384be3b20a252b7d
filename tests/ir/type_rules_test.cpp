// type_rules_test: what every row makes of operands: data/type_rules.txt has, a line each, operand types | op and
// attributes | the results' types or the error. Lines of one row stand together; every row has some.
#include <gtest/gtest.h>

#include <set>

#include "tests/ir/type_rule_lines.h"

namespace jt {
namespace {

std::string outcome(std::string_view operands, std::string_view op) {
  try {
    Block block = parse(block_of(operands, op));
    verify(block);
    Ref node = block.nodes[0];
    std::string out;
    for (uint32_t i = 0; i < node.node->n_results; i++) {
      if (i) out += ", ";
      append_exact(out, Ref{node.node, i}.type());
    }
    return out;
  } catch (const Error& e) {
    std::string message = e.message();
    size_t colons = message.find(": ", message.find(": ") + 2);  // "parse: line 2, column 6: " goes
    return message.starts_with("parse: ") ? message.substr(colons + 2) : message;
  }
}

TEST(Rules, GiveTheTypesAndErrorsOfTheTable) {
  std::set<std::string_view> seen;
  int lines = 0;
  for (const RuleLine& line : rule_lines()) {
    std::string before = line.text.substr(0, line.text.size() - line.outcome.size());
    EXPECT_EQ(before + outcome(line.operands, line.op), line.text);
    if (Op row = op_named(line.op.substr(0, line.op.find(' '))); row != Op::count) seen.insert(name(row));
    lines++;
  }
  EXPECT_GT(lines, 100);
  for (int i = int(kLastElement) + 1; i < kOps; i++)
    EXPECT_TRUE(seen.count(name(Op(i)))) << name(Op(i)) << " has no line";
}

// Element rows by class: which dtypes a row computes in is its `types` column.
TEST(Rules, ElementRowsTakeTheDtypesOfTheirClass) {
  for (int i = kFirstElement; i <= kLastElement; i++) {
    const OpDef& op = def(Op(i));
    size_t arity = signature(op_of(op)).operands.size();
    for (int d = 1; d <= kDTypes; d++) {
      DType t = DType(d);
      std::string operands;
      for (size_t k = 0; k < arity; k++)
        operands +=
            text(k ? ", " : "", op.operands == Operands::CHOICE && k == 0 ? JT_BOOL : t, k == 1 ? "[]" : "[2,1u]");
      bool takes = op.operands == Operands::FLOAT     ? is_float(t)
                   : op.operands == Operands::NUMBER  ? t != JT_BOOL
                   : op.operands == Operands::INTEGER ? !is_float(t)
                   : op.operands == Operands::LOGICAL ? t == JT_BOOL
                                                      : true;
      std::string got = outcome(operands, op.name);
      DType result = op.result == ResultRule::BOOL ? JT_BOOL : t;
      if (takes) EXPECT_EQ(got, text(result, "[2,1u]")) << op.name;
      else EXPECT_TRUE(got.starts_with(text(op.name, ": "))) << got;
    }
  }
}

}  // namespace
}  // namespace jt
