// dtype_facts_test: what docs/OPS.md says of dtypes is what happens. The sentences are written by hand for most rows
// (tools/opgen/rows.cpp); here each is taken at its word for the first operand, and every dtype is tried on a call that
// type_rules.txt has.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>

#include "tests/ir/type_rule_lines.h"

namespace jt {
namespace {

struct Fact {
  std::string dtypes, result;
};

// | [`sort`](#sort) | every dtype | x's dtype, index i64 | yes | ... |
std::map<std::string, Fact> facts() {
  std::map<std::string, Fact> out;
  std::ifstream page(JT_OPS_PAGE);
  for (std::string line; std::getline(page, line);) {
    if (!line.starts_with("| [`")) continue;
    std::vector<std::string> cells;
    for (size_t at = 2; cells.size() < 3; ) {
      size_t end = line.find(" | ", at);
      cells.push_back(line.substr(at, end - at)), at = end + 3;
    }
    size_t end = cells[0].find('`', 2);
    out[cells[0].substr(2, end - 2)] = {cells[1], cells[2]};
  }
  return out;
}

// Whether the sentence lets the first operand have this dtype.
bool lets(const std::string& sentence, DType t) {
  std::string first = sentence.substr(0, sentence.find_first_of(",;"));
  auto says = [&](const char* words) { return first.find(words) != first.npos; };
  if (says("every dtype but bool")) return t != JT_BOOL;
  if (says("every dtype") || says("becomes bool")) return true;
  if (says("float dtypes")) return is_float(t);
  if (says("integers and bool")) return !is_float(t);
  if (says("integer dtype")) return !is_float(t) && t != JT_BOOL;
  ADD_FAILURE() << "not understood: " << sentence;
  return false;
}

// The dtype of the first result where the first operand has t; `other` is the second operand's.
std::optional<DType> result_of(const std::string& sentence, DType t, std::optional<DType> other) {
  auto says = [&](const char* words) { return sentence.find(words) != sentence.npos; };
  if (says("attribute dtype")) return {};
  if (sentence.starts_with("i64")) return JT_I64;
  if (sentence.starts_with("bool")) return JT_BOOL;
  if (says("weight's dtype") || says("of y and w")) return other;
  if (says("unsigned ones u64"))
    return is_float(t) ? t : t == JT_U8 || t == JT_U16 || t == JT_U32 || t == JT_U64 ? JT_U64 : JT_I64;
  if (says("f32 for integers and bool")) return is_float(t) ? t : JT_F32;
  if (says("'s dtype") || says("promoted dtype")) return t;
  ADD_FAILURE() << "not understood: " << sentence;
  return {};
}

// The first operand's dtype becomes t, and so does that of all operands which have the same, or are promoted with it.
void try_dtype(const Node& call, const std::string& line, const Fact& fact, DType t) {
  Recorder r;
  r.lists_pending = false;
  DType was = call.inputs()[0].dtype();
  bool is_promoted = fact.result.find("promoted") != fact.result.npos;
  std::vector<Value> values;
  std::vector<Ref> refs;
  for (int i = 0; i < call.n_inputs; i++) {
    Type type = call.inputs()[i].type();
    if (type.dtype == was || is_promoted) type.dtype = t;
    values.push_back(r.leaf(type, nullptr)), refs.push_back(values.back());
  }
  std::optional<DType> other;
  if (refs.size() > 1) other = refs[1].dtype();
  try {
    Value made = r.build(call.op, refs, call.attrs());
    EXPECT_TRUE(lets(fact.dtypes, t)) << line << ": " << name(t) << " is taken, but \"" << fact.dtypes << '"';
    DType got = Recorder::result(made, 0).dtype();
    EXPECT_EQ(got, result_of(fact.result, t, other).value_or(got))
        << line << ": of " << name(t) << ", but \"" << fact.result << '"';
  } catch (const Error& e) {
    EXPECT_FALSE(lets(fact.dtypes, t)) << line << ": " << name(t) << " is refused (" << e.message() << "), but \""
                                       << fact.dtypes << '"';
  }
}

TEST(DtypeFacts, AreTrue) {
  std::map<std::string, Fact> known = facts();
  std::set<std::string> tried;
  for (const RuleLine& line : rule_lines()) {
    std::optional<Block> block = accepted(line);
    if (!block) continue;
    const Node& call = *block->nodes[0].ref().node;
    auto fact = known.find(name(call.op));
    if (fact == known.end() || !call.n_inputs) continue;
    tried.insert(fact->first);
    for (int t = 1; t <= kDTypes; t++) try_dtype(call, line.operands + " | " + line.op, fact->second, DType(t));
  }
  for (const auto& [row, fact] : known) {
    bool is_by_class = def(op_named(row)).kind == Kind::element || fact.dtypes.empty();
    EXPECT_TRUE(is_by_class || tried.count(row)) << row << " has no accepted line in type_rules.txt";
  }
}

}  // namespace
}  // namespace jt
