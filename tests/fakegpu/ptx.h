// ptx: PTX text -> functions of statements, with registers, variables and labels resolved as far as the text alone
// allows.
//
// Invariant: every operand that names a register holds its number in Function::registers; a scope `{ }` may hide outer
// names, which is settled here. What a statement means is decode's business.
#pragma once

#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace fakegpu {

enum class Type : uint8_t {
  kNone, kPred, kU8, kS8, kB8, kU16, kS16, kB16, kF16, kBF16, kU32, kS32, kB32, kF32, kF16x2, kBF16x2, kTF32,
  kU64, kS64, kB64, kF64, kB128,
};
int size_of(Type type);
const char* name_of(Type type);
Type type_named(std::string_view name);  // kNone if none is
inline bool is_float(Type t) { return t == Type::kF16 || t == Type::kBF16 || t == Type::kF32 || t == Type::kF64; }
inline bool is_signed(Type t) { return t == Type::kS8 || t == Type::kS16 || t == Type::kS32 || t == Type::kS64; }

enum class Space : uint8_t { kGeneric, kGlobal, kConst, kShared, kLocal, kParam };

// What is wrong with a text, or beyond what is built; says the line.
struct PtxError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Variable {
  std::string name;
  Space space = Space::kGeneric;
  uint64_t size = 0;
  uint32_t alignment = 1;
  uint64_t offset = 0;              // in its space, once that is laid out
  bool is_dynamic = false;          // `extern .shared x[]`: begins where the static ones end
  bool is_kernel_parameter = false;
  std::vector<uint8_t> initial;     // empty: zeros
  struct Address { uint64_t at; std::string name; };
  std::vector<Address> addresses;   // 8-byte places that hold the address of another variable
};

struct Operand {
  enum Kind : uint8_t { kRegister, kInteger, kReal, kName, kVariable, kAddress, kVector, kNothing } kind = kNothing;
  bool negated = false;                // !%p
  uint32_t index = 0;                  // register or variable of the function
  uint64_t bits = 0;                   // kInteger: the value; kReal: the bits of a double or, is_single, of a float
  bool is_single = false;
  std::string name;                    // kName: a label, a function, a variable of the module or a special register
  int64_t offset = 0;                  // kAddress: base + offset
  // kVector: its elements; kAddress: the base, if any; a pair p|q: q, beside this operand's own p
  std::vector<Operand> parts;
};

struct Statement {
  uint32_t line = 0;
  std::string opcode;                  // "add"
  std::vector<std::string> modifiers;  // "rn", "f32"
  int guard = -1;                      // register of the predicate
  bool guard_negated = false;
  std::vector<Operand> operands;
};

struct Function {
  std::string name;
  bool is_entry = false, has_body = false;
  std::vector<uint32_t> parameters, results;  // variables
  std::vector<Type> registers;
  std::vector<Variable> variables;
  std::vector<Statement> statements;
  std::map<std::string, uint32_t> labels;     // -> index of a statement
  uint32_t max_threads = 0;                   // of .maxntid or .reqntid, 0: none said
};

struct Module {
  std::vector<Function> functions;
  std::vector<Variable> variables;
  std::vector<std::string> lines;  // of the text, for messages
  int target = 0;                  // 75 of .target sm_75

  const Function* function(std::string_view name) const;
  const std::string& line(uint32_t number) const;
};

Module parse_ptx(std::string_view text);

}  // namespace fakegpu
