// index_rows: steps whose addresses are computed: gathers read an operand whole, joins and scatters store into parts of
// a value.
#include "core/schedule/step_graph.h"

namespace jt {

std::vector<int> use_index_operands(StepGraph& graph, Node* node, int s, const Coords& coords) {
  graph.read_whole(s, node->inputs()[0]);
  if (node->op == Op::reindex) return {};
  Coords index;
  index.limits = coords.limits;
  int axis = int(node->integer(0)), rank = node->inputs()[1].shape().rank;
  for (int i = 0; i < rank; i++) index.of.push_back(coords.of[size_t(node->op == Op::take ? axis + i : i)]);
  return {graph.add_use(s, node->inputs()[1], index)};
}

void make_concat(StepGraph& graph, Node* node, int position) {
  Ref ref{node, 0};
  int axis = int(node->integer(0));
  Dim at = 0;
  std::vector<int> parts;
  for (Ref in : node->ins()) {
    if (in.shape()[axis] != 0) {
      int s = graph.new_group(in.shape(), position);
      Coords coords = identity(in.shape()), place = coords;
      place.of[size_t(axis)].place.base = at;
      graph.group(s).is_flat_only = true;
      parts.push_back(s);
      graph.add_output(s, ref, int(graph.group(s).uses.size()), place);
      graph.add_use(s, in, coords);
    }
    at += in.shape()[axis];
  }
  if (parts.empty()) {  // nothing to store: an empty value
    int s = graph.new_group(ref.shape(), position);
    graph.group(s).is_flat_only = true;
    graph.add_output(s, ref, 0, identity(ref.shape()));
    graph.add_use(s, node->inputs()[0], identity(node->inputs()[0].shape()));
    parts.push_back(s);
  }
  graph.info(ref).step = graph.new_step_behind(parts, position);
  graph.load_all(ref);
}

static Combine combine_named(std::string_view text) {
  for (int i = 0; i <= int(Combine::min); i++)
    if (text == name(Combine(i))) return Combine(i);
  return Combine::set;
}
static Coords update_coords(const Node* node, const Coords& v) {
  Coords out = v;
  for (size_t i = 0; i < v.of.size(); i++) {
    Coordinate c;
    if (v.of[i].n) c.add(v.of[i].terms[0].axis, node->ints(attr(Op::update, "steps"))[i]);
    if (node->origin >= 0) c.place.add({0, {{node->origin + int(i), 1}}});
    else c.place.base = node->ints(attr(Op::update, "starts"))[i];
    out.of[i] = c;
  }
  return out;
}

static bool is_made_of(const Node* node, Ref value, int depth) {
  for (Ref in : std::span(node->inputs(), node->n_inputs))
    if (in == value || (depth && kind(in.node) != Kind::library && kind(in.node) != Kind::region &&
                        is_made_of(in.node, value, depth - 1)))
      return true;
  return false;
}
void make_scatter(StepGraph& graph, Node* node, int position) {
  Ref ref{node, 0};
  bool reindexes = node->op == Op::reindex_reduce, updates = node->op == Op::update;
  Ref v = node->inputs()[reindexes ? 0 : updates ? 1 : 2];
  int s = graph.new_group(v.shape(), position);
  Coords coords = identity(v.shape());
  Step& step = graph.step(s);
  step.group.is_flat_only = true;
  step.fills = reindexes;
  Output out{ref, 0, coords, reindexes ? Output::kByText : Output::kNone};
  if (node->op == Op::scatter_add) out.combine = Combine::add;
  if (node->op == Op::scatter) out.combine = combine_named(node->string(attr(Op::scatter, "combine")));
  if (reindexes) out.combine = combine_named(node->string(attr(Op::reindex_reduce, "combine")));
  if (updates) out.coords = update_coords(node, coords);
  graph.info(ref).step = s;
  graph.load_all(ref);
  // What is written over must not be read in the same launch: then it would be copied as a whole first.
  if (!reindexes && v.node->op != Op::constant && is_made_of(v.node, node->inputs()[0], 6)) graph.info(v).must = true;
  out.use = graph.add_use(s, v, coords);
  if (!reindexes) {
    graph.step(s).base = node->inputs()[0];
    graph.read_whole(s, node->inputs()[0]);
  }
  if (!reindexes && !updates) {
    Coords index;
    Ref i = node->inputs()[1];
    int axis = int(node->integer(attr_at(node, "axis")));
    for (int k = 0; k < i.shape().rank; k++)
      index.of.push_back(coords.of[size_t(node->op == Op::scatter_add ? axis + k : k)]);
    out.index_use = graph.add_use(s, i, index);
  }
  graph.group(s).outputs.push_back(out);
}

}  // namespace jt
