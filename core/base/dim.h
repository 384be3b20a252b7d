// dim: an extent, or another number that follows from extents: a plain integer, or an expression over symbols.
//
// Plain everywhere but inside the making of a plan that is to hold for many extents. There a Dim may name an expression
// of the DimTable that is in use on this thread, and knows what it is worth now. Nothing about it can be baked in
// unseen: arithmetic makes expressions; a comparison is answered by what is worth now and, unless it holds whatever the
// symbols are, recorded as a guard; the conversion to an integer *pins* it: records that it must be worth this. A plan
// holds where its guards do, so code that knows nothing of symbols makes it narrow, never wrong.
//
// same(a, b) asks for more than ==: equal whatever the symbols are. It records nothing: for decisions whose "no" is
// always right, such as what may be fused.
#pragma once
#include <concepts>
#include <cstdint>
#include <span>
#include <type_traits>

#include "core/base/text.h"

namespace jt {

class Dim;
namespace dims {  // dim_table.cpp: one of the operands may be an expression
enum class Arithmetic : uint8_t { add, sub, mul, div, mod, least, most };
enum class Relation : uint8_t { equal, less };
Dim compute(Arithmetic op, Dim a, Dim b);
bool compare(Relation r, Dim a, Dim b);
bool surely_equal(Dim a, Dim b);
int64_t pin(Dim d);
int64_t value_now(Dim d);
void append_formula(std::string& out, Dim d);
}  // namespace dims

template <class N>
concept PlainNumber = std::integral<N> || std::is_enum_v<N>;

class Dim {
 public:
  Dim() = default;  // leaves the word as it is
  template <PlainNumber N>
  constexpr Dim(N n) : word_(int64_t(n)) {}
  static constexpr Dim of_entry(uint32_t entry) { return Dim(int64_t(kTag << 32 | entry)); }

  // Expressions are words that no extent and hardly any other number is; a graph that has one of these is planned
  // plainly.
  constexpr bool is_symbolic() const { return uint64_t(word_) >> 32 == kTag; }
  constexpr int64_t word() const { return word_; }
  constexpr uint32_t entry() const { return uint32_t(word_); }

  constexpr operator int64_t() const {
    if (is_symbolic()) [[unlikely]] return dims::pin(*this);
    return word_;
  }
  template <std::same_as<bool> B>
  explicit operator B() const { return !(*this == Dim(0)); }

  friend Dim operator+(Dim a, Dim b) {
    return is_plain(a, b) ? Dim(a.word_ + b.word_) : dims::compute(dims::Arithmetic::add, a, b);
  }
  friend Dim operator-(Dim a, Dim b) {
    return is_plain(a, b) ? Dim(a.word_ - b.word_) : dims::compute(dims::Arithmetic::sub, a, b);
  }
  friend Dim operator*(Dim a, Dim b) {
    return is_plain(a, b) ? Dim(a.word_ * b.word_) : dims::compute(dims::Arithmetic::mul, a, b);
  }
  friend Dim operator/(Dim a, Dim b) {
    return is_plain(a, b) ? Dim(a.word_ / b.word_) : dims::compute(dims::Arithmetic::div, a, b);
  }
  friend Dim operator%(Dim a, Dim b) {
    return is_plain(a, b) ? Dim(a.word_ % b.word_) : dims::compute(dims::Arithmetic::mod, a, b);
  }
  Dim operator-() const { return Dim(0) - *this; }
  Dim& operator+=(Dim b) { return *this = *this + b; }
  Dim& operator-=(Dim b) { return *this = *this - b; }
  Dim& operator*=(Dim b) { return *this = *this * b; }
  Dim& operator/=(Dim b) { return *this = *this / b; }

  friend bool operator==(Dim a, Dim b) {
    if (a.word_ == b.word_) return true;
    if (is_plain(a, b)) [[likely]] return false;
    return dims::compare(dims::Relation::equal, a, b);
  }
  friend bool operator<(Dim a, Dim b) {
    return is_plain(a, b) ? a.word_ < b.word_ : dims::compare(dims::Relation::less, a, b);
  }
  friend bool operator>(Dim a, Dim b) { return b < a; }
  friend bool operator<=(Dim a, Dim b) { return !(b < a); }
  friend bool operator>=(Dim a, Dim b) { return !(a < b); }

  // A plain number beside it, so that no conversion of the Dim is a candidate.
#define JT_WITH_NUMBER(R, op)                                                              \
  template <PlainNumber N> friend R operator op(Dim a, N b) { return a op Dim(b); }        \
  template <PlainNumber N> friend R operator op(N a, Dim b) { return Dim(a) op b; }
  JT_WITH_NUMBER(Dim, +)
  JT_WITH_NUMBER(Dim, -)
  JT_WITH_NUMBER(Dim, *)
  JT_WITH_NUMBER(Dim, /)
  JT_WITH_NUMBER(Dim, %)
  JT_WITH_NUMBER(bool, <)
  JT_WITH_NUMBER(bool, >)
  JT_WITH_NUMBER(bool, <=)
  JT_WITH_NUMBER(bool, >=)
#undef JT_WITH_NUMBER
  template <PlainNumber N> friend bool operator==(Dim a, N b) { return a == Dim(b); }

  friend bool same(Dim a, Dim b) {
    if (a.word_ == b.word_) return true;
    return !is_plain(a, b) && dims::surely_equal(a, b);
  }
  friend Dim least(Dim a, Dim b) {
    return is_plain(a, b) ? (b.word_ < a.word_ ? b : a) : dims::compute(dims::Arithmetic::least, a, b);
  }
  friend Dim most(Dim a, Dim b) {
    return is_plain(a, b) ? (a.word_ < b.word_ ? b : a) : dims::compute(dims::Arithmetic::most, a, b);
  }

 private:
  static constexpr uint64_t kTag = 0x2d1a'5eed;
  static constexpr bool is_plain(Dim a, Dim b) { return !a.is_symbolic() && !b.is_symbolic(); }
  int64_t word_;
};
static_assert(sizeof(Dim) == 8 && std::is_trivially_default_constructible_v<Dim> && std::is_trivially_copyable_v<Dim>);

// Dims, or plain numbers read as such.
class DimList {
 public:
  DimList() = default;
  DimList(const Dim* first, size_t n) : all_(first, n) {}
  DimList(const int64_t* first, size_t n) : all_(reinterpret_cast<const Dim*>(first), n) {}
  template <class Range>
    requires std::convertible_to<const Range&, std::span<const Dim>> ||
             std::convertible_to<const Range&, std::span<const int64_t>>
  DimList(const Range& range) : DimList(std::data(range), std::size(range)) {}
  operator std::span<const Dim>() const { return all_; }

 private:
  std::span<const Dim> all_;
};

// What it is worth now, for what may differ in the next run: what is said to people, estimates of cost.
inline int64_t worth(Dim d) { return d.is_symbolic() ? dims::value_now(d) : d.word(); }

// An expression is written as such: 800*s0.
template <TextOut Out>
void append(Out& out, Dim d) {
  if (!d.is_symbolic()) return append(out, d.word());
  std::string formula;
  dims::append_formula(formula, d);
  out += std::string_view(formula);
}
template <TextOut Out>
void append(Out& out, std::span<const Dim> values) {
  out += '[';
  for (size_t i = 0; i < values.size(); i++) {
    if (i) out += ',';
    append(out, values[i]);
  }
  out += ']';
}

}  // namespace jt
