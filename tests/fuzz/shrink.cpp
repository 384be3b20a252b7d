#include "tests/fuzz/shrink.h"

#include <algorithm>
#include <map>

namespace jt::test {

namespace {

bool is_nan(DType t, const unsigned char* p) {
  auto half = [&](uint16_t exponent) {
    uint16_t bits;
    std::memcpy(&bits, p, 2);
    return (bits & 0x7fff) > exponent;
  };
  if (t == JT_F16) return half(0x7c00);
  if (t == JT_BF16) return half(0x7f80);
  float f;
  double d;
  if (t == JT_F32) return std::memcpy(&f, p, 4), f != f;
  if (t == JT_F64) return std::memcpy(&d, p, 8), d != d;
  return false;
}

using Key = std::pair<const Node*, uint32_t>;
Key key(Ref r) { return {r.node, r.result}; }

bool is_param(Ref r) { return r.node->has_run() && r.node->op != Op::constant; }

HostValue host_value(Ref r) {
  const Result& at = r.node->results()[r.result];
  auto* bytes = static_cast<const unsigned char*>(host_bytes(at.buffer));
  return {at.type, std::vector<unsigned char>(bytes, bytes + at.type.bytes())};
}

// A node of a case recorded elsewhere, its numbers moved within their classes if `moved`.
Value replayed(Recorder& recorder, const Node* node, std::span<const Ref> ins, bool moved) {
  Value out = recorder.again(node, ins);
  Node* made = out.ref().node;
  made->origin = node->origin;
  if (!moved || node->origin < 0) return out;
  if (node->op == Op::constant) {
    DType t = out.dtype();
    double real;
    std::memcpy(&real, &node->constant_bits, 8);
    int64_t bits = node->constant_bits + 1;
    if (is_float(t)) real *= 1.5, std::memcpy(&bits, &real, 8);
    if (t != JT_BOOL && scalar_class(t, bits) == scalar_class(t, node->constant_bits)) made->constant_bits = bits;
  }
  if (node->op == Op::slice || node->op == Op::update) {
    const Shape &in = ins[0].shape(), box = node->op == Op::slice ? out.shape() : ins[1].shape();
    int steps = node->op == Op::slice ? 2 : 1;
    Dim* starts = made->words() + made->attr_begins()[0];
    Dim* stops = made->words() + made->attr_begins()[1];
    for (int i = 0; i < in.rank; i++) {
      int64_t span = box[i] ? (box[i] - 1) * node->ints(steps)[size_t(i)] + 1 : Dim(0);
      int64_t by = starts[i] > 1 ? -1 : starts[i] == 1 && starts[i] + span < in[i] ? 1 : 0;
      starts[i] += by;
      if (steps == 2) stops[i] += by;
    }
  }
  return out;
}

bool run_differs(Bench& bench, const Case& c, bool moved) {
  std::vector<Cell*> cells;
  std::vector<Value> results;
  std::vector<HostValue> want;
  {
    std::map<Key, Value> made;
    for (size_t i = 0; i < c.params.size(); i++)
      made[key(c.block.params[i])] = bench.context->data(c.block.params[i].type(), c.params[i].bytes.data());
    for (const Value& v : c.block.nodes) {
      std::vector<Ref> ins;
      for (Ref in : v.ref().node->ins()) ins.push_back(made.at(key(in)));
      Value copy = replayed(bench.recorder(), v.ref().node, ins, moved);
      for (int i = 0; i < v.ref().node->n_results; i++)
        made[{v.ref().node, uint32_t(i)}] = Ref{copy.ref().node, uint32_t(i)};
    }
    std::vector<Ref> refs;
    for (const Value& r : c.block.results) {
      Value v = made.at(key(r));
      refs.push_back(v), results.push_back(v), cells.push_back(bench.context->cell(v));
    }
    want = evaluate(refs);
  }
  bool differs = false;
  bench.context->eval_all();
  for (size_t i = 0; i < results.size(); i++)
    differs |= first_difference(want[i], host_bytes(bench.context->read(results[i]))) >= 0;
  results.clear();
  for (Cell* cell : cells) release(cell);
  return differs;
}

// The case again without what its results do not need; `gone` becomes a parameter of that value.
Case rebuilt(const Case& c, std::span<const Ref> results, const Node* gone, std::span<const HostValue> gone_values) {
  Case out;
  Recorder& r = *out.block.recorder;
  std::map<Key, Value> made;
  std::map<const Node*, bool> needed;
  for (Ref x : results) needed[x.node] = true;
  for (size_t i = c.block.nodes.size(); i-- > 0;) {
    Node* n = c.block.nodes[i].ref().node;
    if (!needed[n] || n == gone) continue;
    for (Ref in : n->ins()) needed[in.node] = true;
  }
  for (size_t i = 0; i < c.params.size(); i++) {
    if (!needed[c.block.params[i].ref().node]) continue;
    Value p = r.leaf(c.block.params[i].type(), nullptr);
    made[key(c.block.params[i])] = p;
    out.block.params.push_back(p), out.params.push_back(c.params[i]);
  }
  if (gone)
    for (size_t i = 0; i < gone_values.size(); i++) {
      Value p = r.leaf(gone->results()[i].type, nullptr);
      made[{gone, uint32_t(i)}] = p;
      out.block.params.push_back(p), out.params.push_back(gone_values[i]);
    }
  for (const Value& v : c.block.nodes) {
    const Node* n = v.ref().node;
    if (!needed[n] || n == gone) continue;
    std::vector<Ref> ins;
    for (Ref in : v.ref().node->ins()) ins.push_back(made.at(key(in)));
    Value copy = replayed(r, n, ins, false);
    for (int i = 0; i < n->n_results; i++) made[{n, uint32_t(i)}] = Ref{copy.ref().node, uint32_t(i)};
    out.block.nodes.push_back(copy);
  }
  for (Ref x : results) out.block.results.push_back(made.at(key(x)));
  out.block.scalars = c.block.scalars, out.block.wheres = c.block.wheres;
  return out;
}

std::vector<Ref> refs_of(const std::vector<Value>& values) { return {values.begin(), values.end()}; }

}  // namespace

int64_t first_difference(const HostValue& want, const void* got) {
  size_t size = size_of(want.type.dtype);
  auto* g = static_cast<const unsigned char*>(got);
  if (want.bytes.empty() || !std::memcmp(want.bytes.data(), g, want.bytes.size())) return -1;
  for (int64_t i = 0; i < want.type.count(); i++) {
    const unsigned char *a = want.bytes.data() + size_t(i) * size, *b = g + size_t(i) * size;
    if (std::memcmp(a, b, size) && !(is_nan(want.type.dtype, a) && is_nan(want.type.dtype, b))) return i;
  }
  return -1;
}

Case capture(std::span<const Ref> values) {
  std::map<uint64_t, Node*> nodes;  // by program order
  std::map<Key, Value> made;
  std::vector<Ref> todo(values.begin(), values.end());
  Case out;
  Recorder& r = *out.block.recorder;
  while (!todo.empty()) {
    Ref v = todo.back();
    todo.pop_back();
    if (is_param(v)) {
      if (made.count(key(v))) continue;
      out.block.params.push_back(made[key(v)] = r.leaf(v.type(), nullptr));
      out.params.push_back(host_value(v));
    } else if (nodes.emplace(v.node->sequence, v.node).second) {
      for (Ref in : v.node->ins()) todo.push_back(in);
    }
  }
  for (auto [sequence, n] : nodes) {
    std::vector<Ref> ins;
    for (Ref in : n->ins()) ins.push_back(made.at(key(in)));
    Value copy = r.again(n, ins);
    Node* node = copy.ref().node;
    node->origin = -1;
    if (n->op == Op::constant) {
      node->origin = int32_t(out.block.scalars.size());
      out.block.scalars.push_back({copy.dtype(), n->constant_bits});
    } else if (n->op == Op::slice || n->op == Op::update) {
      node->origin = int32_t(out.block.wheres.size());
      for (int64_t start : n->ints(0)) out.block.wheres.push_back(start);
    }
    for (int i = 0; i < n->n_results; i++) made[{n, uint32_t(i)}] = Ref{node, uint32_t(i)};
    out.block.nodes.push_back(copy);
  }
  for (Ref v : values) out.block.results.push_back(made.at(key(v)));
  return out;
}

Case copy(const Case& c) { return rebuilt(c, refs_of(c.block.results), nullptr, {}); }

bool fails(const Case& c, const Setting& setting) {
  try {
    Bench bench(setting);
    return run_differs(bench, c, false) || run_differs(bench, c, true);
  } catch (const Error&) {
    return true;
  }
}

Case shrunk(Case c, const Setting& setting) {
  for (bool smaller = true; smaller;) {
    smaller = false;
    auto attempt = [&](std::span<const Ref> results, const Node* gone, std::span<const HostValue> values) {
      Case next = rebuilt(c, results, gone, values);
      if (!fails(next, setting)) return false;
      c = std::move(next);
      return smaller = true;
    };
    std::vector<Ref> results = refs_of(c.block.results);
    for (size_t i = 0; i < results.size() && results.size() > 1; i++) {
      std::vector<Ref> fewer = results;
      fewer.erase(fewer.begin() + int64_t(i));
      if (attempt(fewer, nullptr, {})) break;
    }
    if (smaller) continue;
    for (size_t i = c.block.nodes.size(); i-- > 0 && !smaller;) {
      Node* n = c.block.nodes[i].ref().node;
      // A result moves to an operand of the same shape.
      for (size_t k = 0; k < results.size() && !smaller; k++) {
        if (results[k].node != n) continue;
        for (Ref in : n->ins()) {
          std::vector<Ref> earlier = results;
          earlier[k] = in;
          if (in.node->op != Op::data && in.node->op != Op::constant && attempt(earlier, nullptr, {})) break;
        }
      }
      if (smaller || n->op == Op::constant) continue;
      std::vector<Ref> all;
      for (int k = 0; k < n->n_results; k++) all.push_back({n, uint32_t(k)});
      Case upto = rebuilt(c, all, nullptr, {});
      std::vector<HostValue> params = upto.params, values = evaluate(upto.block, params);
      bool is_result = std::any_of(results.begin(), results.end(), [&](Ref r) { return r.node == n; });
      if (!is_result) attempt(results, n, values);
    }
  }
  return c;
}

}  // namespace jt::test
