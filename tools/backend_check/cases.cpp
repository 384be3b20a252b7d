#include "tools/backend_check/cases.h"

#include <fstream>
#include <random>
#include <sstream>

#include "core/base/status.h"
#include "core/ir/type_rules.h"
#include "core/ir/scalar_math.h"

namespace jt {

namespace {

constexpr int64_t kElements = 48;  // of an element-wise case; even

// Ordinary numbers, and at the front those at the edges of the dtype.
HostValue numbers(DType t, const Shape& shape, uint64_t seed) {
  static constexpr double kEdges[] = {
      0, -0.0, 1, -1, __builtin_inf(), -__builtin_inf(), __builtin_nan(""), 1e-40, 3e38, -3e38, 65504, 127, -128, 255};
  HostValue out{{t, shape}, std::vector<unsigned char>(size_t(shape.count()) * size_of(t))};
  std::mt19937_64 random(seed);
  for (int64_t i = 0; i < shape.count(); i++) {
    double plain =
        is_float(t) ? double(random() % 8000) / 1000 - 4 : double(random() % 200) - (is_unsigned_int(t) ? 0 : 100);
    bool is_edge = i < int64_t(std::size(kEdges)) && shape.count() >= kElements;
    Word word = word_of(t, is_edge        ? kEdges[(uint64_t(i) + seed) % std::size(kEdges)]
                           : t == JT_BOOL ? double(random() % 2)
                                          : plain);
    store(t, &out.bytes[size_t(i) * size_of(t)], word);
  }
  return out;
}

std::string type_text(DType t, const Shape& shape) {
  std::string out = text(name(t), "[");
  for (int i = 0; i < shape.rank; i++) append(out, text(i ? "," : "", shape[i]));
  return out + "]";
}

// How an operand of `shape` comes about from a parameter: its type, and a line that makes it ("" if it is the
// parameter).
struct Layout {
  const char* name;
  Shape shape, of_param;
  const char* line;  // after "%1 = ", with %0 for the parameter
};
const Layout kLayouts[] = {
    {"contiguous", {kElements}, {kElements}, ""},
    {"sliced", {kElements}, {2 * kElements + 1}, "slice %0 {starts=[1], stops=[96], steps=[2]}"},
    {"transposed", {kElements / 2, 2}, {2, kElements / 2}, "transpose %0 {axes=[1,0]}"},
    {"flipped", {kElements}, {kElements}, "flip %0 {axes=[0]}"},
    {"broadcast", {3, kElements}, {kElements}, "expand %0 {shape=[3,48]}"},
    {"padded", {kElements}, {kElements - 5}, "pad %0 {before=[2], after=[3], value=1}"},
    {"zero-size", {2, 0}, {2, 0}, ""},
    {"0-d", {}, {}, ""},
};

bool takes(Op row, DType t) {
  try {
    return operand_dtype(def(row), t) == t;
  } catch (const Error&) {
    return false;
  }
}

// One graph whose operands all lie in one way.
Case element_case(Op row, DType t, const Layout& layout, const std::string& attrs = "") {
  Case c{row, t, layout.name, "", {}};
  std::string params, lines, operands;
  int n = int(signature(row).operands.size()), next = n;
  for (int k = 0; k < n; k++) {
    DType of_operand = def(row).operands == Operands::CHOICE && k == 0 ? JT_BOOL : t;
    append(params, text(k ? ", " : "", "%", k, ": ", type_text(of_operand, layout.of_param)));
    c.params.push_back(numbers(of_operand, layout.of_param, uint64_t(k) + 1));
    int made = k;
    if (*layout.line) {
      std::string line = layout.line;
      line.replace(line.find("%0"), 2, text("%", k));
      made = next++;
      append(lines, text("  %", made, " = ", line, "\n"));
    }
    append(operands, text(" %", made));
  }
  c.graph = text("block(", params, ") {\n", lines, "  %", next, " = ", name(row), operands, attrs, "\n  return %", next,
                 "\n}\n");
  return c;
}

void reduce_cases(Op row, DType t, const std::function<void(const Case&)>& visit) {
  struct { const char* mode; Shape shape; const char* axes;
  } modes[] = {{"row", {5, 77}, "[1]"},           {"long row", {2, 4200}, "[1]"}, {"column", {70, 9}, "[0]"},
               {"long column", {4200, 3}, "[0]"}, {"all", {6, 11}, "[0,1]"},      {"middle", {3, 5, 4}, "[1]"},
               {"no rows", {0, 4}, "[1]"}};
  for (const auto& m : modes) {
    Case c{row,
           t,
           m.mode,
           text("block(%0: ", type_text(t, m.shape), ") {\n  %1 = ", name(row), " %0 {axes=", m.axes,
                "}\n  return %1\n}\n"),
           {}};
    c.params.push_back(numbers(t, m.shape, 3));
    visit(c);
  }
}

}  // namespace

void each_table_case(const std::function<void(const Case&)>& visit) {
  for (int i = 0; i < kOps; i++) {
    Op row = Op(i);
    for (int d = 1; d <= kDTypes; d++) {
      DType t = DType(d);
      if (def(row).kind == Kind::element && takes(row, t))
        for (const Layout& layout : kLayouts) visit(element_case(row, t, layout));
      if (row == Op::cast)
        for (int to = 1; to <= kDTypes; to++) {
          Case c = element_case(row, t, kLayouts[0], text(" {dtype=", name(DType(to)), "}"));
          c.layout = text("to ", name(DType(to)));
          visit(c);
        }
      if (def(row).kind == Kind::reduce && takes(row, t)) reduce_cases(row, t, visit);
    }
  }
}

// "in f32[2,3] 1 2 3 4 5 6"
static HostValue read_value(std::istringstream& in) {
  std::string type, word;
  in >> type;
  Block typed = parse(text("block(%0: ", type, ") {\n  return %0\n}\n"));
  HostValue out{typed.params[0].type(), std::vector<unsigned char>(typed.params[0].type().bytes())};
  DType t = out.type.dtype;
  for (int64_t i = 0; i < out.type.count() && in >> word; i++) {
    Word w;
    if (t == JT_U64) w.u64 = std::stoull(word);
    else w = is_float(t) ? word_of(t, std::stod(word)) : cast({.i64 = std::stoll(word)}, JT_I64, t);
    store(t, &out.bytes[size_t(i) * size_of(t)], w);
  }
  return out;
}

void each_file_case(const std::string& path, const std::function<void(const Case&)>& visit) {
  std::ifstream file(path);
  if (!file) fail(JT_E_IO, "backend_check: cannot read '", path, "'");
  Case c{Op::count, JT_F32, "", "", {}};
  auto finish = [&] {
    if (c.graph.empty()) return;
    Block block = parse(c.graph);
    if (block.nodes.empty()) return;
    Node* last = block.nodes.back().ref().node;
    c.row = last->op;
    c.dtype = last->n_inputs ? last->inputs()[0].dtype() : last->results()[0].type.dtype;
    visit(c);
  };
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string first;
    words >> first;
    if (first == "case") finish(), c = {Op::count, JT_F32, line.substr(5), "", {}};
    else if (first == "in") c.params.push_back(read_value(words));
    else if (first != "out") c.graph += line + '\n';
  }
  finish();
}

}  // namespace jt
