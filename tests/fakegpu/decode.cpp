#include "tests/fakegpu/decode.h"

#include <algorithm>
#include <cstring>

namespace fakegpu {

const OpcodeTable& opcodes() {
  static const OpcodeTable table = [] {
    OpcodeTable t;
    // Integers after floats: their rows hand on what is of floats.
    for (auto add : {add_float_opcodes, add_integer_opcodes, add_bit_opcodes, add_compare_opcodes, add_convert_opcodes,
                     add_move_opcodes, add_memory_opcodes, add_atomic_opcodes, add_warp_opcodes, add_control_opcodes,
                     add_matrix_opcodes, add_async_opcodes})
      add(t);
    return t;
  }();
  return table;
}

static uint64_t round_up(uint64_t value, uint64_t to) { return (value + to - 1) / to * to; }

// ---- layout

uint32_t Decoder::new_cell(uint32_t bytes) {
  uint32_t at = kernel_->register_bytes;
  kernel_->register_bytes += bytes;
  return at;
}

// A predicate is one word; anything else 32 cells.
static uint32_t cell_bytes(Type type) { return type == Type::kPred ? 8 : size_of(type) * 32; }

// Functions never recur, so that each one's registers and variables have places of their own.
void Decoder::lay_out(const Function& f) {
  Frame& frame = frames_[&f];
  for (Type type : f.registers) frame.registers.push_back(new_cell(cell_bytes(type)));
  for (const Variable& v : f.variables) {
    if (v.is_kernel_parameter) { frame.variables.push_back(0); continue; }
    uint32_t& end = v.space == Space::kShared ? kernel_->static_shared : kernel_->local_bytes;
    uint64_t at = round_up(end, std::max(v.alignment, 1u));
    frame.variables.push_back(at);
    end = at + v.size;
  }
  kernel_->local_bytes = round_up(kernel_->local_bytes, 16);
}

void Decoder::lay_out_kernel_parameters(const Function& entry) {
  Frame& frame = frames_[&entry];
  for (uint32_t index : entry.parameters) {
    const Variable& v = entry.variables[index];
    uint32_t at = round_up(kernel_->parameter_bytes, v.alignment);
    frame.variables[index] = at;
    kernel_->parameters.push_back({at, static_cast<uint32_t>(v.size)});
    kernel_->parameter_bytes = at + v.size;
  }
}

std::unique_ptr<Kernel> Decoder::kernel(const Function& entry) {
  kernel_ = std::make_unique<Kernel>();
  kernel_->name = entry.name;
  kernel_->text = text_;
  kernel_->max_threads = entry.max_threads;
  for (const Variable& v : text_->variables) {
    if (v.space != Space::kShared || v.is_dynamic) continue;
    shared_offsets_[v.name] = round_up(kernel_->static_shared, v.alignment);
    kernel_->static_shared = shared_offsets_[v.name] + v.size;
  }
  use(entry);
  lay_out_kernel_parameters(entry);
  for (size_t i = 0; i < queue_.size(); ++i) decode_function(*queue_[i]);
  // Dynamic shared memory begins behind the static one, so its addresses come last.
  resolve();
  choose_granule();
  return std::move(kernel_);
}

void Decoder::use(const Function& callee) {
  if (std::find(queue_.begin(), queue_.end(), &callee) != queue_.end()) return;
  queue_.push_back(&callee);
  lay_out(callee);
}

void Decoder::decode_function(const Function& f) {
  function_ = &f;
  Frame& frame = frames_[&f];
  frame.begin = kernel_->code.size();
  std::vector<uint32_t> starts;
  for (const Statement& s : f.statements) {
    starts.push_back(kernel_->code.size());
    decode_statement(s);
  }
  starts.push_back(kernel_->code.size());
  Instruction end;  // a body that ends without ret
  end.control = Control::kReturn;
  end.line = f.statements.empty() ? 0 : f.statements.back().line;
  kernel_->code.push_back(end);
  for (Fix& fix : fixes_) {
    if (fix.function != &f || fix.label.empty()) continue;
    auto found = f.labels.find(fix.label);
    if (found == f.labels.end())
      throw PtxError("PTX line " + std::to_string(kernel_->code[fix.instruction].line) + ": no label " + fix.label);
    kernel_->code[fix.instruction].target = starts[found->second];
    fix.label.clear();
  }
}

void Decoder::decode_statement(const Statement& s) {
  statement_ = &s;
  taken_.assign(s.modifiers.size(), false);
  auto found = opcodes().find(s.opcode);
  if (found == opcodes().end()) unsupported("unsupported opcode");
  Instruction out;
  out.line = s.line;
  if (s.guard >= 0) {
    if (function_->registers[s.guard] != Type::kPred) unsupported("a guard that is no predicate");
    out.guard = frames_[function_].registers[s.guard] | (s.guard_negated ? kNegatedBit : 0);
  }
  found->second(*this, out);
  for (size_t i = 0; i < taken_.size(); ++i)
    if (!taken_[i]) unsupported("unsupported modifier ." + s.modifiers[i]);
  kernel_->code.push_back(std::move(out));
}

void Decoder::emit(Instruction out) { kernel_->code.push_back(std::move(out)); }

void Decoder::label_target(size_t i) {
  const Operand& o = operand(i);
  if (o.kind != Operand::kName) unsupported("a target that is no label");
  fixes_.push_back({kernel_->code.size(), function_, o.name});
}

void Decoder::call_target(size_t i, Instruction& out) {
  const Operand& o = operand(i);
  const Function* f = o.kind == Operand::kName ? callee(o.name) : nullptr;
  if (!f) unsupported("a call of " + (o.name.empty() ? "an address" : o.name) + ", which has no body here");
  use(*f);
  out.target = std::find(queue_.begin(), queue_.end(), f) - queue_.begin();
}

void Decoder::resolve() {
  for (Instruction& i : kernel_->code)
    if (i.control == Control::kCall) i.target = frames_[queue_[i.target]].begin;
}

// Two warps may write neighbours, so races are looked for in units of the smallest access to shared memory.
void Decoder::choose_granule() {
  for (const Function* f : queue_)
    for (const Statement& s : f->statements) {
      if (s.opcode != "ld" && s.opcode != "st") continue;
      bool may_be_shared = std::find_if(s.modifiers.begin(), s.modifiers.end(), [](const std::string& m) {
        return m == "global" || m == "param" || m == "local" || m == "const"; }) == s.modifiers.end();
      if (may_be_shared)
        kernel_->shared_granule = std::min<uint32_t>(kernel_->shared_granule, size_of(type_named(s.modifiers.back())));
    }
}

// ---- modifiers

bool Decoder::has(std::string_view modifier) const {
  return std::find(statement_->modifiers.begin(), statement_->modifiers.end(), modifier) != statement_->modifiers.end();
}

bool Decoder::take(std::string_view modifier) {
  bool found = false;
  for (size_t i = 0; i < taken_.size(); ++i)
    if (!taken_[i] && statement_->modifiers[i] == modifier) found = taken_[i] = true;
  return found;
}

std::string Decoder::take_any(std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (take(name)) return name;
  return "";
}

Type Decoder::take_type() {
  for (size_t i = taken_.size(); i-- > 0;) {
    Type type = taken_[i] ? Type::kNone : type_named(statement_->modifiers[i]);
    if (type == Type::kNone) continue;
    taken_[i] = true;
    return type;
  }
  unsupported("no type");
}

void Decoder::unsupported(const std::string& why) const {
  std::string opcode = statement_->opcode;
  for (const std::string& modifier : statement_->modifiers) opcode += "." + modifier;
  throw PtxError("PTX line " + std::to_string(statement_->line) + ": " + opcode + ": " + why + ": " +
                 text_->line(statement_->line));
}

// ---- operands

const Operand& Decoder::operand(size_t i) const {
  if (i >= statement_->operands.size()) unsupported("operand " + std::to_string(i + 1) + " is missing");
  return statement_->operands[i];
}

uint32_t Decoder::width(const Operand& o) const {
  return o.kind == Operand::kRegister ? size_of(function_->registers[o.index]) : 0;
}

uint32_t Decoder::destination(size_t i, Type type) { return destination(operand(i), type, false); }

uint32_t Decoder::destination(const Operand& o, Type type, bool may_be_wider) {
  if (o.kind == Operand::kName && o.name == "_") return kNoCell;
  if (o.kind != Operand::kRegister || o.negated) unsupported("a destination that is no register");
  Type declared = function_->registers[o.index];
  bool fits = (declared == Type::kPred) == (type == Type::kPred) &&
              (size_of(declared) == size_of(type) || (may_be_wider && size_of(declared) > size_of(type)));
  if (!fits) unsupported(std::string("a register of ") + name_of(declared) + " for a value of " + name_of(type));
  return frames_[function_].registers[o.index];
}

uint32_t Decoder::source(size_t i, Type type) { return source(operand(i), type); }

uint32_t Decoder::source(const Operand& o, Type type, bool may_be_wider) {
  switch (o.kind) {
    case Operand::kRegister:
      return destination({.kind = o.kind, .index = o.index}, type, may_be_wider) | (o.negated ? kNegatedBit : 0);
    case Operand::kInteger:
      if (is_float(type)) unsupported("an integer for a value of " + std::string(name_of(type)));
      if (type == Type::kPred) return constant((o.bits != 0) != o.negated ? ~0u : 0, 4);
      return constant(o.bits, size_of(type));
    case Operand::kReal: {
      if (size_of(type) < 4) unsupported("a float for a value of " + std::string(name_of(type)));
      if (o.is_single == (size_of(type) == 4)) return constant(o.bits, size_of(type));
      double wide;
      memcpy(&wide, &o.bits, 8);
      float narrow = static_cast<float>(wide);
      uint32_t bits;
      memcpy(&bits, &narrow, 4);
      return o.is_single ? constant(o.bits, size_of(type)) : constant(bits, 4);
    }
    case Operand::kName:
    case Operand::kVariable: return name_source(o, type);
    default: unsupported("an operand of this form");
  }
}

uint64_t Decoder::variable_address(const Variable& v) const {
  if (v.is_dynamic) return kernel_->dynamic_shared_at();  // entries declare what is static before they name what is not
  if (v.space == Space::kShared) return shared_offsets_.at(v.name);
  auto found = addresses_.find(v.name);
  if (found == addresses_.end()) unsupported("variable " + v.name + " has no address");
  return found->second;
}

// A name that is no register: a special register, or the address of a variable.
uint32_t Decoder::name_source(const Operand& o, Type type) {
  if (o.kind == Operand::kVariable) return constant(frame_offset(*function_, o.index), size_of(type));
  if (o.name[0] == '%') {
    if (size_of(type) != 4) unsupported(o.name + " as a value of " + name_of(type));
    return special(o.name);
  }
  if (o.name == "WARP_SZ") return constant(32, size_of(type));
  for (const Variable& v : text_->variables)
    if (v.name == o.name) return constant(variable_address(v), size_of(type));
  unsupported("unknown name " + o.name);
}

uint32_t Decoder::special(const std::string& name) {
  auto known = std::find(std::begin(kSpecialNames), std::end(kSpecialNames), name);
  if (known == std::end(kSpecialNames)) unsupported("unsupported special register " + name);
  auto [place, is_new] = special_cells_.try_emplace(name);
  if (is_new) {
    place->second = new_cell(128);
    kernel_->specials.push_back({static_cast<Special>(known - std::begin(kSpecialNames)), place->second});
  }
  return place->second;
}

uint32_t Decoder::constant(uint64_t bits, uint32_t bytes) {
  if (bytes < 8) bits &= (1ull << bytes * 8) - 1;
  auto [place, is_new] = constant_cells_.try_emplace({bits, bytes});
  if (is_new) {
    place->second = kernel_->constants.size() * 8 | kConstantBit;
    uint64_t pattern = 0;
    for (uint32_t i = 0; i < 8 / bytes; ++i) pattern |= bits << i * bytes * 8;
    kernel_->constants.insert(kernel_->constants.end(), bytes * 4, pattern);
  }
  return place->second;
}

Decoder::Place Decoder::address(size_t i) {
  const Operand& o = operand(i);
  if (o.kind != Operand::kAddress) unsupported("operand " + std::to_string(i + 1) + " is no address");
  Place place{kNoCell, 0, o.offset, Space::kGeneric, false};
  if (o.parts.empty()) return place;
  const Operand& base = o.parts[0];
  if (base.kind == Operand::kRegister) {
    Type type = function_->registers[base.index];
    place.base_width = size_of(type);
    if (place.base_width != 4 && place.base_width != 8) unsupported(std::string("an address of ") + name_of(type));
    place.base = destination(base, type, false);
  } else if (base.kind == Operand::kVariable) {
    const Variable& v = function_->variables[base.index];
    place.offset += frame_offset(*function_, base.index);
    place.space = v.space == Space::kParam && !v.is_kernel_parameter ? Space::kLocal : v.space;
    place.is_kernel_parameter = v.is_kernel_parameter;
  } else {
    for (const Variable& v : text_->variables)
      if (v.name == base.name) {
        place.offset += variable_address(v);
        place.space = v.space;
        return place;
      }
    unsupported("unknown name " + base.name);
  }
  return place;
}

}  // namespace fakegpu
