// The grammar of PTX: module directives, functions, and in them declarations, labels and statements.
#include <cstdlib>
#include <cstring>
#include <unordered_map>

#include "tests/fakegpu/ptx.h"
#include "tests/fakegpu/ptx_tokens.h"

namespace fakegpu {
namespace {

std::vector<std::string> split_lines(std::string_view text) {
  std::vector<std::string> lines;
  for (size_t begin = 0; begin <= text.size();) {
    size_t end = std::min(text.find('\n', begin), text.size());
    lines.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

bool is_number(const std::string& word) { return isdigit(static_cast<unsigned char>(word[0])); }

class Parser {
 public:
  explicit Parser(std::string_view text) : tokens_(text) { module_.lines = split_lines(text); }

  Module run() {
    while (tokens_.peek().kind != Token::kEnd) module_directive();
    return std::move(module_);
  }

 private:
  struct Name { bool is_register; uint32_t index; };

  [[noreturn]] void fail(const std::string& what, uint32_t line) const {
    throw PtxError("PTX line " + std::to_string(line) + ": " + what + ": " + module_.line(line));
  }
  [[noreturn]] void fail(const std::string& what) const { fail(what, tokens_.peek().line); }
  void expect(std::string_view mark) {
    if (!tokens_.take_if(mark)) fail("expected " + std::string(mark) + ", not " + tokens_.peek().text);
  }
  void skip_past(std::string_view mark) {
    while (tokens_.peek().kind != Token::kEnd && !tokens_.take_if(mark)) tokens_.take();
  }
  uint64_t number() {
    bool negative = tokens_.take_if("-");
    if (!is_number(tokens_.peek().text)) fail("expected a number, not " + tokens_.peek().text);
    uint64_t value = strtoull(tokens_.take().text.c_str(), nullptr, 0);
    return negative ? -value : value;
  }

  // ---- of the module
  void module_directive() {
    static const std::unordered_map<std::string, Space> spaces = {
        {".global", Space::kGlobal}, {".const", Space::kConst}, {".shared", Space::kShared}};
    bool is_extern = false;
    while (tokens_.peek().is(".visible") || tokens_.peek().is(".weak") || tokens_.peek().is(".extern") ||
           tokens_.peek().is(".common"))
      is_extern |= tokens_.take().is(".extern");
    Token token = tokens_.take();
    if (token.is(".version") || token.is(".address_size")) {
      tokens_.take();
    } else if (token.is(".target")) {
      std::string target = tokens_.take().text;
      module_.target = target.size() > 3 ? atoi(target.c_str() + 3) : 0;
      while (tokens_.take_if(",")) tokens_.take();
    } else if (token.is(".entry") || token.is(".func")) {
      function(token.is(".entry"));
    } else if (token.is(".file")) {
      tokens_.take();
      if (tokens_.peek().kind == Token::kString) tokens_.take();
      while (tokens_.take_if(",")) tokens_.take();
    } else if (token.is(".section")) {
      skip_past("}");
    } else if (spaces.count(token.text)) {
      Variable variable = declaration(spaces.at(token.text));
      variable.is_dynamic = is_extern && variable.space == Space::kShared;
      module_.variables.push_back(std::move(variable));
      expect(";");
    } else {
      fail("unsupported directive " + token.text, token.line);
    }
  }

  // `.align 8 .b8 name[16] = {...}` after its state space.
  Variable declaration(Space space) {
    Variable variable;
    variable.space = space;
    Type type = Type::kNone;
    int vector = 1;
    for (;;) {
      Token token = tokens_.take();
      if (token.is(".align")) {
        variable.alignment = number();
      } else if (token.is(".ptr")) {  // of a kernel's parameter: what it points to, which binds nobody
        while (tokens_.peek().is(".global") || tokens_.peek().is(".shared") || tokens_.peek().is(".const") ||
               tokens_.peek().is(".local"))
          tokens_.take();
        if (tokens_.take_if(".align")) number();
      } else if (token.is(".v2") || token.is(".v4")) {
        vector = token.text[2] - '0';
      } else if (token.text[0] == '.') {
        if (token.is(".attribute")) { skip_past(")"); continue; }
        type = type_named(token.text.substr(1));
        if (type == Type::kNone) fail("unsupported type " + token.text, token.line);
      } else {
        variable.name = token.text;
        break;
      }
    }
    uint64_t count = 1;
    while (tokens_.take_if("[")) {
      count *= tokens_.peek().is("]") ? 0 : number();
      expect("]");
    }
    variable.size = count * vector * size_of(type);
    variable.alignment = std::max<uint32_t>(variable.alignment, size_of(type) * vector);
    if (tokens_.take_if("=")) initializer(variable, type);
    return variable;
  }

  void initializer(Variable& variable, Type type) {
    if (!tokens_.take_if("{")) {
      append_value(variable, type);
      return;
    }
    int depth = 1;
    while (depth) {
      if (tokens_.take_if("{")) ++depth;
      else if (tokens_.take_if("}")) --depth;
      else if (!tokens_.take_if(",")) append_value(variable, type);
    }
  }

  void append_value(Variable& variable, Type type) {
    size_t at = variable.initial.size();
    variable.initial.resize(at + size_of(type));
    bool names_variable = tokens_.peek().kind == Token::kWord && !is_number(tokens_.peek().text);
    if (names_variable) {
      std::string name = tokens_.take().text;
      if (name == "generic") { expect("("); name = tokens_.take().text; expect(")"); }
      variable.addresses.push_back({at, name});
      return;
    }
    bool negative = tokens_.take_if("-");
    Operand value = immediate(tokens_.take(), negative);
    memcpy(variable.initial.data() + at, &value.bits, size_of(type));
  }

  // ---- of a function
  void function(bool is_entry) {
    Function f;
    f.is_entry = is_entry;
    function_ = &f;
    scopes_.assign(1, {});
    if (!is_entry && tokens_.take_if("(")) f.results = parameters(false);
    f.name = tokens_.take().text;
    if (tokens_.take_if("(")) f.parameters = parameters(is_entry);
    for (;;) {
      if (tokens_.take_if(".noreturn")) continue;
      if (tokens_.peek().is(".maxntid") || tokens_.peek().is(".reqntid")) {
        tokens_.take();
        f.max_threads = number();
        while (tokens_.take_if(",")) f.max_threads *= number();
      } else if (tokens_.peek().is(".minnctapersm") || tokens_.peek().is(".maxnreg") ||
                 tokens_.peek().is(".maxnctapersm")) {
        tokens_.take();
        number();
      } else if (tokens_.take_if(".pragma")) {
        skip_past(";");
      } else {
        break;
      }
    }
    if (tokens_.take_if("{")) {
      f.has_body = true;
      body();
    } else {
      tokens_.take_if(";");
    }
    function_ = nullptr;
    module_.functions.push_back(std::move(f));
  }

  std::vector<uint32_t> parameters(bool of_kernel) {
    std::vector<uint32_t> list;
    while (!tokens_.take_if(")")) {
      tokens_.take_if(",");
      if (tokens_.peek().is(".reg")) fail("unsupported: a parameter in a register");
      expect(".param");
      Variable variable = declaration(Space::kParam);
      variable.is_kernel_parameter = of_kernel;
      list.push_back(add_variable(std::move(variable)));
    }
    return list;
  }

  uint32_t add_variable(Variable variable) {
    uint32_t index = function_->variables.size();
    scopes_.back()[variable.name] = {false, index};
    function_->variables.push_back(std::move(variable));
    return index;
  }

  const Name* look_up(const std::string& name) const {
    for (size_t i = scopes_.size(); i-- > 0;)
      if (auto found = scopes_[i].find(name); found != scopes_[i].end()) return &found->second;
    return nullptr;
  }

  void body() {
    while (!scopes_.empty()) {
      const Token& token = tokens_.peek();
      if (token.kind == Token::kEnd) fail("the text ends in a function");
      if (tokens_.take_if("{")) scopes_.emplace_back();
      else if (tokens_.take_if("}")) scopes_.pop_back();
      else if (tokens_.take_if(";")) continue;
      else if (token.text[0] == '.') declarations();
      else statement();
    }
  }

  void declarations() {
    Token token = tokens_.take();
    if (token.is(".reg")) {
      registers();
    } else if (token.is(".shared") || token.is(".local") || token.is(".param")) {
      Space space = token.is(".shared") ? Space::kShared : token.is(".local") ? Space::kLocal : Space::kParam;
      add_variable(declaration(space));
    } else if (token.is(".loc")) {
      for (int i = 0; i < 3; ++i) number();
      while (tokens_.take_if(",")) { tokens_.take(); tokens_.take(); if (tokens_.take_if("+")) tokens_.take(); }
      return;  // it has no semicolon
    } else if (!token.is(".pragma")) {
      fail("unsupported directive " + token.text, token.line);
    }
    skip_past(";");
  }

  void registers() {
    Token type = tokens_.take();
    Type of = type_named(type.text.substr(1));
    if (of == Type::kNone) fail("unsupported type " + type.text, type.line);
    do {
      std::string name = tokens_.take().text;
      uint64_t count = 0;
      bool is_family = tokens_.take_if("<");
      if (is_family) { count = number(); expect(">"); }
      for (uint64_t i = 0; i < (is_family ? count : 1); ++i) {
        scopes_.back()[is_family ? name + std::to_string(i) : name] = {
            true, static_cast<uint32_t>(function_->registers.size())};
        function_->registers.push_back(of);
      }
    } while (tokens_.take_if(","));
  }

  void statement() {
    Statement s;
    s.line = tokens_.peek().line;
    if (tokens_.take_if("@")) {
      s.guard_negated = tokens_.take_if("!");
      Token guard = tokens_.take();
      const Name* name = look_up(guard.text);
      if (!name || !name->is_register) fail("unknown predicate " + guard.text, guard.line);
      s.guard = name->index;
    }
    Token opcode = tokens_.take();
    if (opcode.kind != Token::kWord) fail("expected a statement, not " + opcode.text, opcode.line);
    if (s.guard < 0 && tokens_.take_if(":")) {
      if (!function_->labels.emplace(opcode.text, function_->statements.size()).second)
        fail("a second label " + opcode.text, opcode.line);
      return;
    }
    size_t begin = 0;
    for (size_t dot; (dot = opcode.text.find('.', begin)) != std::string::npos; begin = dot + 1) {
      if (begin == 0) s.opcode = opcode.text.substr(0, dot);
      else s.modifiers.push_back(opcode.text.substr(begin, dot - begin));
    }
    if (begin == 0) s.opcode = opcode.text;
    else s.modifiers.push_back(opcode.text.substr(begin));
    while (!tokens_.take_if(";")) {
      if (tokens_.peek().kind == Token::kEnd) fail("the text ends in a statement");
      s.operands.push_back(operand());
      if (!tokens_.take_if(",") && !tokens_.peek().is(";")) fail("expected ; not " + tokens_.peek().text);
    }
    function_->statements.push_back(std::move(s));
  }

  Operand operand() {
    Operand o;
    if (tokens_.take_if("{")) return list("}");
    if (tokens_.take_if("(")) return list(")");
    if (tokens_.take_if("[")) return address();
    if (tokens_.take_if("!")) {
      o = operand();
      o.negated = true;
      return o;
    }
    bool negative = tokens_.take_if("-");
    Token token = tokens_.take();
    if (token.kind != Token::kWord) fail("expected an operand, not " + token.text, token.line);
    if (negative || is_number(token.text)) return immediate(token, negative);
    o = named(token.text);
    if (tokens_.take_if("|")) o.parts.push_back(operand());
    return o;
  }

  Operand named(const std::string& name) const {
    Operand o;
    const Name* found = look_up(name);
    o.kind = !found ? Operand::kName : found->is_register ? Operand::kRegister : Operand::kVariable;
    if (found) o.index = found->index;
    o.name = name;
    return o;
  }

  Operand list(std::string_view end) {
    Operand o;
    o.kind = Operand::kVector;
    while (!tokens_.take_if(end)) {
      o.parts.push_back(operand());
      if (!tokens_.take_if(",") && !tokens_.peek().is(end)) fail("expected , not " + tokens_.peek().text);
    }
    return o;
  }

  Operand address() {
    Operand o;
    o.kind = Operand::kAddress;
    if (is_number(tokens_.peek().text) || tokens_.peek().is("-")) {
      o.offset = number();
    } else {
      o.parts.push_back(named(tokens_.take().text));
      if (tokens_.take_if("+")) o.offset = number();
      else if (tokens_.peek().is("-")) o.offset = number();
    }
    expect("]");
    return o;
  }

  Operand immediate(const Token& token, bool negative) const {
    const std::string& text = token.text;
    Operand o;
    bool is_bits = text.size() > 2 && text[0] == '0' && strchr("fFdD", text[1]);
    if (is_bits) {
      o.kind = Operand::kReal;
      o.is_single = tolower(text[1]) == 'f';
      o.bits = strtoull(text.c_str() + 2, nullptr, 16);
      if (negative) o.bits ^= o.is_single ? 0x80000000ull : 0x8000000000000000ull;
    } else if (text.find('.') != std::string::npos) {
      double value = strtod(text.c_str(), nullptr);
      if (negative) value = -value;
      o.kind = Operand::kReal;
      memcpy(&o.bits, &value, 8);
    } else {
      char* end = nullptr;
      o.kind = Operand::kInteger;
      o.bits = strtoull(text.c_str(), &end, 0);
      if (*end && strcmp(end, "U") != 0) fail("not a number: " + text, token.line);
      if (negative) o.bits = -o.bits;
    }
    return o;
  }

  Tokens tokens_;
  Module module_;
  Function* function_ = nullptr;
  std::vector<std::unordered_map<std::string, Name>> scopes_;
};

}  // namespace

Module parse_ptx(std::string_view text) { return Parser(text).run(); }

}  // namespace fakegpu
