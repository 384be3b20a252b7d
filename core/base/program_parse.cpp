// program_parse: the text of a block program -> the Program, or the line that is wrong.
//
// Lines are read word by word into the program, then checked against each other; whatever differs from what to_text
// prints for the result (a space too many, a leading zero) is refused at the end, so equal programs have one text.
#include <charconv>
#include <limits>

#include "core/base/element.h"
#include "core/base/program.h"
#include "core/base/status.h"

namespace jt {

namespace {

constexpr size_t kMostText = size_t(16) << 20;
constexpr size_t kMostNumbered = size_t(std::numeric_limits<int16_t>::max());  // registers, operands, scalars
constexpr uint32_t kMostScratch = 1u << 30;

class ProgramReader {
 public:
  explicit ProgramReader(std::string_view text) : text_(text) {}

  Program read() {
    if (text_.size() > kMostText) bad("is longer than 16 MiB");
    if (!next_line()) bad("is empty");
    read_header();
    while (next_line()) {
      next_word();
      if (word_.starts_with('@')) read_operand();
      else if (line_.starts_with("  ")) read_instr();
      else if (word_.ends_with(':')) read_stage();
      else read_register();
      if (next_word()) bad("ends before", word_);
    }
    refuse_other_spellings();
    return std::move(program_);
  }

 private:
  [[noreturn]] void bad(std::string_view what, std::string_view word = {}) const {
    std::string shown(word.substr(0, 40));
    fail(JT_E_INVALID, "program: line ", line_number_, ": ", what, word.empty() ? "" : " `", shown,
         word.empty() ? "" : "`");
  }
  void demand(bool claim, std::string_view what) const {
    if (!claim) bad(what);
  }

  // ---- lines and words ----
  bool next_line() {
    if (at_ >= text_.size()) return false;
    line_number_++;
    size_t end = text_.find('\n', at_);
    if (end == text_.npos) bad("does not end with a line feed");
    line_ = rest_ = text_.substr(at_, end - at_);
    at_ = end + 1;
    return true;
  }
  bool next_word() {
    while (rest_.starts_with(' ')) rest_.remove_prefix(1);
    word_ = rest_.substr(0, rest_.find(' '));
    rest_.remove_prefix(word_.size());
    return !word_.empty();
  }
  void expect(std::string_view wanted) {
    next_word();
    if (word_ != wanted) bad(text("expected ", wanted, ", found"), word_);
  }
  template <class Int>
  Int number(std::string_view digits, Int most) const {
    Int value = 0;
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size() || value < 0 || value > most)
      bad("no number, or one out of range:", word_);
    return value;
  }
  template <class Enum>
  Enum named(std::string_view wanted, Enum last) const {
    for (int k = 0; k <= int(last); k++)
      if (wanted == name(Enum(k))) return Enum(k);
    bad("unknown word", word_);
  }
  CType ctype(std::string_view word) const { return named(word, CType(kCTypes - 1)); }
  DType dtype(std::string_view word) const {
    DType found = dtype_named(word);
    if (!is_dtype(found)) bad("unknown dtype", word);
    return found;
  }
  // The number in a word such as r7, @7 or s7.
  int16_t numbered(std::string_view word, char letter, size_t count) const {
    if (!word.starts_with(letter) || count == 0) bad(text("expected a declared ", letter, "N, found"), word);
    return int16_t(number(word.substr(1), int(count) - 1));
  }

  // ---- declarations ----
  void read_header() {
    expect("program");
    next_word();
    program_.mode = named(word_, Mode::column);
    expect("scalars");
    next_word();
    program_.scalars = number(word_, int(kMostNumbered));
    expect("scratch");
    next_word();
    program_.scratch_bytes = number(word_, kMostScratch);
    if (next_word()) bad("ends before", word_);
  }

  void read_operand() {
    demand(program_.registers.empty() && program_.stages.empty(), "an operand after registers or stages");
    demand(program_.operands.size() < kMostNumbered, "too many operands");
    numbered(word_, '@', program_.operands.size() + 1);
    Operand o;
    next_word();
    o.dtype = dtype(word_);
    next_word();
    o.access = named(word_, Access::whole);
    next_word();
    o.level = named(word_, Level::inner);
    if (next_word()) {
      if (word_ != "output") bad("unknown word", word_);
      o.is_output = true;
    }
    program_.operands.push_back(o);
  }

  void read_register() {
    demand(program_.stages.empty(), "a register after stages");
    demand(program_.registers.size() < kMostNumbered, "too many registers");
    numbered(word_, 'r', program_.registers.size() + 1);
    Register r;
    next_word();
    r.type = ctype(word_);
    next_word();
    r.level = named(word_, Level::inner);
    expect("at");
    next_word();
    r.offset = number(word_, kMostScratch);
    demand(r.offset % 64 == 0, "a register's offset is not a multiple of 64");
    program_.registers.push_back(r);
    written_.push_back(false);
  }

  void read_stage() {
    Level level = named(word_.substr(0, word_.size() - 1), Level::inner);
    int at = int(program_.instrs.size());
    program_.stages.push_back({level, at, at});
    demand(level != Level::inner || program_.mode != Mode::flat, "an inner stage in flat mode");
  }

  // ---- instructions:  [rN =] verb[.sub] [@N|sN] type registers [-> @N] ----
  struct Verb {
    std::string_view name;
    Code code;
    int least, most;  // registers read
  };
  static constexpr Verb kVerbs[] = {
      {"scalar", Code::scalar, 0, 0},   {"load", Code::load, 0, 1},       {"store", Code::store, 1, 1},
      {"narrow", Code::narrow, 1, 1},   {"convert", Code::convert, 1, 1}, {"index", Code::index, 0, 0},
      {"gather", Code::gather, 1, 2},   {"scatter", Code::scatter, 2, 2}, {"random", Code::random, 3, 3},
      {"reduce", Code::reduce, 1, 1},
  };

  Verb verb_named(std::string_view wanted, Instr& i) const {
    for (const Verb& v : kVerbs)
      if (v.name == wanted) return v;
    for (int k = 0; k < kElements; k++) {
      if (wanted != kElementFacts[k].name) continue;
      i.prim = uint16_t(k);
      return {wanted, Code::element, kElementFacts[k].arity, kElementFacts[k].arity};
    }
    bad("unknown instruction", wanted);
  }

  void read_sub(Instr& i, std::string_view sub) const {
    switch (i.code) {
      case Code::narrow: i.sub = uint8_t(dtype(sub)); break;
      case Code::convert: i.sub = uint8_t(ctype(sub)); break;
      case Code::scatter: i.sub = uint8_t(named(sub, Combine::min)); break;
      case Code::reduce: i.sub = uint8_t(named(sub, Reduction::argmin)); break;
      default: demand(sub.empty(), "an instruction that takes no `.`");
    }
  }

  void read_instr() {
    demand(!program_.stages.empty(), "an instruction before the first stage");
    Instr i{};
    std::string_view first = word_;
    bool has_result = rest_.starts_with(" = ");
    if (has_result) {
      i.dst = numbered(first, 'r', program_.registers.size());
      expect("=");
      next_word();
    }
    size_t dot = word_.find('.');
    Verb verb = verb_named(word_.substr(0, dot), i);
    i.code = verb.code;
    read_sub(i, dot == word_.npos ? std::string_view() : word_.substr(dot + 1));
    demand(has_result == (i.code != Code::store && i.code != Code::scatter), "a result where there is none, or none");
    next_word();
    if (i.code == Code::scalar) {
      i.operand = numbered(word_, 's', size_t(program_.scalars));
      next_word();
    } else if (word_.starts_with('@')) {
      i.operand = numbered(word_, '@', program_.operands.size());
      next_word();
    }
    i.type = ctype(word_);
    read_registers(i, verb);
    check(i);
    if (i.dst >= 0) written_[size_t(i.dst)] = true;
    program_.instrs.push_back(i);
    program_.stages.back().last = int(program_.instrs.size());
  }

  void read_registers(Instr& i, const Verb& verb) {
    int16_t* places[] = {&i.a, &i.b, &i.c};
    int count = 0, skipped = i.code == Code::load;  // the only register of a load is its fill, b
    while (next_word() && word_ != "->") {
      demand(count < verb.most, "too many registers");
      *places[skipped + count++] = numbered(word_, 'r', program_.registers.size());
    }
    demand(count >= verb.least, "too few registers");
    if (word_ != "->") return;
    demand(i.code == Code::element, "`->` after what is no element instruction");
    next_word();
    i.operand = numbered(word_, '@', program_.operands.size());
  }

  // ---- an instruction against the declarations ----
  CType type_of(int r) const { return program_.registers[size_t(r)].type; }
  Level level_of(int r) const { return program_.registers[size_t(r)].level; }

  void check(const Instr& i) const {
    for (int r : {i.a, i.b, i.c})
      if (r >= 0 && !written_[size_t(r)]) bad("reads a register that is not written yet:", text("r", r));
    check_result(i);
    check_operand(i);
    if (!types_fit(i)) bad("types of registers and instruction differ");
  }

  void check_result(const Instr& i) const {
    if (i.dst < 0) return;
    const Register& r = program_.registers[size_t(i.dst)];
    uint64_t elements = r.level == Level::uniform ? 1 : kBlock;
    demand(r.offset + elements * uint64_t(size_of(r.type)) <= program_.scratch_bytes,
           "a register outside the scratch memory");
    Level stage = program_.stages.back().level;
    bool folds = i.code == Code::reduce;
    demand(!folds || stage == Level::inner, "a reduction outside an inner stage");
    demand(r.level == (folds ? Level::outer : stage), "the result is of another level than its stage");
    for (int read : {i.a, i.b, i.c})
      demand(read < 0 || level_of(read) <= stage, "reads a register of a deeper level");
  }

  static bool needs_operand(Code c) {
    return c == Code::load || c == Code::store || c == Code::index || c == Code::gather || c == Code::scatter;
  }
  void check_operand(const Instr& i) const {
    if (needs_operand(i.code)) demand(i.operand >= 0, "an operand is missing");
    else demand(i.operand < 0 || i.code == Code::scalar || i.code == Code::element, "an operand too many");
    if (i.operand < 0 || i.code == Code::scalar) return;
    const Operand& o = program_.operands[size_t(i.operand)];
    bool whole = i.code == Code::gather || i.code == Code::scatter;
    bool writes = i.code == Code::store || i.code == Code::scatter || i.code == Code::element;
    demand(whole == (o.access == Access::whole), "an operand of another access");
    demand(!writes || o.is_output, "writes an operand that is no output");
    demand(i.code != Code::element || o.access == Access::direct, "`->` an operand that is not direct");
    demand(i.code != Code::index || o.access == Access::mapped, "`index` of an operand without a map");
    if (!whole) demand(o.level <= program_.stages.back().level, "an operand of a deeper level than the stage");
  }

  bool types_fit(const Instr& i) const {
    auto is = [&](int r, CType t) { return r < 0 || type_of(r) == t; };
    CType stored = needs_operand(i.code) ? ctype_of(program_.operands[size_t(i.operand)].dtype) : i.type;
    switch (i.code) {
      case Code::scalar: return is(i.dst, i.type);
      case Code::load: return is(i.dst, i.type) && i.type == stored && is(i.b, stored) && is_uniform(i.b);
      case Code::store: return is(i.a, i.type) && i.type == stored;
      case Code::element: return element_fits(i);
      case Code::narrow: return is(i.dst, i.type) && is(i.a, i.type) && ctype_of(DType(i.sub)) == i.type;
      case Code::convert: return is(i.dst, i.type) && is(i.a, CType(i.sub));
      case Code::index: return is(i.dst, CType::i64) && i.type == CType::i64;
      case Code::gather:
        return is(i.dst, i.type) && i.type == stored && is(i.a, CType::i64) && is(i.b, stored) && is_uniform(i.b);
      case Code::scatter: return i.type == stored && is(i.a, CType::i64) && is(i.b, stored);
      case Code::random:
        return i.type == CType::i64 && is(i.dst, CType::i64) && is(i.a, CType::i64) && is(i.b, CType::u64) &&
               is(i.c, CType::i64);
      case Code::reduce: return reduction_fits(i);
    }
    return false;
  }
  bool is_uniform(int r) const { return r < 0 || level_of(r) == Level::uniform; }

  bool element_fits(const Instr& i) const {
    const ElementFacts& facts = kElementFacts[i.prim];
    bool chooses = facts.types == ElementTypes::CHOICE;
    if (!computes_in(facts.types, i.type)) return false;
    if (type_of(i.dst) != (facts.gives_bool ? CType::b8 : i.type)) return false;
    if (i.operand >= 0 && ctype_of(program_.operands[size_t(i.operand)].dtype) != type_of(i.dst)) return false;
    if (type_of(i.a) != (chooses ? CType::b8 : i.type)) return false;
    return (i.b < 0 || type_of(i.b) == i.type) && (i.c < 0 || type_of(i.c) == i.type);
  }

  bool reduction_fits(const Instr& i) const {
    Reduction r = Reduction(i.sub);
    bool finds = r == Reduction::argmax || r == Reduction::argmin;
    if (i.type != type_of(i.a) && !(finds && i.type == CType::i64)) return false;
    return type_of(i.dst) == (finds ? CType::i64 : type_of(i.a));
  }

  void refuse_other_spellings() {
    std::string canonical = to_text(program_);
    if (canonical == text_) return;
    line_number_ = 1;
    for (size_t k = 0; k < text_.size() && k < canonical.size() && text_[k] == canonical[k]; k++)
      line_number_ += text_[k] == '\n';
    bad("is not spelled as a program prints");
  }

  std::string_view text_, line_, rest_, word_;
  size_t at_ = 0;
  int line_number_ = 0;
  Program program_;
  std::vector<bool> written_;
};

}  // namespace

Program parse_program(std::string_view text) { return ProgramReader(text).read(); }

}  // namespace jt
