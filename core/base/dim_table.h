// dim_table: the expressions that Dims name while a plan is made for many extents, and the guards of that plan; and
// both, packed, as the plan keeps them.
//
// An expression is a sum of products of symbols and of quotients, remainders, least and most of such sums, in a normal
// form: equal sums are one entry, so most questions are answered by comparing words. Every entry knows what it is worth
// now, and was in the other bindings that the plan is made from; and bounds that hold always.
#pragma once
#include <map>
#include <set>
#include <tuple>
#include <string>
#include <vector>

#include "core/base/dim.h"

namespace jt {

namespace dims {
bool computed(Arithmetic op, int64_t a, int64_t b, int64_t* out);
}

struct DimSymbol {
  std::string name;
  int64_t lo = 1, hi = int64_t(1) << 40;
};

// A fact about symbols that the plan relies on.
struct DimGuard {
  enum Kind : uint8_t { equal, differ, less, not_less } kind;
  Dim a, b;
  auto operator<=>(const DimGuard& o) const {
    return std::tuple(kind, a.word(), b.word()) <=> std::tuple(o.kind, o.a.word(), o.b.word());
  }
  bool holds(int64_t x, int64_t y) const {
    return kind == equal ? x == y : kind == differ ? x != y : kind == less ? x < y : x >= y;
  }
};

class DimTable {
 public:
  // `bindings`: of how many the worth of each symbol is known, that of now first.
  explicit DimTable(size_t bindings = 1) : bindings_(bindings) {}
  DimTable(const DimTable&) = delete;

  Dim symbol(std::span<const int64_t> worth, DimSymbol about = {});
  // A Dim of this worth in all bindings: one that `offer` was given, a multiple of a symbol or of two, or one offered
  // and a number; plain where the worth is always the same, and where there is none.
  Dim find(std::span<const int64_t> worth);
  // One offered of this worth, else the number of now.
  Dim offered(std::vector<int64_t> worth) const;
  void offer(Dim d);
  // Bindings where d is below 1 will not be asked for. Seen where d is a symbol and a number.
  void assume_positive(Dim d);
  std::vector<int64_t> now() const;  // what symbols are worth

  Dim compute(dims::Arithmetic op, Dim a, Dim b);
  bool compare(dims::Relation r, Dim a, Dim b);
  bool surely_equal(Dim a, Dim b) const;
  int64_t pin(Dim d);
  int64_t worth(Dim d, size_t binding = 0) const;
  std::string formula(Dim d) const;
  const std::set<DimGuard>& guards() const { return guards_; }
  size_t symbols() const { return symbols_.size(); }
  std::string guards_text() const;  // s0!=5, s1<s0: for people

  // While one lives, the table is this thread's.
  class InUse {
   public:
    explicit InUse(DimTable* table);
    ~InUse();
    InUse(const InUse&) = delete;

   private:
    DimTable* outer_;
  };

 private:
  friend class DimFormulas;
  enum class Kind : uint8_t { symbol, sum, div, mod, least, most };
  struct Term {  // of a sum: factor * product of entries that are no sums, in order
    int64_t factor;
    std::vector<uint32_t> atoms;
    auto operator<=>(const Term& o) const = default;
  };
  using Sum = std::vector<Term>;  // by atoms, each once; the constant first
  struct Bounds { int64_t lo, hi; };
  struct Entry {
    Kind kind;
    Dim a, b;             // symbol: its number; div and the like: operands
    Sum sum;
    Bounds bounds;
    std::vector<int64_t> worth;  // by binding
    bool is_known_everywhere;    // in the others too, not only now
  };
  const Entry& entry(Dim d) const { return entries_[d.entry()]; }
  bool knows(Dim d) const { return d.is_symbolic() && d.entry() < entries_.size(); }
  Sum sum_of(Dim d) const;
  Dim named(Sum sum);
  Dim named(Kind kind, Dim a, Dim b);
  Dim add(Entry entry);
  Bounds bounds_of(const Sum& sum) const;
  Bounds bounds_of(Dim d) const;
  // The sign of a difference, if it is always the same: -1 below 0, 0, 1 above; least and most.
  Bounds sign_of(Sum difference) const;
  Sum difference(Dim a, Dim b) const;
  bool divides(const Sum& a, const Sum& b, Sum* quotient) const;
  void record(DimGuard::Kind kind, Dim a, Dim b);

  size_t bindings_;
  std::vector<Entry> entries_;
  std::vector<DimSymbol> symbols_;
  std::vector<uint32_t> entry_of_symbol_;
  std::map<Sum, uint32_t> sums_;
  std::map<std::tuple<Kind, int64_t, int64_t>, uint32_t> others_;
  std::map<std::vector<int64_t>, Dim> offered_;  // by worth
  std::set<DimGuard> guards_;
  std::set<Sum> zeros_;  // differences that a guard says are 0
};

// What a plan keeps of a table: entries in order, each from earlier ones; the guards; the symbols.
class DimFormulas {
 public:
  DimFormulas() = default;
  // Keeps the guards; what else is kept, `keep` is asked for.
  explicit DimFormulas(const DimTable& table);
  // `d` as a Dim of this table's entries.
  Dim keep(const DimTable& table, Dim d);

  bool empty() const { return symbols_.empty(); }
  const std::vector<DimSymbol>& symbols() const { return symbols_; }
  const std::vector<DimGuard>& guards() const { return guards_; }
  // What each entry is worth for these symbols; false if a number does not fit 63 bits or a guard does not hold.
  bool evaluate(std::span<const int64_t> symbols, std::vector<int64_t>& worth) const;
  static int64_t at(Dim d, std::span<const int64_t> worth) { return d.is_symbolic() ? worth[d.entry()] : d.word(); }
  std::string formula(Dim d) const;

 private:
  std::vector<DimSymbol> symbols_;
  std::vector<DimGuard> guards_;
  std::vector<int64_t> code_;       // of all entries, one behind another
  std::vector<uint32_t> begins_;    // of each entry in it
  std::map<uint32_t, uint32_t> kept_;  // entry of the table -> entry here; while it is made
};

}  // namespace jt
