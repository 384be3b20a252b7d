#include "interpreter.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

#include "core/ir/region.h"
#include "core/ir/build.h"
#include "core/ir/index_expr.h"
#include "core/ir/type_rules.h"

namespace jt::test {

namespace {

using Index = std::vector<int64_t>;

// ---- the names that expressions of ops.def use ----------------------------------------------------------------------
constexpr double none = 0;
#define JT_INF std::numeric_limits<double>::infinity()
[[maybe_unused]] double fsign(double x) { return x > 0 ? 1 : x < 0 ? -1 : x; }
[[maybe_unused]] double fmaximum(double x, double y) { return std::isnan(x) || std::isnan(y) ? NAN : std::max(x, y); }
[[maybe_unused]] double fminimum(double x, double y) { return std::isnan(x) || std::isnan(y) ? NAN : std::min(x, y); }
[[maybe_unused]] double fmodulo(double x, double y) { return x - y * std::floor(x / y); }
[[maybe_unused]] double ffloordiv(double x, double y) { return std::floor(x / y); }
[[maybe_unused]] int64_t ifloordiv(int64_t x, int64_t y) { return y ? int64_t(std::floor(double(x) / double(y))) : 0; }
[[maybe_unused]] int64_t imodulo(int64_t x, int64_t y) { return y ? x - y * ifloordiv(x, y) : 0; }
[[maybe_unused]] int64_t ipow(int64_t x, int64_t y) { return int64_t(std::pow(double(x), double(y))); }
[[maybe_unused]] int64_t ishl(int64_t x, int64_t y) { return x << y; }
[[maybe_unused]] int64_t ishr(int64_t x, int64_t y) { return x >> y; }

template <class T>
double element(Op op, bool is_real, T x, T y, T w) {
  (void)x, (void)y, (void)w;
#define JT_ROW(name, f, i) \
  case Op::name: if constexpr (std::is_same_v<T, double>) { return double(f); } else { return double(i); }
#define JT_UNARY(name, types, result, f, i, ...) JT_ROW(name, f, i)
#define JT_BINARY(name, types, result, f, i, ...) JT_ROW(name, f, i)
#define JT_TERNARY(name, types, result, f, i, ...) JT_ROW(name, f, i)
  (void)is_real;
  switch (op) {
#include "core/ir/ops.def"
    default: fail(JT_E_INTERNAL, "interpreter: not an element row");
  }
}

// ---- coordinates ----------------------------------------------------------------------------------------------------
void each(const Shape& shape, const std::function<void(int64_t, const Index&)>& visit) {
  Index at(size_t(shape.rank), 0);
  for (int64_t n = 0, count = shape.count(); n < count; n++) {
    int64_t rest = n;
    for (int i = shape.rank; i-- > 0;) at[i] = rest % shape[i], rest /= shape[i];
    visit(n, at);
  }
}
// Offset of a coordinate, or -1 outside.
int64_t offset(const Shape& shape, const Index& at) {
  int64_t out = 0;
  for (int i = 0; i < shape.rank; i++) {
    if (at[i] < 0 || at[i] >= shape[i]) return -1;
    out = out * shape[i] + at[i];
  }
  return out;
}
double fetch(const Array& x, const Shape& shape, const Index& at, double outside = 0) {
  int64_t o = offset(shape, at);
  return o < 0 ? outside : x[size_t(o)];
}
Index coordinates(const std::vector<IndexExpr>& exprs, const Index& at) {
  Index out;
  for (const IndexExpr& code : exprs) {
    Index stack;
    auto pop = [&] { int64_t v = stack.back(); stack.pop_back(); return v; };
    for (const IndexStep& s : code) {
      if (s.kind == IndexStep::coordinate) { stack.push_back(at[size_t(s.value)]); continue; }
      if (s.kind == IndexStep::integer) { stack.push_back(s.value); continue; }
      int64_t b = pop();
      if (s.kind == IndexStep::neg) { stack.push_back(-b); continue; }
      int64_t a = pop();
      stack.push_back(s.kind == IndexStep::add   ? a + b
                      : s.kind == IndexStep::sub ? a - b
                      : s.kind == IndexStep::mul ? a * b
                      : s.kind == IndexStep::div ? ifloordiv(a, b)
                                                 : imodulo(a, b));
    }
    out.push_back(stack.back());
  }
  return out;
}
double combined(std::string_view how, double a, double b) {
  if (how == "set") return b;
  if (how == "add") return a + b;
  if (how == "mul") return a * b;
  return how == "max" ? fmaximum(a, b) : fminimum(a, b);
}

// ---- one node -------------------------------------------------------------------------------------------------------
struct Machine {
  const Feed& feed;
  std::map<Node*, std::vector<Array>> done;
  std::vector<Value> bodies;

  const Array& in(Node* n, int i) { Ref r = n->inputs()[i]; return done.at(r.node)[r.result]; }
  static const Shape& shape(Node* n, int i) { return n->inputs()[i].shape(); }

  void finish(Node* n, Array& out) {
    DType t = n->results()[0].type.dtype;
    for (double& v : out) {
      if (t == JT_BOOL) v = v != 0;
      else if (!is_float(t)) v = std::trunc(v);
      else if (t != JT_F64) v = double(float(v));
    }
  }

  Array element_row(Node* n) {
    Array out(size_t(n->results()[0].type.count()));
    bool reals = is_float(n->inputs()[n->n_inputs - 1].dtype());
    for (size_t i = 0; i < out.size(); i++) {
      double v[3] = {};
      for (int k = 0; k < n->n_inputs; k++) v[k] = in(n, k)[shape(n, k).rank ? i : 0];
      out[i] = reals ? element<double>(n->op, true, v[0], v[1], v[2])
                     : element<int64_t>(n->op, false, int64_t(v[0]), int64_t(v[1]), int64_t(v[2]));
    }
    return out;
  }

  Array reduce_row(Node* n) {
    const Shape& x = shape(n, 0);
    uint32_t axes = axis_set(n->ints(0));
    Shape kept = reduced_shape(x, axes, true);
    Array out(size_t(kept.count()), 0), best(out.size(), NAN), seen(out.size(), 0);
    each(x, [&](int64_t i, const Index& at) {
      Index to = at;
      for (int k = 0; k < x.rank; k++)
        if (axes >> k & 1) to[k] = 0;
      size_t o = size_t(offset(kept, to));
      double v = in(n, 0)[size_t(i)], order = seen[o]++;
      bool first = order == 0;
      switch (n->op) {
        case Op::sum: out[o] += v; break;
        case Op::prod: out[o] = first ? v : out[o] * v; break;
        case Op::max: out[o] = first ? v : fmaximum(out[o], v); break;
        case Op::min: out[o] = first ? v : fminimum(out[o], v); break;
        case Op::any: out[o] = out[o] || v; break;
        case Op::all: out[o] = first ? v : out[o] && v; break;
        case Op::argmax: if (first || v > best[o]) best[o] = v, out[o] = order; break;
        case Op::argmin: if (first || v < best[o]) best[o] = v, out[o] = order; break;
        default: break;
      }
    });
    for (size_t o = 0; o < out.size(); o++)
      if (!seen[o] && (n->op == Op::prod || n->op == Op::all)) out[o] = 1;
    return out;
  }

  // Rows where every element of the result is an element of x: by a map from the result's coordinates to x's.
  Array moved(Node* n, double outside, const std::function<Index(const Index&)>& from) {
    const Shape& z = n->results()[0].type.shape;
    Array out(size_t(z.count()));
    each(z, [&](int64_t i, const Index& at) { out[size_t(i)] = fetch(in(n, 0), shape(n, 0), from(at), outside); });
    return out;
  }

  Array movement_row(Node* n) {
    const Shape& x = shape(n, 0);
    if (n->op == Op::reshape) return in(n, 0);
    return moved(n, n->op == Op::pad ? n->real(2) : 0, [&](const Index& at) {
      Index from(size_t(x.rank));
      auto a = n->ints(0);
      int lead = int(at.size()) - x.rank;
      for (int i = 0; i < x.rank; i++) {
        switch (n->op) {
          case Op::transpose: from[a[i]] = at[i]; break;
          case Op::expand: from[i] = x[i] == 1 ? 0 : at[i + lead]; break;
          case Op::slice: from[i] = a[i] + at[i] * n->ints(2)[i]; break;
          case Op::pad: from[i] = at[i] - a[i]; break;
          case Op::flip: from[i] = axis_set(a) >> i & 1 ? int64_t(x[i] - 1 - at[i]) : at[i]; break;
          case Op::windows: {
            int size = int(a.size()), w = i - (x.rank - size);
            from[i] = w < 0 ? at[i] : int64_t(at[i] * n->ints(1)[w] + at[i + size] * n->ints(2)[w]);
            break;
          }
          default: fail(JT_E_INTERNAL, "interpreter: ", name(n->op));
        }
      }
      return from;
    });
  }

  Array index_row(Node* n) {
    const Shape& z = n->results()[0].type.shape;
    const Shape& x = shape(n, 0);
    switch (n->op) {
      case Op::concat: {
        Array out(size_t(z.count()));
        int64_t begin = 0, axis = n->integer(0);
        for (int k = 0; k < n->n_inputs; k++) {
          each(shape(n, k), [&](int64_t i, Index at) {
            at[axis] += begin;
            out[size_t(offset(z, at))] = in(n, k)[size_t(i)];
          });
          begin += shape(n, k)[int(axis)];
        }
        return out;
      }
      case Op::update: {
        Array out = in(n, 0);
        each(shape(n, 1), [&](int64_t i, Index at) {
          for (size_t k = 0; k < at.size(); k++) at[k] = n->ints(0)[k] + at[k] * n->ints(1)[k];
          out[size_t(offset(x, at))] = in(n, 1)[size_t(i)];
        });
        return out;
      }
      case Op::take:
        return moved(n, 0, [&](const Index& at) { return taken_from(n, at); });
      case Op::scatter_add: {
        Array out = in(n, 0);
        each(shape(n, 2), [&](int64_t i, const Index& at) {
          int64_t o = offset(x, taken_from(n, at));
          if (o >= 0) out[size_t(o)] += in(n, 2)[size_t(i)];
        });
        return out;
      }
      case Op::gather:
        return moved(n, 0, [&](const Index& at) { return gathered_from(n, at); });
      case Op::scatter: {
        Array out = in(n, 0);
        each(shape(n, 2), [&](int64_t i, const Index& at) {
          int64_t o = offset(x, gathered_from(n, at));
          if (o >= 0) out[size_t(o)] = combined(n->string(1), out[size_t(o)], in(n, 2)[size_t(i)]);
        });
        return out;
      }
      case Op::reindex: {
        auto exprs = exprs_of(n, z.rank);
        return moved(n, n->real(2), [&](const Index& at) { return coordinates(exprs, at); });
      }
      case Op::reindex_reduce: {
        auto exprs = exprs_of(n, x.rank);
        std::string_view how = n->string(2);
        Array out(size_t(z.count()), how == "add" ? 0 : how == "mul" ? 1 : how == "max" ? -JT_INF : JT_INF);
        each(x, [&](int64_t i, const Index& at) {
          int64_t o = offset(z, coordinates(exprs, at));
          if (o >= 0) out[size_t(o)] = combined(how, out[size_t(o)], in(n, 0)[size_t(i)]);
        });
        return out;
      }
      default: fail(JT_E_INTERNAL, "interpreter: ", name(n->op));
    }
  }
  static std::vector<IndexExpr> exprs_of(Node* n, int coordinates) {
    return parse_index_exprs("test", n->string(1), coordinates);
  }
  Index taken_from(Node* n, const Index& at) {
    const Shape &x = shape(n, 0), &index = shape(n, 1);
    int axis = int(n->integer(0));
    Index from(at.begin(), at.begin() + axis), where(at.begin() + axis, at.begin() + axis + index.rank);
    int64_t i = int64_t(fetch(in(n, 1), index, where));
    from.push_back(i < 0 ? i + int64_t(x[axis]) : i);
    from.insert(from.end(), at.begin() + axis + index.rank, at.end());
    return from;
  }
  Index gathered_from(Node* n, const Index& at) {
    Index from = at;
    int axis = int(n->integer(0));
    int64_t i = int64_t(fetch(in(n, 1), shape(n, 1), at));
    from[size_t(axis)] = i < 0 ? i + int64_t(shape(n, 0)[axis]) : i;
    return from;
  }

  // Which axes of images are channels, rows and columns; and an index into them.
  struct ImageAxes {
    size_t c, h, w;
    explicit ImageAxes(bool channels_last)
        : c(channels_last ? 3 : 1), h(channels_last ? 1 : 2), w(channels_last ? 2 : 3) {}
    Index at(int64_t image, int64_t channel, int64_t row, int64_t column) const {
      Index out(4);
      out[0] = image, out[c] = channel, out[h] = row, out[w] = column;
      return out;
    }
  };
  // Visits every product of a convolution: offsets in x, w and z.
  static void convolve(const Shape& x, const Shape& w, const Shape& z, Node* n, int first,
                       const std::function<void(size_t, size_t, size_t)>& visit) {
    auto stride = n->ints(first), pad = n->ints(first + 1), dilation = n->ints(first + 2);
    int64_t per_group = w[0] / n->integer(first + 3);
    ImageAxes axes(n->integer(first + 4));
    each(z, [&](int64_t o, const Index& at) {
      each(w, [&](int64_t k, const Index& wa) {
        if (wa[0] != at[axes.c]) return;
        int64_t i = offset(
            x, axes.at(at[0], wa[0] / per_group * w[1] + wa[1], at[axes.h] * stride[0] - pad[0] + wa[2] * dilation[0],
                       at[axes.w] * stride[1] - pad[1] + wa[3] * dilation[1]));
        if (i >= 0) visit(size_t(i), size_t(k), size_t(o));
      });
    });
  }
  // Visits every element of every window: offsets in x and z, and its place in the plane.
  static void pool(const Shape& x, const Shape& z, Node* n, int first,
                   const std::function<void(size_t, size_t, int64_t)>& visit) {
    auto size = n->ints(first), stride = n->ints(first + 1), pad = n->ints(first + 2);
    ImageAxes axes(n->integer(first + 3));
    each(z, [&](int64_t o, const Index& at) {
      for (int64_t a = 0; a < size[0]; a++)
        for (int64_t b = 0; b < size[1]; b++) {
          int64_t h = at[axes.h] * stride[0] - pad[0] + a, w = at[axes.w] * stride[1] - pad[1] + b;
          int64_t i = offset(x, axes.at(at[0], at[axes.c], h, w));
          if (i >= 0) visit(size_t(i), size_t(o), h * x[int(axes.w)] + w);
        }
    });
  }

  // Rows along an axis: visit(the offsets of one line) for each.
  void each_line(const Shape& x, int axis, const std::function<void(std::vector<size_t>)>& visit) {
    each(x, [&](int64_t, const Index& at) {
      if (at[size_t(axis)]) return;
      std::vector<size_t> line;
      Index place = at;
      for (int64_t& k = place[size_t(axis)]; k < x[axis]; k++) line.push_back(size_t(offset(x, place)));
      visit(line);
    });
  }
  std::vector<Array> along_row(Node* n) {
    const Array& x = in(n, 0);
    Array z(x.size()), index(x.size());
    each_line(shape(n, 0), int(n->integer(0)), [&](std::vector<size_t> line) {
      if (n->op == Op::sort) {
        std::vector<size_t> from(line.size());
        std::iota(from.begin(), from.end(), 0);
        std::stable_sort(from.begin(), from.end(), [&](size_t a, size_t b) {
          return n->integer(1) ? x[line[a]] > x[line[b]] : x[line[a]] < x[line[b]];
        });
        for (size_t k = 0; k < line.size(); k++) z[line[k]] = x[line[from[k]]], index[line[k]] = double(from[k]);
        return;
      }
      double total = n->op == Op::cumprod, best = 0;
      for (size_t k = 0; k < line.size(); k++) {
        double v = x[line[k]];
        bool is_better = !k || (n->op == Op::cummax ? v >= z[line[size_t(best)]] : v <= z[line[size_t(best)]]);
        if (is_better) best = double(k);
        total = n->op == Op::cumprod ? total * v : total + v;
        bool chooses = n->op == Op::cummax || n->op == Op::cummin;
        index[line[k]] = best, z[line[k]] = chooses ? x[line[size_t(best)]] : total;
      }
    });
    if (n->n_results == 1) return {z};
    return {z, index};
  }

  std::vector<Array> library_row(Node* n) {
    const Shape &z = n->results()[0].type.shape, &x = shape(n, 0);
    Array out(size_t(z.count()), 0);
    switch (n->op) {
      case Op::matmul: {
        const Shape& y = shape(n, 1);
        each(z, [&](int64_t o, const Index& at) {
          Index i = at, j = at;
          for (int64_t k = 0; k < x[x.rank - 1]; k++) {
            i[size_t(x.rank - 1)] = k, j[size_t(y.rank - 2)] = k;
            out[size_t(o)] += fetch(in(n, 0), x, i) * fetch(in(n, 1), y, j);
          }
        });
        return {out};
      }
      case Op::conv2d:
        convolve(x, shape(n, 1), z, n, 0, [&](size_t i, size_t k, size_t o) { out[o] += in(n, 0)[i] * in(n, 1)[k]; });
        return {out};
      case Op::conv2d_grad_x:
        convolve(z, shape(n, 1), x, n, 1, [&](size_t i, size_t k, size_t o) { out[i] += in(n, 0)[o] * in(n, 1)[k]; });
        return {out};
      case Op::conv2d_grad_w:
        convolve(shape(n, 1), z, x, n, 1, [&](size_t i, size_t k, size_t o) { out[k] += in(n, 0)[o] * in(n, 1)[i]; });
        return {out};
      case Op::max_pool2d: {
        Array place(out.size(), -1);
        pool(x, z, n, 0, [&](size_t i, size_t o, int64_t at) {
          if (place[o] < 0 || in(n, 0)[i] > out[o]) out[o] = in(n, 0)[i], place[o] = double(at);
        });
        return {out, place};
      }
      case Op::max_pool2d_grad: {
        ImageAxes axes(n->integer(4));
        each(x, [&](int64_t o, const Index& at) {
          int64_t place = int64_t(in(n, 1)[size_t(o)]), width = z[int(axes.w)];
          out[size_t(offset(z, axes.at(at[0], at[axes.c], place / width, place % width)))] += in(n, 0)[size_t(o)];
        });
        return {out};
      }
      case Op::avg_pool2d:
        pool(x, z, n, 0,
             [&](size_t i, size_t o, int64_t) { out[o] += in(n, 0)[i] / double(n->ints(0)[0] * n->ints(0)[1]); });
        return {out};
      case Op::avg_pool2d_grad:
        pool(z, x, n, 1,
             [&](size_t i, size_t o, int64_t) { out[i] += in(n, 0)[o] / double(n->ints(1)[0] * n->ints(1)[1]); });
        return {out};
      default: return along_row(n);
    }
  }

  // ---- blocks ----
  static std::vector<Array> block_results(const Block& block, const std::vector<Array>& args) {
    Feed inner;
    for (size_t i = 0; i < args.size(); i++) inner[block.params[i].ref().node] = args[i];
    Machine machine{inner, {}};
    std::vector<Array> out;
    for (const Value& r : block.results) machine.run(r), out.push_back(machine.done.at(r.ref().node)[r.ref().result]);
    return out;
  }
  std::vector<Array> branch_row(Node* n) {
    std::vector<Array> args;
    for (int i = 1; i < n->n_inputs; i++) args.push_back(in(n, i));
    return block_results(n->region->blocks()[in(n, 0)[0] != 0 ? 0 : 1], args);
  }
  std::vector<Array> loop_row(Node* n) {
    size_t carried = size_t(n->integer(0));
    int64_t most = n->integer(1), trips = int64_t(std::min(in(n, 0)[0], most >= 0 ? double(most) : 1e15));
    bool goes_on = in(n, 1)[0] != 0;
    std::vector<Array> args{{0.0}}, out(n->n_results);
    for (int i = 2; i < n->n_inputs; i++) args.push_back(in(n, i));
    for (int64_t i = 0; goes_on && i < trips; i++) {
      args[0][0] = double(i);
      std::vector<Array> round = block_results(n->region->blocks()[0], args);
      goes_on = round[0][0] != 0;
      for (size_t k = 0; k < carried; k++) args[1 + k] = round[1 + k];
      for (size_t k = carried; k < out.size(); k++)
        out[k].insert(out[k].end(), round[1 + k].begin(), round[1 + k].end());
    }
    for (size_t k = 0; k < out.size(); k++) {
      if (k < carried) out[k] = args[1 + k];
      out[k].resize(size_t(n->results()[k].type.count()));
    }
    return out;
  }

  std::vector<Array> evaluate(Node* n) {
    switch (kind(n)) {
      case Kind::leaf: return {feed.at(n)};
      case Kind::constant: {
        double v = double(n->constant_bits);
        if (is_float(n->results()[0].type.dtype)) std::memcpy(&v, &n->constant_bits, 8);
        return {{v}};
      }
      case Kind::custom: fail(JT_E_INTERNAL, "interpreter: a custom op");
      case Kind::region: return n->op == Op::branch ? branch_row(n) : loop_row(n);
      case Kind::element: return {element_row(n)};
      case Kind::cast: return {in(n, 0)};
      case Kind::reduce: return {reduce_row(n)};
      case Kind::movement: return {movement_row(n)};
      case Kind::index: return {index_row(n)};
      case Kind::library: return library_row(n);
      case Kind::source: {
        Array out(size_t(n->results()[0].type.count()));
        if (n->op == Op::random_bits) {  // any bits do, as long as they stay
          for (size_t i = 0; i < out.size(); i++) out[i] = double(uint32_t(i * 2654435761u));
          return {out};
        }
        if (n->op != Op::iota) fail(JT_E_INTERNAL, "interpreter: ", name(n->op));
        each(n->results()[0].type.shape,
             [&](int64_t i, const Index& at) { out[size_t(i)] = at.empty() ? 0 : double(at[size_t(n->integer(1))]); });
        return {out};
      }
      case Kind::composite: {
        std::vector<Value> made(n->n_results);
        open_body(*n->owner, n->ins(), *n, made);
        std::vector<Array> out;
        for (const Value& body : made) {
          bodies.push_back(body);  // `done` knows nodes by their address
          run(body);
          out.push_back(done.at(body.ref().node)[body.ref().result]);
        }
        return out;
      }
    }
    return {};
  }

  void run(Ref value) {
    std::vector<Node*> todo{value.node}, order;
    std::map<Node*, bool> met;
    while (!todo.empty()) {
      Node* n = todo.back();
      todo.pop_back();
      if (done.count(n) || std::exchange(met[n], true)) continue;
      order.push_back(n);
      for (Ref in : n->ins()) todo.push_back(in.node);
    }
    std::sort(order.begin(), order.end(), [](Node* a, Node* b) { return a->sequence < b->sequence; });
    for (Node* n : order) {
      std::vector<Array> results = evaluate(n);
      finish(n, results[0]);
      if (results[0].size() != size_t(n->results()[0].type.count()))
        fail(JT_E_INTERNAL, "interpreter: size of ", name(n->op));
      done[n] = std::move(results);
    }
  }
};

}  // namespace

Array run(Ref value, const Feed& feed) {
  Machine machine{feed, {}};
  machine.run(value);
  return machine.done.at(value.node)[value.result];
}

}  // namespace jt::test
