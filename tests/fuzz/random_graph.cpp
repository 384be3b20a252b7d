#include "tests/fuzz/random_graph.h"

#include "core/grad/grad.h"
#include "core/ir/rules.h"

namespace jt::test {

namespace {

constexpr int64_t kMaxCount = 6000;

class Maker {
 public:
  Maker(Context& context, uint64_t structure, uint64_t values)
      : context_(context), r_(context.recorder()), random_(structure), value_random_(values) {}

  RandomGraph run(int max_nodes) {
    bool zero = chance(5), narrow = chance(30), gradient = chance(30), assigns = chance(25);
    g_.traits[kZeroSize] = zero;
    int n_leaves = below(3) + 1;
    for (int i = 0; i < n_leaves; i++) leaf(random_shape(zero && i == 0), narrow && chance(60) ? narrow_dtype() : any_dtype());
    if (gradient) leaf(random_shape(false), JT_F32, true);
    int n = below(max_nodes) + 2;
    for (int i = 0; i < n; i++) step(i == n / 2 && assigns);
    if (gradient) add_gradient();
    hold();
    return std::move(g_);
  }

 private:
  int below(int n) { return int(random_() % uint64_t(n)); }
  bool chance(int percent) { return below(100) < percent; }
  double value() { return double(int64_t(value_random_() % 2001) - 1000) / 250; }

  DType any_dtype() {
    static constexpr DType kOften[] = {JT_F32, JT_F32, JT_F32, JT_F32, JT_F32, JT_F64, JT_I32, JT_I64};
    return kOften[below(8)];
  }
  DType narrow_dtype() {
    g_.traits[kNarrow] = true;
    static constexpr DType kNarrowTypes[] = {JT_F16, JT_BF16, JT_I8, JT_I16, JT_U8, JT_U16, JT_U32, JT_BOOL};
    return kNarrowTypes[below(8)];
  }
  Shape random_shape(bool zero) {
    static constexpr int64_t kExtents[] = {1, 2, 3, 4, 5, 7, 8, 16, 33, 65, 130, 700};
    Shape s;
    int rank = below(5);
    for (int i = 0; i < rank; i++) {
      int64_t extent = kExtents[below(rank > 2 ? 7 : 12)];
      if (s.count() * extent > kMaxCount) extent = 1;
      s.push(extent);
    }
    if (zero) {
      if (!s.rank) s.push(0);
      else s.dims[below(s.rank)] = 0;
    }
    return s;
  }

  void add(const Value& v) {
    if (v.type().count() > kMaxCount) return;
    g_.values.push_back(v);
  }
  Value pick() { return g_.values[size_t(below(int(g_.values.size())))]; }
  Value pick_recent() {
    int n = int(g_.values.size()), back = std::min(n, 6);
    return g_.values[size_t(n - 1 - below(back))];
  }

  Value leaf(const Shape& shape, DType dtype, bool wants_gradient = false) {
    Type type{dtype, shape};
    Value wide = context_.data({JT_F64, shape}, nullptr);
    auto* at = static_cast<double*>(context_.read(wide)->data);
    for (int64_t i = 0; i < shape.count(); i++) at[i] = value();
    // Converted by the library itself, and run: a leaf.
    Value v = ops::cast(is_int(dtype) ? ops::mul(ops::abs(wide), 3) : wide, dtype);
    context_.read(v);
    if (wants_gradient) v.ref().node->flags |= kGradLeaf, wanted_.push_back(v);
    g_.leaves.push_back(v);
    g_.values.push_back(v);
    return v;
  }

  // A partner that broadcasts with x: a slice of what exists, a scalar, or a new leaf.
  Value partner(const Value& x) {
    int way = below(10);
    if (way < 3) return scalar(x.dtype());
    if (way < 8)
      for (int attempt = 0; attempt < 8; attempt++) {
        Value y = pick();
        if (fits(x.shape(), y.shape())) return y;
      }
    Shape s;
    int skip = x.shape().rank ? below(x.shape().rank + 1) : 0;
    for (int i = skip; i < x.shape().rank; i++) s.push(chance(30) ? 1 : x.shape()[i]);
    return leaf(s, chance(80) ? x.dtype() : any_dtype());
  }
  static bool fits(const Shape& a, const Shape& b) {
    int64_t count = 1;
    for (int i = 1; i <= std::max(a.rank, b.rank); i++) {
      int64_t da = i <= a.rank ? a[a.rank - i] : 1, db = i <= b.rank ? b[b.rank - i] : 1;
      if (da != db && da != 1 && db != 1) return false;
      count *= da == 1 ? db : da;
    }
    return count <= kMaxCount;
  }
  Value scalar(DType dtype) {
    static constexpr double kSpecial[] = {0, 1, -1, 2, 0.5, 4};
    bool special = chance(40);
    double v = special ? kSpecial[below(6)] : value() + 5.3;
    if (is_float(dtype)) return r_.constant(dtype, v);
    return r_.constant_int(dtype, int64_t(std::fabs(v)) % 100);
  }

  void step(bool assigns) {
    try {
      if (assigns) return slice_assign();
      int way = below(100);
      if (way < 28) unary();
      else if (way < 58) binary();
      else if (way < 63) ternary();
      else if (way < 67) conversion();
      else if (way < 78) reduction();
      else if (way < 93) movement();
      else index_row();
    } catch (const Error& e) {
      // Some draws do not fit (a dtype, an empty maximum): the op says so and nothing is recorded.
      if (e.code() == JT_E_INTERNAL) throw;
    }
  }
  void unary() {
    Op op = Op(int(Op::neg) + below(int(Op::add) - int(Op::neg)));
    Value x = pick_recent();
    note_element(x);
    add(ops::call(op, {x}));
  }
  void note_element(const Value& x) {
    if (kind(x.ref().node) == Kind::reduce && !x.ref().node->has_run()) g_.traits[kReduceThenElement] = true;
  }
  void binary() {
    Op op = Op(int(Op::add) + below(int(Op::where) - int(Op::add)));
    Value x = pick_recent(), y = partner(x);
    if (op == Op::pow && is_float(x.dtype())) op = Op::mul;  // libm's pow overflows into NaN too often to tell us much
    note_element(x);
    note_element(y);
    if (chance(50)) std::swap(x, y);
    add(ops::call(op, {x, y}));
  }
  void ternary() {
    Value x = pick_recent(), y = partner(x);
    if (chance(70)) {
      Value condition = chance(50) ? ops::less(x, y) : partner(x);
      add(ops::where(condition, x, y));
    } else {
      add(ops::clamp(x, partner(x), partner(x)));
    }
  }
  void conversion() { add(ops::cast(pick_recent(), chance(50) ? narrow_dtype() : any_dtype())); }
  std::vector<int64_t> some_axes(const Shape& s) {
    std::vector<int64_t> axes;
    for (int i = 0; i < s.rank; i++)
      if (chance(50)) axes.push_back(i);
    return axes;
  }
  void reduction() {
    Op op = Op(int(Op::sum) + below(8));
    Value x = pick_recent();
    if (op == Op::prod) op = Op::sum;
    auto axes = some_axes(x.shape());
    bool keepdims = chance(50);
    Value z = x.ref().node->owner->build(op, {x}, Attrs().add_ints(axes).add(keepdims));
    add(z);
    if (keepdims && chance(60) && x.dtype() == z.dtype()) {
      g_.traits[kReduceThenElement] = true;
      add(ops::sub(x, z));
    }
  }
  void movement() {
    Value x = pick_recent();
    const Shape s = x.shape();
    g_.traits[kIndexMap] = true;
    switch (below(8)) {
      case 0: {
        std::vector<int64_t> axes;
        for (int i = 0; i < s.rank; i++) axes.push_back(i);
        for (int i = s.rank; i > 1; i--) std::swap(axes[size_t(i - 1)], axes[size_t(below(i))]);
        return add(ops::transpose(x, axes));
      }
      case 1: return add(ops::call(Op::flip, {x}, Attrs().add_ints(some_axes(s))));
      case 2: return slice(x);
      case 3: {
        std::vector<int64_t> before, after;
        for (int i = 0; i < s.rank; i++) before.push_back(below(3)), after.push_back(below(3));
        double fill = is_float(x.dtype()) ? below(2) * 1.5 : below(2);
        return add(ops::call(Op::pad, {x}, Attrs().add_ints(before).add_ints(after).add_real(fill)));
      }
      case 4: {
        Shape wanted;
        int lead = below(2);
        for (int i = 0; i < lead && s.rank < 5; i++) wanted.push(below(3) + 1);
        for (int64_t e : s.extents()) wanted.push(e == 1 ? below(4) + 1 : e);
        if (wanted.count() > kMaxCount) return;
        return add(ops::call(Op::expand, {x}, Attrs().add_ints(wanted.extents())));
      }
      case 5: return reshape(x);
      case 6: {
        if (!s.rank) return;
        int64_t size = std::min<int64_t>(s[s.rank - 1], 1 + below(3)), stride = 1 + below(3), dilation = 1;
        if (size < 1) return;
        return add(ops::call(Op::windows, {x}, Attrs().add(size).add(stride).add(dilation)));
      }
      default: return add(ops::transpose(x));
    }
  }
  // Starts come from the value seed, extents from the structure seed: plans must not bake the starts in.
  void slice(const Value& x) {
    const Shape& s = x.shape();
    std::vector<int64_t> from, to, by;
    for (int i = 0; i < s.rank; i++) {
      int64_t step = 1 + below(2), n = s[i] ? 1 + below(int(std::min<int64_t>(s[i], 64))) : 0;
      if ((n - 1) * step + 1 > s[i]) step = 1;
      int64_t span = n ? (n - 1) * step + 1 : 0, room = s[i] - span;
      int64_t start = room > 0 && chance(70) ? 1 + int64_t(value_random_() % uint64_t(room)) : 0;
      from.push_back(start), to.push_back(start + span), by.push_back(step);
    }
    add(ops::slice(x, from, to, by));
  }
  void reshape(const Value& x) {
    const Shape& s = x.shape();
    Shape wanted;
    int way = below(4);
    if (way == 0) {
      wanted.push(s.count());
    } else if (way == 1 && s.rank >= 2) {  // two axes become one
      int at = below(s.rank - 1);
      for (int i = 0; i < s.rank; i++) {
        if (i == at) wanted.push(s[i] * s[i + 1]), i++;
        else wanted.push(s[i]);
      }
    } else if (way == 2 && s.rank && s.rank < 6) {  // one becomes two, or a 1 is put in
      int at = below(s.rank);
      for (int i = 0; i < s.rank; i++) {
        if (i != at) { wanted.push(s[i]); continue; }
        int64_t part = s[i] && s[i] % 2 == 0 ? 2 : 1;
        wanted.push(part), wanted.push(s[i] / part);
      }
    } else {
      for (int i = s.rank; i-- > 0;) wanted.push(s[i]);
    }
    add(ops::call(Op::reshape, {x}, Attrs().add_ints(wanted.extents())));
  }
  void index_row() {
    Value x = pick_recent();
    const Shape s = x.shape();
    if (!s.rank) return;
    int axis = below(s.rank);
    g_.traits[kIndexMap] = true;
    switch (below(5)) {
      case 0: {
        Value i = leaf(Shape{int64_t(1 + below(6))}, JT_I64);
        return add(ops::call(Op::take, {x, i}, Attrs().add(axis)));
      }
      case 1: {
        Value i = leaf(Shape{int64_t(1 + below(6))}, chance(50) ? JT_I64 : JT_I32);
        Value v = ops::call(Op::take, {ops::cast(ops::call(Op::flip, {x}, Attrs().add_ints({})), x.dtype()), i}, Attrs().add(axis));
        return add(ops::call(Op::scatter_add, {x, i, v}, Attrs().add(axis)));
      }
      case 2: {
        Value other = ops::call(Op::flip, {x}, Attrs().add_ints({}));
        Ref parts[] = {x, other, x};
        return add(r_.build(Op::concat, std::span<const Ref>(parts, size_t(2 + below(2))), Attrs().add(axis)));
      }
      case 3: {
        std::string exprs;
        for (int i = 0; i < s.rank; i++) exprs += (i ? ", i" : "i") + std::to_string(i) + (chance(30) ? "*2-1" : chance(30) ? "/2" : "");
        if (chance(50)) return add(ops::call(Op::reindex, {x}, Attrs().add_ints(s.extents()).add_string(exprs).add_real(below(3))));
        return add(ops::call(Op::reindex_reduce, {x}, Attrs().add_ints(s.extents()).add_string(exprs).add_string("add")));
      }
      default: {
        Value c = ops::iota(r_, s, axis, JT_I64);
        return add(ops::where(ops::less(c, scalar(JT_I64)), x, ops::neg(x)));
      }
    }
  }
  void slice_assign() {
    Value x = pick_recent();
    const Shape& s = x.shape();
    std::vector<int64_t> starts, steps;
    Shape box;
    for (int i = 0; i < s.rank; i++) {
      int64_t n = s[i] ? 1 + below(int(std::min<int64_t>(s[i], 40))) : 0, room = s[i] - n;
      starts.push_back(room > 0 && chance(70) ? 1 + int64_t(value_random_() % uint64_t(room)) : 0);
      steps.push_back(1), box.push(n);
    }
    Value v = chance(50) ? leaf(box, x.dtype()) : ops::expand(scalar(x.dtype()), box);
    if (!box.rank) v = scalar(x.dtype());
    g_.traits[kSliceAssign] = true;
    add(ops::call(Op::update, {x, v}, Attrs().add_ints(starts).add_ints(steps)));
  }
  void add_gradient() {
    for (int attempt = 0; attempt < 10; attempt++) {
      Value y = pick_recent();
      if (y.dtype() != JT_F32 || !(y.ref().node->flags & kGrad)) continue;
      Value loss = y.type().count() == 1 && chance(50) ? y : ops::sum(y);
      std::vector<Ref> wrt;
      for (const Value& w : wanted_) wrt.push_back(w);
      try {
        for (const Value& d : gradients(r_, loss, {}, wrt))
          if (d) add(d), grads_.push_back(d), g_.traits[kGradient] = true;
      } catch (const Error& e) {
        if (e.code() == JT_E_INTERNAL) throw;
      }
      return;
    }
  }
  void hold() {
    int n = 1 + below(4);
    for (int i = 0; i < n; i++) {
      Ref v = g_.values[size_t(below(int(g_.values.size())))];
      if (i == 0) v = g_.values.back();
      if (v.node->has_run()) continue;
      g_.held.push_back(v);
      if (v.node != g_.values.back().ref().node) g_.traits[kHeldInside] = true;
    }
    for (const Value& d : grads_) g_.held.push_back(d);
  }

  Context& context_;
  Recorder& r_;
  std::mt19937_64 random_, value_random_;
  RandomGraph g_;
  std::vector<Value> wanted_, grads_;
};

}  // namespace

RandomGraph record_random(Context& context, uint64_t structure, uint64_t values, int max_nodes) {
  return Maker(context, structure, values).run(max_nodes);
}

}  // namespace jt::test
