// graph_text: a graph as text: its parts, a line each, then its block. What is read is verified.
#include <unordered_set>

#include "core/graph/graph.h"

namespace jt {

namespace {

constexpr std::string_view kHead = "graph {", kTail = "}";
constexpr char kHex[] = "0123456789abcdef";

void append_quoted(std::string& out, std::string_view name) {
  out += '"';
  for (unsigned char c : name) {
    if (c == '"' || c == '\\') out += '\\', out += char(c);
    else if (c < 0x20) out += "\\x", out += kHex[c >> 4], out += kHex[c & 15];
    else out += char(c);
  }
  out += '"';
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// One line of the head, read from left to right.
class Line {
 public:
  Line(std::string_view text, size_t number) : text_(text), number_(number) {}
  template <class... Parts>
  [[noreturn]] void wrong(const Parts&... parts) const {
    fail(JT_E_INVALID, "parse: line ", number_, ", column ", at_ + 1, ": ", parts...);
  }
  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\r')) at_++;
  }
  bool is_over() {
    skip_space();
    return at_ == text_.size() || text_.substr(at_).starts_with("//");
  }
  void end() {
    if (!is_over()) wrong("unexpected text");
  }
  std::string_view word() {
    skip_space();
    size_t from = at_;
    while (at_ < text_.size() && text_[at_] > ' ' && text_[at_] != '"') at_++;
    return text_.substr(from, at_ - from);
  }
  bool take(std::string_view wanted) {
    skip_space();
    if (!text_.substr(at_).starts_with(wanted)) return false;
    at_ += wanted.size();
    return true;
  }
  void expect(std::string_view wanted) {
    if (!take(wanted)) wrong("'", wanted, "' is missing");
  }
  int64_t number() {
    size_t place = (skip_space(), at_);
    std::string_view digits = word();
    int64_t value = 0;
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (digits.empty() || error != std::errc() || end != digits.data() + digits.size() || value < 0)
      at_ = place, wrong("'", digits, "' is not a count");
    return value;
  }
  std::string name() {
    skip_space();
    if (at_ == text_.size() || text_[at_] != '"') wrong("a name in quotes is missing");
    std::string out;
    for (at_++; at_ < text_.size() && text_[at_] != '"'; at_++) out += character();
    if (at_ == text_.size()) wrong("the name does not end");
    at_++;
    return out;
  }

 private:
  char character() {
    if (text_[at_] != '\\') return text_[at_];
    if (++at_ == text_.size()) wrong("the name does not end");
    if (text_[at_] == '"' || text_[at_] == '\\') return text_[at_];
    int high = -1, low = -1;
    if (text_[at_] == 'x' && at_ + 2 < text_.size())
      high = hex_digit(text_[at_ + 1]), low = hex_digit(text_[at_ + 2]);
    if (high < 0 || low < 0) wrong("'\\", text_[at_], "' means nothing here");
    at_ += 2;
    return char(high << 4 | low);
  }

  std::string_view text_;
  size_t number_, at_ = 0;
};

int32_t id(Line& line) {
  int64_t value = line.number();
  if (value > INT32_MAX) line.wrong(value, " is more than there can be");
  return int32_t(value);
}

void read_part(Line& line, Graph& graph) {
  std::string_view what = line.word();
  if (what == "input") graph.inputs.push_back(line.name());
  else if (what == "constant") graph.constants.push_back(line.name());
  else if (what == "output") graph.outputs.push_back(line.name());
  else if (what == "draws") graph.n_draws = line.number();
  else if (what == "draw") {
    line.expect("#");
    int32_t key = id(line);
    line.expect("is");
    graph.draws.push_back({key, line.number()});
  } else if (what == "parameter" || what == "state") {
    GraphState state{line.name(), what == "parameter", -1};
    if (line.take("becomes")) state.next = id(line);
    graph.states.push_back(std::move(state));
  } else {
    line.wrong("'", what, "' is none of input, parameter, state, constant, output, draws, draw");
  }
  line.end();
}

void check_names(std::string_view part, std::unordered_set<std::string_view>& seen, const std::string& name) {
  if (name.empty()) fail(JT_E_INVALID, "graph: ", part, " without a name");
  if (!seen.insert(name).second) fail(JT_E_INVALID, "graph: two parts are called '", name, "'");
}

}  // namespace

std::string to_text(const Graph& graph) {
  std::string out(kHead);
  auto line = [&](std::string_view what, std::string_view name) {
    append(out, text("\n  ", what, ' '));
    append_quoted(out, name);
  };
  for (const std::string& name : graph.inputs) line("input", name);
  for (const GraphState& state : graph.states) {
    line(state.is_parameter ? "parameter" : "state", state.name);
    if (state.next >= 0) append(out, text(" becomes ", state.next));
  }
  for (const std::string& name : graph.constants) line("constant", name);
  for (const std::string& name : graph.outputs) line("output", name);
  if (graph.n_draws) append(out, text("\n  draws ", graph.n_draws));
  for (const GraphDraw& draw : graph.draws) append(out, text("\n  draw #", draw.key, " is ", draw.number));
  append(out, "\n");
  append(out, kTail);
  append(out, "\n");
  return out + print(graph.block);
}

Graph parse_graph(std::string_view whole) {
  Graph graph;
  size_t number = 0, at = 0;
  bool has_begun = false, has_ended = false;
  while (!has_ended) {
    if (at >= whole.size()) fail(JT_E_INVALID, "parse: line ", number + 1, ", column 1: the text ends too early");
    size_t end = std::min(whole.size(), whole.find('\n', at));
    Line line(whole.substr(at, end - at), ++number);
    at = end + 1;
    if (line.is_over()) continue;
    if (!has_begun) {
      line.expect("graph"), line.expect("{"), line.end();
      has_begun = true;
    } else if (line.take(kTail)) {
      line.end();
      has_ended = true;
    } else {
      read_part(line, graph);
    }
  }
  std::string block(number, '\n');  // so that the parser counts lines from the first
  if (at < whole.size()) block += whole.substr(at);
  graph.block = parse(block);
  verify(graph);
  return graph;
}

void verify(const Graph& graph) {
  verify(graph.block);
  size_t params = graph.first_constant() + graph.constants.size();
  if (params != graph.block.params.size())
    fail(JT_E_INVALID, "graph: ", params, " inputs, states and constants, but ", graph.block.params.size(), " params");
  std::unordered_set<std::string_view> of_inputs, of_outputs, of_values;
  for (const std::string& name : graph.inputs) check_names("an input", of_inputs, name);
  for (const std::string& name : graph.outputs) check_names("an output", of_outputs, name);
  for (const std::string& name : graph.constants) check_names("a constant", of_values, name);
  size_t next = graph.outputs.size();
  for (size_t i = 0; i < graph.states.size(); i++) {
    const GraphState& state = graph.states[i];
    check_names("a state", of_values, state.name);
    if (state.next < 0) continue;
    if (size_t(state.next) != next || next >= graph.block.results.size())
      fail(JT_E_INVALID, "graph: state '", state.name, "' becomes result ", state.next, " of ",
           graph.block.results.size(), ", not ", next, ", which comes next");
    const Type &before = graph.state_type(i), &after = graph.block.results[next++].type();
    if (before.dtype != after.dtype || !same_extents(before.shape, after.shape))
      fail(JT_E_INVALID, "graph: state '", state.name, "' is ", before, " and becomes ", after);
  }
  if (next != graph.block.results.size())
    fail(JT_E_INVALID, "graph: ", next, " outputs and states that change, but ", graph.block.results.size(),
         " results");
  for (const GraphDraw& draw : graph.draws) {
    bool fits = size_t(draw.key) + 1 < graph.block.scalars.size() && draw.number < graph.n_draws;
    if (!fits || graph.block.scalars[size_t(draw.key)].dtype != JT_U64)
      fail(JT_E_INVALID, "graph: #", draw.key, " is no draw of ", graph.n_draws);
  }
}

}  // namespace jt
