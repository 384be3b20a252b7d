// What a plan keeps of a table of expressions: their code, and its evaluation.
#include <algorithm>

#include "core/base/dim_table.h"

namespace jt {

using dims::Arithmetic;

// An entry's code: its kind; a symbol: its number; a sum: how many terms, then each: factor, how many entries, they;
// others: both operands as words of Dims.
DimFormulas::DimFormulas(const DimTable& table) : symbols_(table.symbols_) {
  for (uint32_t e = 0; e < table.entries_.size(); e++)
    if (table.entries_[e].kind == DimTable::Kind::symbol) keep(table, Dim::of_entry(e));
  for (const DimGuard& g : table.guards_) guards_.push_back({g.kind, keep(table, g.a), keep(table, g.b)});
}

Dim DimFormulas::keep(const DimTable& table, Dim d) {
  if (!table.knows(d)) return d;
  if (auto known = kept_.find(d.entry()); known != kept_.end()) return Dim::of_entry(known->second);
  const DimTable::Entry& e = table.entry(d);
  std::vector<int64_t> code{int64_t(e.kind)};
  switch (e.kind) {
    case DimTable::Kind::symbol: code.push_back(e.a.word()); break;
    case DimTable::Kind::sum:
      code.push_back(int64_t(e.sum.size()));
      for (const auto& t : e.sum) {
        code.push_back(t.factor), code.push_back(int64_t(t.atoms.size()));
        for (uint32_t atom : t.atoms) code.push_back(keep(table, Dim::of_entry(atom)).entry());
      }
      break;
    default: code.push_back(keep(table, e.a).word()), code.push_back(keep(table, e.b).word());
  }
  uint32_t here = uint32_t(begins_.size());
  begins_.push_back(uint32_t(code_.size()));
  code_.insert(code_.end(), code.begin(), code.end());
  kept_.emplace(d.entry(), here);
  return Dim::of_entry(here);
}

bool DimFormulas::evaluate(std::span<const int64_t> symbols, std::vector<int64_t>& worth) const {
  using Kind = DimTable::Kind;
  if (symbols.size() != symbols_.size()) return false;
  for (size_t s = 0; s < symbols.size(); s++)
    if (symbols[s] < symbols_[s].lo || symbols[s] > symbols_[s].hi) return false;
  worth.resize(begins_.size());
  for (size_t i = 0; i < begins_.size(); i++) {
    const int64_t* code = &code_[begins_[i]];
    int64_t v = 0;
    switch (Kind(code[0])) {
      case Kind::symbol: v = symbols[size_t(code[1])]; break;
      case Kind::sum: {
        const int64_t* term = code + 2;
        for (int64_t t = 0; t < code[1]; t++) {
          int64_t product = term[0], n = term[1];
          for (int64_t k = 0; k < n; k++)
            if (__builtin_mul_overflow(product, worth[size_t(term[2 + k])], &product)) return false;
          if (__builtin_add_overflow(v, product, &v)) return false;
          term += 2 + n;
        }
        break;
      }
      default: {
        Dim a(code[1]), b(code[2]);
        Arithmetic op = Kind(code[0]) == Kind::div     ? Arithmetic::div
                        : Kind(code[0]) == Kind::mod   ? Arithmetic::mod
                        : Kind(code[0]) == Kind::least ? Arithmetic::least
                                                       : Arithmetic::most;
        if (!computed(op, at(a, worth), at(b, worth), &v)) return false;
      }
    }
    worth[i] = v;
  }
  return std::ranges::all_of(guards_, [&](const DimGuard& g) { return g.holds(at(g.a, worth), at(g.b, worth)); });
}

}  // namespace jt
