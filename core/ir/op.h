// op: the op table as values: one OpDef per row of ops.def, in the order of the table.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/dtype.h"
#include "core/base/program.h"
#include "core/base/shape.h"

namespace jt {

enum class Op : uint16_t {
  data,       // a leaf: a value that exists, or a parameter of a block
  constant,   // a 0-d scalar written in the program
  custom,     // what the program brought along: core/ir/custom.h
#define JT_UNARY(name, ...) name,
#define JT_BINARY(name, ...) name,
#define JT_TERNARY(name, ...) name,
#define JT_REDUCE(name, ...) name,
#define JT_OP(name, ...) name,
#include "core/ir/ops.def"
  count
};
constexpr int kOps = int(Op::count);
constexpr int kFirstElement = int(Op::neg), kLastElement = int(Op::fma);

enum class Kind : uint8_t { leaf, constant, element, cast, reduce, movement, index, library, source, composite, custom };
enum class Operands : uint8_t { FLOAT, NUMBER, ANY, INTEGER, LOGICAL, CHOICE };  // `types` of a row
enum class ResultRule : uint8_t { SAME, BOOL, WIDE, INDEX };
enum class AttrType : uint8_t { integer, ints, boolean, real, dtype, string };

struct AttrDef {
  std::string_view name;
  AttrType type;
  std::string_view fallback;  // text of the default; empty: none (ints: an empty list)
};

struct Node;
struct Ref;
class Attrs;
struct Type;

// What a type rule sees and fills.
struct TypeRule {
  const struct OpDef& op;
  std::span<const Ref> inputs;
  Attrs& attrs;  // may be normalised: negative axes, -1 in shapes
  Type* results;
};

class Recorder;
class Value;
using Body = Value (*)(Recorder&, std::span<const Ref> inputs, const Attrs& attrs, const Type& result);

struct OpDef {
  const char* name;
  Kind kind;
  Operands operands = Operands::ANY;
  ResultRule result = ResultRule::SAME;
  Reduction reduction = Reduction::sum;
  bool commutes = false;
  const char* signature;
  void (*type)(TypeRule&) = nullptr;
  Body body = nullptr;  // composite rows: the op in other ops
  double lo = -4, hi = 4;
  const char* float_text = "";  // element rows: the expressions as text
  const char* int_text = "";
  const char* since;
  const char* doc;
};

extern const OpDef kOpTable[];  // by Op
inline const OpDef& def(Op op) { return kOpTable[int(op)]; }
inline const char* name(Op op) { return def(op).name; }
inline int element_ordinal(Op op) { return int(op) - kFirstElement; }
// The op called `name`; Op::count if there is none.
Op op_named(std::string_view name);

// A signature taken apart.
struct Signature {
  std::vector<std::string_view> operands;  // names, without ? and ...
  std::vector<bool> optional;
  bool variadic = false;  // the last operand repeats
  std::vector<AttrDef> attrs;
  std::vector<std::string_view> results;
};
Signature signature(const OpDef& op);

}  // namespace jt
