// element_text: element rows of ops.def and what they call in prelude.def -> C++ text, one namespace per compute type.
//
// The text is the tables' own: a row is the function `name_` around its expression, a row of prelude.def is itself, so what a
// compiler makes of it has the bits of the block primitives. Rows that do not vectorise as a part of a longer loop (calls of
// the C library, branches, integer division) are not printed; a kernel calls the primitive for them.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "backends/cpu_tcc/vm/block_table.h"
#include "core/base/element.h"

namespace jt::cpu {

class ElementText {
 public:
  explicit ElementText(vm::Isa isa) : isa_(isa) {}

  bool is_printable(int row, CType type) const;
  // Costs more than memory does: an exponential, a logarithm.
  static bool is_costly(int row, CType type);
  // The row will be called: `in_f32::add_`. It is printable.
  std::string use(int row, CType type);
  // A function of prelude.def by name: `in_f32::fmaximum`.
  std::string use(const char* function, CType type);
  // Definitions of all that is used, callees first.
  std::string definitions() const;

  static const char* spelling(CType type);  // of values: `float`; a b8 is a `bool`

 private:
  void use_functions_in(const std::string& text, CType type);

  const vm::Isa isa_;
  std::vector<bool> rows_[kCTypes], functions_[kCTypes];  // those to print
};

}  // namespace jt::cpu
