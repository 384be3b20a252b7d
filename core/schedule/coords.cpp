#include "core/schedule/coords.h"

#include <algorithm>

#include "core/ir/type_rules.h"

namespace jt {

bool Place::operator==(const Place& o) const {
  auto is_same = [](Term a, Term b) { return a.where == b.where && same(a.factor, b.factor); };
  return same(base, o.base) && std::ranges::equal(terms, o.terms, is_same);
}

void Place::add(const Place& other, Dim factor) {
  base += factor * other.base;
  for (Term t : other.terms) {
    bool found = false;
    for (Term& mine : terms)
      if (mine.where == t.where) mine.factor += factor * t.factor, found = true;
    if (!found) terms.push_back({t.where, factor * t.factor});
  }
  std::erase_if(terms, [](Term t) { return same(t.factor, 0); });
}

bool Coordinate::add(int axis, Dim factor) {
  for (int i = 0; i < n; i++)
    if (terms[i].axis == axis) return terms[i].factor += factor, true;
  if (n == 3) return false;
  terms[n++] = {axis, factor};
  return true;
}

bool Coordinate::operator==(const Coordinate& o) const {
  if (n != o.n || !(place == o.place)) return false;
  for (int i = 0; i < n; i++)
    if (terms[i].axis != o.terms[i].axis || !same(terms[i].factor, o.terms[i].factor)) return false;
  return true;
}

static bool add_scaled(Coordinate& to, const Coordinate& from, Dim factor) {
  to.place.add(from.place, factor);
  for (int i = 0; i < from.n; i++)
    if (!to.add(from.terms[i].axis, factor * from.terms[i].factor)) return false;
  return true;
}

static Passage through_reshape(const Node* node, const Coords& c, std::span<const Dim> axes, Coords& out,
                               AxisSplit* split) {
  const Shape &in = node->inputs()[0].shape(), &shape = node->results()[0].type.shape;
  ReshapeRuns runs = reshape_runs(in, shape);
  out.of.resize(size_t(in.rank));
  for (int r = 0; r < runs.count; r++) {
    ReshapeRun run = runs.runs[r];
    int n_in = run.in_last - run.in_first, n_out = run.out_last - run.out_first;
    if (n_in == 0) continue;
    if (n_in == 1) {  // also several axes that merge into one
      Dim factor = 1;
      for (int o = run.out_last; o-- > run.out_first;) {
        if (!add_scaled(out.of[run.in_first], c.of[o], factor)) return Passage::no;
        factor *= shape[o];
      }
      continue;
    }
    bool all_ones = true;
    for (int i = run.in_first; i < run.in_last; i++) all_ones &= same(in[i], 1);
    if (all_ones) continue;
    if (n_out != 1) return Passage::no;  // would need div and mod
    const Coordinate& whole = c.of[run.out_first];
    if (whole.n == 0 && whole.is_plain()) continue;  // always element 0 of the run
    bool is_whole_axis = whole.n == 1 && same(whole.terms[0].factor, 1) && whole.is_plain();
    if (is_whole_axis && same(axes[whole.terms[0].axis], shape[run.out_first])) {
      split->axis = whole.terms[0].axis;
      split->extents.assign(in.dims + run.in_first, in.dims + run.in_last);
      return Passage::needs_split;
    }
    // The run may have been split already: its axes then appear in order with the strides of the run.
    if (whole.n != n_in || !whole.is_plain()) return Passage::no;
    Dim stride = 1;
    for (int i = run.in_last; i-- > run.in_first;) {
      bool found = false;
      for (int t = 0; t < whole.n; t++)
        if (same(whole.terms[t].factor, stride) && same(axes[whole.terms[t].axis], in[i]) && out.of[i].n == 0)
          found = out.of[i].add(whole.terms[t].axis, 1);
      if (!found) return Passage::no;
      stride *= in[i];
    }
  }
  return Passage::yes;
}

static bool through_pad(const Node* node, const Coords& c, Coords& out) {
  const Shape& in = node->inputs()[0].shape();
  auto before = node->ints(attr(Op::pad, "before")), after = node->ints(attr(Op::pad, "after"));
  double fill = node->real(attr(Op::pad, "value"));
  out.of = c.of;
  for (int i = 0; i < in.rank; i++) {
    out.of[i].place.base -= before[i];
    if (before[i] == 0 && after[i] == 0) continue;
    const Coordinate& x = out.of[i];
    if (x.n != 1 || x.terms[0].factor < 1) return false;
    if (!out.limits.empty() && !same_bits(out.fill, fill)) return false;
    Dim f = x.terms[0].factor;
    bool is_by_one = same(f, 1);
    if (!is_by_one && !x.place.is_fixed()) return false;
    Limit limit{x.terms[0].axis, {}, {}};
    if (is_by_one) {  // 0 <= place + index < extent
      limit.lo.add(x.place, -1);
      limit.hi.base = in[i];
      limit.hi.add(x.place, -1);
    } else {
      auto ceil_div = [](Dim a, Dim b) { return a >= 0 ? (a + b - 1) / b : -(-a / b); };
      limit.lo.base = ceil_div(-x.place.base, f);
      limit.hi.base = ceil_div(in[i] - x.place.base, f);
    }
    for (const Limit& other : out.limits)
      if (other.axis == limit.axis) return false;  // one range an axis
    out.limits.push_back(limit);
    out.fill = fill;
  }
  return true;
}

Passage through(const Node* node, const Coords& c, std::span<const Dim> axes, const Block&, Coords* result,
                AxisSplit* split) {
  const Shape& in = node->inputs()[0].shape();
  Coords out;
  out.limits = c.limits, out.fill = c.fill;
  switch (node->op) {
    case Op::reshape: {
      Passage p = through_reshape(node, c, axes, out, split);
      if (p != Passage::yes) return p;
      break;
    }
    case Op::transpose: {
      out.of.resize(size_t(in.rank));
      for (int i = 0; i < in.rank; i++) out.of[size_t(node->ints(0)[i])] = c.of[i];
      break;
    }
    case Op::expand: {
      const Shape& shape = node->results()[0].type.shape;
      out.of.resize(size_t(in.rank));
      for (int i = 0; i < in.rank; i++) {
        int o = i + shape.rank - in.rank;
        bool repeats = in.is_unit(i) || !same(in[i], shape[o]);
        if (!repeats) out.of[i] = c.of[o];
      }
      break;
    }
    case Op::slice: {
      out.of = c.of;
      for (int i = 0; i < in.rank; i++) {
        Dim step = node->ints(attr(Op::slice, "steps"))[i];
        Coordinate scaled;
        if (!add_scaled(scaled, c.of[i], step)) return Passage::no;
        if (node->origin >= 0) scaled.place.add({0, {{node->origin + i, 1}}});
        else scaled.place.base += node->ints(attr(Op::slice, "starts"))[i];
        out.of[i] = scaled;
      }
      break;
    }
    case Op::flip: {
      out.of = c.of;
      for (Dim axis : node->ints(0)) {
        Coordinate mirrored;
        add_scaled(mirrored, c.of[size_t(axis)], -1);
        mirrored.place.base += in[int(axis)] - 1;
        out.of[size_t(axis)] = mirrored;
      }
      break;
    }
    case Op::windows: {
      auto size = node->ints(attr(Op::windows, "size")), stride = node->ints(attr(Op::windows, "stride")),
           dilation = node->ints(attr(Op::windows, "dilation"));
      int n = int(size.size()), lead = in.rank - n;
      out.of.assign(c.of.begin(), c.of.begin() + in.rank);
      for (int k = 0; k < n; k++) {
        Coordinate x;
        if (!add_scaled(x, c.of[lead + k], stride[k]) || !add_scaled(x, c.of[in.rank + k], dilation[k]))
          return Passage::no;
        out.of[lead + k] = x;
      }
      break;
    }
    case Op::pad:
      if (!through_pad(node, c, out)) return Passage::no;
      break;
    default: return Passage::no;
  }
  *result = std::move(out);
  return Passage::yes;
}

}  // namespace jt
