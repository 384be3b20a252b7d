// The slow obvious twins of rows that work along one axis.
#include <algorithm>
#include <numeric>

#include "core/ir/along.h"
#include "core/ir/eval_library.h"
#include "core/ir/scalar_math.h"

namespace jt {

namespace {

// Lines of n elements, inner apart.
struct Lines {
  int64_t outer, n, inner;
  explicit Lines(const Along& s) : outer(s.outer), n(s.n), inner(s.inner) {}
  int64_t at(int64_t o, int64_t k, int64_t i) const { return (o * n + k) * inner + i; }
};

Word at(const HostValue& x, int64_t k) { return load(x.type.dtype, &x.bytes[size_t(k) * size_of(x.type.dtype)]); }
void put(HostValue& x, int64_t k, Word value) {
  store(x.type.dtype, &x.bytes[size_t(k) * size_of(x.type.dtype)], value);
}
bool is_nan(DType t, Word w) { return is_float(t) && element(Op::isnan, ctype_of(t), w, {}, {}).b8; }
bool is_less(DType t, Word a, Word b) {
  return t == JT_BOOL ? a.b8 < b.b8 : element(Op::less, ctype_of(t), a, b, {}).b8;
}

// Whether a stands before b: a NaN is larger than every number.
bool precedes(DType t, Word a, Word b) { return is_nan(t, b) ? !is_nan(t, a) : is_less(t, a, b); }

void sort(const Lines& s, bool descending, const HostValue& x, HostValue& z, HostValue& index) {
  std::vector<int64_t> order(size_t(s.n));
  DType t = x.type.dtype;
  for (int64_t o = 0; o < s.outer; o++)
    for (int64_t i = 0; i < s.inner; i++) {
      std::iota(order.begin(), order.end(), 0);
      std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
        Word u = at(x, s.at(o, a, i)), v = at(x, s.at(o, b, i));
        return descending ? precedes(t, v, u) : precedes(t, u, v);
      });
      for (int64_t k = 0; k < s.n; k++) {
        put(z, s.at(o, k, i), at(x, s.at(o, order[size_t(k)], i)));
        put(index, s.at(o, k, i), {.i64 = order[size_t(k)]});
      }
    }
}

// Floats in f64, rounded once for each element.
void accumulate(Op op, const Lines& s, const HostValue& x, HostValue& z) {
  DType t = x.type.dtype;
  CType from = ctype_of(t), wide = is_float(t) ? CType::f64 : from;
  bool multiplies = op == Op::cumprod;
  for (int64_t o = 0; o < s.outer; o++)
    for (int64_t i = 0; i < s.inner; i++) {
      Word total = convert({.i64 = multiplies}, CType::i64, wide);
      for (int64_t k = 0; k < s.n; k++) {
        Word value = convert(at(x, s.at(o, k, i)), from, wide);
        total = element(multiplies ? Op::mul : Op::add, wide, total, value, {});
        put(z, s.at(o, k, i), convert(total, wide, from));
      }
    }
}

// The last of equal ones; a NaN is beaten by a NaN alone.
void choose(Op op, const Lines& s, const HostValue& x, HostValue& z, HostValue& index) {
  DType t = x.type.dtype;
  for (int64_t o = 0; o < s.outer; o++)
    for (int64_t i = 0; i < s.inner; i++) {
      int64_t best = 0;
      for (int64_t k = 0; k < s.n; k++) {
        Word old = at(x, s.at(o, best, i)), next = at(x, s.at(o, k, i));
        bool is_worse = op == Op::cummax ? is_less(t, next, old) : is_less(t, old, next);
        if (is_nan(t, old) ? is_nan(t, next) : !is_worse) best = k;
        put(z, s.at(o, k, i), at(x, s.at(o, best, i)));
        put(index, s.at(o, k, i), {.i64 = best});
      }
    }
}

}  // namespace

void evaluate_along(const Node* node, const HostValue& x, std::span<HostValue> results) {
  Lines s(Along(x.type.shape, int(node->integer(attr_at(node, "axis")))));
  if (node->op == Op::sort) return sort(s, node->integer(attr(Op::sort, "descending")), x, results[0], results[1]);
  if (node->op == Op::cummax || node->op == Op::cummin) return choose(node->op, s, x, results[0], results[1]);
  accumulate(node->op, s, x, results[0]);
}

}  // namespace jt
