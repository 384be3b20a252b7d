// decode: a function of statements -> a kernel of instructions. Each family of opcodes adds rows `opcode -> decoder` to
// one table; a decoder takes the modifiers and operands it knows, and what is left over is an error that names it.
#pragma once

#include <map>
#include <unordered_map>

#include "tests/fakegpu/machine.h"

namespace fakegpu {

class Decoder;
using Decode = void (*)(Decoder&, Instruction&);
using OpcodeTable = std::unordered_map<std::string, Decode>;

void add_integer_opcodes(OpcodeTable& table);
void add_bit_opcodes(OpcodeTable& table);
void add_float_opcodes(OpcodeTable& table);

void add_compare_opcodes(OpcodeTable& table);
void add_convert_opcodes(OpcodeTable& table);
void add_move_opcodes(OpcodeTable& table);
void add_memory_opcodes(OpcodeTable& table);
void add_atomic_opcodes(OpcodeTable& table);
void add_warp_opcodes(OpcodeTable& table);
void add_control_opcodes(OpcodeTable& table);
void add_matrix_opcodes(OpcodeTable& table);
void add_async_opcodes(OpcodeTable& table);

// Where the variables of a module lie on a device.
using Addresses = std::map<std::string, uint64_t>;

class Decoder {
 public:
  Decoder(std::shared_ptr<const Module> text, const Addresses& addresses)
      : text_(std::move(text)), addresses_(addresses) {}
  std::unique_ptr<Kernel> kernel(const Function& entry);

  // ---- for the families
  const Statement& statement() const { return *statement_; }
  bool take(std::string_view modifier);          // whether the opcode has it; it is known from then on
  bool has(std::string_view modifier) const;     // only looks
  Type take_type();                              // the last type among what is left of the modifiers
  std::string take_any(std::initializer_list<const char*> names);  // the one of them that it has, or ""
  [[noreturn]] void unsupported(const std::string& why) const;

  size_t operand_count() const { return statement_->operands.size(); }
  const Operand& operand(size_t i) const;
  uint32_t destination(size_t i, Type type);     // a register exactly as wide; `_` gives kNoCell
  uint32_t destination(const Operand& o, Type type, bool may_be_wider);
  uint32_t source(size_t i, Type type);          // a register as wide, an immediate or an address
  uint32_t source(const Operand& o, Type type, bool may_be_wider = false);
  uint32_t width(const Operand& o) const;        // bytes of a register
  uint32_t constant(uint64_t bits, uint32_t bytes);
  uint32_t scratch_predicate() { return new_cell(8); }
  // Base cell (kNoCell: none), offset and, of variables, space of an address.
  struct Place { uint32_t base; uint32_t base_width; int64_t offset; Space space; bool is_kernel_parameter; };
  Place address(size_t i);
  void call_target(size_t i, Instruction& out);  // once all code stands
  void label_target(size_t i);
  void emit(Instruction out);                    // an instruction before the one being decoded
  const Function& function() const { return *function_; }
  const Function* callee(const std::string& name) const { return text_->function(name); }
  uint64_t frame_offset(const Function& f, uint32_t variable) const { return frames_.at(&f).variables[variable]; }
  void use(const Function& callee);              // is decoded too
  Kernel& out() { return *kernel_; }

 private:
  struct Frame { std::vector<uint32_t> registers; std::vector<uint64_t> variables; uint32_t begin = 0; };
  struct Fix { size_t instruction; const Function* function; std::string label; };

  void lay_out(const Function& f);
  void lay_out_kernel_parameters(const Function& entry);
  void decode_function(const Function& f);
  void decode_statement(const Statement& s);
  void resolve();
  void choose_granule();
  uint32_t new_cell(uint32_t bytes);
  uint32_t special(const std::string& name);
  uint64_t variable_address(const Variable& v) const;
  uint32_t name_source(const Operand& o, Type type);

  std::shared_ptr<const Module> text_;
  const Addresses& addresses_;
  std::unique_ptr<Kernel> kernel_;
  const Function* function_ = nullptr;
  const Statement* statement_ = nullptr;
  std::vector<bool> taken_;
  std::map<const Function*, Frame> frames_;
  std::vector<const Function*> queue_;
  std::vector<Fix> fixes_;
  std::map<std::pair<uint64_t, uint32_t>, uint32_t> constant_cells_;
  std::map<std::string, uint32_t> special_cells_;
  std::map<std::string, uint64_t> shared_offsets_;
};

const OpcodeTable& opcodes();

}  // namespace fakegpu
