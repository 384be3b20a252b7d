// tokens: PTX text -> words, numbers, strings and single marks, each with its line; comments are left out.
#pragma once

#include <cctype>
#include <string>
#include <string_view>

namespace fakegpu {

struct Token {
  enum Kind { kEnd, kWord, kString, kMark } kind = kEnd;
  std::string text;
  uint32_t line = 0;
  bool is(std::string_view expected) const { return kind != kString && text == expected; }
};

class Tokens {
 public:
  explicit Tokens(std::string_view text) : text_(text) { next_ = read(); }
  const Token& peek() const { return next_; }
  Token take() {
    Token token = std::move(next_);
    next_ = read();
    return token;
  }
  bool take_if(std::string_view expected) {
    if (!next_.is(expected)) return false;
    take();
    return true;
  }

 private:
  static bool is_word(char c) {
    return isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$' || c == '%' || c == '.';
  }
  bool at(std::string_view what) const { return text_.substr(position_, what.size()) == what; }

  void skip_blank() {
    while (position_ < text_.size()) {
      if (at("//")) {
        while (position_ < text_.size() && text_[position_] != '\n') ++position_;
      } else if (at("/*")) {
        for (; position_ < text_.size() && !at("*/"); ++position_) line_ += text_[position_] == '\n';
        position_ += 2;
      } else if (isspace(static_cast<unsigned char>(text_[position_]))) {
        line_ += text_[position_++] == '\n';
      } else {
        return;
      }
    }
  }

  Token read() {
    skip_blank();
    if (position_ >= text_.size()) return {Token::kEnd, "end of text", line_};
    size_t begin = position_;
    if (text_[position_] == '"') {
      position_ = text_.find('"', position_ + 1);
      position_ = position_ == std::string_view::npos ? text_.size() : position_ + 1;
      return {Token::kString, std::string(text_.substr(begin, position_ - begin)), line_};
    }
    while (position_ < text_.size() && (is_word(text_[position_]) || (position_ > begin && at("::"))))
      position_ += at("::") ? 2 : 1;
    if (position_ > begin) return {Token::kWord, std::string(text_.substr(begin, position_ - begin)), line_};
    ++position_;
    return {Token::kMark, std::string(1, text_[begin]), line_};
  }

  std::string_view text_;
  size_t position_ = 0;
  uint32_t line_ = 1;
  Token next_;
};

}  // namespace fakegpu
