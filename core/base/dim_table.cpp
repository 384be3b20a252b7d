#include "core/base/dim_table.h"

#include <algorithm>
#include <utility>

#include "core/base/status.h"

namespace jt {

static thread_local constinit DimTable* table_in_use = nullptr;

DimTable::InUse::InUse(DimTable* table) : outer_(std::exchange(table_in_use, table)) {}
DimTable::InUse::~InUse() { table_in_use = outer_; }

namespace {

using dims::Arithmetic;
using dims::computed;
using dims::Relation;

[[noreturn]] void too_large() { fail(JT_E_SHAPE, "extents are too large"); }
int64_t plus(int64_t a, int64_t b) { return __builtin_add_overflow(a, b, &a) ? (too_large(), 0) : a; }
int64_t times(int64_t a, int64_t b) { return __builtin_mul_overflow(a, b, &a) ? (too_large(), 0) : a; }

// Bounds beyond these are none.
constexpr int64_t kNone = int64_t(1) << 62;
int64_t clamped(__int128 v) { return v > kNone ? kNone : v < -kNone ? -kNone : int64_t(v); }

}  // namespace

// What C++ computes, or false where it is not defined.
bool dims::computed(Arithmetic op, int64_t a, int64_t b, int64_t* out) {
  switch (op) {
    case Arithmetic::add: return !__builtin_add_overflow(a, b, out);
    case Arithmetic::sub: return !__builtin_sub_overflow(a, b, out);
    case Arithmetic::mul: return !__builtin_mul_overflow(a, b, out);
    case Arithmetic::least: return *out = std::min(a, b), true;
    case Arithmetic::most: return *out = std::max(a, b), true;
    case Arithmetic::div:
    case Arithmetic::mod:
      if (b == 0 || (a == INT64_MIN && b == -1)) return false;
      *out = op == Arithmetic::div ? a / b : a % b;
      return true;
  }
  return false;
}

// ---- sums -----------------------------------------------------------------------------------------------------------

DimTable::Sum DimTable::sum_of(Dim d) const {
  if (!knows(d)) return d.word() ? Sum{{d.word(), {}}} : Sum{};
  const Entry& e = entry(d);
  return e.kind == Kind::sum ? e.sum : Sum{{1, {d.entry()}}};
}

DimTable::Sum DimTable::difference(Dim a, Dim b) const {
  Sum out = sum_of(a);
  for (const Term& t : sum_of(b)) {
    auto at = std::ranges::lower_bound(out, t.atoms, {}, &Term::atoms);
    if (at == out.end() || at->atoms != t.atoms) out.insert(at, {times(t.factor, -1), t.atoms});
    else if (at->factor = plus(at->factor, times(t.factor, -1)); !at->factor) out.erase(at);
  }
  return out;
}

DimTable::Bounds DimTable::bounds_of(Dim d) const { return knows(d) ? entry(d).bounds : Bounds{d.word(), d.word()}; }

DimTable::Bounds DimTable::bounds_of(const Sum& sum) const {
  __int128 lo = 0, hi = 0;
  for (const Term& t : sum) {
    __int128 least = t.factor, most = t.factor;
    for (uint32_t atom : t.atoms) {
      Bounds b = entries_[atom].bounds;
      __int128 ends[] = {least * b.lo, least * b.hi, most * b.lo, most * b.hi};
      least = clamped(*std::min_element(ends, ends + 4)), most = clamped(*std::max_element(ends, ends + 4));
    }
    lo = clamped(lo + least), hi = clamped(hi + most);
  }
  return {int64_t(lo), int64_t(hi)};
}

// Factors that are always positive say nothing about the sign.
DimTable::Bounds DimTable::sign_of(Sum difference) const {
  if (difference.empty()) return {0, 0};
  for (uint32_t atom : std::vector(difference[0].atoms)) {
    if (entries_[atom].bounds.lo < 1) continue;
    auto has_it = [&](const Term& t) { return std::ranges::find(t.atoms, atom) != t.atoms.end(); };
    if (!std::ranges::all_of(difference, has_it)) continue;
    for (Term& t : difference) t.atoms.erase(std::ranges::find(t.atoms, atom));
  }
  return bounds_of(difference);
}

// Whether a is b times something, where b is one product.
bool DimTable::divides(const Sum& a, const Sum& b, Sum* quotient) const {
  if (b.size() != 1) return false;
  for (Term t : a) {
    if (t.factor % b[0].factor) return false;
    t.factor /= b[0].factor;
    for (uint32_t atom : b[0].atoms) {
      auto at = std::ranges::find(t.atoms, atom);
      if (at == t.atoms.end()) return false;
      t.atoms.erase(at);
    }
    quotient->push_back(std::move(t));
  }
  std::ranges::sort(*quotient, {}, &Term::atoms);
  return true;
}

// ---- entries --------------------------------------------------------------------------------------------------------

Dim DimTable::add(Entry entry) {
  entries_.push_back(std::move(entry));
  return Dim::of_entry(uint32_t(entries_.size() - 1));
}

Dim DimTable::symbol(std::span<const int64_t> worth, DimSymbol about) {
  if (about.name.empty()) about.name = text("s", symbols_.size());
  bool is_known = worth.size() == bindings_;
  Dim made =
      add({Kind::symbol, Dim(symbols_.size()), 0, {}, {about.lo, about.hi}, {worth.begin(), worth.end()}, is_known});
  symbols_.push_back(std::move(about));
  entry_of_symbol_.push_back(made.entry());
  offer(made);
  return made;
}

Dim DimTable::named(Sum sum) {
  if (sum.empty()) return 0;
  if (sum.size() == 1 && sum[0].atoms.empty()) return sum[0].factor;
  if (sum.size() == 1 && sum[0].factor == 1 && sum[0].atoms.size() == 1) return Dim::of_entry(sum[0].atoms[0]);
  auto [known, is_new] = sums_.try_emplace(sum, uint32_t(entries_.size()));
  if (!is_new) return Dim::of_entry(known->second);
  Entry e{Kind::sum, 0, 0, sum, bounds_of(sum), {}, true};
  for (const Term& t : sum)
    for (uint32_t atom : t.atoms) e.is_known_everywhere &= entries_[atom].is_known_everywhere;
  for (size_t k = 0; k < (e.is_known_everywhere ? bindings_ : 1); k++) {
    int64_t total = 0;
    for (const Term& t : sum) {
      int64_t product = t.factor;
      for (uint32_t atom : t.atoms) product = times(product, entries_[atom].worth[k]);
      total = plus(total, product);
    }
    e.worth.push_back(total);
  }
  return add(std::move(e));
}

Dim DimTable::named(Kind kind, Dim a, Dim b) {
  auto [known, is_new] = others_.try_emplace({kind, a.word(), b.word()}, uint32_t(entries_.size()));
  if (!is_new) return Dim::of_entry(known->second);
  Arithmetic op = kind == Kind::div     ? Arithmetic::div
                  : kind == Kind::mod   ? Arithmetic::mod
                  : kind == Kind::least ? Arithmetic::least
                                        : Arithmetic::most;
  Bounds x = bounds_of(a), y = bounds_of(b), bounds{-kNone, kNone};
  if (kind == Kind::least) bounds = {std::min(x.lo, y.lo), std::min(x.hi, y.hi)};
  if (kind == Kind::most) bounds = {std::max(x.lo, y.lo), std::max(x.hi, y.hi)};
  if (kind == Kind::div && x.lo >= 0 && y.lo >= 1)
    bounds = {x.lo == kNone ? x.lo : x.lo / y.hi, x.hi == kNone ? kNone : x.hi / y.lo};
  if (kind == Kind::mod && x.lo >= 0 && y.lo >= 1) bounds = {0, std::min(x.hi, y.hi - 1)};
  Entry e{kind, a, b, {}, bounds, {}, true};
  for (size_t k = 0; k < bindings_ && e.is_known_everywhere; k++) {
    bool is_known = (!knows(a) || entry(a).worth.size() > k) && (!knows(b) || entry(b).worth.size() > k);
    int64_t v = 0;
    if (!is_known || !computed(op, worth(a, k), worth(b, k), &v)) {
      if (!k) others_.erase({kind, a.word(), b.word()}), too_large();
      e.is_known_everywhere = false;
    } else {
      e.worth.push_back(v);
    }
  }
  return add(std::move(e));
}

int64_t DimTable::worth(Dim d, size_t binding) const { return knows(d) ? entry(d).worth[binding] : d.word(); }

void DimTable::offer(Dim d) {
  if (knows(d) && entry(d).is_known_everywhere) offered_.try_emplace(entry(d).worth, d);
}

Dim DimTable::offered(std::vector<int64_t> worth) const {
  auto known = offered_.find(worth);
  return known == offered_.end() ? Dim(worth[0]) : known->second;
}

void DimTable::assume_positive(Dim d) {
  if (!knows(d) || bounds_of(d).lo >= 1) return;
  int64_t shift = 0;
  uint32_t of = UINT32_MAX;
  for (const Term& t : sum_of(d)) {
    bool is_alone =
        t.factor == 1 && t.atoms.size() == 1 && of == UINT32_MAX && entries_[t.atoms[0]].kind == Kind::symbol;
    if (t.atoms.empty()) shift = t.factor;
    else if (is_alone) of = t.atoms[0];
    else return;
  }
  int64_t& lo = entries_[of].bounds.lo;
  lo = symbols_[size_t(entries_[of].a.word())].lo = std::max(lo, 1 - shift);
  entries_[d.entry()].bounds.lo = std::max<int64_t>(entries_[d.entry()].bounds.lo, 1);
}

std::vector<int64_t> DimTable::now() const {
  std::vector<int64_t> out;
  for (uint32_t e : entry_of_symbol_) out.push_back(entries_[e].worth[0]);
  return out;
}

// The number that worth is of `of` everywhere; 0 if there is none.
static int64_t ratio(std::span<const int64_t> worth, std::span<const int64_t> of) {
  if (of.size() != worth.size() || !of[0] || worth[0] % of[0]) return 0;
  int64_t factor = worth[0] / of[0], product;
  for (size_t k = 1; k < worth.size(); k++)
    if (__builtin_mul_overflow(of[k], factor, &product) || product != worth[k]) return 0;
  return factor;
}
static bool is_shifted(std::span<const int64_t> worth, std::span<const int64_t> of) {
  constexpr int64_t kFar = 8;  // further ones rather are chance
  if (of.size() != worth.size() || worth[0] - of[0] > kFar || of[0] - worth[0] > kFar) return false;
  for (size_t k = 1; k < worth.size(); k++)
    if (worth[k] - of[k] != worth[0] - of[0]) return false;
  return true;
}

Dim DimTable::find(std::span<const int64_t> worth) {
  if (std::ranges::all_of(worth, [&](int64_t w) { return w == worth[0]; })) return worth[0];
  if (auto known = offered_.find({worth.begin(), worth.end()}); known != offered_.end()) return known->second;
  for (uint32_t s : entry_of_symbol_)
    if (int64_t factor = ratio(worth, entries_[s].worth)) return compute(Arithmetic::mul, Dim::of_entry(s), factor);
  for (uint32_t s : entry_of_symbol_)
    for (uint32_t t : entry_of_symbol_) {
      Dim both = compute(Arithmetic::mul, Dim::of_entry(s), Dim::of_entry(t));
      if (int64_t factor = ratio(worth, entry(both).worth)) return compute(Arithmetic::mul, both, factor);
    }
  for (const auto& [of, d] : offered_)
    if (is_shifted(worth, of)) return compute(Arithmetic::add, d, worth[0] - of[0]);
  return worth[0];
}

Dim DimTable::compute(Arithmetic op, Dim a, Dim b) {
  if (!knows(a) && !knows(b)) {
    int64_t v = 0;
    if (!computed(op, a.word(), b.word(), &v)) too_large();
    return v;
  }
  switch (op) {
    case Arithmetic::sub: return named(difference(a, b));
    case Arithmetic::add: return named(difference(a, named(difference(0, b))));
    case Arithmetic::mul: {
      Dim total = 0;
      const Sum x = sum_of(a), y = sum_of(b);
      for (const Term& s : x)
        for (const Term& t : y) {
          Term product{times(s.factor, t.factor), s.atoms};
          product.atoms.insert(product.atoms.end(), t.atoms.begin(), t.atoms.end());
          std::ranges::sort(product.atoms);
          total = compute(Arithmetic::add, total, named(Sum{product}));
        }
      return total;
    }
    case Arithmetic::div:
    case Arithmetic::mod: {
      if (b == Dim(0)) too_large();
      Sum quotient;
      bool is_exact = divides(sum_of(a), sum_of(b), &quotient);
      if (is_exact) return op == Arithmetic::div ? named(std::move(quotient)) : Dim(0);
      return named(op == Arithmetic::div ? Kind::div : Kind::mod, a, b);
    }
    case Arithmetic::least:
    case Arithmetic::most: {
      Bounds sign = sign_of(difference(a, b));
      bool a_is_less = sign.hi <= 0, b_is_less = sign.lo >= 0;
      if (a_is_less || b_is_less) return a_is_less == (op == Arithmetic::least) ? a : b;
      if (b.word() < a.word()) std::swap(a, b);
      return named(op == Arithmetic::least ? Kind::least : Kind::most, a, b);
    }
  }
  return 0;
}

// ---- guards ---------------------------------------------------------------------------------------------------------

bool DimTable::surely_equal(Dim a, Dim b) const {
  if (a.word() == b.word()) return true;
  if (!knows(a) && !knows(b)) return false;
  Sum d = difference(a, b);
  return d.empty() || zeros_.contains(d);
}

bool DimTable::compare(Relation r, Dim a, Dim b) {
  if (!knows(a) && !knows(b)) return r == Relation::equal ? a.word() == b.word() : a.word() < b.word();
  Sum d = difference(a, b);
  Bounds sign = sign_of(d);
  bool is_zero = zeros_.contains(d) || (sign.lo == 0 && sign.hi == 0);
  if (r == Relation::equal) {
    if (is_zero) return true;
    if (sign.lo > 0 || sign.hi < 0) return false;
    bool is_equal = worth(a) == worth(b);
    record(is_equal ? DimGuard::equal : DimGuard::differ, a, b);
    if (is_equal) zeros_.insert(d), zeros_.insert(difference(b, a));
    return is_equal;
  }
  if (sign.hi < 0) return true;
  if (is_zero || sign.lo >= 0) return false;
  bool is_less = worth(a) < worth(b);
  record(is_less ? DimGuard::less : DimGuard::not_less, a, b);
  return is_less;
}

void DimTable::record(DimGuard::Kind kind, Dim a, Dim b) { guards_.insert({kind, a, b}); }

int64_t DimTable::pin(Dim d) {
  if (!knows(d)) return d.word();
  int64_t v = worth(d);
  compare(Relation::equal, d, v);
  return v;
}

// ---- text -----------------------------------------------------------------------------------------------------------

std::string DimTable::formula(Dim d) const {
  if (!knows(d)) return text(d.word());
  const Entry& e = entry(d);
  auto operand = [&](Dim x) {
    std::string of = formula(x);
    return knows(x) && entry(x).kind == Kind::sum ? "(" + of + ")" : of;
  };
  switch (e.kind) {
    case Kind::symbol: return symbols_[size_t(e.a.word())].name;
    case Kind::div: return operand(e.a) + "/" + operand(e.b);
    case Kind::mod: return operand(e.a) + "%" + operand(e.b);
    case Kind::least: return "min(" + formula(e.a) + "," + formula(e.b) + ")";
    case Kind::most: return "max(" + formula(e.a) + "," + formula(e.b) + ")";
    case Kind::sum: break;
  }
  std::string out;
  for (size_t i = e.sum.size(); i-- > 0;) {
    const Term& t = e.sum[i];
    bool is_shown = t.atoms.empty() || (t.factor != 1 && t.factor != -1);
    if (t.factor < 0) out += '-';
    else if (!out.empty()) out += '+';
    if (is_shown) append(out, t.factor < 0 ? -t.factor : t.factor);
    for (size_t k = 0; k < t.atoms.size(); k++)
      append(out, text(k || is_shown ? "*" : "", formula(Dim::of_entry(t.atoms[k]))));
  }
  return out;
}

std::string DimTable::guards_text() const {
  static constexpr const char* kKinds[] = {"=", "!=", "<", ">="};
  std::string out;
  for (const DimGuard& g : guards_)
    append(out, text(out.empty() ? "" : ", ", formula(g.a), kKinds[g.kind], formula(g.b)));
  return out;
}

// ---- what code sees -------------------------------------------------------------------------------------------------

namespace dims {

// Without a table a word is a number, whatever it looks like.
static int64_t raw(Arithmetic op, int64_t a, int64_t b) {
  int64_t v = 0;
  if (!computed(op, a, b, &v)) too_large();
  return v;
}
Dim compute(Arithmetic op, Dim a, Dim b) {
  return table_in_use ? table_in_use->compute(op, a, b) : Dim(raw(op, a.word(), b.word()));
}
bool compare(Relation r, Dim a, Dim b) {
  if (table_in_use) return table_in_use->compare(r, a, b);
  return r == Relation::equal ? a.word() == b.word() : a.word() < b.word();
}
bool surely_equal(Dim a, Dim b) { return table_in_use ? table_in_use->surely_equal(a, b) : a.word() == b.word(); }
int64_t pin(Dim d) { return table_in_use ? table_in_use->pin(d) : d.word(); }
int64_t value_now(Dim d) { return table_in_use ? table_in_use->worth(d) : d.word(); }
void append_formula(std::string& out, Dim d) {
  if (table_in_use) out += table_in_use->formula(d);
  else append(out, d.word());
}

}  // namespace dims

}  // namespace jt
