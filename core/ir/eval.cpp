#include "core/ir/eval.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <unordered_map>

#include "core/ir/body.h"
#include "core/ir/eval_library.h"
#include "core/ir/index_expr.h"
#include "core/ir/region.h"
#include "core/ir/type_rules.h"
#include "core/ir/scalar_math.h"

namespace jt {

namespace {

using Inputs = std::span<const HostValue* const>;

// ---- indices --------------------------------------------------------------------------------------------------------

struct Index {
  int64_t at[2 * kMaxRank] = {};
  int64_t& operator[](int i) { return at[i]; }
  int64_t operator[](int i) const { return at[i]; }
};

// visit(index, number) for every index of a shape, row-major.
template <class Visit>
void for_each(const Shape& shape, Visit visit) {
  int64_t count = shape.count();
  Index index;
  for (int64_t n = 0; n < count; n++) {
    visit(std::as_const(index), n);
    for (int i = shape.rank; i-- > 0;) {
      if (++index[i] < shape[i]) break;
      index[i] = 0;
    }
  }
}

// The number of the element at index, or -1 outside the shape.
int64_t number_of(const Shape& shape, const Index& index) {
  int64_t n = 0;
  for (int i = 0; i < shape.rank; i++) {
    if (index[i] < 0 || index[i] >= shape[i]) return -1;
    n = n * shape[i] + index[i];
  }
  return n;
}

Word get(const HostValue& x, int64_t n) { return load(x.type.dtype, &x.bytes[size_t(n) * size_of(x.type.dtype)]); }
void put(HostValue& z, int64_t n, Word value) {
  store(z.type.dtype, &z.bytes[size_t(n) * size_of(z.type.dtype)], value);
}
// Moves an element untouched, NaN bits and all.
void copy(HostValue& z, int64_t to, const HostValue& x, int64_t from) {
  size_t size = size_of(x.type.dtype);
  std::memcpy(&z.bytes[size_t(to) * size], &x.bytes[size_t(from) * size], size);
}
int64_t integer_at(const HostValue& x, int64_t n) { return convert(get(x, n), ctype_of(x.type.dtype), CType::i64).i64; }

// ---- element, cast, reduce ------------------------------------------------------------------------------------------

void evaluate_element(const Node* node, Inputs in, HostValue& z) {
  CType type = ctype_of(in.back()->type.dtype);
  for (int64_t n = 0; n < z.type.count(); n++) {
    Word operands[3] = {};
    for (size_t k = 0; k < in.size(); k++)
      operands[k] = convert(get(*in[k], in[k]->type.shape.rank ? n : 0), ctype_of(in[k]->type.dtype), type);
    put(z, n, element(node->op, type, operands[0], operands[1], operands[2]));
  }
}

void evaluate_cast(const HostValue& x, HostValue& z) {
  for (int64_t n = 0; n < z.type.count(); n++) put(z, n, cast(get(x, n), x.type.dtype, z.type.dtype));
}

Op combining_op(Reduction r) {
  switch (r) {
    case Reduction::sum: return Op::add;
    case Reduction::prod: return Op::mul;
    case Reduction::max: return Op::maximum;
    case Reduction::min: return Op::minimum;
    case Reduction::any: return Op::logical_or;
    default: return Op::logical_and;
  }
}

Word word_of_neutral(Neutral n, DType t) {
  int64_t bits = bits_of(n, t);
  return load(t, reinterpret_cast<const unsigned char*>(&bits));
}

// The order that program.h defines: 64 lanes, a halving tree per 4096 values, a binary counter over these.
Word reduced(Reduction r, DType dtype, std::span<const Word> values) {
  if (values.empty()) return word_of_neutral(of_nothing(r), dtype);
  CType type = ctype_of(dtype);
  auto combine = [&](Word a, Word b) { return element(combining_op(r), type, a, b, {}); };
  std::vector<std::pair<int, Word>> counter;  // (level, value of 2^level blocks), earlier blocks first
  for (size_t first = 0; first < values.size(); first += kReduceBlock) {
    auto block = values.subspan(first, std::min<size_t>(kReduceBlock, values.size() - first));
    Word lanes[kLanes];
    std::fill_n(lanes, kLanes, word_of_neutral(identity(r), dtype));
    for (size_t i = 0; i < block.size(); i++) lanes[i % kLanes] = combine(lanes[i % kLanes], block[i]);
    for (int half = kLanes / 2; half; half /= 2)
      for (int l = 0; l < half; l++) lanes[l] = combine(lanes[l], lanes[l + half]);
    counter.push_back({0, lanes[0]});
    // A block that is not full is the last: it joins only at the end.
    while (block.size() == size_t(kReduceBlock) && counter.size() > 1 &&
           counter.end()[-2].first == counter.back().first) {
      Word later = counter.back().second;
      counter.pop_back();
      counter.back() = {counter.back().first + 1, combine(counter.back().second, later)};
    }
  }
  Word value = counter.back().second;
  for (size_t k = counter.size() - 1; k-- > 0;) value = combine(counter[k].second, value);
  return value;
}

int64_t first_best(Reduction r, CType type, std::span<const Word> values) {
  Op better = r == Reduction::argmax ? Op::greater : Op::less;
  size_t best = 0;
  for (size_t i = 1; i < values.size(); i++) {
    if (element(Op::isnan, type, values[best], {}, {}).b8) break;
    if (element(Op::isnan, type, values[i], {}, {}).b8 || element(better, type, values[i], values[best], {}).b8)
      best = i;
  }
  return int64_t(best);
}

void evaluate_reduce(const Node* node, const HostValue& x, HostValue& z) {
  Reduction r = def(node->op).reduction;
  bool is_arg = r == Reduction::argmax || r == Reduction::argmin;
  uint32_t axes = axis_set(node->ints(0));
  const Shape& shape = x.type.shape;
  DType accumulated = is_arg ? x.type.dtype : z.type.dtype;
  std::vector<std::vector<Word>> values(size_t(z.type.count()));
  Shape kept = reduced_shape(shape, axes, false);
  for_each(shape, [&](const Index& index, int64_t n) {
    Index outer;
    for (int i = 0, o = 0; i < shape.rank; i++)
      if (!(axes >> i & 1)) outer[o++] = index[i];
    values[size_t(number_of(kept, outer))].push_back(convert(get(x, n), ctype_of(x.type.dtype), ctype_of(accumulated)));
  });
  for (size_t k = 0; k < values.size(); k++) {
    Word value =
        is_arg ? Word{.i64 = first_best(r, ctype_of(accumulated), values[k])} : reduced(r, accumulated, values[k]);
    put(z, int64_t(k), value);
  }
}

// ---- movement -------------------------------------------------------------------------------------------------------

// z[index] = x[map(index)], or fill where that is outside x.
template <class Map>
void gather_elements(const HostValue& x, HostValue& z, Word fill, Map map) {
  for_each(z.type.shape, [&](const Index& index, int64_t n) {
    int64_t from = number_of(x.type.shape, map(index));
    from >= 0 ? copy(z, n, x, from) : put(z, n, fill);
  });
}

Index transposed(const Node* node, const Index& z) {
  Index x;
  auto axes = node->ints(0);
  for (size_t i = 0; i < axes.size(); i++) x[int(axes[i])] = z[int(i)];
  return x;
}

Index expanded(const Shape& from, const Shape& to, const Index& z) {
  Index x;
  for (int i = 0; i < from.rank; i++) x[i] = from[i] == 1 ? 0 : z[i + to.rank - from.rank];
  return x;
}

Index sliced(const Node* node, const Index& z, int rank) {
  Index x;
  for (int i = 0; i < rank; i++) x[i] = node->ints(0)[size_t(i)] + z[i] * node->ints(2)[size_t(i)];
  return x;
}

Index unpadded(const Node* node, const Index& z, int rank) {
  Index x;
  for (int i = 0; i < rank; i++) x[i] = z[i] - node->ints(0)[size_t(i)];
  return x;
}

Index flipped(const Node* node, const Shape& shape, Index index) {
  for (int64_t axis : node->ints(0)) index[int(axis)] = shape[int(axis)] - 1 - index[int(axis)];
  return index;
}

Index windowed(const Node* node, const Index& z, int rank) {
  Index x = z;
  int n = int(node->ints(0).size()), lead = rank - n;
  for (int i = 0; i < n; i++)
    x[lead + i] = z[lead + i] * node->ints(1)[size_t(i)] + z[lead + n + i] * node->ints(2)[size_t(i)];
  return x;
}

void evaluate_movement(const Node* node, const HostValue& x, HostValue& z) {
  const Shape& shape = x.type.shape;
  int rank = shape.rank;
  switch (node->op) {
    case Op::reshape: z.bytes = x.bytes; return;
    case Op::transpose: return gather_elements(x, z, {}, [&](const Index& i) { return transposed(node, i); });
    case Op::expand: return gather_elements(x, z, {}, [&](const Index& i) { return expanded(shape, z.type.shape, i); });
    case Op::slice: return gather_elements(x, z, {}, [&](const Index& i) { return sliced(node, i, rank); });
    case Op::pad:
      return gather_elements(x, z, word_of(z.type.dtype, node->real(2)),
                             [&](const Index& i) { return unpadded(node, i, rank); });
    case Op::flip: return gather_elements(x, z, {}, [&](const Index& i) { return flipped(node, shape, i); });
    case Op::windows: return gather_elements(x, z, {}, [&](const Index& i) { return windowed(node, i, rank); });
    default: fail(JT_E_UNSUPPORTED, name(node->op), ": has no reference evaluation");
  }
}

// ---- index ----------------------------------------------------------------------------------------------------------

void evaluate_concat(const Node* node, Inputs in, HostValue& z) {
  int axis = int(node->integer(0));
  int64_t begin = 0;
  for (const HostValue* x : in) {
    for_each(x->type.shape, [&](Index index, int64_t n) {
      index[axis] += begin;
      copy(z, number_of(z.type.shape, index), *x, n);
    });
    begin += x->type.shape[axis];
  }
}

void evaluate_update(const Node* node, const HostValue& x, const HostValue& v, HostValue& z) {
  z.bytes = x.bytes;
  for_each(v.type.shape, [&](Index index, int64_t n) {
    for (int i = 0; i < x.type.shape.rank; i++)
      index[i] = node->ints(0)[size_t(i)] + index[i] * node->ints(1)[size_t(i)];
    copy(z, number_of(x.type.shape, index), v, n);
  });
}

// An index along an axis: negative ones count from the end; what is still outside stays outside.
int64_t place_along(const HostValue& index, int64_t n, int64_t extent) {
  int64_t place = integer_at(index, n);
  return place < 0 ? place + extent : place;
}

// The index into x of an element of take's result: [before axis.., index.., after axis..].
Index taken(const HostValue& x, const HostValue& index, int axis, const Index& z) {
  Index out, in_index;
  for (int i = 0; i < index.type.shape.rank; i++) in_index[i] = z[axis + i];
  for (int i = 0; i < axis; i++) out[i] = z[i];
  for (int i = axis + 1; i < x.type.shape.rank; i++) out[i] = z[i + index.type.shape.rank - 1];
  out[axis] = place_along(index, number_of(index.type.shape, in_index), x.type.shape[axis]);
  return out;
}

Word combined(std::string_view combine, DType t, Word old, Word value) {
  CType type = ctype_of(t);
  if (combine == "set") return value;
  if (combine == "max") return element(Op::maximum, type, old, value, {});
  if (combine == "min") return element(Op::minimum, type, old, value, {});
  bool add = combine == "add";
  if (t == JT_BOOL) return element(add ? Op::logical_or : Op::logical_and, type, old, value, {});
  return element(add ? Op::add : Op::mul, type, old, value, {});
}

// Where many may meet in an element, halves are gathered in float32, and rounded once.
template <class Gather>
void gather_into(HostValue& z, std::string_view combine, Gather gather) {
  DType t = z.type.dtype;
  if (wide(t) == t || (combine != "add" && combine != "mul")) return gather(z);
  HostValue wider{z.type, {}};
  wider.type.dtype = wide(t);
  wider.bytes.resize(size_t(z.type.count()) * size_of(wide(t)));
  evaluate_cast(z, wider);
  gather(wider);
  evaluate_cast(wider, z);
}

// z[at] combined with element n of v, stored at once; outside: dropped.
void combine_into(HostValue& z, const Index& at, std::string_view combine, const HostValue& v, int64_t n) {
  int64_t to = number_of(z.type.shape, at);
  if (to >= 0) put(z, to, combined(combine, z.type.dtype, get(z, to), get(v, n)));  // a half is read as float32
}

void evaluate_scatter_add(const Node* node, Inputs in, HostValue& z) {
  z.bytes = in[0]->bytes;
  int axis = int(node->integer(0));
  gather_into(z, "add", [&](HostValue& to) {
    for_each(in[2]->type.shape, [&](const Index& index, int64_t n) {
      combine_into(to, taken(*in[0], *in[1], axis, index), "add", *in[2], n);
    });
  });
}

void evaluate_scatter(const Node* node, Inputs in, HostValue& z) {
  z.bytes = in[0]->bytes;
  int axis = int(node->integer(0));
  gather_into(z, node->string(1), [&](HostValue& to) {
    for_each(in[2]->type.shape, [&](Index index, int64_t n) {
      index[axis] = place_along(*in[1], n, z.type.shape[axis]);
      combine_into(to, index, node->string(1), *in[2], n);
    });
  });
}

void evaluate_gather(const Node* node, const HostValue& x, const HostValue& index, HostValue& z) {
  int axis = int(node->integer(0)), n = 0;
  gather_elements(x, z, {}, [&](Index i) {
    i[axis] = place_along(index, n++, x.type.shape[axis]);
    return i;
  });
}

int64_t value_of(const IndexExpr& expr, const Index& index) {
  std::vector<int64_t> stack;
  for (const IndexStep& step : expr) {
    if (step.kind == IndexStep::coordinate) { stack.push_back(index[int(step.value)]); continue; }
    if (step.kind == IndexStep::integer) { stack.push_back(step.value); continue; }
    if (step.kind == IndexStep::neg) {
      stack.back() = element(Op::neg, CType::i64, {.i64 = stack.back()}, {}, {}).i64;
      continue;
    }
    Word b{.i64 = stack.back()};
    stack.pop_back();
    Word a{.i64 = stack.back()};
    Op op = step.kind == IndexStep::add   ? Op::add
            : step.kind == IndexStep::sub ? Op::sub
            : step.kind == IndexStep::mul ? Op::mul
            : step.kind == IndexStep::div ? Op::floor_div
                                          : Op::mod;
    stack.back() = element(op, CType::i64, a, b, {}).i64;
  }
  return stack.back();
}

Index index_of(std::span<const IndexExpr> exprs, const Index& index) {
  Index out;
  for (size_t i = 0; i < exprs.size(); i++) out[int(i)] = value_of(exprs[i], index);
  return out;
}

std::vector<IndexExpr> index_exprs(const Node* node, int coordinates, int axes) {
  if (axes == 0) return {};
  return parse_index_exprs(name(node->op), node->string(1), coordinates);
}

void evaluate_reindex(const Node* node, const HostValue& x, HostValue& z) {
  auto exprs = index_exprs(node, z.type.shape.rank, x.type.shape.rank);
  gather_elements(x, z, word_of(z.type.dtype, node->real(2)), [&](const Index& i) { return index_of(exprs, i); });
}

void evaluate_reindex_reduce(const Node* node, const HostValue& x, HostValue& z) {
  auto exprs = index_exprs(node, x.type.shape.rank, z.type.shape.rank);
  std::string_view combine = node->string(2);
  DType t = z.type.dtype;
  Combine how = combine == "add"   ? Combine::add
                : combine == "mul" ? Combine::mul
                : combine == "max" ? Combine::max
                                   : Combine::min;
  Word first = word_of_neutral(identity(how), t);
  for (int64_t n = 0; n < z.type.count(); n++) put(z, n, first);
  gather_into(z, combine, [&](HostValue& to) {
    for_each(x.type.shape,
             [&](const Index& index, int64_t n) { combine_into(to, index_of(exprs, index), combine, x, n); });
  });
}

void evaluate_index(const Node* node, Inputs in, HostValue& z) {
  switch (node->op) {
    case Op::concat: return evaluate_concat(node, in, z);
    case Op::update: return evaluate_update(node, *in[0], *in[1], z);
    case Op::take:
      return gather_elements(*in[0], z, {},
                             [&](const Index& i) { return taken(*in[0], *in[1], int(node->integer(0)), i); });
    case Op::scatter_add: return evaluate_scatter_add(node, in, z);
    case Op::scatter: return evaluate_scatter(node, in, z);
    case Op::gather: return evaluate_gather(node, *in[0], *in[1], z);
    case Op::reindex: return evaluate_reindex(node, *in[0], z);
    case Op::reindex_reduce: return evaluate_reindex_reduce(node, *in[0], z);
    default: fail(JT_E_UNSUPPORTED, name(node->op), ": has no reference evaluation");
  }
}

// ---- source ---------------------------------------------------------------------------------------------------------

// Philox4x32-10 (Salmon et al. 2011), word 0 of counter (element, counter).
uint32_t philox(uint64_t element, uint64_t counter, uint64_t key) {
  uint32_t c[4] = {uint32_t(element), uint32_t(element >> 32), uint32_t(counter), uint32_t(counter >> 32)};
  uint32_t k[2] = {uint32_t(key), uint32_t(key >> 32)};
  for (int round = 0; round < 10; round++) {
    uint64_t p0 = uint64_t(0xD2511F53) * c[0], p1 = uint64_t(0xCD9E8D57) * c[2];
    uint32_t next[4] = {uint32_t(p1 >> 32) ^ c[1] ^ k[0], uint32_t(p1), uint32_t(p0 >> 32) ^ c[3] ^ k[1], uint32_t(p0)};
    std::copy_n(next, 4, c);
    k[0] += 0x9E3779B9, k[1] += 0xBB67AE85;
  }
  return c[0];
}

void evaluate_source(const Node* node, HostValue& z) {
  DType t = z.type.dtype;
  if (node->op == Op::random_bits) {
    uint64_t key =
        random_key(node->integer(attr(Op::random_bits, "seed")), node->integer(attr(Op::random_bits, "stream")));
    for (int64_t n = 0; n < z.type.count(); n++)
      put(z, n, {.i64 = philox(uint64_t(n), uint64_t(node->integer(attr(Op::random_bits, "counter"))), key)});
    return;
  }
  JT_CHECK(node->op == Op::iota);
  for_each(z.type.shape, [&](const Index& index, int64_t n) {
    int64_t coordinate = z.type.shape.rank ? index[int(node->integer(attr(Op::iota, "axis")))] : 0;
    put(z, n, cast({.i64 = coordinate}, JT_I64, t));
  });
}

// ---- graphs ---------------------------------------------------------------------------------------------------------

class Evaluator {
 public:
  void give(const Node* leaf, HostValue value) { values_[leaf].push_back(std::move(value)); }
  const HostValue& at(Ref r) { return values_.at(r.node)[r.result]; }
  bool knows(const Node* node) const { return values_.count(node); }

  // Everything that r needs, in order, by a stack of our own.
  void run_up_to(Ref r) {
    std::vector<const Node*> stack{r.node};
    while (!stack.empty()) {
      const Node* node = stack.back();
      size_t before = stack.size();
      if (!knows(node) && !take_buffers(node))
        for (int i = 0; i < node->n_inputs; i++)
          if (const Node* in = node->inputs()[i].node; !knows(in)) stack.push_back(in);
      if (stack.size() > before) continue;
      stack.pop_back();
      if (!knows(node)) run(node);
    }
  }

  void run(const Node* node) {
    std::vector<HostValue> results(node->n_results);
    for (int i = 0; i < node->n_results; i++) {
      results[size_t(i)].type = node->results()[i].type;
      results[size_t(i)].bytes.resize(results[size_t(i)].type.bytes());
    }
    std::vector<const HostValue*> in;
    for (int i = 0; i < node->n_inputs; i++) in.push_back(&at(node->inputs()[i]));
    compute(node, in, results);
    values_[node] = std::move(results);
  }

 private:
  bool take_buffers(const Node* node) {
    if (!node->has_run()) return false;
    for (int i = 0; i < node->n_results; i++) {
      const Result& r = node->results()[i];
      auto* data = static_cast<const unsigned char*>(host_bytes(r.buffer));
      give(node, {r.type, std::vector<unsigned char>(data, data + r.type.bytes())});
    }
    return true;
  }

  void compute(const Node* node, Inputs in, std::vector<HostValue>& results) {
    HostValue& z = results[0];
    switch (kind(node)) {
      case Kind::constant: return put(z, 0, word_of_bits(z.type.dtype, node->constant_bits));
      case Kind::element: return evaluate_element(node, in, z);
      case Kind::cast: return evaluate_cast(*in[0], z);
      case Kind::reduce: return evaluate_reduce(node, *in[0], z);
      case Kind::movement: return evaluate_movement(node, *in[0], z);
      case Kind::index: return evaluate_index(node, in, z);
      case Kind::library: return evaluate_library(node, in, results);
      case Kind::source: return evaluate_source(node, z);
      case Kind::composite: return open(node, in, results);
      case Kind::region:
        return node->op == Op::branch ? evaluate_branch(node, in, results) : evaluate_loop(node, in, results);
      case Kind::custom: fail(JT_E_UNSUPPORTED, "evaluate: a custom op has no slow twin");
      case Kind::leaf: fail(JT_E_INVALID, "evaluate: a data node has no value");
    }
  }

  static std::vector<HostValue> evaluate_block(const Block& block, Inputs in) {
    Evaluator inner;
    for (size_t i = 0; i < block.params.size(); i++) inner.give(block.params[i].ref().node, *in[i]);
    for (const Value& node : block.nodes) inner.run(node.ref().node);
    std::vector<HostValue> out;
    for (const Value& result : block.results) out.push_back(inner.at(result));
    return out;
  }
  static void evaluate_branch(const Node* node, Inputs in, std::vector<HostValue>& results) {
    bool is_first = in[0]->bytes[0] != 0;
    std::vector<HostValue> found = evaluate_block(node->region->blocks()[is_first ? 0 : 1], in.subspan(kBranchInputs));
    for (size_t i = 0; i < results.size(); i++) results[i].bytes = std::move(found[i].bytes);
  }
  static void evaluate_loop(const Node* node, Inputs in, std::vector<HostValue>& results) {
    const LoopLayout l(node);
    int64_t trips = integer_at(*in[0], 0);
    if (l.most >= 0) trips = std::min<int64_t>(trips, l.most);
    bool goes_on = in[1]->bytes[0] != 0;
    HostValue i{{JT_I64, {}}, std::vector<unsigned char>(8)};
    std::vector<HostValue> carried;
    for (int k = 0; k < l.carried; k++) carried.push_back(*in[size_t(LoopLayout::kFirst + k)]);
    for (int64_t round = 0; goes_on && round < trips; round++) {
      std::memcpy(i.bytes.data(), &round, 8);
      std::vector<const HostValue*> args{&i};
      for (const HostValue& v : carried) args.push_back(&v);
      args.insert(args.end(), in.begin() + LoopLayout::kFirst + l.carried, in.end());
      std::vector<HostValue> found = evaluate_block(node->region->blocks()[0], args);
      goes_on = found[0].bytes[0] != 0;
      for (int k = 0; k < l.carried; k++) carried[size_t(k)] = std::move(found[size_t(1 + k)]);
      for (int k = 0; k < l.stacked; k++) {
        const auto& row = found[size_t(1 + l.carried + k)].bytes;
        std::ranges::copy(row, results[size_t(l.carried + k)].bytes.begin() + round * int64_t(row.size()));
      }
    }
    for (int k = 0; k < l.carried; k++) results[size_t(k)].bytes = std::move(carried[size_t(k)].bytes);
  }

  // A composite row is what its body computes.
  static void open(const Node* node, Inputs in, std::vector<HostValue>& results) {
    auto is_empty = [](const HostValue& result) { return result.bytes.empty(); };
    if (std::ranges::all_of(results, is_empty)) return;  // what its body would compute on the way may be large
    Block scope;
    Evaluator inner;
    std::vector<Ref> refs;
    for (const HostValue* x : in) {
      scope.params.push_back(scope.recorder->leaf(x->type, nullptr));
      refs.push_back(scope.params.back());
      inner.give(refs.back().node, *x);
    }
    std::vector<Value> made(results.size());
    open_body(*scope.recorder, refs, *node, made);
    for (size_t i = 0; i < made.size(); i++) inner.run_up_to(made[i]), results[i].bytes = inner.at(made[i]).bytes;
  }

  std::unordered_map<const Node*, std::vector<HostValue>> values_;
};

}  // namespace

std::vector<HostValue> evaluate(const Block& block, std::span<const HostValue> params) {
  if (params.size() != block.params.size())
    fail(JT_E_INVALID, "evaluate: ", params.size(), " values for ", block.params.size(), " parameters");
  Evaluator evaluator;
  for (size_t i = 0; i < params.size(); i++) {
    const Type& type = block.params[i].type();
    if (params[i].type.dtype != type.dtype || !same_extents(params[i].type.shape, type.shape))
      fail(JT_E_INVALID, "evaluate: parameter ", i, " is ", type, ", not ", params[i].type);
    if (params[i].bytes.size() != type.bytes())
      fail(JT_E_INVALID, "evaluate: parameter ", i, " has ", params[i].bytes.size(), " bytes, not ", type.bytes());
    evaluator.give(block.params[i].ref().node, {type, params[i].bytes});
  }
  for (const Value& node : block.nodes) evaluator.run(node.ref().node);
  std::vector<HostValue> out;
  for (const Value& result : block.results) out.push_back(evaluator.at(result));
  return out;
}

std::vector<HostValue> evaluate(std::span<const Ref> asked) {
  Evaluator evaluator;
  std::vector<HostValue> out;
  for (Ref r : asked) {
    evaluator.run_up_to(r);
    out.push_back(evaluator.at(r));
  }
  return out;
}

int64_t fold(Op op, std::span<const Scalar> from, DType to) {
  DType t = from.back().dtype;
  if (op == Op::cast) return bits_of_word(to, cast(word_of_bits(t, from[0].bits), t, to));
  Word operands[3] = {};
  for (size_t k = 0; k < from.size(); k++)
    operands[k] = convert(word_of_bits(from[k].dtype, from[k].bits), ctype_of(from[k].dtype), ctype_of(t));
  return bits_of_word(to, narrow(to, element(op, ctype_of(t), operands[0], operands[1], operands[2])));
}

}  // namespace jt
