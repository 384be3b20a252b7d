// element_text: element rows of ops.def and what they call in prelude.def -> functions of a C-like language.
//
// The text is the tables' own: a row is a function around its expression, a row of prelude.def is itself, so what a
// compiler makes of it has the bits of the block primitives. Where a language has name spaces, one for each compute
// type keeps the names as they are: `in_f32::exp`; in C99 they carry the type: `jt_exp_f32`.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/element.h"
#include "core/render/dialect.h"

namespace jt {

class ElementText {
 public:
  explicit ElementText(const Dialect& dialect) : dialect_(dialect) {}

  static bool is_printable(int row, CType type);
  // As a part of a longer loop: without calls, branches, integer divisions.
  bool vectorises(int row, CType type) const;
  // Costs more than memory does: an exponential, a logarithm.
  static bool is_costly(int row, CType type);
  // The name of the row's function, which will be defined. It is printable.
  std::string use(int row, CType type);
  // A function of prelude.def by name.
  std::string use(const char* function, CType type);
  // Definitions of all that is used, callees first.
  std::string definitions() const;
  const char* type_name(CType type) const;  // `float`; without name spaces a b8 is a byte, else a `bool`

 private:
  void use_functions_in(const std::string& text, CType type);
  std::string name_of(std::string_view function, CType type) const;
  std::string spelled(std::string_view body, CType type) const;
  std::string definition_of_function(int function, CType type) const;
  std::string definition_of_row(int row, CType type) const;

  const Dialect dialect_;
  std::vector<bool> rows_[kCTypes], functions_[kCTypes];  // those to print
};

}  // namespace jt
