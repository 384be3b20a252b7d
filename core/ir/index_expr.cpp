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

  std::vector<IndexExpr> all() {
    std::vector<IndexExpr> out;
    do {
      code_.clear();
      sum(0);
      out.push_back(code_);
    } while (take(','));
    if (peek()) wrong("unexpected text");
    return out;
  }

 private:
  [[noreturn]] void wrong(std::string_view what) {
    fail(JT_E_INVALID, who_, ": index '", text_, "': ", what, " at character ", at_);
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
      if (take('+')) product(depth), code_.push_back({IndexStep::add});
      else if (take('-')) product(depth), code_.push_back({IndexStep::sub});
      else return;
    }
  }
  void product(int depth) {
    atom(depth);
    for (;;) {
      if (take('*')) atom(depth), code_.push_back({IndexStep::mul});
      else if (take('/')) atom(depth), code_.push_back({IndexStep::div});
      else if (take('%')) atom(depth), code_.push_back({IndexStep::mod});
      else return;
    }
  }
  void atom(int depth) {
    if (depth > kMaxDepth) wrong("too deep");
    if (take('-')) {
      atom(depth + 1);
      code_.push_back({IndexStep::neg});
    } else if (take('(')) {
      sum(depth + 1);
      if (!take(')')) wrong("')' is missing");
    } else if (take('i')) {
      int64_t axis = number();
      if (axis < 0 || axis >= coordinates_) wrong(text("i", axis, " is not one of ", coordinates_, " coordinates"));
      code_.push_back({IndexStep::coordinate, axis});
    } else {
      if (peek() < '0' || peek() > '9') wrong("a coordinate, a number or '(' is missing");
      code_.push_back({IndexStep::integer, number()});
    }
  }

  std::string_view who_, text_;
  int coordinates_;
  size_t at_ = 0;
  IndexExpr code_;
};

}  // namespace

std::vector<IndexExpr> parse_index_exprs(std::string_view who, std::string_view text, int coordinates) {
  return Parser(who, text, coordinates).all();
}

void check_index_exprs(std::string_view who, std::string_view text, int coordinates, int axes) {
  if (axes == 0 && text.empty()) return;
  size_t n = parse_index_exprs(who, text, coordinates).size();
  if (n != size_t(axes)) fail(JT_E_SHAPE, who, ": index '", text, "' has ", n, " expressions for ", axes, " axes");
}

}  // namespace jt
