#include "tests/tier/random_programs.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace jt::vm {
namespace {

constexpr int64_t kWholeCount = 97;

class Maker {
 public:
  explicit Maker(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u + 88172645463325252u) {
    for (int k = 0; k < 8; k++) next();
  }

  RandomCase make() {
    choose_extents();
    stage(Level::uniform);
    for (int k = 0, n = 1 + pick(3); k < n; k++) uniform_instr();
    for (int k = 0, n = 1 + pick(4); k < n; k++) {
      bool has_inner = p().mode != Mode::flat;
      stage(has_inner && pick(3) ? Level::inner : Level::outer);
      for (int i = 0, m = 1 + pick(7); i < m; i++) instr();
      if (level() == Level::inner) reduce();
      else store();
    }
    if (p().mode != Mode::flat && pick(2)) {
      stage(Level::inner);
      instr();
      store();
    }
    assemble_args();
    return std::move(c_);
  }

 private:
  struct Value {
    int16_t reg;
    CType type;
    Level level;
    int stage;
  };

  uint64_t next() {
    state_ ^= state_ << 13, state_ ^= state_ >> 7, state_ ^= state_ << 17;
    return state_ >> 11;
  }
  int pick(int n) { return int(next() % uint64_t(n)); }
  template <class T, size_t N>
  T one_of(const T (&list)[N]) { return list[pick(N)]; }
  Program& p() { return c_.program; }
  Level level() const { return c_.program.stages.back().level; }

  void choose_extents() {
    p().mode = Mode(pick(3));
    if (p().mode == Mode::flat) c_.outer = one_of<int64_t>({0, 1, 7, 511, 512, 513, 1024, 1500});
    if (p().mode == Mode::row) {
      c_.inner = one_of<int64_t>({0, 1, 2, 10, 63, 64, 65, 255, 256, 257, 512, 513, 1100, 4096, 4500});
      c_.outer = c_.inner > 600 ? one_of<int64_t>({1, 2, 3}) : one_of<int64_t>({1, 2, 8, 52, 131});
    }
    if (p().mode == Mode::column) {
      c_.inner = one_of<int64_t>({0, 1, 2, 10, 64, 65, 130, 4100});
      c_.outer = c_.inner > 600 ? one_of<int64_t>({1, 3, 20, 65})
                                : one_of<int64_t>({1, 5, 20, 63, 64, 65, 256, 257, 512, 513, 700});
    }
  }

  // ---- the parts of a program ----
  void stage(Level l) {
    int at = int(p().instrs.size());
    p().stages.push_back({l, at, at});
  }
  int16_t reg(CType type, Level l) {
    p().registers.push_back({type, l, p().scratch_bytes});
    p().scratch_bytes += l == Level::uniform ? 64 : kBlock * 8;
    return int16_t(p().registers.size() - 1);
  }
  void add(const Instr& i) {
    p().instrs.push_back(i);
    p().stages.back().last = int(p().instrs.size());
    if (i.dst < 0) return;
    const Register& r = p().registers[size_t(i.dst)];
    values_.push_back({i.dst, r.type, r.level, int(p().stages.size())});
  }
  bool is_readable(const Value& v) const {
    if (v.level == Level::uniform) return true;
    bool reduced = v.level == Level::outer && level() == Level::inner && v.stage == int(c_.program.stages.size());
    if (v.level == Level::outer) return level() != Level::uniform && !reduced;
    return level() == Level::inner && v.stage == int(c_.program.stages.size());
  }
  // A readable value of the type; made if there is none.
  int16_t value(CType type, bool is_uniform = false) {
    std::vector<int16_t> fit;
    for (const Value& v : values_)
      if (v.type == type && is_readable(v) && (!is_uniform || v.level == Level::uniform)) fit.push_back(v.reg);
    if (!fit.empty() && pick(8)) return fit[size_t(pick(int(fit.size())))];
    if (is_uniform) return -1;
    if (level() == Level::uniform) return scalar(type);
    return load(stored_as(type));
  }
  DType any_dtype() { return DType(1 + pick(kDTypes)); }
  CType any_type() { return pick(2) ? CType::f32 : CType(pick(kCTypes)); }
  DType stored_as(CType type) {
    for (;;)
      if (DType d = any_dtype(); ctype_of(d) == type) return d;
  }

  // ---- instructions ----
  void uniform_instr() {
    switch (pick(3)) {
      case 0: element(); break;
      case 1: load(any_dtype()); break;
      default: scalar(any_type());
    }
  }
  void instr() {
    switch (pick(14)) {
      case 0: load(any_dtype()); break;
      case 1: narrow(); break;
      case 2: convert(); break;
      case 3: index(); break;
      case 4: gather(); break;
      case 5: scatter(); break;
      case 6: random(); break;
      case 7: store(); break;
      case 8:
        if (level() == Level::inner) reduce();
        break;
      default: element();
    }
  }

  int16_t scalar(CType type) {
    Instr i{Code::scalar, type};
    i.dst = reg(type, Level::uniform);
    i.operand = int16_t(p().scalars++);
    char bytes[8] = {};
    fill(bytes, type == CType::b8 ? JT_BOOL : stored(type), 1);
    int64_t word;
    std::memcpy(&word, bytes, 8);
    scalars_.push_back(word);
    add(i);
    return i.dst;
  }
  static DType stored(CType t) {
    constexpr DType kStored[kCTypes] = {JT_F32, JT_F64, JT_I32, JT_I64, JT_U64, JT_BOOL};
    return kStored[int(t)];
  }

  int16_t load(DType d) {
    Instr i{Code::load, ctype_of(d)};
    bool mapped = level() != Level::uniform && pick(2);
    i.operand = mapped ? mapped_operand(d, level(), false) : direct_operand(d, level(), false);
    i.b = mapped && pick(2) ? value(i.type, true) : int16_t(-1);
    i.dst = reg(i.type, level());
    add(i);
    return i.dst;
  }

  void element() {
    for (;;) {
      CType type = any_type();
      int prim = pick(kElements);
      const ElementFacts& facts = kElementFacts[prim];
      if (!(*best_primitives().element[int(type)])[prim][0]) continue;
      Instr i{Code::element, type};
      i.prim = uint16_t(prim);
      i.a = value(facts.types == ElementTypes::CHOICE ? CType::b8 : type);
      if (facts.arity > 1) i.b = value(type);
      if (facts.arity > 2) i.c = value(type);
      CType result = facts.gives_bool ? CType::b8 : type;
      i.dst = reg(result, level());
      bool goes_out = level() != Level::uniform && pick(4) == 0;
      if (goes_out) i.operand = direct_operand(stored(result), level(), true);
      return add(i);
    }
  }
  void narrow() {
    DType d = any_dtype();
    Instr i{Code::narrow, ctype_of(d), uint8_t(d)};
    i.a = value(i.type);
    i.dst = reg(i.type, level());
    add(i);
  }
  void convert() {
    CType from = any_type(), to = any_type();
    if (from == to) return;
    Instr i{Code::convert, to, uint8_t(from)};
    i.a = value(from);
    i.dst = reg(to, level());
    add(i);
  }
  void index() {
    Instr i{Code::index, CType::i64};
    i.operand = mapped_operand(JT_I64, level(), false);
    i.dst = reg(i.type, level());
    add(i);
  }
  void gather() {
    DType d = any_dtype();
    Instr i{Code::gather, ctype_of(d)};
    i.a = value(CType::i64);
    i.b = pick(2) ? value(i.type, true) : int16_t(-1);
    i.operand = operand(d, Access::whole, level(), false, kWholeCount, kWholeCount);
    i.dst = reg(i.type, level());
    add(i);
  }
  void scatter() {
    DType d = any_dtype();
    Instr i{Code::scatter, ctype_of(d), uint8_t(pick(kCombines))};
    i.a = value(CType::i64);
    i.b = value(i.type);
    i.operand = operand(d, Access::whole, level(), true, kWholeCount, kWholeCount);
    add(i);
  }
  void random() {
    Instr i{Code::random, CType::i64};
    i.a = value(CType::i64);
    i.b = value(CType::u64);
    i.c = value(CType::i64);
    i.dst = reg(CType::i64, level());
    add(i);
  }
  void reduce() {
    CType from = any_type();
    Reduction r = Reduction(pick(kReductions));
    if (!best_primitives().block->reduce[int(r)][int(from)].add) return;
    bool is_place = r == Reduction::argmax || r == Reduction::argmin;
    Instr i{Code::reduce, is_place ? CType::i64 : from, uint8_t(r)};
    i.a = value(from);
    i.dst = reg(i.type, Level::outer);
    add(i);
  }
  void store() {
    DType d = any_dtype();
    Instr i{Code::store, ctype_of(d)};
    i.a = value(i.type);
    i.operand = pick(2) ? mapped_operand(d, level(), true) : direct_operand(d, level(), true);
    add(i);
  }

  // ---- operands and their memory ----
  int64_t elements(Level l) const {
    return l == Level::uniform ? 1 : l == Level::outer ? c_.outer : c_.outer * c_.inner;
  }
  int16_t operand(DType d, Access access, Level l, bool is_output, int64_t count, int64_t second) {
    p().operands.push_back({d, access, l, is_output});
    bool may_share = is_output && access == Access::direct && pick(3) == 0;
    size_t shared = p().operands.size();
    for (size_t k = 0; may_share && k + 1 < p().operands.size(); k++) {
      const Operand& o = p().operands[k];
      if (o.dtype == d && o.access == access && o.level == l) shared = k;
    }
    if (shared < p().operands.size()) {
      addresses_.push_back(addresses_[shared]);
    } else {
      c_.buffers.emplace_back(size_t(2 * kGuard + count * int64_t(size_of(d))), char(0xa5));
      char* elements = c_.buffers.back().data() + kGuard;
      fill(elements, d, count);
      addresses_.push_back(reinterpret_cast<int64_t>(elements));
    }
    seconds_.push_back(second);
    return int16_t(p().operands.size() - 1);
  }
  int16_t direct_operand(DType d, Level l, bool is_output) {
    return operand(d, Access::direct, l, is_output, elements(l), 0);
  }

  // n as a product of one or two extents.
  void add_axes(IndexMap& map, int64_t n, int32_t& rank) {
    int at = map.outer_rank + map.inner_rank;
    int64_t first = 1;
    for (int64_t f : {2, 3, 5, 8})
      if (pick(2) && n % f == 0 && n) first = f;
    if (first > 1) map.extent[at++] = first, rank++;
    map.extent[at] = n / first, rank++;
  }
  int16_t mapped_operand(DType d, Level l, bool is_output) {
    c_.maps.emplace_back();
    IndexMap& map = c_.maps.back();
    std::memset(&map, 0, sizeof map);
    add_axes(map, c_.outer, map.outer_rank);
    if (l == Level::inner) add_axes(map, c_.inner, map.inner_rank);
    int rank = map.outer_rank + map.inner_rank;
    std::vector<int> order;
    for (int k = 0; k < rank; k++) order.push_back(k);
    for (int k = rank - 1; pick(2) && k > 0; k--) std::swap(order[size_t(k)], order[size_t(pick(k + 1))]);
    int64_t stride = 1 + (pick(4) == 0), least = 0, most = 0;
    for (int k = rank - 1; k >= 0; k--) {
      int axis = order[size_t(k)];
      int64_t extent = std::max<int64_t>(map.extent[axis], 1);
      map.stride[axis] = pick(6) == 0 ? -stride : stride;
      if (!is_output && pick(5) == 0) map.stride[axis] = 0;
      stride *= extent;
      (map.stride[axis] < 0 ? least : most) += map.stride[axis] * (extent - 1);
      if (pick(4) == 0) {
        map.masked |= 1u << axis;
        map.lo[axis] = pick(2);
        map.hi[axis] = extent - pick(3);
      }
    }
    map.offset = -least;
    return operand(d, Access::mapped, l, is_output, most - least + 1, reinterpret_cast<int64_t>(&map));
  }

  void fill(char* to, DType d, int64_t n) {
    for (int64_t i = 0; i < n; i++, to += size_of(d)) {
      uint64_t bits = next();
      if (d == JT_BOOL) {
        *to = char(bits & 1);
      } else if (d == JT_F32 || d == JT_F64) {
        constexpr double kSpecial[] = {0.0, -0.0, 1e30, -1e-30, HUGE_VAL, -HUGE_VAL};
        double x = double(int64_t(bits % 20001) - 10000) / 1700;
        if (!(bits >> 40 & 31)) x = kSpecial[bits % 6];
        float f = float(x);
        std::memcpy(to, d == JT_F32 ? static_cast<void*>(&f) : static_cast<void*>(&x), size_of(d));
      } else if (is_int(d) && bits >> 40 & 15) {
        int64_t x = int64_t(bits % 110) - (is_signed_int(d) ? 6 : 0);
        std::memcpy(to, &x, size_of(d));
      } else {
        std::memcpy(to, &bits, size_of(d));
      }
    }
  }

  void assemble_args() {
    c_.args = {c_.outer, c_.inner};
    for (size_t k = 0; k < addresses_.size(); k++) {
      c_.args.push_back(addresses_[k]);
      c_.args.push_back(seconds_[k]);
    }
    c_.args.insert(c_.args.end(), scalars_.begin(), scalars_.end());
  }

  uint64_t state_;
  RandomCase c_;
  std::vector<Value> values_;
  std::vector<int64_t> addresses_, seconds_, scalars_;
};

}  // namespace

RandomCase random_case(uint64_t seed) { return Maker(seed).make(); }

}  // namespace jt::vm
