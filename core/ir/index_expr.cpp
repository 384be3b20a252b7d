#include "core/ir/index_expr.h"

#include <charconv>

#include "core/base/status.h"

namespace jt {

namespace {

constexpr int kMaxDepth = 64;

class Parser {
 public:
  Parser(std::string_view who, std::string_view text, int coordinates)
      : who_(who), text_(text), coordinates_(coordinates) {}

  // Their number; their code too, if it is wanted.
  int all(std::vector<IndexExpr>* out) {
    int n = 0;
    do {
      code_ = out ? &out->emplace_back() : nullptr;
      sum(0);
      n++;
    } while (take(','));
    if (peek()) wrong("unexpected text");
    return n;
  }

 private:
  template <class... What>
  [[noreturn]] void wrong(const What&... what) {
    fail(JT_E_INVALID, who_, ": index '", text_, "': ", what..., " at character ", at_);
  }
  char peek() {
    while (at_ < text_.size() && text_[at_] == ' ') at_++;
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool take(char c) {
    if (peek() != c) return false;
    at_++;
    return true;
  }
  void put(IndexStep::Kind kind, int64_t value = 0) {
    if (code_) code_->push_back({kind, value});
  }
  int64_t number() {
    int64_t value = 0;
    auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
    if (error != std::errc()) wrong("a number is missing or too large");
    at_ = size_t(end - text_.data());
    return value;
  }
  void sum(int depth) {
    product(depth);
    for (;;) {
      if (take('+')) product(depth), put(IndexStep::add);
      else if (take('-')) product(depth), put(IndexStep::sub);
      else return;
    }
  }
  void product(int depth) {
    atom(depth);
    for (;;) {
      if (take('*')) atom(depth), put(IndexStep::mul);
      else if (take('/')) atom(depth), put(IndexStep::div);
      else if (take('%')) atom(depth), put(IndexStep::mod);
      else return;
    }
  }
  void atom(int depth) {
    if (depth > kMaxDepth) wrong("too deep");
    if (take('-')) {
      atom(depth + 1);
      put(IndexStep::neg);
    } else if (take('(')) {
      sum(depth + 1);
      if (!take(')')) wrong("')' is missing");
    } else if (take('i')) {
      int64_t axis = number();
      if (axis < 0 || axis >= coordinates_) wrong("i", axis, " is not one of ", coordinates_, " coordinates");
      put(IndexStep::coordinate, axis);
    } else {
      if (peek() < '0' || peek() > '9') wrong("a coordinate, a number or '(' is missing");
      put(IndexStep::integer, number());
    }
  }

  std::string_view who_, text_;
  int coordinates_;
  size_t at_ = 0;
  IndexExpr* code_ = nullptr;
};

}  // namespace

std::vector<IndexExpr> parse_index_exprs(std::string_view who, std::string_view text, int coordinates) {
  std::vector<IndexExpr> out;
  Parser(who, text, coordinates).all(&out);
  return out;
}

void check_index_exprs(std::string_view who, std::string_view text, int coordinates, int axes) {
  if (axes == 0 && text.empty()) return;
  int n = Parser(who, text, coordinates).all(nullptr);
  if (n != axes) fail(JT_E_SHAPE, who, ": index '", text, "' has ", n, " expressions for ", axes, " axes");
}

}  // namespace jt
