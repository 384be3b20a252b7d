#include "tests/fuzz/random_graph.h"

#include "core/grad/grad.h"
#include "core/ir/region_scope.h"
#include "core/ir/type_rules.h"

namespace jt::test {

namespace {

constexpr int64_t kMaxCount = 6000;
constexpr int64_t kLong = 13000;  // more than three blocks of a reduction

class Maker {
 public:
  Maker(Context& context, const Draw& draw, const Between& between)
      : context_(context), between_(between), r_(context.recorder()), random_(draw.structure),
        value_random_(draw.values), sizes_(draw.sizes), names_(draw.names ? draw.structure : 0) {}

  RandomGraph run(int max_nodes) {
    bool zero = chance(7), narrow = chance(30), gradient = chance(32), assigns = chance(25), steps = chance(25);
    g_.traits[kZeroSize] = zero;
    int n_leaves = below(3) + 1;
    for (int i = 0; i < n_leaves; i++)
      leaf(random_shape(zero && i == 0), narrow && chance(60) ? narrow_dtype() : any_dtype());
    if (gradient) leaf(random_shape(false), JT_F32, true);
    has_long_ = chance(3);
    if (has_long_) {
      Value rows = leaf(chance(50) ? Shape{kLong} : Shape{2, kLong}, JT_F32);
      int64_t last[] = {rows.shape().rank - 1};
      add(ops::sum(ops::exp(rows), last)), max_nodes = std::min(max_nodes, 4);
    }
    int n = below(max_nodes) + 2;
    for (int i = 0; i < n; i++) {
      step(i == n / 2 && assigns);
      if (steps && chance(15)) look();
    }
    if (gradient) chance(25) ? library_gradient() : add_gradient();
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
    // In the second, some are equal that are not in the others: what a plan made there takes for granted must not be.
    static constexpr int64_t kTables[kSizes][12] = {{1, 2, 3, 4, 5, 7, 8, 16, 33, 65, 130, 700},
                                                    {1, 4, 4, 6, 6, 3, 8, 34, 34, 64, 66, 300},
                                                    {1, 3, 2, 6, 9, 5, 8, 17, 34, 64, 129, 1030},
                                                    {1, 5, 4, 8, 7, 3, 8, 12, 40, 50, 70, 520},
                                                    {1, 2, 1, 3, 1, 2, 2, 3, 1, 9, 2, 5},
                                                    {1, 9, 8, 7, 3, 2, 4, 70, 40, 20, 9, 6}};
    const int64_t* kExtents = kTables[sizes_];
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
    if (v.type().count() > (has_long_ ? kLong * 2 : kMaxCount)) return;
    g_.values.push_back(v);
  }
  Value pick() { return g_.values[size_t(below(int(g_.values.size())))]; }
  Value pick_recent() {
    int n = int(g_.values.size()), back = std::min(n, 6);
    return g_.values[size_t(n - 1 - below(back))];
  }

  // Looks at one or two values before the program goes on.
  void look() {
    std::vector<Value> at;
    for (int i = 0, n = 1 + below(2); i < n; i++)
      if (Value v = pick_recent(); !v.ref().node->has_run() && v.ref().node->op != Op::constant) at.push_back(v);
    if (at.empty()) return;
    g_.traits[kSteps] = true;
    between_(at);
    // What was looked at and is not used again may die in what follows.
    if (chance(50) && g_.values.size() > 3) g_.values.erase(g_.values.begin() + below(2));
  }

  Value leaf(const Shape& like, DType dtype, bool wants_gradient = false, bool whole = false) {
    Shape shape = plain(like);
    Value wide = context_.data({JT_F64, shape}, nullptr);
    auto* at = static_cast<double*>(host_room(context_.read(wide)));
    for (int64_t i = 0; i < shape.count(); i++) at[i] = whole ? std::nearbyint(value()) + 0.0 : value();
    // Converted by the library itself, and run: a leaf.
    Value v =
        dtype == JT_BOOL ? Value(ops::greater(wide, 0)) : ops::cast(is_int(dtype) ? ops::mul(wide, 3) : wide, dtype);
    context_.read(v);
    name_some(v);
    if (wants_gradient) v.ref().node->flags |= kGradLeaf, wanted_.push_back(v);
    g_.leaves.push_back(v);
    g_.values.push_back(v);
    return v;
  }

  // Some dimensions, under few names: what is equal is often called so.
  void name_some(const Value& v) {
    static constexpr const char* kNames[] = {"", "N", "T"};
    for (int axis = 0; axis < v.shape().rank; axis++)
      if (names_ >> (axis + int(g_.leaves.size()) * 3) % 61 & 1) r_.name_dim(v, axis, kNames[axis % 3], 0, 1 << 20);
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
    for (int i = skip; i < x.shape().rank; i++) s.push(chance(30) ? Dim(1) : x.shape()[i]);
    return leaf(s, chance(80) ? x.dtype() : any_dtype());
  }
  static bool fits(const Shape& a, const Shape& b) {
    int64_t count = 1;
    for (int i = 1; i <= std::max(a.rank, b.rank); i++) {
      int64_t da = i <= a.rank ? a[a.rank - i] : Dim(1), db = i <= b.rank ? b[b.rank - i] : Dim(1);
      if (da != db && da != 1 && db != 1) return false;
      count *= da == 1 ? db : da;
    }
    return count <= kMaxCount;
  }
  Value scalar(DType dtype) {
    static constexpr double kSpecial[] = {0, 1, -1, 2, 0.5, 4};
    bool special = chance(40);
    double v = special ? kSpecial[below(6)] : value() + 5.3;
    if (special && value_random_() % 8 == 0) v = kSpecial[value_random_() % 6];  // a class of its own, now and then
    if (is_float(dtype)) return r_.constant(dtype, v);
    return r_.constant_int(dtype, int64_t(std::fabs(v)) % 100);
  }

  void step(bool assigns) {
    try {
      if (assigns) return slice_assign();
      if (chance(7)) return control();
      int way = below(100);
      if (way < 28) unary();
      else if (way < 58) binary();
      else if (way < 63) ternary();
      else if (way < 67) conversion();
      else if (way < 78) reduction();
      else if (way < 89) movement();
      else if (way < 94) index_row();
      else if (way < 97) composite();
      else library();
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
  // The sign of a NaN is nobody's promise: IEEE 754 leaves it open, and x * -1 becomes -x.
  static Value without_nan(const Value& x) {
    Value is_nan = ops::isnan(x);
    return ops::where(is_nan, ops::cast(is_nan, x.dtype()), x);
  }
  void binary() {
    Op op = Op(int(Op::add) + below(int(Op::where) - int(Op::add)));
    Value x = pick_recent(), y = partner(x);
    note_element(x);
    note_element(y);
    if (chance(50)) std::swap(x, y);
    if (op == Op::copysign) y = without_nan(y);
    add(ops::call(op, {x, y}));
  }
  void ternary() {
    Value x = pick_recent(), y = partner(x);
    if (chance(70)) {
      Value condition = chance(50) ? ops::less(x, y) : partner(x);
      add(ops::where(condition, x, y));
    } else if (chance(50)) {
      add(ops::fma(x, y, partner(x)));
    } else {
      add(ops::clamp(x, y, partner(x)));
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
  Value indices(const Shape& shape) {  // some of them outside
    static constexpr DType kTypes[] = {JT_I64, JT_I64, JT_I32, JT_I8, JT_U8, JT_U64};
    return leaf(shape, kTypes[below(6)]);
  }
  std::string index_strings(int rank, int from_rank) {
    static constexpr const char* kShapes[] = {"", "", "", "*2-1", "/2", "%3", "+1"};
    std::string out;
    for (int i = 0; i < rank; i++) {
      out += i ? ", " : "";
      out += from_rank == 0 ? "0" : "i" + std::to_string(i < from_rank ? i : below(from_rank)) + kShapes[below(7)];
    }
    return out;
  }
  static const char* combine_name(int i) {
    static constexpr const char* kNames[] = {"add", "mul", "max", "min", "set"};
    return kNames[i];
  }
  // Without unit flags.
  static Shape plain(const Shape& s) {
    Shape out;
    for (int64_t extent : s.extents()) out.push(extent);
    return out;
  }
  Value flipped(const Value& x) { return ops::call(Op::flip, {x}, Attrs().add_ints({})); }
  void index_row() {
    Value x = pick_recent();
    const Shape s = x.shape();
    if (!s.rank) return;
    int axis = below(s.rank);
    g_.traits[kIndexMap] = true;
    Shape index_shape;
    for (int i = 0, n = below(3); i < n; i++) index_shape.push(1 + below(5));
    switch (below(9)) {
      case 0: return add(ops::call(Op::take, {x, indices(index_shape)}, Attrs().add(axis)));
      case 1: {
        Value i = indices(index_shape);
        Value v = ops::call(Op::take, {flipped(x), i}, Attrs().add(axis));
        return add(ops::call(Op::scatter_add, {x, i, v}, Attrs().add(axis)));
      }
      case 2: {
        Value other = flipped(x);
        Ref parts[] = {x, other, x};
        return add(r_.build(Op::concat, std::span<const Ref>(parts, size_t(1 + below(3))), Attrs().add(axis)));
      }
      case 3:
        return add(
            ops::call(Op::reindex, {x},
                      Attrs().add_ints(s.extents()).add_string(index_strings(s.rank, s.rank)).add_real(below(3))));
      case 4: {
        Shape out;
        for (int i = 0, n = 1 + below(3); i < n; i++) out.push(1 + below(9));
        return add(ops::call(Op::reindex_reduce, {x},
                             Attrs()
                                 .add_ints(out.extents())
                                 .add_string(index_strings(out.rank, s.rank))
                                 .add_string(combine_name(below(4)))));
      }
      case 5:
      case 6: {
        Shape small = plain(s);
        for (int i = 0; i < s.rank; i++)
          if (i == axis) small.dims[i] = 1 + below(6);
          else if (s[i] && chance(30)) small.dims[i] = 1 + below(int(s[i]));
        Value i = indices(small);
        Value z = ops::call(Op::gather, {x, i}, Attrs().add(axis));
        if (chance(50)) return add(z);
        Value v = chance(50) ? ops::cast(ops::sub(z, leaf(Shape(), z.dtype())), x.dtype()) : leaf(small, x.dtype());
        return add(ops::call(Op::scatter, {x, i, v}, Attrs().add(axis).add_string(combine_name(below(5)))));
      }
      case 7: {
        int64_t shape[] = {s[axis]};
        int64_t seed = int64_t(value_random_() % 1000), counter = int64_t(value_random_() % 9);
        Value bits = r_.build(Op::random_bits, {}, Attrs().add_ints(shape).add(seed).add(1).add(counter));
        return add(chance(50) ? bits : ops::cast(ops::mul(ops::cast(bits, JT_F32), 1.0 / 4294967296.0), JT_F32));
      }
      default: {
        Value c = ops::iota(r_, s, axis, chance(50) ? JT_I64 : any_dtype());
        return add(ops::where(ops::less(c, scalar(c.dtype())), x, chance(50) ? ops::cast(c, x.dtype()) : x));
      }
    }
  }
  void composite() {
    Value x = pick_recent();
    const Shape& s = x.shape();
    int64_t axis = s.rank ? below(s.rank) : 0;
    int64_t seed = int64_t(value_random_() % 1000), counter = int64_t(value_random_() % 9);
    switch (below(14)) {
      case 11:
      case 12:
      // one factor for all channels or one each: the same structure where the number of channels changes too
      case 13: {
        if (s.rank < 2) return;
        Value y = is_float(x.dtype()) ? x : ops::cast(x, JT_F32);
        return add(ops::call(Op::prelu, {y, leaf(Shape{sizes_ % 2 ? Dim(1) : s[1]}, y.dtype())}));
      }
      case 10: return add(r_.build(Op::full, {}, Attrs().add_ints(s.extents()).add_real(value()).add(any_dtype())));
      case 0: return add(ops::call(Op::mean, {x}, Attrs().add_ints(some_axes(s)).add(chance(50))));
      case 1: return add(ops::call(Op::softmax, {x}, Attrs().add(axis)));
      case 2: return add(ops::call(Op::log_softmax, {x}, Attrs().add(axis)));
      case 3: return add(ops::call(Op::gelu, {x}));
      case 4: return add(ops::call(Op::silu, {x}));
      case 5: return add(ops::call(Op::softplus, {x}));
      case 6: return add(ops::call(Op::mse_loss, {x, flipped(x)}));
      case 7:
        if (s.rank != 2) return;
        return add(ops::call(Op::cross_entropy, {x, leaf(Shape{s[0]}, JT_I64)}));
      case 8:
        return add(r_.build(
            Op::uniform, {},
            Attrs().add_ints(s.extents()).add(seed).add(2).add(counter).add(x.dtype() == JT_F64 ? JT_F64 : JT_F32)));
      default:
        return add(r_.build(
            Op::normal, {},
            Attrs().add_ints(s.extents()).add(seed).add(3).add(counter).add(x.dtype() == JT_F64 ? JT_F64 : JT_F32)));
    }
  }

  // ---- loops and branches: bodies of the same steps, on what there is and on what they are given ----
  class InBody {
   public:
    explicit InBody(Maker& m) : m_(m), values_(m.g_.values) { m_.depth_++; }
    ~InBody() { m_.depth_--, m_.g_.values = values_; }
    void record(std::span<const Value> params) {
      m_.g_.values = values_;
      m_.g_.values.insert(m_.g_.values.end(), params.begin(), params.end());
      for (int i = 0, n = 1 + m_.below(3); i < n; i++) m_.step(false);
    }

   private:
    Maker& m_;
    const std::vector<Value> values_;
  };
  // Something that depends on v, of x's type.
  Value like(const Value& x, const Value& v) {
    if (v.dtype() == x.dtype() && same_extents(v.shape(), x.shape())) return v;
    if (x.dtype() == JT_BOOL) return ops::logical_not(x);
    return ops::add(x, ops::cast(ops::sum(ops::cast(v, x.dtype())), x.dtype()));
  }
  void control() {
    if (depth_ >= 2) return;
    std::vector<Value> made = chance(45) ? branch() : loop();
    g_.traits[kControl] = true;
    for (const Value& v : made) add(v);
  }
  std::vector<Value> branch() {
    InBody body(*this);
    Value x = pick_recent(), y = pick_recent(),
          by = chance(80) ? leaf(Shape(), JT_BOOL) : r_.constant_int(JT_BOOL, below(2));
    int n = 1 + below(2);
    auto side = [&](std::span<const Value>) {
      body.record({});
      std::vector<Value> out{like(x, pick_recent())};
      if (n == 2) out.push_back(like(y, pick_recent()));
      return out;
    };
    return record_branch(r_, "branch", by, side, side);
  }
  std::vector<Value> loop() {
    InBody body(*this);
    std::vector<Value> initial{pick_recent()};
    if (chance(50)) initial.push_back(chance(20) ? initial[0] : pick());
    std::vector<Ref> refs(initial.begin(), initial.end());
    Value rounds;
    LoopRecipe recipe;
    recipe.initial = refs, recipe.most = below(5);
    if (chance(40)) rounds = leaf(Shape(), JT_I64), recipe.trips = rounds;
    bool asks = chance(25), ends = chance(20), stacks = chance(40), turns = chance(25) && initial.size() == 2;
    if (asks)
      recipe.condition = [&](std::span<const Value> now) {
        return ops::less(ops::cast(ops::max(now[0]), JT_F32), scalar(JT_F32));
      };
    recipe.body = [&](const Value& i, std::span<const Value> now) {
      std::vector<Value> given(now.begin(), now.end());
      given.push_back(i);
      body.record(given);
      LoopBody out;
      for (const Value& v : now) out.next.push_back(like(v, pick_recent()));
      bool may_turn = turns && now[0].type() == now[1].type();
      if (may_turn)
        out.next = chance(50) ? std::vector<Value>{now[1], now[0]} : std::vector<Value>{now[1], out.next[0]};
      if (stacks) out.stacked.push_back(pick_recent());
      if (ends) out.goes_on = ops::less(i, r_.constant_int(JT_I64, below(3)));
      return out;
    };
    return record_loop(r_, "loop", recipe);
  }

  // ---- library rows ----
  static Value small(const Value& x) {
    return is_float(x.dtype()) ? Value(ops::add(ops::round(ops::clamp(x, -4, 4)), 0)) : x;
  }
  bool carries_gradient(const Value& x) { return x.ref().node->flags & (kGrad | kGradLeaf); }
  void library() {
    Value x = pick_recent();
    const Shape s = x.shape();
    if (carries_gradient(x) || depth_) return;
    if (x.dtype() == JT_BOOL) x = ops::cast(x, JT_I32);
    g_.traits[kLibrary] = true;
    if (s.rank >= 2 && (s.rank != 4 || chance(40))) {
      Shape other = plain(s);
      other.dims[s.rank - 2] = s[s.rank - 1], other.dims[s.rank - 1] = 1 + below(9);
      Value y = leaf(other, x.dtype(), false, true);
      if (chance(30)) {
        std::swap(other.dims[s.rank - 2], other.dims[s.rank - 1]);
        std::vector<int64_t> axes;
        for (int i = 0; i < s.rank; i++) axes.push_back(i);
        std::swap(axes[size_t(s.rank - 1)], axes[size_t(s.rank - 2)]);
        y = ops::transpose(leaf(other, x.dtype(), false, true), axes);
      }
      if (s[s.rank - 1] == s[s.rank - 2] && chance(50)) y = x = small(x);
      return add(ops::matmul(small(x), small(y)));
    }
    if (!is_float(x.dtype())) x = ops::cast(x, JT_F32);
    if (x.dtype() != JT_F64) x = ops::cast(x, JT_F32);
    if (s.rank != 4) return;
    Value z = plane_row(small(x), below(4), false);
    add(z);
    if (z.ref().node->op == Op::max_pool2d) add(Ref{z.ref().node, 1});
  }
  // A convolution or pooling of x[N,C,H,W].
  Value plane_row(const Value& x, int way, bool wants_gradient) {
    int64_t two[] = {2, 2}, stride[] = {1 + below(2), 1 + below(2)}, pad[] = {below(2), below(2), below(2), below(2)},
            one[] = {1, 1};
    const Shape& s = x.shape();
    if (way == 0) return ops::call(Op::max_pool2d, {x}, Attrs().add_ints(two).add_ints(stride).add_ints(pad));
    if (way == 1) return ops::call(Op::avg_pool2d, {x}, Attrs().add_ints(two).add_ints(stride).add_ints(pad));
    Shape w{1 + below(3), s[1], 1 + below(2), 1 + below(2)};
    Value weights = leaf(w, x.dtype(), wants_gradient, true);
    return ops::call(Op::conv2d, {x, weights}, Attrs().add_ints(stride).add_ints(pad).add_ints(one).add(1));
  }
  // Library rows and their gradients, of whole numbers throughout.
  void library_gradient() {
    try {
      GradMode mode(r_, true);
      Value y;
      if (chance(40)) {
        Value a = leaf(Shape{1 + below(9), 1 + below(20)}, JT_F32, true, true);
        y = ops::matmul(a, leaf(Shape{a.shape()[1], 1 + below(9)}, JT_F32, true, true));
      } else {
        y = plane_row(leaf(Shape{1 + below(2), 1 + below(3), 3 + below(5), 3 + below(5)}, JT_F32, true, true), below(4),
                      true);
      }
      Value loss = ops::sum(ops::mul(y, leaf(y.shape(), JT_F32, false, true)));
      g_.traits[kLibrary] = true;
      add(y);
      take_gradients(loss);
    } catch (const Error& e) {
      if (e.code() == JT_E_INTERNAL) throw;
    }
  }
  void take_gradients(const Value& loss) {
    std::vector<Ref> wrt;
    for (const Value& w : wanted_) wrt.push_back(w);
    GradOptions options;
    bool again = chance(20);
    options.create_graph = again, options.consume = !again && chance(50);
    Value sum;
    for (const Value& d : gradients(r_, loss, {}, wrt, options)) {
      if (!d) continue;
      add(d), grads_.push_back(d), g_.traits[kGradient] = true;
      if (again && (d.ref().node->flags & kGrad)) sum = ops::sum(d);
    }
    if (!sum || g_.traits[kLibrary]) return;
    for (const Value& d : gradients(r_, sum, {}, wrt))
      if (d) add(d), grads_.push_back(d);
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
    Value y = wanted_[0];
    for (int attempt = 0; attempt < 20; attempt++) {
      Value v = attempt < 10 ? pick_recent() : pick();
      if (v.dtype() == JT_F32 && (v.ref().node->flags & kGrad)) { y = v; break; }
    }
    try {
      if (y.ref() == wanted_[0].ref()) y = ops::mul(ops::exp(y), y);
      take_gradients(y.type().count() == 1 && y.shape().rank == 0 && chance(50) ? y : ops::sum(y));
    } catch (const Error& e) {
      if (e.code() == JT_E_INTERNAL) throw;
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
  const Between& between_;
  Recorder& r_;
  std::mt19937_64 random_, value_random_;
  int sizes_;
  uint64_t names_;
  bool has_long_ = false;
  int depth_ = 0;  // of bodies
  RandomGraph g_;
  std::vector<Value> wanted_, grads_;
};

}  // namespace

RandomGraph record_random(Context& context, const Draw& draw, const Between& between) {
  return Maker(context, draw, between).run(draw.max_nodes);
}

}  // namespace jt::test
