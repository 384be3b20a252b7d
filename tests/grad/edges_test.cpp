// Gradients at the edges of domains, against stored ones of PyTorch (edges.txt, made by make_edges.py): first the
// values, then that gradients of those gradients are there to be had.
#include <fstream>
#include <set>
#include <sstream>

#include "check.h"
#include "core/grad/gradients.h"

using namespace jt;
using namespace jt::test;

namespace {

// "[1,nan]", "bool[0,1]" or "i64[0,2]"
Array numbers(const std::string& word) {
  size_t open = word.find('[');
  std::istringstream in(word.substr(open + 1, word.size() - open - 2));
  Array out;
  for (std::string number; std::getline(in, number, ',');) out.push_back(std::stod(number));
  return out;
}

struct Line {
  Op row;
  std::string what;
  Attrs attrs;
  std::vector<Value> operands;
  std::vector<Array> wanted;
};

Attrs attrs_of(Op row, const std::string& word) {
  std::istringstream in(word);
  std::vector<std::string> names, values;
  std::vector<jt_attr> given;
  for (std::string pair; std::getline(in, pair, ',');)
    names.push_back(pair.substr(0, pair.find('='))), values.push_back(pair.substr(pair.find('=') + 1));
  for (size_t i = 0; i < names.size(); i++) {
    jt_attr a{};
    a.name = names[i].c_str();
    AttrType type = AttrType::integer;
    for (const AttrDef& def : signature(row).attrs)
      if (def.name == names[i]) type = def.type;
    if (type == AttrType::string) a.kind = JT_ATTR_STR, a.str = values[i].c_str(), a.str_len = values[i].size();
    else if (type == AttrType::real) a.kind = JT_ATTR_F64, a.f64 = std::stod(values[i]);
    else a.kind = JT_ATTR_I64, a.i64 = std::stoll(values[i]);
    given.push_back(a);
  }
  return make_attrs(row, given);
}

Line read_line(Graph& g, const std::string& text) {
  Line line{Op::count, text, {}, {}, {}};
  std::istringstream words(text);
  std::string word, attrs;
  words >> word;
  line.row = op_named(word);
  bool is_wanted = false;
  while (words >> word) {
    if (word == ":") is_wanted = true;
    else if (word[0] == '{') attrs = word.substr(1, word.size() - 2);
    else if (is_wanted) line.wanted.push_back(numbers(word));
    else {
      Array data = numbers(word);
      size_t dtype = word.find('[');
      line.operands.push_back(
          g.given(dtype ? dtype_named(word.substr(0, dtype)) : JT_F64, {int64_t(data.size())}, data));
      if (dtype) continue;
      g.wrt.push_back(line.operands.back());
      line.operands.back().ref().node->flags |= kGradLeaf;
    }
  }
  line.attrs = attrs_of(line.row, attrs);
  return line;
}

void expect_same(const Array& found, const Array& wanted, const std::string& what) {
  ASSERT_EQ(found.size(), wanted.size()) << what;
  for (size_t i = 0; i < found.size(); i++) {
    if (std::isnan(found[i]) && std::isnan(wanted[i])) continue;
    if (found[i] == wanted[i]) continue;
    ASSERT_TRUE(std::isfinite(found[i]) && std::isfinite(wanted[i]))
        << "element " << i << ": " << found[i] << " for " << wanted[i] << " of " << what;
    ASSERT_LE(std::fabs(found[i] - wanted[i]), 1e-9 * std::fabs(wanted[i]))
        << "element " << i << ": " << found[i] << " for " << wanted[i] << " of " << what;
  }
}

// Whether a row is one whose gradient depends on more than attributes and shapes.
bool has_edges(Op row) {
  Kind kind = def(row).kind;
  if (kind == Kind::element || kind == Kind::reduce) return has_gradient(row);
  return false;
}

}  // namespace

TEST(edges, gradients_are_those_of_pytorch) {
  std::ifstream file(JT_EDGES);
  std::set<Op> seen;
  for (std::string text; std::getline(file, text);) {
    Graph g;
    Line line = read_line(g, text);
    ASSERT_NE(line.row, Op::count) << text;
    seen.insert(line.row);
    std::vector<Ref> in(line.operands.begin(), line.operands.end());
    Value z = g.recorder.build(line.row, in, std::move(line.attrs));
    Array ramp;
    for (int64_t i = 0; i < z.shape().count(); i++) ramp.push_back(double(i + 1));
    Value y = ops::sum(z * g.given(JT_F64, z.shape(), ramp));
    std::vector<Value> found = gradients(g.recorder, y, {}, g.wrt);
    ASSERT_EQ(found.size(), line.wanted.size()) << text;
    for (size_t i = 0; i < found.size(); i++) {
      ASSERT_TRUE(found[i]) << text;
      expect_same(run(found[i], g.feed), line.wanted[i], text + ", operand " + std::to_string(i));
    }
    if (HasFatalFailure()) return;
  }
  for (int i = 0; i < kOps; i++)
    if (has_edges(Op(i))) {
      EXPECT_TRUE(seen.count(Op(i))) << name(Op(i)) << " has no line in edges.txt";
    }
}
