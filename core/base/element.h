// element: the element rows of ops.def as the loop IR sees them: an ordinal, a name, an arity, legal compute types.
//
// Ordinals count the unary rows, then the binary, then the ternary ones, in the order of the table.
#pragma once
#include <cstdint>

#include "core/base/program.h"

namespace jt {

enum class Element : uint16_t {
#define JT_UNARY(name, ...) name##_,
#define JT_BINARY(name, ...) name##_,
#define JT_TERNARY(name, ...) name##_,
#include "core/ir/ops.def"
  count_
};
constexpr int kElements = int(Element::count_);

enum class ElementTypes : uint8_t { FLOAT, NUMBER, ANY, INTEGER, LOGICAL, CHOICE };

struct ElementFacts {
  const char* name;
  uint8_t arity;
  ElementTypes types;
  bool gives_bool;
};

constexpr bool RESULT_SAME = false, RESULT_BOOL = true;
constexpr ElementFacts kElementFacts[kElements] = {
#define JT_UNARY(name, types, result, ...) {#name, 1, ElementTypes::types, RESULT_##result},
#define JT_BINARY(name, types, result, ...) {#name, 2, ElementTypes::types, RESULT_##result},
#define JT_TERNARY(name, types, result, ...) {#name, 3, ElementTypes::types, RESULT_##result},
#include "core/ir/ops.def"
};

// Whether the row can be computed in `t` (for CHOICE: the type of its last two operands).
constexpr bool computes_in(ElementTypes types, CType t) {
  bool is_float = t == CType::f32 || t == CType::f64, is_bool = t == CType::b8;
  switch (types) {
    case ElementTypes::FLOAT: return is_float;
    case ElementTypes::NUMBER: return !is_bool;
    case ElementTypes::INTEGER: return !is_float;
    case ElementTypes::LOGICAL: return is_bool;
    default: return true;
  }
}

}  // namespace jt
